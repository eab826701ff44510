"""Everything the demo found out, in one value: printed, drawn, and written as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nba_demo.checks import Explained, LimitsHeld, Sums
from nba_demo.contact_plan import ContactPlanned
from nba_demo.cycles import Cycles
from nba_demo.followed import Followed
from nba_demo.funnel import FunnelLine, LimitUse, Speed
from nba_demo.hits import Hits
from nba_demo.importing import Imported
from nba_demo.offline import Offline
from nba_demo.personas import Personas
from nba_demo.policies import Policies
from nba_demo.tastes import Taste
from nba_demo.worth import Worth

__all__ = ["Results", "to_json"]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's results; times in local days, money in the catalog's currency."""

    command: str
    households: int
    offers: int
    whole_panel: bool  # otherwise the gates are shown, not enforced
    first_day: str
    last_day: str
    imported: Imported
    offline: Offline
    training_rows: int
    train_seconds: float
    parity: float
    worth: Worth
    taste: Taste
    cycles: Cycles
    personas: Personas
    model_version: str
    catalog_version: str
    decisions: int
    recommended: int
    degraded: int
    overruns: int
    speed: Speed
    contacts: Mapping[str, Mapping[str, int]]
    hits: Hits
    limits: tuple[LimitUse, ...]
    funnel: tuple[FunnelLine, ...]
    spend: Mapping[str, list[float]]
    policies: Policies
    planned: ContactPlanned
    followed: Followed
    explained: tuple[str, ...]
    sums: Sums
    limits_held: LimitsHeld
    explanations: Mapping[str, Explained]
    cannot_support: tuple[str, ...]
    seconds: Mapping[str, float]

    def failures(self) -> list[str]:
        """What failed, a line each."""
        lines = []
        if self.whole_panel:
            lines += [
                f"gate failed: {gate.name} is {gate.value:.4f}, needs "
                f"{'at least' if gate.at_least else 'at most'} {gate.bound:g}"
                for gate in self.offline.gates
                if not gate.passed
            ]
        if self.sums.violations:
            lines.append(f"candidates do not add up in {self.sums.violations} decisions")
        if self.limits_held.violations:
            lines.append(f"{self.limits_held.violations} accounts are above their limit")
        if self.planned.overspent or self.planned.violation:
            lines.append("the contact plan, or what it is compared with, exceeds a limit")
        if self.followed.unplanned:
            lines.append(f"{self.followed.unplanned} letters and e-mails were not planned")
        if self.overruns:
            lines.append(f"{self.overruns} confirmations overran a limit")
        if self.hits.mismatches:
            lines.append(f"survivors of {self.hits.mismatches} decisions were not reproduced")
        for code, one in self.explanations.items():
            lines += [f"{code}: the named change did not help: {text}" for text in one.failed]
        return lines


def to_json(results: Results) -> bytes:
    """Indented JSON."""
    found = msgspec.to_builtins(results)
    found["offline"]["gates"] = [
        {**gate, "passed": one.passed}
        for gate, one in zip(found["offline"]["gates"], results.offline.gates, strict=True)
    ]
    found["failures"] = results.failures()
    return msgspec.json.format(msgspec.json.encode(found), indent=2)
