"""Every method of every floor asks exactly the address it is named for, with the ids in place."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import BaseModel

from yunhe.api import document
from yunhe.client.client import Client
from yunhe.client.floors import compute, operations
from yunhe.client.http import Options
from yunhe.client.wire.compute import Workload
from yunhe.client.wire.operations import Operation
from yunhe.kernel.errors import Invalid, NotFound, Unavailable, YunheError

FIRST_ASKED = {
    "applications.affiliate": "POST /v1/affiliations",
    "applications.affiliations": "GET /v1/affiliations",
    "applications.amend": "POST /v1/applications/{application}/amend",
    "applications.application": "GET /v1/applications/{application}",
    "applications.apply": "POST /v1/applications",
    "applications.close": "POST /v1/applications/{application}/close",
    "applications.confirm": "POST /v1/applications/{application}/confirm",
    "applications.decide": "POST /v1/applications/{application}/decide",
    "compute.preview": "POST /v1/previews",
    "applications.explain": "POST /v1/rulings",
    "applications.fund": "POST /v1/funds",
    "applications.listed": "GET /v1/applications?state={state}",
    "applications.pay": "POST /v1/applications/{application}/pay",
    "applications.programmes": "GET /v1/programmes",
    "applications.redeem": "POST /v1/applications/{application}/redeem",
    "applications.report": "POST /v1/applications/{application}/report",
    "applications.vote": "POST /v1/applications/{application}/votes",
    "applications.withdraw": "POST /v1/applications/{application}/withdraw",
    "compute.add_pool": "POST /v1/pools",
    "compute.approve_entry_point": "POST /v1/entry-points",
    "compute.award": "POST /v1/awards",
    "compute.awards": "GET /v1/awards",
    "compute.cancel": "POST /v1/workloads/{workload}/cancel",
    "compute.download": "GET /v1/workloads/{workload}",
    "compute.entry_points": "GET /v1/entry-points",
    "compute.issue_voucher": "POST /v1/vouchers",
    "compute.log": "GET /v1/workloads/{workload}/log",
    "compute.pools": "GET /v1/pools",
    "compute.queue": "GET /v1/queue",
    "compute.windows": "GET /v1/windows",
    "compute.guarantee": "POST /v1/windows",
    "compute.change_window": "POST /v1/windows/{window}/change",
    "compute.policy": "GET /v1/policy",
    "compute.choose_policy": "PUT /v1/policy",
    "compute.weigh": "PUT /v1/weights",
    "compute.weights": "GET /v1/weights",
    "supply.limits": "GET /v1/limits",
    "supply.say_limit": "PUT /v1/limits",
    "supply.ways": "GET /v1/ways",
    "supply.say_way": "PUT /v1/ways",
    "compute.submit": "POST /v1/workloads",
    "compute.vouchers": "GET /v1/vouchers",
    "compute.wait": "GET /v1/workloads/{workload}",
    "compute.why": "GET /v1/workloads/{workload}/why",
    "compute.workload": "GET /v1/workloads/{workload}",
    "compute.workloads": "GET /v1/workloads",
    "corpus.certificate": "GET /v1/certificates/{certificate}",
    "corpus.certificates": "GET /v1/certificates",
    "corpus.cleanse": "POST /v1/cleansings",
    "credentials.accept": "POST /v1/invitations/accept",
    "credentials.claim_operator": "POST /v1/operator",
    "credentials.invitations": "GET /v1/invitations",
    "credentials.invite": "POST /v1/invitations",
    "credentials.issue_key": "POST /v1/keys",
    "credentials.issued_keys": "GET /v1/keys?member={member}",
    "credentials.key": "GET /v1/keys/{key}",
    "credentials.revoke_key": "DELETE /v1/keys/{key}",
    "credentials.withdraw": "DELETE /v1/invitations/{invitation}",
    "custody.audit": "GET /v1/log/audit",
    "custody.audit_whole": "POST /v1/log/audits",
    "custody.checkpoint": "GET /v1/log/checkpoint",
    "custody.receipt": "GET /v1/records/{reference}/receipt",
    "custody.record": "GET /v1/records/{reference}",
    "custody.trust": "GET /v1/log/trust",
    "custody.verify": "POST /v1/verify",
    "erasures.erase": "POST /v1/erasures",
    "evaluation.evaluate": "POST /v1/evaluations",
    "evaluation.evaluation": "GET /v1/evaluations/{evaluation}",
    "evaluation.evaluations": "GET /v1/models/{model}/evaluations",
    "evaluation.make_split": "POST /v1/splits",
    "evaluation.split": "GET /v1/splits/{split}",
    "evaluation.splits": "GET /v1/splits",
    "exchange.cancel_order": "POST /v1/orders/{order}/cancel",
    "exchange.grant": "GET /v1/grants/{grant}",
    "exchange.grants": "GET /v1/grants",
    "exchange.listing": "GET /v1/listings/{listing}",
    "exchange.listings": "GET /v1/listings",
    "exchange.offer": "POST /v1/listings",
    "exchange.order": "GET /v1/orders/{order}",
    "exchange.orders": "GET /v1/orders",
    "exchange.place_order": "POST /v1/orders",
    "exchange.revoke_grant": "POST /v1/grants/{grant}/revoke",
    "exchange.withdraw": "POST /v1/listings/{listing}/withdraw",
    "governance.add_evidence": "POST /v1/evidence",
    "governance.grade": "POST /v1/risks",
    "governance.measures": "GET /v1/risks/{risk}/measures",
    "governance.preview": "POST /v1/gradings/preview",
    "governance.questionnaire": "GET /v1/questionnaire",
    "governance.risk": "GET /v1/risks/{risk}",
    "governance.risks": "GET /v1/models/{model}/risks",
    "identity.add_organisation": "POST /v1/organisations",
    "identity.add_project": "POST /v1/projects",
    "identity.add_service_account": "POST /v1/service-accounts",
    "identity.end_member": "DELETE /v1/members/{member}",
    "identity.grant_role": "POST /v1/members/{member}/roles",
    "identity.me": "GET /v1/me",
    "identity.member": "GET /v1/members/{member}",
    "identity.members": "GET /v1/members",
    "identity.organisation": "GET /v1/organisations/{organisation}",
    "identity.organisations": "GET /v1/organisations",
    "identity.projects": "GET /v1/projects",
    "identity.revoke_role": "DELETE /v1/members/{member}/roles/{role}?project={project}",
    "identity.set_contact": "PUT /v1/me/contact",
    "ledger.account": "GET /v1/accounts/{account}",
    "ledger.accounts": "GET /v1/accounts",
    "ledger.entries": "GET /v1/accounts/{account}/entries",
    "ledger.issue": "POST /v1/issuances",
    "ledger.transfer": "POST /v1/transfers",
    "models.ask_reviewer": "PUT /v1/models/{model}/reviewers/{organisation}",
    "models.deploy": "POST /v1/deployments",
    "models.deployment": "GET /v1/deployments/{deployment}",
    "models.deployments": "GET /v1/deployments",
    "models.register": "POST /v1/models",
    "models.remove_reviewer": "DELETE /v1/models/{model}/reviewers/{organisation}",
    "models.reviewers": "GET /v1/models/{model}/reviewers",
    "models.version": "GET /v1/models/{model}",
    "models.versions": "GET /v1/models",
    "notices.add_webhook": "POST /v1/webhooks",
    "notices.deliveries": "GET /v1/webhooks/{webhook}/deliveries",
    "notices.prefer": "PUT /v1/notices/preferences",
    "notices.preferences": "GET /v1/notices/preferences",
    "notices.read": "POST /v1/notices/read",
    "notices.redeliver": "POST /v1/webhooks/{webhook}/deliveries/{delivery}/redeliver",
    "notices.remove_webhook": "DELETE /v1/webhooks/{webhook}",
    "notices.resume_webhook": "POST /v1/webhooks/{webhook}/resume",
    "notices.rotate_webhook": "POST /v1/webhooks/{webhook}/rotate",
    "notices.webhook": "GET /v1/webhooks/{webhook}",
    "notices.webhooks": "GET /v1/webhooks",
    "operations.cancel": "POST /v1/operations/{operation}/cancel",
    "operations.get": "GET /v1/operations/{operation}",
    "operations.listed": "GET /v1/operations?project={project}",
    "operations.wait": "GET /v1/operations/{operation}",
    "plans.report": "GET /v1/runs/{run}/report?lang=en",
    "plans.run": "GET /v1/runs/{run}",
    "plans.runs": "GET /v1/runs",
    "plans.start": "POST /v1/runs",
    "releases.approvals": "GET /v1/models/{model}/approvals",
    "releases.approve": "POST /v1/approvals",
    "releases.release": "POST /v1/releases",
    "releases.releases": "GET /v1/models/{model}/releases",
    "releases.withdraw": "POST /v1/models/{model}/withdraw",
    "uploads.download": "GET /v1/uploads/{digest}/content",
    "uploads.get": "GET /v1/uploads/{digest}",
    "services.change": "POST /v1/services/{service}/change",
    "services.create": "POST /v1/services",
    "services.get": "GET /v1/services/{service}",
    "services.listed": "GET /v1/services",
    "services.report": "POST /v1/services/{service}/load",
    "services.stop": "POST /v1/services/{service}/stop",
    "vault.put": "PUT /v1/secrets/{name}?project={project}",
    "vault.remove": "DELETE /v1/secrets/{name}?project={project}",
    "vault.secrets": "GET /v1/secrets?project={project}",
}
"""What each method asks first. An answer for a neighbouring route may well have the same shape, so
only this table tells "withdraw" from "cancel"."""


class Server:
    """Answers from a list, the last answer for ever, and keeps what it was asked."""

    def __init__(self, *answers: httpx.Response) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return httpx.Response(given.status_code, headers=given.headers, content=given.content)

    @property
    def lines(self) -> list[str]:
        return [f"{each.method} {each.url.path}" for each in self.asked]


class Pauses(list[float]):
    """Stands in for sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def client_of(server: Server, pauses: Pauses | None = None) -> Client:
    options = Options(
        transport=httpx.MockTransport(server), sleep=Pauses() if pauses is None else pauses
    )
    return Client("http://127.0.0.1:1", "yk_test", options)


