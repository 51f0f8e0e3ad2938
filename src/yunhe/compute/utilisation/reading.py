"""Reads what instruments of vendors say of the use of devices: pure, line by line.

A line that cannot be read, or a value that cannot be true, is a finding and costs no other line.
What an instrument calls blank (``[N/A]``, DCGM's sentinels, NaN) is no finding and no zero: it is
left out. Written from the published formats and held to samples written by hand; none of it was
run against the real instruments.

*Sources*: nvidia-smi(1), ``--query-gpu``; DCGM's ``dcgm_structs.h`` (blank values) and the counters
of dcgm-exporter; MindCluster NPU Exporter, "Prometheus Metrics" (``npu_chip_info_utilization``);
Ascend's ``npu-smi info``; Prometheus' text exposition format 0.0.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation

from yunhe.compute.utilisation.domain import FULL, Reading, Sample
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding

TEXT_BYTES_MAX = 4 << 20
"""More than this no instrument says of one machine; the rest is not looked at."""
LINE_MAX = 8_192
"""A longer line is no series of any exporter: looking for its labels would take its square."""
FINDINGS_MAX = 20
"""Findings of one look."""
LATE_US = 600 * SECOND_US
"""A sample with an instant is of no use once it is so old."""
AHEAD_US = 60 * SECOND_US
"""Further ahead of our clock it is from the future, and refused."""
_BLANK_WORDS = """
-
n/a
na
nan
[n/a]
[not supported]
not supported
[not found]
[unknown error]
[gpu requires reset]
[insufficient permissions]
<<<null>>>
"""
_BLANK = frozenset(_BLANK_WORDS.split("\n"))
# Blank, not found, not supported, not permitted: of 32 and 64 bits, and of floating point. The
# largest ones are widened, as a number of 64 bits that went through a double is rounded.
_SENTINELS = (
    (Decimal(2147483632), Decimal(2147483647)),
    (Decimal(140737488355328), Decimal(140737488355343)),
    (Decimal(2**63 - 2**16), Decimal(2**63 + 2**16)),
)
_SERIES = re.compile(
    r'([A-Za-z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)(?:\s+(\S+))?'
)
_LABEL = re.compile(r'([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"')
_BUS = re.compile(r"[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]|NA")
DCGM = (("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 1), ("DCGM_FI_DEV_GPU_UTIL", 100))
"""Counters that say it, the better one first, and what a full device has in them."""
NPU = (("npu_chip_info_overall_utilization", 100), ("npu_chip_info_utilization", 100))
"""The same of Ascend's exporter."""
NVIDIA_SMI = (
    "nvidia-smi",
    "--query-gpu=index,uuid,utilization.gpu",
    "--format=csv,noheader,nounits",
)
"""The command whose output `nvidia_smi` reads."""
NPU_SMI = ("npu-smi", "info")
"""The command whose output `npu_smi` reads."""


def nvidia_smi(said: str) -> Reading:
    """Lines of index, UUID and percent, as `NVIDIA_SMI` prints them."""
    rows: list[tuple[int, str, str | None, str]] = []
    for number, line in _lines(said):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != 3 or not cells[0].isdecimal():
            rows.append((number, line, None, ""))
        else:
            rows.append((number, line, cells[0], cells[2].removesuffix("%").strip()))
    return _read(rows, full=100)


def npu_smi(said: str) -> Reading:
    """The table of ``npu-smi info``: a line that names the card, then one for each of its chips."""
    rows: list[tuple[int, str, str | None, str]] = []
    card = ""
    for number, line in _lines(said):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) != 3:
            continue  # rules, headings, processes
        first = cells[0].split()
        if not first or not first[0].isdecimal():
            continue
        if not _BUS.fullmatch(cells[1]):
            card = first[0]
            continue
        use = cells[2].split()
        named = f"{card}/{first[0]}" if card else None
        rows.append((number, line, named, use[0] if use else ""))
    return _read(rows, full=100)


def exporter(said: str, *, now_us: int) -> Reading:
    """Prometheus text of dcgm-exporter or of Ascend's NPU exporter, of one machine."""
    findings: list[Finding] = []
    found: dict[str, tuple[int, Sample]] = {}
    told = {name: (rank, full) for of in (DCGM, NPU) for rank, (name, full) in enumerate(of)}
    for number, line in _lines(said):
        if not line.startswith(tuple(told)):
            continue
        match = _SERIES.fullmatch(line) if len(line) <= LINE_MAX else None
        if match is None or match[1] not in told:
            if match is None:
                findings.append(_unread(number, line))
            continue
        rank, full = told[match[1]]
        device = _device(dict(_LABEL.findall(match[2] or "")))
        if device is None:
            findings.append(_unread(number, line))
            continue
        late = _late(match[4], now_us)
        if late == "old":
            continue
        if late:
            future = Finding(f"line {number}", "compute.utilisation_future")
            findings.append(_unread(number, line) if late == "line" else future)
            continue
        value = per_thousand(match[3], full=full, where=number)
        if isinstance(value, Finding):
            findings.append(value)
        elif value is not None and (device not in found or rank < found[device][0]):
            found[device] = rank, Sample(device, value)
    samples = tuple(sample for _, (_, sample) in sorted(found.items()))
    return Reading(samples, tuple(findings[:FINDINGS_MAX]))


def _read(rows: Sequence[tuple[int, str, str | None, str]], *, full: int) -> Reading:
    """Line number, line, device and value of each row; a device told twice is told once."""
    findings: list[Finding] = []
    found: dict[str, Sample] = {}
    for number, line, device, said in rows:
        value = None if device is None else per_thousand(said, full=full, where=number)
        if device is None or device in found:
            findings.append(_unread(number, line))
        elif isinstance(value, Finding):
            findings.append(value)
        elif value is not None:
            found[device] = Sample(device, value)
    return Reading(tuple(found.values()), tuple(findings[:FINDINGS_MAX]))


def _lines(said: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(said[:TEXT_BYTES_MAX].splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _device(labels: dict[str, str]) -> str | None:
    """NVIDIA's ``gpu`` (and the slice of it), Ascend's ``id`` or, of older ones, ``npuID``."""
    name = labels.get("gpu") or labels.get("id") or labels.get("npuID")
    part = labels.get("GPU_I_ID")
    return f"{name}/{part}" if name and part else name or None


def _late(stamp: str | None, now_us: int) -> str:
    """What is wrong with the instant of a sample, in milliseconds; nothing where it has none."""
    if stamp is None:
        return ""
    try:
        at_us = int(stamp) * 1_000
    except ValueError:
        return "line"
    if at_us > now_us + AHEAD_US:
        return "future"
    return "old" if at_us < now_us - LATE_US else ""


def per_thousand(said: str, *, full: int, where: int) -> int | Finding | None:
    """A value in the words of an instrument; None: it says that it does not know."""
    if said.casefold() in _BLANK:
        return None
    try:
        value = Decimal(said.replace("_", "?")) if len(said) <= 40 else Decimal("inf")
    except InvalidOperation:
        return _unread(where, said)
    if value.is_nan() or any(low <= value <= high for low, high in _SENTINELS):
        return None
    if not 0 <= value <= full:
        params = (("value", said[:40]), ("full", full))
        return Finding(f"line {where}", "compute.utilisation_range", params)
    return int(value * FULL / full + Decimal("0.5"))


def _unread(number: int, line: str) -> Finding:
    return Finding(f"line {number}", "compute.utilisation_line", (("value", ascii(line)[1:61]),))
