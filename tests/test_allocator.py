"""Subnets, addresses, virtual IPs and published ports.

Source: swarmkit manager/allocator/{network,portallocator}.go, internal/idm/idm.go.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from swarmlab.manager.allocator.allocator import Allocator
from swarmlab.manager.store import create, remove, update
from swarmlab.model import Document, SwarmNetwork, Task, TaskState, freeze
from swarmlab.network.addresses import Ports, Subnet
from swarmlab.network.cnm_allocator import CnmAllocator
from tests.control_loops import Harness, node, service, task

NEW, PENDING = TaskState.NEW, TaskState.PENDING


def overlay(id: str, **spec: Any) -> SwarmNetwork:
    return SwarmNetwork(id=id, spec=freeze({"Name": id, "Driver": "overlay", **spec}))


def subnet(network: str) -> dict[str, Any]:
    return {"IPAM": {"Config": [{"Subnet": network}]}}


INGRESS = overlay("ingress", Ingress=True)


def published(*ports: int, mode: str = "ingress", **port: Any) -> dict[str, Any]:
    listed = [
        {"Protocol": "tcp", "TargetPort": 80 + i, "PublishMode": mode} | port
        for i in range(len(ports))
    ]
    for entry, number in zip(listed, ports, strict=True):
        if number:
            entry["PublishedPort"] = number
    return {"EndpointSpec": {"Mode": "vip", "Ports": listed}}


def attached(*ids: str) -> dict[str, Any]:
    return {"TaskTemplate": {"Networks": [{"Target": id} for id in ids]}}


def new(id: str, of: Any, slot: int = 1) -> Task:
    made: Task = task(id, of, slot=slot, state=NEW)
    return made


class Allocation(Harness):
    def __init__(self, *objects: Any) -> None:
        super().__init__(objects, Allocator)
        self.decide()

    def add(self, *objects: Any) -> None:
        self.apply(*(create(object) for object in objects))
        self.decide()

    def take(self, *objects: Any) -> None:
        self.apply(*(remove(object) for object in objects))
        self.decide()

    def ports(self, id: str) -> list[int] | None:
        endpoint = self.store.services[id].endpoint
        return None if endpoint is None else [p["PublishedPort"] for p in endpoint.get("Ports", ())]

    def ips(self, id: str) -> list[tuple[str, str]]:
        endpoint = self.store.services[id].endpoint or Document()
        return [(ip["NetworkID"], ip["Addr"]) for ip in endpoint.get("VirtualIPs", ())]

    def addresses(self, id: str) -> list[str]:
        return [a for n in self.store.tasks[id].networks for a in n["Addresses"]]

    def state(self, id: str) -> tuple[TaskState, str, str]:
        status = self.store.tasks[id].status
        return status.state, status.message, status.err


# -- tasks -------------------------------------------------------------------------------------
def test_a_task_without_networks_becomes_pending_at_once():
    web = service()
    harness = Allocation(web, new("t", web))
    assert harness.state("t") == (PENDING, "pending task scheduling", "")


def test_ingress_is_first_and_networks_of_the_node_get_no_address():
    """Then the spec's networks in order."""
    web = service(**attached("bridge", "net2", "net1"), **published(8080))
    harness = Allocation(INGRESS, overlay("net1"), overlay("net2"), web)
    harness.add(new("t", web))
    assert [n["Network"]["ID"] for n in harness.store.tasks["t"].networks] == [
        "ingress",
        "net2",
        "net1",
    ]


@pytest.mark.parametrize("lack", ["a subnet", "an address", "the port"])
def test_a_task_whose_resources_are_not_available_stays_new_without_an_error(lack: str):
    """Its message is `created`, without an error; only a log tells of the failure."""
    before = [INGRESS]
    web = service(**attached("net"))
    if lack == "a subnet":
        before += [
            overlay("first", **subnet("10.9.0.0/24")),
            overlay("net", **subnet("10.9.0.0/16")),
        ]
    elif lack == "an address":
        before += [overlay("net", **subnet("10.9.0.0/30"))]  # gateway and virtual IP take both
    else:
        taken = service("other", **published(8080))
        before += [overlay("net"), taken]
        web = service(**attached("net"), **published(8080))
    harness = Allocation(*before, web)
    harness.add(replace(new("t", web), status=replace(new("t", web).status, message="created")))
    harness.later(3600)
    assert harness.state("t") == (NEW, "created", "")


def test_a_freed_port_goes_to_the_service_that_waits_for_it():
    """Retried when something was deallocated; what else it took, it had given back."""
    first, web = service("first", **published(443)), service(**published(80, 443))
    harness = Allocation(INGRESS, first, web, new("t", web))
    assert harness.ports("web") is None
    harness.add(service("other", **published(8080)))
    harness.take(harness.store.services["first"])
    assert harness.ports("web") == [80, 443]
    assert harness.store.tasks["t"].state == PENDING


