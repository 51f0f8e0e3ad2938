"""Reviews against a model of them: claims that expire, come twice or out of order, by many."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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

from yunhe.corpus.review.domain import Asked, Judgement, Review
from yunhe.custody import service as custody
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Invalid, YunheError
from yunhe.storage.service import Storage

PEOPLE = (ANN, BEN, CAT, "member_dan")
COUNTER = itertools.count()
ITEMS = 3


@dataclass
class Slot:
    """One place for a judgement."""

    holder: str = ""
    until_us: int = 0
    said: Judgement | None = None


@dataclass
class Model:
    """A review as the words of its documentation have it."""

    adjudicator: str = ""
    state: str = "open"
    slots: dict[int, dict[int, Slot]] = field(
        default_factory=lambda: {n: {1: Slot(), 2: Slot()} for n in range(1, ITEMS + 1)}
    )
    judged: int = 0

    def settled(self, item: int) -> str:
        said = [slot.said.verdict for slot in self.slots[item].values() if slot.said]
        if len(said) == 3:
            return said[2]
        return said[0] if len(said) == 2 and said[0] == said[1] else ""

    def may(self, who: str, slot: int) -> bool:
        if not self.adjudicator:
            return True
        return (who == self.adjudicator) == (slot == 3)

    def claim(self, who: str, limit: int, after: int, now_us: int, lease_us: int):
        if self.state != "open":
            return []
        mine, free = [], []
        for item, slots in self.slots.items():
            for number, slot in slots.items():
                elsewhere = any(o.holder == who for n, o in slots.items() if n != number)
                if item <= after or slot.said or elsewhere or not self.may(who, number):
                    continue
                if slot.holder == who:
                    mine.append((item, number))
                elif not slot.holder or slot.until_us <= now_us:
                    free.append((item, number))
        chosen: dict[int, int] = {}
        for item, number in [*sorted(mine), *sorted(free)]:
            if len(chosen) < limit:
                chosen.setdefault(item, number)
        for item, number in chosen.items():
            slot = self.slots[item][number]
            slot.until_us = max(slot.until_us, now_us + lease_us)
            slot.holder = who
        return sorted(chosen.items())

    def held(self, who: str, item: int) -> Slot | None:
        return next((s for s in self.slots[item].values() if s.holder == who), None)

    def judge(self, who: str, said: list[Judgement]) -> str:
        held = [(each, self.held(who, each.item)) for each in said]
        for each, slot in held:
            if slot is None or (slot.said and slot.said != each):
                return "corpus.review_judgements_refused"
        new = [(each, slot) for each, slot in held if slot and not slot.said]
        if new and self.state != "open":
            return "corpus.review_ended"
        for each, slot in new:
            slot.said = each
            self.judged += 1
            slots = self.slots[each.item]
            first, second = slots[1].said, slots[2].said
            if 3 not in slots and first and second and first.verdict != second.verdict:
                slots[3] = Slot()
        if new and all(self.settled(item) for item in self.slots):
            self.state = "finished"
        return ""

    def release(self, who: str, items: list[int]) -> None:
        for item in items:
            for slot in self.slots[item].values():
                if slot.holder == who and not slot.said:
                    slot.holder, slot.until_us = "", 0


WHO = st.sampled_from(PEOPLE)
NUMBERS = st.lists(st.integers(1, ITEMS), min_size=1, max_size=ITEMS, unique=True)
COMMANDS = st.one_of(
    st.tuples(st.just("claim"), WHO, st.tuples(st.integers(1, 4), st.sampled_from([0, 0, 1]))),
    st.tuples(st.just("claim"), WHO, st.just((ITEMS, 0))),
    st.tuples(st.just("judge"), WHO, st.tuples(NUMBERS, st.booleans())),
    st.tuples(st.just("judge"), WHO, st.just(([1, 2, 3], True))),
    st.tuples(st.just("all held"), WHO, st.booleans()),
    st.tuples(st.just("release"), WHO, NUMBERS),
    st.tuples(st.just("wait"), WHO, st.sampled_from([1, 899, 900, 2000])),
)


def open_new(storage: Storage, **asked) -> Review:
    name = f"r{next(COUNTER)}"
    certificate = certify(storage, dataset_bytes(ITEMS), name=name)
    return reviews.open_review(storage, Asked(certificate, **asked), by=OPENER)


def said_by(storage: Storage, review: str, who: str, said: list[Judgement]) -> str:
    try:
        say(storage, review, who, *said)
    except YunheError as error:
        return error.code if error.message("zh") != error.message("en") else "one language"
    return ""


def look(storage: Storage, review: str) -> Review:
    with storage.database.read() as tx:
        return reviews.review(tx, review)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(COMMANDS, min_size=4, max_size=22), st.booleans())
def test_whatever_reviewers_do_in_whatever_order_a_review_does_as_its_model(
    storage: Storage, commands, named
) -> None:
    adjudicator = CAT if named else ""
    review, model = open_new(storage, adjudicator=adjudicator).id, Model(adjudicator)
    lease_us = reviews.rules().lease_seconds * SECOND_US
    for what, who, how in commands:
        now_us = storage.clock.now_us()
        if what == "claim":
            expected = model.claim(who, *how, now_us, lease_us)
            got = take(storage, review, who, how[0], after=how[1])
            assert [(each.item, each.slot) for each in got] == expected
            assert all((len(each.earlier) == 2) == (each.slot == 3) for each in got)
        elif what in ("judge", "all held"):
            items = how[0] if what == "judge" else [n for n in model.slots if model.held(who, n)]
            well = how[1] if what == "judge" else how
            said = [fine(n) if well else wrong(n) for n in items]
            if said:
                assert said_by(storage, review, who, said) == model.judge(who, said)
        elif what == "release":
            model.release(who, how)
            with storage.database.begin() as tx:
                reviews.release(tx, review, member=who, items=how)
        else:
            storage.clock.advance(seconds=how)  # type: ignore[attr-defined]
        there = look(storage, review)
        assert there.state == model.state
        with storage.database.read() as tx:
            so_far = reviews.progress(tx, review, now_us=storage.clock.now_us())
        assert so_far.judgements == model.judged
        assert so_far.settled == sum(bool(model.settled(n)) for n in model.slots)
        assert so_far.disputed == sum(3 in s and not s[3].said for s in model.slots.values())
    if there.state == "finished":
        assert there.result is not None
        verdicts = [model.settled(n) for n in model.slots]
        assert there.result["passed"] == verdicts.count("pass")
        assert there.result["disputed"] == sum(3 in slots for slots in model.slots.values())


@pytest.mark.parametrize("verdicts", list(itertools.product("pf", repeat=3)), ids="".join)
def test_the_first_two_who_agree_or_else_the_third_decide(storage: Storage, verdicts) -> None:
    review = open_new(storage)
    for who, verdict in zip((ANN, BEN, CAT), verdicts, strict=True):
        work(storage, review.id, who, fine if verdict == "p" else wrong)
    done = look(storage, review.id)
    decides = verdicts[0] if verdicts[0] == verdicts[1] else verdicts[2]
    assert done.state == "finished"
    assert done.result is not None
    assert done.result["passed"] == (ITEMS if decides == "p" else 0)
    assert done.result["reviewers"] == (2 if verdicts[0] == verdicts[1] else 3)
    assert done.result["disputed"] == (0 if verdicts[0] == verdicts[1] else ITEMS)


@pytest.mark.parametrize("order", list(itertools.permutations(range(1, 4))), ids=str)
def test_judgements_may_come_in_any_order_one_by_one_and_twice(storage: Storage, order) -> None:
    review = open_new(storage)
    for who in (ANN, BEN):
        take(storage, review.id, who, ITEMS)
        for item in order:
            for _ in range(2):
                say(storage, review.id, who, fine(item))
    done = look(storage, review.id)
    assert (done.state, done.result and done.result["judged"]) == ("finished", ITEMS)


def test_a_finished_review_takes_the_same_word_again_and_no_other(storage: Storage) -> None:
    review = open_new(storage)
    work(storage, review.id, ANN)
    done = work(storage, review.id, BEN)
    assert say(storage, review.id, ANN, *(fine(n) for n in (3, 1, 2))) == done
    assert said_by(storage, review.id, ANN, [wrong(2)]) == "corpus.review_judgements_refused"
    assert said_by(storage, review.id, CAT, [fine(2)]) == "corpus.review_judgements_refused"
    assert take(storage, review.id, CAT, 9) == []
    with storage.database.read() as tx:
        record = custody.record(tx, str(done.reference))
        assert record is not None
        assert record.body["outcome"] == "finished"


def test_what_was_held_when_a_review_was_withdrawn_is_judged_no_more(storage: Storage) -> None:
    review = open_new(storage)
    take(storage, review.id, ANN, 2)
    say(storage, review.id, ANN, fine(1))
    with storage.database.begin() as tx:
        gone = reviews.withdraw(tx, review.id, at_us=storage.clock.now_us())
    assert gone.state == "withdrawn"
    assert gone.result is None
    assert said_by(storage, review.id, ANN, [fine(2)]) == "corpus.review_ended"
    assert said_by(storage, review.id, ANN, [fine(1)]) == ""  # known already: changes nothing
    assert take(storage, review.id, BEN, 9) == []
    with storage.database.begin() as tx:
        again = reviews.withdraw(tx, review.id, at_us=storage.clock.now_us() + 5)
    assert again == gone


def test_each_withdrawal_makes_room_for_another_round_on_the_same_items(storage: Storage) -> None:
    certificate = certify(storage, dataset_bytes(8), name="rounds")
    samples = set()
    for number in (1, 2, 3):
        made = reviews.open_review(storage, Asked(certificate), by=OPENER)
        assert made.round == number
        samples.add(made.sample_digest)
        with pytest.raises(Conflict) as caught:
            reviews.open_review(storage, Asked(certificate, items=9), by=OPENER)
        assert caught.value.code == "corpus.review_running"
        with storage.database.begin() as tx:
            reviews.withdraw(tx, made.id, at_us=storage.clock.now_us())
    assert len(samples) == 1
    with storage.database.read() as tx:
        states = [each.state for each in reviews.of_certificate(tx, certificate)]
    assert states == ["withdrawn"] * 3


def test_one_fault_among_many_judgements_leaves_all_of_them_unsaid(storage: Storage) -> None:
    review = open_new(storage)
    take(storage, review.id, ANN, 2)
    code = said_by(storage, review.id, ANN, [fine(1), fine(2), fine(3)])
    assert code == "corpus.review_judgements_refused"
    with storage.database.read() as tx:
        assert reviews.progress(tx, review.id, now_us=0).judgements == 0


def test_every_fault_of_the_judgements_is_told_with_its_item(storage: Storage) -> None:
    review = open_new(storage)
    said = [
        Judgement(1, "pass", ("A.1.1",)),
        Judgement(2, "fail"),
        Judgement(3, "fail", ("A.9.9", "A.1.1")),
        Judgement(2, "fail", ("A.1.1", "A.1.1")),
    ]
    with pytest.raises(Invalid) as caught:
        say(storage, review.id, ANN, *said)
    assert [(finding.where, finding.code) for finding in caught.value.findings] == [
        ("item 1", "corpus.review_reason_needed"),
        ("item 2", "corpus.review_reason_needed"),
        ("item 3", "corpus.review_reason_unknown"),
        ("item 2", "corpus.review_item_twice"),
        ("item 2", "corpus.review_reason_unknown"),
    ]
    for language in ("en", "zh"):
        assert "item 3" in caught.value.message(language)


def test_the_resolver_of_a_dispute_is_never_one_of_the_two(storage: Storage) -> None:
    review = open_new(storage)
    work(storage, review.id, ANN, fine)
    work(storage, review.id, BEN, wrong)
    for who in (ANN, BEN):
        storage.clock.advance(seconds=10_000)  # type: ignore[attr-defined]
        assert take(storage, review.id, who, 9) == []
    assert [claim.slot for claim in take(storage, review.id, CAT, 9)] == [3] * ITEMS


def test_a_resolver_who_vanishes_is_followed_by_another(storage: Storage) -> None:
    review = open_new(storage)
    work(storage, review.id, ANN, fine)
    work(storage, review.id, BEN, wrong)
    take(storage, review.id, CAT, 9)
    assert take(storage, review.id, "member_dan", 9) == []
    storage.clock.advance(seconds=reviews.rules().lease_seconds)  # type: ignore[attr-defined]
    assert work(storage, review.id, "member_dan", fine).state == "finished"
    assert said_by(storage, review.id, CAT, [fine(1)]) == "corpus.review_judgements_refused"


def test_four_people_at_once_judge_each_item_just_twice(storage: Storage) -> None:
    review = opened(storage, 12)
    seen: dict[int, list[str]] = {}
    moved = True
    while moved:
        moved = False
        for who in PEOPLE:
            for claim in take(storage, review.id, who, 2):
                say(storage, review.id, who, fine(claim.item))
                seen.setdefault(claim.item, []).append(who)
                moved = True
    assert sorted(seen) == list(range(1, 13))
    assert all(len(set(who)) == len(who) == 2 for who in seen.values())
    done = look(storage, review.id)
    assert done.result is not None
    assert done.result["agreement"]["pairs"] == 12  # type: ignore[index, call-overload]
    assert done.result["reviewers"] == len(PEOPLE)


def test_pages_of_reviews_hold_each_once(storage: Storage) -> None:
    made = {open_new(storage).id for _ in range(5)}
    seen: list[str] = []
    after = (0, "")
    while True:
        with storage.database.read() as tx:
            page = reviews.newest(tx, organisation="org_holder", after=after, limit=2)
        if not page:
            break
        seen += [each.id for each in page]
        after = (page[-1].opened_at_us, page[-1].id)
    assert len(seen) == len(made)
    assert set(seen) == made
