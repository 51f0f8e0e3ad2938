"""What every command shares: the language, the way to answer, the platform when it is needed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import LANGUAGES, Language, step_text, text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from yunhe.app import Platform
    from yunhe.settings import Settings

_WIDTH_PIPED = 100_000  # letters; wider than any line we print


@dataclass(frozen=True, slots=True)
class Session:
    """One invocation of the command line."""

    language: Language
    """Of everything printed."""
    home: str | None
    """``--home``, if given."""
    as_json: bool
    """Whether the answer goes to a program."""

    @classmethod
    def here(cls) -> Session:
        """The invocation whose command is running."""
        given = click.get_current_context().find_root().obj
        return cls(given["language"], given["home"], given["as_json"])

    def say(self, code: str, **params: str | int) -> str:
        """A text in this session's language."""
        return text(code, self.language, **params)

    def settings(self, *, host: str | None = None, port: int | None = None) -> Settings:
        """The settings of this invocation; an option of the command wins over them."""
        from yunhe.settings import from_environment  # noqa: PLC0415

        return from_environment(home=self.home, host=host, port=port)

    @contextmanager
    def platform(
        self, *, create: bool = False, settings: Settings | None = None
    ) -> Iterator[Platform]:
        """The platform in the home folder, opened for this command.

        Errors: `NotFound` ``cli.no_home`` unless it is there or may be created: a mistyped path
        must not look like an empty platform.
        """
        from yunhe.app import open_platform  # noqa: PLC0415

        settings = settings or self.settings()
        if not create and not settings.database_url and not settings.database_path().is_file():
            raise NotFound("cli.no_home", home=str(settings.home))
        with open_platform(settings) as platform:
            yield platform

    def answer(self, value: Mapping[str, object], shown: RenderableType | None = None) -> None:
        """Print the answer: JSON for a program, ``shown`` for a person."""
        if self.as_json:
            click.echo(json.dumps(value, ensure_ascii=False, sort_keys=True))
        elif shown is not None:
            console().print(shown, crop=False)  # an id runs over rather than be cut


def console(*, stderr: bool = False) -> Console:
    """A terminal that wraps at its own width and shows no colour when told not to.

    What goes to a file or another program is not wrapped at all.
    """
    from rich.console import Console  # noqa: PLC0415

    shown = Console(stderr=stderr, highlight=False, soft_wrap=False)
    if not shown.file.isatty():
        shown.width = _WIDTH_PIPED
    return shown


def program() -> str:
    """How this command line was called, where that helps and tells nothing about the machine."""
    called = sys.argv[0]
    relative = "/" in called and not called.startswith("/") and called.endswith("/yunhe")
    return called if relative else "yunhe"


class Shown:
    """Progress on standard error: a live line on a terminal, one line a step elsewhere."""

    _EVERY_SECONDS = 0.1

    def __init__(self, session: Session) -> None:
        self._session = session
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._last = ("", 0.0)

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        """Show a step; a live line is redrawn at most ten times a second."""
        if self._session.as_json:
            if what.startswith("plans.stage."):
                event = {"event": "progress", "stage": what, "done": done, "total": total}
                click.echo(json.dumps(event), err=True)
            return
        name, at = self._last
        now, finished = time.monotonic(), total is not None and done >= total
        if name == what and not finished and now - at < self._EVERY_SECONDS:
            return
        said = step_text(what, self._session.language)
        if self._live:
            tail = f"{done:,}" + (f" / {total:,}" if total else "")
            click.echo(f"\r\x1b[2K  {said}  {tail}", nl=False, err=True)
        elif name != what:
            click.echo(f"  {said}", err=True)
        self._last = (what, now)

    def close(self) -> None:
        """Leave the live line clean."""
        if self._live and self._last[0]:
            click.echo("\r\x1b[2K", nl=False, err=True)


def said_after(language: Language) -> list[click.Parameter]:
    """What stands before a command may also stand after one that needs no platform."""
    return [
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_as_json,
            help=text("cli.json", language),
        ),
        click.Option(
            ["--lang"],
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help=text("cli.lang", language),
        ),
    ]


def _as_json(ctx: click.Context, _: click.Parameter, value: object) -> None:
    if value:
        ctx.find_root().obj["as_json"] = True
