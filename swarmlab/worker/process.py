"""A process in a container: a shell script or a program, its signals, its end and its jobs.

As on Linux, process 1 of a container ignores a signal that it has no handler for; a shell runs a
trap after its foreground command.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmlab.programs.file_system import FileError
from swarmlab.programs.shell.interpreter import FORK_ERROR, Interpreter
from swarmlab.programs.shell.parser import Node, ScriptError
from swarmlab.simulation import MS
from swarmlab.worker.container_checks import SIGNALS

# By default these do not end a process.
HARMLESS = ("WINCH", "CHLD", "URG", "TSTP", "TTIN", "TTOU")
# A server exits with 0 so long after one of these; it ignores all others.
SERVER_STOPS = ("TERM", "INT", "QUIT", "WINCH", "USR1")
STOP_NS_MIN, STOP_NS_MAX = 100 * MS, 300 * MS
JOBS_MAX = 30  # of a process and all that it starts


@dataclass(eq=False, repr=False)
class Job:
    """A command in the background, as the shell that started it sees it."""

    parent: Process
    code: int | None = None  # None until it exits

    def on_output(self, stream: int, data: bytes) -> None:
        self.parent.owner.on_output(stream, data)

    def on_exit(self, code: int) -> None:
        self.code = code
        self.parent.wake_waiting()


@dataclass(eq=False, repr=False)
class Process(Interpreter):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.jobs: dict[int, tuple[Job, Process]] = {}  # by process id
        self.pending: list[str] = []  # signals that came while it was frozen

    def job_codes(self) -> dict[int, int | None]:
        return {pid: job.code for pid, (job, _) in self.jobs.items()}

    def wake_waiting(self) -> None:
        """A job has ended, or a trap is due: `wait` looks again."""
        if self.waiting:
            self.blocked = self.waiting = False
            self.run()

    # -- input ---------------------------------------------------------------------
    def wait_at(self, node: Node) -> None:
        self.todo.append(node)
        self.reading = self.blocked = True

    def input_came(self) -> None:
        """The client has sent more, or has ended the input."""
        if self.reading:
            self.reading = self.blocked = False
            if not self.frozen:
                self.run()

    def interrupt(self) -> None:
        """Ctrl-C: a shell with a prompt goes back to it; any other process gets the signal."""
        if not any(node[0] in ("prompt", "script") for node in self.todo):
            self.signal("INT")
            return
        if self.timer:
            self.timer.cancel()
        self.unwind("prompt", "script")
        self.todo[-1], self.timer, self.status = ("prompt", ""), None, 130
        self.reading = self.blocked = self.waiting = self.serving = False
        self.captured.clear()
        self.streams = self.scope_streams
        self.write(2, "\n")
        if not self.frozen:
            self.run()

    def freeze(self) -> None:
        """Execute nothing until `thaw`: in a paused container, or after the signal STOP."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen, pending, self.pending = False, self.pending, []
        for name in pending:
            self.signal(name)
        self.run()

    def end(self, code: int) -> None:
        if self.timer:
            self.timer.cancel()
        if not self.ended:
            self.ended, self.timer = True, None
            for _, process in self.jobs.values() if not isinstance(self.owner, Job) else ():
                process.signal("KILL")
            self.owner.on_exit(code)

    def signal(self, name: str) -> None:
        """Deliver TERM, KILL, …; only KILL always ends the process."""
        if self.ended:
            return
        if name == "KILL":
            self.end(128 + SIGNALS[name])
        elif name == "STOP":
            self.freeze()
        elif name == "CONT":
            self.thaw()
        elif self.frozen:
            self.pending.append(name)
        elif self.serving:
            if name in SERVER_STOPS and self.timer is None:
                machine = self.container.machine
                delay_ns = machine.simulation.rng.randint(STOP_NS_MIN, STOP_NS_MAX)
                self.timer = machine.after(delay_ns, self.end, 0)
        elif name in self.traps:
            self.todo.append(self.traps[name])
            self.wake_waiting()
        elif not self.first and name not in HARMLESS:
            self.end(128 + SIGNALS[name])

    def kill(self, pid: int, signal: str) -> None:
        """Raises FileError if there is no such process."""
        process = self.jobs[pid][1] if pid in self.jobs else self.container.process
        if process is None or process.ended or (pid != 1 and pid not in self.jobs):
            raise FileError("No such process")
        if (pid, signal) != (1, "STOP"):  # process 1 is immune to its own container
            process.signal(signal)

    def start_job(self, body: Node) -> None:
        if len(self.jobs) >= JOBS_MAX:
            raise ScriptError(FORK_ERROR)
        job, pid = Job(self), 7 + len(self.jobs)
        child = Process(self.container, job, self.argv, {}, uid=self.uid, gid=self.gid)
        child.todo, child.variables = [body], self.variables.copy()
        child.directory, child.scope_streams = self.directory, self.scope_streams
        child.captured, child.jobs = self.captured[-1:], self.jobs
        self.jobs[pid], self.status = (job, child), 0
        self.variables.special["!"] = str(pid)
        self.container.machine.after(0, child.run)
