"""Two real platforms: a nation that hands work to a city, and a city that hands work to it."""

from __future__ import annotations

import json
from contextlib import ExitStack

import pytest
from town import ENDS, Town

from yunhe.compute import service as compute
from yunhe.compute.providers.conformance import check_provider
from yunhe.custody import verifier
from yunhe.identity import service as identity
from yunhe.storage.blobs import LocalBlobs

pytestmark = pytest.mark.slow


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def pair(tmp_path, stack):
    """A nation without devices of its own, and a city with two, whose worker runs."""
    nation, city = Town(tmp_path, "nation", stack), Town(tmp_path, "city", stack)
    city.pool()
    city.serve()
    nation.serve()
    nation.uses(city, "harbour")
    nation.pool(adapter="harbour")
    nation.fund()
    return nation, city


def test_work_goes_to_the_other_platform_and_comes_back_with_outputs_usage_and_proof(pair) -> None:
    nation, city = pair
    city.work()
    nation.work()
    data = nation.folder / "data"
    data.write_bytes(b"goods" * 1_000)
    digest = nation.user.uploads.send(data).digest
    asked = nation.submit(inputs={"data": digest}, devices=2)
    done = nation.until(asked.id)
    assert done.state == "settled", done.why
    assert set(done.outputs) == {"data.copy", "word"}
    assert done.outputs["data.copy"] == digest
    nation.user.compute.download(done.id, "word", nation.folder / "word")
    assert (nation.folder / "word").read_text() == "运河"
    record = nation.user.custody.record(done.reference)
    body = record.body
    assert body["device_ms"] == done.usage.device_ms == body["remote_device_ms"] > 0
    assert body["remote_log"].startswith(city.origin)
    with nation.opened() as platform:
        receipt = platform.storage.blobs.read(body["remote_receipt"])
    with city.opened() as platform:
        trust = platform.trust_path.read_text()
    verdict = verifier.verify(receipt, trust)
    assert verdict.ok
    assert (verdict.links[0].kind, verdict.links[0].subject) == (
        "compute.usage",
        body["remote_workload"],
    )
    assert json.loads(receipt)["subject"] == body["remote_reference"]


def test_the_adapter_keeps_the_promises_of_the_seam_against_a_real_platform(pair, tmp_path) -> None:
    nation, city = pair
    city.work()
    with nation.opened() as platform:
        [remote] = platform.sites()
        found = check_provider(remote, blobs=LocalBlobs(tmp_path / "own"), chip="cpu")
    assert not [finding.message("en") for finding in found]


def test_both_hand_work_to_each_other_and_what_came_forwarded_is_not_forwarded_again(
    tmp_path, stack
) -> None:
    nation, city = Town(tmp_path, "nation", stack), Town(tmp_path, "city", stack)
    city.serve()
    nation.serve()
    nation.uses(city, "harbour")
    city.uses(nation, "capital")
    nation.pool(adapter="harbour", chip="cpu")
    nation.pool(chip="h20", adapter="demonstration")
    city.pool(adapter="capital", chip="cpu")
    city.pool(adapter="capital", chip="h20")
    for town in (nation, city):
        town.fund()
        town.fund(chip="h20")
        town.fund("city" if town is nation else "nation", chip="h20")
        town.says("organisation", town.organisations["university"], "SG")  # or no h20 is lent
        town.work()
    going_round = nation.submit()
    lent = city.submit(chip="h20")
    refused = nation.until(going_round.id, seconds=120)
    assert (refused.state, refused.usage) == ("failed", None)
    assert nation.origin in refused.why.message
    assert city.until(lent.id).state == "settled"


def test_the_place_of_a_consumer_travels_and_each_platform_keeps_to_its_own_rules(
    tmp_path, stack
) -> None:
    nation, city = Town(tmp_path, "nation", stack), Town(tmp_path, "city", stack)
    there = city.pool(chip="h20", adapter="demonstration")
    city.serve()
    nation.serve()
    nation.uses(city, "harbour")
    here = nation.pool(adapter="harbour", chip="h20")
    nation.fund(chip="h20")
    city.fund("nation", chip="h20")
    nation.says("organisation", nation.organisations["university"], "CN-11")
    nation.says("pool", here, "CN")  # the nation's operator vouches, which binds nobody else
    city.work()
    nation.work()
    refused = nation.until(nation.submit("refused", chip="h20").id)
    assert (refused.state, refused.usage) == ("failed", None)
    assert "US-LICENCE" in refused.why.message
    assert "CN-11" in refused.why.message
    city.says("pool", there, "CN")
    done = nation.until(nation.submit("taken", chip="h20").id)
    assert done.state == "settled", done.why
    body = nation.user.custody.record(done.reference).body
    assert body["remote_consumer"] == "CN-11"
    assert "consumer" not in body  # it came from nobody else


def test_work_that_excludes_providers_stays_here_though_it_was_given_a_place_over_there(
    pair,
) -> None:
    nation, city = pair
    city.fund("nation")
    with nation.opened() as platform:
        storage = platform.storage
        with storage.database.begin() as tx:
            named = {"key": "rival", "name": "rival", "kind": "provider", "at_us": 1}
            rival = identity.add_organisation(tx, **named).id
        given = {"site": "机房", "devices": 1, "currency": "CNY", "adapter": "demonstration"}
        price = {"price_minor_per_device_hour": 1}
        compute.register_pool(storage, key="r", provider=rival, chip="h20", **given, **price)
    # No worker has looked at the site yet, so nobody knows that it is another platform.
    picky = nation.submit("picky", excluded_providers=[rival])
    assert nation.see(picky.id).state == "placed"
    city.work()
    nation.work()
    waits = nation.until(picky.id, "waiting", *ENDS)
    assert (waits.state, waits.why.code) == ("waiting", "compute.rule_provider_hidden")
    with city.opened() as platform, platform.storage.database.read() as tx:
        assert compute.workloads(tx) == []
    nation.pool()
    done = nation.until(picky.id)
    assert done.state == "settled", done.why
    with city.opened() as platform, platform.storage.database.read() as tx:
        assert compute.workloads(tx) == []
