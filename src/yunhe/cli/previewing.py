"""`yunhe submit --dry-run`: what would be sent, and what the platform would say to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.remote import connected, moment, plain, state
from yunhe.cli.session import Session
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.kernel.units import format_minor

if TYPE_CHECKING:
    from yunhe.cli.describing import Described
    from yunhe.client.folders.scanning import Found
    from yunhe.client.wire.asking import NewWorkload
    from yunhe.client.wire.previews import Preview

_SHOWN_MAX = 20
_HOUR_MS = 3_600_000
_NO_SERVER = frozenset({"cli.no_server", "cli.no_key"})


def show(session: Session, described: Described, asked: NewWorkload, *, unsent: str) -> None:
    """What would be sent and held, and where a server is named, what it would say.

    Files are not sent; the digest ``unsent`` stands for them in ``asked`` and is left out. Errors:
    those of the server's findings, each at its line.
    """
    from yunhe.client.folders.scanning import scan  # noqa: PLC0415

    folder, files = described.said.get("folder"), None
    if isinstance(folder, str) and folder and not folder.startswith("sha256:"):
        files = scan(described.path.parent / folder)
    said, reason = _asked(session, described, asked, unsent=unsent)
    share = asked.devices_milli or 1_000
    held = asked.replicas * asked.devices * asked.wall_seconds_max * share // 1_000
    answer: dict[str, object] = {
        "program": asked.entry_point or (asked.command or [asked.image])[0],
        "chip": asked.chip,
        "devices": asked.devices,
        "devices_milli": asked.devices_milli,
        "replicas": asked.replicas,
        "device_seconds_max": held,
        "files": [each.path for each in files or ()],
        "folder_bytes": sum(each.size_bytes for each in files or ()),
        "server": None if said is None else said.model_dump(),
    }
    session.answer(answer)
    if session.as_json:
        return
    click.echo(
        session.say(
            "cli.submit.dry",
            program=plain(str(answer["program"])),
            replicas=asked.replicas,
            devices=f"{asked.devices * share / 1_000:g}",
            chip=asked.chip,
            seconds=held,
        )
    )
    click.echo("\n".join(_lines(session, said)) if said is not None else reason)
    _show_files(session, files)


def _asked(
    session: Session, described: Described, asked: NewWorkload, *, unsent: str
) -> tuple[Preview | None, str]:
    """What the server says, or why none was asked."""
    from yunhe.client.faults import placed  # noqa: PLC0415

    inputs = {name: digest for name, digest in asked.inputs.items() if digest != unsent}
    folder = "" if asked.folder == unsent else asked.folder
    sent = asked.model_copy(update={"inputs": inputs, "folder": folder})
    try:
        with connected(session) as client:
            return client.compute.preview(sent), ""
    except Unavailable as error:
        return None, session.say("cli.submit.dry_unanswered", why=error.message(session.language))
    except YunheError as error:
        if error.code in _NO_SERVER:
            return None, session.say("cli.submit.dry_alone")
        raise placed(error, described.where) from None


def _lines(session: Session, said: Preview) -> list[str]:
    """What the platform would do, for a person."""
    lines = [session.say("cli.submit.dry_state", state=state(session, said.state))]
    if said.pool is not None:
        lines.append(session.say("cli.submit.dry_pool", pool=said.pool))
    if said.why is not None:
        lines.append(plain(said.why.message))
    if said.rank is not None:
        lines.append(session.say("cli.why.rank", rank=said.rank, of=said.of or said.rank))
        early, late = moment(said.early_at), moment(said.late_at)
        span = f"{early} – {late}" if early else session.say("cli.why.unseen")
        lines.append(session.say("cli.submit.dry_starts", when=span))
    for home in said.homes:
        cost = f"{format_minor(home.cost_minor, home.currency)} {home.currency}"
        hours = f"{round(home.device_ms / _HOUR_MS, 3):,.15g}"
        lines.append(f"  {home.pool}  {plain(home.site)}  {hours} h × {home.chip}  {cost}")
    return lines


def _show_files(session: Session, files: list[Found] | None) -> None:
    if files is None:
        return
    size = sum(each.size_bytes for each in files)
    click.echo(session.say("cli.submit.dry_folder", files=len(files), bytes=str(size)))
    largest = sorted(files, key=lambda each: -each.size_bytes)[:_SHOWN_MAX]
    click.echo("\n".join(f"  {each.size_bytes:>12}  {plain(each.path)}" for each in largest))
