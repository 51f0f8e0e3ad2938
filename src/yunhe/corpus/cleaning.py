"""The door for cleansing without a platform: what `yunhe clean` asks of this floor.

Neither this module nor what it needs touches a database, a home folder or the network.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from yunhe.corpus.domain import Columns, Profile
from yunhe.corpus.inputs import Found, look
from yunhe.corpus.profiles import built_in, parse
from yunhe.kernel.canonical import JsonObject
from yunhe.kernel.errors import Invalid, NotFound
from yunhe.kernel.language import Language
from yunhe.kernel.progress import Progress

if TYPE_CHECKING:
    from yunhe.corpus.explaining import StepTold, Tried
    from yunhe.corpus.running.job import Done
    from yunhe.corpus.statistics import Statistics

_PROFILE_ENDINGS = (".yaml", ".yml")
_PROFILE_BYTES_MAX = 1 << 20
_GIGABYTE = 1 << 30
_SIZES = {"": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": _GIGABYTE}
_DIGITS_MAX = 24
MEMORY_BYTES_LEAST = 256 << 20
"""Less than this a run cannot keep to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One cleansing, as somebody asks for it."""

    inputs: tuple[str, ...]
    """Files, folders, patterns, ``-``, prefixes of a bucket."""
    input_format: str | None
    """Of standard input and of files whose ending does not say it."""
    columns: Columns
    """Which columns hold what."""
    profile: str
    """Name of a built-in profile, or a YAML file."""
    out: Path
    """The folder that appears."""
    format: Literal["parquet", "jsonl.zst"] = "parquet"
    """Of the released documents."""
    threads: int = 1
    """Threads on this machine."""
    ray: str | None = None
    """``local`` or an address, or None for threads."""
    memory: str = "2GB"
    """What a run keeps to."""
    rejects: tuple[Path, date] | None = None
    """File with the key that what is dropped is encrypted with, and until when it may be kept."""
    source: Mapping[str, str | bool] | None = None
    """Name, holder, licence of the source, for the manifest."""


def found(asked: Asked) -> Found:
    """The files; see `look`."""
    return look(asked.inputs, format=asked.input_format)


def profile_of(given: str) -> Profile:
    """A built-in profile by its name, or one in a file.

    Errors: `NotFound` ``corpus.profile_file_missing``; those of `built_in` and `parse`.
    """
    if not given.endswith(_PROFILE_ENDINGS) and "/" not in given:
        return built_in(given)
    path = Path(given)
    try:
        data = path.read_bytes()[: _PROFILE_BYTES_MAX + 1]
        text = data.decode()
    except OSError as error:
        raise NotFound(
            "corpus.profile_file_missing", where=given, reason=error.strerror or ""
        ) from None
    except UnicodeDecodeError:
        text = "\0"  # no YAML, and told so with its name
    if len(text) > _PROFILE_BYTES_MAX:
        text = "\0"
    return parse(text, where=path.name)


def cleanse(asked: Asked, there: Found, *, progress: Progress) -> Done:
    """Cleanse what was found into the folder asked for.

    Errors: those of the engine and of `profile_of`; `Invalid` ``corpus.memory_wrong``.
    """
    memory = bytes_of(asked.memory)
    profile = profile_of(asked.profile)
    from yunhe.corpus.engine import run  # noqa: PLC0415 (numba and Arrow: a second)
    from yunhe.corpus.running.job import Job, RejectsKey  # noqa: PLC0415 (the same)

    rejects = None
    if asked.rejects is not None:
        rejects = RejectsKey(*asked.rejects)
    job = Job(
        inputs=tuple(there.files),
        columns=asked.columns,
        profile=profile,
        out=asked.out,
        format=asked.format,
        threads=asked.threads,
        ray=asked.ray,
        memory_bytes_max=memory,
        rejects=rejects,
        source=dict(asked.source or {}),
    )
    return run(job, progress=progress)


def write_datasheet(out: Path, language: Language) -> Path:
    """Write ``datasheet.html`` and ``croissant.json`` into an output folder; the page's path.

    Errors: `NotFound` ``corpus.sheet_missing``; `Unavailable` when the disk refuses.
    """
    from yunhe.corpus.datasheet import writing  # noqa: PLC0415 (templates and Arrow)
    from yunhe.corpus.running.folder import disk  # noqa: PLC0415 (the same)

    with disk(out):
        return writing.write(out, language)


def traced(out: Path, document: str) -> JsonObject:
    """Where a document of an output is from and what was decided about it; see `tracing.trace`.

    Errors: `NotFound` ``corpus.document_unknown``, ``corpus.out_missing``.
    """
    from yunhe.corpus.running.tracing import trace  # noqa: PLC0415 (numba and Arrow: a second)

    return trace(out, document)


def counted(out: Path) -> Statistics:
    """What a finished run counted, from its folder."""
    from yunhe.corpus.statistics import Statistics  # noqa: PLC0415 (loaded by then)

    return Statistics.of_json(json.loads((out / "statistics.json").read_text("utf-8")))


def pipeline_digest(done: Done) -> str:
    """The name of the pipeline that made an output."""
    pipeline = done.manifest["pipeline"]
    return str(pipeline["digest"]) if isinstance(pipeline, dict) else ""


def columns_left_out(done: Done) -> list[str]:
    """Names of the inputs' columns that nobody asked for; "…" where there are more."""
    said = done.manifest.get("columns_left_out")
    if not isinstance(said, Mapping) or not isinstance(names := said["names"], list):
        return []
    return [*map(str, names), *(["…"] if said["others"] else [])]


def told(asked: Asked) -> tuple[Profile, tuple[StepTold, ...], str]:
    """The profile, its steps, and the pipeline's digest; see `explaining.told`."""
    from yunhe.corpus import explaining  # noqa: PLC0415 (numba and Arrow: a second)

    profile = profile_of(asked.profile)
    return profile, *explaining.told(profile)


def tried(asked: Asked, there: Found, *, documents: int) -> Iterator[Tried]:
    """What becomes of the first documents; see `explaining.tried`."""
    from yunhe.corpus import explaining  # noqa: PLC0415 (numba and Arrow: a second)

    profile = profile_of(asked.profile)
    return explaining.tried(there.files, asked.columns, profile, documents=documents)


def compile_kernels(step: Callable[[int, int, str], None]) -> int:
    """Compile whatever is not compiled yet; see `kernels.compiled.compile_all`."""
    from yunhe.native.compiled import compile_all  # noqa: PLC0415 (numba: a second)

    return compile_all(step)


def bytes_of(memory: str) -> int:
    """``2GB``, ``512MB`` or a number of bytes.

    Errors: `Invalid` ``corpus.memory_wrong``, also when it is less than `MEMORY_BYTES_LEAST`.
    """
    bare = memory.strip().upper().replace(" ", "")
    unit = next((unit for unit in ("KB", "MB", "GB") if bare.endswith(unit)), "")
    number = bare.removesuffix(unit)
    whole, _, part = number.partition(".")
    plain = whole.isdigit() and (part or "0").isdigit() and number.isascii()
    if not plain or len(number) > _DIGITS_MAX:
        raise Invalid("corpus.memory_wrong", given=memory[:32])
    size = int(whole) * _SIZES[unit] + (int(part) * _SIZES[unit] // 10 ** len(part) if part else 0)
    if size < MEMORY_BYTES_LEAST:
        raise Invalid("corpus.memory_wrong", given=memory[:32])
    return size
