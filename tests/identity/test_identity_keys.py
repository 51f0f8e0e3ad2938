"""Keys: shown once, stored hashed, refused with the right word, and never told to anyone."""

from __future__ import annotations

import logging
import string
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from kept_bytes import kept_bytes
from yunhe.identity import secret as secrets_of_keys
from yunhe.identity import service as identity
from yunhe.identity.domain import IssuedKey
from yunhe.kernel.clock import SECOND_US
from yunhe.kernel.errors import Invalid, NotAllowed, NotFound
from yunhe.storage.service import Storage

AT = 1_767_225_600_000_000
HOUR_US = 3_600 * SECOND_US


@pytest.fixture
def member(storage: Storage) -> str:
    with storage.database.begin() as tx:
        organisation = identity.add_organisation(
            tx, key="city", name="示范市", kind="operator", at_us=AT
        )
        added = identity.add_member(
            tx, key="caller", organisation=organisation.id, name="calls", at_us=AT
        )
        identity.grant_role(tx, member=added.id, role="caller", at_us=AT)
    return added.id


def issue(
    storage: Storage, member: str, *, expires_at_us: int | None = None, label: str = ""
) -> IssuedKey:
    with storage.database.begin() as tx:
        return identity.issue_key(
            tx, member=member, expires_at_us=expires_at_us, at_us=AT, label=label
        )


def refusal(storage: Storage, secret: str, *, now_us: int = AT) -> str:
    with pytest.raises(NotAllowed) as error, storage.database.read() as tx:
        identity.authenticate(tx, secret, now_us=now_us)
    return error.value.code


def test_a_key_names_its_member_organisation_and_roles(storage: Storage, member: str) -> None:
    issued = issue(storage, member)
    with storage.database.read() as tx:
        principal = identity.authenticate(tx, issued.secret, now_us=AT)
        assert principal.member == member
        assert principal.organisation == identity.member(tx, member).organisation
        assert principal.roles == {"caller"}


def test_a_secret_has_the_promised_shape_and_entropy(storage: Storage, member: str) -> None:
    secrets = {issue(storage, member).secret for _ in range(20)}
    assert len(secrets) == 20
    for secret in secrets:
        prefix, id_part, random_part = secret.split("_")
        assert prefix == "yk"
        assert len(id_part) == 26
        assert len(random_part) * 4 >= 256
        assert set(random_part) <= set(string.hexdigits)


def test_the_database_never_holds_a_secret(storage: Storage, member: str, tmp_path: Path) -> None:
    issued = issue(storage, member)
    random_part = issued.secret.split("_")[2]
    with storage.database.begin() as tx:
        rows = tx.execute(text("SELECT * FROM identity_key")).all()
        assert len(rows) == 1
        assert random_part not in repr(rows)
    stored = b"".join(data for _, data in kept_bytes(tmp_path, storage.database))
    assert secrets_of_keys.hash_of(issued.secret).encode() in stored
    assert random_part.encode() not in stored


