"""Checks the values of a Compose file and converts them to the form that `stack config` prints.

Source: docker/cli cli/compose/loader, cli/compose/schema.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from swarmlab.docker_cli.flag_types import go_number, parse_words
from swarmlab.docker_cli.ports import TooManyPorts, parse_ports
from swarmlab.docker_cli.session import CliError
from swarmlab.templates.go_text import go_value
from swarmlab.units import go_duration, parse_bytes, parse_duration

PROPAGATIONS = {"private", "rprivate", "shared", "rshared", "slave", "rslave"}
ORDERS = ("start-first", "stop-first")


class SchemaFault(ValueError):
    """A value that the schema of Compose files refuses; `{path}` stands for where it is."""


class Filled(str):
    """A text in which a variable was replaced: it may stand for a number or a boolean."""


NULL = type(None)
TYPE_NAMES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "list",
    dict: "mapping",
    NULL: "null",
}
TEXT, NUMBER = (str,), (float, int)
SCALAR = (str, float, int, NULL)  # the values of a mapping of strings


def type_names(types: Sequence[type]) -> str:
    """JSON types as docker's errors name them: `string`, `string, number or null`."""
    words = [TYPE_NAMES[kind] for kind in types if not (kind is int and float in types)]
    return f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]


def is_a(value: Any, types: Sequence[type]) -> bool:
    whole = int in types and isinstance(value, float) and value.is_integer()
    typed = whole or isinstance(value, tuple(types))
    return typed and (bool in types or not isinstance(value, bool))


def as_text(value: Any) -> str:
    return "" if value is None else go_value(value)


def _pairs(value: Any, *, empty: str | None = "") -> dict[str, str | None]:
    """`KEY=VALUE` texts or a mapping, as a mapping."""
    if isinstance(value, dict):
        pairs = {k: empty if v is None else as_text(v) for k, v in value.items()}
    else:
        pairs = {t.partition("=")[0]: t.partition("=")[2] if "=" in t else empty for t in value}
    return dict(sorted(pairs.items()))


def _hosts(value: Any) -> list[str]:
    """`HOST:IP` texts; a list may have `=` for the colon, and brackets around the address."""
    if isinstance(value, dict):
        entries = sorted(f"{k}:{as_text(v)}" for k, v in value.items() if v is not None)
    else:
        entries = [
            re.sub("=", ":", e, count=1) if "=" in e else e for e in value if re.search("[=:]", e)
        ]
    return [re.sub(r"^([^:]*):\[(.+)\]$", r"\1:\2", entry) for entry in entries]


def _unsigned(value: float) -> int:
    if value < 0:
        raise ValueError(f"cannot parse '{{where}}', {int(value)} overflows uint")
    return int(value)


def _order(value: str) -> str:
    if value not in ORDERS:
        raise SchemaFault('{path} must be one of the following: "start-first", "stop-first"')
    return value


def _duration(value: str) -> str:
    try:
        return go_duration(parse_duration(value))
    except ValueError:
        raise SchemaFault("Does not match format 'duration'") from None


@dataclass(frozen=True, slots=True)
class Rule:
    """The types that a value may have, and the function that converts it to its long form."""

    types: Sequence[type]
    convert: Callable[[Any], Any] = lambda value: value
    named: Sequence[type] = ()  # the types that an error names; only the first where empty
    values: Sequence[type] = SCALAR  # the types in a mapping
    unique: bool = False  # whether a list may hold a text only once

    def faults(self, value: Any, path: str) -> list[tuple[str, str]]:
        """(path, fault) of a value and of its items."""
        if not is_a(value, self.types):
            return [(path, f"must be a {type_names(self.named or self.types[:1])}")]
        items: list[tuple[Any, Any]] = []
        types: Sequence[type] = TEXT
        if isinstance(value, list):
            items = list(enumerate(value))
        elif isinstance(value, dict):
            items, types = sorted(value.items()), self.values
        fault = f"must be a {type_names(types)}"
        faults = [(f"{path}.{key}", fault) for key, item in items if not is_a(item, types)]
        return faults + (repeated(value, path) if self.unique and isinstance(value, list) else [])


def repeated(values: list[Any], path: str) -> list[tuple[str, str]]:
    """(path, fault) of items that equal an earlier one."""
    places: dict[str, int] = {}
    firsts = [places.setdefault(repr(value), index) for index, value in enumerate(values)]
    return [
        (path, f"array items[{first},{index}] must be unique")
        for index, first in enumerate(firsts)
        if first != index
    ]


