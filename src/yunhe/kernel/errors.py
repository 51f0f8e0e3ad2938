"""Six kinds of error; each leaf has a stable code, parameters, findings and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from yunhe.kernel.language import Language, text

Parameter = str | int


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault in an input, with the place where it was found."""

    where: str
    """A field path, ``file:line:column``, or a row number: whatever leads a person there."""
    code: str
    """Key of the sentence in the locale files, e.g. ``plans.unknown_key``."""
    params: tuple[tuple[str, Parameter], ...] = ()
    """Values the sentence needs."""

    def message(self, language: Language) -> str:
        """The finding as one sentence for a person."""
        return f"{self.where}: {text(self.code, language, **dict(self.params))}"


class YunheError(Exception):
    """What every floor raises for an expected failure; never a bare string."""

    status = 500
    """HTTP status of the kind."""
    exit_code = 70
    """Exit status of the command line for the kind."""
    kind = "error"
    """Name of the kind in machine-readable output."""

    def __init__(
        self,
        code: str,
        *,
        findings: Sequence[Finding] = (),
        retryable: bool = False,
        **params: Parameter,
    ) -> None:
        """``code`` names two sentences in the locale files: ``<code>`` (what) and ``<code>.do``."""
        self.code = code
        self.params = params
        self.findings = tuple(findings)
        self.retryable = retryable
        super().__init__(code, params)

    def __str__(self) -> str:
        return self.message("en")

    def message(self, language: Language) -> str:
        """What happened, every finding, and what to do next."""
        lines = [text(self.code, language, **self.params)]
        lines += [f"  - {finding.message(language)}" for finding in self.findings]
        lines.append(text(f"{self.code}.do", language, **self.params))
        return "\n".join(line for line in lines if line)

    def as_json(self, language: Language) -> dict[str, object]:
        """The one error shape of the API and of ``--json``."""
        return {
            "kind": self.kind,
            "code": self.code,
            "message": text(self.code, language, **self.params),
            "do": text(f"{self.code}.do", language, **self.params),
            "params": dict(self.params),
            "findings": [
                {"where": f.where, "code": f.code, "message": f.message(language)}
                for f in self.findings
            ],
            "retryable": self.retryable,
        }


class Invalid(YunheError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    status, exit_code, kind = 422, 65, "invalid"


class NotAllowed(YunheError):
    """The actor may not do this, or the thing is in a state that forbids it to everyone."""

    status, exit_code, kind = 403, 77, "not_allowed"


class NotFound(YunheError):
    """No such thing, or none the actor may know of."""

    status, exit_code, kind = 404, 66, "not_found"


class Conflict(YunheError):
    """Somebody else changed or holds the thing."""

    status, exit_code, kind = 409, 75, "conflict"


class Exhausted(YunheError):
    """A budget, quota or capacity is used up."""

    status, exit_code, kind = 429, 69, "exhausted"


class Unavailable(YunheError):
    """Something this depends on is not there now: a disk, a server, a clock."""

    status, exit_code, kind = 503, 74, "unavailable"
