"""Rate cards: versions that never reach back, objections, and sums of normalised time."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.resources import files

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import supply as package
from yunhe.compute.service import supply
from yunhe.compute.supply import store
from yunhe.compute.supply.domain import Dispute, Rate, RateCard
from yunhe.compute.supply.rating import PER_THOUSAND_MAX, RATES_MAX
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError

CLASS = "training.transformer"
RATES = (Rate("v100", CLASS, 1_000), Rate("p100", CLASS, 741), Rate("k80", CLASS, 287))


@contextmanager
def refused(kind: type[YunheError], code: str, *codes: str):
    """The code of a refusal and of its findings; both languages have words for it."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code
    assert code not in caught.value.message("en") + caught.value.message("zh")
    assert tuple(found.code for found in caught.value.findings) == codes


class Bench:
    """A city and what is done to its rate cards."""

    def __init__(self, city) -> None:
        self.city, self.storage = city, city.storage

    @property
    def now(self) -> int:
        return self.city.clock.now_us()

    def publish(self, *rates: Rate, key: str = "card", by: str = "", **more) -> RateCard:
        return supply.publish(
            self.storage,
            key=key,
            reference=more.pop("reference", "v100"),
            rates=rates or RATES,
            provenance=more.pop("provenance", "a trial"),
            by=by or self.city.operator,
            **more,
        )

    def dispute(self, card: str, *, key: str = "d", chip: str = "p100", **more) -> Dispute:
        return supply.dispute(
            self.storage,
            key=key,
            card=card,
            chip=chip,
            workload_class=more.pop("workload_class", CLASS),
            organisation=more.pop("organisation", self.city.provider),
            reason=more.pop("reason", "ours are faster"),
            by=more.pop("by", "mem_provider"),
        )

    def decide(self, dispute: str, verdict: str, *, by: str = "") -> Dispute:
        return supply.decide(
            self.storage, dispute, verdict=verdict, reason="measured", by=by or self.city.operator
        )

    def normalised(self, chip: str = "p100", device_ms: int = 1_000, *, at: int | None = None):
        with self.storage.database.read() as tx:
            at_us = self.now if at is None else at
            return supply.normalised(tx, chip, CLASS, device_ms, at_us)


@pytest.fixture
def bench(bare_city) -> Bench:
    return Bench(bare_city)


def test_device_time_is_normalised_by_the_version_in_force_then_and_raw_time_stays(bench) -> None:
    assert bench.normalised() is None
    first = bench.publish()
    bench.city.clock.advance(seconds=10)
    second = bench.publish(RATES[0], Rate("p100", CLASS, 800, "measured", verified=True), key="2")
    assert (first.version, second.version) == (1, 2)
    then, now = bench.normalised(at=second.from_us - 1), bench.normalised()
    assert (then.device_ms, then.reference_us, then.version) == (1_000, 741_000, 1)
    assert (now.device_ms, now.reference_us, now.version) == (1_000, 800_000, 2)
    assert (then.verified, now.verified) == (False, True)
    assert now.reference == "v100"
    assert bench.normalised(at=first.from_us - 1) is None
    assert bench.normalised("k80") is None  # the second version has none: never guessed


