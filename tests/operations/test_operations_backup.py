"""Backup: whole or not at all, beside a platform at work, on disks that refuse."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy import text

from old_home import unpack
from yunhe.app import Platform, open_platform
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, Unavailable
from yunhe.ledger import service as ledger
from yunhe.operations import artefacts, sealing
from yunhe.operations.backup import backup
from yunhe.operations.restore import Wish, check, restore
from yunhe.operations.snapshots import MANIFEST, Snapshot, names, open_snapshot
from yunhe.settings import Settings
from yunhe.storage import erased
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.dump import batches

PASSPHRASE = "vier zufällige Wörter 四个词".encode()


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = unpack(tmp_path_factory.mktemp("upgraded") / "home")
    with open_platform(Settings(home=home)):
        return home


@pytest.fixture
def platform(upgraded: Path, tmp_path: Path) -> Iterator[Platform]:
    shutil.copytree(upgraded, tmp_path / "home")
    with open_platform(Settings(home=tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def rows(found: Snapshot, table: str, *columns: str) -> list[tuple]:
    return [
        row
        for batch in batches(found.table(table), columns)
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]


def test_a_backup_holds_every_row_every_artefact_and_the_published_log(platform, target):
    made = backup(platform, target)
    found = check(target)
    assert found.manifest == made.manifest
    with closing(sqlite3.connect(platform.settings.home / "yunhe.db")) as db:
        for entry in found.manifest.tables:
            (there,) = db.execute(f"SELECT count(*) FROM {entry.name}").fetchone()
            written = sum(batch.num_rows for batch in batches(found.table(entry.name)))
            assert written == there == entry.rows, entry.name
    assert set(found.digests()) == set(platform.storage.blobs.digests())
    assert found.part("checkpoints.txt").decode() == platform.publisher.read()
    assert found.part("trust.txt").decode() == custody.trust(platform.settings.home)
    assert found.manifest.leaves() == 17
    assert (found.manifest.absent, found.manifest.damaged) == ((), ())


def test_a_second_backup_copies_only_what_is_new(platform, target):
    first = backup(platform, target)
    assert first.copied == first.manifest.artefacts == 13
    platform.storage.blobs.put(b"something new")
    second = backup(platform, target)
    assert (second.copied, second.copied_bytes) == (1, 13)
    assert names(target) == sorted([first.manifest.name, second.manifest.name])
    assert check(target, snapshot=first.manifest.name)


def test_how_long_snapshots_are_kept_is_the_operators_affair_and_artefacts_follow(platform, target):
    digest = platform.storage.blobs.put(b"erased on request").digest
    first = backup(platform, target)
    platform.storage.blobs.delete(digest)
    backup(platform, target)
    kept = LocalBlobs(target / "blobs")
    assert kept.exists(digest)
    shutil.rmtree(first.folder)
    second = backup(platform, target)
    assert not kept.exists(digest)
    assert len(set(kept.digests())) == second.manifest.artefacts == 13
    assert len(names(target)) == 2
    assert check(target)


def test_without_being_asked_no_secret_of_the_home_is_in_the_backup(platform, target):
    platform.secrets_key.make()
    backup(platform, target)
    secrets = [path.read_bytes() for path in (platform.settings.home / "keys").iterdir()]
    assert len(secrets) == 2
    for data in files(target).values():
        for secret in secrets:
            for line in secret.splitlines():
                assert len(line) < 20 or line not in data


def test_keys_are_included_sealed_and_open_with_the_passphrase_alone(platform, target):
    platform.secrets_key.make()
    made = backup(platform, target, passphrase=PASSPHRASE)
    sealed = (made.folder / "keys.sealed").read_bytes()
    keys = {path.name: path.read_bytes() for path in (platform.settings.home / "keys").iterdir()}
    assert set(keys) == {"log.pem", "secrets.key"}
    assert sealing.unseal(sealed, PASSPHRASE, of=made.manifest.name) == keys
    for secret in keys.values():
        assert all(len(line) < 20 or line not in sealed for line in secret.splitlines())
    with pytest.raises(NotAllowed) as caught:
        sealing.unseal(sealed, PASSPHRASE + b"!", of=made.manifest.name)
    assert caught.value.code == "operations.passphrase_wrong"
    assert "passphrase" in caught.value.message("en")
    with pytest.raises(Invalid):
        sealing.unseal(sealed, PASSPHRASE, of="20200101T000000Z-abcdef")
    with pytest.raises(Invalid) as caught:
        backup(platform, target, passphrase=b"short")
    assert caught.value.code == "operations.passphrase_short"


@pytest.mark.parametrize("where", ["salt", "nonce", "box", "n", "of", "format"])
def test_a_sealed_file_that_was_changed_does_not_open(where):
    sealed = json.loads(sealing.seal({"log.pem": b"secret"}, PASSPHRASE, of="x"))
    value = sealed[where]
    changed = (
        value * 2 if isinstance(value, int) else value[:-2] + ("11" if value[-2:] != "11" else "00")
    )
    with pytest.raises((Invalid, NotAllowed)):
        sealing.unseal(json.dumps({**sealed, where: changed}).encode(), PASSPHRASE, of="x")


@pytest.mark.parametrize(
    "said", [b"", b"null", b"[]", b"{}", b'{"box": 1}', b'{"n": 1099511627776, "box": "AA=="}']
)
def test_what_was_never_sealed_is_refused_at_once(said):
    with pytest.raises(Invalid) as caught:
        sealing.unseal(said, PASSPHRASE, of="x")
    assert caught.value.code == "operations.keys_unreadable"


def test_a_folder_with_other_things_in_it_is_left_alone(platform, target):
    target.mkdir()
    (target / "holiday.jpg").write_bytes(b"...")
    with pytest.raises(Conflict) as caught:
        backup(platform, target)
    assert caught.value.code == "operations.target_foreign"
    assert list(files(target)) == ["holiday.jpg"]
    with pytest.raises(Conflict):
        backup(platform, platform.settings.home)


def test_two_backups_into_one_folder_do_not_run_at_once(platform, target):
    backup(platform, target)
    inside = []

    class Nested:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            if not inside:
                with pytest.raises(Conflict) as caught:
                    backup(platform, target)
                inside.append(caught.value)

    backup(platform, target, progress=Nested())
    assert inside[0].code == "operations.backup_running"
    assert inside[0].retryable
    assert len(names(target)) == 2


def test_what_is_written_during_a_backup_is_in_it_whole_or_not_at_all(platform, target, tmp_path):
    """Each command moves money, writes a record and stores an artefact; a writer never stops."""
    storage, stop, done = platform.storage, threading.Event(), []

    def command(number: int) -> None:
        digest = storage.blobs.put(b"artefact %d" % number).digest
        with storage.database.begin() as tx:
            account = ledger.open_account(tx, owner=f"o{number}", unit="CNY", purpose="cash")
            ledger.grant(tx, key=f"g{number}", account=account, amount=7, at_us=number)
            custody.append(tx, Record("test.made", f"s{number}", number, {"digest": digest}, {}))

    def work() -> None:
        while not stop.is_set():
            command(len(done))
            done.append(1)
            if len(done) % 10 == 0:
                platform.sequencer.run_once()

    writer = threading.Thread(target=work)
    writer.start()
    try:
        snapshots = []
        while len(snapshots) < 4 or len(done) < 40:
            snapshots.append((len(done), backup(platform, target).manifest.name, len(done)))
    finally:
        stop.set()
        writer.join()
    for before, name, after in (snapshots[0], snapshots[-1]):
        found = open_snapshot(target, name)
        records = rows(found, "custody_leaf", "kind", "body")
        made = [json.loads(body) for kind, body in records if kind == "test.made"]
        keys = [key for (key,) in rows(found, "ledger_transfer", "key")]
        grants = [key for key in keys if key.startswith("g")]
        assert before <= len(made) <= after + 1
        assert len(grants) == len(made)
        there = set(found.digests())
        assert all(body["digest"] in there for body in made)
        home = tmp_path / f"restored-{name}"
        restored = restore(Settings(home=home), target, Wish(name))
        assert restored.transfers == 11 + len(made)


def test_an_artefact_that_was_changed_stops_the_backup_unless_it_may_be_left_out(platform, target):
    digest = sorted(platform.storage.blobs.digests())[3]
    path = platform.storage.blobs.path(digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(Unavailable) as caught:
        backup(platform, target)
    assert caught.value.code == "operations.artefacts_damaged"
    assert [finding.where for finding in caught.value.findings] == [digest]
    assert "--skip-damaged" in caught.value.message("zh")
    assert names(target) == []
    made = backup(platform, target, skip_damaged=True)
    assert made.manifest.damaged == (digest,)
    assert made.manifest.artefacts == 12
    restored = restore(Settings(home=target.parent / "again"), target, Wish())
    assert restored.snapshot.manifest.damaged == (digest,)


def test_artefacts_that_rows_name_and_the_store_has_lost_are_listed_and_erased_ones_are_not(
    platform, target
):
    storage = platform.storage
    queries = ("log FROM compute_workload WHERE log != ''", "plan_digest FROM plans_run",
               "sample_digest FROM corpus_cleansing")  # fmt: skip
    with storage.database.read() as tx:
        lost, before, during = (tx.execute(text(f"SELECT {each}")).scalar() for each in queries)

    def erase(digest: str) -> None:
        with storage.database.begin() as tx:
            erased.note(tx, [digest], at_us=1)
        storage.blobs.delete(digest)

    class Meanwhile:
        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            if what == "operations.backup.rows" and done > 100 and storage.blobs.exists(during):
                erase(during)

    storage.blobs.delete(lost)
    erase(before)
    manifest = backup(platform, target, progress=Meanwhile()).manifest
    assert (manifest.absent, manifest.erased, manifest.artefacts) == ((lost,), (during,), 10)
    restore(Settings(home=target.parent / "again"), target, Wish())


def test_every_column_that_names_artefacts_is_known(platform, target):
    """In a whole run: what holds only artefacts is declared, or known to be something else."""
    happens_to_be = {
        ("compute_workload", "spec"),
        ("custody_leaf", "subject"),
        ("plans_stage", "result"),
    }
    found = backup(platform, target) and check(target)
    there = set(found.digests())
    for entry in found.manifest.tables:
        for batch in batches(found.table(entry.name)):
            for field, column in zip(batch.schema, batch.columns, strict=True):
                values = [v for v in column.to_pylist() if isinstance(v, str)]
                named = [d for v in values for d in artefacts._DIGEST.findall(v)]
                declared = field.name in artefacts.COLUMNS.get(entry.name, ())
                if declared and values:
                    assert set(named) <= there, (entry.name, field.name)
                    assert named, (entry.name, field.name)
                elif named and (entry.name, field.name) not in happens_to_be:
                    assert not set(named) <= there, (entry.name, field.name)
    for table, columns in artefacts.COLUMNS.items():
        assert set(columns) <= set(pq.read_schema(found.table(table)).names), table


def test_a_published_place_that_is_away_does_not_stop_the_backup(platform, target):
    witness = platform.settings.home / "witness" / "checkpoints.txt"
    witness.unlink()
    witness.mkdir()
    assert backup(platform, target).manifest.published is False


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from yunhe.app import open_platform
    from yunhe.operations.backup import backup
    from yunhe.settings import Settings
    left = int(sys.argv[3])
    class Count:
        def step(self, what, *, done, total=None):
            global left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    with open_platform(Settings(home=Path(sys.argv[1]))) as platform:
        backup(platform, Path(sys.argv[2]), progress=Count())
    """
)


