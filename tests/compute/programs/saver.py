"""Counts on from what it saved; told to end, it saves how far it is. Ends at its first count.

Arguments of the job: ``until``, and ``deaf`` for one that does not hear that it should end.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

said = json.loads(Path(sys.argv[1]).read_bytes())
saved = Path(os.environ["YUNHE_CHECKPOINT"]) / "deep" / "count"
count = int(saved.read_text()) if saved.exists() else 0


def save(*_: object) -> None:
    saved.parent.mkdir(exist_ok=True)
    saved.write_text(str(count + 1))
    sys.exit(0)


signal.signal(signal.SIGTERM, signal.SIG_IGN if said["arguments"].get("deaf") else save)
sys.stdout.write(json.dumps({"done": count, "what": "begun"}) + "\n")
sys.stdout.flush()
while count < said["arguments"]["until"]:
    time.sleep(0.05)
(Path(said["outputs"]) / "count").write_text(str(count))
