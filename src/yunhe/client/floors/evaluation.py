"""Splits, and tests of model versions on what they held out."""

from __future__ import annotations

from collections.abc import Iterator

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import evaluation as wire
from yunhe.client.wire.operations import Operation


class Evaluation(Floor):
    """What a model can do, tested by others than its makers."""

    def splits(self) -> Iterator[wire.Split]:
        """Splits made under grants of one's own organisation, oldest first."""
        return self._http.pages("/v1/splits", wire.Split)

    def split(self, split: str) -> wire.Split:
        """One split."""
        return self._http.get(at("/v1/splits/{split}", split=split), wire.Split)

    def make_split(self, sent: wire.NewSplit, *, key: str = "") -> Operation:
        """Divide a dataset, opened under a live grant; wait for the operation's end."""
        return self._http.post("/v1/splits", Operation, sent, key=key)

    def evaluate(self, sent: wire.NewEvaluation, *, key: str = "") -> Operation:
        """Test a model version on what its split held out; wait for the operation's end."""
        return self._http.post("/v1/evaluations", Operation, sent, key=key)

    def evaluation(self, evaluation: str) -> wire.Evaluation:
        """One evaluation with everything that was found."""
        path = at("/v1/evaluations/{evaluation}", evaluation=evaluation)
        return self._http.get(path, wire.Evaluation)

    def evaluations(self, model: str) -> Iterator[wire.Evaluation]:
        """Every evaluation of a version, passed and failed alike, oldest first."""
        path = at("/v1/models/{model}/evaluations", model=model)
        return self._http.pages(path, wire.Evaluation)
