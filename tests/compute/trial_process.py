"""`yunhe` that can also run the trial program: ``trial_process.py ARGUMENTS``."""

from __future__ import annotations

import sys

from yunhe import app
from yunhe.cli.main import main
from yunhe.compute.providers.conformance import TRIAL, TRIAL_ENTRY_POINT

_programs = app.programs


def programs():
    return {**_programs(), TRIAL: TRIAL_ENTRY_POINT}


if __name__ == "__main__":
    app.programs = programs
    main(sys.argv[1:])
