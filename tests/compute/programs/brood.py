"""Leaves a child behind that holds its output streams, and ends the way it is told."""

import json
import os
import signal
import sys
import time
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_bytes())
ending = job["arguments"]["ending"]
child = os.fork()
if child == 0:
    os.setsid()  # out of reach of a signal to the program's process group
    time.sleep(3_600)
    os._exit(0)
(Path(job["outputs"]) / "child").write_text(str(child))
sys.stdout.write(json.dumps({"done": child, "what": "child"}) + "\n")
sys.stdout.flush()
if ending == "signal":
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
elif ending == "quiet":
    os.close(1)
    os.close(2)
    time.sleep(1)
elif ending == "flood":
    number = 0
    while True:
        number += 1
        with (Path(job["outputs"]) / "flood").open("ab") as out:
            out.write(b"x" * 65_536)
        time.sleep(0.001)
elif ending == "hide":
    (Path(job["outputs"]) / "folder").mkdir()
    time.sleep(3_600)
