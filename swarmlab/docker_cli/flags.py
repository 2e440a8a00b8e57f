"""Parses command lines by the commands and flags of the stock command line's own help.

Click splits the arguments; the error texts are those of docker (cobra and pflag).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import click

from swarmlab.docker_cli.flag_types import BY_KIND, BY_NAME, MULTIPLE
from swarmlab.docker_cli.session import NOT_IN_KIT, CliError
from swarmlab.strings import _
from swarmlab.templates.go_text import go_quote

FLAG = re.compile(r" {2}(?:-(\w), | {4})--([\w-]+)(?: ([\w-]+))?(?: {2,}|$)(.*)")
# The only words that are taken, as the help has them: ("active", "pause"), (vip or dnsrr), (a|b).
WORDS = re.compile(r'\(("[\w-]+"(?:,\s+"[\w-]+")+|\w+(?: or |\|)\w+)\)')
# Commands -> the keys of their `--filter`, which no help tells.
FILTER_KEYS = {
    "node ls": "id label membership name node.label role",
    "service ls": "id label mode name runtime",
    "stack services": "id label mode name",
    **dict.fromkeys(("node ps", "service ps", "stack ps"), "desired-state id label name node"),
    **dict.fromkeys(("secret ls", "config ls"), "id label name"),
    "network ls": "dangling driver id label name scope type",
    "volume ls": "dangling driver label name",
    "ps": "ancestor before exited expose health id is-task isolation label name network publish "
    "since status volume",
    "images": "dangling label reference",
    "events": "config container event image label network node scope secret service type volume",
    "volume prune": "all label label!",
    "system prune": "label label! until",
    **dict.fromkeys(("network prune", "container prune", "image prune"), "label label! until"),
}
# After the first argument of these, all words belong to the container.
STOPS_AT_ARGUMENT = {"service create", "exec", "run", "top"}
# docker 28.2.2 lets these have more arguments than their usage line says.
# Source: docker/cli cli/command/image/import.go, `RequiresMinArgs`.
TAKES_ANY_NUMBER = {"import"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    name: str
    shorthand: str = ""
    kind: str = "bool"
    words: tuple[str, ...] = ()  # the only ones it takes; empty: any

    @property
    def multiple(self) -> bool:
        return self.kind in MULTIPLE

    def value(self, text: str) -> Any:
        """`text` as the API takes it; CliError where it is not valid."""
        name = self.name.removesuffix("-add")
        try:
            return BY_NAME.get(name, BY_KIND.get(self.kind, str))(text)
        except (ValueError, CliError) as error:
            shown = f"-{self.shorthand}, --{self.name}" if self.shorthand else f"--{self.name}"
            fault = f"invalid argument {go_quote(text)} for {go_quote(shown)} flag: {error}"
            raise CliError(fault, 125) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of docker; `path` is empty for docker itself."""

    path: str
    usage: str  # without "docker "
    help: str
    flags: Mapping[str, Flag]

    @property
    def is_group(self) -> bool:
        return self.usage.endswith("COMMAND")

    def limits(self) -> tuple[int, float]:
        """How many arguments it takes, from its usage line: least and most."""
        usage = self.usage.removeprefix(self.path).replace("[ps OPTIONS]", "[ps...]")
        words = usage.replace("[OPTIONS]", "").split()
        least = sum(not word.startswith("[") for word in words)
        open_ended = words[-1:] and words[-1].endswith("...]")
        unlimited = open_ended or self.path in TAKES_ANY_NUMBER
        return least, float("inf") if unlimited else len(words)

    def error(self, text: str, code: int = 1, verb: str = "Run") -> CliError:
        """An error of `text` with the usage line below it."""
        name = f"docker {self.path}".strip()
        help_line = f"{verb} '{name} --help' for more information"
        extra = "" if self.path else " [ARG...]"
        return CliError(f"{text}\n\nUsage:  docker {self.usage}{extra}\n\n{help_line}", code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """A parsed command line: the flags that were given, and the rest."""

    command: Command
    given: dict[str, Any] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def __getitem__(self, name: str) -> Any:
        """The value of a flag; without one False for a switch, [] for a list, else None."""
        flag = self.command.flags[name]
        empty: Any = [] if flag.multiple else False if flag.kind == "bool" else None
        return self.given.get(name, empty)

    @property
    def kind(self) -> str:
        """The kind of object that the command is about: `node` of `node ls`."""
        return self.command.path.partition(" ")[0]

    def filters(self) -> dict[str, list[str]]:
        """The values of `--filter` by name."""
        values: dict[str, list[str]] = {}
        for name, value in self["filter"]:
            values.setdefault(name, []).append(value)
        return values


@cache
def commands() -> dict[str, Command]:
    """Every command of stock_help.txt by its path (`service create`), and by its aliases."""
    text = Path(__file__).with_name("stock_help.txt").read_text("utf-8")
    text = text.replace("{config}", go_quote(str(Path.home() / ".docker")))
    table: dict[str, Command] = {}
    for section in re.split(r"^Usage: {2}docker ", text, flags=re.MULTILINE)[1:]:
        usage = section.partition("\n")[0]
        path = re.match(r"(?:[a-z-]+(?: |$))*", usage)[0].strip()  # type: ignore[index]  # matches the empty text too
        flags = {f.name: f for f in _flags(section)}
        command = Command(path=path, usage=usage, help=f"Usage:  docker {section}", flags=flags)
        aliases = re.search(r"^Aliases:\n {2}(.+)", section, re.MULTILINE)
        names = aliases[1].split(", ") if aliases else []
        table |= {path: command} | {name.removeprefix("docker "): command for name in names}
    return table


def _flags(section: str) -> Iterator[Flag]:
    yield Flag(name="help", shorthand="h")
    for line in re.sub(r"\n {10,}", "  ", section).splitlines():
        if match := FLAG.match(line):
            short, name, kind, text = match.groups()
            yield Flag(
                name=name, shorthand=short or "", kind=kind or "bool", words=only_words(text)
            )


def only_words(text: str) -> tuple[str, ...]:
    """The words that stand in a usage line, or a flag's help, as the only ones to choose from.

    >>> only_words('Role of the node ("worker", "manager") (default "worker")')
    ('worker', 'manager')
    """
    match = WORDS.search(text)
    return tuple(re.findall(r"\b(?!or\b)[\w-]+", match[1])) if match else ()


def find(words: list[str]) -> tuple[Command, list[str]]:
    """The command that `words` begin with, and the remaining words."""
    table = commands()
    for length in (2, 1):
        path = " ".join(words[:length])
        if len(words) >= length and path in table:
            command, rest = table[path], words[length:]
            if command.is_group and rest and not rest[0].startswith("-"):
                _refuse_left_out(command, f"{path} {rest[0]}")
                unknown = f"docker: unknown command: docker {path} {rest[0]}"
                usage = command.usage.removesuffix(" COMMAND")
                usage += " [OPTIONS]" * (path == "stack")  # it has a flag that its help hides
                more = f"Run 'docker {path} --help' for more information"
                raise CliError(f"{unknown}\n\nUsage:  docker {usage}\n\n{more}")
            return command, rest
    if not words or words[0].startswith("-"):
        return table[""], words
    _refuse_left_out(table[""], words[0])
    more = "Run 'docker --help' for more information"
    raise CliError(f"docker: unknown command: docker {words[0]}\n\n{more}")


def _refuse_left_out(group: Command, path: str) -> None:
    """CliError for a command that the group's help lists, and that is not here."""
    if re.search(rf"^  {re.escape(path.split()[-1])} ", group.help, re.MULTILINE):
        raise CliError(_(NOT_IN_KIT, what=f"docker {path}"))


def parse(command: Command, words: list[str]) -> Arguments:
    """`words` split into flags and arguments and checked; CliError in docker's words."""
    switches = {flag.name for flag in command.flags.values() if flag.kind == "bool"}
    end = words.index("--") if "--" in words else len(words)
    # Click's switches take no value; docker's do (`--autolock=false`): a second name takes it.
    spelled = [
        re.sub(r"^--([\w-]+)(?==)", lambda name: name[0] + ":" * (name[1] in switches), word)
        for word in words[:end]
    ] + words[end:]
    context = click.Context(
        click.Command("docker"), allow_interspersed_args=command.path not in STOPS_AT_ARGUMENT
    )
    options: list[click.Parameter] = [
        option for flag in command.flags.values() for option in _options(flag)
    ]
    try:
        parsed, rest, order = (
            click.Command("docker", params=options, add_help_option=False)
            .make_parser(context)
            .parse_args(spelled)
        )
    except click.NoSuchOption as error:
        raise command.error(_unknown(error.option_name, words), 125) from None
    except click.BadOptionUsage as error:
        name = error.option_name
        shown = name if name.startswith("--") else f"'{name[1]}' in {name}"
        raise command.error(f"flag needs an argument: {shown}", 125) from None
    return Arguments(command=command, given=_given(command, parsed, order), words=rest)


def _options(flag: Flag) -> Iterator[click.Option]:
    names = [f"--{flag.name}", *([f"-{flag.shorthand}"] if flag.shorthand else [])]
    if flag.kind == "bool":
        yield click.Option([flag.name.replace("-", "_"), *names], flag_value="true", multiple=True)
        names = [f"--{flag.name}:"]
    yield click.Option([flag.name.replace("-", "_"), *names], multiple=True)


def _given(
    command: Command, parsed: Mapping[str, Any], order: list[click.Parameter]
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    texts = {name: iter(values) for name, values in parsed.items() if values}
    for option in order:
        name = str(option.name)
        flag = command.flags[name.replace("_", "-")]
        try:
            value = flag.value(next(texts[name]))
        except CliError as error:
            raise command.error(str(error), error.code) from None
        if flag.multiple:
            given.setdefault(flag.name, []).extend(value if isinstance(value, list) else [value])
        else:
            given[flag.name] = value
    return given


def _unknown(name: str, words: list[str]) -> str:
    if name.startswith("--"):
        return f"unknown flag: {name}"
    letter = name[1]
    group = next(w for w in words if re.match(r"-[^-]", w) and letter in w)
    return f"unknown shorthand flag: '{letter}' in -{group[group.index(letter) :]}"


def check_count(arguments: Arguments) -> None:
    """CliError in docker's words for too few or too many arguments."""
    command, count = arguments.command, len(arguments.words)
    least, most = command.limits()
    if least <= count <= most:
        return
    if most == 0:
        rule = "accepts no arguments"
    else:
        number = least if count < least else most
        plural = "" if number == 1 else "s"
        if least == most:
            rule = f"requires {least} argument{plural}"
        elif least == 0:
            rule = f"requires at most {most} argument{plural}"
        elif most == float("inf"):
            rule = f"requires at least {least} argument{plural}"
        else:
            rule = f"requires at least {least} and at most {most} arguments"
    # "SRun" is what docker 28.2.2 prints where there is only an upper limit.
    verb = "See" if most == float("inf") else "SRun" if (least, most) == (0, 1) else "Run"
    raise command.error(f"docker: 'docker {command.path}' {rule}", verb=verb)
