"""A workload finds its secrets, and nobody else finds them anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from kept_bytes import kept_bytes
from yunhe.compute import service as compute
from yunhe.compute.domain import Workload
from yunhe.compute.providers import launcher
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT
from yunhe.compute.providers.entry_points import EntryPoint, find_program
from yunhe.compute.providers.local import LocalProvider
from yunhe.compute.providers.sandbox import bubblewrap
from yunhe.compute.providers.seam import LOG_BYTES_MAX, Job, Outcome
from yunhe.compute.reasons import Why
from yunhe.kernel.canonical import digest_of
from yunhe.kernel.errors import Conflict, Invalid, Unavailable, YunheError
from yunhe.kernel.masking import MASK, Mask
from yunhe.kernel.progress import Silent
from yunhe.storage.blobs import LocalBlobs
from yunhe.vault import service as vault
from yunhe.vault.sealing import Vault

KEEPER = EntryPoint("keeper", root=Path(__file__).parent / "programs")
VAULT = Vault(bytes(range(32)))
TOKEN = b'tok-0e1c"5fd2/9a b+7\xe4\xba\x91'
PASSWORD = b"correct horse\nbattery staple"
VALUES = {"TOKEN": TOKEN, "PASSWORD": PASSWORD}
ISOLATIONS: tuple[Literal["auto", "digest-approved"], ...] = ("auto", "digest-approved")


@pytest.fixture(params=ISOLATIONS)
def keeper(request, tmp_path: Path) -> LocalProvider:
    """A provider with the keeper program, once in each isolation."""
    if request.param == "auto" and bubblewrap() is None:
        pytest.skip("bubblewrap is not installed or may not make namespaces here")
    programs = {"keeper": KEEPER, TRIAL: TRIAL_ENTRY_POINT}
    return LocalProvider(tmp_path / "home" / "work", programs, isolation=request.param)


@pytest.fixture
def told(city):
    """A city whose university has put two secrets."""
    compute.approve_entry_point(
        city.storage,
        name="keeper",
        module=KEEPER.module,
        digest=find_program("keeper", KEEPER).digest,
        approved_by=city.operator,
    )
    with city.storage.database.begin() as tx:
        for name, value in VALUES.items():
            put(tx, city.university, name, value)
    return city


def put(tx, organisation: str, name: str, value: bytes, project: str = "") -> None:
    place = {"organisation": organisation, "project": project}
    vault.put(tx, VAULT, name=name, value=value, member="member_x", at_us=1, **place)


def arguments(*variables: str, then: str = "", shift: int = 0, times: int = 1):
    return {"variables": list(variables), "then": then, "shift": shift, "times": times}


def submit(city, key: str = "job", secrets=None, **over) -> Workload:
    secrets = {"TOKEN": "TOKEN", "APP_PASSWORD": "PASSWORD"} if secrets is None else secrets
    asked = over.pop("arguments", arguments(*secrets))
    return city.submit(key, entry_point="keeper", arguments=asked, secrets=secrets, **over)


def forms(value: bytes) -> Iterator[bytes]:
    yield value
    yield base64.b64encode(value)
    yield json.dumps(value.decode()).strip('"').encode()


def assert_nowhere(folder: Path, told) -> None:
    """No file below and no row, by any of its bytes, holds any of the values."""
    kept = list(kept_bytes(folder, told.storage.database))
    assert kept
    for where, data in kept:
        found = [name for name, v in VALUES.items() for form in forms(v) if form in data]
        assert found == [], where


def test_a_workload_finds_its_secrets_and_its_children_do_too(told, keeper, tmp_path) -> None:
    submitted = submit(told)
    settled = compute.run_next(told.storage, keeper, vault=VAULT)
    assert settled.state == "settled", settled.why
    report = json.loads(told.storage.blobs.read(settled.outputs["report.json"]))
    assert report["digests"] == {
        "TOKEN": hashlib.sha256(TOKEN).hexdigest(),
        "APP_PASSWORD": hashlib.sha256(PASSWORD).hexdigest(),
    }
    log = told.storage.blobs.read(settled.log)
    assert log.count(MASK) == 4  # each of two, printed on both streams
    assert_nowhere(tmp_path, told)
    # The request names them; neither it nor its digest depends on their values.
    assert settled.spec.secrets == {"TOKEN": "TOKEN", "APP_PASSWORD": "PASSWORD"}
    assert settled.spec_digest == submitted.spec_digest == digest_of(settled.spec.as_json())
    told.assert_books_are_right()


def test_the_next_workload_inherits_nothing(told, keeper) -> None:
    submit(told, "first")
    submit(told, "second", secrets={})
    compute.run_next(told.storage, keeper, vault=VAULT)
    second = compute.run_next(told.storage, keeper, vault=VAULT)
    report = json.loads(told.storage.blobs.read(second.outputs["report.json"]))
    assert not {"TOKEN", "APP_PASSWORD", "PASSWORD"} & set(report["environment"])
    assert "TOKEN" not in os.environ


def test_no_core_dump_of_it_ever_holds_memory(told, keeper) -> None:
    submit(told)
    settled = compute.run_next(told.storage, keeper, vault=VAULT)
    report = json.loads(told.storage.blobs.read(settled.outputs["report.json"]))
    assert max(report["core_bytes_max"]) <= 1
    assert int(report["core_filter"], 16) == 0


@pytest.mark.parametrize("then", ["fail", "name"])
def test_what_goes_wrong_is_told_without_them(told, keeper, tmp_path, then) -> None:
    secrets = {"TOKEN": "PASSWORD" if then == "fail" else "TOKEN"}
    submit(told, secrets=secrets, arguments=arguments("TOKEN", then=then))
    failed = compute.run_next(told.storage, keeper, vault=VAULT)
    assert failed.state == "failed"
    log = told.storage.blobs.read(failed.log)
    assert then != "fail" or b"cannot sign in with ***" in log
    said = repr(failed) + failed.why.message("en") + failed.why.message("zh")
    for value in (*VALUES.values(), b"battery staple", b"correct horse"):
        assert value.decode() not in said
        assert value not in log
    assert_nowhere(tmp_path, told)


def test_a_secret_at_the_cut_of_the_log_leaves_no_half_behind(told, keeper) -> None:
    times = 3 * LOG_BYTES_MAX // (len(TOKEN) + 7)
    submit(told, secrets={"TOKEN": "TOKEN"}, arguments=arguments("TOKEN", shift=7, times=times))
    settled = compute.run_next(told.storage, keeper, vault=VAULT)
    out = told.storage.blobs.read(settled.log).partition(b"\n--- stderr\n")[0]
    left = out.removeprefix(b"--- stdout\n").replace(MASK, b"").strip(b"*x\n")
    assert left == b""
    assert len(out) > LOG_BYTES_MAX // 2


@pytest.mark.parametrize("cut", range(1, len(PASSWORD)))
def test_a_secret_that_arrives_in_two_parts_is_masked(cut) -> None:
    stream = launcher._Stream(None, Mask([PASSWORD]))
    stream.take(b"<" + PASSWORD[:cut])
    stream.take(PASSWORD[cut:] + b">")
    assert stream.last() == b"<" + MASK + b">"


def processes() -> dict[int, tuple[bytes, bytes]]:
    """Command line and first environment of every process there is."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                both = (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes()
            except OSError:  # ended meanwhile, or shut against us
                continue
            found[int(folder.name)] = both
    return found


