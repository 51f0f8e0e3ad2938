"""Work in a real sandbox on devices of this machine: it sees its own, is told which, and no other.

The devices are files that lead to /dev/null; no driver is behind them. The last test asks a real
one where there is one.
"""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from card_desk import NVIDIA_SHARED, UUIDS, Machine
from small_city import City

from yunhe.compute import machine as machine_of
from yunhe.compute import service as compute
from yunhe.compute.providers.assigning import FOLDER
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.exposing import Accelerators, shown
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import Job
from yunhe.custody import service as custody
from yunhe.kernel.errors import Unavailable
from yunhe.kernel.progress import Silent
from yunhe.ledger import service as ledger

PROGRAMS = Path(__file__).parent / "programs"
SEES = {"sees": EntryPoint("sees_devices", root=PROGRAMS)}
SHARED = sorted(NVIDIA_SHARED)
needs_bubblewrap = pytest.mark.skipif(
    bubblewrap() is None, reason="bubblewrap is not installed or may not make namespaces here"
)


class Desk:
    """A city whose pool offers the four cards of a machine, and who runs its work."""

    def __init__(self, city: City, machine: Machine, work: Path) -> None:
        self.city, self.machine, self.work = city, machine, work

    def provider(self, isolation: str = "auto") -> LocalProvider:
        given = self.machine.accelerators(self.work)
        return LocalProvider(self.work, SEES, isolation=isolation, accelerators=given)

    def pool(self, *, key: str = "cards", adapter: str = "local", **over) -> compute.supply.Offer:
        given = {"chip": "h200", "devices": 4, "price_minor_per_device_hour": 3_600, **over}
        return compute.register_pool(
            self.city.storage,
            key=key,
            provider=self.city.provider,
            site="机房一",
            currency="CNY",
            adapter=adapter,
            **given,
        )

    def submit(self, key: str, **over):
        given = {"chip": "h200", "entry_point": "sees", "arguments": {}, **over}
        return self.city.submit(key, **given)

    def run(self, workload, provider: LocalProvider | None = None, *, progress=None):
        return compute.run_next(
            self.city.storage,
            provider or self.provider(),
            workload=workload.id,
            progress=progress or Silent(),
        )

    def reports(self, ended) -> list[dict[str, object]]:
        assert ended.state == "settled", ended
        blobs = self.city.storage.blobs
        return [json.loads(blobs.read(ended.outputs[name])) for name in sorted(ended.outputs)]

    def record(self, ended) -> dict[str, object]:
        with self.city.storage.database.read() as tx:
            return custody.record(tx, compute.workload(tx, ended.id).reference).body


@pytest.fixture
def desk(bare_city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter(h200=4))
    made = Desk(bare_city, Machine(tmp_path / "root").nvidia(), tmp_path / "work")
    made.pool()
    compute.award(
        bare_city.storage,
        key="cards",
        organisation=bare_city.university,
        chip="h200",
        device_ms=10**7,
        expires_at_us=bare_city.clock.now_us() + 10**13,
        awarded_by=bare_city.operator,
    )
    bare_city.cash()
    compute.approve_entry_point(
        bare_city.storage,
        name="sees",
        module="sees_devices",
        digest=find_program("sees", SEES["sees"]).digest,
        approved_by=bare_city.operator,
    )
    return made


class Then:
    """Does something once the job before is under way and holds its devices."""

    def __init__(self, does) -> None:
        self._does = [does]

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        while self._does:
            self._does.pop()()


@needs_bubblewrap
def test_two_at_once_see_their_own_devices_and_never_each_others(desk: Desk) -> None:
    first, second = desk.submit("a", devices=2), desk.submit("b")
    ended: list[object] = []
    provider = desk.provider()
    done = desk.run(first, provider, progress=Then(lambda: ended.append(desk.run(second))))
    (one,), (other,) = desk.reports(done), desk.reports(ended[0])
    assert one["devices"] == sorted(["nvidia0", "nvidia1", *SHARED])
    assert other["devices"] == sorted(["nvidia2", *SHARED])
    assert (one["opened"], other["opened"]) == (one["devices"], other["devices"])
    assert one["told"] == {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": f"{UUIDS[3]},{UUIDS[2]}",
    }
    assert other["told"]["CUDA_VISIBLE_DEVICES"] == UUIDS[1]
    assert desk.record(done)["device_ids"] == [UUIDS[3], UUIDS[2]]
    assert desk.record(ended[0])["device_ids"] == [UUIDS[1]]
    assert [path.name for path in (desk.work / FOLDER).iterdir()] == [".lock"]


