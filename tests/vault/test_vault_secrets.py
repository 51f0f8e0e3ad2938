"""Secrets are sealed to their place, replaced whole, and opened by nobody without the key."""

from __future__ import annotations

import base64
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from yunhe.kernel.errors import Exhausted, Invalid, NotFound, Unavailable
from yunhe.storage.service import Storage
from yunhe.vault import service as vault
from yunhe.vault import store
from yunhe.vault.domain import SECRETS_MAX, VALUE_BYTES_MAX, Secret, reference
from yunhe.vault.sealing import Vault, key_id

KEY = bytes(range(32))
VALUE = b"hunter2-and-some-more"


def put(storage: Storage, name: str = "TOKEN", value: bytes = VALUE, **over) -> Secret:
    given = {"organisation": "org_a", "project": "", "member": "member_a", "at_us": 1, **over}
    key = given.pop("vault", None) or Vault(KEY)
    with storage.database.begin() as tx:
        return vault.put(tx, key, name=name, value=value, **given)


def sealed(tx, secret: Secret) -> str:
    return store.sealed(tx, secret.organisation, secret.project, secret.name)[1]


def reveal(storage: Storage, name: str = "TOKEN", *, key: bytes = KEY, **over) -> bytes:
    with storage.database.read() as tx:
        where = {"organisation": "org_a", **over}
        return vault.reveal(tx, Vault(key), names=[name], **where)[name]


def change(storage: Storage, statement: str, **values: object) -> None:
    with storage.database.begin() as tx:
        assert tx.execute(text(statement), values).rowcount == 1


def test_what_was_put_is_revealed_and_nothing_else_tells_it(storage):
    shown = put(storage)
    assert reveal(storage) == VALUE
    with storage.database.read() as tx:
        assert vault.names(tx, "org_a") == [shown]
        rows = tx.execute(text("SELECT * FROM vault_secret")).all()
    for secret in (VALUE, KEY):
        for form in (secret, base64.b64encode(secret), secret.hex().encode()):
            assert form.decode() not in repr(rows) + repr(shown) + repr(Vault(KEY))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    value=st.binary(min_size=8, max_size=300).filter(lambda value: b"\0" not in value),
    name=st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,63}", fullmatch=True),
    project=st.sampled_from(["", "project_x", "project_y"]),
)
def test_any_value_comes_back_as_it_was(storage, value, name, project):
    put(storage, name, value, project=project)
    assert reveal(storage, name, project=project) == value


def test_the_same_value_sealed_twice_looks_different(storage):
    seen = set()
    for _ in range(3):
        secret = put(storage)
        with storage.database.read() as tx:
            seen.add(sealed(tx, secret))
    assert len(seen) == 3
    assert secret.version == 3


def test_a_replaced_value_is_gone(storage):
    put(storage, value=b"the first value")
    put(storage, value=b"the second value")
    assert reveal(storage) == b"the second value"
    with storage.database.read() as tx:
        assert len(vault.names(tx, "org_a")) == 1


def test_a_removed_secret_is_unknown(storage):
    put(storage)
    with storage.database.begin() as tx:
        vault.remove(tx, organisation="org_a", name="TOKEN")
    with pytest.raises(NotFound) as caught:
        reveal(storage)
    assert caught.value.code == "vault.secret_unknown"


@pytest.mark.parametrize(
    "over", [{"organisation": "org_b"}, {"project": "project_x"}, {"organisation": ""}]
)
def test_another_tenant_or_project_does_not_find_it(storage, over):
    put(storage)
    with pytest.raises(NotFound):
        reveal(storage, **over)


@pytest.mark.parametrize("column", ["organisation", "project", "name"])
def test_a_row_copied_to_another_place_does_not_open(storage, column):
    mine = put(storage)
    theirs = {"organisation": "org_a", "project": "", "name": "TOKEN"}
    theirs[column] = {"organisation": "org_b", "project": "project_x", "name": "OTHER"}[column]
    put(storage, theirs["name"], b"something else", **{k: theirs[k] for k in theirs if k != "name"})
    with storage.database.begin() as tx:
        # Somebody who may write to the database, and knows the version to write, tries it.
        copied = replace(mine, **theirs)
        store.keep(tx, copied, sealed(tx, mine))
    with pytest.raises(Unavailable) as caught:
        reveal(storage, theirs["name"], **{k: theirs[k] for k in theirs if k != "name"})
    assert caught.value.code == "vault.secret_damaged"


