"""Restore: only what is whole, only where nothing is lost, opened only after the replay."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from old_home import unpack
from yunhe.app import open_platform
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.custody.sequencer import checkpoint_body
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Conflict, Invalid, NotFound, YunheError
from yunhe.operations.backup import backup
from yunhe.operations.restore import Wish, check, restore
from yunhe.operations.snapshots import MANIFEST, open_snapshot
from yunhe.settings import Settings
from yunhe.storage.dump import batches, digest_of_file

PASSPHRASE = b"some words nobody would guess"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of 0.1.0, opened by this version, and a backup of it; to look at."""
    folder = tmp_path_factory.mktemp("made")
    with open_platform(Settings(home=unpack(folder / "home"))) as platform:
        platform.secrets_key.make()
        backup(platform, folder / "backups", passphrase=PASSPHRASE)
    return folder


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    """A copy of that backup, to do things to."""
    shutil.copytree(made / "backups", tmp_path / "backups")
    return tmp_path / "backups"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "restored")


def rows_of(home: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(home / "yunhe.db")) as db:
        names = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def closed(settings: Settings) -> None:
    """Nothing that could be opened is there."""
    assert not settings.database_path().exists()
    assert not (settings.home / "trust.txt").exists()
    assert not (settings.home / "keys").exists()
    assert not (settings.home / "witness").exists()


def refused(settings: Settings, source: Path, wish: Wish | None = None) -> YunheError:
    with pytest.raises(YunheError) as caught:
        restore(settings, source, wish or Wish())
    for language in ("en", "zh"):
        assert "{" not in caught.value.message(language)
    return caught.value


def test_everything_comes_back_and_the_platform_goes_on(made, source, settings):
    restored = restore(settings, source, Wish(passphrase=PASSPHRASE))
    assert restored.key_there
    assert (restored.transfers, restored.leaves, restored.behind) == (11, 17, 0)
    home = made / "home"
    assert rows_of(settings.home) == rows_of(home)
    for name in ("keys/log.pem", "keys/secrets.key", "trust.txt", "witness/checkpoints.txt"):
        assert (settings.home / name).read_bytes() == (home / name).read_bytes()
    assert (settings.home / "keys" / "log.pem").stat().st_mode & 0o077 == 0
    with open_platform(settings) as platform:
        with platform.storage.database.begin() as tx:
            custody.append(tx, Record("test.kind", "after", 1, {"n": 1}, {}))
        assert platform.newest_checkpoint().size == 18
        found = platform.audit(None)
        assert found.ok, [problem.message("en") for problem in found.problems]
        outside = (home / "witness" / "checkpoints.txt").read_text("utf-8")
        trust = custody.trust(settings.home)
        assert custody.check_outside(platform.storage, [outside], trust=trust).ok


def test_without_keys_it_opens_once_the_owner_has_put_the_key_there(made, source, settings):
    restored = restore(settings, source, Wish())
    assert not restored.key_there
    with pytest.raises(YunheError) as caught, open_platform(settings):
        pass
    assert caught.value.code == "custody.keys_missing"
    shutil.copytree(made / "home" / "keys", settings.home / "keys")
    with open_platform(settings) as platform:
        assert platform.audit(None).ok


def test_keys_that_were_put_there_before_are_used(made, source, settings):
    settings.home.mkdir(mode=0o700)
    shutil.copytree(made / "home" / "keys", settings.home / "keys")
    assert restore(settings, source, Wish()).key_there


def test_the_key_of_another_log_is_noticed_before_anything_opens(source, settings, tmp_path):
    custody.create_log(tmp_path / "other", settings.origin)
    settings.home.mkdir(mode=0o700)
    shutil.copytree(tmp_path / "other" / "keys", settings.home / "keys")
    assert refused(settings, source).code == "custody.trust_damaged"
    assert not settings.database_path().exists()
    assert not (settings.home / "trust.txt").exists()
    assert refused(settings, source, Wish(passphrase=PASSPHRASE)).code == "operations.key_present"
    assert not settings.database_path().exists()


@pytest.mark.parametrize("name", ["trust.txt", "witness/checkpoints.txt"])
def test_a_home_that_holds_something_is_left_alone(source, settings, name):
    path = settings.home / name
    path.parent.mkdir(parents=True)
    path.write_text("somebody's")
    assert refused(settings, source).code == "operations.home_taken"
    assert path.read_text() == "somebody's"
    assert not settings.database_path().exists()


def test_a_platform_at_work_is_never_overwritten(made, source, tmp_path):
    shutil.copytree(made / "home", tmp_path / "home")
    before = rows_of(tmp_path / "home")
    error = refused(Settings(home=tmp_path / "home"), source)
    assert error.code == "storage.not_empty"
    assert rows_of(tmp_path / "home") == before


def test_another_origin_is_told_before_anything_is_done(source, tmp_path):
    settings = Settings(home=tmp_path / "restored", origin="other.example/log")
    error = refused(settings, source)
    assert error.code == "operations.origin_differs"
    assert "YUNHE_ORIGIN=yunhe.local/log" in error.message("en")
    assert not settings.home.exists()


