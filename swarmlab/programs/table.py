"""The programs by name."""

from __future__ import annotations

from functools import partial

from swarmlab.programs.clients import fetch
from swarmlab.programs.files import cat, ls, rm, touch
from swarmlab.programs.interface import Command
from swarmlab.programs.system import block, date, env, id_, sleep, test
from swarmlab.programs.text import echo, grep, print_text, printf, wc

# Programs that only print a text, with fields of the process {0}, and their status.
FIXED_OUTPUT: dict[str, tuple[str, int]] = {
    "true": ("", 0), ":": ("", 0), "false": ("", 1), "mkdir": ("", 0), "chmod": ("", 0),
    "nc": ("", 0), "redis-cli": ("PONG\n", 0),
    "pg_isready": ("accepting connections\n", 0), "hello": ("\nHello from Docker!\n\n", 0),
    "ps": ("PID   USER     COMMAND\n    1 root\n", 0), "uname": ("Linux\n", 0),
    "pwd": ("{0.directory}\n", 0), "hostname": ("{0.container.hostname}\n", 0),
}  # fmt: skip
PROGRAMS: dict[str, Command] = {
    "sleep": sleep, "echo": echo, "printf": printf, "cat": cat, "node": cat, "python3": cat,
    "test": test, "[": test, "env": env, "printenv": env, "date": date, "ls": ls, "id": id_,
    "curl": partial(fetch, 7), "wget": partial(fetch, 1),
    "touch": touch, "rm": rm, "grep": grep, "wc": wc, "top": block, "tail": block,
    **{name: partial(print_text, *output) for name, output in FIXED_OUTPUT.items()},
}  # fmt: skip
