"""Nothing is ever placed outside its rules: random pools, rules, events, on the platform too."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compute_limits import Places

from yunhe.compute import service as compute
from yunhe.compute.abilities import Abilities
from yunhe.compute.asking import sites_of, within
from yunhe.compute.domain import Pool, WorkloadSpec
from yunhe.compute.limits import exports, jurisdictions
from yunhe.compute.limits import service as limits
from yunhe.compute.limits.domain import Limits
from yunhe.compute.limits.exports import ExportRule
from yunhe.compute.passes import journal
from yunhe.compute.scheduling.engine import decide
from yunhe.compute.scheduling.state import AwardView, Picture, Placement, PoolView, Request
from yunhe.compute.simulation.recording import replayed
from yunhe.compute.wanted import UNKNOWN
from yunhe.kernel.errors import Invalid, YunheError

CODES = ("CN", "CN-BJ", "CN-SH", "SG", "US", "US-CA")
_code = st.sampled_from(CODES)
_codes = st.lists(_code, max_size=3).map(tuple)
_at = st.sampled_from(("", *CODES))


def inside(code: str, allowed) -> bool:
    """The rule in other words: the same place, or the country of a part."""
    return bool(code) and (code in allowed or code.partition("-")[0] in allowed)


@given(one=_codes, other=_codes, code=_at)
@settings(max_examples=200, deadline=None)
def test_what_is_common_to_two_lists_is_what_lies_in_both(one, other, code) -> None:
    assert jurisdictions.within(code, one) == inside(code, one)
    both = jurisdictions.common(one, other)
    assert inside(code, both) == (inside(code, one) and inside(code, other))


def _spec(**over) -> WorkloadSpec:
    said = {"key": "k", "organisation": "o", "entry_point": "e", "arguments": {}, "inputs": {}}
    size = {"chip": "c", "devices": 1, "wall_seconds_max": 1, "cpu_seconds_max": 1}
    return WorkloadSpec(**{**said, **size, **over})


_RULE = ExportRule(
    "X", frozenset({"c"}), ("CN",), ("CN",), "2020-01-01", "", "en", "zh", "s", verified=False
)


@given(
    pools=st.lists(st.tuples(_at, st.sampled_from("pq"), st.booleans(), _codes), max_size=6),
    wanted=_codes,
    excluded=st.lists(st.sampled_from("pq"), max_size=2, unique=True).map(tuple),
    bound=st.lists(_codes.filter(bool), max_size=2),
    seat=_at,
    behind=st.sampled_from(("", UNKNOWN, *CODES)),
    ruled=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_a_workload_may_use_exactly_the_pools_that_every_rule_allows(
    pools, wanted, excluded, bound, seat, behind, ruled
) -> None:
    made = [
        Pool(f"pool{n}", who, "s", "far" if far else "local", "c", 1, n, "CNY")
        for n, (_, who, far, _) in enumerate(pools)
    ]
    said = Limits(
        jurisdictions={f"pool{n}": at for n, (at, *_) in enumerate(pools) if at},
        serves={f"pool{n}": serves for n, (*_, serves) in enumerate(pools) if serves},
        seats={"o": seat} if seat else {},
        data={f"d{n}": codes for n, codes in enumerate(bound)},
        exports=(_RULE,) if ruled else (),
        federated=frozenset({"far"}),
    )
    spec = _spec(
        jurisdictions=wanted,
        excluded_providers=excluded,
        consumer=behind,
        inputs={str(n): f"d{n}" for n in range(len(bound))},
    )
    able = Abilities(limits=said)
    expected = set()
    for pool, (at, who, far, serves) in zip(made, pools, strict=True):
        here = not wanted or inside(at, wanted)
        trusted = not excluded or (who not in excluded and not far)
        data = all(inside(at, codes) for codes in bound)
        who_for = {behind or (UNKNOWN if far and not seat else seat), *filter(None, [seat])}
        concerned = any(one == UNKNOWN or inside(one, ("CN",)) for one in who_for)
        exported = not (ruled and concerned and not inside(at, ("CN",)))
        served = all(inside(one, serves) for one in who_for) if serves else exported
        if here and trusted and data and served:
            expected.add(pool.id)
    assert {pool.id for pool in within(spec, made, able)} == expected
    allowed = sites_of(spec, made, able=able)
    assert (allowed if allowed is not None else {pool.id for pool in made}) == expected
    beyond = said.beyond(spec, made)
    assert (beyond is None) == (len(expected) == len(made))
    if beyond is not None:
        assert beyond.pool.id not in expected
        assert beyond.why.changes
        for language in ("en", "zh"):
            assert beyond.why.message(language)


@given(
    pools=st.lists(st.tuples(_at, st.integers(1, 4), st.integers(0, 3)), max_size=5),
    awards=st.lists(st.tuples(_codes, st.integers(0, 400)), max_size=4),
    asked=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 50)), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_no_award_pays_for_a_place_where_it_may_not_be_used(pools, awards, asked) -> None:
    views = tuple(
        PoolView(f"p{n}", "c", devices, 0, price, "CNY", jurisdiction=at)
        for n, (at, devices, price) in enumerate(pools)
    )
    given_ = tuple(
        AwardView(f"a{n}", "o", "c", left * 1_000, 10**15, jurisdictions=codes)
        for n, (codes, left) in enumerate(awards)
    )
    queue = tuple(
        Request(f"w{n}", n, "o", "c", devices, wall, 0) for n, (devices, wall) in enumerate(asked)
    )
    decisions = decide(Picture(views, given_, (), {("o", "CNY"): 10**9}, queue), now_us=1)
    at_of = {view.id: view.jurisdiction for view in views}
    codes_of = {view.id: view.jurisdictions for view in given_}
    spent: dict[str, int] = {}
    for each in decisions:
        for draw in each.draws if isinstance(each, Placement) else ():
            codes = codes_of[draw.award]
            assert not codes or inside(at_of[each.pool], codes)
            spent[draw.award] = spent.get(draw.award, 0) + draw.device_ms
    assert all(spent.get(view.id, 0) <= view.left_ms for view in given_)
    assert len(decisions) == len(queue)


class Life:
    """A platform to which anything happens in any order; what was placed is held to its rules."""

    def __init__(self, places: Places, seed: int) -> None:
        self.places, self.chance = places, random.Random(seed)
        self.laws: dict[str, str] = {}
        self.data = {places.data(bytes([n])): () for n in range(2)}
        self.award: tuple[str, ...] = ()
        self.seen: set[str] = set()
        self.open: list[str] = []
        with places.storage.database.read() as tx:
            [status] = compute.awards(tx)
        self.award_id = status.award.id

    def codes(self, most: int = 2) -> tuple[str, ...]:
        return tuple(self.chance.sample(CODES, self.chance.randint(0, most)))

    def step(self, number: int) -> None:
        what = self.chance.choice(("pool", "law", "data", "award", "submit", "submit", "end"))
        if what == "pool" and len(self.laws) < 4:
            at = self.chance.choice(("", *CODES))
            made = self.places.pool("", key=f"p{number}", devices=self.chance.randint(1, 2))
            self.laws[made] = at
            self.places.law(made, at)
        elif what == "law" and self.laws:
            pool = self.chance.choice(sorted(self.laws))
            self.laws[pool] = self.chance.choice(("", *CODES))
            self.places.law(pool, self.laws[pool])
        elif what == "data":
            digest = self.chance.choice(sorted(self.data))
            self.data[digest] = self.codes()
            self.places.say("data", digest, *self.data[digest])
        elif what == "award":
            self.award = self.codes()
            self.places.say("award", self.award_id, *self.award)
        elif what == "submit":
            self.submit(number)
        elif self.open:
            compute.cancel(self.places.storage, self.open.pop(0))

    def submit(self, number: int) -> None:
        read = [digest for digest in sorted(self.data) if self.chance.random() < 0.4]
        spec = {"jurisdictions": self.codes(), "inputs": {str(n): d for n, d in enumerate(read)}}
        with suppress(Invalid):
            self.open.append(self.places.city.submit(f"j{number}", wall=10, **spec).id)

    def hold(self) -> None:
        """Whatever has been placed since the last look stands where all its rules allow."""
        with self.places.storage.database.read() as tx:
            found = compute.workloads(tx)
        for job in found:
            if job.state != "placed" or job.id in self.seen:
                continue
            self.seen.add(job.id)
            at = self.laws[job.pool or ""]
            bounds = [job.spec.jurisdictions, self.award]
            bounds += [self.data[digest] for digest in job.spec.inputs.values()]
            for codes in bounds:
                assert not codes or inside(at, codes), (at, codes)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happens_nothing_is_placed_outside_its_rules_and_all_replays(
    new_city, tmp_path, seed
) -> None:
    places = Places(new_city())
    journal.keep(places.storage, 1_000)
    life = Life(places, seed)
    for number in range(60):
        life.step(number)
        life.hold()
    assert life.seen
    places.city.assert_books_are_right()
    path = tmp_path / "journal"
    journal.write(places.storage, path)
    again = replayed(path)
    assert again.passes
    assert (again.different, again.broken) == ((), 0)


def test_the_shipped_export_rules_name_sources_and_claim_no_check() -> None:
    found = exports.shipped()
    assert {rule.id for rule in found} == {"US-LICENCE", "US-GP10"}
    for rule in found:
        assert rule.source
        assert not rule.verified
        assert all(rule.text(language) for language in ("en", "zh"))
        assert not rule.holds("2020-01-01")
        assert rule.holds("2026-11-23")
    [licence] = [rule for rule in found if rule.id == "US-LICENCE"]
    assert licence.forbids("h100", at="SG", consumer="CN-BJ")
    assert licence.forbids("h100", at="", consumer="HK")
    assert not licence.forbids("h100", at="CN-BJ", consumer="CN")
    assert not licence.forbids("h100", at="SG", consumer="")
    assert not licence.forbids("v100", at="SG", consumer="CN")


def test_a_rule_that_ended_no_longer_holds() -> None:
    ended = ExportRule(
        "E", frozenset({"c"}), (), ("CN",), "2020-01-01", "2021-01-01", "a", "b", "s", verified=True
    )
    assert ended.holds("2021-01-01")
    assert not ended.holds("2021-01-02")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ((b"h100", b"warp9"), "warp9"),
        ((b"consumers: [US]", b"consumers: [ZZ]"), "ZZ"),
        ((b"id: US-GP10", b"id: US-LICENCE"), "twice"),
        ((b"verified: false", b'verified: "no"'), "boolean"),
        ((b"rules:", b"rules: [\x00"), ""),
        ((b"not_at: []", b"nowhere: []"), "permitted"),
    ],
    ids=["chip", "code", "twice", "flag", "broken", "field"],
)
def test_a_wrong_file_of_export_rules_is_refused_with_every_fault(change, wrong) -> None:
    said = files("yunhe.compute.limits").joinpath("exports.yaml").read_bytes()
    with pytest.raises(Invalid) as caught:
        exports.read(said.replace(*change))
    assert wrong in json.dumps([dict(each.params) for each in caught.value.findings])
    with pytest.raises(YunheError):
        exports.read(b"x" * (2 << 20))


def test_only_codes_of_countries_and_their_parts_are_known() -> None:
    assert len(jurisdictions.COUNTRIES) == 249
    for code in ("CN", "CN-BJ", "US-CA", "GB-ENG", "MO"):
        assert jurisdictions.known(code)
    for code in ("", "ZZ", "EU", "cn", "CN-", "CN-BEIJ", "CHN", "ＣＮ"):
        assert not jurisdictions.known(code)
    assert [each.code for each in jurisdictions.faults("in", ["ZZ"] * 101)] == [
        "compute.sites_many",
        "compute.jurisdiction_invalid",
    ]


def test_what_binds_is_read_in_few_questions_whatever_waits(new_city) -> None:
    places = Places(new_city())
    digests = [places.data(bytes([n % 250, n // 250])) for n in range(600)]
    places.say("data", digests[7], "CN")
    text = json.dumps(digests)
    with places.storage.database.read() as tx:
        found = limits.knowing(tx, Abilities(), texts=[text], organisations=[], now_us=0)
    assert found.limits.data == {digests[7]: ("CN",)}
