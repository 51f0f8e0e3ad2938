"""Sources, reviews and certificates from the client: addresses, bodies, repeats and downloads."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from test_client_floors import Server, client_of, given_to, shown, unknown, value_of

from yunhe.api import document
from yunhe.client.client import Client
from yunhe.client.floors.floor import Floor
from yunhe.client.wire import corpus, reviews, sources
from yunhe.client.wire.operations import Operation
from yunhe.kernel.errors import Conflict, NotFound, Unavailable, YunheError

FIRST_ASKED = {
    "corpus.cleanse": "POST /v1/cleansings",
    "corpus.certificates": "GET /v1/certificates",
    "corpus.certificate": "GET /v1/certificates/{certificate}",
    "corpus.download": "GET /v1/certificates/{certificate}",
    "reviews.open": "POST /v1/reviews",
    "reviews.check": "POST /v1/checks",
    "reviews.listed": "GET /v1/reviews",
    "reviews.get": "GET /v1/reviews/{review}",
    "reviews.claim": "POST /v1/reviews/{review}/claims",
    "reviews.give_back": "POST /v1/reviews/{review}/release",
    "reviews.judge": "POST /v1/reviews/{review}/judgements",
    "reviews.withdraw": "POST /v1/reviews/{review}/withdraw",
    "reviews.datasheet": "GET /v1/certificates/{certificate}/datasheet",
    "reviews.croissant": "GET /v1/certificates/{certificate}/croissant",
    "sources.register": "POST /v1/sources",
    "sources.listed": "GET /v1/sources",
    "sources.source": "GET /v1/sources/{source}",
    "sources.sample": "POST /v1/sources/{source}/samples",
    "sources.decide": "POST /v1/sources/{source}/decide",
    "sources.put_library": "POST /v1/keyword-libraries",
    "sources.libraries": "GET /v1/keyword-libraries",
    "sources.library": "GET /v1/keyword-libraries/{library}",
}
BODIES = {
    "corpus.cleanse": corpus.NewCleansing,
    "reviews.open": reviews.NewReview,
    "reviews.check": reviews.NewCheck,
    "reviews.claim": reviews.NewClaim,
    "reviews.give_back": reviews.GivenBack,
    "reviews.judge": reviews.NewJudgements,
    "sources.register": sources.NewSource,
    "sources.sample": sources.NewSample,
    "sources.decide": sources.SourceDecision,
    "sources.put_library": sources.NewLibrary,
}
CREATING = {
    "corpus.cleanse", "reviews.open", "reviews.check", "sources.register", "sources.sample",
    "sources.put_library",
}  # fmt: skip


def method_of(client: Client, name: str) -> Any:
    floor, called = name.split(".")
    return getattr(getattr(client, floor), called)


def called(client: Client, name: str, folder: Any) -> Any:
    method = method_of(client, name)
    given, named = given_to(method, folder)
    found = method(*given, **named)
    return list(found) if hasattr(found, "__next__") else found


def test_every_method_for_data_is_in_the_table():
    client = Client("http://127.0.0.1:1")
    there = {
        f"{floor}.{method}"
        for floor in ("corpus", "reviews", "sources")
        for method in vars(type(getattr(client, floor)))
        if not method.startswith("_")
    }
    assert there == set(FIRST_ASKED)
    assert all(isinstance(getattr(client, each), Floor) for each in ("reviews", "sources"))


@pytest.mark.parametrize("name", FIRST_ASKED)
def test_a_method_asks_the_address_it_is_named_for_with_its_message(name, tmp_path):
    server = Server(unknown())
    with client_of(server) as client, suppress(YunheError):
        called(client, name, tmp_path)
    first = server.asked[0]
    verb, _, path = FIRST_ASKED[name].partition(" ")
    ids = {each: f"{each}_1" for each in ("certificate", "review", "source", "library")}
    assert (first.method, first.url.path) == (verb, path.format(**ids))
    model = BODIES.get(name)
    if model is None:
        assert first.content == b""
    else:
        assert json.loads(first.content) == document.example(model)


@pytest.mark.parametrize("name", FIRST_ASKED)
@pytest.mark.parametrize("wrong", ["", ".", "..", "a/b", "/v1/me"])
def test_no_id_leads_to_another_address(name, wrong, tmp_path):
    if "{" not in FIRST_ASKED[name]:
        return
    server = Server(unknown())
    with client_of(server) as client:
        method = method_of(client, name)
        given, named = given_to(method, tmp_path)
        with pytest.raises(NotFound) as refused:
            method(wrong, *given[1:], **named)
    assert refused.value.code == "client.id_impossible"
    assert server.asked == []


@pytest.mark.parametrize("name", sorted(set(BODIES) | {"reviews.withdraw"}))
def test_what_changes_something_is_one_request_however_often_it_is_sent(name, tmp_path):
    server = Server(httpx.Response(503, text="starting"))
    with client_of(server) as client, pytest.raises(Unavailable):
        called(client, name, tmp_path)
    keys = {each.headers["idempotency-key"] for each in server.asked}
    bodies = {each.content for each in server.asked}
    assert (len(server.asked), len(keys), len(bodies)) == (4, 1, 1)


@pytest.mark.parametrize("name", sorted(CREATING))
def test_whoever_gives_a_key_makes_two_runs_one_request(name, tmp_path):
    server = Server(unknown())
    with client_of(server) as client:
        method = method_of(client, name)
        given, named = given_to(method, tmp_path)
        for key in ("nightly", "nightly", "城市 7", "城市 7", "", ""):
            with suppress(YunheError):
                method(*given, **named, key=key)
    keys = [each.headers["idempotency-key"] for each in server.asked]
    assert keys[0] == keys[1] == "nightly"
    assert keys[2] == keys[3] != keys[1]
    assert keys[2].isascii()
    assert keys[4] != keys[5]


def test_only_what_was_set_is_sent_so_that_the_servers_defaults_hold():
    server = Server(unknown())
    with client_of(server) as client, suppress(YunheError):
        client.reviews.open(reviews.NewReview(certificate="certificate_1"))
    assert json.loads(server.asked[0].content) == {"certificate": "certificate_1"}


@pytest.mark.parametrize(
    ("language", "query"), [(None, {}), ("zh", {"lang": "zh"}), ("en", {"lang": "en"})]
)
def test_a_page_is_asked_for_as_a_page_in_the_language_wanted(language, query):
    server = Server(httpx.Response(200, content=b"<p>\xff</p>"))
    with client_of(server) as client:
        assert client.reviews.datasheet("certificate_1", language=language) == b"<p>\xff</p>"
    [asked] = server.asked
    assert (dict(asked.url.params), asked.headers["accept"]) == (query, "text/html")


@pytest.mark.parametrize(("state", "query"), [("", {}), ("refused", {"state": "refused"})])
def test_sources_are_listed_by_state_only_when_one_is_named(state, query):
    server = Server(httpx.Response(200, json={"items": [], "next": None}))
    with client_of(server) as client:
        assert list(client.sources.listed(state=state)) == []
    assert dict(server.asked[0].url.params) == query


LISTS = [
    ("corpus.certificates", corpus.Certificate),
    ("reviews.listed", reviews.Review),
    ("sources.listed", sources.Source),
    ("sources.libraries", sources.Library),
]


@pytest.mark.parametrize(("name", "model"), LISTS)
def test_a_list_is_read_page_by_page_to_its_end_and_only_as_far_as_asked(name, model):
    one = json.loads(json.dumps(document.example(model)))
    pages = [
        httpx.Response(200, json={"items": [{**one, "id": f"x_{n}{m}"} for m in "ab"],
                                  "next": None if n == 3 else f"c{n}"})
        for n in (1, 2, 3)
    ]  # fmt: skip
    server = Server(*pages)
    with client_of(server) as client:
        found = method_of(client, name)()
        assert [next(found).id, next(found).id] == ["x_1a", "x_1b"]
        assert len(server.asked) == 1
        assert [each.id for each in found] == ["x_2a", "x_2b", "x_3a", "x_3b"]
    assert [each.url.params.get("after") for each in server.asked] == [None, "c1", "c2"]


# --- files of a certificate -------------------------------------------------------------------

BYTES = b"PAR1 and so on"
RIGHT = f"sha256:{hashlib.sha256(BYTES).hexdigest()}"


def test_the_dataset_is_held_against_the_digest_that_was_certified(tmp_path):
    certified = shown(corpus.CertificateInFull, dataset_digest=RIGHT)
    server = Server(certified, httpx.Response(200, content=BYTES))
    with client_of(server) as client:
        client.corpus.download("certificate_1", "dataset", tmp_path / "d.parquet")
    assert (tmp_path / "d.parquet").read_bytes() == BYTES
    assert server.lines[-1] == "GET /v1/certificates/certificate_1/files/dataset"
    wrong = Server(certified, httpx.Response(200, content=BYTES + b"!"))
    with client_of(wrong) as client, pytest.raises(Unavailable) as refused:
        client.corpus.download("certificate_1", "dataset", tmp_path / "other.parquet")
    assert refused.value.code == "client.digest_differs"
    assert [each.name for each in tmp_path.iterdir()] == ["d.parquet"]


@pytest.mark.parametrize("part", ["decisions", "spans", "sample"])
def test_tables_that_erasures_change_are_taken_as_they_are_now(part, tmp_path):
    server = Server(httpx.Response(200, content=BYTES))
    with client_of(server) as client:
        client.corpus.download("certificate_1", part, tmp_path / "f")
    assert server.lines == [f"GET /v1/certificates/certificate_1/files/{part}"]
    assert (tmp_path / "f").read_bytes() == BYTES


def test_a_file_that_is_refused_leaves_what_was_there(tmp_path):
    target = tmp_path / "f"
    target.write_bytes(b"earlier")
    with client_of(Server(unknown())) as client, pytest.raises(NotFound):
        client.corpus.download("certificate_1", "spans", target)
    assert target.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [target]


# --- answers that are not as they should be ---------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(FIRST_ASKED) - {"corpus.download", "reviews.datasheet",
                                                            "reviews.croissant"}))  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"<html>", b'{"id": 3}', b"\xff"])
def test_an_answer_of_another_shape_is_told_and_never_half_read(name, body, tmp_path):
    server = Server(httpx.Response(200, content=body))
    with client_of(server) as client, pytest.raises(Unavailable) as refused:
        called(client, name, tmp_path)
    assert refused.value.code == "client.answer_strange"
    assert len(server.asked) == 1


def test_findings_of_the_server_reach_the_caller_with_their_places():
    body = {
        "kind": "conflict", "code": "corpus.source_not_acceptable", "message": "m", "do": "d",
        "params": {"source": "s"}, "retryable": False, "request_id": "r",
        "findings": [{"where": "robots", "code": "corpus.source_robots", "message": "no"}],
    }  # fmt: skip
    server = Server(httpx.Response(409, json=body))
    decision = sources.SourceDecision(decision="accept")
    with client_of(server) as client, pytest.raises(Conflict) as refused:
        client.sources.decide("source_1", decision)
    [finding] = refused.value.findings
    assert (finding.where, finding.code) == ("robots", "corpus.source_robots")
    assert refused.value.message("zh") == "m\n  - no\nd"


def test_a_check_gives_the_operation_to_wait_for():
    ended = {"state": "done", "result": {"review": "review_1"}}
    server = Server(shown(Operation), shown(Operation, **ended))
    with client_of(server) as client:
        made = client.reviews.check(reviews.NewCheck(certificate="certificate_1"))
        assert client.operations.wait(made.id).result == ended["result"]


def test_values_of_this_file_tell_parameters_apart(tmp_path):
    assert value_of("review", str, tmp_path) == "review_1"
    assert isinstance(value_of("sent", reviews.NewClaim, tmp_path), reviews.NewClaim)
