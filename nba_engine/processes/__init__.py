"""Several server processes on one address: the process that watches over them, and their side of it.

`python -m nba_engine.processes` is what `nba serve --processes 4` becomes. It imports neither gRPC
nor ONNX: what they start (threads, pollers) would not survive in a process that starts others.
"""

from nba_engine.processes.address import hold
from nba_engine.processes.child import Child
from nba_engine.processes.lines import WholeLines
from nba_engine.processes.plan import Plan, become_supervisor
from nba_engine.processes.supervisor import Supervisor

__all__ = ["Child", "Plan", "Supervisor", "WholeLines", "become_supervisor", "hold"]