def test_a_secret_shows_in_no_representation_log_or_error(
    storage: Storage, member: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    issued = issue(storage, member)
    assert issued.secret not in repr(issued)
    wrong = issued.secret[:-1] + ("0" if issued.secret[-1] != "0" else "1")
    with pytest.raises(NotAllowed) as error, storage.database.read() as tx:
        identity.authenticate(tx, wrong, now_us=AT)
    said = f"{error.value!r} {error.value} {error.value.as_json('zh')} {caplog.text}"
    assert wrong not in said
    assert wrong.split("_")[2][:16] not in said


def test_an_unknown_key_and_a_wrong_secret_are_refused_alike(storage: Storage, member: str) -> None:
    issued = issue(storage, member)
    other = secrets_of_keys.new_secret(issued.id)
    assert refusal(storage, other) == "identity.key_unknown"
    assert refusal(storage, secrets_of_keys.new_secret("key_" + "0" * 26)) == "identity.key_unknown"


def test_an_expired_key_is_refused_from_its_last_moment_on(storage: Storage, member: str) -> None:
    issued = issue(storage, member, expires_at_us=AT + HOUR_US)
    with storage.database.read() as tx:
        identity.authenticate(tx, issued.secret, now_us=AT + HOUR_US - 1)
    assert refusal(storage, issued.secret, now_us=AT + HOUR_US) == "identity.key_expired"


def test_a_revoked_key_is_refused_and_stays_so(storage: Storage, member: str) -> None:
    issued = issue(storage, member, expires_at_us=AT + HOUR_US)
    for _ in range(2):
        with storage.database.begin() as tx:
            identity.revoke_key(tx, issued.id, at_us=AT)
        assert refusal(storage, issued.secret) == "identity.key_revoked"
    assert refusal(storage, issued.secret, now_us=AT + 2 * HOUR_US) == "identity.key_revoked"


def test_state_is_told_only_to_the_holder_of_the_secret(storage: Storage, member: str) -> None:
    issued = issue(storage, member)
    with storage.database.begin() as tx:
        identity.revoke_key(tx, issued.id, at_us=AT)
    guessed = secrets_of_keys.new_secret(issued.id)
    assert refusal(storage, guessed) == "identity.key_unknown"


def test_an_unknown_key_cannot_be_revoked(storage: Storage) -> None:
    with pytest.raises(NotFound) as error, storage.database.begin() as tx:
        identity.revoke_key(tx, "key_none", at_us=AT)
    assert error.value.code == "identity.key_id_unknown"


def test_issuing_again_under_a_label_leaves_one_live_key(storage: Storage, member: str) -> None:
    first = issue(storage, member, label="demo")
    other = issue(storage, member, label="console")
    second = issue(storage, member, label="demo")
    assert refusal(storage, first.secret) == "identity.key_revoked"
    with storage.database.read() as tx:
        identity.authenticate(tx, second.secret, now_us=AT)
        identity.authenticate(tx, other.secret, now_us=AT)


def test_roles_are_those_held_at_the_time_of_the_request(storage: Storage, member: str) -> None:
    issued = issue(storage, member)
    with storage.database.begin() as tx:
        identity.grant_role(tx, member=member, role="auditor", at_us=AT)
        assert identity.authenticate(tx, issued.secret, now_us=AT).roles == {"caller", "auditor"}


def test_a_key_that_could_never_work_is_not_issued(storage: Storage) -> None:
    with pytest.raises(Invalid) as error, storage.database.begin() as tx:
        identity.issue_key(tx, member="mem_none", expires_at_us=AT, at_us=AT)
    assert [finding.code for finding in error.value.findings] == [
        "identity.member_unknown",
        "identity.expiry_past",
    ]


@given(st.text(max_size=120))
def test_nothing_but_the_exact_shape_is_taken_for_a_secret(said: str) -> None:
    assert secrets_of_keys.key_of(said) is None


def test_a_secret_with_anything_around_it_is_not_taken_for_one() -> None:
    secret = secrets_of_keys.new_secret("key_" + "7" * 26)
    assert secrets_of_keys.key_of(secret) == "key_" + "7" * 26
    for changed in (secret + "\n", " " + secret, secret.upper(), secret[:-1], secret + "0"):
        assert secrets_of_keys.key_of(changed) is None


@settings(max_examples=200)
@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_a_secret_with_one_changed_letter_does_not_match(place: int, letter: str) -> None:
    secret = secrets_of_keys.new_secret("key_" + "0" * 26)
    assume(secret[30 + place] != letter)
    changed = secret[: 30 + place] + letter + secret[31 + place :]
    stored = secrets_of_keys.hash_of(secret)
    assert secrets_of_keys.key_of(changed) == secrets_of_keys.key_of(secret)
    assert secrets_of_keys.matches(secret, stored)
    assert not secrets_of_keys.matches(changed, stored)
