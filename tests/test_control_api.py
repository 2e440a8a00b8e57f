"""What a user sees of services, tasks and versions, through the stock SDK.

Source: swarmkit manager/controlapi/*.go.
"""

from __future__ import annotations

from typing import Any

import docker
import pytest

import swarmlab
from swarmlab.simulation import S

IMAGE = {"ContainerSpec": {"Image": "nginx"}}


class Lab:
    """A small swarm, and the raw API at its manager: what the SDK would not send goes through."""

    def __init__(self, managers: int = 1, workers: int = 2, seed: int = 3) -> None:
        self.cluster = swarmlab.simulate(managers=managers, workers=workers, seed=seed)
        self.client: Any = self.cluster.client("m1")
        self.api: Any = self.client.api

    def post(self, path: str, document: Any = None, **query: Any) -> Any:
        url = f"{self.api.base_url}/v{self.api.api_version}{path}"
        answer = self.api.post(url, json=document, params=query)
        self.api._raise_for_status(answer)
        return answer.json() if answer.content else None

    def create(self, name: str = "web", **spec: Any) -> str:
        id: str = self.post("/services/create", {"Name": name, "TaskTemplate": IMAGE, **spec})["ID"]
        return id

    def service(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.api.inspect_service(name)
        return found

    def update(self, name: str = "web", version: int | None = None, **changes: Any) -> None:
        now = self.service(name)
        version = now["Version"]["Index"] if version is None else version
        rollback = changes.pop("rollback", None)
        query = {"version": version} | ({"rollback": rollback} if rollback else {})
        self.post(f"/services/{now['ID']}/update", {**now["Spec"], **changes}, **query)

    def tasks(self, name: str = "web", **filters: Any) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.api.tasks(filters={"service": name, **filters})
        return sorted(listed, key=lambda t: t["CreatedAt"])

    def running(self, name: str = "web") -> int:
        return sum(t["Status"]["State"] == "running" for t in self.tasks(name))

    def node(self, name: str, **changes: Any) -> None:
        node = self.client.nodes.get(name)
        node.update({**node.attrs["Spec"], **changes})


def replicated(replicas: int) -> dict[str, Any]:
    return {"Mode": {"Replicated": {"Replicas": replicas}}}


@pytest.fixture
def lab() -> Lab:
    return Lab()


# -- versions ----------------------------------------------------------------------------------
def test_a_version_is_the_log_index_of_its_transaction(lab: Lab):
    """It does not grow by one; all objects of one transaction get the same version.

    Source: swarmkit manager/state/store/memory.go.
    """
    lab.create(**replicated(3))
    lab.cluster.run("10s")
    assert len({t["CreatedAt"] for t in lab.tasks()}) == 1
    versions = [lab.service()["Version"]["Index"]]
    for k in "abc":
        lab.update(Labels={"k": k})
        lab.cluster.run("1s")
        versions.append(lab.service()["Version"]["Index"])
    assert versions == sorted(set(versions))
    lab.create("other")
    lab.cluster.run("10s")
    lab.update(Labels={"k": "z"})
    assert lab.service()["Version"]["Index"] > versions[-1] + 1
    lab.update(**replicated(0))
    removed = {t["Version"]["Index"] for t in lab.tasks()}
    assert len(removed) == 1


def test_an_outdated_version_is_refused_with_500(lab: Lab):
    """Not 409. Source: swarmkit manager/state/store/memory.go."""
    lab.create()
    old = lab.service()["Version"]["Index"]
    lab.update(Labels={"k": "v"})
    with pytest.raises(docker.errors.APIError) as refusal:
        lab.update(version=old)
    assert refusal.value.response.status_code == 500
    words = "rpc error: code = Unknown desc = update out of sequence"
    assert refusal.value.explanation == words


def test_a_version_changes_without_a_user(lab: Lab):
    """When the allocator gives it ports, and when its update goes on.

    Source: swarmkit manager/state/store/memory.go.
    """
    port = {"TargetPort": 80, "PublishedPort": 8080}
    lab.create(EndpointSpec={"Ports": [port]})
    lab.cluster.run("10s")
    assert lab.service()["UpdatedAt"] > lab.service()["CreatedAt"]
    before = lab.service()["Version"]["Index"]
    lab.update(TaskTemplate={**IMAGE, "ForceUpdate": 1})
    asked = lab.service()["Version"]["Index"]
    lab.cluster.run("30s")
    after = lab.service()
    assert after["UpdateStatus"]["State"] == "completed"
    assert before < asked < after["Version"]["Index"]


def test_a_nodes_version_changes_with_its_state(lab: Lab):
    """It went down, and nobody edited it. Source: swarmkit manager/state/store/memory.go."""
    before = lab.client.nodes.get("w1").version
    lab.cluster.crash("w1")
    lab.cluster.run("30s")
    assert lab.client.nodes.get("w1").version > before


def test_names_are_unique_regardless_of_case(lab: Lab):
    """Source: swarmkit manager/state/store/memory.go, manager/controlapi/service.go."""
    lab.create("web")
    words = "name conflicts with an existing object: service WEB already exists"
    with pytest.raises(docker.errors.APIError, match=words) as refusal:
        lab.create("WEB")
    assert refusal.value.response.status_code == 409


# -- refusals ----------------------------------------------------------------------------------
def template(**changes: Any) -> dict[str, Any]:
    return {"TaskTemplate": {**IMAGE, **changes}}


def container(**changes: Any) -> dict[str, Any]:
    return {"TaskTemplate": {"ContainerSpec": {"Image": "nginx", **changes}}}


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"Name": "-web"}, 400, "name must be valid as a DNS name component"),
    ({"Name": "w" * 64}, 400, "name must be 63 characters or fewer"),
    (
        template(Resources={"Limits": {"NanoCPUs": 999}}),
        400,
        "invalid cpu value 9.99e-07: Must be at least 0.001",
    ),
    (
        template(Resources={"Reservations": {"MemoryBytes": 1000}}),
        400,
        "invalid memory value 1000: Must be at least 4MiB",
    ),
    (template(RestartPolicy={"Delay": -1}), 400, "TaskSpec: restart-delay cannot be negative"),
    (template(RestartPolicy={"Window": -1}), 400, "TaskSpec: restart-window cannot be negative"),
    ({"UpdateConfig": {"Delay": -1}}, 400, "TaskSpec: update-delay cannot be negative"),
    ({"UpdateConfig": {"Monitor": -1}}, 400, "TaskSpec: update-monitor cannot be negative"),
    (
        {"UpdateConfig": {"MaxFailureRatio": 1.5}},
        400,
        "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
    ),
    (
        template(Placement={"Constraints": ["node.role=worker"]}),
        500,
        "constraint expected one operator from ==, !=",
    ),
    (template(Placement={"Constraints": ["1x==a"]}), 500, "key '1x' is invalid"),
    (template(Placement={"Constraints": ["node.role=="]}), 500, "value '' is invalid"),
    (container(Image=""), 400, "ContainerSpec: image reference must be provided"),
    (container(Image="A:b:c"), 400, 'ContainerSpec: "A:b:c" is not a valid repository/tag'),
    (
        container(Mounts=[{"Type": "tmpfs", "Target": "/t"}, {"Type": "tmpfs", "Target": "/t"}]),
        400,
        "ContainerSpec: duplicate mount point: /t",
    ),
    (
        container(Healthcheck={"Interval": 999}),
        400,
        "ContainerSpec: Interval in HealthConfig cannot be less than 1ms",
    ),
    (
        {"EndpointSpec": {"Mode": "dnsrr", "Ports": [{"TargetPort": 80, "PublishedPort": 80}]}},
        400,
        "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
    ),
    (
        {"EndpointSpec": {"Ports": [{"TargetPort": t, "PublishedPort": 80} for t in (1, 2)]}},
        400,
        "EndpointSpec: duplicate published ports provided",
    ),
    (
        {"Mode": {"ReplicatedJob": {}}, "UpdateConfig": {"Parallelism": 1}},
        400,
        "Jobs may not have an update config",
    ),
]