@needs_bubblewrap
def test_work_on_a_device_may_reserve_addresses_but_not_write_more_memory(desk: Desk) -> None:
    (said,) = desk.reports(desk.run(desk.submit("a", memory_bytes_max=512 << 20)))
    assert said["reserved"] is True
    assert said["data_bytes"] == 512 << 20
    assert said["shared_bytes"] == 512 << 20


@needs_bubblewrap
def test_shares_of_one_device_see_that_device_and_a_whole_one_beside_is_another(desk: Desk):
    halves = [desk.submit(f"h{at}", devices_milli=500) for at in range(2)]
    whole = desk.submit("whole")
    ended: list[object] = []

    def rest() -> None:
        then = Then(lambda: ended.append(desk.run(whole)))
        ended.append(desk.run(halves[1], progress=then))

    ended.append(desk.run(halves[0], progress=Then(rest)))
    beside, second, first = (desk.reports(each)[0] for each in ended)
    assert first["devices"] == second["devices"] == sorted(["nvidia0", *SHARED])
    assert beside["devices"] == sorted(["nvidia1", *SHARED])
    assert [desk.record(each)["device_ids"] for each in ended] == [
        [UUIDS[2]],
        [UUIDS[3]],
        [UUIDS[3]],
    ]
    usage = desk.city.see(halves[0]).usage
    assert usage.utilisation_per_thousand is None


@needs_bubblewrap
def test_replicas_side_by_side_are_told_their_own_devices(desk: Desk) -> None:
    made = desk.submit("gang", devices=2, replicas=2)
    told = [each["told"]["CUDA_VISIBLE_DEVICES"] for each in desk.reports(desk.run(made))]
    assert told == [f"{UUIDS[3]},{UUIDS[2]}", f"{UUIDS[1]},{UUIDS[0]}"]


@needs_bubblewrap
def test_a_command_of_its_own_sees_its_devices_and_ascend_counts_from_nought(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine_of, "devices", lambda _: Counter(h200=4, ascend910b=2))
    desk.machine.huawei()
    desk.pool(key="npu", chip="ascend910b", devices=2, price_minor_per_device_hour=0)
    compute.award(
        desk.city.storage,
        key="npu",
        organisation=desk.city.university,
        chip="ascend910b",
        device_ms=10**7,
        expires_at_us=desk.city.clock.now_us() + 10**13,
        awarded_by=desk.city.operator,
    )
    line = 'ls /dev > seen.txt; echo "$ASCEND_RT_VISIBLE_DEVICES" >> seen.txt'
    given = {"entry_point": "", "chip": "ascend910b", "outputs": ("seen.txt",)}
    made = [desk.submit(f"n{at}", command=("/bin/sh", "-c", line), **given) for at in range(2)]
    ended: list[object] = []
    ended.append(desk.run(made[0], progress=Silent()))
    seen = [desk.city.storage.blobs.read(ended[0].outputs["seen.txt"]).decode().split()]
    assert {each for each in seen[0] if each.startswith("davinci")} == {
        "davinci0",
        "davinci_manager",
    }
    assert not any(each.startswith("nvidia") for each in seen[0])
    assert seen[0][-1] == "0"


@needs_bubblewrap
def test_work_of_a_demonstration_beside_the_real_pool_sees_no_device(desk: Desk) -> None:
    pretended = desk.pool(key="demo", adapter=compute.DEMONSTRATION, price_minor_per_device_hour=0)
    real = desk.submit("real", devices=4)
    (said,) = desk.reports(desk.run(desk.submit("pretended", devices=4)))
    assert (said["devices"], said["told"], said["reserved"]) == ([], {}, False)
    assert desk.city.see(real).pool != pretended.id
    assert desk.reports(desk.run(real))[0]["devices"][:2] == ["nvidia-uvm", "nvidia-uvm-tools"]


def test_without_a_sandbox_work_is_told_its_devices_all_the_same(desk: Desk) -> None:
    (said,) = desk.reports(desk.run(desk.submit("a"), desk.provider("digest-approved")))
    assert said["told"]["CUDA_VISIBLE_DEVICES"] == UUIDS[3]


def test_a_missing_device_file_fails_the_work_unpaid_and_says_what_and_where(desk: Desk) -> None:
    (desk.machine.root / "dev/nvidiactl").unlink()
    made = desk.submit("a")
    for _ in range(4):
        with pytest.raises(Unavailable) as caught:
            desk.run(made)
        assert caught.value.code == "compute.card_file_missing"
        assert desk.city.see(made).state == "placed"
    assert desk.run(made).state == "failed"
    ended = desk.city.see(made)
    assert ended.why.code == "compute.card_file_missing"
    assert dict(ended.why.params) == {"file": "/dev/nvidiactl", "vendor": "NVIDIA"}
    assert (ended.held_device_ms, ended.usage) == (0, None)
    with desk.city.storage.database.read() as tx:
        assert ledger.holds_open(tx) == []
        assert [line for line in ledger.entries_of(tx, desk.city.provider) if line.amount] == []
    assert [path.name for path in (desk.work / FOLDER).iterdir()] == [".lock"]


