"""What release 0.1.0 left is brought up to date, goes on, and comes back from any backup anywhere.

With ``--on postgresql`` the restores go to a real PostgreSQL server; S3 is a mock (moto).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from old_home import unpack
from s3_server import BUCKET, Mock, Wire, mock_of_s3
from yunhe.app import Platform, look_into, open_platform
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.progress import Silent
from yunhe.ledger import service as ledger
from yunhe.operations.backup import backup
from yunhe.operations.restore import Wish, check, restore
from yunhe.operations.snapshots import names
from yunhe.settings import Settings
from yunhe.storage import s3 as s3_module
from yunhe.storage import upgrade
from yunhe.storage.database import Database
from yunhe.storage.dump import batches, dump

PASSPHRASE = b"some words nobody would guess"
RELEASE = "0002"
"""The schema of 0.1.0."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return unpack(tmp_path / "home")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mock]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret")
    with mock_of_s3() as server:
        server.bucket()
        yield server


def revision(home: Path) -> str | None:
    database = Database.at(home / "yunhe.db")
    try:
        return upgrade.revision(database)
    finally:
        database.close()


def rows_of(platform: Platform, folder: Path) -> dict[str, list[dict]]:
    """Every row of every table, whatever database they lie in."""
    folder.mkdir()
    with platform.storage.database.read() as tx:
        dumped = dump(tx, folder, Silent())
    return {
        each.name: sorted(
            (row for b in batches(folder / f"{each.name}.parquet") for row in b.to_pylist()),
            key=repr,
        )
        for each in dumped.tables
    }


@contextmanager
def goes_on(settings: Settings) -> Iterator[Platform]:
    """The platform opens, its ledger and log hold, and it takes new money and new records."""
    with open_platform(settings) as platform:
        storage = platform.storage
        _, replay, holds = platform.accounts()
        assert (replay.ok, replay.transfers, holds) == (True, 11, 0)
        audit = platform.audit(None)
        assert audit.ok, [problem.message("en") for problem in audit.problems]
        assert audit.leaves == 17
        yield platform
        for digest in storage.blobs.digests():
            assert storage.blobs.read(digest)
        with storage.database.begin() as tx:
            account = ledger.open_account(tx, owner="org_new", unit="CNY", purpose="cash")
            ledger.grant(tx, key="new", account=account, amount=5, at_us=1)
            custody.append(tx, Record("test.kind", "new", 1, {"n": 1}, {}))
        assert platform.newest_checkpoint().size == 18
        assert platform.audit(None).ok
        assert platform.accounts()[1].transfers == 12


def answer_is_proved(platform: Platform) -> None:
    """A receipt made now for the old answer proves it to whoever trusts the old or the new key."""
    with platform.storage.database.read() as tx:
        answer = tx.execute(text("SELECT id FROM models_answer ORDER BY id")).scalars().first()
        reference = custody.reference(tx, "serving.answer", answer)
    receipt = custody.receipt_bytes(custody.receipt(platform.storage, reference))
    old, new = custody.trust(platform.settings.home).splitlines()
    for trust in (old, new):
        verdict = custody.verify(receipt, trust, [platform.publisher.read()])
        assert verdict.ok, verdict


def test_the_home_of_the_last_release_is_upgraded_by_opening_it_and_goes_on(home):
    assert revision(home) == RELEASE
    issued = (home / "receipts" / "latest.json").read_bytes()
    with goes_on(Settings(home=home)) as platform:
        answer_is_proved(platform)
        trust, outside = custody.trust(home), platform.publisher.read()
        assert custody.verify(issued, trust, [outside]).ok  # what 0.1.0 itself handed out
    assert revision(home) == upgrade.HEAD


def test_a_backup_comes_back_on_either_database_row_by_row(home, tmp_path, empty_database_url):
    with open_platform(Settings(home=home)) as platform:
        backup(platform, tmp_path / "one", passphrase=PASSPHRASE)
        rows = rows_of(platform, tmp_path / "rows")
    there = Settings(home=tmp_path / "there", database_url=empty_database_url)
    assert restore(there, tmp_path / "one", Wish(passphrase=PASSPHRASE)).leaves == 17
    with look_into(there) as platform:
        assert rows_of(platform, tmp_path / "rows there") == rows
        backup(platform, tmp_path / "two", passphrase=PASSPHRASE)
    with goes_on(there) as platform:
        answer_is_proved(platform)
    back = Settings(home=tmp_path / "back")
    restore(back, tmp_path / "two", Wish(passphrase=PASSPHRASE))
    with look_into(back) as platform:
        assert rows_of(platform, tmp_path / "rows back") == rows
    with goes_on(back) as platform:
        answer_is_proved(platform)


