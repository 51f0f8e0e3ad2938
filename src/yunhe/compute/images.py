"""Container images by their exact name, and where one may run. Pure.

An image is named ``registry/name@sha256:…``: a tag may mean another image tomorrow, so that nobody
could say what ran. Source: the reference grammar of OCI's distribution specification, narrowed to
names that say their registry.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from yunhe.compute.reasons import Why

LETTERS_MAX = 255
"""Longest name of an image."""
ENTRIES_MAX = 100
"""Most registries that a site allows."""
_HOST = (
    r"(?:localhost|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?=[.:])(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)"
)
_WORD = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_ENTRY = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?(?:/{_WORD})*")
_NAMED = re.compile(rf"({_HOST}(?::[0-9]{{1,5}})?)/({_WORD}(?:/{_WORD})*)@(sha256:[0-9a-f]{{64}})")
_TAGGED = re.compile(r"[a-z0-9][A-Za-z0-9._:/-]*(?:@sha256:[0-9a-f]{64})?")
_PLACES = ("{image}", "{registry}", "{repository}", "{digest}", "{folder}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image, taken apart."""

    registry: str
    """Host, with its port where it has one."""
    repository: str
    """Its path there."""
    digest: str
    """``sha256:`` and 64 digits: what it is, whoever serves it."""

    @property
    def name(self) -> str:
        """All of it."""
        return f"{self.registry}/{self.repository}@{self.digest}"


def read_image(said: str) -> Image | None:
    """The image of a name; None for what names none exactly."""
    found = _NAMED.fullmatch(said) if len(said) <= LETTERS_MAX else None
    return None if found is None else Image(*found.groups())


def image_fault(said: str) -> str:
    """Code of what is wrong with a name; empty when nothing is."""
    if read_image(said) is not None:
        return ""
    tagged = len(said) <= LETTERS_MAX and _TAGGED.fullmatch(said)
    return "compute.image_undigested" if tagged else "compute.image_invalid"


def entry_fault(entry: str) -> bool:
    """Whether that is no registry, nor a part of one."""
    return len(entry) > LETTERS_MAX or not _ENTRY.fullmatch(entry)


def allowed(said: str, entries: Iterable[str]) -> bool:
    """Whether an image is from one of the registries, or parts of registries, that are named."""
    image = read_image(said)
    if image is None:
        return False
    whole = f"{image.registry}/{image.repository}"
    return any(whole == entry or whole.startswith(entry + "/") for entry in entries)


def runs(said: str, adapter: str, images: Mapping[str, Sequence[str]]) -> bool:
    """Whether a site takes work with that image, if any; ``images``: registries by site."""
    return not said or allowed(said, images.get(adapter, ()))


def nowhere(said: str, sites: Mapping[str, str], images: Mapping[str, Sequence[str]]) -> Why | None:
    """Why no site runs an image; ``sites``: where the pools in question lie, by adapter."""
    if not said or any(runs(said, adapter, images) for adapter in sites):
        return None
    running = sorted({site for adapter, site in sites.items() if images.get(adapter)})
    if not running:
        return Why("compute.image_nowhere")
    image = read_image(said)
    registry = "-" if image is None else image.registry
    named = (("registry", registry), ("sites", ", ".join(running)[:200]))
    return Why("compute.image_registry", named)


def wrapper_fault(line: str) -> bool:
    """Whether an operator's line names no runtime, or does not say where the image goes."""
    try:
        words = shlex.split(line)
    except ValueError:
        return True
    named = {place for word in words for place in _PLACES if place in word}
    whole = "{image}" in named or named >= {"{registry}", "{repository}", "{digest}"}
    return not whole or any(place in words[0] for place in _PLACES)


def wrapped(line: str, said: str, *, folder: str) -> list[str]:
    """The words before a command by which an operator's runtime runs it in an image."""
    image = read_image(said)
    assert image is not None  # noqa: S101 - it was submitted, so it was looked at
    values = (image.name, image.registry, image.repository, image.digest, folder)
    words = []
    for word in shlex.split(line):
        for place, value in zip(_PLACES, values, strict=True):
            word = word.replace(place, value)  # noqa: PLW2901 - every place in turn
        words.append(word)
    return words
