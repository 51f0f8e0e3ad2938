"""Things of the floors that trade, compute and tell; see `api_seeds`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import parquet

from yunhe.compute import service as compute
from yunhe.compute import store as compute_rows
from yunhe.compute.applications.domain import Proposal
from yunhe.compute.domain import WorkloadSpec
from yunhe.compute.live import store as live_rows
from yunhe.compute.statements import importing
from yunhe.compute.statements import store as statement_rows
from yunhe.compute.statements.domain import SUMS, Document
from yunhe.corpus import store as corpus_rows
from yunhe.corpus.review import service as reviews
from yunhe.corpus.risk import register as libraries
from yunhe.corpus.sources import service as sources
from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.exchange import service as exchange
from yunhe.exchange.domain import Listing
from yunhe.notices import service as notices
from yunhe.notices.tables import deliveries
from yunhe.plans import store as plan_rows
from yunhe.vault import service as vault

if TYPE_CHECKING:
    from api_desk import Desk
    from api_seeds import Place

PLAN = Path(__file__).parents[2] / "examples" / "hotline" / "plan.yaml"
DATA = b"id,text\n1,the water is off again\n"


def policy(*kinds: str) -> dict[str, object]:
    return {
        "purposes": ["model-training"],
        "organisation_kinds": list(kinds),
        "prohibited": ["onward-transfer"],
        "valid_days": 30,
        "accesses_max": 3,
    }


def certify(desk: Desk, holder: str, *, name: str = "seed", data: bytes = b"") -> dict[str, object]:
    """A row of a certified dataset with its records and blobs, as cleansing leaves them."""
    blobs, at_us = desk.storage.blobs, desk.now_us()
    dataset = blobs.put(data or DATA + holder.encode()).digest
    certificate_id, source_id = f"cert_{name}_{holder}", f"source_{name}_{holder}"
    certificate = blobs.put(json.dumps({"body": {}, "id": certificate_id}).encode()).digest
    source_body = {
        "digest": "sha256:" + "1" * 64,
        "bytes": 100,
        "name": name,
        "holder": holder,
        "licence": "CC-BY-4.0",
        "synthetic": True,
    }
    body = {
        "certificate_digest": certificate,
        "input_digest": "sha256:" + "1" * 64,
        "pipeline_digest": "sha256:" + "3" * 64,
        "output_digest": dataset,
        "documents_in": 2,
        "documents_out": 1,
    }
    with desk.storage.database.begin() as tx:
        source = custody.append(tx, Record("data.source", source_id, at_us, source_body, {}))
        made = custody.append(
            tx, Record("data.certificate", certificate_id, at_us, body, {"source": source})
        )
        row: dict[str, object] = {
            "certificate_id": certificate_id,
            "key": certificate_id,
            "request_digest": "sha256:" + "4" * 64,
            "source_id": source_id,
            "name": name,
            "holder": holder,
            "licence": "CC-BY-4.0",
            "synthetic": True,
            "input_bytes": 100,
            "source_reference": source,
            "certificate_reference": made,
            "input_digest": "sha256:" + "1" * 64,
            "output_digest": dataset,
            "certificate_digest": certificate,
            "decisions_digest": dataset,
            "spans_digest": dataset,
            "sample_digest": dataset,
            "at_us": at_us,
        }
        corpus_rows.insert(tx, row)
    return row


def offer(desk: Desk, holder: str, *kinds: str, name: str = "seed") -> Listing:
    """A free listing that organisations of these kinds may order."""
    row = certify(desk, holder, name=name)
    return exchange.list_dataset(
        desk.storage,
        key=name,
        certificate=row["certificate_id"],
        certificate_reference=row["certificate_reference"],
        dataset_digest=row["output_digest"],
        title="seed",
        holder=holder,
        licence="CC-BY-4.0",
        price_minor=0,
        unit="CNY",
        policy=exchange.parse_policy(policy(*kinds)),
    )


def _listing(desk: Desk, place: Place) -> str:
    return offer(desk, place.organisation, "sme").id


def _grant_of(desk: Desk, place: Place):
    holder = desk.organisation(f"holder for {place.organisation}", "data_holder")
    listing = offer(desk, holder, "company", "university", name=f"for {place.organisation}")
    buyer = desk.member(place.organisation, "buyer")
    return exchange.order_dataset(
        desk.storage,
        key="seed",
        listing=listing.id,
        buyer=place.organisation,
        member=buyer.id,
    )


def _order(desk: Desk, place: Place) -> str:
    with desk.storage.database.read() as tx:
        found = exchange.orders(tx, place.organisation)
    return found[0].id if found else _grant_of(desk, place).order


def _grant(desk: Desk, place: Place) -> str:
    with desk.storage.database.read() as tx:
        found = exchange.grants(tx, place.organisation)
    return found[0].id if found else _grant_of(desk, place).id


def _workload(desk: Desk, place: Place) -> str:
    storage = desk.storage
    provider = desk.organisation(f"provider for {place.organisation}", "provider")
    compute.register_pool(
        storage,
        key="seed",
        provider=provider,
        site="here",
        chip="cpu",
        devices=1,
        price_minor_per_device_hour=0,
        currency="CNY",
    )
    made = compute.submit(
        storage,
        WorkloadSpec(
            key="seed",
            organisation=place.organisation,
            entry_point="training",
            arguments={},
            inputs={},
            chip="cpu",
            devices=1,
            wall_seconds_max=60,
            cpu_seconds_max=60,
        ),
    )
    left = storage.blobs.put(b"left by a workload").digest
    with storage.database.begin() as tx:
        compute_rows.change(tx, made.id, log=left, outputs=json.dumps({"model.safetensors": left}))
    return made.id


def _exec(desk: Desk, place: Place) -> str:
    workload = _workload(desk, place)
    asked = compute.live.Asked(workload, place.organisation, place.member, command=("true",))
    made = f"exec_of_{place.organisation}"
    with desk.storage.database.begin() as tx:
        live_rows.add_exec(tx, made, asked, at_us=desk.now_us())
        live_rows.over(tx, made, why=None, status=0, at_us=desk.now_us())
    return made


def parquet_of(texts: list[str]) -> bytes:
    sink = io.BytesIO()
    ids = [f"d{n}" for n in range(len(texts))]
    table = {"id": ids, "text": texts, "label": ["x"] * len(texts), "group": ids}
    parquet.write_table(pa.table(table), sink)
    return sink.getvalue()


def _review(desk: Desk, place: Place) -> str:
    data = parquet_of([f"of {place.organisation}", "路灯不亮，请处理。"])
    row = certify(desk, place.organisation, name="reviewed", data=data)
    asked = reviews.Asked(str(row["certificate_id"]))
    return reviews.open_review(desk.storage, asked, by="member_seed").id


def _source(desk: Desk, place: Place) -> str:
    facts = sources.Facts("seed", "own", "LicenseRef-own")
    with desk.storage.database.begin() as tx:
        return sources.register(
            tx,
            facts,
            key="seed",
            holder=place.organisation,
            member=place.member,
            at_us=desk.now_us(),
        ).id


def _library(desk: Desk, place: Place) -> str:
    words = desk.storage.blobs.put("word,class\n无害词,A.1.8\n".encode())
    return libraries.put(
        desk.storage,
        key="seed",
        organisation=place.organisation,
        name="w.csv",
        digest=words.digest,
        member=place.member,
    ).id


def _secret(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        return vault.put(
            tx,
            desk.platform.vault,
            organisation=place.organisation,
            name="SEED_TOKEN",
            value=b"12345678-planted",
            member=place.member,
            at_us=desk.now_us(),
        ).name


def _webhook(desk: Desk, place: Place) -> str:
    with desk.storage.database.begin() as tx:
        found = notices.webhooks(tx, place.organisation)
        if found:
            return found[0].id
        return notices.add_webhook_in(
            tx,
            desk.platform.ways,
            organisation=place.organisation,
            url="https://hooks.example.org/",
            kinds=["job_ended"],
            member=place.member,
            at_us=desk.now_us(),
        ).webhook.id


def _delivery(desk: Desk, place: Place) -> str:
    hook = _webhook(desk, place)
    row = {
        "id": f"delivery_{hook}"[:64],
        "notice": "note_seed",
        "way": "webhook",
        "target": hook,
        "state": "dead",
        "attempts": 3,
        "next_at_us": 0,
        "status": 500,
        "problem": "",
        "created_at_us": desk.now_us(),
    }
    with desk.storage.database.begin() as tx:
        tx.execute(deliveries.insert().values(**row))
    return row["id"]


def started_run(desk: Desk, place: Place) -> str:
    run = f"run_{place.organisation}"
    with desk.storage.database.begin() as tx:
        plan_rows.add_run(
            tx,
            run=run,
            plan="hotline",
            plan_digest=desk.storage.blobs.put(PLAN.read_bytes()).digest,
            input_digest="sha256:" + "5" * 64,
            input_path="tickets.jsonl",
            at_us=desk.now_us(),
        )
    return run


def _application(desk: Desk, place: Place) -> str:
    """One that waits for facts, as it states none."""
    proposal = Proposal(
        key="seed",
        programme="yunhe",
        organisation=place.organisation,
        title="seed",
        facts={},
        chip="cpu",
    )
    return compute.applications.apply(desk.storage, proposal, by=place.member).id


def _invoice(desk: Desk, place: Place) -> str:
    """An invoice with nothing on it; its bytes are there."""
    name = f"document_{place.organisation}"
    whole = {
        "kind": "invoice",
        "number": 1,
        "party": place.organisation,
        "period": {"name": "2026-01", "since": "", "until": ""},
        "currency": "CNY",
        "issued_at": "2026-02-01T00:00:00.000000Z",
        "totals": {"lines": 0, **dict.fromkeys(SUMS, 0)},
        "lines": [],
    }
    digest = desk.storage.blobs.put(json.dumps(whole).encode()).digest
    with desk.storage.database.begin() as tx:
        number = statement_rows.number_last(tx, "invoice") + 1
        made = Document(
            id=name,
            kind="invoice",
            number=number,
            party=place.organisation,
            period="2026-01",
            currency="CNY",
            lines=0,
            **dict.fromkeys(SUMS, 0),
            issued_at_us=desk.now_us(),
            digest=digest,
            reference="5d" * 32,
        )
        statement_rows.add_document(tx, made)
    return name


def _statement(desk: Desk, place: Place) -> str:
    """An empty statement of a provider."""
    return compute.statements.receive(
        desk.storage,
        provider=place.organisation,
        period=compute.statements.period("2026-01"),
        body=importing.written([]),
        form="csv",
        received_by=place.member,
    ).id


SEEDS = {
    "invoice": _invoice,
    "statement": _statement,
    "application": _application,
    "listing": _listing,
    "order": _order,
    "grant": _grant,
    "certificate": lambda desk, place: certify(desk, place.organisation, name="own")[
        "certificate_id"
    ],
    "review": _review,
    "source": _source,
    "library": _library,
    "workload": _workload,
    "exec": _exec,
    "secret": _secret,
    "webhook": _webhook,
    "delivery": _delivery,
    "run": started_run,
    "output": lambda desk, place: FIXED["output"],
    "part": lambda desk, place: FIXED["part"],
}
FIXED = {"output": "model.safetensors", "part": "dataset"}
