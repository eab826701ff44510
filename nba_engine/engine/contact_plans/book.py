"""The plan in force as a process knows it, and what it means for one customer now.

A plan for all customers is a progress mark of the store. The thread that reads prices looks for it, so
decisions read no store for it. What is planned for a customer is in the profile that a decision reads
anyway; one more read tells whether something happened since it was made. Then the chain is computed
anew, at once: the engine's own pipeline, and half a millisecond for the chain. Nothing of that is
written: the next one computes it again, from whatever has happened by then.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Sequence

import msgspec

from nba_engine.domain import (
    CONFIRMING,
    NO_EVIDENCE,
    PLAN_ATTRIBUTE,
    PLAN_MARK,
    CatalogView,
    CustomerPlan,
    CustomerState,
    Evidence,
    FloatArray,
    History,
    Interaction,
    PlanMark,
    PlanRead,
    Store,
    decode_customer_plan,
    decode_plan_mark,
)
from nba_engine.engine.contact_plans.chain import Made, chain_of
from nba_engine.engine.contact_plans.contacts import PlanContacts
from nba_engine.engine.contact_plans.offers import Offering
from nba_engine.engine.reads import raise_marked
from nba_engine.engine.snapshot import Snapshot
from nba_engine.errors import Exhausted, FailedPrecondition, Unavailable

__all__ = ["CurrentPlan", "PlanBook"]

_NO_INTERACTIONS = 2**62  # a page of a history behind all of them: the customer alone
_QUIET = 10_000  # customers of which is known that nothing happened
_log = logging.getLogger("nba_engine.engine")


class CurrentPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is planned for a customer as of now, and the plan for all that it is part of.

    ``replanned``: something happened since ``mark`` was made, and the contacts were computed now.
    """

    mark: PlanMark
    plan: CustomerPlan
    replanned: bool


