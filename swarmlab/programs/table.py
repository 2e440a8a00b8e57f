"""The programs by name, each with its options as for getopt."""

from __future__ import annotations

from functools import partial

from swarmlab.programs import clients, files, system, text
from swarmlab.programs.clients import Check
from swarmlab.programs.interface import Applet
from swarmlab.programs.text import print_text, run_filter, run_lines

# Entry points that only execute their arguments.
WRAPPERS = ("docker-entrypoint.sh", "entrypoint.sh", "tini", "dumb-init", "--")
CHECKS = {
    "pg_isready": Check(5432, "localhost:5432 - accepting connections", status=2),
    "mysqladmin": Check(3306, "mysqld is alive"), "healthcheck.sh": Check(3306, "ok"),
    "mongosh": Check(27017, "{ ok: 1 }"), "rabbitmq-diagnostics": Check(5672, "Ping succeeded"),
}  # fmt: skip
CURL_LONG = {"fail": "f", "silent": "s", "show-error": "S", "location": "L", "output": "o",
             "head": "I", "write-out": "w", "max-time": "m", "insecure": "k"}  # fmt: skip
WGET_LONG = {"quiet": "q", "output-document": "O", "timeout": "T", "tries": "t", "spider": "spider",
             "no-verbose": "n", "no-check-certificate": "n"}  # fmt: skip
# Programs that only print a text, with fields of the process {0}, and their status.
FIXED_OUTPUT = {
    "true": ("", 0), ":": ("", 0), "false": ("", 1), "hello": ("\nHello from Docker!\n\n", 0),
    "uname": ("Linux\n", 0), "pwd": ("{0.directory}\n", 0), "nproc": ("2\n", 0),
    "hostname": ("{0.container.hostname}\n", 0),
}  # fmt: skip
PROGRAMS = {
    "cat": Applet(files.cat), "node": Applet(files.cat, None),
    "python3": Applet(files.cat, None), "ls": Applet(files.ls, "1aAdlRh"),
    "find": Applet(files.find, None), "df": Applet(files.df, "h"),
    "mount": Applet(files.mount), "touch": Applet(files.touch),
    "mkdir": Applet(files.mkdir, "pm:"), "rm": Applet(files.rm, "rRf"),
    "rmdir": Applet(files.rmdir), "chmod": Applet(files.chmod, None),
    "cp": Applet(partial(files.copy, "stat"), "rRap"), "tee": Applet(files.tee, "a"),
    "mv": Applet(partial(files.copy, "rename"), "f"),
    "ln": Applet(partial(files.copy, "link"), "sf"),
    "echo": Applet(text.echo, None), "printf": Applet(text.printf, None),
    "head": Applet(partial(run_lines, text.head, 0), "n:"), "tail": Applet(text.tail, "n:fF"),
    "sort": Applet(partial(run_lines, text.sort, 0), "nrut:k:"),
    "uniq": Applet(partial(run_lines, text.uniq, 0), "cd"),
    "cut": Applet(partial(run_lines, text.cut, 0), "d:f:c:"),
    "sed": Applet(partial(run_lines, text.sed, 1), "nrE"),
    "awk": Applet(partial(run_lines, text.awk, 1), "F:"),
    "tr": Applet(partial(run_filter, text.tr, 2), "d"),
    "base64": Applet(partial(run_filter, text.base64, 0), "d"),
    "grep": Applet(text.grep, "inrvclqE"), "wc": Applet(text.wc, "lwc"),
    "seq": Applet(text.seq, None), "xargs": Applet(text.xargs, "+n:I:"),
    "sleep": Applet(system.sleep), "top": Applet(system.block, None),
    "test": Applet(system.test, None), "[": Applet(system.test, None),
    "[[": Applet(system.test, None), "env": Applet(system.env), "printenv": Applet(system.env),
    "date": Applet(system.date, "u"), "id": Applet(system.id_, "ugGn"),
    "whoami": Applet(system.whoami), "ps": Applet(system.ps, None),
    "kill": Applet(system.kill, None),
    "curl": Applet(partial(clients.fetch, clients.curl), "fsSILko:w:m:", CURL_LONG),
    "wget": Applet(partial(clients.fetch, clients.wget), "qO:T:St:n", WGET_LONG),
    "httpd": Applet(clients.httpd, "fp:h:"), "nc": Applet(clients.nc, "zvlp:w:"),
    "nslookup": Applet(clients.nslookup), "dig": Applet(clients.dig, None),
    "ip": Applet(clients.ip), "ping": Applet(clients.ping, "c:W:w:"),
    "redis-cli": Applet(clients.redis_cli, "+h:p:"),
    **{name: Applet(partial(clients.is_ready, check), None) for name, check in CHECKS.items()},
    **{name: Applet(partial(print_text, *out), None) for name, out in FIXED_OUTPUT.items()},
}  # fmt: skip
