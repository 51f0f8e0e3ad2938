"""A real Slurm for tests: controller, four virtual nodes of eight typed cards, REST with JWT.

Daemons of our own on free ports in a folder of its own, started and stopped by process id. Only
the scheduling is real: the nodes advertise processors, memory and cards this machine has not.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from free_ports import free_ports

NEEDED = ("slurmctld", "slurmd", "slurmrestd", "munged", "scontrol")
CARDS = {"asc": "ascend910b", "gpu": "a100"}
"""Nodes ``asc1``, ``asc2``, ``gpu1``, ``gpu2`` and what they hold eight of."""
WAIT_SECONDS = 90
"""Far more than anything takes: the machine may be busy with other tests."""


def absent() -> str:
    """Why there can be no cluster here; empty where there can be one."""
    if os.geteuid() != 0:
        return "Slurm's daemons and their device files need root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Look until it holds; another program is waited for, so there is nothing to be told by."""
    until = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < until, f"waited {WAIT_SECONDS} s for {what}"
        time.sleep(0.05)


class Cluster:
    """The daemons, and what a test does to them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.jwt_key = folder / "jwt.key"
        self.completions = folder / "jobcomp.txt"
        self.shared = folder / "shared"
        self.launches_fail = folder / "launches-fail"
        """While this file is there, a job's prolog fails on every node."""
        names = ["ctld", "rest", *self.nodes]
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def nodes(self) -> list[str]:
        return [f"{kind}{number}" for kind in CARDS for number in (1, 2)]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports['rest']}"

    def start(self) -> None:
        self._write()
        self._spawn("munged", "munged", "--force", "--foreground", *self._munge())
        eventually((self.folder / "munge.socket").exists, "munged")
        self.start_controller()
        for node in self.nodes:
            self.start_node(node)
        self.start_rest()
        self.at_rest()

    def at_rest(self) -> None:
        """Wait until every node answers and holds nothing.

        After its restart a controller calls a node idle and adds a flag until that node has
        answered; the flag follows the state, after a plus or as a star.
        """

        def resting() -> bool:
            said = self.scontrol("show", "node").split()
            return said.count("State=IDLE") == len(self.nodes)

        eventually(resting, "nodes that answer and are idle")

    def stop(self) -> None:
        for name in reversed(list(self._running)):
            self.kill(name, signal.SIGKILL)
        self._end_steps()

    def begin_anew(self) -> None:
        """Forget every job, at the controller and at its nodes.

        A controller that was killed gives the numbers it forgot again, and drains a node on which
        a job still has such a number: no place for the next test.
        """
        for name in ("ctld", *self.nodes):
            self.kill(name, signal.SIGKILL)
        self._end_steps()
        for name in ("state", "spool"):
            shutil.rmtree(self.folder / name)
            (self.folder / name).mkdir()
        self.start_controller("-c")
        for node in self.nodes:
            self.start_node(node)
        self.at_rest()

    def _end_steps(self) -> None:
        """A step daemon outlives its node's daemon; each names our configuration's spool."""
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if line.startswith(b"slurmstepd") and str(self.folder).encode() in (
                    (entry / "environ").read_bytes() + line
                ):
                    os.kill(int(entry.name), signal.SIGKILL)

    def start_controller(self, *words: str) -> None:
        """``-c``: with nothing remembered."""
        self._spawn("ctld", "slurmctld", "-D", *words, "-f", str(self.configuration))
        eventually(lambda: "UP" in self.scontrol("ping"), "the controller")

    def start_node(self, node: str) -> None:
        self._spawn(node, "slurmd", "-D", "-f", str(self.configuration), "-N", node)

    def start_rest(self, version: str = "v0.0.38") -> None:
        secured = "disable_user_check,disable_unshare_files,disable_unshare_sysv"
        place = f"127.0.0.1:{self.ports['rest']}"
        line = ("slurmrestd", "-f", str(self.configuration), "-a", "rest_auth/jwt")
        environment = {"SLURM_JWT": "daemon", "SLURMRESTD_SECURITY": secured}
        self._spawn("rest", *line, "-s", f"openapi/{version}", place, **environment)

        def answers() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.ports["rest"])):
                return True
            return False

        eventually(answers, "slurmrestd")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """End one daemon."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            process.send_signal(number)
        process.wait()

    def scontrol(self, *words: str) -> str:
        return self._tool("scontrol", *words)

    def queue(self) -> list[list[str]]:
        """Number, name, state and reason of every job."""
        listed = self._tool("squeue", "-h", "-a", "-t", "all", "-o", "%i|%j|%T|%r")
        return [line.split("|") for line in listed.splitlines()]

    def _tool(self, *words: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        return done.stdout

    def _spawn(self, name: str, *line: str, **environment: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **environment, "SLURM_CONF": str(self.configuration)},
                start_new_session=True,
            )

    def _munge(self) -> list[str]:
        places = {
            "socket": "munge.socket",
            "key-file": "munge.key",
            "log-file": "munge.log",
            "pid-file": "munge.pid",
            "seed-file": "munge.seed",
        }
        return [f"--{name}={self.folder / place}" for name, place in places.items()]

    def _write(self) -> None:
        for name, mode in (("munge.key", 0o400), ("jwt.key", 0o600)):
            (self.folder / name).write_bytes(os.urandom(64))
            (self.folder / name).chmod(mode)
        for name in ("state", "spool", "dev", "shared"):
            (self.folder / name).mkdir()
        for card in range(8):
            os.mknod(self.folder / "dev" / f"acc{card}", 0o600 | 0o020000, os.makedev(1, 3))
        cards = [
            f"NodeName={kind}[1-2] Name=gpu Type={chip} File={self.folder}/dev/acc[0-7]"
            for kind, chip in CARDS.items()
        ]
        prolog = self.folder / "prolog"
        prolog.write_text(f"#!/bin/sh\n[ ! -e {self.launches_fail} ]\n")
        prolog.chmod(0o755)
        (self.folder / "gres.conf").write_text("\n".join(["AutoDetect=off", *cards, ""]))
        self.configuration.write_text("\n".join([*self._settings(), ""]))

    def _settings(self) -> list[str]:
        run, host = self.folder, socket.gethostname()
        size = "CPUs=32 Boards=1 SocketsPerBoard=2 CoresPerSocket=16 ThreadsPerCore=1"
        settings = {
            "ClusterName": "yunhe-test",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={run}/munge.socket",
            "AuthAltTypes": "auth/jwt",
            "AuthAltParameters": f"jwt_key={run}/jwt.key",
            "CredType": "cred/munge",
            "SlurmctldPort": self.ports["ctld"],
            "StateSaveLocation": f"{run}/state",
            "SlurmdSpoolDir": f"{run}/spool/%n",
            "SlurmctldPidFile": f"{run}/ctld.pid",
            "SlurmdPidFile": f"{run}/slurmd-%n.pid",
            "SlurmctldLogFile": f"{run}/ctld.log",
            "SlurmdLogFile": f"{run}/slurmd-%n.log",
            "Prolog": f"{run}/prolog",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "AccountingStorageType": "accounting_storage/none",
            "JobCompType": "jobcomp/filetxt",
            "JobCompLoc": self.completions,
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "bf_interval=1,sched_min_interval=100000,bf_resolution=1",
            "SwitchType": "switch/none",
            "MpiDefault": "none",
            "ReturnToService": 2,
            "SlurmdParameters": "config_overrides",
            "GresTypes": "gpu",
            "KillWait": 2,
            "SlurmdTimeout": WAIT_SECONDS,  # a test that needs a lost node says so itself
            "MinJobAge": 3600,
        }
        lines = [f"{name}={value}" for name, value in settings.items()]
        for node in self.nodes:
            gres = f"gpu:{CARDS[node[:-1]]}:8"
            lines.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[node]} "
                f"{size} RealMemory=262144 Gres={gres} State=UNKNOWN"
            )
        lines.append("PartitionName=work Nodes=asc[1-2],gpu[1-2] Default=YES MaxTime=INFINITE")
        return lines


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster, gone afterwards."""
    # Sockets have short names, and pytest's folders long ones.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
