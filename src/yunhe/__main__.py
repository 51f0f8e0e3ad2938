"""`python -m yunhe` is the `yunhe` command."""

from yunhe.cli.main import main

if __name__ == "__main__":
    main()
