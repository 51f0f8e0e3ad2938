"""Puts a run's sections together; a run that stopped half-way gives what there is."""

from __future__ import annotations

import platform
from collections.abc import Callable
from importlib.metadata import version
from shlex import quote
from typing import TypeVar

from yunhe.kernel.errors import YunheError
from yunhe.plans import store
from yunhe.plans.artefacts import records_of, tamper
from yunhe.plans.report.data import compute_section, corpus_section, exchange_section
from yunhe.plans.report.evaluation import evaluation_section
from yunhe.plans.report.model import governance_section, models_section
from yunhe.plans.report.proof import (
    ledger_section,
    reason_of,
    serving_section,
    verification_section,
)
from yunhe.plans.run import Run
from yunhe.plans.store import StoredRun, StoredStage
from yunhe.reports.domain import (
    STAGES,
    Both,
    Chain,
    Command,
    Pair,
    Phrase,
    Stage,
    StageName,
    Stop,
    TamperLine,
    Words,
)

Section = TypeVar("Section")
LIBRARIES = ("yunhe", "numpy", "pyarrow", "scikit-learn", "scipy", "cryptography", "sqlalchemy")
"""Whose versions a report names."""


def chain_of(
    run: Run,
    *,
    reused: frozenset[str] = frozenset(),
    error: YunheError | None = None,
    tampering: bool = False,
) -> Chain:
    """The report of a run as it stands.

    ``reused``: stages that an earlier attempt had finished; ``error``: what stopped this one;
    ``tampering``: also change one byte of everything, which costs a verification each.
    """
    with run.storage.database.read() as tx:
        stored = store.find_run(tx, run.id)
        done = store.finished_stages(tx, run.id)

    def section(name: str, build: Callable[[Run], Section]) -> Section | None:
        return build(run) if name in run.results else None

    verified = None
    if "serving" in run.results:
        lines = _tampered(run) if tampering else ()
        verified = verification_section(run, command=_verify_command(run), tamper=lines)
    return Chain(
        run_id=run.id,
        plan=run.plan.name,
        title=Both(run.plan.title.en, run.plan.title.zh),
        synthetic=run.plan.data.synthetic,
        started_at_us=run.started_at_us,
        finished_at_us=stored.finished_at_us if stored else None,
        seconds=_seconds(sum(stage.milliseconds for stage in done.values())),
        stages=_stages(done, reused, error),
        stopped=_stop(run, stored, done, error),
        corpus=section("corpus", corpus_section),
        exchange=section("exchange", exchange_section),
        compute=section("compute", compute_section),
        models=section("models", models_section),
        evaluation=section("evaluation", evaluation_section),
        governance=section("governance", governance_section),
        serving=section("serving", serving_section),
        verification=verified,
        ledger=ledger_section(run) if "people" in run.results else None,
        commands=_commands(run),
        machine=(
            Pair(Phrase("plans.machine.system"), f"{platform.system()} {platform.machine()}"),
            Pair(Phrase("plans.machine.threads"), str(run.equipment.threads)),
        ),
        versions=(
            Pair("Python", platform.python_version()),
            *(Pair(name, version(name)) for name in LIBRARIES),
        ),
    )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.1f}"


def _stages(
    done: dict[str, StoredStage], reused: frozenset[str], error: YunheError | None
) -> tuple[Stage, ...]:
    stages: list[Stage] = []
    for name in STAGES:
        if name in done:
            state = Stage(
                name=name,
                state="reused" if name in reused else "done",
                seconds=_seconds(done[name].milliseconds),
            )
        elif error is not None and not any(s.state == "stopped" for s in stages):
            state = Stage(name=name, state="stopped")
        else:
            state = Stage(name=name, state="not_reached")
        stages.append(state)
    return tuple(stages)


def _stop(
    run: Run, stored: StoredRun | None, done: dict[str, StoredStage], error: YunheError | None
) -> Stop | None:
    ended = stored is not None and stored.finished_at_us is not None
    if ended and len(done) == len(STAGES):  # a run whose gate failed has ended as well
        return None
    where: StageName = next((name for name in STAGES if name not in done), "verification")
    if error is not None:
        return Stop(
            where, _words(error.code, error.params), _words(f"{error.code}.do", error.params)
        )
    if "evaluation" in run.results and not run.results["evaluation"]["passed"]:
        return Stop("evaluation", Phrase("plans.gate_failed"), Phrase("plans.gate_failed.do"))
    return None


def _words(code: str, params: dict[str, str | int]) -> Words:
    return Phrase(code, tuple(params.items()))


def _tampered(run: Run) -> tuple[TamperLine, ...]:
    lines = []
    for each in tamper(run, records_of(run)):
        noticed = each.noticed
        code = each.what if each.what in ("record", "checkpoint", "outside") else "artefact"
        about = (("kind", each.kind), ("field", each.what))
        reason: Words | None = None
        if noticed is not None:
            reason = (
                Phrase("plans.tamper.bytes") if noticed[2] == "bytes" else reason_of(noticed[2], "")
            )
        lines.append(
            TamperLine(
                artefact=Phrase(f"plans.tamper.{code}", about),
                found=noticed is not None,
                kind=noticed[0] if noticed else None,
                subject=noticed[1] if noticed else None,
                reason=reason,
            )
        )
    return tuple(lines)


def _verify_command(run: Run) -> str:
    home, program = run.equipment.home, run.equipment.program
    receipt, trust = quote(f"{home}/receipts/latest.json"), quote(f"{home}/trust.txt")
    return f"{program} verify {receipt} --trust {trust}"


def _commands(run: Run) -> tuple[Command, ...]:
    called = f"{run.equipment.program} --home {quote(str(run.equipment.home))}"
    always = (
        Command(Phrase("plans.command.accounts"), f"{called} accounts"),
        Command(Phrase("plans.command.audit"), f"{called} log --audit"),
    )
    if "serving" not in run.results:
        return always
    return (
        Command(Phrase("plans.command.verify"), _verify_command(run)),
        *always,
        Command(Phrase("plans.command.tamper"), f"{called} report --tamper"),
    )
