"""The address that several processes share."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from nba_engine.errors import FailedPrecondition
from nba_engine.processes import hold


def listener(port: int) -> socket.socket:
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("127.0.0.1", port))
    one.listen()
    return one


def test_a_held_address_has_a_port_and_takes_no_connections_itself() -> None:
    with ExitStack() as stack:
        address, held = hold("127.0.0.1:0")
        for one in held:
            stack.enter_context(one)
        port = int(address.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        servers = [stack.enter_context(listener(port)) for _ in range(2)]
        assert len(servers) == 2
        for _ in range(8):  # not one is lost to the socket that holds
            socket.create_connection(("127.0.0.1", port)).close()


def test_connections_that_just_ended_do_not_keep_the_address() -> None:
    with listener(0) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # closed first by the server: its side waits a minute
    _, held = hold(f"127.0.0.1:{port}")
    for one in held:
        one.close()


def test_a_host_that_is_not_of_this_machine_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="not of this machine"):
        hold("192.0.2.1:0")
