"""``plans.run``: the whole chain from an uploaded plan and the files it names.

Payload: ``plan`` (digest of the plan's text), ``files`` (digest by the name the plan uses), and
optionally ``input`` (which of the files takes the place of the plan's input), ``text``, ``label``,
``id`` (columns). Result: ``run``, ``ok`` (gate passed, chain verified), ``reports`` (digest of the
page by language), ``answer`` and ``receipt`` (digest) once there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from yunhe.app import Platform
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, JsonObject
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import LANGUAGES
from yunhe.kernel.progress import Halt, Progress, Stopped
from yunhe.operations.task import Task, folder_of, payload_invalid
from yunhe.plans import service as plans
from yunhe.storage import uploads

FILES_MAX = 20
"""Files one plan may come with."""
NAME_LETTERS_MAX = 200
"""Letters of a file's name."""


def run_plan(
    platform: Platform, task: Task, *, progress: Progress, halt: Callable[[], Halt]
) -> JsonObject:
    """Run it; one that was interrupted goes on with the first stage that is not done.

    A plan makes members and lets them act in every role, so only an operator may ask for one.
    Errors: `NotAllowed` ``identity.role_missing``; `NotFound` ``storage.upload_unknown``; `Invalid`
    ``operations.payload_invalid``, ``operations.plan_files``; whatever a stage refuses.
    """
    files = _files(task)
    with platform.storage.database.read() as tx:
        identity.require(tx, task.operation.member, "operator")
        digests = [task.text("plan"), *files.values()]
        uploads.require(tx, task.operation.organisation, digests)
    equipment = replace(platform.equipment(), halt=halt)
    with folder_of(platform.settings.home, task) as folder:
        path = _lay_out(platform, task, files=files, folder=folder)
        prepared = plans.prepare(equipment, path, _source(task, folder), progress)
        try:
            passed = plans.execute(prepared)
        except Stopped:
            if halt() == "cancel":
                plans.abandon(prepared)
            raise
        return _result(platform, prepared, passed=passed, folder=folder)


def _files(task: Task) -> Mapping[str, str]:
    files = task.payload.get("files", {})
    if not isinstance(files, Mapping) or len(files) > FILES_MAX:
        raise payload_invalid("files")
    for name, digest in files.items():
        if not isinstance(digest, str) or not _harmless(name):
            raise payload_invalid(f"files.{name[:40]}")
    return {name: str(digest) for name, digest in files.items()}


def _harmless(name: str) -> bool:
    """Whether a file of that name lies within the folder it is put into."""
    parts = PurePosixPath(name).parts
    plain = all(letter.isprintable() for letter in name) and "\\" not in name
    return (
        plain
        and 0 < len(name) <= NAME_LETTERS_MAX
        and bool(parts)
        and not name.startswith("/")
        and not {"..", "plan.yaml"} & set(parts)
    )


def _lay_out(platform: Platform, task: Task, *, files: Mapping[str, str], folder: Path) -> Path:
    """The plan with its files beside it.

    A plan could name any file of this machine, so each that it names must have come with it.
    """
    blobs = platform.storage.blobs
    path = blobs.fetch(task.text("plan"), folder / "plan.yaml")
    replaced = task.optional("input")
    wanted = [*plans.files_of(path.read_bytes()), *([replaced] if replaced else [])]
    findings = [
        Finding("plan", "operations.plan_file_missing", (("name", name[:80]),))
        for name in dict.fromkeys(wanted)
        if name not in files
    ]
    if findings:
        raise Invalid("operations.plan_files", findings=findings)
    for name, digest in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        blobs.fetch(digest, target)
    return path


def _source(task: Task, folder: Path) -> plans.Source | None:
    name = task.optional("input")
    columns = [task.optional(column) for column in ("text", "label", "id")]
    if name is None:
        if any(columns):
            raise payload_invalid("input")
        return None
    text, label, own_id = columns
    return plans.Source(folder / name, None, text or "", label, own_id)


def _result(
    platform: Platform, prepared: plans.Run, *, passed: bool, folder: Path
) -> dict[str, Json]:
    reports: dict[str, Json] = {}
    holds = True
    for language in LANGUAGES:
        page = folder / f"report.{language}.html"
        outcome = plans.write_outcome(prepared, language=language, page=page)
        reports[language] = platform.storage.blobs.put_file(page).digest
        holds = outcome.facts["verified"] is not False
    result: dict[str, Json] = {"run": prepared.id, "ok": passed and holds, "reports": reports}
    if "serving" in prepared.results:
        result |= {
            "answer": prepared.left("serving", "answer"),
            "receipt": prepared.left("serving", "receipt"),
        }
    return result
