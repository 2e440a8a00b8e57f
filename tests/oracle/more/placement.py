"""Placement of tasks; ports, networks, secrets and configs."""

import facts
from more.helpers import ask, create, kill, scenario, settle, desired_tasks


# --- placement: swarmkit manager/scheduler --------------------------------------------------------
@scenario(managers=3, workers=2)
def spread_two_levels(p):
    rooms = {"m1": "a 1", "m2": "a 2", "m3": "b 1", "w1": "b 1", "w2": "b 2"}
    for node, where in rooms.items():
        dc, rack = where.split()
        p.ok(f"node update --label-add dc={dc} --label-add rack={rack} {node}")
    create(
        p,
        "web",
        "--replicas 8 --placement-pref spread=node.labels.dc"
        " --placement-pref spread=node.labels.rack",
    )
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
    """Scaling down removes unplaced tasks first; scaling up drops them from the queue.

    Source: swarmkit manager/orchestrator/replicated/services.go, manager/scheduler/scheduler.go.
    """
    create(p, "one", "--replicas 5 --replicas-max-per-node 1")
    p.until("explained", lambda: len(facts.running(p.sock, "one")) == 3 and p.errors("one"))
    before = {t["id"] for t in facts.running(p.sock, "one")}
    p.ok("service scale -d one=3")
    p.until("fewer", lambda: len(desired_tasks(p, "one")) == 3)
    p.c.sleep(2)
    p.note("unplaced_go_first", [before == set(desired_tasks(p, "one")), p.states("one")])
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


# --- ports and networks: swarmkit manager/allocator -----------------------------------------------
def ports(p, svc):
    keys = ("Protocol", "TargetPort", "PublishedPort", "PublishMode")
    found = facts.service(p.sock, svc)["Endpoint"].get("Ports") or []
    return [[port.get(k) for k in keys] for port in found]


@scenario()
def published_ports(p):
    create(p, "a", "--publish 8080:80")
    p.say("taken", "service create -d --name b --publish 8080:81 demo:1")
    host = "mode=host,published=8080,target=81"
    p.say("taken_host", f"service create -d --name b --publish {host} demo:1")
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
        return sorted([names.get(v["NetworkID"]), v.get("Addr")] for v in found)

    create(p, "web", "--replicas 2 --network front --network back")
    p.running("web", 2)
    p.note("vips", vips())
    p.say("rm_in_use", "network rm front")
    p.say("ingress_by_name", "service create -d --name x --network ingress demo:1")
    p.say("second_ingress", "network create -d overlay --ingress other")
    p.say("same_name", "network create -d overlay front")
    p.ok("service update -d --replicas 0 --network-rm front web")
    p.until("one vip", lambda: len(vips()) == 1)
    p.note("the_other_stays", vips())
    p.ok("service rm web")
    p.until("tasks gone", lambda: not facts.get(p.sock, "/tasks"))
    p.say("rm", "network rm front back")
    p.ok("network create -d overlay idle")
    names.update({n["Id"]: n["Name"] for n in facts.get(p.sock, "/networks")})
    p.ok("service create -d --name web --replicas 0 --network idle demo:1")
    p.until("vip", vips)
    p.note("third_subnet", vips())
    p.ok("service update -d --endpoint-mode dnsrr web")
    p.until("no vip", lambda: not vips())
    p.ok("service update -d --endpoint-mode vip web")
    p.until("vip again", vips)
    p.note("the_next_address_not_the_lowest", vips())
    p.say("rm_ingress", "network rm ingress", stdin="y\n")
    p.say("no_ingress", "service create -d --name x --publish 8080:80 demo:1")


# --- secrets and configs ---------------------------------------------------------------------
@scenario(managers=1, workers=1)
def removed_while_read(p):
    """Only current specs use a secret or config, not running tasks nor the previous spec.

    Source: swarmkit manager/controlapi/secret.go.
    """
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
