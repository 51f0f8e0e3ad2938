"""What another platform says is believed only with its record; a loop and a lie are refused."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from yunhe.compute import service as compute
from yunhe.compute.forwarding import service as forwarding
from yunhe.compute.providers import yunhe_proof
from yunhe.compute.providers.remote import UsageEvent
from yunhe.compute.remote import metering
from yunhe.compute.tables import pool_table
from yunhe.custody import service as custody
from yunhe.custody.publishers import FilePublisher
from yunhe.custody.sequencer import Sequencer
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, NotAllowed


@pytest.fixture
def proved(city, local, tmp_path):
    """A job that ran in the city, what the city says of it, and its receipt."""
    return prove(city, local, tmp_path)


def prove(city, local, tmp_path):
    storage = city.storage
    signer = custody.create_log(tmp_path / "log", "city.example/log")
    spec = city.spec(arguments={"action": "copy", "word": "x"})
    forwarding.take(storage, spec, job="theirs-1", member=city.operator, origin="a/log", here="b")
    compute.run_next(storage, local)
    with storage.database.read() as tx:
        [said] = forwarding.look(tx, organisation=city.university, jobs=["theirs-1"])
    Sequencer(storage, signer, [FilePublisher(tmp_path / "out")]).run_once()
    receipt = custody.receipt_bytes(custody.receipt(storage, said.reference))
    return SimpleNamespace(
        city=city, said=said, receipt=receipt, trust=custody.trust(tmp_path / "log")
    )


def check(proved, said, *, organisation: str = "", receipt: bytes = b"", trust: str = ""):
    return yunhe_proof.proved(
        receipt or proved.receipt,
        trust=trust or proved.trust,
        said=said,
        organisation=organisation,
    )


def test_a_record_that_says_what_was_said_is_evidence(proved) -> None:
    proof = check(proved, proved.said, organisation=proved.city.university)
    assert proof.evidence["remote_reference"] == proved.said.reference
    assert proof.evidence["remote_log"].startswith("city.example/log+")
    assert proof.evidence["remote_device_ms"] == proved.said.usage.device_ms
    assert proof.evidence["remote_cost_minor"] == proved.said.usage.cost_minor
    assert "demonstration" not in proof.evidence
    assert proof.evidence["remote_consumer"] == "-"  # we did not say where ours is


def test_a_record_of_a_demonstration_elsewhere_makes_our_own_say_so(city, local, tmp_path) -> None:
    with city.storage.database.begin() as tx:
        tx.execute(update(pool_table).values(adapter="demonstration"))
    proof = prove(city, local, tmp_path)
    assert check(proof, proof.said).evidence["demonstration"] is True


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("device_ms", lambda u: replace(u, device_ms=u.device_ms * 2)),
        ("device_ms", lambda u: replace(u, device_ms=-1)),
        ("cost_minor", lambda u: replace(u, cost_minor=u.cost_minor + 1)),
        ("unit", lambda u: replace(u, currency="EUR")),
        ("code_digest", lambda u: replace(u, code_digest="sha256:" + "0" * 64)),
    ],
)
def test_usage_that_differs_from_the_record_is_not_believed(proved, name, change) -> None:
    lie = replace(proved.said, usage=change(proved.said.usage))
    with pytest.raises(ValueError, match=f"^{name}: "):
        check(proved, lie)


def test_other_outputs_another_job_and_another_customer_are_not_believed(proved) -> None:
    for lie, word in (
        (replace(proved.said, outputs={"word": "sha256:" + "0" * 64}), "output_digests"),
        (replace(proved.said, workload="workload_other"), "subject"),
        (replace(proved.said, state="failed"), "outcome"),
        (replace(proved.said, reference="0" * 64), "reference"),
    ):
        with pytest.raises(ValueError, match=word):
            check(proved, lie)
    with pytest.raises(ValueError, match="organisation"):
        check(proved, proved.said, organisation="org_somebody_else")


def test_a_receipt_that_was_changed_cut_or_signed_by_a_stranger_proves_nothing(
    proved, tmp_path
) -> None:
    custody.create_log(tmp_path / "stranger", "city.example/log")
    stranger = custody.trust(tmp_path / "stranger")
    with pytest.raises(ValueError, match="not_trusted"):
        check(proved, proved.said, trust=stranger)
    for receipt in (proved.receipt[:-1], proved.receipt.replace(b"settled", b"settleD"), b"{}"):
        with pytest.raises(ValueError, match="receipt"):
            check(proved, proved.said, receipt=receipt)


def test_a_job_is_taken_once_under_its_name_and_its_own_platform_is_refused(city) -> None:
    storage, spec = city.storage, city.spec()
    given = {"job": "one", "member": city.operator, "origin": "a/log", "here": "b/log"}
    first = forwarding.take(storage, spec, **given)
    again = forwarding.take(storage, replace(spec, key="another"), **given)
    assert first.workload == again.workload
    with pytest.raises(Conflict):
        forwarding.take(storage, city.spec(wall=99), **given)
    with pytest.raises(Conflict):
        forwarding.take(storage, spec, **{**given, "origin": "c/log"})
    with pytest.raises(NotAllowed) as caught:
        forwarding.take(storage, spec, **{**given, "job": "two", "origin": "b/log"})
    assert caught.value.code == "compute.forward_loop"
    with storage.database.read() as tx:
        assert forwarding.origin(tx, first.workload) == "a/log"
        assert forwarding.origin(tx, "workload_other") == ""


def test_a_job_called_off_before_it_comes_is_never_begun(city) -> None:
    forwarding.cancel(city.storage, organisation=city.university, job="early")
    given = {"job": "early", "member": city.operator, "origin": "a/log", "here": "b/log"}
    said = forwarding.take(city.storage, city.spec(), **given)
    assert (said.state, said.devices, said.called_off) == ("cancelled", 0, True)
    with city.storage.database.read() as tx:
        assert compute.workloads(tx) == []


def test_pools_of_other_platforms_are_not_offered_onward(city) -> None:
    with city.storage.database.read() as tx:
        [room] = forwarding.room(tx, now_us=city.clock.now_us())
        assert (room.devices, room.free, room.state) == (2, 2, "open")
        assert forwarding.room(tx, now_us=city.clock.now_us(), without={"local"}) == []


def test_a_pool_of_a_demonstration_is_offered_onward_as_what_it_is(city) -> None:
    given = {"devices": 1, "price_minor_per_device_hour": 1, "currency": "CNY"}
    whose = {"provider": city.provider, "site": "s", "chip": "h20"}
    compute.register_pool(city.storage, key="d", adapter="demonstration", **whose, **given)
    with city.storage.database.read() as tx:
        rooms = forwarding.room(tx, now_us=city.clock.now_us())
    assert sorted(room.chip for room in rooms) == ["cpu", "h20-demonstration"]


@pytest.mark.parametrize(
    ("cost", "currency", "finding"),
    [(10, "CNY", ""), (11, "CNY", "compute.usage_price"), (1, "EUR", "compute.usage_price")],
)
def test_a_provider_that_charges_more_is_found_and_the_time_counts_at_our_price(
    cost, currency, finding
) -> None:
    window = metering.Window(
        since_us=0,
        now_us=100 * SECOND_US,
        skew=metering.Skew(0, 0),
        devices=1,
        device_ms_max=100_000,
        price_minor_per_device_hour=3_600,
        currency="CNY",
    )
    event = UsageEvent("e", "j", 0, 10 * SECOND_US, 1, cost_minor=cost, currency=currency)
    [judged] = metering.judge([event], [], window)
    assert (judged.counts, judged.finding) == (True, finding)
    assert metering.judge([replace(event, cost_minor=99)], [judged], window) == ()
