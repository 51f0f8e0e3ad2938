"""The report's sections on the model and its governance."""

from __future__ import annotations

from yunhe.governance import service as governance
from yunhe.governance.domain import FiredRule, MeasureState
from yunhe.models import service as models
from yunhe.plans.report.reading import blob, child, children, number
from yunhe.plans.run import Run
from yunhe.reports.domain import (
    ApprovalLine,
    Artefact,
    Both,
    Check,
    GovernanceSection,
    MeasureLine,
    ModelSection,
    Pair,
    Phrase,
    RuleLine,
)


def models_section(run: Run) -> ModelSection:
    """The registered version."""
    with run.storage.database.read() as tx:
        version = models.version(tx, run.left("models", "version"))
    manifest = blob(run, version.manifest_digest)
    settings = {"seed": manifest["seed"], **child(manifest, "settings")}
    return ModelSection(
        name=version.name,
        version_id=version.id,
        algorithm=Phrase("models.card.kind"),
        classes=len(children(manifest, "rows_per_class")),
        train_documents=number(manifest, "rows"),
        settings=tuple(Pair(name, str(value)) for name, value in settings.items()),
        artefacts=(
            Artefact(Phrase("plans.artefact.model"), version.model_digest),
            Artefact(Phrase("plans.artefact.manifest"), version.manifest_digest),
            Artefact(Phrase("plans.artefact.card"), version.card_digest),
            Artefact(Phrase("plans.artefact.train"), version.train_digest),
        ),
    )


def governance_section(run: Run) -> GovernanceSection:
    """Tier, why, what follows from it, and who let the model out."""
    version = run.left("models", "version")
    with run.storage.database.read() as tx:
        risks = governance.risks(tx, version)
        approvals = governance.approvals(tx, version)
        releases = governance.releases(tx, version)
        risk = risks[-1]
        measures = governance.measures_due(tx, risk.id, now_us=run.storage.clock.now_us())
    release = releases[-1] if releases else None
    return GovernanceSection(
        tier=risk.tier,
        tier_name=Phrase(f"governance.tier.{risk.tier}"),
        rules_version=risk.rules_version,
        facts=tuple(
            Pair(Phrase(f"governance.fact.{name}"), str(value))
            for name, value in risk.facts.items()
            if value != "unknown"
        ),
        fired=tuple(_rule(rule) for rule in risk.fired),
        missing=tuple(Phrase(f"governance.fact.{name}") for name in risk.missing),
        measures=tuple(_measure(state) for state in measures),
        approvals=tuple(
            ApprovalLine(
                approver=approval.approver,
                role=Phrase(f"plans.role.{approval.role}"),
                approved=approval.decision == "approve",
                at_us=approval.at_us,
                expires_at_us=approval.expires_at_us,
            )
            for approval in approvals
        ),
        release_id=release.id if release else None,
        valid_until_us=release.valid_until_us if release else None,
        artefacts=(
            Artefact(Phrase("plans.artefact.facts"), risk.facts_digest),
            Artefact(Phrase("plans.artefact.measures"), risk.measures_digest),
        ),
        checks=(Check(Phrase("plans.check.approvals_by_plan"), release is not None),),
    )


def _rule(rule: FiredRule) -> RuleLine:
    cited = rule.citation
    return RuleLine(
        id=rule.id,
        tier=rule.tier or f"+{rule.lift}",
        name=Phrase(f"governance.rule.{rule.row}"),
        source=Both(
            f"{cited.instrument_en} {cited.article}".strip(),
            f"{cited.instrument_zh} {cited.article}".strip(),
        ),
        verified=cited.verified,
    )


def _measure(state: MeasureState) -> MeasureLine:
    measure, cited = state.measure, state.measure.citation
    return MeasureLine(
        name=Phrase(f"governance.measure.{measure.id}"),
        source=Both(
            f"{cited.instrument_en} {cited.article}".strip(),
            f"{cited.instrument_zh} {cited.article}".strip(),
        ),
        done=state.status == "met",
        verified=cited.verified,
        due=Phrase(f"governance.stage.{measure.stage}"),
    )
