"""Updates and rollback; how tasks stop, and how many old tasks are kept."""

import collections

import facts
from more.helpers import create, scenario, settle, desired_tasks


# --- updates and rollback: swarmkit manager/orchestrator/update/updater.go ------------------------
@scenario()
def force_two_at_a_time(p):
    create(p, "web", "--replicas 5 --update-parallelism 2 --update-delay 3s")
    p.running("web", 5)
    before = set(desired_tasks(p, "web"))
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
    p.note("kept", len(before & set(desired_tasks(p, "web"))))
    p.note("states", p.states("web"))


@scenario()
def start_first_fails(p):
    """The old task stays while the new one fails; with continue it is lost in the end."""
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
    """A rollback to a spec that fails, with each rollback action."""
    for action in ("pause", "continue"):
        create(p, action, f"--replicas 2 --restart-delay 5s --rollback-failure-action {action}")
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
    """Scaling resumes a paused update, and replaces the previous spec.

    Source: swarmkit manager/controlapi/service.go.
    """
    create(p, "web", "--replicas 3 --restart-delay 60s")
    p.running("web", 3)

    def old():
        return sum(t["image"] == "demo:1" for t in desired_tasks(p, "web").values())

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
    """After an automatic rollback there is no previous spec to return to.

    Source: swarmkit manager/controlapi/service.go.
    """
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
    p.note(
        "waits",
        [sorted(t["image"] for t in desired_tasks(p, "web").values()), facts.update_status(p.sock, "web")],
    )
    p.ok("service update -d --image demo:1 --env-add V=3 --update-delay 0s web")
    p.note("ended", settle(p, "web"))
    p.running("web", 4)
    p.note("images", sorted(t["image"] for t in facts.running(p.sock, "web")))
    p.note("states", p.states("web"))


@scenario()
def stop_grace(p):
    """The grace period is in whole seconds, less than one is none; a stop begins a second late.

    Source: swarmkit agent/task.go, moby daemon/cluster/executor/container/adapter.go.
    """
    for name, grace in (("none", "0s"), ("half", "500ms"), ("four", "4s")):
        options = f"--stop-grace-period {grace} --update-monitor 1s"
        p.ok(f"service create -d --name {name} {options} demo:1")
        p.running(name, 1)
        p.ok(f"service update -d --force {name}")
        took = p.until("stopped", lambda name=name: p.states(name).get("shutdown/shutdown"))
        p.note(f"~{name}", took)
        old = next(t for t in facts.tasks(p.sock, name) if t["desired"] == "shutdown")
        p.note(name, [old["message"], old["err"], old["exit"]])


@scenario()
def history_of_one(p):
    """The limit counts the running task, and acts when a task is created.

    Source: swarmkit manager/orchestrator/taskreaper/task_reaper.go.
    """
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
