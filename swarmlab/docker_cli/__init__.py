"""The `docker` command line in Python: a client of the Engine API, like the stock one.

Read `command_line` (the table of commands), `flags` (parsing, by `stock_help.txt`), `session` (the
API), `listing` (tables, templates, inspect), then the file of a subject.
"""

from swarmlab.docker_cli.command_line import run

__all__ = ["run"]