@pytest.mark.parametrize("step", [1, 12, 40])
def test_a_backup_that_is_killed_is_never_taken_for_whole(platform, target, step):
    given = [str(platform.settings.home), str(target), str(step)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *given], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert names(target) == []
    with pytest.raises(NotFound) as caught:
        check(target)
    assert caught.value.code == "operations.no_snapshot"
    made = backup(platform, target)
    assert check(target).manifest.name == made.manifest.name
    assert [name for name in files(target) if ".incoming" in name] == []


LIMITED = textwrap.dedent(
    """
    import json, resource, sys
    from pathlib import Path
    from yunhe.app import open_platform
    from yunhe.kernel.errors import Unavailable
    from yunhe.operations.backup import backup
    from yunhe.settings import Settings
    with open_platform(Settings(home=Path(sys.argv[1]))) as platform:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
        try:
            backup(platform, Path(sys.argv[2]))
        except Unavailable as error:
            print(json.dumps(error.as_json("zh")))
    """
)


@pytest.mark.parametrize("limit_bytes", [0, 100_000])
def test_a_disk_that_takes_no_more_is_named_and_earlier_backups_stay(platform, target, limit_bytes):
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    first = backup(platform, target)
    shutil.rmtree(target / "blobs")
    before = files(first.folder)
    given = [str(platform.settings.home), str(target), str(limit_bytes)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *given], check=True, capture_output=True, text=True
    )
    error = json.loads(done.stdout)
    assert error["code"] == "storage.disk_failed"
    assert str(target) in error["message"]
    assert names(target) == [first.manifest.name]
    assert files(first.folder) == before
    backup(platform, target)
    assert check(target).manifest.artefacts == 13


