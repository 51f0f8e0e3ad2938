"""`yunhe doctor`: finds what is wrong, says how to mend it, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from server_desk import ENVIRONMENT, eventually, new_key, opened, serving

from free_ports import free_port
from yunhe.compute.providers import sandbox
from yunhe.compute.providers.remote import UsageEvent
from yunhe.compute.remote import store as remote
from yunhe.compute.remote.metering import Judged
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.identity import tables
from yunhe.kernel.clock import DAY_US, SECOND_US, ManualClock
from yunhe.kernel.language import LANGUAGES, text
from yunhe.ledger import service as ledger
from yunhe.operations import doctor
from yunhe.operations.checks import machine, places
from yunhe.operations.doctor import GROUPS, examine, healthy
from yunhe.settings import Settings
from yunhe.storage import erased, leases, uploads
from yunhe.vault import service as vault

CHECKS = Path(doctor.__file__).parent / "checks"


def look(home: Path, *, deep: bool = False, clock=None, **settings) -> dict[str, list[str]]:
    """Check → ``state code`` of everything it said."""
    found: dict[str, list[str]] = {}
    for line in examine(Settings(home=home, **settings), deep=deep, environment={}, clock=clock):
        code = line.found.code.removeprefix("operations.doctor.")
        found.setdefault(line.check, []).append(f"{line.found.state} {code}")
    return found


@pytest.fixture
def home(tmp_path) -> Path:
    """A home in which something was signed and kept."""
    folder = tmp_path / "home"
    with opened(folder) as platform:
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            for number in range(5):
                custody.append(tx, Record("data.source", f"src_{number}", now_us, {}, {}))
        platform.sequencer.run_once()
        for number in range(3):
            platform.storage.blobs.put(f"artefact {number}".encode())
    return folder


def everything(folder: Path) -> dict[str, str]:
    """Every file of the home with the digest of its bytes, without SQLite's own side files."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-wal", "-shm"))
    }


@contextmanager
def edited(home: Path) -> Iterator[sqlite3.Connection]:
    """The database, in the hands of somebody who may write the file."""
    with closing(sqlite3.connect(home / "yunhe.db")) as database:
        yield database
        database.commit()


def test_a_sound_home_has_nothing_that_fails_and_is_left_as_it_was(home):
    before = everything(home)
    found = look(home, deep=True)
    assert [said for lines in found.values() for said in lines if said.startswith("failed")] == []
    assert found["log"] == ["ok log_fine"]
    assert found["digests"] == ["ok digests_fine"]
    assert found["outside"] == ["warning outside_inside"]
    assert found["worker"] == ["warning operations.nobody_works"]
    assert everything(home) == before


def test_every_check_is_asked_and_says_something(home):
    asked = {check for group in GROUPS.values() for check in group}
    assert look(home).keys() == asked


def test_a_running_service_has_no_complaint_about_its_work(home):
    with serving(home, parts=("worker",)):
        eventually(lambda: look(home)["worker"] == ["ok worker_fine"])
        assert look(home)["sequencer"] == ["ok sequencer_fine"]


def test_nothing_there_is_told_and_nothing_is_made(tmp_path):
    found = look(tmp_path / "none")
    assert found["home"] == ["failed home_missing"]
    assert found["database"] == ["failed database_missing"]
    assert found["signing_key"] == ["failed custody.keys_missing"]
    assert found["ledger"] == ["skipped no_tables"]
    assert not (tmp_path / "none").exists()


def test_a_home_that_others_can_read_is_told(home):
    home.chmod(0o755)
    assert look(home)["home"] == ["warning home_open"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_home_of_another_user_is_told(home):
    os.chown(home, 12_345, 12_345)
    assert look(home)["home"] == ["failed home_owner"]


def test_a_disk_that_fills_up_is_told_in_two_steps(home, monkeypatch):
    free = [1 << 30]
    usage = type("usage", (), {"free": property(lambda self: free[0])})
    monkeypatch.setattr(places.shutil, "disk_usage", lambda _: usage())
    assert look(home)["disk"] == ["warning disk_low"]
    free[0] = 1 << 20
    assert look(home)["disk"] == ["failed storage.disk_full"]


def test_sqlite_on_a_network_disk_is_told(home, monkeypatch, tmp_path):
    mounts = tmp_path / "mountinfo"
    lines = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"40 21 0:40 / {tmp_path} rw shared:1 - nfs4 server:/homes rw\n"
        "41 21 0:41 / /somewhere\\040else rw - tmpfs tmpfs rw\n"
    )
    mounts.write_text(lines)
    assert places.file_system_of(home, mounts) == "nfs4"
    assert places.file_system_of(Path("/"), mounts) == "ext4"
    assert places.file_system_of(Path("/somewhere else/x"), mounts) == "tmpfs"
    assert places.file_system_of(home, tmp_path / "missing") == ""
    monkeypatch.setattr(places, "file_system_of", lambda _: "nfs4")
    assert look(home)["file_system"] == ["failed network_disk"]


