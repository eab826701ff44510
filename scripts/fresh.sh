#!/bin/sh
# Clone the committed state into an empty folder and run the README's two commands there with an
# empty environment: on PATH only Python, make, git and coreutils.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/nba-fresh.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
python=$(command -v "${PYTHON:-python3}")
python=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
ln -s "$python" "$work/bin/python3"
for tool in make git; do
  ln -s "$(command -v $tool)" "$work/bin/$tool"
done
for tool in $(dpkg -L coreutils 2>/dev/null | grep -E '^(/usr)?/bin/' || ls /usr/bin/env /bin/rm /bin/cat); do
  ln -sf "$tool" "$work/bin/$(basename "$tool")"
done
git clone --quiet "$root" "$work/nba-engine"
cd "$work/nba-engine"
for target in ${TARGETS:-demo test}; do
  echo "== make $target, in an empty folder with an empty environment"
  start=$(date +%s)
  env -i PATH="$work/bin" make "$target"
  echo "== make $target: $(($(date +%s) - start)) s"
done
