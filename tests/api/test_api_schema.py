"""Requests made from the OpenAPI document itself: nothing unforeseen, and answers as it says."""

from __future__ import annotations

import socket
from collections import Counter
from itertools import product

import pytest
import schemathesis
from api_desk import BASE, open_home
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.generation import GenerationMode
from schemathesis.python import asgi

from yunhe.api.app import create_app
from yunhe.identity import service as identity
from yunhe.kernel.clock import SystemClock
from yunhe.storage.blobs import LocalBlobs
from yunhe.storage.database import Database
from yunhe.storage.schema import metadata
from yunhe.storage.service import Storage

EXAMPLES = 15
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    ignored_auth,
    unsupported_method,
]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The application, its document, and an operator's key."""
    home = tmp_path_factory.mktemp("schema")
    database = Database.at(home / "yunhe.db", durable=False)
    with database.begin() as tx:
        metadata.create_all(tx)
    storage = Storage(database, LocalBlobs(home / "blobs"), SystemClock())
    platform = open_home(storage, home / "home")
    token = identity.first_token(storage)
    claimed = identity.claim_operator(storage, token=token, organisation_name="O", name="o")
    app = create_app(platform)
    with pytest.MonkeyPatch.context() as patch, asgi.get_client(app) as client:
        # Requests without a key are made on purpose here, more than one address may make.
        patch.setattr("yunhe.api.rates.ADDRESS_BURST", 1_000_000)
        patch.setattr("socket.getaddrinfo", _nobody)  # webhooks name hosts; none is asked for
        document = client.get(f"{BASE}/v1/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        schema.app = app
        yield schema, client, claimed.key.secret
    asgi.shutdown_lifespans()
    database.close()


def _nobody(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "no network in tests")


@pytest.mark.slow
def test_no_request_made_from_the_document_finds_what_the_document_does_not_say(served):
    schema, client, key = served
    statuses, failed = Counter(), []
    operations = [result.ok() for result in schema.get_all_operations()]
    for operation, mode in product(operations, GenerationMode):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            headers = {"Authorization": f"Bearer {key}"}
            answer = case.call_and_validate(
                base_url=BASE, session=client, headers=headers, checks=CHECKS
            )
            statuses[answer.status_code] += 1
            # 503 is foreseen where something lies outside, e.g. a name that nobody resolves.
            assert answer.status_code != 500, answer.text

        try:
            ask()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing to get wrong about this route
        except Exception as error:  # noqa: BLE001 (every finding of every route is listed)
            failed.append(f"{operation.label}: {error} {getattr(error, 'exceptions', '')}")
    assert failed == []
    assert statuses.total() > 20 * len(operations)
    assert statuses[200] + statuses[201] > 100
    assert set(statuses) >= {200, 201, 400, 404, 422}
