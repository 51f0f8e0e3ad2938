"""Rule files as an operator writes them: taken whole, refused whole, every fault with its place."""

from __future__ import annotations

import json
import re
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.compute.applications import reading
from yunhe.compute.applications.rules import rule_on
from yunhe.kernel.errors import Invalid


def source(name: str = "yunhe") -> dict:
    return yaml.safe_load(reading._shipped(name))


def written(name: str = "yunhe", **over: object) -> str:
    return yaml.safe_dump({**source(name), **over}, allow_unicode=True)


def faults(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        reading.read(text)
    assert refused.value.code == "compute.rules_invalid"
    return [(f.where, f.code.removeprefix("compute.")) for f in refused.value.findings]


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("id", "Yunhe", "id"),
        ("id", "", "id"),
        ("version", 2026.11, "version"),
        ("version", "", "version"),
        ("title", "Device time", "title"),
        ("title.zh", "", "title.zh"),
        ("title.fr", "temps", "title.fr"),
        ("subject", "money", "subject"),
        ("zone_minutes", 841, "zone_minutes"),
        ("zone_minutes", 480.0, "zone_minutes"),
        ("zone_minutes", True, "zone_minutes"),
        ("asks", [], "asks"),
        ("asks.0.facts", [], "asks.0.facts"),
        ("asks.0.fact", ["x"], "asks.0.fact"),
        ("rules.0.id", "y-window", "rules.0.id"),
        ("rules.0.decides", "perhaps", "rules.0.decides"),
        ("rules.0.unless", {}, "rules.0.unless"),
        ("rules.0.text.en", "x" * 501, "rules.0.text.en"),
        ("rules.0.source.verified", "yes", "rules.0.source.verified"),
        ("rules.0.source.certainty", "sure", "rules.0.source.certainty"),
        ("otherwise.decides", "approve", "otherwise.decides"),
        ("deciders.verifier.roles", [], "deciders.verifier.roles"),
        ("deciders.committee.quorum", 0, "deciders.committee.quorum"),
        ("deciders.committee.quorum", 51, "deciders.committee.quorum"),
        ("deadlines.verifier.days", 367, "deadlines.verifier.days"),
        ("deadlines.verifier.cutoff_day", 29, "deadlines.verifier.cutoff_day"),
        ("terms.months", 0, "terms.months"),
        ("terms.carry_over_percent", 101, "terms.carry_over_percent"),
        ("terms.decay_percent", -1, "terms.decay_percent"),
        ("terms.redeem_days", 0, "terms.redeem_days"),
        ("terms.report_days", "30", "terms.report_days"),
    ],
)
def test_a_field_that_is_wrong_is_told_with_its_place(path: str, value: object, place: str):
    changed = json.loads(json.dumps(source()))  # aliases are one and the same object
    *way, last = path.split(".")
    here: object = changed
    for step in way:
        here = here[int(step)] if isinstance(here, list) else here[step]
    here[last] = value
    assert faults(yaml.safe_dump(changed, allow_unicode=True)) == [(place, "rules_field")]


@pytest.mark.parametrize("name", [*source()])
def test_a_part_that_is_left_out_is_told(name: str):
    said = source()
    del said[name]
    text = yaml.safe_dump(said, allow_unicode=True)
    if name in ("sources", "zone_minutes"):  # these alone have a default
        assert reading.read(text).id == "yunhe"
    else:
        assert (name, "rules_field") in faults(text)


def test_a_key_that_stands_twice_is_no_rule_quietly_dropped():
    text = reading._shipped("yunhe")
    doubled = text.replace(
        "when: {above: {device_hours: 5000}}",
        "when: {above: {device_hours: 5000}, above: {device_hours: 9000}}",
    )
    assert doubled != text
    [(where, code)] = faults(doubled)
    assert code == "rules_key_twice"
    line = int(re.fullmatch(r"line (\d+)", where)[1])
    assert "9000" in doubled.splitlines()[line - 1]


