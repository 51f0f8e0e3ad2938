"""Prints what it is told to, then waits for the end or goes on as told."""

import json
import os
import signal
import sys
import time
from pathlib import Path

job = json.loads(Path(sys.argv[1]).read_text())
arguments = job["arguments"]
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
for said in arguments.get("say", []):
    os.write(1, said.encode() + b"\n")
if "secret" in arguments:
    value = os.environ[arguments["secret"]]
    for letter in f"<{value}>":
        sys.stdout.write(letter)
        sys.stdout.flush()
        time.sleep(0.01)
if "yes" in arguments:
    line = b"yes\n" * 16_384
    for _ in range(arguments["yes"] // len(line)):
        os.write(1, line)
if "garbage" in arguments:
    os.write(1, bytes(range(256)) * arguments["garbage"])
if arguments.get("wait", True):
    signal.sigwait([signal.SIGTERM])
