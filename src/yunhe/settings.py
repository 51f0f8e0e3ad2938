"""Every setting, declared once: key, default, unit and meaning; validated at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunhe.kernel.errors import Finding, Invalid

PREFIX = "YUNHE_"
"""Environment variables are the setting's name in capitals after this."""


class Settings(BaseModel):
    """What an operator chooses; read from the environment, overridden by command-line options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(
        default=Path(".yunhe"),
        description="Folder with the database, the artefacts, the keys and the reports.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy address of the database; empty: SQLite in the home folder.",
    )
    origin: str = Field(
        default="yunhe.local/log",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,99}$",
        description="Name of this operator's custody log, part of every checkpoint.",
    )
    checkpoints: str = Field(
        default="",
        description=(
            "Second place for checkpoints: a file, or git+<repository>; "
            "empty: witness/checkpoints.txt beside the home folder's database."
        ),
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="Threads for bulk text work; 0: one per processor."
    )
    isolation: str = Field(
        default="auto",
        pattern=r"^(auto|bubblewrap|approved)$",
        description=(
            "How workloads are kept apart: bubblewrap, approved (only approved entry points run), "
            "or auto: bubblewrap where it works."
        ),
    )

    def database_path(self) -> Path:
        """The SQLite file used when no address is set."""
        return self.home / "yunhe.db"


def from_environment(environment: Mapping[str, str] = os.environ, **given: object) -> Settings:
    """The settings; ``given`` (not None) wins over the environment.

    Errors: `Invalid` ``settings.invalid`` with one finding for every unknown or wrong variable.
    """
    values: dict[str, object] = {}
    findings = []
    for name, value in environment.items():
        key = name.removeprefix(PREFIX).lower()
        if key in Settings.model_fields and name.startswith(PREFIX):
            values[key] = value
        elif name.startswith(PREFIX):
            findings.append(Finding(name, "settings.unknown"))
    values.update({key: value for key, value in given.items() if value is not None})
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        findings += [
            Finding(
                PREFIX + str(item["loc"][0]).upper(), "settings.bad", (("problem", item["msg"]),)
            )
            for item in error.errors(include_url=False)
        ]
    if findings:
        raise Invalid("settings.invalid", count=len(findings), findings=findings)
    return settings