@pytest.fixture(scope="module")
def quiet() -> Lab:
    """A swarm for what changes nothing."""
    return Lab(workers=0)


@pytest.mark.parametrize(("spec", "status", "words"), REFUSED, ids=lambda value: str(value)[:40])
def test_an_invalid_spec_is_refused_with_swarmkits_message(
    quiet: Lab, spec: dict[str, Any], status: int, words: str
):
    """Source: swarmkit manager/controlapi/service.go."""
    with pytest.raises(docker.errors.APIError) as refusal:
        quiet.create(**spec)
    assert refusal.value.response.status_code == status
    assert refusal.value.explanation.endswith(f"desc = {words}")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"Mode": {"Global": {}}}, 501, "service mode change is not allowed"),
        ({"Name": "other"}, 501, "renaming services is not supported"),
    ],
)
def test_an_update_may_not_change_mode_or_name(
    lab: Lab, changes: dict[str, Any], status: int, words: str
):
    """Source: swarmkit manager/controlapi/service.go."""
    lab.create()
    with pytest.raises(docker.errors.APIError, match=words) as refusal:
        lab.update(**changes)
    assert refusal.value.response.status_code == status


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("ingress", "ingress", "as an ingress port"),
        ("ingress", "host", "as an ingress port"),
        ("host", "ingress", "as a host-published port"),
        ("host", "host", ""),
    ],
)
def test_conflicting_ports_are_refused_unless_both_are_host_ports(
    lab: Lab, first: str, second: str, words: str
):
    """The scheduler keeps host-mode ports apart. Source: swarmkit manager/controlapi/service.go."""
    ports = [{"TargetPort": 80, "PublishedPort": 8080, "PublishMode": m} for m in (first, second)]
    id = lab.create("a", EndpointSpec={"Ports": [ports[0]]})
    if not words:
        lab.create("b", EndpointSpec={"Ports": [ports[1]]})
        return
    with pytest.raises(docker.errors.APIError) as refusal:
        lab.create("b", EndpointSpec={"Ports": [ports[1]]})
    said = f"port '8080' is already in use by service 'a' ({id}) {words}"
    assert refusal.value.explanation.endswith(said)


