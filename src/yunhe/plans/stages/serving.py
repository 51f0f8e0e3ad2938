"""The released version answers over HTTP, and the last answer's receipt is written down."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

from yunhe.custody import service as custody
from yunhe.identity import service as identity
from yunhe.kernel.canonical import Json, JsonObject, canonical_bytes
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Unavailable
from yunhe.models import service as models
from yunhe.plans.run import Run

ANSWER_SECONDS_MAX = 30
"""How long one answer may take on loopback."""


def serve(run: Run) -> JsonObject:
    """Deploy, ask every question of the plan, take the receipt of the last answer."""
    plan, storage = run.plan.serving, run.storage
    deployment = models.deploy(
        storage,
        key=run.key("deployment"),
        version=run.left("models", "version"),
        route=plan.route,
    )
    now_us = storage.clock.now_us()
    with storage.database.begin() as tx:
        key = identity.issue_key(
            tx,
            member=run.member(plan.caller),
            expires_at_us=now_us + DAY_US,
            at_us=now_us,
            label=run.key("caller"),
        )
    with run.equipment.gateway() as url:
        answers = [_answer(url, plan.route, key.secret, text) for text in plan.questions]
        status, _ = _ask(url, plan.route, "no-such-key", plan.questions[0])
    with storage.database.begin() as tx:
        identity.revoke_key(tx, key.id, at_us=storage.clock.now_us())
    run.equipment.sequence()
    receipt = canonical_bytes(_receipt(run, str(answers[-1]["id"])))
    return {
        "deployment": deployment.id,
        "reference": deployment.reference,
        "answers": answers,
        "answer": str(answers[-1]["id"]),
        "receipt": storage.blobs.put(receipt).digest,
        "checks": {"unknown_key_refused": status == 401},
    }


def _receipt(run: Run, answer: str) -> JsonObject:
    with run.storage.database.read() as tx:
        reference = custody.reference(tx, "serving.answer", answer)
    if reference is None:
        raise Unavailable("plans.answer_lost", answer=answer)
    return custody.receipt(run.storage, reference)


def _ask(url: str, route: str, secret: str, text: str) -> tuple[int, dict[str, object]]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(
        address.hostname or "", address.port, timeout=ANSWER_SECONDS_MAX
    )
    try:
        connection.request(
            "POST",
            f"/v1/routes/{route}/answers",
            json.dumps({"text": text}).encode(),
            {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
        )
        response = connection.getresponse()
        return response.status, dict(json.loads(response.read()))
    finally:
        connection.close()


def _answer(url: str, route: str, secret: str, text: str) -> dict[str, Json]:
    status, said = _ask(url, route, secret, text)
    scores = said.get("scores")
    if status != 200 or not isinstance(scores, dict):
        raise Unavailable(
            "plans.not_answered", status=status, said=str(said.get("message", said))[:500]
        )
    return {
        "id": str(said["id"]),
        "question": text,
        "label": str(said["label"]),
        "scores": [[str(label), str(score)] for label, score in scores.items()],
    }
