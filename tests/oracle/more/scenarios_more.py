"""More scenarios: what `../scenarios.py` leaves open. From the folder above:

    python compare.py --module more.scenarios_more --golden more/golden-26.1.5
    python record.py --module more.scenarios_more --into more/golden    # as root, real engines

The numbers name sections of SwarmKit's behaviour as our tests do. Containers are stopped after a
second of grace: a busybox that is process 1 hears no SIGTERM.
"""

import collections
import json

import facts
import scenarios
from facts import norm
from realswarm import api

ALL = {}


def scenario(managers=1, workers=2, init=""):
    """As `scenarios.scenario`, but listed here alone and with a smaller swarm by default."""

    def deco(f):
        scenarios.scenario(managers, workers, init)(f)
        ALL[f.__name__] = scenarios.ALL.pop(f.__name__)
        return f

    return deco


QUICK = "--stop-grace-period 1s --update-monitor 1s --rollback-monitor 1s"


def create(p, name, options="", command="demo:1"):
    p.ok(f"service create -d --name {name} {QUICK} {options} {command}")


def wanted(p, svc):
    """The tasks that the manager wants to run, as {id: task}."""
    return {t["id"]: t for t in facts.tasks(p.sock, svc) if t["desired"] == "running"}


def on(p, svc, node):
    """How many tasks of the service were on the node, of each (desired, state)."""
    found = [t for t in facts.tasks(p.sock, svc) if t["node"] == node]
    return {
        "/".join(k): v
        for k, v in sorted(collections.Counter((t["desired"], t["state"]) for t in found).items())
    }


def kill(p, svc, node):
    cid = p.ok(f"ps -q --filter name={svc}", at=node).split()[0]
    p.ok(f"kill {cid}", at=node)


def node_is(p, node, state):
    p.until(f"{node} {state}", lambda: facts.node_table(p.sock)[node][0][2] == state)


def settle(p, svc, timeout=60):
    """Wait for an update to begin, if there is one, and to end."""
    p.c.sleep(1)
    if facts.update_status(p.sock, svc)[0] in ("updating", "rollback_started"):
        p.update_done(svc, timeout)
    return facts.update_status(p.sock, svc)


def replaced(p, svc, options, replicas=1):
    """How many of the service's tasks an update replaces."""
    before = set(wanted(p, svc))
    p.ok(f"service update -d {options} {svc}")
    settle(p, svc)
    p.running(svc, replicas)
    return len(before - set(wanted(p, svc)))


def ask(p, method, path, body=None):
    """Status and, of a refusal, the normalised message."""
    status, answer = api(p.sock, method, path, body)
    return [status, norm(answer["message"]) if status >= 400 else ""]


# --- restarts (3) ----------------------------------------------------------------------------
@scenario()
def restart_window(p):
    """Attempts count within the window only (3.3); used-up ones return with a new spec (3.4)."""
    options = "--restart-max-attempts 2 --restart-delay 1s"
    create(p, "burst", f"{options} --restart-window 30s", "demo:1 sh -c 'sleep 1; exit 7'")
    create(p, "slow", f"{options} --restart-window 3s", "demo:1 sh -c 'sleep 4; exit 7'")
    p.c.sleep(18)
    p.note("used_up", [p.states("burst"), p.errors("burst")])
    p.note("older_than_its_window", len(wanted(p, "slow")))
    p.note("kept", len(facts.tasks(p.sock, "slow")))
    p.ok("service rm slow")
    p.ok("service update -d --force burst")
    p.note("forced", settle(p, "burst"))
    p.c.sleep(8)
    p.note("used_up_again", [p.states("burst"), [t["force"] for t in facts.tasks(p.sock, "burst")]])


