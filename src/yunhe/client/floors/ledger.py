"""Accounts, statements, grants and transfers."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import ledger as wire


class Ledger(Floor):
    """What organisations have and owe."""

    def accounts(self) -> Iterator[wire.Account]:
        """Accounts and what they have, by owner, unit and purpose."""
        return self._http.pages("/v1/accounts", wire.Account)

    def account(self, account: str) -> wire.Account:
        """What one account has."""
        return self._http.get(at("/v1/accounts/{account}", account=account), wire.Account)

    def entries(self, account: str) -> Iterator[wire.Line]:
        """What moved in and out of an account, oldest first."""
        return self._http.pages(at("/v1/accounts/{account}/entries", account=account), wire.Line)

    def issue(self, sent: wire.NewIssuance, *, key: str = "") -> wire.Posted:
        """Issue an amount to an organisation's account; by the operator."""
        return self._http.post("/v1/issuances", wire.Posted, sent, key=key)

    def transfer(self, sent: wire.NewTransfer, *, key: str = "") -> wire.Posted:
        """Move amounts from one's own organisation's accounts, all or none."""
        return self._http.post("/v1/transfers", wire.Posted, sent, key=key)
