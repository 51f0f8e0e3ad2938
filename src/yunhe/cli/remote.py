"""What every command that asks a server shares: its options, its connection, its tables."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from yunhe.cli import logins
from yunhe.cli.fitting import WHOLE, Fitted
from yunhe.cli.naming import as_typed
from yunhe.cli.session import Session
from yunhe.kernel.errors import Invalid, YunheError
from yunhe.kernel.language import Language, text, texts

if TYPE_CHECKING:
    from pydantic import BaseModel

    from yunhe.client.client import Client
    from yunhe.client.http import Options

LIST_MAX = 50
"""Lines of a list unless more are asked for."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # could move a terminal's cursor

_Command = Callable[..., Any]
_Shape = TypeVar("_Shape", bound="BaseModel")


def on_server(language: Language) -> Callable[[_Command], _Command]:
    """The options that say which server, and with which key; never the key itself."""
    server = click.option("--server", metavar="URL", help=text("cli.server", language))
    key = click.option(
        "--key-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=text("cli.key_file", language),
    )
    return lambda command: server(key(command))


def limited(language: Language) -> Callable[[_Command], _Command]:
    """The option that says how long a list may be."""
    return click.option(
        "--limit",
        type=click.IntRange(1),
        default=LIST_MAX,
        show_default=True,
        help=text("cli.limit", language),
    )


def options(session: Session) -> Options:
    """How commands talk to servers."""
    from yunhe.client.http import Options  # noqa: PLC0415

    return Options(language=session.language)


@contextmanager
def connected(session: Session) -> Iterator[Client]:
    """The server that the command's options, the environment, or the last sign-in name."""
    from yunhe.client.client import Client  # noqa: PLC0415

    kept = logins.load()
    server = logins.server_of(given("server"), kept)
    key = logins.key_of(given("key_file"), server, kept)
    with Client(server, key, options(session)) as client:
        try:
            yield client
        except YunheError as error:
            if not error.findings:
                raise
            raise as_typed(error) from None


def given(name: str) -> Any:  # noqa: ANN401 (as click hands it over)
    """The value of an option of this command, or of the group it belongs to."""
    context: click.Context | None = click.get_current_context()
    while context is not None:
        if context.params.get(name) is not None:
            return context.params[name]
        context = context.parent
    return None


def checked(shape: type[_Shape], value: object) -> _Shape:
    """``value`` as a message to the server.

    Errors: `Invalid` ``api.invalid`` with every wrong field, as the server would say it, by the
    option or argument that it came of.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return shape.model_validate(value)
    except ValidationError as error:
        from yunhe.api.faults import invalid  # noqa: PLC0415 (only a mistake needs it)

        raise as_typed(invalid(error.errors(), sent=value)) from None


def hidden(session: Session, code: str) -> str:
    """What a person types without its being shown, or the first line of what is piped in.

    Errors: `Invalid` ``cli.nothing_given``.
    """
    if sys.stdin.isatty():
        found = str(click.prompt(session.say(code), hide_input=True, err=True))
    else:
        found = sys.stdin.readline()
    if not found.strip():
        raise Invalid("cli.nothing_given", what=session.say(code))
    return found.strip()


def show_list(
    session: Session,
    found: Iterable[BaseModel],
    *,
    limit: int,
    columns: Sequence[str],
    row: Callable[[Any], Sequence[str]],
) -> None:
    """A list as a table, or as ``{"items": […]}`` for programs; what is beyond ``limit`` is named.

    ``columns`` name texts ``cli.column.<name>``.
    """
    items = list(itertools.islice(found, limit + 1))
    more, items = len(items) > limit, items[:limit]
    if session.as_json:
        session.answer({"items": [each.model_dump() for each in items], "more": more})
        return
    if not items:
        session.answer({}, session.say("cli.list.empty"))
        return
    session.answer({}, table(session, columns, map(row, items)))
    if more:
        click.echo(session.say("cli.list.more", limit=limit), err=True)


def show_one(session: Session, found: BaseModel, fields: Mapping[str, str]) -> None:
    """One thing as lines of name and value; ``fields`` by ``cli.column.<name>``, empty left out."""
    if session.as_json:
        session.answer(found.model_dump())
        return
    from rich.table import Table  # noqa: PLC0415

    shown = Table(box=None, pad_edge=False, show_header=False)
    shown.add_column(no_wrap=True, style="dim")
    shown.add_column(overflow="fold", min_width=_room(fields.values()))
    for name, value in fields.items():
        if value:
            shown.add_row(session.say(f"cli.column.{name}"), cell(value))
    session.answer({}, shown)


def table(session: Session, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Fitted:
    """A table that fits the terminal: ids and figures stay whole, other words wrap.

    Where the columns do not fit, one thing stands below the other.
    """
    heads = [session.say(f"cli.column.{name}") for name in columns]
    return Fitted(heads, [list(map(plain, line)) for line in rows])


def _room(values: Iterable[str]) -> int | None:
    """Letters of the longest id or digest, which the terminal's width never breaks."""
    found = (len(whole) for value in values for whole in WHOLE.findall(value))
    return max(found, default=None)


def cell(value: str) -> Any:  # noqa: ANN401 (rich is imported late)
    """A value of somebody's as it may be printed: no markup, nothing that steers a terminal."""
    from rich.text import Text  # noqa: PLC0415

    return Text(plain(value))


def plain(value: str) -> str:
    """``value`` in one line without anything that steers a terminal."""
    return _CONTROL.sub(" ", value)


def state(session: Session, word: str) -> str:
    """A state in the reader's language."""
    return texts("cli", session.language).get(f"cli.state.{word}", word)


def worded(session: Session, kind: str, word: str) -> str:
    """A word of one kind of thing; where that kind has none of its own, as a state."""
    own = texts("cli", session.language).get(f"cli.{kind}.{word}")
    return state(session, word) if own is None else own


def moment(at: str | None) -> str:
    """A time to the second, or nothing."""
    return "" if at is None else f"{at[:19].replace('T', ' ')}Z"
