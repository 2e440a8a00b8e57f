"""JSON of the Engine API: stored specs, and the objects that contain them."""

from __future__ import annotations

import json

import pytest

from swarmlab.cluster import simulated_state
from swarmlab.engine import specs, wire
from swarmlab.engine.schemas import decoded
from swarmlab.errors import BadParameter, SwarmError
from swarmlab.model import (
    Document,
    Node,
    NodeSpec,
    NodeState,
    NodeStatus,
    Role,
    Secret,
    Service,
    ServiceSpec,
    Task,
    TaskSpec,
    TaskState,
    TaskStatus,
    UpdateState,
    UpdateStatus,
    freeze,
)


def at(virtual_ns: int) -> str:
    return wire.rfc3339(virtual_ns)


def stored(body: dict, **more: object) -> ServiceSpec:
    template = {"ContainerSpec": {"Image": "nginx"}, **body.pop("TaskTemplate", {})}
    whole = {"Name": "web", **body, "TaskTemplate": template, **more}
    body = decoded(whole, "ServiceSpec")
    return specs.service_spec(body, lambda name: f"id of {name}", lambda: "brave_lovelace")


@pytest.mark.parametrize(
    ("unix_ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_509_192_000_000_000_000, "2017-10-28T12:00:00Z"),
        (1_509_192_000_120_000_000, "2017-10-28T12:00:00.12Z"),
        (1_509_192_000_000_000_001, "2017-10-28T12:00:00.000000001Z"),
    ],
)
def test_times_have_as_many_digits_as_they_need(unix_ns, text):
    """Go's RFC3339Nano."""
    assert wire.rfc3339(unix_ns) == text


# -- specs -----------------------------------------------------------------------------
def test_the_smallest_spec_is_stored_with_exactly_the_engines_defaults():
    """One replica, labels, ForceUpdate, Runtime; no policy that was not sent.

    Source: moby daemon/cluster/convert/service.go.
    """
    assert stored({}) == {
        "Name": "web",
        "Labels": {},
        "Mode": {"Replicated": {"Replicas": 1}},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "nginx", "Isolation": "default"},
            "ForceUpdate": 0,
            "Runtime": "container",
        },
    }


def test_nulls_and_unknown_fields_count_as_absent_at_any_depth():
    """docker-py sends nested nulls. Source: docker-py docker/types/services.py."""
    sent = {"Labels": None, "Colour": 1, "Mode": {"Replicated": {"Replicas": None}}}
    assert stored({**sent, "TaskTemplate": {"Networks": None, "Placement": {"X": 1}}}) == stored(
        {"TaskTemplate": {"Placement": {}}}
    )


def test_empty_objects_and_zeros_behind_pointers_are_kept_but_plain_zeros_are_not():
    """An empty object is kept, a sent `Window: 0` too; a plain zero is absent.

    Source: docker-py tests/integration/api_service_test.py.
    """
    task = {
        "RestartPolicy": {"Condition": "any", "Delay": 5, "MaxAttempts": 5, "Window": 0},
        "Resources": {"Limits": {"NanoCPUs": 4_000_000, "Pids": 0}, "Reservations": {}},
    }
    stored_task = stored({"TaskTemplate": task}).task
    assert stored_task["RestartPolicy"] == task["RestartPolicy"]
    assert stored_task["Resources"] == {"Limits": {"NanoCPUs": 4_000_000}, "Reservations": {}}


def test_a_given_update_config_without_parallelism_means_all_at_once():
    """TRAP: the default of 1 applies only when the whole object is absent.

    Source: swarmkit api/defaults/service.go.
    """
    config = stored({"UpdateConfig": {"Delay": 5}})["UpdateConfig"]
    assert config == {
        "Parallelism": 0, "MaxFailureRatio": 0, "Delay": 5, "FailureAction": "pause",
        "Order": "stop-first",
    }  # fmt: skip


def test_words_of_ports_are_filled_in_and_unknown_ones_become_the_default():
    """TRAP: an unknown word is not an error. Source: moby daemon/cluster/convert/service.go."""
    ports = [{"TargetPort": 80, "PublishMode": "foo"}, {"Protocol": "UDP", "PublishMode": "host"}]
    endpoint = stored({"EndpointSpec": {"Ports": ports}})["EndpointSpec"]
    assert endpoint == {
        "Mode": "vip",
        "Ports": (
            {"TargetPort": 80, "PublishMode": "ingress", "Protocol": "tcp"},
            {"PublishMode": "host", "Protocol": "udp"},
        ),
    }


def test_counts_of_a_job_are_filled_in():
    """MaxConcurrent 1, TotalCompletions as many. Source: moby daemon/cluster/convert/service.go."""
    assert stored({"Mode": {"ReplicatedJob": {}}})["Mode"] == {
        "ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}
    }
    assert stored({"Mode": {"GlobalJob": None, "Global": {}}}).mode == "global"