def test_a_database_that_is_not_written_ahead_is_told(home):
    with closing(sqlite3.connect(home / "yunhe.db")) as database:
        assert database.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    assert look(home)["write_ahead"] == ["warning wal_off"]


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("0001", "warning operations.not_migrated"),
        ("9999", "failed storage.newer"),
        ("restoring", "failed storage.restoring"),
    ],
)
def test_a_database_of_another_version_is_told_and_not_changed(home, revision, said):
    with edited(home) as database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    found = look(home)
    assert found["database"] == [said]
    assert found["log"] == found["lost"] == ["skipped no_tables"]
    with edited(home) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == (revision,)


def test_a_database_that_is_none_is_told(home):
    (home / "yunhe.db").write_bytes(b"this is no database at all" * 1_000)
    for leftover in ("yunhe.db-wal", "yunhe.db-shm"):
        (home / leftover).unlink(missing_ok=True)
    found = look(home)
    assert found["database"] == ["failed storage.damaged"]
    assert found["write_ahead"] == ["skipped no_tables"]  # starting it would not help
    assert found["ledger"] == ["skipped no_tables"]


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path):
    address = "postgresql://yunhe:hunter2@127.0.0.1:9/yunhe"
    lines = list(examine(Settings(home=tmp_path, database_url=address), environment={}))
    [database] = [line for line in lines if line.check == "database"]
    assert database.found.state == "failed"
    assert "hunter2" not in json.dumps([line.as_json("en") for line in lines])


def test_an_artefact_whose_bytes_changed_is_named(home):
    victim = next(path for path in (home / "blobs").rglob("*") if path.is_file())
    victim.chmod(0o644)
    victim.write_bytes(b"something else")
    found = look(home)["digests"]
    assert found == ["failed storage.blob_damaged"]


@pytest.mark.parametrize("deep", [False, True])
def test_artefacts_that_rows_name_and_that_are_gone_are_named(home, deep):
    with opened(home) as platform:
        kept = [platform.storage.blobs.put(f"upload {number}".encode()) for number in range(7)]
        with platform.storage.database.begin() as tx:
            for blob in kept:
                uploads.keep(
                    tx,
                    organisation="org_1",
                    member="mem_1",
                    digest=blob.digest,
                    size_bytes=blob.size_bytes,
                    at_us=1,
                )
            erased.note(tx, [kept[0].digest], at_us=2)
        platform.storage.blobs.delete(kept[0].digest)
        assert look(home, deep=deep)["lost"] == ["ok named_fine"]
        platform.storage.blobs.delete(kept[1].digest)
        assert look(home, deep=deep)["lost"] == ["failed storage.blob_missing"]
        for blob in kept[2:]:
            platform.storage.blobs.delete(blob.digest)
    assert look(home, deep=deep)["lost"] == [
        *["failed storage.blob_missing"] * 5,
        "failed artefacts_lost",
    ]
    alone = subprocess.run(
        [sys.executable, "-m", "yunhe", "--home", str(home), "--json", "doctor"],
        capture_output=True, text=True, check=False, timeout=60, env=ENVIRONMENT,
    )  # fmt: skip
    assert alone.returncode == 1
    assert "storage.blob_missing" in alone.stdout


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE custody_leaf SET body = '{\"amount\":1}' WHERE leaf_index = 2",
        "UPDATE custody_checkpoint SET root = zeroblob(32)",
        "UPDATE custody_node SET hash = zeroblob(32) WHERE number = 0",
        "DELETE FROM custody_leaf WHERE leaf_index = 4",
    ],
    ids=["record", "root", "node", "removed"],
)
def test_a_log_somebody_changed_is_told(home, change, deep):
    with edited(home) as database:
        assert database.execute(change).rowcount > 0
    assert "failed tampered" in look(home, deep=deep)["log"]


