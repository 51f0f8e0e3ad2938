"""What slurmrestd is asked and answers, in each version of its API; and the tokens it wants.

v0.0.36 to v0.0.38 were run against Slurm 22.05.8. v0.0.39 and later are written from memory of how
the interface changed, held against no text and run against no controller: to be checked first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yunhe.compute.providers.rest import Answer, objects, text
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import SECOND_US, Clock
from yunhe.storage.blobs import explain_os_error

TOKEN_SECONDS = 600
"""How long a token we make is good for."""
RENEW_SECONDS = 120
"""It is renewed so long before its end, or when the clock seems wrong."""
NUMBER_MAX = 1 << 40
"""Seconds in 34,000 years; what is larger is cut to it, so that microseconds of it are no fault."""
RUNS_MAX = (1 << 31) - 1
"""Largest count of runs that can be kept."""
VERSIONS = ("v0.0.41", "v0.0.40", "v0.0.39", "v0.0.38", "v0.0.37", "v0.0.36")
"""Those that are spoken, the ones that were run before the ones that were not at equal service."""
_RUN = ("v0.0.38", "v0.0.37", "v0.0.36")
_GRES = re.compile(r"(?:^|,)(?:gres[:/])?([a-z_]+):([A-Za-z0-9_.-]+):(\d+)")
_PATH = re.compile(r"/slurm/(v0\.0\.\d+)/jobs/?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job to hand over, in Slurm's terms."""

    name: str
    """Its name there: our id."""
    partition: str
    """Where."""
    gres: str
    """Cards of one node, ``gpu:a100:2``; empty: processors only."""
    nodes: int
    """How many nodes."""
    cpus: int
    """Processors of a node."""
    memory_mib: int
    """Of a node."""
    minutes: int
    """Time limit."""
    folder: str
    """Where it works."""
    account: str
    """Whose; empty: the user's default."""


@dataclass(frozen=True, slots=True)
class Job:
    """What Slurm says of a job, whichever version says it."""

    number: int
    """Slurm's own id."""
    name: str
    """Ours."""
    states: tuple[str, ...]
    """The state and its flags."""
    reason: str
    """Why it waits or ended."""
    start: int
    """Seconds since 1970; 0 before."""
    end: int
    """Likewise; of a running one when its time limit ends."""
    status: int
    """Exit status of the batch script."""
    restarts: int
    """How often it was requeued."""
    nodes: str
    """Where it ran; empty when it never did."""
    cards: str = ""
    """Cards it had of each node."""
    node_count: int = 0
    """On how many nodes."""
    cpus: int = 0
    """Processors in all; 0 where not told."""


class Tokens:
    """The headers that slurmrestd knows a user by; made of the cluster's key, or read from a file.

    Source: Slurm's JWT guide: HS256 with the claims ``exp``, ``iat`` and ``sun``.
    """

    def __init__(
        self, *, user: str, key_file: Path | None, token_file: Path | None, clock: Clock
    ) -> None:
        """Of the two files one is given."""
        self._user, self._key_file, self._token_file = user, key_file, token_file
        self._clock = clock
        self._token, self._made_us = "", 0

    def headers(self) -> dict[str, str]:
        """Good for this moment. Errors: `Unavailable` when a file can't be read."""
        age_us = self._clock.now_us() - self._made_us
        if not self._token or not 0 <= age_us < (TOKEN_SECONDS - RENEW_SECONDS) * SECOND_US:
            self.renew()
        return {"x-slurm-user-name": self._user, "x-slurm-user-token": self._token}

    def renew(self) -> None:
        """Make, or read, a fresh one."""
        self._made_us = self._clock.now_us()
        file = self._key_file or self._token_file
        assert file is not None  # noqa: S101 - the caller's promise
        try:
            data = file.read_bytes()
        except OSError as error:
            raise explain_os_error(error, file) from error
        if self._key_file is None:
            # As `scontrol token` prints it.
            self._token = data.decode("ascii", "replace").strip().removeprefix("SLURM_JWT=")
            return
        now = self._made_us // SECOND_US
        claims = {"exp": now + TOKEN_SECONDS, "iat": now, "sun": self._user}
        head = _coded(b'{"alg":"HS256","typ":"JWT"}') + "." + _coded(json.dumps(claims).encode())
        signed = hmac.new(data, head.encode(), hashlib.sha256).digest()
        self._token = f"{head}.{_coded(signed)}"


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def version(paths: Sequence[str]) -> str:
    """The version to speak, from the paths of ``/openapi/v3``; empty when none is known.

    One that was run against a real controller wins over a newer one that was not.
    """
    served = {found[1] for path in paths if (found := _PATH.fullmatch(path))}
    ordered = (*_RUN, *(one for one in VERSIONS if one not in _RUN))
    return next((one for one in ordered if one in served), "")


