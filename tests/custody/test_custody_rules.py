"""The rules of the chain: every link and agreement of the verifier's table, broken in turn."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
from custody_chain import KINDS, NAMES, START_US, Changes, digest

from yunhe.custody import service as custody
from yunhe.custody import verifier
from yunhe.custody.domain import Record
from yunhe.kernel.errors import Conflict, NotFound

OTHER = digest("other")
LINKED = [(name, role) for name, kind in KINDS.items() for role in verifier.CHAIN[kind][1]]
"""Every link the verifier's table requires, with the record of the test chain that must have it."""
METERED = {
    "source.holder = usage.organisation",
    "input_digest in usage.input_digests",
    "output_digest in usage.output_digests",
}
"""Rules along a link that a certificate has only where its cleansing was metered."""
CHECKS = [
    (name, " ".join(check))
    for name, kind in KINDS.items()
    for check in verifier.CHAIN[kind][2]
    if " ".join(check) not in METERED
]
"""Every rule of the verifier's table with the record of the test chain that is held to it."""


def failures(verdict) -> dict[str, tuple[str, str]]:
    return {
        link.subject or link.role: (link.reason, link.detail)
        for link in (*verdict.links, verdict.seal)
        if not link.ok
    }


def test_a_whole_chain_is_proved_link_by_link(log):
    known = log.chain()
    verdict = log.verify(known["answer"])
    assert verdict.ok
    assert {link.subject for link in verdict.links} == {f"{name}_1" for name in NAMES}
    assert [(link.role, link.kind) for link in verdict.links[:3]] == [
        ("subject", "serving.answer"),
        ("deployment", "serving.deployment"),
        ("release", "governance.release"),
    ]
    assert all(link.ok and not link.reason for link in verdict.links)
    assert verdict.seal.ok
    assert verdict.seal.subject == log.signer.load().id
    assert verdict.seal.detail == "size 15, 2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("name", NAMES)
def test_a_receipt_of_any_record_proves_that_record_and_all_it_rests_on(log, name):
    known = log.chain()
    verdict = log.verify(known[name])
    assert verdict.ok
    assert verdict.links[0].subject == f"{name}_1"
    assert len(verdict.links) == len(log.receipt(known[name])["entries"])


def test_a_certificate_alone_is_a_chain_of_two(log):
    known = log.chain()
    verdict = log.verify(known["certificate"])
    assert [(link.role, link.kind) for link in verdict.links] == [
        ("subject", "data.certificate"),
        ("source", "data.source"),
    ]


@pytest.mark.parametrize(("name", "role"), LINKED)
def test_every_link_of_the_table_is_required(log, name, role):
    known = log.chain({name: Changes(unlinked=(role,))})
    verdict = log.verify(known["answer"])
    assert not verdict.ok
    assert failures(verdict)[f"{name}_1"] == ("link", role)


@pytest.mark.parametrize(("name", "role"), LINKED)
def test_every_link_of_the_table_must_lead_to_its_kind(log, name, role):
    wrong = "award" if name != "usage" and NAMES.index(name) > NAMES.index("award") else "source"
    if (name, role) == ("certificate", "source"):
        [wrong] = log.append_plain("x")
        known = log.chain({"source": Changes(kind="compute.award")})
    else:
        known = log.chain({name: Changes(links={role: wrong})})
    assert failures(log.verify(known["answer"]))[f"{name}_1"][0] in ("link", "rule")


def breaking(name: str, check: str) -> dict[str, Changes]:
    """What has to change for one rule to be broken."""
    left, operator, right = check.split()
    *roles, field = left.split(".")
    holder = roles[-1] if roles else name
    if operator == "is":
        return {holder: Changes(body={field: "failed"})}
    if operator == "!=":
        other = right.split(".")[0]
        return {holder: Changes(body={field: "twin"}), other: Changes(body={field: "twin"})}
    if operator == "<=":
        *roles, field = right.split(".")
        return {roles[-1]: Changes(body={field: START_US - 1_000_000_000})}
    if operator == "in":
        return {name: Changes(body={field: OTHER})}
    if field.startswith("@"):
        return {name: Changes(links={field[1:]: f"second {field[1:]}"})}
    return {holder: Changes(body={field: OTHER})}


