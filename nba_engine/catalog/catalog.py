"""The compiled catalog: immutable columns and tables, shared by all decisions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from nba_engine.catalog.read import is_table
from nba_engine.domain import (
    Action,
    AggregateSpec,
    Attribute,
    BoolArray,
    ChannelSpec,
    ContactPlanSpec,
    ControlGroup,
    EvidenceSpec,
    Feature,
    FloatArray,
    IntArray,
    Limit,
    OutcomeSpec,
    Placement,
    RuleTable,
    SlateRule,
    Tier,
    Treatment,
)
from nba_engine.domain.fitted import TreatmentScore
from nba_engine.errors import Mistake, NotFound
from nba_engine.settings import add_lines, suggest

__all__ = ["Catalog"]


class Catalog(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A loaded, validated, compiled catalog (`domain.CatalogView`). Arrays are read-only.

    ``files`` is what it was loaded from, ``folder`` what users call the place they are in;
    ``warnings`` is what is probably not meant.
    """

    version: str
    currency: str
    time_zone: str
    assumptions: str
    channels: Mapping[str, ChannelSpec]
    placements: Mapping[str, Placement]
    attributes: Mapping[str, Attribute]
    context: Mapping[str, Attribute]
    aggregates: Mapping[str, AggregateSpec]
    actions: tuple[Action, ...]
    action_index: Mapping[str, int]
    treatments: tuple[Treatment, ...]
    treatment_index: Mapping[str, int]
    action_of: IntArray
    is_nothing: BoolArray
    cost: FloatArray
    prior: FloatArray
    lever: FloatArray
    rules: Mapping[Tier, RuleTable]
    limits: tuple[Limit, ...]
    limits_of: tuple[tuple[int, ...], ...]
    slate_rules: tuple[SlateRule, ...] = ()
    control_group: ControlGroup
    evidence: EvidenceSpec | None = None
    control_groups: tuple[ControlGroup, ...] = ()
    by_placement: Mapping[str, IntArray]
    outcomes: tuple[OutcomeSpec, ...]
    features: Mapping[str, Feature]
    treatment_score: TreatmentScore | None = None
    contact_plan: ContactPlanSpec | None = None
    files: Mapping[str, str]
    folder: str = ""
    warnings: tuple[Mistake, ...] = ()

    def fitting(self, placement: str) -> IntArray:
        """Treatment indices that fit a placement, ascending. Raises `NotFound`."""
        try:
            return self.by_placement[placement]
        except KeyError:
            raise _unknown("placement", placement, self.by_placement) from None

    def name(self, mistakes: Iterable[Mistake]) -> list[Mistake]:
        """Mistakes in these files as users find them: with folder and line."""
        mistakes = [self._in_table(mistake) for mistake in mistakes]
        if not self.folder:
            return add_lines(mistakes, self.files)
        shown = {name: f"{self.folder}/{name}" for name in self.files}
        shown["catalog"] = self.folder
        return add_lines(
            (
                msgspec.structs.replace(mistake, file=_shown(mistake.file, shown))
                for mistake in mistakes
            ),
            {shown[name]: text for name, text in self.files.items()},
        )

    def _in_table(self, mistake: Mistake) -> Mistake:
        """A mistake in a decision table: the row, which is before its place, goes to the file."""
        if mistake.file not in self.files or not is_table(mistake.file):
            return mistake
        row, _, column = mistake.place.partition(":")
        return msgspec.structs.replace(mistake, file=f"{mistake.file}:{row}", place=column)

    def changed(
        self,
        *,
        limit_amounts: Mapping[str, float] | None = None,
        limit_minimums: Mapping[str, int] | None = None,
        levers: Mapping[str, float] | None = None,
        control_share: float | None = None,
        without_control: Collection[str] = (),
    ) -> Catalog:
        """A copy for what-if questions, under the same version.

        ``limit_amounts`` maps limit ids to amounts, ``limit_minimums`` to what there is to be at least
        (0: no minimum), ``levers`` treatment ids to a factor on their lever; ``without_control`` names
        control groups to leave. Raises `NotFound` for an unknown id.
        """
        limits = self.limits
        amounts, minimums = limit_amounts or {}, limit_minimums or {}
        if amounts or minimums:
            known = {limit.id for limit in limits}
            for id_ in (*amounts, *minimums):
                if id_ not in known:
                    raise _unknown("limit", id_, known)
            limits = tuple(
                msgspec.structs.replace(
                    limit,
                    amount=float(amounts[limit.id]) if limit.id in amounts else limit.amount,
                    at_least=minimums.get(limit.id, limit.at_least),
                )
                for limit in limits
            )
        lever = self.lever
        if levers:
            lever = lever.copy()
            for id_, factor in levers.items():
                if id_ not in self.treatment_index:
                    raise _unknown("treatment", id_, self.treatment_index)
                lever[self.treatment_index[id_]] *= factor
            lever.setflags(write=False)
        control_group = self.control_group
        if control_share is not None:
            control_group = msgspec.structs.replace(control_group, share=control_share)
        groups = {group.id for group in self.control_groups}
        for id_ in without_control:
            if id_ not in groups:
                raise _unknown("control group", id_, groups)
        return msgspec.structs.replace(
            self,
            limits=limits,
            lever=lever,
            control_group=control_group,
            control_groups=tuple(g for g in self.control_groups if g.id not in without_control),
        )


def _shown(file: str, shown: Mapping[str, str]) -> str:
    """A file, with or without a line, as users find it."""
    name, colon, line = file.partition(":")
    return f"{shown.get(name, name)}{colon}{line}" if file not in shown else shown[file]


def _unknown(noun: str, id_: str, known: Iterable[str]) -> NotFound:
    remedy = suggest(id_, known, f"{noun}s")
    return NotFound(f"there is no {noun} {id_!r} ({remedy})")