def test_a_log_that_was_begun_anew_contradicts_the_outside(home):
    outside = (home / "witness" / "checkpoints.txt").read_text()
    with edited(home) as database:
        for table in ("custody_leaf", "custody_node", "custody_checkpoint", "custody_log"):
            database.execute(f"DELETE FROM {table}")
    assert outside
    assert look(home)["outside"] == ["failed tampered"]


def test_a_missing_outside_is_told(home):
    (home / "witness" / "checkpoints.txt").unlink()
    assert look(home)["outside"] == ["failed outside_empty"]
    elsewhere = home.parent / "outside.txt"
    with opened(home, checkpoints=str(elsewhere)) as platform:
        platform.sequencer.run_once()
    assert look(home, checkpoints=str(elsewhere))["outside"] == ["ok outside_fine"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda key: key.chmod(0o644), "failed custody.key_permissions"),
        (lambda key: key.unlink(), "failed custody.keys_missing"),
        (lambda key: key.write_bytes(b"none"), "failed custody.key_damaged"),
    ],
    ids=["readable", "missing", "damaged"],
)
def test_a_signing_key_that_cannot_be_used_is_told(home, change, said):
    change(home / "keys" / "log.pem")
    assert look(home)["signing_key"] == [said]


def test_another_origin_than_the_keys_is_told(home):
    assert look(home, origin="other.example/log")["signing_key"] == [
        "failed custody.origin_differs"
    ]


def test_a_clock_that_went_back_is_told(home):
    with opened(home) as platform:
        now_us = platform.storage.clock.now_us()
    back = ManualClock(now_us - 3_600 * SECOND_US)
    assert look(home, clock=back)["clock"] == ["failed clock_back"]
    assert look(home)["clock"] == ["ok clock_fine"]


@pytest.mark.parametrize("deep", [False, True])
def test_a_ledger_that_does_not_sum_to_zero_is_told(home, deep):
    with edited(home) as database:
        database.execute(
            "INSERT INTO ledger_account (id, owner, unit, purpose, overdraft, debits, credits)"
            " VALUES ('acc_1', 'org_1', 'CNY', 'main', 0, 0, 700)"
        )
    said = look(home, deep=deep)["ledger"]
    assert said[0] in ("failed ledger_sum", "failed tampered")


def test_usage_that_cannot_be_true_is_told_for_a_week_in_words(home):
    event = UsageEvent("e1", "workload_1-1", start_us=9, end_us=3, devices=2)
    judged = Judged(event, counts=False, finding="compute.usage_negative")
    with opened(home) as platform:
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            remote.add_usage(tx, "yard", [judged], at_us=now_us)
    found = examine(Settings(home=home), environment={}, clock=ManualClock(now_us))
    [line] = [each for each in found if each.check == "usage"]
    assert line.found.state == "warning"
    for language in LANGUAGES:
        said = line.found.message(language)
        assert text("compute.usage_negative", language) in said
        assert "yard" in said
        assert "workload_1-1" in said
    later = ManualClock(now_us + 8 * DAY_US)
    assert look(home, clock=later)["usage"] == ["ok usage_fine"]


@pytest.mark.parametrize("deep", [False, True])
def test_an_amount_that_is_held_is_counted_once(home, deep):
    with opened(home) as platform, platform.storage.database.begin() as tx:
        now_us = platform.storage.clock.now_us()
        account = ledger.open_account(tx, owner="org_1", unit="CNY", purpose="cash")
        ledger.grant(tx, key="in", account=account, amount=700, at_us=now_us)
        until_us = now_us + DAY_US
        ledger.hold(
            tx, key="held", account=account, amount=300, expires_at_us=until_us, at_us=now_us
        )
    assert look(home, deep=deep)["ledger"] == [f"ok {'replay' if deep else 'ledger'}_fine"]


def test_records_and_work_that_wait_are_told(home):
    with opened(home) as platform:
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            custody.append(tx, Record("data.source", "late", now_us - 600 * SECOND_US, {}, {}))
            for number in range(3):
                leases.enqueue(
                    tx, kind="operation:plans.run", key=str(number), payload={},
                    at_us=now_us - 3 * 3_600 * SECOND_US,
                )  # fmt: skip
        leases.claim(platform.storage, ["operation:plans.run"])
    with edited(home) as database:
        database.execute(
            "UPDATE storage_work SET lease_until_us = lease_until_us - 3600000000"
            " WHERE state = 'running'"
        )
    found = look(home)
    assert found["sequencer"] == ["failed operations.nobody_signs"]
    assert found["work"] == ["warning work_abandoned", "warning work_waits"]


