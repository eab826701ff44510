"""Generates nba_engine/_gen from proto/.

    python scripts/generate_protos.py            writes the stubs
    python scripts/generate_protos.py --check    exits 1 when the checked-in stubs differ, or when
                                                 `buf lint` finds fault with proto/

protoc and its plugins come from the locked development dependencies, so that the output is the
same everywhere. proto/google/ is a copy of what googleapis-common-protos has generated already, for
clients in other languages. Generated modules import each other as ``nba.v1``; that is rewritten to
``nba_engine._gen.nba.v1``, because a top-level package ``nba`` would not be ours alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import grpc_tools  # type: ignore[import-untyped]  # ships no types
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
OURS = PROTO / "nba"
TARGET = ROOT / "nba_engine" / "_gen"
IMPORT = re.compile(r"^(from|import) nba\.v1\b", re.MULTILINE)
# in .pyi files modules are also named in full: nba.v1.value_pb2.Value
QUALIFIED = re.compile(r"(?<![\w.])nba\.v1\.(?=\w+_pb2)")
PACKAGE_DOCSTRING = '"""Generated from proto/ by scripts/generate_protos.py. Do not edit."""\n'


class GenerationFailed(Exception):
    """protoc refused the files; it has said why."""


def generate() -> dict[str, str]:
    """Run protoc; the text of every generated file by its path below `TARGET`."""
    scripts = Path(sysconfig.get_path("scripts"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        code = protoc.main(
            [
                "protoc",
                f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
                f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
                f"-I{PROTO}",
                f"-I{well_known}",
                f"--python_out={out}",
                f"--grpc_python_out={out}",
                f"--mypy_out=quiet:{out}",
                f"--mypy_grpc_out=quiet:{out}",
                *sorted(str(path.relative_to(PROTO)) for path in OURS.rglob("*.proto")),
            ]
        )
        if code != 0:
            raise GenerationFailed(f"protoc ended with {code}")
        files = {
            path.relative_to(out).as_posix(): rewrite(path.read_text("utf-8"))
            for path in sorted(out.rglob("*.py*"))
            if not is_empty_service(path)
        }
    packages = {parent for name in files for parent in Path(name).parents}
    return files | {(package / "__init__.py").as_posix(): PACKAGE_DOCSTRING for package in packages}


def is_empty_service(path: Path) -> bool:
    """Whether this is the service module of a proto file that declares no service."""
    return "_pb2_grpc" in path.name and not path.name.startswith(
        tuple(f"{service.stem}_pb2_grpc" for service in OURS.rglob("*_service.proto"))
    )


def rewrite(text: str) -> str:
    """Point imports of ``nba.v1`` at ``nba_engine._gen.nba.v1``."""
    text = IMPORT.sub(r"\1 nba_engine._gen.nba.v1", text)
    return QUALIFIED.sub("nba_engine._gen.nba.v1.", text)


def drift(files: dict[str, str]) -> list[str]:
    """What differs between the generated ``files`` and what is checked in, one line each."""
    present = {
        path.relative_to(TARGET).as_posix(): path.read_text("utf-8")
        for path in TARGET.rglob("*.py*")
        if "__pycache__" not in path.parts
    }
    return [
        f"{name}: {'missing' if name not in present else 'extra' if name not in files else 'differs'}"
        for name in sorted(files.keys() | present.keys())
        if files.get(name) != present.get(name)
    ]


def write(files: dict[str, str]) -> None:
    """Make `TARGET` hold exactly ``files``."""
    for path in list(TARGET.rglob("*.py*")):
        if path.relative_to(TARGET).as_posix() not in files and "__pycache__" not in path.parts:
            path.unlink()
    for name, text in files.items():
        path = TARGET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def main(arguments: list[str]) -> int:
    """Write the stubs, or check them."""
    files = generate()
    if arguments != ["--check"]:
        write(files)
        return 0
    lint = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "buf", "lint"], cwd=ROOT, check=False
    )
    differences = drift(files)
    for line in differences:
        print(line, file=sys.stderr)
    if differences:
        print("run: python scripts/generate_protos.py", file=sys.stderr)
    return 1 if differences or lint.returncode else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
