"""Vouchers and grants: shares and ceilings to the fen, evidence, and where the money is."""

from __future__ import annotations

import datetime

import pytest
from applications_desk import VOUCHER, Desk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.errors import Conflict, Exhausted, Invalid, NotAllowed

CEILING = 200_000_000
"""¥2 M in fen."""
PROGRAMME = f"programme:{VOUCHER}"


def evidence(desk: Desk, name: str = "1") -> dict[str, str]:
    return {
        "invoice": desk.blob(f"invoice {name}"),
        "delivery_proof": desk.blob(f"proof {name}"),
    }


def paid(desk: Desk) -> int:
    found = desk.balance(desk.firm, "cash")
    return 0 if found is None else found.available


def test_a_voucher_goes_from_contract_to_cash(desk: Desk):
    desk.fund(50_000_000)
    made = desk.claim()
    assert made.state == "verifying"
    desk.decide(made, "award")
    account = desk.balance(PROGRAMME, "subsidy")
    assert account is not None
    assert (account.available, account.held) == (30_000_000, 20_000_000)
    desk.confirm(made)
    desk.redeem(made, **evidence(desk))
    assert paid(desk) == 0
    done = desk.pay(made)
    assert (done.state, paid(desk)) == ("paid", 20_000_000)
    assert desk.pay(made) == done
    with desk.storage.database.read() as tx:
        record = custody.record(tx, done.reference)
    assert record.links["concerns"] == desk.see(made).reference
    assert record.body["amount_minor"] == 20_000_000
    desk.assert_sound()


@pytest.mark.parametrize(
    ("over", "state", "rule"),
    [
        ({"claim_minor": 20_000_001}, "refused", "BJ-SHARE"),
        ({"contract_months": 13}, "refused", "BJ-TERM"),
        ({"provider_affiliated": True}, "refused", "BJ-AFFILIATED"),
        ({"contract_covers": ["compute", "storage"]}, "refused", "BJ-COMPUTE"),
        ({"contract_covers": []}, "refused", "BJ-COMPUTE"),
        ({"other_subsidy": True}, "refused", "BJ-DOUBLE"),
        ({"contract_signed": False}, "returned", "BJ-SIGNED"),
        ({"contract_signed": None}, "returned", "asked"),
        (
            {"contract_minor": 2_000_000_000, "claim_minor": CEILING + 1},
            "refused",
            "BJ-CEILING",
        ),
        ({"contract_minor": 1_000_000_000, "claim_minor": CEILING}, "verifying", "BJ-VERIFIER"),
    ],
)
def test_each_limit_of_a_voucher_holds_to_the_fen(desk: Desk, over, state: str, rule: str):
    made = desk.claim(**over)
    assert made.state == state
    assert rule in [hit.rule for hit in made.fired if hit.decides == made.outcome]
    assert not made.verified or rule == "asked"


def test_an_affiliation_on_the_register_counts_though_nobody_declared_it(desk: Desk):
    compute.applications.affiliate(
        desk.storage, first=desk.firm, second=desk.operator, basis="股权", by=desk.chiefs[0]
    )
    compute.applications.affiliate(
        desk.storage, first=desk.provider, second=desk.operator, basis="股权", by=desk.chiefs[0]
    )
    made = desk.claim(provider_affiliated=False)
    assert made.state == "refused"
    assert made.fired[0].rule == "BJ-AFFILIATED"


def test_one_claim_for_each_contract_however_its_number_is_written(desk: Desk):
    first = desk.claim(key="1", number="HT-1 a")
    assert desk.claim(key="2", number="ht-1A").fired[0].rule == "BJ-ONCE"
    desk.withdraw(first)
    assert desk.claim(key="3", number="HT-1A").state == "verifying"


def test_a_claim_made_while_another_waits_counts_it(desk: Desk):
    whole = {"contract_minor": 600_000_000, "claim_minor": 120_000_000}
    assert desk.claim(key="1", number="1", **whole).state == "verifying"
    late = desk.claim(key="2", number="2", **whole)
    assert late.fired[0].rule == "BJ-CEILING"
    assert late.facts["claimed_this_year_minor"] == 120_000_000


def test_the_year_is_the_one_in_beijing(desk: Desk):
    desk.fund(10**9)
    whole = {"contract_minor": CEILING * 5, "claim_minor": CEILING}
    last = datetime.datetime(2026, 12, 31, 15, 59, tzinfo=datetime.UTC)
    desk.clock.advance(seconds=last.timestamp() - desk.clock.now_us() / 1e6)
    assert desk.claim(key="1", number="1", **whole).state == "verifying"
    assert desk.claim(key="2", number="2", **whole).state == "refused"
    desk.clock.advance(seconds=60)
    assert desk.claim(key="3", number="3", **whole).state == "verifying"


def test_no_more_is_promised_than_the_programme_has(desk: Desk):
    desk.fund(30_000_000)
    first, second = (desk.claim(key=n, number=n) for n in "12")
    desk.decide(first, "award")
    with pytest.raises(Exhausted) as spent:
        desk.decide(second, "award")
    assert spent.value.code == "compute.programme_spent"
    assert desk.see(second).state == "verifying"
    assert desk.decide(second, "award", amount_minor=10_000_000).amount_minor == 10_000_000