def test_networks_are_resolved_in_order_and_a_missing_name_is_generated():
    spec = stored({"Name": "", "TaskTemplate": {"Networks": [{"Target": "b"}, {"Target": "a"}]}})
    assert spec.task["Networks"] == ({"Target": "id of b"}, {"Target": "id of a"})
    assert spec.name == "brave_lovelace"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"TaskTemplate": {"RestartPolicy": {"Condition": "x"}}}, 'invalid RestartCondition: "x"'),
        ({"UpdateConfig": {"FailureAction": "x"}}, "unrecognized update failure action x"),
        ({"RollbackConfig": {"Order": "x"}}, "unrecognized update order x"),
        ({"EndpointSpec": {"Mode": "x"}}, 'invalid resolution mode: "x"'),
        ({"Mode": {"Global": {}, "Replicated": {}}}, "must specify only one service mode"),
        (
            {"TaskTemplate": {"ContainerSpec": {"Mounts": [{"Type": "x"}]}}},
            'invalid MountType: "x"',
        ),
        (
            {"Name": 5},
            "invalid JSON: json: cannot unmarshal number into Go struct field ServiceSpec.Name of"
            " type string",
        ),
        (
            {"Mode": {"Replicated": {"Replicas": -1}}},
            "invalid JSON: json: cannot unmarshal number -1 into Go struct field"
            " ReplicatedService.Mode.Replicated.Replicas of type uint64",
        ),
    ],
)
def test_conversion_errors_are_worded_as_in_moby(body, text):
    """Source: moby daemon/cluster/convert/service.go."""
    with pytest.raises(BadParameter) as refusal:
        stored(body)
    assert str(refusal.value) == text


def test_inserted_defaults_can_be_submitted_again_without_a_change_of_meaning():
    """The SDK's update sends back what it read with insertDefaults.

    Source: swarmkit api/defaults/service.go.
    """
    spec = stored({"UpdateConfig": {"Parallelism": 3}})
    shown = specs.with_defaults(spec)
    assert shown["RollbackConfig"]["Parallelism"] == 1
    assert shown["UpdateConfig"] == {**spec["UpdateConfig"], "Monitor": 5_000_000_000}
    assert shown.task.container["StopGracePeriod"] == 10_000_000_000
    again = stored(json.loads(json.dumps(shown)))
    assert again.update_config == spec.update_config
    assert again.task.restart == spec.task.restart


def test_init_merges_a_swarm_spec_and_update_replaces_it():
    """TRAP: an update replaces the whole spec. Source: moby daemon/cluster/swarm.go, Update."""
    sent = {"Raft": {"SnapshotInterval": 5000, "ElectionTick": 0}, "Labels": None}
    merged = specs.swarm_spec(decoded(sent, "Spec"), merge=True)
    assert merged["Raft"]["SnapshotInterval"] == 5000
    assert merged["Raft"]["ElectionTick"] == 10
    assert merged.at("Dispatcher", "HeartbeatPeriod") == 5_000_000_000
    replaced = specs.swarm_spec({}, merge=False)
    assert replaced["Orchestration"] == {"TaskHistoryRetentionLimit": 0}
    assert replaced["CAConfig"] == {}
    with pytest.raises(BadParameter, match='swarm spec must be named "default"'):
        specs.swarm_spec({"Name": "x"}, merge=True)


@pytest.mark.parametrize("field", ["Role", "Availability"])
def test_a_node_update_needs_role_and_availability(field):
    """TRAP: there is no merge with the stored spec. Source: moby daemon/cluster/convert/node.go."""
    body = {"Role": "Worker", "Availability": "DRAIN", "Labels": {"a": "b"}}
    assert specs.node_spec(body) == {**body, "Role": "worker", "Availability": "drain"}
    with pytest.raises(BadParameter, match=f'invalid {field}: ""'):
        specs.node_spec({key: value for key, value in body.items() if key != field})


# -- objects -----------------------------------------------------------------------------
SPEC = ServiceSpec({"Name": "web", "Mode": {"Replicated": {"Replicas": 3}}})


def service(**fields: object) -> Service:
    given = {"spec": SPEC, "created_ns": 1, "updated_ns": 2, **fields}
    return Service(id="s1", version=21, **given)


def task(state: TaskState, desired: TaskState = TaskState.RUNNING, **fields: object) -> Task:
    status = TaskStatus(state=state, timestamp_ns=3, message="started")
    return Task(
        id="t1", service_id="s1", spec=TaskSpec({}), desired=desired, status=status, **fields
    )  # fmt: skip


