"""The catalogues of messages: `python -m tests.catalogue COMMAND`.

update             bring every swarmlab/locale/*/LC_MESSAGES/swarmlab.po up to date: new
                   messages without a translation, those that nothing uses any more removed
compile            only write the .mo beside each, which `update` does too; the wheel has them
faults [FILE…]     what is wrong with them (or in these files of translators): missing, fuzzy,
                   stale, or a placeholder that differs
split FOLDER [N]   what is to be translated, N messages (250) a file: chunk_01.po, …
merge FILE…        take the translations of such files over
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from swarmlab.cli.command_line import swarmlab

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "swarmlab"
LOCALE = PACKAGE / "locale"
LANGUAGE = "pt_BR"  # the one that is maintained here
HEADER = "# The messages of swarmlab; made by `python -m tests.catalogue update`."
KEYWORDS = ("_", "N_", "LabError", "NoneSuch")
# File of ours -> the keys whose values people read; "*": the keys of its first level are texts.
YAML_TEXTS: dict[str, set[str]] = {
    "lessons/course.yml": {"*"},
    "lessons/questions.yml": {"question", "choices", "answer", "why"},
    "lessons/exercises/*.yml": {
        *("title", "task", "text", "next", "hints", "why", "feedback", "shows"),
    },
    "views/eras.yml": {"when", "name", "about", "picture"},
    "views/stacks.yml": {"title", "reasons", "on a program", "one kernel", "wrong kernel"},
    # Who says so stands beside each figure.
    "views/density.yml": {"title", "kernel_mib", "overhead_mib", "disk_mib", "start_s"},
    "compare/scenarios.yml": {"about"},
    "cli/bench.yml": {"work", "unit", "others"},
    "classroom/texts.yml": {
        *("class code", "first login", "agree", "no hub", "no place", "class here"),
        *("processes", "open"),
    },
    # Made for developers, or no texts.
    "classroom/stack.yml": set(),
    "cluster/saved_run.yml": set(),
    "docker_cli/compose_keys.yml": set(),
}
# What click itself says, where `swarmlab` uses it; it looks in our catalogue.
CLICKS = (
    "Usage:",
    "Options",
    "Commands",
    "Show this message and exit.",
    "default: {default}",
    "required",
    "Error: {message}",
    "Aborted!",
    "Try '{command} {option}' for help.",
    "Missing command.",
    "No such command {name!r}.",
    "Missing argument",
    "Missing option",
    "Invalid value: {message}",
    "Invalid value for {param_hint}: {message}",
    "{value!r} is not a valid {number_type}.",
    "Got unexpected extra argument ({args})",
)
MANY_CLICKS = (
    ("No such option: {name}", "No such option: {name}"),
    ("Did you mean {possibility}?", "(Possible options: {possibilities})"),
)
FACT = re.compile(r"(?m)^    (?:note|took|says) ([^:\n]+): ")  # its name, in a scenario's step
Found = str | tuple[str, str]


# -- what is in the code ---------------------------------------------------------------------------
def python_messages(text: str) -> Iterator[Found]:
    """The texts of calls to `KEYWORDS`, in their order; Babel skips those inside f-strings."""
    calls = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in KEYWORDS
    ]
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        texts = [arg.value for arg in call.args[:2] if isinstance(arg, ast.Constant)]
        if len(texts) == 2 and getattr(call.func, "id", "") == "_":
            yield texts[0], texts[1]
        elif call.args and isinstance(call.args[0], ast.Constant):
            yield texts[0]


def yaml_messages(data: Any, keys: Iterable[str], *, shown: bool = False) -> Iterator[str]:
    """Texts below one of `keys`; those of `choices` are texts too."""
    if isinstance(data, dict):
        for key, value in data.items():
            if shown and isinstance(key, str) and "choices" in keys:
                yield key
            yield from yaml_messages(value, keys, shown=shown or key in keys)
    elif isinstance(data, list):
        for value in data:
            yield from yaml_messages(value, keys, shown=shown)
    elif shown and isinstance(data, str) and data:
        yield data


def messages_of(path: Path) -> Iterator[Found]:
    """The messages of one file of the package."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        yield from python_messages(text)
        return
    if path.suffix == ".html":
        yield from re.findall(r'_\("(.+?)"\)', text)
        return
    [keys] = [own for name, own in YAML_TEXTS.items() if path.relative_to(PACKAGE).match(name)]
    data = yaml.safe_load(text)
    yield from data if "*" in keys else yaml_messages(data, keys)
    yield from FACT.findall(text)


