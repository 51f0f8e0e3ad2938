"""One way to read any trace: the format named, or recognised by the file's first lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from yunhe.compute.simulation.traces import azure, export, gavel, openb, philly, swf
from yunhe.compute.simulation.traces.building import Loaded, Wanted
from yunhe.compute.simulation.traces.table import Problems, load
from yunhe.kernel.errors import Invalid, NotFound

FILES_MAX = 1000
"""Most files of one folder of traces."""
_READERS: dict[str, Callable[[str, str, Wanted, Problems], Loaded]] = {
    "philly": philly.read,
    "openb": openb.read,
    "azure": azure.read,
    "swf": swf.read,
    "yunhe": export.read,
}
FORMATS = (*_READERS, "gavel")
"""Every format, by the name of ``--format``."""


def read_trace(path: Path, wanted: Wanted, *, form: str | None = None) -> Loaded:
    """The trace in a file, or in a folder of Gavel's ``.trace`` files.

    Errors: `NotFound` ``simulate.file_missing``; `Invalid` ``simulate.format_unknown`` and what
    the readers raise. Faulty rows are findings of the answer, not errors, unless nothing is left.
    """
    if path.is_dir():
        return _folder(path, wanted)
    problems = Problems(path.name)
    content = load(path, problems)
    if form is not None and form not in FORMATS:
        raise Invalid("simulate.format_name", format=form[:40], formats=", ".join(FORMATS))
    form = form or recognised(path.name, content)
    if form == "gavel":
        return gavel.read([(path.name, content)], wanted, problems, at=path)
    return _READERS[form](path.name, content, wanted, problems)


def _folder(path: Path, wanted: Wanted) -> Loaded:
    found = sorted(path.glob("*.trace"))[:FILES_MAX]
    if not found:
        raise NotFound("simulate.file_missing", file=f"{path.name}/*.trace")
    problems = Problems(path.name)
    files = [(one.name, load(one, problems)) for one in found if one.stat().st_size]
    if not files:
        raise Invalid("simulate.trace_empty", file=path.name)
    return gavel.read(files, wanted, problems, at=path)


def recognised(name: str, content: str) -> str:
    """The format by the first lines, the most telling sign first.

    Errors: `Invalid` ``simulate.format_unknown`` with the formats there are.
    """
    head = content[:4096]
    first = head.split("\n", 1)[0].strip()
    columns = {word.strip().strip('"') for word in first.split(",")}
    body = [line for line in head.splitlines() if line.strip() and not line.startswith(";")]
    signs = (
        ("yunhe", first.startswith("{") and export.FORMAT in first),
        ("philly", set(philly.COLUMNS) <= columns),
        ("openb", {"name", "num_gpu", "gpu_milli"} <= columns),
        ("azure", set(azure.COLUMNS) <= columns),
        ("gavel", first.count("\t") == gavel.FIELDS - 1),
        ("swf", first.startswith(";") or (bool(body) and len(body[0].split()) == swf.FIELDS)),
    )
    for form, fits in signs:
        if fits:
            return form
    raise Invalid("simulate.format_unknown", file=name, formats=", ".join(FORMATS))
