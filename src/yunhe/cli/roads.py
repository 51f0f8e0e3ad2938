"""`yunhe pool way`: how fast data moves between two sites."""

from __future__ import annotations

import click

from yunhe.cli.remote import checked, connected, limited, on_server, show_list, table
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

_COLUMNS = ("from_site", "to_site", "megabit_per_second")


def way(language: Language) -> click.Command:
    """Lists the ways, or says how fast one is."""

    @click.command("way", help=text("cli.pool.way", language))
    @click.argument("start", metavar="SITE", required=False, default="")
    @click.argument("end", metavar="SITE", required=False, default="")
    @click.option("--mbit", type=click.IntRange(1, 10_000_000), help=text("cli.way.mbit", language))
    @on_server(language)
    @limited(language)
    def command(*, start: str, end: str, mbit: int | None, limit: int, **_: object) -> None:
        session = Session.here()
        if mbit is not None and not (start and end):
            raise click.UsageError(session.say("cli.way.both"))
        with connected(session) as client:
            if mbit is None:
                found = (
                    one
                    for one in client.supply.ways()
                    if start in ("", one.from_site) and end in ("", one.to_site)
                )
                show_list(session, found, limit=limit, columns=_COLUMNS, row=_row)
                return
            from yunhe.client.wire.ways import NewWay  # noqa: PLC0415 - only where one is said

            sent = {"from_site": start, "to_site": end, "megabit_per_second": mbit}
            said = client.supply.say_way(checked(NewWay, sent))
        session.answer(said.model_dump(), table(session, _COLUMNS, [_row(said)]))

    return command


def _row(one: object) -> tuple[str, ...]:
    return tuple(str(getattr(one, name)) for name in _COLUMNS)
