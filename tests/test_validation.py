"""What a spec must fulfil, held against a store. Spec: orchestration.md, 1.10."""

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


def test_no_service_joins_the_ingress_network_by_name():
    """1.10: its published ports are the only way in."""
    words = 'Service cannot be explicitly attached to the ingress network "ingress"'
    with pytest.raises(InvalidArgument) as refusal:
        validation.check_networks(attached_to("f", "i"), Store([cluster(), *NETWORKS]))
    assert str(refusal.value).endswith(words)


def test_other_networks_and_the_nodes_own_pass():
    """5.1: `bridge` and `host` are not in the store."""
    validation.check_networks(attached_to("f", "host"), Store([cluster(), *NETWORKS]))