TINY = textwrap.dedent(
    """
    import json, shutil, sys
    from pathlib import Path
    from yunhe.app import open_platform
    from yunhe.kernel.errors import Unavailable
    from yunhe.operations.backup import backup
    from yunhe.operations.snapshots import names
    from yunhe.settings import Settings
    home, disk = Path(sys.argv[1]), Path(sys.argv[2])
    said = []
    with open_platform(Settings(home=home)) as platform:
        for leave in (8_192, 100_000, 300_000, None):
            filler = disk / "filler"
            filler.unlink(missing_ok=True)
            if leave is not None:
                with filler.open("wb") as file:
                    file.truncate(0)
                    file.write(bytes(shutil.disk_usage(disk).free - leave))
            try:
                backup(platform, disk / "backups")
                said.append("whole")
            except Unavailable as error:
                said.append(error.code)
            said.append(len(names(disk / "backups")) if (disk / "backups").exists() else 0)
            said.append([p.name for p in disk.rglob(".incoming*")])
    print(json.dumps(said))
    """
)


def test_a_full_disk_is_named_leaves_nothing_half_and_more_room_is_enough(platform, tmp_path):
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        pytest.skip("bubblewrap is not installed")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [
        bubblewrap, "--dev-bind", "/", "/", "--size", str(2 << 20), "--tmpfs", str(disk),
        sys.executable, "-c", TINY, str(platform.settings.home), str(disk),
    ]  # fmt: skip
    probe = [bubblewrap, "--dev-bind", "/", "/", "true"]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("bubblewrap may not make namespaces on this machine")
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *full, whole, count, left = json.loads(done.stdout)
    assert full == ["operations.target_full", 0, []] * 3
    assert (whole, count, left) == ("whole", 1, [])


