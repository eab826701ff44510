"""A load generator for gRPC servers: varied, prebuilt requests over raw sockets.

    python benchmarks/wire.py echo                       the floor on this machine
    python benchmarks/wire.py load TARGET PATH BODIES    load on a server that runs elsewhere

From Python: `measure` starts a server and loads it, `round_robin` loads several by turns, which is
the only fair comparison on a shared machine. A server is a command in which ``{ready}`` stands for
the file that gets host:port once the server answers (``nba serve --ready-file {ready}``). The load
comes from a process of its own, on another core where there is one. CPU time is that of the
server's process, all threads, from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import msgspec

try:
    from benchmarks import http2
except ModuleNotFoundError:  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from benchmarks import http2

DECIDE = "/nba.v1.DecisionService/Decide"
_TICKS = os.sysconf("SC_CLK_TCK")


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a server did under load. ``failed``: answered with another status than OK."""

    requests: int
    failed: int
    seconds: float
    cpu_seconds: float  # of the server's process
    response_bytes: int  # of all messages received
    latencies: tuple[float, float]  # p50 and p99, in seconds

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds

    @property
    def cpu_micros(self) -> float:
        """CPU time of the server per answer, in microseconds."""
        return self.cpu_seconds / self.requests * 1e6

    def __str__(self) -> str:
        p50, p99 = (latency * 1e3 for latency in self.latencies)
        size = self.response_bytes / self.requests
        return (
            f"{self.per_second:8,.0f} req/s  {self.cpu_micros:6.0f} CPU us/req  p50 {p50:.2f} ms"
            f"  p99 {p99:.2f} ms  {size:,.0f} B/response  {self.failed} failed"
        )


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: ``bodies`` by turns, ``in_flight`` at once on each of the ``connections``.

    With ``per_second``: as many, evenly, and ``in_flight`` at most.
    """

    bodies: Sequence[bytes]
    path: str = DECIDE
    connections: int = 4
    in_flight: int = 16
    per_second: float = 0.0  # 0: as fast as answers come


def measure(
    command: Sequence[str],
    bodies: Sequence[bytes],
    seconds: float,
    *,
    path: str = DECIDE,
    connections: int = 4,
    in_flight: int = 16,
    warm_up: float = 1.0,
    environ: Mapping[str, str] | None = None,
) -> Result:
    """Start the server ``command``, load it for ``seconds`` after ``warm_up``, stop it."""
    load = Load(bodies=bodies, path=path, connections=connections, in_flight=in_flight)
    with Running(command, environ=environ) as server:
        return server.under(load, seconds, warm_up=warm_up)


def round_robin(
    targets: Mapping[str, tuple[Sequence[str], Load]],
    seconds: float,
    *,
    rounds: int = 3,
    warm_up: float = 0.5,
    environ: Mapping[str, str] | None = None,
) -> dict[str, list[Result]]:
    """Load several servers by turns, ``seconds`` each per round; the results by name."""
    results: dict[str, list[Result]] = {name: [] for name in targets}
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(Running(command, environ=environ))
            for name, (command, _) in targets.items()
        }
        for _ in range(rounds):
            for name, server in running.items():
                results[name].append(server.under(targets[name][1], seconds, warm_up=warm_up))
    return results


class Running:
    """A server in a process of its own. A context manager."""

    def __init__(self, command: Sequence[str], *, environ: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        ready = Path(self._folder.name) / "ready"
        self._process = subprocess.Popen(
            [part.replace("{ready}", str(ready)) for part in command],
            stdout=subprocess.DEVNULL,
            env={**os.environ, **(environ or {})},
        )
        _pin(self._process.pid, 0)
        while not ready.exists():
            if self._process.poll() is not None:
                self._folder.cleanup()
                raise RuntimeError(f"{command[0]} ended with {self._process.returncode}")
            time.sleep(0.01)
        self.target = ready.read_text("utf-8")
        self.pid = self._process.pid

    def under(self, load: Load, seconds: float, *, warm_up: float = 1.0) -> Result:
        """What it does under load for ``seconds`` after ``warm_up``."""
        bodies = Path(self._folder.name) / f"bodies-{threading.get_ident()}"
        bodies.write_bytes(msgspec.msgpack.encode(list(load.bodies)))
        options = {
            "--pid": self.pid,
            "--seconds": seconds,
            "--warm-up": warm_up,
            "--connections": load.connections,
            "--in-flight": load.in_flight,
            "--per-second": load.per_second,
        }
        command = [sys.executable, __file__, "load", self.target, load.path, str(bodies)]
        command += [str(part) for option in options.items() for part in option]
        with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE) as generator:
            _pin(generator.pid, 1)
            output, _ = generator.communicate()
        if generator.returncode != 0:
            raise RuntimeError(f"the load generator ended with {generator.returncode}")
        return msgspec.json.decode(output, type=Result)

    def under_all(
        self, loads: Sequence[Load], seconds: float, *, warm_up: float = 1.0
    ) -> list[Result]:
        """What it does under several loads at once, each from a process of its own."""
        with ThreadPoolExecutor(len(loads)) as pool:
            return list(pool.map(lambda load: self.under(load, seconds, warm_up=warm_up), loads))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def _pin(pid: int, core: int) -> None:
    """Keep a process on one core: server and load must not take turns on the same one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[core]})


