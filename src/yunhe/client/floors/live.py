"""Work while it runs: its output as it comes, and commands inside it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.events import Event
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import live as wire

END = "done"
"""Name of the event that nothing follows; its body says how it ended."""


class Live(Floor):
    """What running work says, and what is asked of it."""

    def log(self, workload: str, *, after: int = 0) -> Iterator[Event]:
        """What a workload prints, as it comes, from a byte on; `bytes_of` gives the bytes.

        Lost connections are taken up where they broke off. ``seq`` is the offset to go on after.
        """
        return self._until_end(f"{at('/v1/workloads/{w}', w=workload)}/log/stream", after)

    def execs(self, workload: str) -> Iterator[wire.Exec]:
        """The commands that were run inside a workload, by id."""
        return self._http.pages(f"{at('/v1/workloads/{w}', w=workload)}/execs", wire.Exec)

    def run(self, workload: str, sent: wire.NewExec, *, key: str = "") -> wire.Exec:
        """Have a command run inside a workload that runs; read it with `output`."""
        return self._http.post(
            f"{at('/v1/workloads/{w}', w=workload)}/execs", wire.Exec, sent, key=key
        )

    def exec(self, exec_id: str) -> wire.Exec:
        """One command as it stands."""
        return self._http.get(_at(exec_id), wire.Exec)

    def output(self, exec_id: str, *, after: int = 0) -> Iterator[Event]:
        """What a command says, as `log`; its end has ``status`` in its body."""
        return self._until_end(f"{_at(exec_id)}/stream", after)

    def type_in(self, exec_id: str, sent: wire.Input) -> wire.Exec:
        """Give a command its next piece of input.

        Errors: `Exhausted` ``compute.exec_input_full`` until it has read some.
        """
        return self._http.post(f"{_at(exec_id)}/input", wire.Exec, sent)

    def end(self, exec_id: str) -> wire.Exec:
        """End a command with all it started."""
        return self._http.post(f"{_at(exec_id)}/end", wire.Exec)

    def _until_end(self, path: str, after: int) -> Iterator[Event]:
        for event in self._http.events(path, after=after):
            yield event
            if event.name == END:
                return


def bytes_of(event: Event) -> bytes:
    """What was printed; nothing for an event that is about something else.

    Errors: ``ValueError`` for one that makes no sense.
    """
    data = event.body.get("data", "")
    try:
        return base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None


def _at(exec_id: str) -> str:
    return at("/v1/execs/{e}", e=exec_id)
