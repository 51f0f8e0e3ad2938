"""What a full run leaves behind is searched for planted secrets and planted personal data."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from leak_search import Needles, Watch, contents, forms, search

pytestmark = pytest.mark.slow
COPY_SECONDS_MAX = 10
"""How long a new process may be seen with its parent's environment, on a busy machine."""
ROOT = Path(__file__).parents[2]
LIFE = Path(__file__).parent / "programs" / "life.py"
HOTLINE = ROOT / "examples" / "hotline"

VAULT = {
    "TOKEN": "tok-planted-5f0c2b9e+/=&7d",
    "DSN": "postgresql://svc:dsn-planted-91ab@10.0.0.9/x",
    "UNUSED": "never-read-planted-33c1",
    "REMOVED": "removed-planted-8e07",
}
"""Secrets of the vault."""
VAULT_KEY = bytes(range(101, 133))
FILES = {"smtp password": "smtp-planted-c0ffee11", "oidc secret": "oidc-planted-77aa10"}
"""Secrets that the operator keeps in files."""
S3_SECRET = "s3-planted-0badf00d0badf00d"
DATABASE_PASSWORD = "database-planted-4b1d"

MEMBERS = {
    "运营管理员": "尉迟琅环",
    "数据专员": "澹台映雪",
    "课题负责人": "Planted Researcher Żółć",
    "派单席位": "公孙无忧",
}
"""Names of members, in the place of the plan's."""
PERSON = "司徒云归-planted"
"""A person whom the database refuses to take."""
TICKET = {
    "name": "诸葛清和",
    "phone": "13972640815",
    "identity number": "11010519491231002X",
    "bank card": "6222021234567890128",
    "mail": "planted.person@mail.example",
    "address": "梧桐里小区17号楼4单元903室",
}
"""What a citizen says in tickets."""
SAID = (
    "投诉噪音扰民，我叫{name}，电话{phone}，身份证号{identity number}，住在{address}，"
    "邮箱{mail}，退款请打到银行卡{bank card}。工地凌晨两点还在施工，麻烦处理。"
)

ALLOWED: dict[str, Callable[[str], bool]] = {
    # The one table with the names of people, and SQLite's journal of it.
    "member": lambda where: (
        where in {"home/yunhe.db", "home/yunhe.db-wal"}
        # The plan as the operator wrote it, kept under its digest; it names who acts.
        or where.startswith(("home/blobs/", "backups/blobs/"))
        # The same table in a backup.
        or (where.startswith("backups/snapshots/") and "/identity_member" in where)
    ),
    "signing key": lambda where: where == "home/keys/log.pem",
}
"""Where planted values may lie, and why; everything not named here may lie nowhere."""