def test_a_wrong_passphrase_is_told_before_anything_is_done(source, settings):
    error = refused(settings, source, Wish(passphrase=b"another passphrase"))
    assert error.code == "operations.passphrase_wrong"
    assert not settings.home.exists()


def test_any_part_that_is_missing_or_changed_is_named(made, source, settings):
    parts = [
        path.relative_to(source)
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST, ".lock")
    ]
    assert len(parts) > 60
    chosen = [p for p in parts if p.parts[0] == "blobs"][:2]
    chosen += [
        p for p in parts if p.name.startswith(("ledger_e", "artef", "trust", "keys", "checkp"))
    ]
    for part in chosen:
        path, whole = source / part, (source / part).read_bytes()
        named = "sha256:" + "".join(part.parts[1:]) if part.parts[0] == "blobs" else part.name
        path.chmod(0o600)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        for act in (lambda: check(source), lambda: restore(settings, source, Wish())):
            with pytest.raises(Invalid) as caught:
                act()
            assert caught.value.code == "operations.backup_damaged"
            assert [f.where for f in caught.value.findings] == [named]
        path.unlink()
        with pytest.raises(Invalid) as caught:
            check(source)
        assert [f.code for f in caught.value.findings] == ["operations.part_missing"]
        assert named in caught.value.message("zh")
        path.write_bytes(whole)
        closed(settings)
        shutil.rmtree(settings.home, ignore_errors=True)
    assert check(source)
    assert restore(settings, source, Wish()).leaves == 17


@pytest.mark.parametrize(
    "changed",
    [
        {"format": "yunhe-backup/2"},
        {"name": "20200101T000000Z-abcdef"},
        {"revision": "'; DROP"},
        {"files": {"../../etc/passwd": {"digest": "sha256:" + "0" * 64, "size_bytes": 1}}},
        {"tables": [{"name": "../x", "rows": 0, "digest": "sha256:" + "0" * 64, "size_bytes": 1}]},
        {"more": 1},
    ],
)
def test_a_manifest_that_says_something_else_is_refused(source, settings, changed):
    path = open_snapshot(source).folder / MANIFEST
    path.write_bytes(json.dumps({**json.loads(path.read_bytes()), **changed}).encode())
    assert refused(settings, source).code == "operations.manifest_invalid"
    path.write_bytes(b"{")
    assert refused(settings, source).code == "operations.manifest_invalid"
    path.unlink()
    with pytest.raises(NotFound):
        restore(settings, source, Wish())


def rewrite(source: Path, table: str, change: Callable[[dict], dict | None]) -> None:
    """Change a table of a backup as somebody would who knows the format: digests and all."""
    found = open_snapshot(source)
    path, schema, rows = found.table(table), None, []
    for batch in batches(path):
        schema = batch.schema
        rows += [row for each in batch.to_pylist() if (row := change(each)) is not None]
    pq.write_table(pa.Table.from_pylist(rows, schema), path)
    digest, size = digest_of_file(path)
    manifest = json.loads((found.folder / MANIFEST).read_bytes())
    for entry in manifest["tables"]:
        if entry["name"] == table:
            entry |= {"digest": digest, "size_bytes": size, "rows": len(rows)}
    (found.folder / MANIFEST).write_bytes(canonical_bytes(manifest))


def more_money(row: dict) -> dict:
    return {**row, "amount": row["amount"] + 1} if row["unit"] == "CNY" else row


def another_time(row: dict) -> dict:
    return {**row, "at_us": row["at_us"] + 1} if row["kind"] == "serving.answer" else row


def without_the_last_leaf(row: dict) -> dict | None:
    return None if row["leaf_index"] == 16 else row


@pytest.mark.parametrize(
    ("table", "change", "floor"),
    [
        ("ledger_entry", more_money, "ledger"),
        ("custody_leaf", another_time, "custody"),
        ("custody_leaf", without_the_last_leaf, "custody"),
        ("custody_checkpoint", lambda row: None if row["number"] > 1 else row, "custody"),
    ],
)
def test_rows_that_do_not_hold_when_replayed_open_nothing(source, settings, table, change, floor):
    rewrite(source, table, change)
    assert check(source)  # every digest is right: only the replay can tell
    error = refused(settings, source, Wish(passphrase=PASSPHRASE))
    assert error.code == "operations.replay_failed"
    assert {finding.code.split(".")[0] for finding in error.findings} == {floor}
    closed(settings)


def test_an_artefact_that_rows_name_and_the_backup_has_not_is_missed(source, settings):
    found = open_snapshot(source)
    digest = next(iter(found.digests()))
    listing = found.folder / "artefacts.txt"
    named = {d for d in found.digests() if d != digest}
    listing.write_text("".join(f"{d}\n" for d in sorted(named)))
    manifest = json.loads((found.folder / MANIFEST).read_bytes())
    digest_, size = digest_of_file(listing)
    manifest["files"]["artefacts.txt"] = {"digest": digest_, "size_bytes": size}
    (found.folder / MANIFEST).write_bytes(canonical_bytes(manifest))
    error = refused(settings, source)
    assert error.code == "operations.backup_damaged"
    assert [finding.where for finding in error.findings] == [digest]
    closed(settings)


