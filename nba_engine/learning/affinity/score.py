"""The treatment score: propensity times affinities, calibrated on how logged contacts ended.

    P(response) = sigmoid(b + c · logit(propensity) + Σ e_d · log(affinity_d))

A product in odds: with c and all e at 1, a customer who answers letters twice as often has twice the
odds with a letter. How far that holds is learned by logistic regression on logged responses; exponents
are never negative, and pulled to 0 as long as there is little to learn from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np
from scipy import optimize

from nba_engine.domain import (
    AggregateSpec,
    CatalogView,
    CustomerState,
    CustomerView,
    DecisionRecord,
)
from nba_engine.domain.fitted import TreatmentScore
from nba_engine.domain.treatment_words import words_of_treatments
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.engine import candidates_of
from nba_engine.learning.resampling import Interval, weighted_interval

__all__ = ["ScoreFinding", "ScoreRows", "Scored", "cut_of", "fit_score"]

LEAST = 50  # responses before and after the cut
_CERTAIN = 1e-6
_WEAKEST, _STRONGEST = 0.01, 100.0  # as the stage reads them
_FELT = 1e-3  # a smaller exponent is none: what it seems to save is rounding
_PULL = 2.0  # prior precision of slope (to 1) and exponents (to 0)


class Scored(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Logged recommendations that were presented: (n,), and ``affinity`` (n, aggregates) as logarithms.

    ``then``: the same by what was usual before the cut (`cut_of`), which is what may be held against
    what followed; None: there was nothing else to know.
    """

    names: tuple[str, ...]
    customer: IntArray
    time: FloatArray
    propensity: FloatArray
    affinity: FloatArray
    answered: FloatArray
    then: FloatArray | None = None

    def where(self, mask: BoolArray) -> Scored:
        """Some of them."""
        return Scored(
            names=self.names,
            customer=self.customer[mask],
            time=self.time[mask],
            propensity=self.propensity[mask],
            affinity=self.affinity[mask],
            answered=self.answered[mask],
            then=None if self.then is None else self.then[mask],
        )

    def as_of_then(self) -> Scored:
        """With what was known then."""
        return self if self.then is None else msgspec.structs.replace(self, affinity=self.then)


class ScoreFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the score; ``losses`` per contact in the held-out time; as in `Finding`."""

    contacts: int
    answered: int
    held_out: int
    losses: Mapping[str, float]
    gain: Interval | None
    score: TreatmentScore | None
    refusal: str = ""


class ScoreRows:
    """Computes the affinities of logged recommendations while records pass through.

    ``aggregates`` have the priors to use; ``catalog_of`` gives the catalog of a version. Each customer is taken as the decision read it. Rows are in
    the order of the records' recommendations; ``propensity`` is what the model said.
    """

    def __init__(
        self,
        catalog: CatalogView,
        aggregates: Mapping[str, AggregateSpec],
        catalog_of: Callable[[str], CatalogView | None],
    ) -> None:
        self._catalog = catalog
        self._catalog_of = catalog_of
        self._aggregates = aggregates
        self._words = {
            name: words_of_treatments(catalog, spec) for name, spec in aggregates.items()
        }
        self.affinity: list[list[float]] = []
        self.propensity: list[float] = []

    def through(self, records: Iterable[DecisionRecord]) -> Iterator[DecisionRecord]:
        """The same records."""
        for record in records:
            self._add(record)
            yield record

    def _add(self, record: DecisionRecord) -> None:
        state = CustomerState(customer_id=record.customer_id, known=False)
        if record.profile:
            state = msgspec.msgpack.decode(record.profile, type=CustomerState)
        view = CustomerView(state, self._aggregates, record.time)
        said = _propensities(record, self._catalog_of(record.catalog_version))
        places = [wanted.placement for wanted in record.request.placements]
        for one in record.recommendations:
            at = self._catalog.treatment_index.get(one.treatment)
            logs = [
                0.0 if at is None else _logarithm(view.get(name), self._words[name][at])
                for name in self._aggregates
            ]
            self.affinity.append(logs)
            slot = places.index(one.placement) if one.placement in places else -1
            self.propensity.append(said.get((one.treatment, slot), one.propensity))


def cut_of(time: FloatArray, hold_out: float) -> float:
    """The moment after which the last ``hold_out`` of the rows are."""
    return float(np.quantile(time, 1.0 - hold_out)) if len(time) else 0.0


def fit_score(rows: Scored, *, hold_out: float = 0.25, random: np.random.Generator) -> ScoreFinding:
    """Calibrate on the first part of the time, compare with the propensity alone on the last."""
    late = rows.time > cut_of(rows.time, hold_out)
    as_of_then = rows.as_of_then()
    known, later = as_of_then.where(~late), as_of_then.where(late)
    counted = (known.answered.sum(), (1 - known.answered).sum(), later.answered.sum())
    if min(float(count) for count in counted) < LEAST or not len(later.time):
        return ScoreFinding(
            contacts=len(rows.time),
            answered=int(rows.answered.sum()),
            held_out=len(later.time),
            losses={},
            gain=None,
            score=None,
            refusal=(
                f"{int(known.answered.sum()):,} of {len(known.time):,} logged contacts were answered, "
                f"and {int(later.answered.sum()):,} of {len(later.time):,} in the held-out time: it "
                f"takes {LEAST} each"
            ),
        )
    mine, alone = _fitted(known), _fitted(known, propensity_only=True)
    lost = {
        "treatment score": _losses(later, _predicted(later, mine)),
        "propensity, calibrated": _losses(later, _predicted(later, alone)),
        "propensity": _losses(later, np.clip(later.propensity, _CERTAIN, 1 - _CERTAIN)),
        "everybody's rate": _losses(later, np.full(len(later.time), known.answered.mean())),
    }
    means = {name: float(loss.mean()) for name, loss in lost.items()}
    best = "propensity, calibrated"
    code = np.unique(later.customer, return_inverse=True)[1].reshape(-1)
    saved = np.bincount(code, weights=lost[best] - lost["treatment score"])
    count = np.bincount(code).astype(np.float64)
    gain = weighted_interval(
        lambda weight: float(weight @ saved) / float(weight @ count), len(count), random=random
    )
    felt = bool((mine[2:] > _FELT).any())
    refusal = "" if felt and gain.low > 0 else f"it predicts responses no better than {best}"
    return ScoreFinding(
        contacts=len(rows.time),
        answered=int(rows.answered.sum()),
        held_out=len(later.time),
        losses=means,
        gain=gain,
        score=None if refusal else _score(rows.names, _fitted(rows)),
        refusal=refusal,
    )


def _fitted(rows: Scored, *, propensity_only: bool = False) -> FloatArray:
    """(bias, slope, exponents …) by penalized maximum likelihood."""
    inputs = _inputs(rows)
    if propensity_only:
        inputs = inputs[:, :2]
    target = np.zeros(inputs.shape[1])
    target[1] = 1.0
    pull = np.full(inputs.shape[1], _PULL)
    pull[0] = 0.0

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        total = inputs @ x
        chance = 1.0 / (1.0 + np.exp(-total))
        value = np.logaddexp(0.0, total) - rows.answered * total
        gap = x - target
        return (
            float(value.sum() + 0.5 * (pull * gap * gap).sum()),
            inputs.T @ (chance - rows.answered) + pull * gap,
        )

    bounds = [(None, None), (0.0, 3.0), *[(0.0, 3.0)] * (inputs.shape[1] - 2)]
    start = target.copy()
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, dtype=np.float64)


def _inputs(rows: Scored) -> FloatArray:
    p = np.clip(rows.propensity, _CERTAIN, 1.0 - _CERTAIN)
    ones = np.ones(len(p))
    return np.column_stack([ones, np.log(p / (1.0 - p)), rows.affinity])


def _predicted(rows: Scored, x: FloatArray) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(-(_inputs(rows)[:, : len(x)] @ x))), dtype=np.float64)


def _losses(rows: Scored, p: FloatArray) -> FloatArray:
    p = np.clip(p, _CERTAIN, 1.0 - _CERTAIN)
    return -(rows.answered * np.log(p) + (1.0 - rows.answered) * np.log1p(-p))


def _score(names: Sequence[str], x: FloatArray) -> TreatmentScore:
    bias, slope, *exponents = x.tolist()
    return TreatmentScore(
        bias=bias, slope=slope, exponents=dict(zip(names, exponents, strict=True))
    )


def _logarithm(found: object, words: Sequence[str]) -> float:
    """Σ log(affinity) over a treatment's words; those that nobody knows of count nothing."""
    if not isinstance(found, dict):
        return 0.0
    times = np.array([found.get(word, 1.0) for word in words], dtype=np.float64)
    return float(np.log(np.clip(times, _WEAKEST, _STRONGEST)).sum())


def _propensities(
    record: DecisionRecord, catalog: CatalogView | None
) -> dict[tuple[str, int], float]:
    """(treatment, placement) → what the model said, as far as it is on record.

    A recommendation itself has the propensity that was decided by: the score, if it was that.
    """
    if not record.propensities or catalog is None:
        return {}
    found = candidates_of(record)
    wanted = [catalog.treatment_index.get(one.treatment, -1) for one in record.recommendations]
    mask = np.isin(found.index, wanted) & np.isfinite(found.propensity)
    return {
        (catalog.treatments[index].id, slot): propensity
        for index, slot, propensity in zip(
            found.index[mask].tolist(),
            found.slot[mask].tolist(),
            found.propensity[mask].tolist(),
            strict=True,
        )
    }
