"""`nba rebuild --evidence`: contacts and outcomes of actions, counted again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from nba_engine.app import open_app
from nba_engine.cli.output import progress_bar, say
from nba_engine.domain import Tally
from nba_engine.engine import Recount, decision_times
from nba_engine.errors import FailedPrecondition

__all__ = ["rebuild_evidence"]

_NONE = Tally()


def rebuild_evidence(settings: Path, only_check: bool, from_what_is_kept: bool) -> int:  # noqa: FBT001 (as click gives them)
    """Count again, and put it in the place of what is kept, or tell what differs."""
    with open_app(settings) as app:
        engine = app.engine
        if engine.catalog.evidence is None:
            raise FailedPrecondition(
                "the catalog has no [evidence]: nothing is counted (docs: exploration.md)"
            )
        if engine.store.kept_since() is not None and not from_what_is_kept:
            raise FailedPrecondition(
                "old interactions were deleted, and with them what they counted would go: count "
                "from the others alone with --from-what-is-kept"
            )
        recount = Recount(engine.store, engine.catalog, decision_times(engine.store, engine.log))
        with progress_bar() as bar:
            task = bar.add_task("counting", total=None)
            for reached in recount.run():
                bar.update(task, completed=reached)
        kept = recount.kept()
        if not only_check:
            recount.note(now=time.time())
    different = _told(kept, recount.actions)
    contacts = sum(one.contacts for one in recount.actions.values())
    positives = sum(one.positives for one in recount.actions.values())
    what = "differ" if only_check else "rebuilt"
    say(
        f"{len(recount.actions):,} actions, {contacts:,} contacts, {positives:,} with a positive "
        f"outcome: {different:,} {what}"
    )
    return 1 if only_check and different else 0


def _told(kept: Mapping[str, Tally], again: Mapping[str, Tally]) -> int:
    """Tell what differs; of how many actions it does."""
    names = [
        name
        for name in sorted(kept.keys() | again.keys())
        if kept.get(name, _NONE) != again.get(name, _NONE)
    ]
    for name in names:
        before, after = kept.get(name, _NONE), again.get(name, _NONE)
        say(
            f"  {name}: {after.positives:,} of {after.contacts:,} contacts ended well, "
            f"{before.positives:,} of {before.contacts:,} were kept"
        )
    return len(names)
