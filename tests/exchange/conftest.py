"""A small market: a data holder with a certified dataset, a university with money, an operator."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.exchange import service as exchange
from yunhe.exchange.domain import Grant, Listing, Policy
from yunhe.identity import service as identity
from yunhe.kernel.clock import ManualClock
from yunhe.ledger import service as ledger
from yunhe.storage.service import Storage

DATA = b"id,text\n1,the water is off again\n"
PRICE = 120_000
FUNDS = 300_000
POLICY = {
    "purposes": ["model-training"],
    "organisation_kinds": ["university"],
    "prohibited": ["onward-transfer"],
    "valid_days": 30,
    "accesses_max": 3,
}


@dataclass
class Market:
    storage: Storage
    clock: ManualClock
    holder: str
    steward: str
    university: str
    buyer: str
    company: str
    trader: str
    operator: str
    dataset: str
    certificate_reference: str
    policy: Policy

    def offer(self, **changed: object) -> dict:
        return {
            "key": "hotline",
            "certificate": "cert_1",
            "certificate_reference": self.certificate_reference,
            "dataset_digest": self.dataset,
            "title": "示范热线工单",
            "holder": self.holder,
            "licence": "CC-BY-4.0",
            "price_minor": PRICE,
            "unit": "CNY",
            "policy": self.policy,
        } | changed

    def list(self, **changed: object) -> Listing:
        return exchange.list_dataset(self.storage, **self.offer(**changed))

    def buy(self, listing: Listing, *, key: str = "order", **changed: object) -> Grant:
        wanted = {"listing": listing.id, "buyer": self.university, "member": self.buyer} | changed
        return exchange.order_dataset(self.storage, key=key, **wanted)

    def open(self, grant: Grant, *, purpose: str = "model-training", **changed: object) -> bytes:
        wanted = {"grant": grant.id, "organisation": self.university} | changed
        return exchange.open_dataset(self.storage, purpose=purpose, **wanted)

    def cash(self, owner: str, purpose: str = "cash") -> tuple[int, int]:
        """Available and held."""
        with self.storage.database.read() as tx:
            found = [b for b in ledger.balances(tx, owner) if b.purpose == purpose]
        return (found[0].available, found[0].held) if found else (0, 0)

    def check_books(self) -> None:
        with self.storage.database.read() as tx:
            replay = ledger.replay(tx)
        assert replay.ok, replay.problems


@pytest.fixture
def market(storage: Storage, clock: ManualClock) -> Market:
    at_us = clock.now_us()
    dataset = storage.blobs.put(DATA).digest
    with storage.database.begin() as tx:
        organisations = {
            key: identity.add_organisation(tx, key=key, name=key, kind=kind, at_us=at_us).id
            for key, kind in (
                ("holder", "data_holder"),
                ("university", "university"),
                ("company", "company"),
                ("operator", "operator"),
            )
        }
        members = {}
        for key, role in (
            ("holder", "data_steward"),
            ("university", "buyer"),
            ("company", "buyer"),
        ):
            member = identity.add_member(
                tx, key="m", organisation=organisations[key], name=key, at_us=at_us
            ).id
            identity.grant_role(tx, member=member, role=role, at_us=at_us)
            members[key] = member
        cash = ledger.open_account(
            tx, owner=organisations["university"], unit="CNY", purpose="cash"
        )
        ledger.grant(tx, key="funds", account=cash, amount=FUNDS, at_us=at_us)
        source = custody.append(
            tx,
            Record(
                kind="data.source",
                subject="src_1",
                at_us=at_us,
                body={
                    "digest": "sha256:" + "1" * 64,
                    "bytes": 100,
                    "name": "hotline",
                    "holder": organisations["holder"],
                    "licence": "CC-BY-4.0",
                    "synthetic": True,
                },
                links={},
            ),
        )
        certificate = custody.append(
            tx,
            Record(
                kind="data.certificate",
                subject="cert_1",
                at_us=at_us,
                body={
                    "certificate_digest": "sha256:" + "2" * 64,
                    "input_digest": "sha256:" + "1" * 64,
                    "pipeline_digest": "sha256:" + "3" * 64,
                    "output_digest": dataset,
                    "documents_in": 2,
                    "documents_out": 1,
                },
                links={"source": source},
            ),
        )
    return Market(
        storage=storage,
        clock=clock,
        holder=organisations["holder"],
        steward=members["holder"],
        university=organisations["university"],
        buyer=members["university"],
        company=organisations["company"],
        trader=members["company"],
        operator=organisations["operator"],
        dataset=dataset,
        certificate_reference=certificate,
        policy=exchange.parse_policy(POLICY),
    )