def test_a_part_that_stands_twice_is_told_by_name():
    text = reading._shipped("yunhe") + "\nrules: []\n"
    with pytest.raises(Invalid) as refused:
        reading.read(text)
    [fault] = refused.value.findings
    assert (fault.code, dict(fault.params)["key"]) == ("compute.rules_key_twice", "rules")


def test_two_rules_of_one_name_are_told():
    said = source()
    said["rules"].append(said["rules"][0])
    said["otherwise"]["id"] = said["rules"][1]["id"]
    found = faults(yaml.safe_dump(said, allow_unicode=True))
    assert found == [("rules", "rule_twice")] * 2


def bomb(levels: int, width: int) -> str:
    lines = ["l0: &l0 {empty: identity_documents}"]
    for level in range(1, levels + 1):
        parts = ", ".join([f"*l{level - 1}"] * width)
        lines.append(f"l{level}: &l{level} {{all: [{parts}]}}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        "sources: &a [*a]\n",
        "sources: &a {b: *a}\n",
        "sources:\n  " + bomb(7, 9).replace("\n", "\n  ") + "\n",
    ],
)
def test_aliases_of_aliases_are_refused_before_they_are_followed(text: str):
    body = reading._shipped("yunhe")
    start = body.index("sources:")
    end = body.index("asks:")
    source_line = "  own: &own {instrument: {en: y, zh: 运}, certainty: design, verified: true}\n"
    whole = body[:start] + "own:\n" + source_line + text + body[end:]
    began = time.process_time()
    assert faults(whole) == [("file", "rules_values")]
    assert time.process_time() - began < 2


def test_an_alias_bomb_inside_a_condition_ends_soon():
    said = reading._shipped("yunhe") + "\n" + bomb(8, 8) + "\n"
    began = time.process_time()
    assert faults(said) == [("file", "rules_values")]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [echo]",
        "!!python/name:os.system",
        "? [a]\n: b",
        "a: {? {b: c} : d}",
        "[" * 5_000,
        "- " * 3_000 + "x",
        "\ufeff",
        "a: b\n---\nc: d",
        "a: !!int nine",
        "a: 2026-13-01",
    ],
)
def test_what_yaml_allows_and_a_rule_file_does_not_is_refused_in_words(text: str):
    assert faults(text)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_file_damaged_anywhere_is_read_or_refused_but_never_breaks(data):
    text = reading._shipped(data.draw(st.sampled_from(reading.SHIPPED)))
    at = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.sampled_from(["", ":", "\t", "&a", "*a", "{", "]", "\0", "- ", "9" * 30]))
    taken = data.draw(st.integers(0, 8))
    damaged = text[:at] + put + text[at + taken :]
    first, again = (_read_or_faults(damaged) for _ in range(2))
    assert first == again
    assert first


def _read_or_faults(text: str) -> object:
    try:
        return reading.read(text).digest
    except Invalid as refused:
        return [(f.where, f.code) for f in refused.findings]


@pytest.mark.parametrize("name", ["verifier", "committee"])
@pytest.mark.parametrize(("field", "word"), [("roles", "operater"), ("kinds", "goverment")])
def test_deciders_that_nobody_can_be_are_told(name: str, field: str, word: str):
    said = source()
    said["deciders"][name][field] = [word]
    text = yaml.safe_dump(said, allow_unicode=True)
    assert faults(text) == [(f"deciders.{name}.{field}", "fact_option")]


def test_a_verifier_is_one_person():
    said = source()
    said["deciders"]["verifier"]["quorum"] = 2
    assert faults(yaml.safe_dump(said)) == [("deciders.verifier.quorum", "fact_count")]


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("yunhe", "device_hours"),
        ("beijing_vouchers", "claim_minor"),
        ("yunhe_grants", "grant_minor"),
    ],
)
def test_what_says_how_much_is_given_must_be_asked_for(name: str, fact: str):
    said = source(name)
    said["asks"][0]["facts"].remove(fact)
    codes = [code for where, code in faults(yaml.safe_dump(said)) if where == "asks"]
    assert codes == ["subject_fact"]
    said["asks"].append({"facts": [fact], "when": {"equals": {"conflict_declared": True}}})
    assert ("asks", "subject_fact") in faults(yaml.safe_dump(said))