def test_rollback_configs_and_unknown_constraint_keys_are_not_validated(lab: Lab):
    """The latter stays pending with the usual sentence.

    Source: swarmkit manager/controlapi/service.go, manager/constraint/constraint.go.
    """
    placement = {"Constraints": ["node.nosuch!=x"]}
    lab.create(RollbackConfig={"Delay": -1, "MaxFailureRatio": 7}, **template(Placement=placement))
    lab.cluster.run("5s")
    (task,) = lab.tasks()
    err = "no suitable node (scheduling constraints not satisfied on 3 nodes)"
    assert (task["Status"]["State"], task["Status"]["Err"]) == ("pending", err)


def test_a_named_generic_resource_is_accepted_and_never_schedules(lab: Lab):
    """Source: swarmkit manager/controlapi/service.go."""
    wish = {"NamedResourceSpec": {"Kind": "gpu", "Value": "u1"}}
    lab.create(**template(Resources={"Reservations": {"GenericResources": [wish]}}))
    lab.cluster.run("5s")
    (task,) = lab.tasks()
    assert task["Status"]["Err"] == "no suitable node (insufficient resources on 3 nodes)"


# -- what is shown -----------------------------------------------------------------------------
def test_a_removed_service_disappears_at_once(lab: Lab):
    """Its tasks still stop. Source: swarmkit api/objects.proto, manager/orchestrator/service.go."""
    lab.create(**replicated(2))
    lab.cluster.run("10s")
    ids = [t["ID"] for t in lab.tasks()]
    lab.client.services.get("web").remove()
    assert lab.client.services.list() == []
    assert {lab.api.inspect_task(id)["DesiredState"] for id in ids} == {"remove"}
    lab.cluster.run("20s")
    with pytest.raises(docker.errors.NotFound):
        lab.api.inspect_task(ids[0])


