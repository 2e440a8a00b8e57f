"""Networks, names, addresses and ports: what is allocated, shown and refused.

This kernel lacks IPVS: what flows through virtual IPs and the routing mesh cannot be recorded.
"""

import facts
from facts import norm
from more.helpers import create, scenario
from realswarm import api


def networks(p, at="m1"):
    return {n["Name"]: n for n in facts.get(p.c.sock(at), "/networks")}


def addresses(p, service):
    """Network -> the addresses of a service's running tasks."""
    found = {}
    for task in facts.get(p.sock, "/tasks"):
        if task["ServiceID"] == facts.service(p.sock, service)["ID"] and task["Status"]["State"] == "running":
            for attachment in task["NetworksAttachments"]:
                name = attachment["Network"]["Spec"]["Name"]
                found.setdefault(name, []).extend(attachment["Addresses"])
    return {name: sorted(each) for name, each in sorted(found.items())}


def inspected(p, network, at):
    return facts.get(p.c.sock(at), f"/networks/{network}?verbose=true")


def container(p, name, at="m1"):
    return facts.get(p.c.sock(at), f"/containers/{name}/json")


def post(p, path, body, at="m1"):
    status, answer = api(p.c.sock(at), "POST", path, body)
    return [status, norm(answer.get("message", "")) if isinstance(answer, dict) else answer]


@scenario(managers=1, workers=2)
def addresses_of_load_balancers(p):
    """A node's load balancer has an address in ingress at once, elsewhere once a task is there."""
    p.ok("network create -d overlay front")
    create(p, "web", "--replicas 3 --network front --publish 8080:80")
    p.running("web", 3)
    p.note("tasks", addresses(p, "web"))
    vips = facts.service(p.sock, "web")["Endpoint"]["VirtualIPs"]
    p.note("virtual ips", [ip["Addr"] for ip in vips])
    shown = [inspected(p, "front", node)["Containers"]["lb-front"] for node in ("m1", "w1", "w2")]
    p.note("in front", sorted(row["IPv4Address"] for row in shown))
    p.note("its name", {row["Name"] for row in shown}.pop())
    shown = [inspected(p, "ingress", n)["Containers"]["ingress-sbox"] for n in ("m1", "w1", "w2")]
    p.note("in ingress", sorted([row["Name"], row["IPv4Address"]] for row in shown))
    p.note("peers", sorted(peer["IP"] for peer in inspected(p, "front", "w1")["Peers"]))
    p.note("vxlan ids", {name: (networks(p)[name]["Options"] or {}).get("com.docker.network.driver.overlay.vxlanid_list") for name in ("ingress", "front")})
    web = inspected(p, "front", "w2")["Services"]["web"]
    p.note("service in front", [web["VIP"], sorted(task["EndpointIP"] for task in web["Tasks"])])
    web = inspected(p, "ingress", "m1")["Services"]["web"]
    p.note("service in ingress", [web["VIP"], web["Ports"]])
    p.ok("service scale -d web=4")
    p.running("web", 4)
    p.note("the next one", addresses(p, "web"))


@scenario(managers=1, workers=1)
def networks_that_a_node_has(p):
    """docker_gwbridge on every node of a swarm; overlays on a worker only while it needs them."""
    p.ok("network create -d overlay yard")
    create(p, "web", "--constraint node.hostname==w1 --network yard")
    p.running("web", 1)
    p.note("drivers", {n: sorted([x["Name"], x["Driver"], x["Scope"]] for x in networks(p, n).values()) for n in ("m1", "w1")})
    p.note("bridges", {name: networks(p, "w1")[name]["IPAM"]["Config"][0]["Subnet"] for name in ("bridge", "docker_gwbridge")})
    p.note("containers elsewhere", inspected(p, "yard", "m1")["Containers"])
    p.say("rm gwbridge", "network rm docker_gwbridge", at="w1")
    p.ok("network create lan", at="w1")
    p.note("next bridge", networks(p, "w1")["lan"]["IPAM"]["Config"])
    task = facts.get(p.c.sock("w1"), "/containers/json")[0]
    p.note("ps", {name: [n["IPAddress"], n["MacAddress"], n["IPAMConfig"]] for name, n in task["NetworkSettings"]["Networks"].items()})


