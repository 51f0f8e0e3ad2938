"""Accelerators of this machine one by one: what commands and files tell, and who gets which."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from card_desk import UUIDS, Machine
from hypothesis import given
from hypothesis import strategies as st

from yunhe.compute import cards
from yunhe.compute.providers import assigning
from yunhe.compute.providers.assigning import FOLDER, Assignments, Held, choose
from yunhe.compute.providers.exposing import Accelerators, Looking, shown
from yunhe.compute.providers.seam import Job
from yunhe.compute.supply.chips import catalogue
from yunhe.compute.supply.device_files import device_table
from yunhe.compute.utilisation.domain import Reading, Sample
from yunhe.compute.utilisation.sampling import Meter
from yunhe.kernel.errors import Unavailable

MAKERS = catalogue().vendors()
KEYS = tuple(("NVIDIA", number) for number in range(6))
NEWER_NPU_SMI = """
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip  Phy-ID              | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
| 4     910B3               | OK            | 91.9        39                0    / 0             |
| 0     8                   | 0000:C1:00.0  | 0           0    / 0          3327 / 65536         |
| 1     9                   | 0000:C2:00.0  | 0           0    / 0          3327 / 65536         |
| No running processes found in NPU 4                                                            |
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "root")


def job(name: str = "job", **over) -> Job:
    given = {"chip": "h200", "devices": 1, "places": (), "memory_bytes_max": 1 << 30, **over}
    return Job(
        id=name,
        entry_point="x",
        arguments={},
        inputs={},
        wall_seconds_max=60,
        cpu_seconds_max=60,
        **given,
    )


def of(chip: str, machine: Machine) -> list[cards.Card]:
    return cards.cards_of(chip, MAKERS, ask=machine.ask, root=machine.root)


def test_every_maker_of_the_catalogue_has_its_files_with_a_source_and_none_is_called_verified() -> (
    None
):
    rows = device_table().vendors
    assert set(MAKERS.values()) == set(rows)
    assert all(row.source and not row.verified for row in rows.values())
    assert {row.visible for row in rows.values()} == {
        "CUDA_VISIBLE_DEVICES",
        "ASCEND_RT_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "MLU_VISIBLE_DEVICES",
        "SUPA_VISIBLE_DEVICES",
        "MUSA_VISIBLE_DEVICES",
    }


def test_an_nvidia_card_has_the_number_that_its_driver_tells_not_its_order(machine) -> None:
    found = of("h200", machine.nvidia())
    assert [(card.number, card.name, card.id) for card in found] == [
        (number, str(3 - number), UUIDS[3 - number]) for number in range(4)
    ]
    assert of("h100", machine) == []
    assert of("cpu", machine) == []


def test_without_the_drivers_word_and_uuids_the_order_of_the_command_is_taken(machine) -> None:
    machine.said["nvidia-smi"] = "0, [N/A], NVIDIA H200\nrubbish\n1, GPU-x y, NVIDIA H200\n,,\n"
    found = of("h200", machine)
    assert [(card.number, card.id, card.label) for card in found] == [
        (0, "", "NVIDIA/0"),
        (1, "", "NVIDIA/1"),
    ]


def test_chips_of_ascend_cards_have_their_physical_number_where_it_is_told(machine) -> None:
    machine.said["npu-smi"] = NEWER_NPU_SMI
    found = of("ascend910b", machine)
    assert [(card.number, card.name) for card in found] == [(8, "4/0"), (9, "4/1")]
    machine.huawei()
    assert [(card.number, card.name) for card in of("ascend910b", machine)] == [
        (0, "0/0"),
        (1, "1/0"),
    ]


@pytest.mark.parametrize(
    ("chip", "names", "numbers"),
    [
        ("mlu370", ("cambricon_dev0", "cambricon_dev2", "cambricon_ctl"), [0, 2]),
        ("mlu370", ("cambricon_dev0", "cambricon_devx"), []),  # the driver's own file is not there
        ("br100", ("biren/card_0", "biren/card_1", "biren/card_0x"), [0, 1]),
        ("dcu_k100", ("kfd", "dri/renderD128", "dri/card0"), [128]),
        ("mtts4000", ("mtgpu.0", "mtgpu-x"), [0]),
        ("c500", ("mxcd", "dri/renderD129"), [129]),
        ("br104", (), []),
    ],
    ids=["cambricon", "undriven", "biren", "hygon", "moore", "metax", "none"],
)
def test_devices_without_a_command_are_counted_by_their_files(machine, chip, names, numbers):
    machine.others(*names)
    assert [card.number for card in of(chip, machine)] == numbers


