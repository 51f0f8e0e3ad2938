"""Questions to a cluster's API server: pages, absent objects, finalizers, versions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from yunhe.compute.providers.kubernetes_jobs import KEEP, part
from yunhe.compute.providers.rest import Answer, Rest, objects, shown, text
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import NotAllowed

if TYPE_CHECKING:
    from yunhe.outbound.client import Outbound

PAGE = 500
"""Objects asked for at once."""
PAGES_MAX = 200
"""Most pages of one list: 100,000 objects."""
MERGE = "application/merge-patch+json"
"""How a patch is written."""
VERSION_SECONDS = 600.0
"""For so long it is remembered which version of Kueue there is."""
_KUEUE = "kueue.x-k8s.io"
_VERSIONS = ("v1beta2", "v1beta1")
_REFUSED = frozenset({400, 403, 404, 422})


class Server:
    """One namespace of one cluster.

    Errors of every method: `Unavailable` when it can't be reached or makes no sense; `NotAllowed`
    ``compute.remote_refused`` for what it will not do.
    """

    def __init__(
        self,
        outbound: Outbound,
        address: str,
        *,
        site: str,
        namespace: str,
        headers: Callable[[], Mapping[str, str]],
    ) -> None:
        """``headers`` say who asks."""
        self._rest = Rest(outbound, address, site=site, headers=headers)
        self._site = site
        self._namespace = quote(namespace, safe="")
        self._kueue = ("", -VERSION_SECONDS)

    def path(self, kind: str, name: str = "") -> str:
        """Of Jobs or pods of the namespace, or of one of them."""
        group = "/apis/batch/v1" if kind == "jobs" else "/api/v1"
        tail = f"/{quote(name, safe='')}" if name else ""
        return f"{group}/namespaces/{self._namespace}/{kind}{tail}"

    def create(self, path: str, body: JsonObject) -> None:
        """Make an object; one of that name that is there already is the same."""
        answer = self._rest.ask("POST", path, body)
        there = answer.status == 409 and answer.get("reason") == "AlreadyExists"
        if answer.status >= 400 and not there:
            self._raise(answer)

    def all(
        self,
        path: str,
        query: Mapping[str, str],
        *,
        clock: Callable[[int | None], None] | None = None,
    ) -> Iterator[JsonObject]:
        """Every object of a list, page by page; ``clock`` is told the server's time."""
        following: dict[str, str] = {}
        for _ in range(PAGES_MAX):
            asked = urlencode({**query, "limit": str(PAGE), **following})
            answer = self._rest.ask("GET", f"{path}?{asked}")
            if answer.status >= 400:
                self._raise(answer)
            if not isinstance(answer.get("items"), list):
                raise self._rest.nonsense(path)
            if clock is not None:
                clock(answer.clock_us)
            yield from objects(answer.get("items"))
            more = text(part(answer.said, "metadata").get("continue"))
            if not more:
                return
            following = {"continue": more}
        raise self._rest.nonsense(path)

    def get(self, path: str) -> JsonObject | None:
        """An object; None where there is none of that name."""
        answer = self._rest.ask("GET", path)
        if answer.status >= 400 and answer.status != 404:
            self._raise(answer)
        return None if answer.status == 404 else answer.said

    def delete(self, path: str) -> None:
        """Ask for the end of an object: it stays in sight until all below it have let go."""
        answer = self._rest.ask("DELETE", path, {"propagationPolicy": "Foreground"})
        if answer.status >= 400 and answer.status != 404:
            self._raise(answer)

    def release(self, pod: JsonObject) -> None:
        """Take our finalizer off a pod."""
        meta = part(pod, "metadata")
        kept = meta.get("finalizers")
        if not isinstance(kept, list) or KEEP not in kept:
            return
        left: list[Json] = [one for one in kept if one != KEEP]
        # With its version, so that what somebody adds or takes off meanwhile is not undone.
        body: JsonObject = {
            "metadata": {"finalizers": left, "resourceVersion": meta.get("resourceVersion")}
        }
        path = self.path("pods", text(meta.get("name")))
        answer = self._rest.ask("PATCH", path, body, media_type=MERGE)
        if answer.status >= 400 and answer.status != 404:
            raise self._rest.unreachable(_said(answer))

    def workloads(self) -> list[JsonObject]:
        """Kueue's workloads of the namespace; none where there is no Kueue."""
        version, at = self._kueue
        if time.monotonic() - at >= VERSION_SECONDS:
            served = objects(self._rest.ask("GET", f"/apis/{_KUEUE}").get("versions"))
            names = {text(one.get("version")) for one in served}
            version = next((one for one in _VERSIONS if one in names), "")
            self._kueue = version, time.monotonic()
        if not version:
            return []
        path = f"/apis/{_KUEUE}/{version}/namespaces/{self._namespace}/workloads"
        return list(self.all(path, {}))

    def _raise(self, answer: Answer) -> None:
        if answer.status in _REFUSED:
            raise NotAllowed("compute.remote_refused", site=self._site, reason=_said(answer))
        raise self._rest.unreachable(_said(answer))


def _said(answer: Answer) -> str:
    return shown(text(answer.get("message"))) or f"HTTP {answer.status}"
