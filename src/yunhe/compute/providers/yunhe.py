"""Another Yunhe as a provider: a city's platform for a national one, or the other way round.

A job is handed over under our name for it (`yunhe.compute.forwarding` there), so that whoever comes
after a crash finds it; what it used is believed only with the record in the other's log, checked by
the keys an operator got from there (`yunhe_proof`). What came forwarded is not forwarded again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from yunhe.compute.providers import yunhe_files, yunhe_proof
from yunhe.compute.providers.remote import (
    ANOTHER_PLATFORM,
    LOG_PART_BYTES_MAX,
    Capacity,
    Node,
    NodeState,
    Report,
    Result,
    Seen,
    Stream,
    UsageEvent,
)
from yunhe.compute.providers.rest import shown
from yunhe.compute.providers.seam import Gap, Job, Metered
from yunhe.compute.reasons import Why
from yunhe.compute.utilisation.domain import reported
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Conflict, Exhausted, NotAllowed, NotFound, Unavailable, YunheError
from yunhe.storage.blobs import Blobs, explain_os_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

    from yunhe.client.client import Client
    from yunhe.client.wire import forwarding as wire
    from yunhe.outbound.client import Outbound

ASKED_MAX = 50
"""Most jobs of one question, as the other side takes them."""
TRANSFER_SECONDS_MAX = 600.0
"""Longest one file may take."""
SECONDS_MAX = 20.0
"""Longest wait for any single answer."""
SIGNED_SECONDS_MAX = 5.0
"""How long a receipt is waited for before other jobs go first."""
_PAUSE_SECONDS = 0.25
_OURS = ("api.", "identity.")  # its refusals of our key, which an operator can cure
_STATES: dict[str, NodeState] = {"open": "up", "draining": "drained", "down": "down"}


@dataclass(frozen=True, slots=True)
class YunheOptions:
    """How an operator reaches another platform."""

    address: str
    """Of its API."""
    key_file: Path
    """Holds a key of ours there, with the scopes compute, corpus and custody."""
    trust_file: Path
    """The public keys of its log, got from its operator."""
    chips: Mapping[str, str]
    """What it calls each of our chips."""
    organisation: str = ""
    """What we are there; empty: its records are not held against that."""
    origin: str = ""
    """Name of our own log."""


class YunheProvider:
    """Hands jobs to one other platform; satisfies `yunhe.compute.providers.remote.Remote`."""

    def __init__(
        self,
        name: str,
        options: YunheOptions,
        *,
        outbound: Outbound,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``name``: the site's, which pools give as their adapter."""
        self._sleep = sleep
        self._name = name
        self._options = options
        self._outbound = outbound

    @property
    def adapter(self) -> str:
        """The site's name."""
        return self._name

    @property
    def isolation(self) -> str:
        """The other platform's business."""
        return ANOTHER_PLATFORM

    @property
    def refuses(self) -> tuple[str, ...]:
        """What does not travel to another platform."""
        return ("command", "folder", "outputs", "secrets")

    def gaps(self) -> tuple[Gap, ...]:
        """What does not reach across."""
        return (
            Gap("compute.gap_secrets"),
            Gap("compute.gap_log_tail"),
            Gap("compute.gap_progress"),
        )

    def submit(self, job: Job, *, blobs: Blobs) -> str:
        """Send the inputs it lacks there, then hand the job over; errors as the seam says."""
        chip = self._chip(job)
        with self._client() as client:
            known = client.forwarding.jobs(job.id).items
            if known:
                return known[0].workload
            yunhe_files.send(client, job, blobs=blobs)
            try:
                return client.forwarding.hand_over(job.id, self._message(job, chip)).workload
            except Unavailable:
                raise
            except YunheError as error:
                if error.code.startswith(_OURS) or isinstance(error, Exhausted):
                    raise
                raise NotAllowed(
                    "compute.remote_refused", site=self._name, reason=_said(error)
                ) from error

    def _chip(self, job: Job) -> str:
        """What its devices are called there; refuses what this provider never takes."""
        chip = self._options.chips.get(job.chip)
        if chip is None:
            raise NotAllowed("compute.remote_chip", site=self._name, chip=job.chip)
        if job.secrets:
            raise NotAllowed("compute.remote_secrets", site=self._name)
        if job.origin:
            raise NotAllowed("compute.forward_again", site=self._name, log=job.origin)
        if job.folder or job.image or job.keeps:
            raise NotAllowed("compute.forward_folder", site=self._name)
        if job.excluded_providers:  # what these are called there, nobody here knows
            raise NotAllowed("compute.forward_providers", site=self._name)
        if job.jurisdictions == ():
            raise NotAllowed("compute.rule_contradiction", limits="[]")
        if job.command:  # it has no folder there to run in
            raise NotAllowed("compute.command_not_allowed", site=self._name)
        return chip

    def _message(self, job: Job, chip: str) -> wire.NewForwarded:
        from yunhe.client.wire.asking import NewWorkload  # noqa: PLC0415 - only where work is sent
        from yunhe.client.wire.forwarding import NewForwarded  # noqa: PLC0415 - likewise

        workload = NewWorkload(
            entry_point=job.entry_point,
            command=list(job.command),
            environment=dict(job.environment),
            arguments=cast("dict[str, JsonValue]", dict(job.arguments)),
            inputs=dict(job.inputs),
            chip=chip,
            devices=max(job.devices // job.replicas, 1),
            replicas=job.replicas,
            wall_seconds_max=job.wall_seconds_max,
            cpu_seconds_max=job.cpu_seconds_max,
            memory_bytes_max=job.memory_bytes_max,
            jurisdictions=list(job.jurisdictions or ()),
        )
        # Left out where nobody said it: then platforms that do not know the word take it, too.
        where = {"consumer": job.consumer} if job.consumer else {}
        return NewForwarded(origin=self._options.origin, workload=workload, **where)

    def status(self, jobs: Collection[str]) -> Seen:
        """How far each is; a question for each fifty."""
        found, clock_us = self._all(jobs)
        return Seen(tuple(self._report(one) for one in found), clock_us)

    def _report(self, job: wire.Forwarded) -> Report:
        over, ran = job.ended_at is not None, job.usage is not None
        why = None
        if job.why is not None:
            said = (("site", self._name), ("reason", shown(job.why.message)))
            why = Why("compute.remote_failed" if over else "compute.remote_reason", said)
        if job.state == "running":
            return Report(job.job, "running", handle=job.workload)
        if job.state == "settled":
            return Report(job.job, "succeeded", handle=job.workload)
        if job.state == "cancelled" and job.called_off:
            return Report(job.job, "stopped", handle=job.workload, ran=ran)
        if job.state in ("failed", "cancelled"):
            if job.state == "failed" and ran:
                return Report(job.job, "failed", why=why, handle=job.workload)
            lost = why or Why("compute.remote_lost", (("site", self._name), ("reason", job.state)))
            return Report(job.job, "lost", why=lost, handle=job.workload, ran=ran)
        return Report(job.job, "queued", why=why, handle=job.workload)

    def cancel(self, job: str) -> None:
        """Call it off there; one that has not arrived yet never starts."""
        with self._client() as client:
            client.forwarding.cancel(job)

    def logs(self, job: str, stream: Stream, *, offset: int) -> bytes:
        """From what it kept of the end, once it is over."""
        with self._client() as client:
            found = self._one(client, job)
            if found is None or not found.logged:
                return b""
            said = client.compute.log(found.workload).removeprefix("--- stdout\n")
        stdout, _, stderr = said.rpartition("\n--- stderr\n")
        whole = (stdout if stream == "stdout" else stderr).encode()
        begin = offset if offset >= 0 else max(len(whole) + offset, 0)
        return whole[begin : begin + LOG_PART_BYTES_MAX]

    def meter(self, jobs: Collection[str]) -> tuple[UsageEvent, ...]:
        """One event for each job that was charged there, by the other platform's clock.

        It ends when the job was settled there and is as long as the device time that was charged.
        """
        events = []
        for one in self._all(jobs)[0]:
            ended_us = self._instant(one.ended_at)
            if one.usage is None or ended_us is None:
                continue
            span_us = one.usage.device_ms * 1_000 // max(one.devices, 1)
            event = UsageEvent(
                id=one.workload,
                job=one.job,
                start_us=ended_us - span_us,
                end_us=ended_us,
                devices=one.devices,
                cost_minor=one.usage.cost_minor,
                currency=one.usage.currency,
            )
            events.append(event)
        return tuple(events)

    def collect(self, job: Job, *, blobs: Blobs, succeeded: bool) -> Result:
        """Its outputs by digest, and the proof of its usage from the other's log.

        Errors: `Unavailable` ``compute.remote_proof`` while its record cannot be proved, or says
        something else than it said to us.
        """
        with self._client() as client:
            found = self._one(client, job.id)
            if found is None:
                raise self._unreachable("unknown job")
            if succeeded != (found.state == "settled"):  # it said otherwise before
                raise self._unproved(f"state: {found.state}")
            if found.usage is None and succeeded:
                raise self._unproved("usage: none")
            if found.usage is None:
                return Result(proved_ms=0)
            proof = self._proof(client, found)
            outputs = yunhe_files.fetch(client, found, blobs=blobs) if succeeded else {}
        receipt, used = blobs.put(proof.receipt).digest, found.usage
        said = outputs if isinstance(outputs, Why) else None
        if said is None and found.why is not None:
            params = (("site", self._name), ("reason", shown(found.why.message)))
            said = Why("compute.remote_failed", params)
        cpu_ms, peak = (_bounded(n) for n in (used.cpu_ms, used.memory_bytes_peak))
        real = reported(used.utilisation_per_thousand, used.utilisation_samples)
        refused = {"utilisation_finding": real.finding} if real.finding else {}
        return Result(
            outputs={} if isinstance(outputs, Why) else outputs,
            metered=Metered(
                1,
                cpu_ms,
                0,
                peak,
                utilisation_per_thousand=real.per_thousand,
                utilisation_samples=real.samples,
            ),
            code_digest=used.code_digest,
            why=said,
            evidence={**proof.evidence, "remote_receipt": receipt, **refused},
            proved_ms=proof.device_ms,
        )

    def _proof(self, client: Client, found: wire.Forwarded) -> yunhe_proof.Proof:
        receipt = self._receipt(client, found.reference or "")
        try:
            trust = self._options.trust_file.read_text("utf-8")
        except OSError as error:
            raise explain_os_error(error, self._options.trust_file) from error
        try:
            return yunhe_proof.proved(
                receipt, trust=trust, said=found, organisation=self._options.organisation
            )
        except ValueError as error:
            raise self._unproved(str(error)) from error

    def _receipt(self, client: Client, reference: str) -> bytes:
        """Of the record; its log is signed a moment after the job has ended."""
        for left in range(round(SIGNED_SECONDS_MAX / _PAUSE_SECONDS), -1, -1):
            try:
                return client.custody.receipt(reference) if reference else b""
            except (Conflict, NotFound) as error:
                if left == 0 or isinstance(error, NotFound):
                    raise self._unproved(error.code) from error
            self._sleep(_PAUSE_SECONDS)
        raise AssertionError

    def _unproved(self, reason: str) -> Unavailable:
        return Unavailable("compute.remote_proof", site=self._name, reason=shown(reason))

    def forget(self, job: str) -> None:
        """Say there that nothing more is wanted of it."""
        with self._client() as client:
            try:
                client.forwarding.forget(job)
            except NotFound:
                return

    def capacity(self) -> Capacity:
        """Its own pools of the chips that the site's options name, each as one node."""
        ours = {theirs: chip for chip, theirs in self._options.chips.items()}
        with self._client() as client:
            pools = client.forwarding.capacity().pools
        nodes = []
        for pool in pools:
            if pool.chip not in ours or pool.devices < 1:
                continue
            state = _STATES[pool.state]
            free = min(max(pool.free, 0), pool.devices) if state == "up" else 0
            nodes.append(Node(pool.pool, ours[pool.chip], pool.devices, free, state))
        return Capacity(tuple(nodes))

    # --- Talking to it ------------------------------------------------------------------------

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A way there whose refusals come out as the seam promises.

        Its key is read each time: an operator may put another one there.
        """
        from yunhe.client.client import Client  # noqa: PLC0415 - httpx, only where one is named
        from yunhe.client.http import Options  # noqa: PLC0415 - likewise

        key = yunhe_files.key(self._options.key_file, site=self._name)
        transport = self._outbound.transport(seconds_max=TRANSFER_SECONDS_MAX)
        options = Options(seconds_max=SECONDS_MAX, transport=transport)
        try:
            with Client(self._options.address, key, options) as client:
                yield client
        except (NotAllowed, NotFound, Unavailable) as error:
            if error.code.startswith(("compute.remote_", "compute.forward_", "storage.")):
                raise
            raise self._unreachable(_said(error)) from error
        except YunheError as error:
            raise self._unreachable(_said(error)) from error

    def _unreachable(self, reason: str) -> Unavailable:
        return Unavailable(
            "compute.remote_unreachable", site=self._name, reason=shown(reason), retryable=True
        )

    def _one(self, client: Client, job: str) -> wire.Forwarded | None:
        return next((one for one in client.forwarding.jobs(job).items if one.job == job), None)

    def _all(self, jobs: Collection[str]) -> tuple[list[wire.Forwarded], int | None]:
        names, wanted = list(jobs), set(jobs)
        found: list[wire.Forwarded] = []
        clock_us: int | None = None
        with self._client() as client:
            for start_at in range(0, len(names), ASKED_MAX):
                said = client.forwarding.jobs(",".join(names[start_at : start_at + ASKED_MAX]))
                clock_us = self._instant(said.at)
                found += [one for one in said.items if one.job in wanted]
        return found, clock_us

    def _instant(self, at: str | None) -> int | None:
        if at is None:
            return None
        try:
            return round(datetime.fromisoformat(at).timestamp() * SECOND_US)
        except (ValueError, OverflowError):
            raise Unavailable("compute.remote_nonsense", site=self._name, what=shown(at)) from None


def _said(error: YunheError) -> str:
    said, *more = error.message("en").split("\n")
    first = [line.removeprefix("  - ") for line in more[:1] if line.startswith("  - ")]
    # What is wrong, with the rule by its name; the sentence that it stands in ends itself.
    return " ".join([f"{error.code}: {said}", *first]).removesuffix(".")


def _bounded(number: int) -> int:
    """A figure of the other side's as our own records can hold it."""
    return max(0, min(number, INTEGER_MAX))