def test_only_the_files_of_the_given_devices_and_of_their_driver_are_named(machine) -> None:
    machine.nvidia().huawei()
    second = of("h200", machine)[1:2]
    named = [name for _, name in cards.device_files(second, root=machine.root)]
    assert named == [
        "/dev/nvidia-uvm",
        "/dev/nvidia-uvm-tools",
        "/dev/nvidia1",
        "/dev/nvidiactl",
    ]
    (machine.root / "dev/nvidia-uvm-tools").unlink()
    assert len(cards.device_files(second, root=machine.root)) == 3


@pytest.mark.parametrize("broken", ["nvidia1", "nvidia-uvm"])
@pytest.mark.parametrize("how", ["missing", "plain", "closed"])
def test_a_device_file_that_cannot_be_used_is_named_with_what_to_do(
    machine, broken, how, monkeypatch
) -> None:
    path = machine.nvidia().root / "dev" / broken
    if how == "closed":  # root may open everything, so the answer is made up
        monkeypatch.setattr(os, "access", lambda where, _: Path(where) != path)
    else:
        path.unlink()
    if how == "plain":
        path.write_bytes(b"")
    with pytest.raises(Unavailable) as caught:
        cards.device_files(of("h200", machine)[1:2], root=machine.root)
    assert caught.value.code == f"compute.card_file_{'closed' if how == 'closed' else 'missing'}"
    for language in ("en", "zh"):
        assert f"/dev/{broken}" in caught.value.message(language)


def test_variables_name_devices_by_uuid_or_by_their_place_among_what_is_seen(machine) -> None:
    machine.nvidia().huawei(3)
    some, npus = of("h200", machine)[2:], of("ascend910b", machine)[1:]
    assert cards.seen_by(some, some)["CUDA_VISIBLE_DEVICES"] == f"{UUIDS[1]},{UUIDS[0]}"
    assert cards.seen_by(npus, npus) == {"ASCEND_RT_VISIBLE_DEVICES": "0,1"}
    assert cards.seen_by(npus) == {"ASCEND_RT_VISIBLE_DEVICES": "1,2"}
    assert cards.seen_by([]) == {}


def test_an_instrument_is_heard_about_the_given_devices_only() -> None:
    class Whole:
        def read(self) -> Reading:
            return Reading(tuple(Sample(str(at), at * 100) for at in range(4)))

    found = Looking(Whole(), {"1", "3"}).read().samples
    assert [(each.device, each.per_thousand) for each in found] == [("1", 100), ("3", 300)]


