"""A machine whose accelerators are device files that lead to /dev/null, under a root of its own."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from yunhe.compute.providers.exposing import Accelerators

NULL = os.makedev(1, 3)
UUIDS = tuple(f"GPU-0000000{n}-1111-2222-3333-444444444444" for n in range(4))
NVIDIA_SHARED = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
HUAWEI_SHARED = ("davinci_manager", "devmm_svm", "hisi_hdc")


class Machine:
    """Its devices are there once `nvidia`, `huawei` or `others` put them there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.said: dict[str, str] = {}
        (root / "dev").mkdir(parents=True)

    def ask(self, command: tuple[str, ...]) -> str:
        """What the maker's command prints."""
        return self.said.get(command[0], "")

    def accelerators(self, work_root: Path, **given) -> Accelerators:
        """As a provider is given them."""
        return Accelerators(work_root, root=self.root, ask=self.ask, **given)

    def node(self, name: str) -> None:
        """One device file; skips the test where nobody may make one."""
        path = self.root / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, NULL)
        except PermissionError:
            pytest.skip("making device files needs root and a file system that allows it")
        path.chmod(0o666)

    def nvidia(self, count: int = 4, *, name: str = "NVIDIA H200") -> Machine:
        """Cards whose numbers in /dev run against their order with the maker's command."""
        for at in range(count):
            self.node(f"nvidia{at}")
            folder = self.root / "proc/driver/nvidia/gpus" / f"0000:{at:02x}:00.0"
            folder.mkdir(parents=True)
            (folder / "information").write_text(
                f"Model: \t\t {name}\nGPU UUID: \t {UUIDS[at]}\nDevice Minor: \t {count - 1 - at}\n"
            )
        for each in NVIDIA_SHARED:
            self.node(each)
        rows = (f"{at}, {UUIDS[at]}, {name}\n" for at in range(count))
        self.said["nvidia-smi"] = "".join(rows)
        return self

    def huawei(self, count: int = 2) -> Machine:
        """Cards of one chip each."""
        for at in range(count):
            self.node(f"davinci{at}")
        for each in HUAWEI_SHARED:
            self.node(each)
        self.said["npu-smi"] = "".join(
            f"| {at}     910B3 | OK | 91.9 39 0 / 0 |\n| 0 | 0000:C{at}:00.0 | 0 0 / 0 |\n"
            for at in range(count)
        )
        return self

    def others(self, *names: str) -> Machine:
        """Device files, and no command that tells what they are."""
        for name in names:
            self.node(name)
        return self
