"""`docker run`: makes a container, starts it, and shows its output until it exits.

Source: docker/cli cli/command/container/{run,opts}.go.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

from swarmlab.docker_cli.containers import print_logs, pull_image, restart_policy
from swarmlab.docker_cli.flag_types import put
from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import labels
from swarmlab.docker_cli.ports import parse_ports
from swarmlab.docker_cli.session import (
    HINT,
    NOT_IN_KIT,
    ApiError,
    ApiNotFound,
    CliError,
    Json,
    Session,
    env_lines,
)
from swarmlab.model.image_reference import ImageReference
from swarmlab.strings import N_, _
from swarmlab.templates.go_text import go_quote

HERE = Path(__file__).parent
FOREVER_S = 1e8
TERMINAL = N_(
    "-it needs a terminal of its own, which this command line does not give a container: start it"
    " with `docker run -d …`, then `docker exec NAME …` runs a command in it"
)
MORE = "\n\nRun 'docker run --help' for more information"


@cache
def fields() -> dict[str, str]:
    """The table of run_fields.txt: flag -> field of the create request."""
    text = (HERE / "run_fields.txt").read_text("utf-8").replace(" H.", " HostConfig.")
    return dict(line.split() for line in text.splitlines()[2:])


def run(session: Session, arguments: Arguments) -> None:
    detach = arguments["detach"]
    if arguments["interactive"] and arguments["tty"] and not detach:
        raise CliError(_(TERMINAL))
    if others := arguments.given.keys() - fields().keys():
        raise CliError(_(NOT_IN_KIT, what=f"--{min(others)}"))
    try:
        id = _create(session, arguments)
        condition = "removed" if arguments["rm"] else "next-exit"
        wait = f"/containers/{id}/wait"
        # Both are asked for before the start: a container with --rm may be gone soon after it.
        if not detach:
            ending = session.open("POST", wait, live=True, condition=condition)
            output = _output(session, id)
        session.post(f"/containers/{id}/start")
    except ApiError as error:
        missing = "executable file not found" in str(error) or "no such file" in str(error)
        raise CliError(f"docker: {error}{MORE}", 127 if missing else 125) from None
    if detach:
        session.print(id)
    elif not _follow(session, id, output, tty=arguments["tty"]):
        name = arguments["name"] or id[:12]
        more = _("the container goes on: `docker logs -f {name}` shows more of it", name=name)
        session.warn(f"{_(HINT)} {more}")
    elif code := json.loads(ending.text)["StatusCode"]:
        raise CliError("", code)


def _create(session: Session, arguments: Arguments) -> str:
    """The id of the new container; an image that is missing is pulled."""
    image = arguments.words[0]
    body, quiet = create_body(arguments), arguments["quiet"]
    query = {"name": arguments["name"], "platform": arguments["platform"]}
    if arguments["pull"] == "always":
        pull_image(session, image, quiet=quiet, to_error=True)
    try:
        return str(session.post("/containers/create", body, **query)["Id"])
    except ApiNotFound as error:
        if "No such image" not in str(error) or arguments["pull"] == "never":
            raise
    session.warn(f"Unable to find image '{ImageReference.parse(image).familiar}' locally")
    pull_image(session, image, quiet=quiet, to_error=True)
    return str(session.post("/containers/create", body, **query)["Id"])


def _output(session: Session, id: str) -> Any:
    """The container's output, until it exits or enough has been shown."""
    until = session.clock() + (session.follow_s or FOREVER_S)
    query = {"stdout": True, "stderr": True, "follow": True, "until": f"{until:.9f}"}
    return session.open("GET", f"/containers/{id}/logs", live=True, **query)


def _follow(session: Session, id: str, output: Any, *, tty: bool) -> bool:
    """Show the output; whether the container has exited, before it was enough or interrupted."""
    try:
        print_logs(session, output, tty=tty)
        return not session.get(f"/containers/{id}/json")["State"]["Running"]
    except ApiNotFound:
        return True  # it was removed when it exited
    except KeyboardInterrupt:
        return False


def create_body(arguments: Arguments) -> Json:
    """The body of the create request."""
    given, (image, *words) = arguments.given, arguments.words
    body: Json = {"Image": image, "Cmd": words or None, "HostConfig": {}}
    for flag, path in fields().items():
        if path != "-" and given.get(flag) not in (None, False, []):
            put(body, path, given[flag])
    body["Env"] = [line for path in arguments["env-file"] for line in env_lines(path)]
    body["Env"] += arguments["env"]
    body["Labels"] = labels(arguments["label"])
    if "entrypoint" in given:
        body["Entrypoint"] = [given["entrypoint"]]
    body["Volumes"] = {volume: {} for volume in arguments["volume"] if ":" not in volume}
    host = body["HostConfig"]
    host["Binds"] = [volume for volume in arguments["volume"] if ":" in volume]
    host["Sysctls"] = labels(arguments["sysctl"])
    host["Tmpfs"] = dict(text.partition(":")[::2] for text in arguments["tmpfs"])
    host.setdefault("LogConfig", {})["Config"] = labels(arguments["log-opt"])
    host["RestartPolicy"] = restart_policy(arguments["restart"] or "")
    host["PortBindings"] = _port_bindings(arguments)
    body["ExposedPorts"] = {port: {} for port in host["PortBindings"]}
    networks = {network["Target"]: network.get("Aliases", []) for network in arguments["network"]}
    host["NetworkMode"] = next(iter(networks), "default")
    endpoints = {n: {"Aliases": a + arguments["network-alias"]} for n, a in networks.items()}
    body["NetworkingConfig"] = {"EndpointsConfig": endpoints}
    if "health-cmd" in given:
        put(body, "Healthcheck.Test", ["CMD-SHELL", given["health-cmd"]])
    if given.get("no-healthcheck"):
        body["Healthcheck"] = {"Test": ["NONE"]}
    return body


def _port_bindings(arguments: Arguments) -> dict[str, list[Json]]:
    """`--publish [[IP:]HOST:]PORT[/PROTOCOL]`"""
    bindings: dict[str, list[Json]] = {}
    for text in arguments["publish"]:
        *ip, host_port, port = ["", *text.rsplit(":", 2)][-3:] if ":" in text else ["", "", text]
        try:
            entries = parse_ports(f"{host_port}:{port}" if host_port else port)
        except ValueError as error:
            fault = (
                f"invalid argument {go_quote(text)} for {go_quote('-p, --publish')} flag: {error}"
            )
            raise CliError(f"docker: {fault}{MORE}", 125) from None
        for entry in entries:
            number = str(entry.get("PublishedPort") or "")
            row = {"HostIp": "".join(ip).strip("[]"), "HostPort": number}
            bindings.setdefault(f"{entry['TargetPort']}/{entry['Protocol']}", []).append(row)
    return bindings
