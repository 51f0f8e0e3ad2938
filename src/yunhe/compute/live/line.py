"""Between one running job and the rows that every process reads: what it says, what it is asked.

Whoever runs the job holds a line to it. What the job prints is published at most once a second and
at most `PENDING_BYTES_MAX` of it, so a job that prints without end writes few rows; what is left
out in between is counted. Output of commands is never left out: the job's attendant sends no
more than a window ahead of what readers were given.
"""

from __future__ import annotations

import base64
import binascii
import logging
import threading
import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Literal

from yunhe.compute.live import idling, store
from yunhe.compute.live.command import Command
from yunhe.compute.live.domain import START_SECONDS, Idle, Piece
from yunhe.compute.live.telling import idle_soon
from yunhe.kernel.canonical import Json
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import YunheError
from yunhe.kernel.masking import Mask
from yunhe.storage.database import Transaction
from yunhe.storage.service import Storage

PENDING_BYTES_MAX = 1 << 20
"""Output that waits to be published; what comes beyond pushes out the oldest."""
TOLD_MAX = 20_000
"""Answers that wait to be heard: a working attendant never has so many on their way."""
GONE_SECONDS = 30.0
"""Commands whose line broke are given up after so long: mostly their job is ending just then."""
PUBLISH_SECONDS = 1.0
"""Between two publications of what a job printed."""
QUIET_SECONDS = 0.5
"""Between two looks for commands while there are none."""
OPEN_SECONDS = 0.15
"""Between two looks while there is one."""
BUSY_SECONDS = 0.03
"""The same while something goes to and fro."""
UTILISED_SECONDS = 60.0
"""So long a look at the devices tells of them; after that their use is judged by processor time."""
_BUSY_FOR_SECONDS = 3.0
_log = logging.getLogger("yunhe.compute")


