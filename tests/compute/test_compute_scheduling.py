"""The scheduler's promises, on any picture hypothesis can draw."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.reasons import Why
from yunhe.compute.scheduling import cost
from yunhe.compute.scheduling.engine import PATIENCE_US, decide
from yunhe.compute.scheduling.state import (
    AwardView,
    Picture,
    Placement,
    PoolView,
    Request,
    VoucherView,
    Wait,
)

NOW_US = 10**15
HOUR_US = 3_600 * 10**6
NAMES = ("north", "south", "east")


def pool(name: str = "p", *, devices: int = 4, busy: int = 0, price: int = 360, chip: str = "cpu"):
    return PoolView(name, chip, devices, busy, price, "CNY")


def award(name: str = "a", *, left_ms: int = 10**7, expires_in_us: int = HOUR_US, **over: str):
    organisation, chip = over.get("organisation", "north"), over.get("chip", "cpu")
    return AwardView(name, organisation, chip, left_ms, NOW_US + expires_in_us)


def request(name: str = "w", *, number: int = 1, devices: int = 1, wall: int = 100, **over):
    return Request(
        id=name,
        number=number,
        organisation=over.get("organisation", "north"),
        chip=over.get("chip", "cpu"),
        devices=devices,
        wall_seconds_max=wall,
        since_us=NOW_US - over.get("waited_us", 0),
        blocked=over.get("blocked"),
    )


def picture(*queue: Request, pools=None, awards=None, vouchers=(), cash: int = 10**9, busy=None):
    return Picture(
        pools=tuple(pools if pools is not None else [pool()]),
        awards=tuple(awards if awards is not None else [award()]),
        vouchers=tuple(vouchers),
        cash={(name, "CNY"): cash for name in NAMES},
        queue=queue,
        busy=busy or {},
    )


def decided(shown: Picture) -> dict[str, Placement | Wait]:
    return {decision.request.id: decision for decision in decide(shown, now_us=NOW_US)}


pictures = st.builds(
    Picture,
    pools=st.lists(
        st.builds(
            PoolView,
            id=st.sampled_from(["p1", "p2", "p3"]),
            chip=st.sampled_from(["cpu", "npu"]),
            devices=st.integers(1, 8),
            devices_busy=st.integers(0, 9),
            price_minor_per_device_hour=st.integers(0, 5_000),
            currency=st.just("CNY"),
        ),
        max_size=3,
        unique_by=lambda view: view.id,
    ).map(tuple),
    awards=st.lists(
        st.builds(
            AwardView,
            id=st.sampled_from(["a1", "a2", "a3", "a4"]),
            organisation=st.sampled_from(NAMES),
            chip=st.sampled_from(["cpu", "npu"]),
            left_ms=st.integers(0, 2_000_000),
            expires_at_us=st.sampled_from([NOW_US - 1, NOW_US, NOW_US + 1, NOW_US + HOUR_US]),
        ),
        max_size=4,
        unique_by=lambda view: view.id,
    ).map(tuple),
    vouchers=st.lists(
        st.builds(
            VoucherView,
            id=st.sampled_from(["v1", "v2", "v3"]),
            organisation=st.sampled_from(NAMES),
            currency=st.just("CNY"),
            left_minor=st.integers(0, 300),
            share_percent=st.integers(0, 100),
        ),
        max_size=3,
        unique_by=lambda view: view.id,
    ).map(tuple),
    cash=st.dictionaries(
        st.tuples(st.sampled_from(NAMES), st.just("CNY")), st.integers(-50, 2_000), max_size=3
    ),
    queue=st.lists(
        st.builds(
            Request,
            id=st.integers(0, 10**6).map(lambda n: f"w{n}"),
            number=st.integers(0, 20),
            organisation=st.sampled_from(NAMES),
            chip=st.sampled_from(["cpu", "npu"]),
            devices=st.integers(1, 9),
            wall_seconds_max=st.integers(1, 600),
            since_us=st.sampled_from([NOW_US + 5, NOW_US, NOW_US - PATIENCE_US]),
            blocked=st.sampled_from([None, None, None, Why("compute.launch_failed")]),
        ),
        max_size=12,
        unique_by=lambda waiting: waiting.id,
    ).map(tuple),
    busy=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 20), max_size=3),
)


def admitting(shown: Picture, wait: Wait) -> Picture:
    """The picture after exactly the changes that ``wait`` asked for."""
    pools, awards, cash = list(shown.pools), list(shown.awards), dict(shown.cash)
    waiting = wait.request
    for change in wait.why.changes:
        params = dict(change.params)
        missing = params["missing"]
        if change.code == "compute.change_award":
            awards.append(
                AwardView("new", waiting.organisation, waiting.chip, missing, NOW_US + HOUR_US)
            )
        elif change.code == "compute.change_cash":
            account = (waiting.organisation, params["currency"])
            cash[account] = max(cash.get(account, 0), 0) + missing
        elif change.code == "compute.change_devices":
            (at,) = [i for i, view in enumerate(pools) if view.id == params["pool"]]
            pools[at] = replace(pools[at], devices_busy=pools[at].devices_busy - missing)
        else:
            assert change.code == "compute.change_pool"
            pools.append(PoolView("new", waiting.chip, missing, 0, 0, "CNY"))
    return replace(shown, pools=tuple(pools), awards=tuple(awards), cash=cash)


@given(pictures)
@settings(max_examples=300, deadline=None)
def test_placements_never_exceed_devices_awards_vouchers_or_cash(shown: Picture) -> None:
    decisions = decide(shown, now_us=NOW_US)
    placed = [decision for decision in decisions if isinstance(decision, Placement)]
    devices, drawn, paid = Counter(), Counter(), Counter()
    cash: Counter[str] = Counter()
    for placement in placed:
        asked = placement.request
        view = next(view for view in shown.pools if view.id == placement.pool)
        assert view.chip == asked.chip
        devices[placement.pool] += asked.devices
        need_ms = asked.devices * asked.wall_seconds_max * 1_000
        assert sum(draw.device_ms for draw in placement.draws) == need_ms
        for draw in placement.draws:
            source = next(award for award in shown.awards if award.id == draw.award)
            assert (source.organisation, source.chip) == (asked.organisation, asked.chip)
            assert source.expires_at_us > NOW_US
            drawn[draw.award] += draw.device_ms
        amount = cost.cost(need_ms, price_minor_per_device_hour=view.price_minor_per_device_hour)
        assert placement.voucher_minor + placement.cash_minor == amount
        if placement.voucher is not None:
            source = next(one for one in shown.vouchers if one.id == placement.voucher)
            assert source.organisation == asked.organisation
            assert placement.voucher_minor * 100 <= amount * source.share_percent
            paid[placement.voucher] += placement.voucher_minor
        else:
            assert placement.voucher_minor == 0
        cash[asked.organisation] += placement.cash_minor
    for view in shown.pools:
        assert devices[view.id] <= max(view.devices - view.devices_busy, 0)
    for view in shown.awards:
        assert drawn[view.id] <= view.left_ms
    for view in shown.vouchers:
        assert paid[view.id] <= view.left_minor
    for name, amount in cash.items():
        assert amount <= max(shown.cash.get((name, "CNY"), 0), 0)


@given(pictures, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_every_request_gets_one_decision_whatever_the_order_of_the_picture(shown, random) -> None:
    decisions = decide(shown, now_us=NOW_US)
    assert sorted(d.request.id for d in decisions) == sorted(r.id for r in shown.queue)

    def shuffled(items: tuple) -> tuple:
        return tuple(random.sample(items, len(items)))

    other = replace(
        shown,
        pools=shuffled(shown.pools),
        awards=shuffled(shown.awards),
        vouchers=shuffled(shown.vouchers),
        queue=shuffled(shown.queue),
    )
    assert decide(other, now_us=NOW_US) == decisions


@given(pictures)
@settings(max_examples=200, deadline=None)
def test_the_change_a_lone_request_is_told_would_admit_it_and_one_less_would_not(shown) -> None:
    shown = replace(shown, queue=shown.queue[:1])
    for decision in decide(shown, now_us=NOW_US):
        if not isinstance(decision, Wait) or decision.request.blocked is not None:
            continue
        assert decision.why.changes
        changed = admitting(shown, decision)
        if decision.why.code == "compute.waiting_no_pool":
            # A pool alone does not bring the budget: then the next reason names that.
            (after,) = decide(changed, now_us=NOW_US)
            assert isinstance(after, Placement) or after.why.code != decision.why.code
            continue
        (after,) = decide(changed, now_us=NOW_US)
        assert isinstance(after, Placement)
        for index, change in enumerate(decision.why.changes):
            params = dict(change.params)
            less = replace(
                change, params=tuple((params | {"missing": params["missing"] - 1}).items())
            )
            fewer = (*decision.why.changes[:index], less, *decision.why.changes[index + 1 :])
            short = replace(decision, why=replace(decision.why, changes=fewer))
            same_pools = tuple(p for p in shown.pools if p.chip == decision.request.chip)
            if len(same_pools) == 1:
                (still,) = decide(admitting(shown, short), now_us=NOW_US)
                assert isinstance(still, Wait)


@given(pictures)
@settings(max_examples=200, deadline=None)
def test_the_shorter_wall_time_a_request_is_told_fits_and_a_second_more_does_not(shown) -> None:
    shown = replace(shown, queue=shown.queue[:1])
    for decision in decide(shown, now_us=NOW_US):
        if not isinstance(decision, Wait) or not decision.why.shorter_wall_seconds:
            continue
        shorter = decision.why.shorter_wall_seconds
        assert shorter < decision.request.wall_seconds_max
        for seconds, fits in ((shorter, True), (shorter + 1, False)):
            asked = replace(decision.request, wall_seconds_max=seconds)
            (after,) = decide(replace(shown, queue=(asked,)), now_us=NOW_US)
            assert isinstance(after, Placement) == fits


@given(
    price=st.integers(0, 10**6),
    held_ms=st.integers(0, 10**9),
    used_ms=st.integers(0, 10**9),
    percent=st.integers(0, 100),
    left=st.integers(0, 10**6),
)
@settings(max_examples=500, deadline=None)
def test_what_a_shorter_run_costs_never_exceeds_any_part_held_for_a_longer_one(
    price: int, held_ms: int, used_ms: int, percent: int, left: int
) -> None:
    used_ms = min(used_ms, held_ms)
    held = cost.share(
        cost.cost(held_ms, price_minor_per_device_hour=price),
        share_percent=percent,
        voucher_left_minor=left,
    )
    actual = cost.cost(used_ms, price_minor_per_device_hour=price)
    paid = cost.share(actual, share_percent=percent, voucher_left_minor=held.voucher_minor)
    assert paid.voucher_minor + paid.cash_minor == actual
    assert 0 <= paid.voucher_minor <= held.voucher_minor
    assert 0 <= paid.cash_minor <= held.cash_minor
    assert paid.voucher_minor * 100 <= actual * percent


def test_an_hour_of_a_device_costs_its_price_and_a_millisecond_at_least_one_minor_unit() -> None:
    assert cost.cost(cost.HOUR_MS, price_minor_per_device_hour=360) == 360
    assert cost.cost(1, price_minor_per_device_hour=360) == 1
    assert cost.cost(1, price_minor_per_device_hour=0) == 0
    assert cost.device_ms_max(devices=3, wall_seconds_max=7) == 21_000


def test_a_voucher_rounds_down_so_that_it_never_pays_more_than_its_share() -> None:
    assert cost.share(3, share_percent=20, voucher_left_minor=99) == cost.Share(0, 3)
    assert cost.share(10, share_percent=20, voucher_left_minor=99) == cost.Share(2, 8)
    assert cost.share(1_000, share_percent=20, voucher_left_minor=50) == cost.Share(50, 950)


def test_requests_of_one_organisation_are_served_in_order_of_submission() -> None:
    first, second = request("late", number=2, devices=3), request("early", number=1, devices=3)
    decisions = decided(picture(first, second))
    assert isinstance(decisions["early"], Placement)
    assert decisions["late"].why.code == "compute.waiting_capacity"


def test_the_organisation_that_occupies_fewer_devices_goes_first() -> None:
    older = request("n", number=1, devices=3)
    younger = request("s", number=2, devices=3, organisation="south")
    awards = [award("a"), award("b", organisation="south")]
    decisions = decided(picture(older, younger, awards=awards, busy={"north": 1}))
    assert isinstance(decisions["s"], Placement)
    assert isinstance(decisions["n"], Wait)


def test_organisations_take_turns_within_one_pass() -> None:
    queue = [request(f"n{i}", number=i) for i in range(4)]
    queue += [request(f"s{i}", number=10 + i, organisation="south") for i in range(4)]
    awards = [award("a"), award("b", organisation="south")]
    decisions = decided(picture(*queue, awards=awards))
    placed = {name for name, decision in decisions.items() if isinstance(decision, Placement)}
    assert placed == {"n0", "n1", "s0", "s1"}


def test_a_small_request_may_overtake_a_large_one_that_waits_for_devices() -> None:
    large, small = request("large", number=1, devices=4), request("small", number=2)
    decisions = decided(picture(large, small, pools=[pool(busy=2)]))
    assert decisions["large"].why.code == "compute.waiting_capacity"
    assert isinstance(decisions["small"], Placement)


def test_once_patience_is_over_the_pool_is_kept_free_for_the_large_request() -> None:
    large = request("large", number=1, devices=4, waited_us=PATIENCE_US)
    small = request("small", number=2)
    decisions = decided(picture(large, small, pools=[pool(busy=2)]))
    assert decisions["large"].why.code == "compute.waiting_capacity"
    assert decisions["small"].why.code == "compute.waiting_turn"
    # whose turn it is may be another organisation's affair
    assert dict(decisions["small"].why.params) == {"pool": decisions["small"].why.params[0][1]}
    assert "large" not in decisions["small"].why.message("en")


def test_a_request_without_budget_holds_nobody_up_however_long_it_waits() -> None:
    poor = request("poor", number=1, devices=4, wall=10**6, waited_us=PATIENCE_US)
    decisions = decided(picture(poor, request("small", number=2)))
    assert decisions["poor"].why.code == "compute.waiting_award"
    assert isinstance(decisions["small"], Placement)


def test_the_cheapest_pool_that_fits_is_taken_and_among_equals_the_fullest() -> None:
    pools = [pool("dear", price=500), pool("empty", price=100), pool("fuller", price=100, busy=2)]
    assert decided(picture(request(), pools=pools))["w"].pool == "fuller"


def test_awards_are_used_up_in_the_order_they_expire_and_may_be_combined() -> None:
    awards = [
        award("later", left_ms=90_000, expires_in_us=2 * HOUR_US),
        award("sooner", left_ms=30_000),
        award("gone", left_ms=10**9, expires_in_us=0),
    ]
    placement = decided(picture(request(wall=100), awards=awards))["w"]
    assert [(draw.award, draw.device_ms) for draw in placement.draws] == [
        ("sooner", 30_000),
        ("later", 70_000),
    ]


def test_an_expired_award_is_named_as_the_reason() -> None:
    why = decided(picture(request(), awards=[award(expires_in_us=0)]))["w"].why
    assert why.code == "compute.waiting_award_expired"


def test_a_reason_names_everything_that_is_missing_at_once() -> None:
    asked = request(devices=3, wall=1_000)
    shown = picture(asked, pools=[pool(busy=2)], awards=[award(left_ms=1_000_000)], cash=100)
    why = decided(shown)["w"].why
    assert why.code == "compute.waiting_award"
    assert [(change.code, dict(change.params)["missing"]) for change in why.changes] == [
        ("compute.change_award", 2_000_000),
        ("compute.change_cash", 200),
        ("compute.change_devices", 1),
    ]
    assert why.shorter_wall_seconds == 0


def test_a_reason_reads_well_in_both_languages() -> None:
    why = decided(picture(request(wall=20_000)))["w"].why
    assert why.message("en").splitlines() == [
        "Waiting for an award of device time: up to 20,000.000 device-seconds on cpu are needed, "
        "10,000.000 are left.",
        "  - award 10,000.000 more device-seconds on cpu",
        "  - or ask for at most 10000 s of wall time, which fits now",
        "It is placed by itself once an operator awards the missing device time.",
    ]
    assert "算力额度" in why.message("zh")
    assert "compute." not in why.message("zh")


def test_a_request_larger_than_every_pool_says_which_pool_it_would_need() -> None:
    why = decided(picture(request(devices=9)))["w"].why
    assert why.code == "compute.waiting_no_pool"
    assert dict(why.params) == {"chip": "cpu", "needed": 9, "largest": 4}


def test_a_blocked_request_is_left_alone() -> None:
    blocked = Why("compute.entry_point_not_approved")
    assert decided(picture(request(blocked=blocked)))["w"].why is blocked


def test_a_pool_that_shrank_below_its_load_places_nothing() -> None:
    why = decided(picture(request(devices=2), pools=[pool(devices=4, busy=7)]))["w"].why
    assert [dict(change.params)["missing"] for change in why.changes] == [5]