@scenario()
def none_is_not_replaced(p):
    """Condition none: nothing replaces a drained or failed task, and its slot counts (2.2.3)."""
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
    """What a task says whose container or machine went away under it (8.6, 8.7)."""
    create(p, "web", "--replicas 3 --restart-delay 1s")
    p.running("web", 3)
    cid = p.ok("ps -q --filter name=web", at="w1")
    p.ok(f"rm -f {cid}", at="w1")
    p.until("failed", lambda: p.errors("web"))
    p.note("removed", [p.errors("web"), on(p, "web", "w1").get("shutdown/failed")])
    p.running("web", 3)
    create(p, "polite", "--restart-condition none --constraint node.hostname==w1",
           "demo:1 sh -c 'trap \"exit 0\" TERM; while true; do sleep 1; done'")
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
    """Error texts of tasks that cannot start, and the message beside them (1.9, 8.6)."""
    for name, options, command in (
        ("executable", "", "demo:1 nosuch"),
        ("directory", "", "demo:1 /tmp"),
        ("image", "", "demo:9"),
        ("bind", "--mount type=bind,source=/no/such/folder,target=/x", "demo:1"),
        ("user", "--user nosuch", "demo:1"),
        ("in_shell", "", "demo:1 sh -c nosuch"),
        ("status", "", "demo:1 sh -c 'exit 300'"),
    ):
        create(p, name, f"--restart-condition none {options}", command)
    p.c.sleep(6)
    for task in facts.tasks(p.sock):
        said = [task["state"], task["desired"], task["message"], norm(task["err"])]
        p.note(task["service"], said)


# --- jobs (2.7, 2.8) -------------------------------------------------------------------------
def job(p, svc):
    """What the manager says of a job: tasks, iteration, and the counts of `service ls`."""
    found = next(
        s for s in facts.get(p.sock, "/services?status=true") if s["Spec"]["Name"] == svc
    )
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
    p.say("update_config", "service create -d --name j --mode replicated-job --update-delay 1s demo:1")
    p.say("always", "service create -d --name j --mode replicated-job --restart-condition any demo:1")
    p.say("rollback", "service rollback -d job")


@scenario()
def failing_job(p):
    """Attempts end, but the next reconcile fills the slot anew (a TRAP of 2.7)."""
    options = "--mode replicated-job --restart-delay 1s"
    p.ok(f"service create -d --name three {options} --restart-max-attempts 2 demo:1 sh -c 'exit 5'")
    p.ok(
        f"service create -d --name pair {options} --restart-condition none --replicas 2"
        " --env SLOT={{.Task.Slot}} demo:1 sh -c 'test $SLOT = 1 && exit 6; sleep 5'"
    )
    p.c.sleep(3)
    p.note("before_the_other_ends", p.states("pair"))
    p.until("ends", lambda: "complete/complete" in p.states("pair"))
    p.c.sleep(5)
    p.note("after", job(p, "pair"))
    p.note("three", [job(p, "three"), p.errors("three")])


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
    p.until("again", lambda: p.states("once") == {"complete/complete": 5})
    p.note("any_update_runs_it_again", [job(p, "once"), on(p, "once", "w2")])
    p.say("scale", "service scale -d once=2")


# --- global services (2.6) -------------------------------------------------------------------
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
    """A node's event replaces its outdated global task, whatever the updater does (a TRAP)."""
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


# --- what a change replaces (2.5) ------------------------------------------------------------
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


# --- updates and rollback (4) ----------------------------------------------------------------
@scenario()
def force_two_at_a_time(p):
    create(p, "web", "--replicas 5 --update-parallelism 2 --update-delay 3s")
    p.running("web", 5)
    before = set(wanted(p, "web"))
    p.ok("service update -d --force web")
    p.c.sleep(0.5)
    started = facts.service(p.sock, "web")["UpdateStatus"]["State"]
    fewest, out = [], []

    def ended():
        rows = facts.tasks(p.sock, "web")
        fewest.append(len([t for t in rows if t["state"] == t["desired"] == "running"]))
        out.append(len([t for t in rows if t["desired"] == "ready"]))
        return facts.update_status(p.sock, "web")[0] == "completed"

    p.note("~took", p.until("completed", ended))
    p.note("started", started)
    p.note("fewest_running", min(fewest))
    p.note("most_waiting", max(out))
    p.note("counter", sorted({t["force"] for t in facts.running(p.sock, "web")}))
    p.note("kept", len(before & set(wanted(p, "web"))))
    p.note("states", p.states("web"))