def unknown() -> httpx.Response:
    body = {"kind": "not_found", "code": "x.unknown", "message": "m", "do": "d", "params": {},
            "findings": [], "retryable": False, "request_id": "r"}  # fmt: skip
    return httpx.Response(404, json=body)


def shown(model: type[BaseModel], **changed: object) -> httpx.Response:
    example = json.loads(json.dumps(document.example(model)))
    return httpx.Response(200, json={**example, **changed})


def value_of(name: str, hint: Any, folder: Path) -> Any:
    """A value that tells which parameter it was given for."""
    if hint is Path:
        return folder / "file"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_validate(document.example(hint))
    literal = next((each for each in (hint, *get_args(hint)) if get_origin(each) is Literal), None)
    return f"{name}_1" if literal is None else get_args(literal)[0]


def given_to(method: Any, folder: Path) -> tuple[list[Any], dict[str, Any]]:
    hints, given, named = get_type_hints(method), [], {}
    for name, parameter in inspect.signature(method).parameters.items():
        idempotency = name == "key" and parameter.default == ""
        if idempotency or name == "progress":
            continue
        value = value_of(name, hints[name], folder)
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            named[name] = value
        else:
            given.append(value)
    return given, named


@pytest.mark.parametrize("name", sorted(FIRST_ASKED))
def test_a_method_asks_the_address_it_is_named_for(name, tmp_path):
    server = Server(unknown())
    floor, called = name.split(".")
    with client_of(server) as client:
        method = getattr(getattr(client, floor), called)
        given, named = given_to(method, tmp_path)
        with suppress(YunheError):
            found = method(*given, **named)
            if isinstance(found, Iterator):
                next(found, None)
    parameters = list(inspect.signature(method).parameters)
    values = {**dict(zip(parameters, given, strict=False)), **named}
    verb, _, rest = FIRST_ASKED[name].format(**values).partition(" ")
    path, _, query = rest.partition("?")
    first = server.asked[0]
    assert (first.method, first.url.path) == (verb, path)
    asked = {key: value for key, value in first.url.params.items() if key != "limit"}
    assert asked == {key: value for key, [value] in parse_qs(query).items()}


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("vault.secrets", "project"),
        ("operations.listed", "project"),
        ("credentials.issued_keys", "member"),
        ("notices.listed", "unread"),
    ],
)
def test_what_is_not_asked_for_is_not_in_the_query(name, query):
    server = Server(unknown())
    floor, called = name.split(".")
    with client_of(server) as client, suppress(YunheError):
        next(getattr(getattr(client, floor), called)(), None)
    assert query not in server.asked[0].url.params


