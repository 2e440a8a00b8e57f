"""The `swarmlab` command: lab, serve, ctl, docker, pages, compare, clean, bench."""

from swarmlab.cli.command_line import main

__all__ = ["main"]
