"""Converts flag values from text to API values by the flag's type; errors in docker's words."""

import csv
import ipaddress
import re
import shlex
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from swarmlab.docker_cli.ports import PROTOCOLS, parse_ports, port
from swarmlab.docker_cli.session import Json, read_file
from swarmlab.templates.go_text import go_quote
from swarmlab.units import parse_bytes, parse_duration

Convert = Callable[[str], Any]
TRUE, FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("0", "f", "F", "FALSE", "false", "False")


def go_number(function: str, convert: Convert) -> Convert:
    """A converter with the errors of Go's strconv."""

    def parse(text: str) -> Any:
        try:
            return convert(text)
        except (ValueError, LookupError):
            fault = f"parsing {go_quote(text)}: invalid syntax"
            raise ValueError(f"strconv.{function}: {fault}") from None

    return parse


def _unsigned(text: str) -> int:
    if not re.fullmatch(r"\w+", text):
        raise ValueError(text)
    return int(text, 8 if re.fullmatch(r"0\d+", text) else 0)


def _integer(text: str) -> int:
    return -_unsigned(text[1:]) if text.startswith("-") else _unsigned(text.removeprefix("+"))


parse_unsigned = go_number("ParseUint", _unsigned)
parse_bool = go_number("ParseBool", lambda text: (FALSE + TRUE).index(text) >= len(FALSE))


def parse_cpus(text: str) -> int:
    number = re.fullmatch(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", text)
    nanos = Decimal(text if number else "inf") * 10**9
    if abs(nanos) >= 2**63:
        raise ValueError(f"failed to parse {text} as a rational number")
    if nanos != int(nanos):
        raise ValueError("value is too precise")
    return int(nanos)


def parse_words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("EOF found when expecting closing quote") from None


def positive_duration(text: str) -> int:
    if (ns := parse_duration(text)) < 0:
        raise ValueError("duration cannot be negative")
    return ns


def parse_filter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


def parse_preference(text: str) -> Json:
    strategy, equals, argument = text.partition("=")
    if not equals or not strategy:
        raise ValueError('placement preference must be of the format "<strategy>=<arg>"')
    if strategy != "spread":
        fault = f"unsupported placement preference {strategy}"
        raise ValueError(f"{fault} (only spread is supported)")
    return {"Spread": {"SpreadDescriptor": argument}}


def parse_ulimit(text: str) -> Json:
    name, equals, limits = text.partition("=")
    if not equals:
        raise ValueError(f"invalid ulimit argument: {text}")
    soft, _, hard = limits.partition(":")
    return {"Name": name, "Soft": int(soft), "Hard": int(hard or soft)}


def parse_resource(text: str) -> Json:
    name, equals, value = text.partition("=")
    if not equals or not value.isdecimal():
        raise ValueError(f"invalid generic-resource format `{text}` expected `name=value`")
    return {"DiscreteResourceSpec": {"Kind": name, "Value": int(value)}}


def parse_label(text: str) -> str:
    key = text.partition("=")[0]
    if not key:
        raise ValueError(f"invalid label '{text}': empty name")
    if re.search(r"\s", key):
        raise ValueError(f"label '{key}' contains whitespaces")
    return text


def parse_env(text: str) -> str:
    if not text.partition("=")[0]:
        raise ValueError(f"invalid environment variable: {text}")
    return text


def parse_address(text: str, error: str = "IP address is not correctly formatted: {}") -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(error.format(text)) from None


ADD_HOST = 'invalid IP address in add-host: "{}"'


def parse_host(text: str) -> str:
    name, colon, address = text.partition(":")
    if not name or not colon or not address:
        raise ValueError(f"bad format for add-host: {go_quote(text)}")
    return f"{parse_address(address, ADD_HOST)} {name}"


def parse_credential(text: str) -> Json:
    scheme, _, value = text.partition("://")
    if text and scheme not in ("config", "file", "registry"):
        prefixes = 'value must be prefixed with "config://", "file://", or "registry://"'
        raise ValueError(f"invalid credential spec: {prefixes}")
    spec = {"Config": "", "File": "", "Registry": ""} | {scheme.capitalize(): value}
    rest = {"SELinuxContext": None, "NoNewPrivileges": False}
    return {"CredentialSpec": spec} | rest if text else {}


def parse_listen(text: str) -> str:
    host, _, number = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "2377")
    return f"{host or '0.0.0.0'}:{number}"


def parse_subnet(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"invalid string being converted to CIDR: {text}") from None


def read_pem(text: str) -> str:
    content = read_file(text).decode()
    if "-----BEGIN" not in content:
        raise ValueError("file contents must be in PEM format")
    return content


# -- `KEY=VALUE,…`, such as --mount and --publish --------------------------------------------------
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


# Type of a flag's value, as the help shows it, -> its converter; the others take any text.
BY_KIND: dict[str, Convert] = {
    "bool": parse_bool,
    **dict.fromkeys(("uint", "uint32"), parse_unsigned),
    "int": go_number("ParseInt", _integer),
    "float": go_number("ParseFloat", float),
    "duration": parse_duration,
    "decimal": parse_cpus,
    "bytes": parse_bytes,
    "command": parse_words,
    "filter": parse_filter,
    "pref": parse_preference,
    "ulimit": parse_ulimit,
    "credential-spec": parse_credential,
    "node-addr": parse_listen,
    "ipNetSlice": parse_subnet,
    "pem-file": read_pem,
    "secret": partial(parse_reference, kind="secret"),
    "config": partial(parse_reference, kind="config"),
    "network": parse_network,
    "port": parse_port,
    "mount": parse_mount,
    "external-ca": parse_authority,
}
MULTIPLE = {"list", "strings", "map", "filter", "pref", "secret", "config", "network", "ulimit"}
MULTIPLE |= {"port", "mount", "ipNetSlice", "external-ca"}
# Flag, also with `-add`, -> its converter, where the type (`list`) does not determine it.
BY_NAME: dict[str, Convert] = {
    **dict.fromkeys(("label", "container-label"), parse_label),
    "env": parse_env,
    "dns": parse_address,
    "host": parse_host,
    "generic-resource": parse_resource,
    **{f"health-{name}": positive_duration for name in ("interval", "timeout")},
    **{f"health-start-{name}": positive_duration for name in ("period", "interval")},
}
