"""One document, one purpose: evidence that serves twice is refused, the same again is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from applications_desk import Desk

from yunhe.compute import service as compute
from yunhe.kernel.errors import Conflict, Invalid


def shown(desk: Desk, name: str = "1") -> dict[str, str]:
    return {
        "invoice": desk.blob(f"invoice {name}"),
        "delivery_proof": desk.blob(f"proof {name}"),
    }


def awarded(desk: Desk, *, key: str = "claim"):
    desk.fund(10**9, key=f"fund {key}")
    made = desk.decide(desk.claim(key=key, number=key), "award")
    desk.confirm(made)
    return made


@pytest.mark.parametrize("names", [("invoice", "delivery_proof"), ("invoice", "receipt")])
def test_one_document_is_not_two_kinds_of_evidence(desk: Desk, names: tuple[str, str]):
    made = awarded(desk)
    with pytest.raises(Invalid) as refused:
        desk.redeem(made, **{**shown(desk), **dict.fromkeys(names, desk.blob("both"))})
    last, first = sorted(names, reverse=True)
    [found] = refused.value.findings
    assert (found.where, found.code) == (f"evidence.{last}", "compute.evidence_twice")
    assert dict(found.params) == {"other": first}
    assert desk.payments(made)[0].state == "open"
    assert desk.redeem(made, **shown(desk)).state == "asked"


def test_the_signed_contract_is_no_proof_of_its_delivery(desk: Desk):
    desk.fund(10**9)
    made = desk.claim()
    signed = desk.blob("signed")
    contract = replace(made.proposal.contract, document=signed)
    again = replace(made.proposal, key="signed", contract=replace(contract, number="HT-2"))
    made = desk.decide(compute.applications.apply(desk.storage, again, by=desk.applicant), "award")
    desk.confirm(made)
    with pytest.raises(Invalid) as refused:
        desk.redeem(made, invoice=desk.blob("i"), delivery_proof=signed)
    assert [(f.where, dict(f.params)) for f in refused.value.findings] == [
        ("evidence.delivery_proof", {"other": "contract"})
    ]


def test_a_document_of_one_contract_serves_no_other_as_nothing(desk: Desk):
    one, other = (awarded(desk, key=key) for key in "12")
    first = shown(desk)
    desk.redeem(one, **first)
    for evidence in (
        {"invoice": desk.blob("new"), "delivery_proof": first["delivery_proof"]},
        {"invoice": first["delivery_proof"], "delivery_proof": desk.blob("p")},
        {**shown(desk, "2"), "letter": first["invoice"]},
    ):
        with pytest.raises(Conflict) as reused:
            desk.redeem(other, **evidence)
        assert reused.value.code == "compute.evidence_reused"
        assert one.id not in str(reused.value.params)
    assert desk.redeem(other, **shown(desk, "2")).state == "asked"


def test_the_same_documents_sent_again_for_the_same_kinds_change_nothing(desk: Desk):
    made = awarded(desk)
    first = desk.redeem(made, **shown(desk))
    assert desk.redeem(made, **shown(desk)) == first
    desk.pay(made, verdict="return")
    assert desk.redeem(made, **shown(desk)).state == "asked"
    assert [s.action for s in desk.steps(made)].count("payment_asked") == 2
    paid = desk.pay(made)
    assert desk.redeem(made, **shown(desk)) == paid


def test_a_document_may_serve_two_milestones_of_one_grant_but_an_invoice_may_not(desk: Desk):
    desk.fund(10**8, "yunhe_grants")
    made = desk.decide(desk.grant(1_000, 2_000), "award")
    report, invoice = desk.blob("report"), desk.blob("invoice")
    desk.redeem(made, 1, report=report, invoice=invoice)
    for evidence in ({"report": report, "invoice": invoice}, {"summary": report}):
        with pytest.raises(Conflict):
            desk.redeem(made, 2, **evidence)
    assert desk.redeem(made, 2, report=report).state == "asked"