def test_a_backup_older_than_what_was_published_needs_a_decision(made, source, settings, tmp_path):
    shutil.copytree(made / "home", tmp_path / "home")
    with open_platform(Settings(home=tmp_path / "home")) as platform:
        with platform.storage.database.begin() as tx:
            custody.append(tx, Record("test.kind", "later", 1, {"n": 1}, {}))
        platform.newest_checkpoint()
        outside = platform.publisher.read()
    error = refused(settings, source, Wish(outside=outside))
    assert error.code == "operations.restore_behind"
    assert error.params["count"] == 1
    assert "--accept-loss" in error.message("zh")
    closed(settings)
    place = tmp_path / "outside.txt"
    place.write_text(outside, "utf-8")
    published = settings.model_copy(update={"checkpoints": str(place)})
    assert refused(published, source).code == "operations.restore_behind"
    restored = restore(published, source, Wish(accept_loss=True))
    assert restored.behind == 1
    assert place.read_text("utf-8") == outside
    assert not (settings.home / "witness").exists()


def test_checkpoints_of_another_history_open_nothing(settings, tmp_path):
    published = []
    for name in ("one", "two"):
        with open_platform(Settings(home=unpack(tmp_path / name))) as platform:
            with platform.storage.database.begin() as tx:
                custody.append(tx, Record("test.kind", name, 1, {"n": 1}, {}))
            platform.newest_checkpoint()
            backup(platform, tmp_path / f"backup-{name}")
            published.append(platform.publisher.read())
    other = custody.create_log(tmp_path / "third", settings.origin).load()
    foreign = other.sign(checkpoint_body(settings.origin, 17, bytes(32), at_us=1))
    source = tmp_path / "backup-one"
    for outside, code in ((published[1], "differs"), (foreign, "unsigned"), ("no note", "empty")):
        error = refused(settings, source, Wish(outside=outside, accept_loss=True))
        assert error.code == "operations.replay_failed"
        assert [finding.code for finding in error.findings] == [f"custody.outside_{code}"]
        closed(settings)
    assert restore(settings, source, Wish(outside=published[0])).leaves == 18


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from yunhe.operations import restore as module
    from yunhe.operations.restore import Wish, restore
    from yunhe.settings import Settings
    what, left = sys.argv[3], int(sys.argv[4])
    class Count:
        def step(self, step, *, done, total=None):
            global left
            left -= step.endswith(what)
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    restore(Settings(home=Path(sys.argv[1])), Path(sys.argv[2]), Wish(), progress=Count())
    """
)


@pytest.mark.parametrize(
    ("what", "times"), [("artefacts", 5), ("rows", 20), ("ledger", 1), ("log", 1)]
)
def test_a_restore_that_is_killed_opens_nothing_and_the_same_command_does_it(
    made, source, settings, what, times
):
    given = [str(settings.home), str(source), what, str(times)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *given], check=False)
    assert killed.returncode == -signal.SIGKILL
    if what != "artefacts":
        with pytest.raises(Conflict) as caught, open_platform(settings):
            pass
        assert caught.value.code == "storage.restoring"
        assert "yunhe restore" in caught.value.message("en")
    restored = restore(settings, source, Wish(passphrase=PASSPHRASE))
    assert restored.leaves == 17
    assert rows_of(settings.home) == rows_of(made / "home")
    with open_platform(settings) as platform:
        assert platform.audit(None).ok


def test_artefacts_that_are_there_but_damaged_are_put_right(source, settings):
    first = next(iter(open_snapshot(source).digests()))
    hexadecimal = first.removeprefix("sha256:")
    path = settings.home / "blobs" / hexadecimal[:2] / hexadecimal[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    restore(settings, source, Wish(passphrase=PASSPHRASE))
    with open_platform(settings) as platform:
        assert len(platform.storage.blobs.read(first)) > 7


def test_the_command_tells_what_was_verified_and_what_is_missing(made, source, tmp_path):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "200"}

    def yunhe(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "yunhe", "--home", str(tmp_path / "restored"), *given]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    done = yunhe("restore", str(source))
    assert done.returncode == 0, done.stderr
    assert "11 transfers replayed, 17 leaves recomputed" in done.stdout
    assert "THE SIGNING KEY IS MISSING" in done.stdout
    assert str(tmp_path / "restored" / "keys" / "log.pem") in done.stdout
    again = yunhe("--json", "restore", str(source))
    assert (again.returncode, json.loads(again.stdout)["code"]) == (75, "storage.not_empty")
    shutil.rmtree(tmp_path / "restored")
    secret = tmp_path / "passphrase.txt"
    secret.write_bytes(PASSPHRASE + b"\n")
    secret.chmod(0o600)
    answer = json.loads(
        yunhe("--json", "restore", str(source), "--passphrase-file", str(secret)).stdout
    )
    assert (answer["transfers"], answer["log_leaves"], answer["key_there"]) == (11, 17, True)
    assert yunhe("log", "--audit").returncode == 0
