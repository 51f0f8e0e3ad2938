"""Another platform that lies, changes its mind, sends nonsense, or is not one: nothing is paid."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest
from paper_site import PaperSite

from yunhe.api.routes.forwarding import _shown
from yunhe.client import files
from yunhe.compute import service as compute
from yunhe.compute.forwarding import domain as named
from yunhe.compute.forwarding import service as forwarding
from yunhe.compute.providers.seam import Job
from yunhe.compute.providers.yunhe import YunheOptions, YunheProvider
from yunhe.compute.remote.driver import Driver
from yunhe.custody import service as custody
from yunhe.custody.publishers import FilePublisher
from yunhe.custody.sequencer import Sequencer
from yunhe.kernel.canonical import INTEGER_MAX
from yunhe.kernel.errors import NotAllowed, NotFound, Unavailable
from yunhe.storage.blobs import LocalBlobs

AT = "2027-02-20T09:30:00.000000Z"
HUGE = 10**40


class Other:
    """What answers at the other platform's address; ``said`` is what it says of its one job."""

    def __init__(self, said: dict, receipt: bytes) -> None:
        self.said, self.receipt = said, receipt
        self.asked: list[str] = []
        self.answer = None

    def transport(self, **_: object) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url}")
        if self.answer is not None:
            return self.answer(request)
        path = request.url.path
        if path == "/v1/forwarded":
            return httpx.Response(200, json={"at": AT, "items": [self.said]})
        if "receipt" in path:
            return httpx.Response(200, content=self.receipt)
        return httpx.Response(404, json={"code": "api.unknown", "message": path})


_RAN: dict[str, bytes] = {}


def _ran(city, provider, folder) -> dict[str, bytes]:
    """What a platform says of a job that ran and failed there, its receipt and its keys."""
    storage = city.storage
    signer = custody.create_log(folder / "log", "city.example/log")
    spec = city.spec(arguments={"action": "fail"})
    given = {"member": city.operator, "origin": "a/log", "here": "b/log"}
    forwarding.take(storage, spec, job="theirs-1", **given)
    compute.run_next(storage, provider)
    with storage.database.read() as tx:
        [said] = forwarding.look(tx, organisation=city.university, jobs=["theirs-1"])
    Sequencer(storage, signer, [FilePublisher(folder / "out")]).run_once()
    return {
        "said": _shown(said, "en").model_dump_json().encode(),
        "receipt": custody.receipt_bytes(custody.receipt(storage, said.reference)),
        "trust": custody.trust(folder / "log").encode(),
        "organisation": city.university.encode(),
    }


class Case:
    """A job that ran at another platform, our adapter for it, and a way to falsify what it says."""

    def __init__(self, city, provider, folder) -> None:
        if not _RAN:  # once: the same bytes serve every test
            _RAN.update(_ran(city, provider, folder))
        self.other = Other(json.loads(_RAN["said"]), _RAN["receipt"])
        self.organisation = _RAN["organisation"].decode()
        self.key_file, trust = folder / "key", folder / "trust"
        self.key_file.write_text("yk_" + "a" * 40)
        self.key_file.chmod(0o600)
        trust.write_bytes(_RAN["trust"])
        options = YunheOptions(
            "https://other.example",
            self.key_file,
            trust,
            {"cpu": "cpu"},
            self.organisation,
            "a/log",
        )
        self.remote = YunheProvider("harbour", options, outbound=self.other, sleep=lambda _: None)
        self.blobs = LocalBlobs(folder / "ours")
        self.job = Job("theirs-1", "yunhe-trial", {}, {}, 1, 60, 60, 1 << 29, chip="cpu")

    def collect(self, *, succeeded: bool = False):
        return self.remote.collect(self.job, blobs=self.blobs, succeeded=succeeded)

    def lie(self, **over) -> None:
        used = {**self.other.said["usage"], **over.pop("usage", {})}
        self.other.said = {**self.other.said, "usage": used, **over}


@pytest.fixture
def case(city, local, tmp_path) -> Case:
    return Case(city, local, tmp_path)


