"""`python -m igan_lib.exercises --selftest`: is this computer ready for the class?"""

import sys

from igan_lib.exercises.selftest import run

USAGE = "usage: python -m igan_lib.exercises --selftest"


def main(arguments: list[str]) -> int:
    """Run the self-test; exit codes: 0 ready, 1 not ready, 2 wrong usage."""
    if arguments != ["--selftest"]:
        print(USAGE, file=sys.stderr if arguments else sys.stdout)
        return 2
    return run()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
