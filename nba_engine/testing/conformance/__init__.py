"""The conformance kit: what an installed plugin promises, what it does, what it costs.

`nba plugin check` prints what `check` reports. The suites are those of `nba_engine.testing`; a
plugin needs no test of its own for them, but may give examples (see `examples`).
"""

from nba_engine.testing.conformance.kit import check
from nba_engine.testing.conformance.report import Check, Cost, Promise, Report

__all__ = ["Check", "Cost", "Promise", "Report", "check"]
