"""What a catalog holds: channels, placements, actions, treatments, limits, and its compiled view.

Indices: an *action index* counts `CatalogView.actions`, a *treatment index* counts
`CatalogView.treatments`. Columns named ``(T,)`` have one entry per treatment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.contact_plan import ContactPlanSpec
from nba_engine.domain.evidence import EvidenceSpec
from nba_engine.domain.exploration import Exploration
from nba_engine.domain.features import Feature
from nba_engine.domain.fitted import TreatmentScore
from nba_engine.domain.identities import MergeRule
from nba_engine.domain.outcomes import OutcomeSpec
from nba_engine.domain.rules import Expression, RuleTable
from nba_engine.domain.slate_rules import SlateRule
from nba_engine.domain.values import BoolArray, FloatArray, IntArray, Value

__all__ = [
    "TIERS",
    "Action",
    "ActionKind",
    "Attribute",
    "CatalogView",
    "ChannelSpec",
    "ControlGroup",
    "Limit",
    "Measure",
    "Objective",
    "Pace",
    "Placement",
    "QuietHours",
    "Scope",
    "Tier",
    "Treatment",
    "Window",
    "WindowUnit",
]

ActionKind = Literal["offer", "service", "win_back", "loyalty", "nothing"]
Objective = Literal["propensity", "uplift"]
Tier = Literal["eligibility", "applicability", "suitability"]
TIERS: tuple[Tier, ...] = ("eligibility", "applicability", "suitability")
Scope = Literal["customer", "action", "group", "campaign", "channel"]
Measure = Literal["contacts", "money"]
Pace = Literal["even", "profile", "free"]
WindowUnit = Literal["hour", "day", "week", "month", "lifetime", "rolling"]


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """A declared profile or context attribute. ``type`` as in rules: see docs/catalog.

    ``merge``: what becomes of a profile attribute when customers turn out to be one.
    """

    name: str
    # string | int | double | bool | timestamp | list<string> | list<double> |
    # map<string,double> | map<string,int> | map<string,timestamp>
    type: str
    sensitive: bool = False
    description: str = ""
    merge: MergeRule = "latest"


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """No contact between ``start`` and ``end`` (minutes after local midnight; may wrap)."""

    start: int
    end: int


class ChannelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A way to the customer. ``kind`` names the channel implementation (hook `nba_channels`)."""

    id: str
    name: str
    kind: str = "template"
    direction: Literal["inbound", "outbound"] = "inbound"
    consent: str = ""  # the purpose whose consent is needed here ("marketing"); "" needs none
    quiet_hours: QuietHours | None = None
    reservation_ttl: float = 86_400.0  # seconds until an unconfirmed reservation expires
    settings: Mapping[str, Value] = {}
    assumption: str = ""  # marks stated assumptions (costs nobody measured); shown in outputs
    file: str = ""  # where it was written, for messages


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """A slot in a channel; ``slots`` is how many recommendations it shows by default.

    ``exploration``: what is picked now and then in order to learn; None: the best is shown.
    """

    id: str
    channel: str
    slots: int = 1
    exploration: Exploration | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A thing we may do for a customer."""

    id: str
    name: str
    kind: ActionKind = "offer"
    group: str = ""
    campaign: str = ""
    tags: tuple[str, ...] = ()
    # free attributes for rules and features: action.category, action.price …; `category` names
    # the thing that ownership, complements and substitutes are about
    attributes: Mapping[str, Value] = {}
    prior: float = 0.01  # propensity when no model can tell
    lever: float = 1.0
    value: float | Expression = 0.0  # money gained on a positive outcome
    starts: float | None = None
    ends: float | None = None
    owned_for: float = 0.0  # seconds after a purchase during which it is not offered again
    reorder: bool = False  # rather until this customer is likely to need it again, where known
    pause_after_reject: float = 0.0  # seconds
    complements: tuple[str, ...] = ()  # action ids
    substitutes: tuple[str, ...] = ()
    upgrades_to: tuple[str, ...] = ()
    # what its value is multiplied with: the chance of a positive outcome, or what showing it adds to that
    objective: Objective = "propensity"


class Treatment(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an action on one channel; it carries the cost. id is ``<action>.<key>``."""

    id: str
    action: str
    channel: str
    placements: tuple[str, ...]  # resolved: every placement it fits
    cost: float = 0.0  # money per contact, in the catalog's currency
    tags: tuple[str, ...] = ()
    content: Mapping[str, str] = {}  # field → Jinja2 template
    attributes: Mapping[str, Value] = {}
    # where it was written, for messages: shared by all that have it from one treatment set
    file: str = ""
    place: str = ""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed calendar window in a named time zone, the whole lifetime, or the last ``seconds``."""

    unit: WindowUnit
    time_zone: str = "UTC"
    seconds: float = 0.0  # how long a rolling window is


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """Anything countable that must not be exceeded. One account per combination of its scope.

    ``scope`` () is one shared account. ``amount`` is contacts or money in the catalog's currency, inf
    where only ``at_least`` matters: so many contacts are wanted per account and window (0: none are).
    ``pace``: how a price spreads it over its window; "free": there is none, first come, first served.
    """

    id: str
    name: str
    scope: tuple[Scope, ...]
    measure: Measure
    amount: float | Expression
    window: Window
    pace: Pace = "free"
    at_least: int = 0
    assumption: str = ""


class ControlGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Customers kept out: share of a stable hash of (salt, customer id).

    ``id`` is "" of the one that is kept out of everything. Another one is kept out of some
    ``treatments`` (their indices) for good.
    """

    share: float = 0.0
    salt: str = "control"
    id: str = ""
    name: str = ""
    treatments: tuple[int, ...] = ()