@scenario()
def start_first_fails(p):
    """The old task stays while the new one fails; with continue it is lost in the end (4.9)."""
    options = "--replicas 2 --update-order start-first --restart-delay 60s"
    create(p, "careful", options)
    create(p, "bold", f"{options} --update-failure-action continue")
    p.running("careful", 2)
    p.running("bold", 2)
    p.ok("service update -d --image demo:9 careful")
    p.note("pause", settle(p, "careful"))
    p.c.sleep(3)
    p.note("pause_running", len(facts.running(p.sock, "careful")))
    p.ok("service update -d --image demo:9 bold")
    p.until("completed", lambda: facts.update_status(p.sock, "bold")[0] == "completed")
    p.until("none is left", lambda: not facts.running(p.sock, "bold"))
    p.note("continue", [facts.update_status(p.sock, "bold"), p.errors("bold")])


@scenario()
def rollback_fails(p):
    """A rollback to a spec that fails, with each rollback action (4.7)."""
    for action in ("pause", "continue"):
        create(p, action, f"--replicas 2 --restart-delay 60s --rollback-failure-action {action}")
        p.running(action, 2)
        p.ok(f"service update -d --image demo:9 {action}")
        settle(p, action)
        p.ok(f"service update -d --image demo:2 {action}")
        p.note(f"{action}_mended", settle(p, action))
        p.running(action, 2)
        p.ok(f"service rollback -d {action}")
        p.note(f"{action}_rolled_back", settle(p, action))
        p.c.sleep(3)
        p.note(f"{action}_running", len(facts.running(p.sock, action)))


@scenario()
def scale_a_paused_update(p):
    """Scaling resumes a paused update, and takes the place of the previous spec (4.2)."""
    create(p, "web", "--replicas 3 --restart-delay 60s")
    p.running("web", 3)

    def old():
        return sum(t["image"] == "demo:1" for t in wanted(p, "web").values())

    def image(spec):
        found = facts.service(p.sock, "web").get(spec)
        return found and found["TaskTemplate"]["ContainerSpec"]["Image"].split("@")[0]

    seen = []
    for step in (
        "service update -d --image demo:9 web",
        "service scale -d web=4",
        "service rollback -d web",
    ):
        p.ok(step)
        status = settle(p, "web")
        p.c.sleep(2)
        count = facts.service(p.sock, "web")["Spec"]["Mode"]["Replicated"]["Replicas"]
        seen.append([step, status, old(), count, image("Spec"), image("PreviousSpec")])
    p.note("steps", seen)


@scenario()
def automatic_rollback_forgets(p):
    """After an automatic rollback there is no previous spec, so none can be asked for (4.2)."""
    create(p, "web", "--replicas 2 --update-failure-action rollback --restart-delay 1s")
    p.running("web", 2)
    p.say("none_yet", "service rollback -d web")
    p.ok("service update -d --image demo:9 --replicas 3 --label-add new=1 web")
    p.note("status", settle(p, "web"))
    p.running("web", 2)
    found = facts.service(p.sock, "web")
    p.note("restored", [found["Spec"]["Mode"], found["Spec"]["Labels"], "PreviousSpec" in found])
    p.say("by_hand", "service rollback -d web")
    p.ok("service update -d --label-add other=1 web")
    p.note("any_update_clears_the_status", settle(p, "web"))
    p.say("and_can_be_rolled_back", "service rollback -d web")
    p.note("at_once", settle(p, "web"))


@scenario()
def one_update_interrupts_another(p):
    create(p, "web", "--replicas 4 --update-delay 30s")
    p.running("web", 4)
    p.ok("service update -d --image demo:2 web")
    p.until("one is new", lambda: "demo:2" in [t["image"] for t in facts.running(p.sock, "web")])
    p.c.sleep(2)
    p.note("waits", [sorted(t["image"] for t in wanted(p, "web").values()),
                     facts.update_status(p.sock, "web")])
    p.ok("service update -d --image demo:1 --env-add V=3 --update-delay 0s web")
    p.note("ended", settle(p, "web"))
    p.running("web", 4)
    p.note("images", sorted(t["image"] for t in facts.running(p.sock, "web")))
    p.note("states", p.states("web"))


