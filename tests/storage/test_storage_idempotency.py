from __future__ import annotations

import pytest

from yunhe.kernel.errors import Conflict
from yunhe.storage import idempotency


def test_a_repeated_request_gets_its_first_answer(storage):
    with storage.database.begin() as tx:
        assert idempotency.recall(tx, tenant="a", key="k", request={"n": 1}) is None
        idempotency.remember(tx, tenant="a", key="k", request={"n": 1}, answer=None, at_us=1)
    with storage.database.read() as tx:
        assert idempotency.recall(tx, tenant="a", key="k", request={"n": 1}) == (None,)


def test_a_key_used_for_another_request_is_a_conflict(storage):
    with storage.database.begin() as tx:
        idempotency.remember(tx, tenant="a", key="k", request={"n": 1}, answer="yes", at_us=1)
        with pytest.raises(Conflict) as caught:
            idempotency.recall(tx, tenant="a", key="k", request={"n": 2})
    assert caught.value.code == "storage.key_reused"


def test_tenants_do_not_share_keys(storage):
    with storage.database.begin() as tx:
        idempotency.remember(tx, tenant="a", key="k", request=1, answer="a's", at_us=1)
        assert idempotency.recall(tx, tenant="b", key="k", request=2) is None
