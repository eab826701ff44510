"""The layers that docs/architecture.md tells are the layers that the import contract holds."""

from __future__ import annotations

import re

from scripts.draw_pictures import layers_in_force
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_the_table_of_layers_is_the_import_contract() -> None:
    section = PAGE.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE)
    assert [re.findall(r"`(\w+)`", row) for row in rows] == layers_in_force()


def test_every_room_of_the_package_is_told() -> None:
    packages = {path.parent.name for path in (ROOT / "nba_engine").glob("*/__init__.py")}
    told = set(re.findall(r"`(\w+)`", PAGE))
    assert packages - told == set()