def test_a_version_published_for_later_is_in_force_from_then(bench) -> None:
    bench.publish()
    bench.publish(Rate("p100", CLASS, 1), key="2", from_us=bench.now + DAY_US)
    assert bench.normalised().version == 1
    assert bench.normalised(at=bench.now + DAY_US).per_thousand == 1


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(1, PER_THOUSAND_MAX),
    st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20),
)
def test_normalised_parts_sum_to_the_normalised_sum(bench, per_thousand, parts) -> None:
    bench.city.clock.advance(seconds=1)  # every example is a version of its own
    bench.publish(Rate("p100", CLASS, per_thousand), key=f"at {bench.now}")
    found = [bench.normalised(device_ms=part) for part in parts]
    assert {each.per_thousand for each in found} == {per_thousand}
    whole = bench.normalised(device_ms=sum(parts))
    assert sum(each.reference_us for each in found) == whole.reference_us
    assert sum(each.device_ms for each in found) == whole.device_ms


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 4), max_size=5))
def test_the_version_in_force_is_what_a_scan_over_all_versions_finds(new_city, pauses) -> None:
    bench = Bench(new_city())
    begun, made = bench.now, []
    for number, pause in enumerate(pauses):
        bench.city.clock.advance(seconds=1)
        since = bench.now + pause * SECOND_US
        if made and since <= made[-1].from_us:
            continue  # refused: versions follow each other
        made.append(bench.publish(key=f"card {number}", from_us=since))
    with bench.storage.database.read() as tx:
        for second in range(12):
            at_us = begun + second * SECOND_US
            in_force = [card for card in made if card.from_us <= at_us]
            assert store.card_at(tx, at_us) == (in_force[-1] if in_force else None)


def test_normalised_parts_of_kept_cards_sum_exactly(bench) -> None:
    bench.publish(Rate("p100", CLASS, 333), RATES[0])
    parts = [1, 2, 3, 999, 3_600_000, 10**12 + 7, -5]
    found = [bench.normalised(device_ms=part).reference_us for part in parts]
    assert sum(found) == bench.normalised(device_ms=sum(parts)).reference_us


def test_only_an_operator_publishes_and_decides(bench) -> None:
    with bench.storage.database.begin() as tx:
        other = identity.add_member(
            tx, key="x", organisation=bench.city.provider, name="甲", at_us=bench.now
        ).id
    with refused(NotAllowed, "identity.role_missing"):
        bench.publish(by=other)
    made = bench.dispute(bench.publish().id)
    with refused(NotAllowed, "identity.role_missing"):
        bench.decide(made.id, "upheld", by=other)
    own = bench.dispute(made.card, key="own", organisation="org_op", by=bench.city.operator)
    with refused(NotAllowed, "compute.dispute_own"):
        bench.decide(own.id, "rejected")


def test_everything_wrong_with_a_card_is_told_at_once(bench) -> None:
    wrong = (
        Rate("v100", CLASS, 999),
        Rate("p100", CLASS, 0),
        Rate("p100", CLASS, 5),
        Rate("p 100", "", PER_THOUSAND_MAX + 1, "\n"),
    )
    codes = (
        "compute.key_invalid",
        "compute.word_invalid",
        "compute.text_invalid",
    )
    with refused(Invalid, "compute.rate_card_invalid", *codes, "compute.rates_number"):
        supply.publish(
            bench.storage, key="", reference="?", rates=(), provenance="", by=bench.city.operator
        )
    found = (
        "compute.rate_reference",
        "compute.amount_invalid",
        "compute.rate_twice",
        "compute.word_invalid",
        "compute.word_invalid",
        "compute.text_invalid",
        "compute.amount_invalid",
    )
    with refused(Invalid, "compute.rate_card_invalid", *found):
        bench.publish(*wrong)
    many = [Rate(f"c{number}", CLASS, 1) for number in range(RATES_MAX + 1)]
    with refused(Invalid, "compute.rate_card_invalid", "compute.rates_number"):
        bench.publish(*many)
    with bench.storage.database.read() as tx:
        assert supply.cards(tx) == []


def test_a_version_neither_reaches_back_nor_goes_before_the_last(bench) -> None:
    with refused(Invalid, "compute.rate_card_invalid", "compute.period_past"):
        bench.publish(from_us=bench.now - 1)
    bench.publish(from_us=bench.now + DAY_US)
    with refused(Invalid, "compute.rate_card_invalid", "compute.rate_card_order"):
        bench.publish(key="2", from_us=bench.now + DAY_US)
    assert bench.publish(key="2", from_us=bench.now + DAY_US + 1).version == 2