@scenario()
def stop_grace(p):
    """Grace is in whole seconds; less than one is none (8.4). A task's stop begins a second late."""
    for name, grace in (("none", "0s"), ("half", "500ms"), ("four", "4s")):
        p.ok(f"service create -d --name {name} --stop-grace-period {grace} --update-monitor 1s demo:1")
        p.running(name, 1)
        p.ok(f"service update -d --force {name}")
        took = p.until("stopped", lambda name=name: p.states(name).get("shutdown/shutdown"))
        p.note(f"~{name}", took)
        old = next(t for t in facts.tasks(p.sock, name) if t["desired"] == "shutdown")
        p.note(name, [old["message"], old["err"], old["exit"]])


@scenario()
def history_of_one(p):
    """The limit counts the running task, and acts when a task is created (2.10)."""
    create(p, "web", "--replicas 2 --update-parallelism 0")

    def again():
        p.ok("service update -d --force web")
        settle(p, "web")
        p.running("web", 2)
        p.c.sleep(2)
        slots = collections.Counter(t["slot"] for t in facts.tasks(p.sock, "web"))
        return sorted(slots.values())

    p.running("web", 2)
    again()
    p.note("before", again())
    p.ok("swarm update --task-history-limit 1")
    p.c.sleep(3)
    p.note("nothing_at_once", len(facts.tasks(p.sock, "web")))
    p.note("one", again())
    p.ok("swarm update --task-history-limit 0")
    p.note("zero", again())


# --- placement (6) ---------------------------------------------------------------------------
@scenario(managers=3, workers=2)
def spread_two_levels(p):
    rooms = {"m1": "a 1", "m2": "a 2", "m3": "b 1", "w1": "b 1", "w2": "b 2"}
    for node, where in rooms.items():
        dc, rack = where.split()
        p.ok(f"node update --label-add dc={dc} --label-add rack={rack} {node}")
    create(p, "web", "--replicas 8 --placement-pref spread=node.labels.dc"
                     " --placement-pref spread=node.labels.rack")
    p.running("web", 8)
    p.note("at_8", facts.per_node(p.sock, "web"))
    p.ok("node update --label-add dc=a w2")
    p.c.sleep(3)
    p.note("a_label_moves_nothing", facts.per_node(p.sock, "web"))
    p.ok("service scale -d web=12")
    p.running("web", 12)
    p.note("at_12", facts.per_node(p.sock, "web"))
    p.ok("service scale -d web=5")
    p.running("web", 5)
    p.note("at_5", facts.per_node(p.sock, "web"))


@scenario()
def everything_drained(p):
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    for node in ("m1", "w1", "w2"):
        p.ok(f"node update --availability drain {node}")
    p.until("none runs", lambda: not facts.running(p.sock, "web"))
    create(p, "late", "--replicas 2")
    p.until("explained", lambda: p.errors("late") and p.errors("web"))
    p.c.sleep(2)
    p.note("late", [p.states("late"), p.errors("late")])
    pending = [t for t in facts.tasks(p.sock, "web") if t["state"] == "pending"]
    p.note("web", [len(pending), sorted({t["err"] for t in pending})])
    p.ok("node update --availability pause w2")
    p.c.sleep(2)
    p.note("pause_is_no_use", p.errors("late"))
    p.ok("node update --availability active w1")
    p.running("web", 3)
    p.running("late", 2)
    p.note("on_one", [facts.per_node(p.sock, "web"), facts.per_node(p.sock, "late")])


@scenario()
def pause_and_a_failing_task(p):
    create(p, "web", "--replicas 3 --restart-delay 1s")
    p.running("web", 3)
    p.ok("node update --availability pause w1")
    p.c.sleep(2)
    p.note("stays", facts.per_node(p.sock, "web"))
    kill(p, "web", "w1")
    p.until("failed", lambda: p.errors("web"))
    p.running("web", 3)
    p.note("moves", [p.spread("web"), "w1" in facts.per_node(p.sock, "web")])


