"""The version of the plugin API: what a plugin was made for, held against what is here.

Major: something that plugins use has changed or gone; minor: something was added. A plugin runs
on an engine of its own major version and of a minor version that is not below its own.
"""

from __future__ import annotations

import re

__all__ = ["API_VERSION", "DECLARATION", "api_problem"]

API_VERSION = "1.0"
DECLARATION = "nba_plugin_api"  # the attribute of a plugin that names the version it was made for

_FORM = re.compile(r"(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})")


def api_problem(plugin: object) -> tuple[str, str]:
    """Why a plugin does not fit this engine's API, and what to do about it; two "" when it fits."""
    declared = getattr(plugin, DECLARATION, None)
    if declared is None:
        return (
            "it does not say for which plugin API it was made",
            f'add {DECLARATION} = "{API_VERSION}" to what its entry point leads to',
        )
    form = _FORM.fullmatch(declared) if isinstance(declared, str) else None
    if form is None:
        return (
            f"its {DECLARATION} is {declared!r:.40}, not a version",
            f'write major and minor as text: {DECLARATION} = "{API_VERSION}"',
        )
    major, minor = int(form[1]), int(form[2])
    own_major, own_minor = (int(part) for part in API_VERSION.split("."))
    made_for = f"it was made for plugin API {declared}, this engine has {API_VERSION}"
    if major > own_major or (major == own_major and minor > own_minor):
        return made_for, "install a newer nba-engine, or an older version of the plugin"
    if major < own_major:
        return made_for, "install a newer version of the plugin, or an older nba-engine"
    return "", ""
