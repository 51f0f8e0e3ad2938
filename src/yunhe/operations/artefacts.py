"""Which columns of which tables name artefacts: what must be in the store when the rows are there.

A test holds this against the rows of a whole run: every column whose values are all artefacts is
either here or named there as one that only happens to be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from yunhe.operations import store
from yunhe.storage import erased
from yunhe.storage.database import Transaction
from yunhe.storage.dump import batches

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "compute_document": ("digest",),
    "compute_provider_statement": ("digest",),
    "compute_workload": ("log", "outputs"),
    "corpus_cleansing": (
        "output_digest",
        "certificate_digest",
        "decisions_digest",
        "spans_digest",
        "sample_digest",
    ),
    "evaluation_run": ("model_digest", "heldout_digest", "results_digest"),
    "evaluation_split": ("dataset_digest", "train_digest", "heldout_digest"),
    "exchange_grant": ("dataset_digest",),
    "exchange_listing": ("dataset_digest",),
    "governance_approval": ("model_digest",),
    "governance_evidence": ("digest",),
    "governance_release": ("model_digest",),
    "governance_risk": ("model_digest",),
    "models_deployment": ("model_digest",),
    "models_version": ("model_digest", "manifest_digest", "card_digest", "train_digest"),
    "plans_run": ("plan_digest",),
    "storage_operation": ("result",),
    "storage_upload": ("digest",),
}
"""Table → columns; a column of text may hold several, e.g. as JSON."""
ERASED = "storage_erased"
"""The table of artefacts that were removed on a person's request."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def absent(
    tables: Collection[str], path: Callable[[str], Path], *, there: Collection[str]
) -> list[str]:
    """The artefacts that the dumped rows name and that are not among ``there``, sorted.

    Those that the rows say were erased are left out. ``tables``: those of the dump; ``path`` gives
    the file of one. Cost: reads these columns once.
    """
    missing: set[str] = set()
    for name, columns in COLUMNS.items():
        if name in tables:
            missing.update(d for d in _named(path(name), columns) if d not in there)
    if ERASED in tables:  # erased on a person's request: rightly not there
        missing.difference_update(_named(path(ERASED), ("digest",)))
    return sorted(missing)


def named(tx: Transaction, *, limit: int | None = None) -> list[str]:
    """The artefacts that rows name and that were not erased, sorted; at most ``limit``, if given.

    Cost: reads these columns once, and keeps a digest for each artefact.
    """
    every = (text for table, columns in COLUMNS.items() for text in store.texts(tx, table, columns))
    found: set[str] = set()
    for text in every:
        if limit is not None and len(found) >= limit:
            break
        found.update(_DIGEST.findall(text))
    return sorted(found - erased.among(tx, found))[:limit]


def _named(path: Path, columns: tuple[str, ...]) -> Iterator[str]:
    for batch in batches(path, columns):
        for column in batch.columns:
            for value in column.to_pylist():
                yield from _DIGEST.findall(value or "")