@scenario()
def pending_tasks_and_scaling(p):
    """Scaling down takes the unplaced first (2.3); scaling up drops them (a TRAP of 6.4)."""
    create(p, "one", "--replicas 5 --replicas-max-per-node 1")
    p.until("explained", lambda: len(facts.running(p.sock, "one")) == 3 and p.errors("one"))
    before = {t["id"] for t in facts.running(p.sock, "one")}
    p.ok("service scale -d one=3")
    p.until("fewer", lambda: len(wanted(p, "one")) == 3)
    p.c.sleep(2)
    p.note("unplaced_go_first", [before == set(wanted(p, "one")), p.states("one")])
    create(p, "ssd", "--replicas 2 --constraint node.labels.disk==ssd")
    p.until("explained", lambda: p.errors("ssd"))
    p.c.sleep(1)
    p.ok("service scale -d ssd=3")
    p.until("all", lambda: sum(bool(t["err"]) for t in facts.tasks(p.sock, "ssd")) == 3)
    p.c.sleep(2)
    p.ok("node update --label-add disk=ssd w1")
    p.until("one runs", lambda: facts.running(p.sock, "ssd"))
    p.c.sleep(4)
    p.note("older_ones_stay_for_ever", [p.states("ssd"), p.errors("ssd")])


# --- ports and networks (5) ------------------------------------------------------------------
def ports(p, svc):
    keys = ("Protocol", "TargetPort", "PublishedPort", "PublishMode")
    found = facts.service(p.sock, svc)["Endpoint"].get("Ports") or []
    return [[port.get(k) for k in keys] for port in found]


@scenario()
def published_ports(p):
    create(p, "a", "--publish 8080:80")
    p.say("taken", "service create -d --name b --publish 8080:81 demo:1")
    p.say("taken_host", "service create -d --name b --publish mode=host,published=8080,target=81 demo:1")
    p.say("udp_is_another", "service create -d --name u --publish 8080:80/udp demo:1")
    create(p, "d1", "--publish 80")
    create(p, "d2", "--publish 80 --publish 81")
    p.until("allocated", lambda: len(ports(p, "d2")) == 2 and ports(p, "d1"))
    p.note("dynamic", [ports(p, "d1"), ports(p, "d2")])
    p.say("dynamic_taken", "service create -d --name b --publish 30000:80 demo:1")
    p.ok("service update -d --label-add x=1 d1")
    p.ok("service rm d2")
    create(p, "d3", "--publish 80")
    p.until("allocated", lambda: ports(p, "d3"))
    p.note("next_not_lowest", [ports(p, "d1"), ports(p, "d3")])
    p.ok("service update -d --publish-rm 80 a")
    p.say("free_now", "service create -d --name b --publish 8080:81 demo:1")
    p.say("no_way_back", "service rollback -d a")
    create(p, "h", "--replicas 4 --publish mode=host,published=9000,target=80")
    p.until("explained", lambda: len(facts.running(p.sock, "h")) == 3 and p.errors("h"))
    p.c.sleep(1)
    p.note("host_mode", [p.errors("h"), ports(p, "h"), p.spread("h")])
    p.say("ingress_over_host", "service create -d --name b2 --publish 9000:80 demo:1")


@scenario()
def two_networks(p):
    for name in ("front", "back"):
        p.ok(f"network create -d overlay {name}")
    names = {n["Id"]: n["Name"] for n in facts.get(p.sock, "/networks")}

    def vips():
        found = facts.service(p.sock, "web")["Endpoint"].get("VirtualIPs") or []
        return [[names.get(v["NetworkID"]), v.get("Addr")] for v in found]

    create(p, "web", "--replicas 2 --network front --network back --restart-condition none")
    p.until("vips", lambda: len(vips()) == 2)
    p.note("vips", vips())
    p.say("rm_in_use", "network rm front")
    p.say("rm_ingress", "network rm ingress", stdin="y\n")
    p.say("ingress_by_name", "service create -d --name x --network ingress demo:1")
    p.say("second_ingress", "network create -d overlay --ingress other")
    p.say("same_name", "network create -d overlay front")
    p.ok("service update -d --replicas 0 --network-rm front web")
    p.until("one vip", lambda: len(vips()) == 1)
    p.note("the_other_stays", vips())
    p.ok("service update -d --endpoint-mode dnsrr web")
    p.until("no vip", lambda: not vips())
    p.ok("service update -d --endpoint-mode vip web")
    p.until("vip again", vips)
    p.note("the_next_address", vips())
    p.ok("service rm web")
    p.until("tasks gone", lambda: not facts.get(p.sock, "/tasks"))
    p.say("rm", "network rm front back")


