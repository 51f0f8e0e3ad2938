"""`yunhe verify` and `yunhe verifier`: checks that need no platform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from yunhe.kernel.canonical import JsonObject, sha256
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.cli.session import Session

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
    @click.option("--remote", type=FILE, metavar="FILE", help=text("cli.verify.remote", language))
    @click.option(
        "--remote-trust",
        type=FILE,
        metavar="KEYFILE",
        help=text("cli.verify.remote_trust", language),
    )
    @click.pass_context
    def command(
        ctx: click.Context,
        receipt: Path,
        trust: Path,
        checkpoints: Path | None,
        remote: Path | None,
        remote_trust: Path | None,
    ) -> None:
        from yunhe.cli.session import Session  # noqa: PLC0415
        from yunhe.custody import verifier  # noqa: PLC0415

        session = Session.here()
        for path in filter(None, (receipt, trust, checkpoints, remote, remote_trust)):
            if not path.is_file():
                raise NotFound("cli.no_file", path=str(path))
        if (remote is None) != (remote_trust is None):
            raise Invalid("cli.verify.remote_half")
        said = ["--lang", session.language, *(["--json"] if session.as_json else [])]
        near = ["--checkpoints", str(checkpoints)] if checkpoints else []
        code = verifier.main([str(receipt), "--trust", str(trust), *near, *said])
        if remote is not None and remote_trust is not None:
            code = max(code, verifier.main([str(remote), "--trust", str(remote_trust), *said]))
            if code == 0:
                code = _joined(session, receipt, remote)
        ctx.exit(code)

    return command


def _joined(session: Session, receipt: Path, remote: Path) -> int:
    """Whether a receipt that holds names another one, and both tell of the same use."""
    ours, theirs = receipt.read_bytes(), remote.read_bytes()
    here, there = (_record(json.loads(each)) for each in (ours, theirs))
    wrong = [
        name
        for name, said, proved in (
            ("remote_receipt", here.get("remote_receipt"), sha256(theirs)),
            ("remote_reference", here.get("remote_reference"), json.loads(theirs)["subject"]),
            ("remote_device_ms", here.get("remote_device_ms"), there.get("device_ms")),
            ("remote_cost_minor", here.get("remote_cost_minor"), there.get("cost_minor")),
            ("remote_unit", here.get("remote_unit"), there.get("unit")),
        )
        if said != proved
    ]
    if session.as_json:
        click.echo(json.dumps({"joined": not wrong, "wrong": wrong}))
    elif wrong:
        click.echo(session.say("cli.verify.apart", fields=", ".join(wrong)))
    else:
        click.echo(session.say("cli.verify.joined"))
    return 1 if wrong else 0


def _record(receipt: dict[str, JsonObject]) -> JsonObject:
    """What the record says that a receipt is for; nothing of an erased one."""
    entry = cast("JsonObject", receipt["entries"][str(receipt["subject"])])
    record = entry.get("record")
    body = record.get("body") if isinstance(record, dict) else None
    return body if isinstance(body, dict) else {}


def verifier(language: Language) -> click.Command:
    """Prints the one-file verifier."""

    @click.command("verifier", help=text("cli.verifier", language))
    def command() -> None:
        from importlib.resources import files  # noqa: PLC0415

        source = files("yunhe.custody") / "verifier.py"
        click.echo(source.read_text("utf-8"), nl=False)

    return command


COMMANDS = {"verify": verify, "verifier": verifier}
