"""Patterns of paths: ``*``, ``?``, ``[…]`` within a name, ``**`` across folders.

Never by a backtracking expression: whoever writes a pattern must not be able to make matching slow.
*Cost*: at most letters of the pattern × letters of the path. Source of the rules for ignore files:
gitignore(5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

PATTERN_LETTERS_MAX = 200
"""Longest pattern."""
_ANY = re.compile(r"(?s:.)")
_Token = re.Pattern[str] | None  # None: any number of letters
_Left = TypeVar("_Left")
_Right = TypeVar("_Right")


def matches(pattern: str, path: str) -> bool:
    """Whether the pattern describes the whole path; both are relative, with ``/`` between names."""
    return _greedy(
        tuple(pattern.strip("/").split("/")),
        tuple(path.split("/")),
        star=lambda part: part == "**",
        same=_name_matches,
    )


def _name_matches(pattern: str, name: str) -> bool:
    return _greedy(
        _tokens(pattern),
        tuple(name),
        star=lambda token: token is None,
        same=lambda token, letter: token is not None and token.fullmatch(letter) is not None,
    )


def _greedy(
    wanted: Sequence[_Left],
    found: Sequence[_Right],
    *,
    star: Callable[[_Left], bool],
    same: Callable[[_Left, _Right], bool],
) -> bool:
    """Match with stars, going back to the last star only: enough, and never exponential."""
    at = here = 0
    back, resume = -1, 0
    while here < len(found):
        if at < len(wanted) and star(wanted[at]):
            back, resume, at = at, here, at + 1
        elif at < len(wanted) and same(wanted[at], found[here]):
            at, here = at + 1, here + 1
        elif back >= 0:
            resume += 1
            at, here = back + 1, resume
        else:
            return False
    return all(star(each) for each in wanted[at:])


@cache
def _tokens(pattern: str) -> tuple[_Token, ...]:
    tokens: list[_Token] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        end = pattern.find("]", at + 2) if letter == "[" else -1
        if letter == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif letter == "?":
            tokens.append(_ANY)
        elif end > 0:
            tokens.append(_class(pattern[at + 1 : end]))
            at = end
        else:
            if letter == "\\" and at + 1 < len(pattern):
                at += 1
            tokens.append(re.compile(re.escape(pattern[at])))
        at += 1
    return tuple(tokens)


def _class(inside: str) -> re.Pattern[str]:
    negated = inside[0] in "!^"
    body = re.escape(inside[negated:]).replace(r"\-", "-")
    try:
        return re.compile(f"[{'^' if negated else ''}{body}]")
    except re.error:  # such as a range that runs backwards: then it is meant as it stands
        return re.compile(re.escape("[" + inside + "]"))


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file."""

    pattern: str
    """Anchored at the folder, or a bare name that counts at any depth."""
    folders_only: bool
    """Whether it is about folders alone."""
    keeps: bool
    """Whether it takes back what an earlier line left out."""

    def about(self, path: str, *, folder: bool) -> bool:
        """Whether it speaks of this path."""
        if self.folders_only and not folder:
            return False
        return matches(self.pattern, path)


def rules(text: str) -> tuple[Rule, ...]:
    """The rules of an ignore file, in its order."""
    found = []
    for line in text.splitlines():
        said = line.rstrip()
        if not said or said.startswith("#") or len(said) > PATTERN_LETTERS_MAX:
            continue
        keeps = said.startswith("!")
        said = said[keeps:]
        said = said[1:] if said.startswith(("\\#", "\\!")) else said
        folders_only, bare = said.endswith("/"), said.strip("/")
        if not bare:
            continue
        anchored = "/" in said.rstrip("/")
        found.append(Rule(bare if anchored else f"**/{bare}", folders_only, keeps))
    return tuple(found)


def left_out(among: Sequence[Rule], path: str, *, folder: bool) -> bool:
    """Whether the rules leave the path out; the last that speaks of it counts."""
    for rule in reversed(among):
        if rule.about(path, folder=folder):
            return not rule.keeps
    return False