class Line:
    """To one running job; satisfies `yunhe.compute.providers.seam.Live`."""

    def __init__(
        self,
        storage: Storage,
        workload: str,
        *,
        mask: Mask | None = None,
        devices: int = 1,
        idle: Idle | None = None,
        threaded: bool = True,
        by_devices: bool = False,
    ) -> None:
        """``mask`` hides the job's secrets in what commands say; without a thread call `turn`.

        ``by_devices``: an instrument watches its devices, so that processor time tells nothing.
        """
        self._storage, self.workload = storage, workload
        self._mask, self._devices, self._idle = mask or Mask(), devices, idle or Idle()
        self._lock = threading.Lock()
        self._printed: deque[tuple[str, bytearray]] = deque()
        self._printed_bytes = self._left_out = 0
        self._published_at = self._busy_at = 0.0
        self._attended: str | None = None
        self._attended_at = 0.0
        self._asks: deque[dict[str, Json]] = deque()
        self._told: deque[Mapping[str, Json]] = deque()
        self._commands: dict[str, Command] = {}
        self._cpu_ms: int | None = None
        self._per_thousand, self._utilised_at = 0, -UTILISED_SECONDS
        self._by_devices, self._seen = by_devices, False
        self._watched = idling.watched(storage.clock.now_us())
        self._touched_us = 0
        self.released = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compute-live", daemon=True)
        self._threaded = threaded

    def __enter__(self) -> Line:
        """Let go of commands that a run before this one left open, then listen."""
        if self._threaded:
            self._end_open("running", why="compute.exec_broken_off")
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish what is left; commands that were open have ended with the job."""
        self._end.set()
        if self._threaded:
            self._thread.join()
        self.close()

    def leave(self) -> None:
        """Somebody else goes on with it: nothing of it ends."""
        self._commands.clear()

    def close(self) -> None:
        """The job has ended."""
        try:
            self.turn(last=True)
            if self._commands:
                with self._storage.database.begin_shared() as tx:
                    for command in self._commands.values():
                        command.publish(tx, at_us=self._now(), last=True)
            self._end_open("asked", "running", why="compute.exec_ended_with_work")
        except YunheError as problem:  # the job's own end is what counts
            _log.warning("what a job said last was not published: %s", problem.code)
        except Exception:  # noqa: BLE001 -- as above
            _log.exception("what a job said last met a fault of ours")
        self._commands.clear()

    def _end_open(self, *states: str, why: str) -> None:
        """Let go of commands; most jobs have none, and then nothing is written."""
        with self._storage.database.read() as tx:
            if not store.open_rows(tx, self.workload):
                return
        with self._storage.database.begin_shared() as tx:
            for row in store.open_rows(tx, self.workload):
                if row["state"] in states:
                    self._over(tx, row["id"], why=why)

    # --- Called by whoever runs the job ---------------------------------------------------------

    def printed(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """As `Live.printed`."""
        with self._lock:
            if self._printed and self._printed[-1][0] == stream:
                self._printed[-1][1].extend(data)
            else:
                self._printed.append((stream, bytearray(data)))
            self._printed_bytes += len(data)
            self._shorten()

    def _shorten(self) -> None:
        while self._printed_bytes > PENDING_BYTES_MAX:
            oldest = self._printed[0][1]
            cut = min(self._printed_bytes - PENDING_BYTES_MAX, len(oldest))
            del oldest[:cut]
            self._left_out += cut
            self._printed_bytes -= cut
            if not oldest:
                self._printed.popleft()

    def attended(self, why: str) -> None:
        """As `Live.attended`."""
        if why != self._attended:
            self._attended, self._attended_at = why, time.monotonic()

    def asks(self) -> list[dict[str, Json]]:
        """As `Live.asks`."""
        with self._lock:
            found = list(self._asks)
            self._asks.clear()
        return found

    def told(self, line: Mapping[str, Json]) -> None:
        """As `Live.told`."""
        with self._lock:
            if len(self._told) < TOLD_MAX:  # beyond, what is missing breaks its command off
                self._told.append(line)

    def used(self, cpu_ms: int) -> None:
        """As `Live.used`."""
        self._cpu_ms = cpu_ms

    def utilised(self, per_thousand: int) -> None:
        """As `Live.utilised`."""
        self._per_thousand, self._utilised_at = per_thousand, time.monotonic()
        self._seen = True

    # --- The line's own thread ------------------------------------------------------------------

    def _run(self) -> None:
        while not self._end.wait(self.pause()):
            try:
                self.turn()
            except YunheError as problem:
                _log.warning("a job's line could not go on: %s", problem.code)
                self._end.wait(PUBLISH_SECONDS)
            except Exception:  # noqa: BLE001 -- a thread's edge: the job goes on without it
                _log.exception("a job's line met a fault of ours")
                self._end.wait(PUBLISH_SECONDS)

    def pause(self) -> float:
        """How long it may be before the next `turn`."""
        if not self._commands:
            return QUIET_SECONDS
        busy = time.monotonic() - self._busy_at < _BUSY_FOR_SECONDS
        return BUSY_SECONDS if busy else OPEN_SECONDS

    def turn(self, *, last: bool = False) -> None:
        """One look at everything, both ways."""
        self._publish(now=last)
        self._hear()
        self._look()
        self._judge()

    def _publish(self, *, now: bool) -> None:
        due = time.monotonic() - self._published_at >= PUBLISH_SECONDS
        if not (due or now):
            return
        with self._lock:
            if not self._printed:
                return
            taken, left_out = list(self._printed), self._left_out
            self._printed.clear()
            self._printed_bytes = self._left_out = 0
        self._published_at = time.monotonic()
        pieces = [Piece(stream, bytes(data)) for stream, data in taken]
        if left_out:
            pieces.insert(0, Piece(pieces[0].stream, b"", left_out=left_out))
        try:
            with self._storage.database.begin_shared() as tx:
                start = store.end_of(tx, self.workload)
                store.append(tx, self.workload, pieces, start=start, at_us=self._now())
        except BaseException:
            with self._lock:  # it is published once that goes again
                self._printed.extendleft(reversed(taken))
                self._printed_bytes += sum(len(data) for _, data in taken)
                self._left_out += left_out
                self._shorten()
            raise

    def _hear(self) -> None:
        changed = self._changed()
        if not changed:
            return
        self._busy_at = time.monotonic()
        if any(command.touched for command in changed.values()):
            self._touched_us = self._now()
        with self._storage.database.begin_shared() as tx:
            for command in changed.values():
                command.publish(tx, at_us=self._now())
                if command.over:
                    self._over(tx, command.id, why=command.broken, status=command.status)
        # Only now: what was not committed is published at the next turn.
        for command in changed.values():
            command.published()
            if command.over:
                self._commands.pop(command.id, None)
                if command.broken:
                    self._ask({"exec": command.id, "do": "end"})
                elif command.closes:
                    self._ask({"do": "close"})

    def _changed(self) -> dict[str, Command]:
        """The commands of which there is something to publish."""
        with self._lock:
            lines = list(self._told)
            self._told.clear()
        changed: dict[str, Command] = {}
        for line in lines:
            command = self._commands.get(str(line.get("exec")))
            if command is not None:
                try:
                    command.hear(line)
                except (KeyError, TypeError, ValueError, binascii.Error):
                    command.broken = "compute.exec_gone"  # the job's own doing
                changed[command.id] = command
        for command in self._commands.values():
            if self._attended and time.monotonic() - self._attended_at >= GONE_SECONDS:
                command.break_off(self._attended)
            if command.waits:
                changed[command.id] = command
        return changed

    def _look(self) -> None:
        with self._storage.database.read() as tx:
            rows = store.open_rows(tx, self.workload)
            inputs = {
                row["id"]: store.inputs(tx, row["id"], after=self._commands[row["id"]].input_sent)
                for row in rows
                if row["id"] in self._commands
            }
        for row in rows:
            command = self._commands.get(row["id"])
            if command is None:
                self._begin(Command(row, self._mask, end=self._said(row["id"])), row["state"])
                continue
            for ask in command.asks(row, inputs.get(row["id"], [])):
                self._busy_at = time.monotonic()
                self._ask(ask)
        there = {row["id"] for row in rows}
        for gone in [name for name in self._commands if name not in there]:
            self._ask({"exec": gone, "do": "end"})  # refused or ended by somebody else
            del self._commands[gone]

    def _said(self, subject: str) -> int:
        with self._storage.database.read() as tx:
            return store.end_of(tx, subject)

    def _begin(self, command: Command, state: str) -> None:
        """Have a command started, or refuse it."""
        if self._attended is None:
            return  # the program is about to start
        if self._attended:
            with self._storage.database.begin_shared() as tx:
                self._over(tx, command.id, why=self._attended)
            return
        self._commands[command.id] = command
        self._busy_at = time.monotonic()
        if state == "asked":
            self._ask(command.start())

    @property
    def idle_minutes(self) -> int:
        """After so long without doing anything it is stopped; 0: never."""
        return self._idle.minutes

    def _judge(self) -> None:
        cpu_ms, self._cpu_ms = self._cpu_ms, None
        seen, self._seen = self._seen, False
        fresh = time.monotonic() - self._utilised_at < UTILISED_SECONDS
        if self._by_devices:  # what nobody watched is no sign of anything
            cpu_ms = 0 if seen and fresh else None
        if cpu_ms is None or self.released:
            return
        self._watched, verdict = idling.judge(
            self._watched,
            self._idle,
            now_us=self._now(),
            cpu_ms=cpu_ms,
            devices=self._devices,
            touched_us=self._touched_us,
            per_thousand=self._per_thousand if fresh else None,
        )
        if verdict == "warn":
            left = max(self._idle.minutes // 2, 1)
            with self._storage.database.begin() as tx:
                idle_soon(tx, self.workload, minutes=left, at_us=self._now())
        self.released = verdict == "stop"

    def _ask(self, line: dict[str, Json]) -> None:
        with self._lock:
            self._asks.append(line)

    def _over(
        self, tx: Transaction, exec_id: str, *, why: str | None, status: int | None = None
    ) -> None:
        if store.over(tx, exec_id, why=why, status=status, at_us=self._now()):
            store.note(tx, exec_id, at_us=self._now())

    def _now(self) -> int:
        return self._storage.clock.now_us()


def coded(data: bytes) -> str:
    """Bytes as a line holds them."""
    return base64.b64encode(data).decode()


def unanswered(asked_at_us: int, *, now_us: int) -> bool:
    """Whether a command waits for so long that nobody seems to look after its workload."""
    return now_us - asked_at_us > START_SECONDS * SECOND_US
