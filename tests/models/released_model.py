"""A platform with all that a model needs before it may answer, each step through its own floor."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import select

import yunhe.custody.store
import yunhe.identity.store
import yunhe.models.store  # noqa: F401
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.custody.store import leaf
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, sha256
from yunhe.kernel.clock import DAY_US
from yunhe.models import service as models
from yunhe.models.domain import Deployment, ModelVersion
from yunhe.models.store import answers
from yunhe.storage.service import Storage

ROUTE = "hotline"
VALID_DAYS = 30


@dataclass(frozen=True)
class Artefacts:
    """What one training left, and what it read."""

    model: bytes
    manifest: bytes
    card: bytes
    train: bytes


@dataclass(frozen=True)
class Reply:
    """An HTTP response, read whole."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self):
        return json.loads(self.body)


@dataclass
class Bench:
    """Drives the platform in tests."""

    storage: Storage
    artefacts: Artefacts
    home: Path
    organisation: str = ""
    member: str = ""
    key_id: str = ""
    secret: str = field(default="", repr=False)
    references: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, storage: Storage, artefacts: Artefacts, home: Path) -> Bench:
        bench = cls(storage, artefacts, home)
        for data in (artefacts.model, artefacts.manifest, artefacts.card, artefacts.train):
            storage.blobs.put(data)
        custody.create_log(home, "yunhe.test/log")
        bench.organisation, bench.member, bench.key_id, bench.secret = bench.caller("uni")
        return bench

    def caller(self, name: str, *, role: str = "caller", days: int = 365) -> tuple[str, ...]:
        """A new organisation with one member and key: organisation, member, key id, secret."""
        now_us = self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            org = identity.add_organisation(
                tx, key=name, name=name, kind="university", at_us=now_us
            )
            member = identity.add_member(
                tx, key="m", organisation=org.id, name="测试员", at_us=now_us
            )
            identity.grant_role(tx, member=member.id, role=role, at_us=now_us)
            key = identity.issue_key(
                tx, member=member.id, expires_at_us=now_us + days * DAY_US, at_us=now_us
            )
        return org.id, member.id, key.id, key.secret

    def record(self, kind: str, subject: str, body: Mapping[str, Json], **links: str) -> str:
        """Append a custody record and remember its reference under its kind."""
        made = Record(kind, subject, self.storage.clock.now_us(), dict(body), links)
        with self.storage.database.begin() as tx:
            self.references[kind] = custody.append(tx, made)
        return self.references[kind]

    def digest(self, name: str) -> str:
        return sha256(getattr(self.artefacts, name))

    def trained(self, **changes: Json) -> None:
        """The records from the raw data to the metered training; ``changes`` go into the usage."""
        raw, clean, policy = sha256(b"raw"), sha256(b"clean"), sha256(b"policy")
        source = self.record("data.source", "src", {"digest": raw, "synthetic": True})
        certificate = self.record(
            "data.certificate", "cert", {"input_digest": raw, "output_digest": clean}, source=source
        )
        offer = {"dataset_digest": clean, "policy_digest": policy}
        listing = self.record("data.listing", "list", offer, certificate=certificate)
        until_us = self.storage.clock.now_us() + 900 * DAY_US
        bought = {**offer, "buyer": self.organisation, "expires_at_us": until_us}
        grant = self.record("data.grant", "grant", bought, listing=listing)
        parts = {"train_digest": self.digest("train"), "heldout_digest": sha256(b"heldout")}
        split = self.record(
            "evaluation.split", "split", {"dataset_digest": clean, **parts}, grant=grant
        )
        award = self.record("compute.award", "award", {"organisation": self.organisation})
        usage = {
            "organisation": self.organisation,
            "input_digests": [self.digest("train")],
            "output_digests": [self.digest(name) for name in ("card", "manifest", "model")],
            **changes,
        }
        self.record("compute.usage", "workload", usage, award=award, input=split)

    def registration(self, **changes: str) -> dict[str, str]:
        return {
            "key": "v1",
            "name": "分流",
            "owner": self.organisation,
            "model_digest": self.digest("model"),
            "manifest_digest": self.digest("manifest"),
            "card_digest": self.digest("card"),
            "train_digest": self.digest("train"),
            "usage_reference": self.references["compute.usage"],
            "split_reference": self.references["evaluation.split"],
            **changes,
        }

    def register(self) -> ModelVersion:
        self.trained()
        return models.register(self.storage, **self.registration())

    def release(self, version: ModelVersion, name: str = "1", *, days: int = VALID_DAYS) -> str:
        """The records that evaluation and governance write; returns the release's reference."""
        digest = {"model_digest": version.model_digest}
        until_us = self.storage.clock.now_us() + days * DAY_US
        model, split = version.reference, self.references["evaluation.split"]
        evaluation = self.record(
            "evaluation.run",
            f"eval{name}",
            {**digest, "heldout_digest": sha256(b"heldout"), "gate": "passed"},
            model=model,
            split=split,
        )
        risk = self.record("governance.risk", f"risk{name}", digest, model=model)
        based = {"model": model, "evaluation": evaluation, "risk": risk}
        approvals = [
            self.record(
                "governance.approval",
                f"approval{name}{role}",
                {
                    **digest,
                    "approver": f"mem_{role}",
                    "role": role,
                    "decision": "approve",
                    "expires_at_us": until_us,
                },
                **based,
            )
            for role in ("risk_officer", "release_owner")
        ]
        return self.record(
            "governance.release",
            f"release{name}",
            {**digest, "valid_until_us": until_us},
            **based,
            approval_1=approvals[0],
            approval_2=approvals[1],
        )

    def approve(self, version: ModelVersion, name: str = "1", *, days: int = VALID_DAYS) -> str:
        """Release a version and tell the registry, as governance does."""
        certificate, now_us = self.release(version, name, days=days), self.storage.clock.now_us()
        with self.storage.database.begin() as tx:
            models.approve(
                tx,
                version=version.id,
                certificate=certificate,
                valid_until_us=now_us + days * DAY_US,
                at_us=now_us,
            )
        return certificate

    def deploy(self) -> Deployment:
        """Everything up to a route that answers."""
        version = self.register()
        self.approve(version)
        return models.deploy(self.storage, key="d1", version=version.id, route=ROUTE)

    def sequence(self) -> None:
        """Take every waiting leaf into the log and sign it."""
        custody.Sequencer(self.storage, custody.open_signer(self.home)).run_once()

    def trust(self) -> str:
        return custody.trust(self.home)

    def answer_ids(self) -> list[str]:
        """Ids in the rows, checked to be the subjects in the log."""
        with self.storage.database.read() as tx:
            rows = sorted(tx.execute(select(answers.c.id)).scalars())
            leaves = select(leaf.c.subject).where(leaf.c.kind == "serving.answer")
            assert sorted(tx.execute(leaves).scalars()) == rows
        return rows


def call(
    url: str,
    method: str,
    path: str,
    *,
    secret: str | None = None,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One HTTP request on a connection of its own."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        sent = dict(headers or {})
        if secret is not None:
            sent["Authorization"] = f"Bearer {secret}"
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return Reply(response.status, response.read(), dict(response.getheaders()))
    finally:
        connection.close()


def ask(url: str, secret: str, text: str = "小区门口路灯不亮", route: str = ROUTE) -> Reply:
    """Ask a question."""
    body = json.dumps({"text": text}).encode()
    return call(url, "POST", f"/v1/routes/{route}/answers", secret=secret, body=body)
