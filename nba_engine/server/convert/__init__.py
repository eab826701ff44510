"""All code between protocol buffers and domain values."""

from nba_engine.server.convert.catalogs import (
    held_back_by,
    read_files,
    write_action,
    write_catalog,
    write_limit,
    write_mistake,
)
from nba_engine.server.convert.contact_plans import read_plan_request, write_plan
from nba_engine.server.convert.decisions import DecideReader, write_decision
from nba_engine.server.convert.explanations import write_origin, write_trace
from nba_engine.server.convert.interactions import (
    read_interactions,
    read_streamed,
    write_result,
)
from nba_engine.server.convert.limits import read_usage_request, write_usages
from nba_engine.server.convert.pages import Page, bound_to, read_page
from nba_engine.server.convert.profiles import (
    customer_types,
    read_erase,
    read_get_request,
    read_link,
    read_update,
    write_erasure,
    write_linked,
    write_profile,
)
from nba_engine.server.convert.publications import (
    read_publish,
    read_rollback,
    refused,
    write_version,
)
from nba_engine.server.convert.streams import read_stream_request
from nba_engine.server.convert.values import (
    read_time,
    read_value,
    read_values,
    write_time,
    write_value,
    write_values,
)
from nba_engine.server.convert.violations import Violations

__all__ = [
    "DecideReader",
    "Page",
    "Violations",
    "bound_to",
    "customer_types",
    "held_back_by",
    "read_erase",
    "read_files",
    "read_get_request",
    "read_interactions",
    "read_link",
    "read_page",
    "read_plan_request",
    "read_publish",
    "read_rollback",
    "read_stream_request",
    "read_streamed",
    "read_time",
    "read_update",
    "read_usage_request",
    "read_value",
    "read_values",
    "refused",
    "write_action",
    "write_catalog",
    "write_decision",
    "write_erasure",
    "write_limit",
    "write_linked",
    "write_mistake",
    "write_origin",
    "write_plan",
    "write_profile",
    "write_result",
    "write_time",
    "write_trace",
    "write_usages",
    "write_value",
    "write_values",
    "write_version",
]
