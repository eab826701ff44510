"""One aggregate, fitted and held against what it has to beat; refused where it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nba_engine.domain import AggregateSpec, Values
from nba_engine.domain.fitted import AffinityPrior, Fitted, SharePrior
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.affinity.contacts import Events, contacts_of, events_of
from nba_engine.learning.affinity.rates import (
    fit_rates,
    losses,
    pooled_rates,
    predicted,
    raw_rates,
)
from nba_engine.learning.affinity.shares import choices_of, fit_shares, likelihoods, overall_shares
from nba_engine.learning.interactions import Interactions
from nba_engine.learning.resampling import Interval, weighted_interval

__all__ = ["Finding", "WordFigures", "fit_aggregate", "prior_before"]

LEAST = 50  # responses, or purchases, in each of the two periods: less shows nothing
_SMALLEST = 1e-6


class WordFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one word: contacts and responses, or purchases (``contacts`` None)."""

    word: str
    contacts: int | None
    positive: int
    mean: float
    weight: float


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one aggregate.

    ``losses``: log-loss per contact (per purchase) in the held-out period, by method; ``gain``: what
    is saved against taking all customers for alike, with its interval over customers. Without ``fitted`` it
    was refused, and ``refusal`` says why. ``note``: what it does without, and why.
    """

    name: str
    kind: str
    customers: int
    rows: int
    held_out: int
    losses: Mapping[str, float]
    gain: Interval | None
    words: tuple[WordFigures, ...]
    fitted: Fitted | None
    refusal: str = ""
    note: str = ""

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge it by."""
        return self.gain is not None


def fit_aggregate(
    found: Interactions,
    spec: AggregateSpec,
    *,
    facts: Mapping[str, Values],
    segment_of: Sequence[str] = (),
    segment_since: Sequence[float] = (),
    hold_out: float = 0.25,
    patience: float = 0.0,
    random: np.random.Generator,
) -> Finding:
    """Fit an ``affinity`` or ``share`` aggregate, measure it on the last part of the time, refuse it or not.

    ``segment_of`` (customers,) texts, and since when they are so, (): for ever; what is held out is
    judged by the segments of the cut, and unless most were known by then none are kept.
    ``hold_out``: that part of the rows, the last ones; contacts of the last ``patience`` seconds,
    which may still be answered, do not count.
    """
    events = events_of(found, spec, facts)
    segments = _Segments(events.customers, segment_of if spec.segment else (), segment_since)
    if spec.kind == "affinity":
        return _affinity(spec, events, segments, hold_out, patience, random)
    return _share(spec, events, segments, hold_out, random)


def prior_before(
    found: Interactions,
    spec: AggregateSpec,
    *,
    moment: float,
    facts: Mapping[str, Values],
    segment_of: Sequence[str] = (),
    segment_since: Sequence[float] = (),
    patience: float = 0.0,
) -> AffinityPrior | SharePrior | None:
    """What could be fitted of an aggregate at a moment, of what had happened by then; None: nothing."""
    events = events_of(found, spec, facts).before(moment)
    segments = _Segments(events.customers, segment_of if spec.segment else (), segment_since)
    segments = segments.at(moment)
    if spec.kind != "affinity":
        choices = choices_of(events, spec.half_life)
        return fit_shares(choices, segments.codes, segments.names) if len(choices.word) else None
    contacts = contacts_of(events, spec.half_life)
    contacts = contacts.where(contacts.time <= moment - patience)
    if not contacts.answered.sum():
        return None
    return fit_rates(contacts, segments.codes, segments.names)


class _Segments:
    """Customers' segments: texts, "" for none; and since when."""

    def __init__(self, customers: int, words: Sequence[str], since: Sequence[float]) -> None:
        self._customers = customers
        self._since = since
        self.words = words
        self.names = sorted({word for word in words if word})
        self.codes = _codes(words, self.names, customers) if self.names else None

    def at(self, moment: float) -> _Segments:
        """As they are known to have been at a moment."""
        if not len(self._since) or not self.names:
            return self
        pairs = zip(self.words, self._since, strict=True)
        words = [word if since <= moment else "" for word, since in pairs]
        return _Segments(self._customers, words, ())

    def tested(self, before: _Segments, customers: IntArray) -> bool:
        """Whether most of these rows of customers with a segment had one before."""
        if self.codes is None:
            return True
        if before.codes is None:
            return False
        now, then = self.codes[customers] >= 0, before.codes[customers] >= 0
        return bool(2 * (now & then).sum() >= now.sum())

    def without(self) -> _Segments:
        """The same customers, all alike."""
        return _Segments(self._customers, (), ())


def _affinity(
    spec: AggregateSpec,
    events: Events,
    segments: _Segments,
    hold_out: float,
    patience: float,
    random: np.random.Generator,
) -> Finding:
    contacts = contacts_of(events, spec.half_life)
    if len(contacts.time) and patience:
        contacts = contacts.where(contacts.time <= events.time.max() - patience)
    late = _late(contacts.time, hold_out)
    known, later = contacts.where(~late), contacts.where(late)
    least = min(float(known.answered.sum()), float(later.answered.sum()))
    missed = min(
        float((known.number - known.answered).sum()), float((later.number - later.answered).sum())
    )
    if min(least, missed) < LEAST:
        told = (
            f"{int(known.answered.sum()):,} of {int(known.number.sum()):,} contacts were answered, and "
            f"{int(later.answered.sum()):,} of {int(later.number.sum()):,} in the held-out time: it "
            f"takes {LEAST} with and {LEAST} without an answer in each"
        )
        return _refused(spec, events, told)
    pooled = pooled_rates(known)
    then = segments.at(float(known.time.max()))
    tested = segments.tested(then, later.customer)
    prior = fit_rates(known, then.codes, then.names)
    mine = predicted(later, prior, then.words if then.names else ())
    methods = {
        "fitted": mine,
        "everybody's rate": pooled[later.word],
        "own rate": raw_rates(later, pooled),
        "own rate, half an answer added": raw_rates(later, pooled, added=0.5),
    }
    lost = {name: losses(later, p, smallest=1e-3) for name, p in methods.items()}
    kept = segments if tested else segments.without()
    final = fit_rates(contacts, kept.codes, kept.names)
    count = np.bincount(contacts.word, weights=contacts.number, minlength=len(contacts.words))
    hits = np.bincount(contacts.word, weights=contacts.answered, minlength=len(contacts.words))
    figures = tuple(
        WordFigures(
            word=word,
            contacts=int(count[at]),
            positive=int(hits[at]),
            mean=final.means[""][word],
            weight=final.weights[word],
        )
        for at, word in enumerate(contacts.words)
    )
    judged = _judged(
        spec, contacts.customer, later.customer, later.number, lost, final, figures, random
    )
    return _noted(judged, spec, tested=tested)


