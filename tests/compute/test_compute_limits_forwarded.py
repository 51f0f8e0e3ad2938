"""Where a consumer is travels with work from platform to platform, and binds on each of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_compute_limits import Places

from yunhe.compute import service as compute
from yunhe.compute import store
from yunhe.compute.forwarding import service as forwarding
from yunhe.compute.limits import service as limits
from yunhe.compute.providers.remote import ANOTHER_PLATFORM
from yunhe.compute.providers.yunhe import YunheOptions, YunheProvider
from yunhe.compute.remote import store as sites
from yunhe.compute.runner import job_of
from yunhe.compute.tables import pool_table
from yunhe.custody import service as custody
from yunhe.kernel.clock import DAY_US
from yunhe.kernel.errors import Conflict, Invalid, NotAllowed

LATER_SECONDS = 60 * 86_400 * 365
"""Until export rules of our days are in force by the tests' clock."""


class Port(Places):
    """A platform to which others hand work, and that hands work on to one of them."""

    def __init__(self, city) -> None:
        super().__init__(city)
        city.clock.advance(seconds=LATER_SECONDS)
        for chip in ("cpu", "a100"):
            compute.award(
                self.storage,
                key=f"later-{chip}",
                organisation=city.university,
                chip=chip,
                device_ms=100_000_000,
                expires_at_us=city.clock.now_us() + 365 * DAY_US,
                awarded_by=city.operator,
            )
        self.number = 0

    def abroad(self, at: str, **over) -> str:
        """A pool that is another platform."""
        made = self.pool(at, adapter="harbour", **over)
        with self.storage.database.begin() as tx:
            sites.set_site(tx, "harbour", isolation=ANOTHER_PLATFORM)
        return made

    def take(self, consumer: str = "", *, without=(), **over):
        """Take a job over; what is kept of it."""
        self.number += 1
        job, given = f"theirs-{self.number}", {"origin": "a/log", "here": "b/log"}
        forwarding.take(
            self.storage,
            self.city.spec(**over),
            job=job,
            member=self.city.operator,
            consumer=consumer,
            without=without,
            **given,
        )
        return self.see(forwarding.workload_id(self.city.university, job))

    def see(self, workload: str):
        with self.storage.database.read() as tx:
            return compute.workload(tx, workload)

    def turned_away(self, consumer: str = "", **over) -> list[str]:
        """Codes of why a job is not taken over."""
        with pytest.raises(Invalid) as caught:
            self.take(consumer, **over)
        for language in ("en", "zh"):
            assert caught.value.message(language)
        return [each.code for each in caught.value.findings]

    def job(self, workload: str):
        with self.storage.database.read() as tx:
            return job_of(tx, store.row(tx, workload), now_us=self.city.clock.now_us())


@pytest.fixture
def port(bare_city) -> Port:
    return Port(bare_city)


def test_a_consumer_behind_another_platform_is_kept_off_as_one_of_here_would_be(port) -> None:
    port.pool("SG", chip="a100", adapter="paper")
    port.say("organisation", port.city.university, "SG")
    assert port.turned_away("CN-BJ", chip="a100") == ["compute.rule_export"]
    assert port.take("SG", chip="a100").state == "placed"


def test_what_comes_with_the_work_binds_though_nothing_was_ever_said_here(port) -> None:
    port.pool("", chip="a100", adapter="paper")
    assert port.turned_away("CN-BJ", chip="a100") == ["compute.rule_export"]
    assert port.turned_away(chip="a100") == ["compute.rule_export_unknown"]
    assert port.take("SG", chip="a100").state == "placed"


def test_what_is_said_here_of_the_platform_binds_beside_what_it_says_itself(port) -> None:
    port.pool("SG", chip="a100", adapter="paper")
    port.say("organisation", port.city.university, "CN")
    assert port.turned_away("SG", chip="a100") == ["compute.rule_export"]


