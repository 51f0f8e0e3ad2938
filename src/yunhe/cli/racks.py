"""`yunhe pool node` and `yunhe pool grow`: nodes come, drain, break, return and go."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from yunhe.cli.remote import checked, connected, on_server, show_list, show_one, state
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.compute import NodeRow
    from yunhe.client.wire.supply import Node

_STATES = ("open", "draining", "down", "gone")
_ROW = re.compile(r"(\d{1,6})x(\d{1,6})((?:,[a-z_]+=\d{1,12})*)", re.ASCII)
_MORE = re.compile(r"([a-z_]+)=([0-9]+)")
_FILE_BYTES_MAX = 1 << 20
_Command = Callable[..., Any]


def named_nodes(language: Language) -> Callable[[_Command], _Command]:
    """The options that name nodes: ``rows`` and ``file``."""

    def add(command: _Command) -> _Command:
        one = click.option(
            "--node",
            "rows",
            multiple=True,
            metavar="COUNTxDEVICES[,cpu_milli=N]…",
            help=text("cli.pool.node_row", language),
        )
        listed = click.option(
            "--nodes",
            "file",
            metavar="FILE",
            help=text("cli.pool.nodes", language),
            type=click.Path(path_type=Path, dir_okay=False, exists=True),
            default=None,
        )
        return one(listed(command))

    return add


def nodes_from(session: Session, rows: Sequence[str], file: Path | None) -> list[NodeRow]:
    """The nodes that were named, on the command line and in a file.

    Errors: `click.UsageError` for what does not read as nodes.
    """
    from yunhe.client.wire.compute import NodeRow  # noqa: PLC0415

    made: list[NodeRow] = []
    for said in rows:
        found = _ROW.fullmatch(said)
        parts = _MORE.findall(found[3]) if found else []
        names = {"count", "devices", *(name for name, _ in parts)}
        if found is None or len(names) < 2 + len(parts):  # one said twice would count once
            raise click.UsageError(session.say("cli.pool.node_unread", value=said[:60]))
        extra = {name: int(value) for name, value in parts}
        sent = extra | {"count": int(found[1]), "devices": int(found[2])}
        made.append(checked(NodeRow, sent))
    if file is not None:
        made += [checked(NodeRow, row) for row in _listed(session, file)]
    return made


def _listed(session: Session, file: Path) -> list[dict[str, object]]:
    import yaml  # noqa: PLC0415

    try:
        content = file.read_bytes()[: _FILE_BYTES_MAX + 1]
        found = yaml.safe_load(content.decode()) if len(content) <= _FILE_BYTES_MAX else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError):
        found = None
    rows = found.get("nodes") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise click.UsageError(session.say("cli.pool.node_unread", value=file.name[:60]))
    return rows


def node_row(session: Session, each: Node) -> tuple[str, ...]:
    """A node as a line of a table."""
    cpus = f"{each.cpu_milli / 1000:g}" if each.cpu_milli else ""
    memory = f"{each.memory_mib / 1024:g} GiB" if each.memory_mib else ""
    shown = (str(each.node), str(each.devices), cpus, memory, str(each.domain))
    return *shown, state(session, each.state), each.reason


def node(language: Language) -> click.Command:
    """Say how a node stands."""

    @click.command("node", help=text("cli.pool.node", language))
    @click.argument("name", metavar="POOL")
    @click.argument("number", metavar="N", type=click.IntRange(0))
    @click.option("--state", "wanted", type=click.Choice(_STATES), required=True,
                  help=text("cli.pool.node_state", language))  # fmt: skip
    @click.option("--reason", required=True, help=text("cli.pool.reason", language))
    @on_server(language)
    def command(*, name: str, number: int, wanted: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.supply import NodeChange  # noqa: PLC0415

        session = Session.here()
        sent = checked(NodeChange, {"state": wanted, "reason": reason})
        with connected(session) as client:
            made = client.supply.change_node(name, number, sent)
        columns = ("node", "devices", "cpus", "node_memory", "domain", "state", "why")
        show_one(session, made, dict(zip(columns, node_row(session, made), strict=True)))

    return command


def grow(language: Language) -> click.Command:
    """Add nodes to a pool."""

    @click.command("grow", help=text("cli.pool.grow", language))
    @click.argument("name", metavar="POOL")
    @named_nodes(language)
    @click.option("--reason", required=True, help=text("cli.pool.reason", language))
    @click.option("--key", default="", metavar="WORD", help=text("cli.submit.key", language))
    @on_server(language)
    def command(
        *, name: str, rows: tuple[str, ...], file: Path | None, reason: str, key: str, **_: object
    ) -> None:
        from yunhe.client.wire.supply import NewNodes  # noqa: PLC0415

        session = Session.here()
        nodes = [row.model_dump() for row in nodes_from(session, rows, file)]
        sent = checked(NewNodes, {"nodes": nodes, "reason": reason})
        with connected(session) as client:
            made = client.supply.come(name, sent, key=key)
        show_list(
            session,
            iter(made.nodes),
            limit=len(made.nodes),
            columns=("node", "devices", "cpus", "node_memory", "domain", "state", "why"),
            row=lambda each: node_row(session, each),
        )

    return command
