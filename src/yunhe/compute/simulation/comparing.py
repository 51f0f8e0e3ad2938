"""The door to the simulator: a question in, a sheet of figures out; works without a platform.

One trace is read once and replayed under each policy in turn by the engine that also runs the
platform. Nothing here decides; nothing is written but what `write` is told to.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin, get_type_hints

from yunhe.compute.simulation.faults import Weather
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import Language

if TYPE_CHECKING:
    from rich.console import RenderableType

    from yunhe.compute.scheduling.policies import Policy
    from yunhe.compute.simulation.domain import Faults, Run, Trace
    from yunhe.compute.simulation.figures import Figures
    from yunhe.compute.simulation.recording import Replayed
    from yunhe.compute.simulation.report.sheet import Sheet
    from yunhe.compute.simulation.traces.building import Loaded, Wanted
    from yunhe.storage.service import Storage

__all__ = [
    "POLICIES_DEFAULT",
    "Asked",
    "Weather",
    "as_json",
    "compare",
    "decided_again",
    "keep_passes",
    "load",
    "policies",
    "policy_names",
    "record",
    "recorded_again",
    "told",
    "write",
    "write_passes",
]

POLICIES_DEFAULT = ("fifo", "first_fit", "yunhe")
"""Compared unless others are named."""
POLICIES_MAX = 20
"""Most policies of one comparison."""
SILOED = "@home"
"""After the name of a policy: every job stays at its home, each site has a queue of its own."""

Progress = Callable[[str, int, int], None]
"""Told (what, done, total)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One comparison."""

    path: Path | None = None
    """The trace; None = the made-up example."""
    form: str | None = None
    """Its format; None = recognised."""
    fleet: Path | None = None
    """Table of nodes; None = the format's own fleet."""
    policies: tuple[str, ...] = POLICIES_DEFAULT
    """Names, each with changed fields if wanted: ``las:restart_us=300000000``; see `SILOED`."""
    since: str | None = None
    """First day, ``2017-10-01``."""
    until: str | None = None
    """Day after the last."""
    first: int | None = None
    """So many jobs at most."""
    reach: int | None = None
    """Sites beside its home that a job may use; None = all."""
    transfer_seconds: int = 0
    """To bring data to another site."""
    estimates: int | None = None
    """Limits are drawn from 1 to so many times the run time; None = as in the trace."""
    weather: Weather = field(default_factory=Weather)
    """What breaks, and the seed of everything drawn."""
    throughputs: str | None = None
    """Gavel's table; None = beside the trace."""
    cities: Path | None = None
    """Table of the tenants' cities; None = as the trace says, or all of one."""
    whole: bool = False
    """Count all jobs, without warm-up and cool-down."""


def policy_names() -> dict[str, str]:
    """Every policy and its settings that differ from the defaults, as the command line takes it."""
    from yunhe.compute.scheduling.policies import PRESETS, Policy  # noqa: PLC0415

    plain = Policy("")
    return {
        name: ",".join(
            f"{one.name}={_told(getattr(policy, one.name))}"
            for one in fields(policy)
            if one.name != "name" and getattr(policy, one.name) != getattr(plain, one.name)
        )
        for name, policy in PRESETS.items()
    }


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return "/".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def policies(names: Sequence[str]) -> list[tuple[str, Policy, bool]]:
    """(name as given, policy, whether siloed) of each.

    Errors: `Invalid` ``simulate.policies_invalid`` with every wrong name, field and value.
    """
    findings: list[Finding] = []
    found = []
    for said in dict.fromkeys(names):
        plain, siloed = said.removesuffix(SILOED), said.endswith(SILOED)
        policy = _policy(plain, findings)
        if policy is not None:
            found.append((said, policy, siloed))
    if len(found) > POLICIES_MAX:
        findings.append(Finding("--policy", "simulate.policies_many", (("most", POLICIES_MAX),)))
    if findings:
        raise Invalid("simulate.policies_invalid", findings=findings)
    return found


def _policy(said: str, findings: list[Finding]) -> Policy | None:
    from yunhe.compute.scheduling.policies import PRESETS  # noqa: PLC0415

    name, _, settings = said.partition(":")
    if name not in PRESETS:
        known = ", ".join(PRESETS)
        findings.append(Finding(name[:60], "simulate.policy_unknown", (("known", known),)))
        return None
    policy = PRESETS[name]
    changed: dict[str, object] = {}
    for part in filter(None, settings.split(",")):
        setting, _, value = part.partition("=")
        try:
            changed[setting] = _value(setting, getattr(policy, setting), value)
        except (AttributeError, ValueError):
            where = f"{name}:{part}"[:60]
            findings.append(Finding(where, "simulate.policy_setting"))
    return replace(policy, **changed)  # type: ignore[arg-type]