@scenario(managers=1, workers=0)
def addresses_of_containers(p):
    """A bridge gives the lowest free address; names in networks that a user has made."""
    for name in ("one", "two"):
        p.ok(f"run -d --name {name} demo:1")
    p.ok("rm -f one")
    p.ok("run -d --name three demo:1")

    def settings(name):
        return {n: [s["IPAddress"], s["IPPrefixLen"], s["Gateway"], s["MacAddress"]] for n, s in container(p, name)["NetworkSettings"]["Networks"].items()}

    p.note("bridge", [settings("two"), settings("three")])
    p.ok("network create --subnet 10.77.8.0/24 lan")
    p.ok("run -d --name four --network lan --network-alias uno --ip 10.77.8.9 demo:1")
    p.note("wished", settings("four"))
    p.ok("run -d --name five --network lan demo:1")
    p.note("lowest", settings("five"))
    p.say("taken", "run -d --name six --network lan --ip 10.77.8.9 demo:1")
    p.note("stopped", [p.ok("stop -t 0 five"), settings("five")])
    p.ok("network connect lan two")
    p.note("two networks", settings("two"))
    p.note("in lan", sorted([c["Name"], c["IPv4Address"]] for c in inspected(p, "lan", "m1")["Containers"].values()))
    p.say("rm in use", "network rm lan")
    p.ok("network disconnect bridge two")
    p.note("one network", sorted(settings("two")))
    for name in ("host", "none"):
        p.ok(f"run -d --name on-{name} --network {name} demo:1")
        p.note(name, [settings(f"on-{name}"), container(p, f"on-{name}")["HostConfig"]["NetworkMode"]])
    p.say("connect host's", "network connect lan on-host")
    p.say("connect to host", "network connect host two")
    p.say("connect nosuch", "network connect nosuch two")
    p.say("ip on a bridge", "network connect --ip 172.17.0.99 bridge three")
    p.say("disconnect", "network disconnect host two")


