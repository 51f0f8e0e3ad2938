"""The first start: one token, shown once, for one operator; no default secret anywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import service as identity
from yunhe.kernel.errors import YunheError
from yunhe.storage.schema import metadata

SOURCE = Path(__file__).parents[2] / "src"


def claim(storage, token, name="张工", organisation="示范市"):
    return identity.claim_operator(storage, token=token, organisation_name=organisation, name=name)


def refusal(storage, token) -> YunheError:
    with pytest.raises(YunheError) as error:
        claim(storage, token)
    return error.value


def test_the_first_token_makes_an_operator_and_administrator_with_a_key(storage, clock):
    claimed = claim(storage, identity.first_token(storage))
    with storage.database.read() as tx:
        who = identity.authenticate(tx, claimed.key.secret, now_us=clock.now_us())
        assert identity.organisation(tx, claimed.organisation).kind == "operator"
    assert (who.member, who.roles) == (claimed.member, {"operator", "administrator"})
    assert who.scopes == {"*"}
    assert who.expires_at_us == clock.now_us() + 90 * 86_400_000_000
    assert identity.first_token(storage) is None


def test_a_token_works_once_and_a_new_one_replaces_it(storage):
    first = identity.first_token(storage)
    second = identity.first_token(storage)
    assert first != second
    replaced = refusal(storage, first)
    claim(storage, second)
    used = refusal(storage, second)
    never = refusal(storage, secrets_of_keys.new_secret("fst_" + "0" * 26))
    nonsense = refusal(storage, "nonsense")
    said = [error.as_json("en") for error in (replaced, used, never, nonsense)]
    assert all(one == said[0] for one in said)


def test_a_token_is_good_for_a_day(storage, clock):
    token = identity.first_token(storage)
    clock.advance(seconds=86_400)
    assert refusal(storage, token).code == "identity.first_token_unknown"
    claim(storage, identity.first_token(storage))


def test_before_the_first_start_no_secret_claims_anything(storage):
    for token in ("", "0" * 64, secrets_of_keys.new_secret("fst_" + "0" * 26)):
        assert refusal(storage, token).code == "identity.first_token_unknown"


def test_a_mistyped_name_leaves_the_token_unused(storage):
    token = identity.first_token(storage)
    with pytest.raises(YunheError) as error:
        claim(storage, token, name=" ")
    assert error.value.code == "identity.invalid"
    claim(storage, token)


def test_an_operator_who_can_get_in_makes_an_earlier_token_useless(storage, clock):
    token = identity.first_token(storage)
    with storage.database.begin() as tx:
        home = identity.add_organisation(tx, key="o", name="o", kind="operator", at_us=0).id
        member = identity.add_member(tx, key="m", organisation=home, name="m", at_us=0).id
        identity.grant_role(tx, member=member, role="operator", at_us=0)
        key = identity.issue_key(tx, member=member, expires_at_us=None, at_us=0)
    assert identity.first_token(storage) is None
    assert refusal(storage, token).code == "identity.first_token_unknown"
    with storage.database.begin() as tx:
        identity.revoke_key(tx, key.id, at_us=0)
    assert identity.first_token(storage) is not None


def test_an_operator_of_a_plan_who_never_had_a_key_locks_nobody_out(storage):
    with storage.database.begin() as tx:
        home = identity.add_organisation(
            tx, key="plan/city", name="示范市", kind="operator", at_us=0
        ).id
        member = identity.add_member(tx, key="admin", organisation=home, name="m", at_us=0).id
        identity.grant_role(tx, member=member, role="operator", at_us=0)
    claimed = claim(storage, identity.first_token(storage))
    assert claimed.organisation == home
    assert claimed.member != member


def test_an_operator_whose_keys_all_ended_gets_a_token_again(storage, clock):
    claim(storage, identity.first_token(storage))
    clock.advance(seconds=90 * 86_400 - 1)
    assert identity.first_token(storage) is None
    clock.advance(seconds=1)
    assert claim(storage, identity.first_token(storage)).member


def test_the_database_holds_neither_token_nor_key(storage):
    token = identity.first_token(storage)
    claimed = claim(storage, token)
    folder = Path(storage.database.url.removeprefix("sqlite:///")).parent
    stored = b"".join(file.read_bytes() for file in folder.glob("yunhe.db*"))
    with storage.database.read() as tx:
        for table in metadata.sorted_tables:
            if table.name.startswith("identity_"):
                stored += repr(tx.execute(table.select()).all()).encode()
    assert claimed.member.encode() in stored
    for secret in (token, claimed.key.secret):
        assert secret.split("_")[2].encode() not in stored
        assert secret not in repr(claimed)


def test_no_secret_stands_in_the_source():
    shape = re.compile(r"y[kislf]_[0-9a-z]{26}_[0-9a-f]{64}")
    assert [p for p in SOURCE.rglob("*.py") if shape.search(p.read_text("utf-8"))] == []
