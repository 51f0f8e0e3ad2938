"""The answer's receipt is verified link by link, offline, and every artefact against its record."""

from __future__ import annotations

from yunhe.custody import service as custody
from yunhe.kernel.canonical import JsonObject
from yunhe.plans.artefacts import damaged, held_by, named_in, records_of
from yunhe.plans.run import Run
from yunhe.plans.stages.compute import call_off


def verify(run: Run) -> JsonObject:
    """Verify by the trust file and the outside checkpoints; read every artefact; tidy up."""
    call_off(run)
    receipt = run.storage.blobs.read(run.left("serving", "receipt"))
    equipment = run.equipment
    verdict = custody.verify(receipt, equipment.trust(), [equipment.checkpoints()])
    changed = damaged(held_by(run), named_in(records_of(run)))
    return {
        "ok": verdict.ok and not changed,
        "links": len(verdict.links),
        "good": sum(link.ok for link in verdict.links),
        "damaged": [each.digest for each in changed],
    }
