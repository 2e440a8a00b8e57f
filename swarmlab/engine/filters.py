"""The `filters` query parameter: which objects of a list to return.

An object must pass every key: any of its values, but all of its labels.
Source: moby api/types/filters, daemon/cluster/filters.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from swarmlab.engine.go_json import last, parsed
from swarmlab.engine.schemas import decoded
from swarmlab.errors import BadParameter, EngineFault
from swarmlab.model import TaskState
from swarmlab.programs.patterns import found

T = TypeVar("T")
Test = Callable[[Any, str], bool]  # (object, value of the filter) -> whether it passes
LABELS = ("label", "node.label")
STATES = "created|restarting|removing|running|paused|exited|dead"
SWARM_FAULT, FAULT = "Invalid {} filter: '{}'", "invalid filter '{0}={1}'"
NUMBER_FAULT = FAULT + ': strconv.Atoi: parsing "{1}": invalid syntax'
VALUES = {  # filter key -> its only valid values, and what is said of another
    "role": ("worker|manager", SWARM_FAULT),
    "membership": ("accepted|pending", SWARM_FAULT),
    "desired-state": ("|".join(map(str, TaskState)), SWARM_FAULT),
    "status": (STATES, FAULT),
    "health": ("none|starting|healthy|unhealthy", "unrecognized filter value for {}: {}"),
    **dict.fromkeys(("is-task", "dangling"), ("true|false|1|0", "invalid filter '{}=[{}]'")),
    "exited": ("[+-]?[0-9]{1,18}", NUMBER_FAULT),
}


class Filters(dict[str, tuple[str, ...]]):
    """Filter key -> the values that were given."""

    @classmethod
    def parse(cls, text: str, keys: Collection[str]) -> Filters:
        """Both shapes: `{"key":{"value":true}}`, as the CLI sends, and `{"key":["value"]}`.

        Refuses keys other than `keys`, and values that are not among a key's `VALUES`.
        """
        try:
            sent = parsed(text.encode(errors="replace")) if text else {}
            listed = (
                any(isinstance(last(values), list) for values in sent.values()) if sent else False
            )
            kind = "map[string][]string" if listed else "map[string]map[string]bool"
            filters = {key: tuple(values) for key, values in decoded(sent, kind).items()}
        except (BadParameter, AttributeError):
            raise BadParameter("invalid filter") from None
        for key in filters:
            if key not in keys:
                raise BadParameter(f"invalid filter '{key}'")
        for key, (pattern, message) in VALUES.items():
            for value in filters.get(key, ()):
                if not re.fullmatch(pattern, value.lower()):
                    error = EngineFault if message is SWARM_FAULT else BadParameter
                    raise error(message.format(key, value))
        return cls({key: values for key, values in filters.items() if values})

    def keep(self, objects: Iterable[T], tests: Mapping[str, Test]) -> list[T]:
        """The objects that pass; a key without a test is left to the caller."""

        def passes(object: T) -> bool:
            for key, values in self.items():
                enough = all if key in LABELS else any
                if key in tests and not enough(tests[key](object, value) for value in values):
                    return False
            return True

        return list(filter(passes, objects))


# -- tests -----------------------------------------------------------------------------------------
def is_true(value: str) -> bool:
    return value.lower() in ("true", "1")


def begins(get: Callable[[Any], str]) -> Test:
    """The value is a prefix of what `get` returns."""
    return lambda object, value: get(object).startswith(value)


def equals(get: Callable[[Any], str]) -> Test:
    return lambda object, value: get(object).lower() == value.lower()


def named(get: Callable[[Any], str]) -> Test:
    """The value is the name, or a regular expression that it matches somewhere.

    As in Go a value that is none matches nothing.
    """

    def test(object: Any, value: str) -> bool:
        name = get(object)
        try:
            return value == name or found(value, name)
        except TimeoutError:
            raise BadParameter(f"invalid filter 'name': '{value}' takes too long") from None
        except ValueError:
            return False

    return test


def port(key: str, get: Callable[[Any], Iterable[str]]) -> Test:
    """The value is a port or a range, such as `80`, `53/udp`, `50-60`. Source: moby nat."""

    def test(object: Any, value: str) -> bool:
        numbers, _, protocol = value.partition("/")
        first, _, last = numbers.partition("-")
        for number in (first, last or first):
            if not re.fullmatch("[0-9]{1,5}", number):
                why = f'strconv.ParseUint: parsing "{number}": invalid syntax'
                raise EngineFault(f"error while looking up for {key} {value}: {why}")
        wanted = range(int(first), int(last or first) + 1)
        ports = (name.split("/") for name in get(object) if name[:1].isdecimal())
        return any(int(n) in wanted and p == (protocol or "tcp") for n, p in ports)

    return test


def labelled(get: Callable[[Any], Mapping[str, str] | None]) -> Test:
    """The value is a label's `key`, or `key=value`."""

    def test(object: Any, label: str) -> bool:
        key, sign, value = label.partition("=")
        labels = get(object) or {}
        return key in labels and (not sign or labels[key] == value)

    return test


BY_ID = begins(lambda object: object.id)
BY_LABEL = labelled(lambda object: object.spec.get("Labels"))
NAMED = {"id": BY_ID, "name": begins(lambda object: object.name), "label": BY_LABEL}
NODE = {
    "id": BY_ID,
    "name": begins(lambda node: node.hostname),
    "label": labelled(lambda node: node.description.at("Engine", "Labels")),
    "node.label": BY_LABEL,
    "role": equals(lambda node: node.spec.role),
    "membership": equals(lambda node: "accepted"),
}
SERVICE = {
    **NAMED,
    "mode": lambda service, value: service.spec.mode == value,
    "runtime": lambda service, value: value == "container",
}
TASK = {
    "id": BY_ID,
    "name": begins(lambda task: task.name),
    "label": labelled(lambda task: task.service_labels),
    "desired-state": equals(lambda task: str(task.desired)),
    "runtime": lambda task, value: value == "container",
    "service": lambda task, value: task.service_id == value,
    "node": lambda task, value: task.node_id == value,
}
SECRET = {**NAMED, "names": lambda secret, value: secret.name == value}
