"""Everything but `swarmlab serve` and `ctl` works where Python lacks what Windows lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Takes away what Python has on UNIX alone: from the kit's own modules what can be imported, and
# from everybody what is looked up as an attribute once the libraries are there.
WITHOUT = r"""
import builtins, importlib, os, pkgutil, select, signal, socket, socketserver, sys, threading, time
import IPython.core.interactiveshell, anywidget, click, cryptography, docker, jsonschema
import matplotlib, nbclient, nbconvert, requests, werkzeug.serving, yaml

original, pair = builtins.__import__, socket.socketpair
ABSENT = {"fcntl", "grp", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}

def import_as_on_windows(name, globals=None, *rest, **options):
    importer = (globals or {}).get("__name__", "")
    if importer.partition(".")[0] == "swarmlab" and name in ABSENT:
        raise ModuleNotFoundError(f"No module named {name!r}: {importer} needs it")
    return original(name, globals, *rest, **options)

def pair_over_tcp(*_):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _address = listener.accept()
    return ours, theirs

builtins.__import__ = import_as_on_windows
socket.socketpair = pair_over_tcp
for module, names in {
    socket: "AF_UNIX SCM_RIGHTS send_fds recv_fds",
    socketserver: "UnixStreamServer ThreadingUnixStreamServer ForkingMixIn",
    os: "geteuid getuid getegid getgid getgroups setsid killpg fork chown lchown fchown fchmod"
        " O_NOFOLLOW O_DIRECTORY O_CLOEXEC O_NONBLOCK mkfifo sysconf getloadavg uname"
        " register_at_fork sched_getaffinity",
    select: "poll epoll",
    signal: "pthread_sigmask pthread_kill sigwait SIGUSR1 SIGUSR2 SIGHUP SIGKILL SIGALRM SIGQUIT"
            " alarm setitimer siginterrupt",
    time: "tzset",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
shell = IPython.core.interactiveshell.InteractiveShell.instance()
import swarmlab
"""
IMPORTS = """
for found in pkgutil.walk_packages(swarmlab.__path__, "swarmlab."):
    if not found.name.endswith(("__main__", "jupyterhub_config")):  # what programs run
        importlib.import_module(found.name)
"""
LESSON = """
import io
from swarmlab.jupyter.magic import run_commands

shell.run_cell("import swarmlab; cluster = swarmlab.simulate(managers=3, workers=2, seed=1)")
cluster = shell.user_ns["cluster"]
shell.run_line_magic("docker", "service create --quiet --name web --replicas 3 nginx")
cluster.run("20s")
out = io.StringIO()
run_commands("node ls", out, out)
run_commands("service ls", out, out)
assert "3/3" in out.getvalue() and "Leader" in out.getvalue(), out.getvalue()

cluster.crash("m1")
cluster.run("30s")
client = cluster.client("w1")
container = client.containers.run("alpine", ["sh", "-c", "echo one; sleep 2"], detach=True)
assert container.exec_run(["sh", "-c", "echo hello"]).output == b"hello\\n"
assert [*container.logs(stream=True, follow=True)] == [b"one\\n"]
assert "m1" in cluster.board().text
cluster.board()._repr_mimebundle_()
cluster.save("run.json")
again = swarmlab.load("run.json")
assert again.trace.digest() == cluster.trace.digest()
"""
NO_SOCKETS = """
from swarmlab.cli.command_line import main

for words in (["serve"], ["ctl", "status"]):
    assert main(words) == 1
os.environ.pop("DOCKER_HOST", None)
assert main(["docker", "--version"]) == 0
"""
REMOVAL = """
from swarmlab.real import engines
assert engines.owner().startswith("ana@")
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a new process, without what Windows lacks."""
    return subprocess.run(
        [sys.executable, "-W", "error::EncodingWarning", "-c", WITHOUT + program],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        timeout=120,
        check=False,
        env={**os.environ, "LOGNAME": "ana", "PYTHONPATH": str(Path(__file__).parents[1])},
    )


def test_all_else_works_without_unix(tmp_path):
    """In one process, since it takes its time to start."""
    done = run(IMPORTS + LESSON + REMOVAL + NO_SOCKETS, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all("this system has no UNIX sockets; use the notebooks" in line for line in lines)