def test_a_platform_that_says_nothing_is_kept_off_chips_under_a_rule_alone(port) -> None:
    port.pool("SG", chip="a100", adapter="paper")
    port.pool("SG")
    port.say("organisation", port.city.university, "SG")
    assert port.turned_away(chip="a100") == ["compute.rule_export_unknown"]
    assert port.take().state == "placed"
    inland = port.pool("CN-SH", chip="a100", adapter="paper")  # no rule concerns a pool there
    assert port.take(chip="a100").pool == inland


def test_a_pool_that_serves_some_places_serves_nobody_of_whom_it_is_not_known(port) -> None:
    pool = port.pool("SG")
    port.say("pool", pool, "CN", "SG")
    assert port.turned_away() == ["compute.rule_serves"]
    assert port.turned_away("US-CA") == ["compute.rule_serves"]
    assert port.take("CN-BJ").pool == pool  # where the platform itself is, nobody said
    port.say("organisation", port.city.university, "US")
    assert port.turned_away("CN-BJ") == ["compute.rule_serves"]


@pytest.mark.parametrize("word", ["ZZ", "cn", "CN-", "nowhere", "-", "CN\n"])
def test_a_place_that_is_none_is_refused_and_nothing_is_kept(port, word) -> None:
    port.pool("CN")
    assert port.turned_away(word) == ["compute.jurisdiction_invalid"]
    with port.storage.database.read() as tx:
        assert not forwarding.look(tx, organisation=port.city.university, jobs=["theirs-1"])


def test_limits_that_come_with_the_work_and_those_of_here_leave_what_both_leave(port) -> None:
    digest, north = port.data(), port.pool("CN-BJ")
    port.pool("CN-SH", price_minor_per_device_hour=1)
    port.pool("SG", price_minor_per_device_hour=1)
    port.say("data", digest, "CN-BJ", "SG")
    done = port.take("CN", jurisdictions=("CN",), inputs={"train": digest})
    assert done.pool == north
    port.say("data", digest, "SG")
    found = port.turned_away("CN", jurisdictions=("CN",), inputs={"train": digest})
    assert "compute.rule_contradiction" in found


def test_work_that_is_limited_while_it_waits_is_not_let_out(port) -> None:
    """The journal of the pass has what it saw, so that it replays."""
    pool = port.pool("SG", devices=1)
    first, second = port.take("US"), port.take("US")
    assert (first.state, second.state) == ("placed", "waiting")
    port.say("pool", pool, "SG")
    compute.cancel(port.storage, first.id)
    found = port.see(second.id)
    assert (found.state, found.why.code) == ("waiting", "compute.rule_serves")
    assert dict(found.why.params)["consumer"] == "US"
    port.say("pool", pool, "SG", "US")
    assert port.see(second.id).pool == pool


def test_handed_over_again_it_is_the_same_and_under_another_place_another(port) -> None:
    port.pool("CN")
    given = {"job": "again", "member": port.city.operator, "origin": "a/log", "here": "b/log"}
    spec = port.city.spec()
    first = forwarding.take(port.storage, spec, consumer="CN", **given)
    assert forwarding.take(port.storage, spec, consumer="CN", **given) == first
    with pytest.raises(Conflict) as caught:
        forwarding.take(port.storage, spec, consumer="SG", **given)
    assert caught.value.code == "compute.workload_differs"


def test_the_record_of_what_it_used_says_for_whom_it_was(port, local) -> None:
    port.pool("CN")
    for consumer, said in (("CN-BJ", "CN-BJ"), ("", "-")):
        job = port.take(consumer, arguments={"action": "copy", "word": "x"})
        compute.run_next(port.storage, local)
        reference = port.see(job.id).reference
        with port.storage.database.read() as tx:
            found = custody.ancestors(tx, reference).entries[reference].record
        assert found.body["consumer"] == said


def test_where_its_organisation_is_goes_with_work_to_another_platform_and_only_there(port) -> None:
    port.say("organisation", port.city.university, "CN-SH")
    port.abroad("CN")
    away = port.city.submit("away")
    assert port.job(away.id).consumer == "CN-SH"
    near = port.pool("CN", key="near", price_minor_per_device_hour=1)
    home = port.city.submit("home")
    assert (home.pool, port.job(home.id).consumer) == (near, "")


