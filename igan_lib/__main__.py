"""`python -m igan_lib`: see igan_lib.cli."""

from igan_lib.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
