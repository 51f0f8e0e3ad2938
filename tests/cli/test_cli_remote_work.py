"""Work on a server from the command line: files, workloads, operations, notices."""

from __future__ import annotations

import hashlib

import pytest
from remote_desk import people, server, supplied

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.notices import service as notices
from yunhe.operations.worker import Worker
from yunhe.storage import events, operations

SPEC = """\
entry_point: {name}
arguments: {{action: copy, word: done}}
inputs: {{letter: letter.txt}}
wall_seconds_max: 60
cpu_seconds_max: 60
"""


@pytest.fixture
def running(tmp_path):
    with server(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def pair(tmp_path, capsys, monkeypatch, running):
    return people(tmp_path, capsys, monkeypatch, running)


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "job.yaml"
    path.write_text(SPEC.format(name=TRIAL), "utf-8")
    (tmp_path / "letter.txt").write_text("dear city")
    return path


def test_a_workload_is_submitted_runs_and_its_files_come_back(pair, running, spec, tmp_path):
    operator, tenant = pair
    supplied(running, operator, tenant)
    provider = LocalProvider(tmp_path / "w", {TRIAL: TRIAL_ENTRY_POINT})
    worker = Worker(running._platform, slots=1, duties=(), provider=provider)
    worker.start()
    try:
        done = tenant("--json", "submit", str(spec), "--wait", "--key", "once")
    finally:
        worker.stop(10)
    assert done.code == 0, done.out + done.err
    made = done.json
    assert made["state"] == "settled"
    assert '"event": "settled"' in done.err
    assert tenant.json("submit", str(spec), "--key", "once")["id"] == made["id"]

    target = tmp_path / "got"
    saved = ("workloads", made["id"], "--output", "letter.copy", "--to", str(target))
    assert tenant(*saved).code == 0
    assert target.read_text() == "dear city"
    assert tenant("workloads", made["id"], "--output", "none").code == NotFound.exit_code
    assert "copied" in tenant("workloads", made["id"], "--log").out
    assert "copied" in tenant.json("workloads", made["id"], "--log")["log"]
    shown = tenant("workloads", made["id"])
    assert "settled" in shown.out
    assert "CNY" in shown.out
    assert "已结算" in tenant("workloads", lang="zh").out
    assert tenant.json("cancel", made["id"])["state"] == "settled"  # it was over


def test_a_workload_that_waits_says_why_and_is_cancelled(pair, running, spec):
    operator, tenant = pair
    supplied(running, operator, tenant)
    first = tenant.json("submit", str(spec))
    second = tenant("submit", str(spec))
    assert first["state"] == "placed"
    assert "waiting" in second.out
    listed = tenant("workloads")
    for each in tenant.json("workloads")["items"]:
        assert sum(line.startswith(each["id"]) for line in listed.out.splitlines()) == 1
        assert tenant.json("cancel", each["id"])["state"] == "cancelled"
    assert tenant("cancel", "workload_" + "0" * 26).code == NotFound.exit_code


FAULTS = [
    ("a: [", "cli.spec_invalid", ":1:"),
    ("just words", "cli.spec_invalid", "names and values"),
    ("entry_point: x\nunknown_field: 1\nwall_seconds_max: soon\n", "compute.spec_invalid", ":2:1"),
    ("inputs: {a: none.txt}", "compute.spec_invalid", "none.txt"),
]


def test_a_description_with_faults_is_explained(pair, tmp_path):
    path = tmp_path / "wrong.yaml"
    for text, code, word in FAULTS:
        path.write_text(text)
        said = pair[1]("--json", "submit", str(path))
        assert said.json["code"] == code
        assert word in said.out
        chinese = pair[1]("submit", str(path), lang="zh")
        assert "Traceback" not in chinese.err
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese.err)


def test_a_description_that_is_not_there_is_said_so(pair, tmp_path):
    assert pair[1]("submit", str(tmp_path / "no.yaml")).code == NotFound.exit_code
    assert pair[1]("workloads", "--log").code == 2


def test_files_are_uploaded_and_named_by_their_digest(pair, tmp_path):
    paths = [tmp_path / "一.txt", tmp_path / "two.bin"]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 3_000_000)
    found = pair[1].json("upload", *map(str, paths))["items"]
    assert [each["digest"] for each in found] == [
        f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths
    ]
    shown = pair[1]("upload", str(paths[0]))
    assert shown.code == 0
    assert shown.out == f"{found[0]['digest']}  {paths[0]}\n"
    for language, word in (("en", "is a folder"), ("zh", "是文件夹")):
        said = pair[1]("upload", str(tmp_path), lang=language)
        assert (said.code, word in said.err) == (Invalid.exit_code, True)
    assert pair[1]("upload", str(tmp_path / "no")).code == NotFound.exit_code


def an_operation(running, tenant, key: str):
    platform, me = running._platform, tenant.json("whoami")
    with platform.storage.database.begin() as tx:
        return operations.create(
            tx,
            kind="plans.run",
            key=key,
            organisation=me["organisation"]["id"],
            member=me["member"],
            payload={},
            at_us=platform.storage.clock.now_us(),
        )


def test_operations_are_listed_followed_and_cancelled(pair, running):
    tenant = pair[1]
    assert "Nothing yet" in tenant("operations").out
    made = an_operation(running, tenant, "one")
    storage = running._platform.storage
    with storage.database.begin() as tx:
        body = {"step": "plans.stage.corpus", "done": 1, "total": 3}
        events.append(tx, stream=made.id, name="step", body=body, at_us=storage.clock.now_us())
    listed = tenant("operations")
    assert made.id in listed.out
    assert "waiting" in listed.out
    assert "cancelled" in tenant("cancel", made.id).out
    followed = tenant("operations", made.id, "--follow")
    assert followed.code == 1  # it did not end as it should
    assert "cancelled" in followed.out
    assert tenant.json("operations", made.id)["state"] == "cancelled"
    assert "已取消" in tenant("operations", made.id, lang="zh").out
    assert tenant("operations", "operation_" + "0" * 26).code == NotFound.exit_code
    assert tenant("operations", "--follow").code == 2


def test_notices_are_listed_and_marked_as_read(pair, running):
    tenant = pair[1]
    me, storage = tenant.json("whoami"), running._platform.storage
    with storage.database.begin() as tx:
        notices.notify(
            tx,
            key="n",
            kind="operation_ended",
            organisation=me["organisation"]["id"],
            member=me["member"],
            subject="operation_x",
            params={"operation": "plans.run", "outcome": "done"},
            at_us=storage.clock.now_us(),
        )
    first = tenant("notices", "--unread", "--mark-read")
    assert "•" in first.out
    assert "operation_x" in first.out
    assert tenant.json("notices", "--unread")["items"] == []
    assert "•" not in tenant("notices").out
