"""`corpus.cleanse` as an operation: what it makes, whose bytes it takes, killed and cancelled."""

from __future__ import annotations

import json

import pytest
from operation_desk import Desk

from yunhe.corpus import service as corpus
from yunhe.corpus.running import stages
from yunhe.kernel.canonical import sha256
from yunhe.operations.handlers.corpus_cleanse import cleanse
from yunhe.operations.task import WORK_FOLDER
from yunhe.storage import uploads
from yunhe.storage.kept_errors import restored

DOCUMENTS = [
    {
        "id": f"t{n}",
        "label": "道路" if n % 2 else "供水",
        "text": f"市民反映第{n}号路口的{fault}，请尽快派人处理这一问题。",
    }
    for n in range(40)
    for fault in ["路灯不亮" if n % 2 else "水压很低"]
]


def lines(documents) -> bytes:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in documents).encode()


def upload(desk: Desk, data: bytes, *, organisation="org", member="mem") -> str:
    blob = desk.storage.blobs.put(data)
    with desk.storage.database.begin() as tx:
        uploads.keep(
            tx,
            organisation=organisation,
            member=member,
            digest=blob.digest,
            size_bytes=blob.size_bytes,
            at_us=desk.storage.clock.now_us(),
        )
    return blob.digest


def ask(desk: Desk, digest: str, key: str = "k", **more):
    wanted = {
        "input": digest,
        "file": "工单.jsonl",
        "name": "热线",
        "licence": "CC-BY-4.0",
        "text": "text",
        "label": "label",
        "id": "id",
    }
    organisation, member = more.pop("organisation", "org"), more.pop("member", "mem")
    return desk.ask(
        "corpus.cleanse", key, organisation=organisation, member=member, **wanted | more
    )


def leftovers(desk: Desk) -> list[str]:
    return [path.name for path in (desk.platform.settings.home / WORK_FOLDER).glob("*")]


def test_an_uploaded_file_becomes_a_certified_dataset_of_the_organisation_that_asked(desk):
    organisation, member = desk.people("bureau", "data_holder", "data_steward")
    digest = upload(desk, lines(DOCUMENTS), organisation=organisation, member=member)
    made = desk.worker({"corpus.cleanse": cleanse})
    asked = ask(desk, digest, organisation=organisation, member=member)
    assert made.run_once()
    ended = desk.see(asked)
    assert ended.state == "done", ended.error
    with desk.storage.database.read() as tx:
        assert corpus.holder_of(tx, ended.result["source_id"]) == organisation
    assert ended.result["input_digest"] == digest
    assert desk.storage.blobs.exists(ended.result["output_digest"])
    assert leftovers(desk) == []


def test_the_bytes_of_another_organisation_can_not_be_worked_on_by_naming_their_digest(desk):
    theirs = upload(desk, lines(DOCUMENTS), organisation="others")
    made = desk.worker({"corpus.cleanse": cleanse})
    known, unheard_of = ask(desk, theirs), ask(desk, sha256(b"nothing"), "k2")
    assert made.run_once()
    assert made.run_once()
    errors = [desk.see(one).error for one in (known, unheard_of)]
    assert [error["code"] for error in errors] == ["storage.upload_unknown"] * 2


@pytest.mark.parametrize(
    ("part", "value"),
    [("file", "../../etc/passwd"), ("file", 7), ("text", None), ("synthetic", "yes"), ("input", 1)],
)
def test_a_payload_it_can_not_work_with_is_refused_with_the_part_named(desk, part, value):
    digest = upload(desk, lines(DOCUMENTS))
    made = desk.worker({"corpus.cleanse": cleanse})
    asked = ask(desk, digest, **{part: value})
    assert made.run_once()
    error = restored(desk.see(asked).error)
    assert error.code == "operations.payload_invalid"
    assert [finding.where for finding in error.findings] == [part]


def test_faults_of_the_file_are_told_whole(desk):
    digest = upload(desk, b'{"text": 1}\nnot json\n')
    made = desk.worker({"corpus.cleanse": cleanse})
    asked = ask(desk, digest, label=None, id=None)
    assert made.run_once()
    error = restored(desk.see(asked).error)
    assert error.code == "corpus.input_faulty"
    assert len(error.findings) == 2


def test_a_workload_that_is_named_must_be_there(desk):
    digest = upload(desk, lines(DOCUMENTS))
    made = desk.worker({"corpus.cleanse": cleanse})
    asked = ask(desk, digest, workload="workload_none")
    assert made.run_once()
    assert desk.see(asked).error["code"] == "compute.workload_unknown"


def test_cancelled_between_two_batches_it_leaves_nothing_behind(desk, monkeypatch):
    digest = upload(desk, lines(DOCUMENTS))
    made = desk.worker({"corpus.cleanse": cleanse})
    asked = ask(desk, digest)
    finished = stages._finished

    def cancel_then(*args, **more):
        desk.cancel(asked)
        yield from finished(*args, **more)

    monkeypatch.setattr(stages, "_finished", cancel_then)
    monkeypatch.setattr(
        "yunhe.operations.watch.Watch.halt", lambda self: self._look() or halt(self)
    )

    def halt(self):
        return "cancel" if self._cancelled else ""

    assert made.run_once()
    assert desk.see(asked).state == "cancelled"
    assert leftovers(desk) == []


def test_what_a_killed_attempt_left_on_disk_is_swept_when_a_worker_starts(desk):
    left = desk.platform.settings.home / WORK_FOLDER / "operation_gone-abc"
    left.mkdir(parents=True)
    (left / "input.jsonl").write_text("张三 13800138000")
    desk.started({})
    assert not left.exists()
