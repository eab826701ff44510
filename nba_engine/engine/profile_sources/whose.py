"""By which of its identities a source is asked for a customer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from nba_engine.engine.profile_sources.memory import Kept, Memory

__all__ = ["Whose"]


class Whose:
    """The first identity of a namespace, in the order of their names, that a customer has.

    So it is the same one whoever asks. It is kept by customer for ``seconds``, of at most ``most``
    of them: finding it costs a read of the store. That a customer has none is not kept, for the next
    link may give it one. Thread-safe.
    """

    def __init__(
        self,
        namespace: str,
        *,
        most: int,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = f"{namespace}:"
        self._clock = clock
        self._lock = threading.Lock()
        self._known = Memory(most=most, ttl=seconds, stale_ttl=0.0, negative_ttl=0.0, clock=clock)

    def of(self, customer_id: str, linked: Callable[[], Sequence[str]]) -> str | None:
        """It without its namespace; ``linked`` gives all identities of the customer."""
        with self._lock:
            kept, _ = self._known.look(customer_id, {})
        if kept is not None and kept.values is not None:
            return str(kept.values["id"])
        found = [name for name in linked() if name.startswith(self._prefix)]
        if not found:
            return None
        key = min(found).removeprefix(self._prefix)
        now = self._clock()
        with self._lock:
            self._known.keep(customer_id, Kept(values={"id": key}, time=now, at=now, wanted={}))
        return key

    def of_nobody(self, identity: str) -> str | None:
        """The same for somebody unknown, who has this identity alone."""
        if identity.startswith(self._prefix):
            return identity.removeprefix(self._prefix)
        return None

    @property
    def customers(self) -> list[str]:
        """The ids of the customers that are kept."""
        with self._lock:
            return self._known.keys

    def forget(self, customers: Collection[str]) -> None:
        """Drop what is kept of these."""
        with self._lock:
            self._known.forget(customers)

    def sweep(self) -> None:
        """Drop what is too old to be used."""
        with self._lock:
            self._known.sweep()