def test_a_freed_subnet_goes_to_the_network_that_waits_for_it():
    harness = Allocation(
        overlay("a", **subnet("10.9.0.0/24")), overlay("b", **subnet("10.9.0.0/24"))
    )
    assert not harness.store.get(SwarmNetwork, "b").ipam
    harness.take(harness.store.get(SwarmNetwork, "a"))
    assert harness.store.get(SwarmNetwork, "b").ipam["Config"][0]["Subnet"] == "10.9.0.0/24"


@pytest.mark.parametrize("end", ["over", "deleted"])
def test_the_addresses_of_an_ended_or_removed_task_are_freed(end: str):
    """The task that waited gets the one."""
    web = service(replicas=2, **attached("net"))
    harness = Allocation(overlay("net", **subnet("10.9.0.0/29")), web)
    harness.add(
        *(new(f"t{n}", web, n) for n in range(1, 6))
    )  # 6 hosts: gateway, virtual IP, 4 tasks
    waiting = [t.id for t in harness.store.tasks.values() if t.state == NEW]
    assert len(waiting) == 1
    (first, *_) = [t for t in harness.store.tasks.values() if t.state == PENDING]
    address = harness.addresses(first.id)
    if end == "over":
        harness.report(first.id, TaskState.FAILED)
        harness.decide()
    else:
        harness.take(first)
    assert harness.store.tasks[waiting[0]].state == PENDING
    assert harness.addresses(waiting[0]) == address


def test_a_task_that_is_still_stopping_keeps_its_address():
    """Until it is observed to be over."""
    web = service(**attached("net"))
    harness = Allocation(overlay("net"), web)
    harness.add(new("t", web))
    before = harness.addresses("t")
    harness.apply(update(replace(harness.store.tasks["t"], desired=TaskState.SHUTDOWN)))
    harness.add(new("u", web))
    assert harness.addresses("u") != before


# -- nodes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("end", ["removed", "service"])
def test_a_node_without_an_address_is_looked_at_again_when_one_is_free(end: str, monkeypatch):
    """So a swarm of more nodes than its ingress network has addresses costs no search each turn."""
    web = service(**published(80))
    nodes = [node(f"n{number}") for number in range(1, 8)]
    ingress = overlay("ingress", Ingress=True, **subnet("10.0.0.0/29"))
    harness = Allocation(ingress, web)
    harness.add(*nodes)  # 6 hosts: gateway, virtual IP, 4 nodes

    def without() -> list[str]:
        return [id for id, found in harness.store.nodes.items() if not found.attachments]

    assert without() == ["n5", "n6", "n7"]
    asked: list[Any] = []
    attach = CnmAllocator.attach
    monkeypatch.setattr(CnmAllocator, "attach", lambda *args: asked.append(args) or attach(*args))
    harness.add(service("other"))
    assert asked == []
    harness.take(harness.store.nodes["n2"] if end == "removed" else web)
    assert without() == ["n6", "n7"]
    assert len(asked) == 1
    harness.take(harness.store.nodes["n6"], harness.store.nodes["n3"])  # n6 has none to give back
    assert without() == []


def test_a_task_that_waits_while_a_node_is_detached_gets_its_address_then():
    """Both wait at once when the last task of a network on a drained node is replaced."""
    web = service(**attached("net"))
    harness = Allocation(overlay("net"), web, node("n1"))
    harness.add(new("u", web))
    harness.apply(update(replace(harness.store.tasks["u"], node_id="n1")))
    harness.report("u", TaskState.ASSIGNED)
    harness.decide()
    assert harness.store.nodes["n1"].attachments
    harness.report("u", TaskState.SHUTDOWN)
    harness.apply(create(new("v", web)))
    before = harness.store.nodes["n1"]
    (detached,) = harness.control_loop.decide(harness.store)
    assert harness.control_loop.see(before, detached.object)  # so that v gets its turn
    harness.apply(detached)
    harness.decide()
    assert harness.store.nodes["n1"].attachments == ()
    assert harness.state("v")[0] == PENDING


# -- networks and virtual IPs ------------------------------------------------------------------
def test_networks_take_the_next_free_24_and_the_gateway_comes_first():
    harness = Allocation(overlay("a"), overlay("b"))
    configs = [harness.store.get(SwarmNetwork, id).ipam["Config"][0] for id in "ab"]
    assert [c["Subnet"] for c in configs] == ["10.0.0.0/24", "10.0.1.0/24"]
    assert [c["Gateway"] for c in configs] == ["10.0.0.1", "10.0.1.1"]


def test_addresses_are_handed_out_serially_not_lowest_first():
    """The next after the last one given, and round again."""
    net = Subnet("10.9.0.0/29")
    first, second = net.next(), net.next()
    assert (first, second) == ("10.9.0.2/29", "10.9.0.3/29")
    net.free(str(first))
    assert [net.next() for _ in range(5)] == [
        "10.9.0.4/29",
        "10.9.0.5/29",
        "10.9.0.6/29",
        "10.9.0.2/29",
        None,
    ]


