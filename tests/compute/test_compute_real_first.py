"""Real devices go before pretended ones, whatever these cost; pools of this machine stay true."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from card_desk import Machine
from hypothesis import given
from hypothesis import strategies as st
from small_city import City
from test_compute_scheduling import NOW_US, decided, picture, pool, request

from yunhe.app import look_into, open_platform
from yunhe.compute import admission, cards, store
from yunhe.compute import machine as machine_of
from yunhe.compute import service as compute
from yunhe.compute.domain import Pool
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.plan_guide import Guide
from yunhe.compute.scheduling.state import Picture, Placement, PoolView
from yunhe.compute.service import supply
from yunhe.compute.simulation.recording import Journal, plain, replayed, revived
from yunhe.identity import service as identity
from yunhe.kernel.errors import Invalid
from yunhe.operations.checks import accelerators
from yunhe.operations.checks.findings import Subject
from yunhe.settings import Settings
from yunhe.storage.service import Storage

REAL, PRETENDED = pool("real", price=7_200), replace(pool("demo", price=0), demonstration=True)


def where(*queue, pools=(PRETENDED, REAL), **over) -> dict[str, str]:
    found = decided(picture(*queue, pools=pools, **over))
    return {name: each.pool for name, each in found.items() if isinstance(each, Placement)}


def test_a_dear_real_device_goes_before_a_pretended_one_for_nothing() -> None:
    assert where(request()) == {"w": "real"}
    assert where(request(devices=4), pools=(REAL, PRETENDED)) == {"w": "real"}


def test_what_finds_no_room_on_real_devices_runs_on_pretended_ones_as_before() -> None:
    queue = [request(f"w{at}", number=at, devices=3) for at in (1, 2)]
    assert where(*queue) == {"w1": "real", "w2": "demo"}


def test_who_cannot_pay_for_a_real_device_may_still_have_a_pretended_one() -> None:
    assert where(request(), cash=0) == {"w": "demo"}


def test_a_plan_that_would_rather_use_the_pretended_device_does_not_get_its_way() -> None:
    for dear in (10_000, 10**9):  # the real one worth less there, and of no worth at all
        guide = Guide({("cpu", "real"): dear})
        seen = replace(picture(request(), pools=(PRETENDED, REAL)), guide=guide)
        found = [each for each in decide(seen, now_us=NOW_US) if isinstance(each, Placement)]
        late = dear == 10**9
        assert [each.pool for each in found] == ["demo" if late else "real"]


def test_data_at_home_beside_a_pretended_device_does_not_hold_the_work_there() -> None:
    homely = replace(request(), home="demo")
    assert where(homely, pools=(replace(PRETENDED, price_minor_per_device_hour=7_200), REAL)) == {
        "w": "real"
    }


def test_a_picture_of_before_says_of_no_pool_that_it_only_pretends() -> None:
    said = plain(picture(request(), pools=(REAL,)))
    for each in said["pools"]:
        del each["demonstration"]
    assert revived(Picture, said).pools == (REAL,)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=5
    ),
    st.integers(1, 4),
)
def test_work_goes_to_the_cheapest_real_pool_with_room_and_else_to_the_cheapest_pretended(
    rows, devices
) -> None:
    pools = [
        replace(pool(f"p{at}", busy=busy, price=price * 1_000), demonstration=pretended)
        for at, (pretended, busy, price) in enumerate(rows)
    ]
    able = [each for each in pools if each.devices - each.devices_busy >= devices]
    found = where(request(devices=devices), pools=pools)
    if not able:
        assert found == {}
        return

    def rank(each: PoolView) -> tuple[bool, int]:
        return each.demonstration, each.price_minor_per_device_hour

    chosen = next(each for each in pools if each.id == found["w"])
    assert rank(chosen) == min(map(rank, able))


def offer(storage: Storage, city: City, key: str, **over) -> Pool:
    given = {"chip": "h200", "devices": 2, "price_minor_per_device_hour": 3_600, **over}
    return compute.register_pool(
        storage, key=key, provider=city.provider, site="机房", currency="CNY", **given
    )


def test_a_platform_with_both_places_on_the_real_pool_and_its_journal_says_why(
    city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter(h200=2))
    given = {"adapter": compute.DEMONSTRATION, "price_minor_per_device_hour": 0}
    pretended = offer(city.storage, city, "demo", **given)
    real = offer(city.storage, city, "real")
    compute.award(
        city.storage,
        key="cards",
        organisation=city.university,
        chip="h200",
        device_ms=10**7,
        expires_at_us=city.clock.now_us() + 10**13,
        awarded_by=city.operator,
    )
    journal = Journal(tmp_path / "passes.jsonl")
    monkeypatch.setattr(admission, "decide", journal.listening(admission.decide))
    made = [city.submit(f"w{at}", chip="h200") for at in range(3)]
    assert [city.see(each).pool for each in made] == [real.id, real.id, pretended.id]
    again = replayed(tmp_path / "passes.jsonl")
    assert (again.passes, again.different, again.broken) == (3, (), 0)
    assert '"demonstration": true' in (tmp_path / "passes.jsonl").read_text().replace(
        '"demonstration":true', '"demonstration": true'
    )


def codes(refused: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(each.where, each.code) for each in refused.value.findings]


def test_a_pool_of_this_machine_grows_by_no_more_than_is_in_it(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = bare_city.storage
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter(h200=4))
    made = offer(storage, bare_city, "real", nodes=(supply.NodeRow(1, 2),))

    def grow(count: int, key: str) -> int:
        rows = (supply.NodeRow(1, count),)
        return len(
            supply.come(storage, made.id, rows, key=key, reason="more", by=bare_city.operator)
        )

    with pytest.raises(Invalid) as refused:
        grow(3, "too many")
    assert codes(refused) == [("nodes", "compute.chip_not_here")]
    assert dict(refused.value.findings[0].params)["devices"] == 5
    assert grow(2, "two") == 1
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter())
    assert grow(2, "two") == 1  # the same again is no growth
    with pytest.raises(Invalid):
        grow(1, "one")


def test_pools_that_pretend_or_are_elsewhere_grow_as_they_say(bare_city: City, monkeypatch) -> None:
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter())
    for adapter in (compute.DEMONSTRATION, "centre"):
        node = (supply.NodeRow(1, 2),)
        made = offer(bare_city.storage, bare_city, adapter, adapter=adapter, nodes=node)
        given = {"key": "more", "reason": "more", "by": bare_city.operator}
        assert len(supply.come(bare_city.storage, made.id, node * 3, **given)) == 3


def test_a_node_that_was_gone_or_a_pool_that_was_down_comes_back_only_with_its_devices(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, by = bare_city.storage, bare_city.operator
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter(h200=2))
    made = offer(storage, bare_city, "real", nodes=(supply.NodeRow(2, 1),))
    said = {"reason": "moved", "by": by}
    supply.change_node(storage, made.id, 1, state="gone", **said)
    other = offer(storage, bare_city, "other", devices=1)
    with pytest.raises(Invalid) as refused:
        supply.change_node(storage, made.id, 1, state="open", **said)
    assert codes(refused) == [("state", "compute.chip_not_here")]
    supply.change(storage, other.id, state="down", **said)
    supply.change_node(storage, made.id, 1, state="open", **said)
    with pytest.raises(Invalid) as refused:
        supply.change(storage, other.id, state="open", **said)
    assert codes(refused) == [("state", "compute.chip_not_here")]
    supply.change(storage, made.id, state="draining", **said)  # it still counts
    supply.change(storage, made.id, state="down", **said)
    assert supply.change(storage, other.id, state="open", **said).state == "open"


def test_chips_that_only_files_tell_of_are_offered_once_whatever_they_are_called(
    bare_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter())
    card = cards.Card("mlu370", "Cambricon", 0, "0")
    monkeypatch.setattr(cards, "cards_of", lambda *_: [card, replace(card, number=1)])
    offer(bare_city.storage, bare_city, "one", chip="mlu370", devices=1)
    with pytest.raises(Invalid) as refused:
        offer(bare_city.storage, bare_city, "two", chip="mlu590", devices=2)
    assert codes(refused) == [("chip", "compute.chip_not_here")]
    offer(bare_city.storage, bare_city, "two", chip="mlu590", devices=1)


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What the doctor says of the accelerators of a machine, given what its pools offer."""
    machine = Machine(tmp_path / "root")
    monkeypatch.setattr(accelerators, "ROOT", machine.root)

    def asked(makers, *, root):
        return cards.shown_here(makers, ask=machine.ask, root=root)

    monkeypatch.setattr(accelerators.compute.supply, "shown_here", asked)

    def look(*offered: str) -> list[tuple[str, str, dict[str, object]]]:
        settings = Settings(home=tmp_path / "home")
        with open_platform(settings) as platform, platform.storage.database.begin() as tx:
            at = {"name": "o", "kind": "company", "at_us": 1}
            whose = identity.add_organisation(tx, key="o", **at).id
            for chip in offered:
                named = Pool(f"pool_{chip}", whose, "s", "local", chip, 1, 1, "CNY")
                store.add_pool(tx, named, at_us=1)
        with look_into(settings) as platform:
            found = list(accelerators.accelerators(Subject(settings, platform, {})))
        for each in found:
            assert each.message("en") != each.message("zh")
            assert each.state == "ok" or each.advice("zh")
        heard = [each for each in found if not each.code.endswith("unconfined")]
        return [(e.state, e.code.rpartition(".")[2], dict(e.params)) for e in heard]

    look.machine = machine
    return look


