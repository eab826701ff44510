"""Contact plans for the customers of a store: what could be planned, chains, and back into the store."""
