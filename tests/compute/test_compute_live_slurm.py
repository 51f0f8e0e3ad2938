"""Work on a real Slurm while it runs: its output as it comes, commands and sessions inside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest
import slurm_cluster
from live_desk import TALKER, Running, eventually
from slurm_cluster import Cluster

from yunhe.compute import service as compute
from yunhe.compute.live import service as live
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.slurm import SlurmOptions, SlurmProvider
from yunhe.compute.providers.staging import Staging
from yunhe.compute.remote.driver import Driver
from yunhe.kernel.clock import SystemClock
from yunhe.kernel.errors import Unavailable
from yunhe.outbound.client import Outbound
from yunhe.outbound.guard import Guard

pytestmark = pytest.mark.skipif(bool(slurm_cluster.absent()), reason=slurm_cluster.absent() or "-")
PROGRAMS = {"talker": TALKER, live.SESSION: live.SESSION_PROGRAM}


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    with slurm_cluster.cluster() as running:
        yield running


def provider_of(cluster: Cluster, *, commands: bool = True) -> SlurmProvider:
    options = SlurmOptions(
        address=cluster.address,
        user="root",
        partition="work",
        chips={"cpu": ""},
        key_file=cluster.jwt_key,
    )
    staging = Staging(cluster.shared, str(cluster.shared), PROGRAMS, commands=commands)
    outbound = Outbound(Guard([f"127.0.0.1:{cluster.ports['rest']}"]))
    return SlurmProvider("centre", options, staging=staging, outbound=outbound)


@pytest.fixture
def town(bare_city):
    city = bare_city.at_centre(SystemClock())
    city.award()
    for name, program in PROGRAMS.items():
        found = find_program(name, program)
        compute.approve_entry_point(
            city.storage,
            name=name,
            module=found.module,
            digest=found.digest,
            approved_by=city.operator,
        )
    return city


class Loops:
    """A driver and a relay in threads, as a worker has them."""

    def __init__(self, town, provider, **over) -> None:
        self._stopping = threading.Event()
        self.driver = Driver(town.storage, provider)
        self.relay = live.Relay(town.storage, provider, **over)
        targets = (self._drive, lambda: self.relay.run(self._stopping))
        self._threads = [threading.Thread(target=target) for target in targets]

    def _drive(self) -> None:
        while not self._stopping.wait(0.2):
            with suppress(Unavailable):  # as a worker: it looks again
                self.driver.once(stopped=self._stopping.is_set)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(60)


@contextmanager
def running(town, *, key: str, entry_point: str = "talker", arguments=None):
    made = town.submit(key, entry_point=entry_point, arguments=arguments or {}, wall=300)
    job = Running(town, made)
    eventually(lambda: job.state() == "running", "the job")
    try:
        yield job
    finally:
        if job.state() == "running":
            compute.cancel(town.storage, made.id)
            eventually(lambda: job.state() == "cancelled", "the end")


def test_output_commands_terminals_and_sessions_work_as_on_this_machine(town, slurm):
    with Loops(town, provider_of(slurm)):
        with running(town, key="talks", arguments={"say": ["first", "second"]}) as job:
            eventually(lambda: job.log() == b"first\nsecond\n", "the output")
            said, made = job.run("sh", "-c", "echo out; echo $SLURM_JOB_ID; exit 5")
            assert said.split()[0] == b"out"
            assert said.split()[1].isdigit()
            assert made.status == 5
            shell = job.ask("sh", tty=True, rows=31, columns=97)
            job.type_in(shell, 1, b"stty size; exit 4\n")
            said, made = job.follow(shell)
            assert b"31 97" in said
            assert made.status == 4
            large, _ = job.run("seq", "1", "200000")
            assert large == b"".join(b"%d\n" % n for n in range(1, 200_001))
        with running(town, key="session", entry_point=live.SESSION) as job:
            assert job.run("sh", "-c", "echo model > weights")[1].status == 0
            job.run("true", closes=True)
            eventually(lambda: job.state() == "settled", "the session's end")
            left = town.see(job.workload)
            assert town.storage.blobs.read(left.outputs["weights"]) == b"model\n"


def test_a_relay_that_dies_is_followed_by_one_that_repeats_and_loses_nothing(town, slurm):
    provider = provider_of(slurm)
    with Loops(town, provider), running(town, key="two", arguments={"say": ["a", "b"]}) as job:
        eventually(lambda: job.log() == b"a\nb\n", "the output")
        made = job.ask("sh", "-c", "echo before; read x; echo after $x")
        job.follow(made, until=b"before\n")
    dead = live.Relay(town.storage, provider)
    assert dead.once() is False
    assert job.log() == b"a\nb\n"


def test_a_command_outlives_the_worker_that_started_it(town, slurm):
    provider = provider_of(slurm)
    made = town.submit("survivor", entry_point="talker", arguments={"say": ["here"]}, wall=300)
    job = Running(town, made)
    with Loops(town, provider):
        eventually(lambda: b"here" in job.log(), "the output")
        command = job.ask("sh", "-c", "echo before; read x; echo after $x")
        said, _ = job.follow(command, until=b"before\n")
    with Loops(town, provider):
        job.type_in(command, 1, b"all\n")
        rest, found = job.follow(command, offset=len(said))
        assert (said + rest, found.status) == (b"before\nafter all\n", 0)
        assert job.log() == b"here\n"
        compute.cancel(town.storage, made.id)
        eventually(lambda: job.state() == "cancelled", "the end")


def test_where_the_operator_allows_no_commands_none_is_run(town, slurm):
    with Loops(town, provider_of(slurm, commands=False)), running(town, key="closed") as job:
        made = job.run("id")[1]
        assert (made.state, made.why) == ("refused", "compute.exec_unsupported")


def test_what_a_job_says_in_its_last_moment_is_there_when_its_end_is(town, slurm):
    with Loops(town, provider_of(slurm)):
        arguments = {"say": ["the last word"], "wait": False}
        made = town.submit("short", entry_point="talker", arguments=arguments, wall=300)
        job = Running(town, made)
        eventually(lambda: job.state() == "settled", "the end")
        assert job.log() == b"the last word\n"


def test_a_site_that_can_not_be_heard_has_a_relay_that_does_nothing(town):
    deaf = SimpleNamespace(adapter="centre")
    assert live.Relay(town.storage, deaf).once() is False
    live.Relay(town.storage, deaf).run(threading.Event())
