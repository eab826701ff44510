"""A worker process: ``python -m nba_engine.batch.process DESCRIPTOR``, started by `ProcessWorker`.

It is started, never forked: threads and locks of gRPC, ONNX or numba do not survive a fork.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
from multiprocessing.connection import Connection

from nba_engine.batch.failures import failure_of
from nba_engine.batch.resident import Residents

__all__ = ["main"]


def main(descriptor: int) -> None:
    """Answer tasks until the other end is closed."""
    os.set_inheritable(descriptor, False)
    os.dup2(2, 1)  # what is printed here is not the command's output
    connection = Connection(descriptor)
    tasks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    work = _Work()
    reader = threading.Thread(target=_read, args=(connection, tasks, work), daemon=True)
    reader.start()
    residents: Residents | None = None
    while (message := tasks.get()) is not None:
        try:
            content = pickle.loads(message)  # noqa: S301 - from our parent
            if residents is None:  # the first message is the function that builds
                residents = Residents(content)
                answer: object = (True, None)
            else:
                answer = residents.do(content)
            reply = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:  # what cannot be sent to or fro
            reply = pickle.dumps((False, failure_of(error)))
        work.done += 1
        try:
            connection.send_bytes(reply)
        except OSError:  # nobody waits any more
            return
        if residents is None:
            return


class _Work:
    """How many tasks came, which one thread counts, and how many are done, which another does."""

    came = 0
    done = 0


def _read(connection: Connection, tasks: queue.SimpleQueue[bytes | None], work: _Work) -> None:
    """Fetch tasks. When the parent is gone, a computation under way, or about to begin, is for nobody."""
    while True:
        try:
            message = connection.recv_bytes()
            work.came += 1  # before anybody can begin with it
            tasks.put(message)
        except (EOFError, OSError):
            if work.came > work.done:
                os._exit(1)
            tasks.put(None)
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
