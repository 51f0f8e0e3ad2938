"""Supply, entitlement and a workload from request to output, by HTTP and one real worker."""

from __future__ import annotations

import hashlib
import json

import pytest

from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.kernel.canonical import sha256
from yunhe.ledger import service as ledger
from yunhe.operations.worker import Worker

SECRET = "planted-secret-4711"


class City:
    """An operator with a pool, a university with an award and money, and another tenant."""

    def __init__(self, desk) -> None:
        self.desk = desk
        operator = desk.organisation("operator", "operator")
        self.provider = desk.organisation("centre", "provider")
        self.university = desk.organisation("university")
        self.chief = desk.key(desk.member(operator, "operator"))
        self.officer = desk.key(desk.member(operator, "risk_officer"))
        self.trainer_member = desk.member(self.university, "trainer")
        self.trainer = desk.key(self.trainer_member)
        self.admin = desk.key(desk.member(self.university, "administrator"))
        self.rival = desk.key(desk.member(desk.organisation("rival"), "trainer"))

    def made(self, path: str, key: str, body: dict, **given) -> dict:
        answer = self.desk.ask("POST", path, key, json=body, **given)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def supplied(self) -> None:
        self.pool = self.made(
            "/v1/pools",
            self.chief,
            {
                "provider": self.provider,
                "site": "east-1",
                "chip": "cpu",
                "devices": 1,
                "price_minor_per_device_hour": 3_600,
                "currency": "CNY",
            },
        )
        self.award = self.made(
            "/v1/awards",
            self.chief,
            {
                "organisation": self.university,
                "chip": "cpu",
                "device_ms": 1_000_000,
                "expires_in_days": 90,
            },
        )
        program = find_program(TRIAL, TRIAL_ENTRY_POINT)
        self.made(
            "/v1/entry-points",
            self.chief,
            {"name": TRIAL, "module": TRIAL_ENTRY_POINT.module, "digest": program.digest},
        )
        with self.desk.storage.database.begin() as tx:
            cash = ledger.open_account(tx, owner=self.university, unit="CNY", purpose="cash")
            ledger.grant(tx, key="cash", account=cash, amount=100_000, at_us=self.desk.now_us())

    def job(self, action: str, **more) -> dict:
        arguments = {"action": action} | more.pop("arguments", {})
        return {
            "entry_point": TRIAL,
            "arguments": arguments,
            "wall_seconds_max": 60,
            "cpu_seconds_max": 60,
        } | more

    def see(self, workload: str, key: str | None = None):
        return self.desk.ask("GET", f"/v1/workloads/{workload}", key or self.trainer)


@pytest.fixture
def city(desk):
    return City(desk)


def test_a_workload_runs_is_paid_and_its_output_comes_back_but_its_secret_does_not(city, tmp_path):
    desk = city.desk
    city.supplied()
    kept = desk.ask("PUT", "/v1/secrets/REGISTRY_TOKEN", city.admin, json={"value": SECRET})
    assert kept.status_code == 200, kept.text
    body = city.job(
        "confide",
        arguments={"variable": "TOKEN"},
        secrets={"TOKEN": "REGISTRY_TOKEN"},
    )
    made = city.made("/v1/workloads", city.trainer, body)
    assert (made["state"], made["pool"]) == ("placed", city.pool["id"])
    provider = LocalProvider(tmp_path / "w", {TRIAL: TRIAL_ENTRY_POINT})
    assert Worker(desk.platform, slots=1, duties=(), provider=provider).run_once()

    ended = city.see(made["id"]).json()
    assert ended["state"] == "settled", ended
    assert ended["usage"]["device_ms"] > 0
    output = desk.ask("GET", f"/v1/workloads/{made['id']}/outputs/digest", city.trainer)
    assert sha256(output.content) == ended["outputs"]["digest"]
    assert output.text == hashlib.sha256(SECRET.encode()).hexdigest()  # the job did have it
    log = desk.ask(
        "GET", f"/v1/workloads/{made['id']}/log", city.trainer, headers={"accept": "text/plain"}
    )
    assert log.status_code == 200
    assert "it is" in log.text
    assert SECRET not in log.text + output.text + str(ended)
    [award] = desk.ask("GET", "/v1/awards", city.trainer).json()["items"]
    assert award["used_ms"] == ended["usage"]["device_ms"]


