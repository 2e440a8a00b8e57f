"""Go's reading of JSON text: what it accepts, and the words of its syntax errors.

Source: Go encoding/json scanner.go, decode.go; moby daemon/server/httputils.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from swarmlab.errors import BadParameter

BLANK = " \t\r\n"
# The decoder's own message -> what Go says of the character there.
SYNTAX_ERRORS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':'": "after object key",
    "Invalid control": "in string literal",
    "Invalid \\escape": "in string escape code",
    "Invalid \\uXXXX": "in \\u hexadecimal character escape",
}


class Number(str):
    """A number as it was written: Go's errors quote it."""

    __slots__ = ()


def _no_constant(name: str) -> NoReturn:
    raise BadParameter(f"invalid character '{name.strip('-')[0]}' looking for beginning of value")


class Repeated(tuple[Any, ...]):
    """The values of a key that stands in an object more than once: a struct's field takes one after
    the other, in a map the last one counts."""

    __slots__ = ()


def last(value: Any) -> Any:
    return value[-1] if isinstance(value, Repeated) else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: Repeated(sent) if len(sent) > 1 else sent[0] for name, sent in values.items()}


DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=Number,
    parse_float=Number,
    parse_constant=_no_constant,
)


def parsed(data: bytes) -> Any:
    """The JSON value, its numbers as `Number`; raises BadParameter with Go's message."""
    text = data.decode(errors="replace").lstrip(BLANK)
    if not text:
        raise BadParameter("invalid JSON: got EOF while reading request body")
    try:
        value, end = DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        raise BadParameter(f"invalid JSON: {_syntax_error(text, error)}") from None
    except RecursionError:
        raise BadParameter("invalid JSON: invalid character '[' exceeded max depth") from None
    except BadParameter as error:
        raise BadParameter(f"invalid JSON: {error}") from None
    if text[end:].strip(BLANK):
        raise BadParameter("unexpected content after JSON")
    return value


def _syntax_error(text: str, error: json.JSONDecodeError) -> str:
    """Go's message; it quotes the first character that cannot continue the text."""
    place, known = error.pos, [key for key in SYNTAX_ERRORS if error.msg.startswith(key)]
    why = SYNTAX_ERRORS[known[0]] if known else _after(text[:place])
    if error.msg.startswith("Illegal"):
        place = next((i for i in range(place + 1, len(text)) if text[i] not in BLANK), len(text))
    elif error.msg.startswith("Invalid \\"):
        place += 1
        if "\\uXXXX" in error.msg:
            place = re.compile("u?[0-9a-fA-F]*").match(text, place).end()  # type: ignore[union-attr]
    elif error.msg.startswith("Expecting value"):
        for literal in ("true", "false", "null", "-"):
            if text.startswith(literal[0], place):
                lengths = range(len(literal), 0, -1)
                same = next(i for i in lengths if text.startswith(literal[:i], place))
                place, expected = place + same, literal[same : same + 1]
                why = f"in literal {literal} (expecting '{expected}')"
                why = "in numeric literal" if literal == "-" else why
    if place >= len(text) or error.msg.startswith("Unterminated"):
        return "unexpected EOF"
    if text[place] == "." and not known:
        place, why = place + 1, "after decimal point in numeric literal"
    character = chr(text[place : place + 1].encode(errors="replace")[0])
    quoted = "'\"'" if character == '"' else repr(character)
    return f"invalid character {quoted} {why}"


def _after(text: str) -> str:
    """What the text so far ends with: an element of an array, or a pair of an object."""
    depth = 0
    for bracket in reversed(re.sub(r'"(?:[^"\\]|\\.)*+"', "", text)):
        depth += (bracket in "]}") - (bracket in "[{")
        if depth < 0:
            return "after array element" if bracket == "[" else "after object key:value pair"
    return "after top-level value"
