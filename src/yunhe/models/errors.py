"""Refusals that registry and gateway share."""

from __future__ import annotations

from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Conflict, NotAllowed, NotFound, YunheError
from yunhe.models.domain import ModelVersion, Served


def version_unknown(version: str) -> NotFound:
    """No such version was registered."""
    return NotFound("models.version_unknown", version=version[:64])


def key_reused(key: str) -> Conflict:
    """The key belongs to another request."""
    return Conflict("models.key_reused", key=key[:200])


def route_taken(route: str) -> Conflict:
    """Another organisation's model answers there."""
    return Conflict("models.route_taken", route=route)


def bytes_differ(digest: str) -> NotAllowed:
    """What is stored is not what was approved, or is gone."""
    return NotAllowed("models.bytes_differ", digest=digest)


def why_not_approved(version: ModelVersion, *, now_us: int) -> YunheError | None:
    """Why a version may not be served at this moment; None when it may."""
    if version.state == "withdrawn":
        return NotAllowed("models.withdrawn", version=version.id)
    if version.state != "approved" or version.certificate is None:
        return NotAllowed("models.not_approved", version=version.id)
    if version.valid_until_us is None or version.valid_until_us <= now_us:
        expired_at = iso(version.valid_until_us or 0)
        return NotAllowed("models.approval_expired", version=version.id, expired_at=expired_at)
    return None


def why_not_served(served: Served, *, now_us: int) -> YunheError | None:
    """Why a deployment may not answer at this moment; None when it may."""
    version, deployment = served.version, served.deployment
    why = why_not_approved(version, now_us=now_us)
    if why is None and deployment.model_digest != version.model_digest:
        return bytes_differ(version.model_digest)
    if why is None and deployment.certificate != version.certificate:
        return Conflict("models.release_superseded", version=version.id)
    return why
