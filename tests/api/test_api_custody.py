"""The log over HTTP: checkpoints and keys for anyone, receipts for those whose records they are."""

from __future__ import annotations

import pytest

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.models.domain import tenant_of


def record(desk, kind, subject, body, **links):
    with desk.storage.database.begin() as tx:
        return custody.append(tx, Record(kind, subject, desk.now_us(), body, links))


@pytest.fixture
def chain(desk):
    """A model of one organisation, learnt from another's data, that answered a third."""
    holder, owner, asker = (desk.organisation(name) for name in ("holder", "owner", "asker"))
    raw = {"digest": "sha256:" + "0" * 64, "bytes": 1, "name": "n", "licence": "CC0-1.0"}
    source = record(desk, "data.source", "s", {**raw, "synthetic": True, "holder": holder})
    certificate = record(desk, "data.certificate", "c", {"n": 1}, source=source)
    model = record(desk, "model.version", "m", {"owner": owner}, data=certificate)
    run = record(desk, "evaluation.run", "e", {"score": "0.9"}, model=model, split=certificate)
    release = record(desk, "governance.release", "r", {"n": 2}, evaluation=run)
    answer = record(desk, "serving.answer", "a", {"tenant": tenant_of(asker)}, release=release)
    references = {
        "source": source,
        "certificate": certificate,
        "model": model,
        "run": run,
        "release": release,
        "answer": answer,
    }
    places = {"holder": holder, "owner": owner, "asker": asker}
    keys = {name: desk.key(desk.member(place, "caller")) for name, place in places.items()}
    operator = desk.organisation("operator", "operator")
    keys["auditor"] = desk.key(desk.member(operator, "auditor"))
    keys["caller"] = desk.key(desk.member(operator, "caller"))
    return references, keys


def test_checkpoint_and_keys_are_open_and_verify_a_receipt(desk, chain):
    references, keys = chain
    assert desk.ask("GET", "/v1/log/checkpoint").status_code == 404
    desk.platform.sequencer.run_once()
    checkpoint = desk.ask("GET", "/v1/log/checkpoint")
    trust = desk.ask("GET", "/v1/log/trust")
    assert checkpoint.headers["content-type"].startswith("text/plain")
    answer = desk.ask("GET", f"/v1/records/{references['source']}/receipt", keys["holder"])
    assert answer.status_code == 200, answer.text
    verdict = custody.verify(answer.content, trust.text, [checkpoint.text])
    assert verdict.ok, verdict


def test_a_receipt_is_given_to_whose_record_it_is_or_rests_on_nearest(desk, chain):
    references, keys = chain
    desk.platform.sequencer.run_once()
    given = {
        name: {
            who
            for who, key in keys.items()
            if desk.ask("GET", f"/v1/records/{reference}/receipt", key).status_code == 200
        }
        for name, reference in references.items()
    }
    assert given == {
        "source": {"holder", "auditor"},
        "certificate": {"holder", "auditor"},
        "model": {"owner", "auditor"},
        "run": {"owner", "auditor"},
        "release": {"owner", "auditor"},
        "answer": {"asker", "auditor"},
    }


def test_a_record_that_waits_for_the_log_is_asked_for_again_later(desk, chain):
    references, keys = chain
    answer = desk.ask("GET", f"/v1/records/{references['model']}/receipt", keys["owner"])
    assert (answer.status_code, answer.json()["code"]) == (409, "custody.not_sequenced")
    assert answer.json()["retryable"]
    assert answer.headers["retry-after"] == "1"
