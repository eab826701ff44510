"""The files of a catalog: TOML → its tables, merged, each remembering where it was written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from nba_engine.catalog.contact_plan_schema import ContactPlanEntry
from nba_engine.catalog.evidence import EvidenceEntry
from nba_engine.catalog.findings import Entry, Findings
from nba_engine.catalog.learning_schema import FeatureEntry, OutcomeEntry
from nba_engine.catalog.schema import (
    ActionEntry,
    AggregateEntry,
    AttributeEntry,
    ChannelEntry,
    ControlGroupEntry,
    ControlOfEntry,
    GeneralEntry,
    LeverEntry,
    LimitEntry,
    PlacementEntry,
    RuleEntry,
    TreatmentEntry,
)
from nba_engine.catalog.slate_schema import SlateRuleEntry
from nba_engine.catalog.value_schema import ValueEntry, ValueModelEntry
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.settings import convert_leniently, join, parse_toml, read_text, suggest

__all__ = [
    "ID",
    "NAME",
    "NAMED",
    "SECTIONS",
    "SINGLES",
    "Tables",
    "check_name",
    "is_table",
    "merge",
    "read_folder",
    "read_leniently",
]

T = TypeVar("T")

TreatmentSet = dict[str, TreatmentEntry]


def read_folder(path: str | Path) -> dict[str, str]:
    """The files of a catalog by name, sorted: ``*.toml``, and ``*.csv`` in folders below, too.

    Names of files in folders below have these before them: ``tables/wine.csv``. Raises
    `MistakesFound`.
    """
    files, mistakes = read_leniently(path)
    if mistakes:
        raise MistakesFound(mistakes)
    return files


def read_leniently(path: str | Path, shown: str = "") -> tuple[dict[str, str], list[Mistake]]:
    """Like `read_folder`, with the mistakes handed back, and the files that could be read.

    ``shown`` is what users call the folder; mistakes put it before the names of files.
    """
    folder = Path(path)
    mistakes: list[Mistake] = []
    files: dict[str, str] = {}
    if not folder.is_dir():
        mistakes.append(
            _mistake(shown or str(path), "there is no such folder", "check catalog.path")
        )
    else:
        for name, file in sorted(_written(folder).items()):
            text, unread = read_text(file, f"{shown}/{name}" if shown else name)
            mistakes += unread
            if not unread:
                files[name] = text
        if not any(name.endswith(".toml") for name in files) and not mistakes:
            mistakes.append(
                _mistake(
                    shown or str(path),
                    "there are no *.toml files",
                    "write the catalog: docs/catalog.md",
                )
            )
    return files, mistakes


def is_table(name: str) -> bool:
    """Whether a file of a catalog is a decision table, by its name."""
    return name.endswith(".csv")


def _written(folder: Path) -> dict[str, Path]:
    """Files by name; what starts with a dot is an editor's or a tool's."""
    found = {file.name: file for file in folder.glob("*.toml")}
    for file in folder.rglob("*.csv"):
        name = file.relative_to(folder).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            found[name] = file
    return found


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """All tables of a catalog by id, in the order of files and of the tables in them."""

    catalog: Entry[GeneralEntry]
    attributes: dict[str, Entry[AttributeEntry]] = {}
    context: dict[str, Entry[AttributeEntry]] = {}
    aggregates: dict[str, Entry[AggregateEntry]] = {}
    channels: dict[str, Entry[ChannelEntry]] = {}
    placements: dict[str, Entry[PlacementEntry]] = {}
    actions: dict[str, Entry[ActionEntry]] = {}
    treatment_sets: dict[str, Entry[TreatmentSet]] = {}
    rules: dict[str, Entry[RuleEntry]] = {}
    limits: dict[str, Entry[LimitEntry]] = {}
    levers: dict[str, Entry[LeverEntry]] = {}
    slate_rules: dict[str, Entry[SlateRuleEntry]] = {}
    control_groups: dict[str, Entry[ControlOfEntry]] = {}
    outcomes: dict[str, Entry[OutcomeEntry]] = {}
    features: dict[str, Entry[FeatureEntry]] = {}
    control_group: Entry[ControlGroupEntry]
    evidence: Entry[EvidenceEntry]
    value: Entry[ValueEntry]
    contact_plan: Entry[ContactPlanEntry]
    value_model: Entry[ValueModelEntry]


# Tables of tables: section → what one of its tables holds
SECTIONS: dict[str, Any] = {
    "attributes": AttributeEntry,
    "context": AttributeEntry,
    "aggregates": AggregateEntry,
    "channels": ChannelEntry,
    "placements": PlacementEntry,
    "actions": ActionEntry,
    "treatment_sets": TreatmentSet,
    "rules": RuleEntry,
    "limits": LimitEntry,
    "levers": LeverEntry,
    "slate_rules": SlateRuleEntry,
    "control_groups": ControlOfEntry,
    "outcomes": OutcomeEntry,
    "features": FeatureEntry,
}
# Single tables
SINGLES: dict[str, Any] = {
    "catalog": GeneralEntry,
    "control_group": ControlGroupEntry,
    "evidence": EvidenceEntry,
    "value": ValueEntry,
    "value_model": ValueModelEntry,
    "contact_plan": ContactPlanEntry,
}
# Names that rules use must be CEL identifiers; all other ids are parts of keys and of output
NAMED = frozenset({"attributes", "context", "aggregates"})
ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
# fmt: off
_CEL_WORDS = frozenset(
    (
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import",
        "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void",
        "while",
    )
)
# fmt: on


def merge(files: Mapping[str, str], findings: Findings) -> tuple[Tables, bool]:
    """Parse and merge all files. The flag tells whether all of them could be parsed.

    Unknown keys, wrong types and tables defined twice are noted; what is wrong keeps its default.
    """
    merged: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    singles: dict[str, Any] = {}  # typed by SINGLES, as the sections are by SECTIONS
    complete = bool(files)
    for file in sorted(name for name in files if not is_table(name)):
        data, unparsed = parse_toml(files[file], file)
        findings.mistakes += unparsed
        complete = complete and not unparsed
        for section, raw in data.items():
            if section in SINGLES:
                kind = SINGLES[section]
                _add(singles, section, kind, raw, file=file, section="", findings=findings)
            elif section not in SECTIONS:
                known = [*SINGLES, *SECTIONS]
                remedy = suggest(section, known, "tables of a catalog")
                findings.mistake(file, section, f"unknown table {section!r}", remedy)
            elif not isinstance(raw, Mapping):
                remedy = f"write [{section}.<name>]"
                findings.mistake(file, section, "expected a table of tables", remedy)
            else:
                for name, table in raw.items():
                    check_name(name, file, section, findings, identifier=section in NAMED)
                    _add(
                        merged[section],
                        name,
                        SECTIONS[section],
                        table,
                        file=file,
                        section=section,
                        findings=findings,
                    )
    for section, kind in SINGLES.items():
        singles.setdefault(section, Entry(id=section, file="", place=section, table=kind()))
    everything: dict[str, Any] = {**merged, **singles}
    return Tables(**everything), complete


def check_name(
    name: str, file: str, place: str, findings: Findings, *, identifier: bool = False
) -> bool:
    """Whether ``name`` may be an id, or an ``identifier`` in rules; notes the mistake if not."""
    where = join(place, name)
    if identifier:
        if not NAME.match(name):
            remedy = "use letters, digits and _, not starting with a digit"
            findings.mistake(file, where, f"{name!r} cannot be written in rules", remedy)
            return False
        if name in _CEL_WORDS:
            findings.mistake(file, where, f"{name!r} is a reserved word of rules", "choose another")
            return False
    elif not ID.match(name):
        remedy = "use letters, digits, _ and -"
        findings.mistake(file, where, f"{name!r} cannot be an id", remedy)
        return False
    return True


def _add(
    known: dict[str, Any],
    name: str,
    kind: Any,
    raw: object,
    *,
    file: str,
    section: str,
    findings: Findings,
) -> None:
    place = join(section, name)
    table = convert_leniently(raw, kind, file, place, findings.mistakes)
    first = known.get(name)
    if first is not None:
        remedy = "keep one of them, or rename one"
        findings.mistake(file, place, f"is defined in {first.file} already", remedy)
        return
    known[name] = Entry(id=name, file=file, place=place, table=table)


def _mistake(file: str, message: str, remedy: str) -> Mistake:
    return Mistake(file=file, place="", message=message, remedy=remedy)