def test_a_backup_of_the_old_schema_is_upgraded_while_it_is_restored(
    home, tmp_path, empty_database_url
):
    with look_into(Settings(home=home)) as platform:  # opened without being upgraded
        made = backup(platform, tmp_path / "backups", passphrase=PASSPHRASE)
    assert made.manifest.revision == RELEASE == revision(home)
    there = Settings(home=tmp_path / "there", database_url=empty_database_url)
    restore(there, tmp_path / "backups", Wish(passphrase=PASSPHRASE))
    with goes_on(there) as platform:
        answer_is_proved(platform)


def test_a_database_that_holds_something_is_left_alone(home, tmp_path, database_url):
    with open_platform(Settings(home=home)) as platform:
        backup(platform, tmp_path / "backups")
    there = Settings(home=tmp_path / "there", database_url=database_url)
    with pytest.raises(Exception, match="not empty") as caught:
        restore(there, tmp_path / "backups", Wish())
    assert caught.value.code == "storage.not_empty"
    database = Database(database_url)
    with database.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM ledger_account")).scalar() == 0
    database.close()


def test_a_restore_that_fails_leaves_the_database_empty_and_can_be_done_again(
    home, tmp_path, empty_database_url, monkeypatch
):
    with open_platform(Settings(home=home)) as platform:
        backup(platform, tmp_path / "backups", passphrase=PASSPHRASE)
    there = Settings(home=tmp_path / "there", database_url=empty_database_url)
    from yunhe.operations import restore as module  # noqa: PLC0415

    def fail(*_args, **_named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.ledger, "replay", fail)
    with pytest.raises(Exception, match="is full"):
        restore(there, tmp_path / "backups", Wish(passphrase=PASSPHRASE))
    monkeypatch.undo()
    restore(there, tmp_path / "backups", Wish(passphrase=PASSPHRASE))
    with goes_on(there):
        pass


def test_s3_that_goes_away_during_backup_and_restore_costs_only_time(
    home, tmp_path, s3, monkeypatch
):
    monkeypatch.setattr(s3_module, "RETRIES_MAX", 1)
    with open_platform(Settings(home=home)) as platform:
        backup(platform, tmp_path / "one", passphrase=PASSPHRASE)
    wire = Wire(s3.address)
    given = {"blobs": f"s3://{BUCKET}/yunhe", "s3_endpoint": wire.address}
    there = Settings(home=tmp_path / "there", **given)
    wish = Wish(passphrase=PASSPHRASE)

    class CutAt:
        def __init__(self, name: str) -> None:
            self.name = name

        def step(self, what: str, *, done: int, total: int | None = None) -> None:
            if what == self.name and done == 6:
                wire.cut()

    with pytest.raises(Unavailable) as caught:
        restore(there, tmp_path / "one", wish, progress=CutAt("operations.restore.artefacts"))
    assert caught.value.code == "storage.s3_away"
    assert not there.database_path().exists()
    wire.mend()
    restore(there, tmp_path / "one", wish)
    with open_platform(there) as platform:
        target = tmp_path / "two"
        with pytest.raises(Unavailable) as caught:
            backup(platform, target, progress=CutAt("operations.backup.artefacts"))
        assert caught.value.code == "storage.s3_away"
        assert names(target) == []
        wire.mend()
        assert 0 < backup(platform, target).copied <= 7, "what had come was not fetched again"
        assert check(target).manifest.artefacts == 13
        answer_is_proved(platform)
    wire.cut()
    wire.shutdown()
    wire.server_close()


def test_artefacts_move_between_a_folder_and_s3_by_backup_and_restore(home, tmp_path, s3):
    with open_platform(Settings(home=home)) as platform:
        backup(platform, tmp_path / "one", passphrase=PASSPHRASE)
    given = {"blobs": f"s3://{BUCKET}/yunhe", "s3_endpoint": s3.address}
    there = Settings(home=tmp_path / "there", **given)
    restore(there, tmp_path / "one", Wish(passphrase=PASSPHRASE))
    assert not (there.home / "blobs").exists()
    assert len(s3.keys()) == 13
    with goes_on(there) as platform:
        answer_is_proved(platform)
        made = backup(platform, tmp_path / "two", passphrase=PASSPHRASE)
        assert made.copied == 13
    assert check(tmp_path / "two")
    back = Settings(home=tmp_path / "back")
    restore(back, tmp_path / "two", Wish(passphrase=PASSPHRASE))
    with open_platform(back) as platform:
        answer_is_proved(platform)
        manifest = json.loads((made.folder / "manifest.json").read_bytes())
        assert manifest["artefacts"] == len(list(platform.storage.blobs.digests()))
