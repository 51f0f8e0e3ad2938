"""What docs/client.md shows is what happens: its blocks are executed, in order."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from server_desk import serving

from yunhe.compute import service as compute
from yunhe.identity import service as identity
from yunhe.storage.service import Storage

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
WRITTEN = "http://127.0.0.1:8420"


def blocks(name: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / name).read_text("utf-8"))


def test_both_languages_show_the_same_examples():
    assert blocks("client.md") == blocks("client.zh.md")
    assert len(blocks("client.md")) >= 10


def _offer_devices(storage: Storage) -> None:
    """What a city has before its first tenant comes."""
    with storage.database.begin() as tx:
        centre = identity.add_organisation(
            tx, key="c", name="Centre", kind="provider", at_us=storage.clock.now_us()
        )
    offer = {"site": "east-1", "chip": "cpu", "devices": 4, "price_minor_per_device_hour": 100}
    compute.register_pool(
        storage, key="p", provider=centre.id, adapter="local", currency="CNY", **offer
    )


@pytest.mark.slow
def test_every_block_of_the_page_does_what_it_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    texts = [f"路灯坏了，请来修理。第{number}号" for number in range(60)]
    lines = [json.dumps({"id": str(n), "text": each}) for n, each in enumerate(texts)]
    Path("tickets.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("YUNHE_")},
        "XDG_CONFIG_HOME": str(tmp_path / "settings"),
        "LC_ALL": "C.UTF-8",
    }
    said: list[str] = []
    with serving(tmp_path / "home", parts=("api", "worker")) as running:
        typed = running._platform.first_token()
        _offer_devices(running._platform.storage)
        names: dict[str, object] = {}
        for language, block in blocks("client.md"):
            meant = block.replace(WRITTEN, running.url)
            if language == "yaml":
                Path("workload.yaml").write_text(meant, "utf-8")
            elif language == "python":
                exec(compile(meant, "docs/client.md", "exec"), names)
                said.append(capsys.readouterr().out)
            else:
                done = subprocess.run(
                    ["sh", "-ec", meant.replace(".venv/bin/", f"{shlex.quote(str(BIN))}/")],
                    env=environment,
                    input=f"{typed}\n",
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=120,
                )
                assert done.returncode == 0, block + done.stdout + done.stderr
                said.append(done.stdout)
                if "yunhe invite" in block:
                    [typed] = re.findall(r"^  (\S+)$", done.stdout, re.MULTILINE)
    claimed, _, accepted, worked, made, shown, cleansed, downloaded, failed, guarded = said
    assert "Chen Example" in claimed
    assert "Lakeside University" in accepted
    assert "waiting" in worked
    assert "robot.key" in made
    assert "acts for Lakeside University" in shown
    assert "\ndone\n" in cleansed
    assert downloaded == ""
    assert Path("tickets.parquet").read_bytes().startswith(b"PAR1")
    assert "storage.operation_unknown" in failed
    assert "client.unresolved True" in failed
    assert guarded.startswith("org_")
