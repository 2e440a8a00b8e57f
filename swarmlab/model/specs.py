"""Specs: what a user asked for, as the JSON document that was sent, frozen.

In Swarm it matters whether a field is present: an explicit default is a change, an absent one is
not. So a spec is stored as it was sent, and properties fill in the defaults for those who read it.
Source: swarmkit api/specs.proto, api/defaults/service.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, NoReturn, Self

from swarmlab.simulation import S, Shared


# -- documents ---------------------------------------------------------------------------------
class Document(Shared, dict[str, Any]):
    """A JSON object that cannot change; compare it with `==`, copy it for free."""

    __slots__ = ()

    def _frozen(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is frozen; make another with .with_()")

    __setitem__ = __delitem__ = __ior__ = _frozen
    update = pop = popitem = clear = setdefault = _frozen

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))

    def __copy__(self) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def with_(self, **changes: Any) -> Self:
        """A copy with some keys changed; a key set to None is left out."""
        merged = {**self, **changes}
        return type(self)(
            {key: freeze(value) for key, value in merged.items() if value is not None}
        )

    def at(self, *path: str, default: Any = None) -> Any:
        """The value at `path`, or `default` where a key is missing or the value is null."""
        value: Any = self
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        return default if value is None else value


def freeze(value: Any) -> Any:
    """`value` (JSON) with every object a Document and every array a tuple."""
    if isinstance(value, Document):
        return value
    if isinstance(value, Mapping):
        return Document({key: freeze(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(freeze(item) for item in value)
    return value


EMPTY = Document()


class Role(StrEnum):
    WORKER = "worker"
    MANAGER = "manager"


class Availability(StrEnum):
    ACTIVE = "active"
    PAUSE = "pause"
    DRAIN = "drain"


# -- specs -------------------------------------------------------------------------------------
# What applies where a service's spec has no such object. Source: swarmkit api/defaults/service.go.
RESTART_DEFAULTS = Document(Condition="any", Delay=5 * S, MaxAttempts=0)
UPDATE_DEFAULTS = Document(
    Parallelism=1, FailureAction="pause", Monitor=5 * S, MaxFailureRatio=0, Order="stop-first"
)
STOP_GRACE_NS = 10 * S


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    condition: str  # none, on-failure, any
    delay_ns: int
    max_attempts: int  # 0: no limit
    window_ns: int  # 0: unbounded


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    parallelism: int  # 0: all at once
    delay_ns: int
    failure_action: str  # pause, continue, rollback
    monitor_ns: int
    max_failure_ratio: float
    order: str  # stop-first, start-first

    @classmethod
    def of(cls, document: Document | None) -> UpdateConfig:
        """From the user's object; without Parallelism it means 0, no object at all means 1."""
        document = UPDATE_DEFAULTS if document is None else document
        return cls(
            parallelism=document.at("Parallelism", default=0),
            delay_ns=document.at("Delay", default=0),
            failure_action=document.get("FailureAction") or UPDATE_DEFAULTS["FailureAction"],
            monitor_ns=document.get("Monitor") or UPDATE_DEFAULTS["Monitor"],
            max_failure_ratio=document.at("MaxFailureRatio", default=0.0),
            order=document.get("Order") or UPDATE_DEFAULTS["Order"],
        )


class Reserved(NamedTuple):
    """What a task reserves on its node."""

    nano_cpus: int
    memory_bytes: int
    generic: tuple[Document, ...]


NOTHING = Reserved(0, 0, ())


def generic_resource(resource: Document) -> tuple[str, str | int]:
    """(kind, value) of a generic resource in Docker's JSON: a count, or a name."""
    for key in ("DiscreteResourceSpec", "NamedResourceSpec"):
        if key in resource:
            default = 0 if key == "DiscreteResourceSpec" else ""
            return resource[key].get("Kind", ""), resource[key].get("Value", default)
    return "", 0


