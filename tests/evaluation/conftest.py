"""The test centre that most tests of this floor start from."""

from __future__ import annotations

import pytest
from evaluation_centre import Centre, rows

from yunhe.custody import service as custody
from yunhe.custody.domain import Record
from yunhe.storage.service import Storage


@pytest.fixture
def centre(storage: Storage) -> Centre:
    """1,000 documents under a grant, and a registered model."""
    with storage.database.begin() as tx:
        at_us = storage.clock.now_us()
        grant = custody.append(tx, Record("data.grant", "grant_1", at_us, {"buyer": "org_1"}, {}))
        model = custody.append(tx, Record("model.version", "model_1", at_us, {"name": "m"}, {}))
    return Centre(storage, grant, model, rows(1_000))