RULES: dict[str, Rule] = {
    "string": Rule(TEXT, str),
    "number": Rule(NUMBER),
    "natural": Rule((int,), _unsigned),
    "count": Rule(NUMBER, _unsigned),
    "amount": Rule(NUMBER, int),
    "integer": Rule((int,), int),
    "limit": Rule((int,), int),
    "constraint": Rule(TEXT, str),
    "dropped": Rule((int,), lambda value: None),  # docker 28 accepts it and sends nothing
    "boolean": Rule((bool,)),
    "duration": Rule(TEXT, _duration),
    "size": Rule(TEXT, lambda value: str(parse_bytes(value))),
    "order": Rule(TEXT, _order),
    "number_or_text": Rule((*NUMBER, str), as_text, (float, str)),
    "text_or_number": Rule((str, *NUMBER), as_text, (str, float)),
    "text_or_texts": Rule((str, list), lambda v: [v] if isinstance(v, str) else v, unique=True),
    "command": Rule((str, list), lambda v: parse_words(v) if isinstance(v, str) else v),
    "test": Rule((str, list), lambda v: ["CMD-SHELL", v] if isinstance(v, str) else v),
    "pairs": Rule((dict, list), _pairs, unique=True),
    "pairs_or_null": Rule((dict, list), partial(_pairs, empty=None), unique=True),
    "options": Rule((dict,), _pairs, values=SCALAR[:3]),
    "options_or_null": Rule((dict,), _pairs),
    "hosts": Rule((dict, list), _hosts, unique=True),
}


BOOLEANS = dict.fromkeys(("y", "yes", "true", "on"), True)
BOOLEANS |= dict.fromkeys(("n", "no", "false", "off"), False)


def _atoi(text: str) -> int:
    if not re.fullmatch(r"[-+]?[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise ValueError(f"invalid boolean: {text}")
    return BOOLEANS[text.lower()]


# Kind of value -> what a filled-in text becomes; the others stay texts.
CASTS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("natural", "count", "limit", "ulimit"), go_number("Atoi", _atoi)),
    "number": go_number("ParseFloat", float),
    "boolean": _boolean,
}


def cast(text: str, kind: str, path: str) -> Any:
    """A filled-in text as the number or boolean of its kind; CliError in Go's words."""
    try:
        return CASTS.get(kind, str)(text)
    except ValueError as error:
        where = re.sub(r"\.[0-9]+(?=\.)", ".[]", path)
        failed = "failed to cast to expected type"
        raise CliError(f"error while interpolating {where}: {failed}: {error}") from None


# -- short forms of blocks -------------------------------------------------------------------------
def _volume(text: str) -> dict[str, Any]:
    """`[SOURCE:]TARGET[:ro,…]`."""
    # A letter and a colon are a Windows drive.
    parts = re.findall(r"((?:[^\W\d_]:)?[^:]*):", f"{text}:") if len(text) > 2 else [text]
    if not text:
        raise ValueError("invalid empty volume spec")
    if not all(parts) or len(parts) > 3:
        fault = "too many colons" if all(parts) else "empty section between colons"
        raise ValueError(f"invalid spec: {text}: {fault}")
    source, target, options = ["", *parts, ""] if len(parts) == 1 else [*parts, ""][:3]
    mount: dict[str, Any] = {"type": "bind" if re.match(r"[./~]|.:", source) else "volume"}
    mount |= ({"source": source} if source else {}) | {"target": target}
    for option in options.split(","):
        if option == "ro":
            mount["read_only"] = True
        elif option == "nocopy":
            mount["volume"] = {"nocopy": True}
        elif option in PROPAGATIONS:
            mount["bind"] = {"propagation": option}
    return mount


def host_ip(text: str) -> str:
    """The address before `PUBLISHED:TARGET`, which a swarm ignores; empty without one."""
    before = re.match(r".+(?=:[^:]*:[^:]+$)", text)
    address = before[0].removeprefix("[").removesuffix("]") if before else ""
    return f"[{address}]" if ":" in address else address


def _ports(value: int | str) -> list[dict[str, Any]]:
    text = str(value)
    try:
        if ip := host_ip(text):
            ipaddress.ip_address(ip.strip("[]"))
            text = ":".join(text.rsplit(":", 2)[1:])
        ports = parse_ports(text)
    except TooManyPorts:
        raise
    except ValueError:
        raise SchemaFault("Does not match format 'ports'") from None
    keys = {"PublishMode": "mode", "TargetPort": "target", "PublishedPort": "published"}
    keys |= {"Protocol": "protocol"}
    return [{keys[name]: port[name] for name in keys if name in port} for port in ports]


SHORT: dict[str, Rule] = {
    "file_reference": Rule(TEXT, lambda text: {"source": text}),
    "mount": Rule(TEXT, _volume),
    "port": Rule((*NUMBER, str), _ports),
    "build": Rule(TEXT, lambda text: {"context": text}),
    "ulimit": Rule((int,)),
}
REQUIRED: dict[str, tuple[str, ...]] = {"mount": ("type",), "ulimit": ("soft", "hard")}
