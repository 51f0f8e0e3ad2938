"""The log's checkpoints and keys, and receipts."""

from __future__ import annotations

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import custody as wire
from yunhe.client.wire.operations import Operation


class Custody(Floor):
    """What can be checked without trusting the server."""

    def checkpoint(self) -> str:
        """The newest signed checkpoint of the log."""
        return self._http.raw("/v1/log/checkpoint", media_type="text/plain").decode()

    def trust(self) -> str:
        """The public keys that checkpoints are signed with, as a trust file.

        Compare it with what the operator publishes elsewhere before you rely on it.
        """
        return self._http.raw("/v1/log/trust", media_type="text/plain").decode()

    def record(self, reference: str) -> wire.Record:
        """One record of the log."""
        return self._http.get(at("/v1/records/{reference}", reference=reference), wire.Record)

    def receipt(self, reference: str) -> bytes:
        """Everything needed to check a record offline, byte for byte as `yunhe verify` takes it."""
        return self._http.raw(at("/v1/records/{reference}/receipt", reference=reference))

    def verify(self, sent: wire.SentReceipt) -> wire.Verdict:
        """The server's judgement of a receipt by its own keys; `yunhe verify` needs no server."""
        return self._http.post("/v1/verify", wire.Verdict, sent)

    def audit(self) -> wire.Audit:
        """A look at the end of the log: its newest signature and what was written last."""
        return self._http.get("/v1/log/audit", wire.Audit)

    def audit_whole(self, sent: wire.NewAudit, *, key: str = "") -> Operation:
        """Recompute the whole log and hold it against the outside checkpoints; wait for its end."""
        return self._http.post("/v1/log/audits", Operation, sent, key=key)