@pytest.mark.parametrize("end", sorted(compute.ENDS))
def test_waiting_for_a_workload_looks_ever_more_seldom_and_ends_with_it(end):
    running = [shown(Workload, state="running") for _ in range(9)]
    server, pauses, told = Server(*running, shown(Workload, state=end)), Pauses(), []
    with client_of(server, pauses) as client:
        found = client.compute.wait("workload_1", progress=lambda each: told.append(each.state))
    assert found.state == end
    assert told == ["running"] * 9 + [end]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1], len(pauses)) == (0.5, 5.0, 9)


@pytest.mark.parametrize(("most", "pauses"), [(1, [0.5, 0.5]), (0, []), (2.0, [0.5, 0.75, 0.75])])
def test_whoever_waits_for_so_long_gets_what_goes_on_then(most, pauses):
    server, slept = Server(*[shown(Workload, state="waiting") for _ in range(9)]), Pauses()
    with client_of(server, slept) as client:
        found = client.compute.wait("workload_1", seconds_max=most)
    assert (found.state, list(slept)) == ("waiting", pauses)


def test_whoever_waits_leaves_with_an_exception():
    server, pauses = Server(shown(Workload, state="running")), Pauses()

    def enough(_: object) -> None:
        raise KeyboardInterrupt

    with client_of(server, pauses) as client, pytest.raises(KeyboardInterrupt):
        client.compute.wait("workload_1", progress=enough)
    assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize("end", sorted(operations.ENDS))