# --- secrets and configs ---------------------------------------------------------------------
@scenario(managers=1, workers=1)
def removed_while_read(p):
    """Only current specs hold a secret or config, not running tasks nor the previous spec (1.6)."""
    p.ok("secret create pw -", stdin="pw")
    p.ok("config create cfg -", stdin="cfg")
    create(p, "db", "--secret pw --config source=cfg,target=/cfg --restart-delay 60s")
    p.running("db", 1)
    p.say("in_use", "secret rm pw")
    p.ok("service update -d --secret-rm pw --config-rm cfg db")
    p.say("secret_at_once", "secret rm pw")
    p.say("config_at_once", "config rm cfg")
    p.note("updated", settle(p, "db"))
    p.say("rollback", "service rollback -d db")
    p.until("said", lambda: p.errors("db"))
    p.note("rolled_back", [p.errors("db"), settle(p, "db")])
    p.say("service_may_not_name_it", "service create -d --name x --secret pw demo:1")


@scenario(managers=1, workers=1)
def labels_of_secrets(p):
    """Over the API: only labels change, versions count, names are equal in any case."""
    p.ok("secret create Pw -", stdin="pw")
    p.ok("config create cfg -", stdin="cfg")
    p.say("same_in_lower_case", "secret create pw -", stdin="x")
    for kind, name in (("secrets", "Pw"), ("configs", "cfg")):
        found = facts.get(p.sock, f"/{kind}/{name}")
        spec, version = found["Spec"], found["Version"]["Index"]
        path = f"/{kind}/{found['ID']}/update?version="
        p.note(f"{kind}_data", ask(p, "POST", f"{path}{version}", {**spec, "Data": "eHg="}))
        p.note(f"{kind}_name", ask(p, "POST", f"{path}{version}", {**spec, "Name": "other"}))
        p.note(f"{kind}_label", ask(p, "POST", f"{path}{version}", {**spec, "Labels": {"a": "b"}}))
        p.note(f"{kind}_stale", ask(p, "POST", f"{path}{version}", {**spec, "Labels": {"a": "c"}}))
        p.note(f"{kind}_none", ask(p, "POST", path, spec))
        p.note(f"{kind}_labels", facts.get(p.sock, f"/{kind}/{name}")["Spec"]["Labels"])


# --- health (8) ------------------------------------------------------------------------------
@scenario()
def health_start_period(p):
    often = "--health-interval 1s --health-retries 2 --health-timeout 1s"
    create(p, "late", f"{often} --health-cmd 'test -e /tmp/ok'",
           "demo:1 sh -c 'sleep 5; touch /tmp/ok; sleep 3600'")
    p.until("failed", lambda: p.errors("late"))
    p.ok("service rm late")
    create(p, "patient", f"{often} --health-start-period 20s --health-cmd 'test -e /tmp/ok'",
           "demo:1 sh -c 'sleep 3; touch /tmp/ok; sleep 3600'")
    create(p, "hopeless", f"{often} --health-start-period 6s --health-cmd false"
                          " --restart-condition none")
    p.until("starting", lambda: facts.tasks(p.sock, "patient")[0]["state"] == "starting")
    p.c.sleep(1)
    p.note("not_running_yet", p.states("patient"))
    p.note("~hopeless_after", p.until("failed", lambda: p.errors("hopeless")))
    p.note("hopeless", [p.states("hopeless"), p.errors("hopeless")])
    p.until("healthy", lambda: facts.running(p.sock, "patient"))
    p.note("patient", [p.states("patient"), p.errors("patient")])


