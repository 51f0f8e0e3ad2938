"""Cleansing, and the certified datasets it ends with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from yunhe.client.addresses import at
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import corpus as wire
from yunhe.client.wire.operations import Operation

Part = Literal["dataset", "decisions", "spans", "sample"]
"""Files of a certified dataset."""


class Corpus(Floor):
    """Certified datasets."""

    def cleanse(self, sent: wire.NewCleansing, *, key: str = "") -> Operation:
        """Cleanse an upload into a certified dataset; wait for the operation's end."""
        return self._http.post("/v1/cleansings", Operation, sent, key=key)

    def certificates(self) -> Iterator[wire.Certificate]:
        """Datasets that one's organisation had certified, newest first."""
        return self._http.pages("/v1/certificates", wire.Certificate)

    def certificate(self, certificate: str) -> wire.CertificateInFull:
        """One certified dataset, with its certificate."""
        return self._http.get(_at(certificate), wire.CertificateInFull)

    def download(self, certificate: str, part: Part, target: Path) -> None:
        """Write a file of a certified dataset (Parquet) to ``target``, which appears only whole.

        The dataset is checked against its certified digest; erasures may have changed the others.
        """
        digest = self.certificate(certificate).dataset_digest if part == "dataset" else ""
        path = at("/v1/certificates/{certificate}/files/{part}", certificate=certificate, part=part)
        self._http.save(path, target, digest=digest)


def _at(certificate: str) -> str:
    return at("/v1/certificates/{certificate}", certificate=certificate)
