"""Secrets of workloads; no route gives a value back."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import vault as wire


class Vault(Floor):
    """Secrets of an organisation or one of its projects."""

    def secrets(self, *, project: str = "") -> Iterator[wire.Secret]:
        """Names of secrets; never their values."""
        return self._http.pages("/v1/secrets", wire.Secret, {"project": project or None})

    def put(self, name: str, sent: wire.SecretValue, *, project: str = "") -> wire.Secret:
        """Keep a value under a name, in the place of an earlier one."""
        path = at("/v1/secrets/{name}", name=name)
        return self._http.put(path, wire.Secret, sent, {"project": project or None})

    def remove(self, name: str, *, project: str = "") -> None:
        """Destroy a secret; workloads that name it fail until it is put again."""
        path = at("/v1/secrets/{name}", name=name)
        self._http.act("DELETE", path, query={"project": project or None})