def test_a_machine_that_lost_its_cards_starts_nothing_and_says_how_many_it_shows(desk: Desk):
    desk.machine.said.clear()
    made = desk.submit("a", devices=2)
    with pytest.raises(Unavailable):
        desk.run(made)
    assert desk.city.see(made).why.code == "compute.cards_missing"
    assert dict(desk.city.see(made).why.params) == {"there": 0, "wanted": 2}


RUNNER = """
import sys
from collections import Counter
from pathlib import Path
sys.path[:0] = [sys.argv[4]]
from card_desk import UUIDS, Machine
from yunhe.compute.providers.entry_points import EntryPoint
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.seam import Job
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs
root, work, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
machine = Machine.__new__(Machine)
machine.root = root
machine.said = {"nvidia-smi": "".join(f"{at}, {UUIDS[at]}, NVIDIA H200\\n" for at in range(4))}
class Told:
    def step(self, what, *, done, total=None):
        print("step", flush=True)
        sys.stdin.readline()
provider = LocalProvider(
    work,
    {"sees": EntryPoint("sees_devices", root=Path(sys.argv[4]) / "programs")},
    accelerators=machine.accelerators(work),
)
job = Job(
    id=name, entry_point="sees", arguments={}, inputs={}, devices=1, wall_seconds_max=100,
    cpu_seconds_max=60, memory_bytes_max=1 << 30, chip="h200", places=(),
)
provider.run(job, blobs=LocalBlobs(work.parent / "blobs"), progress=Told(), stopped=lambda: False)
"""


@needs_bubblewrap
def test_a_killed_runner_leaves_its_devices_to_the_same_work_when_it_runs_again(desk: Desk) -> None:
    made = [desk.submit(key) for key in ("a", "b")]
    here = str(Path(__file__).parent)
    runners = []
    for workload in made:
        command = [sys.executable, "-c", RUNNER, str(desk.machine.root), str(desk.work)]
        runner = subprocess.Popen(
            [*command, workload.id, here],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        runners.append(runner)
        assert select.select([runner.stdout], [], [], 60)[0]
        assert runner.stdout.readline() == "step\n"
    for runner in runners:
        runner.kill()
        runner.wait()
        runner.stdin.close()
        runner.stdout.close()
    kept = {path.name for path in (desk.work / FOLDER).iterdir()}
    assert kept == {".lock", made[0].id, made[1].id}
    # The second comes first, and still has what it had; a third gets what nobody had.
    third = desk.submit("c")
    ended: list[object] = []
    done = desk.run(made[1], progress=Then(lambda: ended.append(desk.run(third))))
    assert "nvidia1" in desk.reports(done)[0]["devices"]
    assert "nvidia2" in desk.reports(ended[0])[0]["devices"]
    assert "nvidia0" in desk.reports(desk.run(made[0]))[0]["devices"]


@pytest.mark.skipif(
    shutil.which("nvidia-smi") is None or not Path("/dev/nvidiactl").exists(),
    reason="this machine has no NVIDIA card with a driver",
)
@needs_bubblewrap
def test_a_real_nvidia_driver_lists_exactly_the_given_card_in_the_sandbox(
    bare_city: City, tmp_path: Path
) -> None:
    makers = compute.supply.catalogue().vendors()
    found = [each for each in shown(sorted(makers)) if makers[each] == "NVIDIA"]
    if not found:
        pytest.skip("its NVIDIA card is none of the catalogue of chips")
    provider = LocalProvider(tmp_path / "work", SEES, accelerators=Accelerators(tmp_path / "work"))
    wanted = Job(
        id="smi",
        entry_point="",
        arguments={},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=4 << 30,
        chip=found[0],
        places=(),
        command=(
            "/bin/sh",
            "-c",
            "nvidia-smi -L > cards.txt; echo $CUDA_VISIBLE_DEVICES >> cards.txt",
        ),
        keeps=("cards.txt",),
    )
    blobs = bare_city.storage.blobs
    ended = provider.run(wanted, blobs=blobs, progress=Silent(), stopped=lambda: False)
    assert ended.why is None, ended.stderr_tail
    *listed, told = blobs.read(ended.outputs["cards.txt"]).decode().splitlines()
    assert len(listed) == 1
    assert ended.evidence["device_ids"] == [told]
    assert told in listed[0]
