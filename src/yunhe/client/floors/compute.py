"""Pools, awards, vouchers and workloads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import compute as wire
from yunhe.client.wire.entry_points import EntryPoint, NewEntryPoint
from yunhe.client.wire.previews import Preview
from yunhe.client.wire.queue import NewPolicy, NewWeight, Policy, Queued, Waiting, Weight
from yunhe.client.wire.windows import GuaranteedWindow, NewWindow, WindowChange
from yunhe.kernel.errors import NotFound

ENDS = frozenset({"settled", "failed", "cancelled"})
"""States that nothing follows."""
_PAUSE_SECONDS_FIRST = 0.5
_PAUSE_SECONDS_MAX = 5.0


class Compute(Floor):
    """Device time and what it is used for."""

    def pools(self) -> Iterator[wire.Pool]:
        """Devices on offer and how busy they are, by id."""
        return self._http.pages("/v1/pools", wire.Pool)

    def add_pool(self, sent: wire.NewPool, *, key: str = "") -> wire.Pool:
        """Offer devices; they are placed on from now on."""
        return self._http.post("/v1/pools", wire.Pool, sent, key=key)

    def awards(self) -> Iterator[wire.Award]:
        """Device time granted and what is left of it, by id."""
        return self._http.pages("/v1/awards", wire.Award)

    def award(self, sent: wire.NewAward, *, key: str = "") -> wire.Award:
        """Grant device time; recorded in the log with who granted it."""
        return self._http.post("/v1/awards", wire.Award, sent, key=key)

    def windows(self) -> Iterator[GuaranteedWindow]:
        """Devices guaranteed to awards' holders for a while, by id."""
        return self._http.pages("/v1/windows", GuaranteedWindow)

    def guarantee(self, sent: NewWindow, *, key: str = "") -> GuaranteedWindow:
        """Guarantee devices to an award's holder; by the operator."""
        return self._http.post("/v1/windows", GuaranteedWindow, sent, key=key)

    def change_window(self, window: str, sent: WindowChange) -> GuaranteedWindow:
        """End a window sooner, make it smaller, or withdraw it; by the operator."""
        path = at("/v1/windows/{window}/change", window=window)
        return self._http.post(path, GuaranteedWindow, sent)

    def vouchers(self) -> Iterator[wire.Voucher]:
        """Vouchers and what is left of them, by id."""
        return self._http.pages("/v1/vouchers", wire.Voucher)

    def issue_voucher(self, sent: wire.NewVoucher, *, key: str = "") -> wire.Voucher:
        """Issue a voucher that pays a share of an organisation's compute costs."""
        return self._http.post("/v1/vouchers", wire.Voucher, sent, key=key)

    def entry_points(self) -> Iterator[EntryPoint]:
        """Program files that may run without a sandbox, by name and digest."""
        return self._http.pages("/v1/entry-points", EntryPoint)

    def approve_entry_point(self, sent: NewEntryPoint, *, key: str = "") -> EntryPoint:
        """Let a program file run without a sandbox; by the operator."""
        return self._http.post("/v1/entry-points", EntryPoint, sent, key=key)

    def workloads(self) -> Iterator[wire.Workload]:
        """Workloads, the last submitted first, each with why it waits."""
        return self._http.pages("/v1/workloads", wire.Workload)

    def submit(self, sent: wire.NewWorkload, *, key: str = "") -> wire.Workload:
        """Ask for a workload to be run; it is placed under holds, or waits and says why."""
        return self._http.post("/v1/workloads", wire.Workload, sent, key=key)

    def preview(self, sent: wire.NewWorkload) -> Preview:
        """What would become of it now: findings, place, holds, start; nothing is kept."""
        return self._http.post("/v1/previews", Preview, sent)

    def workload(self, workload: str) -> wire.Workload:
        """One workload as it stands."""
        return self._http.get(_at(workload), wire.Workload)

    def queue(self) -> Iterator[Queued]:
        """What waits, in the order in which the scheduler considers it now."""
        return self._http.pages("/v1/queue", Queued)

    def weights(self) -> Iterator[Weight]:
        """What the operator said parts of the fair share weigh; what is not listed weighs 1."""
        return self._http.pages("/v1/weights", Weight)

    def weigh(self, sent: NewWeight) -> Weight:
        """Say what a kind of organisation, an organisation or a project weighs; operators only."""
        return self._http.put("/v1/weights", Weight, sent)

    def policy(self) -> Policy:
        """By which policy the scheduler decides, and which there are."""
        return self._http.get("/v1/policy", Policy)

    def choose_policy(self, sent: NewPolicy) -> Policy:
        """Let the scheduler decide by another from its next pass on; operators only."""
        return self._http.put("/v1/policy", Policy, sent)

    def why(self, workload: str) -> Waiting:
        """Why a workload is not running, when it probably starts, and what would admit it now."""
        return self._http.get(f"{_at(workload)}/why", Waiting)

    def cancel(self, workload: str) -> wire.Workload:
        """Stop a workload: at once unless it runs, then within seconds; what it used is paid."""
        return self._http.post(f"{_at(workload)}/cancel", wire.Workload)

    def wait(
        self,
        workload: str,
        *,
        progress: Callable[[wire.Workload], None] = lambda _: None,
        also: Collection[str] = (),
        seconds_max: float | None = None,
    ) -> wire.Workload:
        """The workload once it has ended, however it ended, or is in one of the states ``also``.

        ``progress`` is told how it stands. After ``seconds_max`` of waiting it is given back as it
        stands then, and goes on; None: however long it takes. Looks every few seconds.
        """
        pause = _PAUSE_SECONDS_FIRST
        left = float("inf") if seconds_max is None else seconds_max
        while True:
            found = self.workload(workload)
            progress(found)
            if found.state in ENDS or found.state in also or left <= 0:
                return found
            pause = min(pause, left)
            self._http.sleep(pause)
            left -= pause
            pause = min(pause * 1.5, _PAUSE_SECONDS_MAX)

    def log(self, workload: str) -> str:
        """The end of what a workload printed, once it ran; values of its secrets are masked."""
        found = self._http.raw(f"{_at(workload)}/log", media_type="text/plain")
        return found.decode("utf-8", errors="replace")

    def download(self, workload: str, name: str, target: Path, *, bytes_max: int = 0) -> None:
        """Write one file that a workload wrote to ``target``, which appears only whole and right.

        Errors: `NotFound` ``client.no_output`` unless the workload wrote a file of that name;
        `Unavailable` ``client.file_large`` when it is longer than ``bytes_max`` (0: any length).
        """
        digest = self.workload(workload).outputs.get(name)
        if digest is None:
            raise NotFound("client.no_output", workload=workload, name=name)
        path = at("/v1/workloads/{workload}/outputs/{name}", workload=workload, name=name)
        self._http.save(path, target, digest=digest, bytes_max=bytes_max)


def _at(workload: str) -> str:
    return at("/v1/workloads/{workload}", workload=workload)
