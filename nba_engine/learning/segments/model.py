"""Segments on disk: the ONNX model that says who belongs where, and beside it the names, to edit."""

from __future__ import annotations

import datetime as dt
import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import helper

from nba_engine.domain import Feature, Manifest
from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import FailedPrecondition, Mistake, MistakesFound
from nba_engine.learning.export import ENTRY, data_hash, publish
from nba_engine.learning.graph import constant, finish
from nba_engine.learning.segments.behavior import rows_of
from nba_engine.learning.segments.fitting import Last, Segments
from nba_engine.models import OnnxRuntime, load_manifest

__all__ = ["Assigner", "export_segments", "names_file", "open_assigner"]

_OUTPUT = "membership"


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """``[[segments]]`` of the names."""

    id: str
    name: str
    description: str = ""
    share: float = 0.0
    value: float | None = None


class _Names(msgspec.Struct, frozen=True, kw_only=True):
    """The file of names; ``next_id`` counts on, so that no id ever means two groups."""

    next_id: int = 1
    segments: tuple[_Named, ...] = ()


class Assigner:
    """Puts customers into segments: the exported model with the names as they are now."""

    def __init__(self, folder: Path, manifest: Manifest, names: _Names) -> None:
        self.manifest = manifest
        self._run = OnnxRuntime().load(folder, manifest)
        by_id = {one.id: one.name for one in names.segments}
        self.names = tuple(by_id.get(own, own) for own in manifest.outputs)
        self.next_id = names.next_id

    @property
    def features(self) -> Sequence[Feature]:
        """Its inputs."""
        return self.manifest.features

    def labels(self, customers: Sequence[Mapping[str, Any]], now: float) -> IntArray:
        """The number of each customer's segment, (n,), from what is known of it by name."""
        if not customers:
            return np.empty(0, dtype=np.intp)
        rows = rows_of(self.features, customers, now)
        return np.asarray(np.asarray(self._run(rows)).argmax(axis=1), dtype=np.intp)

    def last(self, customers: Sequence[Mapping[str, Any]], now: float) -> Last:
        """This fit as the next one matches itself to it."""
        return Last(
            ids=self.manifest.outputs,
            names=self.names,
            label=self.labels(customers, now),
            next_id=self.next_id,
        )


def names_file(folder: Path) -> Path:
    """Where the names of a model folder stand: ``models/segments.toml`` of ``models/segments``."""
    return folder.with_name(f"{folder.name}.toml")


def open_assigner(folder: Path) -> Assigner | None:
    """The segments exported to a folder; None: there are none yet. Raises `MistakesFound`."""
    if not folder.exists():
        return None
    return Assigner(folder, load_manifest(folder), _read_names(names_file(folder)))


def export_segments(folder: Path, fit: Segments, *, held_out: NDArray[np.float32]) -> Manifest:
    """Write the model and its names; names of the fit before stay until the model is replaced.

    Raises `FailedPrecondition` when the graph differs from the fit on ``held_out`` (n, f) by more
    than 1e-5; nothing is changed then.
    """
    if not fit.segments:
        raise FailedPrecondition("there are no groups to export")
    file = names_file(folder)
    named = tuple(
        _Named(
            id=one.id, name=one.name, description=one.description, share=one.share, value=one.value
        )
        for one in fit.segments
    )
    ids = {one.id for one in named}
    before = tuple(one for one in _read_names(file).segments if one.id not in ids)
    manifest = Manifest(
        name=folder.name,
        version=f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        signature="wide",
        features=fit.behavior.features,
        input=ENTRY,
        output=_OUTPUT,
        outputs=tuple(one.id for one in fit.segments),
        label="segment",
        metrics={} if fit.explained is None else {"explained": fit.explained.value},
        data_hash=data_hash(fit.behavior.rows),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    _write_names(file, named + before, fit.next_id)
    published = publish(
        folder, manifest, _graph(fit), held_out, lambda rows: _membership(fit, rows)
    )
    _write_names(file, named, fit.next_id)
    return published


def _membership(fit: Segments, rows: NDArray[Any]) -> FloatArray:
    """Soft membership (n, g): largest for the nearest center."""
    scaled = (rows.astype(np.float64) - fit.mean) / fit.scale
    logits = scaled @ fit.centers.T - 0.5 * np.sum(fit.centers**2, axis=1)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float64)


def _graph(fit: Segments) -> bytes:
    """Scaling, and the softmax of what is linear in the squared distances to the centers."""
    nodes = [
        helper.make_node("Sub", [ENTRY, "mean"], ["centered"], name="center"),
        helper.make_node("Div", ["centered", "scale"], ["scaled"], name="scale_to_one"),
        helper.make_node("Gemm", ["scaled", "centers", "bias"], ["nearness"], name="nearest"),
        helper.make_node("Softmax", ["nearness"], [_OUTPUT], name="member", axis=1),
    ]
    constants = [
        constant("mean", fit.mean),
        constant("scale", fit.scale),
        constant("centers", fit.centers.T),
        constant("bias", -0.5 * np.sum(fit.centers**2, axis=1)),
    ]
    shape = (ENTRY, len(fit.mean)), (_OUTPUT, len(fit.centers))
    return finish(nodes, constants, entry=shape[0], output=shape[1])


def _read_names(file: Path) -> _Names:
    try:
        names = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _Names)
    except FileNotFoundError:
        return _Names()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        mistake = Mistake(file=str(file), place="", message=str(error), remedy="mend the names")
        raise MistakesFound([mistake]) from None
    called = [one.name for one in names.segments]
    wrong = sorted({name for name in called if not name.strip() or called.count(name) > 1})
    if wrong:
        mistake = Mistake(
            file=str(file),
            place="segments.name",
            message=f"{wrong[0]!r} is empty or names two segments",
            remedy="give each segment a name of its own",
        )
        raise MistakesFound([mistake])
    return names


def _write_names(file: Path, named: Sequence[_Named], next_id: int) -> None:
    lines = [
        '# `name` may be edited: rules then say customer.segment == "that name", and',
        "# `nba segments apply` writes it to the profiles. The ids stay as they are.",
        f"next_id = {next_id}",
    ]
    for one in named:
        lines += ["", "[[segments]]", f"id = {json.dumps(one.id)}"]
        lines.append(f"name = {json.dumps(one.name, ensure_ascii=False)}")
        lines.append(f"description = {json.dumps(one.description, ensure_ascii=False)}")
        lines.append(f"share = {one.share:.4f}")
        if one.value is not None and np.isfinite(one.value):
            lines.append(
                f"value = {one.value:.6g}"
                if "." in f"{one.value:.6g}"
                else f"value = {one.value:.1f}"
            )
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
    unfinished.replace(file)
