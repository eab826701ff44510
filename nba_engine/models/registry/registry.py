"""A folder of models: every version that was added, and the history of what was promoted."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from nba_engine.domain.model import Manifest
from nba_engine.errors import FailedPrecondition, Mistake, MistakesFound, NotFound
from nba_engine.models.manifest import load_manifest
from nba_engine.models.registry.content import content_of, copy_folder, sync_folder, write_whole
from nba_engine.models.registry.versions import (
    ModelVersion,
    Promotion,
    Refusal,
    one_before,
    promoted_of,
)

__all__ = ["ModelRegistry"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_VERSION = re.compile(r"[0-9a-f]{16}")
_HISTORY = "promotions.json"


class _Added(msgspec.Struct, frozen=True, kw_only=True):
    """``versions/<version>.json``: what is known of a version beside its folder."""

    added: float
    note: str = ""
    author: str = ""


_decode_history = msgspec.json.Decoder(list[Promotion]).decode
_decode_added = msgspec.json.Decoder(_Added).decode


class ModelRegistry:
    """Versions of named models below one folder. Safe for many processes at once.

    ``<name>/versions/<version>/`` is a model folder, its version the hash of its content; it is
    written once and never changed. ``<name>/promotions.json`` says which versions were promoted;
    it is replaced as a whole. A reader needs no lock.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock

    def names(self) -> list[str]:
        """The models that have versions, sorted."""
        if not self.path.is_dir():
            return []
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if _NAME.fullmatch(entry.name) and (entry / "versions").is_dir()
        )

    def add(self, name: str, folder: Path, *, note: str = "", author: str = "") -> ModelVersion:
        """Copy a model folder into the registry; what is there already stays as it is.

        Raises `MistakesFound` when its manifest cannot be loaded or the name cannot be one.
        """
        if not _NAME.fullmatch(name):
            mistake = Mistake(
                file=str(self.path),
                place=name,
                message="cannot be the name of a model",
                remedy="use letters, digits, '_', '-' and '.', and begin with a letter or digit",
            )
            raise MistakesFound([mistake])
        load_manifest(folder)
        versions = self.path / name / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        with self._alone(name):
            for left in versions.glob(".adding-*"):  # of a process that was stopped
                shutil.rmtree(left, ignore_errors=True)
            draft = versions / f".adding-{os.getpid()}"
            try:
                copy_folder(folder, draft)
                version = content_of(draft)
                self._place(draft, versions / version)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            told = versions / f"{version}.json"
            if not told.exists():
                added = _Added(added=self._clock(), note=note, author=author)
                write_whole(told, msgspec.json.format(msgspec.json.encode(added)))
        return self.version(name, version)

    def versions(self, name: str) -> list[ModelVersion]:
        """Every version of a model, the latest added first; none of an unknown model."""
        folder = self.path / name / "versions"
        if not _NAME.fullmatch(name) or not folder.is_dir():
            return []
        found = [
            self._read(name, told.stem)
            for told in folder.glob("*.json")
            if _VERSION.fullmatch(told.stem)
        ]
        return sorted(found, key=lambda one: (one.added, one.version), reverse=True)

    def version(self, name: str, version: str = "") -> ModelVersion:
        """A version by its first characters; "": the promoted one. Raises `NotFound`."""
        if not version:
            current = self.current(name)
            if current is None:
                raise NotFound(f"no version of the model {name!r} is promoted")
            return self._read(name, current.version)
        found = [one for one in self.versions(name) if one.version.startswith(version)]
        if len(found) != 1:
            how = "several versions begin" if found else "no version begins"
            raise NotFound(f"of the model {name!r}, {how} with {version!r}")
        return found[0]

    def history(self, name: str) -> Sequence[Promotion]:
        """Every promotion of a model, in their order. Raises `FailedPrecondition` if unreadable."""
        file = self.path / name / _HISTORY
        if not _NAME.fullmatch(name):
            return []
        try:
            return _decode_history(file.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, msgspec.DecodeError) as error:
            raise FailedPrecondition(f"{file} cannot be read: {error}") from error

    def current(self, name: str) -> Promotion | None:
        """The promotion that counts: the last one that no server refused. None: there is none."""
        return promoted_of(self.history(name))

    def promote(
        self, name: str, version: str, *, author: str = "", comment: str = ""
    ) -> tuple[Promotion, bool]:
        """Promote a version, given by its first characters; and whether that is new.

        Servers check it, and refuse it if they cannot serve it. Raises `NotFound`.
        """
        found = self.version(name, version or "?")
        self.verified(name, found.version)
        return self._promote(name, found.version, "promote", author, comment)

    def rollback(
        self, name: str, version: str = "", *, author: str = "", comment: str = ""
    ) -> tuple[Promotion, bool]:
        """Promote a version again; "": the one that was promoted before the one that is.

        Raises `NotFound`, `FailedPrecondition`.
        """
        version = version or self.before(name)
        found = self.version(name, version)
        self.verified(name, found.version)
        return self._promote(name, found.version, "rollback", author, comment)

    def before(self, name: str) -> str:
        """The version that `rollback` goes back to. Raises `FailedPrecondition`."""
        return one_before(self.history(name), name)

    def took(self, name: str, version: str) -> None:
        """A server decides with the promoted version: note when, if it is the first time."""
        now = self._clock()

        def note(one: Promotion) -> Promotion:
            return msgspec.structs.replace(one, taken=now) if one.taken is None else one

        self._note(name, version, note)

    def refuse(self, name: str, version: str, mistakes: Sequence[str]) -> None:
        """A server cannot serve what was promoted: from now on the one before it counts again."""
        refusal = Refusal(time=self._clock(), mistakes=tuple(mistakes))

        def note(one: Promotion) -> Promotion:
            return one if one.taken is not None else msgspec.structs.replace(one, refused=refusal)

        self._note(name, version, note)

    def folder(self, name: str, version: str) -> Path:
        """Where a version lies, or would."""
        return self.path / name / "versions" / version

    def verified(self, name: str, version: str) -> Path:
        """The folder of a version. Raises `NotFound` when it is gone, `MistakesFound` if changed."""
        folder = self.folder(name, version)
        if not _VERSION.fullmatch(version) or not folder.is_dir():
            raise NotFound(f"version {version!r} of the model {name!r} is gone")
        if content_of(folder) != version:
            mistake = Mistake(
                file=str(folder),
                place="",
                message="its files were changed since it was added: they are another version",
                remedy="nba model add gives them a version of their own, or add the original again",
            )
            raise MistakesFound([mistake])
        return folder

    def status(self, one: ModelVersion) -> str:
        """What became of a version, in words; "" if it was never promoted."""
        history = self.history(one.name)
        current = promoted_of(history)
        of_version = [entry for entry in history if entry.version == one.version]
        words = ""
        if current is not None and current.version == one.version:
            words = "promoted" if current.taken is None else "in force"
        elif of_version:
            words = "past" if of_version[-1].refused is None else "refused"
        gone = "gone" if one.manifest is None else ""
        return ", ".join(word for word in (words, gone) if word)

    def stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Something that differs after every promotion, and costs a look at each model's file."""
        found = []
        for name in self.names():
            try:
                seen = (self.path / name / _HISTORY).stat()
            except OSError:
                continue
            found.append((name, seen.st_ino, seen.st_mtime_ns, seen.st_size))
        return tuple(found)

    def _read(self, name: str, version: str) -> ModelVersion:
        folder = self.folder(name, version)
        manifest: Manifest | None = None
        try:
            told = _decode_added(folder.with_name(f"{version}.json").read_bytes())
        except FileNotFoundError:
            raise NotFound(f"the model {name!r} has no version {version}") from None
        except (OSError, msgspec.DecodeError) as error:
            raise FailedPrecondition(f"{folder}.json cannot be read: {error}") from error
        try:
            manifest = load_manifest(folder)
        except MistakesFound:  # whoever wants to serve it is told why
            manifest = None
        return ModelVersion(
            name=name,
            version=version,
            folder=folder,
            added=told.added,
            note=told.note,
            author=told.author,
            manifest=manifest,
        )

    def _place(self, draft: Path, final: Path) -> None:
        if final.is_dir():
            if content_of(final) == final.name:
                return
            aside = final.with_name(f".adding-{final.name}")  # it was changed: restore it
            final.rename(aside)
            draft.rename(final)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            draft.rename(final)
        sync_folder(final.parent)

    def _promote(
        self,
        name: str,
        version: str,
        origin: Literal["promote", "rollback"],
        author: str,
        comment: str,
    ) -> tuple[Promotion, bool]:
        with self._alone(name):
            history = self.history(name)
            current = promoted_of(history)
            if current is not None and current.version == version:
                return current, False
            promotion = Promotion(
                version=version,
                time=self._clock(),
                origin=origin,
                author=author,
                comment=comment,
            )
            self._write(name, [*history, promotion])
            return promotion, True

    def _note(self, name: str, version: str, note: Callable[[Promotion], Promotion]) -> None:
        """Change the promotion that counts, if it is of this version."""
        with self._alone(name):
            history = list(self.history(name))
            current = promoted_of(history)
            if current is None or current.version != version:
                return
            place = next(i for i, one in enumerate(history) if one is current)
            history[place] = note(current)
            if history[place] is not current:
                self._write(name, history)

    def _write(self, name: str, history: Sequence[Promotion]) -> None:
        file = self.path / name / _HISTORY
        write_whole(file, msgspec.json.format(msgspec.json.encode(history)))

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """While no other process changes this model; the lock ends with the process that has it."""
        file = os.open(self.path / name / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
