"""Listing: the offer must match the certificate, and every fault is named at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from yunhe.custody import service as custody
from yunhe.exchange import policy as policies
from yunhe.exchange import service as exchange
from yunhe.exchange.domain import Policy
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound


def faults(market, **changed) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as error:
        market.list(**changed)
    assert error.value.code == "exchange.listing_invalid"
    return [(finding.where, finding.code) for finding in error.value.findings]


def test_a_listing_is_on_record_in_custody(market) -> None:
    listing = market.list()
    with market.storage.database.read() as tx:
        record = custody.record(tx, listing.reference)
        assert exchange.listing(tx, listing.id) == listing
    assert (record.kind, record.subject) == ("data.listing", listing.id)
    assert record.links == {"certificate": market.certificate_reference}
    assert record.body == {
        "dataset_digest": market.dataset,
        "holder": market.holder,
        "licence": "CC-BY-4.0",
        "price_minor": 120_000,
        "unit": "CNY",
        "policy_digest": policies.digest(market.policy),
    }


def test_listing_again_is_the_same_listing(market) -> None:
    first = market.list()
    market.clock.advance(seconds=60)
    reordered = replace(market.policy, purposes=market.policy.purposes * 2)
    assert market.list() == first
    assert market.list(policy=reordered) == first
    with market.storage.database.read() as tx:
        assert exchange.listings(tx) == [first]
        assert exchange.listings(tx, holder=market.university) == []


@pytest.mark.parametrize("changed", [{"price_minor": 1}, {"title": "other"}, {"unit": "EUR"}])
def test_a_key_used_for_another_offer_is_a_conflict(market, changed) -> None:
    first = market.list()
    with pytest.raises(Conflict) as error:
        market.list(**changed)
    assert error.value.code == "exchange.listing_differs"
    with market.storage.database.read() as tx:
        assert exchange.listings(tx) == [first]


def test_all_faults_of_an_offer_are_found_at_once(market) -> None:
    broken = Policy(("resale",), (), (), 0, None)  # type: ignore[arg-type]
    assert faults(
        market,
        key="",
        title="a\nb",
        price_minor=-1,
        unit="BTC",
        policy=broken,
        dataset_digest="sha256:" + "9" * 64,
        certificate="cert_2",
        holder=market.university,
        licence="mine",
    ) == [
        ("dataset_digest", "exchange.dataset_missing"),
        ("key", "exchange.text_invalid"),
        ("title", "exchange.text_invalid"),
        ("price_minor", "exchange.price_invalid"),
        ("unit", "exchange.currency_unknown"),
        ("policy.purposes[0]", "exchange.term_unknown"),
        ("policy.organisation_kinds", "exchange.term_empty"),
        ("policy.valid_days", "exchange.number_invalid"),
        ("certificate", "exchange.certificate_differs"),
        ("dataset_digest", "exchange.certificate_differs"),
        ("holder", "exchange.certificate_differs"),
        ("licence", "exchange.certificate_differs"),
    ]
    with market.storage.database.read() as tx:
        assert exchange.listings(tx) == []


def test_nobody_can_list_what_was_certified_for_another_holder(market) -> None:
    assert faults(market, holder=market.company) == [("holder", "exchange.certificate_differs")]


def test_an_unknown_holder_is_a_finding(market) -> None:
    assert ("holder", "identity.organisation_unknown") in faults(market, holder="org_none")


def test_an_unknown_certificate_is_a_finding(market) -> None:
    assert faults(market, certificate_reference="0" * 64) == [
        ("certificate_reference", "custody.record_unknown")
    ]


def test_a_record_that_is_no_certificate_is_a_finding(market) -> None:
    with market.storage.database.read() as tx:
        certificate = custody.record(tx, market.certificate_reference)
    assert faults(market, certificate_reference=certificate.links["source"]) == [
        ("certificate_reference", "exchange.not_a_certificate")
    ]


@pytest.mark.parametrize("price", [1.5, True, "100", None])
def test_a_price_is_a_whole_number(market, price) -> None:
    assert faults(market, price_minor=price) == [("price_minor", "exchange.price_invalid")]


def test_a_withdrawn_listing_cannot_be_ordered_and_old_grants_stay(market) -> None:
    listing = market.list()
    grant = market.buy(listing)
    withdrawn = exchange.withdraw_listing(market.storage, listing=listing.id, member=market.steward)
    assert withdrawn.state == "withdrawn"
    with pytest.raises(NotAllowed) as error:
        market.buy(listing, key="again")
    assert error.value.code == "exchange.listing_withdrawn"
    assert market.open(grant)
    assert market.list().state == "withdrawn"


def test_only_a_data_steward_of_the_holder_withdraws(market) -> None:
    listing = market.list()
    with pytest.raises(NotAllowed) as error:
        exchange.withdraw_listing(market.storage, listing=listing.id, member=market.buyer)
    assert [f.code for f in error.value.findings] == [
        "exchange.other_organisation",
        "identity.role_missing",
    ]


def test_an_unknown_listing_is_not_found(market) -> None:
    with pytest.raises(NotFound) as error, market.storage.database.read() as tx:
        exchange.listing(tx, "listing_none")
    assert error.value.code == "exchange.listing_unknown"