def test_what_has_ended_is_not_followed(end):
    server = Server(shown(Operation, state=end))
    with client_of(server) as client:
        assert client.operations.wait("operation_1").state == end
    assert server.lines == ["GET /v1/operations/operation_1"]


def test_an_operation_is_followed_from_its_beginning_to_its_first_end():
    body = "".join(
        f'id: {number}\nevent: {name}\ndata: {{"at": "2026-11-22T12:00:00Z"}}\n\n'
        for number, name in enumerate(("waiting", "running", "failed", "progress"), 1)
    )
    events = httpx.Response(200, headers={"content-type": "text/event-stream"}, text=body)
    server = Server(shown(Operation), events, shown(Operation, state="failed"))
    told = []
    with client_of(server) as client:
        found = client.operations.wait("operation_1", progress=told.append)
    assert found.state == "failed"
    assert [(each.seq, each.name) for each in told] == [(1, "waiting"), (2, "running"),
                                                        (3, "failed")]  # fmt: skip
    assert {each.body["at"] for each in told} == {"2026-11-22T12:00:00Z"}
    assert len(server.asked) == 3


def test_a_file_that_a_workload_did_not_write_is_not_asked_for(tmp_path):
    server = Server(shown(Workload, outputs={"model.bin": "sha256:" + "0" * 64}))
    with client_of(server) as client, pytest.raises(NotFound) as refused:
        client.compute.download("workload_1", "other.bin", tmp_path / "x")
    assert refused.value.code == "client.no_output"
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["compute", "uploads"])
def test_a_download_with_other_bytes_than_promised_is_not_kept(name, tmp_path):
    digest, target = "sha256:" + "0" * 64, tmp_path / "x"
    target.write_bytes(b"earlier")
    other = httpx.Response(200, content=b"other")
    server = Server(shown(Workload, outputs={"m": digest}), other)
    with client_of(server) as client, pytest.raises(Unavailable) as refused:
        if name == "compute":
            client.compute.download("workload_1", "m", target)
        else:
            server.answers = [other]
            client.uploads.download(digest, target)
    assert refused.value.code == "client.digest_differs"
    assert target.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_not_sent_and_said_to_be_one(tmp_path):
    server = Server(unknown())
    with client_of(server) as client:
        with pytest.raises(Invalid) as folder:
            client.uploads.send(tmp_path)
        with pytest.raises(NotFound) as nothing:
            client.uploads.send(tmp_path / "no")
    assert (folder.value.code, nothing.value.code) == ("client.is_folder", "client.no_file")
    assert server.asked == []
