"""A workload's own command runs in its folder, in a sandbox or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from yunhe.client.folders.sending import send
from yunhe.compute import service as compute
from yunhe.compute.folders.keeping import output_name
from yunhe.compute.providers import sandbox
from yunhe.compute.providers.local import LocalProvider
from yunhe.custody import service as custody
from yunhe.kernel.errors import Invalid
from yunhe.storage.blobs import LocalBlobs

needs_bubblewrap = pytest.mark.skipif(sandbox.bubblewrap() is None, reason="needs bubblewrap")


class Shelf:
    """The platform's own blobs as the place a folder is sent to."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs

    def has(self, digest: str) -> bool:
        return self.blobs.exists(digest)

    def put(self, data: bytes) -> str:
        return self.blobs.put(data).digest


@pytest.fixture
def work(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "train.py").write_text(
        "import os, sys, pathlib\n"
        "pathlib.Path('out').mkdir(exist_ok=True)\n"
        "n = os.environ['YUNHE_REPLICA']\n"
        "pathlib.Path(f'out/{n}.txt').write_text(' '.join(sys.argv[1:]) + os.environ['SEED'])\n"
        "pathlib.Path(os.environ['YUNHE_OUTPUTS'], f'direct{n}').write_text('x')\n"
        "data = pathlib.Path(os.environ['YUNHE_INPUTS'], 'data')\n"
        "print('read', data.read_text() if data.exists() else '-', os.environ['YUNHE_REPLICAS'])\n"
    )
    (root / "hello.sh").write_text("#!/bin/sh\necho from the script\n")
    (root / "hello.sh").chmod(0o755)
    return root


def provider(tmp_path: Path, **over) -> LocalProvider:
    return LocalProvider(tmp_path / "jobs", {}, **over)


def asked(city, work: Path, *command: str, key: str = "own", **over):
    folder = send(work, Shelf(city.storage.blobs)).digest
    given = {"entry_point": "", "arguments": {}, "command": command, "folder": folder, **over}
    return city.spec(key, **given)


@needs_bubblewrap
def test_a_command_runs_in_its_folder_and_what_it_leaves_there_comes_back(city, work, tmp_path):
    data = city.storage.blobs.put(b"input").digest
    spec = asked(
        city,
        work,
        "python",
        "train.py",
        "--epochs",
        outputs=("out/*.txt",),
        environment={"SEED": "7"},
        inputs={"data": data},
    )
    made = compute.submit(city.storage, spec)
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)

    assert done is not None
    assert done.why is None
    assert done.state == "settled"
    read = {name: city.storage.blobs.read(digest) for name, digest in done.outputs.items()}
    assert read == {output_name("out/0.txt"): b"--epochs7", "direct0": b"x"}
    assert done.log is not None
    assert b"read input 1" in city.storage.blobs.read(done.log)
    assert done.usage is not None
    assert done.usage.isolation == "bubblewrap"
    city.assert_books_are_right()


@needs_bubblewrap
def test_a_script_of_the_folder_runs_by_its_executable_bit(city, work, tmp_path):
    made = compute.submit(city.storage, asked(city, work, "./hello.sh"))
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)
    assert done is not None
    assert (done.state, done.why) == ("settled", None)
    assert done.log is not None
    assert b"from the script" in city.storage.blobs.read(done.log)


@needs_bubblewrap
@pytest.mark.parametrize(("command", "status"), [(("no-such-thing",), 127), (("./train.py",), 126)])
def test_a_command_that_cannot_be_run_fails_as_shells_say_it(city, work, tmp_path, command, status):
    made = compute.submit(city.storage, asked(city, work, *command))
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)
    assert done is not None
    assert done.why is not None
    assert (done.why.code, done.why.params) == ("compute.failed_exit", (("status", status),))


@needs_bubblewrap
def test_replicas_run_side_by_side_and_each_is_paid(city, work, tmp_path):
    spec = asked(city, work, "python", "train.py", replicas=2, environment={"SEED": "7"})
    made = compute.submit(city.storage, spec)
    assert made.state == "placed"
    assert made.held_device_ms == 2 * 100 * 1_000
    city.assert_books_are_right()
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)

    assert done is not None
    assert (done.state, done.why) == ("settled", None)
    assert set(done.outputs) == {"direct0", "direct1"}
    assert done.usage is not None
    assert done.usage.device_ms == 2 * done.usage.wall_ms
    city.assert_books_are_right()


