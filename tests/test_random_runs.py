"""Random commands through the API and random faults; `invariants.py` checks every transaction.

`RANDOM_RUNS=2000 pytest tests/test_random_runs.py` plays more of them.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any

import docker
import pytest
import requests
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import swarmlab
from swarmlab.manager.store import Store
from swarmlab.model import NodeState
from tests import invariants
from tests.invariants import GIB, HistoryChecker

RUNS_COUNT = int(os.environ.get("RANDOM_RUNS", "45"))
STEPS_COUNT = 30
S = 10**9
# To shrink a failing run takes minutes; `SHRINK_FAILURE=1` does it.
PHASES = tuple(Phase) if "SHRINK_FAILURE" in os.environ else (Phase.explicit, Phase.generate)
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
    [[]] * 3 + [[c] for c in ("node.labels.disk==ssd", "node.role==worker", "node.hostname!=w1")]
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
    lambda image, restart, constraints, memory, limit: {
        "ContainerSpec": image,
        "Placement": {"Constraints": constraints, "MaxReplicas": limit},
        "Resources": {"Reservations": {"MemoryBytes": memory}},
        **({"RestartPolicy": restart} if restart else {}),
    },
    IMAGES,
    RESTARTS,
    CONSTRAINTS,
    st.sampled_from([0, 0, GIB // 4, 5 * GIB]),
    st.sampled_from([0, 0, 1, 2]),
)
SERVICES = st.sampled_from(["a", "b", "c"])


@functools.lru_cache
def new_swarm(seed: int) -> swarmlab.Cluster:
    """A new swarm; each run starts from a copy."""
    return swarmlab.simulate(managers=3, workers=3, seed=seed)


class RandomRun(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 3), template=TEMPLATES, replicas=st.integers(1, 5))
    def create_swarm(self, seed: int, template: Any, replicas: int) -> None:
        self.cluster = new_swarm(seed).fork()
        self.checker = HistoryChecker(self.cluster)
        Store.apply = self.checker.checked_apply()  # type: ignore[method-assign]
        self.create("a", template, replicas, False, None, None)

    # -- commands ------------------------------------------------------------------------
    def api(self) -> Any:
        return self.cluster.client().api

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
    )
    def create(
        self, name: str, template: Any, replicas: int, is_global: bool, config: Any, rollback: Any
    ) -> None:
        mode = {"Global": {}} if is_global else {"Replicated": {"Replicas": replicas}}
        spec = {"TaskTemplate": template, "Mode": mode}
        spec |= {"UpdateConfig": config} if config else {}
        spec |= {"RollbackConfig": rollback} if rollback else {}
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

    # -- faults and time -----------------------------------------------------------------
    @precondition(lambda self: any(map(self.cluster.is_up, NAMES)))
    @rule(name=st.sampled_from(NAMES))
    def crash(self, name: str) -> None:
        if self.cluster.is_up(name):
            self.cluster.crash(name)

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        if not self.cluster.is_up(name):
            self.cluster.start(name)

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
        self.cluster.partition(sorted(side), sorted(set(NAMES) - side))

    @rule()
    def heal(self) -> None:
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

    # -- invariants ----------------------------------------------------------------------
    @invariant()
    def no_violations(self) -> None:
        if hasattr(self, "checker"):
            self.checker.check_leaders()
            assert not self.checker.violations, "\n".join(self.checker.violations[:5])

    def teardown(self) -> None:
        if not hasattr(self, "checker"):
            return
        try:
            if not self.checker.violations:
                self.end()
        finally:
            Store.apply = invariants.original_apply  # type: ignore[method-assign]

    def activate(self) -> bool:
        """Make every node active; whether all are active and ready."""
        for name in NAMES:
            self.attempt(self._node, name, {"Availability": "active"})
        nodes = self.checker.store.nodes.values()
        return all(invariants.is_active(n) and n.status.state is NodeState.READY for n in nodes)

    def end(self) -> None:
        """With all nodes ready, and after a last round of power cuts, everything converges."""
        self.cluster.heal()
        for name in NAMES:
            self.start(name)
        store = self.checker.store
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
        for _ in range(34):
            self.cluster.run("10s")
            problems = [*invariants.unconverged(store), *invariants.unfinished_updates(store)]
            if not problems:
                break
        self.no_violations()
        assert not problems, "\n".join(problems)


RandomRun.TestCase.settings = settings(
    max_examples=RUNS_COUNT,
    stateful_step_count=STEPS_COUNT,
    deadline=None,
    derandomize="RANDOM_RUNS" not in os.environ,
    phases=PHASES,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestRandomRun = pytest.mark.filterwarnings("default")(RandomRun.TestCase)