@scenario()
def unhealthy_and_polite(p):
    """An unhealthy container that ends with 0 counts as complete, even at its start (a TRAP)."""
    often = "--health-interval 1s --health-retries 1 --restart-condition on-failure"
    create(p, "polite", f"--stop-grace-period 5s {often} --health-cmd false",
           "demo:1 sh -c 'trap \"exit 0\" TERM; while true; do sleep 1; done'")
    p.until("ended", lambda: p.states("polite") != {"running/running": 1}
            and facts.tasks(p.sock, "polite")[0]["state"] in ("complete", "failed"))
    p.c.sleep(3)
    p.note("polite", [p.states("polite"), p.errors("polite")])
    create(p, "short", f"{often} --health-cmd true --health-start-period 30s", "demo:1 sh -c 'exit 4'")
    p.until("failed", lambda: p.errors("short"))
    p.note("short", p.errors("short"))
    create(p, "update", f"--health-cmd true {often} --update-failure-action rollback --update-monitor 2s")
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
    """Its containers run on beside their replacements, and are stopped when it is back (7.2)."""
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    p.c.partition(["m1", "m2", "m3", "w1"], ["w2"])
    p.note("~down_after", p.until("w2 down", lambda: facts.node_table(p.sock)["w2"][0][2] == "down"))
    p.until("moved", lambda: len(wanted(p, "web")) == 3 and "w2" not in
            [t["node"] for t in wanted(p, "web").values()])
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
    p.until(f"{node} has no leader",
            lambda: "does not have a leader" in p.docker("node ls", at=node)[2], 120)


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
    p.until("m3 down", lambda: facts.node_table(p.sock)["m3"][0] ==
            ["manager", "active", "down", "unreachable"])
    p.say("the_others_decide", "config create c -", stdin="x")
    p.c.heal()
    p.until("m3 back", lambda: facts.node_table(p.sock)["m3"][0] ==
            ["manager", "active", "ready", "reachable"])
    p.note("same_leader", facts.node_table(p.sock)["m1"])
    p.say("caught_up", "config inspect c", at="m3")


@scenario(managers=3, workers=1)
def leader_cut_off(p):
    """It steps down; the others elect; its tasks run on untouched if it is soon back (7.1)."""
    create(p, "web", "--replicas 4")
    p.running("web", 4)
    before = set(wanted(p, "web"))
    p.c.partition(["m1"], ["m2", "m3", "w1", "w2"])
    p.at = "m2"
    p.until("leader", lambda: any(
        v[0][3] == "leader" and k != "m1" for k, v in facts.node_table(p.sock).items()))
    no_leader(p, "m1")
    p.say("config", "config create c -", stdin="x", at="m1")
    p.say("the_others_decide", "config create c -", stdin="x")
    p.note("m1", facts.node_table(p.sock)["m1"][0][3])
    p.c.heal()
    p.until("m1 back", lambda: facts.node_table(p.sock)["m1"][0] ==
            ["manager", "active", "ready", "reachable"])
    p.note("leaders", sum(v[0][3] == "leader" for v in facts.node_table(p.sock).values()))
    p.note("no_task_moved", before == set(wanted(p, "web")))
    p.say("caught_up", "config inspect c", at="m1")


@scenario(managers=3, workers=0)
def leader_demotes_itself(p):
    create(p, "web", "--replicas 3")
    p.running("web", 3)
    before = set(wanted(p, "web"))
    p.say("demote", "node demote m1")
    p.at = "m2"
    p.until("m1 is a worker", lambda: facts.node_table(p.sock)["m1"][0] ==
            ["worker", "active", "ready", ""])
    p.until("refused", lambda: "not a swarm manager" in p.docker("node ls", at="m1")[2])
    p.say("on_m1", "service create -d --name x demo:1", at="m1")
    p.note("leaders", sum(v[0][3] == "leader" for v in facts.node_table(p.sock).values()))
    p.say("promote", "node promote m1")
    p.until("m1 is back", lambda: facts.node_table(p.sock)["m1"][0] ==
            ["manager", "active", "ready", "reachable"])
    p.until("m1 answers", lambda: p.docker("node ls", at="m1")[0] == 0)
    p.note("no_task_moved", before == set(wanted(p, "web")))


@scenario()
def promotion_moves_by_role(p):
    """A role is a constraint like others: a promoted worker loses what is for workers (2.12)."""
    create(p, "any", "--replicas 3")
    create(p, "workers", "--replicas 2 --restart-delay 1s --constraint node.role==worker")
    p.running("any", 3)
    p.running("workers", 2)
    before = set(wanted(p, "any"))
    p.ok("node promote w1")
    p.until("w1 is a manager", lambda: facts.node_table(p.sock)["w1"][0][3] == "reachable")
    p.until("moved", lambda: facts.per_node(p.sock, "workers") == {"w2": 2})
    p.c.sleep(2)
    p.note("promoted", [on(p, "workers", "w1"), p.errors("workers"), before == set(wanted(p, "any"))])
    p.say("on_w1", "node ls", at="w1")
    p.ok("node demote w1")
    p.until("w1 is a worker", lambda: facts.node_table(p.sock)["w1"][0] ==
            ["worker", "active", "ready", ""])
    p.c.sleep(3)
    p.note("demoted", [facts.per_node(p.sock, "workers"), before == set(wanted(p, "any"))])


