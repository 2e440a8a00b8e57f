"""Health checks, nodes and managers that fail and return, and messages of the API."""

from urllib.parse import quote

import facts
from facts import norm
from more.helpers import ask, create, node_is, on, scenario, settle, desired_tasks
from realswarm import api


# --- health: moby daemon/health.go ----------------------------------------------------------------
@scenario()
def health_start_period(p):
    often = "--health-interval 1s --health-retries 2 --health-timeout 1s"
    create(
        p,
        "late",
        f"{often} --health-cmd 'test -e /tmp/ok'",
        "demo:1 sh -c 'sleep 5; touch /tmp/ok; sleep 3600'",
    )
    p.until("failed", lambda: p.errors("late"))
    p.ok("service rm late")
    create(
        p,
        "patient",
        f"{often} --health-start-period 20s --health-cmd 'test -e /tmp/ok'",
        "demo:1 sh -c 'sleep 3; touch /tmp/ok; sleep 3600'",
    )
    create(
        p,
        "hopeless",
        f"{often} --health-start-period 6s --health-cmd false --restart-condition none",
    )
    p.until("starting", lambda: facts.tasks(p.sock, "patient")[0]["state"] == "starting")
    p.c.sleep(1)
    p.note("not_running_yet", p.states("patient"))
    p.note("~hopeless_after", p.until("failed", lambda: p.errors("hopeless")))
    p.note("hopeless", [p.states("hopeless"), p.errors("hopeless")])
    p.until("healthy", lambda: facts.running(p.sock, "patient"))
    p.note("patient", [p.states("patient"), p.errors("patient")])


@scenario()
def unhealthy_and_polite(p):
    """An unhealthy container that ends with 0 counts as complete, even at its start.

    Source: moby daemon/cluster/executor/container/controller.go.
    """
    often = "--health-interval 1s --health-retries 1 --restart-condition on-failure"
    create(
        p,
        "polite",
        f"--stop-grace-period 5s {often} --health-cmd false",
        "demo:1 sh -c 'trap \"exit 0\" TERM; while true; do sleep 1; done'",
    )
    p.until(
        "ended",
        lambda: (
            p.states("polite") != {"running/running": 1}
            and facts.tasks(p.sock, "polite")[0]["state"] in ("complete", "failed")
        ),
    )
    p.c.sleep(3)
    p.note("polite", [p.states("polite"), p.errors("polite")])
    create(
        p, "short", f"{often} --health-cmd true --health-start-period 30s", "demo:1 sh -c 'exit 4'"
    )
    p.until("failed", lambda: p.errors("short"))
    p.note("short", p.errors("short"))
    create(
        p,
        "update",
        f"--health-cmd true {often} --update-failure-action rollback --update-monitor 2s",
    )
    p.running("update", 1)
    p.ok("service update -d --health-cmd false --update-order start-first update")
    p.note("rolled_back", settle(p, "update"))
    p.note("never_stopped", p.states("update").get("running/running"))


# --- node life -------------------------------------------------------------------------------
@scenario()
def node_removed_by_force(p):
    create(p, "web", "--replicas 3 --restart-delay 2s")
    create(p, "agent", "--mode global")
    p.running("web", 3)
    p.running("agent", 3)
    p.c.crash("w2")
    p.say("rm", "node rm w2")
    p.say("rm_force", "node rm --force w2")
    p.note("~moved_after", p.until("moved", lambda: len(facts.running(p.sock, "web")) == 3))
    lost = [t for t in facts.tasks(p.sock, "web") if t["state"] == "orphaned"]
    p.note("lost", [[t["desired"], t["node"], t["message"], t["err"]] for t in lost])
    p.note("agent", p.states("agent"))
    p.note("nodes", sorted(facts.node_table(p.sock)))