def test_a_workload_that_must_wait_says_why_in_the_readers_language_and_can_be_cancelled(city):
    city.supplied()
    made = city.made("/v1/workloads", city.trainer, city.job("copy"))
    second = city.made("/v1/workloads", city.trainer, city.job("copy"))
    assert (made["state"], second["state"]) == ("placed", "waiting")
    for language, word in (("en", "e"), ("zh", "。")):
        shown = city.desk.ask(
            "GET",
            f"/v1/workloads/{second['id']}",
            city.trainer,
            headers={"accept-language": language},
        ).json()
        assert word in shown["why"]["message"]
    stopped = city.desk.ask("POST", f"/v1/workloads/{second['id']}/cancel", city.trainer)
    assert stopped.json()["state"] == "cancelled"
    again = city.desk.ask("POST", f"/v1/workloads/{second['id']}/cancel", city.trainer)
    assert again.json() == stopped.json()


def test_the_same_request_again_is_the_same_workload_and_another_under_its_key_is_refused(city):
    city.supplied()
    head = {"headers": {"idempotency-key": "job-1"}}
    first = city.made("/v1/workloads", city.trainer, city.job("copy"), **head)
    assert city.made("/v1/workloads", city.trainer, city.job("copy"), **head) == first
    other = city.desk.ask("POST", "/v1/workloads", city.trainer, json=city.job("fail"), **head)
    assert (other.status_code, other.json()["code"]) == (409, "storage.key_reused")
    shown = city.desk.ask("GET", "/v1/workloads", city.trainer).json()["items"]
    assert [each["id"] for each in shown] == [first["id"]]


def test_workloads_of_others_are_unknown_and_programme_officers_look_but_do_not_take(city):
    city.supplied()
    made = city.made("/v1/workloads", city.trainer, city.job("copy"))
    for path in ("", "/log", "/outputs/digest"):
        headers = {"accept": "*/*"}
        theirs = city.desk.ask(
            "GET", f"/v1/workloads/{made['id']}{path}", city.rival, headers=headers
        )
        none = city.desk.ask("GET", f"/v1/workloads/workload_0{path}", city.rival, headers=headers)
        assert theirs.status_code == none.status_code == 404
        assert theirs.json()["code"] == none.json()["code"] == "compute.workload_unknown"
    assert city.see(made["id"], city.officer).status_code == 200
    log = city.desk.ask("GET", f"/v1/workloads/{made['id']}/log", city.officer)
    assert log.status_code in (403, 406)
    assert city.desk.ask("GET", "/v1/workloads", city.rival).json()["items"] == []
    stop = city.desk.ask("POST", f"/v1/workloads/{made['id']}/cancel", city.officer)
    assert stop.status_code == 403
    stop = city.desk.ask("POST", f"/v1/workloads/{made['id']}/cancel", city.chief)
    assert stop.json()["state"] == "cancelled"


def test_bytes_of_others_are_no_input(city):
    city.supplied()
    theirs = city.desk.storage.blobs.put(b"of somebody else").digest
    for digest in (theirs, "sha256:" + "0" * 64):
        body = city.job("copy", inputs={"train": digest})
        wrong = city.desk.ask("POST", "/v1/workloads", city.trainer, json=body)
        assert wrong.status_code == 422
        [finding] = wrong.json()["findings"]
        assert (finding["where"], finding["code"]) == ("inputs.train", "compute.input_missing")


def test_a_folder_made_of_bytes_of_others_is_refused_as_if_they_were_not_there(city):
    city.supplied()
    theirs = city.desk.storage.blobs.put(b"of somebody else").digest
    part = {"blob": theirs, "offset": 0, "size_bytes": 16}
    file = {"path": "a", "digest": theirs, "size_bytes": 16, "executable": False, "parts": [part]}
    manifest = json.dumps({"form": "yunhe.folder/1", "files": [file]}).encode()
    unsent = city.desk.storage.blobs.put(manifest + b" ").digest
    sent = city.desk.ask("POST", "/v1/uploads", city.trainer, content=manifest)
    for digest, missing in ((unsent, unsent), (sent.json()["digest"], theirs)):
        body = {**city.job("copy"), "entry_point": "", "command": ["true"], "folder": digest}
        wrong = city.desk.ask("POST", "/v1/workloads", city.trainer, json=body)
        assert wrong.status_code == 422
        [finding] = wrong.json()["findings"]
        assert (finding["where"], finding["code"]) == ("folder", "compute.input_missing")
        assert missing in finding["message"]
    own = city.desk.ask("POST", "/v1/uploads", city.trainer, content=b"of somebody else")
    assert own.json()["digest"] == theirs
    taken = city.desk.ask("POST", "/v1/workloads", city.trainer, json=body)
    assert taken.status_code == 201
    assert taken.json()["program"] == "true"


