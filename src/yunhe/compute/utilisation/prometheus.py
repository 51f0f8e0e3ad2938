"""Reads the use of devices from a site's Prometheus: one range query for all jobs of a kind.

Nothing it says ends work by being missing: a job without series is not watched, one of whose
devices only some are seen, or seen with a value that cannot be true, counts as in use. Series of
other jobs are passed over. Answers are bounded in bytes, time, series and points.

*Source*: Prometheus, HTTP API, ``/api/v1/query_range`` (matrix results; form-encoded POST).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from yunhe.compute.utilisation.domain import FULL, Look, Subject, Used
from yunhe.compute.utilisation.queries import JOBS, NAMESPACE, Query
from yunhe.compute.utilisation.reading import per_thousand
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Finding, Unavailable, YunheError

if TYPE_CHECKING:
    from yunhe.outbound.client import Outbound

STEP_SECONDS = 30
"""Between two instants that are asked for."""
WINDOW_SECONDS = 3_600
"""What is longer ago is not asked for again after a Prometheus could not be reached."""
FRESH_SECONDS = 90
"""An instant that is older says nothing of how it stands now."""
JOBS_MAX = 500
"""Jobs named in one query."""
ANSWER_BYTES_MAX = 16 << 20
"""Largest answer that is read."""
SERIES_BYTES = 400
"""An answer's labels of one device take about so much."""
POINT_BYTES = 25
"""And so much each instant."""
SECONDS_MAX = 10.0
"""Longest that one query may take."""
SERIES_MAX = 50_000
"""More series than this are no answer for so many jobs."""
TOKEN_BYTES_MAX = 16 << 10
"""A longer file holds no token."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LABEL_MAX = 300  # names of pods have 253 letters at most
_STEP_US = STEP_SECONDS * SECOND_US
_POINTS_MAX = WINDOW_SECONDS // STEP_SECONDS + 2


@dataclass(frozen=True, slots=True)
class Source:
    """How a site's Prometheus is reached."""

    site: str
    """Whose it is."""
    address: str
    """Its address, up to ``/api``."""
    namespace: str = ""
    """Of a cluster's jobs."""
    token_file: Path | None = None
    """Holds the token that it wants; read anew at every look."""


