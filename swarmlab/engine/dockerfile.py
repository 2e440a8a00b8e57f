"""The instructions of a Dockerfile that `docker import --change` takes.

Source: moby daemon/builder/dockerfile/dispatchers.go.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from swarmlab.engine.create_checks import check_health
from swarmlab.errors import BadParameter
from swarmlab.model import Document, freeze
from swarmlab.units import parse_duration


def image_config(changes: Sequence[str]) -> Document:
    """The configuration of an image that is made by these instructions."""
    config: dict[str, Any] = {}
    for change in changes:
        try:
            apply_change(config, change)
        except ValueError as error:  # a quote that is not closed
            raise BadParameter(f"{change}: {error}") from None
    check_health(config.get("Healthcheck", {}))
    return Document(freeze(config))


def apply_change(config: dict[str, Any], change: str) -> None:
    """Apply one `--change` of `docker import` to the image's config."""
    word, _, rest = change.strip().partition(" ")
    rest = rest.strip()
    match word.upper():
        case "CMD" | "ENTRYPOINT":
            config[word.capitalize()] = exec_form(rest, ["/bin/sh", "-c", rest])
        case "ENV":
            config["Env"] = [*config.get("Env", []), *map("=".join, pairs(rest))]
        case "LABEL":
            config["Labels"] = {**config.get("Labels", {}), **dict(pairs(rest))}
        case "EXPOSE":
            ports: dict[str, Any] = {p if "/" in p else f"{p}/tcp": {} for p in rest.split()}
            config["ExposedPorts"] = {**config.get("ExposedPorts", {}), **ports}
        case "USER":
            config["User"] = rest
        case "WORKDIR":
            config["WorkingDir"] = rest
        case "STOPSIGNAL":
            config["StopSignal"] = rest
        case "HEALTHCHECK":
            config["Healthcheck"] = healthcheck(rest)
        case "VOLUME":
            volumes: dict[str, Any] = {folder: {} for folder in rest.split()}
            config["Volumes"] = {**config.get("Volumes", {}), **volumes}
        case "ONBUILD":
            pass  # there is no builder
        case _:
            raise BadParameter(f"{word} is not a valid change command")


def exec_form(text: str, otherwise: list[str]) -> list[str]:
    """The words of a JSON array; `otherwise` for anything else."""
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return otherwise
    every = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if every else otherwise


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """`A=1 B="two words"`, or the old form `A the rest`."""
    new = "=" in text.split(" ", 1)[0]
    for word in shlex.split(text) if new else [text]:
        name, _, value = word.partition("=" if new else " ")
        yield name, value


def healthcheck(text: str) -> dict[str, Any]:
    """`--interval=5s --retries=2 CMD …` or `NONE`."""
    options: dict[str, Any] = {}
    while option := re.match(r"--([a-z-]+)=(\S+)\s+", text):
        name = option[1].title().replace("-", "")
        try:
            options[name] = (int if name == "Retries" else parse_duration)(option[2])
        except ValueError as error:
            raise BadParameter(str(error)) from None
        text = text[option.end() :]
    kind, _, command = text.partition(" ")
    shell = ["CMD-SHELL", command.strip()]
    test = ["CMD", *words] if (words := exec_form(command, [])) else shell
    return {**options, "Test": ["NONE"] if kind.upper() == "NONE" else test}
