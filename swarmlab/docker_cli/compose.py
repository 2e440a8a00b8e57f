"""A Compose file as `docker stack` reads it: variables filled in, keys checked, files merged.

What it may hold stands in `compose_keys.yml`. Source: docker/cli cli/compose/{loader,schema}.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from swarmlab.docker_cli.compose_values import REQUIRED, RULES, SHORT, Filled, Rule, cast, repeated
from swarmlab.docker_cli.session import CliError, Json, Session
from swarmlab.docker_cli.text import go_quote

NEWEST = 13  # of the versions 3.x
NAME = re.compile(r"[a-zA-Z0-9._-]+")
MAY_BE_NULL = {"deployment", "network", "volume", "attachment"}
HAVE_EXTENSIONS = {"file", "service", "network", "volume", "secret", "config"}
VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<named>[_a-z]\w*)"
    r"|\{(?P<braced>[_a-z]\w*)(?P<how>:?[-?])?(?P<rest>(?(how)[^}]*))\}|(?P<invalid>))",
    re.IGNORECASE | re.ASCII,
)


@cache
def keys() -> Json:
    found: Json = yaml.safe_load(Path(__file__).with_name("compose_keys.yml").read_text())
    return found


class Loader(yaml.SafeLoader):
    """YAML as Go's yaml.v3 reads it: `yes` and `22:22` are texts, `0444` is an octal number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- PyYAML declares it so

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            name, line = key.value, key.start_mark.line + 1
            if key.tag.endswith(":str") and lines.setdefault(name, line) != line:
                twice = f"mapping key {go_quote(name)} already defined at line {lines[name]}"
                raise CliError(f"yaml: unmarshal errors:\n  line {line}: {twice}")
        return super().construct_mapping(node, deep)