# --- the API itself (1.10, 1.12) -------------------------------------------------------------
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
            {"SecretID": "nosuch", "SecretName": "nosuch", "File": {"Name": "x", "UID": "0", "GID": "0", "Mode": 292}}]}}),
    ):  # fmt: skip
        body = {"Name": "other", "TaskTemplate": {"ContainerSpec": container, **more}}
        p.note(key, ask(p, "POST", "/services/create", body))
    p.note("none_made", sorted(s["Spec"]["Name"] for s in facts.get(p.sock, "/services")))


@scenario(managers=1, workers=0)
def defaults_over_the_api(p):
    """What the engine stores of a short request, and what `insertDefaults` adds."""

    def stored(name, more, task=None):
        container = {"Image": "demo:1"}
        body = {"Name": name, "TaskTemplate": {"ContainerSpec": container, **(task or {})}, **more}
        status, _ = api(p.sock, "POST", "/services/create", body)
        found = facts.get(p.sock, f"/services/{name}")
        p.until("allocated", lambda: facts.service(p.sock, name).get("Endpoint") is not None)
        return [status, found["Spec"], facts.get(p.sock, f"/services/{name}")["Endpoint"]]

    p.note("short", stored("short", {}))
    p.note("shown", facts.get(p.sock, "/services/short?insertDefaults=true")["Spec"])
    p.note("replicated", stored("replicated", {"Mode": {"Replicated": {}}}))
    p.note("global", stored("global", {"Mode": {"Global": {}}}))
    p.note("job", stored("job", {"Mode": {"ReplicatedJob": {}}}))
    p.note("job_shown", facts.get(p.sock, "/services/job?insertDefaults=true")["Spec"])
    p.note("update", stored("update", {"UpdateConfig": {}, "RollbackConfig": {"Delay": 5}}))
    p.note("restart", stored("restart", {}, {"RestartPolicy": {}, "Resources": {}, "Placement": {}}))
    p.note("ports", stored("ports", {"EndpointSpec": {"Ports": [{"TargetPort": 80}]}})[1])


@scenario(managers=1, workers=1)
def nodes_over_the_api(p):
    def update(key, body, version=None):
        found = next(n for n in facts.nodes(p.sock).values()
                     if n["Description"]["Hostname"] == "w1")
        number = found["Version"]["Index"] if version is None else version
        path = f"/nodes/{found['ID']}/update?version={number}"
        p.note(key, ask(p, "POST", path, {**found["Spec"], **body}))

    update("stale", {}, 1)
    update("no_version", {}, "")
    update("availability", {"Availability": "sleepy"})
    update("role", {"Role": "boss"})
    update("no_role", {"Role": ""})
    update("labels", {"Labels": {"a": "b"}})
    p.note("spec", next(n["Spec"] for n in facts.nodes(p.sock).values()
                        if n["Description"]["Hostname"] == "w1"))
    p.note("inspect", ask(p, "GET", "/nodes/nosuch"))
    p.note("remove", ask(p, "DELETE", "/nodes/nosuch"))
    p.note("task", ask(p, "GET", "/tasks/nosuch"))
    p.note("logs", ask(p, "GET", "/services/nosuch/logs?stdout=1"))
    p.note("bad_filter", ask(p, "GET", "/tasks?filters=" + json.dumps({"x": ["y"]}).replace('"', "%22").replace(" ", "")))
    swarm = facts.get(p.sock, "/swarm")
    path = f"/swarm/update?version={swarm['Version']['Index']}"
    spec = swarm["Spec"]
    p.note("swarm_stale", ask(p, "POST", "/swarm/update?version=1", spec))
    p.note("swarm_name", ask(p, "POST", path, {**spec, "Name": "other"}))
    p.note("swarm_spec", {k: v for k, v in spec.items() if k != "CAConfig"})