@pytest.mark.parametrize("said", ["soon", "2030-01-01", "2030-01-01T00:00:00", "9" * 30])
def test_a_deadline_that_is_no_instant_is_a_finding(city, said):
    city.supplied()
    wrong = city.desk.ask(
        "POST", "/v1/workloads", city.trainer, json=city.job("copy", deadline=said)
    )
    assert wrong.status_code == 422
    assert wrong.json()["findings"][0]["where"] == "deadline"


@pytest.mark.parametrize("value", [1.5, [0.5], {"deep": [{"rate": 1e-3}]}])
def test_arguments_with_fractions_are_refused_and_everything_else_is_taken(city, value):
    city.supplied()
    body = city.job("copy", arguments={"rate": value})
    wrong = city.desk.ask("POST", "/v1/workloads", city.trainer, json=body)
    assert (wrong.status_code, wrong.json()["code"]) == (422, "api.invalid")
    body = city.job("copy", arguments={"rate": "1.5", "deep": [{"a": [None, True, 3, "x"]}]})
    city.made("/v1/workloads", city.trainer, body)


def test_a_role_for_one_project_runs_workloads_there_and_nowhere_else(city):
    city.supplied()
    desk = city.desk
    own, other = desk.project(city.university, "own"), desk.project(city.university, "other")
    student = desk.key(desk.member(city.university, "trainer", project=own))
    made = city.made("/v1/workloads", student, city.job("copy", project=own))
    wrong = desk.ask("POST", "/v1/workloads", student, json=city.job("copy", project=other))
    assert wrong.json()["code"] == "identity.project_unknown"
    wrong = desk.ask("POST", "/v1/workloads", student, json=city.job("copy"))
    assert wrong.json()["code"] == "api.project_needed"
    whole = city.made("/v1/workloads", city.trainer, city.job("copy"))
    assert city.see(whole["id"], student).status_code == 404
    listed = desk.ask("GET", "/v1/workloads", student).json()["items"]
    assert [each["id"] for each in listed] == [made["id"]]


def test_pages_of_pools_awards_vouchers_and_approvals_hold_each_once(city):
    desk = city.desk
    city.supplied()
    for number in range(4):
        city.made(
            "/v1/vouchers",
            city.chief,
            {"organisation": city.university, "currency": "CNY", "amount_minor": number + 1},
        )
        city.made(
            "/v1/awards",
            city.chief,
            {
                "organisation": city.university,
                "chip": f"chip{number}",
                "device_ms": 1,
                "expires_in_days": 1,
            },
        )
        city.made(
            "/v1/entry-points",
            city.chief,
            {"name": "p", "module": "m", "digest": f"sha256:{number}" + "0" * 63},
        )
    for path, count in (
        ("/v1/pools", 1),
        ("/v1/awards", 5),
        ("/v1/vouchers", 4),
        ("/v1/entry-points", 5),
    ):
        seen, after = [], None
        for _ in range(10):
            query = {"limit": 2} | ({"after": after} if after else {})
            found = desk.ask("GET", path, city.trainer, params=query).json()
            seen += [str(each) for each in found["items"]]
            after = found["next"]
            if after is None:
                break
        assert len(seen) == len(set(seen)) == count, path
    assert desk.ask("GET", "/v1/vouchers", city.rival).json()["items"] == []
    assert len(desk.ask("GET", "/v1/pools", city.rival).json()["items"]) == 1


def test_an_award_sent_again_much_later_is_the_award_of_the_first_time(city):
    city.supplied()
    body = {
        "organisation": city.university,
        "chip": "npu",
        "device_ms": 5,
        "expires_in_days": 3,
    }
    head = {"headers": {"idempotency-key": "a"}}
    first = city.made("/v1/awards", city.chief, body, **head)
    city.desk.storage.clock.advance(seconds=3_600)
    assert city.made("/v1/awards", city.chief, body, **head) == first
