"""Pools, prices, maintenance and objections to rates; see `api_seeds`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.service import scaling, supply
from yunhe.compute.supply import store
from yunhe.compute.windows import store as window_rows
from yunhe.compute.windows.domain import Guarantee
from yunhe.kernel.clock import DAY_US

if TYPE_CHECKING:
    from api_desk import Desk
    from api_seeds import Place


def pool(desk: Desk, place: Place) -> str:
    """A pool of the place's own."""
    return compute.register_pool(
        desk.storage,
        key="seed",
        provider=place.organisation,
        site="east-1",
        chip="ascend910b",
        devices=8,
        price_minor_per_device_hour=1_200,
        currency="CNY",
        adapter="demonstration",
        nodes=(supply.NodeRow(2, 4),),
    ).id


def _price(desk: Desk, place: Place) -> str:
    return supply.set_price(
        desk.storage,
        pool(desk, place),
        key="seed",
        price_minor_per_device_hour=900,
        from_us=desk.now_us() + 300 * DAY_US,
        reason="seed",
        by=place.member,
    ).id


def _maintenance(desk: Desk, place: Place) -> str:
    begins_us = desk.now_us() + 300 * DAY_US
    return supply.plan_maintenance(
        desk.storage,
        pool(desk, place),
        key="seed",
        from_us=begins_us,
        until_us=begins_us + DAY_US,
        reason="seed",
        by=place.member,
    ).id


def _window(desk: Desk, place: Place) -> str:
    begins_us = desk.now_us() + 300 * DAY_US
    one = Guarantee(
        id=f"window_{place.organisation[4:]}",
        award=f"award_{place.organisation[4:]}",
        organisation=place.organisation,
        project="",
        chip="cpu",
        devices=1,
        pool="",
        site="",
        from_us=begins_us,
        until_us=begins_us + DAY_US,
        reason="seed",
        given_by=place.member,
        given_at_us=desk.now_us(),
        ended_at_us=None,
        ended_by="",
        ended_reason="",
        reference="",
    )
    with desk.storage.database.begin() as tx:
        window_rows.add(tx, one)
    return one.id


def _service(desk: Desk, place: Place) -> str:
    pool(desk, place)
    return scaling.create(
        desk.storage,
        key="seed",
        name="seed",
        spec=WorkloadSpec(
            key="",
            organisation=place.organisation,
            entry_point="seed",
            arguments={},
            inputs={},
            chip="ascend910b",
            devices=1,
            wall_seconds_max=600,
            cpu_seconds_max=60,
        ),
        policy=scaling.Policy(floor=0, ceiling=1, load_milli=1_000),
    ).id


def _dispute(desk: Desk, place: Place) -> str:
    name = f"dispute_{place.organisation}"
    made = supply.Dispute(
        name, "ratecard_none", "p100", "training.seed", place.organisation, "seed", place.member, 1
    )
    with desk.storage.database.begin() as tx:
        if store.dispute(tx, name) is None:
            store.add_dispute(tx, made)
    return name


def _node(desk: Desk, place: Place) -> str:
    pool(desk, place)
    return "1"


def _forwarded(desk: Desk, place: Place) -> str:
    job = f"job_{place.organisation}"
    compute.forwarding.cancel(desk.storage, organisation=place.organisation, job=job)
    return job


SEEDS = {
    "job": _forwarded,
    "name": lambda desk, place: "data",
    "site": lambda desk, place: f"site_{place.organisation[4:]}",
    "pool": pool,
    "node": _node,
    "price": _price,
    "maintenance": _maintenance,
    "window": _window,
    "dispute": _dispute,
    "service": _service,
}
