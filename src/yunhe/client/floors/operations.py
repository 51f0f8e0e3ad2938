"""Long operations: listed, waited for, followed and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from yunhe.client.addresses import at
from yunhe.client.events import Event
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import operations as wire

ENDS = frozenset({"done", "failed", "cancelled"})
"""States, and names of last events, that nothing follows."""


class Operations(Floor):
    """What goes on for longer than a request."""

    def listed(self, *, project: str = "") -> Iterator[wire.Operation]:
        """Operations, newest first."""
        return self._http.pages("/v1/operations", wire.Operation, {"project": project or None})

    def get(self, operation: str) -> wire.Operation:
        """One operation as it stands."""
        return self._http.get(_at(operation), wire.Operation)

    def cancel(self, operation: str) -> wire.Operation:
        """Ask for it to be stopped: at once while it waits, soon while it runs."""
        return self._http.post(f"{_at(operation)}/cancel", wire.Operation)

    def follow(self, operation: str, *, after: int = 0) -> Iterator[Event]:
        """Its events from its beginning (or after a number) to its end, each once.

        Lost connections are taken up where they broke off.
        """
        for event in self._http.events(f"{_at(operation)}/events", after=after):
            yield event
            if event.name in ENDS:
                return

    def wait(
        self, operation: str, *, progress: Callable[[Event], None] = lambda _: None
    ) -> wire.Operation:
        """The operation once it has ended, however it ended; ``progress`` is told every event.

        Look at ``state``: a failed operation is no error here. There is no time limit: leave with
        an exception from ``progress``.
        """
        found = self.get(operation)
        if found.state in ENDS:
            return found
        for event in self.follow(operation):
            progress(event)
        return self.get(operation)


def _at(operation: str) -> str:
    return at("/v1/operations/{operation}", operation=operation)
