"""`yunhe up`: the whole service, or one part of it, until told to stop."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.api.server import Part
    from yunhe.settings import Settings

PARTS: tuple[Part, ...] = ("api", "gateway", "worker")


def up(language: Language) -> click.Command:
    """Starts the service."""

    def said(code: str) -> str:
        return text(f"cli.up.{code}", language)

    @click.command("up", help=text("cli.up", language))
    @click.option("--only", multiple=True, type=click.Choice(PARTS), help=said("only"))
    @click.option("--host", help=said("host"))
    @click.option("--port", type=click.IntRange(0, 65535), help=said("port"))
    @click.option("--insecure", is_flag=True, help=said("insecure"))
    def command(
        only: tuple[Part, ...], host: str | None, port: int | None, *, insecure: bool
    ) -> None:
        from yunhe.api import listening  # noqa: PLC0415

        session = Session.here()
        settings = session.settings(host=host, port=port)
        if not insecure:
            listening.check_exposure(
                settings.host,
                public_url=settings.public_url,
                trusted_proxies=settings.trusted_proxies,
            )
        from yunhe.api import server  # noqa: PLC0415
        from yunhe.operations import logs  # noqa: PLC0415

        parts = frozenset(only) or frozenset(PARTS)
        logs.configure(form=settings.log_format, level=settings.log_level)
        with session.platform(create=True, settings=settings) as platform:

            def ready(url: str) -> None:
                # Only now: a start that fails, on a taken port, leaves the token shown before.
                token = platform.first_token() if "api" in parts else None
                _tell(session, settings, url=url, parts=sorted(parts), token=token)

            place = settings.port if port is not None else _port(settings.port, parts)
            server.run(platform, parts=parts, host=settings.host, port=place, ready=ready)

    return command


def _port(port: int, parts: frozenset[Part]) -> int:
    """The setting's port for the API; the next two for a gateway or a worker by itself.

    So that the three can run on one machine with one and the same settings.
    """
    if "api" in parts or not port:
        return port
    return port + (1 if "gateway" in parts else 2)


def _tell(
    session: Session, settings: Settings, *, url: str, parts: list[Part], token: str | None
) -> None:
    if session.as_json:
        home = str(settings.home)
        line = {"url": url, "parts": parts, "home": home, "first_token": token}
        click.echo(json.dumps(line, ensure_ascii=False))
        return
    click.echo(session.say("cli.up.listening", url=url, parts=", ".join(parts)))
    if token is not None:
        click.echo(session.say("cli.up.token", token=token, url=url))


COMMANDS = {"up": up}