@needs_bubblewrap
def test_a_replica_that_fails_ends_the_others(city, work, tmp_path):
    script = (
        "import os, time\n"
        "if os.environ['YUNHE_REPLICA'] == '1':\n  raise SystemExit(3)\n"
        "time.sleep(60)\n"
    )
    (work / "train.py").write_text(script)
    made = compute.submit(city.storage, asked(city, work, "python", "train.py", replicas=2))
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)
    assert done is not None
    assert done.why is not None
    assert done.why.params == (("status", 3),)
    assert done.usage is not None
    assert done.usage.wall_ms < 50_000


@needs_bubblewrap
def test_a_command_sees_nothing_of_the_platform(city, work, tmp_path):
    (work / "train.py").write_text(
        "import os, pathlib\n"
        f"kept = pathlib.Path({str(tmp_path)!r}, 'blobs')\n"
        "print('there' if kept.exists() else 'hidden')\n"
        "print(sorted(os.listdir('/job')))\n"
    )
    made = compute.submit(city.storage, asked(city, work, "python", "train.py"))
    done = compute.run_next(
        city.storage, provider(tmp_path, protected=[tmp_path]), workload=made.id
    )
    assert done is not None
    assert done.log is not None
    said = city.storage.blobs.read(done.log)
    assert b"hidden" in said
    assert b"['inputs', 'job.json', 'outputs', 'work']" in said


def test_without_a_sandbox_a_command_never_runs_and_costs_nothing(city, work, tmp_path):
    made = compute.submit(city.storage, asked(city, work, "python", "train.py"))
    bare = provider(tmp_path, isolation="digest-approved")
    done = compute.run_next(city.storage, bare, workload=made.id)
    assert done is not None
    assert done.state == "failed"
    assert done.why is not None
    assert done.why.code == "compute.command_unconfined"
    assert done.usage is None
    city.assert_books_are_right()


@pytest.mark.parametrize("over", [{"commands": False}, {"commands": False, "isolation": "auto"}])
def test_an_operator_may_allow_no_commands_at_all(city, work, tmp_path, over):
    made = compute.submit(city.storage, asked(city, work, "python", "train.py"))
    done = compute.run_next(city.storage, provider(tmp_path, **over), workload=made.id)
    assert done is not None
    assert done.why is not None
    assert done.why.code == "compute.command_not_allowed"


def test_an_image_for_this_machine_alone_is_refused_when_it_is_submitted(city):
    with pytest.raises(Invalid) as refused:
        image = "registry.example.org/train@sha256:" + "1" * 64
        city.submit(entry_point="", command=("train",), image=image)
    assert [found.code for found in refused.value.findings] == ["compute.image_nowhere"]


def test_the_folder_is_part_of_what_the_usage_rests_on(city, work, tmp_path):
    spec = asked(city, work, "python", "train.py", environment={"SEED": "7"})
    if sandbox.bubblewrap() is None:
        pytest.skip("needs bubblewrap")
    made = compute.submit(city.storage, spec)
    done = compute.run_next(city.storage, provider(tmp_path), workload=made.id)
    assert done is not None
    assert done.reference is not None
    with city.storage.database.read() as tx:
        record = custody.record(tx, done.reference)
    assert record.body["input_digests"] == [spec.folder]


def test_a_folder_whose_blobs_are_not_there_is_refused_at_once(city, work):
    spec = asked(city, work, "python", "train.py")
    missing = "sha256:" + "0" * 64
    with pytest.raises(Invalid) as refused:
        compute.submit(
            city.storage, city.spec("other", entry_point="", command=("x",), folder=missing)
        )
    assert [found.code for found in refused.value.findings] == ["compute.input_missing"]
    odd = city.storage.blobs.put(b"no manifest").digest
    with pytest.raises(Invalid) as refused:
        compute.submit(city.storage, city.spec("odd", entry_point="", command=("x",), folder=odd))
    assert [found.code for found in refused.value.findings] == ["compute.folder_manifest"]
    assert compute.submit(city.storage, spec).id == compute.submit(city.storage, spec).id
