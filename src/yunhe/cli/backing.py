"""`yunhe backup` and `yunhe restore`: a copy of everything, and a platform from such a copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from yunhe.cli import logins
from yunhe.cli.session import Session, Shown
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.language import Language, text

if TYPE_CHECKING:
    from yunhe.operations.backup import Backup
    from yunhe.operations.restore import Restored, Wish
    from yunhe.operations.snapshots import Manifest

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


def backup(language: Language) -> click.Command:
    """Writes a snapshot into a folder."""

    @click.command("backup", help=text("cli.backup", language))
    @click.argument("target", type=FOLDER, metavar="TARGET")
    @click.option("--with-keys", is_flag=True, help=text("cli.backup.keys", language))
    @click.option(
        "--passphrase-file", type=FILE, metavar="FILE", help=text("cli.backup.pass", language)
    )
    @click.option("--skip-damaged", is_flag=True, help=text("cli.backup.skip", language))
    def command(
        target: Path, *, with_keys: bool, passphrase_file: Path | None, skip_damaged: bool
    ) -> None:
        from yunhe.operations.backup import backup as write  # noqa: PLC0415

        session = Session.here()
        if with_keys != (passphrase_file is not None):
            raise Invalid("cli.keys_need_passphrase")
        passphrase = _passphrase(passphrase_file)
        with session.platform() as platform:
            progress = Shown(session)
            try:
                made = write(
                    platform,
                    target,
                    passphrase=passphrase,
                    skip_damaged=skip_damaged,
                    progress=progress,
                )
            finally:
                progress.close()
            keys = str(platform.settings.home / "keys")
        answer = {
            **_facts(made.manifest),
            "folder": str(made.folder),
            "copied": made.copied,
            "copied_bytes": made.copied_bytes,
            "keys": with_keys,
        }
        session.answer(answer, "\n".join(_told(session, made, keys="" if with_keys else keys)))

    return command


def restore(language: Language) -> click.Command:
    """Makes a platform from a snapshot."""

    @click.command("restore", help=text("cli.restore", language))
    @click.argument("source", type=FOLDER, metavar="SOURCE")
    @click.option("--snapshot", default="", metavar="NAME", help=text("cli.restore.name", language))
    @click.option("--check", is_flag=True, help=text("cli.restore.check", language))
    @click.option(
        "--passphrase-file", type=FILE, metavar="FILE", help=text("cli.restore.pass", language)
    )
    @click.option(
        "--checkpoints", type=FILE, metavar="FILE", help=text("cli.restore.checkpoints", language)
    )
    @click.option("--accept-loss", is_flag=True, help=text("cli.restore.loss", language))
    def command(
        source: Path,
        *,
        snapshot: str,
        check: bool,
        passphrase_file: Path | None,
        checkpoints: Path | None,
        accept_loss: bool,
    ) -> None:
        from yunhe.operations.restore import Wish  # noqa: PLC0415

        session = Session.here()
        if check:
            _check(session, source, snapshot)
            return
        outside = None if checkpoints is None else _read(checkpoints).decode(errors="replace")
        wish = Wish(snapshot, _passphrase(passphrase_file), outside, accept_loss)
        _restore(session, source, wish)

    return command


def _check(session: Session, source: Path, snapshot: str) -> None:
    from yunhe.operations.restore import check  # noqa: PLC0415

    progress = Shown(session)
    try:
        found = check(source, snapshot=snapshot, progress=progress)
    finally:
        progress.close()
    facts = _facts(found.manifest)
    shown = session.say("cli.restore.sound", **_params(found.manifest))
    session.answer({**facts, "sound": True}, shown)


def _restore(session: Session, source: Path, wish: Wish) -> None:
    from yunhe.operations.restore import restore as put_back  # noqa: PLC0415

    settings = session.settings()
    progress = Shown(session)
    try:
        restored = put_back(settings, source, wish, progress=progress)
    finally:
        progress.close()
    answer = {
        **_facts(restored.snapshot.manifest),
        "home": str(settings.home),
        "transfers": restored.transfers,
        "log_leaves": restored.leaves,
        "checkpoints": restored.checkpoints,
        "behind": restored.behind,
        "key_there": restored.key_there,
    }
    lines = _restored(session, restored, home=settings.home)
    session.answer(answer, "\n".join(lines))


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "snapshot": manifest.name,
        "at": iso(manifest.at_us),
        "revision": manifest.revision,
        "tables": len(manifest.tables),
        "rows": manifest.rows(),
        "artefacts": manifest.artefacts,
        "artefact_bytes": manifest.artefact_bytes,
        "leaves": manifest.leaves(),
        "absent": list(manifest.absent),
        "erased": list(manifest.erased),
        "damaged": list(manifest.damaged),
        "published": manifest.published,
    }


def _params(manifest: Manifest) -> dict[str, str | int]:
    return {
        "name": manifest.name,
        "tables": len(manifest.tables),
        "rows": manifest.rows(),
        "artefacts": manifest.artefacts,
        "leaves": manifest.leaves(),
    }


def _told(session: Session, made: Backup, *, keys: str) -> list[str]:
    manifest = made.manifest
    lines = [
        session.say(
            "cli.backup.done",
            **_params(manifest),
            folder=str(made.folder),
            copied=made.copied,
            size=made.copied_bytes,
        )
    ]
    if keys:
        lines += ["", session.say("cli.backup.without_keys", keys=keys)]
    if manifest.absent:
        lines += ["", session.say("cli.backup.absent", count=len(manifest.absent))]
    if manifest.damaged:
        lines += ["", session.say("cli.backup.damaged", count=len(manifest.damaged))]
    if not manifest.published:
        lines += ["", session.say("cli.backup.unpublished")]
    return lines


def _restored(session: Session, restored: Restored, *, home: Path) -> list[str]:
    lines = [
        session.say(
            "cli.restore.done",
            **_params(restored.snapshot.manifest),
            transfers=restored.transfers,
            log_leaves=restored.leaves,
            checkpoints=restored.checkpoints,
        )
    ]
    if not restored.key_there:
        lines += ["", session.say("cli.restore.key", path=str(home / "keys" / "log.pem"))]
    if restored.behind:
        lines += ["", session.say("cli.restore.behind", count=restored.behind)]
    return lines


def _passphrase(path: Path | None) -> bytes | None:
    return None if path is None else logins.passphrase(path)


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotFound("cli.no_file", path=str(path))
    return path.read_bytes()


COMMANDS = {"backup": backup, "restore": restore}
