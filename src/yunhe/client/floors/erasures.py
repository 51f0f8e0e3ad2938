"""People's requests to be erased."""

from __future__ import annotations

from yunhe.client.floors.floor import Floor
from yunhe.client.wire.erasures import NewErasure
from yunhe.client.wire.operations import Operation


class Erasures(Floor):
    """Erasure, which reaches every floor and can't be undone."""

    def erase(self, sent: NewErasure, *, key: str = "") -> Operation:
        """Erase a member, or a person's document; the operation's result says what went."""
        return self._http.post("/v1/erasures", Operation, sent, key=key)
