"""Reads the YAML file that describes a workload; every fault at once, each with its line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import cast

import yaml

from yunhe.client import marked_yaml
from yunhe.kernel.errors import Finding, Invalid, NotFound

SPEC_BYTES_MAX = 1 << 20
"""Largest description."""
_REFERENCE = 1_000
_Place = marked_yaml.Place
_ELASTIC = {"min": "replicas_min", "max": "replicas"}
_ELSEWHERE: Mapping[str, tuple[_Place, ...]] = {
    "substitutes": (("chips",),),
    "chip": (("chips",),),
    "replicas": (("elastic", "max"), ("elastic",)),
    "replicas_min": (("elastic", "min"), ("elastic",)),
    "devices": (("replicas",), ("elastic",)),
}
"""Where a field may have been said in other words."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a file says, and where in it."""

    path: Path
    """The file."""
    said: dict[str, object]
    """As a message to the server wants it, but for its folder and inputs, which are paths yet."""
    marks: Mapping[_Place, str] = field(default_factory=dict)
    """``file:line:column`` of each value."""
    findings: tuple[Finding, ...] = ()
    """What is wrong already."""

    def where(self, place: str) -> str:
        """Where a field of the message stands in the file, and its name."""
        place = place.removeprefix("body.")
        names = tuple(int(part) if part.isdecimal() else part for part in place.split("."))
        tries: list[_Place] = [names[:length] for length in range(len(names), 0, -1)]
        if names[0] == "substitutes":
            tries.insert(1, ("chips", *names[1:]))
        tries += _ELSEWHERE.get(str(names[0]), ())
        for each in tries:
            if each in self.marks:
                return f"{self.marks[each]}: {place}"
        return f"{self.path}: {place}"

    def refuse(self, findings: Sequence[Finding]) -> None:
        """Raise all that is wrong, or return when nothing is.

        Errors: `Invalid` ``cli.spec_invalid``.
        """
        every = [*self.findings, *findings]
        if every:
            raise Invalid("cli.spec_invalid", path=str(self.path), findings=every)


def read(path: Path, changes: Sequence[str] = ()) -> Described:
    """The description in a file, with ``field=value`` changes made to it.

    Errors: `NotFound` ``cli.no_file``; `Invalid` ``cli.spec_invalid`` when it is no YAML mapping.
    """
    if not path.is_file():
        raise NotFound("cli.no_file", path=str(path))
    with path.open("rb") as source:
        raw = source.read(SPEC_BYTES_MAX + 1)
    if len(raw) > SPEC_BYTES_MAX:
        raise _broken(path, Finding(str(path), "cli.spec_large", (("most", SPEC_BYTES_MAX),)))
    found = _parsed(path, raw)
    if not isinstance(found.value, dict):
        raise _broken(path, Finding(f"{path}:1:1", "cli.spec_no_object"))
    said = {str(name): each for name, each in found.value.items()}
    _as_written(said, found.numbers)
    marks = {place: _at(path, mark) for place, mark in (found.values | found.keys).items()}
    findings = [
        Finding(_at(path, mark), "cli.spec_twice", (("key", key),)) for key, mark in found.twice
    ]
    for change in changes:
        findings += _changed(said, change)
    findings += _plain(said, marks, str(path))
    return Described(path, said, marks, tuple(findings))


def _parsed(path: Path, raw: bytes) -> marked_yaml.Marked:
    try:
        return marked_yaml.read(raw.decode("utf-8-sig"))
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = _at(path, mark) if mark else str(path)
        raise _broken(path, Finding(where, "cli.spec_not_yaml")) from None


def _as_written(said: dict[str, object], numbers: Mapping[_Place, str]) -> None:
    """Numbers among the words of a command and in variables, as somebody wrote them."""
    for place, written in numbers.items():
        inside = said.get(str(place[0])) if len(place) == 2 else None
        if place[:1] == ("command",) and isinstance(inside, list):
            inside[cast("int", place[1])] = written
        elif place[:1] == ("environment",) and isinstance(inside, dict) and place[1] in inside:
            inside[place[1]] = written


def _broken(path: Path, finding: Finding) -> Invalid:
    return Invalid("cli.spec_invalid", path=str(path), findings=[finding])


def _at(path: Path, mark: yaml.Mark) -> str:
    return f"{path}:{mark.line + 1}:{mark.column + 1}"


def _changed(said: dict[str, object], change: str) -> list[Finding]:
    """Make a change such as ``arguments.seed=7``; its value is read as YAML."""
    name, sign, value = change.partition("=")
    places = name.split(".")
    inside: object = said
    for place in places[:-1]:
        inside = cast("dict[str, object]", inside).setdefault(place, {})
        if not isinstance(inside, dict):
            return [Finding(f"--set {name}", "cli.spec_set")]
    try:
        found = yaml.safe_load(value)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        return [Finding(f"--set {name}", "cli.spec_not_yaml")]
    if not sign or not all(places):
        return [Finding(f"--set {name}", "cli.spec_set")]
    if places[0] == "environment" and type(found) is int:  # as it is written
        found = value.strip()
    cast("dict[str, object]", inside)[places[-1]] = found
    return []


def _plain(said: dict[str, object], marks: Mapping[_Place, str], path: str) -> list[Finding]:
    """Say in the message's words what people may say more shortly."""
    wrong = [*_chips(said), *_elastic(said), *_command(said), *_deadline(said)]
    environment = said.get("environment")
    if isinstance(environment, dict):  # a number is meant as it is written
        said["environment"] = {
            name: str(one) if type(one) is int else one for name, one in environment.items()
        }
    return [Finding(f"{marks.get((place,), path)}: {place}", code) for place, code in wrong]


def _chips(said: dict[str, object]) -> Iterator[tuple[str, str]]:
    chips = said.pop("chips", None)
    if chips is None:
        return
    if not isinstance(chips, dict) or not chips or "chip" in said or "substitutes" in said:
        yield "chips", "cli.spec_chips"
    elif next(iter(chips.values())) != _REFERENCE:
        yield "chips", "cli.spec_chips_first"
    else:
        first, *rest = chips
        said["chip"], said["substitutes"] = str(first), {str(one): chips[one] for one in rest}


def _elastic(said: dict[str, object]) -> Iterator[tuple[str, str]]:
    elastic = said.pop("elastic", None)
    if elastic is None:
        return
    if not isinstance(elastic, dict) or set(elastic) != set(_ELASTIC) or "replicas" in said:
        yield "elastic", "cli.spec_elastic"
    else:
        for name, each in elastic.items():  # what ``--set replicas_min=1`` says goes first
            said.setdefault(_ELASTIC[str(name)], each)


def _command(said: dict[str, object]) -> Iterator[tuple[str, str]]:
    command = said.get("command")
    if isinstance(command, str):
        try:
            said["command"] = shlex.split(command)
        except ValueError:
            yield "command", "cli.spec_quotes"
    elif isinstance(command, list):
        said["command"] = [str(one) if type(one) is int else one for one in command]


def _deadline(said: dict[str, object]) -> Iterator[tuple[str, str]]:
    deadline = said.get("deadline")
    if isinstance(deadline, datetime):
        if deadline.tzinfo is None:  # YAML drops what it understood to be UTC
            deadline = deadline.replace(tzinfo=UTC)
        said["deadline"] = deadline.isoformat()
    elif isinstance(deadline, date):
        yield "deadline", "cli.spec_deadline"
        del said["deadline"]
