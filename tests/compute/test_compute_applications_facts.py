"""What the platform finds out about a proposal, and what an applicant can't talk it out of."""

from __future__ import annotations

import datetime

import pytest
from applications_desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import service as compute
from yunhe.compute.applications import ruling
from yunhe.compute.applications.domain import Contract, Proposal
from yunhe.kernel.errors import Conflict, Invalid, NotFound

HOUR_MS = 3_600_000
CEILING = 200_000_000


def until(desk: Desk, *moment: int) -> None:
    then = datetime.datetime(*moment, tzinfo=datetime.UTC)
    desk.clock.advance(seconds=then.timestamp() - desk.clock.now_us() / 1e6)


def open_call(desk: Desk, *, key: str = "key", **over: object):
    facts = {
        "track": "open_call",
        "device_hours": 100_000,
        "devices": None,
        "window_months": 6,
        "starts_on": "2026-08-24",
        "subsidy_declaration": True,
        **over,
    }
    return desk.apply(key=key, programme="uk_airr", **facts)


# --- days and years ---


def test_what_came_in_on_the_last_day_may_be_decided_after_it(desk: Desk):
    until(desk, 2026, 7, 17, 23, 59)
    made = open_call(desk)
    assert made.state == "voting"
    until(desk, 2026, 8, 30)
    for chief in desk.chiefs[:3]:
        done = desk.vote(made, "award", by=chief)
    assert done.state == "awarded"
    assert done.facts["submitted_on"] == "2026-07-17"


def test_what_comes_in_a_minute_after_the_last_day_is_refused(desk: Desk):
    until(desk, 2026, 7, 18, 0, 0)
    made = open_call(desk)
    assert (made.state, made.fired[0].rule) == ("refused", "UK-OPEN-DEADLINE")


def test_what_was_sent_back_keeps_the_day_it_came_in(desk: Desk):
    until(desk, 2026, 7, 17, 12)
    made = open_call(desk, subsidy_declaration=False)
    assert made.state == "returned"
    until(desk, 2026, 7, 20)
    assert desk.amend(made, subsidy_declaration=True).state == "voting"


def test_a_day_of_use_that_passes_while_one_decides_excludes_nobody(desk: Desk):
    made = desk.apply(
        programme="uk_airr",
        track="gateway",
        device_hours=1_000,
        devices=None,
        starts_on="2026-01-02",
        subsidy_declaration=True,
    )
    assert made.state == "verifying"
    desk.clock.advance(seconds=5 * 86_400)
    done = desk.decide(made, "award")
    assert done.state == "awarded"
    [window] = desk.windows(made)
    assert window.starts_at_us == desk.clock.now_us()


def test_the_new_years_claims_do_not_fill_the_old_years_ceiling(desk: Desk):
    desk.fund(10**9)
    whole = {"contract_minor": CEILING * 5, "claim_minor": CEILING}
    until(desk, 2026, 12, 31, 15, 59)
    old = desk.claim(key="1", number="1", **whole)
    until(desk, 2026, 12, 31, 16, 0)
    new = desk.claim(key="2", number="2", **whole)
    assert desk.decide(old, "award").state == "awarded"
    assert desk.decide(new, "award").state == "awarded"
    assert desk.claim(key="3", number="3", claim_minor=1).fired[0].rule == "BJ-CEILING"


