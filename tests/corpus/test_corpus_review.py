"""Reviews by people: who is given what, what judgements come to, and what is on record."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from pyarrow import parquet
from review_desk import (
    ANN,
    BEN,
    CAT,
    OPENER,
    certify,
    dataset_bytes,
    fine,
    opened,
    reviews,
    say,
    take,
    work,
    wrong,
)

from yunhe.corpus import profiles
from yunhe.corpus.forgetting import forget, is_artefact
from yunhe.corpus.intervals import share
from yunhe.corpus.review.domain import Asked, Judgement
from yunhe.custody import service as custody
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.clock import ManualClock
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError
from yunhe.kernel.progress import Silent
from yunhe.storage import operations
from yunhe.storage.service import Storage


def refusal(kind: type[YunheError], work, *given, **named) -> YunheError:
    with pytest.raises(kind) as caught:
        work(*given, **named)
    assert caught.value.message("zh") != caught.value.message("en")
    return caught.value


def test_two_reviewers_who_agree_end_a_review_with_both_verdicts_on_record(
    storage: Storage,
) -> None:
    review = opened(storage, 10)
    assert (review.items, review.population, review.state) == (10, 10, "open")
    assert work(storage, review.id, ANN).state == "open"
    done = work(storage, review.id, BEN)
    assert done.state == "finished"
    assert done.result is not None
    assert done.result["share"] == share(10, 10)
    assert done.result["meets_standard"] is True
    assert done.result["meets_with_confidence"] is False  # ten items can't show so much
    assert done.result["reviewers"] == 2
    with storage.database.read() as tx:
        assert reviews.review(tx, review.id) == done
        record = custody.record(tx, str(done.reference))
        certificate = custody.reference(tx, "data.certificate", review.certificate)
    assert (record.kind, record.subject) == ("data.review", review.id)
    assert record.links == {"certificate": certificate}
    assert record.body["result_digest"] == digest_of(done.result)
    assert record.body["meets_standard"] is True
    assert (record.body["judged"], record.body["passed"]) == (10, 10)


def test_one_person_never_gets_both_slots_of_an_item(storage: Storage) -> None:
    review = opened(storage, 6)
    held = take(storage, review.id, ANN, 100)
    assert [each.item for each in held] == [1, 2, 3, 4, 5, 6]
    say(storage, review.id, ANN, *(fine(each.item) for each in held))
    assert take(storage, review.id, ANN, 100) == []


def test_two_people_at_once_never_hold_the_same_slot(storage: Storage) -> None:
    review = opened(storage, 6)
    slots = [(c.item, c.slot) for who in (ANN, BEN, CAT) for c in take(storage, review.id, who, 6)]
    assert len(slots) == len(set(slots)) == 12


def test_asking_twice_gives_the_same_items(storage: Storage) -> None:
    review = opened(storage, 6)
    first = take(storage, review.id, ANN, 2)
    assert take(storage, review.id, ANN, 2) == first
    assert [each.item for each in take(storage, review.id, ANN, 2, after=2)] == [3, 4]


def test_a_vanished_reviewers_items_go_to_somebody_else(
    storage: Storage, clock: ManualClock
) -> None:
    review = opened(storage, 1)
    take(storage, review.id, ANN)
    take(storage, review.id, BEN)
    assert take(storage, review.id, CAT) == []
    clock.advance(seconds=reviews.rules().lease_seconds)
    [given] = take(storage, review.id, CAT)
    lost = refusal(Conflict, say, storage, review.id, ANN, fine(1))
    assert [each.code for each in lost.findings] == ["corpus.review_not_held"]
    say(storage, review.id, CAT, fine(1))
    assert say(storage, review.id, BEN, fine(1)).state == "finished"  # late, but nobody took it
    assert given.slot == 1


def test_items_taken_away_as_a_file_are_held_longer(storage: Storage, clock: ManualClock) -> None:
    review = opened(storage, 2)
    [away] = take(storage, review.id, ANN, 1, away=True)
    clock.advance(seconds=reviews.rules().lease_seconds * 2)
    assert [each.slot for each in take(storage, review.id, BEN, 2)] == [2, 1]
    assert take(storage, review.id, ANN, 1)[0].lease_until_us == away.lease_until_us


def test_what_is_given_back_is_free_at_once(storage: Storage) -> None:
    review = opened(storage, 1)
    for who in (ANN, BEN):
        take(storage, review.id, who)
    with storage.database.begin() as tx:
        reviews.release(tx, review.id, member=ANN, items=[1])
        reviews.release(tx, review.id, member=CAT, items=[1])  # not theirs: changes nothing
    assert [each.slot for each in take(storage, review.id, CAT)] == [1]


def test_a_disagreement_goes_to_a_third_who_sees_what_the_two_said(storage: Storage) -> None:
    review = opened(storage, 2)
    work(storage, review.id, ANN)
    work(storage, review.id, BEN, lambda item: wrong(item) if item == 2 else fine(item))
    assert take(storage, review.id, ANN, 9) == take(storage, review.id, BEN, 9) == []
    with storage.database.read() as tx:
        there = reviews.progress(tx, review.id, now_us=0)
    assert (there.settled, there.disputed, there.judgements) == (1, 1, 4)
    [claim] = take(storage, review.id, CAT)
    assert (claim.item, claim.slot) == (2, 3)
    assert claim.earlier == (fine(2), wrong(2))
    done = say(storage, review.id, CAT, wrong(2))
    assert done.result is not None
    assert done.result["passed"] == 1
    assert done.result["disputed"] == 1
    assert done.result["reasons"] == {"A.1.1": 1, "quality.garbled": 1}
    assert done.result["meets_standard"] is False


def test_first_looks_are_shown_nothing_of_what_others_said(storage: Storage) -> None:
    review = opened(storage, 2)
    work(storage, review.id, ANN, wrong)
    assert all(each.earlier == () for each in take(storage, review.id, BEN, 2))


def test_a_named_adjudicator_resolves_and_nobody_else(storage: Storage) -> None:
    review = opened(storage, 1, adjudicator=CAT)
    assert take(storage, review.id, CAT) == []  # would lead their own resolution
    work(storage, review.id, ANN)
    work(storage, review.id, BEN, wrong)
    assert take(storage, review.id, "member_dan") == []
    assert [each.slot for each in take(storage, review.id, CAT)] == [3]
    assert say(storage, review.id, CAT, fine(1)).state == "finished"


def test_the_same_judgement_again_changes_nothing_in_whatever_order(storage: Storage) -> None:
    review = opened(storage, 3)
    take(storage, review.id, ANN, 3)
    take(storage, review.id, BEN, 3)
    said = [fine(3), wrong(1), fine(2)]
    say(storage, review.id, ANN, *said)
    for each in reversed(said):
        say(storage, review.id, ANN, each)
    turned = replace(said[1], reasons=tuple(reversed(said[1].reasons)))
    say(storage, review.id, ANN, turned)
    say(storage, review.id, BEN, *said)
    done = say(storage, review.id, BEN, *said)  # after the end
    assert done.state == "finished"
    other = refusal(Conflict, say, storage, review.id, ANN, fine(1))
    assert [each.code for each in other.findings] == ["corpus.review_judged_otherwise"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([Judgement(1, "fail")], "corpus.review_reason_needed"),
        ([Judgement(1, "pass", ("A.1.1",))], "corpus.review_reason_needed"),
        ([Judgement(1, "fail", ("A.9.9",))], "corpus.review_reason_unknown"),
        ([Judgement(1, "fail", ("A.1.1", "A.1.1"))], "corpus.review_reason_unknown"),
        ([Judgement(1, "pass"), Judgement(1, "pass")], "corpus.review_item_twice"),
        ([], "corpus.review_judgements_count"),
    ],
)
def test_judgements_that_are_none_are_refused_whole(storage: Storage, said, code) -> None:
    review = opened(storage, 2)
    take(storage, review.id, ANN, 2)
    wrongly = refusal(Invalid, say, storage, review.id, ANN, fine(2), *said) if said else None
    wrongly = wrongly or refusal(Invalid, say, storage, review.id, ANN)
    assert {each.code for each in wrongly.findings} == {code}
    assert len(take(storage, review.id, ANN, 2)) == 2


def test_whoever_made_the_data_or_opened_the_review_gives_no_verdict(storage: Storage) -> None:
    with storage.database.begin() as tx:
        made = operations.create(
            tx, kind="corpus.cleanse", key="k", organisation="org_holder", member=CAT,
            payload={}, at_us=1,
        )  # fmt: skip
    certificate = certify(storage, dataset_bytes(3), key=f"operation/{made.id}")
    review = reviews.open_review(storage, Asked(certificate, made_by=(ANN,)), by=OPENER)
    assert review.made_by == (ANN, CAT)
    for who in (OPENER, ANN, CAT):
        assert refusal(NotAllowed, take, storage, review.id, who).code == "corpus.review_own_data"
    assert len(take(storage, review.id, BEN, 9)) == 3
    for who in (OPENER, ANN, CAT):
        asked = Asked(certificate, made_by=(ANN,), adjudicator=who)
        refused = refusal(Invalid, reviews.open_review, storage, asked, by=OPENER)
        assert refused.findings[0].where == "adjudicator"


def test_opening_again_alike_is_the_same_review_and_otherwise_a_conflict(
    storage: Storage, clock: ManualClock
) -> None:
    certificate = certify(storage, dataset_bytes(5))
    asked = Asked(certificate, organisations=("org_b", "org_a"))
    first = reviews.open_review(storage, asked, by=OPENER)
    clock.advance(seconds=9)
    again = replace(asked, organisations=("org_a", "org_b"))
    assert reviews.open_review(storage, again, by=OPENER) == first
    for changed in (replace(asked, items=5), replace(asked, adjudicator=CAT)):
        refused = refusal(Conflict, reviews.open_review, storage, changed, by=OPENER)
        assert refused.code == "corpus.review_running"
    assert refusal(Invalid, reviews.open_review, storage, replace(asked, items=-1), by=OPENER)
    assert refusal(NotFound, reviews.open_review, storage, Asked("certificate_no"), by=OPENER)


def test_a_withdrawn_review_is_on_record_and_the_next_draws_the_same_items(
    storage: Storage,
) -> None:
    review = opened(storage, 30)
    held = take(storage, review.id, ANN, 1)
    with storage.database.begin() as tx:
        gone = reviews.withdraw(tx, review.id, at_us=5)
        assert reviews.withdraw(tx, review.id, at_us=6) == gone
        assert custody.record(tx, str(gone.reference)).body["outcome"] == "withdrawn"
    assert gone.result is None
    refusal(Conflict, say, storage, review.id, ANN, fine(held[0].item))
    second = reviews.open_review(storage, Asked(review.certificate), by=OPENER)
    assert (second.round, second.sample_digest) == (2, review.sample_digest)
    work(storage, second.id, ANN)
    work(storage, second.id, BEN)
    with storage.database.begin() as tx:
        refusal(Conflict, reviews.withdraw, tx, second.id, at_us=7)
        listed = reviews.of_certificate(tx, review.certificate)
    assert [each.state for each in listed] == ["withdrawn", "finished"]


def test_an_item_is_shown_as_released_and_cut_where_it_is_endless(storage: Storage) -> None:
    certificate = certify(storage, dataset_bytes(2, texts=["短。", "长" * 30_000]))
    review = reviews.open_review(storage, Asked(certificate), by=OPENER)
    [second, first] = reviews.shown(storage, review, [2, 1])
    assert (first.text, first.characters) == ("短。", 2)
    assert (len(second.text), second.characters) == (20_000, 30_000)


def test_an_erased_document_vanishes_from_the_items_and_counts_neither_way(
    storage: Storage,
) -> None:
    review = opened(storage, 3)
    held = take(storage, review.id, ANN, 1)
    say(storage, review.id, ANN, fine(held[0].item))
    for name in ("d0", "d1"):
        forget(storage, source="source_one", document=name)
        forget(storage, source="source_one", document=name)
    assert not storage.blobs.exists(review.sample_digest)
    with storage.database.read() as tx:
        after = reviews.review(tx, review.id)
    texts = [each.text for each in reviews.shown(storage, after, [1, 2, 3])]
    assert [bool(text) for text in texts] == [False, False, True]
    work(storage, review.id, ANN)
    done = work(storage, review.id, BEN)
    assert done.result is not None
    assert (done.result["erased"], done.result["judged"]) == (2, 1)
    assert done.result["meets_standard"] is True
    with storage.database.read() as tx:
        assert is_artefact(tx, done.sample_digest)


def test_lists_show_what_one_holds_or_was_asked_into(storage: Storage) -> None:
    review = opened(storage, 2, organisations=("org_guest",))
    with storage.database.read() as tx:
        for organisation, count in (("org_holder", 1), ("org_guest", 1), ("org_c", 0), (None, 1)):
            assert len(reviews.newest(tx, organisation=organisation)) == count
        place = (review.opened_at_us, review.id)
        assert reviews.newest(tx, organisation=None, after=place) == []
        assert reviews.is_invited(tx, review.id, "org_guest")
        assert not reviews.is_invited(tx, review.id, "org_c")
        refusal(NotFound, reviews.review, tx, "review_none")


def test_a_receipt_of_a_review_verifies_down_to_the_source(storage: Storage, tmp_path) -> None:
    review = opened(storage, 2)
    work(storage, review.id, ANN)
    done = work(storage, review.id, BEN)
    home = tmp_path / "log"
    home.mkdir(mode=0o700)
    custody.Sequencer(storage, custody.create_log(home, "test.example/log"), []).run_once()
    receipt = custody.receipt_bytes(custody.receipt(storage, str(done.reference)))
    verdict = custody.verify(receipt, custody.trust(home))
    assert verdict.ok, verdict
    assert {link.kind for link in verdict.links} == {
        "data.review",
        "data.certificate",
        "data.source",
    }


def test_a_tenth_is_checked_by_rules_and_what_fails_is_told_by_reason(storage: Storage) -> None:
    texts = [f"第{n}件：路口的灯不亮，请尽快派人处理。" for n in range(95)]
    texts += ["专业代开各类发票，加微信abc12345，可先验后付"] * 5
    certificate = certify(storage, dataset_bytes(0, texts=texts))
    profile = profiles.built_in("zh-short")
    done = reviews.check(storage, certificate, profile=profile, progress=Silent())
    assert (done.kind, done.state, done.items, done.population) == (
        "technical",
        "finished",
        10,
        100,
    )
    assert done.result is not None
    assert done.result["judged"] == 10
    assert done.result["passed"] + sum(done.result["reasons"].values()) == 10
    with storage.database.read() as tx:
        record = custody.record(tx, str(done.reference))
        assert reviews.of_certificate(tx, certificate) == [done]
        assert reviews.claim(tx, done.id, member=ANN, items=1, now_us=0) == []
    assert (record.kind, record.body["kind"]) == ("data.review", "technical")
    assert reviews.check(storage, certificate, profile=profile, progress=Silent()) == done
    stricter = profile.with_value("length", "letters_min", 500, source="test")
    again = reviews.check(storage, certificate, profile=stricter, progress=Silent())
    assert again.result is not None
    assert (again.round, again.result["passed"]) == (2, 0)
    assert again.result["meets_standard"] is False
    kept = parquet.read_table(io.BytesIO(storage.blobs.read(again.sample_digest)))
    assert "text" not in kept.column_names
    assert set(kept.column("reason").to_pylist()) == {"too_short"}
    assert [each.item for each in reviews.shown(storage, again, [])] == []
    reviews.forget(storage, certificate, kept.column("document").to_pylist()[0])
    with storage.database.read() as tx:
        after = reviews.review(tx, again.id)
    left = parquet.read_table(io.BytesIO(storage.blobs.read(after.sample_digest)))
    assert left.column("document").to_pylist()[0] == ""


def test_a_detail_that_was_left_in_fails_the_check_by_rules(storage: Storage) -> None:
    certificate = certify(storage, dataset_bytes(0, texts=["请打我的手机13812345678联系我。"]))
    profile = profiles.built_in("zh-short")
    done = reviews.check(storage, certificate, profile=profile, progress=Silent())
    assert done.result is not None
    assert done.result["reasons"] == {"personal.left": 1}
