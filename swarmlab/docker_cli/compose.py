"""Reads Compose files as `docker stack` does: fills in variables, checks keys, merges files.

`compose_keys.yml` lists the keys. Source: docker/cli cli/compose/{loader,schema}.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swarmlab.docker_cli.compose_values import (
    REQUIRED,
    RULES,
    SHORT,
    Filled,
    Rule,
    SchemaFault,
    cast,
    host_ip,
    repeated,
)  # fmt: skip
from swarmlab.docker_cli.compose_yaml import parse
from swarmlab.docker_cli.session import CliError, Json, Session, env_lines, read_file
from swarmlab.templates.go_text import go_quote, go_value

NEWEST = 13  # of the versions 3.x
NAME = re.compile(r"[a-zA-Z0-9._-]+")
MAY_BE_NULL = {"deployment", "network", "volume", "attachment"}
KEPT = {"healthcheck", "logging", "update_config", "rollback_config", "restart_policy"}
KEPT |= {"limits", "reservations", "bind", "volume", "tmpfs"}  # blocks that may be empty
UNIQUE = {"string", "text_or_number", "port"}  # kinds that a list holds once
HAVE_EXTENSIONS = {"file", "service", "network", "volume", "secret", "config"}
VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z]\w*)"
    r"|\{(?P<braced>[_a-z]\w*)(?P<how>:?[-?])?(?P<rest>(?(how)[^}]*))\}|(?P<invalid>))",
    re.IGNORECASE | re.ASCII,
)


@cache
def keys() -> Json:
    """The tables of compose_keys.yml: block -> key -> kind of its value."""
    tables: Json = yaml.safe_load(Path(__file__).with_name("compose_keys.yml").read_text("utf-8"))
    return tables


def load(session: Session, paths: list[str], *, fill: bool = True, warn: bool = False) -> Json:
    """The files merged into one, in the form that `docker stack config` prints.

    `fill`: replace variables; `warn`: name the options that have no effect in a swarm.
    """
    if not paths:
        raise CliError("Specify a Compose file (with --compose-file)")
    folder = Path.cwd() if paths == ["-"] else Path(paths[0]).absolute().parent
    merged: Json = {}
    files = [parse(session.stdin if path == "-" else read_file(path)) for path in paths]
    for file in files:
        version = _version(file)
        if merged and merged["version"] != version:
            between = f"{merged['version']} and {version}"
            raise CliError(f"version mismatched between two composefiles : {between}")
        if notes := _notes([file], keys()["forbidden"]):
            fault = f"Compose file contains unsupported options:\n\n{notes}\n"
            raise CliError(fault if warn else "Configuration contains forbidden properties")
        reader = Reader(version, folder)
        loaded = reader.file(_filled(file, os.environ) if fill else file)
        merged = _merged(merged, loaded) if merged else loaded
        for warning in reader.warnings:
            now = datetime.fromtimestamp(session.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            session.warn(f'time="{now}" level=warning msg={go_quote(warning)}')
    if warn:
        _warn(session, files)
    return merged


def _version(file: Json) -> str:
    version = go_value(file.get("version", ""))
    if version in ("", "3"):
        return f"3.{NEWEST}"
    if not re.fullmatch(r"3\.(0|[1-9][0-9]?)", version) or int(version[2:]) > NEWEST:
        raise CliError(f"unsupported Compose file version: {version}")
    return version


# -- options without effect -----------------------------------------------------------------------
def _used(files: list[Json]) -> set[str]:
    """The keys of all services."""
    sections = [file["services"] for file in files if isinstance(file.get("services"), dict)]
    services = [service for section in sections for service in section.values()]
    return {key for service in services if isinstance(service, dict) for key in service}


def _notes(files: list[Json], texts: Mapping[str, str]) -> str:
    return "\n\n".join(f"{key}: {texts[key]}" for key in sorted(_used(files) & {*texts}))


def _warn(session: Session, files: list[Json]) -> None:
    if ignored := sorted(_used(files) & {*keys()["unsupported"]}):
        session.warn(f"Ignoring unsupported options: {', '.join(ignored)}", "")
    if notes := _notes(files, keys()["deprecated"]):
        session.warn("Ignoring deprecated options:", "", notes, "")


# -- variables ------------------------------------------------------------------------------------
def _filled(value: Any, environment: Mapping[str, str], path: str = "") -> Any:
    """`value` with `$NAME`, `${NAME:-default}` and the other forms replaced."""
    if isinstance(value, dict):
        pairs = ((k, f"{path}.{k}" if path else str(k)) for k in value)
        return {k: _filled(value[k], environment, below) for k, below in pairs}
    if isinstance(value, list):
        return [_filled(item, environment, f"{path}.[]") for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, how, rest = match["named"] or match["braced"] or "", match["how"] or "", match["rest"]
        content = environment.get(name)
        is_set = content is not None and (content != "" or ":" not in how)
        if match["escaped"]:
            return "$"
        fault = value if not name else f"required variable {name} is missing a value: {rest}"
        if not name or ("?" in how and not is_set):
            more = "you may need to escape any $ with another $"
            quoted = go_quote(fault)
            raise CliError(f"invalid interpolation format for {path}: {quoted}; {more}")
        return content or "" if is_set else rest or ""

    new = VARIABLE.sub(replace, value)
    return value if new == value else Filled(new)


# -- keys and values ------------------------------------------------------------------------------
class Reader:
    """Checks one file against the table of keys and converts it to the long form."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version, self.folder = version, folder
        self.faults: list[tuple[str, str]] = []  # (path, fault)
        self.warnings: list[str] = []

    def file(self, written: Json) -> Json:
        loaded: Any = self.value("file", written, "")
        if self.faults:
            path, fault = min(self.faults, key=_rank)
            raise CliError(f"{path or '(root)'} {fault}")
        file: Json = {"version": "", "services": {}} | loaded | {"version": self.version}
        for service in file["services"].values():
            self._finish_service(service)
        for section in ("networks", "volumes", "secrets", "configs"):
            for name, block in file.get(section, {}).items():
                self._finish_named(section.removesuffix("s"), name, block)
        return file

    def value(self, kind: Any, written: Any, path: str) -> Any:
        """The long form of what is `written` at `path`; None where it is wrong, with a fault."""
        if isinstance(kind, list):
            return self._list(kind[0], written, path)
        if isinstance(kind, dict):
            return self._block(kind, written, path)
        kind = kind.removesuffix("!")
        if kind == "networks":
            if not isinstance(written, dict):
                listed = self._list("string", written, path)
                written = dict.fromkeys(listed or [])
            return self._block({"*": "attachment"}, written, path)
        if kind == "external":
            return self._external(written, path)
        if kind in keys():
            if written is None and kind in MAY_BE_NULL:
                return None if kind == "attachment" else {}
            if kind in SHORT and not isinstance(written, dict):
                written = cast(written, kind, path) if isinstance(written, Filled) else written
                value = self._plain(SHORT[kind], written, path)
                if kind == "port" and isinstance(written, str) and (ip := host_ip(written)):
                    self._warn_of_address(ip, value or [])
                return value
            missing = [key for key in REQUIRED.get(kind, ()) if key not in (written or {})]
            self.faults += [(path, f"{key} is required") for key in missing]
            null = " or null" if kind in MAY_BE_NULL and kind != "attachment" else ""
            return self._block(keys()[kind], written, path, kind in HAVE_EXTENSIONS, null)
        if isinstance(written, Filled):
            written = cast(written, kind, path)
        return self._plain(RULES[kind], written, path)

    def _warn_of_address(self, ip: str, ports: list[Json]) -> None:
        for port in ports if ip != "0.0.0.0" else []:
            text = f"{ip}:{port.get('published', '')}:{port['target']}/{port['protocol']}"
            listens = "service will listen on '0.0.0.0'"
            self.warnings.append(f"ignoring IP-address ({text}) {listens}")

    def _plain(self, rule: Rule, written: Any, path: str) -> Any:
        if faults := rule.faults(written, path):
            self.faults += faults
            return None
        try:
            return rule.convert(written)
        except SchemaFault as error:
            self.faults.append((path, str(error).replace("{path}", path)))
        except ValueError as error:
            raise CliError(_undecoded(path, str(error))) from None

    def _list(self, kind: str, written: Any, path: str) -> Any:
        if not isinstance(written, list):
            self.faults.append((path, "must be a list"))
            return None
        values: list[Any] = []
        for index, item in enumerate(written):
            value = self.value(kind, item, f"{path}.{index}")
            values += value if isinstance(value, list) else [value]
        self.faults += repeated(written, path) if kind in UNIQUE else []
        return values

    def _block(
        self, kind: Json, written: Any, path: str, extensions: bool = False, null: str = ""
    ) -> Any:
        if not isinstance(written, dict):
            self.faults.append((path, f"must be a mapping{null}"))
            return None
        kinds = dict(self._kinds(kind))
        if named := "*" in kinds:
            kinds = {name: kinds["*"] for name in sorted(written) if NAME.fullmatch(str(name))}
        block = {}
        for key, inner in kinds.items():
            if key in written:
                value = self.value(inner, written[key], f"{path}.{key}" if path else key)
                zero = not value or (inner == "duration" and value == "0s")
                kept = key in KEPT and isinstance(value, dict)
                if not zero or named or kept or str(inner).endswith("!"):
                    block[key] = value
        for key in written:
            if extensions and str(key).startswith("x-"):
                block[key] = written[key]
            elif key not in kinds and "others" not in kind:
                self.faults.append((path, f"Additional property {key} is not allowed"))
        return block

    def _kinds(self, table: Json) -> Iterator[tuple[str, Any]]:
        """The keys that this version of the format has, and the kinds of their values."""
        for key, kind in table.items():
            name, _, since = str(key).partition(" 3.")
            if name != "others" and int(since or 0) <= int(self.version[2:]):
                yield name, kind

    def _external(self, written: Any, path: str) -> Any:
        if isinstance(written, Filled):
            written = cast(written, "boolean", path)
        if isinstance(written, dict):
            others = {} if path.startswith(("networks", "volumes")) else {"others": True}
            return self._block({"name": "string", **others}, written, path) or True
        return self._plain(Rule((bool, dict), named=(bool, dict)), written, path)

    # -- values that depend on others --------------------------------------------------------------
    def _finish_service(self, service: Json) -> None:
        """Variables of `env_file`, the environment's own, and paths that begin with a dot."""
        files = [self.folder / file for file in service.get("env_file", [])]
        lines = [line for file in files for line in env_lines(file)]
        variables = {k: v for k, equals, v in (line.partition("=") for line in lines) if equals}
        variables |= {line: os.environ[line] for line in lines if line in os.environ}
        variables |= service.get("environment", {})
        if variables:
            filled = {k: v or os.environ.get(k, v) for k, v in variables.items()}
            service["environment"] = dict(sorted(filled.items()))
            self._sort("service", service)
        for mount in [m for m in service.get("volumes", []) if m.get("type") == "bind"]:
            if not re.match(r"[a-zA-Z]:[/\\]", mount.get("source", "")):
                if "source" not in mount:
                    fault = "field Source must not be empty"
                    raise CliError(f'invalid mount config for type "bind": {fault}')
                source = os.path.expanduser(mount["source"])  # noqa: PTH111 -- keeps `./a` a text
                mount["source"] = self._absolute(source)

    def _absolute(self, path: str) -> str:
        """A path in the file's folder; an absolute one is left as it is written."""
        return path if os.path.isabs(path) else os.path.normpath(self.folder / path)  # noqa: PTH117

    def _finish_named(self, kind: str, name: str, block: Json) -> None:
        """The name of an external object; the file of a secret or config that is not external."""
        external = block.get("external")
        if isinstance(external, dict):
            if "name" in block:
                both = f"{kind}.external.name and {kind}.name conflict; only use {kind}.name"
                raise CliError(f"{kind} {name}: {both}")
            block["name"], block["external"] = external["name"], True
            if int(self.version[2:]) >= (4 if kind == "volume" else 5):
                warning = f"{kind}.external.name is deprecated in favor of {kind}.name"
                self.warnings.append(f"{kind} {name}: {warning}")
        elif external:
            block.setdefault("name", name)
        elif kind in ("secret", "config") and "driver" not in block:
            block["file"] = self._absolute(block.get("file", ""))
        if external and kind == "volume":
            for key in ("driver", "driver_opts", "labels"):
                if key in block:
                    fault = f'conflicting parameters "external" and "{key}" specified for volume'
                    raise CliError(f'{fault} "{name}"')
        self._sort(kind, block)

    def _sort(self, kind: str, block: Json) -> None:
        """Restore the table's order of keys, in place."""
        extensions = [key for key in block if key.startswith("x-")]
        for key in [*dict(self._kinds(keys()[kind])), *extensions]:
            if key in block:
                block[key] = block.pop(key)


