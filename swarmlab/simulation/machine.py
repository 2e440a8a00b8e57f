"""Machines that run one program, crash, stop and start; and remote calls between them.

Each start creates a new program, with the machine as its only argument; it restores its state from
the machine's disk. When a program ends, its timers and calls are discarded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from swarmlab.errors import DeadlineExceeded, SwarmError
from swarmlab.simulation.clock import Simulation, Timer
from swarmlab.simulation.disk import Disk
from swarmlab.simulation.network import Network
from swarmlab.simulation.trace import Record
from swarmlab.units import S


@dataclass(frozen=True, slots=True)
class Crashed(Record):
    pass


@dataclass(frozen=True, slots=True)
class Stopped(Record):
    pass


@dataclass(frozen=True, slots=True)
class Started(Record):
    pass


class Call:
    """The result of a request, available later: a value or an error."""

    __slots__ = ("_then", "done", "error", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: SwarmError | None = None
        self._then: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    @classmethod
    def of(cls, function: Callable[..., Any], *args: Any) -> Call:
        """The call that `function` returns; else a done one, with its value or its SwarmError."""
        try:
            result = function(*args)
        except SwarmError as error:
            return cls().fail(error)
        return result if isinstance(result, Call) else cls().resolve(result)

    @property
    def waiting(self) -> bool:
        return not self.done

    def resolve(self, value: Any = None) -> Call:
        """Set the value; only the first result counts, later ones are ignored."""
        if not self.done:
            self.done, self.value = True, value
            self._notify()
        return self

    def fail(self, error: SwarmError) -> Call:
        """Set the error, as `resolve` sets the value."""
        if not self.done:
            self.done, self.error = True, error
            self._notify()
        return self

    def follow(self, other: Call) -> None:
        """Take the result of `other`, which is done."""
        if other.error is not None:
            self.fail(other.error)
        else:
            self.resolve(other.value)

    def then(self, callback: Callable[..., object], *args: Any) -> Call:
        """Call `callback(self, *args)` when this is done; at once if it is already."""
        if self.done:
            callback(self, *args)
        else:
            self._then.append((callback, args))
        return self

    def _notify(self) -> None:
        callbacks, self._then = self._then, []
        for callback, args in callbacks:
            callback(self, *args)

    def result(self) -> Any:
        """The value, or the error raised; the call must be done."""
        assert self.done
        if self.error is not None:
            raise self.error
        return self.value


class Program(Protocol):
    """The program that a machine runs."""

    def receive(self, source: str, message: Any) -> None:
        """A one-way message from machine `source`."""

    def serve(self, source: str, body: Any) -> Any:
        """Handle a call: return a value or a `Call`, or raise a SwarmError."""

    def shutdown(self) -> None:
        """Prepare for an orderly stop of the machine."""


@dataclass(frozen=True, slots=True)
class _Request:
    number: int
    body: Any
    quiet: bool


@dataclass(frozen=True, slots=True)
class _Reply:
    number: int
    value: Any
    error: SwarmError | None


class Machine:
    """One computer: a name, an IP address, a disk, and the program that runs while it is up."""

    def __init__(
        self, network: Network, name: str, address: str, program: Callable[[Machine], Program]
    ) -> None:
        assert name not in network.machines
        network.machines[name] = self
        network.addresses.setdefault(address, self)
        self.network = network
        self.name = name
        self.address = address
        self.disk = Disk()
        self.process: Program | None = None  # None while the machine is down
        # The certificate chain it presents, and the roots it trusts, PEM.
        self.presents = self.trusts = ""
        self.incarnation = 0  # counts starts and ends
        self._program = program
        self._calls: dict[int, Call] = {}
        self._call_number = 0

    @property
    def simulation(self) -> Simulation:
        return self.network.simulation

    @property
    def up(self) -> bool:
        return self.process is not None

    def __repr__(self) -> str:
        return f"<Machine {self.name} {self.address} {'up' if self.up else 'down'}>"

    # -- start and stop --------------------------------------------------------
    def start(self) -> None:
        """Power on: start a new program from the disk; does nothing if one runs."""
        if self.process is None:
            self.incarnation += 1
            self.record(Started)
            self.network.down.pop(self.name, None)
            self.process = self._contained(self._program, self)
            self.network.changed()

    def crash(self) -> None:
        """A power failure, now."""
        if self.process is not None:
            self._end()
            self.disk.crash(self.simulation.rng)
            self.record(Crashed)

    def stop(self) -> None:
        """An orderly stop: the program may shut down first."""
        if self.process is not None:
            self._contained(self.process.shutdown)
        if self.process is not None:
            self._end()
            self.record(Stopped)

    def _end(self) -> None:
        self.process = None
        self.presents = self.trusts = ""
        self.incarnation += 1
        self._calls.clear()
        self.simulation.discard(self._due)
        self.network.down[self.name] = None
        self.network.changed()

    def _contained(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function`; an exception ends the program, as one that panics, and None is returned.

        What it has written stays, synced or not.
        """
        try:
            return function(*args)
        except Exception as error:
            self._end()
            self.simulation.contain(error, self.name)
            self.record(Crashed)

    def record(self, kind: type[Record], *values: Any) -> None:
        """Add a record of this machine to the trace."""
        self.simulation.trace.add(kind(self.simulation.now_ns, self.name, *values))

    # -- time ------------------------------------------------------------------
    def after(self, delay_ns: int, callback: Callable[..., object], *args: Any) -> Timer:
        """As `Simulation.after`, but discarded when this machine crashes or stops first."""
        return self.simulation.after(delay_ns, self._due, self.incarnation, callback, args)

    def _due(
        self, incarnation: int, callback: Callable[..., object], args: tuple[Any, ...]
    ) -> None:
        if incarnation == self.incarnation:
            self._contained(callback, *args)

    # -- messages ----------------------------------------------------------------
    def peer(self, address: str) -> Machine | None:
        """The machine at `address` (`ip` or `ip:port`); a loopback address is this one."""
        return self if address.startswith("127.") else self.network.at(address)

    def send(self, target: str, message: Any) -> None:
        """A one-way message to machine `target`'s program."""
        self.network.send(self.name, target, message)

    def call(self, target: str, body: Any, *, timeout_ns: int = 5 * S, quiet: bool = False) -> Call:
        """Call machine `target`'s program; fails with DeadlineExceeded after the timeout."""
        self._call_number += 1
        call = self._calls[self._call_number] = Call()
        request = _Request(self._call_number, body, quiet)
        self.network.send(self.name, target, request, quiet=quiet)
        self.after(timeout_ns, self._expire, self._call_number)
        return call

    def _expire(self, number: int) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            call.fail(DeadlineExceeded())

    def deliver(self, source: str, message: Any) -> None:
        """Handle a message from the network; a machine that is down drops it."""
        if self.process is not None:
            self._contained(self._handle, self.process, source, message)

    def _handle(self, process: Program, source: str, message: Any) -> None:
        if isinstance(message, _Request):
            result = Call.of(process.serve, source, message.body)
            result.then(self._reply, source, message, self.incarnation)
        elif isinstance(message, _Reply):
            call = self._calls.pop(message.number, None)
            if call is not None:
                call.fail(message.error) if message.error else call.resolve(message.value)
        else:
            process.receive(source, message)

    def _reply(self, result: Call, source: str, request: _Request, incarnation: int) -> None:
        if incarnation == self.incarnation:
            reply = _Reply(request.number, result.value, result.error)
            self.network.send(self.name, source, reply, quiet=request.quiet)
