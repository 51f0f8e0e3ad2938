"""A small city: an operator, a provider with a pool, and a university that may use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from applications_desk import Desk, found_desk
from small_city import City

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import store as custody_store
from yunhe.identity import service as identity
from yunhe.kernel.clock import ManualClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.service import Storage

assert custody_store  # its tables must be known before the database is made


def found(storage: Storage, clock: ManualClock) -> City:
    now_us = clock.now_us()
    with storage.database.begin() as tx:
        named = {
            kind: identity.add_organisation(tx, key=kind, name=kind, kind=kind, at_us=now_us).id
            for kind in ("operator", "provider", "university")
        }
        member = identity.add_member(
            tx, key="op", organisation=named["operator"], name="值班员", at_us=now_us
        ).id
        identity.grant_role(tx, member=member, role="operator", at_us=now_us)
    return City(storage, clock, member, named["provider"], named["university"])


@pytest.fixture
def bare_city(storage: Storage, clock: ManualClock) -> City:
    """Organisations and an operator; no pool, no award, no money."""
    return found(storage, clock)


@pytest.fixture
def new_city(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[..., Database]
) -> Callable[[], City]:
    """Founds a bare city on a database of its own whenever it is called."""

    def make() -> City:
        folder, clock = tmp_path_factory.mktemp("city"), ManualClock()
        database = new_database(durable=False)
        return found(Storage(database, LocalBlobs(folder / "blobs"), clock), clock)

    return make


@pytest.fixture
def city(bare_city: City) -> City:
    """A pool of two devices at 36.00 CNY an hour, 1000 device-seconds, a voucher and cash."""
    bare_city.pool()
    bare_city.award()
    bare_city.voucher()
    bare_city.cash()
    bare_city.approve_trial()
    return bare_city


@pytest.fixture
def local(tmp_path: Path) -> LocalProvider:
    """The local provider with the trial program, isolated as this machine allows."""
    return LocalProvider(tmp_path / "work", {TRIAL: TRIAL_ENTRY_POINT})


@pytest.fixture
def desk(storage: Storage, clock: ManualClock) -> Desk:
    """An operator with four chiefs, a firm with an applicant, and a provider; no pool."""
    return found_desk(storage, clock)


@pytest.fixture
def new_desk(
    tmp_path_factory: pytest.TempPathFactory, new_database: Callable[..., Database]
) -> Callable[[], Desk]:
    """Another `desk`, on a database of its own, whenever it is called."""

    def make() -> Desk:
        clock = ManualClock()
        blobs = LocalBlobs(tmp_path_factory.mktemp("desk") / "blobs")
        return found_desk(Storage(new_database(durable=False), blobs, clock), clock)

    return make
