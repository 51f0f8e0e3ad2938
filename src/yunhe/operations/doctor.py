"""Looks over an installation and says, check by check, what is wrong and how to mend it.

Looking changes nothing: no folder is made, no schema brought up to date, no mail sent. To add a
check, write a function in the module of its subject under `operations.checks` and name it in that
module's ``CHECKS``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yunhe.app import guard, look_into
from yunhe.kernel.clock import Clock
from yunhe.kernel.errors import Unavailable, YunheError
from yunhe.kernel.language import Language
from yunhe.operations.checks import (
    accelerators,
    choices,
    databases,
    machine,
    network,
    people,
    places,
    records,
    running,
)
from yunhe.operations.checks.findings import Check, Found, Subject, failed, of_error
from yunhe.settings import Settings

GROUPS: Mapping[str, Mapping[str, Check]] = {
    "home": places.CHECKS,
    "storage": databases.CHECKS,
    "records": records.CHECKS,
    "running": running.CHECKS,
    "people": people.CHECKS,
    "machine": {**machine.CHECKS, **accelerators.CHECKS},
    "settings": choices.CHECKS,
    "network": network.CHECKS,
}
"""Every check, by subject, in the order they are told."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing a check said."""

    group: str
    """Its subject."""
    check: str
    """Its name."""
    found: Found
    """What it said."""

    def as_json(self, language: Language) -> dict[str, object]:
        """For programs."""
        return {
            "group": self.group,
            "check": self.check,
            "state": self.found.state,
            "code": self.found.code,
            "message": self.found.message(language),
            "do": self.found.advice(language),
        }


def examine(
    settings: Settings,
    *,
    deep: bool = False,
    environment: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
) -> Iterator[Line]:
    """Every finding, as soon as it is known. Errors: none for what is wrong with the installation.

    Cost: seconds; with ``deep`` every record, entry and artefact is read.
    """
    try:
        with look_into(_openable(settings), clock) as platform:
            subject = Subject(settings, platform, environment, deep=deep)
            for group, checks in GROUPS.items():
                for name, check in checks.items():
                    for found in _asked(check, subject):
                        yield Line(group, name, found)
    except YunheError as error:  # settings from which no platform can be built at all
        yield Line("settings", "platform", of_error(error))


def healthy(lines: Sequence[Line]) -> bool:
    """Whether nothing failed; warnings are none."""
    return all(line.found.state != "failed" for line in lines)


def _openable(settings: Settings) -> Settings:
    """The settings without what a check says better than a start that fails."""
    try:
        guard(settings)
    except YunheError:
        return settings.model_copy(update={"outbound_allow": ""})
    return settings


def _asked(check: Check, subject: Subject) -> Iterator[Found]:
    try:
        yield from check(subject)
    except YunheError as error:
        skips = error.code == "operations.doctor.no_tables"
        yield of_error(error, state="skipped" if skips else "failed")
    except OSError as error:
        said = error.strerror or type(error).__name__
        yield failed("operations.doctor.unreadable", said=said)
    except Exception as error:  # noqa: BLE001 (one broken check must not hide the others)
        said = type(error).__name__
        yield of_error(Unavailable("operations.check_broken", said=said))
