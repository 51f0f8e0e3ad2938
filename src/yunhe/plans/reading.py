"""Reads a plan file; every fault is reported at once with its line and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from yunhe.client.marked_yaml import Place, read
from yunhe.kernel.errors import Finding, Invalid, NotFound
from yunhe.plans.checking import faults
from yunhe.plans.domain import Plan
from yunhe.storage.blobs import explain_os_error

PLAN_BYTES_MAX = 1 << 20
"""A plan is written by a person; more than this is not one."""


def read_plan(path: Path) -> Plan:
    """The plan in ``path``.

    Errors: `NotFound` ``plans.no_file``; `Invalid` ``plans.invalid`` with one finding per fault,
    each at ``file:line:column``.
    """
    try:
        if not path.is_file():  # a pipe would be waited for, a folder cannot be read
            raise NotFound("plans.no_file", path=str(path))
        with path.open("rb") as handle:
            raw = handle.read(PLAN_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound("plans.no_file", path=str(path)) from None
    except OSError as error:
        raise explain_os_error(error, path) from error
    return parse_plan(raw, path)


def parse_plan(raw: bytes, path: Path, *, meaning: bool = True) -> Plan:
    """The plan in these bytes; ``path`` is what findings call them. Errors: as `read_plan`.

    ``meaning=False`` looks at the shape only: for a stored plan that was checked when it ran.
    """
    if len(raw) > PLAN_BYTES_MAX:
        raise _invalid(path, [Finding(str(path), "plans.too_large")])
    try:
        source = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _invalid(path, [Finding(f"{path}:{line}", "plans.not_utf8")]) from None
    return _parse(source, path, meaning=meaning)


def _parse(source: str, path: Path, *, meaning: bool) -> Plan:
    try:
        found = read(source)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = _where(path, mark)
        problem = " ".join(part for part in (error.problem, error.context) if part)
        finding = Finding(where, "plans.yaml_broken", (("problem", problem),))
        raise _invalid(path, [finding]) from None
    except RecursionError:
        raise _invalid(path, [Finding(str(path), "plans.too_deep")]) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # A character YAML forbids, or a date or number that is none.
        problem = str(error).splitlines()[0][:200]
        finding = Finding(str(path), "plans.yaml_broken", (("problem", problem),))
        raise _invalid(path, [finding]) from None
    findings = [
        Finding(_where(path, mark), "plans.key_twice", (("key", key),)) for key, mark in found.twice
    ]
    value = found.value
    if not isinstance(value, dict):
        raise _invalid(path, [Finding(f"{path}:1:1", "plans.not_mapping")])
    marks = found.values | {(*place, ""): mark for place, mark in found.keys.items()}
    try:
        plan = Plan.model_validate(value)
    except ValidationError as error:
        findings += [_finding(path, marks, item) for item in error.errors(include_url=False)]
    else:
        findings += [
            Finding(_where(path, marks.get(field)), "plans.name_unknown", (("name", name),))
            for field, name in plan.unresolved()
        ]
        if (
            meaning and not findings
        ):  # names must stand for somebody before their meaning can be looked at
            findings += [
                Finding(_nearest(path, marks, fault.place), fault.code, fault.params)
                for fault in faults(plan, path.parent)
            ]
    if findings:
        raise _invalid(path, findings)
    return plan


def _invalid(path: Path, findings: Sequence[Finding]) -> Invalid:
    return Invalid("plans.invalid", path=str(path), count=len(findings), findings=findings)


def _where(path: Path, mark: yaml.Mark | None) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)


def _nearest(path: Path, marks: Mapping[Place, yaml.Mark], place: Place) -> str:
    """Where the value stands; for one that is missing, where its parent does."""
    while place and place not in marks:
        place = place[:-1]
    return _where(path, marks.get(place))


_CODES = {
    "extra_forbidden": "plans.unknown_key",
    "missing": "plans.missing_key",
    "greater_than_equal": "plans.too_small",
    "less_than_equal": "plans.too_big",
    "literal_error": "plans.not_one_of",
    "int_type": "plans.not_integer",
    "int_parsing": "plans.not_integer",
    "int_from_float": "plans.not_integer",
    "string_type": "plans.not_text",
    "string_pattern_mismatch": "plans.pattern",
    "decimal_parsing": "plans.not_decimal",
    "decimal_type": "plans.not_decimal",
    "bool_type": "plans.not_boolean",
    "bool_parsing": "plans.not_boolean",
}
_LIMITS = ("ge", "le", "expected", "pattern")


def _finding(path: Path, marks: Mapping[Place, yaml.Mark], item: ErrorDetails) -> Finding:
    loc: Place = tuple(item["loc"])
    kind = item["type"]
    field = ".".join(str(part) for part in loc)
    where = (
        _where(path, marks.get((*loc, "")))
        if kind == "extra_forbidden"
        else _nearest(path, marks, loc)
    )
    limit = next((str(item["ctx"][name]) for name in _LIMITS if name in item.get("ctx", {})), "")
    params = (("field", field), ("problem", item["msg"]), ("limit", limit))
    return Finding(where, _CODES.get(kind, "plans.bad_value"), params)