def test_doctor_says_that_there_is_no_accelerator(doctor) -> None:
    assert doctor() == [("ok", "accelerators_none", {})]


def test_doctor_says_which_accelerators_can_be_given_to_work(doctor) -> None:
    doctor.machine.nvidia(3).huawei(2).others("cambricon_dev0", "cambricon_ctl")
    assert doctor("h200") == [
        ("ok", "accelerator_fine", {"devices": 3, "chip": "h200"}),
        ("ok", "accelerator_fine", {"devices": 2, "chip": "ascend910b"}),
        ("ok", "accelerator_unnamed", {"devices": 1, "vendor": "Cambricon"}),
    ]


@pytest.mark.parametrize(("offered", "state"), [((), "warning"), (("h200",), "failed")])
def test_doctor_says_which_device_file_is_missing(doctor, offered, state) -> None:
    doctor.machine.nvidia(2)
    (doctor.machine.root / "dev/nvidia-uvm").unlink()
    params = {"devices": 2, "chip": "h200", "vendor": "NVIDIA", "file": "/dev/nvidia-uvm"}
    assert doctor(*offered) == [(state, "accelerator_file_missing", params)]


def test_doctor_says_that_there_are_files_of_which_no_command_tells(doctor) -> None:
    doctor.machine.nvidia(2).said.clear()
    params = {"devices": 2, "vendor": "NVIDIA", "command": "nvidia-smi"}
    assert doctor() == [("warning", "accelerator_silent", params)]
