"""`python -m swarmlab` is the `swarmlab` command."""

import sys

from swarmlab.cli.command_line import main

if __name__ == "__main__":
    sys.exit(main())
