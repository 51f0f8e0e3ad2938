"""A fake of a Kubernetes API server with Kueue, Job controller and kubelet. It is no cluster.

What it is sent and what it answers is held to the published schemas. Containers are processes of
this machine; nothing is isolated, and a queue lets Jobs begin when the test says so.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import kubernetes_validate
import pytest
import yaml

TOKEN = "token-of-the-fake"
INDEX = "batch.kubernetes.io/job-completion-index"
SCHEMAS = Path(__file__).parents[2].parent / "shared" / "contracts" / "kueue"
"""Kueue's published definitions, beside the project."""
_KINDS = {"jobs": ("batch/v1", "JobList"), "pods": ("v1", "PodList"), "nodes": ("v1", "NodeList")}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def held(thing: dict[str, Any]) -> None:
    """Fails unless Kubernetes' published schema takes it, with no field it does not know."""
    kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)


def held_by_kueue(thing: dict[str, Any]) -> None:
    """Fails unless Kueue's published schema takes it; skips the test where that is absent."""
    plural = f"{thing['kind'].lower()}s"
    file = SCHEMAS / f"{plural}.yaml"
    if not SCHEMAS.is_dir():
        pytest.skip("no published definitions of Kueue: ../shared/contracts/kueue is absent")
    wanted = thing["apiVersion"].partition("/")[2]
    versions = yaml.safe_load(file.read_text("utf-8"))["spec"]["versions"]
    schema = next(v for v in versions if v["name"] == wanted)["schema"]["openAPIV3Schema"]
    jsonschema.Draft7Validator(schema).validate(thing)
    unknown = set(thing.get("spec", {})) - set(schema["properties"]["spec"]["properties"])
    assert not unknown, unknown


