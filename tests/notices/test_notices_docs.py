"""What the pages about notices say is what happens: kinds, waits, and the receiver's own check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from notices_desk import receiving, tell, ways

from yunhe.kernel.clock import SECOND_US
from yunhe.notices import service as notices
from yunhe.notices.domain import KINDS, MAILED
from yunhe.notices.sending import schedule

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "notices.md", DOCS / "notices.zh.md"]


def example(page):
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_example_believes_what_we_send_and_nothing_else(storage, town, clock, page):
    found: dict = {}
    exec(compile(example(page), page.name, "exec"), found)
    verified = found["verified"]
    for receive in receiving():
        receiver = receive()
        added = notices.add_webhook(
            storage,
            ways(),
            organisation=town.lab,
            url=receiver.url,
            kinds=["job_ended"],
            member=town.officer,
        )
        tell(storage, "job-1", town.lab)
        notices.deliver(storage, ways())
        ((headers, body),) = receiver.got
    now = clock.now_us() // SECOND_US
    assert verified(added.secret, headers, body, now=now)["data"]["subject"] == "job-1"
    wrong = [
        (added.secret, headers, body + b"\n", now),
        (added.secret, headers, body, now + 301),
        (added.secret, headers | {"webhook-id": "send_other"}, body, now),
        (added.secret[:-8] + "AAAAAAA=", headers, body, now),
        (added.secret, headers | {"webhook-signature": "v1,"}, body, now),
    ]
    for secret, sent, content, at in wrong:
        with pytest.raises(ValueError, match=r"signed|old"):
            verified(secret, sent, content, now=at)


def test_both_pages_show_the_same_example():
    assert example(PAGES[0]) == example(PAGES[1])


@pytest.mark.parametrize(("page", "yes"), [(PAGES[0], "yes"), (PAGES[1], "是")])
def test_the_pages_list_every_kind_and_whether_it_is_mailed(page, yes):
    mailed = {}
    for line in page.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for kind in re.findall(r"`([a-z0-9_]+)`", cells[0]):
            if line.startswith("| `") and kind in KINDS:
                mailed[kind] = cells[-1] == yes
    assert mailed == {kind: kind in MAILED for kind in KINDS}


def test_the_pages_name_the_waits_that_are_waited():
    english = "5 s, 1 min, 5 min, 30 min, 2 h, 5 h, 8 h, 10 h"
    units = {"s": 1, "min": 60, "h": 3_600}
    waits = [int(n) * units[unit] for n, unit in (w.split() for w in english.split(", "))]
    assert tuple(waits) == schedule.DELAYS_SECONDS
    assert english in PAGES[0].read_text("utf-8")
