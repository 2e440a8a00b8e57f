"""The root rotation: every node gets a certificate from the new root, then the old root is dropped.

A node that is down delays it until it returns or is removed. Source: swarmkit
ca/reconciler.go, manager/controlapi/ca_rotation.go.
"""

from __future__ import annotations

import base64

from swarmlab.manager.ca.certificates import public_key_of
from swarmlab.manager.ca.join_tokens import new_token
from swarmlab.manager.control_loop import ControlLoop
from swarmlab.manager.store import Change, Store, update
from swarmlab.model import Cluster, Node, StoreObject
from swarmlab.simulation import S, Simulation

INTERVAL_NS, BATCH = 3 * S, 30


def is_renewed(node: Node, root_certificate: str) -> bool:
    """Whether the node reports a certificate that this root's key has signed."""
    key = node.description.at("TLSInfo", "CertIssuerPublicKey", default="")
    return base64.b64decode(key) == public_key_of(root_certificate)


class RootRotation(ControlLoop):
    watches = (Cluster,)

    def __init__(self, simulation: Simulation, view: Store) -> None:
        self.simulation = simulation
        self._rotating = view.cluster.rotation is not None
        self._target = ""  # the root for which nodes are asked

    def see(self, old: StoreObject | None, new: StoreObject | None) -> bool:
        if isinstance(new, Cluster):
            self._rotating = new.rotation is not None
            return self._rotating
        return False

    def decide(self, view: Store) -> list[Change]:
        cluster = view.cluster
        rotation = cluster.rotation
        if rotation is None:
            return []
        behind, changes = list[Node](), list[Change]()
        for node in view.all(Node):
            if not is_renewed(node, rotation.certificate):
                behind.append(node)
            elif node.certificate_state != "issued":  # so that a later rotation can ask it again
                changes.append(update(node.with_(certificate_state="issued")))
        is_new, self._target = self._target != rotation.certificate, rotation.certificate
        asked = [node for node in behind if node.certificate_state == "rotate"]
        if is_new and asked:  # for another root, which they may have by now: ask them again
            return changes + [update(node.with_(certificate_state="issued")) for node in asked]
        if behind:
            pending = [node for node in behind if node.certificate_state != "rotate"]
            some = pending[: BATCH - len(asked)]
            return changes + [update(node.with_(certificate_state="rotate")) for node in some]
        root, simulation = rotation.certificate, self.simulation
        return [
            update(
                cluster.with_(
                    root_certificate=root,
                    root_key=rotation.key,
                    rotation=None,
                    worker_token=new_token(root, simulation),
                    manager_token=new_token(root, simulation),
                )
            ),
            *changes,
        ]

    def alarm_ns(self) -> int | None:
        return self.simulation.now_ns + INTERVAL_NS if self._rotating else None
