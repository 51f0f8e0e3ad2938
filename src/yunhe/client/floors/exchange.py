"""The catalogue, orders, grants, and opening what they are for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import exchange as wire


class Exchange(Floor):
    """Datasets on offer, and the rights to open them."""

    def listings(self) -> Iterator[wire.Listing]:
        """The catalogue, newest first: what one may order, and all one's own offers."""
        return self._http.pages("/v1/listings", wire.Listing)

    def listing(self, listing: str) -> wire.Listing:
        """One offer."""
        return self._http.get(at("/v1/listings/{listing}", listing=listing), wire.Listing)

    def offer(self, sent: wire.NewListing, *, key: str = "") -> wire.Listing:
        """Offer a dataset that one's own organisation had certified."""
        return self._http.post("/v1/listings", wire.Listing, sent, key=key)

    def withdraw(self, listing: str) -> wire.Listing:
        """Take an offer off the catalogue; again changes nothing."""
        path = at("/v1/listings/{listing}/withdraw", listing=listing)
        return self._http.post(path, wire.Listing)

    def orders(self) -> Iterator[wire.Order]:
        """One's organisation's orders, newest first."""
        return self._http.pages("/v1/orders", wire.Order)

    def order(self, order: str) -> wire.OrderInFull:
        """One order, with what was agreed."""
        return self._http.get(at("/v1/orders/{order}", order=order), wire.OrderInFull)

    def place_order(self, sent: wire.NewOrder, *, key: str = "") -> wire.OrderInFull:
        """Agree to an offer and pay it; the answer names the grant."""
        return self._http.post("/v1/orders", wire.OrderInFull, sent, key=key)

    def cancel_order(self, order: str) -> wire.Order:
        """Call an order off before its data was opened; the money comes back."""
        return self._http.post(at("/v1/orders/{order}/cancel", order=order), wire.Order)

    def grants(self) -> Iterator[wire.Grant]:
        """Rights to open datasets that one's organisation got or gave, newest first."""
        return self._http.pages("/v1/grants", wire.Grant)

    def grant(self, grant: str) -> wire.Grant:
        """One right to open a dataset."""
        return self._http.get(at("/v1/grants/{grant}", grant=grant), wire.Grant)

    def revoke_grant(self, grant: str) -> wire.Grant:
        """Take a grant back, without refund; by the holder of the data. Again changes nothing."""
        return self._http.post(at("/v1/grants/{grant}/revoke", grant=grant), wire.Grant)

    def open(self, grant: str, sent: wire.Opening, target: Path, *, key: str = "") -> None:
        """Write the dataset to ``target``, if the grant allows it now; the attempt is on record.

        Whatever breaks off and is repeated is one opening.
        """
        digest = self.grant(grant).dataset_digest
        path = at("/v1/grants/{grant}/open", grant=grant)
        self._http.save(path, target, digest=digest, sent=sent, key=key)
