"""`nba rebuild`: aggregates computed again from the interactions that are stored."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from nba_engine.app import open_app
from nba_engine.cli.output import errors, progress_bar, say, settings_option
from nba_engine.cli.rebuild_evidence import rebuild_evidence
from nba_engine.domain import AggregateSpec, Store
from nba_engine.domain.algebra import value_of
from nba_engine.engine import Difference, Engine, Rebuilding
from nba_engine.errors import FailedPrecondition

__all__ = ["rebuild_command"]

SHOWN = 10  # customers of which is told what differs


@click.command("rebuild")
@settings_option
@click.option("--check", "only_check", is_flag=True, help="Compare only; write nothing.")
@click.option("--from-what-is-kept", is_flag=True, help="Forget what deleted interactions counted.")
@click.option("--customer", metavar="IDENTITY", help="Only the customer behind this identity.")
@click.option("--evidence", is_flag=True, help="Count outcomes of actions again, not aggregates.")
def rebuild_command(
    settings: Path,
    only_check: bool,  # noqa: FBT001 (click)
    from_what_is_kept: bool,  # noqa: FBT001
    customer: str | None,
    evidence: bool,  # noqa: FBT001
) -> int:
    """Compute all aggregates again from the interactions that are stored.

    For when an aggregate was added to the catalog, or means something else since it was changed:
    what happened before counts then, too. The catalog is the one in force. Servers may be
    serving: what they record meanwhile is not lost.

    When old interactions were deleted ([retention], nba store prune), what may have counted them
    stays as it is, and is named; with --from-what-is-kept it is computed from the others alone.

    With --check nothing is written: what differs is told, and the exit code is 1 if anything does.

    Attributes, consents, limits and interactions are not touched.

    With --evidence the contacts and outcomes of actions are counted again instead ([evidence] in the
    catalog): by the outcomes that it declares now, and with what links of identities brought together.

    \b
    nba rebuild --check                 what differs, of all customers
    nba rebuild                         mend it
    nba rebuild --customer crm:42       of one
    nba rebuild --evidence --check      what new actions would learn anew
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if evidence:
        if customer is not None:
            raise click.UsageError("--evidence is of all customers: leave --customer out")
        return rebuild_evidence(settings, only_check, from_what_is_kept)
    with open_app(settings) as app:
        engine = app.engine
        version = _catalog_in_force(engine)
        aggregates = engine.catalog.aggregates
        rebuilding = Rebuilding(engine.store, aggregates, from_what_is_kept=from_what_is_kept)
        if customer is None:
            total, ids = engine.store.count_customers(), rebuilding.customers()
        else:
            total, ids = 1, iter([engine.profile(customer).customer_id])
        walk = rebuilding.check(ids) if only_check else rebuilding.mend(ids)
        customers, different = _walked(walk, total, aggregates, show=only_check)
        switched = _last_version(engine.store) != version
        held = sorted(rebuilding.held)
    wrong = sum(different.values())
    what = "differ" if only_check else "rebuilt"
    count = different[""]
    noun = "customer" if customers == 1 else "customers"
    say(f"{customers:,} {noun}: {count:,} {what}, {customers - count:,} as they should be")
    for name, times in sorted(different.items()):
        if name:
            gone = "" if name in aggregates else ", which the catalog does not declare"
            say(f"  {name}{gone}: {times:,}")
    if held:
        errors.print(
            f"old interactions were deleted: {', '.join(held)} may have counted them and "
            "stay as they are (--from-what-is-kept computes them from the others alone)",
            markup=False,
            highlight=False,
        )
    if switched:
        errors.print("another catalog was published meanwhile; run this again", markup=False)
        return 1
    return 1 if only_check and wrong else 0


def _walked(
    walk: Iterable[Difference | None],
    total: int,
    aggregates: Mapping[str, AggregateSpec],
    *,
    show: bool,
) -> tuple[int, Counter[str]]:
    """How many customers there were, and of how many each aggregate differed ("": any)."""
    customers = 0
    different: Counter[str] = Counter()
    now = time.time()
    with progress_bar() as bar:
        task = bar.add_task("comparing" if show else "rebuilding", total=total)
        for found in walk:
            customers += 1
            bar.advance(task)
            if found is None:
                continue
            different.update(["", *found.aggregates])
            if show and different[""] <= SHOWN:
                _tell(found, aggregates, now)
    return customers, different


def _tell(found: Difference, aggregates: Mapping[str, AggregateSpec], now: float) -> None:
    """Names of what differs, with values where the catalog calls none of them sensitive."""
    say(f"customer {found.customer_id}")
    for name, states in found.aggregates.items():
        spec = aggregates.get(name)
        if spec is None:
            say(f"  {name}: not declared")
        elif spec.sensitive:
            say(f"  {name}: differs")
        else:
            kept, again = (value_of(spec, state, now) for state in states)
            words = f"{kept!r} should be {again!r}"
            say(f"  {name}: {words if kept != again else 'reads the same, but was kept otherwise'}")


def _catalog_in_force(engine: Engine) -> str:
    """The version that was published last; "" if none was. It must be this engine's."""
    version = _last_version(engine.store)
    if version not in ("", engine.catalog.version):
        raise FailedPrecondition(
            "the catalog folder was edited and is not in force; publish it first: nba catalog publish"
        )
    return version


def _last_version(store: Store) -> str:
    publications = store.publications()
    return publications[-1].version if publications else ""
