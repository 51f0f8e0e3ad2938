"""Random awards, rate cards and lives of jobs: no award for several chips is ever overspent."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_compute_budget import Scripted
from test_compute_class_awards import CLASS, Vendors

from yunhe.compute import service as compute
from yunhe.compute.service import statements
from yunhe.compute.supply.domain import Rate
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.ledger import service as ledger

CHIPS = ("a100", "ascend910b", "h100")
WORDS = (CLASS, "a100+h100", "h100")
chips, numbers = st.sampled_from(CHIPS), st.integers(0, 9)
commands = st.one_of(
    st.tuples(st.just("card"), numbers, st.lists(st.integers(1, 9_999), min_size=3, max_size=3)),
    st.tuples(st.just("award"), numbers, st.sampled_from(WORDS), st.integers(1, 900)),
    st.tuples(st.just("submit"), numbers, chips, st.integers(1, 200)),
    st.tuples(st.just("cancel"), numbers),
    st.tuples(
        st.just("run"),
        st.sampled_from(["succeeded", "succeeded", "failed", "broken"]),
        st.integers(1, 400_000),
    ),
    st.tuples(st.just("correct"), numbers, st.integers(0, 100_000)),
    st.tuples(st.just("wait"), st.integers(1, 3 * 86_400)),
)


def carry_out(vendors: Vendors, command: tuple, made: dict[int, str]) -> None:
    name, *rest = command
    vendors.clock.advance(seconds=1)
    match name:
        case "card":
            a100, _, h100 = rest[1]
            counts = zip(CHIPS, (a100, 1_000, h100), strict=True)
            rates = [Rate(chip, "training", count) for chip, count in counts]
            vendors.publish(*rates, key=f"card-{rest[0]}")
        case "award":
            vendors.award(rest[1], seconds=rest[2], key=f"award-{rest[0]}", days=2)
        case "submit":
            others = {chip: 500 + 700 * n for n, chip in enumerate(CHIPS) if chip != rest[1]}
            asked = vendors.submit(f"job-{rest[0]}", rest[1], wall=rest[2], substitutes=others)
            made[rest[0]] = asked.id
        case "cancel":
            compute.cancel(vendors.storage, made[rest[0]])
        case "run":
            compute.run_next(vendors.storage, Scripted(*rest))
        case "correct":
            statements.correct(
                vendors.storage,
                key="only",
                workload=made[rest[0]],
                device_ms=rest[1],
                reason="a trial",
                corrected_by=vendors.city.operator,
            )
        case "wait":
            vendors.clock.advance(seconds=rest[0])
            compute.reconsider(vendors.storage)


def assert_sound(vendors: Vendors) -> None:
    """No award is overspent, and the ledger has in each unit what awards and draws say."""
    with vendors.storage.database.read() as tx:
        assert ledger.replay(tx).ok
        statuses = compute.awards(tx)
        open_holds = ledger.holds_open(tx)
        balances = ledger.balances(tx)
        workloads = compute.workloads(tx)
    for status in statuses:
        assert min(status.used_ms, status.held_ms, status.lapsed_ms, status.left_ms) >= 0
    for unit in {f"device:{status.award.chip}" for status in statuses}:
        mine = [each for each in statuses if f"device:{each.award.chip}" == unit]
        held = sum(hold.amount for hold in open_holds if hold.unit == unit)
        assert held == sum(each.held_ms for each in mine)
        paid = [b.available for b in balances if (b.unit, b.purpose) == (unit, "delivered")]
        assert sum(paid) == sum(each.used_ms for each in mine)
        left = [b.available for b in balances if (b.unit, b.purpose) == (unit, "award")]
        assert sum(left) >= sum(each.left_ms for each in mine)
    for each in workloads:
        if each.usage is not None:
            assert each.usage.drawn_of in ("", *WORDS[:2])
            assert bool(each.usage.drawn_ms) == bool(each.usage.drawn_of)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(told=st.lists(commands, min_size=4, max_size=14))
def test_whatever_happens_no_award_is_overspent_and_the_books_agree(new_city, told):
    vendors = Vendors(new_city())
    vendors.city.cash(10**9)
    vendors.city.approve_trial()
    vendors.publish()
    for chip in CHIPS:
        vendors.pool(chip)
    vendors.award(seconds=500)
    made: dict[int, str] = {}
    for command in told:
        with suppress(YunheError, KeyError):
            carry_out(vendors, command, made)
    assert_sound(vendors)


def test_a_life_with_everything_in_it_is_sound_after_each_step(new_city):
    vendors = Vendors(new_city())
    vendors.city.cash(10**9)
    vendors.city.approve_trial()
    vendors.publish()
    for chip in CHIPS:
        vendors.pool(chip)
    made: dict[int, str] = {}
    life = [
        ("award", 0, CLASS, 400),
        ("submit", 0, "h100", 77),
        ("submit", 1, "a100", 133),
        ("card", 1, [9_001, 3, 777]),
        ("award", 1, CLASS, 333),
        ("submit", 2, "ascend910b", 199),
        ("run", "broken", 5),
        ("run", "succeeded", 33_333),
        ("award", 2, "a100+h100", 100),
        ("submit", 3, "h100", 11),
        ("cancel", 1),
        ("run", "failed", 10**9),
        ("correct", 0, 11_111),
        ("wait", 3 * 86_400),
        ("run", "succeeded", 7),
        ("correct", 2, 0),
    ]
    for command in life:
        with suppress(Unavailable):  # the provider that breaks down
            carry_out(vendors, command, made)
        assert_sound(vendors)
    used = [one.award.chip for one in vendors.status(key="") if one.used_ms]
    assert used