def test_a_crashed_task_keeps_the_previous_message(lab: Lab):
    """`started`; only the error tells of the crash. Source: swarmkit agent/exec/controller.go."""
    lab.create(**container(Image="busybox", Args=["sh", "-c", "sleep 2; exit 1"]))
    lab.cluster.run("9s")
    status = lab.tasks()[0]["Status"]
    words = ("failed", "started", "task: non-zero exit (1)")
    assert (status["State"], status["Message"], status["Err"]) == words


def test_the_replica_column_can_exceed_the_target(lab: Lab):
    """Stale tasks of a dead node still count, until it returns.

    Source: swarmkit manager/controlapi/service.go.
    """
    lab.create(**replicated(3))
    lab.cluster.run("10s")
    lab.cluster.crash("w1")
    lab.cluster.run("40s")
    shown = lab.api.get(f"{lab.api.base_url}/v1.43/services?status=true").json()[0]["ServiceStatus"]
    assert (shown["RunningTasks"], shown["DesiredTasks"]) == (4, 3)
    lab.cluster.start("w1")
    lab.cluster.run("40s")
    shown = lab.api.get(f"{lab.api.base_url}/v1.43/services?status=true").json()[0]["ServiceStatus"]
    assert (shown["RunningTasks"], shown["DesiredTasks"]) == (3, 3)


def test_a_node_that_returns_gets_no_tasks_back(lab: Lab):
    """Its old tasks are stopped, the new ones stay where they are.

    Source: swarmkit manager/dispatcher/dispatcher.go, manager/orchestrator/replicated/tasks.go.
    """
    lab.create(**replicated(6))
    lab.cluster.run("10s")
    lab.cluster.crash("w1")
    lab.cluster.run("40s")
    places = {t["ID"]: t["NodeID"] for t in lab.tasks(**{"desired-state": "running"})}
    lab.cluster.start("w1")
    lab.cluster.run("60s")
    back = lab.client.nodes.get("w1")
    assert back.attrs["Status"]["State"] == "ready"
    assert {t["ID"]: t["NodeID"] for t in lab.tasks(**{"desired-state": "running"})} == places
    assert back.id not in places.values()


def test_defaults_are_shown_and_not_stored(lab: Lab):
    """Presence counts. Source: swarmkit api/defaults/service.go, manager/orchestrator/task.go."""
    id = lab.create()
    shown = lab.api.inspect_service(id, insert_defaults=True)["Spec"]
    assert shown["TaskTemplate"]["RestartPolicy"] == {
        "Condition": "any",
        "Delay": 5 * S,
        "MaxAttempts": 0,
    }
    assert shown["UpdateConfig"]["Parallelism"] == 1
    assert "RestartPolicy" not in lab.service()["Spec"]["TaskTemplate"]


# -- updates -----------------------------------------------------------------------------------
def test_an_update_config_without_parallelism_has_no_limit(lab: Lab):
    """0 means all at once; no config at all means one.

    Source: swarmkit manager/orchestrator/update/updater.go.
    """
    lab.create("all", UpdateConfig={"Delay": 1}, **replicated(4))
    lab.create("one", **replicated(4))
    lab.cluster.run("10s")
    for name in ("all", "one"):
        lab.update(name, **template(ForceUpdate=1))
    lab.cluster.run("1s")
    made = {
        name: sum(t["Spec"].get("ForceUpdate") == 1 for t in lab.tasks(name))
        for name in ("all", "one")
    }
    assert made == {"all": 4, "one": 1}


def test_a_monitor_of_zero_means_five_seconds(lab: Lab):
    """It cannot be expressed. Source: swarmkit manager/orchestrator/update/updater.go."""
    lab.create(UpdateConfig={"Parallelism": 0, "Monitor": 0, "Order": "start-first"})
    lab.cluster.run("10s")
    lab.update(**template(ForceUpdate=1))
    lab.cluster.until(lambda: lab.running() == 2, "10s")
    lab.cluster.run("4s")
    assert lab.service()["UpdateStatus"]["State"] == "updating"
    lab.cluster.run("3s")
    assert lab.service()["UpdateStatus"]["State"] == "completed"


