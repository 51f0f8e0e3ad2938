"""Access: only with a live grant, for its organisation, within the policy; every try is noted."""

from __future__ import annotations

import pytest

from yunhe.exchange import service as exchange
from yunhe.kernel.clock import DAY_US, SECOND_US
from yunhe.kernel.errors import NotAllowed, NotFound

DATA = b"id,text\n1,the water is off again\n"


@pytest.fixture
def grant(market):
    return market.buy(market.list())


def refused(market, grant, **changed) -> list[str]:
    with pytest.raises(NotAllowed) as error:
        market.open(grant, **changed)
    return [f.code for f in error.value.findings] or [error.value.code]


def events(market, grant) -> list[tuple[str, bool, tuple[str, ...]]]:
    with market.storage.database.read() as tx:
        return [(a.purpose, a.allowed, a.reasons) for a in exchange.accesses(tx, grant.id)]


def test_the_grant_opens_the_very_bytes(market, grant) -> None:
    assert market.open(grant) == DATA
    assert events(market, grant) == [("model-training", True, ())]


def test_another_organisation_cannot_tell_the_grant_from_none(market, grant) -> None:
    with pytest.raises(NotAllowed) as foreign:
        market.open(grant, organisation=market.company)
    with pytest.raises(NotAllowed) as absent:
        exchange.open_dataset(
            market.storage, grant="grant_none", organisation=market.company, purpose="research"
        )
    assert foreign.value.code == absent.value.code == "exchange.no_grant"
    assert foreign.value.params.keys() == absent.value.params.keys()


def test_the_holder_itself_has_no_grant(market, grant) -> None:
    assert refused(market, grant, organisation=market.holder) == ["exchange.no_grant"]


@pytest.mark.parametrize("purpose", ["research", "resale", "", "MODEL-TRAINING", "\x1b[2J"])
def test_a_purpose_the_policy_does_not_name_is_refused(market, grant, purpose) -> None:
    assert refused(market, grant, purpose=purpose) == ["exchange.purpose_not_permitted"]
    [(noted, allowed, _)] = events(market, grant)
    assert not allowed
    assert noted.isprintable()


def test_an_act_the_policy_forbids_is_refused(market, grant) -> None:
    assert refused(market, grant, acts=["onward-transfer"]) == ["exchange.act_prohibited"]
    assert refused(market, grant, acts=["burning"]) == ["exchange.act_unknown"]
    assert market.open(grant, acts=["publication"]) == DATA


def test_a_grant_ends_at_its_instant(market, grant) -> None:
    market.clock.advance(seconds=30 * 86_400 - 1 / SECOND_US)
    assert market.open(grant) == DATA
    market.clock.advance(seconds=1 / SECOND_US)
    assert market.clock.now_us() == grant.expires_at_us
    assert refused(market, grant) == ["exchange.grant_expired"]


def test_a_clock_set_back_before_the_grant_refuses(market, grant) -> None:
    market.clock.advance(seconds=-1)
    assert refused(market, grant) == ["exchange.before_grant"]


def test_a_revoked_grant_is_refused_from_the_next_access_on(market, grant) -> None:
    market.open(grant)
    revoked = exchange.revoke_grant(market.storage, grant=grant.id, member=market.steward)
    assert revoked.revoked_at_us == market.clock.now_us()
    assert refused(market, grant) == ["exchange.grant_revoked"]
    market.clock.advance(seconds=5)
    again = exchange.revoke_grant(market.storage, grant=grant.id, member=market.steward)
    assert again == revoked


def test_only_a_data_steward_of_the_holder_revokes(market, grant) -> None:
    with pytest.raises(NotAllowed):
        exchange.revoke_grant(market.storage, grant=grant.id, member=market.buyer)
    with pytest.raises(NotAllowed) as error:
        exchange.revoke_grant(market.storage, grant="grant_none", member=market.steward)
    assert error.value.code == "exchange.no_grant"
    assert market.open(grant) == DATA


def test_the_number_of_accesses_is_a_limit(market, grant) -> None:
    for _ in range(3):
        market.open(grant)
    assert refused(market, grant) == ["exchange.accesses_used_up"]


def test_refused_attempts_do_not_use_up_accesses(market, grant) -> None:
    for _ in range(5):
        refused(market, grant, purpose="research")
    for _ in range(3):
        assert market.open(grant) == DATA


def test_an_access_repeated_with_its_key_counts_once(market, grant) -> None:
    for _ in range(9):
        assert market.open(grant, key="split") == DATA
    assert events(market, grant) == [("model-training", True, ())]
    market.open(grant)
    market.open(grant, key="other")
    assert refused(market, grant) == ["exchange.accesses_used_up"]
    assert market.open(grant, key="split") == DATA


def test_a_repeated_access_is_checked_again(market, grant) -> None:
    market.open(grant, key="split")
    assert refused(market, grant, key="split", purpose="research") == [
        "exchange.purpose_not_permitted"
    ]
    market.clock.advance(seconds=31 * 86_400)
    assert refused(market, grant, key="split") == ["exchange.grant_expired"]
    assert [allowed for _, allowed, _ in events(market, grant)] == [True, False, False]


def test_every_reason_is_given_and_noted(market, grant) -> None:
    exchange.revoke_grant(market.storage, grant=grant.id, member=market.steward)
    market.clock.advance(seconds=40 * DAY_US / SECOND_US)
    reasons = [
        "exchange.grant_revoked",
        "exchange.grant_expired",
        "exchange.purpose_not_permitted",
        "exchange.act_prohibited",
    ]
    assert refused(market, grant, purpose="research", acts=["onward-transfer"]) == reasons
    assert events(market, grant) == [("research", False, tuple(reasons))]


def test_a_refusal_says_what_to_do_in_both_languages(market, grant) -> None:
    with pytest.raises(NotAllowed) as error:
        market.open(grant, purpose="research")
    assert "model-training" in error.value.message("en")
    assert "使用政策不允许用途" in error.value.message("zh")


def test_missing_bytes_are_reported_by_the_store(market, grant) -> None:
    market.storage.blobs.path(market.dataset).unlink()
    with pytest.raises(NotFound) as error:
        market.open(grant)
    assert error.value.code == "storage.blob_missing"
