"""A container made by hand: commands that really run here, on Linux, as an ordinary user.

Nothing is simulated: the output of each command and of the kernel is shown as it is. Where this
machine allows no namespaces, a sentence says why, and what would help.
"""

from __future__ import annotations

import atexit
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from swarmlab.cluster.calls import checked
from swarmlab.strings import _
from swarmlab.views.html import Callout, big

TIMEOUT_S, TIMED_OUT = 10, 124
UNSHARE = ["unshare", "--user", "--map-root-user"]


@dataclass(frozen=True, slots=True)
class TerminalOutput:
    """Commands and their output, as in a terminal.

    `by_hand("uname -r")` shows it. Lesson: 01_vm_vs_container.
    """

    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        text = escape(repr(self))
        style = "font-size:1em;white-space:pre-wrap;word-break:normal"
        return big(f"<pre style='{style}'>{text}</pre>")


@cache
def obstacle() -> str:
    """Why no container can be made by hand on this machine; empty when one can."""
    system = platform.system()
    if system != "Linux":
        line = _(
            "This machine runs {system}. Namespaces are part of the Linux kernel, so here even "
            "Docker runs its containers in a small Linux VM. The text says what Linux prints."
        )
        return line.format(system={"Darwin": "macOS"}.get(system, system))
    for program, package in (("unshare", "util-linux"), ("busybox", "busybox-static")):
        if shutil.which(program) is None:
            line = _(
                "The program `{program}` is missing. On Debian or Ubuntu: apt install {package}"
            )
            return line.format(program=program, package=package)
    trial = subprocess.run(
        [*UNSHARE, "true"], capture_output=True, text=True, encoding="utf-8", timeout=TIMEOUT_S
    )
    if trial.returncode:
        line = _(
            "Ordinary users cannot create namespaces on this machine; it says: {words}. (That's "
            "usual in a container, and on Ubuntu 24.04; an administrator can allow it.)"
        )
        return line.format(words=trial.stderr.strip())
    return ""


@checked
def by_hand(*commands: str, folder: Path | None = None) -> TerminalOutput | Callout:
    """Run each command in a shell here, in `folder`, and show it with its output:
    `by_hand("id")`.

    Lesson: 01_vm_vs_container.
    """
    if reason := obstacle():
        return Callout(_("Not on this machine"), (reason,))
    lines: list[str] = []
    for command in commands:
        lines += [f"$ {command}", _output(command, folder)]
    return TerminalOutput(tuple(line for line in lines if line))


def _output(command: str, folder: Path | None) -> str:
    done = subprocess.run(
        ["timeout", str(TIMEOUT_S), "sh", "-c", command],  # `timeout` ends the children too
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    late = _("(still running after {seconds} s: stopped)", seconds=TIMEOUT_S)
    return done.stdout.rstrip() + (late if done.returncode == TIMED_OUT else "")


@checked
def root_directory() -> Path:
    """A new folder with busybox and nothing else, all that a container's root needs; it is removed
    when Python ends: `by_hand("ls bin", folder=root_directory())`. Lesson: 01_vm_vs_container.
    """
    root = Path(tempfile.mkdtemp(prefix="by-hand-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for name in ("bin", "proc"):
        (root / name).mkdir()
    busybox = shutil.which("busybox")
    if busybox:
        shutil.copy(busybox, root / "bin" / "busybox")
        for name in ("sh", "ls", "ps", "hostname", "mount", "id", "cat"):
            (root / "bin" / name).symlink_to("busybox")
    return root
