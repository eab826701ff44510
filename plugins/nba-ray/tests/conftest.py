"""Without Ray its tests are not collected: `test_whether_tested.py` says so, and `make ray` runs them."""

from __future__ import annotations

import importlib.util
import os
import secrets

# Ray reads these when it is imported: whoever drives takes 127.0.0.1 as it is (see node.py), and has a
# token that only these tests know
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)

collect_ignore = (
    [] if importlib.util.find_spec("ray") is not None else ["test_ray.py", "test_store_plan.py"]
)