class Looking:
    """Progress that looks around the machine when the program has begun."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.seen: list[dict[int, tuple[bytes, bytes]]] = []
        self.files: dict[str, bytes] = {}

    def step(self, what: str, *, done: int, total: int | None = None) -> None:
        self.seen.append(processes())
        self.files = {p.name: p.read_bytes() for p in self.work.rglob("*") if p.is_file()}


def test_while_it_runs_no_list_of_processes_and_no_file_shows_them(keeper, tmp_path) -> None:
    looking = Looking(tmp_path / "home" / "work")
    blobs = LocalBlobs(tmp_path / "blobs")
    job = Job(
        id="workload_wait",
        entry_point="keeper",
        arguments=arguments("TOKEN", "PASSWORD", then="wait"),
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        approved=frozenset({find_program("keeper", KEEPER).digest}),
        secrets=VALUES,
    )
    outcome = keeper.run(job, blobs=blobs, progress=looking, stopped=lambda: bool(looking.seen))
    assert outcome.verdict == "stopped"
    (seen,) = looking.seen
    bootstraps = [line for line, _ in seen.values() if b"bootstrap.py" in line]
    assert len(bootstraps) >= 2  # the supervisor and the program, at least
    for line, environment in seen.values():
        for value in VALUES.values():
            assert value not in line
            assert base64.b64encode(value) not in line
            assert value not in environment
    assert {"job.json", "report.json"} <= set(looking.files)
    for data in looking.files.values():
        assert not any(form in data for value in VALUES.values() for form in forms(value))
    for value in VALUES.values():
        assert value.decode() not in repr(job) + repr(outcome)


def test_an_order_as_large_as_an_environment_arrives_whole(keeper, tmp_path) -> None:
    values = {f"S{number}": os.urandom(16).hex().encode() * 1_000 for number in range(15)}
    job = Job(
        id="workload_large",
        entry_point=TRIAL,
        arguments={"action": "confide", "variable": "S14"},
        inputs={},
        devices=1,
        wall_seconds_max=60,
        cpu_seconds_max=60,
        memory_bytes_max=1 << 30,
        approved=frozenset({find_program(TRIAL, TRIAL_ENTRY_POINT).digest}),
        secrets=values,
    )
    blobs = LocalBlobs(tmp_path / "blobs")
    outcome = keeper.run(job, blobs=blobs, progress=Silent(), stopped=lambda: False)
    assert (
        blobs.read(outcome.outputs["digest"]).decode() == hashlib.sha256(values["S14"]).hexdigest()
    )
    assert outcome.stdout_tail.endswith(b"it is ***, or ***\n")


@pytest.mark.parametrize(
    ("secrets", "codes"),
    [
        ({"PATH": "TOKEN"}, ["compute.variable_reserved"]),
        ({"path": "TOKEN"}, ["compute.variable_reserved"]),
        ({"LD_PRELOAD": "TOKEN"}, ["compute.variable_reserved"]),
        ({"PYTHONPATH": "TOKEN"}, ["compute.variable_reserved"]),
        ({"PYTHONSTARTUP": "TOKEN"}, ["compute.variable_reserved"]),
        ({"GIT_SSH_COMMAND": "TOKEN"}, ["compute.variable_reserved"]),
        ({"OMP_NUM_THREADS": "TOKEN"}, ["compute.variable_reserved"]),
        ({"YUNHE_SECRETS_KEY": "TOKEN"}, ["compute.variable_reserved"]),
        ({"BASH_ENV": "TOKEN"}, ["compute.variable_reserved"]),
        ({"1A": "TOKEN"}, ["compute.variable_invalid"]),
        ({"A=B": "TOKEN"}, ["compute.variable_invalid"]),
        ({"A\n": "TOKEN"}, ["compute.variable_invalid"]),
        ({"": "TOKEN"}, ["compute.variable_invalid"]),
        ({"变量": "TOKEN"}, ["compute.variable_invalid"]),
        ({"A": "NONE"}, ["vault.secret_unknown"]),
        ({"A": "project_x/TOKEN"}, ["vault.secret_unknown"]),
        ({"A": "../TOKEN"}, ["vault.secret_unknown"]),
        ({"A": "a/b/TOKEN"}, ["compute.secret_invalid"]),
        ({"A": ""}, ["compute.secret_invalid"]),
        ({f"A{n}": "TOKEN" for n in range(33)}, ["compute.secrets_too_many"]),
        ({"PATH": "a b", "B C": "TOKEN"}, [
            "compute.variable_reserved", "compute.variable_invalid", "compute.secret_invalid",
        ]),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_met_is_refused_whole(told, secrets, codes) -> None:
    with pytest.raises(Invalid) as caught:
        submit(told, secrets=secrets)
    assert [finding.code for finding in caught.value.findings] == codes
    assert caught.value.message("zh")
    with told.storage.database.read() as tx:
        assert compute.workloads(tx) == []


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DATABASE_URL", "_T", "R"])
def test_ordinary_names_of_variables_are_allowed(told, name) -> None:
    assert submit(told, secrets={name: "TOKEN"}).spec.secrets == {name: "TOKEN"}


def test_secrets_of_others_and_of_other_projects_are_unknown(told) -> None:
    with told.storage.database.begin() as tx:
        put(tx, told.provider, "THEIRS", b"not the university's")
        put(tx, told.university, "INSIDE", b"the project's own", project="project_x")
    for named in ("THEIRS", "INSIDE", "project_x/INSIDE"):
        with pytest.raises(Invalid) as caught:
            submit(told, secrets={"A": named})
        assert caught.value.findings[0].code == "vault.secret_unknown"
    within = {"A": "project_x/INSIDE", "B": "TOKEN"}
    assert submit(told, secrets=within, project="project_x").state == "placed"
    with pytest.raises(Invalid):
        submit(told, "other", secrets=within, project="project_y")


def test_a_request_without_secrets_has_the_digest_it_always_had(city) -> None:
    spec = city.spec()
    assert "secrets" not in spec.as_json()
    assert list(spec.as_json()) == [
        "key", "organisation", "entry_point", "arguments", "inputs", "chip", "devices",
        "wall_seconds_max", "cpu_seconds_max", "memory_bytes_max", "input_reference",
    ]  # fmt: skip


def test_the_same_key_with_other_secrets_is_another_request(told) -> None:
    submit(told, secrets={"A": "TOKEN"})
    assert submit(told, secrets={"A": "TOKEN"}).state == "placed"
    with pytest.raises(Conflict):
        submit(told, secrets={"A": "PASSWORD"})


def test_a_replaced_value_is_what_a_later_start_gets(told, keeper) -> None:
    submit(told, secrets={"TOKEN": "TOKEN"})
    with told.storage.database.begin() as tx:
        put(tx, told.university, "TOKEN", b"the newest value")
    settled = compute.run_next(told.storage, keeper, vault=VAULT)
    report = json.loads(told.storage.blobs.read(settled.outputs["report.json"]))
    assert report["digests"]["TOKEN"] == hashlib.sha256(b"the newest value").hexdigest()


def test_a_secret_removed_meanwhile_fails_its_workload_unpaid(told, keeper) -> None:
    submit(told)
    with told.storage.database.begin() as tx:
        vault.remove(tx, organisation=told.university, name="TOKEN")
    failed = compute.run_next(told.storage, keeper, vault=VAULT)
    assert (failed.state, failed.why.code) == ("failed", "vault.secret_unknown")
    assert failed.usage is None
    assert failed.held_device_ms == failed.held_minor == 0
    told.assert_books_are_right()


@pytest.mark.parametrize(
    ("opener", "code"),
    [(None, "compute.secrets_unavailable"), (Vault(bytes(32)), "vault.key_other")],
)
def test_without_the_means_to_open_them_nothing_runs_and_nothing_is_paid(
    told, keeper, opener, code
) -> None:
    workload = submit(told)
    for _ in range(4):
        with pytest.raises(Unavailable) as caught:
            compute.run_next(told.storage, keeper, vault=opener)
        assert caught.value.code == code
        assert told.see(workload).state == "placed"
    failed = compute.run_next(told.storage, keeper, vault=opener)
    assert (failed.state, failed.why.code, failed.usage) == ("failed", code, None)
    told.assert_books_are_right()


def test_more_than_an_environment_holds_is_refused_at_the_start(told, keeper) -> None:
    with told.storage.database.begin() as tx:
        for number in range(9):
            put(tx, told.university, f"LARGE{number}", os.urandom(32).hex().encode() * 1_000)
    submit(told, secrets={f"S{number}": f"LARGE{number}" for number in range(9)})
    failed = compute.run_next(told.storage, keeper, vault=VAULT)
    assert (failed.state, failed.why.code) == ("failed", "compute.secrets_too_large")


class Careless:
    """A provider that masks nothing."""

    adapter = "local"
    isolation = "digest-approved"

    def __init__(self, provider: LocalProvider, error: YunheError | None = None) -> None:
        self._provider, self._error = provider, error

    def gaps(self):
        return ()

    def run(self, job, **over) -> Outcome:
        if self._error is not None:
            raise self._error
        ended = self._provider.run(replace(job, secrets={}, arguments=arguments()), **over)
        why = Why("compute.launch_failed", (("reason", "near " + TOKEN.decode()), ("n", 3)))
        said = {"stdout_tail": b"<" + TOKEN + b">", "stderr_tail": TOKEN}
        return replace(ended, verdict="failed", why=why, outputs={}, **said)


def test_what_a_careless_provider_lets_slip_is_masked_before_it_is_kept(told, keeper, tmp_path):
    submit(told)
    failed = compute.run_next(told.storage, Careless(keeper), vault=VAULT)
    assert dict(failed.why.params) == {"reason": "near ***", "n": 3}
    assert told.storage.blobs.read(failed.log) == b"--- stdout\n<***>\n--- stderr\n***"
    assert_nowhere(tmp_path, told)


def test_an_error_of_a_provider_is_kept_without_them(told, keeper, tmp_path) -> None:
    workload = submit(told)
    error = Unavailable("compute.launch_failed", reason=f"at {TOKEN.decode()}")
    with pytest.raises(Unavailable):
        compute.run_next(told.storage, Careless(keeper, error), vault=VAULT)
    assert dict(told.see(workload).why.params) == {"reason": "at ***"}
    assert_nowhere(tmp_path, told)
