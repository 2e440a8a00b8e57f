"""Where a request goes and why, hop by hop: to a service, or to a port of a node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from swarmlab.errors import LabError, NoneSuch
from swarmlab.model import EMPTY, Service, TaskState, is_ingress
from swarmlab.network.data_path import OUTSIDE, DataPath, Delivery
from swarmlab.network.traffic import newest_services, send
from swarmlab.programs.connections import Outcome
from swarmlab.simulation import Network
from swarmlab.strings import _
from swarmlab.units import S
from swarmlab.views.html import Table

Row = tuple[str, str, str]
CLIENT = str(OUTSIDE[7])  # asks for a port of a node


def explain_request(network: Network, source: str, target: str | int) -> Table:
    """One request: from the node `source` to a service, or from outside to a port of that node.

    `network` is a copy: the request takes its turn, and time may pass.
    """
    if source not in network.machines:
        raise NoneSuch("there is no node {name!r}; there are {known}", source, network.machines)
    engine: Any = network.machines[source].process
    if engine is None:
        raise LabError("{source} is down, so no request leaves it", source=source)
    path: DataPath = engine.network
    if isinstance(target, int):
        delivery, service = path.to_published(target, CLIENT), None
        title = _("A client, {ip}, asks port {port} of {node}", ip=CLIENT, port=target, node=source)
        rows = [_port_row(source, target, delivery)]
    else:
        services = {service.name: service for service in newest_services(network) or ()}
        if target not in services:
            raise NoneSuch("there is no service {name!r}; there are {known}", target, services)
        service = services[target]
        title = _("A request from {source} to {target}", source=source, target=target)
        delivery = send(network, source, service)
        if delivery.endpoint is None:  # a client that is new in the network hears of its tasks
            network.simulation.run_until(network.simulation.now_ns + S)
            delivery = send(network, source, service)
        rows = [_service_row(source, service)]
    rows += _hops(network, source, path, delivery)
    notes = tuple(_left_out(network, path, delivery)) if delivery.balancer else ()
    numbered = tuple((str(number), *row) for number, row in enumerate(rows, start=1))
    return Table(title, (_("hop"), _("where"), _("what happens"), _("why")), numbered, notes)


def _port_row(source: str, port: int, delivery: Delivery) -> Row:
    where = f"{source}:{port}"
    if delivery.balancer:
        return where, _("the routing mesh takes it"), _("the port is published: all nodes answer")
    if delivery.endpoint is not None:
        return where, _("goes to a container here"), _("the port is published in host mode")
    return where, _("connection refused"), _("no service publishes this port here")


def _service_row(source: str, service: Service) -> Row:
    endpoint = service.endpoint or EMPTY
    ports = [port["PublishedPort"] for port in endpoint.get("Ports", ()) if is_ingress(port)]
    if ports:
        why = _("the port is published: all nodes answer")
        return f"{source}:{ports[0]}", _("the routing mesh takes it"), why
    ips = [ip["Addr"].partition("/")[0] for ip in endpoint.get("VirtualIPs", ())]
    if ips:
        return service.name, _("the name leads to {ip}", ip=ips[0]), _("its virtual IP")
    return service.name, _("the name leads to its tasks"), _("it has no virtual IP")


def _hops(network: Network, source: str, path: DataPath, delivery: Delivery) -> Iterator[Row]:
    endpoint, connection = delivery.endpoint, delivery.connection
    if endpoint is None:
        if connection.outcome is Outcome.TIMED_OUT:
            yield source, _("no answer"), _("this node knows of no task")
        return
    name = endpoint.task or re.sub(r"\.\w{25}$", "", endpoint.names[0])  # without a task's id
    if delivery.balancer:
        known = _("its turn, of {count} that {node} knows", count=delivery.choices, node=source)
        yield _("balancer on {node}", node=source), _("chooses {task}", task=name), known
    if endpoint.node != source:
        overlay = path.overlays.get(delivery.network)
        vxlan = next(iter(overlay.driver_options.values()), "") if overlay is not None else ""
        how = _("through the VXLAN tunnel {id}", id=vxlan) if vxlan else ""
        yield f"{source} → {endpoint.node}", _("travels to {ip}", ip=endpoint.address), how
    own, other = _("it sees the client's own address"), _("it sees the client as {ip}")
    seen = other.format(ip=connection.client) if connection.client else own
    silent = _("{node} is down or cut off; gossip has not declared it failed", node=endpoint.node)
    outcome, why = {
        Outcome.ANSWERED: (_("answers"), seen),
        Outcome.REFUSED: (_("connection refused"), _("its server does not listen there")),
    }.get(connection.outcome, (_("no answer"), silent))
    yield f"{name}:{delivery.port or ''}".rstrip(":"), outcome, why


def _left_out(network: Network, path: DataPath, delivery: Delivery) -> Iterator[str]:
    """The service's running containers that the balancer does not use, and why."""
    assert delivery.endpoint is not None
    used = {endpoint.task_id for endpoint in path.db.values(delivery.network)}
    for name, machine in network.machines.items():
        engine: Any = machine.process
        agent = engine.agent if engine is not None else None
        for manager in agent.tasks.values() if agent is not None else ():
            task, controller = manager.task, manager.controller
            ours = task.service_name == delivery.endpoint.service and task.id not in used
            if not ours or controller is None or controller.existing_container is None:
                continue
            if not controller.in_load_balancer:
                why = _("its orderly stop has begun")
            elif task.state < TaskState.RUNNING:
                why = _("it is {state}: not yet running, or not yet healthy", state=str(task.state))
            elif task.state > TaskState.RUNNING:
                why = _("it has ended")
            else:
                why = _("gossip has not told yet")
            slot = f"{task.service_name}.{task.slot or name}"
            yield _("Not in turn: {task} on {node}, for {why}.", task=slot, node=name, why=why)