@scenario()
def service_removed_while_a_node_is_down(p):
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    p.c.crash("w2")
    node_is(p, "w2", "down")
    p.ok("service rm web")
    p.until("others gone", lambda: len(facts.get(p.sock, "/tasks")) <= 2)
    p.c.sleep(3)
    left = sorted([t["node"], t["desired"], t["state"]] for t in facts.tasks(p.sock))
    p.note("left", left)
    p.c.start("w2")
    node_is(p, "w2", "ready")
    p.until("gone", lambda: not facts.get(p.sock, "/tasks"))
    p.until("no container", lambda: not p.ok("ps -aq", at="w2"))
    p.note("forgotten", True)


@scenario()
def worker_cut_off(p):
    """Its containers run on beside their replacements, and are stopped when it is back.

    Source: swarmkit manager/dispatcher/dispatcher.go.
    """
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    p.c.partition(["m1", "m2", "m3", "w1"], ["w2"])
    p.note(
        "~down_after", p.until("w2 down", lambda: facts.node_table(p.sock)["w2"][0][2] == "down")
    )
    p.until(
        "moved",
        lambda: (
            len(desired_tasks(p, "web")) == 3
            and "w2" not in [t["node"] for t in desired_tasks(p, "web").values()]
        ),
    )
    p.running("web", 3)
    p.c.sleep(1)
    p.note("cut_off", [p.spread("web"), on(p, "web", "w2"), len(p.ok("ps -q", at="w2").split())])
    p.c.heal()
    node_is(p, "w2", "ready")
    p.until("stopped", lambda: on(p, "web", "w2") == {"shutdown/shutdown": 1})
    p.c.sleep(3)
    p.note("back", [p.spread("web"), len(p.ok("ps -q", at="w2").split())])


# --- managers --------------------------------------------------------------------------------
def no_leader(p, node):
    p.until(
        f"{node} has no leader",
        lambda: "does not have a leader" in p.docker("node ls", at=node)[2],
        120,
    )


@scenario(managers=3, workers=0)
def follower_cut_off(p):
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    p.c.partition(["m1", "m2", "w1", "w2"], ["m3"])
    no_leader(p, "m3")
    p.say("create", "service create -d --name x demo:1", at="m3")
    p.say("config", "config create c -", stdin="x", at="m3")
    p.say("network", "network create -d overlay n", at="m3")
    p.say("task", "service ps web", at="m3")
    info = facts.get(p.c.sock("m3"), "/info")["Swarm"]
    p.note("info", [info["LocalNodeState"], info["ControlAvailable"], norm(info["Error"])])
    p.until(
        "m3 down",
        lambda: facts.node_table(p.sock)["m3"][0] == ["manager", "active", "down", "unreachable"],
    )
    p.say("the_others_decide", "config create c -", stdin="x")
    p.c.heal()
    p.until(
        "m3 back",
        lambda: facts.node_table(p.sock)["m3"][0] == ["manager", "active", "ready", "reachable"],
    )
    p.until(  # one that comes back with a later term may call an election
        "all ready",
        lambda: (
            sorted(v[0][2:] for v in facts.node_table(p.sock).values())
            == [["ready", "leader"], ["ready", "reachable"], ["ready", "reachable"]]
        ),
    )
    p.note("never_m3", facts.node_table(p.sock)["m3"])
    p.say("caught_up", "config inspect c", at="m3")


@scenario(managers=3, workers=1)
def leader_cut_off(p):
    """The others elect a leader; its tasks run on untouched if it is back soon.

    Source: swarmkit manager/dispatcher/dispatcher.go.
    """
    create(p, "web", "--replicas 4")
    p.running("web", 4)
    before = set(desired_tasks(p, "web"))
    p.c.partition(["m1"], ["m2", "m3", "w1", "w2"])
    p.at = "m2"
    p.until(
        "leader",
        lambda: any(v[0][3] == "leader" and k != "m1" for k, v in facts.node_table(p.sock).items()),
    )
    p.say("the_others_decide", "config create c -", stdin="x")
    p.note("m1", facts.node_table(p.sock)["m1"])
    p.c.heal()
    p.until(
        "m1 back",
        lambda: facts.node_table(p.sock)["m1"][0] == ["manager", "active", "ready", "reachable"],
    )
    p.note("leaders", sum(v[0][3] == "leader" for v in facts.node_table(p.sock).values()))
    p.c.sleep(6)
    p.note("no_task_moved", before == set(desired_tasks(p, "web")))
    p.until("m1 answers", lambda: p.docker("config inspect c", at="m1")[0] == 0)
    p.note("caught_up", True)


