"""The simulation: clock, random numbers, network, disks, machines and trace."""

import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from swarmlab.cluster.copies import copy_of
from swarmlab.errors import DeadlineExceeded, NotFound
from swarmlab.simulation import (
    MS,
    Call,
    Crashed,
    Disk,
    Dropped,
    Link,
    Machine,
    Network,
    Record,
    S,
    Simulation,
    Started,
    Stopped,
    Trace,
)
from swarmlab.simulation.network import CONTROL_PORT, GOSSIP_PORT


class Recorder:
    """Records words and the time; its methods are the callbacks of these tests."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.lines: list[tuple[int, Any]] = []

    def note(self, word: Any) -> None:
        self.lines.append((self.simulation.now_ns, word))

    def note_every_second(self, word: Any) -> None:
        self.note((word, self.simulation.rng.random()))
        self.simulation.after(S, self.note_every_second, word)

    @property
    def words(self) -> list[Any]:
        return [word for _, word in self.lines]


class InterruptedRecorder(Recorder):
    """Is interrupted during a callback, as by Ctrl+C or a notebook's stop button."""

    def note_every_second(self, word: Any) -> None:
        if self.simulation.now_ns == 3 * S:
            signal.raise_signal(signal.SIGINT)
        super().note_every_second(word)


RUNS = {
    "run_until": lambda simulation: simulation.run_until(9 * S),
    "run_while": lambda simulation: simulation.run_while(lambda: True, 9 * S),
}