@dataclass(frozen=True)
class Life:
    """What one life of a platform left."""

    folder: Path
    said: str
    complained: str
    shown: str
    key: str
    old_signing: bytes
    signing: bytes
    watch: Watch = field(default_factory=Watch)
    pid: int = 0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plan and its tickets; the planted people are among them."""
    folder = tmp_path_factory.mktemp("scene")
    script = [sys.executable, str(HOTLINE / "generate.py"), "--count", "500", "--seed", "7"]
    subprocess.run([*script, "-o", str(folder)], check=True, capture_output=True)
    with (folder / "tickets.jsonl").open("a", encoding="utf-8") as tickets:
        for number in range(5):
            text = f"第{number}次反映：" + SAID.format(**TICKET)
            row = {"id": f"planted-{number}", "text": text, "department": "市场监管"}
            tickets.write(json.dumps(row, ensure_ascii=False) + "\n")
    (folder / "truth.jsonl").unlink()
    plan = (HOTLINE / "plan.yaml").read_text("utf-8")
    easy = {
        "at_least: 0.75": "at_least: 0.2",
        "over_baseline: 0.03": "over_baseline: 0",
        "kind: keywords, keywords_file: keywords.yaml": "kind: majority",
    }
    for old, new in {**MEMBERS, **easy}.items():
        assert plan.count(old) == 1, old
        plan = plan.replace(old, new)
    (folder / "plan.yaml").write_text(plan, "utf-8")
    return folder


@pytest.fixture(scope="module", params=["text", "json"])
def life(request, scene: Path, tmp_path_factory: pytest.TempPathFactory) -> Life:
    """One life: a run of the whole chain, a careless workload, mishaps, a backup."""
    folder = tmp_path_factory.mktemp(f"life-{request.param}")
    for part in ("temporary", "user", "left"):
        (folder / part).mkdir()
    for name, value in FILES.items():
        (folder.parent / name).write_text(value + "\n")
        (folder.parent / name).chmod(0o600)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(folder / "user"),
        "TMPDIR": str(folder / "temporary"),
        "YUNHE_TRACE": "1",
        "YUNHE_LOG_LEVEL": "debug",
        "YUNHE_LOG_FORMAT": request.param,
        "YUNHE_SECRETS_KEY": base64.b64encode(VAULT_KEY).decode(),
        "YUNHE_SMTP_URL": "smtp://planted@127.0.0.1:1",
        "YUNHE_MAIL_FROM": "yunhe@example.org",
        "YUNHE_SMTP_PASSWORD_FILE": str(folder.parent / "smtp password"),
        "YUNHE_OIDC_CLIENT_SECRET_FILE": str(folder.parent / "oidc secret"),
        "AWS_SECRET_ACCESS_KEY": S3_SECRET,
    }
    secrets = json.dumps({"vault": VAULT, "person": PERSON})
    arguments = [str(folder / "home"), str(scene / "plan.yaml"), str(folder / "backups")]
    with Watch() as watch:
        process = subprocess.Popen(
            [sys.executable, str(LIFE), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder / "left",
            text=True,
        )
        said, complained = process.communicate(secrets + "\n", timeout=240)
    assert process.returncode == 0, complained[-3_000:]
    told = {name: v for line in said.splitlines() for name, v in json.loads(line).items()}
    assert (told["state"], told["status"]) == ("failed", 200)
    signing = private_bytes(folder / "home" / "keys" / "log.pem")
    old_signing = bytes.fromhex(told["old_signing"])
    shown = "".join(looked_at(folder / "home", scene / "plan.yaml", environment))
    mine = Life(folder, said, complained, shown, told["key"], old_signing, signing)
    return replace(mine, watch=watch, pid=process.pid)


def looked_at(home: Path, plan: Path, environment: dict[str, str]) -> Iterator[str]:
    """What the commands for people and for programs say of it; the first one also writes pages."""
    asked = [
        *(["run", str(plan)], ["report"], ["accounts"], ["settings"]),
        *(["log", "--audit"], ["doctor"], ["run", str(plan.parent / "absent.yaml")]),
    ]
    for number, command in enumerate(asked):
        form = [["--lang", "en"], ["--lang", "zh"], ["--json"]][number % 3]
        done = subprocess.run(
            [sys.executable, "-m", "yunhe", "--home", str(home), *form, *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=home.parent / "left",
        )
        assert "Traceback" not in done.stderr
        yield done.stdout + done.stderr


def private_bytes(path: Path) -> bytes:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    return key.private_bytes_raw()


def secrets_of(life: Life) -> dict[str, str | bytes]:
    return {
        **VAULT,
        "vault key": VAULT_KEY,
        "signing key": life.signing,
        "replaced signing key": life.old_signing,
        "issued key": life.key.rpartition("_")[2],
        "S3 secret": S3_SECRET,
        **FILES,
    }


def pem_body(life: Life) -> bytes:
    lines = (life.folder / "home" / "keys" / "log.pem").read_bytes().splitlines()
    return lines[1]


def people() -> dict[str, str]:
    return {**{f"member {name}": name for name in MEMBERS.values()}, "person": PERSON, **TICKET}


def misplaced(found: dict[str, set[str]]) -> list[tuple[str, str]]:
    """What was found where it is not allowed to be."""
    return [
        (where, name)
        for where, names in found.items()
        for name in sorted(names)
        if not any(name.startswith(kind) and fits(where) for kind, fits in ALLOWED.items())
    ]


def test_no_secret_is_in_any_file_but_its_own(life):
    found = search(life.folder, Needles({**secrets_of(life), "signing key PEM": pem_body(life)}))
    assert "signing key PEM" in found["home/keys/log.pem"]  # the search does find what is there
    assert misplaced(found) == []


def test_no_personal_detail_is_in_any_file_but_where_it_is_declared(life):
    found = search(life.folder, Needles(people()))
    assert any(name.startswith("member") for name in found["home/yunhe.db"])
    assert misplaced(found) == []


def test_names_of_members_are_in_one_artefact_only(life):
    """The plan; not the report, the certificate, the receipts or the model."""
    found = search(life.folder / "home" / "blobs", Needles(people()))
    assert len(found) == 1
    (plan,) = found
    assert (life.folder / "home" / "blobs" / plan).read_bytes().startswith(b"# One chain")


def test_nothing_that_was_said_or_logged_tells_a_secret_or_a_person(life):
    needles = Needles({**secrets_of(life), **people(), "signing key PEM": pem_body(life)})
    assert life.complained.count("Traceback") >= 5  # the mishaps were traced, all of them
    assert "unknown caller" in life.complained
    assert needles.within(life.complained.encode()) == set()
    # What the program of this test printed on purpose, and no more.
    assert needles.within(life.said.encode()) == {"issued key", "replaced signing key"}


def test_no_command_shows_a_secret_or_a_citizen(life):
    assert len(life.shown) > 5_000
    needles = Needles({**secrets_of(life), **TICKET, "person": PERSON})
    assert needles.within(life.shown.encode()) == set()


def test_no_list_of_processes_shows_a_secret(life):
    needles = Needles(secrets_of(life))
    below = life.watch.below(life.pid)
    assert any(b"bootstrap.py" in line for pid in below for line in life.watch.lines[pid])
    shown = {pid: names for pid in below if (names := _within(needles, life.watch.lines[pid]))}
    assert shown == {}
    # The process that was started with secrets in its environment has them there; nobody below it.
    environments = life.watch.environments
    assert "vault key" in _within(needles, environments[life.pid])
    inherited = {
        pid: names for pid in below if (names := _within(needles, environments.get(pid, ())))
    }
    grown = {
        pid: names
        for pid, names in inherited.items()
        # The workload's own children are given its secrets, which is what they are for.
        if not any(line.startswith((b"sh\0", b"sleep\0")) for line in life.watch.lines[pid])
    }
    assert grown == {}
    assert max((life.watch.copies.get(pid, 0) for pid in below), default=0) < COPY_SECONDS_MAX


def _within(needles: Needles, parts) -> set[str]:
    return {name for part in parts for name in needles.within(part)}


def test_temporary_folders_are_left_empty(life):
    for part in ("temporary", "left"):
        assert [path.name for path in (life.folder / part).rglob("*")] == []
    assert not list((life.folder / "home" / "work").glob("*"))


def test_a_removed_secret_and_a_replaced_one_leave_nothing_in_free_pages(life):
    """Not even sealed: the row's bytes are overwritten when it goes."""
    database = b"".join(path.read_bytes() for path in (life.folder / "home").glob("yunhe.db*"))
    assert b"TOKEN" in database
    assert b"REMOVED" not in database


