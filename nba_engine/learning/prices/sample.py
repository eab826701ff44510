"""A sample of logged requests, decided again without prices: what `solve` works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import DecisionRecord, FloatArray, IntArray
from nba_engine.engine import Snapshot, ranked_by
from nba_engine.engine.prices import PacedCell
from nba_engine.errors import FailedPrecondition, InvalidRequest
from nba_engine.learning.prices.refresh import Requests
from nba_engine.stages.limits import amount_of, named_of

__all__ = ["Sample", "SampleBuilder"]

_BEST = 12  # candidates of a slot: what is worth less than so many others does not come up


class Sample(NamedTuple):
    """Requests for `solve`; ``time`` (n,) of each, ``decisions`` that they came from."""

    requests: Requests
    time: FloatArray
    decisions: int


class SampleBuilder:
    """Collects the candidates of logged decisions, as far as the catalog in force can decide them.

    Each is decided again with the customer and the clock on record, without prices or a contact plan,
    and as if no paced limit were used up: what would be worth something is the question. A placement with k slots
    becomes k requests, with its candidates dealt out by rank, so that at equal prices the k best are
    the best of each.

    ``bonuses``: the most that is added for each minimum, by cell. What is worth something with these
    is kept, too, at what it is worth without.
    """

    def __init__(
        self, snapshot: Snapshot, cells: Sequence[PacedCell], bonuses: Mapping[str, float]
    ) -> None:
        self._snapshot = snapshot
        self._bonuses = dict(bonuses)
        self._added: FloatArray = np.zeros(len(snapshot.catalog.treatments))
        self._paced = tuple({named_of(cell.limit) for cell in cells})
        by_treatment: list[list[tuple[int, float]]] = [[] for _ in snapshot.catalog.treatments]
        for position, cell in enumerate(cells):
            for treatment in np.flatnonzero(cell.cells.cell == cell.cell).tolist():
                use = amount_of(cell.limit, int(cell.cells.amount[treatment]))
                self._added[treatment] += use * bonuses.get(cell.name, 0.0)
                by_treatment[treatment].append((position, -use if cell.floor else use))
        width = max(1, *map(len, by_treatment))
        self._use: FloatArray = np.zeros((len(by_treatment), width))
        self._limit: IntArray = np.zeros((len(by_treatment), width), dtype=np.intp)
        for treatment, draws in enumerate(by_treatment):
            for column, (position, use) in enumerate(draws):
                self._use[treatment, column] = use
                self._limit[treatment, column] = position
        self._treatments: list[IntArray] = []
        self._worths: list[FloatArray] = []
        self._times: list[float] = []
        self.decisions = 0
        self.refused = 0  # that the catalog in force cannot decide

    def add(self, record: DecisionRecord) -> None:
        """Decide one again and keep what could have been recommended."""
        usage = {
            account: used
            for account, used in record.usage.items()
            if not account.startswith(self._paced)
        }
        try:
            ranked = ranked_by(
                self._snapshot,
                msgspec.structs.replace(
                    record, prices=self._bonuses, usage=usage, contact_plan=None
                ),
            )
        except (FailedPrecondition, InvalidRequest):
            self.refused += 1
            return
        self.decisions += 1
        for slot, wanted in enumerate(record.request.placements):
            count = wanted.slots or self._snapshot.catalog.placements[wanted.placement].slots
            among = np.flatnonzero((ranked.slot == slot) & (ranked.score > 0.0))
            added = self._added[ranked.treatment[among]]
            worth = ranked.score[among] - added
            order = np.argsort(-worth)
            # of what a minimum may lift as many again
            plain, lifted = order[added[order] == 0.0], order[added[order] > 0.0]
            best = np.concatenate([plain[: _BEST * count], lifted[: _BEST * count]])
            best = best[np.argsort(-worth[best])]
            for turn in range(min(count, len(best))):
                dealt = best[turn::count]
                self._treatments.append(ranked.treatment[among[dealt]])
                self._worths.append(worth[dealt])
                self._times.append(record.time)

    def sample(self) -> Sample:
        """Everything so far."""
        sizes = [len(one) for one in self._worths]
        treatment = np.concatenate([np.zeros(0, dtype=np.intp), *self._treatments])
        requests = Requests(
            first=np.cumsum([0, *sizes], dtype=np.intp)[:-1],
            worth=np.concatenate([np.zeros(0), *self._worths]),
            use=self._use[treatment],
            limit=self._limit[treatment],
        )
        return Sample(requests, np.array(self._times), self.decisions)