def test_the_makers_command_is_heard_about_the_devices_of_the_job_alone(
    machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{at}, {UUIDS[at]}, {at * 20}\n" for at in range(4))
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\ncat <<END\n{rows}END\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    given = machine.nvidia().accelerators(tmp_path / "work")
    with (
        given.given(job("first", devices=2), sandboxed=True),
        given.given(job("second", devices=2), sandboxed=True) as second,
    ):
        found = second.sampler().read()  # numbers 2 and 3 in /dev are the first two of the command
        assert {each.device: each.per_thousand for each in found.samples} == {"0": 0, "1": 200}
        meter = Meter(second.sampler(), devices=len(second.cards))
        meter.look()
        assert (meter.per_thousand, meter.samples) == (100, 2)


def test_the_lowest_free_devices_are_given_and_never_one_that_somebody_has() -> None:
    assert choose(KEYS, count=2) == KEYS[:2]
    assert choose(KEYS, count=2, live=[Held(KEYS[1:2])]) == (KEYS[0], KEYS[2])
    assert choose(KEYS, count=6, live=[Held(KEYS[5:])]) is None


def test_who_ran_before_gets_its_own_again_and_others_take_it_last() -> None:
    before = Held(KEYS[3:5])
    assert choose(KEYS, count=2, before=before) == KEYS[3:5]
    assert choose(KEYS, count=2, before=before, live=[Held(KEYS[3:4])]) == (KEYS[0], KEYS[4])
    assert choose(KEYS, count=3, left=[Held(KEYS[:2])]) == KEYS[2:5]
    assert choose(KEYS, count=5, left=[Held(KEYS[:2])]) == (KEYS[0], *KEYS[2:])


def test_work_at_one_place_of_a_pool_shares_its_device_and_no_other() -> None:
    first = choose(KEYS, count=1, places=["p/0/4"], live=[Held(KEYS[:1])])
    assert first == KEYS[1:2]
    live = [Held(KEYS[:1]), Held(first, ("p/0/4",))]
    assert choose(KEYS, count=1, places=["p/0/4"], live=live) == KEYS[1:2]
    assert choose(KEYS, count=1, places=["q/0/4"], live=live) == KEYS[2:3]
    both = choose(KEYS, count=3, places=["p/0/4", "p/0/5", "p/0/4"], live=live)
    assert both == (KEYS[1], KEYS[2], KEYS[1])
    kept = Held((KEYS[4], KEYS[1]), ("p/0/7", "p/0/4"))
    assert choose(KEYS, count=1, places=["p/0/7"], before=kept) == KEYS[4:5]


@st.composite
def _asks(draw) -> list[tuple[int, tuple[str, ...]]]:
    whole = st.tuples(st.integers(1, 3), st.just(()))
    some = st.lists(st.sampled_from(["p/0/0", "p/0/1", "q/0/0"]), min_size=1, max_size=3)
    return draw(st.lists(st.one_of(whole, st.tuples(st.just(1), some.map(tuple))), max_size=8))


@given(_asks())
def test_no_two_running_jobs_have_a_device_unless_they_share_a_place(asks) -> None:
    live: list[Held] = []
    for count, places in asks:
        chosen = choose(KEYS, count=count, places=places, live=live)
        taken = {device for held in live for device in held.devices}
        if chosen is None:
            missing = set(places) - {place for held in live for place in held.places}
            assert len(set(KEYS) - taken) < (len(missing) if places else count)
            continue
        assert len(chosen) == (len(places) or count)
        live.append(Held(chosen, places))
    by_device: dict[tuple[str, int], set[str]] = {}
    for number, held in enumerate(live):
        for at, device in enumerate(held.devices):
            whose = held.places[at] if held.places else f"job {number} alone"
            by_device.setdefault(device, set()).add(whose)
    assert all(len(whose) == 1 for whose in by_device.values())
    places_at: dict[str, set[tuple[str, int]]] = {}
    for held in live:
        for place, device in zip(held.places, held.devices, strict=bool(held.places)):
            places_at.setdefault(place, set()).add(device)
    assert all(len(devices) == 1 for devices in places_at.values())


def test_devices_are_kept_while_a_job_runs_and_free_afterwards(machine, tmp_path: Path) -> None:
    kept, there = Assignments(tmp_path / "work"), of("h200", machine.nvidia(2))
    assert kept.running() == {}
    asked = {"count": 1, "places": (), "stopped": lambda: True}
    with kept.held("a", there, **asked) as first:
        with kept.held("b", there, **asked) as second:
            assert [card.number for card in (*first, *second)] == [0, 1]
            assert set(kept.running()) == {"a", "b"}
            with pytest.raises(Unavailable) as caught, kept.held("c", there, **asked):
                pass
            assert caught.value.code == "compute.cards_busy"
        with kept.held("c", there, **asked) as third:
            assert third == second
    assert kept.running() == {}
    assert [path.name for path in (tmp_path / "work" / FOLDER).iterdir()] == [".lock"]


def test_more_devices_than_the_machine_shows_are_refused_at_once(machine, tmp_path: Path) -> None:
    given = machine.nvidia(2).accelerators(tmp_path / "work").given(job(devices=3), sandboxed=True)
    with pytest.raises(Unavailable) as caught, given:
        pass
    assert caught.value.code == "compute.cards_missing"
    assert not (tmp_path / "work").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from yunhe.compute.cards import Card
from yunhe.compute.providers.assigning import Assignments
there = [Card("h200", "NVIDIA", number, str(number)) for number in range(3)]
kept = Assignments(Path(sys.argv[1]))
asked = {"count": 1, "places": (), "stopped": lambda: False}
with kept.held("a", there, **asked), kept.held("b", there, **asked):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_runner_held_is_free_and_its_jobs_have_the_same_again(tmp_path: Path) -> None:
    work = tmp_path / "work"
    subprocess.run([sys.executable, "-c", KILLED, str(work)], check=False)
    there = [cards.Card("h200", "NVIDIA", number, str(number)) for number in range(3)]
    kept = Assignments(work)
    assert {path.name for path in (work / FOLDER).iterdir()} == {".lock", "a", "b"}
    assert kept.running() == {}
    asked = {"count": 1, "places": (), "stopped": lambda: False}
    with kept.held("new", there, **asked) as new, kept.held("b", there, **asked) as again:
        assert (new[0].number, again[0].number) == (2, 1)
        with kept.held("newer", there, **asked) as newer:  # nothing else is left: it takes a's
            assert newer[0].number == 0
            assert not (kept.running().keys() & {"a"})


def test_sharers_that_were_killed_share_again_whoever_comes_first(tmp_path: Path) -> None:
    folder, there = (
        tmp_path / "work" / FOLDER,
        [cards.Card("h200", "NVIDIA", n, "") for n in (0, 1)],
    )
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        said = '{"devices":[["NVIDIA",1]],"places":["p/0/0"]}'
        (folder / name).write_text(said)
    kept, asked = Assignments(tmp_path / "work"), {"count": 1, "stopped": lambda: True}
    with kept.held("b", there, places=("p/0/0",), **asked) as first:
        assert {path.name for path in folder.iterdir()} == {".lock", "b"}
        with kept.held("a", there, places=("p/0/0",), **asked) as second:
            assert first == second == (there[1],)
            with kept.held("c", there, places=(), **asked) as whole:
                assert whole == (there[0],)


def test_a_file_that_was_half_written_when_its_runner_died_is_no_hindrance(tmp_path: Path) -> None:
    folder = tmp_path / "work" / FOLDER
    folder.mkdir(parents=True)
    for name, said in (("a", b'{"devices": [["NV'), ("b", b""), ("c", b'{"devices": 3}')):
        (folder / name).write_bytes(said)
    there = [cards.Card("h200", "NVIDIA", 0, "0")]
    asked = {"count": 1, "places": (), "stopped": lambda: True}
    with Assignments(tmp_path / "work").held("a", there, **asked) as found:
        assert list(found) == there


def test_who_waits_for_a_device_gets_it_when_it_is_left(machine, tmp_path: Path, monkeypatch):
    kept, there = Assignments(tmp_path / "work"), of("h200", machine.nvidia(1))
    held = kept.held("a", there, count=1, places=(), stopped=lambda: False)
    held.__enter__()
    monkeypatch.setattr(assigning.time, "sleep", lambda _: held.__exit__(None, None, None))
    with kept.held("b", there, count=1, places=(), stopped=lambda: False) as found:
        assert [card.number for card in found] == [0]


def test_work_for_a_demonstration_or_on_processors_is_given_nothing(machine, tmp_path) -> None:
    machine.nvidia(1)
    given: Accelerators = machine.accelerators(tmp_path / "work")
    for asked in (job(places=None), job(chip="cpu"), job(chip="")):
        with given.given(asked, sandboxed=True) as exposed:
            assert (exposed.cards, exposed.environment, exposed.told()) == ((), {}, {})
            assert exposed.sampler() is None
    own = machine.accelerators(tmp_path / "work", own=["h200"])
    with own.given(job(places=None), sandboxed=True) as exposed:
        assert exposed.told() == {"device_ids": [UUIDS[0]]}


def test_each_replica_is_told_its_own_of_the_devices_of_all(machine, tmp_path: Path) -> None:
    given = machine.nvidia().accelerators(tmp_path / "work")
    with given.given(job(devices=4, replicas=2), sandboxed=True) as exposed:
        seen = [each["CUDA_VISIBLE_DEVICES"].split(",") for each in exposed.replicas]
        assert seen == [[UUIDS[3], UUIDS[2]], [UUIDS[1], UUIDS[0]]]
    shares = job(devices=2, replicas=2, places=("p/0/0", "p/0/0"))
    with given.given(shares, sandboxed=True) as exposed:
        assert [card.number for card in exposed.cards] == [0]
        seen = [each["CUDA_VISIBLE_DEVICES"] for each in exposed.replicas]
        assert seen == [UUIDS[3], UUIDS[3]]


def test_an_agent_knows_which_of_its_chips_this_machine_shows(machine) -> None:
    machine.nvidia(1)
    found = shown(["h200", "ascend910b", "cpu"], ask=machine.ask, root=machine.root)
    assert found == ["h200"]


@pytest.mark.parametrize(("sandboxed", "said"), [(True, "0"), (False, "1")])
def test_without_a_sandbox_a_library_counts_all_the_machine_has(machine, tmp_path, sandboxed, said):
    machine.others("kfd", "dri/renderD128", "dri/renderD129")
    given: Accelerators = machine.accelerators(tmp_path / "work")
    with given.given(job("one", chip="mi300x"), sandboxed=sandboxed) as first:
        assert first.environment["HIP_VISIBLE_DEVICES"] == "0"
        with given.given(job("two", chip="mi300x"), sandboxed=sandboxed) as second:
            assert [card.number for card in second.cards] == [129]
            assert second.environment["HIP_VISIBLE_DEVICES"] == said


def test_devices_are_free_even_if_the_folder_cannot_be_tidied(machine, tmp_path: Path) -> None:
    kept, there = Assignments(tmp_path), of("h200", machine.nvidia(1))
    wanted = {"count": 1, "places": (), "stopped": lambda: False}
    with kept.held("one", there, **wanted):
        (tmp_path / FOLDER / "one").unlink()
        (tmp_path / FOLDER / "one").mkdir()  # nobody removes a folder as a file
    (tmp_path / FOLDER / "one").rmdir()
    with kept.held("two", there, **wanted) as held:
        assert held == tuple(there)
