"""Restarts, jobs, global services, and which changes replace a task."""

import facts
from facts import norm
from more.helpers import create, kill, node_is, on, replaced, scenario, settle


# --- restarts: swarmkit manager/orchestrator/restart/restart.go -----------------------------------
@scenario()
def restart_window(p):
    """Attempts count within the window only; used-up ones return with a new spec."""
    options = "--restart-max-attempts 2 --restart-delay 1s"
    create(
        p,
        "burst",
        f"{options} --restart-window 30s --update-monitor 4s",
        "demo:1 sh -c 'sleep 1; exit 7'",
    )
    create(p, "slow", f"{options} --restart-window 3s", "demo:1 sh -c 'sleep 4; exit 7'")
    p.c.sleep(18)
    p.note("used_up", [p.states("burst"), p.errors("burst")])
    live = [t for t in facts.tasks(p.sock, "slow") if t["desired"] != "shutdown"]
    p.note("older_than_its_window", len(live))
    p.note("kept", len(facts.tasks(p.sock, "slow")))
    p.ok("service rm slow")
    p.ok("service update -d --force burst")
    p.note("forced", settle(p, "burst"))
    p.c.sleep(8)
    p.note("used_up_again", [p.states("burst"), [t["force"] for t in facts.tasks(p.sock, "burst")]])


@scenario()
def none_is_not_replaced(p):
    """Condition none: nothing replaces a drained or failed task, and its slot counts.

    Source: swarmkit manager/orchestrator/replicated/slot.go.
    """
    create(p, "web", "--replicas 3 --restart-condition none")
    p.running("web", 3)
    p.ok("node update --availability drain w1")
    p.until("stopped", lambda: on(p, "web", "w1") == {"shutdown/shutdown": 1})
    p.c.sleep(6)
    p.note("drained", p.states("web"))
    kill(p, "web", "w2")
    p.until("failed", lambda: p.errors("web"))
    p.c.sleep(6)
    p.note("killed", [p.states("web"), p.errors("web")])
    p.ok("service scale -d web=4")
    p.until("one more", lambda: len(facts.running(p.sock, "web")) == 2)
    p.c.sleep(2)
    p.note("scaled_to_4", p.states("web"))
    p.ok("service update -d --force web")
    p.note("forced", settle(p, "web"))
    p.note("slots", sorted(t["slot"] for t in facts.running(p.sock, "web")))


@scenario()
def containers_and_machines_die(p):
    """The error of a task whose container or machine has gone.

    Source: moby daemon/cluster/executor/container/controller.go.
    """
    create(p, "web", "--replicas 3 --restart-delay 1s")
    p.running("web", 3)
    cid = p.ok("ps -q --filter name=web", at="w1")
    p.ok(f"rm -f {cid}", at="w1")
    p.until("failed", lambda: p.errors("web"))
    p.note("removed", [p.errors("web"), on(p, "web", "w1").get("shutdown/failed")])
    p.running("web", 3)
    create(
        p,
        "polite",
        "--restart-condition none --constraint node.hostname==w1",
        "demo:1 sh -c 'trap \"exit 0\" TERM; while true; do sleep 1; done'",
    )
    p.running("polite", 1)
    p.ok("stop " + p.ok("ps -q --filter name=polite", at="w1"), at="w1")
    p.until("ended", lambda: not facts.running(p.sock, "polite"))
    p.note("stopped", [p.states("polite"), p.errors("polite")])
    create(p, "on2", "--restart-delay 1s --constraint node.hostname==w2")
    p.running("on2", 1)
    p.c.crash("w2")
    p.c.start("w2")
    p.until("failed", lambda: p.errors("on2"))
    p.note("rebooted", p.errors("on2"))
    p.running("on2", 1)
    p.note("again", p.states("on2"))


@scenario()
def bad_tasks(p):
    """Error and message of tasks that cannot start.

    Source: swarmkit agent/exec/controller.go.
    """
    for name, options, command in (
        ("executable", "", "demo:1 nosuch"),
        ("path", "", "demo:1 /no/such"),
        ("image", "", "demo:9"),
        ("bind", "--mount type=bind,source=/no/such/folder,target=/x", "demo:1"),
        ("in_shell", "", "demo:1 sh -c nosuch"),
        ("status", "", "demo:1 sh -c 'exit 300'"),
    ):
        create(p, name, f"--restart-condition none {options}", command)
    p.c.sleep(6)
    for task in facts.tasks(p.sock):
        said = [task["state"], task["desired"], task["message"], norm(task["err"])]
        p.note(task["service"], said)


