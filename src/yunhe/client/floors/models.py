"""Model versions, who may review them, and what serves them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import models as wire


class Models(Floor):
    """What was trained, and what answers."""

    def versions(self) -> Iterator[wire.Model]:
        """Versions of one's own organisation, and those it was asked to review, oldest first."""
        return self._http.pages("/v1/models", wire.Model)

    def version(self, model: str) -> wire.Model:
        """One version as it stands."""
        return self._http.get(_at(model), wire.Model)

    def register(self, sent: wire.NewModel, *, key: str = "") -> wire.Model:
        """Register what a settled training of one's own left behind."""
        return self._http.post("/v1/models", wire.Model, sent, key=key)

    def download_card(self, model: str, target: Path) -> None:
        """Write the model card to ``target``, which appears only whole and right."""
        self._save(model, "card", target, digest=self.version(model).card_digest)

    def download_manifest(self, model: str, target: Path) -> None:
        """Write the training manifest to ``target``, which appears only whole and right."""
        self._save(model, "manifest", target, digest=self.version(model).manifest_digest)

    def download_weights(self, model: str, target: Path) -> None:
        """Write the weights to ``target``, which appears only whole and right; for the owner."""
        self._save(model, "model", target, digest=self.version(model).model_digest)

    def reviewers(self, model: str) -> Iterator[wire.Reviewer]:
        """Organisations that were asked to look at a version, by id."""
        return self._http.pages(f"{_at(model)}/reviewers", wire.Reviewer)

    def ask_reviewer(self, model: str, organisation: str) -> wire.Reviewer:
        """Let another organisation test, grade, approve and deploy a version of one's own."""
        return self._http.put(_reviewer(model, organisation), wire.Reviewer)

    def remove_reviewer(self, model: str, organisation: str) -> None:
        """Ask an organisation no more; what it did stays."""
        self._http.act("DELETE", _reviewer(model, organisation))

    def deployments(self) -> Iterator[wire.Deployment]:
        """Deployments of one's own organisation's models, oldest first."""
        return self._http.pages("/v1/deployments", wire.Deployment)

    def deployment(self, deployment: str) -> wire.Deployment:
        """One deployment."""
        path = at("/v1/deployments/{deployment}", deployment=deployment)
        return self._http.get(path, wire.Deployment)

    def deploy(self, sent: wire.NewDeployment, *, key: str = "") -> wire.Deployment:
        """Put an approved version behind a route, which answers with it from then on."""
        return self._http.post("/v1/deployments", wire.Deployment, sent, key=key)

    def _save(
        self, model: str, part: Literal["card", "manifest", "model"], target: Path, *, digest: str
    ) -> None:
        self._http.save(f"{_at(model)}/files/{part}", target, digest=digest)


def _at(model: str) -> str:
    return at("/v1/models/{model}", model=model)


def _reviewer(model: str, organisation: str) -> str:
    path = "/v1/models/{model}/reviewers/{organisation}"
    return at(path, model=model, organisation=organisation)
