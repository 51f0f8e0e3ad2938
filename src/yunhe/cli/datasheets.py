"""`yunhe datasheet`: the page of a cleansed dataset, of a folder here or of a certificate."""

from __future__ import annotations

from pathlib import Path

import click

from yunhe.cli.remote import connected, on_server
from yunhe.cli.session import Session
from yunhe.kernel.language import Language, text


def datasheet(language: Language) -> click.Command:
    """Writes the page and the Croissant description."""

    def said(code: str) -> str:
        return text(f"cli.datasheet.{code}", language)

    @click.command("datasheet", help=text("cli.datasheet", language))
    @click.argument("of", metavar="FOLDER_OR_CERTIFICATE")
    @click.option(
        "--to", type=click.Path(path_type=Path, file_okay=False), default=".", help=said("to")
    )
    @on_server(language)
    def command(*, of: str, to: Path, **_: object) -> None:
        session = Session.here()
        if Path(of).is_dir():
            from yunhe.corpus.cleaning import write_datasheet  # noqa: PLC0415

            written = write_datasheet(Path(of), session.language)
        else:
            from yunhe.client.files import write  # noqa: PLC0415

            with connected(session) as client:
                page = client.reviews.datasheet(of, language=session.language)
                described = client.reviews.croissant(of)
            written = to / "datasheet.html"
            to.mkdir(parents=True, exist_ok=True)
            write([page], written, digest="")
            write([described], to / "croissant.json", digest="")
        beside = written.with_name("croissant.json")
        answer = {"datasheet": str(written), "croissant": str(beside)}
        told = session.say("cli.datasheet.done", page=str(written), croissant=str(beside))
        session.answer(answer, told)

    return command


COMMANDS = {"datasheet": datasheet}