def _value(setting: str, before: object, said: str) -> object:
    """The value in the type that the setting has. Errors: `ValueError` for any other."""
    from yunhe.compute.scheduling.policies import Policy  # noqa: PLC0415

    hint = get_type_hints(Policy)[setting] if setting in Policy.__dataclass_fields__ else None
    if hint is bool and said in ("true", "false"):
        return said == "true"
    if get_origin(hint) is Literal and said in get_args(hint):
        return said
    if isinstance(before, bool | str) or not isinstance(before, int | tuple):
        raise ValueError(said)
    several = [int(one) for one in said.split("/") if one]
    if min(several, default=0) < 0 or (isinstance(before, int) and len(several) != 1):
        raise ValueError(said)
    return tuple(several) if isinstance(before, tuple) else several[0]


def load(asked: Asked) -> Loaded:
    """The trace that was asked for, with what is wrong in its file."""
    from yunhe.compute.simulation.example import example  # noqa: PLC0415
    from yunhe.compute.simulation.faults import with_estimates  # noqa: PLC0415
    from yunhe.compute.simulation.traces.building import Loaded  # noqa: PLC0415
    from yunhe.compute.simulation.traces.reading import read_trace  # noqa: PLC0415

    wanted = _wanted(asked)
    if asked.path is None:
        made = example(wanted, seed=asked.weather.seed)
        loaded = Loaded(made, (), 0, len(made.jobs))
    else:
        loaded = read_trace(asked.path, wanted, form=asked.form)
    if asked.cities is not None:
        from yunhe.compute.simulation.cities import with_cities  # noqa: PLC0415

        loaded = replace(loaded, trace=with_cities(loaded.trace, asked.cities))
    if asked.estimates is not None:
        trace = with_estimates(loaded.trace, seed=asked.weather.seed, worst=asked.estimates)
        loaded = replace(loaded, trace=trace)
    return loaded


def _wanted(asked: Asked) -> Wanted:
    from yunhe.compute.simulation.traces.building import Wanted  # noqa: PLC0415
    from yunhe.compute.simulation.traces.fleets import read_fleet  # noqa: PLC0415

    return Wanted(
        supply=read_fleet(asked.fleet) if asked.fleet else None,
        since_us=_day(asked.since),
        until_us=_day(asked.until),
        first=asked.first,
        reach=asked.reach,
        transfer_seconds=asked.transfer_seconds,
        throughputs=asked.throughputs,
    )


def _day(said: str | None) -> int | None:
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        raise Invalid("simulate.day_invalid", said=said[:40]) from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def compare(
    asked: Asked,
    loaded: Loaded,
    *,
    progress: Progress,
    command: Sequence[str] = (),
    siloed: bool = False,
) -> Sheet:
    """Replay the trace under every policy and measure.

    ``siloed`` adds each policy once more with every job at its home. *Cost*: a replay each.
    """
    from yunhe.compute.simulation.faults import faults  # noqa: PLC0415
    from yunhe.compute.simulation.figures import measure  # noqa: PLC0415

    trace = loaded.trace
    names = list(asked.policies)
    if siloed:
        names += [name + SILOED for name in names if not name.endswith(SILOED)]
    chosen = policies(names)
    broken = None
    if asked.weather.node_mtbf_hours or asked.weather.site_mtbf_hours:
        # Jobs that arrive all at once run on long after the last of them has come.
        busy = max(float(trace.jobs.arrive_us[-1]), _work_us(trace) / _devices(trace))
        broken = faults(trace.fleet, asked.weather, until_us=max(int(2 * busy), 1))
    found: list[Figures] = []
    for place, (name, policy, home) in enumerate(chosen):
        progress("simulate.replaying", place, len(chosen))
        run = _replayed(
            trace,
            replace(policy, name=name),
            broken,
            siloed=home,
            guessed=asked.estimates is not None,
        )
        found.append(measure(trace, run, whole=asked.whole))
    progress("simulate.replaying", len(chosen), len(chosen))
    return _sheet(asked, loaded, tuple(found), broken, command)


def _replayed(
    trace: Trace, policy: Policy, broken: Faults | None, *, siloed: bool, guessed: bool
) -> Run:
    from yunhe.compute.simulation.loop import replay  # noqa: PLC0415

    jobs = trace.jobs
    expected = None
    if policy.order == "expected":  # an oracle, or, where limits were drawn, what users guess
        expected = jobs.wall_us if guessed else jobs.service_us
    return replay(trace, policy, faults=broken, siloed=siloed, expected_us=expected)