def test_the_same_key_again_is_the_same_version_and_its_digest_does_not_know_the_order(bench):
    made = bench.publish()
    bench.city.clock.advance(seconds=1)
    assert bench.publish(*reversed(RATES)) == made
    with refused(Conflict, "compute.rate_card_differs"):
        bench.publish(*RATES[:2])
    with refused(Conflict, "compute.rate_card_differs"):
        bench.publish(from_us=made.from_us + 1)
    other = bench.publish(*RATES[:2], key="2")
    assert other.digest != made.digest
    with bench.storage.database.read() as tx:
        assert supply.cards(tx) == [other, made]
        assert supply.cards(tx, before=2) == [made]
        assert store.card(tx, made.id) == made


def test_an_objection_marks_the_rate_as_disputed_until_it_is_rejected(bench) -> None:
    card = bench.publish()
    assert bench.normalised().disputed is False
    made = bench.dispute(card.id)
    assert (made.state, made.decided_by, made.decided_at_us) == ("open", "", None)
    assert bench.normalised().disputed is True
    assert bench.normalised("k80").disputed is False
    assert bench.normalised().reference_us == 741_000  # the rate stands meanwhile
    bench.city.clock.advance(seconds=1)
    decided = bench.decide(made.id, "rejected")
    assert (decided.state, decided.decision) == ("rejected", "measured")
    assert (decided.decided_by, decided.decided_at_us) == (bench.city.operator, bench.now)
    assert (decided.reason, decided.at_us) == (made.reason, made.at_us)
    assert bench.normalised().disputed is False


def test_an_upheld_objection_stays_with_its_version_and_the_next_one_is_clear(bench) -> None:
    made = bench.dispute(bench.publish().id)
    bench.decide(made.id, "upheld")
    assert bench.normalised().disputed is True
    bench.city.clock.advance(seconds=1)
    bench.publish(RATES[0], Rate("p100", CLASS, 800), key="2")
    assert bench.normalised().disputed is False
    assert bench.normalised(at=bench.now - 1).disputed is True


def test_objections_repeat_their_key_and_only_one_of_an_organisation_is_open(bench) -> None:
    card = bench.publish()
    made = bench.dispute(card.id)
    assert bench.dispute(card.id) == made
    with refused(Conflict, "compute.dispute_differs"):
        bench.dispute(card.id, reason="another reason")
    with refused(Conflict, "compute.dispute_open"):
        bench.dispute(card.id, key="e")
    theirs = bench.dispute(card.id, key="e", organisation=bench.city.university)
    decided = bench.decide(made.id, "rejected")
    assert bench.decide(made.id, "rejected") == decided
    with refused(Conflict, "compute.dispute_decided"):
        bench.decide(made.id, "upheld")
    assert bench.dispute(card.id, key="e").state == "open"
    with bench.storage.database.read() as tx:
        assert supply.disputes(tx, organisation=bench.city.university) == [theirs]
        every = supply.disputes(tx)
        assert len(every) == 3
        assert supply.disputes(tx, after=every[0].id) == every[1:]


def test_an_objection_must_be_about_a_rate_that_is_there(bench) -> None:
    card = bench.publish()
    with refused(NotFound, "compute.rate_card_unknown"):
        bench.dispute("ratecard_none")
    with refused(NotFound, "compute.rate_unknown"):
        bench.dispute(card.id, chip="h100")
    with refused(NotFound, "compute.dispute_unknown"):
        bench.decide("dispute_none", "upheld")
    with refused(Invalid, "compute.dispute_invalid", "compute.text_invalid"):
        bench.dispute(card.id, reason="")


def test_the_card_that_comes_as_an_example_can_be_published(bench) -> None:
    said = yaml.safe_load(files(package).joinpath("gavel_rates.yaml").read_bytes())
    rates = [Rate(**each) for each in said["rates"]]
    made = bench.publish(*rates, reference=said["reference"], provenance=said["provenance"])
    assert not any(rate.verified for rate in made.rates)
    assert bench.normalised("k80").per_thousand == 287
    assert {rate.chip for rate in rates} <= {chip.id for chip in supply.catalogue().chips}
