"""Every setting, declared once: key, default, unit and meaning; validated at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from yunhe.kernel.errors import Finding, Invalid

NOT_SETTINGS = frozenset({"YUNHE_TRACE"})
"""Variables of the same prefix for developers: YUNHE_TRACE shows the trace of a fault of ours."""
PREFIX = "YUNHE_"
"""Environment variables are the setting's name in capitals after this."""


class Settings(BaseModel):
    """What an operator chooses; read from the environment, overridden by command-line options.

    What each setting means stands in the locale files under ``settings.<name>``, in both languages,
    so that `yunhe settings` and docs/settings.md say the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Path(".yunhe")
    database_url: str = ""
    origin: str = Field(default="yunhe.local/log", pattern=r"^[A-Za-z0-9][A-Za-z0-9./_-]{0,99}$")
    checkpoints: str = ""
    threads: int = Field(default=0, ge=0, le=256)
    isolation: str = Field(default="auto", pattern=r"^(auto|bubblewrap|approved)$")

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
        elif name.startswith(PREFIX) and name not in NOT_SETTINGS:
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