def paused(lab: Lab) -> None:
    """`web` runs, and its update to an image that crashes is paused."""
    lab.create(**replicated(2))
    lab.cluster.run("10s")
    lab.update(**container(Image="busybox", Args=["false"]))
    lab.cluster.run("15s")
    assert lab.service()["UpdateStatus"]["State"] == "paused"


def test_after_a_paused_update_scaling_makes_the_bad_spec_the_previous_one(lab: Lab):
    """A later rollback is of no use then. Source: swarmkit manager/controlapi/service.go."""
    paused(lab)
    good = lab.service()["PreviousSpec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert good == "nginx"
    lab.update(**replicated(3))
    lab.update(rollback="previous")
    spec = lab.service()["Spec"]
    assert spec["Mode"]["Replicated"]["Replicas"] == 2
    assert spec["TaskTemplate"]["ContainerSpec"]["Image"] == "busybox"


def test_two_manual_rollbacks_toggle(lab: Lab):
    """Source: swarmkit manager/controlapi/service.go."""
    lab.create(Labels={"k": "one"})
    lab.update(Labels={"k": "two"})
    seen = []
    for _ in range(3):
        lab.update(rollback="previous")
        seen.append(lab.service()["Spec"]["Labels"]["k"])
        lab.cluster.run("1s")
    assert seen == ["one", "two", "one"]
    assert lab.service()["UpdateStatus"]["State"] == "rollback_completed"


def test_after_an_automatic_rollback_a_manual_one_is_refused(lab: Lab):
    """The previous spec is forgotten. Source: swarmkit manager/controlapi/service.go."""
    lab.create(UpdateConfig={"Parallelism": 1, "FailureAction": "rollback"}, **replicated(2))
    lab.cluster.run("10s")
    lab.update(**container(Image="busybox", Args=["false"]))
    lab.cluster.until(lambda: lab.service()["UpdateStatus"]["State"] == "rollback_completed", "2m")
    words = f"service {lab.service()['ID']} does not have a previous spec"
    with pytest.raises(docker.errors.APIError, match=words) as refusal:
        lab.update(rollback="previous")
    assert refusal.value.response.status_code == 400


def test_changing_a_jobs_label_runs_it_again(lab: Lab):
    """A rollback by hand does so, too.

    Source: swarmkit manager/orchestrator/jobs/replicated/reconciler.go,
    manager/controlapi/service.go.
    """
    mode = {"Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}}
    lab.create("job", **mode, **container(Image="busybox", Args=["true"]))
    for iteration in range(3):
        lab.cluster.run("15s")
        assert lab.service("job")["JobStatus"]["JobIteration"].get("Index", 0) == iteration
        assert sum(t["Status"]["State"] == "complete" for t in lab.tasks("job")) == iteration + 1
        lab.update("job", **({"Labels": {"k": "v"}} if not iteration else {"rollback": "previous"}))


def test_a_jobs_secret_reaches_its_tasks(lab: Lab):
    """Although their desired state is never RUNNING.

    Source: swarmkit manager/dispatcher/assignments.go.
    """
    secret = lab.client.secrets.create(name="key", data=b"s3cret")
    reference = {
        "SecretID": secret.id,
        "SecretName": "key",
        "File": {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o444},
    }
    spec = container(Image="busybox", Args=["cat", "/run/secrets/key"], Secrets=[reference])
    lab.create("job", Mode={"ReplicatedJob": {"MaxConcurrent": 1}}, **spec)
    lab.cluster.run("15s")
    assert [t["Status"]["State"] for t in lab.tasks("job")] == ["complete"]


def test_a_drain_moves_all_slots_in_parallel(lab: Lab):
    """Update parallelism is not used.

    Source: swarmkit manager/orchestrator/replicated/services.go.
    """
    lab.create(UpdateConfig={"Parallelism": 1, "Delay": 60 * S}, **replicated(6))
    lab.cluster.run("10s")
    lab.node("w1", Availability="drain")
    lab.cluster.run("15s")
    w1 = lab.client.nodes.get("w1").id
    live = lab.tasks(**{"desired-state": "running"})
    assert len(live) == 6
    assert {t["Status"]["State"] for t in live} == {"running"}
    assert w1 not in {t["NodeID"] for t in live}
