"""What the platform would say to a workload: the same as if it came, and nothing of it stays."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from yunhe.compute import service as compute
from yunhe.compute.domain import WorkloadSpec
from yunhe.kernel.errors import Invalid
from yunhe.storage.schema import metadata


def spec_of(city, key: str = "k", **over) -> WorkloadSpec:
    given = {
        "key": key,
        "organisation": city.university,
        "entry_point": "trial",
        "arguments": {},
        "inputs": {},
        "chip": "cpu",
        "devices": 1,
        "wall_seconds_max": 600,
        "cpu_seconds_max": 600,
        **over,
    }
    return WorkloadSpec(**given)


def counts(city) -> dict[str, int]:
    with city.storage.database.read() as tx:
        return {
            name: tx.execute(text(f'select count(*) from "{name}"')).scalar_one()
            for name in sorted(metadata.tables)
        }


def test_a_preview_says_what_submitting_then_does_and_leaves_nothing(city) -> None:
    before = counts(city)
    for _ in range(2):
        said = compute.preview(city.storage, spec_of(city, "preview"))
        assert (said.workload.state, said.standing) == ("placed", None)
        assert said.workload.held_device_ms == 600_000
        assert counts(city) == before
    made = compute.submit(city.storage, spec_of(city, "real"))
    assert (made.state, made.pool) == (said.workload.state, said.workload.pool)
    assert (made.held_device_ms, made.held_minor) == (600_000, said.workload.held_minor)
    [home] = said.homes
    assert (home.pool.id, home.device_ms) == (made.pool, 600_000)
    assert home.cost_minor >= made.held_minor > 0


def test_where_it_would_wait_its_rank_and_start_are_said(city) -> None:
    with city.storage.database.read() as tx:
        devices = max(status.pool.devices for status in compute.pools(tx))
    full = {"devices": devices, "wall_seconds_max": 60}
    states = [compute.submit(city.storage, spec_of(city, key, **full)).state for key in "ab"]
    assert states == ["placed", "waiting"]
    said = compute.preview(city.storage, spec_of(city, "preview", **full))
    assert (said.workload.state, said.workload.held_device_ms) == ("waiting", 0)
    assert said.standing is not None
    assert (said.standing.rank, said.standing.of) == (2, 2)
    assert said.standing.early_us is not None
    assert said.standing.late_us is not None
    assert said.standing.early_us < said.standing.late_us
    assert said.homes


def test_every_finding_comes_at_once_as_from_submitting(city) -> None:
    wrong = spec_of(city, devices=10_000, replicas=0, kind="x")
    told = []
    for ask in (compute.preview, compute.submit):
        with pytest.raises(Invalid) as refused:
            ask(city.storage, wrong)
        told.append([(each.where, each.code) for each in refused.value.findings])
    assert told[0] == told[1]
    assert {where for where, _ in told[0]} >= {"kind", "replicas"}


def test_pools_that_fit_are_named_the_cheapest_first(city) -> None:
    for name, price in (("dear", 9_000), ("cheap", 10)):
        compute.register_pool(
            city.storage,
            key=name,
            provider=city.provider,
            site=name,
            chip="cpu",
            devices=64,
            price_minor_per_device_hour=price,
            currency="CNY",
        )
    said = compute.preview(city.storage, spec_of(city, devices=32))
    assert [home.pool.site for home in said.homes] == ["cheap", "dear"]
    assert [home.cost_minor for home in said.homes] == [54, 48_000]
