"""The program of a development session: it waits until it is closed, and does nothing meanwhile.

Commands are run beside it; what they leave in the outputs comes back when it ends. Standard library
only: it also runs at distant sites, with whatever Python they have.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Wait for the word to end; at the wall limit it is killed like any work."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    print("ready", flush=True)  # noqa: T201 - it is a program
    signal.sigwait([signal.SIGTERM])
    return 0


if __name__ == "__main__":
    sys.exit(main())
