"""`nba store copy`: from the embedded store to one of another kind."""

from __future__ import annotations

import click

from nba_engine.cli.output import progress_bar, say
from nba_engine.errors import FailedPrecondition

__all__ = ["copy_command"]


@click.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy_command(source: str, target: str) -> None:
    """Copy the embedded store FROM into the empty store TO, which a plugin offers.

    No server may be running on FROM, which stays as it is. Everything is copied in one commit:
    customers, interactions, limits with what is reserved and spent, request ids, erasures, catalogs.
    Rows are counted afterwards, and the counters of limits are counted again from the reservations.

    The decision log is a file of its own, and stays where it is.

    \b
    nba store copy sqlite:data/nba.db postgresql://nba@db.example.com/nba
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    # imported here: the other commands do not need plugins
    from nba_engine.app.plugins import load_plugins
    from nba_engine.store import TakesCopies, copy_store, is_simulated, path_of

    path = path_of(source)
    stores = load_plugins().require().stores
    scheme = target.partition(":")[0]
    if scheme not in stores or scheme == "sqlite":
        known = ", ".join(sorted(set(stores) - {"sqlite"})) or "none"
        raise FailedPrecondition(f"TO is of the scheme {scheme!r}; stores to copy to: {known}")
    simulated = is_simulated(path)
    store = stores[scheme](target, create=True, simulated=simulated)
    try:
        if not isinstance(store, TakesCopies):
            raise FailedPrecondition(f"stores of the scheme {scheme!r} cannot begin as a copy")
        with progress_bar() as bar:
            task = bar.add_task("copying", total=None)
            rows = copy_store(
                path, store, lambda done, total: bar.update(task, completed=done, total=total)
            )
    finally:
        store.close()
    say(f"{rows:,} rows copied, counted, and counted again")
