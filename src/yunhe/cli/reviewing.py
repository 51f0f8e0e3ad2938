"""`yunhe review`: checks of certified datasets on a server, one item at a time or by file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from yunhe.cli.remote import (
    checked,
    connected,
    limited,
    moment,
    on_server,
    show_list,
    show_one,
)
from yunhe.cli.session import Session
from yunhe.kernel.errors import NotAllowed, NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.client.client import Client
    from yunhe.client.wire.reviews import Item, Review, ReviewInFull

_AT_ONCE = 100
_FILE_BYTES_MAX = 1 << 30


def review(language: Language) -> click.Command:
    """The screen, and what is around it."""

    @click.group("review", invoke_without_command=True, help=text("cli.review", language))
    @click.option("--review", "wanted", metavar="ID", help=text("cli.review.review", language))
    @on_server(language)
    @click.pass_context
    def group(ctx: click.Context, /, *, wanted: str | None, **_: object) -> None:
        if ctx.invoked_subcommand is not None:
            return
        from yunhe.cli.review_screen import Screen  # noqa: PLC0415

        session = Session.here()
        with connected(session) as client:
            found = client.reviews.get(wanted) if wanted else _waiting(client)
            if found is None:
                session.answer({"judged": 0}, session.say("cli.review.none"))
                return
            screen = Screen(session, client, found)
            screen.run()
            found = client.reviews.get(found.id)
        said = session.say("cli.review.sent", count=screen.judged)
        session.answer({"judged": screen.judged, "review": found.id, "state": found.state}, said)

    _add_looking(group, language)
    _add_opening(group, language)
    _add_files(group, language)
    return group


def _waiting(client: Client) -> ReviewInFull | None:
    """The newest open review that has something for this person."""
    from yunhe.client.wire.reviews import GivenBack, NewClaim  # noqa: PLC0415

    for each in client.reviews.listed():
        if each.state != "open" or each.kind != "manual":
            continue
        try:
            held = client.reviews.claim(each.id, NewClaim()).items
        except NotAllowed:
            continue  # their own data
        if held:
            back = GivenBack(items=[item.item for item in held])
            return client.reviews.give_back(each.id, back)
    return None


def _add_looking(group: click.Group, language: Language) -> None:
    def said(code: str) -> str:
        return text(f"cli.review.{code}", language)

    @group.command("list", help=said("list"))
    @on_server(language)
    @limited(language)
    def listed(*, limit: int, **_: object) -> None:
        session = Session.here()
        columns = ("review", "kind", "certificate", "items", "state", "meets", "created")
        with connected(session) as client:
            found = client.reviews.listed()
            show_list(
                session, found, limit=limit, columns=columns, row=lambda each: _row(session, each)
            )

    @group.command("show", help=said("show"))
    @click.argument("id_", metavar="REVIEW")
    @on_server(language)
    def show(*, id_: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show(session, client.reviews.get(id_))

    @group.command("withdraw", help=said("withdraw"))
    @click.argument("id_", metavar="REVIEW")
    @on_server(language)
    def withdraw(*, id_: str, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            _show(session, client.reviews.withdraw(id_))


def _add_opening(group: click.Group, language: Language) -> None:
    def said(code: str) -> str:
        return text(f"cli.review.{code}", language)

    @group.command("open", help=said("open"))
    @click.argument("certificate")
    @click.option("--items", type=click.IntRange(0), default=0, help=said("items"))
    @click.option("--adjudicator", metavar="MEMBER", help=said("adjudicator"))
    @click.option("--made-by", multiple=True, metavar="MEMBER", help=said("made_by"))
    @click.option("--organisation", multiple=True, metavar="ID", help=said("organisation"))
    @on_server(language)
    def open_(
        *,
        certificate: str,
        items: int,
        adjudicator: str | None,
        made_by: tuple[str, ...],
        organisation: tuple[str, ...],
        **_: object,
    ) -> None:
        from yunhe.client.wire.reviews import NewReview  # noqa: PLC0415

        session = Session.here()
        asked = {
            "certificate": certificate,
            "items": items,
            "adjudicator": adjudicator,
            "made_by": list(made_by),
            "organisations": list(organisation),
        }
        with connected(session) as client:
            _show(session, client.reviews.open(checked(NewReview, asked)))

    @group.command("check", help=said("check"))
    @click.argument("certificate")
    @click.option("--profile", help=said("profile"))
    @on_server(language)
    def check(*, certificate: str, profile: str | None, **_: object) -> None:
        from yunhe.client.wire.reviews import NewCheck  # noqa: PLC0415

        session = Session.here()
        sent = checked(NewCheck, {"certificate": certificate, "profile": profile})
        with connected(session) as client:
            ended = client.operations.wait(client.reviews.check(sent).id)
            if ended.state == "done" and isinstance(ended.result, dict):
                _show(session, client.reviews.get(str(ended.result["review"])))
                return
        why = "" if ended.error is None else f"{ended.error.message} {ended.error.do}"
        show_one(session, ended, {"operation": ended.id, "state": ended.state, "why": why})
        click.get_current_context().exit(1)


def _add_files(group: click.Group, language: Language) -> None:
    def said(code: str) -> str:
        return text(f"cli.review.{code}", language)

    @group.command("export", help=said("export"))
    @click.argument("id_", metavar="REVIEW")
    @click.option("--to", type=click.Path(path_type=Path, dir_okay=False), required=True)
    @click.option("--items", type=click.IntRange(1), default=100_000, help=said("export.items"))
    @on_server(language)
    def export(*, id_: str, to: Path, items: int, **_: object) -> None:
        from yunhe.client import label_studio  # noqa: PLC0415
        from yunhe.client.files import write  # noqa: PLC0415

        session = Session.here()
        to.parent.mkdir(parents=True, exist_ok=True)  # before items are held for weeks
        with connected(session) as client:
            found = client.reviews.get(id_)
            held = _taken(client, id_, items)
        write([label_studio.tasks(id_, held, {}).encode()], to, digest="")
        # Beside the tasks, never in their place.
        configuration = to.with_suffix(".config.xml" if to.suffix.lower() == ".xml" else ".xml")
        write([label_studio.configuration(found.reasons).encode()], configuration, digest="")
        paths = {"path": str(to), "xml": str(configuration)}
        told = session.say("cli.review.exported", count=len(held), **paths)
        session.answer({"review": id_, "items": len(held), **paths}, told)

    @group.command("import", help=said("import"))
    @click.argument("id_", metavar="REVIEW")
    @click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
    @on_server(language)
    def import_(*, id_: str, file: Path, **_: object) -> None:
        from yunhe.client import label_studio  # noqa: PLC0415
        from yunhe.client.wire.reviews import NewJudgements  # noqa: PLC0415

        session = Session.here()
        if not file.is_file():
            raise NotFound("cli.no_file", path=str(file))
        with file.open("rb") as source:
            content = source.read(_FILE_BYTES_MAX)
        found = label_studio.judgements(content, review=id_, name=file.name)
        with connected(session) as client:
            if found:
                sent = checked(NewJudgements, {"judgements": [each.model_dump() for each in found]})
                shown = client.reviews.judge(id_, sent)
            else:
                shown = client.reviews.get(id_)
        answer = {"review": id_, "judged": len(found), "state": shown.state}
        session.answer(answer, session.say("cli.review.sent", count=len(found)))


def _taken(client: Client, review_id: str, limit: int) -> list[Item]:
    """Up to so many items, held for as long as items taken away are."""
    from yunhe.client.wire.reviews import NewClaim  # noqa: PLC0415

    held: list[Item] = []
    while len(held) < limit:
        after = held[-1].item if held else 0
        wish = NewClaim(items=min(_AT_ONCE, limit - len(held)), after=after, away=True)
        more = client.reviews.claim(review_id, wish).items
        if not more:
            break
        held += more
    return held


def _row(session: Session, each: Review) -> tuple[str, ...]:
    meets = "" if each.meets_standard is None else _meets(session, each)
    kind, state = (session.say(f"cli.review.{word}") for word in (each.kind, _state(each)))
    return each.id, kind, each.certificate, str(each.items), state, meets, moment(each.opened_at)


def _state(each: Review) -> str:
    return "open_state" if each.state == "open" else each.state  # ``open`` is the command's text


def _meets(session: Session, each: Review) -> str:
    if each.meets_with_confidence:
        return session.say("cli.review.meets_surely")
    return session.say("cli.review.meets" if each.meets_standard else "cli.review.fails")


def _show(session: Session, found: ReviewInFull) -> None:
    there, result = found.progress, cast("dict[str, dict[str, object]]", found.result or {})
    share, both = result.get("share", {}), result.get("agreement", {})
    numbers = {
        "settled": there.settled, "items": found.items, "disputed": there.disputed,
        "judgements": there.judgements,
    }  # fmt: skip
    fields = {
        "review": found.id,
        "kind": session.say(f"cli.review.{found.kind}"),
        "state": session.say(f"cli.review.{_state(found)}"),
        "certificate": found.certificate,
        "standard": found.standard if found.verified else _unverified(session, found.standard),
        "items": f"{found.items:,} / {found.population:,}",
        "progress": session.say("cli.review.progress", **numbers),
        "result": "" if found.meets_standard is None else _meets(session, found),
        "share": _interval(share, "share", f"{share.get('found')} / {share.get('of')}  "),
        "agreement": _interval(both, "kappa", "κ "),
        "reference": found.reference or "",
    }
    show_one(session, found, fields)


def _interval(of: dict[str, object], name: str, before: str) -> str:
    if of.get(name) is None:
        return ""
    return f"{before}{of[name]} [{of['low']}, {of['high']}]"


def _unverified(session: Session, standard: str) -> str:
    return session.say("cli.review.unverified", standard=standard)


COMMANDS = {"review": review}
