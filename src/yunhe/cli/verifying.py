"""`yunhe verify` and `yunhe verifier`: checks that need no platform."""

from __future__ import annotations

from pathlib import Path

import click

from yunhe.kernel.errors import NotFound
from yunhe.kernel.language import Language, text

FILE = click.Path(path_type=Path)


def verify(language: Language) -> click.Command:
    """Checks a receipt."""

    @click.command("verify", help=text("cli.verify", language))
    @click.argument("receipt", type=FILE, metavar="RECEIPT")
    @click.option(
        "--trust",
        type=FILE,
        required=True,
        metavar="KEYFILE",
        help=text("cli.verify.trust", language),
    )
    @click.option(
        "--checkpoints", type=FILE, metavar="FILE", help=text("cli.verify.checkpoints", language)
    )
    @click.pass_context
    def command(ctx: click.Context, receipt: Path, trust: Path, checkpoints: Path | None) -> None:
        from yunhe.cli.session import Session  # noqa: PLC0415
        from yunhe.custody import verifier  # noqa: PLC0415

        session = Session.here()
        for path in filter(None, (receipt, trust, checkpoints)):
            if not path.is_file():
                raise NotFound("cli.no_file", path=str(path))
        arguments = [str(receipt), "--trust", str(trust), "--lang", session.language]
        arguments += ["--checkpoints", str(checkpoints)] if checkpoints else []
        arguments += ["--json"] if session.as_json else []
        ctx.exit(verifier.main(arguments))

    return command


def verifier(language: Language) -> click.Command:
    """Prints the one-file verifier."""

    @click.command("verifier", help=text("cli.verifier", language))
    def command() -> None:
        from importlib.resources import files  # noqa: PLC0415

        source = files("yunhe.custody") / "verifier.py"
        click.echo(source.read_text("utf-8"), nl=False)

    return command


COMMANDS = {"verify": verify, "verifier": verifier}