@scenario(managers=1, workers=0)
def subnets_of_networks(p):
    """Drivers, subnets, ranges, gateways: refused at once, in one answer."""
    for key, body in {
        "driver": {"Driver": "nosuch"},
        "host": {"Driver": "host"},
        "null": {"Driver": "null"},
        "ipam": {"IPAM": {"Driver": "nosuch"}},
        "scope": {"Driver": "overlay", "Scope": "local"},
        "no subnet": {"IPAM": {"Config": [{"Gateway": "10.66.0.1"}]}},
        "host bits": {"IPAM": {"Config": [{"Subnet": "10.55.0.7/24"}]}},
        "gateway": {"Driver": "overlay", "IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "Gateway": "10.66.0.1"}]}},
        "range": {"IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "IPRange": "10.66.0.0/25"}]}},
        "bigger range": {"IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "IPRange": "10.55.0.0/16"}]}},
        "two wrong": {"IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "IPRange": "10.55.0.0/33", "Gateway": "x"}]}},
        "auxiliary": {"IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "AuxiliaryAddresses": {"r": "10.56.0.1"}}]}},
        "families": {"IPAM": {"Config": [{"Subnet": "10.55.0.0/24", "Gateway": "fd00::1"}]}},
        "overlap": {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}},
    }.items():
        p.note(key, post(p, "/networks/create", {"Name": "n", **body}))
    p.ok("network create -d overlay --ipv6 --subnet fd00:3::/64 six")
    p.until("allocated", lambda: networks(p)["six"]["Driver"], 10)
    p.note("ipv6 overlay", [networks(p)["six"]["EnableIPv6"], networks(p)["six"]["IPAM"]["Config"]])
    p.ok("network create --subnet 10.56.0.0/24 --ip-range 10.56.0.128/25 part")
    p.ok("run -d --name inside --network part demo:1")
    p.note("from the range", container(p, "inside")["NetworkSettings"]["Networks"]["part"]["IPAddress"])
    p.ok("network create -d overlay --subnet 10.40.0.0/24 o1")
    p.ok("network create -d overlay --subnet 10.40.0.0/25 o2")
    p.c.sleep(2)
    p.note("overlap in the swarm", [networks(p)["o2"]["Driver"], networks(p)["o2"]["IPAM"]["Config"]])
    p.note("listed by driver", sorted(p.ok("network ls --filter driver=overlay --format '{{.Name}}'").split()))
    p.ok("service create -d --name ov --network o2 demo:1")
    p.c.sleep(3)
    p.note("never", p.states("ov"))


@scenario(managers=1, workers=1)
def full_subnet(p):
    """A /29 has six addresses: all replicas wait, for the nodes' load balancers find none."""
    p.ok("network create -d overlay --subnet 10.41.0.0/29 small")
    create(p, "web", "--replicas 10 --network small")
    p.c.sleep(10)
    p.note("waiting", p.states("web"))
    p.until("refused", lambda: p.errors("web"), 60)
    p.note("why", sorted(set(p.errors("web"))))


@scenario(managers=1, workers=1)
def attachments(p):
    """A container that a user starts on an overlay of a worker is a task that nobody lists."""
    p.ok("network create -d overlay --attachable open")
    p.ok("network create -d overlay closed")
    p.say("closed", "run -d --name r1 --network closed demo:1", at="w1")
    p.note("left over", p.ok("ps -a --format '{{.Names}} {{.Status}}'", at="w1"))
    p.ok("run -d --name r2 --network open demo:1", at="w1")
    one = container(p, "r2", "w1")["NetworkSettings"]["Networks"]["open"]
    p.note("address", [one["IPAddress"], one["IPAMConfig"]])
    p.note("tasks", len(facts.get(p.sock, "/tasks")))
    p.note("load balancer", inspected(p, "open", "w1")["Containers"]["lb-open"]["IPv4Address"])
    p.say("in use", "network rm open")
    p.say("closed again", "network connect closed r2", at="w1")
    p.say("no such network", "network connect nosuch r2", at="w1")
    p.ok("network disconnect open r2", at="w1")
    p.until("free", lambda: p.docker("network rm open")[0] == 0, 30)
    p.say("prune", "network prune -f")


SHOWN = ("IPAMConfig", "MacAddress", "Gateway", "IPAddress", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen")


def endpoints(p, name):
    shown = container(p, name)["NetworkSettings"]["Networks"]
    return {network: {key: row[key] for key in SHOWN} for network, row in shown.items()}


@scenario(managers=1, workers=0)
def ipv6_of_bridges(p):
    """Subnets, addresses and names of IPv6 in an engine's own networks."""
    p.ok("network create --ipv6 --subnet fd00:1::/64 six")
    p.ok("network create --ipv6 --subnet fd00:2::/64 --gateway fd00:2::99 --subnet 10.9.0.0/24 both")
    p.ok("network create --ipv6 --subnet fd00:4::/64 --ip-range fd00:4::100/120 ranged")
    p.ok("network create --subnet fd00:3::/64 --subnet 10.33.0.0/24 plain")
    p.say("overlap", "network create --ipv6 --subnet fd00:1::/65 again")
    p.say("no subnet", "network create --ipv6 lost")
    p.note("configs", {n: [row["EnableIPv6"], row["IPAM"]["Config"]] for n, row in networks(p).items() if n in ("both", "ranged", "plain")})
    p.note("configs of six", [sorted(config) for config in networks(p)["six"]["IPAM"]["Config"]])
    p.ok("run -d --name aa --network both --network-alias zz demo:1")
    p.ok("run -d --name bb --network both --ip 10.9.0.7 --ip6 fd00:2::7 demo:1")
    p.ok("run -d --name rr --network ranged demo:1")
    p.ok("run -d --name pp --network plain --ip6 fd00:3::5 demo:1")
    p.note("addresses", {name: endpoints(p, name) for name in ("aa", "bb", "pp")})
    row = endpoints(p, "rr")["ranged"]
    p.note("in a range", [row["IPv6Gateway"], row["GlobalIPv6Address"]])
    p.note("containers", sorted([row["Name"], row["IPv6Address"]] for row in inspected(p, "both", "m1")["Containers"].values()))
    p.say("in use", "run -d --name b2 --network both --ip6 fd00:2::7 demo:1")
    p.say("elsewhere", "run -d --name b3 --network both --ip6 fd00:9::55 demo:1")
    p.say("no address", "run -d --name b4 --network both --ip6 zz demo:1")
    p.say("other version", "run -d --name b5 --network both --ip6 10.9.0.9 demo:1")
    p.say("other version of a pool", "run -d --name b6 --network six --ip fd00:1::77 demo:1")
    p.say("default bridge", "run -d --name b7 --ip6 fd00:9::1 demo:1")
    p.ok("network disconnect both aa")
    p.say("connect elsewhere", "network connect --ip6 fd00:9::a both aa")
    p.ok("network connect --ip6 fd00:2::a both aa")
    p.note("connected", endpoints(p, "aa")["both"]["GlobalIPv6Address"])


@scenario(managers=1, workers=0)
def ipv6_of_overlays(p):
    """A node's load balancer needs an IPv4 address: an overlay of IPv6 alone cannot be used."""
    p.ok("network create -d overlay --attachable --ipv6 --subnet fd00:11::/64 swarm6")
    p.ok("network create -d overlay --attachable --ipv6 swarmlost")
    p.ok("network create -d overlay --attachable --ipv6 --subnet 10.50.0.0/24 --subnet fd00:15::/64 swarmboth")
    p.ok("network create -d overlay --subnet 10.60.0.0/29 --subnet 10.61.0.0/24 swarmtwo")
    p.note("configs", {n: [row["EnableIPv6"], row["IPAM"]["Config"], row["Options"]] for n, row in networks(p).items() if n in ("swarm6", "swarmlost", "swarmboth", "swarmtwo")})
    for name in ("swarm6", "swarmlost"):
        create(p, f"s{name}", f"--network {name}")
        p.until(name, lambda name=name: any(t["state"] == "rejected" for t in facts.tasks(p.sock, f"s{name}")))
        rejected = next(t for t in facts.get(p.sock, "/tasks") if t["Status"]["State"] == "rejected" and t["NetworksAttachments"][0]["Network"]["Spec"]["Name"] == name)
        shown = rejected["NetworksAttachments"][0]["Network"]["Spec"]["IPv6Enabled"]
        p.note(f"task in {name}", [norm(rejected["Status"]["Err"]).split(":")[0].partition(" fd00")[0], shown])
        p.note(f"virtual ip in {name}", [ip["Addr"] for ip in facts.service(p.sock, f"s{name}")["Endpoint"]["VirtualIPs"]])
        p.ok(f"service rm s{name}")


@scenario(managers=1, workers=0)
def published_addresses(p):
    """A port that names no address is published at all addresses of both versions."""
    p.ok("run -d --name aa -p 8090:80 demo:1")
    p.ok("run -d --name bb -p 127.0.0.1:8091:80 demo:1")
    p.ok("run -d --name cc -p [::1]:8092:80 demo:1")
    p.ok("run -d --name dd -p 81 demo:1")
    p.note("ports", {name: container(p, name)["NetworkSettings"]["Ports"] for name in ("aa", "bb", "cc", "dd")})
    listed = facts.get(p.sock, "/containers/json")
    p.note("listed", sorted([row["Names"], row["Ports"]] for row in listed))
    p.say("ps", "ps --format '{{.Names}} {{.Ports}}'")
    p.say("port", "port aa")
    create(p, "web", "--publish mode=host,published=8095,target=80")
    p.running("web", 1)
    p.note("of a task", facts.get(p.sock, "/containers/json")[0]["Ports"])


@scenario(managers=1, workers=0)
def mac_addresses(p):
    """The MAC address that a container asks for, by its network or by itself."""
    p.ok("network create --subnet 10.99.0.0/24 maclan")

    def made(name, **body):
        post(p, f"/containers/create?name={name}", {"Image": "demo:1", **body})
        before = container(p, name)
        p.ok(f"start {name}")
        after = container(p, name)
        return [[c["Config"].get("MacAddress"), {n: row["MacAddress"] for n, row in c["NetworkSettings"]["Networks"].items()}] for c in (before, after)]

    p.note("by itself", made("aa", MacAddress="02:42:AC:11:00:79"))
    p.note("by its network", made("bb", HostConfig={"NetworkMode": "maclan"}, NetworkingConfig={"EndpointsConfig": {"maclan": {"MacAddress": "02-42-AC-11-00-AB"}}}))
    p.note("of the host", made("cc", MacAddress="02:42:ac:11:00:77", HostConfig={"NetworkMode": "host"}))
    p.note("with dots", made("dd", MacAddress="0242.ac11.0078"))
    p.note("in the network", sorted(row["MacAddress"] for row in inspected(p, "maclan", "m1")["Containers"].values()))
    p.ok("stop -t 0 bb")
    p.note("stopped", container(p, "bb")["NetworkSettings"]["Networks"]["maclan"]["MacAddress"])
    for text in ("zz", "02:42", "02:42:ac:11:00:78:11", "02:42-ac:11:00:78"):
        p.note(f"refused {text}", post(p, "/containers/create", {"Image": "demo:1", "MacAddress": text}))
    p.note("refused in lan", post(p, "/containers/create", {"Image": "demo:1", "NetworkingConfig": {"EndpointsConfig": {"maclan": {"MacAddress": "zz"}}}}))
    p.note("refused connect", post(p, "/networks/maclan/connect", {"Container": "aa", "EndpointConfig": {"MacAddress": "zz"}}))
