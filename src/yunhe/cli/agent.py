"""`yunhe agent`: fetches a provider's work from a platform and runs it on this machine."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import click

from yunhe.cli import logins
from yunhe.cli.remote import on_server, options
from yunhe.cli.session import Session
from yunhe.kernel.errors import Invalid
from yunhe.kernel.language import Language, text

_CHIP = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})=([0-9]{1,6})")


def agent(language: Language) -> click.Group:
    """Work at a data centre."""

    def said(code: str) -> str:
        return text(f"cli.agent.{code}", language)

    group = click.Group("agent", help=text("cli.agent", language))

    @group.command("run", help=said("run"))
    @on_server(language)
    @click.option("--site", required=True, metavar="NAME", help=said("site"))
    @click.option("--devices", multiple=True, metavar="CHIP=N", help=said("devices"))
    @click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False),
        help=said("folder"),
    )
    @click.option(
        "--isolation",
        type=click.Choice(("auto", "approved")),
        default="auto",
        show_default=True,
        help=said("isolation"),
    )
    @click.option(
        "--scheduler",
        type=click.Path(path_type=Path, dir_okay=False),
        help=said("scheduler"),
    )
    def command(
        server: str | None,
        key_file: Path | None,
        site: str,
        devices: tuple[str, ...],
        folder: Path | None,
        isolation: str,
        scheduler: Path | None,
    ) -> None:
        session = Session.here()
        chips = _chips(devices) if devices or scheduler is None else {}
        kept = logins.load()
        where = logins.server_of(server, kept)
        key = logins.key_of(key_file, where, kept)
        place = folder or session.settings().home / "agents" / site
        _work(
            session,
            where,
            key,
            site=site,
            chips=chips,
            folder=place,
            isolation=isolation,
            scheduler=scheduler,
        )

    return group


def _chips(given: tuple[str, ...]) -> dict[str, int]:
    """Devices by chip; this machine's processors when nothing is said.

    Errors: `Invalid` ``cli.agent.devices_wrong``.
    """
    chips: dict[str, int] = {}
    for each in given:
        found = _CHIP.fullmatch(each)
        if found is None or not int(found[2]) or found[1] in chips:
            raise Invalid("cli.agent.devices_wrong", given=each[:80])
        chips[found[1]] = int(found[2])
    return chips or {"cpu": os.cpu_count() or 1}


def _work(
    session: Session,
    server: str,
    key: str,
    *,
    site: str,
    chips: dict[str, int],
    folder: Path,
    isolation: str,
    scheduler: Path | None = None,
) -> None:
    from yunhe import app  # noqa: PLC0415 - only when it is to run
    from yunhe.client.client import Client  # noqa: PLC0415 - likewise
    from yunhe.operations import logs  # noqa: PLC0415 - likewise

    settings = session.settings()
    logs.configure(form=settings.log_format, level=settings.log_level)
    with Client(server, key, options(session)) as client:
        if scheduler is None:
            working = app.agent(client, site, folder=folder, chips=chips, isolation=isolation)
        else:
            beside = app.scheduler(settings, scheduler)
            working = app.agent(
                client, site, folder=folder, chips=chips, isolation=isolation, beside=beside
            )

        def ready(fence: int) -> None:
            if session.as_json:
                line = {"site": site, "fence": fence, "folder": str(folder)}
                click.echo(json.dumps(line, ensure_ascii=False, sort_keys=True))
            else:
                click.echo(session.say("cli.agent.ready", site=site, folder=str(folder)))

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: working.stop())
        working.run(ready=ready)


COMMANDS = {"agent": agent}
"""The module's commands."""
