"""Converts flag values of the form `KEY=VALUE,…`, such as those of --mount and --publish."""

import csv
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from swarmlab.docker_cli.flag_types import parse_bool, parse_unsigned
from swarmlab.docker_cli.ports import PROTOCOLS, parse_ports, port
from swarmlab.units import parse_bytes

Json = dict[str, Any]
Convert = Callable[[str], Any]


def put(target: Json, path: str, value: Any) -> None:
    """Set the field at `path`: append to a list, merge into a mapping."""
    *parents, last = path.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    if path.endswith("[]"):
        target.setdefault(last[:-2], []).append(value)
    elif isinstance(value, dict):
        target.setdefault(last, {}).update(value)
    else:
        target[last] = value


def _parse(
    text: str, fields: Mapping[str, tuple[str, Convert]], target: Json, no_value: str, unknown: str
) -> Json:
    """`target` with the fields of `KEY=VALUE,…`; `no_value` and `unknown` are error texts."""
    for part in next(csv.reader([text]), []):
        key, equals, value = part.partition("=")
        path, convert = fields.get(key.strip().lower(), ("", str))
        if not equals and convert is parse_bool:
            equals, value = "=", "true"
        if not equals or not key:
            raise ValueError(no_value.format(part))
        if not path:
            raise ValueError(unknown.format(key, part))
        put(target, path, convert(value))
    return target


def _pair(text: str) -> dict[str, str]:
    key, _, value = text.partition("=")
    return {key: value} if key else {}


def _file_mode(text: str) -> int:
    try:
        return int(parse_unsigned(text))
    except ValueError as error:
        raise ValueError(f"invalid mode specified: {error}") from None


NOT_A_PAIR = "invalid field '{}' must be a key=value pair"
FILE: dict[str, tuple[str, Convert]] = {
    "uid": ("File.UID", str),
    "gid": ("File.GID", str),
    "mode": ("File.Mode", _file_mode),
}


def parse_reference(text: str, kind: str) -> Json:
    """`NAME` or `source=…,target=…,uid=…,gid=…,mode=…` of a secret or config."""
    name = f"{kind.capitalize()}Name"
    fields: dict[str, tuple[str, Convert]] = FILE | {
        "source": (name, str),
        "src": (name, str),
        "target": ("File.Name", str),
    }
    file: Json = {"Name": "", "UID": "0", "GID": "0", "Mode": 0o444}
    plain = "=" not in text and "," not in text
    unknown = f"invalid field in {kind} request: {{}}"
    reference = {"File": file, name: ""}
    _parse(f"source={text}" if plain else text, fields, reference, NOT_A_PAIR, unknown)
    if not reference[name]:
        raise ValueError("source is required")
    file["Name"] = file["Name"] or reference[name]
    return reference


def _port_number(kind: str, text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    why = "value out of range" if text.isdecimal() else "invalid syntax"
    raise ValueError(f"invalid {kind} port ({text}): value must be an integer: {why}")


def _one_of(error: str, words: tuple[str, ...], text: str) -> str:
    if text.lower() not in words:
        raise ValueError(error.format(text))
    return text.lower()


MODE_ERROR = "invalid publish mode value ({}): must be either 'ingress' or 'host'"
PORT_FIELDS: dict[str, tuple[str, Convert]] = {
    "protocol": ("protocol", partial(_one_of, "invalid protocol value '{}'", PROTOCOLS)),
    "mode": ("mode", partial(_one_of, MODE_ERROR, ("ingress", "host"))),
    "target": ("target", partial(_port_number, "target")),
    "published": ("published", partial(_port_number, "published")),
}


def parse_port(text: str) -> list[Json]:
    """`published=…,target=…,protocol=…,mode=…`, or the short form."""
    if not re.search(r"\w+=\w+", text):
        return parse_ports(text)
    errors = ("invalid field: {}", "invalid field key: {}")
    parts = _parse(text.lower(), PORT_FIELDS, {"protocol": "tcp", "mode": "ingress"}, *errors)
    if not parts.get("target"):
        raise ValueError("missing mandatory field 'target'")
    return [port(parts["protocol"], parts["target"], parts.get("published", 0), parts["mode"])]


NETWORK_FIELDS: dict[str, tuple[str, Convert]] = {
    "name": ("Target", str),
    "alias": ("Aliases[]", str),
    "driver-opt": ("DriverOpts", _pair),
}


def parse_network(text: str) -> Json:
    if not re.search(r"\w+=\w+", text):
        return {"Target": text}
    errors = ("invalid field {}", "invalid field key {}")
    attachment = _parse(text.lower(), NETWORK_FIELDS, {}, *errors)
    if not attachment.get("Target"):
        raise ValueError("network name/id is not specified")
    return attachment


MOUNT_FIELDS: dict[str, tuple[str, Convert]] = {
    "type": ("Type", str.lower),
    **dict.fromkeys(("source", "src"), ("Source", str)),
    **dict.fromkeys(("target", "dst", "destination"), ("Target", str)),
    **dict.fromkeys(("readonly", "ro"), ("ReadOnly", parse_bool)),
    "consistency": ("Consistency", str.lower),
    "bind-propagation": ("BindOptions.Propagation", str.lower),
    "bind-nonrecursive": ("BindOptions.NonRecursive", parse_bool),
    "volume-subpath": ("VolumeOptions.Subpath", str),
    "volume-nocopy": ("VolumeOptions.NoCopy", parse_bool),
    "volume-label": ("VolumeOptions.Labels", _pair),
    "volume-driver": ("VolumeOptions.DriverConfig.Name", str),
    "volume-opt": ("VolumeOptions.DriverConfig.Options", _pair),
    "image-subpath": ("ImageOptions.Subpath", str),
    "tmpfs-size": ("TmpfsOptions.SizeBytes", parse_bytes),
    "tmpfs-mode": ("TmpfsOptions.Mode", lambda text: int(text, 8)),
}


def parse_mount(text: str) -> Json:
    """`type=volume,source=data,target=/data,…`"""
    unexpected = "unexpected key '{}' in '{}'"
    mount = _parse(text, MOUNT_FIELDS, {"Type": "volume"}, NOT_A_PAIR, unexpected)
    if not mount.get("Target"):
        raise ValueError("target is required")
    for kind in ("volume", "image", "bind", "tmpfs"):
        if f"{kind.capitalize()}Options" in mount and mount["Type"] != kind:
            raise ValueError(f"cannot mix '{kind}-*' options with mount type '{mount['Type']}'")
    if "VolumeOptions" in mount:
        mount["VolumeOptions"].setdefault("DriverConfig", {})
    return mount


AUTHORITY_FIELDS: dict[str, tuple[str, Convert]] = {
    "protocol": ("Protocol", str),
    "url": ("URL", str),
    "cacert": ("CACert", str),
}


def parse_authority(text: str) -> Json:
    authority = _parse(text, AUTHORITY_FIELDS, {"CACert": ""}, NOT_A_PAIR, "unexpected key '{}'")
    for field in ("Protocol", "URL"):
        if field not in authority:
            raise ValueError(f"the external-ca option needs a {field.lower()}= parameter")
    if authority["Protocol"] != "cfssl":
        raise ValueError(f"unrecognized external CA protocol {authority['Protocol']}")
    return authority


BY_KIND: dict[str, Convert] = {
    "secret": partial(parse_reference, kind="secret"),
    "config": partial(parse_reference, kind="config"),
    "network": parse_network,
    "port": parse_port,
    "mount": parse_mount,
    "external-ca": parse_authority,
}
