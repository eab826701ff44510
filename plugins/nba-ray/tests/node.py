"""``ray`` for tests: a node that nothing beyond this machine can reach.

Ray takes 127.0.0.1 for "whatever address others reach me by", and listens everywhere then. It listens
on 127.0.0.1 alone where that is the node's address, which on Linux it only accepts for a cluster of one
node. So both questions are answered here, before `ray start` asks them.

A node also waits 15 seconds, no more, for its agents to say on which ports they are, and ends when they
take longer (ray-project/ray#65983). Without the dashboard's dependencies they say "none", and on a
machine that is busy they say so here, beforehand.
"""

from __future__ import annotations

import ray._private.services as services
from ray._private.node import Node
from ray._raylet import (
    DASHBOARD_AGENT_LISTEN_PORT_NAME,
    METRICS_AGENT_PORT_NAME,
    METRICS_EXPORT_PORT_NAME,
    persist_port,
)
from ray.scripts.scripts import main

HERE = "127.0.0.1"

services.get_node_ip_address = lambda _address=None: HERE
services.resolve_ip_for_localhost = lambda host: host

_start = Node.start_ray_processes


def _said_beforehand(self: Node) -> None:
    for name in (
        METRICS_AGENT_PORT_NAME,
        METRICS_EXPORT_PORT_NAME,
        DASHBOARD_AGENT_LISTEN_PORT_NAME,
    ):
        persist_port(self._session_dir, self._node_id, name, -1)
    _start(self)


Node.start_ray_processes = _said_beforehand

if __name__ == "__main__":
    main()
