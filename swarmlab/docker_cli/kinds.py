"""What the kinds of flag values mean: text in, API value out; ValueError in docker's words."""

import csv
import ipaddress
import re
import shlex
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from swarmlab.docker_cli.text import go_quote, parse_bytes, parse_duration

TRUE, FALSE = {"1", "t", "T", "TRUE", "true", "True"}, {"0", "f", "F", "FALSE", "false", "False"}
Json = dict[str, Any]


def go_number(function: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """A converter that refuses as Go's strconv does."""

    def parse(text: str) -> Any:
        try:
            return convert(text)
        except (ValueError, InvalidOperation):
            fault = f"parsing {go_quote(text)}: invalid syntax"
            raise ValueError(f"strconv.{function}: {fault}") from None

    return parse


def _bool(text: str) -> bool:
    if text not in TRUE | FALSE:
        raise ValueError(text)
    return text in TRUE


def _natural(text: str) -> int:
    if not re.fullmatch(r"[0-9a-fA-FxXoObB_]+", text):
        raise ValueError(text)
    return int(text, 8 if re.fullmatch(r"0\d+", text) else 0)


def _integer(text: str) -> int:
    return -_natural(text[1:]) if text.startswith("-") else _natural(text.removeprefix("+"))


parse_natural = go_number("ParseUint", _natural)
parse_bool = go_number("ParseBool", _bool)


def parse_cpus(text: str) -> int:
    try:
        nanos = Decimal(text) * 10**9
    except InvalidOperation:
        raise ValueError(f"failed to parse {text} as a rational number") from None
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


def _fields(text: str) -> list[str]:
    return next(csv.reader([text]), [])


def parse_preference(text: str) -> Json:
    strategy, equals, argument = text.partition("=")
    if not equals or not strategy:
        raise ValueError('placement preference must be of the format "<strategy>=<arg>"')
    if strategy != "spread":
        fault = f"unsupported placement preference {strategy}"
        raise ValueError(f"{fault} (only spread is supported)")
    return {"Spread": {"SpreadDescriptor": argument}}


def parse_reference(kind: str) -> Callable[[str], Json]:
    """`NAME` or `source=…,target=…,uid=…,gid=…,mode=…` of a secret or config."""

    def parse(text: str) -> Json:
        file: Json = {"Name": "", "UID": "0", "GID": "0", "Mode": 0o444}
        reference = {"File": file, f"{kind.capitalize()}Name": ""}
        name = f"{kind.capitalize()}Name"
        fields = _fields(text)
        if len(fields) == 1 and "=" not in fields[0]:
            fields = [f"source={fields[0]}"]
        for part in fields:
            key, equals, value = part.partition("=")
            if not equals or not key:
                raise ValueError(f"invalid field '{part}' must be a key=value pair")
            match key.lower():
                case "source" | "src":
                    reference[name] = value
                case "target":
                    file["Name"] = value
                case "uid" | "gid":
                    file[key.upper()] = value
                case "mode":
                    file["Mode"] = _file_mode(value)
                case _:
                    raise ValueError(f"invalid field in {kind} request: {key}")
        if not reference[name]:
            raise ValueError("source is required")
        file["Name"] = file["Name"] or reference[name]
        return reference

    return parse


def _file_mode(text: str) -> int:
    try:
        return int(parse_natural(text))
    except ValueError as error:
        raise ValueError(f"invalid mode specified: {error}") from None


def parse_network(text: str) -> Json:
    if not re.search(r"\w+=\w+(,\w+=\w+)*", text):
        return {"Target": text}
    attachment: Json = {"Target": "", "Aliases": [], "DriverOpts": {}}
    for part in _fields(text):
        key, equals, value = part.lower().partition("=")
        match key.strip(), value.strip():
            case "name", name:
                attachment["Target"] = name
            case "alias", alias:
                attachment["Aliases"].append(alias)
            case "driver-opt", option:
                option_key, _, option_value = option.partition("=")
                attachment["DriverOpts"][option_key] = option_value
            case _:
                raise ValueError(f"invalid field key {key}" if equals else f"invalid field {part}")
    if not attachment["Target"]:
        raise ValueError("network name/id is not specified")
    return {k: v for k, v in attachment.items() if v}


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


def parse_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError(f"IP address is not correctly formatted: {text}") from None


def parse_host(text: str) -> str:
    name, colon, address = text.partition(":")
    if not name or not colon or not address:
        raise ValueError(f"bad format for add-host: {go_quote(text)}")
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise ValueError(f"invalid IP address in add-host: {go_quote(address)}") from None
    return f"{address} {name}"


def parse_credential(text: str) -> Json:
    scheme, _, value = text.partition("://")
    if text and scheme not in ("config", "file", "registry"):
        prefixes = 'value must be prefixed with "config://", "file://", or "registry://"'
        raise ValueError(f"invalid credential spec: {prefixes}")
    return {scheme.capitalize(): value} if text else {}


def parse_listen(text: str) -> str:
    host, _, port = text.rpartition(":") if re.search(r":\d+$", text) else (text, "", "2377")
    return f"{host or '0.0.0.0'}:{port}"


def parse_subnet(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise ValueError(f"invalid string being converted to CIDR: {text}") from None


def parse_authority(text: str) -> Json:
    fields = [part.partition("=") for part in _fields(text)]
    if bad := next((key for key, equals, _ in fields if not equals), None):
        raise ValueError(f"invalid field '{bad}' must be a key=value pair")
    authority = {key.lower(): value for key, _, value in fields}
    for needed in ("protocol", "url"):
        if needed not in authority:
            raise ValueError(f"the external-ca option needs a {needed}= parameter")
    if authority["protocol"].lower() != "cfssl":
        raise ValueError(f"unrecognized external CA protocol {authority['protocol']}")
    return {"Protocol": "cfssl", "URL": authority["url"]}


def read_pem(text: str) -> str:
    try:
        content = Path(text).read_text()
    except OSError as error:
        raise ValueError(f"open {text}: {str(error.strerror).lower()}") from None
    if "-----BEGIN" not in content:
        raise ValueError("file contents must be in PEM format")
    return content


# The kind of a flag, as the help shows it, to its converter; those not named take any text.
BY_KIND: dict[str, Callable[[str], Any]] = {
    "bool": parse_bool,
    "uint": parse_natural,
    "uint32": parse_natural,
    "int": go_number("ParseInt", _integer),
    "float": go_number("ParseFloat", float),
    "duration": parse_duration,
    "decimal": parse_cpus,
    "bytes": parse_bytes,
    "command": parse_words,
    "filter": parse_filter,
    "pref": parse_preference,
    "secret": parse_reference("secret"),
    "config": parse_reference("config"),
    "network": parse_network,
    "ulimit": parse_ulimit,
    "credential-spec": parse_credential,
    "node-addr": parse_listen,
    "ipNetSlice": parse_subnet,
    "external-ca": parse_authority,
    "pem-file": read_pem,
}
# Flags whose kind (`list`, `duration`) says less than their name.
BY_NAME: dict[str, Callable[[str], Any]] = {
    "label": parse_label,
    "label-add": parse_label,
    "container-label": parse_label,
    "container-label-add": parse_label,
    "env": parse_env,
    "env-add": parse_env,
    "dns": parse_address,
    "dns-add": parse_address,
    "host": parse_host,
    "host-add": parse_host,
    "generic-resource": parse_resource,
    "generic-resource-add": parse_resource,
    "sysctl": str,
    "health-interval": positive_duration,
    "health-timeout": positive_duration,
    "health-start-period": positive_duration,
    "health-start-interval": positive_duration,
}
MULTIPLE = {"list", "strings", "map", "filter", "port", "mount", "secret", "config", "network"} | {
    "pref", "ulimit", "ipNetSlice", "external-ca",
}