@pytest.mark.parametrize(
    ("spec", "networks"),
    [
        ({}, []),
        (attached("net"), ["net"]),
        (published(8080), ["ingress"]),
        (attached("net") | published(8080), ["ingress", "net"]),
        (published(8080, mode="host"), []),
        (attached("net") | {"EndpointSpec": {"Mode": "dnsrr"}}, []),
    ],
)
def test_a_service_has_a_virtual_ip_for_each_network_and_ingress_first(
    spec: Any, networks: list[str]
):
    """None with DNSRR, none where nothing is attached or published."""
    harness = Allocation(INGRESS, overlay("net"), service(**spec))
    assert [network for network, _ in harness.ips("web")] == networks


def test_virtual_ips_are_sticky_and_dnsrr_frees_them():
    """As long as the network stays attached."""
    web = service(**attached("net"))
    harness = Allocation(overlay("net"), overlay("more"), web)
    before = harness.ips("web")
    spec = service(**attached("more", "net")).spec
    harness.apply(update(replace(harness.store.services["web"], spec=spec)))
    harness.decide()
    assert before[0] in harness.ips("web")
    spec = service(**attached("net"), EndpointSpec={"Mode": "dnsrr"}).spec
    harness.apply(update(replace(harness.store.services["web"], spec=spec)))
    harness.decide()
    assert harness.ips("web") == []


# -- ports -------------------------------------------------------------------------------------
def test_dynamic_ports_begin_at_30000_and_go_on_serially():
    """Not the lowest free."""
    harness = Allocation(INGRESS, service("a", **published(0)))
    harness.add(service("b", **published(0)))
    assert (harness.ports("a"), harness.ports("b")) == ([30000], [30001])
    harness.take(harness.store.services["a"])
    harness.add(service("c", **published(0)))
    assert harness.ports("c") == [30002]


def test_a_port_that_the_user_chose_is_skipped():
    """It is reserved in both spaces."""
    harness = Allocation(INGRESS, service("a", **published(30000)))
    harness.add(service("b", **published(0)))
    assert harness.ports("b") == [30001]


def test_dynamic_ports_wrap_around():
    """30000 to 32767."""
    ports = Ports()
    given = [ports.next() for _ in range(2768)]
    assert (given[0], given[-1]) == (30000, 32767)
    assert ports.next() is None
    ports.free(30007)
    assert ports.next() == 30007


def test_each_protocol_has_its_own_ports():
    harness = Allocation(INGRESS, service("a", **published(53)))
    harness.add(service("b", **published(53, Protocol="udp")))
    assert harness.ports("b") == [53]


@pytest.mark.parametrize(
    ("change", "kept"),
    [({}, True), ({"Protocol": "udp"}, False), ({"TargetPort": 99}, False), ({"Name": "x"}, False)],
)
def test_an_unspecified_port_keeps_its_number_if_it_is_the_same_port(
    change: dict[str, Any], kept: bool
):
    """Same name, protocol and target port."""
    harness = Allocation(INGRESS, service("a", **published(0)))
    spec = service("a", Labels={"k": "v"}, **published(0, **change)).spec
    harness.apply(update(replace(harness.store.services["a"], spec=spec)))
    harness.decide()
    protocol_is_new = change.get("Protocol") == "udp"  # and counts from 30000 by itself
    assert (harness.ports("a") == [30000]) is (kept or protocol_is_new)


def test_host_mode_ports_are_copied_and_not_reserved():
    """Two services may have the same; the scheduler keeps them apart."""
    harness = Allocation(INGRESS, service("a", **published(8080, mode="host")))
    harness.add(service("b", **published(8080, mode="host")), service("c", **published(8080)))
    assert harness.ports("a") == harness.ports("b") == harness.ports("c") == [8080]


def test_a_new_leader_knows_what_is_in_use():
    """From the store alone."""
    web = service(**attached("net"), **published(0))
    harness = Allocation(INGRESS, overlay("net"), web)
    harness.add(new("t", web))
    after = Harness(harness.store.dump(), Allocator)
    after.apply(create(service("b", **attached("net"), **published(0))))
    after.decide()
    endpoint = after.store.services["b"].endpoint
    assert endpoint["Ports"][0]["PublishedPort"] == 30001
    given = [ip["Addr"] for ip in endpoint["VirtualIPs"]]
    assert not set(given) & {*harness.addresses("t"), *(ip for _, ip in harness.ips("web"))}


def test_a_freed_subnet_comes_last():
    """The next network gets a subnet that none has had. Source: libnetwork ipam, serial."""
    harness = Allocation(overlay("a"))
    harness.take(harness.store.get(SwarmNetwork, "a"))
    harness.add(overlay("b"))
    assert harness.store.get(SwarmNetwork, "b").ipam["Config"][0]["Subnet"] == "10.0.1.0/24"
