"""Finds and ends uploads in parts that nobody completes; obstore can begin them only.

Source: AWS Signature Version 4 for one-chunk requests, and the S3 operations ListMultipartUploads
and AbortMultipartUpload, as in the S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import httpx

from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Unavailable

ABORTED_MAX = 1_000
"""Uploads ended by one sweep; the next one goes on."""
_SECONDS_MAX = 20
_EMPTY = hashlib.sha256(b"").hexdigest()
# A server that does not know these operations has no such uploads to show.
_UNKNOWN = frozenset({405, 501})


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key for S3."""

    key: str
    """Access key id."""
    secret: str = field(repr=False)
    """Secret access key."""
    token: str = field(default="", repr=False)
    """Session token of temporary keys."""


class Uploads:
    """The unfinished uploads of one bucket."""

    def __init__(
        self, bucket: str, endpoint: str, region: str, *, credentials: Credentials
    ) -> None:
        """``endpoint`` empty: AWS's own for the region."""
        self._bucket = bucket
        self._endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
        self._region = region
        self._credentials = credentials

    def abort_older(self, prefix: str, *, before_us: int) -> int:
        """End uploads under ``prefix`` begun before then; returns how many.

        Errors: `Unavailable` ``storage.s3_away`` or ``storage.s3_refused``.
        """
        start = f"{prefix}/" if prefix else ""
        ended = 0
        with httpx.Client(timeout=_SECONDS_MAX) as client:
            said = self._ask(client, "GET", "", {"prefix": start, "uploads": ""})
            for key, upload, begun_us in _listed(said):
                if begun_us < before_us and ended < ABORTED_MAX:
                    self._ask(client, "DELETE", key, {"uploadId": upload})
                    ended += 1
        return ended

    def _ask(self, client: httpx.Client, method: str, key: str, query: Mapping[str, str]) -> bytes:
        url = f"{self._endpoint}/{self._bucket}" + (f"/{quote(key)}" if key else "")
        words = "&".join(f"{k}={quote(query[k], safe='')}" for k in sorted(query))
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = sign(
            method, f"{url}?{words}", region=self._region, credentials=self._credentials, at=now
        )
        away = Unavailable(
            "storage.s3_away", bucket=self._bucket, where=self._endpoint, retryable=True
        )
        try:
            answer = client.request(method, f"{url}?{words}", headers=headers)
        except httpx.HTTPError:
            raise away from None
        if answer.status_code in _UNKNOWN or (method == "DELETE" and answer.status_code == 404):
            return b""
        if answer.status_code >= 500:
            raise away
        if answer.status_code >= 300:
            why = f"HTTP {answer.status_code}"
            raise Unavailable(
                "storage.s3_refused", bucket=self._bucket, where=self._endpoint, why=why
            )
        return answer.content


def sign(
    method: str, url: str, *, region: str, credentials: Credentials, at: str
) -> dict[str, str]:
    """The headers that make a request without a body ours; its query is sorted and quoted.

    ``at``: UTC as ``20130524T000000Z``.
    """
    parts = urlsplit(url)
    headers = {"host": parts.netloc, "x-amz-content-sha256": _EMPTY, "x-amz-date": at}
    if credentials.token:
        headers["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = "\n".join([method, parts.path or "/", parts.query, lines, names, _EMPTY])
    scope = f"{at[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{digest}"
    key = b"AWS4" + credentials.secret.encode()
    for word in (at[:8], region, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _listed(said: bytes) -> Iterator[tuple[str, str, int]]:
    """Key, id and beginning of each upload; nothing when the answer is not what S3 writes."""
    try:
        root = ElementTree.fromstring(said) if said else ElementTree.Element("none")  # noqa: S314
    except ElementTree.ParseError:
        return
    for upload in root.iter():
        if upload.tag.rpartition("}")[2] != "Upload":
            continue
        found = {part.tag.rpartition("}")[2]: part.text or "" for part in upload}
        try:
            begun = datetime.fromisoformat(found["Initiated"])
        except (KeyError, ValueError):
            continue
        yield found.get("Key", ""), found.get("UploadId", ""), round(begun.timestamp() * SECOND_US)
