"""What `nba plugin check builtin` needs and cannot make up; see docs/plugins.md."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["nba_conformance"]

_MODEL = Path(__file__).parents[1] / "testing" / "example_model"
_DAY = 86_400.0


def nba_conformance(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Content for templates, times for functions, a model for the runtime, files for sources."""
    with np.load(_MODEL / "probes.npz") as probes:
        inputs, expected = probes["inputs"], probes["outputs"]
    return {
        "channel template": {
            "content": {"title": "{{ action.name }} for {{ customer.first_name }}"},
            "bad_content": [{"title": "{{"}, {"title": "{% if %}"}, {"title": "{{ shop.name }}"}],
        },
        "rule-function days_since": {"examples": [((3 * _DAY, _DAY), 2.0)]},
        "rule-function hours_since": {"examples": [((3 * _DAY, _DAY), 48.0)]},
        "model-runtime onnx": {
            "model_file": _MODEL / "model.onnx",
            "inputs": inputs,
            "expected": expected,
        },
        "source csv": {
            "settings": {"path": "in.csv"},
            "feed": partial(_append, folder / "in.csv", _HEADING, "i{0},crm:1,view,{0}\n"),
        },
        "source jsonl": {
            "settings": {"path": "in.jsonl"},
            "feed": partial(_append, folder / "in.jsonl", "", _OBJECT),
        },
    }


_HEADING = "interaction_id,identity,type,time\n"
_OBJECT = '{{"interaction_id": "i{0}", "identity": "crm:1", "type": "view", "time": {0}}}\n'


def _append(path: Path, heading: str, line: str, count: int) -> None:
    """Let a file grow by so many records."""
    before = path.read_text() if path.exists() else heading
    number = before.count("\n")
    path.write_text(before + "".join(line.format(number + at) for at in range(count)))