def only(monkeypatch, kept: tuple[str, str] | None) -> None:
    """Leave one rule of the table, or none."""
    monkeypatch.setattr(
        verifier,
        "CHAIN",
        {
            kind: (names, links, [check for check in checks if (kind, " ".join(check)) == kept])
            for kind, (names, links, checks) in verifier.CHAIN.items()
        },
    )


@pytest.mark.parametrize(("name", "check"), CHECKS)
def test_every_rule_of_the_table_is_what_finds_that_it_is_broken(log, monkeypatch, name, check):
    changes = breaking(name, check)
    for change in changes.values():
        for role, to in change.links.items():
            change.links[role] = log.chain(suffix="2")[to.removeprefix("second ")]
    known = log.chain(changes)
    assert not log.verify(known["answer"]).ok
    with monkeypatch.context() as patch:
        only(patch, (KINDS[name], check))
        found = failures(log.verify(known["answer"]))
        assert found[f"{name}_1"] == ("expired" if "<=" in check else "rule", check)
    only(monkeypatch, None)
    assert log.verify(known["answer"]).ok


@pytest.mark.parametrize(
    ("changes", "subject", "check"),
    [
        (
            {"approval_1": Changes(body={"expires_at_us": START_US - 2_000_000})},
            "answer_1",
            "at_us <= deployment.release.approval_1.expires_at_us",
        ),
        (
            {"release": Changes(body={"valid_until_us": START_US - 2_000_000})},
            "answer_1",
            "at_us <= deployment.release.valid_until_us",
        ),
    ],
)
def test_what_was_valid_at_release_may_have_expired_when_the_answer_was_given(
    log, changes, subject, check
):
    verdict = log.verify(log.chain(changes)["answer"])
    assert failures(verdict) == {subject: ("expired", check)}


def test_an_answer_at_the_last_valid_microsecond_is_proved(log):
    at_us = START_US - 1_000_000
    known = log.chain({"release": Changes(body={"valid_until_us": at_us})})
    assert log.verify(known["answer"]).ok


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("answer", "model_digest"),
        ("release", "valid_until_us"),
        ("approval_2", "expires_at_us"),
        ("approval_1", "approver"),
        ("approval_2", "role"),
        ("evaluation", "gate"),
        ("usage", "output_digests"),
        ("grant", "policy_digest"),
    ],
)
def test_a_missing_field_is_not_an_agreement(log, name, field):
    known = log.chain({name: Changes(without=(field,))})
    assert not log.verify(known["answer"]).ok


def test_fields_missing_on_both_sides_are_not_an_agreement(log):
    gone = Changes(without=("policy_digest",))
    known = log.chain({"grant": gone, "listing": gone})
    assert failures(log.verify(known["answer"])) == {
        "grant_1": ("rule", "policy_digest = listing.policy_digest")
    }


@pytest.mark.parametrize("value", [None, True, "9" * 17, []])
def test_a_time_that_is_no_number_is_no_validity(log, value):
    known = log.chain({"release": Changes(body={"valid_until_us": value})})
    assert not log.verify(known["answer"]).ok


def test_compute_without_a_named_input_is_bound_by_its_digests_alone(log):
    known = log.chain({"usage": Changes(unlinked=("input",))})
    assert log.verify(known["answer"]).ok


def metered(log, **changed) -> dict[str, str]:
    """A chain whose dataset was cleansed by a metered workload of the source's holder."""
    body = {"organisation": "org_city", "unit": "device:cpu", "amount_minor": 60_000}
    award = log.append(Record("compute.award", "holder_award", START_US - 20_000_000, body, {}))
    body = {"organisation": "org_city", "input_digests": [digest("profile"), digest("raw")]}
    body |= {"output_digests": [digest("clean"), digest("spans")]} | changed
    usage = Record("compute.usage", "cleansing", START_US - 19_000_000, body, {"award": award})
    return log.chain({"certificate": Changes(links={"usage": log.append(usage)})})


def test_a_metered_cleansing_is_proved_with_what_it_used(log):
    verdict = log.verify(metered(log)["answer"])
    assert verdict.ok, failures(verdict)
    assert {"cleansing", "holder_award"} <= {link.subject for link in verdict.links}


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"input_digests": [OTHER]}, "input_digest in usage.input_digests"),
        ({"output_digests": [OTHER]}, "output_digest in usage.output_digests"),
    ],
)
def test_a_workload_on_other_bytes_does_not_vouch_for_a_certificate(log, changed, check):
    verdict = log.verify(metered(log, **changed)["answer"])
    assert failures(verdict) == {"certificate_1": ("rule", check)}


