"""Says what it finds in the folder that an environment variable names, and whether it may write."""

import json
import os
import sys
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
where = os.environ.get("CACHE_FOLDER")
found = {"where": where, "there": [], "written": False}
if where is not None:
    found["there"] = sorted(path.name for path in Path(where).iterdir())
    try:
        (Path(where) / "new").write_text("new")
        found["written"] = True
    except OSError:
        found["written"] = False
(Path(job["outputs"]) / "found.json").write_text(json.dumps(found))