def test_what_is_proved_is_the_most_that_may_be_charged(case) -> None:
    found = case.collect()
    assert found.proved_ms == case.other.said["usage"]["device_ms"] > 0
    assert case.blobs.read(found.evidence["remote_receipt"]) == case.other.receipt
    [event] = case.remote.meter(["theirs-1"])
    assert event.device_ms == found.proved_ms


@pytest.mark.parametrize(
    "over",
    [
        {"device_ms": 3_600_000},
        {"device_ms": -1},
        {"device_ms": HUGE},
        {"cost_minor": HUGE},
        {"cost_minor": -5},
        {"currency": "XXX"},
        {"currency": "C" * 5_000},
        {"code_digest": "sha256:" + "f" * 64},
    ],
)
def test_figures_that_the_record_does_not_bear_out_are_not_taken(case, over) -> None:
    case.lie(usage=over)
    with pytest.raises(Unavailable) as caught:
        case.collect()
    assert caught.value.code == "compute.remote_proof"
    assert len(str(caught.value.params["reason"])) < 1_000


@pytest.mark.parametrize("number", [HUGE, INTEGER_MAX + 1, -1, -HUGE])
def test_figures_outside_the_record_are_cut_to_what_our_own_can_hold(case, number) -> None:
    case.lie(usage={"cpu_ms": number, "memory_bytes_peak": number})
    measured = case.collect().metered
    assert measured.cpu_user_ms == measured.memory_bytes_peak == max(min(number, INTEGER_MAX), 0)


@pytest.mark.parametrize("number", [HUGE, 1_001, -1])
def test_a_use_of_devices_that_can_not_be_is_refused_with_a_finding(case, number) -> None:
    case.lie(usage={"utilisation_per_thousand": number, "utilisation_samples": 9})
    found = case.collect()
    assert (found.metered.utilisation_per_thousand, found.metered.utilisation_samples) == (None, 0)
    assert found.evidence["utilisation_finding"] == "compute.utilisation_refused"


@pytest.mark.parametrize("devices", [0, -3, HUGE])
@pytest.mark.parametrize("device_ms", [0, -7, HUGE])
def test_the_numbers_of_an_event_may_be_absurd_but_it_is_an_event(case, devices, device_ms) -> None:
    case.lie(devices=devices, usage={"device_ms": device_ms})
    [event] = case.remote.meter(["theirs-1"])
    assert (event.job, event.devices) == ("theirs-1", devices)


def test_usage_that_is_gone_when_the_proof_is_asked_for_costs_nothing(case) -> None:
    case.other.said = {**case.other.said, "usage": None}
    assert case.collect().proved_ms == 0


def test_success_without_usage_or_of_a_job_that_failed_is_not_believed(case) -> None:
    with pytest.raises(Unavailable, match="state: failed"):
        case.collect(succeeded=True)
    case.other.said = {**case.other.said, "state": "settled", "usage": None}
    with pytest.raises(Unavailable, match="usage: none"):
        case.collect(succeeded=True)
    with pytest.raises(Unavailable, match="state: settled"):
        case.collect()


def test_the_record_of_one_job_does_not_pay_for_a_second(case) -> None:
    case.job = replace(case.job, id="theirs-2")
    case.lie(job="theirs-2")
    with pytest.raises(Unavailable, match="job: the record says"):
        case.collect()
    case.lie(workload=named.workload_id(case.organisation, "theirs-2"))
    with pytest.raises(Unavailable, match="subject: the record says"):
        case.collect()


def test_answers_about_jobs_nobody_asked_for_are_passed_over(case) -> None:
    case.lie(job="somebody-elses")
    assert case.remote.status(["theirs-1"]).reports == ()
    assert case.remote.meter(["theirs-1"]) == ()
    with pytest.raises(Unavailable):
        case.collect()


@pytest.mark.parametrize(
    "receipt",
    [b"", b"{}", b"[]", b"null", b"\xff" * 100, b'{"entries": {}, "subject": "x"}', b"[" * 50_000],
    ids=["empty", "object", "list", "null", "bytes", "hollow", "deep"],
)
def test_a_receipt_that_is_none_proves_nothing(case, receipt) -> None:
    case.other.receipt = receipt
    with pytest.raises(Unavailable):
        case.collect()