def test_a_duty_that_fails_is_told_with_its_reason(home):
    with serving(home, parts=("worker",)):
        eventually(lambda: look(home)["worker"] == ["ok worker_fine"])
    with edited(home) as database:
        database.execute(
            "UPDATE operations_duty SET problem = 'storage.disk_full' WHERE name = 'compute.admit'"
        )
    assert look(home)["worker"] == ["failed duty_failing"]


def test_roles_that_must_be_apart_are_told(home):
    with opened(home) as platform:
        new_key(platform, kind="company", role="trainer")
        with platform.storage.database.begin() as tx:
            [member] = identity.members_with_role(tx, "trainer")
            # As it stands where the role was granted before there was the rule.
            tx.execute(tables.roles.insert().values(member=member.id, role="evaluator", at_us=1))
    assert "failed duties_broken" in look(home)["duties"]


def test_keys_that_never_expire_are_told_once_they_are_old(home):
    with opened(home) as platform:
        new_key(platform)
        now_us = platform.storage.clock.now_us()
    assert look(home)["keys"] == ["ok keys_fine"]
    later = ManualClock(now_us + 400 * DAY_US)
    assert look(home, clock=later)["keys"] == ["warning keys_old"]


def test_operators_whose_last_keys_end_soon_are_told(home):
    with opened(home) as platform:
        new_key(platform, kind="operator", role="operator")
        now_us = platform.storage.clock.now_us()
        with platform.storage.database.begin() as tx:
            [member] = identity.members_with_role(tx, "operator")
            for key in identity.keys(tx, member=member.id):
                identity.revoke_key(tx, key.id, at_us=now_us)
            end_us = now_us + 30 * DAY_US
            identity.issue_key(tx, member=member.id, expires_at_us=end_us, at_us=now_us)
    assert look(home)["keys"] == ["ok keys_fine"]
    later = ManualClock(now_us + 17 * DAY_US)
    assert look(home, clock=later)["keys"] == ["warning keys_ending"]


def test_secrets_whose_key_is_lost_are_told(home):
    with opened(home) as platform, platform.storage.database.begin() as tx:
        vault.put(
            tx, platform.vault, organisation="org_1", name="TOKEN", value=b"abcdefgh",
            member="mem_1", at_us=1,
        )  # fmt: skip
    assert look(home)["secrets"] == ["ok secrets_fine"]
    (home / "keys" / "secrets.key").rename(home / "away")
    assert look(home)["secrets"] == ["failed secrets_lost"]


@pytest.mark.parametrize(
    ("chosen", "check", "said"),
    [
        ({"host": "0.0.0.0"}, "address", "failed exposed"),
        ({"public_url": "http://yunhe.example"}, "address", "failed public_in_clear"),
        ({"public_url": "https://localhost:9"}, "address", "warning proxies_unnamed"),
        ({"oidc_issuer": "https://id.example"}, "sign_in", "failed sign_in_half"),
        ({"oidc_client_id": "yunhe"}, "sign_in", "failed sign_in_half"),
        ({"oidc_issuer": "http://id.example", "oidc_client_id": "x"}, "sign_in",
         "failed issuer_in_clear"),
        ({"smtp_url": "smtp://127.0.0.1:9"}, "mail", "failed mail_half"),
        ({"mail_from": "a@yunhe.example"}, "mail", "failed mail_half"),
        ({"smtp_url": "smtp://u:pw@127.0.0.1:9", "mail_from": "a@b.example"}, "mail",
         "warning mail_password_in_address"),
        ({"smtp_url": "smtp://127.0.0.1:9", "mail_from": "a@b.example"}, "mail_server",
         "failed mail_unreachable"),
        ({"public_url": "https://localhost:9"}, "certificate", "failed public_unreachable"),
        ({"outbound_allow": "not a network"}, "outbound", "failed outbound.allow_invalid"),
        ({"isolation": "approved"}, "isolation", "ok isolation_approved"),
    ],
)  # fmt: skip
def test_settings_that_contradict_or_lack_something_are_told(home, chosen, check, said):
    assert said in look(home, **chosen)[check]


def test_files_of_secrets_are_there_private_and_not_empty(home, tmp_path):
    file = tmp_path / "secret"
    both = {"oidc_issuer": "https://id.example", "oidc_client_id": "x"}
    chosen = {**both, "public_url": "https://localhost:9", "oidc_client_secret_file": file}
    assert look(home, **chosen)["sign_in"] == ["failed secret_file_unreadable"]
    file.write_text("")
    assert look(home, **chosen)["sign_in"] == ["failed secret_file_empty"]
    file.write_text("hunter2")
    file.chmod(0o644)
    assert look(home, **chosen)["sign_in"] == ["warning secret_file_open"]
    file.chmod(0o600)
    assert look(home, **chosen)["sign_in"] == ["ok sign_in_fine"]


