"""What the floor talks about: model versions, where they are served, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from yunhe.kernel.canonical import sha256

ROUTE_LETTERS_MAX = 63
"""Longest name of a route: what a host name label holds."""
State = Literal["registered", "approved", "withdrawn"]
"""A version is registered, may be approved by governance for a time, and may be withdrawn."""


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One set of weights and everything it may be called to account for."""

    id: str
    """Derived from the key of its registration."""
    reference: str
    """Its custody record."""
    name: str
    """What people call the model."""
    owner: str
    """Organisation it belongs to."""
    model_digest: str
    """The only bytes that may be served under this version."""
    manifest_digest: str
    """Training manifest."""
    card_digest: str
    """Model card."""
    train_digest: str
    """Training data."""
    state: State
    """Set by governance; the gateway only reads it."""
    certificate: str | None
    """Custody record of the release that approved it last."""
    valid_until_us: int | None
    """From this moment on the approval is expired."""
    state_at_us: int
    """When the state was last set."""
    at_us: int
    """When it was registered."""
    project: str = ""
    """Project of the workload that trained it; empty: the organisation's own."""
    registered_by: str | None = None
    """Member who registered it; None when that was not a member's own key."""
    trained_by: str | None = None
    """Member who submitted the training; likewise."""

    def made_by(self, member: str) -> bool:
        """Whether the member is known to have trained or registered it."""
        return member in (self.registered_by, self.trained_by)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A version put behind a route under one release."""

    id: str
    """Derived from the key of the deployment."""
    reference: str
    """Its custody record."""
    route: str
    """Name that callers use in the address."""
    version: str
    """Model version id."""
    model_digest: str
    """The version's weights."""
    certificate: str
    """The release it rests on; answers stop when the version is approved under another."""
    at_us: int
    """When it was made."""


@dataclass(frozen=True, slots=True)
class Review:
    """An organisation asked to look at a version: to test, grade, approve and deploy it."""

    version: str
    """Model version id."""
    organisation: str
    """Who was asked."""
    by: str
    """Member who asked; empty when the platform itself did."""
    at_us: int
    """When."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a route answers with now, and whether it may."""

    deployment: Deployment
    """The route's newest deployment."""
    version: ModelVersion
    """Its version, in its present state."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The record of one served answer; the question and the answer themselves are not kept."""

    id: str
    """Sorts by time."""
    reference: str
    """Its custody record."""
    deployment: str
    """Deployment that answered."""
    tenant: str
    """`tenant_of` the organisation that asked."""
    label: str
    """The class it was told."""
    nonce: str
    """32 hex digits that salt the two commitments."""
    request_commitment: str
    """SHA-256 of the nonce's bytes and the request's bytes."""
    response_commitment: str
    """SHA-256 of the nonce's bytes and the response's bytes."""
    at_us: int
    """When it was recorded, which is before it was sent."""
    member: str | None = None
    """Whose key asked; None for answers from before 0.2.0, and once it was erased."""

    @property
    def erased(self) -> bool:
        """Whether only its id, deployment, tenant and time are left."""
        return not self.nonce


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a classifier says about some texts."""

    classes: tuple[str, ...]
    """Every class the classifier knows, in the order of the columns."""
    labels: tuple[str, ...]
    """The most probable class of each text; the earlier class on a tie."""
    probabilities: NDArray[np.float64]
    """float64[texts, classes]; each row sums to 1."""


@dataclass(frozen=True, slots=True)
class TrainingProgram:
    """The program that compute runs to train a classifier."""

    module: str
    """Dotted name, run with ``python -I -m``."""
    digest: str
    """Digest of the module's source file, which an operator approves."""


def tenant_of(organisation: str) -> str:
    """How an answer's record names the organisation that asked: a digest of its id."""
    return sha256(f"yunhe.tenant:{organisation}".encode())
