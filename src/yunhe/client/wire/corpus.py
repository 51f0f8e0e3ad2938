"""Messages about cleansings and the certificates they end with."""

from __future__ import annotations

from pydantic import ConfigDict, Field, JsonValue

from yunhe.client.wire.shapes import Digest, Id, Sent, Shown, Text, Time

_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_CERTIFICATE = "certificate_k0e5m2q9xj4c8t3r6w0h1ab7v1"


class NewCleansing(Sent):
    """A file of one's own organisation's to be cleansed into a certified dataset."""

    input: Digest
    """An upload: JSON lines, CSV (either may be gzipped) or Parquet."""
    file: str = Field(
        max_length=200,
        pattern=r"^[^/\x00-\x1f]*\.([jJ][sS][oO][nN][lL]|[cC][sS][vV]|[pP][aA][rR][qQ][uU][eE][tT])"
        r"(\.[gG][zZ])?$",
    )
    """Its name; the ending tells the format."""
    name: Text = Field(min_length=1, max_length=200)
    """What people call the source."""
    licence: Text = Field(min_length=1, max_length=200)
    """The licence it comes under, e.g. an SPDX name."""
    text: Text = Field(default="text", min_length=1, max_length=200)
    """Column of the documents."""
    label: Text | None = Field(default=None, min_length=1, max_length=200)
    """Column of their class."""
    id: Text | None = Field(default=None, min_length=1, max_length=200)
    """Column of their ids; null numbers the rows."""
    synthetic: bool = Field(default=False, strict=True)
    """Whether it was made by a generator."""
    profile: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9-]{0,63}$")
    """Steps and thresholds; null: for short Chinese texts."""
    source: Id | None = None
    """Its id in the register of sources; it must be accepted, and its licence is the register's."""
    truth: Digest | None = None
    """For generated data: an upload that says what was planted, to measure recall against."""
    workload: Id | None = None
    """A settled workload of the entry point ``cleanse-corpus`` that did exactly this: the
    certificate is linked to what it used. Null: done by the platform, unmetered."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "input": _DIGEST,
                "file": "tickets.jsonl",
                "name": "hotline tickets",
                "licence": "CC-BY-4.0",
                "text": "text",
                "label": "label",
                "id": "id",
                "synthetic": True,
            }
        }
    )


class Certificate(Shown):
    """A dataset that was cleansed and certified."""

    id: Id
    """Of the certificate."""
    source: Id
    """Of the source it was made from."""
    name: str
    """What people call the source."""
    holder: Id
    """Organisation that holds it."""
    licence: str
    """The licence it comes under."""
    synthetic: bool
    """Whether it was made by a generator."""
    input_digest: str
    """Of the input's bytes."""
    dataset_digest: str
    """Of the dataset."""
    at: Time
    """When it was certified."""
    source_reference: str
    """The source's record in the log."""
    reference: str
    """The certificate's record in the log."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": _CERTIFICATE,
                "source": "source_e5m2q9xj4c8t3r6w0h1ab7v1k0",
                "name": "hotline tickets",
                "holder": "org_4c8t3r6w0h1ab7v1k0e5m2q9xj",
                "licence": "CC-BY-4.0",
                "synthetic": True,
                "input_digest": _DIGEST,
                "dataset_digest": _DIGEST,
                "at": "2026-11-22T09:30:00.000000Z",
                "source_reference": "4e" * 32,
                "reference": "5d" * 32,
            }
        }
    )


class CertificateInFull(Certificate):
    """A certified dataset with the certificate itself."""

    certificate: JsonValue
    """Body, time and id, as the log's record names them by digest."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **Certificate.model_config["json_schema_extra"]["example"],  # type: ignore[index,dict-item]
                "certificate": {
                    "body": {"documents_in": 12_000, "documents_out": 11_412},
                    "id": _CERTIFICATE,
                    "issued_at": "2026-11-22T09:30:00.000000Z",
                },
            }
        }
    )
