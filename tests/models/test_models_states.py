"""Whether a route may answer, against a plain model of it, through long random histories."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from released_model import ROUTE, Bench

from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, NotAllowed
from yunhe.models import service as models
from yunhe.models import store
from yunhe.models.domain import Deployment, ModelVersion, Served, tenant_of
from yunhe.models.errors import why_not_served

VERSION = ModelVersion(
    id="model_1",
    reference="aa",
    name="分流",
    owner="org_1",
    model_digest="sha256:1",
    manifest_digest="sha256:2",
    card_digest="sha256:3",
    train_digest="sha256:4",
    state="approved",
    certificate="c1",
    valid_until_us=1_000,
    state_at_us=0,
    at_us=0,
)
DEPLOYMENT = Deployment(
    id="dep_1",
    reference="bb",
    route=ROUTE,
    version="model_1",
    model_digest="sha256:1",
    certificate="c1",
    at_us=0,
)


@given(
    st.sampled_from(["registered", "approved", "withdrawn"]),
    st.sampled_from([None, "c1", "c2"]),
    st.none() | st.integers(990, 1_010),
    st.sampled_from(["sha256:1", "sha256:other"]),
    st.integers(990, 1_010),
)
def test_a_route_answers_only_when_nothing_at_all_speaks_against_it(
    state, certificate, until_us, digest, now_us
):
    version = replace(VERSION, state=state, certificate=certificate, valid_until_us=until_us)
    served = Served(replace(DEPLOYMENT, model_digest=digest), version)
    may = (
        state == "approved"
        and certificate == "c1"
        and until_us is not None
        and now_us < until_us
        and digest == "sha256:1"
    )
    why = why_not_served(served, now_us=now_us)
    assert (why is None) == may
    if why is not None:
        assert why.status in (403, 409)
        assert "{" not in why.message("en") + why.message("zh")


def test_a_tenant_is_named_by_a_digest_that_hides_the_organisation():
    assert tenant_of("org_1") == tenant_of("org_1") != tenant_of("org_2")
    assert "org_1" not in tenant_of("org_1")


class Oracle:
    """What should be true, in the plainest words."""

    def __init__(self) -> None:
        self.state = "registered"
        self.certificate = ""
        self.until_us = 0
        self.deployed = ""  # certificate of the route's newest deployment

    def may_serve(self, now_us: int) -> bool:
        return self.state == "approved" and now_us < self.until_us

    def may_answer(self, now_us: int) -> bool:
        return self.may_serve(now_us) and self.deployed == self.certificate


@pytest.mark.parametrize("seed", range(8))
def test_through_any_history_the_registry_agrees_with_a_plain_model(bench: Bench, seed: int):
    chosen, oracle = random.Random(seed), Oracle()
    storage, clock = bench.storage, bench.storage.clock
    version, certificates = bench.register(), list[str]()
    for step in range(60):
        now_us = clock.now_us()
        match chosen.choice(["release", "again", "withdraw", "deploy", "deploy", "wait", "wait"]):
            case "release":
                days = chosen.randrange(1, 6)
                oracle.certificate = bench.approve(version, str(step), days=days)
                oracle.state, oracle.until_us = "approved", now_us + days * DAY_US
                certificates.append(oracle.certificate)
            case "again" if certificates:
                approve_again(bench, version, chosen.choice(certificates), oracle)
            case "withdraw":
                with storage.database.begin() as tx:
                    models.withdraw(tx, version.id, at_us=now_us)
                oracle.state = "withdrawn"
            case "deploy":
                try:
                    models.deploy(storage, key=str(step), version=version.id, route=ROUTE)
                except NotAllowed:
                    assert not oracle.may_serve(now_us), f"seed {seed} step {step}"
                else:
                    assert oracle.may_serve(now_us), f"seed {seed} step {step}"
                    oracle.deployed = oracle.certificate
            case "wait":
                clock.advance(seconds=chosen.randrange(1, 2 * 86_400))
        with storage.database.read() as tx:
            served = models.routes(tx).get(ROUTE)
        assert (served is not None) == bool(oracle.deployed)
        if served is not None:
            why = why_not_served(served, now_us=clock.now_us())
            assert (why is None) == oracle.may_answer(clock.now_us()), f"seed {seed} step {step}"


def approve_again(bench: Bench, version: ModelVersion, certificate: str, oracle: Oracle) -> None:
    """Approving with an old certificate must neither revive nor shorten anything."""
    with bench.storage.database.read() as tx:
        before = models.version(tx, version.id)
        release, newest = (custody.record(tx, c) for c in (certificate, oracle.certificate))
    stale = certificate != oracle.certificate
    if stale and release.at_us == newest.at_us:
        return  # two releases of one instant: neither is older
    expected = ""
    if stale or oracle.state == "withdrawn":
        expected = "models.certificate_invalid" if stale else "models.certificate_withdrawn"
    code = ""
    try:
        with bench.storage.database.begin() as tx:
            models.approve(
                tx,
                version=version.id,
                certificate=certificate,
                valid_until_us=release.body["valid_until_us"],
                at_us=bench.storage.clock.now_us(),
            )
    except Conflict as refused:
        code = refused.code
    assert code == expected
    with bench.storage.database.read() as tx:
        assert models.version(tx, version.id) == before


def test_a_failure_halfway_leaves_neither_record_nor_row(bench: Bench, monkeypatch):
    bench.trained()

    def fail(tx, added):
        raise OSError("power cut")

    with monkeypatch.context() as broken:
        broken.setattr(store, "add_version", fail)
        with pytest.raises(OSError, match="power cut"):
            models.register(bench.storage, **bench.registration())
    version = models.register(bench.storage, **bench.registration())
    bench.approve(version)
    with monkeypatch.context() as broken:
        broken.setattr(store, "add_deployment", fail)
        with pytest.raises(OSError, match="power cut"):
            models.deploy(bench.storage, key="d1", version=version.id, route=ROUTE)
    with bench.storage.database.read() as tx:
        assert models.routes(tx) == {}
    made = models.deploy(bench.storage, key="d1", version=version.id, route=ROUTE)
    with bench.storage.database.read() as tx:
        assert custody.reference(tx, "model.version", version.id) == version.reference
        assert custody.reference(tx, "serving.deployment", made.id) == made.reference
