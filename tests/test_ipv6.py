"""IPv6 as engine 26.1.5 has it: on bridges a node's own addresses, on overlays hardly anything.

`oracle/more/networks.py` has the facts as recorded on real engines.
"""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import APIError

import swarmlab
from tests.test_traffic import docker

NO_POOL = "could not find an available, non-overlapping IPv6 address pool among the defaults"


@pytest.fixture(scope="module")
def engine() -> Any:
    """aa and bb are in the bridge `six`, which has both versions."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=5)
    docker("network create --ipv6 --subnet fd00:1::/64 six")
    for name in ("aa", "bb"):
        docker(f"run -d --name {name} --network six --network-alias {name * 2} nginx")
    return cluster


def networks_of(cluster: Any, name: str, node: str = "m1") -> dict[str, Any]:
    attrs = cluster.client(node).containers.get(name).attrs
    found: dict[str, Any] = attrs["NetworkSettings"]["Networks"]
    return found


def start(cluster: Any, name: str, network: str, **wish: str) -> Any:
    api = cluster.client("m1").api
    config = api.create_endpoint_config(**wish)
    networking = api.create_networking_config({network: config})
    host = api.create_host_config(network_mode=network)
    id = api.create_container("nginx", name=name, host_config=host, networking_config=networking)
    return api.start(id)


def test_a_bridge_gives_the_lowest_free_address_of_each_version(engine):
    row = networks_of(engine, "bb")["six"]
    assert (row["IPAddress"], row["GlobalIPv6Address"]) == ("172.19.0.3", "fd00:1::3")
    assert (row["IPv6Gateway"], row["GlobalIPv6PrefixLen"]) == ("fd00:1::1", 64)
    start(engine, "cc", "six", ipv6_address="fd00:1::55")
    assert networks_of(engine, "cc")["six"]["GlobalIPv6Address"] == "fd00:1::55"
    with pytest.raises(APIError, match="Address already in use"):
        start(engine, "c2", "six", ipv6_address="fd00:1::55")
    docker("rm -f cc c2")
    start(engine, "cc", "six", ipv6_address="fd00:1::55")  # it is free again
    docker("rm -f cc")


def test_a_name_leads_to_both_versions_and_programs_prefer_the_sixth(engine):
    assert docker("exec aa nslookup bbbb").splitlines()[3:] == [
        "Non-authoritative answer:", "Name:\tbbbb", "Address: 172.19.0.3", "",
        "Non-authoritative answer:", "Name:\tbbbb", "Address: fd00:1::3", "",
    ]  # fmt: skip
    assert "PING bb (fd00:1::3)" in docker("exec aa ping -c1 bb")
    assert "1 packets received" in docker("exec aa ping -c1 fd00:1::3")
    assert "nginx" in docker("exec aa wget -q -O- http://[fd00:1::3]/")
    assert "inet6 fd00:1::2" in docker("exec aa ip addr")
    assert docker("exec aa dig +short bb") == "172.19.0.3\n"


def test_without_the_flag_a_subnet_gives_no_addresses():
    cluster = swarmlab.engines(["m1"])
    docker("pull nginx", "network create --subnet fd00:3::/64 plain")
    start(cluster, "aa", "plain", ipv6_address="fd00:3::5")
    row = networks_of(cluster, "aa")["plain"]
    assert (row["IPv6Gateway"], row["GlobalIPv6Address"], row["GlobalIPv6PrefixLen"]) == ("", "", 0)


def test_each_node_of_an_overlay_hands_out_its_own_ipv6_addresses():
    """So two nodes give the same one; names lead to none of them."""
    cluster = swarmlab.simulate(managers=1, workers=1, seed=5)
    subnets = "--subnet 10.50.0.0/24 --subnet fd00:5::/64"
    docker(f"network create -d overlay --attachable --ipv6 {subnets} both")
    docker("service create -d --mode global --name web --network both nginx")
    cluster.run("10s")
    for node in ("m1", "w1"):
        network = cluster.client(node).networks.get("both").attrs
        assert network["EnableIPv6"]
        rows = {row["Name"].partition(".")[0]: row for row in network["Containers"].values()}
        assert rows["both-endpoint"]["IPv6Address"] == "fd00:5::2/64"
        assert rows["web"]["IPv6Address"] == "fd00:5::3/64"
        assert rows["web"]["IPv4Address"].startswith("10.50.0.")
    docker("run -d --name aa --network both nginx")
    assert "fd00" not in docker("exec aa nslookup tasks.web") + docker("exec aa nslookup web")


@pytest.mark.parametrize(
    ("options", "why"),
    [("--subnet fd00:5::/64", "invalid address fd00:5::"), ("", NO_POOL)],
    ids=["only IPv6", "no IPv6"],
)
def test_overlays_that_no_node_can_make_reject_their_tasks(options, why):
    cluster = swarmlab.simulate(managers=1, workers=0, seed=5)
    docker(f"network create -d overlay --attachable --ipv6 {options} six")
    docker("service create -d --name web --network six nginx")
    cluster.run("5s")
    tasks = [task["Status"] for task in cluster.client().services.get("web").tasks()]
    rejected = [status["Err"] for status in tasks if status["State"] == "rejected"]
    assert rejected
    assert all(why in error for error in rejected)
    assert "running" not in [status["State"] for status in tasks]
    began_ns = cluster.now_ns
    with pytest.raises(APIError) as refused:
        cluster.client().containers.run("nginx", detach=True, network="six")
    assert "attaching to network failed" in str(refused.value)
    assert "context deadline exceeded" in str(refused.value)
    assert 20 <= (cluster.now_ns - began_ns) / 1e9 < 25


def test_an_overlay_goes_on_to_its_second_subnet():
    """A /29 has 6 addresses: gateway, virtual IP and load balancer leave three for tasks."""
    cluster = swarmlab.simulate(managers=1, workers=0, seed=5)
    docker("network create -d overlay --subnet 10.60.0.0/29 --subnet 10.61.0.0/24 two")
    docker("service create -d --name web --replicas 6 --network two nginx")
    cluster.run("15s")
    tasks = cluster.client().services.get("web").tasks()
    addresses = [task["NetworksAttachments"][0]["Addresses"][0] for task in tasks]
    assert {task["Status"]["State"] for task in tasks} == {"running"}
    assert {address.rpartition(".")[0] for address in addresses} == {"10.60.0", "10.61.0"}
    assert len(set(addresses)) == 6
    assert networks_of(cluster, tasks[-1]["Status"]["ContainerStatus"]["ContainerID"])["two"]
    docker("service rm web")
    cluster.run("30s")
    docker("network rm two")
    docker("network create -d overlay --subnet 10.60.0.0/29 again")  # all of it is free again
    configs = cluster.client().networks.get("again").attrs["IPAM"]["Config"]
    assert configs == [{"Subnet": "10.60.0.0/29", "Gateway": "10.60.0.1"}]


def test_a_restarted_manager_knows_what_was_given_of_both_subnets():
    cluster = swarmlab.simulate(managers=1, workers=1, seed=5)
    docker("network create -d overlay --subnet 10.60.0.0/29 --subnet 10.61.0.0/24 two")
    docker("service create -d --name web --replicas 8 --network two nginx")
    cluster.run("10s")
    cluster.crash("m1")
    cluster.start("m1")
    cluster.run("40s")
    docker("service scale -d web=12")
    cluster.run("20s")
    running = cluster.client().services.get("web").tasks({"desired-state": "running"})
    addresses = [task["NetworksAttachments"][0]["Addresses"][0] for task in running]
    assert len(set(addresses)) == 12


def test_a_port_is_published_at_both_versions_or_at_the_address_that_is_named():
    cluster = swarmlab.engines(["m1"])
    docker("run -d --name aa -p 8090:80 -p 127.0.0.1:8091:80 -p [::1]:8092:81 nginx")
    ports = cluster.client().containers.get("aa").attrs["NetworkSettings"]["Ports"]
    assert [(b["HostIp"], b["HostPort"]) for b in ports["80/tcp"]] == [
        ("0.0.0.0", "8090"), ("::", "8090"), ("127.0.0.1", "8091"),
    ]  # fmt: skip
    assert ports["81/tcp"] == [{"HostIp": "::1", "HostPort": "8092"}]
    shown = docker("ps --format '{{.Ports}}'")
    assert "0.0.0.0:8090->80/tcp" in shown
    assert "[::]:8090->80/tcp" in shown
    assert "[::1]:8092->81/tcp" in shown


@pytest.mark.parametrize("text", ["zz", "02:42", "02:42:ac:11:00:78:11", "02:42-ac:11:00:78"])
def test_what_is_no_mac_address_is_refused(text):
    client = swarmlab.engines(["m1"]).client()
    with pytest.raises(APIError, match=f"invalid config for network bridge: .* address {text}"):
        client.containers.create("nginx", mac_address=text)


def test_a_container_has_the_mac_address_that_it_asks_for():
    cluster = swarmlab.engines(["m1"])
    docker("run -d --name aa --mac-address 02-42-AC-11-00-AB nginx")
    attrs = cluster.client().containers.get("aa").attrs
    assert attrs["Config"]["MacAddress"] == "02-42-AC-11-00-AB"
    assert networks_of(cluster, "aa")["bridge"]["MacAddress"] == "02:42:ac:11:00:ab"
    (row,) = cluster.client().networks.get("bridge").attrs["Containers"].values()
    assert row["MacAddress"] == "02:42:ac:11:00:ab"
    docker("stop aa")
    assert networks_of(cluster, "aa")["bridge"]["MacAddress"] == ""
    docker("run -d --name bb --network none --mac-address 02:42:ac:11:00:ac nginx")
    assert networks_of(cluster, "bb")["none"]["MacAddress"] == ""
