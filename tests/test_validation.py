"""Checks of a spec against the store. Source: swarmkit manager/controlapi/service.go."""

from __future__ import annotations

import pytest

from swarmlab.errors import InvalidArgument
from swarmlab.manager import validation
from swarmlab.manager.store import Store
from swarmlab.model import Document, SwarmNetwork
from tests.control_loops import cluster, service

NETWORKS = [
    SwarmNetwork(id="i", spec=Document(Name="ingress", Ingress=True)),
    SwarmNetwork(id="f", spec=Document(Name="front")),
]


def attached_to(*targets: str):
    return service(TaskTemplate={"Networks": [{"Target": id} for id in targets]}).spec


def test_no_service_attaches_to_the_ingress_network_by_name():
    """Its published ports are the only way in."""
    words = 'Service cannot be explicitly attached to the ingress network "ingress"'
    with pytest.raises(InvalidArgument) as refusal:
        validation.check_networks(attached_to("f", "i"), Store([cluster(), *NETWORKS]))
    assert str(refusal.value).endswith(words)


def test_other_networks_and_those_of_the_node_are_accepted():
    """`bridge` and `host` are not in the store. Source: swarmkit manager/allocator/network.go."""
    validation.check_networks(attached_to("f", "host"), Store([cluster(), *NETWORKS]))