def _answers(status: int, body: bytes = b"", **headers: str):
    return lambda _: httpx.Response(status, content=body, headers=headers)


@pytest.mark.parametrize(
    "answer",
    [
        _answers(200, b"<html>welcome</html>"),
        _answers(200, b'{"at": 5, "items": {}}'),
        _answers(200, b'{"at": "yesterday", "items": []}'),
        _answers(200, b"[" * 10_000),
        _answers(200, b"\x00\xff\xfe"),
        _answers(204),
        _answers(301, location="http://elsewhere.example/"),
        _answers(307, location="http://169.254.169.254/"),
        _answers(401, b"no"),
        _answers(403, b'{"code": "identity.key_revoked", "message": "revoked"}'),
        _answers(404),
        _answers(429, **{"retry-after": "86400"}),
        _answers(429, **{"retry-after": "soon"}),
        _answers(500, b"\x1b[2J" * 100),
        _answers(503, **{"retry-after": "-1"}),
    ],
    ids=[
        *("html", "shape", "time", "deep", "bytes", "nothing", "moved", "metadata", "key"),
        *("revoked", "unknown", "later", "soon", "broken", "minus"),
    ],
)
def test_an_answer_that_makes_no_sense_is_an_outage_and_the_key_goes_nowhere_else(
    case, answer, monkeypatch
) -> None:
    monkeypatch.setattr("yunhe.client.http.ATTEMPTS_MAX", 1)
    case.other.answer = answer
    asks = (
        lambda: case.remote.status(["theirs-1"]),
        lambda: case.remote.meter(["theirs-1"]),
        lambda: case.remote.cancel("theirs-1"),
        case.remote.capacity,
        case.collect,
    )
    said = []
    for ask in asks:
        try:
            ask()
        except Unavailable as error:
            said.append(repr(error.params))
    assert len(said) >= len(asks) - 1  # that nothing was said to a cancel is an answer
    assert not [each for each in said if "yk_" in each or "\\x1b" in each]
    assert all("https://other.example/" in each for each in case.other.asked)


def test_work_is_not_given_up_because_our_key_is_refused_or_asked_too_often(
    case, monkeypatch
) -> None:
    monkeypatch.setattr("yunhe.client.http.ATTEMPTS_MAX", 1)
    for status, code in ((401, "api.key_missing"), (403, "identity.forbidden"), (429, "api.busy")):
        case.other.answer = _answers(
            status, json.dumps({"code": code, "message": "no"}).encode(), **{"retry-after": "9999"}
        )
        with pytest.raises(Unavailable) as caught:
            case.remote.submit(case.job, blobs=case.blobs)
        assert caught.value.code == "compute.remote_unreachable"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_not_used_and_the_work_waits(case, mode) -> None:
    case.key_file.chmod(mode)
    for ask in (
        lambda: case.remote.submit(case.job, blobs=case.blobs),
        lambda: case.remote.status(["theirs-1"]),
    ):
        with pytest.raises(Unavailable) as caught:
            ask()
        assert caught.value.code == "compute.site_key_open"
    assert case.other.asked == []
    case.key_file.chmod(0o400)
    assert len(case.remote.status(["theirs-1"]).reports) == 1


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"folder": "sha256:" + "0" * 64, "command": ("run",)}, "compute.forward_folder"),
        ({"image": "registry.example/i@sha256:1"}, "compute.forward_folder"),
        ({"keeps": ("*.bin",)}, "compute.forward_folder"),
        ({"command": ("run",)}, "compute.command_not_allowed"),
        ({"origin": "third.example/log"}, "compute.forward_again"),
        ({"chip": "gpu"}, "compute.remote_chip"),
    ],
)
def test_what_does_not_travel_is_refused_before_anything_is_asked(case, over, code) -> None:
    with pytest.raises(NotAllowed) as caught:
        case.remote.submit(replace(case.job, **over), blobs=case.blobs)
    assert caught.value.code == code
    assert case.other.asked == []


