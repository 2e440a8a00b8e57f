"""Containers and images of one node: `docker ps`, `exec`, `logs`, `images`, `pull` and others."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import docker

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, listings, write_list
from swarmlab.docker_cli.node import name_finder
from swarmlab.docker_cli.session import (
    ApiError,
    ApiNotFound,
    CliError,
    Json,
    Session,
    frames,
    read_file,
)
from swarmlab.docker_cli.text import ellipsis, short_id
from swarmlab.errors import BadParameter
from swarmlab.model.image_reference import ImageReference
from swarmlab.templates.go_text import go_quote
from swarmlab.units import S, decimal_size, parse_duration


def ps(session: Session, arguments: Arguments) -> None:
    limit = 1 if arguments["latest"] else arguments["last"] or -1
    containers = session.get(
        "/containers/json",
        all=arguments["all"] or limit > 0,
        limit=limit if limit > 0 else None,
        size=arguments["size"] or ".Size" in (arguments["format"] or ""),
        filters=arguments.filters(),
    )
    columns = listings()["ps"].template + "\t{{.Size}}" if arguments["size"] else ""
    rows = [_row(container, no_trunc=arguments["no-trunc"]) for container in containers or []]
    write_list(session, arguments, "ps", rows, columns=columns)


def _row(container: Json, *, no_trunc: bool) -> Json:
    """`container` with the values of columns that no template expression gives."""
    names = [name.removeprefix("/") for name in container.get("Names") or []]
    mounts = container.get("Mounts") or []
    volumes = [mount.get("Name") or mount.get("Source", "") for mount in mounts]
    written, total = decimal_size(container.get("SizeRw", 0)), container.get("SizeRootFs", 0)
    image = container["Image"]
    unnamed = short_id(container.get("ImageID", "")) == short_id(image)
    return container | {
        "Image": short_id(image) if unnamed and not no_trunc else image or "<no image>",
        "names": ",".join(names if no_trunc else [n for n in names if "/" not in n][:1] or names),
        "size": f"{written} (virtual {decimal_size(total)})" if total else written,
        "mounts": ",".join(name if no_trunc else ellipsis(name, 15) for name in volumes),
        "volumes": str(sum(mount.get("Driver") == "local" for mount in mounts)),
        "networks": ",".join(dig(container, "NetworkSettings.Networks", {})),
    }


def images(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters() | ({"reference": arguments.words} if arguments.words else {})
    images = session.get("/images/json", all=arguments["all"], filters=filters) or []
    columns = ""
    if digests := arguments["digests"]:
        columns = listings()["images"].template.replace("{{.Tag}}", "{{.Tag}}\t{{.Digest}}")
    digests = digests or "{{.Digest}}" in (arguments["format"] or "")
    rows = [row for image in images for row in _tags(image, digests=digests)]
    write_list(session, arguments, "images", rows, columns=columns)


def _tags(image: Json, *, digests: bool) -> Iterator[Json]:
    """A row for each tag of the image."""
    by_name = dict(text.rpartition("@")[::2] for text in image.get("RepoDigests") or [])
    tagged = [(*text.rpartition(":")[::2], "<none>") for text in image.get("RepoTags") or []]
    tagged = tagged or [(name, "<none>", "") for name in by_name]
    for name, tag, digest in tagged or [("<none>", "<none>", "<none>")]:
        row = {"repository": name, "tag": tag, "unique": image.get("SharedSize", -1)}
        yield image | row | {"digest": by_name.get(name, "<none>") if digests else digest}


def pull(session: Session, arguments: Arguments) -> None:
    all_tags, platform = arguments["all-tags"], arguments["platform"]
    name = pull_image(
        session, arguments.words[0], all_tags=all_tags, quiet=arguments["quiet"], platform=platform
    )
    session.print(name)


def pull_image(
    session: Session,
    image: str,
    *,
    quiet: bool,
    all_tags: bool = False,
    platform: str | None = None,
    to_error: bool = False,
) -> str:
    """Pull an image and show the progress, on stderr if `to_error`; its full name."""
    name, at, _ = image.partition("@")
    show = session.warn if to_error else session.print
    try:
        reference = ImageReference.parse(image)
    except BadParameter as error:
        raise CliError(str(error)) from None
    repository = f"{reference.domain}/{reference.path}"
    untagged = not at and ":" not in name.rpartition("/")[2]
    if untagged and not (all_tags or quiet or to_error):
        show("Using default tag: latest")
    tag = "" if untagged and all_tags else reference.digest or reference.tag
    query = {"fromImage": repository, "tag": tag, "platform": platform}
    for line in session.open("POST", "/images/create", live=True, **query).iter_lines():
        message = json.loads(line)
        if "error" in message:
            kind = ApiError if to_error else CliError
            raise kind(
                f"Error response from daemon: {message['error']}" if to_error else message["error"]
            )
        if not quiet and not message.get("progressDetail"):
            prefix = f"{message['id']}: " if "id" in message else ""
            show(prefix + message["status"])
    return f"{repository}{at or ':'}{tag}" if tag else repository


def change_each(session: Session, arguments: Arguments) -> None:
    """`docker kill`, `pause`, `restart`, `start`, `stop` and `unpause`."""
    given, action = arguments.given, arguments.command.path
    seconds = given.get("timeout")
    query = {"signal": given.get("signal"), "t": None if seconds is None else str(seconds)}
    path = f"/containers/{{}}/{action}"
    session.end(session.send_each(arguments.words, "POST", path, **query))


def rename(session: Session, arguments: Arguments) -> None:
    name, new_name = arguments.words
    try:
        session.post(f"/containers/{name}/rename", name=new_name)
    except CliError as error:
        raise CliError(f"{error}\nError: failed to rename container named {name}") from None


def restart_policy(text: str) -> Json:
    """`on-failure:3` as the API takes it."""
    name, _, count = text.partition(":")
    if count and not count.isdecimal():
        fault = "maximum retry count must be an integer"
        raise CliError(f"docker: invalid restart policy format: {fault}", 125)
    return {"Name": name, "MaximumRetryCount": int(count or 0)}


def update(session: Session, arguments: Arguments) -> None:
    given, fields = arguments.given, {"cpus": "NanoCpus", "pids-limit": "PidsLimit"}
    fields |= {flag: flag.title().replace("-", "") for flag in given if flag not in fields}
    body: Json = {field: given[flag] for flag, field in fields.items() if flag in given}
    if policy := body.pop("Restart", ""):
        body["RestartPolicy"] = restart_policy(policy)

    def send(reference: str) -> None:
        session.warn(*(session.post(f"/containers/{reference}/update", body)["Warnings"] or ()))
        session.print(reference)

    session.end(session.each(arguments.words, send))


def wait(session: Session, arguments: Arguments) -> None:
    def send(reference: str) -> None:
        response = session.open("POST", f"/containers/{reference}/wait", live=True)
        session.print(str(json.loads(response.text)["StatusCode"]))

    session.end(session.each(arguments.words, send))


# -- images --------------------------------------------------------------------------------------
def image_import(session: Session, arguments: Arguments) -> None:
    source, *target = arguments.words
    changes, (name, _, tag) = arguments["change"], ([*target, ""][0]).partition(":")
    try:
        if re.match("https?://", source):
            text = session.client.import_image_from_url(source, name, tag, changes)
        else:
            data = session.stdin if source == "-" else read_file(source)
            text = session.client.import_image_from_data(data, name, tag, changes)
    except docker.errors.APIError as error:
        raise CliError(f"Error response from daemon: {error.explanation}") from None
    session.print(json.loads(text)["status"])


def tag(session: Session, arguments: Arguments) -> None:
    source, target = arguments.words
    try:
        reference = ImageReference.parse(target)
    except BadParameter as error:
        raise CliError(
            f'Error parsing reference: "{target}" is not a valid repository/tag: {error}'
        ) from None
    repository = reference.familiar.rpartition(":")[0]
    session.post(f"/images/{source}/tag", repo=repository, tag=reference.tag)


def rmi(session: Session, arguments: Arguments) -> None:
    query = {"force": arguments["force"], "noprune": arguments["no-prune"]}

    def send(reference: str) -> None:
        for row in session.call("DELETE", f"/images/{reference}", **query):
            session.print(*(f"{word}: {name}" for word, name in row.items()))

    session.end(session.each(arguments.words, send))


def execute(session: Session, arguments: Arguments) -> None:
    name, *command = arguments.words
    session.get(f"/containers/{name}/json")
    detach, tty = arguments["detach"], arguments["tty"]
    if tty and arguments["interactive"] and not detach and not session.tty:
        raise CliError("the input device is not a TTY")
    attach = not detach
    body = {
        "User": arguments["user"] or "",
        "Privileged": arguments["privileged"],
        "Tty": tty,
        "AttachStdin": attach and arguments["interactive"],
        "AttachStdout": attach,
        "AttachStderr": attach,
        "DetachKeys": arguments["detach-keys"] or "",
        "Env": arguments["env"],
        "WorkingDir": arguments["workdir"] or "",
        "Cmd": command,
    }
    exec_id = session.post(f"/containers/{name}/exec", body)["Id"]
    path, start = f"/exec/{exec_id}/start", {"Detach": detach, "Tty": tty}
    if detach:
        session.post(path, start)
        return
    # Not by the SDK, which loses output that comes with the head, and leaves the socket open.
    print_logs(session, session.open("POST", path, body=start, live=True), tty=tty)
    if code := session.get(f"/exec/{exec_id}/json")["ExitCode"]:
        raise CliError("", code)


def logs(session: Session, arguments: Arguments) -> None:
    container = session.get(f"/containers/{arguments.words[0]}/json")
    query = _log_query(session, arguments) | {"until": moment(session, arguments["until"])}
    path = f"/containers/{container['Id']}/logs"
    response = session.open("GET", path, live=True, **query)
    print_logs(session, response, tty=container["Config"]["Tty"])


def _log_query(session: Session, arguments: Arguments) -> Json:
    return {
        "stdout": True,
        "stderr": True,
        "since": moment(session, arguments["since"]),
        "timestamps": arguments["timestamps"],
        "follow": arguments["follow"],
        "tail": arguments["tail"] or "all",
        "details": arguments["details"],
    }


def moment(session: Session, text: str | None) -> str:
    """`42m` ago, a Unix second or an RFC 3339 time, as the API takes it."""
    if not text or re.fullmatch(r"\d+(\.\d+)?", text):
        return text or ""
    try:
        return f"{session.clock() - parse_duration(text) / S:.9f}"
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        fault = f"failed to parse value as time or duration: {go_quote(text)}"
        raise CliError(f'invalid value for "since": {fault}') from None
    return f"{(when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp():.9f}"


def print_logs(session: Session, response: Any, *, tty: bool) -> None:
    decode = {stream: codecs.getincrementaldecoder("utf-8")("replace").decode for stream in (1, 2)}
    size = None if response.raw.chunked else 1  # as it comes
    chunks = ((1, chunk) for chunk in response.iter_content(size)) if tty else frames(response)
    for stream, data in chunks:
        (session.err if stream == 2 else session.out).write(decode[stream](data))


def service_logs(session: Session, arguments: Arguments) -> None:
    """Print lines with the task and node they came from, unless `--raw`."""
    target, raw = arguments.words[0], arguments["raw"]
    kind, spec, width = _log_target(session, target)
    tty = dig(spec, "ContainerSpec.TTY", False)
    if tty and not raw:
        raise CliError("tty service logs only supported with --raw")
    query = _log_query(session, arguments) | {"details": arguments["details"] or not raw}
    response = session.open("GET", f"/{kind}/{target}/logs", live=True, **query)
    if raw:
        print_logs(session, response, tty=tty)
        return
    name_of = name_finder(session, resolve=not arguments["no-resolve"])
    for stream, data in frames(response):
        line = _log_line(arguments, name_of, width, data.decode(errors="replace"))
        (session.err if stream == 2 else session.out).write(line)


def _log_target(session: Session, target: str) -> tuple[str, Json, int]:
    """Where the API has its logs, the task spec, and the digits of the highest slot."""
    with suppress(ApiNotFound):
        service = session.get(f"/services/{target}", insertDefaults="false")
        replicas = dig(service, "Spec.Mode.Replicated.Replicas", None)
        width = 1 if replicas is None else len(str(replicas))
        return "services", service["Spec"]["TaskTemplate"], width
    with suppress(ApiNotFound):
        task = session.get(f"/tasks/{target}")
        return "tasks", task["Spec"], len(str(task.get("Slot", 0)))
    raise CliError(f"no such task or service: {target}")


def _log_line(
    arguments: Arguments, name_of: Callable[[str, str], str], width: int, line: str
) -> str:
    stamp, _, rest = line.partition(" ") if arguments["timestamps"] else ("", "", line)
    pairs, _, text = rest.partition(" ")
    details = dict(pair.partition("=")[::2] for pair in pairs.split(",") if pair)
    node, service, task = (
        details.pop(f"com.docker.swarm.{kind}.id", "") for kind in ("node", "service", "task")
    )
    slot = name_of("task", task)
    shown_id = task if arguments["no-trunc"] else short_id(task)
    ending = "" if arguments["no-task-ids"] else f".{shown_id}"
    pad = " " * (width - len(slot))
    source = f"{name_of('service', service)}.{slot}{ending}@{name_of('node', node)}{pad}"
    shown = ",".join(f"{key}={details[key]}" for key in sorted(details))
    shown = f"{shown} " if arguments["details"] else ""
    return f"{stamp + ' ' if stamp else ''}{source}    | {shown}{text}"


def rm(session: Session, arguments: Arguments) -> None:
    query = {"force": arguments["force"], "v": arguments["volumes"], "link": arguments["link"]}
    errors = session.send_each(arguments.words, "DELETE", "/containers/{}", **query)
    if not arguments["force"] or not all("No such container" in error for error in errors):
        session.end(errors)
    session.warn(*errors)
