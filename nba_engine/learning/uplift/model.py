"""Uplift as an ONNX model: one row of the customer in, one effect per action out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from nba_engine.domain import Feature, Manifest
from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.export import ENTRY, Provenance, known, publish
from nba_engine.learning.graph import constant, finish
from nba_engine.learning.trees import tree_node
from nba_engine.learning.uplift.learner import Effect

__all__ = ["export_uplift"]

_OUTPUT = "uplift"


def export_uplift(
    folder: Path,
    effects: Mapping[str, Effect],
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    held_out: NDArray[np.float32],
    provenance: Provenance | None = None,
) -> Manifest:
    """Write a wide model with an output per action id, replacing what is there.

    Raises `FailedPrecondition` without an effect, and when the graph differs from the effects by
    more than 1e-5 on any of the rows ``held_out`` (n, f); nothing is written then.
    """
    if not effects:
        raise FailedPrecondition("there is no effect to export")
    # of one kind after the other, as the graph joins them
    ordered = {
        **{action: one for action, one in effects.items() if one.booster is None},
        **{action: one for action, one in effects.items() if one.booster is not None},
    }
    manifest = Manifest(
        name=name,
        version=version,
        signature="wide",
        features=tuple(features),
        input=ENTRY,
        output=_OUTPUT,
        outputs=tuple(ordered),
        meaning="uplift",
        **known(provenance),
    )

    def predict(rows: NDArray[np.float32]) -> FloatArray:
        return np.stack([one.predict(rows) for one in ordered.values()], axis=1)

    graph = _graph(list(ordered.values()), len(features))
    return publish(folder, manifest, graph, held_out, predict)


def _graph(effects: Sequence[Effect], width: int) -> bytes:
    """Linear effects after their scaling, trees as they are, joined and kept within [-1, 1]."""
    linear = [one for one in effects if one.booster is None]
    trees = [one.booster for one in effects if one.booster is not None]
    nodes, constants, parts = [], [], []
    for number, one in enumerate(linear):
        names = [f"{what}_{number}" for what in ("mean", "scale", "weights", "bias", "linear")]
        mean, scale, weights, bias, out = names
        nodes += [
            helper.make_node("Sub", [ENTRY, mean], [f"{out}_centered"], name=f"center_{number}"),
            helper.make_node(
                "Div", [f"{out}_centered", scale], [f"{out}_scaled"], name=f"scale_{number}"
            ),
            helper.make_node(
                "Gemm", [f"{out}_scaled", weights, bias], [out], name=f"effect_{number}"
            ),
        ]
        constants += [
            constant(mean, one.mean),
            constant(scale, one.scale),
            constant(weights, one.weights[:, np.newaxis]),
            constant(bias, np.array([one.bias])),
        ]
        parts.append(out)
    if trees:
        nodes.append(tree_node(trees, ENTRY, "trees"))
        parts.append("trees")
    nodes += [
        helper.make_node("Concat", parts, ["effects"], name="join", axis=1),
        helper.make_node("Clip", ["effects", "least", "most"], [_OUTPUT], name="keep"),
    ]
    constants += [constant("least", np.array(-1.0)), constant("most", np.array(1.0))]
    return finish(nodes, constants, entry=(ENTRY, width), output=(_OUTPUT, len(effects)))
