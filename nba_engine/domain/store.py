"""The store protocol: few verbs; a commit is atomic and durable before it is acknowledged.

A store that cannot be read or written raises `Unavailable` (full disk: `Exhausted`); driver
errors never get out. All methods are thread-safe and take a ``deadline`` where they wait
(seconds on `time.monotonic`, None = the store's own bound).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from nba_engine.domain.decision import DecisionRecord
from nba_engine.domain.erasure import Erased, Erasure
from nba_engine.domain.evidence import Arrivals
from nba_engine.domain.history import CustomerPage, History, Rebuilt
from nba_engine.domain.identities import Holdings, Identities, Linked, LinkRequest, Merge
from nba_engine.domain.interaction import Interaction, InteractionResult
from nba_engine.domain.ledger import Answer, ReservationRequest, Usage
from nba_engine.domain.profile import Consent, CustomerState
from nba_engine.domain.publication import CatalogFiles, Publication
from nba_engine.domain.requests import Claim, KnownRequest
from nba_engine.domain.retention import Forgotten, ForgottenWindows
from nba_engine.domain.values import Value

__all__ = ["DecisionLog", "Fold", "ProfileUpdate", "Store"]

import msgspec

# (state before, interactions in any order) → aggregate states after; pure
Fold = Callable[[Mapping[str, object], Sequence[Interaction]], dict[str, object]]


class ProfileUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A change to one customer: attributes to set, names to remove, consents to set.

    ``request_id`` makes the update idempotent; "" does not. ``undated`` names the consents that
    were given without a time, and have that of their arrival: a repeat may have another. ``time``:
    when the attributes were set, for merges of customers; 0.0: not known, older than any other.
    ``customer_id``: whom it is meant for; when the identity leads to somebody else by now, or to
    nobody, nothing is changed and nobody created. "": whoever the identity leads to.
    """

    identity: str
    attributes: dict[str, Value] = {}
    remove: tuple[str, ...] = ()
    consents: dict[str, Consent] = {}
    request_id: str = ""
    undated: tuple[str, ...] = ()
    time: float = 0.0
    customer_id: str = ""