@scenario(managers=3, workers=0)
def leader_demotes_itself(p):
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    before = set(desired_tasks(p, "web"))
    p.say("demote", "node demote m1")
    p.at = "m2"
    p.until(
        "m1 is a worker",
        lambda: facts.node_table(p.sock)["m1"][0] == ["worker", "active", "ready", ""],
    )
    p.until("refused", lambda: "not a swarm manager" in p.docker("node ls", at="m1")[2])
    p.say("on_m1", "service create -d --name x demo:1", at="m1")
    p.note("leaders", sum(v[0][3] == "leader" for v in facts.node_table(p.sock).values()))
    p.say("promote", "node promote m1")
    p.until(
        "m1 is back",
        lambda: facts.node_table(p.sock)["m1"][0] == ["manager", "active", "ready", "reachable"],
    )
    p.until("m1 answers", lambda: p.docker("node ls", at="m1")[0] == 0)
    p.note("no_task_moved", before == set(desired_tasks(p, "web")))


@scenario()
def promotion_moves_by_role(p):
    """A role is a constraint like others: a promoted worker loses the tasks for workers.

    Source: swarmkit manager/orchestrator/constraintenforcer/constraint_enforcer.go.
    """
    create(p, "any", "--replicas 3")
    create(p, "workers", "--replicas 2 --restart-delay 1s --constraint node.role==worker")
    p.running("any", 3)
    p.running("workers", 2)
    before = set(desired_tasks(p, "any"))
    p.ok("node promote w1")
    p.until("w1 is a manager", lambda: facts.node_table(p.sock)["w1"][0][3] == "reachable")
    p.until("moved", lambda: facts.per_node(p.sock, "workers") == {"w2": 2})
    p.c.sleep(2)
    p.note(
        "promoted",
        [on(p, "workers", "w1"), p.errors("workers"), before == set(desired_tasks(p, "any"))],
    )
    p.say("on_w1", "node ls", at="w1")
    p.ok("node demote w1")
    p.until(
        "w1 is a worker",
        lambda: facts.node_table(p.sock)["w1"][0] == ["worker", "active", "ready", ""],
    )
    p.c.sleep(3)
    p.note("demoted", [facts.per_node(p.sock, "workers"), before == set(desired_tasks(p, "any"))])