class CatalogView(Protocol):
    """A loaded, validated, compiled catalog: immutable, shared by all decisions."""

    @property
    def version(self) -> str:
        """Content hash."""

    @property
    def currency(self) -> str: ...
    @property
    def time_zone(self) -> str: ...
    @property
    def channels(self) -> Mapping[str, ChannelSpec]: ...
    @property
    def placements(self) -> Mapping[str, Placement]: ...
    @property
    def attributes(self) -> Mapping[str, Attribute]:
        """Declared profile attributes by name."""

    @property
    def context(self) -> Mapping[str, Attribute]:
        """Declared context attributes by name."""

    @property
    def aggregates(self) -> Mapping[str, AggregateSpec]: ...
    @property
    def actions(self) -> Sequence[Action]: ...
    @property
    def action_index(self) -> Mapping[str, int]: ...
    @property
    def treatments(self) -> Sequence[Treatment]:
        """Includes one costless treatment of *nothing* per channel (``nothing.<channel>``)."""

    @property
    def treatment_index(self) -> Mapping[str, int]: ...
    @property
    def action_of(self) -> IntArray:
        """Action index per treatment, (T,)."""

    @property
    def is_nothing(self) -> BoolArray:
        """Whether a treatment is one of *nothing*, (T,)."""

    @property
    def cost(self) -> FloatArray:
        """(T,) money per contact."""

    @property
    def prior(self) -> FloatArray:
        """(T,) the action's prior propensity."""

    @property
    def lever(self) -> FloatArray:
        """(T,) action lever times every matching ``[[levers]]``."""

    @property
    def rules(self) -> Mapping[Tier, RuleTable]:
        """One table per tier over treatment indices."""

    @property
    def limits(self) -> Sequence[Limit]: ...
    @property
    def limits_of(self) -> Sequence[tuple[int, ...]]:
        """Per treatment: the indices of the limits it draws on."""

    @property
    def slate_rules(self) -> Sequence[SlateRule]:
        """What may stand beside what in one answer, and what may not follow what."""

    @property
    def control_group(self) -> ControlGroup: ...
    @property
    def evidence(self) -> EvidenceSpec | None:
        """How actions learn of which little is known; None: they do not."""

    @property
    def control_groups(self) -> Sequence[ControlGroup]:
        """Those that are kept out of some treatments, in their order."""

    @property
    def outcomes(self) -> Sequence[OutcomeSpec]:
        """What counts as the outcome, per treatment, (T,)."""

    @property
    def features(self) -> Mapping[str, Feature]:
        """The inputs of models that are trained, in order."""

    @property
    def treatment_score(self) -> TreatmentScore | None:
        """How propensity and affinities make a response; None: that was not fitted."""

    @property
    def contact_plan(self) -> ContactPlanSpec | None:
        """How contacts are planned ahead; None: they are not."""

    def fitting(self, placement: str) -> IntArray:
        """Treatment indices that fit a placement, ascending (the same array every time)."""

    def changed(
        self,
        *,
        limit_amounts: Mapping[str, float] | None = None,
        limit_minimums: Mapping[str, int] | None = None,
        levers: Mapping[str, float] | None = None,
        control_share: float | None = None,
        without_control: Collection[str] = (),
    ) -> CatalogView:
        """A copy for what-if questions; ``levers`` maps treatment ids to a factor.

        ``without_control``: control groups of some treatments that nobody is in.
        """
