"""What a check is given, and what it says."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from yunhe.app import Platform
from yunhe.kernel.errors import NotFound, Parameter, YunheError
from yunhe.kernel.language import Language, text
from yunhe.settings import Settings
from yunhe.storage import upgrade

State = Literal["ok", "warning", "failed", "skipped"]
"""All is well; it will do, for now; it will not do; it could not be looked at."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one check says."""

    state: State
    """How it is."""
    code: str
    """Key of the sentence, and with ``.do`` of what to do about it."""
    params: Mapping[str, Parameter] = field(default_factory=dict)
    """Values of the sentence."""
    error: YunheError | None = None
    """The error that was met, when there was one."""

    def message(self, language: Language) -> str:
        """What was found."""
        return text(self.code, language, **self.params)

    def advice(self, language: Language) -> str:
        """What to do; empty where there is nothing to be done."""
        return text(f"{self.code}.do", language, **self.params)


def fine(code: str, **params: Parameter) -> Found:
    """All is well."""
    return Found("ok", code, params)


def warning(code: str, **params: Parameter) -> Found:
    """It works, but should not stay so."""
    return Found("warning", code, params)


def failed(code: str, **params: Parameter) -> Found:
    """It does not work, or is not safe."""
    return Found("failed", code, params)


def skipped(code: str, **params: Parameter) -> Found:
    """It was not looked at, and why."""
    return Found("skipped", code, params)


def of_error(error: YunheError, *, state: State = "failed") -> Found:
    """What an error says, as a finding."""
    return Found(state, error.code, error.params, error)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at; looking changes nothing."""

    settings: Settings
    """What the operator chose."""
    platform: Platform
    """Not made ready: nothing is created, upgraded or swept; its database may not be there."""
    environment: Mapping[str, str] = field(repr=False)
    """Variables of the process; some hold secrets."""
    deep: bool = False
    """Whether checks may read everything there is."""

    def tables(self) -> Platform:
        """The platform, when its tables are there and of this version.

        Errors: `NotFound` ``operations.doctor.no_tables``, which skips a check that needs them.
        """
        if not self.embedded_missing():
            try:
                if upgrade.revision(self.platform.storage.database) == upgrade.HEAD:
                    return self.platform
            except YunheError:  # the check of the database says it better
                pass
        raise NotFound("operations.doctor.no_tables")

    def embedded_missing(self) -> bool:
        """Whether the database is a file that is not there; opening it would make it."""
        path = self.settings.database_path()
        return not self.settings.database_url and not path.is_file()


Check = Callable[[Subject], Iterator[Found]]
"""Looks at one thing; an error it raises is what it found."""


def private(path: Path) -> bool:
    """Whether only its owner can read the file."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
