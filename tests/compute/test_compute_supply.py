"""Pools, awards, vouchers and approvals: made once, by those who may, or refused as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from yunhe.compute import service as compute
from yunhe.custody import service as custody
from yunhe.kernel.canonical import sha256
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed, NotFound, YunheError


@contextmanager
def refused(kind: type[YunheError], code: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.code == code
    assert code not in caught.value.message("en") + caught.value.message("zh")


def test_registering_a_pool_again_returns_the_same_pool(bare_city) -> None:
    assert bare_city.pool() == bare_city.pool()
    with bare_city.storage.database.read() as tx:
        assert [status.devices_busy for status in compute.pools(tx)] == [0]
    with refused(Conflict, "compute.pool_differs"):
        bare_city.pool(devices=9)


def test_a_wrong_pool_is_refused_with_every_finding(bare_city) -> None:
    with pytest.raises(Invalid) as caught:
        compute.register_pool(
            bare_city.storage,
            key=" ",
            provider=bare_city.provider,
            site="",
            chip="a chip",
            devices=0,
            price_minor_per_device_hour=-1,
            currency="XXX",
            adapter="",
        )
    assert [finding.where for finding in caught.value.findings] == [
        "key",
        "site",
        "chip",
        "adapter",
        "devices",
        "price_minor_per_device_hour",
        "currency",
    ]
    for finding in caught.value.findings:
        assert finding.code not in finding.message("en") + finding.message("zh")
    with refused(NotFound, "identity.organisation_unknown"):
        compute.register_pool(
            bare_city.storage,
            key="pool",
            provider="org_nobody",
            site="here",
            chip="cpu",
            devices=1,
            price_minor_per_device_hour=0,
            currency="CNY",
        )


def test_an_award_reaches_the_organisations_account_and_the_log(bare_city) -> None:
    award = bare_city.award(seconds=1_000)
    assert bare_city.balance(bare_city.university, "device:cpu", "award") == (1_000_000, 0)
    with bare_city.storage.database.read() as tx:
        record = custody.record(tx, award.reference)
    assert (record.kind, record.subject) == ("compute.award", award.id)
    assert record.body["organisation"] == bare_city.university
    assert record.body["unit"] == "device:cpu"
    assert record.body["amount_minor"] == 1_000_000
    assert record.body["expires_at_us"] == award.expires_at_us


def test_an_award_made_again_later_is_the_first_one_with_its_expiry(bare_city) -> None:
    award = bare_city.award()
    bare_city.clock.advance(seconds=86_400)
    assert bare_city.award() == award
    assert bare_city.balance(bare_city.university, "device:cpu", "award") == (1_000_000, 0)
    with refused(Conflict, "compute.award_differs"):
        bare_city.award(seconds=7)


def test_only_an_operator_makes_awards_and_approves_programs(bare_city) -> None:
    storage, now_us = bare_city.storage, bare_city.clock.now_us()
    with refused(NotAllowed, "identity.role_missing"):
        compute.award(
            storage,
            key="a",
            organisation=bare_city.university,
            chip="cpu",
            device_ms=1,
            expires_at_us=now_us + DAY_US,
            awarded_by="mem_nobody",
        )
    with refused(NotAllowed, "identity.role_missing"):
        compute.approve_entry_point(
            storage, name="x", module="x", digest=sha256(b""), approved_by="mem_nobody"
        )
    assert bare_city.balance(bare_city.university, "device:cpu", "award") == (0, 0)


def test_wrong_awards_vouchers_and_approvals_are_refused_with_every_finding(bare_city) -> None:
    storage = bare_city.storage
    with pytest.raises(Invalid) as caught:
        compute.award(
            storage,
            key="",
            organisation=bare_city.university,
            chip="",
            device_ms=0,
            expires_at_us=0,
            awarded_by=bare_city.operator,
        )
    found = [finding.where for finding in caught.value.findings]
    assert found == ["key", "chip", "device_ms", "expires_at_us"]
    with pytest.raises(Invalid) as caught:
        bare_city.award(days=0)
    assert [finding.code for finding in caught.value.findings] == ["compute.expiry_past"]
    with pytest.raises(Invalid) as caught:
        compute.issue_voucher(
            storage,
            key="\n",
            organisation=bare_city.university,
            currency="?",
            amount=-5,
            share_percent=101,
        )
    found = [finding.where for finding in caught.value.findings]
    assert found == ["key", "currency", "amount", "share_percent"]
    with pytest.raises(Invalid) as caught:
        compute.approve_entry_point(
            storage, name="", module="", digest="md5:x", approved_by=bare_city.operator
        )
    assert [f.where for f in caught.value.findings] == ["name", "module", "digest"]


def test_a_voucher_is_issued_once(bare_city) -> None:
    assert bare_city.voucher(500) == bare_city.voucher(500)
    assert bare_city.balance(bare_city.university, "voucher:CNY", "voucher") == (500, 0)
    with refused(Conflict, "compute.voucher_differs"):
        bare_city.voucher(501)


def test_an_approval_is_kept_once_with_its_first_time(city) -> None:
    kept = {
        "name": "mine",
        "module": "m",
        "digest": sha256(b"m"),
        "approved_by": city.operator,
    }
    first = compute.approve_entry_point(city.storage, **kept)
    city.clock.advance(seconds=5)
    assert compute.approve_entry_point(city.storage, **kept) == first