def test_what_stands_against_an_award_today_stops_the_decider(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    compute.applications.affiliate(
        desk.storage, first=desk.firm, second=desk.provider, basis="股权", by=desk.chiefs[0]
    )
    with pytest.raises(NotAllowed) as refused:
        desk.decide(made, "award")
    assert [finding.where for finding in refused.value.findings] == ["BJ-AFFILIATED"]
    assert desk.decide(made, "refuse").state == "refused"


def test_redeeming_needs_settlement_an_invoice_and_proof_of_delivery(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    desk.decide(made, "award")
    with pytest.raises(NotAllowed) as refused:
        desk.redeem(made)
    assert {finding.where for finding in refused.value.findings} == {
        "BJ-SETTLED",
        "BJ-INVOICE",
        "BJ-DELIVERY",
    }
    with pytest.raises(NotAllowed):
        desk.confirm(made, by=desk.applicant)
    with pytest.raises(Invalid):
        desk.redeem(made, invoice="sha256:" + "0" * 64, delivery_proof=desk.blob("x"))
    desk.confirm(made)
    assert desk.redeem(made, **evidence(desk)).state == "asked"
    assert desk.redeem(made, **evidence(desk)).state == "asked"


def test_an_invoice_serves_one_payment_only(desk: Desk):
    desk.fund(10**9)
    made = [desk.claim(key=n, number=n) for n in "12"]
    for each in made:
        desk.decide(each, "award")
        desk.confirm(each)
    desk.redeem(made[0], **evidence(desk))
    with pytest.raises(Conflict) as reused:
        desk.redeem(made[1], **evidence(desk))
    assert reused.value.code == "compute.evidence_reused"


def test_whoever_awarded_does_not_pay_and_evidence_can_be_sent_back(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    desk.decide(made, "award", by=desk.chiefs[0])
    desk.confirm(made)
    desk.redeem(made, **evidence(desk))
    with pytest.raises(NotAllowed):
        desk.pay(made, by=desk.chiefs[0])
    assert desk.pay(made, verdict="return").state == "open"
    with pytest.raises(Conflict):
        desk.pay(made)
    desk.redeem(made, **evidence(desk))
    assert desk.pay(made).state == "paid"
    with pytest.raises(Conflict):
        desk.redeem(made, **evidence(desk, "2"))


def test_a_voucher_not_redeemed_in_time_lapses_and_frees_money_and_ceiling(desk: Desk):
    desk.fund(20_000_000)
    made = desk.claim()
    desk.decide(made, "award")
    desk.clock.advance(seconds=731 * 86_400)
    compute.applications.tick(desk.storage)
    [payment] = desk.payments(made)
    assert payment.state == "lapsed"
    assert desk.see(made).amount_minor == 0
    account = desk.balance(PROGRAMME, "subsidy")
    assert account is not None
    assert (account.available, account.held) == (20_000_000, 0)
    with pytest.raises(Conflict):
        desk.redeem(made, **evidence(desk))
    desk.assert_sound()


def test_a_grant_is_paid_milestone_by_milestone(desk: Desk):
    desk.fund(30_000_000, "yunhe_grants")
    made = desk.grant(10_000_000, 20_000_000)
    desk.decide(made, "award")
    with pytest.raises(NotAllowed):
        desk.redeem(made, 1)
    desk.redeem(made, 1, report=desk.blob("m1"))
    desk.pay(made, 1)
    assert [payment.state for payment in desk.payments(made)] == ["paid", "open"]
    assert paid(desk) == 10_000_000
    with pytest.raises(Conflict) as early:
        desk.report(made)
    assert early.value.code == "compute.payments_open"
    desk.redeem(made, 2, report=desk.blob("m2"))
    desk.pay(made, 2)
    assert paid(desk) == 30_000_000
    assert desk.report(made).state == "reported"
    desk.assert_sound()


def test_a_large_grant_goes_to_the_committee(desk: Desk):
    assert desk.grant(50_000_000).state == "verifying"
    assert desk.grant(50_000_001, key="2").state == "voting"


def test_only_operators_fund_programmes_and_register_affiliations(desk: Desk):
    with pytest.raises(NotAllowed):
        compute.applications.fund(desk.storage, VOUCHER, key="k", amount_minor=1, by=desk.applicant)
    with pytest.raises(Invalid):
        desk.fund(1, "yunhe")
    with pytest.raises(NotAllowed):
        compute.applications.affiliate(
            desk.storage, first=desk.firm, second=desk.provider, basis="x", by=desk.applicant
        )


@pytest.mark.sqlite_only("the arithmetic is the same; a fresh database for each example")
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_never_above_the_ceiling_whatever_the_order_of_claims(new_desk, data):
    """Claims of every size, decided, refused, withdrawn, cut and paid in any order."""
    desk = new_desk()
    desk.fund(10**11)
    made: list = []
    for number in range(data.draw(st.integers(2, 8))):
        claim = data.draw(st.integers(1, CEILING))
        contract = claim * 5 + data.draw(st.integers(0, 4))
        made.append(
            desk.claim(
                key=str(number), number=str(number), contract_minor=contract, claim_minor=claim
            )
        )
        about = data.draw(st.sampled_from(made))
        match data.draw(st.sampled_from(["award", "cut", "refuse", "withdraw", "pay", "wait"])):
            case "award" if desk.see(about).state == "verifying":
                desk.decide(about, "award")
            case "cut" if desk.see(about).state == "verifying":
                desk.decide(about, "award", amount_minor=max(about.amount_minor // 2, 1))
            case "refuse" if desk.see(about).state == "verifying":
                desk.decide(about, "refuse")
            case "withdraw" if desk.see(about).state == "verifying":
                desk.withdraw(about)
            case "pay" if [p.state for p in desk.payments(about)] == ["open"]:
                desk.confirm(about)
                desk.redeem(about, **evidence(desk, about.id))
                desk.pay(about)
        live = [desk.see(each) for each in made]
        promised = sum(e.amount_minor for e in live if e.state in ("verifying", "awarded"))
        assert promised <= CEILING
        account = desk.balance(PROGRAMME, "subsidy")
        assert account is not None
        awarded = sum(e.amount_minor for e in live if e.state == "awarded")
        assert account.held + paid(desk) == awarded
    desk.assert_sound()
