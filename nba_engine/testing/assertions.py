"""Makes failures of the suites say what was compared; to be imported before any of them."""

from __future__ import annotations

import pytest

__all__ = ["REWRITTEN"]

REWRITTEN = tuple(
    f"nba_engine.testing.{module}"
    for module in (
        "channel_suite",
        "command_suite",
        "customers_suite",
        "function_suite",
        "ledger_model",
        "ledger_suite",
        "model_suite",
        "requests_model",
        "requests_suite",
        "runtime_suite",
        "sink_suite",
        "stage_suite",
        "store_suite",
    )
)

pytest.register_assert_rewrite(*REWRITTEN)
