"""Messages about runs of plans."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from yunhe.client.wire.shapes import Digest, Id, Sent, Shown, Text, Time

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

FileName = Annotated[
    str, StringConstraints(pattern=r"^[^/\\\x00-\x1f][^\\\x00-\x1f]*$", max_length=200)
]
"""Name of a file as a plan names it, relative to the plan."""


class NewRun(Sent):
    """A plan to be run with the files it names, all of them uploads of one's own organisation."""

    plan: Digest
    """The plan's text."""
    files: dict[FileName, Digest] = Field(default={}, max_length=20)
    """Every file the plan names, by that name."""
    input: FileName | None = None
    """Which of the files takes the place of the plan's input."""
    text: Text | None = Field(default=None, min_length=1, max_length=200)
    """Its column of documents; null: as in the plan."""
    label: Text | None = Field(default=None, min_length=1, max_length=200)
    """Its column of classes; likewise."""
    id: Text | None = Field(default=None, min_length=1, max_length=200)
    """Its column of ids; likewise."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"plan": _DIGEST, "files": {"tickets.jsonl": _DIGEST}}}
    )


class Run(Shown):
    """One execution of a plan on one input."""

    id: Id
    """The same plan and input again are the same run."""
    plan: str
    """The plan's name."""
    plan_digest: str
    """The plan's text."""
    stages: list[str]
    """The stages that are done, in order."""
    started_at: Time
    """When it was first started."""
    finished_at: Time | None
    """When its last stage finished, or its gate stopped it; null while it runs."""
    passed: bool | None
    """Whether everything was found in order; null until it is finished."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "run_q9xj4c8t3r6w0h1ab7v1k0e5m2",
                "plan": "hotline",
                "plan_digest": _DIGEST,
                "stages": ["people", "corpus", "exchange"],
                "started_at": "2026-11-22T09:30:00.000000Z",
                "finished_at": None,
                "passed": None,
            }
        }
    )