# --- jobs: swarmkit manager/orchestrator/jobs -----------------------------------------------------
def job(p, svc):
    """Tasks of a job, its iteration, and the counts of `service ls`."""
    found = next(s for s in facts.get(p.sock, "/services?status=true") if s["Spec"]["Name"] == svc)
    iteration = (found.get("JobStatus") or {}).get("JobIteration", {}).get("Index", 0)
    return [p.states(svc), iteration, found["ServiceStatus"]]


@scenario()
def replicated_job(p):
    options = "--mode replicated-job --replicas 5 --max-concurrent 2"
    p.ok(f"service create -d --name job {options} demo:1 sh -c 'sleep 2'")
    most = []

    def done(n):
        most.append(len([t for t in facts.tasks(p.sock, "job") if t["state"] == "running"]))
        return p.states("job") == {"complete/complete": n}

    p.until("done", lambda: done(5))
    p.note("at_once", max(most))
    p.note("slots", sorted(t["slot"] for t in facts.tasks(p.sock, "job")))
    p.note("done", job(p, "job"))
    p.ok("node update --availability drain w1")
    p.ok("service update -d --label-add any=change job")
    p.until("done again", lambda: done(10))
    p.note("any_update_runs_it_again", job(p, "job"))
    another = "service create -d --name j --mode replicated-job"
    p.say("update_config", f"{another} --update-delay 1s demo:1")
    p.say("always", f"{another} --restart-condition any demo:1")
    p.say("rollback", "service rollback -d job")


@scenario()
def failing_job(p):
    """Attempts end, but the next reconcile fills the slot again.

    Source: swarmkit manager/orchestrator/jobs/replicated/reconciler.go.
    """
    options = "--mode replicated-job --restart-delay 1s"
    p.ok(f"service create -d --name three {options} --restart-max-attempts 2 demo:1 sh -c 'exit 5'")
    p.ok(
        f"service create -d --name pair {options} --restart-condition none --replicas 2"
        " --env SLOT={{.Task.Slot}} demo:1 sh -c 'test $SLOT = 1 && exit 6; sleep 5'"
    )
    p.ok(
        "service create -d --name ever --mode global-job --restart-delay 1s"
        " --restart-max-attempts 1 --constraint node.hostname==w1 demo:1 sh -c 'exit 5'"
    )
    p.c.sleep(3)
    p.note("before_the_other_ends", p.states("pair"))
    p.until("ends", lambda: "complete/complete" in p.states("pair"))
    p.c.sleep(5)
    p.note("after", job(p, "pair"))
    p.note("three", [job(p, "three"), p.errors("three")])
    p.until("more", lambda: p.states("ever").get("shutdown/failed", 0) > 3)
    p.note("a_global_job_has_no_last_attempt", True)


@scenario()
def global_job(p):
    p.ok("node update --availability drain w2")
    p.ok("service create -d --name once --mode global-job demo:1 sh -c 'sleep 1'")
    p.until("done", lambda: p.states("once") == {"complete/complete": 2})
    p.note("done", job(p, "once"))
    p.ok("node update --availability active w2")
    p.c.sleep(5)
    p.note("a_node_that_comes_later_gets_none", on(p, "once", "w2"))
    p.ok("service update -d --label-add any=change once")
    p.until("again", lambda: on(p, "once", "w2") == {"complete/complete": 1})
    p.c.sleep(3)
    p.note("any_update_runs_it_again", [job(p, "once"), on(p, "once", "w2")])
    p.say("scale", "service scale -d once=2")


