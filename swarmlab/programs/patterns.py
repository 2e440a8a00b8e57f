"""Regular expressions that users write, in Go's syntax and matched within a bounded time.

Python's own matcher can need years for `(a+)+$`; Go's, which reads them in Docker, is linear.
Source: Go regexp/syntax parse.go.
"""

from __future__ import annotations

import regex

MATCH_S_MAX = 0.2
# As in Go a part is repeated at most 1,000 times, repeats within repeats multiplied.
REPEATS_MAX, STEPS_MAX = 1000, 50_000
# What Go does not have: backreferences, assertions around a match, atomic groups, recursion.
FOREIGN = regex.compile(r"\(\?(?!:|P?<[A-Za-z_]\w*>|[imsU-]+[:)])|\\[1-9gGkKLmMNRXZ]|[*+?}]\+|\(\*")
TOKEN = regex.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?P<low>\d+),?(?P<high>\d*)\}|.", regex.S)


def compiled(pattern: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """Raises ValueError when Go would not accept `pattern`."""
    if FOREIGN.search(pattern) or len(pattern) * _repeats(pattern) > STEPS_MAX:
        raise ValueError(f"not a regular expression that Go accepts: {pattern}")
    # A brace that begins no count is a character; for the matcher it would mean "nearly".
    plain = regex.sub(r"(?<!\\[pP])\{(?!\d+,?\d*\})", r"\\{", pattern)
    try:
        return regex.compile(plain, regex.IGNORECASE if ignore_case else 0)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None


def found(pattern: str, text: str) -> bool:
    """Whether `pattern` matches somewhere in `text`.

    Raises ValueError when Go would not accept it, TimeoutError when the search takes too long.
    """
    return compiled(pattern).search(text, timeout=MATCH_S_MAX) is not None


def basic(pattern: str) -> str:
    r"""A POSIX basic regular expression, where `\(` groups and `(` is a character, as Go's."""
    tokens = regex.findall(r"\\?[(){}|+?]|\\.|\[\^?\]?[^\]]*\]|.", pattern, regex.S)
    special = {*"(){}|+?"}
    return "".join(f"\\{t}" if t in special else t[1:] if t[1:] in special else t for t in tokens)


def _repeats(pattern: str) -> int:
    """How often the most repeated part is repeated; raises ValueError when that is too often."""
    groups, last = [1], 1  # the most repeats within each open group; those of the last part
    most = 1
    for token in TOKEN.finditer(pattern):
        if token[0] == "(":
            groups.append(1)
        elif token[0] == ")" and len(groups) > 1:
            last = groups.pop()
        elif token["low"]:
            last *= max(1, int(token["low"][:5]), int(token["high"][:5] or 0))
        else:
            last = 1
        groups[-1] = max(groups[-1], last)
        most = max(most, last)
        if most > REPEATS_MAX:
            raise ValueError(f"a part is repeated more than {REPEATS_MAX} times")
    return most
