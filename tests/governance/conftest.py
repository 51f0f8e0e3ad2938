"""A model version with its whole chain of custody, and the people who decide about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from yunhe.custody import service as custody
from yunhe.custody.domain import LinkVerdict, Record
from yunhe.governance import service as governance
from yunhe.governance.domain import Approval, Release, Risk
from yunhe.identity import service as identity
from yunhe.kernel.clock import DAY_US, ManualClock
from yunhe.models import service as models
from yunhe.models import store as models_store
from yunhe.models.domain import ModelVersion
from yunhe.storage.service import Storage

MODEL, OTHER_MODEL = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DATASET, TRAIN, HELDOUT = ("sha256:" + letter * 64 for letter in "def")
LOW = {
    "public_facing": False,
    "generative": False,
    "opinion_mobilisation": False,
    "function": ["classification"],
    "domain": ["public_service"],
    "decision_effect": "advice",
    "users_registered": 0,
    "mau": 0,
    "minors": False,
    "emotional_companion": False,
    "virtual_relations": False,
    "biometric": "none",
    "personal_data": "pi",
    "base_model_filed": "no_base_model",
    "training_flop": 0,
    "autonomy": "assist",
    "agent_tools": [],
    "critical_infra": False,
    "purpose_a1": False,
    "practices": [],
    "ethics_list": [],
}


@dataclass
class House:
    """Everything before governance is on record; `approve` and `release` do the rest."""

    storage: Storage
    clock: ManualClock
    people: dict[str, str]
    references: dict[str, str]
    facts: dict = field(default_factory=lambda: dict(LOW))

    @property
    def until_us(self) -> int:
        return self.clock.now_us() + 90 * DAY_US

    def model(self, **changed) -> dict:
        return {
            "model_version": "model_1",
            "model_reference": self.references["model"],
            "model_digest": MODEL,
        } | changed

    def classify(self, *, key: str = "risk", **changed) -> Risk:
        wanted = {**self.model(), "facts": self.facts} | changed
        return governance.classify(self.storage, key=key, **wanted)

    def approve(self, who: str, *, key: str = "approval", **changed) -> Approval:
        wanted = {
            **self.model(),
            "approver": self.people[who],
            "role": "risk_officer" if who.startswith("risk") else "release_owner",
            "evaluation_reference": self.references["evaluation"],
            "expires_at_us": self.until_us,
        } | changed
        if "risk" not in wanted:
            wanted["risk"] = self.classify().id
        return governance.approve(self.storage, key=key, **wanted)

    def release(self, *, key: str = "release", **changed) -> Release:
        wanted = {
            **self.model(),
            "evaluation_reference": self.references["evaluation"],
        } | changed
        if "risk" not in wanted:
            wanted["risk"] = self.classify().id
        return governance.release(self.storage, key=key, **wanted)

    def state(self, version: str = "model_1") -> ModelVersion:
        with self.storage.database.read() as tx:
            return models.version(tx, version)

    def add(self, kind: str, subject: str, body: dict, **links: str) -> str:
        record = Record(kind, subject, self.clock.now_us(), body, links)
        with self.storage.database.begin() as tx:
            return custody.append(tx, record)

    def evaluate(self, subject: str, *, gate: str, model: str, digest: str) -> str:
        body = {
            "model_digest": digest,
            "heldout_digest": HELDOUT,
            "results_digest": "sha256:" + "9" * 64,
            "metric": "macro_f1",
            "score": "0.870000",
            "score_low": "0.850000",
            "score_high": "0.890000",
            "baseline": "keywords",
            "baseline_score": "0.700000",
            "gate": gate,
        }
        split = self.references["split"]
        return self.add("evaluation.run", subject, body, model=model, split=split)

    def broken_links(self, reference: str, folder: Path) -> list[LinkVerdict]:
        """What an outsider's verifier finds wrong with records of this floor."""
        signer = custody.create_log(folder / "home", "example.org/test")
        custody.Sequencer(self.storage, signer).run_once()
        receipt = custody.receipt_bytes(custody.receipt(self.storage, reference))
        verdict = custody.verify(receipt, custody.trust(folder / "home"))
        own = [link for link in verdict.links if link.kind.startswith("governance.")]
        assert own
        return [link for link in own if not link.ok]


@pytest.fixture
def house(storage: Storage, clock: ManualClock) -> House:
    house = House(storage, clock, people={}, references={})
    now_us = clock.now_us()
    with storage.database.begin() as tx:
        operator = identity.add_organisation(
            tx, key="o", name="示范市", kind="operator", at_us=now_us
        )
        for name, role in (
            ("risk", "risk_officer"),
            ("risk two", "risk_officer"),
            ("owner", "release_owner"),
            ("trainer", "trainer"),
        ):
            member = identity.add_member(
                tx, key=name, organisation=operator.id, name=name, at_us=now_us
            )
            identity.grant_role(tx, member=member.id, role=role, at_us=now_us)
            house.people[name] = member.id
        for version, digest in (("model_1", MODEL), ("model_2", OTHER_MODEL)):
            added = ModelVersion(
                id=version,
                reference="",
                name="router",
                owner=operator.id,
                model_digest=digest,
                manifest_digest=digest,
                card_digest=digest,
                train_digest=TRAIN,
                state="registered",
                certificate=None,
                valid_until_us=None,
                state_at_us=now_us,
                at_us=now_us,
            )
            house.references[version] = version
            models_store.add_version(tx, added)
    source = house.add("data.source", "src_1", {"digest": "sha256:" + "1" * 64})
    certificate = house.add(
        "data.certificate",
        "cert_1",
        {"input_digest": "sha256:" + "1" * 64, "output_digest": DATASET},
        source=source,
    )
    terms = {"dataset_digest": DATASET, "policy_digest": "sha256:" + "2" * 64}
    listing = house.add("data.listing", "listing_1", terms, certificate=certificate)
    grant = house.add(
        "data.grant",
        "grant_1",
        terms | {"buyer": "org_1", "expires_at_us": now_us + DAY_US},
        listing=listing,
    )
    split = house.add(
        "evaluation.split",
        "split_1",
        {"dataset_digest": DATASET, "train_digest": TRAIN, "heldout_digest": HELDOUT},
        grant=grant,
    )
    house.references["split"] = split
    award = house.add("compute.award", "award_1", {"organisation": "org_1"})
    usage_body = {"organisation": "org_1", "input_digests": [TRAIN], "output_digests": [MODEL]}
    usage = house.add("compute.usage", "work_1", usage_body, award=award, input=split)
    for version, digest in (("model_1", MODEL), ("model_2", OTHER_MODEL)):
        body = {"model_digest": digest, "train_digest": TRAIN, "name": "router"}
        house.references[version] = house.add(
            "model.version", version, body, usage=usage, split=split
        )
    house.references["model"] = model = house.references["model_1"]
    with storage.database.begin() as tx:
        for version in ("model_1", "model_2"):
            tx.execute(
                models_store.versions.update()
                .where(models_store.versions.c.id == version)
                .values(reference=house.references[version])
            )
    house.references |= {
        "evaluation": house.evaluate("eval_1", gate="passed", model=model, digest=MODEL),
        "failed": house.evaluate("eval_2", gate="failed", model=model, digest=MODEL),
        "foreign": house.evaluate(
            "eval_3", gate="passed", model=house.references["model_2"], digest=OTHER_MODEL
        ),
    }
    return house
