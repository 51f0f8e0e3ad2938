"""Messages about model versions, who reviews them, and where they are served."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, StringConstraints

from yunhe.client.wire.shapes import Digest, Id, Name, Sent, Shown, Time

RouteName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
"""Name of a route, as callers use it in the address."""

_MODEL = "model_0e5m2q9xj4c8t3r6w0h1ab7v1k"
_ORG = "org_7v1k0e5m2q9xj4c8t3r6w0h1ab"
_MEMBER = "mem_2c8t3r6w0h1ab7v1k0e5m2q9xj"
_DIGEST = "sha256:" + "9f86d081884c7d659a2feaa0c55ad015" * 2
_REFERENCE = "5d" * 32
_AT = "2026-11-22T09:30:00.000000Z"


class Model(Shown):
    """One set of weights and everything it may be called to account for."""

    id: Id
    """Its id."""
    name: str
    """What people call it."""
    owner: Id
    """Organisation it belongs to."""
    project: str
    """Project that trained it; empty: the organisation's own."""
    reference: str
    """Its record in the log."""
    model_digest: Digest
    """The only bytes that may be served under it."""
    manifest_digest: Digest
    """Training manifest."""
    card_digest: Digest
    """Model card."""
    train_digest: Digest
    """Training data."""
    state: Literal["registered", "approved", "withdrawn"]
    """Set by releases and withdrawals."""
    certificate: str | None
    """Record of the release that approved it last."""
    valid_until: Time | None
    """From this moment on the approval is expired."""
    registered_by: str | None
    """Who registered it."""
    trained_by: str | None
    """Who submitted the training."""
    at: Time
    """When it was registered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _MODEL,
                "name": "hotline-router",
                "owner": _ORG,
                "project": "",
                "reference": _REFERENCE,
                "model_digest": _DIGEST,
                "manifest_digest": _DIGEST,
                "card_digest": _DIGEST,
                "train_digest": _DIGEST,
                "state": "registered",
                "certificate": None,
                "valid_until": None,
                "registered_by": _MEMBER,
                "trained_by": _MEMBER,
                "at": _AT,
            }
        }
    )


class NewModel(Sent):
    """A model to be registered: exactly what one settled workload of one's own left behind."""

    name: Name
    """What people call it."""
    workload: Id
    """The training: it wrote ``model.safetensors``, ``manifest.json`` and ``card.json``."""
    split: Id
    """The split whose training part it read."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "hotline-router",
                "workload": "workload_w0h1ab7v1k0e5m2q9xj4c8t3r6",
                "split": "split_t3r6w0h1ab7v1k0e5m2q9xj4c8",
            }
        }
    )


class Reviewer(Shown):
    """An organisation whose members may test, grade, approve and deploy a version of another's."""

    organisation: Id
    """Who was asked."""
    by: str
    """Who asked; empty: the platform."""
    at: Time
    """When."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"organisation": _ORG, "by": _MEMBER, "at": _AT}}
    )


class Deployment(Shown):
    """A version put behind a route under one release."""

    id: Id
    """Its id."""
    route: str
    """Name in the address: ``POST /v1/routes/<route>/answers``."""
    model: Id
    """Model version."""
    owner: Id
    """Organisation that owns the model."""
    model_digest: Digest
    """Its weights."""
    certificate: str
    """Record of the release it rests on."""
    reference: str
    """Its record in the log."""
    at: Time
    """When it was made."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "dep_8t3r6w0h1ab7v1k0e5m2q9xj4c",
                "route": "hotline",
                "model": _MODEL,
                "owner": _ORG,
                "model_digest": _DIGEST,
                "certificate": _REFERENCE,
                "reference": _REFERENCE,
                "at": _AT,
            }
        }
    )


class NewDeployment(Sent):
    """An approved version to be put behind a route."""

    model: Id
    """Model version."""
    route: RouteName
    """Free, or answered by a model of the same organisation until now."""

    model_config = ConfigDict(json_schema_extra={"example": {"model": _MODEL, "route": "hotline"}})
