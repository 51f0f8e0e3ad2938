"""A person is erased: their name and number are nowhere then, and everything still verifies."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from operation_desk import Desk
from sqlalchemy import text
from test_operations_cleansing import DOCUMENTS, ask, lines, upload
from test_operations_plans import Office, tickets  # noqa: F401 (a fixture)
from test_operations_retention import answered

from yunhe.corpus import service as corpus
from yunhe.custody import service as custody
from yunhe.exchange import service as exchange
from yunhe.identity import service as identity
from yunhe.kernel.errors import NotFound, Unavailable
from yunhe.kernel.language import text as words
from yunhe.kernel.progress import Silent
from yunhe.models import service as models
from yunhe.notices import service as notices
from yunhe.operations import erasure, store
from yunhe.operations.handlers.corpus_cleanse import cleanse
from yunhe.operations.handlers.erasure import erase
from yunhe.operations.handlers.plans_run import run_plan
from yunhe.storage import events, operations, uploads
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.kept_errors import restored

NAME, PHONE = "欧阳修竹", "13912345678"
PLANTED = {
    "id": "t-planted",
    "label": "供水",
    "department": "电力供热",
    "text": f"联系人：{NAME}，电话{PHONE}，反映家中自来水浑浊，已经持续三天，请尽快派人检修。",
}
HANDLERS = {"corpus.cleanse": cleanse, "identity.erasure": erase, "plans.run": run_plan}


def run(desk: Desk, asked):
    made = desk.worker(HANDLERS)
    while made.run_once():
        pass
    ended = desk.see(asked)
    assert ended.state == "done", restored(ended.error)
    return ended


def everything(desk: Desk) -> Iterator[tuple[str, bytes]]:
    """All bytes that the platform has left on disk; Parquet as the text that is in it."""
    for path in sorted(desk.platform.settings.home.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield str(path.relative_to(desk.platform.settings.home)), data
            if data[:4] == b"PAR1":
                table = pq.read_table(io.BytesIO(data))
                yield (
                    f"{path.name} as a table",
                    json.dumps(table.to_pylist(), ensure_ascii=False, default=str).encode(),
                )


def places(desk: Desk, *words: str) -> list[str]:
    """Where any of the words still stands, plainly or as JSON escapes it."""
    wanted = [form for word in words for form in (word.encode(), json.dumps(word)[1:-1].encode())]
    return [where for where, data in everything(desk) if any(word in data for word in wanted)]


def erase_document(desk: Desk, source: str, key="erase", *, organisation, member="mem", **more):
    payload = {"subject": "document", "source": source, "document": "t-planted"} | more
    return desk.ask("identity.erasure", key, organisation=organisation, member=member, **payload)


def kept(report) -> set[str]:
    return {code.removeprefix("operations.kept.") for code, _ in erasure.kept_texts(report)}


@pytest.fixture
def cleansed(desk):
    """A dataset that nobody has listed, and the organisation that holds it."""
    organisation, member = desk.people("bureau", "data_holder", "data_steward")
    digest = upload(desk, lines([*DOCUMENTS, PLANTED]), organisation=organisation, member=member)
    return organisation, run(desk, ask(desk, digest, organisation=organisation, member=member))


def test_a_document_of_an_unlisted_dataset_goes_with_all_that_was_made_of_it(desk, cleansed):
    organisation, made = cleansed
    desk.platform.sequencer.run_once()
    assert places(desk, NAME, PHONE)  # or the test would show nothing
    source = made.result["source_id"]
    asked = erase_document(desk, source, organisation=organisation)
    report = run(desk, asked).result
    assert places(desk, NAME, PHONE) == []
    assert report["erased"]["blobs"] >= 2  # the raw file and a table at least
    assert report["erased"]["records"] == 2
    assert report["erased"]["datasets"] == 1
    assert kept(report) == {"leaf", "backups"}
    with desk.storage.database.read() as tx:
        for name in ("source_reference", "certificate_reference"):
            with pytest.raises(NotFound) as caught:
                custody.record(tx, made.result[name])
            assert caught.value.code == "custody.record_erased"
        assert store.erasure(tx, asked.id) == report
    audit = desk.platform.audit(None)
    assert (audit.ok, audit.erased) == (True, 2)
    # What was asked for names the document, so it goes as well.
    assert places(desk, "t-planted") == []


def test_other_documents_keep_their_decisions_and_spans(desk, cleansed):
    _, made = cleansed
    others = corpus.decisions_of(desk.storage, made.result["decisions_digest"])
    forgotten = corpus.forget(desk.storage, source=made.result["source_id"], document="t-planted")
    assert forgotten.released
    with desk.storage.database.read() as tx:
        row = tx.execute(text("SELECT * FROM corpus_cleansing")).mappings().one()
    left = corpus.decisions_of(desk.storage, row["decisions_digest"])
    assert left == [one for one in others if one.document != "t-planted"]
    assert corpus.spans_of(desk.storage, row["spans_digest"], document="t-planted") == []
    assert desk.storage.blobs.exists(forgotten.dataset_digest)  # though it is its own sample
    again = corpus.forget(desk.storage, source=made.result["source_id"], document="t-planted")
    assert again == replace(forgotten, rows=0, blobs=0)


def test_an_erasure_that_is_interrupted_anywhere_is_finished_by_the_next(
    desk, cleansed, monkeypatch
):
    organisation, made = cleansed
    delete, refused = LocalBlobs.delete, []

    def away(self, digest):
        if len(refused) < 3:
            refused.append(digest)
            raise Unavailable("storage.server_away", retryable=True)
        delete(self, digest)

    monkeypatch.setattr("yunhe.operations.worker.RETRY_SECONDS", (0.01,) * 5)
    monkeypatch.setattr(LocalBlobs, "delete", away)
    run(desk, erase_document(desk, made.result["source_id"], organisation=organisation))
    assert len(refused) == 3
    assert places(desk, NAME, PHONE) == []
    assert desk.platform.audit(None).ok


def test_only_the_holder_or_the_operator_may_have_it_erased(desk, cleansed):
    _, made = cleansed
    stranger, _ = desk.people("stranger", "company")
    made_worker = desk.worker(HANDLERS)
    asked = erase_document(desk, made.result["source_id"], organisation=stranger)
    assert made_worker.run_once()
    assert desk.see(asked).error["code"] == "operations.not_yours"
    assert places(desk, PHONE)
    operator, _ = desk.people("office", "operator", "operator")
    run(desk, erase_document(desk, made.result["source_id"], "b", organisation=operator))
    assert places(desk, PHONE) == []


def test_an_unknown_source_and_a_payload_without_a_subject_are_refused(desk):
    operator, _ = desk.people("office", "operator", "operator")
    made = desk.worker(HANDLERS)
    unknown = erase_document(desk, "source_none", organisation=operator)
    empty = desk.ask("identity.erasure", "empty", organisation=operator, subject="everything")
    while made.run_once():
        pass
    assert desk.see(unknown).error["code"] == "corpus.source_unknown"
    assert desk.see(empty).error["code"] == "operations.payload_invalid"


@pytest.mark.slow
def test_after_a_whole_run_the_person_is_gone_and_the_answers_chain_still_verifies(
    desk,
    tickets,  # noqa: F811
):
    office = Office(desk, tickets + lines([PLANTED]))
    result = run(desk, office.ask()).result
    receipt = desk.storage.blobs.read(result["receipt"])
    trust = custody.trust(desk.platform.settings.home)
    with desk.storage.database.read() as tx:
        [grant] = exchange.grants(tx)
        answer = models.answer(tx, result["answer"])
        reference = custody.ancestors(tx, answer.reference)
        [source] = [
            entry.record.subject
            for entry in reference.entries.values()
            if entry.record and entry.record.kind == "data.source"
        ]
    assert places(desk, NAME, PHONE)
    asked = erase_document(desk, source, organisation=office.organisation, member=office.member)
    report = run(desk, asked).result
    assert places(desk, NAME, PHONE) == []
    assert kept(report) == {"source_digest", "delivered", "dataset", "model", "backups"}
    for language in ("en", "zh"):
        for code, params in erasure.kept_texts(report):
            assert words(code, language, **params)
    with desk.storage.database.read() as tx:
        buyer = identity.members(tx, organisation=grant.buyer)[0]
        told = [n for n in notices.feed(tx, buyer.id) if n.kind == "document_erased"]
    assert [n.params for n in told] == [{"document": "t-planted"}]
    assert custody.verify(receipt, trust).ok
    fresh = custody.receipt(desk.storage, answer.reference)
    assert custody.verify(fresh, trust).ok
    assert desk.platform.audit(None).ok
    # Asked to, the masked copies go as well; the chain of records holds without them.
    more = erase_document(
        desk,
        source,
        "more",
        organisation=office.organisation,
        member=office.member,
        remove_dataset=True,
    )
    assert run(desk, more).result["erased"]["datasets"] == 3
    # Only what tells its holders which document to remove still names it.
    assert {where.removesuffix("-wal") for where in places(desk, "t-planted")} <= {"yunhe.db"}
    assert custody.verify(custody.receipt(desk.storage, answer.reference), trust).ok
    assert desk.platform.audit(None).ok


def test_an_erased_member_is_found_nowhere_and_what_they_did_stays_accounted_for(desk):
    operator, admin = desk.people("office", "operator", "operator")
    with desk.storage.database.begin() as tx:
        at_us = desk.storage.clock.now_us()
        uni = identity.add_organisation(tx, key="uni", name="大学", kind="university", at_us=at_us)
        person = identity.add_member(
            tx,
            key="p",
            organisation=uni.id,
            name=NAME,
            contact="ouyang.xiuzhu@example.org",
            at_us=at_us,
        ).id
        notices.notify(
            tx,
            key="n",
            kind="operation_ended",
            organisation=uni.id,
            member=person,
            subject="s",
            params={"operation": "a", "outcome": "done"},
            at_us=at_us,
        )
    answers = [answered(desk, n, member=person) for n in range(3)]
    other = answered(desk, 9, member=admin)
    desk.platform.sequencer.run_once()
    digest = upload(desk, lines([*DOCUMENTS, PLANTED]), organisation=uni.id, member=person)
    done = run(desk, ask(desk, digest, organisation=uni.id, member=person))
    waiting = desk.ask("other.kind", "w", organisation=uni.id, member=person, note="waits")
    assert places(desk, NAME, "ouyang.xiuzhu")
    payload = {"subject": "member", "member": person}
    with desk.storage.database.begin() as tx:
        asked = operations.create(
            tx,
            kind="identity.erasure",
            key="e2",
            organisation=operator,
            member=admin,
            payload=payload,
            at_us=desk.storage.clock.now_us(),
        )
    report = run(desk, asked).result
    assert places(desk, NAME, PHONE, "ouyang.xiuzhu") == []
    assert report["erased"] | {"notices": 0} == {
        "members": 1,
        "notices": 0,
        "answers": 3,
        "operations": 2,
        "uploads": 1,
    }
    assert kept(report) == {"identity", "leaf", "backups"}
    with desk.storage.database.read() as tx:
        assert identity.member(tx, person).name == ""
        assert all(models.answer(tx, one.id).erased for one in answers)
        assert models.answer(tx, other.id) == other
        assert uploads.sent_by(tx, person) == []
        assert events.after(tx, done.id, 0) == []
    assert (desk.see(done).state, desk.see(done).result) == ("done", None)
    assert desk.see(waiting).state == "cancelled"
    assert desk.platform.audit(None).ok


def test_an_upload_that_is_an_artefact_of_somebodys_stays_when_its_uploader_is_erased(
    desk, cleansed
):
    """Else whoever names a known digest could have another's dataset removed."""
    _, made = cleansed
    uni, person = desk.people("uni", "university")
    dataset = desk.storage.blobs.read(made.result["output_digest"])
    assert upload(desk, dataset, organisation=uni, member=person) == made.result["output_digest"]
    report = erasure.erase_member(desk.storage, person, besides="", progress=Silent())
    assert report["erased"]["uploads"] == 0
    assert desk.storage.blobs.exists(made.result["output_digest"])
