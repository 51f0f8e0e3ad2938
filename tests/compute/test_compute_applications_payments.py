"""Payments in every order and at every edge: asked late, twice, by two, from an empty purse."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from applications_desk import VOUCHER, Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications.payments.paying import GRACE_DAYS
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed, NotFound, YunheError

DAY_S = 86_400
REDEEM_DAYS = 730
PROGRAMME = f"programme:{VOUCHER}"


def shown(desk: Desk, name: str = "1") -> dict[str, str]:
    return {
        "invoice": desk.blob(f"invoice {name}"),
        "delivery_proof": desk.blob(f"proof {name}"),
    }


def awarded(desk: Desk, *, key: str = "claim", fund: int = 10**9, confirmed: bool = True):
    desk.fund(fund, key=f"fund {key}")
    made = desk.decide(desk.claim(key=key, number=key), "award")
    if confirmed:
        desk.confirm(made)
    return made


def cash(desk: Desk) -> int:
    found = desk.balance(desk.firm, "cash")
    return 0 if found is None else found.available


def purse(desk: Desk, programme: str = VOUCHER) -> tuple[int, int]:
    found = desk.balance(f"programme:{programme}", "subsidy")
    return (0, 0) if found is None else (found.available, found.held)


def tick(desk: Desk, *, days: float = 0) -> None:
    desk.clock.advance(seconds=days * DAY_S)
    compute.applications.tick(desk.storage)


# --- time ---


def test_a_voucher_is_good_until_its_last_moment_and_no_longer(desk: Desk):
    made = awarded(desk)
    [one] = desk.payments(made)
    desk.clock.advance(seconds=(one.lapses_at_us - desk.clock.now_us() - 1) / 1e6)
    tick(desk)
    assert desk.payments(made)[0].state == "open"
    desk.clock.advance(seconds=1e-6)
    with pytest.raises(Conflict) as over:  # though the clock has not come by yet
        desk.redeem(made, **shown(desk))
    assert (over.value.code, over.value.params["state"]) == ("compute.payment_over", "lapsed")
    tick(desk)
    assert desk.payments(made)[0].state == "lapsed"


def test_what_was_asked_for_in_time_may_be_paid_in_the_grace(desk: Desk):
    made = awarded(desk)
    desk.clock.advance(seconds=(REDEEM_DAYS - 1) * DAY_S)
    desk.redeem(made, **shown(desk))
    tick(desk, days=GRACE_DAYS - 1)
    assert desk.payments(made)[0].state == "asked"
    assert desk.pay(made).state == "paid"
    assert (cash(desk), purse(desk)[1]) == (20_000_000, 0)


def test_what_nobody_decides_in_the_grace_lapses_with_its_notice(desk: Desk):
    made = awarded(desk)
    desk.redeem(made, **shown(desk))
    assert "application_due" in [n.kind for n in desk.feed(desk.chiefs[0])]
    tick(desk, days=REDEEM_DAYS + GRACE_DAYS + 1)
    assert desk.payments(made)[0].state == "lapsed"
    assert "application_due" not in [n.kind for n in desk.feed(desk.chiefs[0])]
    assert purse(desk) == (10**9, 0)
    assert desk.see(made).amount_minor == 0
    desk.assert_sound()


def test_evidence_sent_back_in_the_grace_comes_too_late_again(desk: Desk):
    made = awarded(desk)
    desk.redeem(made, **shown(desk))
    desk.clock.advance(seconds=(REDEEM_DAYS + 1) * DAY_S)
    assert desk.pay(made, verdict="return").state == "open"
    with pytest.raises(Conflict):
        desk.redeem(made, **shown(desk, "2"))
    tick(desk)
    assert purse(desk) == (10**9, 0)


def test_lapsing_twice_frees_the_money_once(desk: Desk):
    made = awarded(desk)
    tick(desk, days=REDEEM_DAYS + 1)
    before = purse(desk)
    for _ in range(3):
        tick(desk, days=100)
    assert purse(desk) == before == (10**9, 0)
    assert [s.action for s in desk.steps(made)].count("payment_lapsed") == 1
    desk.assert_sound()


# --- evidence ---


@pytest.mark.parametrize(
    ("evidence", "codes"),
    [
        ({"invoice": "sha256:" + "0" * 64}, ["compute.input_missing"]),
        ({"invoice": "sha256:xyz"}, ["compute.digest_invalid"]),
        ({"": "x"}, ["compute.text_invalid", "compute.digest_invalid"]),
        ({f"n{n}": "x" for n in range(21)}, ["compute.inputs_too_many"]),
    ],
)
def test_evidence_that_can_not_be_looked_at_is_refused(desk: Desk, evidence: dict, codes):
    made = awarded(desk)
    with pytest.raises(Invalid) as refused:
        desk.redeem(made, **evidence)
    assert set(codes) <= {f.code for f in refused.value.findings}
    assert desk.payments(made)[0].state == "open"


@pytest.mark.parametrize("missing", ["invoice", "delivery_proof"])
def test_each_document_the_rules_name_is_needed(desk: Desk, missing: str):
    made = awarded(desk)
    evidence = shown(desk)
    del evidence[missing]
    with pytest.raises(NotAllowed) as refused:
        desk.redeem(made, **evidence)
    rule = {"invoice": "BJ-INVOICE", "delivery_proof": "BJ-DELIVERY"}[missing]
    assert [f.where for f in refused.value.findings] == [rule]


def test_a_document_under_another_spelling_is_not_the_invoice(desk: Desk):
    made = awarded(desk)
    with pytest.raises(NotAllowed) as refused:
        desk.redeem(made, Invoice=desk.blob("i"), delivery_proof=desk.blob("p"))
    assert [f.where for f in refused.value.findings] == ["BJ-INVOICE"]


def test_an_invoice_that_was_sent_back_is_free_for_the_right_payment(desk: Desk):
    one, other = (awarded(desk, key=key) for key in "12")
    desk.redeem(one, **shown(desk))
    desk.pay(one, verdict="return")
    assert desk.redeem(other, **shown(desk)).state == "asked"
    with pytest.raises(Conflict) as reused:
        desk.redeem(one, **shown(desk))
    assert reused.value.code == "compute.evidence_reused"


def test_an_invoice_of_a_payment_that_lapsed_or_was_paid_serves_no_other(desk: Desk):
    paid, lapsed = (awarded(desk, key=key) for key in "12")
    desk.redeem(paid, **shown(desk, "paid"))
    desk.pay(paid)
    desk.redeem(lapsed, **shown(desk, "lapsed"))
    tick(desk, days=REDEEM_DAYS + GRACE_DAYS + 1)
    fresh = awarded(desk, key="3")
    for name in ("paid", "lapsed"):
        with pytest.raises(Conflict):
            desk.redeem(fresh, **shown(desk, name))


# --- who ---


def test_only_the_provider_of_the_contract_confirms(desk: Desk):
    made = awarded(desk, confirmed=False)
    for member in (desk.applicant, desk.chiefs[0]):
        with pytest.raises(NotAllowed) as refused:
            desk.confirm(made, by=member)
        assert refused.value.code == "compute.not_yours"
    first = desk.confirm(made)
    assert desk.confirm(made) == first
    assert [s.action for s in desk.steps(made)].count("settlement_confirmed") == 1


def test_nobody_confirms_a_grant_that_has_no_contract(desk: Desk):
    desk.fund(10**8, "yunhe_grants")
    made = desk.decide(desk.grant(1_000), "award")
    with pytest.raises(NotAllowed):
        desk.confirm(made)


def test_who_became_affiliated_after_the_award_is_not_paid(desk: Desk):
    made = awarded(desk)
    desk.redeem(made, **shown(desk))
    compute.applications.affiliate(
        desk.storage, first=desk.firm, second=desk.provider, basis="并购", by=desk.chiefs[0]
    )
    with pytest.raises(NotAllowed) as refused:
        desk.pay(made)
    assert [f.where for f in refused.value.findings] == ["BJ-AFFILIATED"]
    assert cash(desk) == 0
    assert desk.pay(made, verdict="return").state == "open"


def test_who_applied_or_declared_an_interest_does_not_pay(desk: Desk):
    desk.fund(10**8, "yunhe_grants")
    made = desk.decide(desk.grant(1_000), "award")
    desk.redeem(made, report=desk.blob("m"))
    with pytest.raises(NotAllowed) as refused:
        desk.pay(made, by=desk.applicant)
    assert refused.value.code == "compute.not_a_decider"
    with pytest.raises(NotAllowed):
        desk.pay(made, by=desk.chiefs[0])
    assert desk.pay(made, by=desk.chiefs[3]).decided_by == desk.chiefs[3]


def test_a_payment_that_is_not_there_is_unknown(desk: Desk):
    made = awarded(desk)
    for number in (0, 2, -1):
        with pytest.raises(NotFound) as unknown:
            desk.redeem(made, number, **shown(desk))
        assert unknown.value.code == "compute.payment_unknown"


def test_nothing_is_paid_of_what_waits_or_was_refused(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    for step in (desk.redeem, desk.confirm, desk.pay):
        with pytest.raises(NotFound):
            step(made)
    desk.decide(made, "refuse")
    with pytest.raises(NotFound):
        desk.redeem(made)
    assert purse(desk) == (10**9, 0)


@pytest.mark.parametrize("verdict", ["", "PAY", "award"])
def test_a_payment_is_paid_or_returned_and_nothing_else(desk: Desk, verdict: str):
    made = awarded(desk)
    desk.redeem(made, **shown(desk))
    with pytest.raises(Invalid):
        desk.pay(made, verdict=verdict)
    assert desk.payments(made)[0].state == "asked"


# --- money ---


def test_an_empty_purse_awards_nothing_and_a_filled_one_does(desk: Desk):
    made = desk.claim()
    with pytest.raises(Exhausted) as spent:
        desk.decide(made, "award")
    assert spent.value.params["has"] == "0.00"
    assert desk.see(made).state == "verifying"
    assert desk.payments(made) == []
    desk.fund(20_000_000)
    assert desk.decide(made, "award").state == "awarded"
    assert purse(desk) == (0, 20_000_000)


def test_of_milestones_all_are_set_aside_or_none(desk: Desk):
    desk.fund(25_000, "yunhe_grants")
    made = desk.grant(10_000, 10_000, 10_000)
    with pytest.raises(Exhausted):
        desk.decide(made, "award")
    assert (desk.payments(made), purse(desk, "yunhe_grants")) == ([], (25_000, 0))
    desk.fund(5_000, "yunhe_grants", key="more")
    desk.decide(made, "award")
    assert [p.amount_minor for p in desk.payments(made)] == [10_000] * 3
    assert purse(desk, "yunhe_grants") == (0, 30_000)
    desk.assert_sound()


def test_funding_with_one_key_is_funding_once(desk: Desk):
    for _ in range(2):
        desk.fund(1_000)
    assert purse(desk) == (1_000, 0)
    with pytest.raises(YunheError):
        desk.fund(1_001)
    assert purse(desk) == (1_000, 0)


@pytest.mark.parametrize("amount", [0, -1])
def test_a_programme_is_funded_with_something(desk: Desk, amount: int):
    with pytest.raises(Invalid):
        desk.fund(amount)
    with pytest.raises(NotFound):
        desk.fund(1, "nowhere")


@pytest.mark.parametrize(
    ("part", "good"),
    [(1, True), (20_000_000, True), (20_000_001, False), (-1, False)],
)
def test_a_voucher_is_awarded_in_part_but_not_beyond(desk: Desk, part: int, good):
    desk.fund(10**9)
    made = desk.claim()
    if good:
        assert desk.decide(made, "award", amount_minor=part).amount_minor == part
        assert [p.amount_minor for p in desk.payments(made)] == [part]
    else:
        with pytest.raises(Invalid) as refused:
            desk.decide(made, "award", amount_minor=part)
        assert purse(desk) == (10**9, 0)
        (said,) = refused.value.findings
        assert "200,000.00 CNY" in said.message("en")
        assert str(part) not in said.message("en")


def test_a_grant_is_not_cut_and_has_no_hours(desk: Desk):
    desk.fund(10**9, "yunhe_grants")
    made = desk.grant(1_000, 2_000)
    for part in ({"amount_minor": 1_000}, {"hours": 1}):
        with pytest.raises(Invalid) as refused:
            desk.decide(made, "award", **part)
        assert [each.code for each in refused.value.findings] == ["compute.award_uncut"]
    assert desk.decide(made, "award").amount_minor == 3_000


@pytest.mark.parametrize("amounts", [(0,), (-1,), (10**12 + 1,), (1,) * 51, ()])
def test_milestones_that_are_none_are_refused(desk: Desk, amounts: tuple[int, ...]):
    with pytest.raises(Invalid) as refused:
        desk.grant(*amounts)
    assert all(f.where.startswith("milestones") for f in refused.value.findings)


def test_two_payers_at_once_pay_once(desk: Desk):
    made = awarded(desk)
    desk.redeem(made, **shown(desk))

    def pay(number: int) -> str:
        try:
            return desk.pay(made, by=desk.chiefs[number % 3 + 1]).state
        except Conflict as late:
            return late.code

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(pay, range(6)))
    assert set(said) <= {"paid", "compute.payment_over"}
    assert cash(desk) == 20_000_000
    assert purse(desk) == (10**9 - 20_000_000, 0)
    desk.assert_sound()


def test_the_last_money_goes_to_one_of_two_awards_at_once(desk: Desk):
    desk.fund(20_000_000)
    made = [desk.claim(key=key, number=key) for key in "123"]

    def decide(number: int) -> str:
        try:
            return desk.decide(made[number], "award", by=desk.chiefs[number]).state
        except Exhausted as spent:
            return spent.code

    with ThreadPoolExecutor(3) as pool:
        said = sorted(pool.map(decide, range(3)))
    assert said == ["awarded", "compute.programme_spent", "compute.programme_spent"]
    assert purse(desk) == (0, 20_000_000)
    desk.assert_sound()


def test_two_claims_for_one_contract_at_once_are_one_claim(desk: Desk):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda n: desk.claim(key=str(n), number="HT-1"), range(4)))
    assert sorted(each.state for each in made) == ["refused"] * 3 + ["verifying"]


def test_the_records_of_payments_follow_that_of_the_award(desk: Desk):
    desk.fund(10**8, "yunhe_grants")
    made = desk.decide(desk.grant(1_000, 2_000), "award")
    for number in (1, 2):
        desk.redeem(made, number, report=desk.blob(f"m{number}"))
        desk.pay(made, number)
    with desk.storage.database.read() as tx:
        records = [custody.record(tx, each.reference) for each in desk.payments(made)]
        decision = custody.record(tx, made.reference)
    assert [r.links["concerns"] for r in records] == [made.reference] * 2
    assert [r.body["amount_minor"] for r in records] == [1_000, 2_000]
    assert decision.body["amount_minor"] == sum(r.body["amount_minor"] for r in records)
    assert {r.subject for r in records} == {f"{made.id}.1", f"{made.id}.2"}


@pytest.mark.sqlite_only("the arithmetic is the same; a fresh database for each example")
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    amounts=st.lists(st.integers(1, 10**6), min_size=1, max_size=4),
    acts=st.lists(
        st.tuples(st.sampled_from(["redeem", "pay", "return", "wait"]), st.integers(1, 4)),
        max_size=14,
    ),
)
def test_money_of_a_grant_is_set_aside_paid_or_back_and_nowhere_else(new_desk, amounts, acts):
    desk = new_desk()
    desk.fund(10**7, "yunhe_grants")
    made = desk.decide(desk.grant(*amounts), "award")
    for number, (act, which) in enumerate(acts):
        state = {p.number: p.state for p in desk.payments(made)}.get(which)
        match act, state:
            case "redeem", "open":
                desk.redeem(made, which, report=desk.blob(f"{number}"))
            case "pay", "asked":
                desk.pay(made, which)
            case "return", "asked":
                desk.pay(made, which, verdict="return")
            case "wait", _:
                tick(desk, days=300)
        states = desk.payments(made)
        live = sum(p.amount_minor for p in states if p.state in ("open", "asked"))
        gone = sum(p.amount_minor for p in states if p.state == "paid")
        assert purse(desk, "yunhe_grants") == (10**7 - live - gone, live)
        assert cash(desk) == gone
        assert desk.see(made).amount_minor == live + gone
    desk.assert_sound()