def test_a_mail_server_that_answers_is_told_so(home):
    port = free_port()
    controller = Controller(Sink(), hostname="127.0.0.1", port=port, ready_timeout=90)
    controller.start()
    try:
        chosen = {"smtp_url": f"smtp://127.0.0.1:{port}", "mail_from": "a@b.example"}
        assert look(home, **chosen)["mail_server"] == ["ok mail_answers"]
    finally:
        controller.stop()


def test_extras_that_settings_ask_for_and_are_missing_are_told(home, monkeypatch):
    chosen = {"otlp_endpoint": "http://127.0.0.1:9"}
    assert look(home, **chosen)["extras"] == ["ok extras_fine"]
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert look(home, **chosen)["extras"] == ["failed extra_missing"]


def test_a_low_limit_of_open_files_is_told(home):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))\n"
        "from yunhe.cli.main import main\n"
        f"main(['--json', '--home', {str(home)!r}, 'doctor'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=ENVIRONMENT
    )
    told = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert told["files"]["state"] == "warning"
    assert "512" in told["files"]["message"]


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_without_a_sandbox_it_says_what_runs_instead(home, monkeypatch):
    monkeypatch.setattr(sandbox, "bubblewrap", lambda: None)
    assert look(home)["isolation"] == ["warning isolation_missing"]
    assert look(home, isolation="bubblewrap")["isolation"] == ["failed isolation_missing"]


def test_a_check_that_breaks_does_not_hide_the_others(home, monkeypatch):
    monkeypatch.setitem(GROUPS["home"], "disk", lambda _: 1 / 0)
    found = look(home)
    assert found["disk"] == ["failed operations.check_broken"]
    assert found["log"] == ["ok log_fine"]


def test_only_what_fails_makes_it_unhealthy(home):
    lines = list(examine(Settings(home=home), environment={}))
    assert any(line.found.state == "warning" for line in lines)
    assert healthy(lines)


def test_every_sentence_exists_in_both_languages_with_advice_where_something_is_wrong():
    said = re.compile(r"\b(fine|skipped|warning|failed)\(\s*\"([a-z_.]+)\"")
    calls = [
        found for path in sorted(CHECKS.glob("*.py")) for found in said.findall(path.read_text())
    ]
    assert len(calls) > 60
    for kind, code in calls:
        for language in LANGUAGES:
            assert text(code, language).partition(" ")[0] != code, code
            advice = text(f"{code}.do", language)
            assert bool(advice) or kind in ("fine", "skipped"), code
    for group in GROUPS:
        assert text(f"operations.doctor.group.{group}", "zh") != f"operations.doctor.group.{group}"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_people_and_programs_are_told_the_same(home, language):
    (home / "keys" / "log.pem").chmod(0o644)
    line = [sys.executable, "-m", "yunhe", "--lang", language, "--home", str(home)]
    told = [
        subprocess.run(
            [*line, *more, "doctor"], capture_output=True, text=True, check=False, env=ENVIRONMENT
        )
        for more in ([], ["--json"])
    ]
    assert [done.returncode for done in told] == [1, 1]
    said = json.loads(told[1].stdout)
    assert said["ok"] is False
    failed = sum(check["state"] == "failed" for check in said["checks"])
    assert said["counts"]["failed"] == failed > 0
    shown = re.sub(r"[\s\d]+", "", told[0].stdout)
    for check in said["checks"]:
        assert re.sub(r"[\s\d]+", "", check["message"]) in shown
        if check["state"] in ("failed", "warning"):
            assert re.sub(r"[\s\d]+", "", check["do"]) in shown


def test_people_are_told_as_many_findings_as_they_are_shown(home):
    (home / "trust.txt").unlink()  # the key and the log both miss it, in the same words
    line = [sys.executable, "-m", "yunhe", "--lang", "en", "--home", str(home), "doctor"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    shown = done.stdout.splitlines()
    assert shown[-1].startswith("1 failed: ")
    for mark, word in (("✗", "failed"), ("✓", "fine"), ("!", "to look at"), ("–", "not looked at")):
        said = re.search(rf"(\d+) {word}", shown[-1])
        assert said
        assert int(said[1]) == sum(each.startswith(f" {mark} ") for each in shown)
