"""The `docker` command line in Python, a client of the Engine API like the stock one.

Read: `command_line` (run), `flags` (commands and flags, from `stock_help.txt`), `session` (the
API), `listing` (tables, templates, inspect), then a file a subject. `magic` is `%docker`.
"""

from swarmlab.docker_cli.command_line import run

__all__ = ["run"]
