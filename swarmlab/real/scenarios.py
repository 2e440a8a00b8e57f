"""Short plays for any cluster, simulated or real: what is done to it, and what is then to be seen.

A play uses the docker SDK and the cluster's own faults, and notes facts under keys. A key that
begins with `~` is a duration in seconds, for which chance is allowed for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from docker.types import (
    Placement,
    PlacementPreference,
    Resources,
    RestartPolicy,
    SecretReference,
    ServiceMode,
    UpdateConfig,
)

from swarmlab.real.stage import Stage

Play = Callable[[Stage], None]
FAILS = ["sh", "-c", "sleep 1; exit 3"]  # as a command, it fails after a second


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    play: Play
    managers: int
    workers: int

    @property
    def promise(self) -> str:
        """What it is about, in one line."""
        return (self.play.__doc__ or "").strip()


ALL: dict[str, Scenario] = {}


def scenario(managers: int = 1, workers: int = 2) -> Callable[[Play], Play]:
    def add(play: Play) -> Play:
        ALL[play.__name__] = Scenario(play=play, managers=managers, workers=workers)
        return play

    return add


# -- where tasks go --------------------------------------------------------------------------------
@scenario()
def spread(s: Stage) -> None:
    """Replicas spread evenly, also after the service was scaled up and down."""
    s.create("web", 6)
    s.note("at 6", s.per_node("web"))
    s.scale("web", 8)
    s.note("at 8", s.counts("web"))
    s.scale("web", 3)
    s.note("at 3", s.counts("web"))


@scenario()
def zones(s: Stage) -> None:
    """A spread preference shares replicas among zones; nodes without the label are a zone too."""
    s.label("m1", "zone", "a")
    s.label("w1", "zone", "b")
    s.create("web", 6, preferences=[PlacementPreference("spread", "node.labels.zone")])
    s.note("zones", s.per_node("web"))


@scenario()
def constraint(s: Stage) -> None:
    """A constraint that no node meets leaves tasks pending; a label lets them go."""
    s.create("web", 2, runs=0, constraints=["node.labels.disk == ssd"])
    s.until("the reason is told", lambda: s.errors("web"))
    s.note("why it waits", s.errors("web"))
    s.label("w2", "disk", "ssd")
    s.runs("web", 2)
    s.note("with the label", s.per_node("web"))


@scenario()
def max_per_node(s: Stage) -> None:
    """At most one replica a node: the fourth of three nodes has to wait."""
    s.create("web", 4, runs=3, maxreplicas=1)
    s.until("the reason is told", lambda: s.errors("web"))
    s.note("why the last waits", s.errors("web"))
    s.note("per node", s.per_node("web"))


@scenario()
def reservation(s: Stage) -> None:
    """A task that reserves more memory than any node has stays pending."""
    s.create("big", 1, runs=0, resources=Resources(mem_reservation=1 << 45))
    s.until("the reason is told", lambda: s.errors("big"))
    s.note("why it waits", s.errors("big"))


@scenario()
def everywhere(s: Stage) -> None:
    """A global service runs on every node, and leaves a drained one."""
    s.create("agent", 3, mode=ServiceMode("global"))
    s.note("on all", s.per_node("agent"))
    s.set_availability("w1", "drain")
    s.runs("agent", 2)
    s.note("one is drained", s.per_node("agent"))
    s.set_availability("w1", "active")
    s.runs("agent", 3)


@scenario()
def drain(s: Stage) -> None:
    """A drained node's tasks move; when it is back they do not return, and new ones go there."""
    s.create("web", 6)
    s.set_availability("w1", "drain")
    s.until("w1 is empty", lambda: "w1" not in s.per_node("web"))
    s.runs("web", 6)
    s.note("drained", s.per_node("web"))
    s.set_availability("w1", "active")
    s.wait(4)
    s.note("nothing comes back", "w1" not in s.per_node("web"))
    s.scale("web", 8)
    s.note("new ones go there", s.per_node("web").get("w1"))


@scenario()
def pause(s: Stage) -> None:
    """A paused node keeps its tasks and gets none."""
    s.create("web", 3)
    s.set_availability("w1", "pause")
    s.scale("web", 7)
    s.note("w1 keeps", s.per_node("web")["w1"])


@scenario()
def force(s: Stage) -> None:
    """A forced update makes all tasks anew, and so evens them out."""
    s.set_availability("w2", "drain")
    s.create("web", 6)
    s.set_availability("w2", "active")
    s.change("web", lambda spec: spec["TaskTemplate"].update(ForceUpdate=1))
    s.updated("web")
    s.note("evened out", s.per_node("web"))


