"""What the tests of the engine share: small steps, invented inputs, looks at an output."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from yunhe.corpus import steps
from yunhe.corpus.domain import Columns, Profile, StepPlan, Threshold
from yunhe.corpus.engine import Job
from yunhe.corpus.inputs import look

STEPS = str(Path(__file__).with_name("corpus_engine_steps"))
if STEPS not in steps.__path__:
    steps.__path__.append(STEPS)

COLUMNS = Columns("text", "label", "id")


def number(value: int) -> Threshold:
    return Threshold(value, "test", verified=False)


def profile(*, keep: str = "first", noise_max: int = 3) -> Profile:
    return Profile(
        "engine",
        1,
        number(100),
        (
            StepPlan("engine_trim", {"noise_max": number(noise_max)}),
            StepPlan("engine_mask"),
            StepPlan("engine_once", options={"keep": keep}),
        ),
    )


ROWS: list[dict[str, object]] = [
    {"id": "a", "text": "good 一段文字", "label": "x"},
    {"id": "b", "text": "drop this", "label": "x"},
    {"id": "c", "text": "####noise", "label": "y"},
    {"id": "d", "text": "mend #me@here", "label": "y"},
    {"id": "e", "text": "good 一段文字", "label": None},
    {"id": "f", "text": "two @ and @", "label": "x"},
]


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def many(count: int, *, copies: int = 10, name: str = "n") -> list[dict[str, object]]:
    """Rows of which every ``copies``-th says what an earlier one says, also one of other units."""

    def text(at: int) -> str:
        return f"text {at} 第{at}句 " + "字@#"[at % 3] * (at % 7)

    return [
        {
            "id": f"{name}{at}",
            "text": text(at // 2 if at % copies == 0 else at),
            "label": f"l{at % 3}",
        }
        for at in range(count)
    ]


def job(folder: Path, *inputs: Path, **changes: Any) -> Job:
    files = tuple(look([str(path) for path in inputs]).files)
    given = {"columns": COLUMNS, "profile": profile(), "out": folder / "OUT", **changes}
    return Job(files, **given)


def digests(folder: Path) -> dict[str, str]:
    """Every file of an output by its digest."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(out: Path, kind: str) -> list[dict[str, Any]]:
    """The rows of a table, part after part."""
    found: list[dict[str, Any]] = []
    for path in sorted((out / kind).glob("part-*")):
        if path.suffix == ".zst":
            with pa.input_stream(str(path), compression="zstd") as source:
                lines = source.read().decode().split("\n")[:-1]
            found += [json.loads(line) for line in lines]
        else:
            found += parquet.read_table(path).to_pylist()
    return found


def names(out: Path) -> list[str]:
    return [row["id"] for row in rows(out, "documents")]