def test_the_search_finds_what_is_packed(tmp_path):
    import gzip  # noqa: PLC0415

    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    pq.write_table(pa.table({"x": ["planted-value"] * 3}), tmp_path / "table", compression="zstd")
    (tmp_path / "packed").write_bytes(gzip.compress(b"a planted-value b"))
    (tmp_path / "coded").write_bytes(base64.b64encode(b"user:planted-value"))
    (tmp_path / "planted-value").write_bytes(b"")
    (tmp_path / "plain").write_bytes(b"nothing")
    found = search(tmp_path, Needles({"it": "planted-value"}))
    assert set(found) == {"table", "packed", "coded", "planted-value"}


def test_forms_are_not_the_products_own_list():
    assert "诸葛".encode("gb18030") not in forms("x")
    assert "诸葛清和".encode("gb18030") in forms("诸葛清和")
    assert list(contents(b"plain")) == [b"plain"]


@pytest.mark.parametrize("command", [["accounts"], ["settings"], ["log"], ["doctor"]])
def test_the_password_of_an_unreachable_database_is_told_to_nobody(command, tmp_path):
    url = f"postgresql://yunhe:{DATABASE_PASSWORD}@127.0.0.1:1/yunhe"
    environment = {**os.environ, "YUNHE_DATABASE_URL": url, "YUNHE_TRACE": "1"}
    for form in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "yunhe", "--home", str(tmp_path / "home"), *form, *command],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        needles = Needles({"password": DATABASE_PASSWORD})
        assert needles.within((done.stdout + done.stderr).encode()) == set()
        assert done.stdout + done.stderr
    assert search(tmp_path, needles) == {}