# --- the API itself: swarmkit manager/controlapi/service.go ---------------------------------------
@scenario(managers=1, workers=0)
def refusals_over_the_api(p):
    spec = {"Name": "web", "TaskTemplate": {"ContainerSpec": {"Image": "demo:1"}}}
    p.note("create", ask(p, "POST", "/services/create", spec))
    p.running("web", 1)

    def update(key, body, query="", version=None):
        found = facts.service(p.sock, "web")
        number = found["Version"]["Index"] if version is None else version
        path = f"/services/{found['ID']}/update?version={number}{query}"
        p.note(key, ask(p, "POST", path, {**found["Spec"], **body}))

    update("stale", {}, version=1)
    update("no_version", {}, version="")
    update("no_previous", {}, "&rollback=previous")
    update("renamed", {"Name": "other"})
    update("to_global", {"Mode": {"Global": {}}})
    update("two_modes", {"Mode": {"Global": {}, "Replicated": {"Replicas": 1}}})
    update("no_image", {"TaskTemplate": {"ContainerSpec": {}}})
    for key, more in (
        ("same_name_in_capitals", {"Name": "WEB"}),
        ("no_name", {"Name": ""}),
        ("negative_delay", {"UpdateConfig": {"Delay": -1}}),
        ("ratio", {"UpdateConfig": {"MaxFailureRatio": 2}}),
        ("action", {"UpdateConfig": {"FailureAction": "x"}}),
        ("order", {"UpdateConfig": {"Order": "x"}}),
        ("resolution", {"EndpointSpec": {"Mode": "x"}}),
        ("job_update", {"Mode": {"ReplicatedJob": {}}, "UpdateConfig": {"Parallelism": 1}}),
    ):
        p.note(key, ask(p, "POST", "/services/create", {**spec, "Name": "other", **more}))
    container = {"Image": "demo:1"}
    for key, more in (
        ("condition", {"RestartPolicy": {"Condition": "x"}}),
        ("window", {"RestartPolicy": {"Window": -1}}),
        ("constraint", {"Placement": {"Constraints": ["node.role=worker"]}}),
        ("memory", {"Resources": {"Limits": {"MemoryBytes": 1}}}),
        ("cpu", {"Resources": {"Reservations": {"NanoCPUs": 10}}}),
        ("mounts", {"ContainerSpec": {**container, "Mounts": [
            {"Type": "volume", "Target": "/x"}, {"Type": "volume", "Target": "/x"}]}}),
        ("interval", {"ContainerSpec": {**container, "Healthcheck": {"Interval": 1}}}),
        ("secret", {"ContainerSpec": {**container, "Secrets": [
            {"SecretID": "nosuch", "SecretName": "nosuch",
             "File": {"Name": "x", "UID": "0", "GID": "0", "Mode": 292}}]}}),
    ):  # fmt: skip
        body = {"Name": "other", "TaskTemplate": {"ContainerSpec": container, **more}}
        p.note(key, ask(p, "POST", "/services/create", body))
    names = [s["Spec"]["Name"] for s in facts.get(p.sock, "/services")]
    p.note("made", [len(names), "other" in names])


@scenario(managers=1, workers=0)
def defaults_over_the_api(p):
    """What the engine stores of a short request, and what it adds when asked for defaults.

    Source: swarmkit api/defaults/service.go.
    """

    def stored(name, more, task=None):
        container = {"Image": "demo:1"}
        body = {"Name": name, "TaskTemplate": {"ContainerSpec": container, **(task or {})}, **more}
        status, _ = api(p.sock, "POST", "/services/create", body)
        found = facts.get(p.sock, f"/services/{name}")
        p.until("allocated", lambda: facts.service(p.sock, name).get("Endpoint") is not None)
        return [status, found["Spec"], facts.get(p.sock, f"/services/{name}")["Endpoint"]]

    def shown(name):
        return facts.get(p.sock, f"/services/{name}?insertDefaults=true")["Spec"]

    p.note("short", stored("short", {}))
    p.note("shown", shown("short"))
    p.note("replicated", stored("replicated", {"Mode": {"Replicated": {}}}))
    p.note("global", stored("global", {"Mode": {"Global": {}}}))
    p.note("job", stored("job", {"Mode": {"ReplicatedJob": {}}}))
    p.note("job_shown", shown("job"))
    p.note("update", stored("update", {"UpdateConfig": {}, "RollbackConfig": {"Delay": 5}}))
    empty = {"RestartPolicy": {}, "Resources": {}, "Placement": {}}
    p.note("restart", stored("restart", {}, empty))
    p.note("update_shown", shown("update"))
    p.note("restart_shown", shown("restart"))
    p.note("ports", stored("ports", {"EndpointSpec": {"Ports": [{"TargetPort": 80}]}})[1])


