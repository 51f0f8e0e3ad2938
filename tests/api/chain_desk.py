"""From an upload to a verified answer over HTTP alone: each person with a key of their own."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from api_desk import Desk
from server_desk import eventually

from yunhe.models import service as models
from yunhe.plans.stages.compute import TRAINING

EXAMPLE = Path(__file__).parents[2] / "examples" / "hotline"
FACTS = yaml.safe_load((EXAMPLE / "plan.yaml").read_text("utf-8"))["governance"]["facts"]
TICKETS = 1_000
GATE = {"metric": "macro_f1", "at_least": "0.20", "over_baseline": "0.05"}
PEOPLE = {
    "admin": ("city", "operator", ("operator",)),
    "risk": ("city", "operator", ("risk_officer",)),
    "room": ("machine room", "provider", ("caller",)),
    "steward": ("hotline", "data_holder", ("data_steward",)),
    "desk": ("hotline", "data_holder", ("caller",)),
    "owner": ("hotline", "data_holder", ("release_owner",)),
    "buyer": ("university", "university", ("buyer",)),
    "trainer": ("university", "university", ("trainer",)),
    "dean": ("university", "university", ("administrator",)),
    "own risk": ("university", "university", ("risk_officer",)),
    "examiner": ("test centre", "evaluator", ("evaluator",)),
    "rival": (
        "rival",
        "company",
        ("buyer", "trainer", "caller"),
    ),
    "rival examiner": ("rival", "company", ("evaluator", "data_steward")),
    "rival owner": ("rival", "company", ("release_owner",)),
    "rival risk": ("rival", "company", ("risk_officer",)),
}
"""Name → organisation, its kind, roles."""


class City:
    """The people, their keys, and what they have made so far; each thing is made when asked for."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.members = {}
        self.keys = {}
        for name, (place, kind, roles) in PEOPLE.items():
            member = desk.member(desk.organisation(place, kind), *roles, name=name)
            self.members[name], self.keys[name] = member, desk.key(member)

    def organisation(self, name: str) -> str:
        return self.members[name].organisation

    def ask(self, name: str, method: str, path: str, **given: Any):
        return self.desk.ask(method, path, self.keys[name], **given)

    def get(self, name: str, path: str) -> Any:
        answer = self.ask(name, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, name: str, path: str, status: int = 201, /, **body: Any) -> Any:
        answer = self.ask(name, "POST", path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, name: str, path: str, /, **body: Any) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.ask(name, "POST", path, json=body)
        return answer.status_code, answer.json()["code"]

    def ended(self, name: str, operation: dict) -> Any:
        """What came of an operation, once it is over."""

        def over() -> Any:
            found = self.get(name, f"/v1/operations/{operation['id']}")
            return found if found["state"] in ("done", "failed", "cancelled") else None

        found = eventually(over, seconds=60)
        assert found["state"] == "done", found
        return found["result"]

    @cached_property
    def grant(self) -> dict:
        """The hotline's tickets: sent, cleansed, listed, and bought by the university."""
        spec = importlib.util.spec_from_file_location("tickets", EXAMPLE / "generate.py")
        generator = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(generator)
        lines = [json.dumps(ticket) for ticket, _ in generator.generate(TICKETS)]
        sent = self.ask(
            "steward",
            "POST",
            "/v1/uploads",
            content="\n".join(lines).encode(),
            headers={"content-type": "application/octet-stream"},
        )
        assert sent.status_code == 201, sent.text
        cleansed = self.ended(
            "steward",
            self.post(
                "steward",
                "/v1/cleansings",
                input=sent.json()["digest"],
                file="tickets.jsonl",
                name="tickets (synthetic)",
                licence="CC-BY-4.0",
                text="text",
                label="department",
                id="id",
                synthetic=True,
            ),
        )
        certificates = self.get("steward", "/v1/certificates")["items"]
        [certificate] = [
            each for each in certificates if each["reference"] == cleansed["certificate_reference"]
        ]
        policy = {
            "purposes": ["model-training"],
            "organisation_kinds": ["university"],
            "valid_days": 365,
        }
        listing = self.post(
            "steward",
            "/v1/listings",
            certificate=certificate["id"],
            title="tickets",
            price_minor=120_000,
            unit="CNY",
            policy=policy,
        )
        self.post(
            "admin",
            "/v1/issuances",
            organisation=self.organisation("buyer"),
            unit="CNY",
            purpose="cash",
            amount=500_000,
        )
        order = self.post("buyer", "/v1/orders", listing=listing["id"])
        return self.get("buyer", f"/v1/grants/{order['grant']}")

    @cached_property
    def split(self) -> dict:
        begun = self.post("trainer", "/v1/splits", grant=self.grant["id"], seed=7)
        return self.get("trainer", f"/v1/splits/{self.ended('trainer', begun)['split']}")

    @cached_property
    def workload(self) -> dict:
        """The training, run by the worker and settled."""
        program = models.training_entry_point()
        self.post(
            "admin",
            "/v1/pools",
            provider=self.organisation("room"),
            site="here",
            chip="cpu",
            devices=1,
            price_minor_per_device_hour=3_600,
            currency="CNY",
        )
        self.post(
            "admin",
            "/v1/awards",
            organisation=self.organisation("trainer"),
            chip="cpu",
            device_ms=900_000,
            expires_in_days=90,
        )
        self.post(
            "admin",
            "/v1/entry-points",
            name=TRAINING,
            module=program.module,
            digest=program.digest,
        )
        made = self.post("trainer", "/v1/workloads", **self.training)
        path = f"/v1/workloads/{made['id']}"

        def over() -> Any:
            found = self.get("trainer", path)
            return found if found["state"] in ("settled", "failed", "cancelled") else None

        found = eventually(over, seconds=120)
        assert found["state"] == "settled", (found, self.ask("trainer", "GET", f"{path}/log").text)
        return found

    @property
    def training(self) -> dict:
        return {
            "entry_point": TRAINING,
            "arguments": {"seed": 7, "name": "router", "synthetic": True},
            "inputs": {"train": self.split["train_digest"]},
            "wall_seconds_max": 200,
            "cpu_seconds_max": 200,
            "input_reference": self.split["reference"],
        }

    @cached_property
    def model(self) -> dict:
        """Registered, and shown to the test centre and the hotline."""
        made = self.post(
            "trainer",
            "/v1/models",
            name="router",
            workload=self.workload["id"],
            split=self.split["id"],
        )
        for reviewer in ("examiner", "owner"):
            path = f"/v1/models/{made['id']}/reviewers/{self.organisation(reviewer)}"
            assert self.ask("dean", "PUT", path).status_code == 200
        return made

    @cached_property
    def evaluation(self) -> dict:
        result = self.ended("examiner", self.post("examiner", "/v1/evaluations", **self.testing))
        return self.get("examiner", f"/v1/evaluations/{result['evaluation']}")

    @property
    def testing(self) -> dict:
        baseline = {"kind": "majority"}
        return {"model": self.model["id"], "baseline": baseline, "gate": GATE, "seed": 7}

    @cached_property
    def risk(self) -> dict:
        return self.post("risk", "/v1/risks", model=self.model["id"], facts=FACTS)

    def decision(self, role: str) -> dict:
        until = datetime.now(UTC) + timedelta(days=30)
        return {**self.basis, "role": role, "expires_at": until.isoformat()}

    @property
    def basis(self) -> dict:
        return {
            "model": self.model["id"],
            "evaluation": self.evaluation["id"],
            "risk": self.risk["id"],
        }

    @cached_property
    def approvals(self) -> list[dict]:
        """Two people of two organisations in two roles, each for themself."""
        return [
            self.post("risk", "/v1/approvals", **self.decision("risk_officer")),
            self.post("owner", "/v1/approvals", **self.decision("release_owner")),
        ]

    @cached_property
    def release(self) -> dict:
        assert self.approvals
        return self.post("owner", "/v1/releases", **self.basis)

    @cached_property
    def deployment(self) -> dict:
        assert self.release
        return self.post("owner", "/v1/deployments", model=self.model["id"], route="hotline")
