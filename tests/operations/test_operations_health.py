"""What a load balancer is told: ready while the work can be done, else why, leaking nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import namedtuple
from contextlib import closing

import pytest
from server_desk import Caller, body_of, eventually, new_key, opened, serving, status_of

from yunhe.api.server import _wait
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.language import text
from yunhe.operations import health
from yunhe.operations.health import Health


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch):
    """Each question looks anew; that answers are kept for a second is tested by itself."""
    monkeypatch.setattr(health, "FRESH_SECONDS", 0.0)


def ask(url: str, path: str = "/readyz", *, headers: str = "", method: str = "GET") -> bytes:
    with Caller(url) as caller:
        caller.ask(path, headers=f"{headers}Connection: close\r\n", method=method)
        return caller.until_closed()


def checks(heard: bytes) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in body_of(heard)["checks"]}


def test_a_sound_process_is_alive_and_ready(tmp_path):
    with serving(tmp_path / "home") as running:
        assert body_of(ask(running.url, "/healthz")) == {"status": "ok"}
        heard = ask(running.url)
        assert status_of(heard) == 200
        assert body_of(heard)["ready"] is True
        assert {name for name, check in checks(heard).items() if check["needed"]} == {
            "database",
            "blobs",
            "disk",
        }
        assert status_of(ask(running.url, method="HEAD")) == 200
        assert status_of(ask(running.url, method="POST")) == 405


def test_a_process_without_a_worker_tells_that_nobody_works_but_stays_ready(tmp_path):
    with serving(tmp_path / "home") as running:
        found = checks(ask(running.url))["worker"]
    assert (found["ok"], found["needed"]) == (False, False)
    assert found["code"] == "operations.nobody_works"


def test_a_process_with_a_worker_is_ready_only_while_the_worker_lives(tmp_path):
    with serving(tmp_path / "home", parts=("worker",)) as running:
        assert status_of(ask(running.url)) == 200
        with opened(tmp_path / "home") as platform:  # as a process beside it sees it
            look = Health(platform, ("gateway",))
            eventually(lambda: {r.name: r.error for r in look.report().results}["worker"] is None)
        running.worker.stop(10.0)
        eventually(lambda: not running.worker.alive())
        heard = ask(running.url)
        assert status_of(heard) == 503
        assert checks(heard)["worker"]["code"] == "operations.worker_gone"
        assert b"retry-after: 1" in heard


def test_a_database_of_another_version_makes_it_unready(tmp_path):
    home = tmp_path / "home"
    with serving(home) as running:
        for revision in ("0002", "9999"):
            with closing(sqlite3.connect(home / "yunhe.db")) as database:
                database.execute("UPDATE alembic_version SET version_num = ?", (revision,))
                database.commit()
            heard = ask(running.url)
            assert status_of(heard) == 503
            assert checks(heard)["database"]["code"] == "operations.not_migrated"
            assert revision in str(checks(heard)["database"]["message"])
        assert status_of(ask(running.url, "/healthz")) == 200


def test_a_full_disk_makes_it_unready_before_writing_fails(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    with serving(tmp_path / "home") as running:
        monkeypatch.setattr(health.shutil, "disk_usage", lambda _: usage(1 << 40, 1 << 40, 4_096))
        heard = ask(running.url)
    assert status_of(heard) == 503
    assert checks(heard)["disk"]["code"] == "storage.disk_full"


def test_artefacts_that_cannot_be_reached_make_it_unready(tmp_path, monkeypatch):
    with opened(tmp_path / "home") as platform:
        monkeypatch.setattr(
            type(platform.storage.blobs),
            "probe",
            lambda self: (_ for _ in ()).throw(Unavailable("storage.read_only", where="there")),
        )
        report = Health(platform, ("api",)).report()
    assert not report.ready
    assert [r.name for r in report.results if r.error and r.needed] == ["blobs"]


def test_a_check_that_breaks_is_a_reason_not_to_be_ready(tmp_path, monkeypatch):
    with opened(tmp_path / "home") as platform:
        monkeypatch.setattr(type(platform.storage.blobs), "probe", lambda self: 1 / 0)
        report = Health(platform, ("api",)).report()
        said = report.as_json("en", full=True)
    assert not report.ready
    broken = next(check for check in said["checks"] if not check["ok"] and check["needed"])
    assert broken["code"] == "operations.check_broken"
    assert "ZeroDivisionError" in broken["message"]


def test_records_that_nobody_signs_are_told_after_a_minute(tmp_path):
    with opened(tmp_path / "home") as platform:
        now_us = platform.storage.clock.now_us()
        look = Health(platform, ("worker",), working=lambda: True)
        with platform.storage.database.begin() as tx:
            custody.append(tx, Record("data.source", "young", now_us - SECOND_US, {}, {}))
        assert look.report().ready
        with platform.storage.database.begin() as tx:
            custody.append(tx, Record("data.source", "old", now_us - 90 * SECOND_US, {}, {}))
        report = look.report()
        assert not report.ready
        [reason] = [r.error for r in report.results if r.error]
        assert reason.code == "operations.nobody_signs"
        platform.sequencer.run_once()
        assert look.report().ready


def test_answers_are_kept_for_a_moment_so_that_asking_often_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(health, "FRESH_SECONDS", 60.0)
    with opened(tmp_path / "home") as platform:
        look = Health(platform, ("api",))
        assert look.report() is look.report()
        look.stopping = True  # but the end is told at once
        assert not look.report().ready


def test_strangers_learn_codes_and_no_places_of_this_machine(tmp_path):
    home = tmp_path / "home"
    with serving(home) as running:
        with closing(sqlite3.connect(home / "yunhe.db")) as database:
            database.execute("UPDATE alembic_version SET version_num = '9999'")
            database.commit()
        near = ask(running.url)
        far = ask(running.url, headers="X-Forwarded-For: 192.0.2.7\r\n")
        renamed = ask(running.url, headers="Via: 1.1 proxy\r\nAccept-Language: zh\r\n")
    assert str(home) in near.decode()
    for heard in (far, renamed):
        assert status_of(heard) == 503
        assert str(home) not in heard.decode()
        assert checks(heard)["database"]["code"] == "operations.not_migrated"
        assert "message" not in checks(heard)["database"]


def test_an_operators_key_is_told_everything_through_the_proxy_too(tmp_path):
    with serving(tmp_path / "home") as running:
        with opened(tmp_path / "home") as platform:
            key = new_key(platform, scopes=frozenset({"operations:read"}))
        proxied = "X-Forwarded-For: 192.0.2.7\r\nAccept-Language: zh\r\n"
        heard = ask(running.url, headers=f"{proxied}Authorization: Bearer {key}\r\n")
        found = checks(heard)["worker"]
        assert found["message"] == text("operations.nobody_works", "zh")
        wrong = ask(running.url, headers=f"{proxied}Authorization: Bearer {key}x\r\n")
        assert "message" not in checks(wrong)["worker"]


def test_the_watchdog_is_told_only_while_the_event_loop_turns(tmp_path, monkeypatch):
    told: list[str] = []

    class Stuck:
        """A server whose loop answers twice and then no more."""

        def __init__(self) -> None:
            self.beats = [True, True, False, False]

        @property
        def root(self):
            return self

        def beat(self, seconds):
            return self.beats.pop(0)

        def alive(self):
            return bool(self.beats)

    class Never:
        def wait(self, seconds):
            return False

    monkeypatch.setattr("yunhe.operations.systemd.watchdog_seconds", lambda: 0.01)
    monkeypatch.setattr("yunhe.operations.systemd.notify", told.append)
    _wait(Stuck(), Never())
    assert told == ["WATCHDOG=1", "WATCHDOG=1"]


def test_what_is_told_is_json_that_reads_the_same_in_both_languages(tmp_path):
    with opened(tmp_path / "home") as platform:
        report = Health(platform, ("worker",), working=lambda: False).report()
    english, chinese = (report.as_json(language, full=True) for language in ("en", "zh"))
    assert json.dumps(english) != json.dumps(chinese)
    assert [c["name"] for c in english["checks"]] == [c["name"] for c in chinese["checks"]]


def test_a_worker_says_of_every_other_address_that_others_answer_there(tmp_path):
    with serving(tmp_path / "home", parts=("worker",)) as running:
        heard = ask(running.url, "/v1/me?token=yk_x")
        chinese = body_of(ask(running.url, "/v1/me", headers="Accept-Language: zh\r\n"))
    told = body_of(heard)
    assert status_of(heard) == 404
    assert (told["code"], told["params"]) == ("api.path_of_others", {"path": "/v1/me"})
    assert "/v1/me" in str(told["message"])
    assert "/v1/me" in str(chinese["message"])
    assert "{" not in f"{told['message']} {told['do']} {chinese['message']} {chinese['do']}"