@pytest.mark.parametrize(
    ("subject", "currency", "good"),
    [
        ("device_time", "", True),
        ("device_time", "CNY", False),
        ("voucher", "", False),
        ("voucher", "cny", False),
        ("voucher", "XXQ", False),
    ],
)
def test_money_has_a_currency_and_time_has_none(subject: str, currency: str, good):
    facts = [*source()["asks"][0]["facts"], "claim_minor"]
    text = written(subject=subject, currency=currency, asks=[{"facts": facts}])
    if good:
        assert reading.read(text).currency == currency
    else:
        assert ("currency", "rules_currency") in faults(text)


@pytest.mark.parametrize(
    ("deadline", "good"),
    [
        ({"days": 5}, True),
        ({"cutoff_day": 25, "result_day": 10}, True),
        ({}, False),
        ({"days": 5, "cutoff_day": 25, "result_day": 10}, False),
        ({"cutoff_day": 25}, False),
        ({"result_day": 10}, False),
        ({"days": 5, "cutoff_day": 25}, False),
    ],
)
def test_a_deadline_is_days_or_a_calendar(deadline: dict, good):
    said = source()
    said["deadlines"]["verifier"] = {**deadline, "source": said["terms"]["source"]}
    text = yaml.safe_dump(said)
    if good:
        assert reading.read(text).deadlines["verifier"].days == deadline.get("days", 0)
    else:
        assert faults(text) == [("deadlines.verifier", "deadline_shape")]


def test_the_digest_is_of_what_a_file_means_not_of_how_it_is_written():
    text = reading._shipped("yunhe")
    same = yaml.safe_dump(yaml.safe_load(text), allow_unicode=True, sort_keys=True)
    assert reading.read("# another comment\n" + text).digest == reading.read(same).digest
    other = text.replace("above: {devices: 8}", "above: {devices: 9}")
    assert other != text
    assert reading.read(other).digest != reading.read(text).digest


def test_a_fact_a_rule_needs_counts_as_missing_though_it_is_asked_only_sometimes():
    """Without this, what nobody asked for would let a request through that a rule may refuse."""
    said = source()
    said["asks"] = [
        {"facts": ["device_hours", "conflict_declared"]},
        {"facts": ["devices"], "when": {"equals": {"conflict_declared": True}}},
    ]
    refuse = next(r for r in said["rules"] if r["id"] == "Y-DEVICES")
    approve = next(r for r in said["rules"] if r["id"] == "Y-SMALL")
    said["rules"] = [
        {**refuse, "decides": "refuse"},
        {**approve, "when": {"not": {"above": {"device_hours": 500}}}},
    ]
    rules = reading.read(yaml.safe_dump(said, allow_unicode=True))
    facts = {"device_hours": 10, "conflict_declared": False}
    open_ = rule_on(rules, facts)
    assert (open_.outcome, open_.missing, open_.undecided) == (
        "return",
        ("devices",),
        ("Y-DEVICES",),
    )
    assert rule_on(rules, {**facts, "devices": 1}).outcome == "approve"
    assert rule_on(rules, {**facts, "devices": 51}).outcome == "refuse"


def test_an_approval_that_rests_on_what_nobody_asked_falls_to_a_person():
    said = source()
    said["asks"] = [
        {"facts": ["device_hours", "conflict_declared"]},
        {"facts": ["devices"], "when": {"equals": {"conflict_declared": True}}},
    ]
    approve = next(r for r in said["rules"] if r["id"] == "Y-SMALL")
    said["rules"] = [{**approve, "when": {"not": {"above": {"devices": 8}}}}]
    rules = reading.read(yaml.safe_dump(said, allow_unicode=True))
    found = rule_on(rules, {"device_hours": 10, "conflict_declared": False})
    assert (found.outcome, found.rules) == ("verifier", ("Y-REST",))
