"""A platform on which a data holder may have its cleansings metered: people, a pool, an award."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from corpus_desk import request

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.corpus import service
from yunhe.corpus.domain import CleanseRequest, Profile
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US
from yunhe.storage.service import Storage

LIMITS = service.metering.Limits(wall_seconds=120, cpu_seconds=120)


@dataclass
class Desk:
    """Somebody who has text cleansed, and the machine on which that is done."""

    storage: Storage
    folder: Path
    provider: LocalProvider
    holder: str

    def request(self, name: str = "in", **changes: object) -> CleanseRequest:
        """One of invented tickets."""
        return request(self.folder / name, **{"holder": self.holder, **changes})

    def submitted(self, asked: CleanseRequest) -> Workload:
        """The workload of a request, waiting for nothing but to be run."""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        spec = service.metering.spec(self.storage, asked, LIMITS, folder=scratch)
        return compute.submit(self.storage, spec)

    def ran(self, asked: CleanseRequest) -> Workload:
        """The workload, over."""
        placed = self.submitted(asked)
        done = compute.run_next(self.storage, self.provider, workload=placed.id)
        assert done is not None
        return done

    def metered(self, asked: CleanseRequest) -> CleanseRequest:
        """The request, its work done by a workload."""
        done = self.ran(asked)
        assert done.state == "settled", self.storage.blobs.read(str(done.log)).decode()
        return replace(asked, workload=done.id)


def found(storage: Storage, folder: Path, *, isolated: bool = True) -> Desk:
    """Found it: a free pool of one device, and an hour for the holder."""
    at_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        city = identity.add_organisation(tx, key="c", name="city", kind="operator", at_us=at_us)
        hotline = identity.add_organisation(
            tx, key="h", name="hotline", kind="data_holder", at_us=at_us
        )
        member = identity.add_member(tx, key="m", organisation=city.id, name="Ann", at_us=at_us).id
        identity.grant_role(tx, member=member, role="operator", at_us=at_us)
    compute.register_pool(
        storage,
        key="pool",
        provider=city.id,
        site="here",
        chip="cpu",
        devices=1,
        price_minor_per_device_hour=0,
        currency="CNY",
    )
    compute.award(
        storage,
        key="award",
        organisation=hotline.id,
        chip="cpu",
        device_ms=3_600_000,
        expires_at_us=at_us + 90 * DAY_US,
        awarded_by=member,
    )
    program, name = service.metering.program(), service.metering.CLEANSING
    compute.approve_entry_point(
        storage, name=name, module=program.module, digest=program.digest, approved_by=member
    )
    provider = LocalProvider(
        folder / "home" / "work",
        {name: EntryPoint(program.module, reads=program.reads)},
        isolation="auto" if isolated else "digest-approved",
    )
    return Desk(storage, folder, provider, hotline.id)


def with_step(profile: Profile, other: Profile, name: str) -> Profile:
    """A profile with a step of another at its end."""
    (plan,) = [plan for plan in other.steps if plan.name == name]
    return replace(profile, steps=(*profile.steps, plan))
