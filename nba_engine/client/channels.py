"""How a client reaches its server: options of the channel, and which methods are repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence

from nba_engine import __version__

__all__ = ["HEALTH_CHECK", "RETRIED", "channel_options"]

HEALTH_CHECK = "/grpc.health.v1.Health/Check"

# Idempotent as this client calls them: reads, RecordInteractions (every interaction has its id
# before the first attempt), UpdateProfile and LinkIdentities (the client gives each its request_id).
# Not Decide and BatchDecide, which may reserve with each call: see `Retries`.
# Not PublishCatalog and RollbackCatalog, which might undo what somebody else published in between.
RETRIED: tuple[tuple[str, str], ...] = (
    ("nba.v1.DecisionService", "ExplainDecision"),
    ("nba.v1.DecisionService", "GetContactPlan"),
    ("nba.v1.InteractionService", "RecordInteractions"),
    ("nba.v1.ProfileService", "GetProfile"),
    ("nba.v1.ProfileService", "UpdateProfile"),
    ("nba.v1.ProfileService", "LinkIdentities"),
    ("nba.v1.ProfileService", "ExportProfile"),
    ("nba.v1.ProfileService", "EraseProfile"),
    ("nba.v1.CatalogService", "GetCatalog"),
    ("nba.v1.CatalogService", "ListActions"),
    ("nba.v1.CatalogService", "ValidateCatalog"),
    ("nba.v1.CatalogService", "ListCatalogVersions"),
    ("nba.v1.LimitService", "ListLimits"),
    ("nba.v1.LimitService", "GetLimitUsage"),
    ("grpc.health.v1.Health", "Check"),
)
_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{"service": service, "method": method} for service, method in RETRIED],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # a server in trouble is not buried under repeats
    "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
}


def channel_options(
    keepalive: float, further: Sequence[tuple[str, str | int]]
) -> list[tuple[str, str | int]]:
    """Options of a gRPC channel; ``further`` ones win."""
    options: dict[str, str | int] = {
        "grpc.service_config": json.dumps(_SERVICE_CONFIG),
        "grpc.enable_retries": 1,
        "grpc.primary_user_agent": f"nba-engine-client/{__version__}",
        # a connection that died quietly is found before the next customer waits for it
        "grpc.keepalive_time_ms": round(keepalive * 1000),
        "grpc.keepalive_timeout_ms": 10_000,
        "grpc.keepalive_permit_without_calls": 1,
        # a server that was restarted is found again within two seconds; gRPC's default is 120
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.min_reconnect_backoff_ms": 5000,
        "grpc.max_reconnect_backoff_ms": 2000,
        # the server bounds what it sends
        "grpc.max_receive_message_length": -1,
    }
    options.update(further)
    return list(options.items())
