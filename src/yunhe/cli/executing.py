"""`yunhe exec` and `yunhe develop`: commands inside running work, and sessions to work in."""

from __future__ import annotations

import base64
import json
import shutil
import sys
from typing import TYPE_CHECKING

import click

from yunhe.cli.live_desks import Desk, Said, Wanted, desk
from yunhe.cli.remote import checked, connected, on_server
from yunhe.cli.session import Session
from yunhe.cli.terminal import Shown, Typing
from yunhe.cli.working import Steps
from yunhe.kernel.errors import Conflict, Invalid
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.compute import Workload

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""
_SIDE_MAX = 1_000
_HOUR_SECONDS = 3_600


def exec_(language: Language) -> click.Command:
    """Runs a command inside a workload."""

    def said(code: str) -> str:
        return text(f"cli.exec.{code}", language)

    @click.command(
        "exec",
        help=text("cli.exec", language),
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.option("-i", "--interactive", is_flag=True, help=said("interactive"))
    @click.option("-t", "--tty", is_flag=True, help=said("tty"))
    @click.option("--attach", metavar="EXEC", default="", help=said("attach"))
    @on_server(language)
    @click.argument("workload")
    @click.argument("command", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def run(
        ctx: click.Context,
        /,
        *,
        interactive: bool,
        tty: bool,
        attach: str,
        workload: str,
        command: tuple[str, ...],
        **_: object,
    ) -> None:
        session = Session.here()
        command = command[1:] if command[:1] == ("--",) else command
        tty = tty or bool(attach) or (interactive and sys.stdin.isatty())
        _check(tty=tty, as_json=session.as_json)
        if not command and not attach:
            raise click.UsageError(said("needs_command"))
        with desk(session) as found:
            wanted = wanted_of(command, tty=tty)
            exec_id = attach or found.run(workload, wanted)
            ctx.exit(
                follow(session, found, exec_id, typed=tty or interactive, tty=tty, attach=attach)
            )

    return run


def wanted_of(command: tuple[str, ...], *, tty: bool, closes: bool = False) -> Wanted:
    """A command as this terminal asks for it."""
    size = shutil.get_terminal_size()
    return Wanted(
        command,
        tty=tty,
        rows=min(max(size.lines, 1), _SIDE_MAX),
        columns=min(max(size.columns, 1), _SIDE_MAX),
        closes=closes,
    )


def _check(*, tty: bool, as_json: bool, code: str = "cli.exec_no_terminal") -> None:
    if tty and (as_json or not sys.stdin.isatty()):
        raise Invalid(code)


def follow(
    session: Session, found: Desk, exec_id: str, *, typed: bool, tty: bool, attach: str = ""
) -> int:
    """Show a command's output to its end and type into it; its exit status.

    Errors: `Conflict` with the code of why it was refused or broken off.
    """
    place = found.place(exec_id) if attach else None
    offset, seq = (0, 0) if place is None else (place.offset, place.seq)
    if typed:
        typing = Typing(found, exec_id, tty=tty, seq=seq)
        with typing.going():
            end = _shown(session, found, exec_id, offset=offset, raw=tty)
    else:
        found.type_in(exec_id, 1, b"", eof=1)
        try:
            end = _shown(session, found, exec_id, offset=offset, raw=False)
        except KeyboardInterrupt:
            found.end(exec_id)
            return INTERRUPTED
    if end.status is None:
        raise Conflict(end.why or "compute.exec_ended_with_work", exec=exec_id)
    if session.as_json:
        session.answer({"exec": exec_id, "status": end.status})
    return end.status


def _shown(session: Session, found: Desk, exec_id: str, *, offset: int, raw: bool) -> Said:
    shown = Shown(raw=raw)
    for said in found.output(exec_id, after=offset):
        if said.name == "done":
            return said
        if said.name == "gap":
            click.echo(session.say("cli.logs.gap", bytes=said.left_out), err=True)
        elif session.as_json:
            line = {"stream": said.name, "data": base64.b64encode(said.data).decode()}
            click.echo(json.dumps(line))
        else:
            shown.show(said)
    return Said("done", why="compute.exec_ended_with_work")


def develop(language: Language) -> click.Command:
    """Opens a session to work in."""

    def said(code: str) -> str:
        return text(f"cli.develop.{code}", language)

    @click.command(
        "develop",
        help=text("cli.develop", language),
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    )
    @click.option("--chip", default="cpu", show_default=True, help=said("chip"))
    @click.option("--devices", type=click.IntRange(1), default=1, help=said("devices"))
    @click.option("--hours", type=click.IntRange(1, 720), default=2, help=said("hours"))
    @click.option("--project", default="", help=said("project"))
    @click.option("--detach", is_flag=True, help=said("detach"))
    @on_server(language)
    @click.argument("command", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    def run(
        ctx: click.Context,
        /,
        *,
        chip: str,
        devices: int,
        hours: int,
        project: str,
        detach: bool,
        command: tuple[str, ...],
        **_: object,
    ) -> None:
        session = Session.here()
        if not detach:
            _check(tty=True, as_json=session.as_json, code="cli.develop_no_terminal")
        from yunhe.cli.live_desks import Server  # noqa: PLC0415

        with connected(session) as client:
            asked = {"chip": chip, "devices": devices, "project": project}
            made = _opened(session, client, asked, seconds=hours * _HOUR_SECONDS)
            if detach:
                session.answer(made.model_dump(), made.id)
                return
            click.echo(session.say("cli.develop.opened", workload=made.id), err=True)
            words = command or ("bash",)
            found = Server(client)
            exec_id = found.run(made.id, wanted_of(words, tty=True, closes=True))
            status = follow(session, found, exec_id, typed=True, tty=True)
            ended = client.compute.wait(made.id, progress=Steps(session).workload)
            if ended.outputs:
                names = ", ".join(ended.outputs)
                left = session.say("cli.develop.outputs", outputs=names, workload=made.id)
                click.echo(left, err=True)
            ctx.exit(status)

    return run


def _opened(
    session: Session, client: Client, asked: dict[str, object], *, seconds: int
) -> Workload:
    """A session that runs. Errors: `Conflict` ``cli.develop_ended`` when it ended before."""
    from yunhe.client.floors.compute import ENDS  # noqa: PLC0415
    from yunhe.client.wire.compute import NewWorkload  # noqa: PLC0415

    spec = {
        "entry_point": "session",
        "wall_seconds_max": seconds,
        "cpu_seconds_max": seconds,
        **asked,
    }
    made = client.compute.submit(checked(NewWorkload, spec))

    shown = Steps(session)
    made = client.compute.wait(made.id, progress=shown.workload, also=("running",))
    if made.state in ENDS:
        raise Conflict("cli.develop_ended", workload=made.id)
    return made


COMMANDS = {"exec": exec_, "develop": develop}
