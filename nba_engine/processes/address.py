"""One address for several processes: found once, checked once, held for as long as they run."""

from __future__ import annotations

import socket

from nba_engine.errors import FailedPrecondition

__all__ = ["hold"]

_TRIES = 20  # ports that the system picks, until one is free on every address of the host


def hold(listen: str) -> tuple[str, list[socket.socket]]:
    """``host:port`` with a real port, and the sockets that keep it while no process listens.

    They take no connections. Raises `FailedPrecondition` when others listen there: with
    SO_REUSEPORT alone, two servers would share the calls unnoticed.
    """
    host, _, text = listen.rpartition(":")
    wanted = int(text)
    for _ in range(_TRIES):
        held: list[socket.socket] = []
        try:
            port = wanted
            for family, name in _addresses(host):
                if wanted:
                    _socket(family, name, port, shared=False).close()
                held.append(_socket(family, name, port, shared=True))
                port = int(held[-1].getsockname()[1])
            return f"{host}:{port}", held
        except OSError as error:
            for one in held:
                one.close()
            if wanted or not held:
                raise FailedPrecondition(
                    f"cannot listen on {listen}: the address is in use or not of this machine"
                ) from error
    raise FailedPrecondition(f"cannot listen on {listen}: no port is free on all its addresses")


def _addresses(host: str) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(
        host.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return list(dict.fromkeys((int(family), str(name[0])) for family, _, _, _, name in found))


def _socket(family: int, name: str, port: int, *, shared: bool) -> socket.socket:
    """A bound socket; one that is not ``shared`` fails where anybody listens."""
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind((name, port))
    except BaseException:
        one.close()
        raise
    return one
