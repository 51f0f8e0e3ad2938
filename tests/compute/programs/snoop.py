"""Tries to reach everything a workload must not reach, and reports what it got."""

import json
import os
import resource
import socket
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_bytes())
targets = job["arguments"]
got: dict[str, str] = {}


def attempt(name, action):
    try:
        got[name] = "reached: " + str(action())[:80]
    except (OSError, ValueError) as error:
        got[name] = "refused: " + type(error).__name__


def listed(folder):
    return [path.name for path in Path(folder).iterdir()]


def write(path):
    Path(path).write_text("snoop was here")
    return path


def connect():
    with socket.create_connection(("127.0.0.1", int(targets["port"])), timeout=2):
        return "connected"


def raise_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard + 1, hard + 1))


parent = targets["parent"]
attempt("database", lambda: Path(targets["database"]).read_bytes()[:16])
attempt("signing key", lambda: Path(targets["key"]).read_bytes())
attempt("home folder", lambda: listed(Path(targets["database"]).parent))
attempt("blobs", lambda: listed(targets["blobs"]))
attempt("parent's environment", lambda: Path(f"/proc/{parent}/environ").read_bytes())
attempt("parent's files", lambda: listed(f"/proc/{parent}/root"))
attempt("parent process", lambda: os.kill(int(parent), 0))
attempt("network", connect)
attempt("write home", lambda: write(Path(targets["database"]).parent / "snoop"))
attempt("write code", lambda: write(Path(__file__).with_name("snooped.py")))
attempt("write input", lambda: write(job["inputs"]["data"]))
attempt("write job", lambda: write(sys.argv[1]))
if targets["everywhere"]:  # not where it might succeed: the test leaves the machine as it is
    attempt("write root", lambda: write("/snoop"))
    attempt("write system", lambda: write("/usr/snoop"))
    attempt("supervisor's memory", lambda: Path("/proc/1/mem").write_bytes(b""))
    attempt("supervisor's files", lambda: Path("/proc/1/fd/0").readlink())
    attempt("supervisor's environment", lambda: Path("/proc/1/environ").read_bytes())
attempt("become root", lambda: os.setuid(0))
attempt("raise limit", raise_limit)

report = {
    "got": got,
    "user": os.getuid(),
    "processes": sorted(int(name) for name in listed("/proc") if name.isdigit()),
    "input": Path(job["inputs"]["data"]).read_text() if "data" in job["inputs"] else "",
    "stdin": sys.stdin.read(),
    "descriptors": sorted(int(name) for name in listed("/proc/self/fd")),
}
(Path(job["outputs"]) / "report.json").write_text(json.dumps(report))
