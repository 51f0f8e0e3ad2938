"""Writing, finding, following and erasing records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from custody_chain import NAMES, START_US
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from yunhe.custody import service as custody
from yunhe.custody import store, verifier
from yunhe.custody.domain import Record
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound

SOURCE = Record("data.source", "source_1", START_US, {"digest": "sha256:00", "bytes": 3}, {})


def count(log) -> int:
    with log.storage.database.read() as tx:
        return tx.execute(select(func.count()).select_from(store.leaf)).scalar_one()


def test_a_record_comes_back_as_it_was_written(log):
    reference = log.append(SOURCE)
    with log.storage.database.read() as tx:
        assert custody.record(tx, reference) == SOURCE
        assert custody.reference(tx, "data.source", "source_1") == reference
        assert custody.reference(tx, "data.source", "source_2") is None
    assert len(reference) == 64


def test_the_reference_is_the_leaf_hash_of_a_salted_hash_and_not_of_the_content(log):
    reference = log.append(SOURCE)
    with log.storage.database.read() as tx:
        [entry] = store.by_references(tx, [reference]).values()
    assert len(entry.salt) == 16
    assert verifier.record_hash(entry.salt, SOURCE.content()).hex() == reference
    assert verifier.record_hash(bytes(16), SOURCE.content()).hex() != reference


def test_the_same_record_in_two_logs_has_two_references(log):
    with log.storage.database.begin() as tx:
        one = custody.append(tx, SOURCE)
        tx.execute(store.leaf.delete())
        assert custody.append(tx, SOURCE) != one


def test_writing_the_same_record_again_at_another_time_is_the_same_reference(log):
    reference = log.append(SOURCE)
    assert log.append(replace(SOURCE, at_us=START_US + 5)) == reference
    assert count(log) == 1
    with log.storage.database.read() as tx:
        assert custody.record(tx, reference).at_us == START_US


@pytest.mark.parametrize(
    "other",
    [replace(SOURCE, body={"digest": "sha256:01", "bytes": 3}), replace(SOURCE, body={})],
)
def test_another_record_about_the_same_subject_is_a_conflict(log, other):
    log.append(SOURCE)
    with pytest.raises(Conflict) as caught:
        log.append(other)
    assert caught.value.code == "custody.record_differs"
    assert count(log) == 1


def test_the_same_facts_with_other_links_are_a_conflict(log):
    first, second = log.append_plain("a", "b")
    record = Record("data.certificate", "c", 1, {}, {"source": first})
    log.append(record)
    with pytest.raises(Conflict):
        log.append(replace(record, links={"source": second}))


def test_one_subject_may_have_records_of_several_kinds(log):
    assert log.append(SOURCE) != log.append(replace(SOURCE, kind="compute.award"))


def test_a_record_goes_with_its_transaction(log):
    class Crash(Exception):
        pass

    with pytest.raises(Crash), log.storage.database.begin() as tx:
        custody.append(tx, SOURCE)
        raise Crash
    assert count(log) == 0
    assert log.sequencer.run_once() is None


@pytest.mark.parametrize("to", ["0" * 64, "short", "G" * 64, "A" * 64])
def test_a_link_to_no_record_is_refused_with_its_role(log, to):
    [known] = log.append_plain("a")
    record = Record("data.certificate", "c", 1, {}, {"source": known, "other": to})
    with pytest.raises(Invalid) as caught:
        log.append(record)
    assert caught.value.code == "custody.links_unknown"
    assert [finding.where for finding in caught.value.findings] == ["other"]
    assert count(log) == 1


@pytest.mark.parametrize("value", [1.5, {"a": 2**53}, b"bytes", {"钥": 1}, "\ud800", {1, 2}])
def test_what_has_no_canonical_form_is_a_programming_error_and_writes_nothing(log, value):
    with pytest.raises((TypeError, ValueError)):
        log.append(replace(SOURCE, body={"value": value}))
    assert count(log) == 0


def test_many_fresh_records_are_written_at_once_in_order(log):
    references = log.append_plain(*(f"s{n}" for n in range(500)))
    assert len(set(references)) == 500
    with log.storage.database.read() as tx:
        assert [custody.record(tx, each).subject for each in references[::100]] == [
            f"s{n}" for n in range(0, 500, 100)
        ]
    with log.storage.database.begin() as tx:
        assert custody.append_new(tx, []) == []


def test_a_subject_that_is_not_fresh_stops_the_whole_batch(log):
    log.append_plain("a")
    with pytest.raises(Conflict) as caught:
        log.append_plain("b", "a", "c")
    assert caught.value.code == "custody.subject_taken"
    assert count(log) == 1


def test_an_unknown_reference_is_not_found(log):
    with log.storage.database.read() as tx:
        for reference in ("0" * 64, "nonsense"):
            for look in (custody.record, custody.ancestors):
                with pytest.raises(NotFound) as caught:
                    look(tx, reference)
                assert caught.value.code == "custody.record_unknown"


def test_the_ancestors_of_an_answer_are_its_whole_chain_nearest_first(log):
    known = log.chain()
    other = log.chain(suffix="2")
    with log.storage.database.read() as tx:
        chain = custody.ancestors(tx, known["answer"])
    assert chain.subject == known["answer"]
    assert set(chain.entries) == set(known.values())
    assert not set(chain.entries) & set(other.values())
    assert list(chain.entries)[:3] == [known["answer"], known["deployment"], known["release"]]
    assert chain.entries[known["model"]].record.links["split"] == known["split"]
    assert [chain.entries[known[name]].index for name in NAMES] == list(range(len(NAMES)))


def test_the_ancestors_of_a_certificate_are_it_and_its_source(log):
    known = log.chain()
    with log.storage.database.read() as tx:
        chain = custody.ancestors(tx, known["certificate"])
    assert list(chain.entries) == [known["certificate"], known["source"]]


def test_a_chain_beyond_the_bound_is_refused(log, monkeypatch):
    known = log.chain()
    monkeypatch.setattr(custody, "ANCESTORS_MAX", 5)
    with log.storage.database.read() as tx, pytest.raises(Exhausted) as caught:
        custody.ancestors(tx, known["answer"])
    assert caught.value.code == "custody.chain_too_long"


def test_erasing_leaves_the_leaf_and_takes_content_and_salt(log):
    known = log.chain()
    with log.storage.database.begin() as tx:
        custody.erase(tx, known["answer"])
        custody.erase(tx, known["answer"])
    with log.storage.database.read() as tx:
        with pytest.raises(NotFound) as caught:
            custody.record(tx, known["answer"])
        assert caught.value.code == "custody.record_erased"
        [entry] = custody.ancestors(tx, known["answer"]).entries.values()
        row = tx.execute(select(store.leaf).where(store.leaf.c.subject == "answer_1")).one()
    assert (entry.record, entry.salt) == (None, b"")
    assert (row.body, row.links, row.salt) == (None, None, None)
    assert custody.audit(log.storage, log.trust()).ok


@pytest.mark.sqlite_only("reads its files")
def test_erased_content_is_gone_from_the_database_files(log, tmp_path):
    secret = "a-commitment-nobody-should-find-again"
    reference = log.append(replace(SOURCE, body={"request_commitment": secret}))
    log.sequencer.run_once()
    with log.storage.database.begin() as tx:
        custody.erase(tx, reference)
    log.storage.database.close()  # the last connection folds the write-ahead log into the file
    files = [path for path in tmp_path.glob("yunhe.db*") if path.is_file()]
    assert files
    assert all(secret.encode() not in path.read_bytes() for path in files)


def test_a_record_can_be_erased_before_it_is_sequenced(log):
    [reference] = log.append_plain("a")
    with log.storage.database.begin() as tx:
        custody.erase(tx, reference)
    assert log.sequencer.run_once().size == 1
    assert custody.audit(log.storage, log.trust()).ok


def test_writing_an_erased_record_again_does_not_bring_it_back(log):
    reference = log.append(SOURCE)
    with log.storage.database.begin() as tx:
        custody.erase(tx, reference)
    assert log.append(SOURCE) == reference
    with log.storage.database.read() as tx, pytest.raises(NotFound):
        custody.record(tx, reference)


def test_what_is_unknown_or_a_change_of_key_cannot_be_erased(log):
    new = custody.rotate(log.storage, log.signer)
    with log.storage.database.begin() as tx:
        reference = custody.reference(tx, "key.rotated", new)
        with pytest.raises(NotAllowed) as caught:
            custody.erase(tx, reference)
        assert caught.value.code == "custody.not_erasable"
        with pytest.raises(NotFound):
            custody.erase(tx, "0" * 64)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_the_verifier_and_the_kernel_agree_on_the_bytes_of_a_value(value):
    assert verifier.canonical(value) == canonical_bytes(value)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(st.text("abc", min_size=1), JSON, max_size=4))
def test_any_body_survives_the_database_and_a_receipt(log, body):
    with log.storage.database.begin() as tx:
        tx.execute(store.leaf.delete().where(store.leaf.c.leaf_index.is_(None)))
        before = tx.execute(select(func.count()).select_from(store.leaf)).scalar_one()
    reference = log.append(Record("data.source", f"s{before}", START_US, body, {}))
    log.sequencer.run_once()
    with log.storage.database.read() as tx:
        assert custody.record(tx, reference).body == body
    assert log.verify(reference).ok