def help_texts(command: click.Command) -> Iterator[str]:
    """What `swarmlab … --help` shows of a command and of those below it."""
    options = [one for one in command.params if isinstance(one, click.Option)]
    texts = [inspect.cleandoc(text) for text in (command.help, *(o.help for o in options)) if text]
    yield from [*texts, *filter(None, [command.epilog])]
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from help_texts(below)


def template() -> Catalog:
    """Every message of the package in the order of its files, with the files it occurs in."""
    catalogue = Catalog(fuzzy=False)
    paths = sorted(file for kind in ("py", "yml", "html") for file in PACKAGE.rglob(f"*.{kind}"))
    found = [(str(path.relative_to(ROOT)), one) for path in paths for one in messages_of(path)]
    found += [("swarmlab--help", one) for one in help_texts(swarmlab)]
    found += [("click", one) for one in (*CLICKS, *MANY_CLICKS)]
    for file, one in found:
        catalogue.add(one, locations=[(file, 1)])
        message = catalogue[one if isinstance(one, str) else one[0]]
        assert message is not None
        message.flags.discard("python-format")  # `%docker`; we fill in {names}
    return catalogue


# -- the catalogues --------------------------------------------------------------------------------
def files() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/swarmlab.po"))


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def write(path: Path, catalogue: Catalog) -> None:
    catalogue.header_comment, catalogue.fuzzy = HEADER, False
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=100, include_lineno=False, ignore_obsolete=True)
    # Without its dates, so that only a change of messages changes the file.
    kept = [line for line in path.read_text("utf-8").split("\n") if not DATED.match(line)]
    path.write_text("\n".join(kept), encoding="utf-8")


DATED = re.compile(r'"(POT?-\w+-Date|Project-Id|Report-Msgid|Last-Trans|Generated|Language-Team)')


def compiled(path: Path) -> Path:
    """Write the catalogue that gettext reads beside this one."""
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, read(path))
    return path.with_suffix(".mo")


def updated(old: Catalog) -> Catalog:
    """The template's messages with the translations that the old catalogue has."""
    new = Catalog(locale=old.locale, fuzzy=False)
    new.mime_headers = [*old.mime_headers]  # how many forms a plural has
    for message in template():
        if message.id:
            new.add(message.id, locations=message.locations, flags=message.flags)
            take_over(new, old.get(key(message)))
    return new


def take_over(catalogue: Catalog, message: Message | None) -> bool:
    """Whether the catalogue knows this message, whose translation, if any, it takes."""
    known = catalogue.get(key(message)) if message else None
    if message is None or known is None or known.id != message.id:
        return False
    if complete(message):
        known.string, known.user_comments = message.string, message.user_comments
        known.flags |= message.flags & {"fuzzy"}
    return True


