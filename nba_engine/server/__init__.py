"""The gRPC shell: convert, call, convert. The only layer that imports grpc."""

from nba_engine.server.logging import make_logger
from nba_engine.server.protocols import Decides
from nba_engine.server.serve import serve
from nba_engine.server.server import Server

__all__ = ["Decides", "Server", "make_logger", "serve"]
