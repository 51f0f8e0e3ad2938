"""Runs of plans; a plan makes organisations and members, so they are the operator's."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from yunhe.api.call import After, Caller, Key, Limit, PathId, page
from yunhe.api.paths import Routes
from yunhe.api.routes.operations import shown
from yunhe.api.standing import require_whole
from yunhe.client.wire import operations
from yunhe.client.wire import plans as wire
from yunhe.client.wire.shapes import Page
from yunhe.kernel.clock import iso
from yunhe.kernel.errors import Finding, Invalid
from yunhe.kernel.language import Language
from yunhe.kernel.progress import Silent
from yunhe.plans import service as plans
from yunhe.plans.domain import RunState
from yunhe.storage import operations as work
from yunhe.storage import uploads
from yunhe.storage.blobs import Blobs
from yunhe.storage.database import Transaction

routes = Routes("plans")
"""Of the plans floor."""
HTML = "text/html"
"""Media type of a report."""
_SEALED = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
_Lang = Annotated[Language | None, Query(description="Language it opens in; it holds both.")]


@routes.add("GET /v1/runs", Page[wire.Run])
async def list_runs(call: Caller, after: After = None, limit: Limit = 50) -> Page[wire.Run]:
    """Runs of plans, newest first."""
    last = call.place(after, like=(0, ""))
    found = await call.look(lambda tx: plans.run_states(tx, after=last, limit=limit + 1))
    return page(
        call, found, limit=limit, shown=_run, place=lambda each: (each.started_at_us, each.id)
    )


@routes.add("POST /v1/runs", operations.Operation, status=201)
async def create_run(call: Caller, key: Key, body: wire.NewRun) -> Response:
    """Run a plan from the uploads it and its files are in; the operation's result names the run."""
    require_whole(call)
    who, at_us, language = call.who, call.now_us(), call.facts.language
    await call.look(
        lambda tx: uploads.require(tx, who.organisation, [body.plan, *body.files.values()])
    )
    await call.apart(lambda: _require_runnable(call.runtime.storage.blobs, body))

    def make(tx: Transaction, name: str) -> operations.Operation:
        uploads.require(tx, who.organisation, [body.plan, *body.files.values()])
        made = work.create(
            tx,
            kind="plans.run",
            key=name,
            organisation=who.organisation,
            member=who.member,
            payload=body.model_dump(exclude_none=True),
            at_us=at_us,
        )
        return shown(made, language)

    return await call.create(key, body, make)


@routes.add("GET /v1/runs/{run}", wire.Run)
async def get_run(call: Caller, run: PathId) -> wire.Run:
    """One run as it stands."""
    return _run(await call.look(lambda tx: plans.run_state(tx, run)))


@routes.add("GET /v1/runs/{run}/report", produces=HTML)
async def get_run_report(call: Caller, run: PathId, lang: _Lang = None) -> Response:
    """What a run did and what proves it, as a page that needs nothing else."""
    await call.look(lambda tx: plans.run_state(tx, run))
    language = lang or call.facts.language

    def write() -> bytes:
        found = plans.reopen(call.runtime.platform.equipment(), run, Silent())
        return plans.page_of(found, language=language)

    headers = {"content-security-policy": _SEALED, "content-language": language}
    return Response(await call.apart(write), headers=headers, media_type=HTML)


def _require_runnable(blobs: Blobs, body: wire.NewRun) -> None:
    """Return when the plan is one and its files came with it, which a worker checks again.

    Errors: `Invalid` ``plans.invalid``, ``operations.plan_files``, each with all findings.
    """
    if sum(map(len, islice(blobs.stream(body.plan), 2))) > plans.PLAN_BYTES_MAX:
        raise Invalid("storage.too_large", bytes_max=plans.PLAN_BYTES_MAX)
    raw = blobs.read(body.plan)
    wanted = [*plans.files_of(raw), *([body.input] if body.input else [])]
    findings = [
        Finding("plan", "operations.plan_file_missing", (("name", name[:80]),))
        for name in dict.fromkeys(wanted)
        if name not in body.files
    ]
    if findings:
        raise Invalid("operations.plan_files", findings=findings)
    judged_by = plans.keywords_of(raw)
    with TemporaryDirectory(prefix="yunhe-plan-") as folder:
        path = Path(folder)
        (path / "plan.yaml").write_bytes(raw)
        if judged_by is not None:
            target = (path / judged_by).resolve()
            if not target.is_relative_to(path.resolve()) or target.name == "plan.yaml":
                raise Invalid("operations.payload_invalid", field=f"files.{judged_by[:40]}")
            target.parent.mkdir(parents=True, exist_ok=True)
            blobs.fetch(body.files[judged_by], target)
        try:
            plans.checked(path)
        except Invalid as error:
            raise _without_folder(error, folder) from None


def _without_folder(error: Invalid, folder: str) -> Invalid:
    """The same fault, with places as the sender knows them."""
    findings = [
        Finding(each.where.removeprefix(f"{folder}/"), each.code, each.params)
        for each in error.findings
    ]
    return Invalid("plans.invalid", path="plan.yaml", count=len(findings), findings=findings)


def _run(found: RunState) -> wire.Run:
    return wire.Run(
        id=found.id,
        plan=found.plan,
        plan_digest=found.plan_digest,
        stages=list(found.stages),
        started_at=iso(found.started_at_us),
        finished_at=None if found.finished_at_us is None else iso(found.finished_at_us),
        passed=found.passed,
    )
