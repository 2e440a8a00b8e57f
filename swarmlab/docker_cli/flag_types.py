"""Converts flag values from text to API values by the flag's type; errors in docker's words."""

import ipaddress
import re
import shlex
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from swarmlab.docker_cli.session import read_file
from swarmlab.docker_cli.text import go_quote
from swarmlab.units import parse_bytes, parse_duration

Json = dict[str, Any]
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