class PlanBook:
    """The plan in force. One thread calls `read`; anybody the rest."""

    def __init__(self, store: Store) -> None:
        self.mark: PlanMark | None = None  # replaced, never changed
        self._store = store
        self._noted = ""
        self._laid_out: tuple[CatalogView, PlanMark, _LaidOut] | None = None
        # customer → newest interaction and merges: up to there nothing happened since the mark
        self._quiet: tuple[PlanMark | None, dict[str, tuple[int, int]]] = (None, {})
        self._told = ""  # the plan of which was told that it cannot be followed

    def read(self, catalog: CatalogView) -> None:
        """Take over the plan of the store. Raises `Unavailable`."""
        if catalog.contact_plan is None:
            self.mark, self._noted = None, ""
            return
        noted = self._store.progress(PLAN_MARK) or ""
        if noted != self._noted:
            self.mark, self._noted = decode_plan_mark(noted), noted

    def take(self, mark: PlanMark | None) -> None:
        """Follow this plan, whatever the store has."""
        self.mark = mark

    def in_force(self, catalog: CatalogView, now: float) -> PlanMark:
        """The plan that is in force, or will be. Raises `FailedPrecondition`: there is none."""
        if catalog.contact_plan is None:
            raise FailedPrecondition("the catalog has no table [contact_plan]")
        if self.mark is None:
            raise FailedPrecondition("no contact plan was made yet: nba plan makes one")
        if now >= self.mark.ends:
            ended = dt.datetime.fromtimestamp(self.mark.ends, dt.UTC)
            raise FailedPrecondition(
                f"contact plan {self.mark.id} ended at {ended:%Y-%m-%d %H:%M} UTC: nba plan makes another"
            )
        return self.mark

    def at(self, plan: PlanRead, time: float) -> PlanRead | None:
        """What was read of a plan, as it is at another time; None: it is not in force then.

        When another plan is in force by now, prices are those that were read.
        """
        mark = self.mark
        if mark is None or mark.id != plan.plan:
            return plan
        period = mark.period_of(time)
        return (
            None if period is None else msgspec.structs.replace(plan, prices=mark.prices_of(period))
        )

    def reader(
        self, snapshot: Snapshot, *, now: float, evidence: Evidence = NO_EVIDENCE
    ) -> Callable[[CustomerState], PlanRead | None]:
        """What tells a decision its customer's plan: None as long as no plan is in force."""
        mark = self.mark
        if mark is None or snapshot.catalog.contact_plan is None:
            return _no_plan
        period = mark.period_of(now)
        if period is None:
            return _no_plan
        prices = mark.prices_of(period)

        def plan_of(state: CustomerState) -> PlanRead | None:
            try:
                current = self.current(snapshot, state, mark, now=now, evidence=evidence)
            except (Unavailable, Exhausted) as error:
                raise_marked(error)
            except FailedPrecondition as error:  # the catalog is another one by now
                if self._told != mark.id:
                    self._told = mark.id
                    _log.warning("contact plan %s cannot be followed: %s", mark.id, error.message)
                return None
            plan = current.plan
            return PlanRead(
                plan=mark.id,
                made=plan.made,
                contacts=plan.contacts,
                prices=prices,
                replanned=current.replanned,
            )

        return plan_of

    def latest(
        self, snapshot: Snapshot, state: CustomerState, *, now: float, evidence: Evidence
    ) -> CurrentPlan:
        """What is planned for a customer by the plan that the store has now.

        Raises `Unavailable`, and `FailedPrecondition` when none is in force, or will be.
        """
        self.read(snapshot.catalog)
        mark = self.in_force(snapshot.catalog, now)
        return self.current(snapshot, state, mark, now=now, evidence=evidence)

    def current(
        self,
        snapshot: Snapshot,
        state: CustomerState,
        mark: PlanMark,
        *,
        now: float,
        evidence: Evidence = NO_EVIDENCE,
    ) -> CurrentPlan:
        """What is planned for a customer, computed anew if something happened since.

        Raises `Unavailable`, and `FailedPrecondition` when nothing can be planned with this catalog.
        """
        stored = decode_customer_plan(state.attributes.get(PLAN_ATTRIBUTE))
        if stored is not None:  # None: the plan does not contact this customer
            stored = stored.of(mark.id)
        since = self._since(state.customer_id, stored, mark)
        if since is None:
            plan = stored or CustomerPlan(plan=mark.id, made=mark.made)
            return CurrentPlan(mark=mark, plan=plan, replanned=False)
        happened = [one for one in self._all(state.customer_id, since) if one.time >= mark.made]
        laid_out = self._lay_out(snapshot.catalog, mark)
        offering = Offering(
            snapshot, self._store, now=now, evidence=evidence, terms=mark.terms
        ).offers_of(state)
        first = mark.period_of(now) if now >= mark.starts else 0
        contacts = chain_of(
            offering,
            laid_out.contacts,
            laid_out.prices,
            first=mark.terms.periods if first is None else first,
            made=_made(happened, mark, laid_out.contacts),
        )
        plan = CustomerPlan(
            plan=mark.id, made=now, newest=since.newest, merges=since.merges, contacts=contacts
        )
        return CurrentPlan(mark=mark, plan=plan, replanned=True)

    def _since(
        self, customer_id: str, stored: CustomerPlan | None, mark: PlanMark
    ) -> History | None:
        """A page of what happened since a customer was planned; None: nothing did."""
        history = self._store.history
        if stored is not None:
            found = history(customer_id, after=stored.newest)
            if found is None:  # erased, or merged into another one, since it was read
                return None
            if found.merges != stored.merges:
                return history(customer_id)
            return found if found.newest > stored.newest else None
        found = history(customer_id, after=_NO_INTERACTIONS)
        if found is None or not found.newest:
            return None
        latest = history(customer_id, after=found.newest - 1)
        if latest is None:
            return None
        if any(one.time >= mark.made for one in latest.interactions):
            return history(customer_id)
        # what arrived last is of before. So is all else, if it arrived before, and no merge brought
        # any; if not, what arrived late may hide what happened since. The clock of a simulation does
        # not tell when something arrived
        clear = not (self._store.simulated or latest.merges)
        if clear and all(at is not None and at < mark.made for at in latest.recorded):
            return None
        return self._hidden(customer_id, (latest.newest, latest.merges), mark)

    def _hidden(self, customer_id: str, known: tuple[int, int], mark: PlanMark) -> History | None:
        """The first page of a customer's interactions, if any took place since the mark was made."""
        of, quiet = self._quiet
        if of is not mark or len(quiet) >= _QUIET:
            self._quiet = (mark, quiet := {})
        if quiet.get(customer_id) == known:
            return None
        page = self._store.history(customer_id)
        if page is None:
            return None
        if any(one.time >= mark.made for one in self._all(customer_id, page)):
            return page
        quiet[customer_id] = known
        return None

    def _all(self, customer_id: str, page: History) -> list[Interaction]:
        """The interactions of a page and of those behind it."""
        found = list(page.interactions)
        while page.last < page.newest and page.interactions:
            following = self._store.history(customer_id, after=page.last)
            if following is None:
                break
            page = following
            found += page.interactions
        return found

    def _lay_out(self, catalog: CatalogView, mark: PlanMark) -> _LaidOut:
        known = self._laid_out
        if known is not None and known[0] is catalog and known[1] is mark:
            return known[2]
        contacts = PlanContacts(catalog, mark.terms, starts=mark.starts, bounds=mark.times)
        laid_out = _LaidOut(contacts, contacts.prices(mark.prices))
        self._laid_out = (catalog, mark, laid_out)
        return laid_out


def _no_plan(state: CustomerState) -> PlanRead | None:  # noqa: ARG001
    return None


class _LaidOut(msgspec.Struct, frozen=True, eq=False):
    """A plan's contacts and their prices: the same for all customers."""

    contacts: PlanContacts
    prices: FloatArray


def _made(
    happened: Sequence[Interaction], mark: PlanMark, contacts: PlanContacts
) -> tuple[Made, ...]:
    """The planned kinds of contacts that took place in the time of the plan, each once."""
    found: dict[str, Made] = {}
    for one in happened:
        period = mark.period_of(one.time)
        if one.type not in CONFIRMING or not one.recommendation_id or period is None:
            continue
        name = one.properties.get("treatment")
        at = contacts.catalog.treatment_index.get(name, -1) if isinstance(name, str) else -1
        if at >= 0 and contacts.position_of[at] >= 0:
            treatment = contacts.catalog.treatments[at]
            made = Made(
                period=period,
                action=treatment.action,
                treatment=treatment.id,
                cost=treatment.cost,
            )
            found.setdefault(one.recommendation_id, made)
    return tuple(found.values())
