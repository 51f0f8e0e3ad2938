"""`yunhe simulate`: a trace through the scheduler of the platform, policies side by side."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from yunhe.cli.session import Session, console, said_after
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.compute.simulation.comparing import Asked
    from yunhe.compute.simulation.differing import Difference
    from yunhe.compute.simulation.recording import Replayed
    from yunhe.compute.simulation.report.sheet import Sheet

FAULTY = 3
"""Exit code when the figures are whole, but some rows of the trace could not be used."""
QUIET_SECONDS = 2.0
"""Shorter work shows no progress."""
FINDINGS_SHOWN = 20
"""Faulty rows named on a terminal; all kept ones are in the JSON and on the page."""
SEED = 42
"""Of everything drawn, unless another is given."""

_FILE = click.Path(path_type=Path)
_COUNT = click.IntRange(0, 1_000_000_000)
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, object]], ...] = (
    (("-p", "--policy"), {"multiple": True, "metavar": "NAME[:SETTING=VALUE,…][@home]"}),
    (("--policies",), {"is_flag": True}),
    (("--example",), {"is_flag": True}),
    (("-o", "--out"), {"type": _FILE, "metavar": "FOLDER"}),
    (("--format", "form"), {"metavar": "FORMAT"}),
    (("--fleet",), {"type": _FILE, "metavar": "CSV"}),
    (("--cities",), {"type": _FILE, "metavar": "CSV"}),
    (("--siloed",), {"is_flag": True}),
    (("--whole",), {"is_flag": True}),
    (("--from", "since"), {"metavar": "DATE"}),
    (("--until",), {"metavar": "DATE"}),
    (("--first",), {"type": click.IntRange(1), "metavar": "N"}),
    (("--reach",), {"type": _COUNT, "metavar": "N"}),
    (("--transfer",), {"type": _COUNT, "default": 0, "metavar": "SECONDS"}),
    (("--estimates",), {"type": click.IntRange(1, 1000), "metavar": "TIMES"}),
    (("--node-mtbf",), {"type": _COUNT, "default": 0, "metavar": "HOURS"}),
    (("--node-mttr",), {"type": _COUNT, "default": 4, "show_default": True, "metavar": "HOURS"}),
    (("--site-mtbf",), {"type": _COUNT, "default": 0, "metavar": "HOURS"}),
    (("--site-mttr",), {"type": _COUNT, "default": 6, "show_default": True, "metavar": "HOURS"}),
    (("--seed",), {"type": _COUNT, "default": SEED, "show_default": True, "metavar": "N"}),
    (("--throughputs",), {"type": _FILE, "metavar": "JSON"}),
    (("--record",), {"type": _FILE, "metavar": "FILE"}),
    (("--keep",), {"type": click.IntRange(0, 10_000), "metavar": "N"}),
    (("--journal",), {"type": _FILE, "metavar": "FILE"}),
)


def simulate(language: Language) -> click.Command:
    """Replays a trace."""
    params: list[click.Parameter] = [
        click.Argument(["trace"], required=False, metavar="[TRACE]", type=_FILE)
    ]
    for names, settings in _OPTIONS:
        long = next(name for name in names if name.startswith("--"))
        said = text(f"cli.simulate.{long[2:].replace('-', '_')}", language)
        params.append(click.Option(list(names), help=said, **settings))  # type: ignore[arg-type]
    return click.Command(
        "simulate",
        params=[*params, *said_after(language)],
        help=text("cli.simulate", language),
        epilog=text("cli.simulate.exit_codes", language),
        callback=_simulate,
    )


class _Given(TypedDict):
    """What the command line was told, by the names of its parameters."""

    trace: Path | None
    policy: tuple[str, ...]
    policies: bool
    example: bool
    out: Path | None
    form: str | None
    fleet: Path | None
    cities: Path | None
    siloed: bool
    whole: bool
    since: str | None
    until: str | None
    first: int | None
    reach: int | None
    transfer: int
    estimates: int | None
    node_mtbf: int
    node_mttr: int
    site_mtbf: int
    site_mttr: int
    seed: int
    throughputs: Path | None
    record: Path | None
    keep: int | None
    journal: Path | None


def _simulate(**given: Unpack[_Given]) -> None:
    session = Session.here()
    if given["policies"]:
        _list(session)
    elif given["record"] is not None:
        _record(session, given["record"])
    elif given["keep"] is not None:
        _keep(session, given["keep"])
    elif given["journal"] is not None:
        _journal(session, given["journal"])
    elif (given["trace"] is None) != given["example"]:
        raise click.UsageError(session.say("cli.simulate.no_trace"))
    else:
        _replay(session, given)


def _list(session: Session) -> None:
    from yunhe.compute.simulation.comparing import policy_names  # noqa: PLC0415

    names = policy_names()
    lines = []
    for name, settings in names.items():
        said = session.say(f"simulate.policy.{name}")
        lines.append(f"{name}\n    {said}\n    {settings or '–'}")
    session.answer({"policies": names}, "\n".join(lines))


def _record(session: Session, path: Path) -> None:
    from yunhe.compute.simulation.comparing import record  # noqa: PLC0415

    with session.platform() as platform:
        count = record(platform.storage, path)
    told = session.say("cli.simulate.recorded", workloads=count, file=str(path))
    session.answer({"file": str(path), "workloads": count}, told)


def _keep(session: Session, passes: int) -> None:
    from yunhe.compute.simulation.comparing import keep_passes  # noqa: PLC0415

    with session.platform() as platform:
        keep_passes(platform.storage, passes)
    session.answer({"passes": passes}, session.say("cli.simulate.kept", passes=passes))


def _journal(session: Session, path: Path) -> None:
    from yunhe.compute.simulation.comparing import write_passes  # noqa: PLC0415

    with session.platform() as platform:
        count = write_passes(platform.storage, path)
    told = session.say("cli.simulate.journalled", passes=count, file=str(path))
    session.answer({"file": str(path), "passes": count}, told)


def _asked(given: _Given) -> Asked:
    from yunhe.compute.simulation.comparing import POLICIES_DEFAULT, Asked, Weather  # noqa: PLC0415

    return Asked(
        path=given["trace"],
        form=given["form"],
        fleet=given["fleet"],
        cities=given["cities"],
        policies=given["policy"] or POLICIES_DEFAULT,
        since=given["since"],
        until=given["until"],
        first=given["first"],
        reach=given["reach"],
        transfer_seconds=given["transfer"],
        estimates=given["estimates"],
        weather=Weather(
            seed=given["seed"],
            node_mtbf_hours=given["node_mtbf"],
            node_mttr_hours=given["node_mttr"],
            site_mtbf_hours=given["site_mtbf"],
            site_mttr_hours=given["site_mttr"],
        ),
        throughputs=str(given["throughputs"]) if given["throughputs"] else None,
        whole=given["whole"],
    )


def _replay(session: Session, given: _Given) -> None:
    from yunhe.compute.simulation import comparing  # noqa: PLC0415

    asked, shown = _asked(given), _Shown(session)
    if asked.path is not None and _again(session, asked.path):
        return
    comparing.policies(asked.policies)  # a mistyped name is said before the trace is read
    again = None if asked.path is None else comparing.recorded_again(asked.path)
    try:
        loaded = comparing.load(asked)
    except Invalid as error:
        if again is None or error.code != "simulate.trace_empty":
            raise
        _tell_again(session, again)  # nothing ran yet, but what was decided is there
        return
    sheet = comparing.compare(
        asked, loaded, progress=shown.step, command=_command(given), siloed=given["siloed"]
    )
    if given["out"] is not None:
        page = comparing.write(sheet, given["out"], session.language)
    if session.as_json:
        more = {} if again is None else {"recorded": _said_again(again)}
        session.answer({**comparing.as_json(sheet, session.language), **more})
    else:
        _show(session, sheet)
        if again is not None:
            console().print(_told_again(session, again))
        if given["out"] is not None:
            console().print(session.say("cli.simulate.written", page=str(page)))
    if again is not None and again.different:
        click.get_current_context().exit(1)
    if sheet.faults or (again is not None and again.broken):
        click.get_current_context().exit(FAULTY)


def _again(session: Session, path: Path) -> bool:
    """Decide a journal again; False for what is no journal."""
    from yunhe.compute.simulation import comparing  # noqa: PLC0415

    found = comparing.decided_again(path)
    if found is None:
        return False
    _tell_again(session, found)
    return True


def _tell_again(session: Session, found: Replayed) -> None:
    session.answer(_said_again(found), _told_again(session, found))
    if found.different or found.broken:
        click.get_current_context().exit(1 if found.different else FAULTY)


def _said_again(found: Replayed) -> dict[str, object]:
    return {
        "passes": found.passes,
        "decisions": found.decisions,
        "kept": found.kept,
        "pushes": found.pushes,
        "different": list(found.different),
        "differences": [asdict(each) for each in found.differences],
        "broken": found.broken,
    }


def _told_again(session: Session, found: Replayed) -> str:
    told = [_told_different(session, each) for each in found.differences[:FINDINGS_SHOWN]]
    said = session.say(
        "cli.simulate.again",
        passes=found.passes,
        decisions=found.decisions,
        kept=found.kept,
        pushes=found.pushes,
        different=len(found.different),
        broken=found.broken,
    )
    return "\n".join([said, *told])


def _told_different(session: Session, each: Difference) -> str:
    """Which pass, of which workload, and what it was instead."""
    from yunhe.cli.remote import plain  # noqa: PLC0415

    named: dict[str, str | int] = {"pass": each.number, "line": each.line, "at": iso(each.at_us)}
    if not each.workload:
        return session.say("cli.simulate.reordered", **named)
    was, now = (
        session.say(f"cli.simulate.did.{what.lower() or 'nothing'}", where=plain(where))
        for what, where in ((each.was, each.where), (each.now, each.now_where))
    )
    params = {**named, "workload": plain(each.workload), "was": was, "now": now}
    return session.say("cli.simulate.differs", **params)


def _command(given: _Given) -> list[str]:
    """The line that repeats this, with names of files but not their folders."""
    words = ["yunhe", "simulate"]
    if given["trace"] is not None:
        words.append(given["trace"].name)
    by_name: dict[str, object] = dict(given)
    for names, settings in _OPTIONS:
        long = next(name for name in names if name.startswith("--"))
        value = by_name[names[-1].lstrip("-").replace("-", "_")]
        if long == "--out" or value is None or value is False or value == ():
            continue
        if value == settings.get("default"):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words.append(long)
            words += [] if one is True else [one.name if isinstance(one, Path) else str(one)]
    if "--seed" not in words:
        words += ["--seed", str(given["seed"])]
    return words


def _show(session: Session, sheet: Sheet) -> None:
    from yunhe.compute.simulation import comparing  # noqa: PLC0415

    shown = console()
    for line in comparing.told(sheet, session.language, findings=FINDINGS_SHOWN):
        shown.print(line, crop=False)


class _Shown:
    """Progress on standard error, once it takes longer than `QUIET_SECONDS`."""

    def __init__(self, session: Session) -> None:
        self._session, self._began, self._last = session, time.monotonic(), 0.0

    def step(self, what: str, done: int, total: int) -> None:
        """Show a step, at most once a second."""
        now = time.monotonic()
        if now - self._began < QUIET_SECONDS or now - self._last < 1:
            return
        self._last = now
        if self._session.as_json:
            event = {"event": "progress", "stage": what, "done": done, "total": total}
            click.echo(json.dumps(event), err=True)
        else:
            click.echo(f"  {self._session.say(what)}  {done:,} / {total:,}", err=True)


COMMANDS = {"simulate": simulate}
