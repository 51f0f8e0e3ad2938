"""`yunhe tables`, `yunhe keywords` and `yunhe sources`: supervision of what is collected.

Tables made less telling, libraries of risk words checked, and the register of sources on a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from yunhe.cli.remote import (
    checked,
    connected,
    limited,
    moment,
    on_server,
    plain,
    show_list,
    show_one,
)
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.wire.sources import Source, SourceInFull
    from yunhe.corpus.risk.coverage import Coverage
    from yunhe.corpus.tables.hierarchies import Kind
    from yunhe.corpus.tables.service import Report

FILE = click.Path(path_type=Path, dir_okay=False)
UNMET = 3
"""Exit code when a library does not hold what the rule data asks for."""


def tables(language: Language) -> click.Command:
    """Makes a table k-anonymous, or says how anonymous it is."""

    def said(code: str) -> str:
        return text(f"cli.tables.{code}", language)

    @click.command("tables", help=text("cli.tables", language))
    @click.argument("file", type=FILE)
    @click.option("--quasi", required=True, metavar="COLUMN[:KIND],…", help=said("quasi"))
    @click.option("--sensitive", default="", metavar="COLUMN,…", help=said("sensitive"))
    @click.option("--keep", default="", metavar="COLUMN,…", help=said("keep"))
    @click.option("--k", default=5, show_default=True, metavar="N", help=said("k"))
    @click.option("--l", "l_min", default=1, show_default=True, metavar="N", help=said("l"))
    @click.option(
        "--suppress", default=1, show_default=True, metavar="PERCENT", help=said("suppress")
    )
    @click.option("-o", "--output", "out", type=FILE, metavar="OUT", help=said("output"))
    def command(*, file: Path, out: Path | None, **given: Any) -> None:  # noqa: ANN401 (click's)
        from yunhe.corpus.tables import service  # noqa: PLC0415 (reads tables)

        session = Session.here()
        asked = service.Asked(
            _quasi(given["quasi"]),
            _names(given["sensitive"]),
            _names(given["keep"]),
            k=given["k"],
            l_min=given["l_min"],
            suppress_percent_max=given["suppress"],
        )
        if out is None:
            report = service.measure(file, asked)
        else:
            report = service.deidentify(file, asked, out)
        session.answer(report.as_json())
        if not session.as_json:
            _show_report(session, report)

    return command


def _quasi(written: str) -> Mapping[str, Kind | None]:
    pairs = [name.partition(":") for name in _names(written)]
    return {name: cast("Kind", kind) if kind else None for name, _, kind in pairs}


def _names(written: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in written.split(",") if name.strip())


def _show_report(session: Session, report: Report) -> None:
    released = report.rows - report.suppressed
    code = "cli.tables.reached" if report.l_min else "cli.tables.reached_k"
    click.echo(session.say(code, k=report.k, **({"l": report.l_min} if report.l_min else {})))
    rows = {"rows": report.rows, "released": released, "suppressed": report.suppressed}
    click.echo(session.say("cli.tables.rows", **rows))
    for size, count in report.sizes.items():
        click.echo(session.say("cli.tables.classes", size=size, count=count))
    for name, level in report.levels.items():
        click.echo(session.say("cli.tables.level", column=plain(name), level=level))
    if report.left_out:
        click.echo(session.say("cli.tables.left_out", columns=plain(", ".join(report.left_out))))
    for limit in ("quasi", "homogeneous"):
        click.echo(session.say(f"corpus.table_limit.{limit}"))


def keywords(language: Language) -> click.Command:
    """Checks a library of risk words."""

    @click.command("keywords", help=text("cli.keywords", language))
    @click.argument("file", type=FILE)
    def command(*, file: Path) -> None:
        from yunhe.corpus.risk import library  # noqa: PLC0415
        from yunhe.corpus.risk.coverage import coverage  # noqa: PLC0415
        from yunhe.kernel.clock import SystemClock  # noqa: PLC0415

        session = Session.here()
        read = library.read(file)
        updated_us = file.stat().st_mtime_ns // 1000
        found = coverage(read, updated_us=updated_us, now_us=SystemClock().now_us())
        session.answer({"digest": read.digest, **found.as_json()})
        if not session.as_json:
            _show_coverage(session, found)
        if not found.met:
            click.get_current_context().exit(UNMET)

    return command


def _show_coverage(session: Session, found: Coverage) -> None:
    from yunhe.cli.remote import table  # noqa: PLC0415
    from yunhe.corpus.risk.classes import classes  # noqa: PLC0415

    named = zip(classes(), found.by_class, strict=True)
    rows = [(each.id, each.names[session.language], str(count)) for each, count in named]
    session.answer({}, table(session, ("class", "name", "entries"), rows))
    for check in found.checks:
        if not check.met:
            said = session.say(f"corpus.coverage.{check.rule}")
            there = "–" if check.there is None else check.there
            click.echo(
                session.say(
                    "cli.keywords.unmet",
                    what=said,
                    class_=check.risk,
                    there=there,
                    wanted=check.wanted,
                )
            )
    if not all(check.verified for check in found.checks):
        click.echo(session.say("cli.keywords.unverified"))


def sources(language: Language) -> click.Command:
    """The register of sources on a server."""

    @click.group("sources", invoke_without_command=True, help=text("cli.sources", language))
    @click.option("--state", default="", metavar="STATE", help=text("cli.sources.state", language))
    @on_server(language)
    @limited(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, state: str, limit: int, **_: object) -> None:
        if ctx.invoked_subcommand is not None:
            return
        session = Session.here()
        with connected(session) as client:
            found = client.sources.listed(state=state)
            columns = ("source", "name", "method", "licence", "state", "at")
            show_list(session, found, limit=limit, columns=columns, row=_row)

    _add_looking(group, language)
    _add_deciding(group, language)
    return group


def _row(each: Source) -> tuple[str, ...]:
    return each.id, each.name, each.method, each.licence, each.state, moment(each.at)


def _add_looking(group: click.Group, language: Language) -> None:
    @group.command("show", help=text("cli.sources.show", language))
    @click.argument("source")
    @on_server(language)
    def show(*, source: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show(session, client.sources.source(source))

    @group.command("register", help=text("cli.sources.register", language))
    @click.argument("file", type=click.File("rb"))
    @on_server(language)
    def register(*, file: Any, **_: object) -> None:  # noqa: ANN401 (click's)
        import yaml  # noqa: PLC0415

        from yunhe.client.wire.sources import NewSource  # noqa: PLC0415

        session = Session.here()
        try:
            said = yaml.load(file.read(_FILE_BYTES_MAX), Loader=yaml.BaseLoader)  # noqa: S506
        except (yaml.YAMLError, RecursionError, UnicodeDecodeError):
            raise click.UsageError(session.say("cli.sources.no_yaml")) from None
        with connected(session) as client:
            _show(session, client.sources.register(checked(NewSource, said)))


_FILE_BYTES_MAX = 1 << 16


def _add_deciding(group: click.Group, language: Language) -> None:
    @group.command("sample", help=text("cli.sources.sample", language))
    @click.argument("source")
    @click.option("--looked", type=int, required=True, help=text("cli.sources.looked", language))
    @click.option("--illegal", type=int, required=True, help=text("cli.sources.illegal", language))
    @click.option("--method", required=True, help=text("cli.sources.method", language))
    @on_server(language)
    def sample(*, source: str, looked: int, illegal: int, method: str, **_: object) -> None:
        from yunhe.client.wire.sources import NewSample  # noqa: PLC0415

        session = Session.here()
        told = {"looked": looked, "illegal": illegal, "method": method}
        with connected(session) as client:
            _show(session, client.sources.sample(source, checked(NewSample, told)))

    @group.command("decide", help=text("cli.sources.decide", language))
    @click.argument("source")
    @click.argument("decision", type=click.Choice(["accept", "refuse", "withdraw"]))
    @click.option("--reason", default="", help=text("cli.sources.reason", language))
    @on_server(language)
    def decide(*, source: str, decision: str, reason: str, **_: object) -> None:
        from yunhe.client.wire.sources import SourceDecision  # noqa: PLC0415

        session = Session.here()
        told = checked(SourceDecision, {"decision": decision, "reason": reason})
        with connected(session) as client:
            _show(session, client.sources.decide(source, told))


def _show(session: Session, found: SourceInFull) -> None:
    judged = found.sample
    fields = {
        "source": found.id,
        "name": found.name,
        "method": found.method,
        "licence": found.licence,
        "state": found.state,
        "at": moment(found.at),
        "reference": found.reference,
    }
    show_one(session, found, fields)
    if session.as_json:
        return
    if judged.looked:
        low, high = (
            f"{end / 10_000:.2f}" for end in (judged.low_per_million, judged.high_per_million)
        )
        said = session.say(
            "cli.sources.judged",
            illegal=judged.illegal,
            looked=judged.looked,
            low=low,
            high=high,
            bound=judged.percent_max,
        )
        click.echo(said)
    for each in found.against:
        click.echo(f"  - {each.where}: {plain(each.message)}")


COMMANDS = {"tables": tables, "keywords": keywords, "sources": sources}
