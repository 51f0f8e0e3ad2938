"""What this machine's pools may offer, pools for demonstrations, and names that mean no chip."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from small_city import City

from yunhe.app import look_into, open_platform
from yunhe.compute import machine, store
from yunhe.compute import service as compute
from yunhe.compute.domain import Pool
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.supply import store as standings
from yunhe.compute.supply.chips import catalogue, read_own
from yunhe.compute.supply.domain import Standing
from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid, Unavailable
from yunhe.operations.checks import choices
from yunhe.operations.checks.findings import Subject
from yunhe.settings import Settings
from yunhe.storage.service import Storage

MAKERS = catalogue().vendors()
OWN_CHIPS = """
version: "1"
as_of: "2026-11-20"
sources: {}
notes: {}
chips:
  - id: dragon7
    vendor: Somebody
    name: Dragon 7
    kind: npu
    memory_gib: [64]
    introduced: "2026-01"
    source: "the maker's data sheet of 2026-01"
    verified: true
    export:
      - valid_from: 2026-01-01
        note: {en: "none known", zh: "暂无"}
        source: "the maker"
        verified: false
"""
NPU_SMI = """
+------------------------------------------------------------------------------------------------+
| npu-smi 23.0.3                   Version: 23.0.3                                               |
+---------------------------+---------------+----------------------------------------------------+
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| 0     910B3               | OK            | 91.9        39                0    / 0             |
| 0                         | 0000:C1:00.0  | 0           0    / 0          3327 / 65536         |
| 1     910B3               | OK            | 92.1        40                0    / 0             |
| 0                         | 0000:01:00.0  | 0           0    / 0          3327 / 65536         |
"""


def offer(storage: Storage, city: City, chip: str, *, key: str = "p", **over) -> Pool:
    given = {"devices": 2, "price_minor_per_device_hour": 3_600, "currency": "CNY"}
    return compute.register_pool(
        storage, key=key, provider=city.provider, site="机房", chip=chip, **{**given, **over}
    )


def codes(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(each.where, each.code) for each in refused.value.findings]


@pytest.mark.parametrize(
    ("said", "vendor", "found"),
    [
        ("NVIDIA H200\nNVIDIA H200\n", "NVIDIA", {"h200": 2}),
        ("Tesla V100-SXM2-16GB\nTesla T4", "NVIDIA", {"v100": 1, "t4": 1}),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA", {"a100": 1}),
        ("NVIDIA H100 80GB HBM3", "NVIDIA", {"h100": 1}),
        ("NVIDIA GeForce RTX 4090", "NVIDIA", {}),
        (NPU_SMI, "Huawei", {"ascend910b": 2}),
        ("NVIDIA H200", "Huawei", {}),
        ("", "NVIDIA", {}),
        ("\x00\xff" * 900 + "\n" * 50_000, "NVIDIA", {}),
    ],
    ids=["two", "mixed", "socket", "memory", "foreign", "ascend", "elsewhere", "none", "rubbish"],
)
def test_devices_are_counted_from_what_their_makers_commands_print(said, vendor, found) -> None:
    assert machine.chips_named(said, MAKERS, vendor=vendor) == Counter(found)


def test_both_makers_are_asked_and_a_command_that_is_not_there_shows_nothing() -> None:
    asked: list[str] = []

    def ask(command: tuple[str, ...]) -> str:
        asked.append(command[0])
        return "NVIDIA H20\n" if command[0] == "nvidia-smi" else NPU_SMI

    assert machine.devices(MAKERS, ask=ask) == {"h20": 1, "ascend910b": 2}
    assert asked == ["nvidia-smi", "npu-smi"]
    assert machine.said_by(("no-such-command-of-anybody",)) == ""


def test_a_command_that_fails_or_lies_in_the_working_folder_shows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho NVIDIA H200\nexit 3\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert machine.said_by(("nvidia-smi",)) == ""
    command.write_text("#!/bin/sh\necho NVIDIA H200\n")
    assert machine.said_by(("nvidia-smi",)) == "NVIDIA H200\n"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", ".")
    assert machine.said_by(("nvidia-smi",)) == ""


def test_what_this_machine_has_not_is_refused_and_says_how_to_offer_it(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = bare_city.storage
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=1))
    with pytest.raises(Invalid) as refused:
        offer(storage, bare_city, "ascend910b")
    assert codes(refused) == [("chip", "compute.chip_not_here")]
    assert dict(refused.value.findings[0].params)["has"] == "h200 × 1"
    with pytest.raises(Invalid) as refused:
        offer(storage, bare_city, "h200")
    assert codes(refused) == [("chip", "compute.chip_not_here")]
    assert offer(storage, bare_city, "h200", devices=1).adapter == "local"
    assert offer(storage, bare_city, "cpu", key="c", devices=500).devices == 500
    assert offer(storage, bare_city, "ascend910b", key="far", adapter="centre").adapter == "centre"


def test_a_pool_that_is_there_is_registered_again_when_its_device_is_gone(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=2))
    first = offer(bare_city.storage, bare_city, "h200")
    monkeypatch.setattr(machine, "devices", lambda _: Counter())
    assert offer(bare_city.storage, bare_city, "h200") == first


def test_pools_of_this_machine_offer_together_what_is_in_it(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = bare_city.storage
    monkeypatch.setattr(machine, "devices", lambda _: Counter(h200=2))
    first = offer(storage, bare_city, "h200", devices=1)
    with pytest.raises(Invalid) as refused:
        offer(storage, bare_city, "h200", key="again", devices=2)
    assert codes(refused) == [("chip", "compute.chip_not_here")]
    assert dict(refused.value.findings[0].params)["devices"] == 3
    offer(storage, bare_city, "h200", key="rest", devices=1)
    compute.supply.change(storage, first.id, state="down", reason="sold", by=bare_city.operator)
    offer(storage, bare_city, "h200", key="other", devices=1)


def test_a_key_that_cannot_be_kept_is_found_with_the_chip(bare_city: City) -> None:
    with pytest.raises(Invalid) as refused:
        offer(bare_city.storage, bare_city, "ascend910b", key="\ud800", adapter="local")
    assert [where for where, _ in codes(refused)] == ["key", "chip"]


def test_work_of_a_demonstration_runs_here_and_every_record_of_it_says_so(
    city: City, local: LocalProvider
) -> None:
    storage = city.storage
    pool = offer(storage, city, "ascend910b", adapter=compute.DEMONSTRATION)
    compute.award(
        storage,
        key="npu",
        organisation=city.university,
        chip="ascend910b",
        device_ms=10**7,
        expires_at_us=city.clock.now_us() + 10**13,
        awarded_by=city.operator,
    )
    made = city.submit("job", chip="ascend910b")
    real = city.submit("real")
    assert (made.state, made.pool) == ("placed", pool.id)
    assert {compute.run_next(storage, local).state for _ in range(2)} == {"settled"}
    with storage.database.read() as tx:
        record = custody.record(tx, compute.workload(tx, made.id).reference)
        other = custody.record(tx, compute.workload(tx, real.id).reference)
        month = compute.statements.period_at(city.clock.now_us())
        lines = compute.statements.usage(tx, period=month, by="chip")
    assert record.body["demonstration"] is True
    assert "demonstration" not in other.body
    assert {line.group for line in lines} == {"cpu", "ascend910b-demonstration"}


def test_what_runs_on_another_chip_says_which_and_what_was_asked_for(
    city: City, local: LocalProvider
) -> None:
    made = city.submit("job", chip="ascend910b", substitutes={"cpu": 500})
    assert (made.state, made.spec.chip, made.chip_placed) == ("placed", "ascend910b", "cpu")
    waits = city.submit("waits", devices=2)
    assert (waits.state, waits.chip_placed) == ("waiting", "")
    compute.run_next(city.storage, local, workload=made.id)
    with city.storage.database.read() as tx:
        found = {each.id: each.chip_placed for each in compute.workloads(tx)}
        month = compute.statements.period_at(city.clock.now_us())
        lines = compute.statements.usage(tx, period=month, by="chip")
    assert found == {made.id: "cpu", waits.id: "cpu"}  # placed once the first was over
    assert [line.group for line in lines] == ["cpu"]


def test_a_name_that_means_no_chip_is_refused_with_the_nearest(city: City) -> None:
    with pytest.raises(Invalid) as refused:
        offer(city.storage, city, "ascend910", adapter="centre")
    assert codes(refused) == [("chip", "compute.chip_unknown")]
    near = dict(refused.value.findings[0].params)["near"].split(", ")
    assert {"ascend910b", "ascend910c"} <= set(near)
    with pytest.raises(Invalid) as refused:
        city.submit("job", chip="ascned910b", substitutes={"h2O": 500, "cpu": 100})
    assert codes(refused) == [
        ("chip", "compute.chip_unknown"),
        ("substitutes.h2O", "compute.chip_unknown"),
    ]
    with pytest.raises(Invalid) as unlike:
        offer(city.storage, city, "zzzzzzzzzz", adapter="centre")
    [finding] = unlike.value.findings
    assert finding.code == "compute.chip_unlike"
    assert not {":", "-"} & set(finding.message("en").removeprefix("chip:"))
    assert "最相近" not in finding.message("zh")
    assert [dict(each.params)["near"].split(", ")[0] for each in refused.value.findings] == [
        "ascend910b",
        "h20",
    ]


def test_a_chip_of_a_pool_that_is_there_already_is_known(city: City) -> None:
    old = Pool("pool_old", city.provider, "机房", "centre", "unheard-of", 1, 1, "CNY")
    with city.storage.database.begin() as tx:
        store.add_pool(tx, old, at_us=1)
    assert city.submit("job", chip="unheard-of").why.code == "compute.waiting_award"


def test_own_chips_are_taken_from_a_dated_file_and_known_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "chips.yaml"
    file.write_text(OWN_CHIPS)
    settings = Settings(home=tmp_path / "home", chips_file=file)
    with open_platform(settings) as platform, platform.storage.database.read() as tx:
        found = compute.supply.catalogue_of(tx)
        assert "dragon7" in compute.supply.chips_known(tx)
    settings = Settings(home=tmp_path / "home")
    with open_platform(settings) as platform, platform.storage.database.read() as tx:
        assert "dragon7" not in compute.supply.chips_known(tx)
    chip = found.chip("dragon7")
    assert chip is not None
    assert (chip.vendor, chip.source) == ("Somebody", "the maker's data sheet of 2026-01")
    assert found.version == f"{catalogue().version}+1"
    assert len(found.chips) == len(catalogue().chips) + 1


def test_own_chips_without_a_source_or_with_a_name_that_is_taken_are_refused(
    tmp_path: Path,
) -> None:
    file = tmp_path / "chips.yaml"
    file.write_text(OWN_CHIPS.replace("id: dragon7", "id: h20"))
    with pytest.raises(Invalid) as refused:
        read_own(file)
    assert refused.value.code == "compute.chips_taken"
    file.write_text(OWN_CHIPS.replace('    source: "the maker\'s data sheet of 2026-01"\n', ""))
    with pytest.raises(Invalid) as refused:
        read_own(file)
    assert codes(refused) == [("chips.0.source", "compute.chip_wrong")]
    with pytest.raises(Unavailable):
        read_own(tmp_path / "missing.yaml")


def test_doctor_finds_a_pool_that_sells_what_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "devices", lambda _: Counter())
    settings = Settings(home=tmp_path / "home")
    with open_platform(settings) as platform, platform.storage.database.begin() as tx:
        whose = identity.add_organisation(tx, key="o", name="o", kind="company", at_us=1).id
        for name, adapter, chip in (
            ("pool_a", "local", "ascend910b"),
            ("pool_b", "demonstration", "ascend910b"),
            ("pool_c", "local", "cpu"),
        ):
            store.add_pool(tx, Pool(name, whose, "s", adapter, chip, 8, 1, "CNY"), at_us=1)
        down = Pool("pool_d", whose, "s", "local", "h20", 8, 1, "CNY")
        store.add_pool(tx, down, at_us=1)
        standings.set_standing(tx, Standing("pool_d", "down"))
    with look_into(settings) as platform:
        found = list(choices.pools(Subject(settings, platform, {})))
        sites = [each.code for each in choices.sites(Subject(settings, platform, {}))]
    assert [(each.state, each.code) for each in found] == [
        ("warning", "operations.doctor.pool_not_here")
    ]
    assert dict(found[0].params)["pool"] == "pool_a"
    assert sites == ["operations.doctor.sites_fine"]
