"""Commands that learn from what happened: models, values, affinities, tables, segments, proof."""
