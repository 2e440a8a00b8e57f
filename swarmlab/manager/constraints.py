"""Placement constraints: `node.labels.az==sa-east-1`.

Values are compared as whole strings, regardless of case: no globs and no regular expressions,
although their characters are accepted. An unknown key never matches, with either operator.
Source: swarmkit manager/constraint/constraint.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from swarmlab.errors import Unknown
from swarmlab.model import Node

KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.IGNORECASE | re.ASCII)
VALUE = re.compile(r"[a-z0-9:\-_\s\.\*\(\)\?\+\[\]\\\^\$\|\/]+", re.IGNORECASE | re.ASCII)
NODE_LABELS, ENGINE_LABELS = "node.labels.", "engine.labels."


@dataclass(frozen=True, slots=True)
class Constraint:
    key: str
    equal: bool  # `==`, else `!=`
    value: str

    def __str__(self) -> str:
        return f"{self.key} {'==' if self.equal else '!='} {self.value}"


def parse(expressions: Iterable[str]) -> tuple[Constraint, ...]:
    """Parse constraint expressions; raises Unknown (HTTP 500) with SwarmKit's messages."""
    constraints = []
    for expression in expressions:
        operator = "==" if "==" in expression else "!="
        key, separator, value = (part.strip() for part in expression.partition(operator))
        if not separator:
            raise Unknown("constraint expected one operator from ==, !=")
        if not KEY.fullmatch(key):
            raise Unknown(f"key '{key}' is invalid")
        if not VALUE.fullmatch(value):
            raise Unknown(f"value '{value}' is invalid")
        constraints.append(Constraint(key, operator == "==", value))
    return tuple(constraints)


def label(node: Node, descriptor: str) -> str | None:
    """The node's value of `node.labels.<name>` or `engine.labels.<name>`; None for another key.

    The case of the prefix does not matter, that of the label does; a missing label is "".
    """
    lowered = descriptor.lower()
    if lowered.startswith(NODE_LABELS):
        return str(node.spec.labels.get(descriptor[len(NODE_LABELS) :], ""))
    if lowered.startswith(ENGINE_LABELS):
        labels = node.description.at("Engine", "Labels", default={})
        return str(labels.get(descriptor[len(ENGINE_LABELS) :], ""))
    return None


def _actual(node: Node, key: str) -> str | None:
    """The node's value for a key, None for a key that does not exist."""
    platform = node.description.get("Platform") or {}
    match key.lower():
        case "node.id":
            return node.id
        case "node.hostname":
            return node.hostname
        case "node.role":
            return node.role.value
        case "node.platform.os":
            return str(platform.get("OS", ""))
        case "node.platform.arch":
            return str(platform.get("Architecture", ""))
    return label(node, key)


def _holds(constraint: Constraint, node: Node) -> bool:
    if constraint.key.lower() == "node.ip":
        try:
            network = ipaddress.ip_network(constraint.value, strict=False)
            inside = ipaddress.ip_address(node.status.addr) in network
        except ValueError:
            return False  # malformed: it never matches, with either operator
        return inside is constraint.equal
    actual = _actual(node, constraint.key)
    if actual is None:
        return False
    return (actual.lower() == constraint.value.lower()) is constraint.equal


def satisfied(constraints: Iterable[Constraint], node: Node) -> bool:
    """Whether the node satisfies every constraint."""
    return all(_holds(constraint, node) for constraint in constraints)
