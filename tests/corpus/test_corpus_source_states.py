"""The register of sources against a model of it: every order of commands, by everybody."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.corpus.sources import acceptance, judging, service
from yunhe.corpus.sources.domain import (
    CONSENTS,
    METHODS,
    PERSONAL_DATA,
    ROBOTS,
    Facts,
    Source,
)
from yunhe.corpus.sources.licences import terms
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError
from yunhe.storage.service import Storage

PEOPLE = ("steward", "ann", "ben", "cat")
DECISIONS = ("accept", "refuse", "withdraw")
AFTER = {"accept": "accepted", "refuse": "refused", "withdraw": "withdrawn"}
CLEAN = Facts("公开信息", "own", "LicenseRef-own", consent="none_needed", personal_data="none")
SAMPLES = {"clean": (0, 400), "poor": (4, 100), "bad": (60, 400)}
COUNTER = itertools.count()

COMMANDS = st.one_of(
    st.tuples(st.just("sample"), st.sampled_from(sorted(SAMPLES)), st.sampled_from(PEOPLE)),
    st.tuples(st.just("decide"), st.sampled_from(DECISIONS), st.sampled_from(PEOPLE)),
    st.tuples(st.just("again"), st.just(""), st.just("")),
)


@dataclass
class Model:
    """What the register should say, written down without looking at how it does."""

    state: str = "registered"
    looked: int = 0
    illegal: int = 0
    judges: set[str] = field(default_factory=set)
    records: int = 0
    samples: int = 0

    def fit(self) -> bool:
        """Fewer than 5 % for sure: with 400 items that is at most 12, see the exact interval."""
        if not self.looked or self.illegal * 20 > self.looked:
            return False
        return judging.interval(self.illegal, self.looked)[1] <= 50_000

    def sample(self, kind: str, who: str) -> str:
        if who == "steward":
            return "corpus.source_own_sample"
        if self.state in ("refused", "withdrawn"):
            return "corpus.source_ended"
        illegal, looked = SAMPLES[kind]
        self.looked += looked
        self.illegal += illegal
        self.samples += 1
        self.judges.add(who)
        if self.state != "accepted" or not self.fit():
            self.state = "sampled"
        return ""

    def decide(self, decision: str, who: str) -> str:
        if self.state == AFTER[decision]:
            return ""
        if self.state == "withdrawn" or (self.state, decision) == ("refused", "accept"):
            return "corpus.source_ended"
        if decision != "withdraw" and who in {"steward", *self.judges}:
            return "corpus.source_own_decision"
        if decision == "accept" and not self.fit():
            return "corpus.source_not_acceptable"
        self.state = AFTER[decision]
        self.records += 1
        return ""


def register(storage: Storage, facts: Facts = CLEAN, *, key: str = "") -> Source:
    with storage.database.begin() as tx:
        return service.register(
            tx,
            facts,
            key=key or f"key-{next(COUNTER)}",
            holder="org_a",
            member="steward",
            at_us=storage.clock.now_us(),
        )


def sample(storage: Storage, source: str, kind: str, who: str, key: str) -> Source:
    illegal, looked = SAMPLES[kind]
    with storage.database.begin() as tx:
        return service.sample(
            tx,
            source,
            key=key,
            looked=looked,
            illegal=illegal,
            method="at random",
            member=who,
            at_us=storage.clock.now_us(),
        )


def decide(storage: Storage, source: str, decision: str, who: str) -> Source:
    with storage.database.begin() as tx:
        return service.decide(
            tx,
            source,
            decision,  # type: ignore[arg-type]
            reason="looked at",
            member=who,
            at_us=storage.clock.now_us(),
        )


def code_of(work, *given_) -> str:
    try:
        work(*given_)
    except YunheError as error:
        return error.code if error.message("zh") != error.message("en") else "one language"
    return ""


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(COMMANDS, max_size=12))
def test_whatever_is_asked_in_whatever_order_the_register_does_as_its_model(
    storage: Storage, commands: list[tuple[str, str, str]]
) -> None:
    made, model = register(storage), Model()
    last: tuple[str, str, str] | None = None
    for what, which, who in commands:
        if what == "sample":
            key = f"sample-{next(COUNTER)}"
            expected = model.sample(which, who)
            assert code_of(sample, storage, made.id, which, who, key) == expected
            last = last if expected else (which, who, key)
        elif what == "decide":
            expected = model.decide(which, who)
            assert code_of(decide, storage, made.id, which, who) == expected
        elif last is not None:  # the answer was lost on the way, so it is sent once more
            assert code_of(sample, storage, made.id, *last) == ""
        with storage.database.read() as tx:
            there = service.source(tx, made.id)
            looks = service.samples(tx, made.id)
        assert there.state == model.state
        assert (there.judgement.looked, there.judgement.illegal) == (model.looked, model.illegal)
        assert [each.number for each in looks] == list(range(1, model.samples + 1))
        assert bool(there.reference) == bool(model.records)
        usable = code_of(use, storage, made.id) == ""
        assert usable == (model.state == "accepted")
    assert chain(storage, made.id) == model.records


def use(storage: Storage, source: str) -> None:
    with storage.database.read() as tx:
        service.require_accepted(tx, source, holder="org_a")


def chain(storage: Storage, source: str) -> int:
    """How many decisions rest on one another, the last one first."""
    with storage.database.read() as tx:
        reference, count = service.source(tx, source).reference, 0
        while reference:
            record = custody.record(tx, reference)
            assert record is not None
            assert record.body["source"] == source
            reference, count = record.links.get("before", ""), count + 1
    return count


@pytest.mark.parametrize("order", list(itertools.permutations(DECISIONS)), ids="-".join)
def test_every_order_of_the_three_decisions_ends_where_it_must(storage: Storage, order) -> None:
    made, model = register(storage), Model()
    model.sample("clean", "ann")
    sample(storage, made.id, "clean", "ann", f"sample-{next(COUNTER)}")
    for decision in order:
        assert code_of(decide, storage, made.id, decision, "cat") == model.decide(decision, "cat")
    with storage.database.read() as tx:
        assert service.source(tx, made.id).state == model.state == "withdrawn"


def test_what_is_refused_leaves_no_trace(storage: Storage) -> None:
    made = register(storage)
    with storage.database.read() as tx:
        before = service.source(tx, made.id)
    for refused in (
        lambda: sample(storage, made.id, "clean", "steward", "k"),
        lambda: decide(storage, made.id, "accept", "cat"),
        lambda: decide(storage, made.id, "refuse", "steward"),
    ):
        with pytest.raises((Conflict, NotAllowed)):
            refused()
    with storage.database.read() as tx:
        assert service.source(tx, made.id) == before
        assert service.samples(tx, made.id) == []


def test_commands_on_a_source_that_is_not_there_are_told_so(storage: Storage) -> None:
    for work in (
        lambda: sample(storage, "source_none", "clean", "ann", "k"),
        lambda: decide(storage, "source_none", "withdraw", "ann"),
        lambda: use(storage, "source_none"),
    ):
        with pytest.raises(NotFound) as caught:
            work()
        assert caught.value.code == "corpus.source_not_registered"


def test_a_key_of_one_sample_does_not_serve_another_source_or_another_person(
    storage: Storage,
) -> None:
    one, other = register(storage), register(storage)
    sample(storage, one.id, "clean", "ann", "same-key")
    for source, kind, who in [
        (other.id, "clean", "ann"),
        (one.id, "poor", "ann"),
        (one.id, "clean", "ben"),
    ]:
        assert code_of(sample, storage, source, kind, who, "same-key") == "corpus.request_differs"
    with storage.database.read() as tx:
        assert service.source(tx, one.id).judgement.looked == 400
        assert service.source(tx, other.id).judgement.looked == 0


def test_pages_of_a_list_hold_every_source_once_also_of_one_moment(storage: Storage) -> None:
    made = {register(storage).id for _ in range(9)}
    storage.clock.advance(seconds=1)  # type: ignore[attr-defined]
    made |= {register(storage).id for _ in range(4)}
    for limit in (1, 3, 5, 50):
        seen: list[Source] = []
        after = (0, "")
        while True:
            with storage.database.read() as tx:
                page = service.newest(tx, holder="org_a", after=after, limit=limit)
            if not page:
                break
            assert len(page) <= limit
            seen += page
            after = (page[-1].at_us, page[-1].id)
        assert len(seen) == len(made)
        assert {each.id for each in seen} == made
        assert [each.at_us for each in seen] == sorted((e.at_us for e in seen), reverse=True)


WRONG = [
    ({"method": "stolen"}, {"method": "corpus.source_choice"}),
    ({"consent": ""}, {"consent": "corpus.source_choice"}),
    ({"robots": "maybe"}, {"robots": "corpus.source_choice"}),
    ({"personal_data": "some"}, {"personal_data": "corpus.source_choice"}),
    ({"name": " \u3000"}, {"name": "corpus.field_empty"}),
    ({"licence": ""}, {"licence": "corpus.field_empty"}),
    ({"collected_from": "2026-02-30"}, {"collected_from": "corpus.source_day"}),
    ({"collected_from": "20260201"}, {"collected_from": "corpus.source_day"}),
    ({"collected_to": "2026-W05-1"}, {"collected_to": "corpus.source_day"}),
    (
        {"collected_from": "2026-02-02", "collected_to": "2026-02-01"},
        {"collected_to": "corpus.source_days_order"},
    ),
    ({"declared": {"may_sell": "yes"}}, {"declared.may_sell": "corpus.source_choice"}),
    ({"declared": {"may_train": "perhaps"}}, {"declared.may_train": "corpus.source_choice"}),
]


@pytest.mark.parametrize(("changes", "told"), WRONG, ids="-".join)
def test_each_wrong_field_is_told_by_its_name(storage: Storage, changes, told) -> None:
    with pytest.raises(Invalid) as caught:
        register(storage, replace(CLEAN, **changes))
    assert {finding.where: finding.code for finding in caught.value.findings} == told


def test_all_wrong_fields_together_are_told_together(storage: Storage) -> None:
    changes: dict[str, object] = {"declared": {"may_sell": "yes", "may_train": "perhaps"}}
    for name in ("method", "consent", "robots", "personal_data"):
        changes[name] = "?"
    changes |= {"name": "", "licence": " ", "collected_from": "x", "collected_to": "w"}
    with pytest.raises(Invalid) as caught:
        register(storage, replace(CLEAN, **changes))  # type: ignore[arg-type]
    assert sorted(finding.where for finding in caught.value.findings) == sorted(
        ["method", "consent", "robots", "personal_data", "name", "licence", "collected_from",
         "collected_to", "collected_to", "declared.may_sell", "declared.may_train"]
    )  # fmt: skip


FACTS = st.builds(
    Facts,
    name=st.just("x"),
    method=st.sampled_from(METHODS),
    licence=st.sampled_from(
        ["CC-BY-4.0", "GPL-3.0-only", "LicenseRef-research-only", "?", "合同", "LicenseRef-own"]
    ),
    declared=st.dictionaries(st.just("may_train"), st.sampled_from(["yes", "no", "unknown"])),
    agreement=st.sampled_from(["", "No. 5"]),
    consent=st.sampled_from(CONSENTS),
    personal_data=st.sampled_from(PERSONAL_DATA),
    robots=st.sampled_from(ROBOTS),
    site_terms=st.sampled_from(["", " ", "terms of 2026"]),
)


@settings(max_examples=200)
@given(FACTS, st.sampled_from([(0, 0), (0, 10), (0, 400), (10, 200), (21, 400)]))
def test_nothing_unknown_or_forbidden_is_ever_acceptable(facts: Facts, counts) -> None:
    made = Source(
        "s", "h", facts, "sampled", judging.judge(*counts),
        terms(facts.licence, facts.declared), "a", 0, "", None, "",
    )  # fmt: skip
    told = {finding.where for finding in acceptance.obstacles(made)}
    assert ("samples" in told) == (counts != (0, 400))
    contract = facts.licence == "合同" and facts.declared.get("may_train") == "yes"
    trains = facts.licence in ("CC-BY-4.0", "LicenseRef-research-only", "LicenseRef-own")
    assert ("licence" in told) == (not (trains or contract))
    crawled = facts.method == "crawled"
    assert ("robots" in told) == (crawled and facts.robots != "allowed")
    assert ("site_terms" in told) == (crawled and facts.site_terms != "terms of 2026")
    assert ("agreement" in told) == (facts.method == "purchased" and not facts.agreement)
    assert ("personal_data" in told) == (facts.personal_data == "unknown")
    given_ = facts.consent in ("separate_consent", "law")
    general = facts.consent in ("consent", "contract")
    wanting = {"personal": not (given_ or general), "sensitive": not given_}
    assert ("consent" in told) == wanting.get(facts.personal_data, False)


def test_a_percentage_is_rounded_up_so_that_no_bound_looks_kept_that_is_not() -> None:
    made = Source(
        "s", "h", CLEAN, "sampled", judging.judge(0, 71),
        terms(CLEAN.licence), "a", 0, "", None, "",
    )  # fmt: skip
    [more] = acceptance.obstacles(made)
    params = dict(more.params)
    assert params["high"] == "5.07"  # 5.0624… %
    assert made.judgement.high_per_million > 50_000
    assert float(str(params["high"])) * 10_000 >= made.judgement.high_per_million