@dataclass
class Cluster:
    """Its objects, by name."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    admits: bool = True
    page: int = 500
    forbidden: set[str] = field(default_factory=set)
    fails: int = 0
    asked: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    count: int = 0

    def create(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        held(job)
        name = job["metadata"]["name"]
        if job["kind"] == "Service":
            if name in self.services:
                return 409, status(409, "AlreadyExists", f'services "{name}" already exists')
            self.services[name] = job
            return 201, job
        if name in self.jobs:
            return 409, status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        job["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        job["metadata"]["namespace"] = "yunhe"
        job["status"] = {}
        self.jobs[name] = job
        queue = job["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")
        if queue:
            self.workloads[name] = self._workload(job, queue)
        self.turn()
        return 201, job

    def _workload(self, job: dict[str, Any], queue: str) -> dict[str, Any]:
        count = job["spec"]["parallelism"]
        said = f"couldn't assign flavors to pod set main: insufficient quota in {queue}"
        made = {
            "apiVersion": "kueue.x-k8s.io/v1beta2",
            "kind": "Workload",
            "metadata": {
                "name": f"job-{job['metadata']['name']}",
                "ownerReferences": [{"kind": "Job", "uid": job["metadata"]["uid"]}],
            },
            "spec": {
                "queueName": queue,
                "podSets": [{"name": "main", "count": count, "template": job["spec"]["template"]}],
            },
            "status": {"conditions": [condition("QuotaReserved", "False", "Pending", said)]},
        }
        if SCHEMAS.is_dir():  # asserted of every Workload by a test of its own
            held_by_kueue(made)
        return made

    def turn(self) -> None:
        """What the controllers would have done by now."""
        for name, job in list(self.jobs.items()):
            if job["spec"]["suspend"] and self.admits and "deletionTimestamp" not in meta(job):
                job["spec"]["suspend"] = False
            own = [pod for pod in self.pods.values() if owner(pod) == name]
            if not job["spec"]["suspend"] and not over(job):
                there = {index(pod) for pod in own if "deletionTimestamp" not in meta(pod)}
                wanted = range(job["spec"]["completions"])
                if "deletionTimestamp" not in meta(job) and not holds(job, "FailureTarget"):
                    own += [self._start(job, each) for each in wanted if each not in there]
            for pod in own:
                self._attend(pod)
            self._conclude(name, job, own)
        for pod in [one for one in self.pods.values() if owner(one) not in self.jobs]:
            self._attend(pod)
            self._let_go(pod)

    def _start(self, job: dict[str, Any], at: int) -> dict[str, Any]:
        self.count += 1
        template = json.loads(json.dumps(job["spec"]["template"]))
        template["metadata"]["labels"]["batch.kubernetes.io/job-name"] = meta(job)["name"]
        template["metadata"]["labels"]["batch.kubernetes.io/controller-uid"] = meta(job)["uid"]
        if job["spec"].get("completionMode") == "Indexed":
            template["metadata"]["labels"][INDEX] = str(at)
            template["metadata"]["annotations"][INDEX] = str(at)
            template["spec"]["hostname"] = f"{meta(job)['name']}-{at}"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                **template["metadata"],
                "name": f"{meta(job)['name']}-{self.count:05d}",
                "namespace": "yunhe",
                "uid": str(uuid.uuid4()),
                "resourceVersion": str(self.count),
                "creationTimestamp": now(),
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": meta(job)["name"],
                        "uid": meta(job)["uid"],
                        "blockOwnerDeletion": True,
                    }
                ],
            },
            "spec": {**template["spec"], "nodeName": "n1"},
            "status": {"phase": "Running"},
        }
        container = pod["spec"]["containers"][0]
        line = container["command"]
        environment = {"PATH": os.environ["PATH"]}
        environment |= {one["name"]: resolved(one, template) for one in container["env"]}
        process = subprocess.Popen(line, env=environment, start_new_session=True)
        self.processes[pod["metadata"]["name"]] = process
        self._state(pod, {"running": {"startedAt": now()}})
        self.pods[pod["metadata"]["name"]] = pod
        held(pod)
        return pod

    def _state(self, pod: dict[str, Any], state: dict[str, Any]) -> None:
        entry = {"name": "main", "image": "i", "imageID": "i", "ready": False, "restartCount": 0}
        pod["status"]["containerStatuses"] = [{**entry, "state": state}]

    def _attend(self, pod: dict[str, Any]) -> None:
        process = self.processes.get(meta(pod)["name"])
        state = pod["status"]["containerStatuses"][0]["state"]
        if process is None or "running" not in state or process.poll() is None:
            return
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        ended = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": state["running"]["startedAt"],
            "finishedAt": now(),
        }
        self._state(pod, {"terminated": ended})
        pod["status"]["phase"] = "Succeeded" if code == 0 else "Failed"
        held(pod)

    def _conclude(self, name: str, job: dict[str, Any], own: list[dict[str, Any]]) -> None:
        alive = [pod for pod in own if "deletionTimestamp" not in meta(pod)]
        phases = {pod["status"]["phase"] for pod in alive}
        if not over(job) and "deletionTimestamp" not in meta(job):
            if phases == {"Succeeded"} and len(alive) == job["spec"]["completions"]:
                job["status"]["conditions"] = [condition("Complete", "True", "CompletionsReached")]
            elif "Failed" in phases:
                self._fail(job, own)
        for pod in own:
            self._let_go(pod)
        left = [pod for pod in self.pods.values() if owner(pod) == name]
        if "deletionTimestamp" in meta(job) and not left:
            del self.jobs[name]
            self.workloads.pop(name, None)

    def _let_go(self, pod: dict[str, Any]) -> None:
        ended = "terminated" in state(pod)
        if "deletionTimestamp" in meta(pod) and ended and not meta(pod).get("finalizers"):
            del self.pods[meta(pod)["name"]]

    def _fail(self, job: dict[str, Any], own: list[dict[str, Any]]) -> None:
        """First it is to fail and its other pods are ended; once they have, it has failed."""
        target = condition("FailureTarget", "True", "BackoffLimitExceeded", "backoff limit")
        job["status"]["conditions"] = [target]
        running = [pod for pod in own if "running" in state(pod)]
        for pod in running:
            self.remove_pod(pod)
        if not running:
            why = condition("Failed", "True", "BackoffLimitExceeded", "backoff limit")
            job["status"]["conditions"] = [target, why]

    def evict(self, name: str) -> None:
        """Kueue takes a Job's place away: it is suspended, and its pods end."""
        job = self.jobs[name]
        job["spec"]["suspend"], self.admits = True, False
        for pod in self.pods.values():
            if owner(pod) == name:
                self.remove_pod(pod)

    def delete_service(self, name: str) -> tuple[int, dict[str, Any]]:
        there = self.services.pop(name, None)
        return (200, there) if there else (404, status(404, "NotFound", "not found"))

    def delete(self, name: str) -> tuple[int, dict[str, Any]]:
        if name not in self.jobs:
            return 404, status(404, "NotFound", f'jobs.batch "{name}" not found')
        meta(self.jobs[name]).setdefault("deletionTimestamp", now())
        for pod in self.pods.values():
            if owner(pod) == name:
                self.remove_pod(pod)
        job = self.jobs[name]
        self.turn()
        return 200, job

    def delete_pod(self, name: str) -> tuple[int, dict[str, Any]]:
        pod = self.pods.get(name)
        if pod is None:
            return 404, status(404, "NotFound", f'pods "{name}" not found')
        self.remove_pod(pod)
        return 200, pod

    def remove_pod(self, pod: dict[str, Any]) -> None:
        meta(pod).setdefault("deletionTimestamp", now())
        process = self.processes[meta(pod)["name"]]
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)

    def patch(self, name: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        pod = self.pods.get(name)
        if pod is None:
            return 404, status(404, "NotFound", f'pods "{name}" not found')
        if body["metadata"].get("resourceVersion") != meta(pod)["resourceVersion"]:
            return 409, status(409, "Conflict", "the object has been modified")
        meta(pod)["finalizers"] = body["metadata"]["finalizers"]
        self.turn()
        return 200, pod

    def listed(self, kind: str, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        self.turn()
        wanted = query.get("labelSelector", [""])[0]
        label, _, value = wanted.partition("=")
        things: list[dict[str, Any]] = (
            self.nodes if kind == "nodes" else list(getattr(self, kind).values())
        )
        chosen = [t for t in things if not label or meta(t).get("labels", {}).get(label) == value]
        if "status.phase!=Succeeded" in query.get("fieldSelector", [""])[0]:
            chosen = [t for t in chosen if t["status"]["phase"] not in ("Succeeded", "Failed")]
        start = int(query.get("continue", ["0"])[0])
        size = min(int(query["limit"][0]), self.page)
        more = {"continue": str(start + size)} if start + size < len(chosen) else {}
        version, name = _KINDS.get(kind, ("kueue.x-k8s.io/v1beta2", "WorkloadList"))
        items = chosen[start : start + size]
        return 200, {"apiVersion": version, "kind": name, "metadata": more, "items": items}


def meta(thing: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = thing["metadata"]
    return found


def owner(pod: dict[str, Any]) -> str:
    return str(meta(pod)["ownerReferences"][0]["name"])


def over(job: dict[str, Any]) -> bool:
    return holds(job, "Complete") or holds(job, "Failed")


def holds(job: dict[str, Any], kind: str) -> bool:
    found = job["status"].get("conditions", [])
    return any(one["type"] == kind and one["status"] == "True" for one in found)


def index(pod: dict[str, Any]) -> int:
    return int(meta(pod).get("annotations", {}).get(INDEX, "0"))


def state(pod: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod["status"]["containerStatuses"][0]["state"]
    return found


def resolved(variable: dict[str, Any], pod: dict[str, Any]) -> str:
    """The value of an environment variable, as the kubelet finds it."""
    if "value" in variable:
        return str(variable["value"])
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    kind, _, key = path.removeprefix("metadata.").partition("['")
    return str(pod["metadata"][kind][key.removesuffix("']")])


def condition(kind: str, holds: str, reason: str, said: str = "") -> dict[str, str]:
    return {
        "type": kind,
        "status": holds,
        "reason": reason,
        "message": said,
        "lastTransitionTime": now(),
    }


def status(code: int, reason: str, said: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": said}


def node(name: str, cards: dict[str, str], **changes: Any) -> dict[str, Any]:
    """A node that is ready, with these cards."""
    made = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"site": "lab", **changes.pop("labels", {})}},
        "spec": changes.pop("spec", {}),
        "status": {
            "allocatable": {"cpu": "63500m", "memory": "263842304Ki", "pods": "110", **cards},
            "conditions": [condition("Ready", changes.pop("ready", "True"), "Kubelet")],
        },
    }
    held(made)
    return made


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        at = urlsplit(self.path)
        self.cluster.asked.append(f"{self.command} {at.path}")
        with self.cluster.lock:
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                code, said = 401, status(401, "Unauthorized", "Unauthorized")
            elif self.cluster.fails:
                self.cluster.fails -= 1
                code, said = 503, status(503, "ServiceUnavailable", "etcd leader changed")
            elif at.path in self.cluster.forbidden:
                code, said = 403, status(403, "Forbidden", "not at the cluster scope")
            else:
                code, said = self._said(at.path, parse_qs(at.query), json.loads(body or b"{}"))
        data = json.dumps(said).encode()
        self.send_response(code)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _said(
        self, path: str, query: dict[str, list[str]], body: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        parts, cluster = path.strip("/").split("/"), self.cluster
        if path == "/apis/kueue.x-k8s.io":
            return 200, {"kind": "APIGroup", "versions": [{"version": "v1beta2"}]}
        if self.command == "POST":
            return cluster.create(body)
        if self.command == "PATCH":
            assert self.headers["content-type"] == "application/merge-patch+json"
            return cluster.patch(parts[-1], body)
        if self.command == "DELETE":
            assert body == {"propagationPolicy": "Foreground"}
            ways = {"services": cluster.delete_service, "pods": cluster.delete_pod}
            return ways.get(parts[-2], cluster.delete)(parts[-1])
        if parts[-1] in ("jobs", "pods", "nodes", "workloads"):
            return cluster.listed(parts[-1], query)
        found = cluster.jobs.get(parts[-1])
        return (200, found) if found else (404, status(404, "NotFound", "not found"))

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def fake(cluster: Cluster) -> Iterator[str]:
    """Its address, while it is served."""
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        for process in cluster.processes.values():
            process.terminate()  # a killed station would leave its program behind
            process.wait()
