"""ONNX graphs of logistic models, written node by node."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from nba_engine.domain.values import FloatArray

__all__ = ["calibrated", "constant", "finish", "logistic_graph"]

_OPSET = 17
_IR_VERSION = 8  # what every onnxruntime since 1.12 reads


def logistic_graph(
    weights: FloatArray,
    bias: FloatArray,
    calibration: FloatArray,
    *,
    entry: str,
    output: str,
) -> bytes:
    """Gemm, Platt scaling, Sigmoid in float32: (n, f) → (n, a).

    ``weights`` (f, a), ``bias`` (a,), ``calibration`` (2, a). The row signature has a = 1.
    """
    nodes = [helper.make_node("Gemm", [entry, "weights", "bias"], ["logit"], name="score")]
    initializers = [constant("weights", weights), constant("bias", bias)]
    nodes += calibrated("logit", output)
    initializers += [
        constant("calibration_a", calibration[0]),
        constant("calibration_b", calibration[1]),
    ]
    return finish(
        nodes, initializers, entry=(entry, weights.shape[0]), output=(output, weights.shape[1])
    )


def calibrated(logit: str, output: str) -> list[Any]:
    """The Platt nodes: Sigmoid(calibration_a · logit + calibration_b)."""
    return [
        helper.make_node("Mul", [logit, "calibration_a"], ["scaled"], name="platt_scale"),
        helper.make_node("Add", ["scaled", "calibration_b"], ["calibrated"], name="platt_shift"),
        helper.make_node("Sigmoid", ["calibrated"], [output], name="probability"),
    ]


def constant(name: str, values: FloatArray) -> Any:
    """A float32 initializer."""
    return numpy_helper.from_array(np.asarray(values, dtype=np.float32), name)


def finish(
    nodes: list[Any], initializers: list[Any], *, entry: tuple[str, int], output: tuple[str, int]
) -> bytes:
    """A checked, serialized model; ``entry`` and ``output`` are names with their widths."""
    graph = helper.make_graph(
        nodes,
        "propensity",
        [helper.make_tensor_value_info(entry[0], TensorProto.FLOAT, ["rows", entry[1]])],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, ["rows", output[1]])],
        initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, producer_name="nba-engine")
    model.ir_version = _IR_VERSION
    checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized
