"""Say what is missing before anything is set up; runs on any Python 3 with nothing installed."""

import sys

WANTED = (3, 11)


def main():
    """Exit with one sentence and one command when this Python cannot make an environment."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < WANTED:
        sys.exit(
            "Yunhe needs Python 3.11 or newer; %s is %s. 需要 Python 3.11 或更新版本。\n"
            "Name another one:  make demo PYTHON=python3.12" % (sys.executable, found)
        )
    try:
        import ensurepip  # noqa: F401, PLC0415
        import venv  # noqa: F401, PLC0415
    except ImportError:
        version = "%d.%d" % sys.version_info[:2]
        sys.exit(
            "This Python has no venv module. 此 Python 缺少 venv 模块。\n"
            "Add it with one command:  sudo apt-get install -y python%s-venv" % version
        )


if __name__ == "__main__":
    main()
