"""The report's sections on data and compute."""

from __future__ import annotations

from collections.abc import Mapping

from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.corpus import service as corpus
from yunhe.exchange import service as exchange
from yunhe.identity import service as identity
from yunhe.kernel.units import device_unit, voucher_unit
from yunhe.plans.report.reading import Object, blob, child, counts, number, share
from yunhe.plans.run import Run
from yunhe.reports.domain import (
    Amount,
    Artefact,
    Check,
    ComputeSection,
    CorpusSection,
    Count,
    DetailLine,
    ExchangeSection,
    Phrase,
    Score,
    WorkloadLine,
    WorkloadState,
)


def corpus_section(run: Run) -> CorpusSection:
    """What cleansing did."""
    certificate = blob(run, run.left("corpus", "certificate_digest"))
    body = child(certificate, "body")
    decisions, details = child(body, "decisions"), child(body, "personal_details")
    found = {
        kind: number(child(child(details, "by_type"), kind), "spans")
        for kind in child(details, "by_type")
    }
    truth = body["truth"] if isinstance(body["truth"], dict) else {}
    recall = child(truth, "recall") if truth else {}
    return CorpusSection(
        name=run.plan.data.name,
        holder=run.plan.organisations[run.plan.data.holder].name,
        licence=run.plan.data.licence,
        documents_in=number(child(body, "input"), "documents"),
        documents_out=number(child(body, "output"), "documents"),
        repaired=number(decisions, "documents_repaired"),
        drops=tuple(
            Count(Phrase(f"corpus.reason.{reason}"), many)
            for reason, many in sorted(counts(decisions, "dropped").items(), key=lambda i: -i[1])
        ),
        details=tuple(
            DetailLine(
                name=Phrase(f"corpus.type.{kind}"),
                masked=many,
                recall=share(recall.get(kind)),
            )
            for kind, many in sorted(found.items(), key=lambda item: -item[1])
        ),
        recall=_overall(recall),
        review_sample=number(child(body, "sample"), "documents"),
        near_duplicate_groups=number(child(body, "near_duplicates"), "groups_of_several"),
        certificate_id=run.left("corpus", "certificate"),
        artefacts=tuple(
            Artefact(Phrase(f"plans.artefact.{name}"), run.left("corpus", field))
            for name, field in (
                ("raw", "input"),
                ("dataset", "output"),
                ("certificate", "certificate_digest"),
                ("decisions", "decisions"),
                ("spans", "spans"),
                ("sample", "sample"),
            )
        ),
    )


def _overall(recall: object) -> Score | None:
    scores = [share(value) for value in recall.values()] if isinstance(recall, dict) else []
    found = sum(score.hits or 0 for score in scores if score)
    of = sum(score.of or 0 for score in scores if score)
    return share(corpus.share(found, of)) if of else None


def exchange_section(run: Run) -> ExchangeSection:
    """How the dataset was listed, ordered and opened."""
    with run.storage.database.read() as tx:
        listing = exchange.listing(tx, run.left("exchange", "listing"))
        grant = exchange.grant(tx, run.left("exchange", "grant"))
        holder = identity.organisation(tx, listing.holder).name
        buyer = identity.organisation(tx, grant.buyer).name
        refused = [access for access in exchange.accesses(tx, grant.id) if not access.allowed]
    return ExchangeSection(
        title=listing.title,
        holder=holder,
        buyer=buyer,
        licence=listing.licence,
        price=Amount(listing.price_minor, listing.unit),
        purposes=tuple(
            Phrase(f"exchange.purpose.{purpose}") for purpose in listing.policy.purposes
        ),
        listing_id=listing.id,
        order_id=grant.order,
        grant_id=grant.id,
        expires_at_us=grant.expires_at_us,
        artefacts=(
            Artefact(Phrase("plans.artefact.dataset"), listing.dataset_digest),
            Artefact(Phrase("plans.artefact.policy"), listing.policy_digest),
        ),
        checks=(Check(Phrase("plans.check.stranger_refused"), bool(refused)),),
    )


def compute_section(run: Run) -> ComputeSection:
    """Supply, entitlement and the workloads."""
    plan = run.plan.compute
    with run.storage.database.read() as tx:
        pool = next(p.pool for p in compute.pools(tx) if p.pool.id == run.left("compute", "pool"))
        award = next(
            a.award for a in compute.awards(tx) if a.award.id == run.left("compute", "award")
        )
        vouchers = compute.vouchers(tx, organisation=award.organisation)
        training = compute.workload(tx, run.left("compute", "workload"))
        beyond = run.results["compute"]["beyond"]
        asked = None
        if isinstance(beyond, Mapping):
            asked = compute.workload(tx, str(beyond["workload"]))
    lines = [_line(training)]
    if asked is not None and isinstance(beyond, Mapping):
        lines.append(_asked(asked, beyond))
    return ComputeSection(
        provider=run.plan.organisations[plan.pool.provider].name,
        site=pool.site,
        chip=compute.shown_chip(pool.chip, pool.adapter),
        devices=pool.devices,
        price_per_device_hour=Amount(pool.price_minor_per_device_hour, pool.currency),
        organisation=run.plan.organisations[run.plan.consumer].name,
        award=Amount(award.device_ms, device_unit(award.chip)),
        award_expires_at_us=award.expires_at_us,
        voucher=Amount(sum(v.voucher.amount_minor for v in vouchers), voucher_unit(pool.currency))
        if vouchers
        else None,
        voucher_share_percent=vouchers[0].voucher.share_percent if vouchers else None,
        workloads=tuple(lines),
        checks=(Check(Phrase("plans.check.beyond_waits"), bool(beyond["waited"])),)
        if isinstance(beyond, Mapping)
        else (),
    )


def _line(workload: Workload) -> WorkloadLine:
    usage, spec = workload.usage, workload.spec
    state: WorkloadState = "failed" if workload.state == "cancelled" else workload.state
    artefacts = [Artefact(Phrase("plans.artefact.spec"), workload.spec_digest)]
    artefacts += [Artefact(file, digest) for file, digest in sorted(workload.outputs.items())]
    return WorkloadLine(
        id=workload.id,
        name=Phrase("plans.workload.training"),
        state=state,
        why=Phrase(workload.why.code, workload.why.params) if workload.why else None,
        held=(_wanted(workload),),
        used=Amount(usage.device_ms, device_unit(spec.chip)) if usage else None,
        cost=Amount(usage.cost_minor, usage.currency) if usage else None,
        voucher=Amount(usage.voucher_minor, voucher_unit(usage.currency)) if usage else None,
        isolation=Phrase(f"plans.isolation.{usage.isolation}") if usage else None,
        wall_seconds=f"{usage.wall_ms / 1000:.1f}" if usage else None,
        memory_bytes_max=usage.memory_bytes_peak if usage else None,
        artefacts=tuple(artefacts),
    )


def _asked(workload: Workload, said: Object) -> WorkloadLine:
    """The workload beyond the award, as it stood before it was called off."""
    params = said["params"] if isinstance(said["params"], list) else []
    return WorkloadLine(
        id=workload.id,
        name=Phrase("plans.workload.beyond"),
        state="waiting" if said["waited"] else "placed",
        why=Phrase(str(said["code"]), tuple((name, value) for name, value in params))
        if said["code"]
        else None,
        held=(_wanted(workload),),
        artefacts=(Artefact(Phrase("plans.artefact.spec"), workload.spec_digest),),
    )


def _wanted(workload: Workload) -> Amount:
    spec = workload.spec
    return Amount(spec.devices * spec.wall_seconds_max * 1_000, device_unit(spec.chip))