def _share(
    spec: AggregateSpec,
    events: Events,
    segments: _Segments,
    hold_out: float,
    random: np.random.Generator,
) -> Finding:
    choices = choices_of(events, spec.half_life)
    late = _late(choices.time, hold_out)
    if min(int(late.sum()), int((~late).sum())) < LEAST or len(choices.words) < 2:
        told = f"{len(choices.time):,} purchases of {len(choices.words)} kinds are too few"
        return _refused(spec, events, told)
    known = choices.where(~late)
    later = choices.where(late)
    then = segments.at(float(known.time.max()))
    tested = segments.tested(then, later.customer)
    prior = fit_shares(known, then.codes, then.names)
    order = sorted(prior.means)
    table = np.array([list(prior.means[name].values()) for name in order])
    codes = {name: at for at, name in enumerate(order)}
    of = np.full(len(later.word), codes[""])
    if then.codes is not None:
        lookup = np.array([codes.get(name, codes[""]) for name in then.names] + [codes[""]])
        of = lookup[then.codes[later.customer]]
    shares = overall_shares(known)
    alone = np.where(later.all > 1e-3, later.same / np.maximum(later.all, 1e-3), shares[later.word])
    methods = {
        "fitted": likelihoods(later, prior.weight, table, of),
        "everybody's shares": shares[later.word],
        "own shares": alone,
    }
    lost = {name: -np.log(np.maximum(p, _SMALLEST)) for name, p in methods.items()}
    kept = segments if tested else segments.without()
    final = fit_shares(choices, kept.codes, kept.names)
    count = np.bincount(choices.word, minlength=len(choices.words))
    figures = tuple(
        WordFigures(
            word=word,
            contacts=None,
            positive=int(count[at]),
            mean=final.means[""][word],
            weight=final.weight,
        )
        for at, word in enumerate(choices.words)
    )
    ones = np.ones(len(later.word))
    judged = _judged(spec, choices.customer, later.customer, ones, lost, final, figures, random)
    return _noted(judged, spec, tested=tested)


def _noted(finding: Finding, spec: AggregateSpec, *, tested: bool) -> Finding:
    if tested:
        return finding
    note = (
        f"without segments: most customers' {spec.segment!r} was set after the held-out time began, so "
        "what it predicts cannot be shown yet"
    )
    return msgspec.structs.replace(finding, note=note)


def _judged(
    spec: AggregateSpec,
    customers: IntArray,
    who: IntArray,
    number: FloatArray,
    lost: Mapping[str, FloatArray],
    prior: AffinityPrior | SharePrior,
    figures: tuple[WordFigures, ...],
    random: np.random.Generator,
) -> Finding:
    """Accept it if, over customers drawn again, it saves something against taking all for alike."""
    total = float(number.sum())
    means = {name: float(loss.sum()) / total for name, loss in lost.items()}
    best = next(name for name in means if name.startswith("everybody"))
    code = np.unique(who, return_inverse=True)[1].reshape(-1)
    saved = np.bincount(code, weights=lost[best] - lost["fitted"])
    count = np.bincount(code, weights=number)
    gain = weighted_interval(
        lambda weight: float(weight @ saved) / float(weight @ count), len(count), random=random
    )
    refusal = ""
    if not gain.low > 0:
        refusal = (
            "customers do not differ in it measurably: it predicts what was held out no better than "
            f"{best}"
        )
    fitted = Fitted(
        by=spec.by,
        half_life=spec.half_life,
        types=spec.types,
        positive=spec.positive,
        segment=spec.segment,
        prior=prior,
    )
    return Finding(
        name=spec.name,
        kind=spec.kind,
        customers=len(np.unique(customers)),
        rows=sum(one.positive if one.contacts is None else one.contacts for one in figures),
        held_out=int(total),
        losses=means,
        gain=gain,
        words=figures,
        fitted=None if refusal else fitted,
        refusal=refusal,
    )


def _refused(spec: AggregateSpec, events: Events, why: str) -> Finding:
    return Finding(
        name=spec.name,
        kind=spec.kind,
        customers=len(np.unique(events.customer)),
        rows=len(events.time),
        held_out=0,
        losses={},
        gain=None,
        words=(),
        fitted=None,
        refusal=why,
    )


def _late(time: FloatArray, share: float) -> BoolArray:
    """The last ``share`` of the rows, cut at one moment."""
    if not len(time):
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(time > np.quantile(time, 1.0 - share), dtype=np.bool_)


def _codes(words: Sequence[str], names: Sequence[str], customers: int) -> IntArray:
    place = {name: at for at, name in enumerate(names)}
    codes = np.full(customers, -1)
    for at, word in enumerate(words):
        codes[at] = place.get(word, -1)
    return codes
