"""Where work may run: its own words, its data's, its award's, whom a pool serves, export rules."""

from __future__ import annotations

import pytest

from yunhe.compute import service as compute
from yunhe.compute.limits import service as limits
from yunhe.compute.passes import whole
from yunhe.compute.passes.domain import SMALL_MAX
from yunhe.compute.supply import service as supply
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound


class Places:
    """A city with pools in several jurisdictions, and the operator who says what holds."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage
        city.award(seconds=100_000)
        city.cash(10**9)
        city.approve_trial()

    def pool(self, at: str, *, key: str = "", chip: str = "cpu", devices: int = 2, **over) -> str:
        made = compute.register_pool(
            self.storage,
            **{
                "key": key or f"{at}-{chip}",
                "provider": self.city.provider,
                "site": f"site-{key or at}",
                "chip": chip,
                "devices": devices,
                "price_minor_per_device_hour": 3_600,
                "currency": "CNY",
                **over,
            },
        ).id
        if at:
            self.law(made, at)
        return made

    def law(self, pool: str, at: str) -> None:
        supply.change(self.storage, pool, jurisdiction=at, reason="as it is", by=self.city.operator)

    def say(self, what: str, subject: str, *codes: str) -> limits.Said:
        return limits.say(
            self.storage, what, subject, codes, reason="contract 7", by=self.city.operator
        )

    def data(self, word: bytes = b"data") -> str:
        return self.storage.blobs.put(word).digest

    def record(self, kind: str, subject: str, **links: str) -> str:
        with self.storage.database.begin() as tx:
            made = Record(kind, subject, self.city.clock.now_us(), {"a": 1}, links)
            return custody.append(tx, made)

    def refused(self, **over) -> dict[str, str]:
        """Codes of what is wrong, by field."""
        with pytest.raises(Invalid) as caught:
            self.city.submit("wrong", **over)
        for language in ("en", "zh"):
            assert caught.value.message(language)
        return {each.where: each.code for each in caught.value.findings}


@pytest.fixture
def places(bare_city) -> Places:
    return Places(bare_city)


def test_work_runs_only_where_it_says_it_may(places) -> None:
    places.pool("SG", price_minor_per_device_hour=1)
    north = places.pool("CN-BJ")
    job = places.city.submit("a", jurisdictions=("CN",))
    assert (job.state, job.pool) == ("placed", north)


def test_a_pool_of_which_nobody_said_where_it_stands_is_in_no_jurisdiction(places) -> None:
    places.pool("")
    assert places.refused(jurisdictions=("CN",)) == {"jurisdictions": "compute.rule_jurisdictions"}


def test_what_can_never_be_placed_is_refused_with_the_nearest_that_could(places) -> None:
    places.pool("SG", key="dear", price_minor_per_device_hour=9_000)
    cheap = places.pool("US", key="cheap", price_minor_per_device_hour=10)
    with pytest.raises(Invalid) as caught:
        places.city.submit("a", jurisdictions=("CN",))
    [finding] = caught.value.findings
    assert finding.code == "compute.rule_jurisdictions"
    assert dict(finding.params) == {
        "pool": cheap,
        "site": "site-cheap",
        "at": "US",
        "allowed": "CN",
    }


def test_the_nearest_is_one_that_is_large_enough(places) -> None:
    places.pool("US", devices=1, price_minor_per_device_hour=1)
    large = places.pool("SG", devices=8)
    with pytest.raises(Invalid) as caught:
        places.city.submit("a", jurisdictions=("CN",), devices=4)
    assert dict(caught.value.findings[0].params)["pool"] == large


def test_every_wrong_code_and_contradiction_is_told_at_once(places) -> None:
    places.pool("CN")
    digest = places.data()
    places.say("data", digest, "SG")
    assert places.refused(jurisdictions=("CN", "ZZ", "cn"), sites=("nowhere", "")) == {
        "jurisdictions": "compute.jurisdiction_invalid",
        "sites": "compute.text_invalid",
    }
    assert places.refused(
        jurisdictions=("CN",),
        inputs={"train": digest},
        excluded_providers=("nobody",),
        sites=("elsewhere",),
    ) == {
        "excluded_providers": "compute.provider_nobody",
        "jurisdictions": "compute.rule_contradiction",
        "sites": "compute.sites_without",
    }


def test_a_larger_place_outside_its_jurisdictions_is_named_among_the_alternatives(places) -> None:
    places.pool("CN", devices=2)
    places.pool("SG", devices=8)
    with pytest.raises(Invalid) as caught:
        places.city.submit("a", jurisdictions=("CN",), devices=4)
    said = " ".join(str(value) for each in caught.value.findings for _, value in each.params)
    assert "--set jurisdictions=[CN,SG]" in said


def test_an_excluded_provider_is_never_used(places) -> None:
    places.pool("CN", price_minor_per_device_hour=1)
    other = places.pool("CN", key="b", provider=places.city.university)
    job = places.city.submit("a", excluded_providers=(places.city.provider,))
    assert job.pool == other
    assert places.refused(excluded_providers=(places.city.provider, places.city.university)) == {
        "excluded_providers": "compute.rule_provider"
    }


def test_data_that_may_not_leave_is_only_processed_where_it_may(places) -> None:
    places.pool("SG", price_minor_per_device_hour=1)
    north = places.pool("CN-BJ")
    digest = places.data()
    places.say("data", digest, "CN")
    assert places.city.submit("free").pool != north
    assert places.city.submit("bound", inputs={"train": digest}).pool == north


def test_what_is_said_of_a_record_holds_for_all_that_rests_on_it(places) -> None:
    places.pool("SG", price_minor_per_device_hour=1)
    north = places.pool("CN")
    source = places.record("data.source", "s1")
    split = places.record("evaluation.split", "x1", grant=places.record("d", "g", of=source))
    places.say("data", source, "CN")
    assert places.city.submit("a", input_reference=split).pool == north
    other = places.record("evaluation.split", "x2")
    assert places.city.submit("b", input_reference=other).pool != north


def test_a_chain_that_nobody_can_follow_any_more_goes_nowhere(places) -> None:
    places.pool("CN")
    first = places.record("data.source", "s1")
    split = places.record("evaluation.split", "x1", of=first)
    places.say("data", places.record("data.source", "s2"), "CN")
    with places.storage.database.begin() as tx:
        custody.erase(tx, first)
    assert "jurisdictions" in places.refused(input_reference=split)


def test_data_that_is_limited_while_work_waits_is_not_let_out(places) -> None:
    digest = places.data()
    abroad = places.pool("SG", devices=1)
    first = places.city.submit("first")
    job = places.city.submit("second", inputs={"train": digest})
    assert (first.state, job.state) == ("placed", "waiting")
    places.say("data", digest, "CN")
    compute.cancel(places.storage, first.id)
    job = places.city.see(job)
    assert job.why is not None
    assert (job.state, job.why.code) == ("waiting", "compute.rule_data")
    assert [each.code for each in job.why.changes] == ["compute.change_data"]
    for language in ("en", "zh"):
        said = job.why.message(language)
        assert digest in said
        assert "CN" in said
        assert "SG" in said
    places.law(abroad, "CN")
    assert places.city.see(job).pool == abroad


def test_lifting_a_limit_places_what_waited_for_it(places) -> None:
    digest = places.data()
    places.pool("SG")
    job = places.city.submit("a", inputs={"train": digest}, devices=2)
    assert job.state == "placed"
    places.say("data", digest, "CN")
    assert places.city.see(job).state == "placed"  # what is placed goes on
    assert "inputs" in places.refused(inputs={"train": digest})
    places.say("data", digest)
    compute.cancel(places.storage, job.id)
    assert places.city.submit("b", inputs={"train": digest}).state == "placed"


def test_why_names_the_rule_that_alone_keeps_work_off_free_devices(places) -> None:
    north, abroad = places.pool("CN", devices=1), places.pool("SG", devices=1)
    places.city.submit("first", jurisdictions=("CN",))
    job = places.city.submit("second", jurisdictions=("CN",))
    assert job.why is not None
    assert job.why.code == "compute.waiting_capacity"
    assert dict(job.why.params)["pool"] == north
    assert job.why.changes[-1].code == "compute.change_jurisdictions"
    assert dict(job.why.changes[-1].params)["pool"] == abroad


def test_an_award_pays_only_where_it_may_be_used(places) -> None:
    abroad = places.pool("SG", devices=1, price_minor_per_device_hour=1)
    with places.storage.database.read() as tx:
        [status] = compute.awards(tx)
    places.say("award", status.award.id, "CN")
    job = places.city.submit("a")
    assert job.why is not None
    assert (job.state, job.why.code) == ("waiting", "compute.rule_award")
    assert dict(job.why.params) == {"pool": abroad, "at": "SG", "allowed": "CN"}
    north = places.pool("CN-BJ")
    assert places.city.see(job).pool == north


def test_another_award_pays_where_the_limited_one_may_not(places) -> None:
    abroad = places.pool("SG", devices=4, price_minor_per_device_hour=1)
    with places.storage.database.read() as tx:
        [status] = compute.awards(tx)
    places.say("award", status.award.id, "CN")
    free = places.city.award(seconds=150, key="free")
    job = places.city.submit("a", wall=100)
    assert (job.pool, job.awards) == (abroad, (free.id,))
    job = places.city.submit("b", wall=100)
    assert job.why is not None
    assert job.why.code == "compute.rule_award"
    places.city.assert_books_are_right()


def test_a_pool_serves_whom_its_provider_says(places) -> None:
    pool = places.pool("SG")
    places.say("pool", pool, "SG", "MY")
    assert places.refused() == {"chip": "compute.rule_serves"}  # nobody said where it is
    places.say("organisation", places.city.university, "MY-14")
    assert places.city.submit("a").pool == pool


def test_an_export_rule_keeps_consumers_off_chips_until_a_provider_vouches(places) -> None:
    places.city.award(key="a100")
    pool = places.pool("SG", chip="a100", adapter="paper")
    places.say("organisation", places.city.university, "CN-SH")
    places.city.clock.advance(seconds=60 * 86_400 * 365)
    assert places.refused(chip="a100") == {"chip": "compute.rule_export"}
    places.say("pool", pool, "CN")
    with places.storage.database.begin() as tx:
        made = limits.said(tx, what="pool", subject=pool)
    assert made[0].jurisdictions == ("CN",)
    assert places.city.submit("a", chip="a100").state == "waiting"  # for an award, not for a rule


def test_what_is_said_is_kept_with_who_and_why_and_said_twice_changes_nothing(places) -> None:
    digest = places.data()
    first = places.say("data", digest, "CN", "SG", "CN")
    assert first.jurisdictions == ("CN", "SG")
    assert places.say("data", digest, "SG", "CN") == first
    places.say("data", digest)
    with places.storage.database.read() as tx:
        found = limits.said(tx, what="data", subject=digest)
    assert [each.jurisdictions for each in found] == [(), ("CN", "SG")]
    assert {(each.by, each.reason) for each in found} == {(places.city.operator, "contract 7")}


@pytest.mark.parametrize(
    ("what", "subject", "codes", "wrong"),
    [
        ("data", "x", ("CN",), {"compute.limit_subject"}),
        ("data", "sha256:" + "0" * 64, ("ZZ", "C"), {"compute.jurisdiction_invalid"}),
        ("organisation", "", ("CN", "SG"), {"compute.limit_one_seat"}),
        ("moon", "x", ("ZZ",), {"compute.choice_unknown", "compute.jurisdiction_invalid"}),
    ],
    ids=["subject", "code", "seats", "what"],
)
def test_what_cannot_be_said_is_refused_with_every_finding(
    places, what, subject, codes, wrong
) -> None:
    named = subject or places.city.university
    with pytest.raises(Invalid) as caught:
        places.say(what, named, *codes)
    assert {each.code for each in caught.value.findings} == wrong


def test_only_an_operator_says_so_and_only_of_what_there_is(places) -> None:
    for what in ("pool", "award", "organisation"):
        with pytest.raises(NotFound):
            places.say(what, "nothing", "CN")
    with places.storage.database.begin() as tx:
        member = identity.add_member(
            tx, key="m", organisation=places.city.university, name="学生", at_us=0
        ).id
    with pytest.raises(NotAllowed):
        limits.say(places.storage, "data", "0" * 64, ["CN"], reason="r", by=member)


def test_what_travels_with_a_job_is_what_all_its_limits_leave(places) -> None:
    digest = places.data()
    places.say("data", digest, "CN")
    spec = places.city.spec(jurisdictions=("CN-BJ", "SG"), inputs={"train": digest})
    with places.storage.database.read() as tx:
        [status] = compute.awards(tx)
        assert limits.reach(tx, spec, awards=[]) == ("CN-BJ",)
        assert limits.reach(tx, places.city.spec(), awards=[]) is None
    places.say("award", status.award.id, "SG")
    with places.storage.database.read() as tx:
        assert limits.reach(tx, spec, awards=[status.award.id]) == ()
        assert limits.reach(tx, places.city.spec(), awards=[status.award.id]) == ("SG",)


def test_a_pool_that_moved_between_look_and_writing_takes_nothing(places) -> None:
    pool = places.pool("CN", devices=100)
    supply.change(places.storage, pool, state="draining", reason="later", by=places.city.operator)
    for number in range(SMALL_MAX + 1):
        places.city.submit(f"j{number}", wall=10, jurisdictions=("CN",))
    supply.change(places.storage, pool, state="open", reason="now", by=places.city.operator)
    deciding, decide = whole.decide, whole.decide

    def moved(picture, **over):
        decisions = deciding(picture, **over)
        places.law(pool, "SG")
        return decisions

    whole.decide = moved
    try:
        passed = whole.run(places.storage)
    finally:
        whole.decide = decide
    assert passed is not None
    assert (passed.placed, passed.overtaken) == (0, SMALL_MAX + 1)
    with places.storage.database.read() as tx:
        assert all(each.devices_busy == 0 for each in compute.pools(tx))
