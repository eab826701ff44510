"""What is planned: contacts, the rules of chains, and the limits that all customers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains import ChainRules, Contacts
from nba_engine.domain import MICROS

__all__ = ["Contact", "PlanLimit", "Problem", "contacts_of"]


class Contact(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One way to contact: an action by a treatment, at a cost in micros."""

    action: str
    treatment: str
    channel: str = ""
    campaign: str = ""
    cost: int = 0


class PlanLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``amount`` of all that is counted: contacts, or money in micros.

    ``use`` (contacts, periods) int64: what one contact in a period takes; 0: it is not counted.
    ``floor``: at least so much.
    """

    name: str
    amount: int
    measure: Literal["contacts", "money"]
    use: NDArray[np.int64]
    floor: bool = False

    @property
    def sign(self) -> int:
        """-1 for a floor: at least so much is at most so much below zero."""
        return -1 if self.floor else 1


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """All of a plan but the customers: what a worker needs, and small enough to be sent to it.

    Amounts, use and what is used are below 0 for floors, so that everywhere the same holds: what is
    used is at most the amount.
    """

    rules: ChainRules
    names: tuple[Contact, ...]
    contacts: Contacts
    limits: tuple[PlanLimit, ...]
    after_costs: bool = False  # contacts are worth what they earn less what they cost

    @property
    def amounts(self) -> NDArray[np.int64]:
        """The amounts of the limits (k,)."""
        return np.array([one.sign * one.amount for one in self.limits], dtype=np.int64)

    @property
    def floors(self) -> NDArray[np.bool_]:
        """Which limits say how much it must be at least (k,)."""
        return np.array([one.floor for one in self.limits], dtype=np.bool_)

    @property
    def use(self) -> NDArray[np.int64]:
        """What contacts take of the limits (k, contacts, periods)."""
        shape = (len(self.limits), len(self.names), self.rules.periods)
        return np.array([one.sign * one.use for one in self.limits], dtype=np.int64).reshape(shape)

    def least(self, customers: int) -> float:
        """What no plan of so many customers is worth less than; a bound below it proves that there is none."""
        if not self.after_costs:
            return 0.0
        return -float(self.contacts.cost.max()) / MICROS * customers * self.rules.longest

    def used(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """What so many contacts (contacts, periods) take of the limits (k,); whole numbers, exact."""
        used: NDArray[np.int64] = np.einsum("kct,ct->k", self.use, counts)
        return used

    def prices_of_contacts(
        self, prices: NDArray[np.float64], forbidden: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """What contacts cost at prices of the limits' units (k,): (contacts, periods).

        What they cost in money counts where that is taken off what they earn.

        What takes of a ``forbidden`` limit (k,), or more than there is of any, is infinitely dear, and so
        is what earns nothing in a period, whoever gets it: a floor must not want it there.
        """
        use = self.use
        total: NDArray[np.float64] = np.einsum("k,kct->ct", prices, use.astype(np.float64))
        never = (use > np.maximum(self.amounts, 0)[:, None, None]).any(axis=0)
        if forbidden is not None:
            never |= (use[forbidden] > 0).any(axis=0)
        never |= self.contacts.factor == 0.0
        if self.after_costs:
            total += self.contacts.cost[:, None] / MICROS
        total[never] = np.inf
        return total


def contacts_of(names: Sequence[Contact], factor: NDArray[np.float64]) -> Contacts:
    """The contacts as the kernel sees them; actions are numbered in the order they come in."""
    number: dict[str, int] = {}
    action = [number.setdefault(one.action, len(number)) for one in names]
    return Contacts(
        action=np.array(action, dtype=np.int32),
        cost=np.array([one.cost for one in names], dtype=np.int64),
        factor=factor,
    )