class Store(Protocol):
    """The durable state of the engine."""

    @property
    def simulated(self) -> bool:
        """Created as simulated: requests may set the time (replays of the past)."""

    def customer(self, identity: str) -> tuple[CustomerState, bytes] | None:
        """The customer behind an identity and its state as stored (for the log); None: unknown."""

    def update(self, updates: Sequence[ProfileUpdate]) -> Sequence[CustomerState]:
        """Create or change customers; one commit.

        Raises `InvalidRequest` (``REQUEST_ID_REUSED``) when a ``request_id`` of the last days comes
        back with another body.
        """

    def record(
        self, interactions: Sequence[Interaction], fold: Fold, *, now: float
    ) -> Sequence[InteractionResult]:
        """Record interactions, fold them into aggregates, move reservations; one commit.

        Idempotent by ``interaction_id``; an unknown identity becomes a new customer. Results are
        in the order of the interactions.
        """

    def bulk(
        self,
        *,
        updates: Sequence[ProfileUpdate] = (),
        interactions: Sequence[Interaction] = (),
        fold: Fold | None = None,
        now: float,
        progress: tuple[str, str] | None = None,
        follows: str | None = None,
    ) -> Sequence[InteractionResult]:
        """Updates, interactions and a progress mark (name, value) in one commit: for imports.

        Raises `FailedPrecondition`, and does nothing, when ``follows`` is given and the mark is not
        that any more ("": none was noted).
        """

    def progress(self, name: str) -> str | None:
        """What `bulk` last noted under this name."""

    def link(self, request: LinkRequest, merge: Merge, *, now: float) -> Linked:
        """Lead identities to one customer, merging those that they lead to; one commit.

        Unknown identities become the customer's. The one known longest stays, with its id. What any
        of them used of limits counts for it, also what was reserved just before, and while an
        identity was nobody's. Raises `FailedPrecondition` (``TOO_MANY_LINKS``), and `InvalidRequest`
        like `update`.
        """

    def identities(self, identity: str) -> Identities | None:
        """The customer behind an identity: all identities, links, what it said of consents."""

    def holdings(self, identity: str, *, after: int = 0) -> Holdings | None:
        """A page of a customer's interactions, the first one with its reservations.

        ``after`` is ``more`` of the page before. None: unknown.
        """

    def count_customers(self) -> int:
        """How many customers there are."""

    def customer_ids(self, *, before: int = 0, most: int = 1_000) -> CustomerPage:
        """Ids of customers, the one known shortest first; ``before`` is ``more`` of the last page.

        Each with an identity that leads to it.
        A merge leaves the customer known longest. So whoever walks through all of them meets each,
        or the one that it has become, however many are merged meanwhile.
        """

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        """A customer with a page of its interactions, at one moment; None: is no more.

        ``after`` is ``last`` of the page before.
        """

    def arrivals(
        self,
        types: Collection[str],
        *,
        unnamed: Collection[str] = (),
        reach: float = 0.0,
        after: int = 0,
        most: int = 1_000,
    ) -> Arrivals:
        """A page of interactions in order of arrival: of these types, that name a recommendation.

        Those of the types ``unnamed`` also when they name none. ``after`` is ``last`` of the page
        before: whatever is recorded later comes behind it, from whichever process. With what had
        arrived of the page's customers before the page, of the same kinds: all that names one of the
        page's recommendations, and what took place at most ``reach`` seconds before the earliest
        of the page. One moment for both.
        """

    def rebuild(self, customers: Sequence[Rebuilt]) -> Sequence[bool]:
        """Replace the aggregates of customers; one commit.

        Each only if it still is what it was computed from: no interaction and no merge came since.
        Whether it was, in their order.
        """

    def kept_since(self) -> float | None:
        """Interactions that took place earlier were forgotten, and are rejected; None: none were."""

    def forget_interactions(
        self, before: float, *, after: int = 0, dry_run: bool = False
    ) -> Forgotten:
        """Delete a batch of the interactions that took place before a time; one commit.

        Batches are in the order of arrival; ``after`` is ``more`` of the one before. Aggregates stay
        as they are. From the first batch on `record` and `bulk` reject what took place earlier: its
        repeat could not be told from something new. With ``dry_run`` they are only counted.
        """

    def erase(self, identity: str, *, erasure_id: str = "", now: float) -> Erasure:
        """Erase the customer behind an identity, with everything held under any of its names.

        One commit. Reservations stay as far as they draw on accounts of others, too, and are nobody's:
        no limit regains room. Whoever was late does not bring it back: what was begun before (told
        by a decision's id) reserves nothing and leaves no answer, `RequestTaken` for a claim, and
        interactions that happened before are rejected (not in a simulated store). After that an
        identity is that of a new customer. A repeat of the ``erasure_id`` tells what became of it;
        for another identity it raises `InvalidRequest` (``REQUEST_ID_REUSED``).
        """

    def note_erased(
        self,
        erasure_id: str,
        counts: Mapping[str, int],
        *,
        pending: Sequence[str],
        kept: Sequence[str] = (),
    ) -> Erasure:
        """Note what was removed elsewhere, and where something may still be.

        The names are forgotten when only `FILES` is pending, or nothing. Raises `NotFound`.
        """

    def erasures(self, *, most: int = 100) -> Sequence[Erasure]:
        """The newest erasures, the newest first."""

    def erased_since(self, sequence: int = 0) -> Sequence[Erased]:
        """Who was erased, by digests: from behind a sequence on, in order."""

    def erase_again(self, erased: Sequence[Erased], *, now: float) -> int:
        """Carry out erasures that this store has not seen, for it is an older copy; how many.

        Raises `InvalidRequest` for those of another store.
        """

    def scrub(self) -> None:
        """Leave nothing of deleted rows in files and logs of the store, as far as they are its own.

        Raises `Unavailable` when that must be tried again.
        """

    def usage(self, accounts: Sequence[str], *, now: float | None = None) -> Mapping[str, int]:
        """Reserved + spent per account, in whole units; accounts never used are absent.

        What fell out of a rolling window by ``now`` does not count (None: what was last taken off).
        """

    def reserve(
        self,
        requests: Sequence[ReservationRequest],
        *,
        now: float,
        claim: Claim | None = None,
    ) -> Sequence[Answer]:
        """Decide the requests in their order, each granted whole or refused; one commit.

        What expired by ``now``, or fell out of a rolling window, no longer counts. With a
        ``claim``, the same commit takes its request id (also for no requests at all) and notes what
        was granted under it; what an attempt that it replaces held is released first. Raises
        `RequestTaken`, and does nothing, when the id shows another attempt than ``claim.follows``
        and its own, or an answer.
        """

    def release(
        self, reservations: Sequence[str], *, now: float, deadline: float | None = None
    ) -> None:
        """Free what is still reserved under these ids; other ids, and repeats, do nothing."""

    def request(self, request_id: str, *, now: float) -> KnownRequest | None:
        """The attempt that holds a request id; None: nobody's, or expired by ``now``."""

    def remember(
        self, claim: Claim, answer: bytes, *, keep: Sequence[str] = (), now: float
    ) -> None:
        """Make an attempt's answer that of its request id, until ``claim.expires``; one commit.

        What was granted under the claim and is not among ``keep`` is released with it. Repeating
        it does nothing. Raises `RequestTaken` like `reserve`.
        """

    def give_up(self, claim: Claim, *, now: float, deadline: float | None = None) -> None:
        """End an attempt without an answer: its request id is free, all it held is released.

        Nothing happens when the id shows another attempt, or an answer.
        """

    def accounts(
        self, prefix: str, *, now: float | None = None, after: str = "", most: int = 100
    ) -> Sequence[Usage]:
        """The first ``most`` accounts whose names begin with ``prefix`` and come after ``after``.

        By name, in the order of code points. What fell out of a rolling window by ``now`` does not
        count (None: what was last taken off).
        """

    def usage_report(self, limit: str = "") -> Iterable[Usage]:
        """Every account of a limit ("" = all), for reports and tests."""

    def expire(self, *, now: float) -> int:
        """End every reservation that is due; returns how many.

        Also takes off accounts what fell out of their rolling windows, forgets what is remembered
        of requests that have expired, and ends attempts that died without an answer (``until`` has
        passed) as `give_up` does.
        """

    def windows_since(self) -> float | None:
        """Accounts of calendar windows that ended earlier were forgotten; None: none ever was."""

    def forget_windows(
        self, before: float, *, after: str = "", dry_run: bool = False
    ) -> ForgottenWindows:
        """Delete a batch of accounts whose calendar windows ended before a time; one commit.

        They are told by their names (`window_over`). Those that hold a reservation stay. ``after`` is
        ``more`` of the batch before. From the first batch on an account that is not there, and whose
        window ended before, grants nothing; what is confirmed late is not charged to it. With
        ``dry_run`` they are only counted.
        """

    def keep_catalog(self, catalog: CatalogFiles) -> None:
        """Store a catalog without putting it in force; a version that is stored stays as it is."""

    def publish_catalog(
        self, catalog: CatalogFiles, publication: Publication, *, follows: str = ""
    ) -> tuple[Publication, bool]:
        """Store a catalog and put it in force; what came of it, and whether it is new. One commit.

        What was published last, with the same models, is not published again: only its ``folder``
        changes. A new one gets the next ``sequence``, and a switch time not before the last one's.
        Raises `FailedPrecondition` (``CATALOG_VERSION_MISMATCH``), and does nothing, when
        ``follows`` is given and another version was published last.
        """

    def publications(self, *, after: int = 0) -> Sequence[Publication]:
        """What was put in force, in order, from behind the sequence ``after`` on."""

    def catalog_files(self, version: str) -> Mapping[str, str] | None:
        """The files of a catalog by its content hash; None: not stored."""

    def forget_catalogs(self, versions: Sequence[str], *, now: float) -> int:
        """Delete the files of these, but not of what is in force or to come; how many there were.

        Publications stay. One commit.
        """

    def close(self) -> None:
        """Finish what was accepted, then release files."""


class DecisionLog(Protocol):
    """The decision log: a file of its own, written behind the answer (≤ 100 ms loss window)."""

    def append(self, record: DecisionRecord) -> None:
        """Queue a record. Never blocks for the disk; raises `Exhausted` when the queue is full."""

    def read(self, decision_id: str) -> DecisionRecord | None: ...
    def decisions_of(self, names: Collection[str]) -> Iterator[DecisionRecord]:
        """What was decided for these customers or identities, in the order of logging.

        As far as it is durable: `flush` first.
        """

    def erase(
        self, erased: Erased, *, stop: Callable[[], bool] = lambda: False
    ) -> Mapping[str, int]:
        """Remove what was decided for whoever was erased; how much, by kind.

        Also what was moved elsewhere. What was begun before and is logged later does not come in,
        from whichever process. May be repeated; ``stop`` is asked now and then. Raises
        `Unavailable` when it must be, `Exhausted`, `FailedPrecondition`.
        """

    def was_erased(self, erasure_id: str) -> bool:
        """Whether `erase` was carried out to its end."""

    def flush(self) -> None:
        """Return when everything appended so far is durable."""

    def close(self) -> None: ...