# --- global services: swarmkit manager/orchestrator/global/global.go ------------------------------
@scenario()
def global_pause_and_labels(p):
    for node in ("m1", "w1"):
        p.ok(f"node update --label-add gw=1 {node}")
    create(p, "gw", "--mode global --restart-delay 1s --constraint node.labels.gw==1")
    p.running("gw", 2)
    p.ok("node update --availability pause w1")
    p.c.sleep(2)
    p.note("paused", facts.per_node(p.sock, "gw"))
    kill(p, "gw", "w1")
    p.until("failed", lambda: p.errors("gw"))
    p.c.sleep(4)
    p.note("killed_while_paused", [facts.per_node(p.sock, "gw"), on(p, "gw", "w1")])
    p.ok("node update --availability active w1")
    p.running("gw", 2)
    p.note("active", facts.per_node(p.sock, "gw"))
    p.ok("node update --label-add gw=1 w2")
    p.running("gw", 3)
    p.note("labelled", facts.per_node(p.sock, "gw"))
    p.ok("node update --label-rm gw w1")
    p.until("gone", lambda: "w1" not in facts.per_node(p.sock, "gw"))
    p.c.sleep(3)
    p.note("unlabelled", [facts.per_node(p.sock, "gw"), on(p, "gw", "w1"), p.errors("gw")])


@scenario()
def global_node_returns(p):
    """A node that comes back gets a new task, but with condition none it does not."""
    create(p, "any", "--mode global")
    create(p, "none", "--mode global --restart-condition none")
    p.running("any", 3)
    p.running("none", 3)
    p.c.crash("w2")
    node_is(p, "w2", "down")
    p.c.sleep(2)
    p.note("down", [on(p, "any", "w2"), on(p, "none", "w2")])
    p.c.start("w2")
    node_is(p, "w2", "ready")
    p.until("any is back", lambda: "w2" in facts.per_node(p.sock, "any"))
    p.c.sleep(3)
    p.note("back", [facts.per_node(p.sock, "any"), facts.per_node(p.sock, "none")])
    p.note("left", [on(p, "any", "w2"), on(p, "none", "w2")])


@scenario()
def label_goes_past_a_paused_update(p):
    """An event of a node replaces its outdated global task, whatever the updater does.

    Source: swarmkit manager/orchestrator/global/global.go.
    """
    create(p, "agent", "--mode global --restart-delay 60s")
    p.running("agent", 3)
    p.ok("service update -d --image demo:9 agent")
    p.note("paused", settle(p, "agent"))
    p.until("one stopped", lambda: len(facts.running(p.sock, "agent")) == 2)
    p.c.sleep(2)
    p.note("old_ones", len(facts.running(p.sock, "agent")))
    node = sorted(facts.per_node(p.sock, "agent"))[0]
    p.ok(f"node update --label-add any=change {node}")
    p.until("replaced", lambda: len(facts.running(p.sock, "agent")) == 1)
    p.note("after_label", [p.errors("agent"), facts.update_status(p.sock, "agent")])


# --- what a change replaces: swarmkit manager/orchestrator/task.go --------------------------------
@scenario()
def constraint_update(p):
    create(p, "web", "--replicas 2 --constraint node.role==worker")
    p.running("web", 2)
    p.note("satisfied", replaced(p, "web", "--constraint-add node.hostname!=m1", 2))
    p.note("no_update_begins", facts.update_status(p.sock, "web"))
    p.note("violated", replaced(p, "web", "--constraint-add node.hostname!=w2", 2))
    p.note("status", facts.update_status(p.sock, "web"))
    p.note("moved", facts.per_node(p.sock, "web"))
    p.note("preference", replaced(p, "web", "--placement-pref-add spread=node.labels.az", 2))
    p.note("lower_maximum", replaced(p, "web", "--replicas-max-per-node 1", 2))
    p.note("both_stay", facts.per_node(p.sock, "web"))
    p.ok("service update -d --force web")
    p.until("explained", lambda: "max replicas" in " ".join(p.errors("web")))
    p.c.sleep(2)
    p.note("stuck", [p.errors("web"), facts.update_status(p.sock, "web")])


@scenario()
def presence_counts(p):
    create(p, "web")
    p.running("web", 1)
    for options in (
        "--label-add x=1",
        "--update-delay 1s",
        "--rollback-delay 1s",
        "--endpoint-mode vip",
        "--restart-condition any",
        "--restart-condition any --label-add x=2",
        "--restart-delay 5s",
        "--container-label-add x=1",
        "--placement-pref-add spread=node.labels.az",
        "--replicas-max-per-node 3",
        "--env-add X=1 --env-rm X",
        "--health-cmd ''",
        "--stop-signal TERM",
    ):
        p.note(options, replaced(p, "web", options))