def test_a_service_has_only_the_fields_that_apply():
    """Source: moby api/types/swarm/service.go."""
    assert wire.service(service(), at) == {
        "ID": "s1", "Version": {"Index": 21}, "CreatedAt": at(1), "UpdatedAt": at(2),
        "Spec": SPEC, "Endpoint": {"Spec": {}},
    }  # fmt: skip
    status = UpdateStatus(state=UpdateState.UPDATING, message="update in progress", started_ns=5)
    updated = wire.service(service(update_status=status, previous_spec=SPEC), at)
    assert updated["UpdateStatus"] == {
        "State": "updating", "StartedAt": at(5), "Message": "update in progress"
    }  # fmt: skip
    assert updated["PreviousSpec"] == SPEC


def test_a_task_leaves_out_slot_node_and_error_while_it_has_none():
    """`Slot` is absent for global tasks and the first of a job.

    Source: moby api/types/swarm/task.go.
    """
    bare = wire.task(task(TaskState.PENDING), at)
    assert not {"Slot", "NodeID", "NetworksAttachments", "JobIteration"} & bare.keys()
    assert bare["Status"] == {
        "Timestamp": at(3), "State": "pending", "Message": "started", "PortStatus": {}
    }  # fmt: skip
    job = wire.task(task(TaskState.RUNNING, slot=2, node_id="n", job_iteration=0), at)
    assert (job["Slot"], job["NodeID"], job["JobIteration"]) == (2, "n", {"Index": 0})


def test_service_status_counts_observed_states_and_a_jobs_current_iteration():
    """Running tasks count whatever their desired state; jobs count one iteration.

    Source: swarmkit manager/controlapi/service.go, ListServiceStatuses.
    """
    tasks = [task(TaskState.RUNNING), task(TaskState.RUNNING, TaskState.SHUTDOWN)]
    status = wire.service_status(service(), tasks)
    assert status == {"RunningTasks": 2, "DesiredTasks": 3, "CompletedTasks": 0}
    mode = {"GlobalJob": {}}
    job = service(spec=ServiceSpec({"Mode": mode}), job_iteration=1)
    tasks = [
        task(TaskState.COMPLETE, TaskState.COMPLETE, job_iteration=1),
        task(TaskState.RUNNING, TaskState.COMPLETE, job_iteration=1),
        task(TaskState.COMPLETE, TaskState.COMPLETE, job_iteration=0),
    ]
    assert wire.service_status(job, tasks) == {
        "RunningTasks": 1, "DesiredTasks": 1, "CompletedTasks": 1
    }  # fmt: skip


def test_a_secrets_data_is_never_returned():
    """TRAP: a secret's data is never returned. Source: moby daemon/cluster/convert/secret.go."""
    secret = Secret(id="x", spec=Document(Name="s"), data=b"hunter2")
    assert "hunter2" not in json.dumps(wire.secret(secret, at))
    assert set(wire.secret(secret, at)) == {"ID", "Version", "CreatedAt", "UpdatedAt", "Spec"}


def node(**fields: object) -> Node:
    spec = NodeSpec(Role="worker", Availability="active")
    description = freeze({"Hostname": "w1"})
    return Node(id="n1", spec=spec, role=Role.WORKER, description=description, **fields)


def test_a_swarm_event_has_old_and_new_values_of_what_changed():
    """Source: moby daemon/events.go, generateClusterEvent."""
    ready = node(status=NodeStatus(state=NodeState.READY))
    event = wire.swarm_event("update", node(), ready)
    assert event == {
        "Type": "node", "Action": "update", "scope": "swarm",
        "Actor": {"ID": "n1", "Attributes": {
            "name": "w1", "state.old": "unknown", "state.new": "ready"}},
    }  # fmt: skip
    removed = wire.swarm_event("remove", service(), None)
    assert removed is not None
    assert removed["Actor"] == {"ID": "s1", "Attributes": {"name": "web"}}
    assert wire.swarm_event("create", None, task(TaskState.NEW)) is None


def test_errors_know_their_status():
    assert all(isinstance(int(kind.status), int) for kind in SwarmError.__subclasses__())


def test_views_read_the_same_json_as_the_api_returns(cluster, client):
    """One definition of a service, node and task, for the API and for views."""
    client.services.create("nginx", name="web", mode={"Replicated": {"Replicas": 3}})
    cluster.run("20s")
    api = {"nodes": client.api.nodes(), "services": client.api.services(), "tasks": None}
    api["tasks"] = [{**task, "ServiceName": "web"} for task in client.api.tasks()]
    api["nodes"] = [{"ManagerStatus": None, **node} for node in api["nodes"]]
    state = simulated_state.cluster_state(cluster)
    for kind, documents in api.items():
        stored = sorted(getattr(state, kind), key=lambda document: document["ID"])
        assert json.loads(json.dumps(stored)) == documents