def test_an_older_value_put_back_does_not_open(storage):
    first = put(storage, value=b"the first value")
    with storage.database.read() as tx:
        before = sealed(tx, first)
    put(storage, value=b"the second value")
    change(storage, "UPDATE vault_secret SET sealed = :sealed", sealed=before)
    with pytest.raises(Unavailable) as caught:
        reveal(storage)
    assert caught.value.code == "vault.secret_damaged"


@pytest.mark.parametrize("spoil", ["flip", "cut", "empty", "letters"])
def test_a_damaged_row_is_told_apart_from_a_lost_key(storage, spoil):
    secret = put(storage)
    with storage.database.read() as tx:
        good = base64.b64decode(sealed(tx, secret))
    bad = {
        "flip": base64.b64encode(good[:-1] + bytes([good[-1] ^ 1])).decode(),
        "cut": base64.b64encode(good[:5]).decode(),
        "empty": "",
        "letters": "这不是 base64",
    }[spoil]
    change(storage, "UPDATE vault_secret SET sealed = :bad", bad=bad)
    with pytest.raises(Unavailable) as caught:
        reveal(storage)
    assert caught.value.code == "vault.secret_damaged"


def test_a_lost_key_names_the_key_that_is_missing(storage):
    put(storage)
    other = os.urandom(32)
    with pytest.raises(Unavailable) as caught:
        reveal(storage, key=other)
    assert caught.value.code == "vault.key_other"
    assert caught.value.params == {"wanted": key_id(KEY), "present": key_id(other)}
    # Nor is anything sealed with a key that could not open the rest.
    with pytest.raises(Unavailable) as caught:
        put(storage, "MORE", vault=Vault(other))
    assert caught.value.code == "vault.key_other"


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("1TOKEN", VALUE, ["vault.name_invalid"]),
        ("A B", VALUE, ["vault.name_invalid"]),
        ("", VALUE, ["vault.name_invalid"]),
        ("A" * 65, VALUE, ["vault.name_invalid"]),
        ("名字", VALUE, ["vault.name_invalid"]),
        ("TOKEN\n", VALUE, ["vault.name_invalid"]),
        ("TOKEN", b"short", ["vault.value_length"]),
        ("TOKEN", b"x" * (VALUE_BYTES_MAX + 1), ["vault.value_length"]),
        ("TOKEN", b"zero\0byte", ["vault.value_nul"]),
        ("-", b"\0", ["vault.name_invalid", "vault.value_length", "vault.value_nul"]),
    ],
)
def test_what_cannot_be_kept_is_refused_whole_and_without_its_value(storage, name, value, codes):
    with pytest.raises(Invalid) as caught:
        put(storage, name, value)
    assert [finding.code for finding in caught.value.findings] == codes
    said = caught.value.message("en") + repr(caught.value)
    assert len(value) < 5 or value.decode("latin-1") not in said
    with storage.database.read() as tx:
        assert vault.names(tx, "org_a") == []


def test_the_largest_value_fits(storage):
    value = b"x" * VALUE_BYTES_MAX
    put(storage, value=value)
    assert reveal(storage) == value


def test_a_project_has_a_bounded_number_of_secrets(storage):
    with storage.database.begin() as tx:
        for number in range(SECRETS_MAX):
            given = {"organisation": "org_a", "member": "m", "at_us": 1, "value": VALUE}
            vault.put(tx, Vault(KEY), name=f"S{number}", **given)
    with pytest.raises(Exhausted) as caught:
        put(storage, "ONE_MORE")
    assert caught.value.code == "vault.secrets_too_many"
    put(storage, "S7", b"replacing is no further one")
    put(storage, "ELSEWHERE", project="project_x")


def test_references_that_name_nothing_are_told(storage):
    put(storage, "TOKEN")
    put(storage, "TOKEN", project="project_x")
    asked = ["TOKEN", "project_x/TOKEN", "NONE", "project_y/TOKEN", "a/b/c", "/TOKEN", ""]
    with storage.database.read() as tx:
        absent = vault.missing(tx, organisation="org_a", references=asked)
        values = vault.reveal_all(tx, Vault(KEY), organisation="org_a", references=asked[:2])
    assert absent == asked[2:]
    assert values == {"TOKEN": VALUE, "project_x/TOKEN": VALUE}


@pytest.mark.parametrize("text_", ["A", "_", "p/A", "project_01/A_B"])
def test_a_reference_is_read_as_written(text_):
    named = reference(text_)
    assert named is not None
    assert "/".join(filter(None, (named.project, named.name))) == text_


@pytest.mark.parametrize("text_", ["", "/", "p/", "/A", "a/b/C", "A\n", "项目/A", "x" * 65 + "/A"])
def test_what_is_no_reference_is_none(text_):
    assert reference(text_) is None


def test_a_key_of_another_length_is_a_callers_mistake():
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(b"short")
