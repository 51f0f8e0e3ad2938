"""`yunhe workloads`, `yunhe cancel`, `yunhe operations`: work on a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click

from yunhe.cli.remote import (
    connected,
    limited,
    moment,
    on_server,
    plain,
    show_list,
    show_one,
    state,
)
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.events import Event
    from yunhe.client.wire.compute import Workload
    from yunhe.client.wire.operations import Operation


def workloads(language: Language) -> click.Command:
    """Lists workloads, or shows one."""

    def said(code: str) -> str:
        return text(f"cli.workloads.{code}", language)

    @click.command("workloads", help=text("cli.workloads", language))
    @click.argument("workload", required=False)
    @click.option("--log", is_flag=True, help=said("log"))
    @click.option("--output", metavar="NAME", help=said("output"))
    @click.option("--to", type=click.Path(path_type=Path, dir_okay=False), help=said("to"))
    @on_server(language)
    @limited(language)
    def command(
        *,
        workload: str | None,
        log: bool,
        output: str | None,
        to: Path | None,
        limit: int,
        **_: object,
    ) -> None:
        session = Session.here()
        if workload is None and (log or output):
            raise click.UsageError(said("needs_one"))
        with connected(session) as client:
            if workload is None:
                show_list(
                    session,
                    client.compute.workloads(),
                    limit=limit,
                    columns=("workload", "state", "entry_point", "devices", "why"),
                    row=lambda each: _workload(session, each),
                )
            elif log:
                found = client.compute.log(workload)
                session.answer({"workload": workload, "log": found})
                if not session.as_json:
                    lines = [plain(line) for line in found.splitlines()]
                    click.echo("\n".join(lines))
            elif output:
                target = to or Path(Path(output).name)
                client.compute.download(workload, output, target)
                answer = {"workload": workload, "output": output, "path": str(target)}
                session.answer(answer, session.say("cli.workloads.saved", path=str(target)))
            else:
                show_workload(session, client.compute.workload(workload))

    return command


def cancel(language: Language) -> click.Command:
    """Stops a workload or an operation."""

    @click.command("cancel", help=text("cli.cancel", language))
    @click.argument("id_", metavar="ID")
    @on_server(language)
    def command(*, id_: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            if id_.startswith("operation_"):
                _show_operation(session, client.operations.cancel(id_))
            else:
                show_workload(session, client.compute.cancel(id_))

    return command


def operations(language: Language) -> click.Command:
    """Lists long operations, shows or follows one."""

    @click.command("operations", help=text("cli.operations", language))
    @click.argument("operation", required=False)
    @click.option("--follow", is_flag=True, help=text("cli.operations.follow", language))
    @click.option("--project", default="", help=text("cli.operations.project", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def command(
        ctx: click.Context,
        /,
        *,
        operation: str | None,
        follow: bool,
        project: str,
        limit: int,
        **_: object,
    ) -> None:
        session = Session.here()
        if operation is None and follow:
            raise click.UsageError(text("cli.operations.needs_one", language))
        with connected(session) as client:
            if operation is None:
                show_list(
                    session,
                    client.operations.listed(project=project),
                    limit=limit,
                    columns=("operation", "kind", "state", "step", "created"),
                    row=lambda each: _operation(session, each),
                )
                return
            if follow:
                found = client.operations.wait(operation, progress=Steps(session).event)
            else:
                found = client.operations.get(operation)
        _show_operation(session, found)
        ctx.exit(1 if follow and found.state != "done" else 0)

    return command


class Steps:
    """How something goes, a line each time it changes, on standard error."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._last = ""

    def workload(self, found: Workload) -> None:
        """Of a workload: its state, and why it waits."""
        why = f" – {plain(found.why.message)}" if found.why else ""
        self._say({"event": found.state}, f"{state(self._session, found.state)}{why}")

    def event(self, event: Event) -> None:
        """Of an operation: its step and how much is done."""
        done, total = event.body.get("done"), event.body.get("total")
        step = plain(str(event.body.get("message") or event.body.get("step") or ""))
        count = "" if not done else f"  {done}" + (f" / {total}" if total else "")
        said = f"{state(self._session, event.name)} {step}".rstrip()
        self._say({"seq": event.seq, "event": event.name, **event.body}, said + count)

    def _say(self, value: dict[str, object], line: str) -> None:
        if line == self._last:
            return
        self._last = line
        as_json = self._session.as_json
        click.echo(json.dumps(value, ensure_ascii=False) if as_json else f"  {line}", err=True)


def _workload(session: Session, each: Workload) -> tuple[str, ...]:
    why = each.why.message if each.why else ""
    return (
        each.id,
        state(session, each.state),
        each.program or each.entry_point,
        devices_of(session, each),
        why,
    )


def count_of(devices: int, devices_milli: int) -> str:
    """How many devices, or which share of one."""
    return f"{devices * devices_milli / 1_000:g}" if devices_milli else str(devices)


def devices_of(session: Session, each: Workload) -> str:
    """How many devices of which chip; that which was asked for beside it, where it is another."""
    times = "" if each.replicas == 1 else f"{each.replicas} × "
    on = each.chip_placed or each.chip
    said = f"{times}{count_of(each.devices, each.devices_milli)} × {on}"
    return said if on == each.chip else session.say("cli.chip_asked", devices=said, chip=each.chip)


def show_workload(session: Session, found: Workload) -> None:
    """A workload as it stands."""
    usage = found.usage
    fields = {
        "workload": found.id,
        "state": state(session, found.state),
        "why": found.why.message if found.why else "",
        "entry_point": found.program or found.entry_point,
        "devices": devices_of(session, found),
        "pool": found.pool or "",
        "project": found.project,
        "outputs": ", ".join(unquote(name) for name in found.outputs),
        "cost": "" if usage is None else _money(usage.cost_minor, usage.currency),
        "reference": found.reference or "",
    }
    show_one(session, found, fields)


def _money(amount: int, unit: str) -> str:
    from yunhe.kernel.units import format_minor  # noqa: PLC0415

    return f"{format_minor(amount, unit)} {unit}"


def _operation(session: Session, each: Operation) -> tuple[str, ...]:
    return each.id, each.kind, state(session, each.state), _step(each), moment(each.created_at)


def _step(each: Operation) -> str:
    count = "" if not each.done else f" {each.done}" + (f" / {each.total}" if each.total else "")
    return (each.step + count).strip()


def _show_operation(session: Session, found: Operation) -> None:
    failure = found.error
    result = None if found.result is None else json.dumps(found.result, ensure_ascii=False)
    fields = {
        "operation": found.id,
        "kind": found.kind,
        "state": state(session, found.state),
        "step": _step(found),
        "created": moment(found.created_at),
        "ended": moment(found.ended_at),
        "result": result or "",
        "why": "" if failure is None else f"{failure.message} {failure.do}",
    }
    show_one(session, found, fields)


COMMANDS = {
    "workloads": workloads,
    "cancel": cancel,
    "operations": operations,
}
