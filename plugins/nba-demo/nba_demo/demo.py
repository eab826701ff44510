"""The demo from start to end: import, train, serve, replay, explain, show."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console

from nba_demo.actions import Offer, choose_offers
from nba_demo.assumptions import CANNOT_SUPPORT
from nba_demo.baselines import fit_gamma_poisson
from nba_demo.bought import Bought
from nba_demo.catalog_files import write_catalog
from nba_demo.checks import PER_CODE, check_explanations, check_limits, check_sums, expected_tries
from nba_demo.contact_plan import ContactPlanned, plan_contacts
from nba_demo.cycles import Cycles, fit_cycles
from nba_demo.data import CUT_OFF, TIME_ZONE, Year, load_year
from nba_demo.folder import building
from nba_demo.followed import count_followed
from nba_demo.full import Learned, learn_everything
from nba_demo.funnel import contacts, funnel, limit_use, speed, spend
from nba_demo.hits import count_hits
from nba_demo.importing import Baskets, Imported, identity, import_year
from nba_demo.offline import Offline, Trained, evaluate, train
from nba_demo.panel import Panel, at_moment, make_panel
from nba_demo.personas import Personas, fit_personas
from nba_demo.plots import draw
from nba_demo.policies import DECISIONS, compare_policies
from nba_demo.replay import THREADS, Replayed, replay
from nba_demo.results import Results, to_json
from nba_demo.second_replay import replay_without_plan, sent, tell_both
from nba_demo.serving import ServerProcess
from nba_demo.steps import Steps
from nba_demo.summary import WIDTH, print_summary, seconds_line
from nba_demo.training import parity_of, publish_model
from nba_demo.worth import Worth, fit_worth
from nba_engine.app import App, check, open_app
from nba_engine.errors import FailedPrecondition, MistakesFound

__all__ = ["enforce_gates", "run_demo"]

LISTEN = "127.0.0.1:50051"


class _Built(msgspec.Struct, frozen=True, kw_only=True):
    """What the first half leaves for the second."""

    year: Year
    offers: tuple[Offer, ...]
    panel: Panel
    trained: Trained
    offline: Offline
    imported: Imported
    parity: float
    worth: Worth
    cycles: Cycles
    personas: Personas
    bought: Bought
    segments: Mapping[int, str]
    planned: ContactPlanned
    settings: Path


def run_demo(
    out: Path,
    *,
    households: int,
    seed: int,
    console: Console | None = None,
    per_code: int = PER_CODE,
    full: bool = False,
) -> None:
    """Build the demo into ``out``; ``per_code`` explanations are tried per reason code.

    ``full``: afterwards the weeks are replayed without the plan, and every command that learns is run
    on it. Raises `FailedPrecondition` when a gate is missed (nothing is left then), or when a check of
    the replay fails.
    """
    if console is None:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = WIDTH
    steps = Steps(console)
    console.print(
        "A year of grocery purchases, campaigns and coupon redemptions, as published in The "
        "Complete Journey.\nChannels, contact costs, margins and consents are assumptions."
    )
    with building(out) as folder:
        built = _build(folder, steps, households=households, seed=seed)
        enforce_gates(built.offline, whole=households == 0)
        replayed, took = _replay(built, folder, steps)
        results = _results(
            built,
            replayed,
            took,
            folder,
            steps,
            whole=households == 0,
            seed=seed,
            per_code=per_code,
        )
        with steps.step("plots", "Drawing", 1) as tick:
            draw(results, folder / "plots")
            tick(1)
        results = msgspec.structs.replace(results, seconds=dict(steps.seconds))
        (folder / "summary.json").write_bytes(to_json(results))
    print_summary(console, results)
    _go_on(console, out, built, steps)
    if full:
        _replay_again(console, out, built, replayed, steps, seed=seed)
        _tell_learned(
            console,
            out,
            learn_everything(out / "nba.toml", float(built.year.basket_time[-1]), console),
        )
    failures = results.failures()
    if failures:
        raise FailedPrecondition("; ".join(failures))


def _build(folder: Path, steps: Steps, *, households: int, seed: int) -> _Built:
    with steps.step("read", "Reading the year", 2) as tick:
        year = load_year(households=households, seed=seed)
        tick(1)
        offers = choose_offers(year)
        panel = make_panel(year, offers)
        tick(1)
    with steps.step("train", "Training the propensity model", 15) as tick:
        trained = train(panel, offers, seed=seed, tick=lambda: tick(1))
    with steps.step("test", "Measuring it on the weeks after", 6) as tick:
        offline = evaluate(year, panel, trained, seed=seed, tick=lambda: tick(1))
    with steps.step("value", "Fitting what households are worth", 1) as tick:
        worth, fitted, revenue = fit_worth(year)
        tick(1)
    with steps.step("cycles", "Fitting when things are needed again", len(offers)) as tick:
        cycles, served = fit_cycles(panel, offers, seed=seed, tick=tick)
    with steps.step("segments", "Looking for target groups", 1) as tick:
        personas, belongs = fit_personas(year, panel, offers, revenue, folder, seed=seed)
        tick(1)
    with steps.step("import", "Importing purchases up to 2017-11-06", len(year.households)) as tick:
        imported = import_year(
            year,
            offers,
            folder / "data" / "nba.db",
            until=CUT_OFF,
            seed=seed,
            segments=belongs,
            tick=tick,
        )
    with steps.step("publish", "Exporting to ONNX, writing and checking the catalog", 3) as tick:
        publish_model(folder, trained, offline, year.data_hash, cycles=served)
        tick(1)
        parity = parity_of(folder, trained)
        tick(1)
        settings = write_catalog(
            folder,
            offers,
            trained.popularity,
            listen=LISTEN,
            fitted=fitted,
            cycles=frozenset(one.category for one in cycles.kept),
            poorest=personas.least,
        )
        mistakes = check(settings)
        if mistakes:
            raise MistakesFound(mistakes)
        tick(1)
    bought = Bought(panel, offers)
    with steps.step("plan", "Planning letters and e-mails", len(year.households)) as tick:
        planned = plan_contacts(settings, year, bought, seed=seed, tick=tick)
    return _Built(
        year=year,
        offers=offers,
        panel=panel,
        trained=trained,
        offline=offline,
        imported=imported,
        parity=parity,
        worth=worth,
        cycles=cycles,
        personas=personas,
        bought=bought,
        segments=belongs,
        planned=planned,
        settings=settings,
    )


def enforce_gates(offline: Offline, *, whole: bool) -> None:
    """Raise `FailedPrecondition` naming every missed gate, when the model saw the whole panel."""
    missed = [gate for gate in offline.gates if not gate.passed]
    if missed and whole:
        raise FailedPrecondition(
            "the model misses its gates: "
            + "; ".join(f"{gate.name} {gate.value:.4f} (bound {gate.bound:g})" for gate in missed)
        )


def _replay(built: _Built, folder: Path, steps: Steps) -> tuple[list[Replayed], float]:
    year = built.year
    trips = int((year.basket_time >= CUT_OFF).sum())
    baskets = Baskets(year, built.offers)
    with (
        ServerProcess(built.settings, log=folder / "server.log") as server,
        ServerProcess(built.settings, log=folder / "second_server.log") as second,
        steps.step("replay", f"Replaying {trips:,} trips through gRPC", trips) as tick,
    ):
        began = time.perf_counter()
        addresses = (server.address, second.address)
        replayed = replay(year, baskets, addresses, start=CUT_OFF, tick=tick)
        took = time.perf_counter() - began
    return replayed, took


def _results(
    built: _Built,
    replayed: Sequence[Replayed],
    took: float,
    folder: Path,
    steps: Steps,
    *,
    whole: bool,
    seed: int,
    per_code: int,
) -> Results:
    tries = expected_tries(replayed, per_code=per_code)
    with steps.step("explanations", "Applying what explanations name", tries) as tick:
        explanations = check_explanations(
            built.settings, replayed, seed=seed, per_code=per_code, tick=tick
        )
    drawn = 2 * min(DECISIONS, len(replayed))
    with steps.step("policies", "Holding two other policies against this one", drawn) as tick:
        policies = compare_policies(built.settings, replayed, seed=seed, tick=tick)
    with open_app(built.settings) as app:
        frequency = fit_gamma_poisson(at_moment(built.panel, CUT_OFF))
        with steps.step("hits", "Looking up what was bought", len(replayed)) as tick:
            hits = count_hits(
                built.year,
                built.panel,
                built.offers,
                replayed,
                catalog=app.engine.catalog,
                log=app.engine.log,
                popularity=built.trained.popularity,
                frequency=frequency,
                tick=tick,
            )
        stages = [stage.stage for stage in app.settings.pipeline]
        return Results(
            command=" ".join(["nba", *sys.argv[1:]]),
            households=len(built.year.households),
            offers=len(built.offers),
            whole_panel=whole,
            first_day=_day(CUT_OFF),
            last_day=_day(float(built.year.basket_time[-1])),
            imported=built.imported,
            offline=built.offline,
            training_rows=built.trained.rows,
            train_seconds=steps.seconds["train"],
            parity=built.parity,
            worth=built.worth,
            taste=built.trained.taste,
            cycles=built.cycles,
            personas=built.personas,
            model_version=dict(app.engine.model_versions)["propensity"],
            catalog_version=app.engine.catalog.version,
            decisions=len(replayed),
            recommended=sum(s.action != "nothing" for one in replayed for s in one.shown),
            degraded=sum(bool(one.degraded) for one in replayed),
            overruns=sum(one.overruns for one in replayed),
            speed=speed(replayed, took, THREADS),
            contacts=contacts(replayed),
            hits=hits,
            limits=tuple(limit_use(app.engine.catalog, list(app.engine.store.usage_report()))),
            funnel=tuple(funnel(replayed, stages)),
            spend=spend(replayed, CUT_OFF),
            policies=policies,
            planned=built.planned,
            followed=count_followed(
                built.year,
                replayed,
                folder / "plan" / "plan.parquet",
                built.bought,
                weeks=built.planned.weeks,
            ),
            explained=_explain_one(app, replayed),
            sums=check_sums(folder, replayed),
            limits_held=check_limits(built.year, built.offers, replayed),
            explanations=explanations,
            cannot_support=CANNOT_SUPPORT,
            seconds={},
        )


def _replay_again(
    console: Console,
    out: Path,
    built: _Built,
    replayed: Sequence[Replayed],
    steps: Steps,
    *,
    seed: int,
) -> None:
    """The same weeks without the plan, beside those with it."""
    began = time.monotonic()
    again = replay_without_plan(out, built.year, built.offers, built.segments, steps, seed=seed)
    both = [sent(built.year, one, built.bought) for one in (replayed, again)]
    tell_both(console, both[0], both[1], began)
    named = dict(zip(("with_plan", "without_plan"), both, strict=True))
    (out / "replays.json").write_bytes(msgspec.json.format(msgspec.json.encode(named)))


def _explain_one(app: App, replayed: Sequence[Replayed]) -> tuple[str, ...]:
    """The sentences about one decision: the first one in mid-replay that sends a letter.

    Of each placement only what is on top is told.
    """
    middle = replayed[len(replayed) // 4 :]
    with_letter = (
        one
        for one in middle
        if any(s.channel == "letter" and s.action != "nothing" for s in one.shown)
    )
    chosen = next(with_letter, middle[0])
    explanation = app.engine.explain(chosen.decision_id, treatments=())
    lower = tuple(
        f"is number {position + 1} in" for position in range(1, max(len(chosen.shown), 2))
    )
    return tuple(
        sentence
        for sentence in explanation.sentences
        if not any(words in sentence for words in lower)
    )


def _go_on(console: Console, out: Path, built: _Built, steps: Steps) -> None:
    nba = _command()
    household = identity(int(built.year.households[0]))
    settings = out / "nba.toml"
    console.print()
    console.print(f"All of this is in {out}/summary.json, pictures in {out}/plots. Go on:")
    console.print(f"  {nba} serve -s {settings}", soft_wrap=True)
    console.print(
        f"  {nba} decide {household} -s {settings} --time 2018-01-02T17:30 --explain",
        soft_wrap=True,
    )
    console.print(seconds_line(steps.seconds), style="dim", soft_wrap=True)


def _tell_learned(console: Console, out: Path, learned: Sequence[Learned]) -> None:
    refused = [one.command for one in learned if not one.kept]
    console.print()
    console.print(f"Pages with pictures of all of this are in {out}/reports.")
    if refused:
        console.print(
            "Nothing was kept by: " + "; ".join(refused) + ". Its page says why.", soft_wrap=True
        )
    took = sum(one.seconds for one in learned)
    console.print(f"{took:.0f} seconds beyond the demo", style="dim")


def _command() -> str:
    """How this command was called, relative to here where that is shorter."""
    called = Path(sys.argv[0])
    if called.name != "nba":
        return "nba"
    here = Path.cwd()
    return str(called.relative_to(here)) if called.is_relative_to(here) else str(called)


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(TIME_ZONE)).date().isoformat()