@scenario()
def label_removed(s: Stage) -> None:
    """A node that no longer meets a constraint loses the task."""
    s.label("w1", "disk", "ssd")
    s.create("web", 1, constraints=["node.labels.disk == ssd"])
    s.label("w1", "disk", "hdd")
    s.until("the task is gone", lambda: not s.per_node("web"))
    s.until("the reason is told", lambda: any("no suitable" in error for error in s.errors("web")))
    s.note("why", s.errors("web"))


# -- updates ---------------------------------------------------------------------------------------
@scenario()
def rolling_update(s: Stage) -> None:
    """A new image reaches all replicas, and the update says that it is complete."""
    s.create("web", 3, update_config=UpdateConfig(parallelism=1, delay=10**9, monitor=10**9))
    s.set_image("web", "httpd")
    s.note("~takes", s.updated("web"))
    s.note("status", s.update_status("web"))
    s.note("images", s.images("web"))


@scenario()
def update_pauses(s: Stage) -> None:
    """An update whose first task fails pauses, and the other tasks run on."""
    s.create("web", 3, update_config=UpdateConfig(monitor=5 * 10**9, failure_action="pause"))
    s.set_command("web", FAILS)
    s.updated("web")
    s.note("status", s.update_status("web"))
    s.note("still run", len(s.running("web")) >= 2)


@scenario()
def update_rolls_back(s: Stage) -> None:
    """With failure action rollback the old specification comes back by itself."""
    s.create("web", 3, update_config=UpdateConfig(monitor=5 * 10**9, failure_action="rollback"))
    s.set_command("web", FAILS)
    s.until("it is rolled back", lambda: s.update_status("web")[0] == "rollback_completed")
    s.runs("web", 3)
    s.note("status", s.update_status("web"))


@scenario()
def start_first(s: Stage) -> None:
    """With order start-first the new task runs before the old one stops."""
    s.create("web", 2, update_config=UpdateConfig(order="start-first", monitor=10**9))
    s.set_image("web", "httpd")
    least = [2]
    s.until("the update ends", lambda: s.least_running("web", least) and s.update_ended("web"))
    s.note("never fewer than", least[0])


@scenario()
def rollback_by_hand(s: Stage) -> None:
    """A rollback brings the former image back; a second one brings the newer back."""
    s.create("web", 2, update_config=UpdateConfig(parallelism=0, monitor=10**9))
    s.set_image("web", "httpd")
    s.updated("web")
    for key in ("once", "twice"):
        s.roll_back("web")
        s.until(f"rolled back {key}", lambda: s.update_status("web")[0] == "rollback_completed")
        s.note(key, s.images("web"))


# -- failures --------------------------------------------------------------------------------------
@scenario(managers=3, workers=0)
def leader_crash(s: Stage) -> None:
    """The leader crashes: another manager leads within about 20 seconds."""
    first = s.leader()
    s.fault("crash", first)
    s.note("~new leader after", s.until("another leads", lambda: s.leader() not in ("", first)))
    s.until("the old one is down", lambda: s.node_state(first) == "down")
    s.note("managers", sorted(s.reachability()))
    s.fault("start", first)
    s.until("it is back", lambda: s.reachability().count("reachable") == 2)
    s.note("leaders", s.reachability().count("leader"))


@scenario()
def worker_crash(s: Stage) -> None:
    """A worker crashes: after some 15 seconds it is down, and its tasks run elsewhere."""
    s.create("web", 6)
    s.fault("crash", "w1")
    s.note("~down after", s.until("w1 is down", lambda: s.node_state("w1") == "down"))
    s.until("six run elsewhere", lambda: s.per_node("web") == {"m1": 3, "w2": 3})
    s.fault("start", "w1")
    s.until("w1 is ready", lambda: s.node_state("w1") == "ready")
    s.wait(4)
    s.note("nothing comes back", s.per_node("web"))


@scenario(managers=3, workers=1)
def quorum_loss(s: Stage) -> None:
    """Two of three managers crash: nothing is answered, and what runs, runs on."""
    s.create("web", 4)
    lost = [name for name in ("m1", "m2", "m3") if name != s.leader()]
    s.fault("crash", *lost)
    s.until("the last one gives up its office", lambda: "leader" in s.refusal_of_list())
    s.note("list", s.refusal_of_list())
    s.refused("create", lambda: s.client.configs.create(name="late", data=b"x"))
    s.note("containers run", len(s.cluster.client("w1").containers.list()))


@scenario(managers=3, workers=0)
def minority(s: Stage) -> None:
    """The leader is cut off: the others choose a new one, and it has to follow when it is back."""
    first = s.leader()
    others = [name for name in ("m1", "m2", "m3") if name != first]
    s.fault("partition", [first], others)
    s.note("~new leader after", s.until("the majority leads", lambda: s.leader() in others))
    s.fault("heal")
    s.until("all hear each other", lambda: s.reachability().count("reachable") == 2)
    s.note("it follows", s.leader() != first)


