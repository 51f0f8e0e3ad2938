"""Usage, invoices, providers' statements, corrections."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import statements as wire


class Statements(Floor):
    """What was used, what it cost, and whether everybody says the same."""

    def usage(self, period: str, *, by: str = "organisation") -> wire.Usage:
        """What was used and paid in a month so far, by group."""
        return self._http.get("/v1/usage", wire.Usage, {"period": period, "by": by})

    def focus(self, period: str, *, form: str = "csv") -> bytes:
        """The charges of a month as FOCUS 1.2: ``csv`` or ``parquet``."""
        query = {"period": period, "form": form}
        return self._http.raw("/v1/usage/focus", media_type=_BYTES, query=query)

    def close(self, sent: wire.NewPeriod, *, key: str = "") -> wire.ClosedPeriod:
        """Close a month and issue its invoices and statements; by the operator."""
        return self._http.post("/v1/periods", wire.ClosedPeriod, sent, key=key)

    def invoices(self) -> Iterator[wire.Invoice]:
        """Invoices and statements to providers, the last issued first in each kind."""
        return self._http.pages("/v1/invoices", wire.Invoice)

    def invoice(self, invoice: str) -> wire.Invoice:
        """One of them."""
        return self._http.get(at("/v1/invoices/{invoice}", invoice=invoice), wire.Invoice)

    def document(self, invoice: str, *, form: str = "json") -> bytes:
        """The document itself: ``json`` as issued, ``csv``, or ``html`` to print."""
        path = at("/v1/invoices/{invoice}/document", invoice=invoice)
        return self._http.raw(path, media_type=_BYTES, query={"form": form})

    def hand_in(self, sent: wire.NewProviderStatement, *, key: str = "") -> wire.ProviderStatement:
        """Take in an uploaded statement of a provider; by the operator."""
        return self._http.post("/v1/provider-statements", wire.ProviderStatement, sent, key=key)

    def statements(self) -> Iterator[wire.ProviderStatement]:
        """Statements that providers handed in, by id."""
        return self._http.pages("/v1/provider-statements", wire.ProviderStatement)

    def findings(self, statement: str) -> wire.Matched:
        """What matching one against job log and ledger finds."""
        path = at("/v1/provider-statements/{statement}/findings", statement=statement)
        return self._http.get(path, wire.Matched)

    def correct(self, sent: wire.NewCorrection, *, key: str = "") -> wire.Correction:
        """Give back what a workload was charged too much; by the operator."""
        return self._http.post("/v1/corrections", wire.Correction, sent, key=key)


_BYTES = "application/octet-stream"
