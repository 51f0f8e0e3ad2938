"""The page in a real browser: nothing runs off a phone's screen, the switch works, no request."""

from __future__ import annotations

import html
import re
import shutil
import subprocess

import pytest
import report_sample as sample

from yunhe.reports.chain import render_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--virtual-time-budget=4000",
)  # fmt: skip
PROBE = """
const seen = [];
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, root = page.documentElement;
  const show = name => getComputedStyle(page.querySelector(".in-" + name)).display !== "none";
  const before = [show("en"), show("zh")];
  page.querySelector("label[for=show-zh]").click();
  const off = [...page.querySelectorAll("body *")].filter(one => !one.closest(".scroll, svg")
    && one.getBoundingClientRect().right > root.clientWidth + 1);
  seen.push([frame.clientWidth, root.scrollWidth - root.clientWidth,
    ...before, show("en"), show("zh"),
    frame.contentWindow.performance.getEntriesByType("resource").length,
    off.map(one => one.tagName + "." + one.className).slice(0, 5).join("_")].join(" "));
}
document.body.insertAdjacentHTML("beforeend", "<output>" + seen.join("|") + "</output>");
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed on this machine"),
]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """What a browser saw at three widths: one line of measures each."""
    folder = tmp_path_factory.mktemp("browser")
    page = html.escape(
        render_html(sample.full(), language="en").replace("<details", "<details open")
    )
    frames = "".join(
        f'<iframe style="width:{width}px;height:600px;border:0" srcdoc="{page}"></iframe>'
        for width in (360, 400, 1200)
    )
    holder = folder / "holder.html"
    holder.write_text(
        f"<!doctype html><meta charset=utf-8><body>{frames}"
        f"<script>addEventListener('load', () => {{ {PROBE} }})</script>",
        encoding="utf-8",
    )
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", holder.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<output>([^<+]+)</output>", done.stdout.decode())
    assert found, done.stderr.decode()[-2_000:]
    return [line.split() for line in found[1].split("|")]


def test_nothing_runs_off_the_screen_of_a_phone_or_a_desk(measured):
    # Width, pixels that run off to the right, and what runs off.
    assert [(line[0], line[1], line[7:]) for line in measured] == [
        ("360", "0", []),
        ("400", "0", []),
        ("1200", "0", []),
    ]


def test_the_switch_shows_one_language_at_a_time_without_a_script(measured):
    assert {tuple(line[2:6]) for line in measured} == {("true", "false", "false", "true")}


def test_the_browser_asks_for_nothing(measured):
    assert {line[6] for line in measured} == {"0"}
