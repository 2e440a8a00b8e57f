"""YAML as `docker stack` reads it, with Go's errors, and with limits on what a file can expand to.

Source: go-yaml v3.
"""

import re
from math import isinf
from typing import Any

import yaml

from swarmlab.docker_cli.session import CliError, Json
from swarmlab.strings import _
from swarmlab.templates.go_text import go_quote, go_value

SIZE_MAX, NODES_MAX, DEPTH_MAX = 200_000, 10_000, 100  # bytes; values, repeated by aliases or not
NO_TEXT_KEY = "json: unsupported type: map[interface {}]interface {}"
GO_WORDS = {  # what PyYAML says -> what Go does
    "^expected a mapping.*": "map merge requires map or sequence of maps as the value",
    r", but (found|got) .*| \(version .*": "",
    "^expected <block end>": "did not find expected key",
    "^expected (the )?": "did not find expected ",
    "allowed here$": "allowed in this context",
    "^sequence": "block sequence",
    "^found character .* that": "found character that",
    "^found unknown escape character .*": "found unknown escape character",
    "^special characters": "control characters",
    "^invalid start byte": "invalid leading UTF-8 octet",
    "^invalid continuation byte": "invalid trailing UTF-8 octet",
    "^unexpected end of data": "incomplete UTF-8 octet sequence",
}


class Loader(yaml.SafeLoader):
    """YAML as Go's yaml.v3 reads it: `yes` and `22:22` are strings, `0444` is an octal number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- PyYAML declares it so

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._open: list[Any] = []  # the anchors, or None, of the nodes being read
        self._sizes: dict[str, int] = {}  # anchor -> how many values it stands for
        self._size = 0  # how many values were read so far

    def compose_node(self, parent: Any, index: Any) -> Any:
        event, before = self.peek_event(), self._size  # type: ignore[no-untyped-call]
        anchor = event.anchor
        if self.check_event(yaml.AliasEvent):
            if anchor in self._open:
                raise CliError(f"yaml: anchor '{anchor}' value contains itself")
            if anchor not in self.anchors:
                raise CliError(f"yaml: unknown anchor '{anchor}' referenced")
            self._size += self._sizes[anchor]
        else:
            self.anchors.pop(anchor, None)  # an anchor may be set again
        self._size += 1
        if self._size > NODES_MAX:
            raise CliError("yaml: document contains excessive aliasing")
        if len(self._open) >= DEPTH_MAX:
            raise CliError(f"yaml: exceeded max depth of {DEPTH_MAX}")
        self._open.append(anchor)
        node = super().compose_node(parent, index)
        if self._open.pop() is not None:
            self._sizes[anchor] = self._size - before
        return node

    def scan_to_next_token(self) -> None:
        """Tabs count as spaces, except in an indentation."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()

    def fetch_flow_collection_start(self, token: Any) -> None:
        """PyYAML reads far ahead of what it composes, more slowly the deeper the brackets."""
        if self.flow_level >= DEPTH_MAX:
            raise CliError(f"yaml: exceeded max depth of {DEPTH_MAX}")
        super().fetch_flow_collection_start(token)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, OverflowError):
            tag = node.tag.rpartition(":")[2]
            raise CliError(f"yaml: cannot decode !!str `{node.value}` as a !!{tag}") from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[str, int] = {}
        for key, _value in node.value:
            name, line = key.value, key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                value = self.construct_object(key, True)
                raise CliError(f"yaml: invalid map key: {go_syntax(value)}")
            if not key.tag.endswith((":str", ":merge")):
                raise CliError(NO_TEXT_KEY)
            if name in lines:
                fault = f"mapping key {go_quote(name)} already defined at line {lines[name]}"
                raise CliError(f"yaml: unmarshal errors:\n  line {line}: {fault}")
            lines[name] = line
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> Any:
        """An integer of 64 bits; a larger number is a float, an endless one a string."""
        large = len(node.value) > 40
        number = float(node.value) if large else super().construct_yaml_int(node)
        return number if -(2**63) <= number < 2**64 else self.construct_yaml_float(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> Any:
        number = float(node.value)
        return node.value if isinf(number) else number

    def construct_tagged(self, node: yaml.Node) -> Any:
        """Go leaves out a tag that it does not know."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, True)
        return node.value


def go_syntax(value: Any) -> str:
    """The value as Go's `%#v` prints it."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return go_quote(value)
        case list():
            return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
        case dict():
            pairs = (f"{go_quote(key)}:{go_syntax(value[key])}" for key in sorted(value))
            return f"map[string]interface {{}}{{{', '.join(pairs)}}}"
    return go_value(value)


NUMBER = re.compile(r"[-+]?(?:0o?[0-7]+|0x[0-9a-fA-F]+|0b[01]+|[1-9][0-9_]*|0)$")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
for tag, pattern, first in (
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), "tTfF"),
    ("null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("merge", re.compile(r"<<$"), "<"),
    ("int", NUMBER, "-+0123456789"),
    ("float", FLOAT, "-+.0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", pattern, list(first))
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_yaml_float)
Loader.add_constructor(None, Loader.construct_tagged)


def _go_fault(error: yaml.MarkedYAMLError) -> str:
    """The fault in Go's words: the line is that of the block, and is counted as Go counts it."""
    lines = [mark.line for mark in (error.context_mark, error.problem_mark) if mark and mark.line]
    words, scanning = _in_go_words(str(error.problem)), isinstance(error, yaml.scanner.ScannerError)
    return f"line {lines[0] + scanning}: {words}" if lines else words


def _in_go_words(fault: str) -> str:
    for pattern, replacement in GO_WORDS.items():
        fault = re.sub(pattern, replacement, fault)
    return fault


def parse(data: bytes) -> Json:
    """The first YAML document, a mapping; CliError where it is not YAML or not a mapping."""
    if len(data) > SIZE_MAX:
        text = _("the file has {n} bytes; at most {most} are read here")
        raise CliError(text.format(n=len(data), most=SIZE_MAX))
    try:
        loader = Loader(data)
        parsed = loader.get_data() if loader.check_data() else None  # type: ignore[no-untyped-call]
    except yaml.MarkedYAMLError as error:
        raise CliError(f"yaml: {_go_fault(error)}") from None
    except yaml.reader.ReaderError as error:
        raise CliError(f"yaml: {_in_go_words(error.reason)}") from None
    if not isinstance(parsed, dict):
        raise CliError("top-level object must be a mapping")
    return parsed
