"""An award for a class of chips: placed in any vendor's pool, held, captured, billed, matched."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from test_compute_budget import Scripted
from test_compute_statements_service import JANUARY, billed, close, handed_in, refused, to_end_of

from yunhe.compute import service as compute
from yunhe.compute.passes import store as passes_store
from yunhe.compute.picture import picture_of
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import Picture
from yunhe.compute.service import statements, supply
from yunhe.compute.simulation.recording import _completed as completed
from yunhe.compute.simulation.recording import digest_of, plain, revived
from yunhe.compute.supply.domain import Rate
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Invalid
from yunhe.ledger import service as ledger
from yunhe.notices import service as notices

RATES = (
    Rate("ascend910b", "training", 1_000),
    Rate("a100", "training", 1_111),
    Rate("h100", "training", 2_503),
    Rate("h100", "training.resnet50", 1_999),
)
CLASS = "class:training-large"
UNIT = f"device:{CLASS}"


class Vendors:
    """A city with pools of several vendors and an award for all of them."""

    def __init__(self, city) -> None:
        self.city, self.storage, self.clock = city, city.storage, city.clock

    def publish(self, *rates: Rate, key: str = "card") -> None:
        supply.publish(
            self.storage,
            key=key,
            reference="ascend910b",
            rates=rates or RATES,
            provenance="a trial",
            by=self.city.operator,
        )

    def pool(self, chip: str, *, devices: int = 2, price: int = 3_600):
        return compute.register_pool(
            self.storage,
            key=chip,
            provider=self.city.provider,
            site=f"机房 {chip}",
            chip=chip,
            devices=devices,
            price_minor_per_device_hour=price,
            currency="CNY",
            adapter="demonstration",
        )

    def award(self, chip: str = CLASS, *, seconds: int = 1_000, key: str = "award", days=365):
        return compute.award(
            self.storage,
            key=key,
            organisation=self.city.university,
            chip=chip,
            device_ms=seconds * 1_000,
            expires_at_us=self.clock.now_us() + days * DAY_US,
            awarded_by=self.city.operator,
        )

    def submit(self, key: str, chip: str, *, wall: int = 100, **over):
        return self.city.submit(key, chip=chip, wall=wall, kind="training", **over)

    def ran(self, key: str, chip: str, *, wall_ms: int = 30_000, **over):
        made = self.submit(key, chip, **over)
        compute.run_next(self.storage, Scripted("succeeded", wall_ms))
        return self.city.see(made)

    def status(self, key: str = "award"):
        with self.storage.database.read() as tx:
            found = {one.award.id: one for one in compute.awards(tx)}
        return found[self.award(key=key).id] if key == "award" else list(found.values())


@pytest.fixture
def vendors(bare_city) -> Vendors:
    made = Vendors(bare_city)
    bare_city.cash()
    bare_city.approve_trial()
    made.publish()
    return made


def test_work_under_one_award_runs_in_pools_of_two_vendors_and_each_counts_by_its_rate(vendors):
    vendors.pool("ascend910b")
    vendors.pool("h100")
    award = vendors.award()
    assert award.accepts.rated == ("a100", "ascend910b", "h100")
    one = vendors.submit("one", "ascend910b")
    two = vendors.submit("two", "h100")
    assert (one.state, two.state) == ("placed", "placed")
    assert (one.held_device_ms, two.held_device_ms) == (100_000, 100_000)
    status = vendors.status()
    assert status.held_ms == 100_000 + 250_300
    assert vendors.city.balance(vendors.city.university, UNIT, "award") == (649_700, 350_300)
    for _ in range(2):
        compute.run_next(vendors.storage, Scripted("succeeded", 30_001))
    one, two = vendors.city.see(one), vendors.city.see(two)
    assert (one.usage.device_ms, two.usage.device_ms) == (30_001, 30_001)
    assert (one.usage.drawn_ms, two.usage.drawn_ms) == (30_001, 75_093)  # 75,092.503 rounded up
    status = vendors.status()
    assert (status.held_ms, status.used_ms) == (0, 105_094)
    assert vendors.city.balance(vendors.city.provider, UNIT, "delivered") == (105_094, 0)


@pytest.mark.parametrize("verdict", ["succeeded", "failed", "cancelled"])
def test_a_run_of_no_time_at_all_takes_nothing_and_gives_everything_back(vendors, verdict):
    vendors.pool("h100")
    vendors.award()
    made = vendors.submit("one", "h100")
    compute.run_next(vendors.storage, Scripted(verdict, 0))
    ended = vendors.city.see(made)
    assert ended.state == {"succeeded": "settled"}.get(verdict, verdict)
    assert (ended.usage.device_ms, ended.usage.drawn_of, ended.usage.drawn_ms) == (0, "", 0)
    assert vendors.city.balance(vendors.city.university, UNIT, "award") == (1_000_000, 0)
    assert (vendors.status().used_ms, vendors.status().held_ms) == (0, 0)
    found = handed_in(vendors.city, billed(vendors.city))
    assert statements.matched(vendors.storage, found.id).mismatches == ()


def test_an_explicit_list_is_an_award_too_however_it_is_written(vendors):
    made = vendors.award("h100+a100")
    assert (made.chip, made.accepts.chips) == ("a100+h100", ("a100", "h100"))
    assert vendors.award("a100+h100+a100") == made
    vendors.pool("h100")
    vendors.pool("ascend910b")
    assert vendors.submit("one", "h100").state == "placed"
    waits = vendors.submit("two", "ascend910b")
    assert (waits.state, waits.why.code) == ("waiting", "compute.waiting_award")


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("class:nothing", "compute.class_unknown"),
        ("class:inference", "compute.class_unrated"),
        ("k80+p100", "compute.class_unrated"),
        ("+".join(f"chip-number-{n}" for n in range(9)), "compute.class_long"),
        ("a100+", "compute.word_invalid"),
        ("class:", "compute.word_invalid"),
        ("class:a b", "compute.word_invalid"),
    ],
)
def test_what_nobody_defined_or_rated_is_refused_and_nothing_is_granted(vendors, word, code):
    with pytest.raises(Invalid) as caught:
        vendors.award(word)
    assert caught.value.code == "compute.award_invalid"
    assert [found.code for found in caught.value.findings] == [code]
    assert vendors.status(key="") == []


def test_without_a_rate_card_no_award_is_for_several(bare_city):
    with refused("compute.award_invalid"):
        Vendors(bare_city).award("a100+h100")
    assert Vendors(bare_city).award("a100").accepts is None


def test_a_later_rate_card_changes_neither_what_is_held_nor_what_the_award_buys(vendors):
    vendors.pool("h100", devices=3)
    vendors.award()
    first = vendors.submit("one", "h100")
    vendors.clock.advance(seconds=1)
    vendors.publish(Rate("h100", "training", 9_000), key="dearer")
    second = vendors.submit("two", "h100")
    assert vendors.status().held_ms == 2 * 250_300
    for _ in range(2):
        compute.run_next(vendors.storage, Scripted("succeeded", 100_000))
    used = [vendors.city.see(one).usage.drawn_ms for one in (first, second)]
    assert used == [250_300, 250_300]
    assert vendors.award().accepts.version == 1
    later = vendors.award(key="later")
    assert (later.accepts.version, later.accepts.rated) == (2, ("h100",))


def test_work_that_takes_another_chip_of_the_class_is_held_for_at_the_one_it_is_placed_on(vendors):
    vendors.pool("ascend910b", devices=1)
    vendors.pool("h100", devices=1)
    vendors.award(seconds=1_000)
    over = {"substitutes": {"h100": 2_000}}
    made = [vendors.submit(key, "ascend910b", **over) for key in ("one", "two")]
    with vendors.storage.database.read() as tx:
        chips = {status.pool.id: status.pool.chip for status in compute.pools(tx)}
    held = {chips[one.pool]: one.held_device_ms for one in made}
    assert held == {"ascend910b": 100_000, "h100": 50_000}
    assert vendors.status().held_ms == 100_000 + 125_150


def test_what_is_missing_is_named_in_the_awards_own_time_and_the_change_admits_it(vendors):
    vendors.pool("h100")
    vendors.award(seconds=250)
    waits = vendors.submit("one", "h100")
    assert waits.why.code == "compute.waiting_award"
    assert dict(waits.why.params)["chip"] == CLASS
    (change,) = waits.why.changes
    said = dict(change.params)
    assert (change.code, said["chip"]) == ("compute.change_award", CLASS)
    assert 0 < waits.why.shorter_wall_seconds < 100
    short = vendors.submit("short", "h100", wall=waits.why.shorter_wall_seconds)
    assert short.state == "placed"
    compute.cancel(vendors.storage, short.id)
    compute.award(
        vendors.storage,
        key="more",
        organisation=vendors.city.university,
        chip=CLASS,
        device_ms=said["missing"],
        expires_at_us=vendors.clock.now_us() + DAY_US,
        awarded_by=vendors.city.operator,
    )
    assert vendors.city.see(waits).state == "placed"


def test_work_of_a_class_that_has_no_rate_waits_as_nothing_is_guessed(vendors):
    vendors.pool("h100")
    vendors.award()
    made = vendors.city.submit("one", chip="h100", kind="batch")
    assert (made.state, made.why.code) == ("waiting", "compute.waiting_award")
    finer = vendors.city.submit(
        "two", chip="h100", kind="training", workload_class="training.resnet50"
    )
    assert (finer.state, vendors.status().held_ms) == ("placed", 199_900)


def test_what_lapses_when_it_expires_is_what_was_not_held_and_the_held_part_is_honoured(vendors):
    vendors.pool("h100")
    vendors.award(days=1)
    made = vendors.submit("one", "h100")
    vendors.clock.advance(seconds=86_401)
    vendors.submit("two", "h100")
    status = vendors.status()
    assert (status.lapsed_ms, status.held_ms) == (749_700, 250_300)
    compute.run_next(vendors.storage, Scripted("succeeded", 40_000))
    assert vendors.city.see(made).usage.drawn_ms == 100_120
    compute.reconsider(vendors.storage)
    assert vendors.status().left_ms == 0


def test_work_is_billed_raw_and_the_match_finds_the_ledger_right_to_the_millisecond(vendors):
    vendors.pool("ascend910b")
    vendors.pool("h100", price=7_200)
    vendors.award()
    vendors.ran("one", "ascend910b", wall_ms=30_001)
    two = vendors.ran("two", "h100", wall_ms=20_001)
    assert two.usage.cost_minor == 41  # 7,200 fen × 20.001 s, rounded up
    city = vendors.city
    made = handed_in(city, billed(city))
    found = statements.matched(city.storage, made.id)
    assert (found.charges, found.transfers, found.agreed, found.mismatches) == (2, 4, 2, ())
    to_end_of(city, JANUARY)
    invoice, payable = close(city)
    assert invoice.device_ms == payable.device_ms == 50_002
    assert city.balance(city.provider, UNIT, "delivered") == (30_001 + 50_063, 0)


def test_a_correction_gives_back_to_the_award_in_its_own_time(vendors):
    vendors.pool("h100")
    vendors.award()
    made = vendors.ran("one", "h100", wall_ms=30_001)
    assert vendors.status().used_ms == 75_093
    fixed = statements.correct(
        vendors.storage,
        key="half",
        workload=made.id,
        device_ms=15_000,
        reason="the provider said so",
        corrected_by=vendors.city.operator,
    )
    assert (fixed.device_ms, fixed.drawn_ms) == (-15_001, -37_548)
    assert vendors.status().used_ms == 37_545
    with vendors.storage.database.read() as tx:
        body = custody.record(tx, fixed.reference).body
    assert (body["device_ms"], body["award_ms"]) == (-15_001, -37_548)
    assert vendors.city.balance(vendors.city.provider, UNIT, "delivered") == (37_545, 0)
    statements.correct(
        vendors.storage,
        key="all",
        workload=made.id,
        device_ms=0,
        reason="the provider said so",
        corrected_by=vendors.city.operator,
    )
    assert vendors.status().left_ms == 1_000_000
    with vendors.storage.database.read() as tx:
        assert ledger.replay(tx).ok
    made = handed_in(vendors.city, billed(vendors.city))
    found = statements.matched(vendors.storage, made.id)
    assert [each.kind for each in found.mismatches if each.side == "ledger"] == []


def test_the_record_of_an_award_and_of_its_use_says_how_each_chip_counted(vendors):
    vendors.pool("h100")
    award = vendors.award()
    made = vendors.ran("one", "h100")
    with vendors.storage.database.read() as tx:
        granted = custody.record(tx, award.reference)
        used = custody.record(tx, made.reference)
    assert granted.body["unit"] == UNIT
    assert granted.body["accepts"]["rates"] == [
        [r.chip, r.workload_class, r.per_thousand]
        for r in sorted(RATES, key=lambda r: (r.chip, r.workload_class))
    ]
    assert (used.body["device_ms"], used.body["award_ms"]) == (30_000, 75_090)
    assert used.body["award_unit"] == UNIT
    assert dict(used.links)["award"] == award.reference


def test_people_are_told_when_four_fifths_of_an_award_for_several_are_taken(vendors):
    vendors.pool("h100", devices=4)
    vendors.award(seconds=1_000)
    assert not told(vendors)
    for key in ("one", "two", "three"):
        vendors.submit(key, "h100")
    assert not told(vendors)
    vendors.submit("four", "h100", wall=20)
    (notice,) = told(vendors)
    assert (notice.kind, notice.params["chip"]) == ("budget_80", CLASS)


def told(vendors) -> list:
    with vendors.storage.database.begin() as tx:
        member = identity.add_member(
            tx, key="m", organisation=vendors.city.university, name="员工", at_us=0
        ).id
        identity.grant_role(tx, member=member, role="administrator", at_us=0)
        found = notices.feed(tx, member)
    return [one for one in found if one.kind.startswith("budget")]


def test_a_pass_is_written_down_with_the_rates_and_decided_the_same_again(vendors):
    vendors.pool("h100")
    vendors.award()
    vendors.submit("one", "h100", wall=10**6)
    with vendors.storage.database.read() as tx:
        rows = passes_store.queue(tx, each=10)
        picture = picture_of(tx, rows, now_us=vendors.clock.now_us())
    assert [request.workload_class for request in picture.queue] == ["training"]
    assert picture.awards[0].rates
    picture = replace(picture, queue=(replace(picture.queue[0], wall_seconds_max=90),))
    again = revived(Picture, json.loads(json.dumps(plain(picture))))
    first, second = (
        digest_of(decide(each, now_us=vendors.clock.now_us())) for each in (picture, again)
    )
    assert first == second
    (draw,) = first[0]["draws"]
    assert draw["device_ms"] == 90 * 2_503
    before = [{**first[0], "draws": [{"award": "award_1", "device_ms": 5}]}]
    ((older,),) = [one["draws"] for one in completed(before)]
    assert older == {
        "award": "award_1",
        "device_ms": 5,
        "of": "",
        "raw_ms": 0,
        "per_thousand": 1_000,
    }
