"""Writes what a person takes away from a run: the report page, the receipt, the key facts."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Invalid, YunheError
from yunhe.kernel.language import Language
from yunhe.plans.report.chain import chain_of
from yunhe.plans.report.reading import blob
from yunhe.plans.run import Run
from yunhe.reports.chain import render_html
from yunhe.reports.domain import Chain
from yunhe.storage.blobs import explain_os_error


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, and what is in it."""

    chain: Chain
    """The report as plain values."""
    report: Path
    """The page."""
    receipt: Path | None
    """The verified answer's receipt; None while there is none."""
    facts: dict[str, object]
    """The key facts, for programs."""


def write_outcome(
    run: Run,
    *,
    language: Language,
    reused: frozenset[str] = frozenset(),
    error: YunheError | None = None,
    tampering: bool = False,
    page: Path | None = None,
) -> Outcome:
    """Write the page (into the home folder's ``reports`` unless told otherwise) and the receipt.

    Errors: `Unavailable` of storage when a disk refuses; nothing is half-written.
    """
    chain = chain_of(run, reused=reused, error=error, tampering=tampering)
    home = run.equipment.home
    report = page or home / "reports" / f"{run.plan.name}-{run.id[-8:]}.html"
    _write(report, render_html(chain, language=language).encode())
    receipt = None
    if "serving" in run.results:
        data = run.storage.blobs.read(run.left("serving", "receipt"))
        receipt = home / "receipts" / f"{run.left('serving', 'answer')}.json"
        _write(receipt, data)
        _write(home / "receipts" / "latest.json", data)
    return Outcome(chain, report, receipt, _facts(run, chain, report, receipt))


def page_of(run: Run, *, language: Language) -> bytes:
    """The report of a run as it stands, as one HTML page; nothing is written anywhere."""
    return render_html(chain_of(run), language=language).encode()


def _write(path: Path, data: bytes) -> None:
    if not path.name or (path.exists() and (path.is_symlink() or not path.is_file())):
        raise Invalid("plans.not_a_file", path=str(path))  # never replace a device or a link
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise explain_os_error(error, path) from error


def _facts(run: Run, chain: Chain, report: Path, receipt: Path | None) -> dict[str, object]:
    facts: dict[str, object] = {
        "run": run.id,
        "plan": run.plan.name,
        "synthetic": run.plan.data.synthetic,
        "stages": {stage.name: stage.state for stage in chain.stages},
        "seconds": float(chain.seconds or 0),
        "report": str(report),
        "receipt": str(receipt) if receipt else None,
        "trust": str(run.equipment.home / "trust.txt"),
        "verified": chain.verification.ok if chain.verification else None,
    }
    if chain.corpus:
        body = blob(run, run.left("corpus", "certificate_digest"))["body"]
        facts |= {
            "documents_in": chain.corpus.documents_in,
            "documents_out": chain.corpus.documents_out,
            "details_masked": sum(line.masked for line in chain.corpus.details),
            "certificate_body": digest_of(body),  # type: ignore[arg-type]
        }
    if chain.exchange:
        facts["train_digest"] = run.left("exchange", "train")
    if chain.models:
        facts["model_digest"] = run.left("models", "digest")
    if chain.evaluation:
        metric = chain.evaluation.metrics[0]
        facts |= {
            "results_digest": run.left("evaluation", "results"),
            "score": metric.model.value,
            "score_low": metric.model.low,
            "score_high": metric.model.high,
            "baseline_score": metric.baseline.value if metric.baseline else None,
            "gate_passed": bool(run.results["evaluation"]["passed"]),
        }
    if chain.governance:
        facts["tier"] = chain.governance.tier
    if chain.verification:
        facts["links"] = len(chain.verification.links)
        facts["links_ok"] = sum(link.ok for link in chain.verification.links)
    if chain.verification and chain.verification.tamper:
        facts["tampered"] = len(chain.verification.tamper)
        facts["tampered_noticed"] = sum(line.found for line in chain.verification.tamper)
    return facts
