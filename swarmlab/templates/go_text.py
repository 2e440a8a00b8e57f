"""Values as Go prints them: quotes, `%v` and `printf`. Source: go fmt/{format,print}.go."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

GO_TYPES: dict[type, str] = {str: "string", int: "int", bool: "bool", float: "float64"}
WIDTH_MAX = 999


class Struct(dict[str, Any]):
    """A value of one of Go's structs: what it lacks is an error, not `<no value>`."""

    go_type = ""


def go_quote(text: str) -> str:
    """`text` in double quotes, escaped as Go's %q does."""
    return json.dumps(text, ensure_ascii=False)


def go_float(value: float) -> str:
    """The shortest text that is this number, with an exponent from a million on, as `%v` has it."""
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    if not exponent or -4 <= int(exponent) < 6:
        return f"{Decimal(repr(value)).normalize():f}"
    return f"{digits}e{int(exponent):+03d}"


def go_value(value: Any) -> str:
    """A JSON value as Go's templates print it: `true`, `[a b]`, `map[k:v]`, `<nil>`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case float():
            return go_float(value)
        case list():
            return f"[{' '.join(map(go_value, value))}]"
        case Struct():
            return f"{{{' '.join(map(go_value, value.values()))}}}"
        case dict():
            return f"map[{' '.join(f'{k}:{go_value(value[k])}' for k in sorted(value))}]"
    return str(value)


def go_type(value: Any) -> str:
    """The name of the value's type, for error texts."""
    return getattr(value, "go_type", "") or GO_TYPES.get(type(value), type(value).__name__)


def go_printf(format: str, *values: Any) -> str:
    waiting = list(values)

    def formatted(match: re.Match[str]) -> str:
        flags, width, verb = match.groups()
        if verb == "%":
            return "%"
        if not waiting:
            return f"%!{verb}(MISSING)"
        value = waiting.pop(0)
        text = go_quote(value) if verb == "q" else go_value(value)
        fill = "0" if "0" in flags else " "
        width = min(int(width or 0), WIDTH_MAX)
        padded = text.ljust(width) if "-" in flags else text.rjust(width, fill)
        fits = {"d": type(value) is int, "t": type(value) is bool, "q": type(value) is str}
        right = verb == "v" or fits.get(verb, verb == "s" and type(value) is not int)
        return padded if right else f"%!{verb}({go_type(value)}={padded})"

    text = re.sub(r"%([-0 ]*)(\d*)([a-z%])", formatted, format)
    extra = ", ".join(f"{go_type(value)}={go_value(value)}" for value in waiting)
    return f"{text}%!(EXTRA {extra})" if extra else text
