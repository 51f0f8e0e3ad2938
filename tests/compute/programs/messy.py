"""Leaves whatever its argument says where outputs should be."""

import json
import os
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_bytes())
outputs, leave = Path(job["outputs"]), job["arguments"]["leave"]
if leave == "folder":
    (outputs / "folder").mkdir()
elif leave == "pipe":
    os.mkfifo(outputs / "pipe")
elif leave == "abyss":
    os.chdir(outputs)
    for _ in range(1_500):
        Path("deeper").mkdir()
        os.chdir("deeper")
elif leave == "closed":
    (outputs / "closed").write_text("x")
    (outputs / "closed").chmod(0)
    outputs.chmod(0)
elif leave == "hidden":
    (outputs / ".hidden").write_text("x")
elif leave == "chinese":
    (outputs / "模型").write_text("x")
elif leave == "many":
    for number in range(101):
        (outputs / f"file{number}").write_text("x")
elif leave == "large":
    for number in range(3):
        (outputs / f"part{number}").write_bytes(b"x" * 600_000)
elif leave == "largest":
    (outputs / "one").write_bytes(b"x" * 2_000_000)
