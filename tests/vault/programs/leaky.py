"""A workload that is careless with its secrets in every usual way, then fails."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_bytes())
token = os.environ["TOKEN"]
print("environment:", dict(os.environ))  # noqa: T201
print(json.dumps({"done": 1, "total": 2, "what": f"signing in with {token}"}))  # noqa: T201
print("https://user:" + urllib.parse.quote(token) + "@host/")  # noqa: T201
print("Authorization: Basic", base64.b64encode(f"user:{token}".encode()).decode())  # noqa: T201
subprocess.run(["sh", "-c", 'echo "from a child: $TOKEN"; sleep 0.2'], check=True)
Path(os.environ["TMPDIR"], "scribbled").write_text(token)
time.sleep(0.2)
raise ConnectionError(f"refused {token!r} for {os.environ['DSN']}")
