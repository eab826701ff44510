"""The client of nba-engine: typed, for threads (`Client`) and for asyncio (`AioClient`).

Imports nothing of the engine but the generated messages. `docs/client.md` is its guide.
"""

from nba_engine.client.aio_batching import AioInteractionBatcher
from nba_engine.client.aio_client import AioClient
from nba_engine.client.batching import InteractionBatcher
from nba_engine.client.catalogs import (
    Action,
    Attribute,
    Catalog,
    Channel,
    ControlGroup,
    Limit,
    Mistake,
    Placement,
    Treatment,
)
from nba_engine.client.client import Client
from nba_engine.client.contact_plans import ContactPlan, PlannedContact
from nba_engine.client.decisions import (
    DecideRequest,
    DecideResult,
    Decision,
    PlacementRequest,
    Recommendation,
    StageCount,
)
from nba_engine.client.erasures import Erasure
from nba_engine.client.errors import (
    ClientClosed,
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    Internal,
    InvalidRequest,
    NbaClientError,
    NotAllowed,
    NotDelivered,
    NotFound,
    QueueFull,
    Unavailable,
    Undelivered,
    Unsupported,
    Violation,
)
from nba_engine.client.explanations import (
    AttributeOrigin,
    CandidateTrace,
    Change,
    Explanation,
)
from nba_engine.client.exports import ProfileEntry
from nba_engine.client.interactions import Interaction, InteractionResult
from nba_engine.client.limits import LimitUsage
from nba_engine.client.options import CallOptions
from nba_engine.client.profiles import Consent, Linked, Profile
from nba_engine.client.publications import CatalogVersion, PublishedCatalog
from nba_engine.client.values import Scalar, Value

__all__ = [
    "Action",
    "AioClient",
    "AioInteractionBatcher",
    "Attribute",
    "AttributeOrigin",
    "CallOptions",
    "CandidateTrace",
    "Catalog",
    "CatalogVersion",
    "Change",
    "Channel",
    "Client",
    "ClientClosed",
    "Consent",
    "ContactPlan",
    "ControlGroup",
    "DeadlineExceeded",
    "DecideRequest",
    "DecideResult",
    "Decision",
    "Erasure",
    "Exhausted",
    "Explanation",
    "FailedPrecondition",
    "Interaction",
    "InteractionBatcher",
    "InteractionResult",
    "Internal",
    "InvalidRequest",
    "Limit",
    "LimitUsage",
    "Linked",
    "Mistake",
    "NbaClientError",
    "NotAllowed",
    "NotDelivered",
    "NotFound",
    "Placement",
    "PlacementRequest",
    "PlannedContact",
    "Profile",
    "ProfileEntry",
    "PublishedCatalog",
    "QueueFull",
    "Recommendation",
    "Scalar",
    "StageCount",
    "Treatment",
    "Unavailable",
    "Undelivered",
    "Unsupported",
    "Value",
    "Violation",
]
