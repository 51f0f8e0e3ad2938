"""What a serving platform logs and keeps is searched for the secrets and people of its requests."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from leak_search import Needles, Watch, search, wait_for

pytestmark = pytest.mark.slow
PASSWORD = "smtp-planted-c0ffee22"
OIDC = "oidc-planted-77aa22"
GUESS = "yk_" + "0" * 26 + "_" + "5ca1ab1e" * 8
"""A key that nobody was given."""
SECRET = re.compile(r"\b[a-z]{2,12}_[0-9a-z]{26}_([0-9A-Za-z_-]{20,})")
"""The shape of what we issue."""
OPERATOR = "令狐冲虚-planted"
INVITED = "planted.invited@mail.example"
CITIZEN = "欧阳锦绣-planted"
PHONE = "13972640927"


@dataclass
class Served:
    """A platform that served and was stopped, and what it said meanwhile."""

    folder: Path
    pid: int = 0
    complained: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)
    watch: Watch = field(default_factory=Watch)

    @property
    def log(self) -> str:
        return "".join(self.complained)


@pytest.fixture(scope="module", params=["text", "json"])
def served(request, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp(f"served-{request.param}")
    kept = folder.parent / f"kept-{request.param}"
    kept.mkdir()
    for name, value in (("smtp", PASSWORD), ("oidc", OIDC)):
        (kept / name).write_text(value)
        (kept / name).chmod(0o600)
    environment = {
        **{n: v for n, v in os.environ.items() if not n.startswith(("YUNHE_", "AWS_"))},
        "TMPDIR": str(folder),
        "YUNHE_TRACE": "1",
        "YUNHE_LOG_LEVEL": "debug",
        "YUNHE_LOG_FORMAT": request.param,
        "YUNHE_SECRETS_KEY": "c4" * 32,
        "YUNHE_SMTP_URL": "smtp://planted@127.0.0.1:1",
        "YUNHE_MAIL_FROM": "yunhe@example.org",
        "YUNHE_SMTP_PASSWORD_FILE": str(kept / "smtp"),
        "YUNHE_OIDC_ISSUER": "http://127.0.0.1:1/oidc",
        "YUNHE_OIDC_CLIENT_ID": "yunhe",
        "YUNHE_OIDC_CLIENT_SECRET_FILE": str(kept / "oidc"),
        "YUNHE_OUTBOUND_ALLOW": "127.0.0.1",
    }
    line = [sys.executable, "-m", "yunhe", "--home", str(folder / "home"), "--json", "up"]
    mine = Served(folder)
    mine.secrets |= {"smtp": PASSWORD, "oidc": OIDC, "vault key": "c4" * 32, "guess": GUESS[30:]}
    with mine.watch:
        process = subprocess.Popen(
            [*line, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
            text=True,
        )
        mine.pid = process.pid
        reading = threading.Thread(target=lambda: mine.complained.extend(process.stderr))
        reading.start()
        try:
            first = process.stdout.readline()
            assert first, mine.log
            told = json.loads(first)
            with httpx.Client(base_url=told["url"], timeout=30) as client:
                visit(client, told["first_token"], mine)
            wait_for(lambda: len(mine.log) > 1_000)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            reading.join()
    return mine


def visit(client: httpx.Client, token: str, mine: Served) -> None:
    """Everything a careless caller does, with secrets and people in every place of a request."""
    mine.secrets["first token"] = token.rpartition("_")[2]
    claim = {"token": token, "organisation_name": "示范市中心", "name": OPERATOR}
    once = {"Idempotency-Key": "claim-the-platform-1"}
    claimed = client.post("/v1/operator", json=claim, headers=once)
    assert claimed.status_code in (200, 201), claimed.text
    key = claimed.json()["key"]["secret"]
    mine.secrets["key"] = key.rpartition("_")[2]
    own = {"Authorization": f"Bearer {key}"}
    number = itertools.count()
    body = {"name": CITIZEN, "phone": PHONE, "token": token}

    def ask(method: str, path: str, **more: object) -> httpx.Response:
        if method == "POST":
            once = {"Idempotency-Key": f"request-number-{next(number):06}"}
            more["headers"] = {**once, **more.get("headers", {})}
        answer = client.request(method, path, **more)
        mine.answers.append(answer)
        for given in SECRET.findall(answer.text):  # whatever was given out must be kept nowhere
            mine.secrets[f"given by {method} {path} {len(mine.secrets)}"] = given
        return answer

    assert ask("GET", "/v1/me", headers=own).status_code == 200
    session = ask("POST", "/v1/session", headers=own, json={})
    for name, value in session.cookies.items():
        mine.secrets[f"cookie {name}"] = value.rpartition("_")[2]
    if session.status_code == 200:
        mine.secrets["csrf"] = session.json()["csrf"]
    client.cookies.clear()
    new = ask(
        "POST", "/v1/invitations", headers=own, json={"roles": ["auditor"], "contact": INVITED}
    )
    assert new.status_code == 201, new.text
    more = {"label": "second", "scopes": ["identity:read"], "days": 1}
    issued = ask("POST", "/v1/keys", headers=own, json=more)
    assert issued.status_code == 201, issued.text
    # The same request and the same token a second time, guesses, secrets in the wrong places.
    ask("POST", "/v1/operator", headers=once, json=claim)
    ask("POST", "/v1/operator", json=claim)
    ask("GET", "/v1/me", headers={"Authorization": f"Bearer {GUESS}"})
    ask("GET", "/v1/me", headers={"Authorization": f"Bearer {key[:-6]}000000"})
    ask("GET", "/v1/me", headers={"Cookie": f"yunhe={GUESS}; __Host-yunhe={GUESS}"})
    ask("GET", f"/v1/me?token={key}&name={CITIZEN}")
    ask("GET", f"/v1/keys/{key}", headers=own)
    ask("GET", f"/v1/nothing/{key}/{CITIZEN}/{PHONE}")
    ask("GET", "/v1/members?after=" + key, headers=own)
    ask("GET", "/v1/me", headers={**own, "X-Request-Id": GUESS, "Referer": f"http://x/?{key}"})
    ask("GET", "/v1/me", headers={**own, "User-Agent": f"curl -H 'Bearer {key}'"})
    ask("GET", f"/auth/callback?state={GUESS}&code={GUESS}")
    ask("GET", f"/auth/login?return_to=/{CITIZEN}&invitation={GUESS}")
    for path in ("/v1/members", "/v1/organisations", "/v1/projects", "/v1/workloads", "/v1/keys"):
        ask("POST", path, headers=own, json=body)
        ask("POST", path, headers={**own, "Idempotency-Key": GUESS}, json=body)
        for broken in (b'{"name": "' + CITIZEN.encode() + b'", broken', b"\xff" + GUESS.encode()):
            ask("POST", path, headers={**own, "Content-Type": "application/json"}, content=broken)
        ask("POST", path, headers=own, content=f"name={CITIZEN}&token={key}".encode())
    ask("POST", "/v1/routes/none/answers", headers=own, json={"text": f"{CITIZEN} {PHONE}"})
    ask("POST", f"/v1/routes/{PHONE}/answers", headers=own, json={"text": CITIZEN, "x": GUESS})


def test_the_requests_were_answered_and_none_broke_the_server(served):
    assert len(served.answers) > 25
    # 503: the sign-in provider of the settings is not there.
    broken = [a.url for a in served.answers if a.status_code >= 500 and a.status_code != 503]
    assert broken == []
    assert {answer.status_code // 100 for answer in served.answers} >= {2, 4}


def test_the_log_tells_no_secret_and_no_person(served):
    people = {"operator": OPERATOR, "invited": INVITED, "citizen": CITIZEN, "phone": PHONE}
    assert served.log.count("/v1/") + served.log.count("request") > 5  # it does log requests
    assert Needles({**served.secrets, **people}).within(served.log.encode()) == set()


def test_no_file_keeps_a_secret_or_somebody_who_was_only_in_a_refused_request(served):
    found = search(served.folder, Needles({**served.secrets, "citizen": CITIZEN, "phone": PHONE}))
    assert found == {}


def test_a_member_and_an_invited_address_are_in_the_database_alone(served):
    found = search(served.folder, Needles({"operator": OPERATOR, "invited": INVITED}))
    assert set(found) <= {"home/yunhe.db", "home/yunhe.db-wal"}
    assert any("operator" in names for names in found.values())


def test_an_error_does_not_echo_a_secret_that_was_sent(served):
    needles = Needles({"guess": GUESS[30:], "key": served.secrets["key"]})
    echoed = [
        (answer.request.method, answer.url.path)
        for answer in served.answers
        if answer.status_code >= 400 and needles.within(answer.content)
    ]
    assert echoed == []


def test_no_process_below_inherits_the_secrets(served):
    needles = Needles(served.secrets)
    for pid in served.watch.below(served.pid):
        for seen in (served.watch.lines, served.watch.environments):
            assert set().union(*(needles.within(part) for part in seen.get(pid, ()))) == set()
