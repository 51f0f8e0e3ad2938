"""`yunhe sites`: the distant schedulers that this installation names, as they answer now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session
from yunhe.kernel.errors import NotFound, YunheError
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from yunhe.compute.providers.remote import Capacity, Remote


def sites(language: Language) -> click.Command:
    """Asks every site what it has."""

    @click.command("sites", help=text("cli.sites", language))
    @click.argument("name", required=False, metavar="[SITE]")
    @click.option("--kueue", is_flag=True, help=text("cli.sites.kueue", language))
    @click.pass_context
    def command(ctx: click.Context, *, name: str | None, kueue: bool) -> None:
        session = Session.here()
        with session.platform() as platform:
            named = platform.sites()
            chosen = [site for site in named if name in (None, site.adapter)]
            if name is not None and not chosen:
                known = ", ".join(site.adapter for site in named) or "-"
                raise NotFound("cli.site_unknown", name=name, known=known)
            if kueue:
                _print_manifests(session, chosen)
                return
            seen = [_asked(site) for site in chosen]
        rows = [_row(session, site, found) for site, found in zip(chosen, seen, strict=True)]
        session.answer({"sites": rows}, _table(session, rows))
        ctx.exit(0 if all(row["ok"] for row in rows) else 1)

    return command


def _print_manifests(session: Session, chosen: Sequence[Remote]) -> None:
    import yaml  # noqa: PLC0415

    # Only clusters have any; the seam asks nobody for them.
    askable = [ask for site in chosen if (ask := getattr(site, "manifests", None)) is not None]
    if not askable:
        raise NotFound("cli.site_not_kubernetes")
    made = [one for ask in askable for one in ask()]
    session.answer({"manifests": made}, yaml.safe_dump_all(made, sort_keys=False).rstrip())


def _asked(site: Remote) -> Capacity | YunheError:
    try:
        return site.capacity()
    except YunheError as error:
        return error


def _row(session: Session, site: Remote, found: Capacity | YunheError) -> dict[str, object]:
    if isinstance(found, YunheError):
        said = found.message(session.language)
        return {"site": site.adapter, "ok": False, "code": found.code, "error": said, "chips": []}
    chips = sorted({node.chip for node in found.nodes})
    counted = [
        {
            "chip": chip,
            "nodes": sum(node.chip == chip for node in found.nodes),
            "devices": found.devices(chip),
            "free": sum(node.free for node in found.nodes if node.chip == chip),
            "out_of_order": sum(
                node.devices for node in found.nodes if node.chip == chip and node.state != "up"
            ),
        }
        for chip in chips
    ]
    return {"site": site.adapter, "ok": True, "code": None, "error": None, "chips": counted}


def _table(session: Session, rows: Sequence[dict[str, object]]) -> RenderableType:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not rows:
        return session.say("cli.sites.none")
    table = Table(box=None, pad_edge=False)
    table.add_column(session.say("cli.sites.site"))
    table.add_column(session.say("cli.sites.chip"), overflow="fold")
    for code in ("nodes", "devices", "free", "out_of_order"):
        table.add_column(session.say(f"cli.sites.{code}"), justify="right")
    for row in rows:
        chips = row["chips"]
        if not row["ok"]:
            table.add_row(str(row["site"]), f"[red]{escape(str(row['error']))}[/]")
        for each in chips if isinstance(chips, list) else []:
            table.add_row(str(row["site"]), *(str(value) for value in each.values()))
    return table


COMMANDS = {"sites": sites}