@pytest.mark.parametrize("method", RUNS)
def test_an_interrupt_is_raised_after_the_current_event_and_the_run_can_continue(method):
    """An interrupted callback would not schedule itself again."""
    lines = []
    for kind in (Recorder, InterruptedRecorder):
        simulation = Simulation(seed=7)
        recorder = kind(simulation)
        simulation.at(S, recorder.note_every_second, "beat")
        simulation.at(3 * S, recorder.note, "at the same time")
        if kind is InterruptedRecorder:
            with pytest.raises(KeyboardInterrupt):
                RUNS[method](simulation)
            assert simulation.now_ns == 3 * S
            assert [at_ns for at_ns, _ in recorder.lines][-2:] == [3 * S, 3 * S]
        simulation.run_until(9 * S)
        lines.append(recorder.lines)
    assert lines[0] == lines[1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_simulation_runs_in_another_thread_where_python_raises_no_interrupt():
    simulation = Simulation()
    thread = threading.Thread(target=simulation.run_until, args=(S,))
    thread.start()
    thread.join()
    assert simulation.now_ns == S


class Echo:
    """A program that records every message and replies to a call as its body says."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.received: list[tuple[str, Any, int]] = []
        self.was_shut_down = False

    def receive(self, source: str, message: Any) -> None:
        self.received.append((source, message, self.machine.simulation.now_ns))

    def serve(self, source: str, body: Any) -> Any:
        self.receive(source, body)
        if body == "reject":
            raise NotFound("nothing of that name")
        if body == "never":
            self.open_call = Call()
            return self.open_call
        if body == "later":
            call = Call()
            self.machine.after(S, self.reply, call)
            return call
        return f"{self.machine.name} received {body}"

    def reply(self, call: Call) -> None:
        call.resolve("at last")

    def shutdown(self) -> None:
        self.was_shut_down = True
        self.machine.disk.write("log", b"put in order")


@dataclass
class World:
    simulation: Simulation = field(default_factory=lambda: Simulation(seed=7))
    names: tuple[str, ...] = ("a", "b", "c")

    def __post_init__(self) -> None:
        self.network = Network(self.simulation, link=Link(delay_ns=2 * MS, jitter_ns=3 * MS))
        self.recorder = Recorder(self.simulation)
        for number, name in enumerate(self.names):
            Machine(self.network, name, f"10.77.0.{number + 2}", Echo).start()

    def __getitem__(self, name: str) -> Machine:
        return self.network.machines[name]

    def received(self, name: str) -> list[Any]:
        program = self[name].process
        assert isinstance(program, Echo)
        return [message for _, message, _ in program.received]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(Simulation(seed=7))


# -- clock ---------------------------------------------------------------------


def test_events_are_processed_in_order_of_time(recorder):
    for seconds in (3, 1, 2):
        recorder.simulation.at(seconds * S, recorder.note, seconds)
    recorder.simulation.run_until(10 * S)
    assert recorder.lines == [(1 * S, 1), (2 * S, 2), (3 * S, 3)]


def test_events_of_equal_time_are_processed_in_the_order_they_were_scheduled(recorder):
    for word in "zyxabc":
        recorder.simulation.at(5 * S, recorder.note, word)
    recorder.simulation.run_until(5 * S)
    assert recorder.words == list("zyxabc")


def test_a_cancelled_timer_never_fires_and_is_not_the_next_event(recorder):
    kept = recorder.simulation.after(2 * S, recorder.note, "kept")
    recorder.simulation.after(1 * S, recorder.note, "cancelled").cancel()
    assert recorder.simulation.next_ns == kept.when_ns
    recorder.simulation.run_until(3 * S)
    assert recorder.words == ["kept"]
    assert recorder.simulation.next_ns is None


def test_an_event_cannot_be_scheduled_in_the_past(recorder):
    recorder.simulation.run_until(2 * S)
    with pytest.raises(AssertionError, match="is in the past"):
        recorder.simulation.at(1 * S, recorder.note, "too late")


def test_run_until_includes_events_of_its_end_time(recorder):
    recorder.simulation.at(2 * S, recorder.note, "on the dot")
    recorder.simulation.at(2 * S + 1, recorder.note, "after")
    recorder.simulation.run_until(2 * S)
    assert (recorder.words, recorder.simulation.now_ns) == (["on the dot"], 2 * S)


def test_run_until_processes_events_that_callbacks_add(recorder):
    recorder.simulation.after(S, recorder.note_every_second, "tick")
    recorder.simulation.run_until(4 * S)
    assert [at_ns for at_ns, _ in recorder.lines] == [1 * S, 2 * S, 3 * S, 4 * S]


def test_run_until_a_past_time_changes_nothing(recorder):
    recorder.simulation.run_until(5 * S)
    recorder.simulation.run_until(1 * S)
    assert recorder.simulation.now_ns == 5 * S


def test_run_while_stops_as_soon_as_the_condition_is_false(recorder):
    call = Call()
    recorder.simulation.after(2 * S, call.resolve, "here")
    recorder.simulation.after(3 * S, recorder.note, "later")
    assert recorder.simulation.run_while(lambda: call.waiting, 10 * S)
    assert (recorder.simulation.now_ns, recorder.lines) == (2 * S, [])


def test_run_while_stops_at_its_limit_and_later_events_remain(recorder):
    recorder.simulation.after(20 * S, recorder.note, "beyond")
    assert not recorder.simulation.run_while(lambda: not recorder.lines, 10 * S)
    assert (recorder.simulation.now_ns, recorder.lines) == (10 * S, [])
    recorder.simulation.run_until(20 * S)
    assert recorder.words == ["beyond"]


def test_run_while_advances_the_clock_without_events(recorder):
    assert not recorder.simulation.run_while(lambda: True, 10 * S)
    assert recorder.simulation.now_ns == 10 * S


def test_ids_and_random_bytes_depend_on_the_seed():
    first, same, other = Simulation(seed=1), Simulation(seed=1), Simulation(seed=2)
    ids = [first.new_id() for _ in range(100)]
    assert ids == [same.new_id() for _ in range(100)]
    assert ids[0] != other.new_id()
    assert first.random_bytes(32) == same.random_bytes(32)
    assert len(set(ids)) == 100
    assert {len(id_) for id_ in ids} == {25}
    assert all(id_.isalnum() and id_ == id_.lower() for id_ in ids)


# -- network ---------------------------------------------------------------------


def test_a_message_takes_the_delay_and_at_most_the_jitter(world):
    for _ in range(50):
        world["a"].send("b", world.simulation.now_ns)
        world.simulation.run_until(world.simulation.now_ns + S)
    delays = [at_ns - sent_ns for _, sent_ns, at_ns in world["b"].process.received]
    assert len(delays) == 50
    assert 2 * MS <= min(delays) < 3 * MS
    assert 4 * MS < max(delays) <= 5 * MS


def test_messages_of_one_link_arrive_in_the_order_they_were_sent(world):
    for number in range(200):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert world.received("b") == list(range(200))


def test_an_unordered_network_lets_messages_overtake_each_other(world):
    world.network.ordered = False
    for number in range(200):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert world.received("b") != list(range(200))
    assert sorted(world.received("b")) == list(range(200))


def test_a_closed_port_stops_what_goes_to_it_and_a_later_change_of_the_link_keeps_it(world):
    world.network.change_link("a", "b", closed=frozenset({CONTROL_PORT}))
    world.network.change_link("a", "b", delay_ns=3 * MS)
    for source, target in (("a", "b"), ("b", "a"), ("a", "c")):
        world[source].send(target, "hello")
    world.simulation.run_until(S)
    assert [len(world.received(name)) for name in "abc"] == [0, 0, 1]
    assert world.network.connected("b", "a", GOSSIP_PORT)
    world.network.heal()
    assert world.network.connected("b", "a", CONTROL_PORT)
    assert world.network.links["b", "a"] == Link(delay_ns=3 * MS, jitter_ns=3 * MS)


def test_a_lossy_link_loses_about_its_share(world):
    world.network.link = Link(loss=0.3)
    for number in range(1000):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert 620 <= len(world.received("b")) <= 780


def test_a_slow_link_delays_only_one_direction_of_one_pair(world):
    world.network.links["a", "b"] = Link(delay_ns=2 * S, jitter_ns=0)
    for source, target in (("a", "b"), ("b", "a"), ("a", "c")):
        world[source].send(target, "hello")
    world.simulation.run_until(S)
    assert [len(world.received(name)) for name in "abc"] == [1, 0, 1]
    world.simulation.run_until(2 * S)
    assert world.received("b") == ["hello"]


def test_a_partition_separates_groups_but_not_their_members(world):
    world.network.partition(["a"], ["b", "c"])
    for source, target in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")):
        world[source].send(target, f"{source}{target}")
    world.simulation.run_until(S)
    assert [world.received(name) for name in "abc"] == [[], ["cb"], ["bc"]]


def test_machines_not_named_in_a_partition_are_in_the_first_group(world):
    world.network.partition(["a"], ["c"])
    assert world.network.connected("a", "b")
    assert not world.network.connected("a", "c")
    assert not world.network.connected("b", "c")


def test_a_partition_drops_messages_in_flight(world):
    world["a"].send("b", "in flight")
    world.network.partition(["a"], ["b", "c"])
    world.simulation.run_until(S)
    assert world.received("b") == []


def test_messages_in_flight_are_listed_and_can_be_dropped(world):
    for word in ("first", "second"):
        world["a"].send("b", word)
    world["b"].send("a", "reply")
    world["a"].call("c", "a read", quiet=True)
    messages = world.network.in_flight()
    assert [m.arrives_ns for m in messages] == sorted(m.arrives_ns for m in messages)
    assert {(m.source, m.target) for m in messages} == {("a", "b"), ("b", "a")}
    world.network.drop("a", "b", 1)
    assert [m.message for m in world.network.in_flight() if m.target == "b"] == ["first"]
    world.simulation.run_until(S)
    assert [world.received(name) for name in "abc"] == [["reply"], ["first"], ["a read"]]
    (record,) = world.simulation.trace.of(Dropped)
    assert (record.at_ns, record.where, record.target, record.message) == (0, "a", "b", "str")
    assert world.network.in_flight() == []


def test_a_copy_drops_its_own_messages(world):
    world["a"].send("b", "hello")
    other = copy_of(world)
    other.network.drop("a", "b")
    for either in (world, other):
        either.simulation.run_until(S)
    assert (world.received("b"), other.received("b")) == (["hello"], [])


def test_a_message_sent_during_a_partition_is_lost_even_if_it_heals_at_once(world):
    world.network.partition(["a"], ["b", "c"])
    world["a"].send("b", "lost")
    world.network.heal()
    world.simulation.run_until(S)
    assert world.received("b") == []


def test_after_healing_new_messages_arrive_and_lost_ones_do_not(world):
    world.network.partition(["a"], ["b", "c"])
    world["a"].send("b", "lost")
    world.simulation.run_until(S)
    world.network.heal()
    world["a"].send("b", "new")
    world.simulation.run_until(2 * S)
    assert world.received("b") == ["new"]


def test_a_quiet_message_uses_no_random_numbers_and_is_never_lost(world):
    world.network.link = Link(loss=1.0)
    before = world.simulation.rng.getstate()
    world.network.send("a", "b", "read", quiet=True)
    assert world.simulation.rng.getstate() == before
    world.simulation.run_until(S)
    assert world.received("b") == ["read"]


def test_a_machine_is_found_by_its_address_with_or_without_a_port(world):
    assert world.network.at("10.77.0.3") is world["b"]
    assert world.network.at("10.77.0.3:2377") is world["b"]
    assert world.network.at("10.77.0.99") is None


# -- disk ------------------------------------------------------------------------


def test_a_crash_keeps_what_was_synced_and_a_prefix_of_what_was_not():
    rng, kept = Simulation(seed=3).rng, set()
    for _ in range(300):
        disk = Disk()
        disk.append("log", b"safe")
        disk.sync("log")
        disk.append("log", b"tail")
        disk.crash(rng)
        assert b"safetail".startswith(disk.read("log"))
        kept.add(len(disk.read("log")))
    assert kept == {4, 5, 6, 7, 8}  # nothing of the tail, all of it, and everything between


def test_data_that_survived_a_crash_survives_the_next():
    rng, disk = Simulation(seed=3).rng, Disk()
    disk.append("log", b"0123456789")
    disk.crash(rng)
    survived = disk.read("log")
    disk.crash(rng)
    assert disk.read("log") == survived


def test_write_is_durable_at_once():
    disk = Disk()
    disk.write("state", b"old")
    disk.write("state", b"new")
    disk.crash(Simulation(seed=3).rng)
    assert disk.read("state") == b"new"


def test_files_are_listed_in_order_and_deleted_by_prefix():
    disk = Disk()
    for name in ("wal/2", "snap/1", "wal/1"):
        disk.write(name, b"")
    assert disk.names("wal/") == ["wal/1", "wal/2"]
    disk.delete("wal/")
    assert disk.names() == ["snap/1"]
    assert "wal/1" not in disk
    with pytest.raises(KeyError):
        disk.read("wal/1")


class Looked(str):
    """A file's name that counts how often names are looked at."""

    looks = 0

    def __lt__(self, other: str) -> bool:
        Looked.looks += 1
        return super().__lt__(other)

    def startswith(self, *args: Any) -> bool:
        Looked.looks += 1
        return super().startswith(*args)


def test_the_files_of_one_folder_are_found_without_a_look_at_all_others():
    disk = Disk()
    names = [Looked(f"{volume:04}/{file}") for volume in range(1000) for file in "ab"]
    for name in names:
        disk.append(name, b"")
    Looked.looks = 0
    assert disk.names("0500/") == ["0500/a", "0500/b"]
    disk.delete("0500/")
    assert Looked.looks < 100
    assert disk.names() == [name for name in names if not str(name).startswith("0500/")]


# -- machines ----------------------------------------------------------------------


def test_a_crash_discards_the_timers_of_a_program(world):
    world["a"].after(2 * S, world.recorder.note, "of the first run")
    world["a"].crash()
    world["a"].start()
    world["a"].after(2 * S, world.recorder.note, "of the second run")
    world.simulation.run_until(5 * S)
    assert world.recorder.words == ["of the second run"]


def test_timers_do_not_fire_on_a_machine_that_is_down(world):
    world["a"].after(2 * S, world.recorder.note, "too late")
    world["a"].crash()
    world.simulation.run_until(5 * S)
    assert world.recorder.words == []


def test_a_crash_of_a_machine_is_a_crash_of_its_disk(world):
    world["a"].disk.append("log", bytes(10_000))
    world["a"].crash()
    assert len(world["a"].disk.read("log")) < 10_000


def test_a_restart_creates_a_new_program_and_keeps_the_disk(world):
    first = world["a"].process
    world["a"].disk.write("state", b"kept")
    world["a"].crash()
    assert not world["a"].up
    world["a"].start()
    assert world["a"].process is not first
    assert world["a"].disk.read("state") == b"kept"


def test_an_orderly_stop_shuts_the_program_down_and_a_crash_does_not(world):
    stopped, crashed = world["a"].process, world["b"].process
    world["a"].stop()
    world["b"].crash()
    assert (stopped.was_shut_down, crashed.was_shut_down) == (True, False)
    assert "log" in world["a"].disk
    assert "log" not in world["b"].disk


def test_each_start_crash_and_stop_is_recorded_once(world):
    for _ in range(2):
        world["a"].crash()
    for _ in range(2):
        world["a"].start()
    world["a"].stop()
    kinds = [type(record) for record in world.simulation.trace if record.where == "a"]
    assert kinds == [Started, Crashed, Started, Stopped]


def test_a_machine_that_is_down_never_receives_the_message(world):
    world["b"].crash()
    world["a"].send("b", "lost")
    world.simulation.run_until(S)
    world["b"].start()
    world.simulation.run_until(2 * S)
    assert world.received("b") == []


def test_a_call_resolves_to_a_value_or_an_error_at_once_or_later(world):
    calls = [world["a"].call("b", body) for body in ("hello", "reject", "later")]
    world.simulation.run_until(2 * S)
    assert calls[0].result() == "b received hello"
    with pytest.raises(NotFound, match="nothing of that name"):
        calls[1].result()
    assert calls[2].result() == "at last"


@pytest.mark.parametrize("fault", ["crash", "partition", "no reply"])
def test_a_call_without_a_reply_times_out_and_may_have_happened(world, fault):
    if fault == "crash":
        world["b"].crash()
    if fault == "partition":
        world.network.partition(["a"], ["b"])
    call = world["a"].call("b", "never", timeout_ns=3 * S)
    world.simulation.run_until(3 * S - 1)
    assert call.waiting
    world.simulation.run_until(3 * S)
    with pytest.raises(DeadlineExceeded) as raised:
        call.result()
    assert raised.value.may_have_happened


def test_a_reply_after_the_timeout_is_ignored(world):
    call = world["a"].call("b", "later", timeout_ns=S // 2)
    world.simulation.run_until(5 * S)
    assert isinstance(call.error, DeadlineExceeded)


def test_a_call_made_before_a_crash_never_resolves(world):
    call = world["a"].call("b", "later", timeout_ns=3 * S)
    call.then(Call.follow, call)
    world["a"].crash()
    world["a"].start()
    world.simulation.run_until(10 * S)
    assert call.waiting


def test_a_reply_from_before_a_crash_is_not_sent_after_it(world):
    call = world["a"].call("b", "never", timeout_ns=3 * S)
    world.simulation.run_until(S)
    open_call = world["b"].process.open_call
    world["b"].crash()
    world["b"].start()
    open_call.resolve("too late")
    world.simulation.run_until(10 * S)
    assert isinstance(call.error, DeadlineExceeded)


def test_only_the_first_result_of_a_call_counts_and_callbacks_run_once(recorder):
    call = Call()
    call.then(lambda result, word: recorder.note((word, result.value)), "before")
    call.resolve(1).resolve(2).fail(NotFound("late"))
    call.then(lambda result, word: recorder.note((word, result.value)), "after")
    assert recorder.words == [("before", 1), ("after", 1)]
    assert call.result() == 1


# -- copies ------------------------------------------------------------------------


def busy(world: World) -> None:
    """Calls, timers and messages, some of them in flight when this returns."""
    world.simulation.after(S, world.recorder.note_every_second, "tick")
    for number in range(20):
        world["a"].send("b", number)
        world["b"].call("c", "later", timeout_ns=5 * S)
    world.simulation.run_until(S + 1 * MS)


def state_of(world: World) -> tuple[Any, ...]:
    received = [world[name].process.received for name in world.names]
    return world.simulation.now_ns, world.recorder.lines, received, world.simulation.rng.random()


def test_a_deep_copy_runs_exactly_as_the_original(world):
    busy(world)
    copied = copy_of(world)
    for either in (world, copied):
        either.network.partition(["a"], ["b", "c"])
        either["b"].crash()
        either["b"].start()
        either.simulation.run_until(20 * S)
    assert state_of(copied) == state_of(world)
    assert copied.simulation.trace.digest() == world.simulation.trace.digest()


def test_a_run_of_a_copy_does_not_change_the_original(world):
    busy(world)
    lines, received = len(world.recorder.lines), len(world.received("c"))
    digest = world.simulation.trace.digest()
    copied = copy_of(world)
    copied["c"].crash()
    copied["a"].disk.write("state", b"of the copy")
    copied.simulation.run_until(60 * S)
    assert (len(world.recorder.lines), len(world.received("c"))) == (lines, received)
    assert world.simulation.trace.digest() == digest
    assert world["c"].up
    assert "state" not in world["a"].disk
    assert len(copied.recorder.lines) > lines


@dataclass(frozen=True, slots=True)
class WordRecorded(Record):
    word: str


def test_equal_traces_have_equal_digests_and_others_do_not():
    def digest(*words: str) -> str:
        trace = Trace()
        for number, word in enumerate(words):
            trace.add(WordRecorded(number, "a", word))
        return trace.digest()

    assert digest("x", "y") == digest("x", "y")
    assert len({digest("x", "y"), digest("y", "x"), digest("x"), digest()}) == 4


def test_a_trace_returns_the_records_of_one_class():
    trace = Trace()
    trace.add(WordRecorded(1, "a", "hello"))
    trace.add(Crashed(2, "a"))
    assert trace.of(WordRecorded) == [WordRecorded(1, "a", "hello")]
    assert (len(trace), [record.at_ns for record in trace]) == (2, [1, 2])
