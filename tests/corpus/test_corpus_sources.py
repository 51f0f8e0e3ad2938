"""The register of sources: who may do what, when a source may be used, and what it is used on."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from corpus_desk import ROWS, body, cleanse, request
from hypothesis import given
from hypothesis import strategies as st

from yunhe.corpus import service as corpus
from yunhe.corpus.sources import judging, licences, service
from yunhe.corpus.sources.domain import Decision, Facts, Source
from yunhe.corpus.sources.licences import ANSWERS, DUTIES, PERMISSIONS, Terms, merged, terms
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError
from yunhe.storage.service import Storage

CLEAN = Facts(
    name="市政公开信息",
    method="crawled",
    licence="CC-BY-4.0",
    personal_data="none",
    consent="none_needed",
    robots="allowed",
    site_terms="2026-01-05 版使用条款：允许转载并注明出处",
    collected_from="2026-10-01",
    collected_to="2026-10-31",
    contact="数据开放办公室",
    languages=("zh-Hans",),
)


def registered(storage: Storage, facts: Facts = CLEAN, key: str = "s") -> Source:
    with storage.database.begin() as tx:
        return service.register(
            tx, facts, key=key, holder="org_hotline", member="steward", at_us=storage.clock.now_us()
        )


def sampled(
    storage: Storage, source: str, illegal: int, looked: int, *, key: str = "1", by: str = "looker"
) -> Source:
    with storage.database.begin() as tx:
        return service.sample(
            tx, source, key=key, looked=looked, illegal=illegal, method="drawn at random",
            member=by, at_us=storage.clock.now_us(),
        )  # fmt: skip


def decided(storage: Storage, source: str, decision: Decision, *, by: str = "auditor") -> Source:
    with storage.database.begin() as tx:
        return service.decide(
            tx, source, decision, reason="checked", member=by, at_us=storage.clock.now_us()
        )


def accepted(storage: Storage, facts: Facts = CLEAN) -> Source:
    made = registered(storage, facts)
    sampled(storage, made.id, 3, 400)
    return decided(storage, made.id, "accept")


def against(storage: Storage, source: str) -> set[str]:
    with pytest.raises(Conflict) as caught:
        decided(storage, source, "accept")
    assert caught.value.code == "corpus.source_not_acceptable"
    assert caught.value.message("zh") != caught.value.message("en")
    return {finding.code.removeprefix("corpus.source_") for finding in caught.value.findings}


def test_a_source_goes_from_registered_over_sampled_to_accepted(storage: Storage) -> None:
    made = registered(storage)
    assert (made.state, made.judgement.verdict) == ("registered", "none")
    assert sampled(storage, made.id, 3, 400).state == "sampled"
    done = decided(storage, made.id, "accept")
    assert (done.state, done.decided_by, done.facts) == ("accepted", "auditor", CLEAN)
    with storage.database.read() as tx:
        record = custody.record(tx, done.reference)
    assert record is not None
    assert record.kind == "data.source_review"
    assert record.body["sample"]["verdict"] == "clean"  # type: ignore[index, call-overload]
    assert record.body["terms"]["may_train"] == "yes"  # type: ignore[index, call-overload]
    assert CLEAN.contact not in str(record)


@pytest.mark.parametrize(
    ("illegal", "looked", "verdict"),
    [
        (0, 0, "none"), (0, 10, "more"), (0, 72, "clean"), (0, 71, "more"),
        (10, 200, "more"), (11, 200, "over"), (3, 400, "clean"), (16, 500, "more"),
        (200, 4000, "more"), (201, 4000, "over"), (160, 4000, "clean"), (1, 1, "over"),
    ],
)  # fmt: skip
def test_the_verdict_is_over_the_bound_below_it_or_look_at_more(
    illegal: int, looked: int, verdict: str
) -> None:
    assert judging.judge(illegal, looked).verdict == verdict


def test_the_interval_is_the_exact_one() -> None:
    low, high = judging.interval(10, 200)  # 2.42 % to 9.00 %, Clopper and Pearson
    assert (low, high) == (24_234, 90_028)
    assert judging.interval(0, 100)[0] == 0
    assert judging.interval(100, 100)[1] == 1_000_000


@given(st.integers(1, 5000), st.data())
def test_an_interval_holds_its_share_and_more_items_never_excuse_more(
    looked: int, data: st.DataObject
) -> None:
    illegal = data.draw(st.integers(0, looked))
    low, high = judging.interval(illegal, looked)
    assert 0 <= low <= illegal * 1_000_000 / looked <= high <= 1_000_000
    if illegal < looked:
        assert judging.interval(illegal + 1, looked)[1] >= high


def test_samples_add_up_and_the_total_decides(storage: Storage) -> None:
    made = registered(storage)
    sampled(storage, made.id, 4, 100)
    assert against(storage, made.id) == {"sample_more"}
    sampled(storage, made.id, 0, 300, key="2", by="other")
    assert decided(storage, made.id, "accept").judgement.looked == 400
    with storage.database.read() as tx:
        assert [(s.number, s.illegal) for s in service.samples(tx, made.id)] == [(1, 4), (2, 0)]


def test_a_source_over_the_bound_is_never_accepted_and_can_be_refused(storage: Storage) -> None:
    made = registered(storage)
    sampled(storage, made.id, 30, 400)
    assert against(storage, made.id) == {"over_bound"}
    assert decided(storage, made.id, "refuse").state == "refused"
    with pytest.raises(Conflict, match="refused"):
        decided(storage, made.id, "accept")
    with pytest.raises(Conflict, match="refused"):
        sampled(storage, made.id, 0, 9000, key="2")


def test_a_later_sample_that_speaks_against_it_opens_an_accepted_source_again(
    storage: Storage,
) -> None:
    made = accepted(storage)
    assert sampled(storage, made.id, 0, 10, key="2").state == "accepted"
    assert sampled(storage, made.id, 60, 400, key="3").state == "sampled"


def test_whoever_registers_does_not_sample_and_neither_decides(storage: Storage) -> None:
    made = registered(storage)
    with pytest.raises(NotAllowed) as caught:
        sampled(storage, made.id, 0, 400, by="steward")
    assert caught.value.code == "corpus.source_own_sample"
    sampled(storage, made.id, 0, 400)
    for member in ("steward", "looker"):
        with pytest.raises(NotAllowed) as caught:
            decided(storage, made.id, "accept", by=member)
        assert caught.value.code == "corpus.source_own_decision"
    assert decided(storage, made.id, "withdraw", by="steward").state == "withdrawn"


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"licence": "CC-BY-ND-4.0"}, {"training_unknown"}),
        ({"licence": "some licence"}, {"training_unknown"}),
        ({"licence": "LicenseRef-contract"}, {"training_unknown"}),
        ({"licence": "合同", "declared": {"may_train": "no"}}, {"training_forbidden"}),
        ({"robots": "excluded"}, {"robots_excluded"}),
        ({"robots": "unknown", "site_terms": " "}, {"robots_unknown", "site_terms_unknown"}),
        ({"method": "purchased"}, {"agreement_missing"}),
        ({"personal_data": "unknown"}, {"personal_unknown"}),
        ({"personal_data": "personal"}, {"consent_missing"}),
        ({"personal_data": "sensitive", "consent": "consent"}, {"consent_missing"}),
    ],
)  # fmt: skip
def test_what_is_forbidden_or_not_known_stands_against_a_source(
    storage: Storage, changed: dict[str, object], codes: set[str]
) -> None:
    made = registered(storage, replace(CLEAN, **changed))  # type: ignore[arg-type]
    sampled(storage, made.id, 0, 400)
    assert against(storage, made.id) == codes


def test_a_contract_that_permits_training_is_accepted(storage: Storage) -> None:
    facts = replace(
        CLEAN, method="purchased", licence="合同", agreement="No. 7", declared={"may_train": "yes"}
    )
    assert accepted(storage, facts).terms == Terms(("LicenseRef-contract",), "yes")


def test_every_wrong_field_is_told_and_nothing_is_kept(storage: Storage) -> None:
    wrong = Facts(
        name=" ", method="stolen", licence="", consent="maybe",  # type: ignore[arg-type]
        collected_from="2026-02-30", collected_to="2025-01-01", declared={"fun": "yes"},
    )  # fmt: skip
    with pytest.raises(Invalid) as caught:
        registered(storage, wrong)
    assert {finding.where for finding in caught.value.findings} == {
        "name", "method", "licence", "consent", "collected_from", "collected_to", "declared.fun",
    }  # fmt: skip
    with storage.database.read() as tx:
        assert service.newest(tx, holder=None) == []


@pytest.mark.parametrize(("illegal", "looked"), [(1, 0), (-1, 5), (6, 5), (0, 10**8)])
def test_a_sample_that_cannot_be_is_refused(storage: Storage, illegal: int, looked: int) -> None:
    made = registered(storage)
    with pytest.raises(Invalid):
        sampled(storage, made.id, illegal, looked)


def test_the_same_key_is_the_same_thing_once(storage: Storage) -> None:
    first, again = registered(storage), registered(storage)
    assert first == again
    sampled(storage, first.id, 0, 400)
    assert sampled(storage, first.id, 0, 400).judgement.looked == 400
    with pytest.raises(Conflict) as caught:
        registered(storage, replace(CLEAN, name="x"))
    assert caught.value.code == "corpus.request_differs"
    with pytest.raises(Conflict) as caught:
        sampled(storage, first.id, 1, 400)
    assert caught.value.code == "corpus.request_differs"
    done = decided(storage, first.id, "accept")
    assert decided(storage, first.id, "accept").reference == done.reference


def test_lists_are_newest_first_by_holder_and_state(storage: Storage) -> None:
    made = [registered(storage, key=f"k{n}") for n in range(3)]
    decided(storage, made[1].id, "refuse")
    with storage.database.read() as tx:
        everything = service.newest(tx, holder="org_hotline")
        assert {each.id for each in everything} == {each.id for each in made}
        assert [s.id for s in service.newest(tx, holder=None, state="refused")] == [made[1].id]
        assert service.newest(tx, holder="org_other") == []
        after = (everything[0].at_us, everything[0].id)
        assert service.newest(tx, holder=None, after=after) == everything[1:]


def test_an_accepted_source_gives_the_dataset_its_licence_and_terms(
    storage: Storage, tmp_path: Path
) -> None:
    source = accepted(storage)
    asked = request(tmp_path / "in", ROWS[:40], source=source.id, licence="whatever")
    made = cleanse(storage, asked)
    said = body(made)["source"]
    assert isinstance(said, dict)
    assert (said["licence"], said["registered"]) == ("CC-BY-4.0", source.id)
    assert said["terms"] == source.terms.as_json()
    with storage.database.read() as tx:
        record = custody.record(tx, made.source_reference)
        assert record is not None
        assert record.links == {"review": source.reference}
    decided(storage, source.id, "withdraw", by="steward")
    assert cleanse(storage, asked) == made


def refused(storage: Storage, folder: Path, **changed: object) -> YunheError:
    with pytest.raises(YunheError) as caught:
        cleanse(storage, request(folder, ROWS[:5], **changed))
    return caught.value


def test_a_source_that_is_not_accepted_is_not_cleansed(storage: Storage, tmp_path: Path) -> None:
    made = registered(storage)
    assert refused(storage, tmp_path / "a", source=made.id).code == "corpus.source_not_accepted"
    sampled(storage, made.id, 30, 400)
    decided(storage, made.id, "refuse")
    assert refused(storage, tmp_path / "b", source=made.id).code == "corpus.source_not_accepted"


def test_somebody_elses_source_is_as_unknown_as_none(storage: Storage, tmp_path: Path) -> None:
    source = accepted(storage)
    theirs = refused(storage, tmp_path / "a", source=source.id, holder="org_other")
    nobodys = refused(storage, tmp_path / "b", source="source_none")
    assert isinstance(theirs, NotFound)
    assert theirs.code == nobodys.code == "corpus.source_not_registered"


def test_a_licence_nobody_knows_permits_nothing() -> None:
    assert terms("my own words") == Terms(("my own words",))
    assert terms("cc by 4.0").licences == ("CC-BY-4.0",)
    assert terms("仅供学术研究").commercial == "no"
    assert not any(terms(each).verified for each in licences.known())
    assert len(licences.known()) >= 20


ANY = st.builds(
    Terms, st.tuples(st.sampled_from("abc")), *[st.sampled_from(ANSWERS)] * 5, st.booleans()
)


@given(st.lists(ANY, min_size=1, max_size=5))
def test_of_several_licences_the_strictest_holds(parts: list[Terms]) -> None:
    together = merged(parts)
    for name in PERMISSIONS:
        said = {getattr(part, name) for part in parts}
        worst = "no" if "no" in said else "unknown" if "unknown" in said else "yes"
        alike = name == "may_redistribute" and worst == "yes"
        assert getattr(together, name) in ({worst, "unknown"} if alike else {worst})
    for name in DUTIES:
        said = {getattr(part, name) for part in parts}
        assert getattr(together, name) == (
            "yes" if "yes" in said else "unknown" if "unknown" in said else "no"
        )
    assert merged([*parts, *parts]) == together == merged(list(reversed(parts)))


def test_two_licences_that_each_want_all_of_it_may_not_be_known_to_be_given_on() -> None:
    two = merged([terms("CC-BY-SA-4.0"), terms("ODbL-1.0")])
    assert (two.may_redistribute, two.may_train, two.share_alike) == ("unknown", "yes", "yes")
    assert merged([terms("CC-BY-SA-4.0"), terms("MIT")]).may_redistribute == "yes"
    assert merged([]) == Terms(())


WORDS = "word,class\n无害词,A.1.8\n另一词,A.2.4\n".encode()


def test_versions_of_a_keyword_library_are_kept_and_the_newest_is_in_use(
    storage: Storage, tmp_path: Path
) -> None:
    def put(key: str, data: bytes) -> corpus.libraries.LibraryVersion:
        digest = storage.blobs.put(data).digest
        return corpus.libraries.put(
            storage, key=key, organisation="org", name="w.csv", digest=digest, member="m"
        )

    first = put("1", WORDS)
    assert put("1", WORDS) == first
    assert (first.entries, first.coverage["entries"], first.member) == (2, 2, "m")
    with pytest.raises(Conflict):
        put("1", WORDS + "三个字,A.1.1\n".encode())
    with pytest.raises(Invalid):
        put("2", b"word,class\nx,A.1.1\n")
    with storage.database.read() as tx:
        now = corpus.libraries.current(tx, "org")
        assert now == first
        assert corpus.libraries.current(tx, "other") is None
        with pytest.raises(NotFound):
            corpus.libraries.version(tx, "library_none")
    assert corpus.libraries.write(storage, first, tmp_path).read_bytes() == WORDS


def test_rule_data_says_where_it_comes_from_and_that_nobody_checked_it() -> None:
    rules = judging.rules()
    assert rules.illegal_share.percent_max == 5
    assert not rules.illegal_share.source.verified
    assert dataclasses.asdict(judging.judge(0, 100))["verified"] is False


def test_each_decision_is_a_record_that_rests_on_the_one_before(storage: Storage) -> None:
    made = accepted(storage)
    gone = decided(storage, made.id, "withdraw", by="steward")
    with storage.database.read() as tx:
        record = custody.record(tx, gone.reference)
    assert record is not None
    assert record.links == {"before": made.reference}
    assert (record.body["decision"], record.body["decided_by"]) == ("withdraw", "steward")
    with pytest.raises(Conflict, match="withdrawn"):
        decided(storage, made.id, "accept")


def test_an_accepted_source_may_still_be_refused_and_then_is_not_cleansed(
    storage: Storage, tmp_path: Path
) -> None:
    made = accepted(storage)
    assert decided(storage, made.id, "refuse").state == "refused"
    assert refused(storage, tmp_path / "a", source=made.id).code == "corpus.source_not_accepted"


def test_of_many_who_decide_at_once_one_record_is_made(storage: Storage) -> None:
    made = registered(storage)
    sampled(storage, made.id, 0, 400)
    with ThreadPoolExecutor(4) as pool:
        members = [f"auditor{n}" for n in range(4)]
        done = list(pool.map(lambda m: decided(storage, made.id, "accept", by=m), members))
    assert len({each.reference for each in done}) == 1
    assert {each.state for each in done} == {"accepted"}


def test_of_many_who_send_one_sample_at_once_it_counts_once(storage: Storage) -> None:
    made = registered(storage)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: sampled(storage, made.id, 1, 400), range(4)))
    assert {each.judgement.looked for each in done} == {400}
