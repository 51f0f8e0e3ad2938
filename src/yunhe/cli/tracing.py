"""`yunhe trace`: where a document of an output is from, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text


def trace(language: Language) -> click.Command:
    """Leads from a document back to its source."""

    def run(out: Path, document: str) -> None:
        from yunhe.corpus.cleaning import traced  # noqa: PLC0415 (a second)

        session, found = Session.here(), traced(out, document)
        session.answer(found, "\n".join(_lines(session, found)))

    out = click.Argument(["out"], type=click.Path(path_type=Path), metavar="OUT")
    return click.Command(
        "trace",
        params=[out, click.Argument(["document"], metavar="DOCUMENT")],
        help=text("cli.trace", language),
        callback=run,
    )


def _lines(session: Session, found: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads; positions are those in the text as the step was given it."""
    yield session.say("cli.trace.source", **{n: found[n] for n in ("document", "source", "row")})
    if found["released"]:
        yield session.say("cli.trace.released", part=found["part"], group=found["group"])
    else:
        yield session.say("cli.trace.dropped")
    for each in found["decisions"]:
        group = "reason" if each["action"] == "dropped" else "repair"
        said = session.say(f"corpus.{group}.{each['reason']}")
        score = "" if each["score"] is None else session.say("cli.trace.score", score=each["score"])
        kept = session.say("cli.trace.of", document=each["of"]) if each.get("of") else ""
        yield f"  {each['step']} {each['version']}: {said}{score}{kept}"
    for each in found["removed"]:
        yield _place(session, each, session.say(f"corpus.removed.{each['kind']}"))
    for each in found["spans"]:
        yield _place(
            session, {**each, "step": "personal"}, session.say(f"corpus.type.{each['type']}")
        )
    yield session.say("cli.trace.pipeline", digest=found["pipeline"])


def _place(session: Session, each: dict[str, Any], what: str) -> str:
    places = {"what": what, "first": each["start"] + 1, "last": each["end"]}
    return f"  {each['step']}: {session.say('cli.trace.place', **places)}"


COMMANDS = {"trace": trace}
