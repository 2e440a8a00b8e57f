"""Programs that print, search and change text. Source: busybox coreutils, editors, findutils."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

from swarmlab.programs.file_system import FileError
from swarmlab.programs.interface import Options, ProgramProcess, read_texts
from swarmlab.programs.patterns import MATCH_S_MAX, basic, compiled
from swarmlab.simulation import S

SEQ_MAX = 1 << 16
# From the text, or the lines, of the files or of the input to what is printed.
Filter = Callable[[str, Options, list[str]], str]
LineFilter = Callable[[list[str], Options, list[str]], Iterable[str]]


def unescaped(text: str) -> str:
    """With what `\\n`, `\\x41` and their like stand for; any other backslash stays."""
    return re.sub(r"\\(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|([abfnrtv\\'\"]))", _escaped, text)


def _escaped(match: re.Match[str]) -> str:
    hexadecimal, octal, letter = match.groups()
    if letter:
        return dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True)).get(letter, letter)
    number = int(hexadecimal, 16) if hexadecimal else int(octal, 8) & 255
    return bytes([number]).decode(errors="surrogateescape")


def print_text(text: str, status: int, process: ProgramProcess, _: Options, args: list[str]) -> int:
    """Print a fixed text, whatever the arguments."""
    process.write(1, text.format(process))
    return status


def echo(process: ProgramProcess, options: Options, args: list[str]) -> int:
    flags = ""
    while args and re.fullmatch("-[neE]+", args[0]):
        flags, args = flags + args[0], args[1:]
    text = " ".join(args) + ("" if "n" in flags else "\n")
    process.write(1, unescaped(text) if "e" in flags else text)
    return 0


def printf(process: ProgramProcess, options: Options, args: list[str]) -> int:
    values = iter(args[1:])

    def formatted(match: re.Match[str]) -> str:
        value = next(values, "")
        return match[0] % (value if match[1] == "s" else int(value or 0))

    text = re.sub(r"%-?\d{0,3}([sdx])", formatted, unescaped(args[0]))
    process.write(1, text.replace("%%", "%"))
    return 0


def run_filter(
    change: Filter, words: int, process: ProgramProcess, options: Options, args: list[str]
) -> int:
    """A filter with so many arguments before the names of files."""
    texts, status = read_texts(process, args[words:])
    process.write(1, change("".join(texts), options, args[:words]))
    return status


def run_lines(change: LineFilter, words: int, *rest: Any) -> int:
    """A filter of lines."""

    def change_text(text: str, options: Options, words: list[str]) -> str:
        return "".join(f"{line}\n" for line in change(text.splitlines(), options, words))

    return run_filter(change_text, words, *rest)


def head(lines: list[str], options: Options, _: list[str]) -> list[str]:
    return lines[: int(options.get("n", 10))]


def tail(process: ProgramProcess, options: Options, args: list[str]) -> int | None:
    """With `-f` it goes on until a signal ends it."""
    texts, status = read_texts(process, args, "can't open '{}'")
    lines = "".join(texts).splitlines(keepends=True)
    number = options.get("n", "10")
    start = int(number) - 1 if number[0] == "+" else max(0, len(lines) - abs(int(number)))
    process.write(1, "".join(lines[start:]))
    if not {*"fF"} & {*options} or status:
        return status
    return _follow(process, args, len("".join(lines)))


def _follow(process: ProgramProcess, names: list[str], printed: int) -> int | None:
    """Print what was added, and look again in a second."""
    text = "".join(read_texts(process, names)[0])
    process.write(1, text[printed:])
    process.later(S, _follow, names, len(text))
    return 0


def sort(lines: list[str], options: Options, _: list[str]) -> list[str]:
    column = int(options.get("k", "0").partition(",")[0])

    def key(line: str) -> tuple[float, str]:
        words = [line, *line.split(options.get("t"))]
        word = words[column] if column < len(words) else ""
        number = re.match(r"\s*(-?\d+(\.\d+)?)", word) if "n" in options else None
        return float(number[1]) if number else 0, word

    ordered = sorted(lines, key=key, reverse="r" in options)
    return [*dict.fromkeys(ordered)] if "u" in options else ordered


def uniq(lines: list[str], options: Options, _: list[str]) -> list[str]:
    groups = [(line, len([*group])) for line, group in groupby(lines)]
    kept = [(line, number) for line, number in groups if "d" not in options or number > 1]
    return [f"{number:7} {line}" if "c" in options else line for line, number in kept]


def cut(lines: list[str], options: Options, _: list[str]) -> list[str]:
    delimiter = options.get("d", "\t") if "f" in options else ""
    output = []
    for line in lines:
        units, chosen = line.split(delimiter) if delimiter else [*line], list[str]()
        for part in options.get("f", options.get("c", "")).split(","):
            first, dash, last = part.partition("-")
            chosen += units[int(first or 1) - 1 : int(last or len(line)) if dash else int(first)]
        output.append(delimiter.join(chosen) if len(units) > 1 or not delimiter else line)
    return output


def tr(text: str, options: Options, words: list[str]) -> str:
    old, new = [*map(_characters, words), ""][:2]
    if "d" in options:
        new = ""
    table = {ord(letter): new[min(index, len(new) - 1)] if new else None
             for index, letter in enumerate(old)}  # fmt: skip
    return text.translate(table)


def _characters(text: str) -> str:
    """The letters of a set such as `a-z`."""
    for name, letters in {
        "upper": "A-Z",
        "lower": "a-z",
        "digit": "0-9",
        "space": r" \t\n",
    }.items():
        text = text.replace(f"[:{name}:]", letters)
    return re.sub(
        "(.)-(.)", lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), unescaped(text)
    )


def base64(text: str, options: Options, _: list[str]) -> str:
    data = text.encode(errors="surrogateescape")
    if "d" in options:
        return b64decode(data).decode(errors="surrogateescape")
    return re.sub("(.{1,76})", r"\1\n", b64encode(data).decode())


SED = re.compile(
    r"(?:(?P<first>\d+|\$|/[^/]*/)(?:,(?P<last>\d+|\$))?)?(?:(?P<verb>[dp])"
    r"|s(?P<mark>[/|,#:])(?P<old>.*?)(?<!\\)(?P=mark)(?P<new>.*?)(?<!\\)(?P=mark)(?P<flags>[gi]*))"
)


def sed(lines: list[str], options: Options, words: list[str]) -> Iterator[str]:
    """One command: `s/old/new/g`, `/pattern/d` or `2,4p`."""
    if not (command := SED.fullmatch(words[0])):
        raise FileError(f"unsupported command {words[0]}")
    syntax = str if {*"rE"} & {*options} else basic
    old = compiled(syntax(command["old"] or ""), ignore_case="i" in (command["flags"] or ""))
    new = re.sub(r"(?<!\\)&", r"\\g<0>", command["new"] or "")
    for number, line in enumerate(lines, 1):
        first, last = (str(len(lines)) if a == "$" else a for a in command.group("first", "last"))
        if first and first[0] == "/":
            chosen = bool(compiled(syntax(first[1:-1])).search(line, timeout=MATCH_S_MAX))
        else:
            chosen = not first or int(first) <= number <= int(last or first)
        if chosen and command["mark"]:
            line = old.sub(new, line, 0 if "g" in command["flags"] else 1, timeout=MATCH_S_MAX)
        if chosen and command["verb"] == "p":
            yield line
        if "n" not in options and not (chosen and command["verb"] == "d"):
            yield line


AWK = re.compile(r"(?:/([^/]*)/|NR *== *(\d+))?\s*(?:\{\s*print\s*([^{}]*)\})?")


def awk(lines: list[str], options: Options, words: list[str]) -> Iterator[str]:
    """`/pattern/ {print $1, $NF, "text"}`; also `NR==2`."""
    if not (program := AWK.fullmatch(words[0].strip())):
        raise FileError("this simulation knows only /pattern/ or NR==n and {print $1, $2}")
    pattern = compiled(program[1] or "")
    for number, line in enumerate(lines, 1):
        fields = [line, *line.split(options.get("F"))]
        values = {"NF": str(len(fields) - 1), "NR": str(number), "$NF": fields[-1], ",": " "}
        if program[2] not in (None, str(number)) or not pattern.search(line, timeout=MATCH_S_MAX):
            continue
        tokens = re.findall(r'"[^"]*"|\$\w+|\w+|,', program[3] or "$0")
        for index, token in enumerate(tokens):
            column = token[1:] if token[0] == "$" and token != "$NF" else ""
            field = fields[int(column)] if column and int(column) < len(fields) else ""
            tokens[index] = field if column else values.get(token, token.strip('"'))
        yield "".join(tokens)


def grep(process: ProgramProcess, options: Options, args: list[str]) -> int:
    pattern, *names = args
    files, user = process.container.files, process.user
    wanted = compiled(pattern if "E" in options else basic(pattern), ignore_case="i" in options)
    if "r" in options:
        tops = [(name, process.path(name)) for name in names or ["."]]
        names = [name + path[len(top) :] for name, top in tops for path in files.walk(top, user)
                 if not files[path].is_folder]  # fmt: skip
    output, failed = list[str](), 0
    for name in names or [""]:
        texts, status = read_texts(process, [name] if name else [])
        failed |= status
        title = f"{name}:" if len(names) > 1 or "r" in options else ""
        lines = [f"{title}{f'{number}:' if 'n' in options else ''}{line}"
                 for number, line in enumerate("".join(texts).splitlines(), 1)
                 if bool(wanted.search(line, timeout=MATCH_S_MAX)) != ("v" in options)]  # fmt: skip
        if "c" in options:
            lines = [f"{title}{len(lines)}"] if lines else []
        output += [name] * bool(lines) if "l" in options else lines
    if "q" not in options:
        process.write(1, "".join(f"{line}\n" for line in output))
    return 2 if failed else int(not output)


def wc(process: ProgramProcess, options: Options, args: list[str]) -> int:
    texts, status = read_texts(process, args)
    total = [("".join(texts), "total")] if len(texts) > 1 else []
    for text, name in [*zip(texts, args or [""], strict=False), *total]:
        size = len(text.encode(errors="surrogateescape"))
        counts = {"l": text.count("\n"), "w": len(text.split()), "c": size}
        numbers = [counts[letter] for letter in options or counts]
        columns = [f"{number:9}" if len(numbers) > 1 else str(number) for number in numbers]
        process.write(1, " ".join([*columns, name]).rstrip() + "\n")
    return status


def seq(process: ProgramProcess, options: Options, args: list[str]) -> int:
    first, step = int(args[0]) if len(args) > 1 else 1, int(args[1]) if len(args) > 2 else 1
    numbers = range(first, int(args[-1]) + (1 if step > 0 else -1), step)
    process.write(1, "".join(f"{number}\n" for number in numbers[:SEQ_MAX]))
    return 0


def xargs(process: ProgramProcess, options: Options, args: list[str]) -> int:
    text, command = process.input.all().decode(errors="surrogateescape"), args or ["echo"]
    words = text.split()
    size = 1 if "I" in options else int(options.get("n") or len(words) or 1)
    batches = [words[start : start + size] for start in range(0, len(words), size)]
    if "I" in options:
        place = options["I"]
        process.run_each([[part.replace(place, word) for part in command] for (word,) in batches])
    else:
        process.run_each([[*command, *batch] for batch in batches])
    return 0
