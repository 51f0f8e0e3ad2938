"""`yunhe run` and `yunhe report`."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session, Shown, console, program
from yunhe.kernel.errors import YunheError
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.app import Platform
    from yunhe.plans.outcome import Outcome
    from yunhe.plans.run import Source

FILE = click.Path(path_type=Path)


def run(language: Language) -> click.Command:
    """Runs a plan."""

    def said(code: str) -> str:
        return text(f"cli.run.{code}", language)

    @click.command("run", help=text("cli.run", language))
    @click.argument("plan", type=FILE, metavar="PLAN")
    @click.option("--input", "data", type=FILE, metavar="FILE", help=said("input"))
    @click.option("--truth", type=FILE, metavar="FILE", help=said("truth"))
    @click.option("--text", metavar="COLUMN", help=said("text"))
    @click.option("--label", metavar="COLUMN", help=said("label"))
    @click.option("--id", "name", metavar="COLUMN", help=said("id"))
    @click.option("--check", is_flag=True, help=said("check"))
    @click.pass_context
    def command(
        ctx: click.Context,
        plan: Path,
        data: Path | None,
        truth: Path | None,
        text: str | None,
        label: str | None,
        name: str | None,
        *,
        check: bool,
    ) -> None:
        from yunhe.plans.reading import read_plan  # noqa: PLC0415
        from yunhe.plans.run import Source  # noqa: PLC0415

        session = Session.here()
        columns = read_plan(plan).data.columns
        if check:
            shown = session.say("cli.run.plan_ok", path=str(plan))
            session.answer({"plan": str(plan), "ok": True}, shown)
            return
        source = None
        if data or truth or text or label or name:
            source = Source(
                data or plan.parent / read_plan(plan).data.input,
                truth,
                text or columns.text,
                label or columns.label,
                name or columns.id,
            )
        with session.platform(create=True) as platform:
            passed = _execute(session, platform, plan, source)
        ctx.exit(0 if passed else 1)

    return command


def _execute(session: Session, platform: Platform, plan: Path, source: Source | None) -> bool:
    from yunhe.plans import service  # noqa: PLC0415
    from yunhe.plans.outcome import write_outcome  # noqa: PLC0415

    shown = Shown(session)
    prepared = service.prepare(platform.equipment(program=program()), plan, source, shown)
    reused = service.finished(prepared)
    try:
        passed = service.execute(prepared)
    except YunheError as error:
        shown.close()
        # The page may fail for the same cause, a full disk say; the first error is the one to tell.
        with suppress(YunheError):
            if prepared.results:
                outcome = write_outcome(
                    prepared, language=session.language, reused=reused, error=error
                )
                if not session.as_json:
                    _show(session, outcome)
        raise
    shown.close()
    outcome = write_outcome(prepared, language=session.language, reused=reused)
    _show(session, outcome)
    return passed and _holds(outcome)


def _holds(outcome: Outcome) -> bool:
    """Whether the chain, as far as there is one, verifies now: artefacts may have changed since."""
    return outcome.facts["verified"] is not False


def _show(session: Session, outcome: Outcome) -> None:
    if session.as_json:
        session.answer(outcome.facts)
        return
    from yunhe.reports.chain import render_terminal  # noqa: PLC0415

    console().print(render_terminal(outcome.chain, language=session.language))
    click.echo(session.say("cli.run.report", path=str(outcome.report)))
    if outcome.receipt is not None:
        receipt, trust = str(outcome.receipt), str(outcome.facts["trust"])
        click.echo(session.say("cli.run.receipt", path=receipt))
        said = {"receipt": receipt, "trust": trust, "program": program()}
        click.echo(session.say("cli.run.check_elsewhere", **said))


def report(language: Language) -> click.Command:
    """Shows a run's report."""

    @click.command("report", help=text("cli.report", language))
    @click.argument("run", required=False, metavar="[RUN]")
    @click.option(
        "-o", "--output", type=FILE, metavar="FILE", help=text("cli.report.output", language)
    )
    @click.option("--tamper", is_flag=True, help=text("cli.report.tamper", language))
    @click.pass_context
    def command(ctx: click.Context, run: str | None, output: Path | None, *, tamper: bool) -> None:
        from yunhe.plans import service  # noqa: PLC0415
        from yunhe.plans.outcome import write_outcome  # noqa: PLC0415

        session = Session.here()
        with session.platform() as platform:
            found = service.reopen(platform.equipment(program=program()), run, Shown(session))
            outcome = write_outcome(
                found,
                language=session.language,
                reused=service.finished(found),
                tampering=tamper and "serving" in found.results,
                page=output,
            )
        _show(session, outcome)
        ctx.exit(0 if _holds(outcome) else 1)

    return command


COMMANDS = {"run": run, "report": report}
