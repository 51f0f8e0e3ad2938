"""Checkpoints pushed over HTTP by real git to a real git server, pinned to the checked address."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from outbound_servers import answer

from yunhe.custody.publishers import GitPublisher
from yunhe.kernel.errors import Invalid, NotAllowed, Unavailable
from yunhe.outbound.git import pin
from yunhe.outbound.guard import Guard

NOTE = "yunhe.test/log\n1\ncm9vdA==\ntime_us 1\n\n— yunhe.test/log AAAA\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    bare = tmp_path / "served" / "log.git"
    subprocess.run(["git", "init", "--bare", "--quiet", str(bare)], check=True)
    subprocess.run(["git", "-C", str(bare), "config", "http.receivepack", "true"], check=True)
    return bare


def git_over_http(root: Path):
    """A request handler that runs git's own HTTP server program, as a web server would."""
    program = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip())

    def respond(handler):
        path, _, query = handler.path.partition("?")
        size = int(handler.headers.get("Content-Length", "0"))
        body = handler.body if size else b""
        done = subprocess.run(
            [str(program / "git-http-backend")],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": handler.command,
                "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_USER": "tester",
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        headers = dict(lines)
        status = int(headers.pop("Status", "200").split()[0])
        answer(handler, status, headers, content)

    return respond


def at(server, host="log.example.org"):
    resolved = {host: ["127.0.0.1"]}
    return Guard([f"{host}:{server.port}"], resolver=lambda name, port: resolved[name])


def test_a_checkpoint_is_pushed_over_http_to_the_pinned_address(serve, repository):
    server = serve(git_over_http(repository.parent))
    # No name server knows this name: only the pinned address leads there.
    remote = server.url("/log.git", host="log.example.org")
    place = GitPublisher(remote, guard=at(server))
    assert place.read() == ""
    place.publish(NOTE)
    place.publish(NOTE)
    kept = subprocess.check_output(
        ["git", "-C", str(repository), "log", "--format=%H", "checkpoints"], text=True
    )
    assert len(kept.split()) == 1
    shown = ["git", "-C", str(repository), "show", "checkpoints:checkpoint"]
    assert subprocess.check_output(shown, text=True) == NOTE
    assert {headers["Host"] for _, _, headers, _ in server.asked} == {
        f"log.example.org:{server.port}"
    }


def test_a_private_address_is_refused_before_git_is_called(serve, repository):
    server = serve(git_over_http(repository.parent))
    place = GitPublisher(server.url("/log.git"))
    for attempt in (place.read, lambda: place.publish(NOTE)):
        with pytest.raises(NotAllowed) as refused:
            attempt()
        assert refused.value.code == "outbound.refused"
    assert server.asked == []


def test_a_redirect_is_not_followed_by_git(serve, repository):
    inside = serve(git_over_http(repository.parent))
    server = serve(
        lambda h: answer(h, 302, {"Location": inside.url(h.path)}),
    )
    place = GitPublisher(server.url("/log.git", host="log.example.org"), guard=at(server))
    with pytest.raises(Unavailable):
        place.publish(NOTE)
    assert inside.asked == []
    assert len(server.asked) == 1


def test_a_proxy_in_the_environment_is_not_used_by_git(serve, repository, monkeypatch):
    proxy, server = serve(), serve(git_over_http(repository.parent))
    monkeypatch.setenv("http_proxy", proxy.url())
    monkeypatch.setenv("ALL_PROXY", proxy.url())
    GitPublisher(server.url("/log.git", host="log.example.org"), guard=at(server)).publish(NOTE)
    assert proxy.asked == []
    assert server.asked != []


@pytest.mark.parametrize("remote", ["http://u:p@log.example.org/x", "http://log.example.org:22/x"])
def test_an_address_that_the_guard_does_not_take_is_refused(remote):
    with pytest.raises(Invalid):
        GitPublisher(remote, guard=Guard(resolver=lambda *_: ["93.184.216.34"])).read()


def test_an_address_that_would_run_a_command_is_not_run(tmp_path):
    mark = tmp_path / "ran"
    with pytest.raises(Unavailable):
        GitPublisher(f"ext::touch {mark}").read()
    assert not mark.exists()


def test_folders_and_ssh_stay_as_they_are(tmp_path):
    for remote in (str(tmp_path), "git@example.org:log.git", "ssh://git@example.org/log.git"):
        assert pin(Guard(), remote).remote == remote
        assert pin(Guard(), remote).options == ()


def test_every_resolved_address_is_pinned_in_the_form_git_takes():
    guard = Guard(resolver=lambda *_: ["93.184.216.34", "2606:2800::1"])
    pinned = pin(guard, "HTTPS://Log.Example.ORG./x.git")
    assert pinned.remote == "https://log.example.org/x.git"
    wanted = "http.curloptResolve=log.example.org:443:93.184.216.34,[2606:2800::1]"
    assert wanted in pinned.options
    assert shutil.which("git") is not None