def submission(wanted: Wanted, script: str, *, speak: str) -> dict[str, Json]:
    """The body of a submission."""
    later = speak not in _RUN
    described: dict[str, Json] = {
        "name": wanted.name,
        "partition": wanted.partition,
        "tasks": wanted.nodes,
        "tasks_per_node": 1,
        "cpus_per_task": wanted.cpus,
        "current_working_directory": wanted.folder,
        # What it prints is in its folder; what Slurm itself has to say about it goes here.
        "standard_output": f"{wanted.folder}/slurm.out",
        "standard_error": f"{wanted.folder}/slurm.out",
        "requeue": True,
    }
    if wanted.account:
        described["account"] = wanted.account
    if later:
        described["nodes"] = str(wanted.nodes)
        described["environment"] = ["PATH=/usr/bin:/bin"]
        described["memory_per_node"] = {"set": True, "number": wanted.memory_mib}
        described["time_limit"] = {"set": True, "number": wanted.minutes}
        if wanted.gres:
            described["tres_per_node"] = f"gres/{wanted.gres}"
    else:
        # The schema wants a pair, of which 22.05.8 then ignores the lower bound.
        described["nodes"] = wanted.nodes
        described["environment"] = {"PATH": "/usr/bin:/bin"}
        described["memory_per_node"] = wanted.memory_mib
        described["time_limit"] = wanted.minutes
        if wanted.gres:
            described["gres"] = wanted.gres
    return {"job": described, "script": script}


def job_of(said: Mapping[str, Json]) -> Job:
    """One job of an answer of any version."""
    status = said.get("exit_code")
    # From v0.0.39 on an object; before, as wait(2) tells it.
    nested = status.get("return_code") if isinstance(status, dict) else None
    code = number(status) >> 8 if nested is None else number(nested)
    return Job(
        number=number(said.get("job_id")),
        name=text(said.get("name")),
        states=words(said.get("job_state")),
        reason=_reason(said),
        start=number(said.get("start_time")),
        end=number(said.get("end_time")),
        status=code,
        restarts=min(max(number(said.get("restart_cnt")), 0), RUNS_MAX),
        nodes=text(said.get("nodes")),
        cards=text(said.get("tres_per_node")),
        node_count=number(said.get("node_count")),
        cpus=number(said.get("cpus")),
    )


def _reason(said: Mapping[str, Json]) -> str:
    """With the description: held after a failed launch, 22.05 gives only there what happened."""
    reason, described = text(said.get("state_reason")), text(said.get("state_description"))
    return f"{reason} ({described})" if described else reason


def number(value: Json) -> int:
    """A whole number, plain or as ``{"set": true, "number": 5}``; 0 for none, cut to be kept."""
    if isinstance(value, dict):
        value = value.get("number") if value.get("set") else 0
    return min(max(value, -NUMBER_MAX), NUMBER_MAX) if type(value) is int else 0


def words(value: Json) -> tuple[str, ...]:
    """A state as one word or as several, in capitals."""
    several = value if isinstance(value, list) else [value]
    return tuple(word.upper() for word in several if isinstance(word, str) and word)


def codes(answer: Answer) -> set[int]:
    """What went wrong, by Slurm's numbers."""
    errors = objects(answer.get("errors"))
    names = ("error_number", "error_code", "errno")  # three parts of one server, three names
    return {next(filter(None, (number(error.get(name)) for name in names)), 0) for error in errors}


def said_of(answer: Answer) -> str:
    """What went wrong, in Slurm's words."""
    errors = objects(answer.get("errors"))
    return "; ".join(text(error.get("error")) or text(error.get("description")) for error in errors)


def devices_of(job: Job) -> int:
    """Cards it had, or processors where it had none; 0 where Slurm does not tell."""
    cards = sum(cards_of(job.cards).values()) * job.node_count
    return cards or (0 if job.cards else job.cpus)


def cards_of(gres: str) -> dict[str, int]:
    """Cards by kind and type in ``gpu:a100:8(S:0-1),gpu:l40:2``."""
    plain = re.sub(r"\([^)]*\)", "", gres)
    found: dict[str, int] = {}
    for kind, model, count in _GRES.findall(plain):
        found[f"{kind}:{model}"] = found.get(f"{kind}:{model}", 0) + int(count)
    return found
