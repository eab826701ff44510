"""What goes wrong in plugins, by name: once per kind of thing that a plugin can offer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from nba_engine.domain import Candidates, Deciding, Recommendation


class LetGo:
    """What hangs, hangs until the scenario is over."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def wait(self) -> None:
        self.event.wait(30)

    def all(self) -> None:
        """Let go what hangs; what hangs from now on waits for the next time."""
        self.event.set()
        self.event = threading.Event()


LET_GO = LetGo()


def _raise(error: type[BaseException]) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error("this plugin always fails")

    return fail


def _recurse(*given: Any) -> Any:
    return _recurse(*given)


def _hang(*_: object) -> None:
    LET_GO.wait()


def _slow(*_: object) -> None:
    threading.Event().wait(0.1)


# what no caller needs to know: whatever is called does this
CALLS: dict[str, Callable[..., Any]] = {
    "raises": _raise(RuntimeError),
    "exits": _raise(SystemExit),
    "interrupts": _raise(KeyboardInterrupt),
    "recurses": _recurse,
    "needs_memory": _raise(MemoryError),
    "hangs": _hang,
    "slow": _slow,
}


def _fills(number: float) -> Callable[[Deciding], None]:
    def fill(deciding: Deciding) -> None:
        deciding.candidates["propensity"] = np.full(len(deciding.candidates), number)

    return fill


def _recommends(treatment: str) -> Callable[[Deciding], None]:
    def recommend(deciding: Deciding) -> None:
        deciding.recommendations.append(
            Recommendation(
                recommendation_id="mine",
                placement="banner",
                position=0,
                action=treatment.partition(".")[0],
                treatment=treatment,
                channel="app",
            )
        )

    return recommend


def _replaces(deciding: Deciding) -> None:
    old = deciding.candidates
    deciding.candidates = Candidates(old.index.copy(), old.slot.copy(), deciding.catalog.is_nothing)


def _sets(column: Callable[[int], Any]) -> Callable[[Deciding], None]:
    def assign(deciding: Deciding) -> None:
        deciding.candidates["propensity"] = column(len(deciding.candidates))

    return assign


def _changes_customer(deciding: Deciding) -> None:
    deciding.customer["budget"] = 1e6  # type: ignore[index]


def _changes_context(deciding: Deciding) -> None:
    deciding.context["country"] = "XX"  # type: ignore[index]


def _changes_request(deciding: Deciding) -> None:
    deciding.request.context["country"] = "XX"


def _changes_index(deciding: Deciding) -> None:
    deciding.candidates.index[:] = 0


def _changes_costs(deciding: Deciding) -> None:
    deciding.catalog.cost[:] = 0.0


def _forgets_treatments(deciding: Deciding) -> None:
    deciding.catalog.treatment_index.clear()  # type: ignore[attr-defined]


def _changes_action(deciding: Deciding) -> None:
    deciding.catalog.actions[0].attributes["price"] = 0.0  # type: ignore[index]


def _changes_customer_for_good_then_raises(deciding: Deciding) -> None:
    deciding.customer, deciding.context, deciding.now = {}, {}, 0.0
    raise RuntimeError


STAGES: dict[str, Callable[[Deciding], Any]] = {
    **CALLS,
    "nan": _fills(np.nan),
    "infinite": _fills(np.inf),
    "negative": _fills(-0.5),
    "above_one": _fills(1.5),
    "length": _sets(lambda count: np.ones(count + 1)),
    "text": _sets(lambda count: np.array(["much"] * count)),
    "none": _sets(lambda _count: None),
    "matrix": _sets(lambda count: np.ones((count, 1))),
    "recommends_a_stranger": _recommends("yacht.app"),
    "recommends_elsewhere": _recommends("milk.email"),
    "replaces_the_candidates": _replaces,
    "changes_the_customer": _changes_customer,
    "changes_the_context": _changes_context,
    "changes_the_request": _changes_request,
    "changes_the_index": _changes_index,
    "changes_the_costs": _changes_costs,
    "changes_an_action": _changes_action,
    "forgets_treatments": _forgets_treatments,
    "replaces_what_is_known": _changes_customer_for_good_then_raises,
}


def _change(root: str) -> Callable[[Any], None]:
    def change(seen: Any) -> None:
        seen[root]["first_name"] = "Mallory"

    return change


RENDERERS: dict[str, Callable[[Any], Any]] = {
    **CALLS,
    "returns_a_number": lambda _seen: 7,
    "returns_numbers": lambda _seen: {"title": 7},
    "returns_numbered_texts": lambda _seen: {7: "title"},
    "returns_bytes": lambda _seen: {"title": b"Milk"},
    "returns_a_list": lambda _seen: ["Milk"],
    "changes_the_customer": _change("customer"),
    "changes_the_context": _change("context"),
    "changes_the_action": _change("action"),
}


def _changes_index_of_model(index: Any, _customer: Any) -> Any:
    index[:] = 0
    return np.ones(len(index))


def _changes_customer_of_model(index: Any, customer: Any) -> Any:
    customer["budget"] = 1e6
    return np.ones(len(index))


MODELS: dict[str, Callable[[Any, Any], Any]] = {
    **CALLS,
    "nan": lambda index, _customer: np.full(len(index), np.nan),
    "infinite": lambda index, _customer: np.full(len(index), np.inf),
    "negative": lambda index, _customer: np.full(len(index), -0.5),
    "above_one": lambda index, _customer: np.full(len(index), 1.5),
    "length": lambda index, _customer: np.ones(len(index) + 1),
    "text": lambda index, _customer: np.array(["much"] * len(index)),
    "a_list": lambda index, _customer: [0.5] * len(index),
    "changes_the_index": _changes_index_of_model,
    "changes_the_customer": _changes_customer_of_model,
}
FUNCTIONS: dict[str, Callable[[int], Any]] = {
    **CALLS,
    "text": lambda _age: "yes",
    "nothing": lambda _age: None,
    "number": lambda _age: 1,
}