@scenario()
def task_fails(s: Stage) -> None:
    """A task that fails is replaced, time and again, after 5 seconds."""
    s.create("web", 1, runs=0, command=FAILS, constraints=["node.role == manager"])
    s.note("~three tries", s.until("the third has failed", lambda: len(s.failed("web")) == 3))
    s.note("why", s.errors("web"))


@scenario()
def no_restart(s: Stage) -> None:
    """With restart condition none a task that fails is not replaced."""
    s.create("web", 1, runs=0, command=FAILS, restart_policy=RestartPolicy("none"))
    s.until("it has failed", lambda: s.failed("web"))
    s.wait(8)
    s.note("tasks", [task["Status"]["State"] for task in s.tasks("web")])


@scenario()
def job(s: Stage) -> None:
    """A job runs its tasks to completion, as many at a time as it may."""
    mode = ServiceMode("replicated-job", replicas=4, concurrency=2)
    s.create("sums", 0, mode=mode, command=["sh", "-c", "sleep 1"])
    s.until("all are complete", lambda: s.states("sums") == ["complete"] * 4)
    s.note("slots", sorted(task.get("Slot", 0) for task in s.tasks("sums")))


# -- secrets, configs, services: what is refused ---------------------------------------------------
@scenario(workers=0)
def secret_in_use(s: Stage) -> None:
    """A secret that a service uses cannot be removed, and its bytes cannot be read back."""
    made = s.client.secrets.create(name="password", data=b"1234")
    s.create("web", 1, secrets=[SecretReference(made.id, "password")])
    s.refused("remove", made.remove)
    s.note("shown", "Data" in s.client.secrets.get(made.id).attrs["Spec"])
    s.client.services.get("web").remove()
    made.remove()
    s.note("left", s.client.secrets.list())


@scenario(workers=0)
def limits(s: Stage) -> None:
    """A secret has at most 500 kB, a config at most 1000 kB, and both have at least one byte."""
    s.refused("secret", lambda: s.client.secrets.create(name="big", data=b"x" * 512_000))
    s.refused("config", lambda: s.client.configs.create(name="big", data=b"x" * 1_024_001))
    s.refused("empty", lambda: s.client.secrets.create(name="none", data=b""))


@scenario(workers=0)
def names(s: Stage) -> None:
    """A name is given once, and has to be a name."""
    s.create("web", 1)
    s.refused("again", lambda: s.client.services.create("nginx", name="web"))
    s.refused("no name", lambda: s.client.services.create("nginx", name="not a name"))
    s.client.configs.create(name="settings", data=b"1")
    s.refused("config again", lambda: s.client.configs.create(name="settings", data=b"2"))
    placed = Placement(constraints=["node.colour === blue"])
    s.refused(
        "constraint", lambda: s.client.services.create("nginx", constraints=placed["Constraints"])
    )


# -- nodes -----------------------------------------------------------------------------------------
@scenario()
def promotion(s: Stage) -> None:
    """A worker is promoted, becomes a manager that is reachable, and is demoted again."""
    s.set_role("w1", "manager")
    s.until("it is reachable", lambda: s.reachability().count("reachable") == 1)
    s.set_role("w1", "worker")
    s.until("it is a worker", lambda: s.reachability() == ["leader"])
    s.note("roles", s.roles())


@scenario()
def last_manager(s: Stage) -> None:
    """The last manager is not demoted, and leaves only by force."""
    s.refused("demote", lambda: s.set_role("m1", "worker"))
    s.refused("leave", lambda: s.client.swarm.leave())


@scenario()
def removing_nodes(s: Stage) -> None:
    """Only a node that is down is removed without force."""
    api = s.client.api
    s.refused("that is up", lambda: api.remove_node(s.node("w1")["ID"]))
    s.refused("a manager", lambda: api.remove_node(s.node("m1")["ID"]))
    s.cluster.client("w1").swarm.leave()
    s.until("w1 is down", lambda: s.node_state("w1") == "down")
    api.remove_node(s.node("w1")["ID"])
    s.note("left", sorted(s.roles()))


@scenario()
def asked_of_a_worker(s: Stage) -> None:
    """A worker answers for itself, and not for the swarm."""
    worker = s.cluster.client("w1")
    s.refused("nodes", worker.nodes.list)
    s.refused("service", lambda: worker.services.create("nginx"))
    s.note("info", worker.info()["Swarm"]["LocalNodeState"])


@scenario()
def removing_a_service(s: Stage) -> None:
    """A removed service takes its tasks and their containers along."""
    s.create("web", 3)
    s.client.services.get("web").remove()
    alive = s.cluster.client
    s.until(
        "its containers stop", lambda: not any(alive(n).containers.list() for n in ("w1", "w2"))
    )
    s.note("tasks", s.client.api.tasks())