def test_a_file_longer_than_is_taken_leaves_nothing_behind(
    tmp_path,
) -> None:
    target = tmp_path / "target"
    with pytest.raises(Unavailable) as caught:
        files.write([b"x" * 10, b"y" * 10], target, digest="", bytes_max=19)
    assert caught.value.code == "client.file_large"
    assert list(tmp_path.iterdir()) == []
    files.write([b"x" * 10, b"y" * 10], target, digest="", bytes_max=20)
    assert target.read_bytes() == b"x" * 10 + b"y" * 10


@pytest.mark.parametrize("proved_ms", [0, 1_000, 10_000, 99_000, None])
def test_no_more_is_paid_than_was_proved_whatever_was_metered(bare_city, proved_ms) -> None:
    site = PaperSite(bare_city.clock)
    collect = site.collect
    site.collect = lambda *given, **over: replace(collect(*given, **over), proved_ms=proved_ms)
    compute.register_pool(
        bare_city.storage,
        key="paper",
        provider=bare_city.provider,
        site="远方",
        chip="cpu",
        devices=2,
        price_minor_per_device_hour=3_600,
        currency="CNY",
        adapter="paper",
    )
    bare_city.award()
    bare_city.cash()
    driver = Driver(bare_city.storage, site)
    asked = bare_city.submit()
    driver.once()
    [job] = site.jobs
    site.begin(job)
    driver.once()
    bare_city.clock.advance(seconds=10)
    site.end(job, seconds=10)
    driver.once()
    done = bare_city.see(asked)
    assert done.state == "settled"
    assert done.usage.device_ms == (10_000 if proved_ms is None else min(proved_ms, 10_000))
    bare_city.assert_books_are_right()


def test_forwarded_work_stays_off_pools_that_are_other_platforms(bare_city) -> None:
    city, storage = bare_city, bare_city.storage
    site = PaperSite(city.clock, isolation="another-platform")
    given = {"provider": city.provider, "chip": "cpu", "currency": "CNY"}
    given |= {"price_minor_per_device_hour": 3_600, "devices": 2, "site": "远方"}
    city.award(seconds=100_000)
    city.cash()
    far = compute.register_pool(storage, key="far", adapter="paper", **given)
    Driver(storage, site).once()
    taken = {"member": city.operator, "origin": "a/log", "here": "b/log"}
    with pytest.raises(NotAllowed) as caught:
        forwarding.take(storage, city.spec(), job="early", without={"paper"}, **taken)
    assert caught.value.code == "compute.forward_again"
    own = compute.register_pool(storage, key="own", **{**given, "devices": 1})
    first, second = (
        forwarding.take(storage, city.spec(), job=name, without={"paper"}, **taken)
        for name in ("one", "two")
    )
    ours = city.submit("ours")
    with storage.database.read() as tx:
        pools = {each.id: (each.state, each.pool) for each in compute.workloads(tx)}
    assert pools[first.workload] == ("placed", own.id)
    assert pools[second.workload] == ("waiting", None)
    assert pools[ours.id] == ("placed", far.id)
    city.assert_books_are_right()


def test_a_job_handed_over_again_is_found_though_the_pools_are_gone_meanwhile(city) -> None:
    given = {"member": city.operator, "origin": "a/log", "here": "b/log"}
    first = forwarding.take(city.storage, city.spec(), job="one", **given)
    again = forwarding.take(city.storage, city.spec(), job="one", without={"local"}, **given)
    assert again.workload == first.workload
    assert first.workload == named.workload_id(city.university, "one")
    with city.storage.database.read() as tx, pytest.raises(NotFound):
        compute.workload(tx, named.workload_id(city.university, "two"))


def test_a_platform_that_asks_for_files_of_other_jobs_is_sent_none(case) -> None:
    mine, secret = (case.blobs.put(data).digest for data in (b"goods", b"another's secret"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/inputs"):
            return httpx.Response(200, json={"missing": [secret]})
        return httpx.Response(200, json={"at": AT, "items": []})

    case.other.answer = answer
    with pytest.raises(Unavailable):
        case.remote.submit(replace(case.job, inputs={"f": mine}), blobs=case.blobs)
    assert not any("uploads" in asked for asked in case.other.asked)
