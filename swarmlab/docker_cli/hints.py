"""Hints below an error, or below a success that is probably a mistake."""

import re
from collections.abc import Callable

from swarmlab.strings import N_, _

# Pattern of the command line; pattern of its error, empty on success; the hint, filled with the
# groups of both patterns. The first match is shown.
HINTS: tuple[tuple[str, str, str], ...] = (
    (
        r"spread=(node|engine)\.label\.(\S+)",
        r"^$",
        N_("accepted, but nothing reads {0}.label.{1}: did you mean {0}.labels.{1}?"),
    ),
    (r"(?:==|!=| |=)(node|engine)\.label\.(\w+)", r"", N_("did you mean {0}.labels.{1}?")),
    (
        r"--constraint-rm[= ](?!node\.|engine\.)(\S+)",
        r"^$",
        N_(
            "only a constraint that the service has is removed: is {0} one? (`docker service"
            " inspect --pretty` shows them)"
        ),
    ),
    (
        r"service create",
        r"unknown flag: --(\S+)-(add|rm)",
        N_("--{0}-{1} belongs to `docker service update`; `docker service create` takes --{0}"),
    ),
    (
        r"service update",
        r"unknown flag: --(secret|config|env|label|mount|network|publish|constraint|placement-pref"
        r"|container-label|dns|group|host|sysctl|ulimit)\b",
        N_("`docker service update` changes what is there: --{0}-add and --{0}-rm"),
    ),
    (
        r"service update(?=.*--rollback )",
        r'invalid argument "--([\w-]+)" for "--([\w-]+)" flag',
        N_(
            "--{1} takes a value, and cannot stand beside --rollback: set it in an earlier update"
            " (`docker service update --{1} … NAME`), later go back with"
            " `docker service rollback NAME`"
        ),
    ),
    (
        r"",
        r'invalid argument "--[\w-]+" for "--([\w-]+)" flag',
        N_("--{0} takes a value: what follows it was taken for that value"),
    ),
    (
        r"service update",
        r"other flags may not be combined with --rollback",
        N_(
            "set --rollback-parallelism and the like in an earlier update (or at create); later go"
            " back with `docker service rollback`, which uses the settings of the version it goes"
            " back to"
        ),
    ),
    (
        r"node (?:update|inspect|promote|demote|rm|ps)",
        r"node (\S+) not found",
        N_(
            "{0} has to be a node here (`docker node ls` shows them); a service is changed with"
            " `docker service update`"
        ),
    ),
    (
        r"(secret|config) create",
        r"must be larger than 0 and less than (\d+) bytes",
        N_("{1} bytes are too much already; one byte less is the most"),
    ),
    (
        r"",
        r"pull access denied|manifest unknown",
        N_(
            "a simulation holds the best-known images; `swarmlab.simulate(any_image=True)` and"
            " `swarmlab serve --any-image` let every name be pulled"
        ),
    ),
    (
        r"",
        r"already exists|already in use by",
        N_("that's taken, perhaps since the same lines ran before: go on, or remove what has it"),
    ),
    (r"/run/secret/(\S*)", r"", N_("the folder is /run/secrets (plural): /run/secrets/{0}")),
    (
        r"(--[\w-]+) (true|false)\b",
        r"accepts no arguments|requires",
        N_("a switch takes its value with an equals sign: {0}={1}"),
    ),
    (
        r"",
        r"Worker nodes can't",
        N_("managers answer this: `-H NODE` in front of the command asks another node"),
    ),
)


def hint_for(words: list[str], fault: str, read_stdin: Callable[[], bytes]) -> str:
    """One line for a command line and its error (empty on success); empty without a hint."""
    line = " ".join(words)
    for command_pattern, error_pattern, hint in HINTS:
        command, error = re.search(command_pattern, line), re.search(error_pattern, fault)
        if command and error:
            return _(hint).format(*command.groups(), *error.groups())
    from_stdin = not fault and re.search(r"(secret|config) create.* -$", line)
    if from_stdin and read_stdin().endswith(b"\n"):
        size = len(read_stdin())
        return _("the newline that echo adds is stored too ({n} bytes); `printf` adds none", n=size)
    return ""
