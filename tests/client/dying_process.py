"""`yunhe` that is killed between a commit and its answer: ``dying_process.py ARGUMENTS``.

While the file named by DIE_ON lies there, the next thing created kills the process at once, the
file with it.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from starlette.responses import Response

from yunhe.api.call import Call
from yunhe.api.idempotency import Answer
from yunhe.cli.main import main

MARK = Path(os.environ["DIE_ON"])
answer = Call.answer


def dying(made: Answer) -> Response:
    if MARK.exists():
        MARK.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return answer(made)


if __name__ == "__main__":
    Call.answer = staticmethod(dying)
    main(sys.argv[1:])
