"""What a user sees of services, tasks and versions, through the stock SDK.

Source: swarmkit manager/controlapi/*.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import docker
import pytest

import swarmlab
from swarmlab.cluster.decisions import leading_manager
from swarmlab.manager.store import Action, Change, Store
from swarmlab.model import Role
from swarmlab.simulation import S
from tests.control_loops import service

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


# -- what is in use, and what was removed meanwhile ----------------------------------------------
@pytest.mark.parametrize("kind", ["secret", "config"])
def test_a_secret_or_config_in_use_cannot_be_removed(lab: Lab, kind: str):
    """Only current specs count. Source: swarmkit manager/controlapi/{secret,config}.go."""
    stored: Any = getattr(lab.client, f"{kind}s").create(name="key", data=b"s3cret")
    title = kind.capitalize()
    file = {"Name": "key", "UID": "0", "GID": "0", "Mode": 0o444}
    reference = {f"{title}ID": stored.id, f"{title}Name": "key", "File": file}
    lab.create(**container(Image="nginx", **{f"{title}s": [reference]}))
    words = f"{kind} 'key' is in use by the following service: web"
    with pytest.raises(docker.errors.APIError, match=words) as refusal:
        stored.remove()
    assert refusal.value.response.status_code == 400
    assert [found.id for found in getattr(lab.client, f"{kind}s").list()] == [stored.id]
    lab.update(**container(Image="nginx"))
    stored.remove()
    assert getattr(lab.client, f"{kind}s").list() == []


def test_an_update_that_raced_with_a_removal_changes_nothing():
    """Applied after the removal, it must not bring the object back; on no manager."""
    web = service()
    store = Store([web])
    store.apply(1, [Change(Action.REMOVE, web)])
    late = replace(web, spec_version=9)
    assert store.apply(2, [Change(Action.UPDATE, late)]) == []
    assert store.services == {}
    assert store.index == 2


@pytest.mark.parametrize(("kind", "most"), [("secret", 511_999), ("config", 1_023_999)])
def test_the_limit_of_a_payload_is_too_much(lab: Lab, kind: str, most: int):
    """Source: swarmkit api/validation/secrets.go, MaxSecretSize."""
    create: Any = getattr(lab.client, f"{kind}s").create
    create(name="fits", data=b"x" * most)
    words = f"{kind} data must be larger than 0 and less than {most + 1} bytes"
    with pytest.raises(docker.errors.APIError, match=words):
        create(name="full", data=b"x" * (most + 1))


@pytest.mark.parametrize("kind", ["secret", "config"])
def test_a_reference_names_what_exists_and_a_file_of_its_own(lab: Lab, kind: str):
    """Source: swarmkit manager/controlapi/service.go."""
    title = kind.capitalize()
    ids = [getattr(lab.client, f"{kind}s").create(name=n, data=b"x").id for n in ("one", "two")]

    def spec(*references: tuple[str, str, str]) -> dict[str, Any]:
        listed = [
            {f"{title}ID": id, f"{title}Name": name, "File": {"Name": target}}
            for id, name, target in references
        ]
        return container(Image="nginx", **{f"{title}s": listed})

    with pytest.raises(docker.errors.APIError, match=f"{kind} not found: other"):
        lab.create(**spec((ids[0], "other", "a")))
    words = f"{kind} references 'one' and 'two' have a conflicting target: 'a'"
    with pytest.raises(docker.errors.APIError, match=words):
        lab.create(**spec((ids[0], "one", "a"), (ids[1], "two", "a")))
    lab.create(**spec((ids[0], "one", "a"), (ids[1], "two", "b")))


def test_a_network_is_in_use_until_the_last_task_on_it_is_to_stop(lab: Lab):
    """Those of an outdated spec count, too. Source: swarmkit manager/controlapi/network.go."""
    network = lab.client.networks.create("front", driver="overlay")
    lab.create(TaskTemplate={**IMAGE, "Networks": [{"Target": network.id}]}, **replicated(2))
    lab.cluster.run("10s")
    with pytest.raises(docker.errors.APIError, match=f"{network.id} is in use by service"):
        network.remove()
    lab.update(TaskTemplate=IMAGE, UpdateConfig={"Parallelism": 1})
    with pytest.raises(docker.errors.APIError, match=f"{network.id} is in use by task"):
        network.remove()
    lab.cluster.run("30s")
    network.remove()


def test_a_node_that_is_up_is_removed_only_by_force(lab: Lab):
    """Source: swarmkit manager/controlapi/node.go."""
    w1 = lab.client.nodes.get("w1").id
    with pytest.raises(docker.errors.APIError, match=f"node {w1} is not down") as refusal:
        lab.api.remove_node("w1")
    assert refusal.value.response.status_code == 400
    lab.api.remove_node("w1", force=True)
    assert w1 not in {node.id for node in lab.client.nodes.list()}


def test_a_task_whose_container_does_not_start_has_failed(lab: Lab):
    """It is rejected only before it is STARTING. Source: swarmkit agent/exec/controller.go."""
    once = {"RestartPolicy": {"Condition": "none"}}
    lab.create(TaskTemplate={"ContainerSpec": {"Image": "nginx", "Command": ["/nosuch"]}, **once})
    lab.cluster.run("10s")
    ((state, error),) = [(t["Status"]["State"], t["Status"]["Err"]) for t in lab.tasks()]
    assert state == "failed"
    assert error.startswith("starting container failed: ")


# -- roles and the quorum ------------------------------------------------------------------------
def demote(lab: Lab, name: str) -> None:
    lab.node(name, Role="worker")


def members(lab: Lab) -> list[str]:
    """The names of the Raft members, as the leader knows them."""
    manager = leading_manager(lab.cluster)
    return sorted(manager.store.nodes[id].hostname for id in manager.member_ids())


@pytest.mark.parametrize(
    ("managers", "down", "allowed"), [(3, 0, True), (3, 1, False), (5, 1, True), (5, 2, False)]
)
def test_a_demotion_is_refused_when_the_rest_would_have_no_quorum(
    managers: int, down: int, allowed: bool
):
    """Source: swarmkit manager/controlapi/node.go, manager/state/raft (CanRemoveMember)."""
    lab = Lab(managers=managers, workers=0)
    for number in range(down):
        lab.cluster.crash(f"m{managers - number}")
    lab.cluster.run("5s")
    if allowed:
        demote(lab, "m2")
        lab.cluster.run("10s")
        assert "m2" not in members(lab)
        assert len(members(lab)) == managers - 1
    else:
        with pytest.raises(docker.errors.APIError, match="this would result in a loss of quorum"):
            demote(lab, "m2")
        assert len(members(lab)) == managers


def test_the_last_manager_cannot_be_demoted(lab: Lab):
    with pytest.raises(docker.errors.APIError, match="attempting to demote the last manager"):
        demote(lab, "m1")


def test_a_demoted_leader_leaves_raft_only_when_the_rest_has_a_quorum():
    """It hands over first; the role changes after it has left. Source: swarmkit role_manager.go."""
    lab = Lab(managers=3, workers=0)
    demote(lab, "m1")
    lab.cluster.crash("m3")
    lab.cluster.run("60s")
    lab.client = lab.cluster.client("m2")
    m1 = lab.client.nodes.get("m1")
    assert leading_manager(lab.cluster).host.machine.name == "m2"
    assert members(lab) == ["m1", "m2", "m3"]
    assert leading_manager(lab.cluster).store.nodes[m1.id].role is Role.MANAGER
    lab.cluster.start("m3")
    lab.cluster.run("30s")
    assert members(lab) == ["m2", "m3"]
    assert leading_manager(lab.cluster).store.nodes[m1.id].role is Role.WORKER
