"""Train, measure, hold against the baselines and the last model, export: one run of `nba train`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import BoolArray, FloatArray, Manifest
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.export import ENTRY, OUTPUT, data_hash, publish
from nba_engine.learning.metrics import auc
from nba_engine.learning.training.drift import FILE, Reference, reference_of
from nba_engine.learning.training.examples import Examples, Split, latest_apart, split_by_time
from nba_engine.learning.training.fitted import Fitted, graph_of, linear_of, parity_of
from nba_engine.learning.training.fitting import Choice, fit, fit_wide
from nba_engine.learning.training.last import Last, compare_with_last
from nba_engine.learning.training.measuring import (
    Figures,
    Verdict,
    figures_of,
    importance_of,
    judge,
    own_frequency,
    popularity_of,
)

__all__ = ["Options", "Trained", "export", "train"]

_PARITY_ROWS = 200_000
_IMPORTANCE_ROWS = 20_000
_SUSPICIOUS = 0.97  # AUC of one input alone

Tell = Callable[[str], None]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to train. ``seed`` settles every draw; ``threads`` 0 takes all cores.

    ``refit``: what is kept is trained once more, with what was held out.
    """

    model: Literal["auto", "logistic", "lightgbm"] = "auto"
    calibration: Literal["auto", "none", "platt", "isotonic"] = "auto"
    signature: Literal["row", "wide"] = "row"
    validation: float = 0.15
    test: float = 0.15
    seed: int = 0
    threads: int = 0
    refit: bool = False


