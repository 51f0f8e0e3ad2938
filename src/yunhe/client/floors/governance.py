"""Gradings of risk, the measures they ask for, and the evidence of those."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import governance as wire


class Governance(Floor):
    """What rules say about a model, and what is done about it."""

    def questionnaire(self) -> wire.Questionnaire:
        """Every question a grading asks."""
        return self._http.get("/v1/questionnaire", wire.Questionnaire)

    def preview(self, sent: wire.NewPreview) -> wire.Grading:
        """What the decision table says about a system; nothing is kept."""
        return self._http.post("/v1/gradings/preview", wire.Grading, sent)

    def grade(self, sent: wire.NewRisk, *, key: str = "") -> wire.Risk:
        """Grade a model version by today's rules, on record."""
        return self._http.post("/v1/risks", wire.Risk, sent, key=key)

    def risk(self, risk: str) -> wire.Risk:
        """One grading with its explanation."""
        return self._http.get(at("/v1/risks/{risk}", risk=risk), wire.Risk)

    def risks(self, model: str) -> Iterator[wire.Risk]:
        """Every grading of a version, oldest first."""
        return self._http.pages(at("/v1/models/{model}/risks", model=model), wire.Risk)

    def measures(self, risk: str) -> Iterator[wire.Due]:
        """Every measure of a grading and where it stands, by id."""
        return self._http.pages(at("/v1/risks/{risk}/measures", risk=risk), wire.Due)

    def add_evidence(self, sent: wire.NewEvidence, *, key: str = "") -> wire.Evidence:
        """Put a file of one's own on record as evidence of a measure."""
        return self._http.post("/v1/evidence", wire.Evidence, sent, key=key)
