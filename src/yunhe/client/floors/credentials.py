"""Keys, invitations, the first operator, and what a browser's page asks for."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import credentials as wire


class Credentials(Floor):
    """Ways in."""

    def issued_keys(self, *, member: str = "") -> Iterator[wire.Key]:
        """Keys, oldest first, dead ones too: one's own, or of an administrator's organisation."""
        return self._http.pages("/v1/keys", wire.Key, {"member": member or None})

    def key(self, key: str) -> wire.Key:
        """One key; never its secret."""
        return self._http.get(at("/v1/keys/{key}", key=key), wire.Key)

    def issue_key(self, sent: wire.NewKey, *, key: str = "") -> wire.IssuedKey:
        """Issue a key, to oneself or a service account; its secret is shown this once."""
        return self._http.post("/v1/keys", wire.IssuedKey, sent, key=key)

    def revoke_key(self, key: str) -> wire.Key:
        """Make a key useless from now on; again changes nothing."""
        return self._http.delete(at("/v1/keys/{key}", key=key), wire.Key)

    def invitations(self) -> Iterator[wire.Invitation]:
        """Invitations into or by one's organisation, oldest first, ended ones too."""
        return self._http.pages("/v1/invitations", wire.Invitation)

    def invite(self, sent: wire.Offer, *, key: str = "") -> wire.Invited:
        """Invite a person; the token is shown this once and accepted once."""
        return self._http.post("/v1/invitations", wire.Invited, sent, key=key)

    def open_entry(self, member: str, sent: wire.NewEntry, *, key: str = "") -> wire.Invited:
        """Let a member in again whose keys have ended; the token is shown this once."""
        path = at("/v1/members/{member}/entries", member=member)
        return self._http.post(path, wire.Invited, sent, key=key)

    def withdraw(self, invitation: str) -> None:
        """Make an open invitation useless; again changes nothing."""
        self._http.act("DELETE", at("/v1/invitations/{invitation}", invitation=invitation))

    def accept(self, sent: wire.Acceptance, *, key: str = "") -> wire.Claimed:
        """Become a member, or be let in again, by a token; needs no key and gives the first."""
        return self._http.post("/v1/invitations/accept", wire.Claimed, sent, key=key)

    def claim_operator(self, sent: wire.Claim, *, key: str = "") -> wire.Claimed:
        """Become the operator by the token of the first start; needs no key and gives the first."""
        return self._http.post("/v1/operator", wire.Claimed, sent, key=key)
