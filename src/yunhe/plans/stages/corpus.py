"""From raw text to a certified dataset."""

from __future__ import annotations

from yunhe.corpus import service as corpus
from yunhe.corpus.domain import CleanseRequest, Columns, Profile
from yunhe.kernel.canonical import JsonObject
from yunhe.plans.run import Run


def cleanse(run: Run) -> JsonObject:
    """Cleanse the input for its holder; leaves ids, references and digests."""
    data, source = run.plan.data, run.source
    with run.storage.database.begin() as tx:
        run.actor(tx, data.holder, "data_steward")
    made = corpus.cleanse(
        run.storage,
        CleanseRequest(
            key=run.key("corpus"),
            path=source.path,
            name=data.name,
            holder=run.organisation(data.holder),
            licence=data.licence,
            synthetic=data.synthetic,
            columns=Columns(source.text, source.label, source.id),
            profile=profile_of(run),
            truth=source.truth,
            threads=run.equipment.threads,
        ),
        progress=run.progress,
    )
    return {
        "source": made.source_id,
        "source_reference": made.source_reference,
        "certificate": made.certificate_id,
        "certificate_reference": made.certificate_reference,
        "certificate_digest": made.certificate_digest,
        "input": made.input_digest,
        "output": made.output_digest,
        "decisions": made.decisions_digest,
        "spans": made.spans_digest,
        "sample": made.sample_digest,
    }


def profile_of(run: Run) -> Profile:
    """The plan's profile with the thresholds it changes.

    Errors: `Invalid` of corpus for an unknown profile, step or threshold.
    """
    wanted = run.plan.data.profile
    profile = corpus.load_profile(wanted.name)
    for step, thresholds in wanted.changes.items():
        for name, value in thresholds.items():
            profile = profile.with_value(step, name, value, source=f"plan {run.plan.name}")
    return profile