def generate(
    target: str, load: Load, seconds: float, *, warm_up: float = 1.0, pid: int | None = None
) -> Result:
    """Load ``target`` from this process; ``pid`` is the process whose CPU time counts."""
    templates = [http2.Template(target, load.path, body) for body in load.bodies]
    share = max(1, len(templates) // load.connections)
    pace = load.connections / load.per_second if load.per_second else None
    connections = [
        http2.Connection(
            target, templates[share * n :] + templates[: share * n], load.in_flight, pace=pace
        )
        for n in range(load.connections)
    ]
    for number, connection in enumerate(connections):  # not all at the same moments
        connection.due += number * (pace or 0.0) / load.connections
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.fill()
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        _run(selector, time.perf_counter() + warm_up)
        before = [(c.answered, c.failed, c.received, len(c.latencies)) for c in connections]
        cpu, started = _cpu_seconds(pid), time.perf_counter()
        _run(selector, started + seconds)
        cpu, elapsed = _cpu_seconds(pid) - cpu, time.perf_counter() - started
        after = [(c.answered, c.failed, c.received) for c in connections]
        latencies = sorted(
            latency
            for connection, (*_, first) in zip(connections, before, strict=True)
            for latency in connection.latencies[first:]
        )
        for connection in connections:
            connection.paused = True
        _run(selector, time.perf_counter() + 5.0, until_idle=connections)
    for connection in connections:
        connection.socket.close()
    requests, failed, received = (
        sum(late[n] - early[n] for late, early in zip(after, before, strict=True)) for n in range(3)
    )
    if not requests:
        raise RuntimeError(f"{target} answered nothing in {seconds} s")
    middle, late = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    return Result(
        requests=requests,
        failed=failed,
        seconds=elapsed,
        cpu_seconds=cpu,
        response_bytes=received,
        latencies=(middle, late),
    )


def _run(
    selector: selectors.BaseSelector,
    until: float,
    *,
    until_idle: Sequence[http2.Connection] | None = None,
) -> None:
    """Receive and send until a moment, or until nothing is in flight any more."""
    while (left := until - time.perf_counter()) > 0:
        if until_idle is not None and not any(c.in_flight for c in until_idle):
            break
        connections: list[http2.Connection] = [key.data for key in selector.get_map().values()]
        due = min((c.due for c in connections if c.paced), default=None)
        if due is not None:
            left = max(0.0, min(left, due - time.perf_counter()))
        for key, _ in selector.select(left):
            key.data.receive()
            key.data.fill()
        if due is not None:
            for connection in connections:
                connection.fill()


def _cpu_seconds(pid: int | None) -> float:
    """User and system time of a process, all its threads (finished ones too)."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def echo_command(*, response_bytes: int, threads: int) -> list[str]:
    """The command of the echo server, for `measure` and `round_robin`."""
    script = str(Path(__file__).with_name("echo.py"))
    options = ["--response-bytes", str(response_bytes), "--threads", str(threads)]
    return [sys.executable, script, *options, "--ready-file", "{ready}"]


def _varied(size: int) -> Iterator[bytes]:
    for number in range(1000):
        yield f"crm:{number}".encode().ljust(size, b".")


def main() -> None:
    """See the module's text."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="load a running server")
    load.add_argument("target", help="host:port")
    load.add_argument("path", help=f"the method: {DECIDE}")
    load.add_argument("bodies", type=Path, help="request messages: a msgpack list of bytes")
    load.add_argument("--pid", type=int, help="process whose CPU time counts")
    load.add_argument("--per-second", type=float, default=0.0, help="0: as fast as answers come")
    load.add_argument("--json", action="store_true", help="print the result as JSON")
    echo = commands.add_parser("echo", help="measure the bare echo server")
    echo.add_argument("--request-bytes", type=int, default=382)
    echo.add_argument("--response-bytes", type=int, default=1406)
    echo.add_argument("--threads", type=int, default=4)
    for command in (load, echo):
        command.add_argument("-c", "--connections", type=int, default=4)
        command.add_argument("-m", "--in-flight", type=int, default=16, help="per connection")
        command.add_argument("--seconds", type=float, default=5.0)
        command.add_argument("--warm-up", type=float, default=1.0)
    given = parser.parse_args()
    if given.command == "echo":
        from benchmarks.echo import PATH

        result = measure(
            echo_command(response_bytes=given.response_bytes, threads=given.threads),
            list(_varied(given.request_bytes)),
            given.seconds,
            path=PATH,
            connections=given.connections,
            in_flight=given.in_flight,
            warm_up=given.warm_up,
        )
        print(f"echo, {given.threads} threads: {result}")
        return
    bodies = msgspec.msgpack.decode(given.bodies.read_bytes(), type=list[bytes])
    wanted = Load(
        bodies=bodies,
        path=given.path,
        connections=given.connections,
        in_flight=given.in_flight,
        per_second=given.per_second,
    )
    result = generate(given.target, wanted, given.seconds, warm_up=given.warm_up, pid=given.pid)
    print(msgspec.json.encode(result).decode() if given.json else result)


if __name__ == "__main__":
    main()
