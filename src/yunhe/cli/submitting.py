"""`yunhe submit` and `yunhe outputs`: work with a folder of one's own, there and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

import click

from yunhe.cli.remote import connected, on_server, plain, table
from yunhe.cli.session import Session
from yunhe.cli.working import Steps, show_workload
from yunhe.kernel.errors import Conflict, Finding, Invalid, NotFound, YunheError
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.cli.describing import Described
    from yunhe.client.client import Client
    from yunhe.client.folders.sending import SentFolder
    from yunhe.client.wire.asking import NewWorkload
    from yunhe.client.wire.compute import Workload

GOES_ON = 124
"""Exit status when what was waited for goes on; that of timeout(1)."""
_NO_DIGEST = "sha256:" + "0" * 64


def submit(language: Language) -> click.Command:
    """Asks for a workload to be run."""

    def said(code: str) -> str:
        return text(f"cli.submit.{code}", language)

    @click.command("submit", help=text("cli.submit", language))
    @click.argument("spec", required=False, type=click.Path(path_type=Path, dir_okay=False))
    @click.option("--set", "changes", multiple=True, metavar="FIELD=VALUE", help=said("set"))
    @click.option("--dry-run", is_flag=True, help=said("dry_run"))
    @click.option("--watch", is_flag=True, help=said("watch"))
    @click.option("--wait", is_flag=True, help=said("wait"))
    @click.option("--timeout", type=click.IntRange(1), metavar="SECONDS", help=said("timeout"))
    @click.option("--key", default="", metavar="WORD", help=said("key"))
    @click.option("--fields", "shown", flag_value="fields", help=said("fields"))
    @click.option("--schema", "shown", flag_value="schema", help=said("schema"))
    @on_server(language)
    @click.pass_context
    def command(
        ctx: click.Context,
        /,
        *,
        spec: Path | None,
        changes: tuple[str, ...],
        dry_run: bool,
        watch: bool,
        wait: bool,
        key: str,
        shown: str | None,
        **more: object,
    ) -> None:
        from yunhe.cli.describing import read  # noqa: PLC0415

        session = Session.here()
        if shown:
            _show_fields(session, schema=shown == "schema")
            return
        if spec is None:
            raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0])
        described = read(spec, changes)
        asked = whole(session, described)
        if dry_run:
            from yunhe.cli.previewing import show  # noqa: PLC0415

            show(session, described, asked, unsent=_NO_DIGEST)
            return
        with connected(session) as client:
            made = _submitted(session, client, described, key=key)
            timeout = cast("int | None", more["timeout"])
            if wait or watch or timeout:
                progress = Steps(session).workload
                made = client.compute.wait(made.id, progress=progress, seconds_max=timeout)
        show_workload(session, made)
        if wait or watch or timeout:
            ctx.exit(_waited(session, made))

    return command


def _waited(session: Session, made: Workload) -> int:
    """The exit status of who waited: whether it succeeded, or goes on."""
    from yunhe.client.floors.compute import ENDS  # noqa: PLC0415

    if made.state not in ENDS:
        click.echo(session.say("cli.submit.goes_on", workload=made.id), err=True)
        return GOES_ON
    return 0 if made.state == "settled" else 1


def _show_fields(session: Session, *, schema: bool) -> None:
    """Every field there is, or the schema of the file."""
    from yunhe.cli.fields import COLUMNS, fields_of, schema_of  # noqa: PLC0415

    if schema:
        click.echo(json.dumps(schema_of(session.language), ensure_ascii=False, indent=2))
        return
    found = [asdict(each) for each in fields_of(session.language)]
    if session.as_json:
        session.answer({"fields": found})
    else:
        session.answer({}, table(session, COLUMNS, [tuple(each.values()) for each in found]))


def outputs(language: Language) -> click.Command:
    """Fetches what a workload left."""

    def said(code: str) -> str:
        return text(f"cli.outputs.{code}", language)

    @click.command("outputs", help=text("cli.outputs", language))
    @click.argument("workload")
    @click.option("--to", type=click.Path(path_type=Path, file_okay=False), help=said("to"))
    @click.option("--force", is_flag=True, help=said("force"))
    @on_server(language)
    def command(*, workload: str, to: Path | None, force: bool, **_: object) -> None:
        session = Session.here()
        with connected(session) as client:
            found = client.compute.workload(workload)
            if not found.outputs:
                raise NotFound("cli.no_outputs", workload=workload)
            if to is None:
                named = {unquote(name): digest for name, digest in sorted(found.outputs.items())}
                session.answer({"workload": workload, "outputs": named})
                if not session.as_json:
                    click.echo("\n".join(plain(name) for name in named))
                return
            paths = fetched(client, workload, sorted(found.outputs), to, force=force)
        answer = {"workload": workload, "paths": [str(path) for path in paths]}
        session.answer(answer, session.say("cli.outputs.saved", count=len(paths), path=str(to)))

    return command


def fetched(
    client: Client, workload: str, names: list[str], to: Path, *, force: bool
) -> list[Path]:
    """Put outputs into a folder: all of them or none, and nothing in place of what is there.

    Errors: `Conflict` ``cli.output_there`` unless ``force``, and for a folder even then;
    ``cli.output_odd`` for names that lead out of the folder or cannot be there together; those of
    `Compute.download`.
    """
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    from yunhe.client.folders.manifest import path_faults  # noqa: PLC0415

    targets: list[tuple[str, Path]] = []
    files: set[str] = set()
    folders: set[str] = set()
    for name in names:
        path = unquote(name)
        above = {str(folder) for folder in PurePosixPath(path).parents}
        if any(path_faults(path)) or path in files | folders or above & files:
            raise Conflict("cli.output_odd", name=plain(name)[:100])
        files.add(path)
        folders |= above
        targets.append((name, to / path))
    there = [str(target) for _, target in targets if target.exists() or target.is_symlink()]
    blocked = [str(target) for _, target in targets if target.is_dir() and not target.is_symlink()]
    there = blocked or ([] if force else there)
    if there:
        raise Conflict("cli.output_there", path=there[0], count=len(there))
    for _, target in targets:
        _no_link(to, target)
    to.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to, prefix=".yunhe-") as scratch:
        for number, (name, _) in enumerate(targets):
            client.compute.download(workload, name, Path(scratch) / str(number))
        for number, (_, target) in enumerate(targets):
            target.parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / str(number)).replace(target)
    return [target for _, target in targets]


def _no_link(to: Path, target: Path) -> None:
    """A folder on the way that leads elsewhere is not followed."""
    for folder in target.parents:
        if folder == to:
            return
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise Conflict("cli.output_there", path=str(folder), count=1)


def asked_of(described: Described) -> NewWorkload:
    """The message, as far as it can be checked before anything is sent.

    Errors: `Invalid` ``cli.spec_invalid`` with every fault and its line.
    """
    from pydantic import ValidationError  # noqa: PLC0415

    from yunhe.client.wire.asking import NewWorkload  # noqa: PLC0415

    said, findings = stand_in(described)
    try:
        asked = NewWorkload.model_validate(said)
    except ValidationError as error:
        from yunhe.api.faults import invalid  # noqa: PLC0415 (only a mistake needs it)

        findings += [
            Finding(described.where(fault.where), fault.code, fault.params)
            for fault in invalid(error.errors(), sent=said).findings
        ]
        described.refuse(findings)
        raise
    if not (asked.entry_point or asked.command or asked.image):
        findings.append(Finding(described.where("command"), "compute.program_missing"))
    described.refuse(findings)
    return asked


def whole(session: Session, described: Described) -> NewWorkload:
    """As `asked_of`; what is wrong with the rest is asked of the server, where one is named.

    Errors: `Invalid` with every fault that either finds, each with its line.
    """
    try:
        return asked_of(described)
    except Invalid as error:
        from yunhe.cli.drafting import told_of  # noqa: PLC0415 (only a mistake needs it)

        raise told_of(session, described, error, unsent=_NO_DIGEST) from None


def stand_in(described: Described) -> tuple[dict[str, object], list[Finding]]:
    """What it says with a digest in place of each file, and the files that are not there."""
    said, findings = dict(described.said), []
    beside = described.path.parent
    folder = said.get("folder")
    if isinstance(folder, str) and folder and not folder.startswith("sha256:"):
        if not (beside / folder).is_dir():
            where = described.where("folder")
            findings.append(Finding(where, "cli.spec_no_folder", (("path", folder[:200]),)))
        said["folder"] = _NO_DIGEST
    inputs = said.get("inputs")
    if isinstance(inputs, dict):
        named = dict(inputs)
        for name, value in inputs.items():
            if isinstance(value, str) and not value.startswith("sha256:"):
                if not (beside / value).is_file():
                    where = described.where(f"inputs.{name}")
                    params = (("path", value[:200]),)
                    findings.append(Finding(where, "cli.spec_no_input", params))
                named[name] = _NO_DIGEST
        said["inputs"] = named
    return said, findings


def _submitted(session: Session, client: Client, described: Described, *, key: str) -> Workload:
    """Send its files, then the request.

    Errors: those of the server, each finding at its line.
    """
    from yunhe.client.faults import placed  # noqa: PLC0415

    try:
        return client.compute.submit(message_of(session, client, described), key=key)
    except YunheError as error:
        raise placed(error, described.where) from None


def message_of(session: Session, client: Client, described: Described) -> NewWorkload:
    """The request once its files are sent, naming them by their digests."""
    from yunhe.client.folders.sending import send  # noqa: PLC0415
    from yunhe.client.folders.uploaded import Uploaded  # noqa: PLC0415
    from yunhe.client.wire.asking import NewWorkload  # noqa: PLC0415

    said, beside = dict(described.said), described.path.parent
    folder = said.get("folder")
    if isinstance(folder, str) and folder and not folder.startswith("sha256:"):
        sent = send(beside / folder, Uploaded(client.uploads))
        said["folder"] = sent.digest
        _tell(session, sent)
    inputs = said.get("inputs")
    if isinstance(inputs, dict):
        said["inputs"] = {
            name: value
            if value.startswith("sha256:")
            else client.uploads.send(beside / value).digest
            for name, value in cast("dict[str, str]", inputs).items()
        }
    return NewWorkload.model_validate(said)


def _tell(session: Session, sent: SentFolder) -> None:
    if session.as_json:
        return
    line = session.say(
        "cli.submit.folder_sent", files=sent.files, bytes=sent.size_bytes, sent=sent.sent_bytes
    )
    click.echo(f"  {line}", err=True)


COMMANDS = {"submit": submit, "outputs": outputs}