def test_the_command_says_what_it_did_and_that_keys_are_not_in_it(platform, target, tmp_path):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "COLUMNS": "200"}

    def yunhe(*given: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "yunhe", "--home", str(platform.settings.home), *given]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    said = yunhe("backup", str(target))
    assert said.returncode == 0, said.stderr
    assert "THE SECRET KEYS ARE NOT IN IT" in said.stdout
    assert "13 artefacts" in said.stdout
    secret = tmp_path / "passphrase.txt"
    secret.write_bytes(PASSPHRASE + b"\n")
    secret.chmod(0o600)
    wrong = yunhe("--json", "backup", str(target), "--with-keys")
    assert (wrong.returncode, json.loads(wrong.stdout)["code"]) == (65, "cli.keys_need_passphrase")
    told = yunhe("--json", "backup", str(target), "--with-keys", "--passphrase-file", str(secret))
    answer = json.loads(told.stdout)
    assert (answer["keys"], answer["copied"], answer["leaves"]) == (True, 0, 17)
    assert (Path(answer["folder"]) / MANIFEST).is_file()
    checked = yunhe("--lang", "zh", "restore", str(target), "--check")
    assert checked.returncode == 0
    assert "所有摘要均正确" in checked.stdout
    missing = yunhe("--json", "restore", str(tmp_path / "nothing"), "--check")
    assert json.loads(missing.stdout)["code"] == "operations.no_snapshot"


def test_the_store_of_a_backup_is_an_ordinary_store(platform, target):
    backup(platform, target)
    assert set(LocalBlobs(target / "blobs").digests()) == set(platform.storage.blobs.digests())