def test_a_claim_amended_in_the_new_year_counts_in_the_year_it_came_in(desk: Desk):
    until(desk, 2026, 12, 31)
    half = {"contract_minor": CEILING * 5, "claim_minor": CEILING // 2}
    made = desk.claim(key="1", number="1", contract_signed=False, **half)
    assert made.state == "returned"
    until(desk, 2027, 1, 5)
    assert desk.amend(made, contract_signed=True).state == "verifying"
    rest = {"contract_minor": CEILING * 5, "claim_minor": CEILING}
    assert desk.claim(key="2", number="2", **rest).facts["claimed_this_year_minor"] == 0
    assert desk.see(made).facts["claimed_this_year_minor"] == 0


def test_what_is_claimed_counts_to_the_fen_over_several_claims(desk: Desk):
    first = {"contract_minor": 10**9, "claim_minor": CEILING - 1}
    assert desk.claim(key="1", number="1", **first).state == "verifying"
    assert desk.claim(key="2", number="2", claim_minor=2).fired[0].rule == "BJ-CEILING"
    last = desk.claim(key="3", number="3", claim_minor=1)
    assert last.state == "verifying"
    assert last.facts["claimed_this_year_minor"] == CEILING - 1


def test_what_was_cut_or_given_up_no_longer_fills_the_ceiling(desk: Desk):
    desk.fund(10**9)
    whole = {"contract_minor": CEILING * 5, "claim_minor": CEILING}
    first = desk.claim(key="1", number="1", **whole)
    desk.decide(first, "award", amount_minor=CEILING - 100)
    assert desk.claim(key="2", number="2", claim_minor=101).state == "refused"
    assert desk.claim(key="3", number="3", claim_minor=100).state == "verifying"


# --- contracts ---

SPELLINGS = [
    "HT-2026-001",
    " ht-2026-001",
    "HT - 2026 - 001",
    "ＨＴ－２０２６－００１",
    "HT–2026—001",
]


@pytest.mark.parametrize("number", SPELLINGS)
def test_a_contract_written_otherwise_is_the_same_contract(desk: Desk, number: str):
    desk.claim(key="1", number="HT-2026-001")
    assert desk.claim(key="2", number=number).fired[0].rule == "BJ-ONCE"


@pytest.mark.parametrize("number", ["HT-2026-0011", "HT-2026-01", "HT2026001", "HT-2026-001/2"])
def test_another_contract_is_another(desk: Desk, number: str):
    desk.claim(key="1", number="HT-2026-001")
    assert desk.claim(key="2", number=number).state == "verifying"


def test_the_same_number_with_another_provider_is_another_contract():
    one, other = (
        Proposal("k", "beijing_vouchers", "o", "t", {}, contract=Contract("1", provider))
        for provider in "pq"
    )
    assert ruling.contract_key(one) != ruling.contract_key(other)
    assert ruling.contract_key(Proposal("k", "yunhe", "o", "t", {})) == ""


@given(number=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
def test_how_a_number_is_typed_changes_no_key_twice(number: str):
    def key(said: str) -> str:
        proposal = Proposal("k", "p", "o", "t", {}, contract=Contract(said, "p"))
        return ruling.contract_key(proposal)

    assert key(number) == key(f" {number} ")
    assert key(number.upper().lower()) == key(number.upper().lower().replace(" ", ""))


def test_a_contract_freed_by_refusal_withdrawal_or_lapse_may_be_claimed_again(desk: Desk):
    for number, end in enumerate(("refuse", "withdraw", "lapse")):
        made = desk.claim(key=f"a{number}", contract_signed=None if end == "lapse" else True)
        match end:
            case "refuse":
                desk.decide(made, "refuse")
            case "withdraw":
                desk.withdraw(made)
            case "lapse":
                desk.clock.advance(seconds=40 * 86_400)
                compute.applications.tick(desk.storage)
                assert desk.see(made).state == "lapsed"
        again = desk.claim(key=f"b{number}")
        assert again.facts["contract_claimed"] is False
        desk.withdraw(again)


def test_a_contract_that_lapsed_unredeemed_stays_claimed(desk: Desk):
    desk.fund(10**9)
    desk.decide(desk.claim(key="1"), "award")
    desk.clock.advance(seconds=731 * 86_400)
    compute.applications.tick(desk.storage)
    assert desk.claim(key="2").fired[0].rule == "BJ-ONCE"


@pytest.mark.parametrize("number", ["", " ", "a\nb", "x" * 201, "a\u200bb", "a\tb"])
def test_a_contract_number_that_would_not_show_is_refused(desk: Desk, number: str):
    with pytest.raises(Invalid) as refused:
        desk.claim(number=number)
    assert [f.where for f in refused.value.findings] == ["contract.number"]


def test_nobody_is_its_own_provider_nor_contracts_with_nobody(desk: Desk):
    for provider, code in (
        (desk.firm, "compute.provider_self"),
        ("org_nobody", "identity.organisation_unknown"),
    ):
        proposal = Proposal(
            "k",
            "beijing_vouchers",
            desk.firm,
            "券",
            {"applicant_kind": "sme"},
            contract=Contract("1", provider),
        )
        with pytest.raises(Invalid) as refused:
            compute.applications.apply(desk.storage, proposal, by=desk.applicant)
        assert [f.code for f in refused.value.findings] == [code]


# --- hours ---


def test_handing_in_the_report_early_does_not_free_the_hours(desk: Desk):
    """Or one could close award after award and hold more in a year than the rules allow."""
    first = desk.apply(key="1", device_hours=500)
    assert first.state == "awarded"
    desk.report(first)
    assert desk.apply(key="2", device_hours=1).state == "verifying"
    desk.close(first, "yes")
    assert desk.apply(key="3", device_hours=1).state == "verifying"


def test_hours_count_while_they_may_be_used_and_no_longer(desk: Desk):
    desk.apply(key="1", device_hours=500, window_months=1)
    waiting = desk.apply(key="2", device_hours=2)
    assert waiting.facts["device_hours_in_force"] == 500
    desk.withdraw(waiting)
    desk.clock.advance(seconds=31 * 86_400)
    later = desk.apply(key="3", device_hours=500)
    assert later.facts["device_hours_in_force"] == 0
    assert later.state == "awarded"


def test_what_others_hold_does_not_count_and_what_waits_does(desk: Desk):
    desk.apply(key="1", device_hours=2_000)
    made = desk.apply(key="2", device_hours=1)
    assert made.facts["device_hours_in_force"] == 2_000
    other = desk.apply(
        key="3",
        device_hours=400,
        organisation=desk.operator,
        by=desk.chiefs[0],
        kind="public_body",
    )
    assert (other.state, other.facts["device_hours_in_force"]) == ("awarded", 0)


def test_an_extension_can_not_state_a_shorter_award_than_there_is(desk: Desk):
    made = desk.apply(device_hours=100, window_months=3)
    more = desk.ask(made, add_months=1, facts={"window_months": 1}, kind="extension")
    assert more.facts["window_months"] == 4
    assert more.state == "verifying"


def test_a_change_neither_adds_nor_hides_hours_and_months(desk: Desk):
    made = desk.apply(device_hours=5_500, window_months=12)
    for chief in desk.chiefs[:3]:
        desk.vote(made, "award", by=chief)
    change = desk.ask(made, chip="gpu", facts={"device_hours": 1, "window_months": 1})
    assert (change.facts["device_hours"], change.facts["window_months"]) == (5_500, 12)
    assert change.state == "voting"


def test_a_change_that_says_nothing_of_months_leaves_them(desk: Desk):
    made = desk.apply(device_hours=100, window_months=3)
    assert desk.ask(made, key="1", chip="cpu", facts={"devices": 2}).state == "awarded"
    assert desk.see(made).facts["devices"] == 2
    assert desk.ask(made, key="2", chip="cpu", facts={"devices": 9}).state == "verifying"


def test_extensions_add_up(desk: Desk):
    made = desk.apply(device_hours=100, window_months=1)
    for number in range(2):
        assert desk.ask(made, key=str(number), add_hours=200, add_months=1).state == "awarded"
    root = desk.see(made)
    assert root.granted_ms == 500 * HOUR_MS
    assert (root.facts["device_hours"], root.facts["window_months"]) == (500, 3)
    last = desk.ask(made, key="z", add_hours=1)
    assert (last.state, last.facts["device_hours"]) == ("verifying", 501)
    desk.assert_sound()


def test_a_part_awarded_is_what_an_extension_adds_to(desk: Desk):
    made = desk.apply(device_hours=2_000)
    desk.decide(made, "award", hours=100)
    more = desk.ask(made, add_hours=400)
    assert (more.facts["device_hours"], more.state) == (500, "awarded")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"add_hours": 0, "add_months": 0}, "add_hours"),
        ({"add_hours": -1}, "add_hours"),
        ({"add_hours": 10**9 + 1}, "add_hours"),
        ({"add_months": 121, "add_hours": 1}, "add_months"),
        ({"chip": "gpu", "add_hours": 1}, "add_hours"),
        ({"facts": {"devices": 2}, "add_months": 1}, "add_months"),
        ({"chip": "no chip"}, "chip"),
        ({"add_hours": 1, "key": ""}, "key"),
        ({"add_hours": 1, "title": "\n"}, "title"),
        ({"add_hours": 1, "kind": "more"}, "kind"),
        ({"add_hours": 1, "concerns": ""}, "concerns"),
    ],
)
def test_what_an_extension_or_change_may_not_say(desk: Desk, fields: dict, place: str):
    made = desk.apply(device_hours=100)
    with pytest.raises(Invalid) as refused:
        desk.ask(made, **fields)
    assert place in [f.where for f in refused.value.findings]
    assert desk.see(made).granted_ms == 100 * HOUR_MS


def test_only_an_award_of_the_same_programme_is_extended(desk: Desk):
    made = desk.apply(device_hours=100)
    more = desk.ask(made, add_hours=1)
    with pytest.raises(Invalid):
        desk.ask(more, key="2", add_hours=1)
    with pytest.raises(Invalid):
        desk.ask(made, key="3", add_hours=1, programme="indiaai")
    with pytest.raises(NotFound):
        desk.ask(made, key="4", add_hours=1, concerns="application_nowhere")
    voucher = desk.claim()
    with pytest.raises(Invalid):
        desk.ask(voucher, key="5", add_hours=1)
    waiting = desk.apply(key="6", device_hours=2_000)
    with pytest.raises(Conflict) as early:
        desk.ask(waiting, key="7", add_hours=1)
    assert early.value.params["state"] == "verifying"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_given_as_a_word_is_told_how_lists_are_written(desk: Desk, language):
    with pytest.raises(Invalid) as refused:
        desk.apply(programme="indiaai", identity_documents="dpiit")
    (said,) = [f for f in refused.value.findings if f.where == "facts.identity_documents"]
    assert "[apaar]" in said.message(language)
