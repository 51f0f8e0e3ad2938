"""The training program: ``python -I -m yunhe.models.training.classifier job.json``.

Reads the input ``train`` (Parquet: text, label, group) and leaves ``model.safetensors``,
``manifest.json`` and ``card.json`` in the outputs folder. The same job leaves the same bytes: no
time, no path and no random number goes into them. Progress lines go to standard output; a fault in
the input goes to standard error as sentences and one JSON line, with exit status 2.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from yunhe.kernel.canonical import JsonObject, canonical_bytes, decimal_text, sha256
from yunhe.kernel.errors import Finding, Invalid, YunheError
from yunhe.kernel.language import LANGUAGES, from_environment, text
from yunhe.models.training.fitting import TEXTS_PER_FEATURE_MIN, Fitted, fit
from yunhe.models.training.job import Arguments, read_job, read_rows
from yunhe.storage.blobs import explain_os_error

MODEL, MANIFEST, CARD = "model.safetensors", "manifest.json", "card.json"
"""The files it leaves."""
INPUT_FAULT = 2
"""Exit status when the job or its rows are at fault."""
_SOURCES = ("classifier.py", "features.py", "training/classifier.py", "training/fitting.py")
_LIBRARIES = ("numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "yunhe")
_LIMITS = ("domain", "noise", "short", "abstain")


class _Lines:
    """Progress as JSON lines."""

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        line = json.dumps({"done": done, "total": total, "what": what})
        print(line, flush=True)  # noqa: T201 - this is the program's output


def train(job_file: Path) -> None:
    """Do the job: read, fit, write the three artefacts.

    Errors: `Invalid` ``models.job_invalid``, ``models.train_invalid``, before anything is written;
    `Unavailable` when the disk refuses.
    """
    job = read_job(job_file)
    rows = read_rows(job.train)
    with job.train.open("rb") as file:
        train_digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    try:
        fitted = fit(rows, job.arguments.settings, _Lines())
    except ValueError:  # the classes were counted above, so no n-gram is shared
        least = (("least", TEXTS_PER_FEATURE_MIN),)
        findings = [Finding("text", "models.nothing_shared", least)]
        raise Invalid("models.train_invalid", findings=findings) from None
    counts = sorted(Counter(rows.labels).items())
    learnt_from: JsonObject = {
        "train_digest": train_digest,
        "rows": len(rows.texts),
        "rows_per_class": [{"class": name, "rows": count} for name, count in counts],
        "synthetic": job.arguments.synthetic,
    }
    weights = fitted.classifier.to_bytes()
    manifest = {"model_digest": sha256(weights), **_manifest(job.arguments, fitted), **learnt_from}
    card = {**_card(job.arguments), **learnt_from}
    try:
        (job.outputs / MODEL).write_bytes(weights)
        (job.outputs / MANIFEST).write_bytes(canonical_bytes(manifest))
        (job.outputs / CARD).write_bytes(canonical_bytes(card))
    except OSError as error:
        raise explain_os_error(error, job.outputs) from error


def _manifest(arguments: Arguments, fitted: Fitted) -> JsonObject:
    settings = arguments.settings
    return {
        "format": "yunhe.training-manifest/1",
        "program": "yunhe.models.training.classifier",
        "code_digest": _code_digest(),
        "seed": settings.seed,
        "settings": {
            "ngram_min": settings.ngrams.shortest,
            "ngram_max": settings.ngrams.longest,
            "features": settings.features,
            "regularisation": decimal_text(settings.regularisation),
        },
        "outcome": {
            "features": len(fitted.classifier.vocabulary),
            "steps": fitted.steps,
            "converged": fitted.converged,
            "temperature": decimal_text(fitted.temperature, 3),
            "calibration_rows": fitted.calibration_rows,
        },
        "software": {
            **{name: version(name) for name in _LIBRARIES},
            "python": platform.python_version(),
            "unicode": unicodedata.unidata_version,
            "machine": platform.machine(),
        },
    }


def _code_digest() -> str:
    """Digest of the sources that decide the weights."""
    digest = hashlib.sha256()
    for name in _SOURCES:
        source = files("yunhe.models").joinpath(name).read_bytes()
        digest.update(hashlib.sha256(source).digest())
    return "sha256:" + digest.hexdigest()


def _card(arguments: Arguments) -> JsonObject:
    stated = arguments.intended_use
    use: JsonObject = {"en": stated, "zh": stated} if stated else _both("models.card.use")
    return {
        "format": "yunhe.model-card/1",
        "name": arguments.name,
        "kind": _both("models.card.kind"),
        "intended_use": use,
        "not_for": _both("models.card.not_for"),
        "data": _both("models.card.data"),
        "origin": _both("models.card.synthetic" if arguments.synthetic else "models.card.real"),
        "limits": [_both(f"models.card.limit_{name}") for name in _LIMITS],
        "evaluation": _both("models.card.evaluation"),
    }


def _both(code: str) -> JsonObject:
    return {str(language): text(code, language) for language in LANGUAGES}


def main(arguments: Sequence[str]) -> int:
    """Run as a program; returns the exit status."""
    try:
        train(Path(arguments[0]))
    except YunheError as error:
        language = from_environment()
        print(error.message(language), file=sys.stderr)  # noqa: T201
        said = json.dumps(error.as_json(language), ensure_ascii=False)
        print(said, file=sys.stderr, flush=True)  # noqa: T201
        return INPUT_FAULT if isinstance(error, Invalid) else error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
