"""Random runs: commands through the API and faults, in any order; `judge.py` judges all of it.

A batch is a few runs that one seed determines. `test_random_runs.py` plays one in CI, and many by
command.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import docker
import requests
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import swarmlab
from swarmlab.cluster.simulated_state import managers_of
from swarmlab.manager.store import Store
from swarmlab.model import NodeState
from swarmlab.simulation.fault_log import FaultLog
from tests import convergence
from tests.convergence import GIB
from tests.judge import Judge

STEPS_COUNT = 30
RUNS_PER_BATCH = 25
S = 10**9
SILENCE_NS = 5 * S  # who was cut off for so long is certainly known to be unreachable
MANAGERS = ["m1", "m2", "m3"]
NAMES = ["m1", "m2", "m3", "w1", "w2", "w3"]

IMAGES = st.sampled_from(
    [{"Image": "nginx"}] * 8
    + [
        {"Image": "busybox", "Args": ["false"]},
        {"Image": "busybox", "Args": ["sh", "-c", "sleep 3; exit 1"]},
        {"Image": "busybox", "Args": ["true"]},
        {"Image": "nosuch:1"},
    ]
)
RESTARTS = st.sampled_from(
    [{"Condition": "any", "Delay": 1 * S}] * 5
    + [
        None,
        {"Condition": "none"},
        {"Condition": "on-failure", "Delay": 0},
        {"Condition": "any", "MaxAttempts": 2, "Delay": 0},
        {"Condition": "any", "MaxAttempts": 1, "Window": 20 * S},
    ]
)
CONSTRAINTS = st.sampled_from(
    [
        [],
        ["node.hostname!=w1"],
        ["node.labels.disk==ssd"],
        [],
        ["node.role!=manager", "node.hostname!=w2"],
        ["node.labels.disk != ssd"],
        ["node.role==worker"],
    ]
)
PLATFORMS = st.sampled_from(
    [[]] * 8
    + [[{"OS": "linux", "Architecture": name}] for name in ("amd64", "x86_64", "arm64")]
    + [[{"OS": "linux", "Architecture": "arm64"}, {"OS": "linux", "Architecture": "amd64"}]]
)
PORTS = st.sampled_from(
    [[]] * 8
    + [
        [{"TargetPort": 53, "PublishedPort": 53, "Protocol": protocol, "PublishMode": publish_mode}]
        for protocol in ("tcp", "udp")
        for publish_mode in ("host", "ingress")
    ]
)
UPDATES = st.none() | st.fixed_dictionaries(
    {
        "Parallelism": st.integers(0, 2),
        "Delay": st.sampled_from([0, 2 * S, 7 * S]),
        "FailureAction": st.sampled_from(["pause", "continue", "rollback"]),
        "Order": st.sampled_from(["stop-first", "start-first"]),
        "MaxFailureRatio": st.sampled_from([0, 0.5]),
    }
)
TEMPLATES = st.builds(
    lambda image, restart, constraints, memory, limit, platforms: {
        "ContainerSpec": image,
        "Placement": {
            "Constraints": constraints,
            "MaxReplicas": limit,
            "Platforms": platforms,
        },
        "Resources": {"Reservations": {"MemoryBytes": memory}},
        **({"RestartPolicy": restart} if restart else {}),
    },
    IMAGES,
    RESTARTS,
    CONSTRAINTS,
    st.sampled_from([0, 0, GIB // 4, 5 * GIB]),
    st.sampled_from([0, 0, 1, 2]),
    PLATFORMS,
)
SERVICES = st.sampled_from(["a", "b", "c"])


@functools.lru_cache
def new_swarm(seed: int) -> swarmlab.Cluster:
    """A new swarm, with some labels; each run starts from a copy."""
    cluster = swarmlab.simulate(managers=3, workers=3, seed=seed)
    for name, disk in {"m2": "ssd", "w1": "ssd", "w2": "hdd"}.items():
        node = cluster.client().nodes.get(name)
        node.update({**node.attrs["Spec"], "Labels": {"disk": disk}})
    return cluster


class RandomRun(RuleBasedStateMachine):
    saved: Path | None = None  # where a failing run is saved

    @initialize(
        number=st.integers(0, 3),
        templates=st.lists(TEMPLATES, min_size=1, max_size=3),
        replicas=st.integers(1, 5),
    )
    def create_swarm(self, number: int, templates: list[Any], replicas: int) -> None:
        self.cluster = new_swarm(number).fork()
        self.judge = Judge(self.cluster)
        self.down_ns: dict[str, int] = {}  # name -> since when it is down
        self.groups: tuple[set[str], ...] = ()  # of the partition
        self.cut_ns = 0  # since when there is a partition
        self.faults: list[str] = []  # exceptions that cost a machine
        Store.apply = self.judge.watching(original_apply)  # type: ignore[method-assign]
        FaultLog.report = self.report  # type: ignore[method-assign]
        for name, template in zip("abc", templates, strict=False):
            self.create(name, template, replicas, False, None, None, [])

    # -- commands ------------------------------------------------------------------------
    def api(self) -> Any:
        api = self.cluster.client().api
        api.trust_env = False  # to read the proxies of the environment takes a while
        return api

    def post(self, path: str, document: Any = None, **query: Any) -> None:
        """Send a request to a node that is up; it may be rejected, for example without a leader."""
        api = self.api()
        url = f"{api.base_url}/v{api.api_version}{path}"
        api._raise_for_status(api.post(url, json=document, params=query))

    def attempt(self, command: Any, *args: Any) -> None:
        """Carry out a command; that it is rejected, or that no node is up, is no failure."""
        with contextlib.suppress(docker.errors.APIError, requests.ConnectionError):
            command(*args)

    def _create(self, name: str, spec: dict[str, Any]) -> None:
        self.post("/services/create", {"Name": name, **spec})

    def _update(self, name: str, changes: dict[str, Any], query: dict[str, Any]) -> None:
        now = self.api().inspect_service(name)
        spec = {k: v for k, v in {**now["Spec"], **changes}.items() if v is not None}
        version = now["Version"]["Index"]
        self.post(f"/services/{now['ID']}/update", spec, version=version, **query)

    @rule(
        name=SERVICES,
        template=TEMPLATES,
        replicas=st.integers(0, 5),
        is_global=st.sampled_from([False] * 4 + [True]),
        config=UPDATES,
        rollback=UPDATES,
        ports=PORTS,
    )
    def create(
        self,
        name: str,
        template: Any,
        replicas: int,
        is_global: bool,
        config: Any,
        rollback: Any,
        ports: Any,
    ) -> None:
        mode = {"Global": {}} if is_global else {"Replicated": {"Replicas": replicas}}
        spec = {"TaskTemplate": template, "Mode": mode}
        spec |= {"UpdateConfig": config} if config else {}
        spec |= {"RollbackConfig": rollback} if rollback else {}
        spec |= {"EndpointSpec": {"Ports": ports}} if ports else {}
        self.attempt(self._create, name, spec)

    @rule(name=SERVICES, replicas=st.integers(0, 5))
    def scale(self, name: str, replicas: int) -> None:
        self.attempt(self._update, name, {"Mode": {"Replicated": {"Replicas": replicas}}}, {})

    @rule(name=SERVICES, template=TEMPLATES, config=UPDATES)
    def update(self, name: str, template: Any, config: Any) -> None:
        self.attempt(self._update, name, {"TaskTemplate": template, "UpdateConfig": config}, {})

    @rule(name=SERVICES, force=st.integers(1, 99), replicas=st.integers(1, 5), config=UPDATES)
    def make_runnable(self, name: str, force: int, replicas: int, config: Any) -> None:
        """Update to a spec whose tasks can run."""
        template = {"ContainerSpec": {"Image": "nginx"}, "ForceUpdate": force}
        mode = {"Replicated": {"Replicas": replicas}}
        changes = {"TaskTemplate": template, "Mode": mode, "UpdateConfig": config}
        self.attempt(self._update, name, changes, {})

    @rule(name=SERVICES, label=st.sampled_from(["x", "y"]))
    def label(self, name: str, label: str) -> None:
        self.attempt(self._update, name, {"Labels": {"k": label}}, {})

    @rule(name=SERVICES)
    def rollback(self, name: str) -> None:
        self.attempt(self._update, name, {}, {"rollback": "previous"})

    @rule(name=SERVICES)
    def remove(self, name: str) -> None:
        self.attempt(lambda: self.api().remove_service(name))

    def _node(self, name: str, changes: dict[str, Any]) -> None:
        node = self.cluster.client().nodes.get(name)
        node.update({**node.attrs["Spec"], **changes})

    @rule(name=st.sampled_from(NAMES), availability=st.sampled_from(["active", "pause", "drain"]))
    def set_availability(self, name: str, availability: str) -> None:
        self.attempt(self._node, name, {"Availability": availability})

    @rule(name=st.sampled_from(NAMES), disk=st.sampled_from(["ssd", "hdd"]))
    def set_label(self, name: str, disk: str) -> None:
        self.attempt(self._node, name, {"Labels": {"disk": disk}})

    @rule(name=st.sampled_from(MANAGERS), role=st.sampled_from(["worker", "manager", "manager"]))
    def set_role(self, name: str, role: str) -> None:
        """What is accepted must leave a quorum among those that can be reached; a member may join
        while the request is under way."""
        try:
            node = self.cluster.client().nodes.get(name)
            managers = self.leading()
            node.update({**node.attrs["Spec"], "Role": role})
        except (docker.errors.APIError, requests.ConnectionError):
            return
        demoted = role == "worker" and node.attrs["Spec"]["Role"] == "manager"
        after = self.leading()
        if (
            demoted
            and self._outvoted(managers, name)
            and (name not in after or self._outvoted(after, name))
        ):
            self.judge.violations.append(f"{name} was demoted, of {managers}")

    def _outvoted(self, managers: list[str], name: str) -> bool:
        """Whether a member's removal would leave no quorum that the leader reaches."""
        rest = [other for other in managers if other != name]
        left = [other for other in rest if not self.silent(managers[0], other)]
        return name in managers and len(left) < len(rest) // 2 + 1

    def leading(self) -> list[str]:
        """The members of Raft, the leader first; empty without one."""
        managers = managers_of(self.cluster).values()
        leaders = [manager for manager in managers if manager.raft.is_leader]
        if not leaders:
            return []
        leader = max(leaders, key=lambda manager: manager.raft.term)
        nodes = leader.store.nodes
        names = [nodes[id].hostname for id in leader.member_ids() if id in nodes]
        return sorted(names, key=lambda name: name != leader.machine.name)

    def silent(self, leader: str, name: str) -> bool:
        """Whether `leader` has certainly noticed that it cannot reach a node."""
        limit_ns = self.cluster.now_ns - SILENCE_NS
        apart = self.cut_ns < limit_ns and any(
            (leader in group) != (name in group) for group in self.groups
        )
        return apart or self.down_ns.get(name, limit_ns) < limit_ns

    # -- faults and time -----------------------------------------------------------------
    @precondition(lambda self: any(map(self.cluster.is_up, NAMES)))
    @rule(name=st.sampled_from(NAMES))
    def crash(self, name: str) -> None:
        if self.cluster.is_up(name):
            self.cluster.crash(name)
            self.down_ns[name] = self.cluster.now_ns

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        if not self.cluster.is_up(name):
            self.cluster.start(name)
            self.down_ns.pop(name, None)

    @rule(name=st.sampled_from(NAMES))
    def restart_machine(self, name: str) -> None:
        """A power cut too short for the managers to notice: the tasks there fail.

        Source: moby daemon/cluster/noderunner.go, swarmkit agent/worker.go.
        """
        if self.cluster.is_up(name):
            self.cluster.crash(name)
            self.cluster.run("100ms")
            self.cluster.start(name)

    @rule(side=st.sets(st.sampled_from(NAMES), min_size=1, max_size=5))
    def partition(self, side: set[str]) -> None:
        self.groups, self.cut_ns = (side, set(NAMES) - side), self.cluster.now_ns
        self.cluster.partition(*map(sorted, self.groups))

    @rule()
    def heal(self) -> None:
        self.groups = ()
        self.cluster.heal()

    @rule(number=st.integers(0, 40))
    def drop(self, number: int) -> None:
        """Drop one of the messages in flight."""
        if flights := self.cluster.in_flight():
            flight = flights[number % len(flights)]
            self.cluster.drop(flight.source, flight.target)

    @rule(seconds=st.sampled_from([0.05, 0.3, 1, 4]))
    def wait(self, seconds: float) -> None:
        self.cluster.run(f"{seconds}s")

    @rule(seconds=st.sampled_from([15, 45]))
    def rest(self, seconds: float) -> None:
        self.cluster.run(f"{seconds}s")

    # -- judgement ----------------------------------------------------------------------
    @invariant()
    def no_violations(self) -> None:
        if hasattr(self, "judge"):
            self.judge.check_leaders()
            self.fail_with(self.judge.violations + self.faults)

    def fail_with(self, problems: list[str]) -> None:
        """Fail if there is a problem; the run is saved where it was asked for."""
        if problems and self.saved is not None:
            self.cluster.save(self.saved)
        assert not problems, "\n".join(problems[:5])

    def teardown(self) -> None:
        if not hasattr(self, "judge"):
            return
        try:
            if not self.judge.violations + self.faults:
                self.end()
        finally:
            Store.apply = original_apply  # type: ignore[method-assign]
            FaultLog.report = original_report  # type: ignore[method-assign]

    def report(self, where: str, error: BaseException) -> None:
        """Instead of a line in a log: nobody planted it."""
        self.faults.append(f"{where}: {error!r}")

    def activate(self) -> bool:
        """Make every node active; whether all are active and ready."""
        nodes = self.judge.tables["node"].values()
        for node in [node for node in nodes if not convergence.is_active(node)]:
            self.attempt(self._node, node.hostname, {"Availability": "active"})
        return all(convergence.is_active(n) and n.status.state is NodeState.READY for n in nodes)

    def stranded(self) -> bool:
        """Whether a node knows no address of today's managers: it slept while all were replaced.

        What a session does not name is forgotten.
        Source: swarmkit agent/agent.go, handleSessionMessage.
        """
        nodes = self.judge.tables["node"].values()
        today = {f"{n.status.addr}:2377" for n in nodes if n.hostname in self.leading()}
        engines = filter(None, map(self.cluster.engine, self.cluster.names))
        return not all(today & set(engine.manager_addresses) for engine in engines)

    def left_on_drained_nodes(self) -> list[str]:
        tables = self.judge.tables
        drained = [n for n in tables["node"].values() if n.spec["Availability"] == "drain"]
        return [text for node in drained for text in convergence.left_on(tables, node)]

    def drain_w2(self) -> list[str]:
        """What is to run on w2 although it was drained a while ago.

        A task that waits for another one to stop waits a minute at most, drained or not.
        Source: swarmkit manager/orchestrator/restart/restart.go, Restart and waitRestart.
        """
        self.attempt(self._node, "w2", {"Availability": "drain"})
        with contextlib.suppress(swarmlab.LabError):
            self.cluster.until(lambda: not self.left_on_drained_nodes(), "65s")
        return self.left_on_drained_nodes()

    def end(self) -> None:
        """With all nodes ready, and after a last round of power cuts, everything converges."""
        self.heal()
        for name in NAMES:
            self.start(name)
        try:
            self.cluster.until(self.activate, "3m")
        except swarmlab.LabError:
            self.fail_with([] if self.stranded() else ["nodes that know a manager are not ready"])
            return
        self.fail_with(self.drain_w2())
        self.cluster.until(self.activate, "3m")
        for number, name in enumerate(("b", "c")):  # `a` has to converge by itself
            self.make_runnable(name, 100, 3 + number, None)
        self.cluster.run("30s")
        for name in ("w1", "w2", "w3"):
            self.restart_machine(name)
        self.cluster.run("2s")
        self.restart_machine(
            self.cluster.default_node()
        )  # the leader, while tasks wait to be started
        tables = self.judge.tables
        for _ in range(34):
            self.cluster.run("10s")
            problems = [*convergence.unconverged(tables), *convergence.unfinished_updates(tables)]
            if not problems:
                break
        self.no_violations()
        self.fail_with(problems)


original_apply, original_report = Store.apply, FaultLog.report  # a run replaces them


def play(number: int, runs: int = RUNS_PER_BATCH, saved: Path | None = None) -> None:
    """Play a batch of runs, those of seed `number`; AssertionError when a rule is broken.

    With `saved`, a failure is shrunk, which takes minutes, and the shortest run is saved there.
    """
    phases = (Phase.generate,) if saved is None else (Phase.generate, Phase.shrink)
    machine = seed(number)(type("RandomRun", (RandomRun,), {"saved": saved}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS_COUNT,
            deadline=None,
            database=None,
            phases=phases,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