def key(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def pairs(message: Message) -> list[tuple[str, str]]:
    """English and translated texts; of a plural, each form beside the English one."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    one, many = message.id
    first, *others = message.string or ("",)
    return [(one, first), *((many, other) for other in others)]


def complete(message: Message) -> bool:
    return all(text for _english, text in pairs(message))


# -- what can be wrong -----------------------------------------------------------------------------
PARTS: dict[str, Callable[[str], Counter[str]]] = {
    "placeholders": lambda text: Counter(re.findall(r"\{[^{}]*\}|%[sd]", text)),
    "HTML tags": lambda text: Counter(re.findall(r"</?[a-z]+\b[^<>]*>", text)),
    "commands in backticks": lambda text: Counter(re.findall(r"`[^`]*`", text)),
    "asterisks": lambda text: Counter(re.findall(r"\*+", text)),
    "spaces at the ends": lambda text: Counter(re.findall(r"^ | $", text)),
}


def differences(message: Message) -> Iterator[str]:
    """What a translation has lost or added of what is no word."""
    for english, text in pairs(message):
        for what, parts in PARTS.items():
            if text and parts(english) != parts(text):
                yield f"{what} differ: {english!r}: {text!r}"


def faults(catalogue: Catalog, wanted: Catalog, *, missing: bool = True) -> Iterator[str]:
    """What is wrong with a catalogue, a line each; `missing`: untranslated messages, too."""
    for message in wanted:
        own = catalogue.get(key(message)) if message.id else message
        if own is None or own.id != message.id or (missing and own.id and not complete(own)):
            yield f"missing: {key(message)!r}"
    for message in catalogue:
        if message.id and wanted.get(key(message)) is None:
            yield f"stale: {key(message)!r}"
        if message.id and message.fuzzy:
            yield f"fuzzy: {key(message)!r}"
        if message.id:
            yield from differences(message)


# -- for translators -------------------------------------------------------------------------------
def split(folder: Path, size: int) -> list[Path]:
    """Files with so many messages each of what is not translated yet."""
    folder.mkdir(parents=True, exist_ok=True)
    path = LOCALE / LANGUAGE / "LC_MESSAGES" / "swarmlab.po"
    todo = [message for message in read(path) if message.id and not complete(message)]
    written = []
    for number, start in enumerate(range(0, len(todo), size), 1):
        chunk = Catalog(locale=LANGUAGE, fuzzy=False)
        for message in todo[start : start + size]:
            chunk.add(message.id, locations=message.locations, flags=message.flags)
        written.append(folder / f"chunk_{number:02}.po")
        write(written[-1], chunk)
    return written


def merge(paths: Iterable[Path]) -> Iterator[str]:
    """Take over what is translated in these files; yields what is wrong with them."""
    path = LOCALE / LANGUAGE / "LC_MESSAGES" / "swarmlab.po"
    catalogue = read(path)
    for chunk in paths:
        for message in read(chunk):
            found = [*differences(message)] if message.id else []
            if message.id and not found and not take_over(catalogue, message):
                found = [f"no message of ours: {key(message)!r}"]
            yield from (f"{chunk.name}: {fault}" for fault in found)
    write(path, catalogue)


# -- a language that nobody speaks -----------------------------------------------------------------
KEPT = re.compile(r"(\{[^{}]*\}|<[^<>]*>|`[^`]*`|%[sd])")
ACCENTED = str.maketrans("aeiouAEIOUcn", "áêíõüÁÊÍÕÜçñ")


def stretched(text: str) -> str:
    """Accented, and 30 % longer: as a language may be whose words nobody has tried here."""

    def longer(word: re.Match[str]) -> str:
        more = round(0.3 * len(word[0]) + 0.4)
        return word[0].translate(ACCENTED) + "ïõřşũī"[:more]

    return "".join(
        part if KEPT.fullmatch(part) else re.sub(r"[^\W\d_]{2,}", longer, part)
        for part in KEPT.split(text)
    )


def invented(folder: Path, name: str, words: Callable[[str], str] = stretched) -> None:
    """Write the compiled catalogue of a language, whose texts are made of the English ones."""
    made = Catalog(locale=name, fuzzy=False)
    for message in template():
        if message.id:
            texts = [message.id] if isinstance(message.id, str) else message.id
            spoken = tuple(map(words, texts))
            made.add(message.id, spoken if message.pluralizable else spoken[0])
    file = folder / name / "LC_MESSAGES" / "swarmlab.mo"
    file.parent.mkdir(parents=True)
    with file.open("wb") as opened:
        write_mo(opened, made)


def main(command: str, *words: str) -> int:
    match command:
        case "update":
            for path in files() or [LOCALE / LANGUAGE / "LC_MESSAGES" / "swarmlab.po"]:
                old = read(path) if path.exists() else Catalog(locale=path.parts[-3])
                write(path, updated(old))
                compiled(path)
        case "compile":
            print(*map(compiled, files()), sep="\n")
        case "faults":
            found = [fault for path in files() for fault in faults(read(path), template())]
            if words:  # files of translators, which have a part of the messages
                found = [fault for path in map(Path, words) for fault in faults(*[read(path)] * 2)]
            print(*found, f"{len(found)} faults", sep="\n")
            return int(bool(found))
        case "split":
            print(*split(Path(words[0]), int((words[1:] or ["250"])[0])), sep="\n")
        case "merge":
            print(*merge(map(Path, words)), sep="\n")
            for path in files():
                compiled(path)
        case _:
            print(__doc__)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or [""]))
