"""What work each site takes, as far as it has said, what binds, and why work finds none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from yunhe.compute import images
from yunhe.compute.domain import Pool
from yunhe.compute.limits.domain import UNLIMITED, Limits
from yunhe.compute.reasons import Why
from yunhe.compute.wanted import WorkloadSpec


@dataclass(frozen=True, slots=True)
class Abilities:
    """Of every site that was looked at, by its adapter; this machine is none."""

    images: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Registries, or parts of registries, whose images it runs."""
    refuses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Fields of a workload, ``command`` or ``folder``, with which it takes none."""
    limits: Limits = UNLIMITED
    """Rules that keep work off pools, whatever their site takes."""

    def takes(self, spec: WorkloadSpec, adapter: str) -> bool:
        """Whether a site takes such a workload."""
        refused = self.refuses.get(adapter, frozenset())
        if refused and refused & brought(spec):
            return False
        return images.runs(spec.image, adapter, self.images)

    def nowhere(self, spec: WorkloadSpec, pools: Sequence[Pool]) -> Why | None:
        """Why none of these pools takes it; None where one does, and where there are none."""
        if not pools or any(self.takes(spec, pool.adapter) for pool in pools):
            return None
        sites = {pool.adapter: pool.site for pool in pools}
        why = images.nowhere(spec.image, sites, self.images)
        if why is not None:
            return why
        able = replace(spec, image="")
        told = [
            pool
            for pool in pools
            if not self.takes(able, pool.adapter)
            and images.runs(spec.image, pool.adapter, self.images)
        ]
        what = sorted({f for pool in told for f in self.refuses[pool.adapter] & brought(spec)})
        where = ", ".join(sorted({pool.site for pool in told}))[:200]
        return Why("compute.brought_nowhere", (("what", ", ".join(what)), ("sites", where)))


def brought(spec: WorkloadSpec) -> set[str]:
    """What a workload brings that not every site takes."""
    said = {"command": spec.command, "folder": spec.folder, "outputs": spec.outputs}
    return {name for name, value in {**said, "secrets": spec.secrets}.items() if value}


UNSEEN = Abilities()
"""Nobody has looked at any site yet."""