class TaskSpec(Document):
    """What one task runs: Docker's `TaskTemplate`."""

    __slots__ = ("_reserved",)
    _reserved: Reserved

    @property
    def container(self) -> Document:
        document: Document = self.get("ContainerSpec") or EMPTY
        return document

    @property
    def image(self) -> str:
        return str(self.container.get("Image", ""))

    @property
    def constraints(self) -> tuple[str, ...]:
        return tuple(self.at("Placement", "Constraints", default=()))

    @property
    def preferences(self) -> tuple[str, ...]:
        """The descriptors to spread over, outermost first, such as `node.labels.az`."""
        preferences = self.at("Placement", "Preferences", default=())
        return tuple(p.at("Spread", "SpreadDescriptor", default="") for p in preferences)

    @property
    def platforms(self) -> tuple[Document, ...]:
        return tuple(self.at("Placement", "Platforms", default=()))

    @property
    def max_replicas(self) -> int:
        """Most tasks of the service on one node; 0: no limit."""
        return int(self.at("Placement", "MaxReplicas", default=0))

    @property
    def reserved(self) -> Reserved:
        """Cached: the scheduler reads it a hundred thousand times a second."""
        try:
            return self._reserved
        except AttributeError:
            document = self.at("Resources", "Reservations", default=EMPTY)
            reserved = Reserved(
                int(document.at("NanoCPUs", default=0)),
                int(document.at("MemoryBytes", default=0)),
                tuple(document.at("GenericResources", default=())),
            )
            self._reserved = reserved if any(reserved) else NOTHING
            return self._reserved

    @property
    def networks(self) -> tuple[Document, ...]:
        return tuple(self.at("Networks", default=()))

    @property
    def secrets(self) -> tuple[Document, ...]:
        return tuple(self.container.at("Secrets", default=()))

    @property
    def configs(self) -> tuple[Document, ...]:
        return tuple(self.container.at("Configs", default=()))

    @property
    def restart(self) -> RestartPolicy:
        document: Document = self.get("RestartPolicy") or RESTART_DEFAULTS
        return RestartPolicy(
            condition=document.get("Condition") or RESTART_DEFAULTS["Condition"],
            delay_ns=document.at("Delay", default=RESTART_DEFAULTS["Delay"]),
            max_attempts=document.at("MaxAttempts", default=0),
            window_ns=document.at("Window", default=0),
        )

    @property
    def stop_grace_ns(self) -> int:
        """Whole seconds, as the executor truncates it; absent means `STOP_GRACE_NS`."""
        grace_ns = self.container.get("StopGracePeriod")
        return STOP_GRACE_NS if grace_ns is None else int(grace_ns / S) * S


class Spec(Document):
    """What the specs of services and nodes have in common."""

    __slots__ = ()

    @property
    def name(self) -> str:
        return str(self.get("Name", ""))

    @property
    def labels(self) -> Document:
        document: Document = self.get("Labels") or EMPTY
        return document


class ServiceSpec(Spec):
    """The spec of a service, as the user sent it."""

    __slots__ = ()

    def __init__(self, document: Mapping[str, Any]) -> None:
        template = TaskSpec(freeze(document.get("TaskTemplate") or {}))
        super().__init__({**{k: freeze(v) for k, v in document.items()}, "TaskTemplate": template})

    @property
    def task(self) -> TaskSpec:
        template: TaskSpec = self["TaskTemplate"]
        return template

    @property
    def mode(self) -> str:
        """`replicated`, `global`, `replicated-job` or `global-job`."""
        mode = self.get("Mode") or {}
        modes = {"Global": "global", "ReplicatedJob": "replicated-job", "GlobalJob": "global-job"}
        return next(
            (name for key, name in modes.items() if mode.get(key) is not None), "replicated"
        )

    @property
    def replicas(self) -> int:
        return int(self.at("Mode", "Replicated", "Replicas", default=1))

    @property
    def update_config(self) -> UpdateConfig:
        return UpdateConfig.of(self.get("UpdateConfig"))

    @property
    def rollback_config(self) -> UpdateConfig:
        """SwarmKit does not check its times: a negative one is none, as for Go's timers."""
        config = UpdateConfig.of(self.get("RollbackConfig"))
        times = max(0, config.delay_ns), max(0, config.monitor_ns)
        return replace(config, delay_ns=times[0], monitor_ns=times[1])

    @property
    def endpoint(self) -> Document:
        document: Document = self.get("EndpointSpec") or EMPTY
        return document

    @property
    def ports(self) -> tuple[Document, ...]:
        return tuple(self.endpoint.at("Ports", default=()))


def is_ingress(port: Document) -> bool:
    """Whether a port is published on every node, through the ingress network; the default."""
    return bool(port.get("PublishMode", "ingress") == "ingress")


def published(port: Document) -> tuple[str, int]:
    """The protocol and number by which a port is reached from outside; 0: none, or none yet."""
    return port.get("Protocol", "tcp"), port.get("PublishedPort") or 0


class NodeSpec(Spec):
    """The spec of a node: Name, Labels, Role, Availability."""

    __slots__ = ()

    @property
    def role(self) -> Role:
        return Role(self["Role"])

    @property
    def availability(self) -> Availability:
        return Availability(self["Availability"])
