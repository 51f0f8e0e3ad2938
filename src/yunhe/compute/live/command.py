"""One command run inside a job, between the job's attendant and the rows."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import RowMapping

from yunhe.compute.live import store
from yunhe.compute.live.domain import Piece
from yunhe.compute.providers.attendant import WINDOW_BYTES
from yunhe.kernel.canonical import Json
from yunhe.kernel.masking import Mask
from yunhe.storage.database import Transaction

IN_FLIGHT_MAX = 8
"""Pieces of input on their way to the job."""
_STREAMS = {"out": "stdout", "err": "stderr"}
_REFUSALS = ("compute.exec_too_many",)  # what an attendant of ours may say; else it is none


class Command:
    """What is known of it here."""

    def __init__(self, row: RowMapping, mask: Mask, *, end: int) -> None:
        """``end``: how many bytes of its output there are already."""
        self.id: str = row["id"]
        self.closes = bool(row["closes"])
        self.broken: str | None = None
        self.status: int | None = None
        self.input_sent: int = row["input_done"]
        self._row = row
        self._masked = {name: mask.stream() for name in _STREAMS.values()}
        self._pieces: list[Piece] = []
        self._heard = self._published = end
        self._ended_at: int | None = None
        self._published_next = end
        self._started = self._news = False
        self.touched = False
        """Whether it began, took input or ended since it was published last."""
        self._took = 0
        self._taken = min(row["taken"], end)
        self._again = end > 0  # whoever heard it before may not have said what was taken
        self._end_sent = False
        # Published and heard bytes, side by side.
        self._ways: deque[tuple[int, int]] = deque([(end, end)])

    def start(self) -> dict[str, Json]:
        """The ask that starts it."""
        row = self._row
        return {
            "exec": self.id,
            "do": "start",
            "command": json.loads(row["command"]),
            "tty": bool(row["tty"]),
            "rows": row["rows"],
            "cols": row["columns"],
        }

    def hear(self, line: Mapping[str, Json]) -> None:
        """What the attendant says of it. Errors: whatever a line that makes no sense leads to."""
        self._news = True
        self.touched |= "data" not in line  # what only prints may have been forgotten
        if line.get("started"):
            self._started = True
        if "refused" in line:
            said = str(line["refused"])
            self.broken = said if said in _REFUSALS else "compute.exec_gone"
        if "took" in line:
            self._took = max(self._took, min(_number(line["took"]), self.input_sent))
        if "data" in line:
            at, data = _number(line["at"]), base64.b64decode(str(line["data"]), validate=True)
            if at > self._heard:
                raise ValueError
            fresh = data[self._heard - at :]  # it may come twice
            self._heard += len(fresh)
            if self._heard - self._taken > 4 * WINDOW_BYTES:
                raise ValueError  # no attendant of ours sends so far ahead
            stream = _STREAMS[str(line["stream"])]
            self._add(stream, self._masked[stream].take(fresh))
        if "status" in line:
            self.status = min(max(_number(line["status"]), 0), 255)

    def _add(self, stream: str, data: bytes) -> None:
        if data:
            self._pieces.append(Piece(stream, data))

    def break_off(self, why: str) -> None:
        """Nobody hears it any more."""
        if not self.over:
            self.broken, self._news = why, True

    @property
    def over(self) -> bool:
        """Whether it has ended, or can't be gone on with."""
        return self.status is not None or self.broken is not None

    @property
    def waits(self) -> bool:
        """Whether something of it is to be published that was not committed yet."""
        return self._news

    def publish(self, tx: Transaction, *, at_us: int, last: bool = False) -> None:
        """Keep what it said so far, masked; once that is committed, call `published`."""
        for stream, masked in self._masked.items():
            self._add(stream, masked.rest() if last or self.over else masked.ready())
        if self._started:
            # The words are not needed any more, and may name what nobody else should read.
            store.change_exec(tx, self.id, state="running", command="")
        if self._took:
            store.input_taken(tx, self.id, self._took)
        if self._pieces:
            self._published_next = store.append(
                tx, self.id, self._pieces, start=self._published, at_us=at_us
            )

    def published(self) -> None:
        """It is kept for good."""
        self._started = self._news = self.touched = False
        if self._pieces:
            self._pieces, self._published = [], self._published_next
            self._ways.append((self._published, self._heard))

    def asks(
        self, row: RowMapping, inputs: Sequence[Mapping[str, Json]]
    ) -> Iterator[dict[str, Json]]:
        """What follows from how its row stands."""
        taken = 0
        while self._ways and self._ways[0][0] <= row["taken"]:
            taken = self._ways.popleft()[1]
        if taken > self._taken or self._again:
            self._taken, self._again = max(taken, self._taken), False
            taken = self._taken
            yield {"exec": self.id, "do": "taken", "at": taken}
        room = IN_FLIGHT_MAX - (self.input_sent - row["input_done"])
        for each in inputs[: max(room, 0)]:
            self.input_sent = _number(each["seq"])
            yield {"exec": self.id, "do": "input", **each}
        if row["end_asked"] and not self._end_sent:
            self._end_sent = True
            yield {"exec": self.id, "do": "end"}


def _number(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise ValueError
    return value
