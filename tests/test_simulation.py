"""Claims about simulation/: time, chance, network, disks, machines."""

import copy
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

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


class Diary:
    """Notes what is said to it, and when. Its methods are the callbacks of these tests."""

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


class Interrupted(Diary):
    """Is interrupted in the midst of a callback, as by Ctrl+C or a notebook's stop button."""

    def note_every_second(self, word: Any) -> None:
        if self.simulation.now_ns == 3 * S:
            signal.raise_signal(signal.SIGINT)
        super().note_every_second(word)


@pytest.mark.parametrize("way", ["run_until", "run_while"])
def test_an_interrupt_waits_for_the_end_of_what_happens_and_the_rest_goes_on_as_ever(way):
    """Broken off in the midst, the callback would never come again."""
    said = []
    for kind in (Diary, Interrupted):
        simulation = Simulation(seed=7)
        diary = kind(simulation)
        simulation.at(S, diary.note_every_second, "beat")
        simulation.at(3 * S, diary.note, "at the same time")
        if kind is Interrupted:
            words = (9 * S,) if way == "run_until" else (lambda: True, 9 * S)
            with pytest.raises(KeyboardInterrupt):
                getattr(simulation, way)(*words)
            assert simulation.now_ns == 3 * S
            assert [at_ns for at_ns, _ in diary.lines][-2:] == [3 * S, 3 * S]
        simulation.run_until(9 * S)
        said.append(diary.lines)
    assert said[0] == said[1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_time_passes_in_another_thread_where_python_raises_no_interrupt():
    simulation = Simulation()
    thread = threading.Thread(target=simulation.run_until, args=(S,))
    thread.start()
    thread.join()
    assert simulation.now_ns == S


class Echo:
    """A program that notes every message and answers every call in a way the message asks for."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.heard: list[tuple[str, Any, int]] = []
        self.ended = False

    def receive(self, source: str, message: Any) -> None:
        self.heard.append((source, message, self.machine.simulation.now_ns))

    def serve(self, source: str, body: Any) -> Any:
        self.receive(source, body)
        if body == "refuse":
            raise NotFound("nothing of that name")
        if body == "never":
            self.open_call = Call()
            return self.open_call
        if body == "later":
            call = Call()
            self.machine.after(S, self.answer, call)
            return call
        return f"{self.machine.name} heard {body}"

    def answer(self, call: Call) -> None:
        call.resolve("at last")

    def shutdown(self) -> None:
        self.ended = True
        self.machine.disk.write("log", b"put in order")


@dataclass
class World:
    simulation: Simulation = field(default_factory=lambda: Simulation(seed=7))
    names: tuple[str, ...] = ("a", "b", "c")

    def __post_init__(self) -> None:
        self.network = Network(self.simulation, link=Link(delay_ns=2 * MS, jitter_ns=3 * MS))
        self.diary = Diary(self.simulation)
        for number, name in enumerate(self.names):
            Machine(self.network, name, f"10.77.0.{number + 2}", Echo).start()

    def __getitem__(self, name: str) -> Machine:
        return self.network.machines[name]

    def heard(self, name: str) -> list[Any]:
        program = self[name].process
        assert isinstance(program, Echo)
        return [message for _, message, _ in program.heard]


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def diary() -> Diary:
    return Diary(Simulation(seed=7))


# -- clock ---------------------------------------------------------------------


def test_what_is_due_earlier_happens_earlier(diary):
    for seconds in (3, 1, 2):
        diary.simulation.at(seconds * S, diary.note, seconds)
    diary.simulation.run_until(10 * S)
    assert diary.lines == [(1 * S, 1), (2 * S, 2), (3 * S, 3)]


def test_what_is_due_at_the_same_time_happens_in_the_order_it_was_asked_for(diary):
    for word in "zyxabc":
        diary.simulation.at(5 * S, diary.note, word)
    diary.simulation.run_until(5 * S)
    assert diary.words == list("zyxabc")


def test_a_cancelled_timer_never_fires_and_does_not_count_as_something_to_come(diary):
    kept = diary.simulation.after(2 * S, diary.note, "kept")
    diary.simulation.after(1 * S, diary.note, "cancelled").cancel()
    assert diary.simulation.next_ns == kept.when_ns
    diary.simulation.run_until(3 * S)
    assert diary.words == ["kept"]
    assert diary.simulation.next_ns is None


def test_the_past_cannot_be_scheduled(diary):
    diary.simulation.run_until(2 * S)
    with pytest.raises(AssertionError, match="is over"):
        diary.simulation.at(1 * S, diary.note, "too late")


def test_run_until_includes_its_last_moment_and_ends_exactly_there(diary):
    diary.simulation.at(2 * S, diary.note, "on the dot")
    diary.simulation.at(2 * S + 1, diary.note, "after")
    diary.simulation.run_until(2 * S)
    assert (diary.words, diary.simulation.now_ns) == (["on the dot"], 2 * S)


def test_run_until_lets_happen_what_a_callback_adds_on_the_way(diary):
    diary.simulation.after(S, diary.note_every_second, "tick")
    diary.simulation.run_until(4 * S)
    assert [at_ns for at_ns, _ in diary.lines] == [1 * S, 2 * S, 3 * S, 4 * S]


def test_run_until_a_moment_that_is_over_changes_nothing(diary):
    diary.simulation.run_until(5 * S)
    diary.simulation.run_until(1 * S)
    assert diary.simulation.now_ns == 5 * S


def test_run_while_stops_as_soon_as_the_wait_is_over(diary):
    call = Call()
    diary.simulation.after(2 * S, call.resolve, "here")
    diary.simulation.after(3 * S, diary.note, "later")
    assert diary.simulation.run_while(lambda: call.waiting, 10 * S)
    assert (diary.simulation.now_ns, diary.lines) == (2 * S, [])


def test_run_while_gives_up_at_its_limit_and_leaves_the_rest_for_later(diary):
    diary.simulation.after(20 * S, diary.note, "beyond")
    assert not diary.simulation.run_while(lambda: not diary.lines, 10 * S)
    assert (diary.simulation.now_ns, diary.lines) == (10 * S, [])
    diary.simulation.run_until(20 * S)
    assert diary.words == ["beyond"]


def test_run_while_with_nothing_to_happen_still_passes_the_time(diary):
    assert not diary.simulation.run_while(lambda: True, 10 * S)
    assert diary.simulation.now_ns == 10 * S


def test_ids_and_bytes_repeat_with_the_seed_and_differ_without():
    one, same, other = Simulation(seed=1), Simulation(seed=1), Simulation(seed=2)
    ids = [one.new_id() for _ in range(100)]
    assert ids == [same.new_id() for _ in range(100)]
    assert ids[0] != other.new_id()
    assert one.random_bytes(32) == same.random_bytes(32)
    assert len(set(ids)) == 100
    assert {len(id_) for id_ in ids} == {25}
    assert all(id_.isalnum() and id_ == id_.lower() for id_ in ids)


# -- network ---------------------------------------------------------------------


def test_a_message_takes_the_delay_and_at_most_the_jitter(world):
    for _ in range(50):
        world["a"].send("b", world.simulation.now_ns)
        world.simulation.run_until(world.simulation.now_ns + S)
    delays = [at_ns - sent_ns for _, sent_ns, at_ns in world["b"].process.heard]
    assert len(delays) == 50
    assert 2 * MS <= min(delays) < 3 * MS
    assert 4 * MS < max(delays) <= 5 * MS


def test_messages_of_one_link_arrive_in_the_order_they_were_sent(world):
    for number in range(200):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert world.heard("b") == list(range(200))


def test_an_unordered_network_lets_messages_overtake_each_other(world):
    world.network.ordered = False
    for number in range(200):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert world.heard("b") != list(range(200))
    assert sorted(world.heard("b")) == list(range(200))


def test_a_lossy_network_loses_about_its_share(world):
    world.network.link = Link(loss=0.3)
    for number in range(1000):
        world["a"].send("b", number)
    world.simulation.run_until(S)
    assert 620 <= len(world.heard("b")) <= 780


def test_a_slow_link_delays_one_direction_of_one_pair_only(world):
    world.network.links["a", "b"] = Link(delay_ns=2 * S, jitter_ns=0)
    for source, target in (("a", "b"), ("b", "a"), ("a", "c")):
        world[source].send(target, "hello")
    world.simulation.run_until(S)
    assert [len(world.heard(name)) for name in "abc"] == [1, 0, 1]
    world.simulation.run_until(2 * S)
    assert world.heard("b") == ["hello"]


def test_a_partition_separates_groups_and_keeps_each_together(world):
    world.network.partition(["a"], ["b", "c"])
    for source, target in (("a", "b"), ("b", "a"), ("b", "c"), ("c", "b")):
        world[source].send(target, f"{source}{target}")
    world.simulation.run_until(S)
    assert [world.heard(name) for name in "abc"] == [[], ["cb"], ["bc"]]


def test_machines_that_no_group_names_stay_with_the_first_group(world):
    world.network.partition(["a"], ["c"])
    assert world.network.connected("a", "b")
    assert not world.network.connected("a", "c")
    assert not world.network.connected("b", "c")


def test_a_partition_drops_what_is_on_its_way(world):
    world["a"].send("b", "in flight")
    world.network.partition(["a"], ["b", "c"])
    world.simulation.run_until(S)
    assert world.heard("b") == []


def test_what_is_on_its_way_can_be_seen_and_one_of_it_taken_away(world):
    for word in ("first", "second"):
        world["a"].send("b", word)
    world["b"].send("a", "answer")
    world["a"].call("c", "a read", quiet=True)
    flying = world.network.in_flight()
    assert [m.arrives_ns for m in flying] == sorted(m.arrives_ns for m in flying)
    assert {(m.source, m.target) for m in flying} == {("a", "b"), ("b", "a")}
    world.network.drop("a", "b", 1)
    assert [m.message for m in world.network.in_flight() if m.target == "b"] == ["first"]
    world.simulation.run_until(S)
    assert [world.heard(name) for name in "abc"] == [["answer"], ["first"], ["a read"]]
    (record,) = world.simulation.trace.of(Dropped)
    assert (record.at_ns, record.where, record.target, record.message) == (0, "a", "b", "str")
    assert world.network.in_flight() == []


def test_in_a_copy_the_copys_messages_are_dropped(world):
    world["a"].send("b", "hello")
    other = copy.deepcopy(world)
    other.network.drop("a", "b")
    for one in (world, other):
        one.simulation.run_until(S)
    assert (world.heard("b"), other.heard("b")) == (["hello"], [])


def test_what_is_sent_into_a_partition_is_lost_even_if_it_heals_at_once(world):
    world.network.partition(["a"], ["b", "c"])
    world["a"].send("b", "lost")
    world.network.heal()
    world.simulation.run_until(S)
    assert world.heard("b") == []


def test_after_healing_new_messages_arrive_and_lost_ones_stay_lost(world):
    world.network.partition(["a"], ["b", "c"])
    world["a"].send("b", "lost")
    world.simulation.run_until(S)
    world.network.heal()
    world["a"].send("b", "found")
    world.simulation.run_until(2 * S)
    assert world.heard("b") == ["found"]


def test_a_quiet_message_draws_no_chance_and_is_never_lost(world):
    world.network.link = Link(loss=1.0)
    before = world.simulation.rng.getstate()
    world.network.send("a", "b", "read", quiet=True)
    assert world.simulation.rng.getstate() == before
    world.simulation.run_until(S)
    assert world.heard("b") == ["read"]


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


def test_what_survived_a_crash_survives_the_next():
    rng, disk = Simulation(seed=3).rng, Disk()
    disk.append("log", b"0123456789")
    disk.crash(rng)
    survived = disk.read("log")
    disk.crash(rng)
    assert disk.read("log") == survived


def test_a_whole_write_is_safe_at_once():
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


# -- machines ----------------------------------------------------------------------


def test_timers_of_a_program_die_with_its_machine(world):
    world["a"].after(2 * S, world.diary.note, "of the first life")
    world["a"].crash()
    world["a"].start()
    world["a"].after(2 * S, world.diary.note, "of the second life")
    world.simulation.run_until(5 * S)
    assert world.diary.words == ["of the second life"]


def test_timers_do_not_fire_on_a_machine_that_is_down(world):
    world["a"].after(2 * S, world.diary.note, "too late")
    world["a"].crash()
    world.simulation.run_until(5 * S)
    assert world.diary.words == []


def test_power_that_fails_at_a_machine_fails_at_its_disk(world):
    world["a"].disk.append("log", bytes(10_000))
    world["a"].crash()
    assert len(world["a"].disk.read("log")) < 10_000


def test_a_started_machine_begins_anew_with_what_its_disk_holds(world):
    first = world["a"].process
    world["a"].disk.write("state", b"kept")
    world["a"].crash()
    assert not world["a"].up
    world["a"].start()
    assert world["a"].process is not first
    assert world["a"].disk.read("state") == b"kept"


def test_an_orderly_stop_lets_the_program_finish_first_and_a_crash_does_not(world):
    stopped, crashed = world["a"].process, world["b"].process
    world["a"].stop()
    world["b"].crash()
    assert (stopped.ended, crashed.ended) == (True, False)
    assert "log" in world["a"].disk
    assert "log" not in world["b"].disk


def test_life_and_death_stand_in_the_trace_once(world):
    for _ in range(2):
        world["a"].crash()
    for _ in range(2):
        world["a"].start()
    world["a"].stop()
    kinds = [type(record) for record in world.simulation.trace if record.where == "a"]
    assert kinds == [Started, Crashed, Started, Stopped]


def test_a_machine_that_is_down_hears_nothing_and_misses_it_for_good(world):
    world["b"].crash()
    world["a"].send("b", "lost")
    world.simulation.run_until(S)
    world["b"].start()
    world.simulation.run_until(2 * S)
    assert world.heard("b") == []


def test_a_call_is_answered_with_a_value_an_error_or_later(world):
    calls = [world["a"].call("b", body) for body in ("hello", "refuse", "later")]
    world.simulation.run_until(2 * S)
    assert calls[0].result() == "b heard hello"
    with pytest.raises(NotFound, match="nothing of that name"):
        calls[1].result()
    assert calls[2].result() == "at last"


@pytest.mark.parametrize("fault", ["crash", "partition", "never answered"])
def test_a_call_nobody_answers_times_out_and_may_have_happened(world, fault):
    if fault == "crash":
        world["b"].crash()
    if fault == "partition":
        world.network.partition(["a"], ["b"])
    call = world["a"].call("b", "never", timeout_ns=3 * S)
    world.simulation.run_until(3 * S - 1)
    assert call.waiting
    world.simulation.run_until(3 * S)
    with pytest.raises(DeadlineExceeded) as refused:
        call.result()
    assert refused.value.may_have_happened


def test_an_answer_that_comes_after_the_time_out_is_ignored(world):
    call = world["a"].call("b", "later", timeout_ns=S // 2)
    world.simulation.run_until(5 * S)
    assert isinstance(call.error, DeadlineExceeded)


def test_a_call_of_a_former_life_is_never_answered(world):
    call = world["a"].call("b", "later", timeout_ns=3 * S)
    call.then(Call.follow, call)
    world["a"].crash()
    world["a"].start()
    world.simulation.run_until(10 * S)
    assert call.waiting


def test_an_answer_from_before_a_crash_is_not_sent_after_it(world):
    call = world["a"].call("b", "never", timeout_ns=3 * S)
    world.simulation.run_until(S)
    open_call = world["b"].process.open_call
    world["b"].crash()
    world["b"].start()
    open_call.resolve("from the grave")
    world.simulation.run_until(10 * S)
    assert isinstance(call.error, DeadlineExceeded)


def test_a_call_is_answered_once_and_tells_those_who_wait_once(diary):
    call = Call()
    call.then(lambda answer, word: diary.note((word, answer.value)), "before")
    call.resolve(1).resolve(2).fail(NotFound("late"))
    call.then(lambda answer, word: diary.note((word, answer.value)), "after")
    assert diary.words == [("before", 1), ("after", 1)]
    assert call.result() == 1


# -- the whole world ---------------------------------------------------------------


def busy(world: World) -> None:
    """Calls, timers and messages on their way, some of them mid-flight when this returns."""
    world.simulation.after(S, world.diary.note_every_second, "tick")
    for number in range(20):
        world["a"].send("b", number)
        world["b"].call("c", "later", timeout_ns=5 * S)
    world.simulation.run_until(S + 1 * MS)


def state_of(world: World) -> tuple[Any, ...]:
    heard = [world[name].process.heard for name in world.names]
    return world.simulation.now_ns, world.diary.lines, heard, world.simulation.rng.random()


def test_a_deep_copy_goes_on_exactly_as_the_original_would(world):
    busy(world)
    copied = copy.deepcopy(world)
    for each in (world, copied):
        each.network.partition(["a"], ["b", "c"])
        each["b"].crash()
        each["b"].start()
        each.simulation.run_until(20 * S)
    assert state_of(copied) == state_of(world)
    assert copied.simulation.trace.digest() == world.simulation.trace.digest()


def test_what_happens_in_a_copy_leaves_the_original_alone(world):
    busy(world)
    lines, heard = len(world.diary.lines), len(world.heard("c"))
    digest = world.simulation.trace.digest()
    copied = copy.deepcopy(world)
    copied["c"].crash()
    copied["a"].disk.write("state", b"of the copy")
    copied.simulation.run_until(60 * S)
    assert (len(world.diary.lines), len(world.heard("c"))) == (lines, heard)
    assert world.simulation.trace.digest() == digest
    assert world["c"].up
    assert "state" not in world["a"].disk
    assert len(copied.diary.lines) > lines


@dataclass(frozen=True, slots=True)
class Said(Record):
    word: str


def test_equal_traces_have_equal_digests_and_others_have_not():
    def digest(*words: str) -> str:
        trace = Trace()
        for number, word in enumerate(words):
            trace.add(Said(number, "a", word))
        return trace.digest()

    assert digest("x", "y") == digest("x", "y")
    assert len({digest("x", "y"), digest("y", "x"), digest("x"), digest()}) == 4


def test_a_trace_is_asked_by_kind_and_reads_as_words():
    trace = Trace()
    trace.add(Said(1, "a", "hello"))
    trace.add(Crashed(2, "a"))
    assert trace.of(Said) == [Said(1, "a", "hello")]
    assert trace.of(Said)[0].words == "word hello"
    assert (len(trace), [record.at_ns for record in trace]) == (2, [1, 2])
