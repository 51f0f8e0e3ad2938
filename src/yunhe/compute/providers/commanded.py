"""The program that runs a workload's own command: goes to its folder and becomes it.

Started like any program, with the path of a job file; standard library only, from Python 3.8 on, as
it also runs at distant sites. The command finds its inputs and outputs in ``YUNHE_INPUTS`` and
``YUNHE_OUTPUTS`` (folders) and the job file in ``YUNHE_JOB``; the interpreter that runs this is
first on its ``PATH``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

EXIT_NOT_FOUND = 127
"""There is no such command, as shells say it."""
EXIT_NOT_RUN = 126
"""It is there and cannot be run."""


def main(job_file: str) -> int:
    """Become the command; returns the exit status only when that cannot be."""
    job = json.loads(Path(job_file).read_text("utf-8"))
    command = job["command"]
    os.chdir(job["folder"])
    environment = dict(os.environ)
    folders = [str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]
    environment["PATH"] = ":".join(folders)
    environment["YUNHE_JOB"] = job_file
    environment["YUNHE_INPUTS"] = str(Path(job_file).parent / "inputs")
    environment["YUNHE_OUTPUTS"] = job["outputs"]
    os.environ["PATH"] = environment["PATH"]  # where the command itself is looked for
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - running it is the task
    except FileNotFoundError:
        sys.stderr.write(f"{command[0]}: command not found\n")
        return EXIT_NOT_FOUND
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{command[0]}: {error}\n")
        return EXIT_NOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