@scenario(managers=1, workers=1)
def nodes_over_the_api(p):
    def update(key, body, version=None):
        found = next(
            n for n in facts.nodes(p.sock).values() if n["Description"]["Hostname"] == "w1"
        )
        number = found["Version"]["Index"] if version is None else version
        path = f"/nodes/{found['ID']}/update?version={number}"
        p.note(key, ask(p, "POST", path, {**found["Spec"], **body}))

    update("stale", {}, 1)
    update("no_version", {}, "")
    update("availability", {"Availability": "sleepy"})
    update("role", {"Role": "boss"})
    update("no_role", {"Role": ""})
    update("labels", {"Labels": {"a": "b"}})
    p.note(
        "spec",
        next(
            n["Spec"] for n in facts.nodes(p.sock).values() if n["Description"]["Hostname"] == "w1"
        ),
    )
    p.note("inspect", ask(p, "GET", "/nodes/nosuch"))
    p.note("remove", ask(p, "DELETE", "/nodes/nosuch"))
    p.note("task", ask(p, "GET", "/tasks/nosuch"))
    p.note("logs", ask(p, "GET", "/services/nosuch/logs?stdout=1"))
    p.note("bad_filter", ask(p, "GET", "/tasks?filters=" + quote('{"x":["y"]}')))
    swarm = facts.get(p.sock, "/swarm")
    path = f"/swarm/update?version={swarm['Version']['Index']}"
    spec = swarm["Spec"]
    p.note("swarm_stale", ask(p, "POST", "/swarm/update?version=1", spec))
    p.note("swarm_name", ask(p, "POST", path, {**spec, "Name": "other"}))
    p.note("swarm_spec", {k: v for k, v in spec.items() if k != "CAConfig"})


# --- the root, and managers that were removed -----------------------------------------------------
@scenario(managers=1, workers=2)
def rotation_within_a_rotation(p):
    """Nodes that have renewed for the first are asked again; a node that is down delays both.

    Source: swarmkit ca/reconciler.go.
    """

    def renewed():
        newest = facts.get(p.sock, "/swarm")["TLSInfo"]["CertIssuerPublicKey"]
        issuers = {
            n["Description"]["Hostname"]: n["Description"]["TLSInfo"]["CertIssuerPublicKey"]
            for n in facts.nodes(p.sock).values()
        }
        return newest, sorted(name for name, issuer in issuers.items() if issuer == newest)

    p.c.crash("w2")
    p.until("w2 down", lambda: facts.node_table(p.sock)["w2"][0][2] == "down")
    roots = [renewed()[0]]
    for _rotation in range(2):
        p.ok("swarm ca --rotate -d")
        p.until("renewed", lambda: renewed()[0] not in roots and len(renewed()[1]) == 2)
        roots.append(renewed()[0])
        p.note(f"renewed_{len(roots)}", renewed()[1])
    p.note("in_progress", facts.get(p.sock, "/swarm")["RootRotationInProgress"])
    p.c.start("w2")
    p.until("ended", lambda: not facts.get(p.sock, "/swarm")["RootRotationInProgress"])
    p.note("newest_won", renewed()[0] == roots[-1])
    p.note("renewed_at_last", renewed()[1])


@scenario(managers=3, workers=0)
def old_managers_join_again(p):
    """After a forced new cluster the others learn that they were removed, and join once more.

    Source: swarmkit node/node.go, superviseManager.
    """
    for name in ("m2", "m3"):
        p.c.crash(name)
    p.c.sleep(15)
    p.ok("swarm init --force-new-cluster")
    p.note("removed", [facts.node_table(p.sock)[name][0][::3] for name in ("m2", "m3")])
    for name in ("m2", "m3"):
        p.c.start(name)
    back = ["manager", "active", "ready", "reachable"]
    p.until(
        "back", lambda: [facts.node_table(p.sock)[n][0] for n in ("m2", "m3")] == [back] * 2, 240
    )
    p.note("back", facts.node_table(p.sock))