class Refitted(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The model of the same kind that has seen everything: trained on the earlier part, calibrated on the later."""

    train: Examples
    validation: Examples
    fitted: Fitted


class Trained(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What came of it. ``test`` are the held-out examples that ``scores`` (by name) are of.

    All figures are of ``choice``, which saw nothing of them; ``refitted`` is exported in its place.
    """

    options: Options
    split: Split
    test: Examples
    choice: Choice
    scores: Mapping[str, FloatArray]
    figures: Mapping[str, Figures]
    verdict: Verdict
    importance: Mapping[str, float]
    reference: Reference
    last: Last | None
    warnings: tuple[str, ...]
    refitted: Refitted | None = None

    @property
    def exported(self) -> Fitted:
        """The model that is kept."""
        return self.choice.fitted if self.refitted is None else self.refitted.fitted

    @property
    def metrics(self) -> dict[str, float]:
        """The model's held-out figures, for its manifest."""
        found = msgspec.structs.asdict(self.figures["model"])
        return {name: round(value, 6) for name, value in found.items() if np.isfinite(value)}


def train(
    examples: Examples, options: Options, *, last: Path | None = None, tell: Tell = lambda _: None
) -> Trained:
    """Train on the past, choose on the weeks after, measure on the weeks after these.

    ``last`` is the folder of the model in service. Raises `FailedPrecondition` when there is too
    little to learn from.
    """
    if options.signature == "wide":
        examples = _of_customer(examples)
    tell("splitting by time")
    split = split_by_time(examples, validation=options.validation, test=options.test)
    fitting = fit_wide if options.signature == "wide" else fit
    choice = fitting(
        split.train,
        split.validation,
        model=options.model,
        calibration=options.calibration,
        seed=options.seed,
        threads=options.threads,
        tell=tell,
    )
    tell("measuring")
    fitted = choice.fitted
    test = split.test.take(_scored(fitted, split.test))
    if not len(test) or test.label.min() == test.label.max():
        raise FailedPrecondition(
            f"the held-out period has {int(test.label.sum()):,} positive of {len(test):,} "
            "examples: wait for more outcomes, or hold out a larger share (--test)"
        )
    predict = _predictor(fitted, test)
    # baselines know all that came before the held-out period
    before = examples.take(examples.known <= test.time.min())
    scores = {"model": predict(test.rows), "popularity": popularity_of(before, test)}
    own = own_frequency(before, test)
    if own is not None:
        scores["own frequency"] = own
    baselines = {name: one for name, one in scores.items() if name != "model"}
    verdict = judge(test, scores["model"], baselines, seed=options.seed)
    refitted = _refitted(examples, choice, options, tell) if verdict.beats else None
    columns = _columns(test, scores["model"])
    if refitted is not None:  # what the next model is compared with is what serves
        asked = test.take(_scored(refitted.fitted, test))
        columns = _columns(asked, _predictor(refitted.fitted, asked)(asked.rows))
    return Trained(
        options=options,
        split=split,
        test=test,
        choice=choice,
        scores=scores,
        figures={name: figures_of(test.label, one) for name, one in scores.items()},
        verdict=verdict,
        importance=_importance(fitted, test, options.seed),
        reference=reference_of(columns),
        last=None if last is None else compare_with_last(last, test, scores["model"]),
        warnings=(*examples.warnings, *_suspects(split.train, test), *_about(choice)),
        refitted=refitted,
    )


def export(trained: Trained, folder: Path, *, name: str, label: str, catalog: str = "") -> Manifest:
    """Write the model's folder, replacing what is there.

    Raises `FailedPrecondition` when the graph differs from the model on held-out rows, naming the
    row; ``folder`` is as before then.
    """
    fitted = trained.exported
    graph = graph_of(fitted)
    linear = linear_of(fitted)
    used = trained.refitted or trained.split
    learned, test = used.train, trained.test
    manifest = Manifest(
        name=name,
        version=f"{fitted.method}-{hashlib.sha256(graph).hexdigest()[:12]}",
        signature="wide" if fitted.outputs else "row",
        features=learned.features,
        input=ENTRY,
        output=OUTPUT,
        outputs=fitted.outputs,
        linear="linear.npz" if linear else "",
        tolerance=parity_of(fitted),
        trained_from=_day(learned.time.min()),
        trained_until=_day(used.validation.known.max()),
        label=label,
        metrics=trained.metrics,
        trained_on=_by_action(learned),
        data_hash=data_hash(learned.rows, learned.label),
        catalog_hash=catalog,
    )
    chosen = np.linspace(0, len(test) - 1, min(_PARITY_ROWS, len(test))).astype(np.intp)
    return publish(
        folder,
        manifest,
        graph,
        test.rows[np.unique(chosen)],
        fitted.predict,
        linear=linear,
        parity=parity_of(fitted),
        more={FILE: trained.reference.arrays()},
    )


def _refitted(examples: Examples, choice: Choice, options: Options, tell: Tell) -> Refitted | None:
    """The same once more, a period later: the latest part calibrates, all before it is learned from."""
    if not options.refit:
        return None
    tell("training once more, with what was held out")
    parts = latest_apart(examples, options.validation)
    fitting = fit_wide if choice.fitted.outputs else fit
    again = fitting(
        *parts,
        model=choice.fitted.method,
        calibration=options.calibration,
        seed=options.seed,
        threads=options.threads,
        tell=tell,
    )
    return Refitted(train=parts[0], validation=parts[1], fitted=again.fitted)


def _by_action(examples: Examples) -> dict[str, int]:
    """Examples of each action: serving asks evidence about those of which there were few."""
    if len(examples.actions) < 2:  # they are not told apart
        return {}
    counts = np.bincount(examples.action, minlength=len(examples.actions)).tolist()
    return {name: n for name, n in zip(examples.actions, counts, strict=True) if n}


def _of_customer(examples: Examples) -> Examples:
    """Without the inputs that depend on the action: a wide model sees the customer once."""
    kept = [
        at
        for at, feature in enumerate(examples.features)
        if not feature.key and not feature.source.startswith(("action.", "treatment."))
    ]
    if not kept or len(examples.actions) < 2:
        raise FailedPrecondition(
            "a wide model needs features of the customer or the context, and several actions"
        )
    return msgspec.structs.replace(
        examples,
        features=tuple(examples.features[at] for at in kept),
        rows=np.ascontiguousarray(examples.rows[:, kept]),
    )


def _scored(fitted: Fitted, examples: Examples) -> BoolArray:
    """Which examples the model has an answer for."""
    if not fitted.outputs:
        return np.ones(len(examples), dtype=np.bool_)
    known = np.array([name in fitted.outputs for name in examples.actions], dtype=np.bool_)
    scored: BoolArray = known[examples.action]
    return scored


def _predictor(fitted: Fitted, examples: Examples) -> Callable[[NDArray[np.float32]], FloatArray]:
    """Probabilities of the examples' own actions, for rows aligned with them."""
    if not fitted.outputs:
        return fitted.predict
    place = {name: at for at, name in enumerate(fitted.outputs)}
    at = np.array([place.get(name, 0) for name in examples.actions])[examples.action]

    def predict(rows: NDArray[np.float32]) -> FloatArray:
        return np.asarray(fitted.predict(rows)[np.arange(len(rows)), at], dtype=np.float64)

    return predict


def _importance(fitted: Fitted, test: Examples, seed: int) -> dict[str, float]:
    if len(test) > _IMPORTANCE_ROWS:
        random = np.random.default_rng(seed)
        test = test.take(np.sort(random.choice(len(test), _IMPORTANCE_ROWS, replace=False)))
    return importance_of(_predictor(fitted, test), test, seed=seed)


def _columns(examples: Examples, score: FloatArray) -> dict[str, NDArray[Any]]:
    columns: dict[str, NDArray[Any]] = {
        feature.name: examples.rows[:, at] for at, feature in enumerate(examples.features)
    }
    return {**columns, "": score}


def _suspects(train: Examples, test: Examples) -> list[str]:
    """Inputs that tell the outcome nearly alone: often, they became known with it."""
    found = []
    for at, feature in enumerate(test.features):
        column = test.rows[:, at]
        category = feature.transform == "category"
        alone = auc(
            test.label, _rates(train.rows[:, at], train.label, column) if category else column
        )
        if max(alone, 1.0 - alone) >= _SUSPICIOUS:
            found.append(
                f"{feature.name} tells the outcome almost by itself (AUC {max(alone, 1 - alone):.3f}): "
                "was it known before? What becomes known with the outcome is no feature"
            )
    return found


def _rates(known: NDArray[np.float32], label: FloatArray, asked: NDArray[np.float32]) -> FloatArray:
    """The share of positives that each category asked about had, one more at the overall rate."""
    codes, place = np.unique(known, return_inverse=True)
    shown, taken = np.bincount(place), np.bincount(place, weights=label)
    overall = float(label.mean())
    rates = (taken + overall) / (shown + 1.0)
    at = np.minimum(np.searchsorted(codes, asked), len(codes) - 1)
    return np.where(codes[at] == asked, rates[at], overall)


def _about(choice: Choice) -> list[str]:
    if not choice.left_out:
        return []
    shown = ", ".join(choice.left_out[:5]) + (" …" if len(choice.left_out) > 5 else "")
    return [f"{len(choice.left_out)} actions have too few outcomes and take their prior: {shown}"]


def _day(time: float) -> str:
    return datetime.fromtimestamp(float(time), UTC).date().isoformat()
