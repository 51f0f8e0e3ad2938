"""The trained weights become a registered model version."""

from __future__ import annotations

from yunhe.kernel.canonical import JsonObject
from yunhe.models import service as models
from yunhe.plans.run import Run


def register(run: Run) -> JsonObject:
    """Register what the workload produced, by digest."""
    outputs = run.left_in("compute", "outputs")
    version = models.register(
        run.storage,
        key=run.key("model"),
        name=run.plan.model.name,
        model_digest=outputs["model.safetensors"],
        manifest_digest=outputs["manifest.json"],
        card_digest=outputs["card.json"],
        train_digest=run.left("exchange", "train"),
        usage_reference=run.left("compute", "reference"),
        split_reference=run.left("exchange", "split_reference"),
        owner=run.organisation(run.plan.consumer),
    )
    return {
        "version": version.id,
        "reference": version.reference,
        "digest": version.model_digest,
    }
