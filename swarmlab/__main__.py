"""`swarmlab`, or `python -m swarmlab`: the command, once Python has read it."""

import signal
import sys


def main() -> int:
    """Run the command; its exit code. Ctrl+C while Python still imports ends it without a word."""
    was = signal.getsignal(signal.SIGINT)
    if was is signal.default_int_handler:  # a background process of a shell ignores it
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from swarmlab.cli import command_line

    signal.signal(signal.SIGINT, was)
    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