def test_a_workload_of_somebody_else_does_not_vouch_for_a_certificate(log):
    found = failures(log.verify(metered(log, organisation="org_else")["answer"]))
    assert found["certificate_1"] == ("rule", "source.holder = usage.organisation")


def test_a_record_of_another_kind_is_no_usage_of_a_certificate(log):
    [other] = log.append_plain("other")
    known = log.chain({"certificate": Changes(links={"usage": other})})
    assert failures(log.verify(known["answer"]))["certificate_1"][0] == "rule"


def test_further_links_are_followed_and_must_hold_as_well(log):
    [extra] = log.append_plain("extra")
    known = log.chain({"answer": Changes(links={"label": extra})})
    verdict = log.verify(known["answer"])
    assert verdict.ok
    assert ("label", "data.source", "extra") in {
        (link.role, link.kind, link.subject) for link in verdict.links
    }
    receipt = copy.deepcopy(log.receipt(known["answer"]))
    del receipt["entries"][extra]
    assert failures(custody.verify(receipt, log.trust())) == {"label": ("missing", extra)}


def test_a_kind_nobody_defined_proves_nothing(log):
    reference = log.append(Record("data.rumour", "r", 1, {}, {}))
    log.sequencer.run_once()
    assert failures(log.verify(reference)) == {"r": ("rule", "kind data.rumour")}


@pytest.mark.parametrize("name", NAMES)
def test_an_erased_record_is_reported_as_erased_and_the_chain_as_not_proved(log, name):
    known = log.chain()
    with log.storage.database.begin() as tx:
        custody.erase(tx, known[name])
    # What the erased record rested on can no longer be found from it, but from others.
    verdict = log.verify(known["answer"])
    assert not verdict.ok
    [(_, (reason, detail))] = failures(verdict).items()
    assert (reason, detail) == ("erased", known[name])
    [link] = [link for link in verdict.links if not link.ok]
    assert link.kind == ("" if name == "answer" else KINDS[name])


def test_a_receipt_cannot_be_had_before_the_record_is_signed(log):
    known = log.chain()
    [reference] = log.append_plain("late")
    with pytest.raises(Conflict) as caught:
        log.receipt(reference)
    assert caught.value.code == "custody.not_sequenced"
    assert caught.value.retryable
    late = log.append(Record("data.certificate", "c", 1, {}, {"source": known["source"]}))
    log.sequencer.run_once()
    with pytest.raises(Conflict):
        log.receipt(late, size=15)


def test_a_receipt_can_be_had_for_an_earlier_checkpoint(log):
    known = log.chain()
    log.chain(suffix="2")
    receipt = log.receipt(known["answer"], size=15)
    assert receipt["checkpoint"].splitlines()[1] == "15"
    assert custody.verify(receipt, log.trust()).ok
    with pytest.raises(NotFound) as caught:
        log.receipt(known["answer"], size=16)
    assert caught.value.code == "custody.checkpoint_unknown"


def test_every_reason_and_kind_has_both_languages():
    for english, chinese in verifier.REASONS.values():
        assert english.isascii()
        assert not chinese.isascii()
    for names, links, checks in verifier.CHAIN.values():
        assert names[0].isascii()
        assert not names[1].isascii()
        assert set(links.values()) <= set(verifier.CHAIN)
        assert all(check[1] in ("=", "!=", "in", "is", "<=") for check in checks)


def test_every_reason_the_verifier_gives_has_a_sentence_and_every_sentence_is_given():
    source = Path(verifier.__file__).read_text("utf-8")
    given = re.findall(r"(?:Rejected\(|yield )\"(\w+)\"", source)
    for either in re.findall(r"\"(\w+)\" if [^\n]* else \"(\w+)\"", source):
        given += either
    assert set(given) == set(verifier.REASONS)


def test_every_path_of_the_table_walks_along_links_that_exist():
    for kind, (_, _, checks) in verifier.CHAIN.items():
        for left, operator, right in checks:
            for path in (left, *([] if operator == "is" else [right])):
                *roles, last = path.split(".")
                at = kind
                for role in roles:
                    named = {"usage": "compute.usage"} | verifier.CHAIN[at][1]
                    at = named[role]
                if last.startswith("@"):
                    assert last[1:] in verifier.CHAIN[at][1] or last == "@input"