NUMBER = re.compile(r"[-+]?(?:0o?[0-7]+|0x[0-9a-fA-F]+|0b[01]+|[1-9][0-9_]*|0)$")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$")
for tag, pattern, first in (
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("merge", re.compile(r"<<$"), "<"),
    ("int", NUMBER, "-+0123456789"),
    ("float", FLOAT, "-+.0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))


def load(session: Session, paths: list[str], *, fill: bool = True, warn: bool = False) -> Json:
    """The files as one, in the form that `docker stack config` prints.

    `fill`: variables are replaced; `warn`: says what has no effect in a swarm."""
    if not paths:
        raise CliError("Specify a Compose file (with --compose-file)")
    folder = Path.cwd() if paths == ["-"] else Path(paths[0]).absolute().parent
    merged: Json = {}
    files = [parse(_read(session, path)) for path in paths]
    for written in files:
        version = _version(written)
        if merged and merged["version"] != version:
            between = f"{merged['version']} and {version}"
            raise CliError(f"version mismatched between two composefiles : {between}")
        if said := _said([written], keys()["forbidden"]):
            whole = f"Compose file contains unsupported options:\n\n{said}\n"
            raise CliError(whole if warn else "Configuration contains forbidden properties")
        reader = Reader(version, folder)
        loaded = reader.file(_filled(written, os.environ) if fill else written)
        merged = _merged(merged, loaded) if merged else loaded
        for warning in reader.warnings:
            now = datetime.fromtimestamp(session.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            session.warn(f'time="{now}" level=warning msg={go_quote(warning)}')
    if warn:
        _warn(session, files)
    return merged


def _read(session: Session, path: str) -> bytes:
    try:
        return session.stdin if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise CliError(f"open {path}: {str(error.strerror).lower()}") from None


def parse(data: bytes) -> Json:
    """What YAML says, in Python's words; CliError where it is none, or no mapping."""
    try:
        found = yaml.load(data, Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise CliError(f"yaml: line {mark.line + 1 if mark else 1}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise CliError(f"yaml: {error}") from None
    if not isinstance(found, dict):
        raise CliError("top-level object must be a mapping")
    return found


def _version(written: Json) -> str:
    version = str(written.get("version", ""))
    if version in ("", "3"):
        return f"3.{NEWEST}"
    if not re.fullmatch(r"3\.\d+", version) or int(version[2:]) > NEWEST:
        raise CliError(f"unsupported Compose file version: {version}")
    return version


# -- what it does not do --------------------------------------------------------------------------
def _used(files: list[Json]) -> set[str]:
    """The keys of all services."""
    sections = [one["services"] for one in files if isinstance(one.get("services"), dict)]
    services = [service for section in sections for service in section.values()]
    return {key for service in services if isinstance(service, dict) for key in service}


def _said(files: list[Json], words: Mapping[str, str]) -> str:
    return "\n\n".join(f"{key}: {words[key]}" for key in sorted(_used(files) & {*words}))


def _warn(session: Session, files: list[Json]) -> None:
    if ignored := sorted(_used(files) & {*keys()["unsupported"]}):
        session.warn(f"Ignoring unsupported options: {', '.join(ignored)}", "")
    if said := _said(files, keys()["deprecated"]):
        session.warn("Ignoring deprecated options:", "", said, "")


# -- variables ------------------------------------------------------------------------------------
def _filled(value: Any, environment: Mapping[str, str], path: str = "") -> Any:
    """`value` with `$NAME`, `${NAME:-default}` and their like replaced."""
    if isinstance(value, dict):
        pairs = ((k, f"{path}.{k}" if path else str(k)) for k in value)
        return {k: _filled(value[k], environment, below) for k, below in pairs}
    if isinstance(value, list):
        return [_filled(one, environment, f"{path}.[]") for one in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, how, rest = match["named"] or match["braced"] or "", match["how"] or "", match["rest"]
        found = environment.get(name)
        good = found is not None and (found != "" or ":" not in how)
        if match["escaped"]:
            return "$"
        fault = value if not name else f"required variable {name} is missing a value: {rest}"
        if not name or ("?" in how and not good):
            more = "you may need to escape any $ with another $"
            quoted = go_quote(fault)
            raise CliError(f"invalid interpolation format for {path}: {quoted}; {more}")
        return found or "" if good else rest or ""

    new = VARIABLE.sub(replace, value)
    return value if new == value else Filled(new)


# -- keys and values ------------------------------------------------------------------------------
class Reader:
    """Checks one file by the table of keys, and brings it to its one form."""

    def __init__(self, version: str, folder: Path) -> None:
        self.version, self.folder = version, folder
        self.faults: list[tuple[str, str]] = []  # (path, what is wrong there)
        self.warnings: list[str] = []

    def file(self, written: Json) -> Json:
        loaded: Any = self.value("file", written, "")
        if self.faults:
            # Docker tells one: the deepest; among equals a wrong type, then the first.
            rank = lambda one: (-one[0].count("."), not one[1].startswith("must be a"))  # noqa: E731
            path, fault = min(self.faults, key=rank)
            raise CliError(f"{path or '(root)'} {fault.format(path=path)}")
        file: Json = {"version": "", "services": {}} | loaded | {"version": self.version}
        for service in file["services"].values():
            self._finish(service)
        for section in ("networks", "volumes", "secrets", "configs"):
            for name, one in file.get(section, {}).items():
                self._name(section.removesuffix("s"), name, one)
        return file

    def value(self, kind: Any, written: Any, path: str) -> Any:
        """The one form of what is `written` at `path`; None where it is wrong, which is noted."""
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
            if kind == "port" and isinstance(written, str) and re.match(r"[^:]+:.+:", written):
                whole = written if "/" in written else f"{written}/tcp"
                where = "service will listen on '0.0.0.0'"
                self.warnings.append(f"ignoring IP-address ({whole}) {where}")
            if kind in SHORT and not isinstance(written, dict):
                return self._plain(SHORT[kind], written, path)
            missing = [key for key in REQUIRED.get(kind, ()) if key not in (written or {})]
            self.faults += [(path, f"{key} is required") for key in missing]
            return self._block(keys()[kind], written, path, kind in HAVE_EXTENSIONS)
        if isinstance(written, Filled):
            written = _cast(written, kind, path)
        return self._plain(RULES[kind], written, path)

    def _plain(self, rule: Rule, written: Any, path: str) -> Any:
        if faults := rule.faults(written, path):
            self.faults += faults
            return None
        try:
            return rule.convert(written)
        except ValueError as error:
            if "{path}" not in str(error) and "format" not in str(error):
                raise CliError(_undecoded(path, str(error))) from None
            self.faults.append((path, str(error)))

    def _list(self, kind: str, written: Any, path: str) -> Any:
        if not isinstance(written, list):
            self.faults.append((path, "must be a list"))
            return None
        found: list[Any] = []
        for at, one in enumerate(written):
            value = self.value(kind, one, f"{path}.{at}")
            found += value if isinstance(value, list) else [value]
        self.faults += repeated(written, path)
        return found

    def _block(self, kind: Json, written: Any, path: str, extensions: bool = False) -> Any:
        if not isinstance(written, dict):
            self.faults.append((path, "must be a mapping"))
            return None
        known = dict(self._known(kind))
        if names := "*" in known:
            known = {name: known["*"] for name in sorted(written) if NAME.fullmatch(str(name))}
        found = {}
        for key, below in known.items():
            if key in written:
                value = self.value(below, written[key], f"{path}.{key}" if path else key)
                zero = not value or (below == "duration" and value == "0s")
                if not zero or names or str(below).endswith("!"):
                    found[key] = value
        for key in written:
            if extensions and str(key).startswith("x-"):
                found[key] = written[key]
            elif key not in known:
                self.faults.append((path, f"Additional property {key} is not allowed"))
        return found

    def _known(self, kind: Json) -> Iterator[tuple[str, Any]]:
        """Keys that this version of the format has, and their kinds."""
        for key, below in kind.items():
            name, _, since = str(key).partition(" 3.")
            if int(since or 0) <= int(self.version[2:]):
                yield name, below

    def _external(self, written: Any, path: str) -> Any:
        if isinstance(written, Filled):
            written = _cast(written, "boolean", path)
        if isinstance(written, dict):
            return self._block({"name": "string"}, written, path) or True
        return self._plain(Rule((bool, dict), said=(bool, dict)), written, path)

    # -- what needs more than its own value --------------------------------------------------------
    def _finish(self, service: Json) -> None:
        """Variables of `env_file`, the environment's own, and paths that begin with a dot."""
        files = service.get("env_file", [])
        lines = [line for file in files for line in _env_lines(self.folder / file)]
        found = {k: v for k, equals, v in (line.partition("=") for line in lines) if equals}
        found |= {line: os.environ[line] for line in lines if line in os.environ}
        found |= service.get("environment", {})
        if found:
            filled = {k: v or os.environ.get(k, v) for k, v in found.items()}
            service["environment"] = dict(sorted(filled.items()))
            self._sort("service", service)
        for mount in service.get("volumes", []):
            if mount["type"] == "bind" and not re.match(r"[a-zA-Z]:[/\\]", mount.get("source", "")):
                if "source" not in mount:
                    fault = "field Source must not be empty"
                    raise CliError(f'invalid mount config for type "bind": {fault}')
                source = os.path.expanduser(mount["source"])  # noqa: PTH111 -- keeps `./a` a text
                mount["source"] = os.path.normpath(self.folder / source)

    def _name(self, kind: str, name: str, one: Json) -> None:
        """The name of what exists already, and the file of what does not."""
        external = one.get("external")
        if isinstance(external, dict):
            if "name" in one:
                both = f"{kind}.external.name and {kind}.name conflict; only use {kind}.name"
                raise CliError(f"{kind} {name}: {both}")
            one["name"], one["external"] = external["name"], True
            if int(self.version[2:]) >= (4 if kind == "volume" else 5):
                said = f"{kind}.external.name is deprecated in favor of {kind}.name"
                self.warnings.append(f"{kind} {name}: {said}")
        elif external:
            one.setdefault("name", name)
        elif kind in ("secret", "config") and "driver" not in one:
            one["file"] = os.path.normpath(self.folder / one.get("file", ""))
        if external and kind == "volume":
            for key in ("driver", "driver_opts", "labels"):
                if key in one:
                    fault = f'conflicting parameters "external" and "{key}" specified for volume'
                    raise CliError(f'{fault} "{name}"')
        self._sort(kind, one)

    def _sort(self, kind: str, one: Json) -> None:
        """Brings back the table's order."""
        for key in [*dict(self._known(keys()[kind])), *(key for key in one if key[:2] == "x-")]:
            if key in one:
                one[key] = one.pop(key)


def _cast(text: str, kind: str, path: str) -> Any:
    """A filled-in text as the number or switch that stands there; CliError when it is none."""
    try:
        return cast(text, kind)
    except ValueError as error:
        fault = f"failed to cast to expected type: {error}"
        raise CliError(f"error while interpolating {path}: {fault}") from None


def _undecoded(path: str, fault: str) -> str:
    """A value of the right type that says nothing, in docker's words."""
    parts = [p if "_" in p or p == "memory" else p.capitalize() for p in path.split(".")[2:]]
    where = re.sub(r"\.(\d+)", r"[\1]", ".".join(parts))
    return f"decoding failed due to the following error(s):\n\nerror decoding '{where}': {fault}"


def _env_lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise CliError(f"open {path}: {str(error.strerror).lower()}") from None
    return [line for line in lines if line and not line.startswith("#")]


# -- several files --------------------------------------------------------------------------------
# Lists whose items are told apart by a key; values that a later file replaces as a whole.
KEYED = {"ports": "published", "secrets": "source", "configs": "source", "volumes": "target"}
REPLACED = {"command", "entrypoint", "aliases"}


def _merged(base: Json, over: Json) -> Json:
    """Services are merged key by key; of all else the later file's stands."""
    found = {**base}
    for section in ("networks", "volumes", "secrets", "configs"):
        if section in over:
            found[section] = dict(sorted({**base.get(section, {}), **over[section]}.items()))
    services = dict(base["services"])
    for name, service in over["services"].items():
        former = services.get(name, {})
        services[name] = _merged_value("service", "", former, service)
    return found | {"services": dict(sorted(services.items()))}


def _merged_value(kind: Any, key: str, base: Any, over: Any) -> Any:
    """The later value over the earlier one, in the order of the table."""
    if isinstance(base, dict) and isinstance(over, dict) and key not in REPLACED:
        drivers = {one["driver"] for one in (base, over) if "driver" in one}
        if key == "logging" and len(drivers) > 1:
            return over
        table = keys().get(kind, {}) if isinstance(kind, str) else kind
        kinds = {str(name).partition(" ")[0]: below for name, below in table.items()}
        names = [*kinds]
        every = sorted({**base, **over}, key=lambda k: (names.index(k) if k in names else 99, k))
        return {
            k: _merged_value(kinds.get(k, ""), k, base.get(k), over[k]) if k in over else base[k]
            for k in every
        }
    if isinstance(base, list) and isinstance(over, list) and key in KEYED:
        by: dict[Any, Json] = {one.get(KEYED[key]): one for one in [*base, *over]}
        return [by[name] for name in sorted(by, key=lambda name: name or 0)]
    if isinstance(base, list) and isinstance(over, list) and key not in REPLACED:
        return base + over
    return over