class Prometheus:
    """Of one site; satisfies `yunhe.compute.utilisation.domain.Watch`."""

    def __init__(self, source: Source, queries: Mapping[str, Query], *, outbound: Outbound) -> None:
        """``queries``: what is asked for each chip; nothing is asked for others."""
        self._source, self._queries, self._outbound = source, dict(queries), outbound

    def watches(self, chip: str) -> bool:
        """As `Watch.watches`."""
        return chip in self._queries

    def look(self, subjects: Sequence[Subject], *, now_us: int) -> Look:
        """As `Watch.look`; one query for each different one among the chips of the jobs."""
        until_us = now_us - now_us % _STEP_US
        by_query: dict[Query, list[Subject]] = {}
        for each in subjects:
            due = each.chip in self._queries and each.after_us < until_us
            if due and _NAME.fullmatch(each.name):
                by_query.setdefault(self._queries[each.chip], []).append(each)
        used: dict[str, Used] = {}
        finding = ""
        for query, mine in by_query.items():
            for at in range(0, len(mine), JOBS_MAX):
                part = mine[at : at + JOBS_MAX]
                window_us = _window_seconds(part) * SECOND_US
                since_us = max(min(one.after_us for one in part) + 1, until_us - window_us)
                since_us = -(-since_us // _STEP_US) * _STEP_US
                result = self._asked(query, part, since_us=since_us, until_us=until_us)
                read = _Reading(query, part, now_us=now_us, span_us=(since_us, until_us))
                used.update(read.of(result))
                finding = finding or read.finding
        return Look(used, until_us, finding)

    def _asked(
        self, query: Query, subjects: Sequence[Subject], *, since_us: int, until_us: int
    ) -> list[object]:
        names = "|".join(sorted(one.name for one in subjects))
        pattern = f"(?:{names})-.+" if query.named == "prefix" else names
        text = query.text.replace(NAMESPACE, self._source.namespace).replace(JOBS, pattern)
        asked = {
            "query": text,
            "start": since_us // SECOND_US,
            "end": until_us // SECOND_US,
            "step": STEP_SECONDS,
            "timeout": f"{int(SECONDS_MAX)}s",
        }
        headers = {"content-type": "application/x-www-form-urlencoded", **self._token()}
        try:
            answer = self._outbound.request(
                "POST",
                self._source.address.rstrip("/") + "/api/v1/query_range",
                headers={"accept": "application/json", **headers},
                content=urlencode(asked).encode(),
                bytes_max=ANSWER_BYTES_MAX,
                seconds_max=SECONDS_MAX,
            )
        except YunheError as error:
            raise self._failed("compute.watch_unreachable", reason=error.code) from error
        if answer.status != 200:
            raise self._failed("compute.watch_refused", reason=f"HTTP {answer.status}")
        try:
            return _matrix(json.loads(answer.body))
        except (ValueError, RecursionError):
            raise self._failed("compute.watch_nonsense", reason="JSON") from None

    def _token(self) -> dict[str, str]:
        file = self._source.token_file
        if file is None:
            return {}
        try:
            with file.open("rb") as opened:
                token = opened.read(TOKEN_BYTES_MAX).decode("ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise self._failed("compute.watch_token", reason=file.name)
        return {"authorization": f"Bearer {token}"}

    def _failed(self, code: str, *, reason: str) -> Unavailable:
        return Unavailable(code, site=self._source.site, reason=reason, retryable=True)


def _window_seconds(subjects: Sequence[Subject]) -> int:
    """How far back may be asked so that the answer can be read: less for very many devices."""
    devices = max(sum(max(one.devices, 1) for one in subjects), 1)
    points = max((ANSWER_BYTES_MAX // devices - SERIES_BYTES) // POINT_BYTES, 1)
    return min((points - 1) * STEP_SECONDS, WINDOW_SECONDS)


def _matrix(said: object) -> list[object]:
    """The series of an answer. Errors: ``ValueError`` for anything else."""
    data = said.get("data") if isinstance(said, dict) and said.get("status") == "success" else None
    result = data.get("result") if isinstance(data, dict) else None
    fits = isinstance(data, dict) and data.get("resultType") == "matrix"
    if not fits or not isinstance(result, list) or len(result) > SERIES_MAX:
        raise ValueError
    return result


@dataclass(slots=True)
class _Instants:
    """What was said of one job under one label: devices by instant, and where something is off."""

    said: dict[int, dict[tuple[str, ...], int]] = field(default_factory=dict)
    off: set[int] = field(default_factory=set)


class _Reading:
    """Of one answer."""

    def __init__(
        self, query: Query, subjects: Sequence[Subject], *, now_us: int, span_us: tuple[int, int]
    ) -> None:
        self._query, self._now_us, self._span_us = query, now_us, span_us
        self._subjects = {one.name: one for one in subjects}
        self._found: dict[str, dict[int, _Instants]] = {}
        self.finding = ""

    def of(self, result: Sequence[object]) -> dict[str, Used]:
        """What is to be counted of each job."""
        for one in result:
            metric = one.get("metric") if isinstance(one, dict) else None
            values = one.get("values") if isinstance(one, dict) else None
            if not isinstance(metric, dict) or not isinstance(values, list):
                self.finding = "compute.watch_values"
                continue
            mine = self._whose(metric)
            if mine is not None:
                self._take(*mine, metric, values)
        return {
            self._subjects[name].job: self._used(self._subjects[name], ranks[min(ranks)])
            for name, ranks in self._found.items()
        }

    def _whose(self, metric: Mapping[str, object]) -> tuple[str, int] | None:
        """Name of the job a series is about, and by the how-manieth label it says so."""
        for rank, label in enumerate(self._query.labels):
            said = metric.get(label)
            if not isinstance(said, str) or len(said) > _LABEL_MAX:
                continue
            name = said
            while self._query.named == "prefix" and "-" in name:
                name = name.rpartition("-")[0]
                if name in self._subjects:
                    return name, rank
            if self._query.named == "exact" and said in self._subjects:
                return said, rank
        return None

    def _take(
        self, name: str, rank: int, metric: Mapping[str, object], values: Sequence[object]
    ) -> None:
        device = tuple(f"{label}={metric[label]}" for label in sorted(metric))
        instants = self._found.setdefault(name, {}).setdefault(rank, _Instants())
        if len(values) > _POINTS_MAX:
            self.finding = "compute.watch_values"
        for at_us, said in self._points(values[:_POINTS_MAX]):
            value = per_thousand(said, full=100, where=0)
            if isinstance(value, Finding):
                instants.off.add(at_us)
                self.finding = "compute.watch_values"
            elif value is not None:
                known = instants.said.setdefault(at_us, {})
                known[device] = max(value, known.get(device, 0))  # told twice: the busier counts

    def _points(self, values: Sequence[object]) -> Iterator[tuple[int, str]]:
        """Instants that were asked for, with what was said."""
        for pair in values:
            at, said = pair if isinstance(pair, list) and len(pair) == 2 else (None, None)
            sound = isinstance(at, (int, float)) and 0 <= at <= self._span_us[1]  # also no NaN
            at_us = int(at * SECOND_US) if sound and isinstance(at, (int, float)) else -1
            if isinstance(said, str) and self._span_us[0] <= at_us <= self._span_us[1]:
                yield at_us, said
            else:
                self.finding = "compute.watch_values"

    def _used(self, subject: Subject, instants: _Instants) -> Used:
        wanted = subject.devices if self._query.each == "device" else 1
        total = samples = 0
        latest: list[int] = []
        for at_us in sorted(instants.said.keys() | instants.off):
            values = instants.said.get(at_us, {}).values()
            whole = len(values) == wanted and at_us not in instants.off
            if len(values) > wanted:
                self.finding = "compute.watch_values"
            if at_us <= subject.after_us:
                continue  # asked for because of others
            if whole:
                total, samples = total + sum(values), samples + wanted
            if at_us > self._now_us - FRESH_SECONDS * SECOND_US:
                latest.append(sum(values) // wanted if whole else FULL)
        busiest = max(latest, default=None)
        return Used(total, samples, busiest)