def _sheet(
    asked: Asked,
    loaded: Loaded,
    figures: tuple[Figures, ...],
    broken: Faults | None,
    command: Sequence[str],
) -> Sheet:
    from yunhe.compute.simulation.domain import Note  # noqa: PLC0415
    from yunhe.compute.simulation.report.sheet import Sheet  # noqa: PLC0415

    trace = loaded.trace
    notes = list(trace.notes)
    if broken is not None:
        weather = asked.weather
        told = {"node": weather.node_mtbf_hours, "site": weather.site_mtbf_hours}
        down = int((~broken.up).sum())
        notes.append(Note("faults", {**told, "events": down, "seed": weather.seed}))
    return Sheet(
        trace=trace.name,
        format=trace.format,
        jobs=len(trace.jobs),
        rows=loaded.rows,
        faults=loaded.faults,
        findings=loaded.findings,
        sites=len(trace.fleet.sites),
        nodes=len(trace.fleet),
        devices=trace.fleet.capacity_milli() // 1000,
        chips=trace.fleet.chips,
        load=_load(trace),
        days=_span_us(trace) / 86_400e6,
        notes=tuple(notes),
        figures=figures,
        command=shlex.join(command),
        version=version("yunhe"),
        whole=all(one.whole for one in figures),
    )


def _span_us(trace: Trace) -> int:
    """From the first arrival to the last."""
    return int(trace.jobs.arrive_us[-1] - trace.jobs.arrive_us[0])


def _work_us(trace: Trace) -> float:
    """Device time asked for, on the reference chip."""
    return float((trace.jobs.service_us * (trace.jobs.load_milli() / 1000)).sum())


def _devices(trace: Trace) -> float:
    return max(trace.fleet.capacity_milli() / 1000, 1.0)


def _load(trace: Trace) -> float:
    return _work_us(trace) / (_devices(trace) * max(_span_us(trace), 1))


def as_json(sheet: Sheet, language: Language) -> dict[str, object]:
    """Everything of a sheet for a program; notes and findings as sentences."""
    from yunhe.compute.simulation.report.wording import Words  # noqa: PLC0415

    words = Words(language)
    said = asdict(sheet)
    said["notes"] = [words.note(note) for note in sheet.notes]
    said["findings"] = [finding.message(language) for finding in sheet.findings]
    return said


def told(sheet: Sheet, language: Language, *, findings: int) -> Iterator[RenderableType]:
    """What a terminal shows: the trace, a line a policy, waits by size, notes, faults."""
    from yunhe.compute.simulation.report.terminal import told as lines  # noqa: PLC0415

    return lines(sheet, language, findings=findings)


def record(storage: Storage, path: Path) -> int:
    """Write the export of a platform; returns how many workloads are in it."""
    from yunhe.compute.simulation.exporting import write as written  # noqa: PLC0415

    return written(storage, path)


def keep_passes(storage: Storage, passes: int) -> None:
    """Keep what the live scheduler sees and decides in its next so many passes."""
    from yunhe.compute.passes.journal import keep  # noqa: PLC0415

    keep(storage, passes)


def write_passes(storage: Storage, path: Path) -> int:
    """Write the passes that were kept as a journal; returns how many."""
    from yunhe.compute.passes.journal import write as written  # noqa: PLC0415

    return written(storage, path)


def decided_again(path: Path) -> Replayed | None:
    """A journal of a live scheduler, decided again; None for a file that is no journal."""
    from yunhe.compute.simulation.recording import is_journal, replayed  # noqa: PLC0415

    return replayed(path) if is_journal(path) else None


def recorded_again(path: Path) -> Replayed | None:
    """The passes within a platform's export, decided again; None where there are none."""
    from yunhe.compute.simulation.recording import is_journal, replayed  # noqa: PLC0415
    from yunhe.compute.simulation.traces.export import FORMAT  # noqa: PLC0415

    found = replayed(path) if is_journal(path, form=FORMAT) else None
    return found if found is not None and found.passes + found.broken else None


def write(sheet: Sheet, folder: Path, language: Language) -> Path:
    """The page, the figures and the findings in a folder; returns the page's path."""
    from yunhe.compute.simulation.report.page import render  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    told = json.dumps(as_json(sheet, language), ensure_ascii=False, indent=1)
    parts = {"figures.json": told + "\n", "report.html": render(sheet, language=language)}
    for name, content in parts.items():
        fresh = folder / f".{name}.new"
        fresh.write_text(content, encoding="utf-8", errors="replace")  # a name in JSON may be odd
        fresh.replace(folder / name)
    return folder / "report.html"