def _rank(fault: tuple[str, str]) -> tuple[int, bool]:
    """Docker reports the deepest fault; among equals a wrong type, then the first."""
    return -fault[0].count("."), not fault[1].startswith("must be a")


def _undecoded(path: str, fault: str) -> str:
    """A value of the right type that cannot be decoded, in docker's words."""
    names = {"memory": "memory", "healthcheck": "HealthCheck"}
    parts = [p if "_" in p else names.get(p, p.capitalize()) for p in path.split(".")[2:]]
    where = re.sub(r"\.(\d+)", r"[\1]", ".".join(parts))
    fault = fault if "{where}" in fault else f"error decoding '{{where}}': {fault}"
    failed = "decoding failed due to the following error(s)"
    return f"{failed}:\n\n{fault.replace('{where}', where)}"


# -- several files --------------------------------------------------------------------------------
# Lists whose items are identified by a key; values that a later file replaces as a whole.
KEYED = {"ports": "published", "secrets": "source", "configs": "source", "volumes": "target"}
REPLACED = {"command", "entrypoint", "aliases"}


def _merged(base: Json, over: Json) -> Json:
    """Services are merged key by key; of everything else the later file's value is taken."""
    merged = {**base}
    for section in ("networks", "volumes", "secrets", "configs"):
        if section in over:
            merged[section] = dict(sorted({**base.get(section, {}), **over[section]}.items()))
    services = dict(base["services"])
    for name, service in over["services"].items():
        former = services.get(name, {})
        services[name] = _merged_value("service", "", former, service)
    return merged | {"services": dict(sorted(services.items()))}


def _merged_value(kind: Any, key: str, base: Any, over: Any) -> Any:
    """The later value over the earlier one, in the order of the table."""
    if isinstance(base, dict) and isinstance(over, dict) and key not in REPLACED:
        drivers = {block["driver"] for block in (base, over) if "driver" in block}
        if key == "logging" and len(drivers) > 1:
            return over
        table = keys().get(kind, {}) if isinstance(kind, str) else kind
        kinds = {str(name).partition(" ")[0]: inner for name, inner in table.items()}
        order = [*kinds]
        names = sorted({**base, **over}, key=lambda k: (order.index(k) if k in order else 99, k))
        return {
            k: _merged_value(kinds.get(k, ""), k, base.get(k), over[k]) if k in over else base[k]
            for k in names
        }
    if isinstance(base, list) and isinstance(over, list) and key in KEYED:
        items: dict[Any, Json] = {item.get(KEYED[key]): item for item in [*base, *over]}
        return [items[name] for name in sorted(items, key=lambda name: name or 0)]
    if isinstance(base, list) and isinstance(over, list) and key not in REPLACED:
        return base + over
    return over
