"""What is wrong with a request, all of it at once and before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from yunhe.compute.domain import (
    DEVICES_MAX,
    MEMORY_BYTES_MIN,
    WALL_SECONDS_MAX,
    Pool,
    WorkloadSpec,
)
from yunhe.compute.providers.folder import FILE_NAME
from yunhe.kernel.canonical import INTEGER_MAX, canonical_bytes
from yunhe.kernel.errors import Finding
from yunhe.kernel.units import CURRENCIES

WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names of chips, adapters and entry points."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The form of a digest."""
KEY_LETTERS_MAX = 200
"""Longest idempotency key."""
_TEXT_LETTERS_MAX = 200
_ARGUMENTS_BYTES_MAX = 64 << 10
_INPUTS_MAX = 100


def key_faults(key: str) -> Iterator[Finding]:
    """A key that cannot be kept."""
    if not key.strip() or len(key) > KEY_LETTERS_MAX or not key.isprintable():
        yield Finding("key", "compute.key_invalid", (("letters_max", KEY_LETTERS_MAX),))


def text_faults(where: str, value: str) -> Iterator[Finding]:
    """A line of text that is empty, too long, or would not show."""
    if not value.strip() or len(value) > _TEXT_LETTERS_MAX or not value.isprintable():
        yield Finding(where, "compute.text_invalid", (("letters_max", _TEXT_LETTERS_MAX),))


def word_faults(where: str, value: str) -> Iterator[Finding]:
    """A name that is not `WORD`."""
    if not WORD.fullmatch(value):
        yield Finding(where, "compute.word_invalid", (("value", value[:80]),))


def amount_faults(
    where: str, value: int, *, least: int, most: int = INTEGER_MAX
) -> Iterator[Finding]:
    """A number that is no whole number between the bounds."""
    if type(value) is not int or not least <= value <= most:
        params = (("value", str(value)[:40]), ("least", least), ("most", most))
        yield Finding(where, "compute.amount_invalid", params)


def currency_faults(currency: str) -> Iterator[Finding]:
    """A currency the platform does not know."""
    if currency not in CURRENCIES:
        params = (("value", currency[:40]), ("known", ", ".join(CURRENCIES)))
        yield Finding("currency", "compute.currency_unknown", params)


def digest_faults(where: str, digest: str) -> Iterator[Finding]:
    """Something that is not the digest of anything."""
    if not DIGEST.fullmatch(digest):
        yield Finding(where, "compute.digest_invalid", (("value", digest[:80]),))


def spec_faults(spec: WorkloadSpec, pools: Iterable[Pool]) -> Iterator[Finding]:
    """Everything about a workload that no waiting would cure."""
    yield from key_faults(spec.key)
    yield from word_faults("entry_point", spec.entry_point)
    yield from _supply_faults(spec, list(pools))
    yield from amount_faults(
        "wall_seconds_max", spec.wall_seconds_max, least=1, most=WALL_SECONDS_MAX
    )
    yield from amount_faults("cpu_seconds_max", spec.cpu_seconds_max, least=1)
    yield from amount_faults("memory_bytes_max", spec.memory_bytes_max, least=MEMORY_BYTES_MIN)
    try:
        size = len(canonical_bytes(dict(spec.arguments)))
    except (TypeError, ValueError) as error:
        yield Finding("arguments", "compute.arguments_invalid", (("reason", str(error)[:200]),))
    else:
        if size > _ARGUMENTS_BYTES_MAX:
            params = (("bytes", size), ("bytes_max", _ARGUMENTS_BYTES_MAX))
            yield Finding("arguments", "compute.arguments_too_large", params)
    if len(spec.inputs) > _INPUTS_MAX:
        yield Finding("inputs", "compute.inputs_too_many", (("most", _INPUTS_MAX),))
    for name, digest in spec.inputs.items():
        if not FILE_NAME.fullmatch(name):
            yield Finding("inputs", "compute.input_name_invalid", (("name", ascii(name)[:80]),))
        yield from digest_faults(f"inputs.{name[:80]}", digest)


def _supply_faults(spec: WorkloadSpec, pools: list[Pool]) -> Iterator[Finding]:
    counted = type(spec.devices) is int and 1 <= spec.devices <= DEVICES_MAX
    if not counted:
        yield from amount_faults("devices", spec.devices, least=1, most=DEVICES_MAX)
    suitable = [pool.devices for pool in pools if pool.chip == spec.chip]
    if not suitable:
        known = ", ".join(sorted({pool.chip for pool in pools})) or "-"
        yield Finding("chip", "compute.chip_unknown", (("chip", spec.chip[:64]), ("known", known)))
    elif counted and spec.devices > max(suitable):
        params = (("devices", spec.devices), ("chip", spec.chip), ("largest", max(suitable)))
        yield Finding("devices", "compute.devices_too_many", params)