def test_of_whom_nobody_said_where_they_are_no_place_goes_and_no_chip_under_a_rule(port) -> None:
    port.abroad("SG")
    port.abroad("SG", chip="a100")
    assert port.refused(chip="a100") == {"chip": "compute.rule_export_unknown"}
    assert port.job(port.city.submit("plain").id).consumer == ""


def test_between_three_platforms_the_first_ones_consumer_and_limits_would_go_on(port) -> None:
    """A to B to C: B never hands on what came to it; if it did, C would hear of A's consumer."""
    port.say("organisation", port.city.university, "SG")  # A, as B knows it
    onward = port.abroad("CN", chip="a100")
    own = port.pool("CN", chip="a100", key="own", adapter="paper", devices=1)
    first = port.take("CN-BJ", chip="a100", jurisdictions=("CN",), without=("harbour",))
    second = port.take("CN-BJ", chip="a100", jurisdictions=("CN",), without=("harbour",))
    assert (first.pool, second.state) == (own, "waiting")  # though there is room onward
    with port.storage.database.begin() as tx:
        tx.execute(pool_table.update().where(pool_table.c.id == own).values(adapter="harbour"))
        job = job_of(tx, store.row(tx, first.id))
        spec = replace(port.city.spec(chip="a100"), consumer="CN-BJ")
        now_us = port.city.clock.now_us()
        assert limits.abroad(tx, spec, onward, awards=(), now_us=now_us) == ("CN", "HK", "MO")
        assert limits.consumer(tx, spec, onward) == "CN-BJ"
        hidden = replace(spec, consumer="-")
        assert limits.consumer(tx, hidden, onward) == ""  # unknown it stays, whoever hands it on
        assert limits.abroad(tx, hidden, onward, awards=(), now_us=now_us) == ("CN", "HK", "MO")
    assert (job.origin, job.consumer, job.jurisdictions) == ("a/log", "CN-BJ", ("CN",))
    with pytest.raises(NotAllowed) as caught:
        YunheProvider("harbour", _options(), outbound=None)._chip(job)
    assert caught.value.code == "compute.forward_again"


def test_an_adapter_to_another_platform_hands_over_nothing_that_excludes_providers(port) -> None:
    rival = port.city.university
    port.pool("CN", chip="a100", adapter="paper", provider=rival)
    harbour = port.pool("CN", adapter="harbour")  # nobody has said that it is another platform
    away = port.city.submit("away", excluded_providers=(rival,))
    job = port.job(away.id)
    assert (away.pool, job.excluded_providers) == (harbour, (rival,))
    there = YunheProvider("harbour", _options(origin="a/log"), outbound=None)
    with pytest.raises(NotAllowed) as refused:
        there._chip(job)
    assert refused.value.code == "compute.forward_providers"
    assert there._chip(replace(job, excluded_providers=())) == "cpu"


def _options(**over) -> YunheOptions:
    nowhere = Path("nowhere")
    return YunheOptions("http://c", nowhere, nowhere, {"a100": "a100", "cpu": "cpu"}, **over)


def test_what_is_handed_over_says_the_place_or_nothing_that_an_old_platform_would_refuse(
    port,
) -> None:
    port.say("organisation", port.city.university, "CN-SH")
    port.abroad("CN")
    job = port.job(port.city.submit("away", jurisdictions=("CN",)).id)
    there = YunheProvider("harbour", _options(origin="a/log"), outbound=None)
    for place, said in (("CN-SH", {"consumer": "CN-SH"}), ("", {})):
        message = there._message(replace(job, consumer=place), "cpu")
        sent = message.model_dump(exclude_unset=True)
        assert {name: sent[name] for name in sent if name == "consumer"} == said
        assert sent["workload"]["jurisdictions"] == ["CN"]
    assert json.dumps(sent)
