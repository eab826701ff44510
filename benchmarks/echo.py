"""The floor: a bare sync gRPC server that answers every call with the same bytes.

python benchmarks/echo.py --response-bytes 1406 --threads 4 --ready-file /tmp/ready
"""

from __future__ import annotations

import argparse
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

SERVICE, METHOD = "bench.EchoService", "Echo"
PATH = f"/{SERVICE}/{METHOD}"


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--response-bytes", type=int, default=1406)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--listen", default="127.0.0.1:0")
    parser.add_argument("--ready-file", type=Path, required=True, help="gets host:port")
    arguments = parser.parse_args()
    # blocked here and in every thread made later, so that sigwait gets them
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    response = bytes(arguments.response_bytes)

    def echo(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        return response

    server = grpc.server(ThreadPoolExecutor(arguments.threads), options=[("grpc.so_reuseport", 0)])
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(echo)
    server.add_registered_method_handlers(SERVICE, {METHOD: handler})
    port = server.add_insecure_port(arguments.listen)
    server.start()
    partial = arguments.ready_file.with_name(f"{arguments.ready_file.name}.partial")
    partial.write_text(f"{arguments.listen.rpartition(':')[0]}:{port}", "utf-8")
    partial.replace(arguments.ready_file)
    signal.sigwait(signals)
    server.stop(0).wait()


if __name__ == "__main__":
    main()
