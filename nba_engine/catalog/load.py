"""Files → catalog: parse, check everything, compile. What is served is never half-loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.catalog.actions import check_actions, make_action
from nba_engine.catalog.attributes import (
    ACTION_NAMES,
    TREATMENT_NAMES,
    Attributes,
    AttributeSource,
    read_attributes,
)
from nba_engine.catalog.catalog import Catalog
from nba_engine.catalog.channels import make_channels, make_placements
from nba_engine.catalog.compile import action_values, compile_rules
from nba_engine.catalog.contact_plan import make_contact_plan
from nba_engine.catalog.declare import Declared, declare
from nba_engine.catalog.draft import Draft
from nba_engine.catalog.evidence import make_evidence
from nba_engine.catalog.expressions import Expressions
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.learning import check_features, make_features, make_outcomes
from nba_engine.catalog.limits import find_zone, make_control_groups, make_levers, make_limits
from nba_engine.catalog.read import Tables, merge
from nba_engine.catalog.schema import ActionEntry
from nba_engine.catalog.selectors import Matcher
from nba_engine.catalog.slate_rules import make_slate_rules
from nba_engine.catalog.treatments import (
    NOTHING,
    TreatmentDraft,
    draft_treatments,
    nothing_treatments,
)
from nba_engine.domain import Action, ControlGroup, RuleFunction, Treatment
from nba_engine.domain.fitted import FittedTable
from nba_engine.errors import Mistake, MistakesFound

__all__ = ["Vocabulary", "load", "load_leniently", "version_of"]

UTC = ZoneInfo("UTC")
K = TypeVar("K", bound=np.generic)


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """What plugins add to the words of a catalog.

    ``functions`` by name, for rules; ``channel_kinds`` that are offered (empty: not checked);
    ``fitted``: what was learned about aggregates.
    """

    functions: Mapping[str, RuleFunction] = {}
    channel_kinds: frozenset[str] = frozenset()
    fitted: FittedTable = FittedTable()


def load(files: Mapping[str, str], vocabulary: Vocabulary) -> Catalog:
    """A catalog from its files (name → text).

    Raises `MistakesFound` with every mistake of all files; each names file and line, place,
    and remedy.
    """
    catalog, mistakes = load_leniently(files, vocabulary)
    if mistakes:
        raise MistakesFound(mistakes)
    return catalog


def load_leniently(
    files: Mapping[str, str], vocabulary: Vocabulary, *, folder: str = "", complete: bool = True
) -> tuple[Catalog, list[Mistake]]:
    """Like `load`, with the mistakes handed back, and the catalog without what they are about.

    Such a catalog is there to check more against it, never to serve. ``folder`` is put before the
    names of files in mistakes and warnings. Without ``complete`` there are files that could not be
    read: what the others refer to may be in these, and is no mistake.
    """
    findings = Findings(complete=complete)
    tables, parsed = merge(files, findings)
    findings.complete = complete and parsed
    if not files and complete:
        findings.mistake("catalog", "", "there are no files", "write the catalog: docs/catalog.md")
    catalog = _build(tables, files, vocabulary, findings, folder)
    return catalog, catalog.name(findings.mistakes)


def version_of(files: Mapping[str, str]) -> str:
    """The content hash: 16 hex digits over names and texts, in the order of names.

    Names and order count, because they settle the order of actions and treatments.
    """
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name, files[name]):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def _build(
    tables: Tables,
    files: Mapping[str, str],
    vocabulary: Vocabulary,
    findings: Findings,
    folder: str,
) -> Catalog:
    general = tables.catalog.table
    zone = find_zone(general.time_zone, tables.catalog.file, "catalog.time_zone", findings) or UTC
    declared = declare(tables, findings, vocabulary.fitted)
    channels = make_channels(tables, vocabulary.channel_kinds, findings)
    placements = make_placements(tables, findings)
    check_actions(tables, zone, findings)
    drafts = draft_treatments(tables, findings)
    of_actions = _action_attributes(tables, zone, findings)
    of_treatments = _treatment_attributes(drafts, zone, findings)
    expressions = _expressions(declared, of_actions, of_treatments, vocabulary, findings, zone)
    actions = {
        id_: _make_action(entry, of_actions, expressions, zone, findings)
        for id_, entry in tables.actions.items()
    }
    treatments = [_treatment(draft, of_treatments, expressions) for draft in drafts]
    if NOTHING in tables.actions:
        treatments += nothing_treatments(tables)
    draft = Draft(
        files=files,
        tables=tables,
        actions=actions,
        treatments=treatments,
        matcher=Matcher(actions, treatments, _declared_only(tables, findings)),
        expressions=expressions,
        findings=findings,
    )
    limits, limits_of = make_limits(draft, zone.key)
    lever = make_levers(draft)
    control_groups = make_control_groups(draft)
    slate_rules = make_slate_rules(draft)
    rules = compile_rules(draft)
    index = {action_id: position for position, action_id in enumerate(actions)}
    by_placement = {
        name: _column((i for i, t in enumerate(treatments) if name in t.placements), np.intp)
        for name in placements
    }
    control = tables.control_group.table
    catalog = Catalog(
        version=version_of(files),
        currency=general.currency,
        time_zone=zone.key,
        assumptions=general.assumptions,
        channels=MappingProxyType(channels),
        placements=MappingProxyType(placements),
        attributes=MappingProxyType(declared.attributes),
        context=MappingProxyType(declared.context),
        aggregates=MappingProxyType(declared.aggregates),
        actions=tuple(actions.values()),
        action_index=MappingProxyType(index),
        treatments=tuple(treatments),
        treatment_index=MappingProxyType({t.id: at for at, t in enumerate(treatments)}),
        action_of=_column((index[t.action] for t in treatments), np.intp),
        is_nothing=_column((t.action == NOTHING for t in treatments), np.bool_),
        cost=_column((t.cost for t in treatments), np.float64),
        prior=_column((actions[t.action].prior for t in treatments), np.float64),
        lever=_column(lever, np.float64),
        rules=MappingProxyType(rules),
        limits=tuple(limits),
        limits_of=tuple(limits_of),
        slate_rules=slate_rules,
        control_group=ControlGroup(share=control.share, salt=control.salt),
        evidence=make_evidence(tables.evidence),
        control_groups=control_groups,
        by_placement=MappingProxyType(by_placement),
        outcomes=make_outcomes(draft),
        features=MappingProxyType(make_features(tables, findings)),
        contact_plan=make_contact_plan(draft, channels, placements),
        treatment_score=vocabulary.fitted.score,
        files=MappingProxyType(dict(files)),
        folder=folder,
    )
    check_features(tables, catalog, expressions.broken, findings)
    return msgspec.structs.replace(catalog, warnings=tuple(catalog.name(findings.warnings)))


def _declared_only(tables: Tables, findings: Findings) -> frozenset[str]:
    """Ids that selectors may name although, for a mistake in an action, no treatment has them."""
    sections = ("actions", "treatment_sets")
    if not any(found.place.startswith(sections) for found in findings.mistakes):
        return frozenset()
    return frozenset({*tables.actions, *tables.channels} - {NOTHING})


def _column(values: Iterable[float], kind: type[K]) -> NDArray[K]:
    """A read-only column."""
    column = np.array(list(values), dtype=kind)
    column.setflags(write=False)
    return column


def _action_attributes(tables: Tables, zone: ZoneInfo, findings: Findings) -> Attributes[str]:
    sources = (
        AttributeSource(
            key=id_,
            file=entry.file,
            place=f"{entry.place}.attributes",
            values=entry.table.attributes,
        )
        for id_, entry in tables.actions.items()
    )
    return read_attributes(sources, ACTION_NAMES, "action", zone, findings)


def _treatment_attributes(
    drafts: list[TreatmentDraft], zone: ZoneInfo, findings: Findings
) -> Attributes[tuple[str, str]]:
    """Attributes by where a treatment was written: shared ones are read once."""
    sources = {
        (draft.source.file, draft.source.place): AttributeSource(
            key=(draft.source.file, draft.source.place),
            file=draft.source.file,
            place=f"{draft.source.place}.attributes",
            values=draft.source.table.attributes,
        )
        for draft in drafts
    }
    return read_attributes(sources.values(), TREATMENT_NAMES, "treatment", zone, findings)


def _expressions(
    declared: Declared,
    of_actions: Attributes[str],
    of_treatments: Attributes[tuple[str, str]],
    vocabulary: Vocabulary,
    findings: Findings,
    zone: ZoneInfo,
) -> Expressions:
    broken = {f"action.{name}" for name in of_actions.broken}
    broken |= {f"treatment.{name}" for name in of_treatments.broken}
    return Expressions(
        declared,
        action_types=of_actions.types,
        treatment_types=of_treatments.types,
        broken=frozenset(broken),
        functions=vocabulary.functions,
        findings=findings,
        time_zone=zone.key,
    )


def _make_action(
    entry: Entry[ActionEntry],
    attributes: Attributes[str],
    expressions: Expressions,
    zone: ZoneInfo,
    findings: Findings,
) -> Action:
    action = make_action(entry, MappingProxyType(attributes.values.get(entry.id, {})), zone)
    value = entry.table.value
    place = f"{entry.place}.value"
    if isinstance(value, str):
        parsed = expressions.value(value, entry.file, place)
        if parsed is None:
            return action
        expression = parsed.bind(action_values(action), {})
        return msgspec.structs.replace(action, value=expression)
    if value < 0:
        findings.mistake(entry.file, place, f"{value:g} is negative", "write 0 or more")
    return msgspec.structs.replace(action, value=value)


def _treatment(
    draft: TreatmentDraft, attributes: Attributes[tuple[str, str]], expressions: Expressions
) -> Treatment:
    table = draft.source.table
    content = table.content
    if expressions.broken:  # what texts that use these would say is a consequence
        content = {
            name: text for name, text in content.items() if not expressions.uses_broken(text)
        }
    return Treatment(
        id=draft.id,
        action=draft.action,
        channel=table.channel,
        placements=draft.placements,
        cost=table.cost,
        tags=table.tags,
        content=MappingProxyType(content),
        attributes=MappingProxyType(
            attributes.values.get((draft.source.file, draft.source.place), {})
        ),
        file=draft.source.file,
        place=draft.source.place,
    )
