"""Does units as tasks of Ray, on this machine or on a cluster that sees the same folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yunhe
from yunhe.corpus.domain import Profile
from yunhe.corpus.pipeline import Pipeline, build
from yunhe.corpus.rejects import Sealer
from yunhe.corpus.running.intake import UNIT_BYTES, Plan
from yunhe.corpus.running.shop import Shop
from yunhe.kernel import errors
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import Invalid, Unavailable, YunheError

LOCAL = "local"
"""Stands for Ray on this machine, started for this run and ended with it."""
_COPIES = 4
"""Memory of a unit on its way, in units: as planned, as sent, as received, as worked on."""
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
_KINDS = ("Invalid", "NotAllowed", "NotFound", "Conflict", "Exhausted", "Unavailable")


@dataclass(frozen=True)
class Order:
    """What a worker is told besides the unit itself."""

    folder: Path
    """Where units are laid down."""
    profile: Profile
    """What to do."""
    digest: str
    """The pipeline that must come of it."""
    sealer: Sealer | None
    """Keeps raw texts."""


def by_ray(
    plans: Iterator[Plan],
    shop: Shop,
    *,
    address: str,
    workers: int,
    memory_bytes_max: int,
    told: Callable[[int, int], None],
) -> Iterator[str]:
    """Every unit's name in order, once it is finished.

    ``told``: each unit's documents, and how far the inputs are then.

    Errors: `Invalid` ``corpus.ray_extra`` where Ray is not installed; `Unavailable`
    ``corpus.ray_failed``, ``corpus.ray_differs`` when a worker has other code; those of `Shop`.
    """
    pipeline = shop.pipeline
    order = Order(shop.folder.resolve(), pipeline.profile, pipeline.digest(), shop.sealer)
    most = max(2, memory_bytes_max // (_COPIES * UNIT_BYTES))
    with _cluster(address, workers, store_bytes=(most + 1) * UNIT_BYTES) as ray:
        cpus = int(ray.cluster_resources().get("CPU", 1))
        task = ray.remote(num_cpus=1, max_retries=3)(_unit)
        waiting: deque[tuple[str, int, Any]] = deque()
        for plan in plans:
            there = shop.has(plan.name)
            reached = plan.blocks[-1].reached
            waiting.append((plan.name, reached, None if there else task.remote(order, plan)))
            while len(waiting) > min(most, cpus + 1):
                yield _finished(ray, waiting.popleft(), told)
        while waiting:
            yield _finished(ray, waiting.popleft(), told)


def _finished(
    ray: Any,  # noqa: ANN401 (a module without types)
    waited: tuple[str, int, Any],
    told: Callable[[int, int], None],
) -> str:
    name, reached, reference = waited
    if reference is not None:
        try:
            answer = ray.get(reference)
        except ray.exceptions.RayError as error:
            reason = type(error).__name__
            raise Unavailable("corpus.ray_failed", reason=reason, retryable=True) from None
        if isinstance(answer, dict):
            raise _error_of(answer)
        told(answer, reached)
    return name


def _unit(order: Order, plan: Plan) -> int | dict[str, Any]:
    """In a worker: one unit; how many documents it has, or what went wrong."""
    try:
        pipeline = _pipeline(canonical_bytes(order.profile.as_json()), _Known(order.profile))
        if pipeline.digest() != order.digest:
            raise Unavailable("corpus.ray_differs")
        return Shop(order.folder, pipeline, order.sealer).make(plan)
    except YunheError as error:
        return {"kind": type(error).__name__, "code": error.code, "params": dict(error.params)}


@dataclass(frozen=True)
class _Known:
    """Lets the cache below go by the profile's bytes alone."""

    profile: Profile

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known)


@cache
def _pipeline(_name: bytes, known: _Known) -> Pipeline:
    return build(known.profile)


def _error_of(answer: Mapping[str, Any]) -> YunheError:
    kind = answer["kind"]
    made: type[YunheError] = getattr(errors, kind) if kind in _KINDS else Unavailable
    return made(answer["code"], **answer["params"])


@contextmanager
def _cluster(address: str, workers: int, *, store_bytes: int) -> Iterator[Any]:
    """Ray, started where it has to be.

    It is always given an address: without one it joins whatever cluster it finds on the machine.
    """
    try:
        import ray  # noqa: PLC0415 (an extra, and slow to import)
    except ImportError:
        raise Invalid("corpus.ray_extra") from None
    here = Path(yunhe.__path__[0])
    quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    # Ray puts sockets below its folder, whose paths may have 107 bytes, so it must be a short one.
    folder = tempfile.mkdtemp(prefix="yunhe-ray-", dir="/tmp" if address == LOCAL else None)  # noqa: S108
    try:
        if address == LOCAL:
            with _environment({**_QUIET, "PYTHONPATH": _path_with(here.parent)}):
                ray.init(
                    address=LOCAL,
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=max(store_bytes, 128 << 20),
                    _temp_dir=folder,
                    **quiet,
                )
        else:
            try:
                ray.init(address=address, runtime_env={"py_modules": [str(here)]}, **quiet)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise Unavailable("corpus.ray_failed", reason=str(error)[:200]) from None
        yield ray
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _path_with(folder: Path) -> str:
    return os.pathsep.join(p for p in (str(folder), os.environ.get("PYTHONPATH", "")) if p)


@contextmanager
def _environment(changed: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
