"""`docker ps`, `exec`, `logs`, `kill`, `stop`, `rm`, `images`, `pull`: what runs on one node."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import Listing, dig, join_labels, remove_each, write_list
from swarmlab.docker_cli.publish import show_container_ports
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session, frames
from swarmlab.docker_cli.tasks import Names
from swarmlab.docker_cli.text import (
    decimal_size,
    ellipsis,
    go_quote,
    human_duration,
    image_name,
    local_time,
    parse_duration,
    short_id,
)

CONTAINERS = Listing(
    go_type="*formatter.ContainerContext",
    titles={
        "ID": "CONTAINER ID",
        "Image": "IMAGE",
        "Command": "COMMAND",
        "CreatedAt": "CREATED AT",
        "RunningFor": "CREATED",
        "Status": "STATUS",
        "State": "STATE",
        "Ports": "PORTS",
        "Names": "NAMES",
        "Size": "SIZE",
        "Labels": "LABELS",
        "Mounts": "MOUNTS",
        "LocalVolumes": "LOCAL VOLUMES",
        "Networks": "NETWORKS",
        "Platform": "PLATFORM",
    },
    shown="ID Image Command RunningFor Status Ports Names",
)
IMAGES = Listing(
    go_type="*formatter.imageContext",
    titles={
        "Repository": "REPOSITORY",
        "Tag": "TAG",
        "Digest": "DIGEST",
        "ID": "IMAGE ID",
        "CreatedSince": "CREATED",
        "CreatedAt": "CREATED AT",
        "Size": "SIZE",
        "Containers": "CONTAINERS",
        "SharedSize": "SHARED SIZE",
        "UniqueSize": "UNIQUE SIZE",
        "VirtualSize": "SIZE",
    },
    shown="Repository Tag ID CreatedSince Size",
)


def ps(session: Session, arguments: Arguments) -> None:
    latest = 1 if arguments["latest"] else arguments["last"] or -1
    size = arguments["size"] or ".Size" in (arguments["format"] or "")
    found = session.get(
        "/containers/json",
        all=arguments["all"] or latest > 0,
        limit=latest if latest > 0 else None,
        size=size,
        filters=arguments.filters(),
    )
    rows = (_container_row(session, one, whole=arguments["no-trunc"]) for one in found or [])
    template = CONTAINERS.template() + ("\t{{.Size}}" if arguments["size"] else "")
    write_list(session, arguments, CONTAINERS, rows, shown=template)


def _container_row(session: Session, one: Json, *, whole: bool) -> Json:
    names = [name.removeprefix("/") for name in one.get("Names") or []]
    image, image_id = one.get("Image", ""), one.get("ImageID", "")
    if not whole:
        names = next(([name] for name in names if "/" not in name), names)
        same = short_id(image_id) == short_id(image)
        image = short_id(image) if same and image_id else image_name(image)
    command = one["Command"] if whole else ellipsis(one["Command"], 20)
    mounts = one.get("Mounts") or []
    volumes = [mount.get("Name") or mount.get("Source", "") for mount in mounts]
    written = decimal_size(one.get("SizeRw", 0))
    total = one.get("SizeRootFs", 0)
    return {
        "ID": one["Id"] if whole else short_id(one["Id"]),
        "Image": image or "<no image>",
        "Command": go_quote(command),
        "CreatedAt": local_time(one["Created"]),
        "RunningFor": f"{human_duration(session.clock() - one['Created'])} ago",
        "Status": one["Status"],
        "State": one["State"],
        "Ports": show_container_ports(one.get("Ports") or []),
        "Names": ",".join(names),
        "Size": f"{written} (virtual {decimal_size(total)})" if total else written,
        "Labels": join_labels(one.get("Labels")),
        "Mounts": ",".join(v if whole else ellipsis(v, 15) for v in volumes),
        "LocalVolumes": str(sum(mount.get("Driver") == "local" for mount in mounts)),
        "Networks": ",".join(dig(one, "NetworkSettings.Networks", {})),
        "Platform": None,
    }


def images(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters()
    if arguments.words:
        filters["reference"] = arguments.words
    found = session.get("/images/json", all=arguments["all"], filters=filters)
    digests = arguments["digests"]
    rows = (row for one in found or [] for row in _image_rows(session, one, arguments))
    digest = "Repository Tag Digest ID CreatedSince Size"
    shown = Listing(go_type="", titles={}, shown=digest).template() if digests else ""
    write_list(session, arguments, IMAGES, rows, shown=shown)


def _image_rows(session: Session, one: Json, arguments: Arguments) -> Iterator[Json]:
    wanted = arguments["digests"] or "{{.Digest}}" in (arguments["format"] or "")
    digests = dict(text.rpartition("@")[::2] for text in one.get("RepoDigests") or [])
    tagged = [text.rpartition(":")[::2] for text in one.get("RepoTags") or []]
    tagged = tagged or [(name, "<none>") for name in digests] or [("<none>", "<none>")]
    for repository, tag in tagged:
        size, shared = one["Size"], one.get("SharedSize", -1)
        count = one.get("Containers", -1)
        yield {
            "Repository": repository,
            "Tag": tag,
            "Digest": digests.get(repository, "<none>") if wanted else "<none>",
            "ID": one["Id"] if arguments["no-trunc"] else short_id(one["Id"]),
            "CreatedSince": f"{human_duration(session.clock() - one['Created'])} ago",
            "CreatedAt": local_time(one["Created"]),
            "Size": decimal_size(size),
            "Containers": "N/A" if count == -1 else str(count),
            "SharedSize": "N/A" if shared == -1 else decimal_size(shared, 4),
            "UniqueSize": "N/A" if shared == -1 else decimal_size(size - shared, 4),
            "VirtualSize": decimal_size(size, 4),
        }


def pull(session: Session, arguments: Arguments) -> None:
    name, _, digest = arguments.words[0].partition("@")
    repository, colon, tag = name.rpartition(":")
    if "/" in tag or not colon:
        repository, tag = name, "" if arguments["all-tags"] else digest or "latest"
    every = arguments["all-tags"]
    if not digest and not colon and not every and not arguments["quiet"]:
        session.print("Using default tag: latest")
    query = {"fromImage": repository, "tag": tag, "platform": arguments["platform"]}
    reply = session.open("POST", "/images/create", stream=True, **query)
    for line in reply.iter_lines():
        note = json.loads(line)
        if "error" in note:
            raise CliError(note["error"])
        if not arguments["quiet"] and not note.get("progressDetail"):
            name = f"{note['id']}: " if note.get("id") else ""
            session.print(f"{name}{note.get('status', '')}")
    shown = f"{repository}@{digest}" if digest else f"{repository}:{tag}".rstrip(":")
    first = repository.partition("/")[0]
    official = "docker.io/" + ("" if "/" in repository else "library/")
    prefix = "" if "." in first or ":" in first else official
    session.print(prefix + shown)


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
    if detach:
        session.post(f"/exec/{exec_id}/start", {"Detach": True, "Tty": tty})
        return
    for out, err in session.client.exec_start(exec_id, tty=tty, stream=True, demux=True):
        session.out.write((out or b"").decode(errors="replace"))
        session.err.write((err or b"").decode(errors="replace"))
    if code := session.get(f"/exec/{exec_id}/json")["ExitCode"]:
        raise CliError("", code)


def logs(session: Session, arguments: Arguments) -> None:
    found = session.get(f"/containers/{arguments.words[0]}/json")
    query = _log_query(session, arguments) | {"until": _moment(session, arguments["until"])}
    path = f"/containers/{found['Id']}/logs"
    _print_logs(session, session.open("GET", path, stream=True, **query), tty=found["Config"]["Tty"])


def _log_query(session: Session, arguments: Arguments) -> Json:
    return {
        "stdout": True,
        "stderr": True,
        "since": _moment(session, arguments["since"]),
        "timestamps": arguments["timestamps"],
        "follow": arguments["follow"],
        "tail": arguments["tail"] or "all",
        "details": arguments["details"],
    }


def _moment(session: Session, text: str | None) -> str:
    """`42m` ago, a Unix second or an RFC 3339 time, as the API takes it."""
    if not text or re.fullmatch(r"\d+(\.\d+)?", text):
        return text or ""
    try:
        return f"{session.clock() - parse_duration(text) / 10**9:.9f}"
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise CliError(f'invalid value for "since": failed to parse value as time or duration: {go_quote(text)}') from None
    return f"{(when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp():.9f}"


def _print_logs(session: Session, reply: Any, *, tty: bool) -> None:
    decode = {kind: codecs.getincrementaldecoder("utf-8")("replace").decode for kind in (1, 2)}
    pieces = ((1, chunk) for chunk in reply.iter_content(None)) if tty else frames(reply)
    for kind, data in pieces:
        (session.err if kind == 2 else session.out).write(decode[kind](data))


def service_logs(session: Session, arguments: Arguments) -> None:
    """Each line with the task and node it came from, unless `--raw`."""
    target, raw = arguments.words[0], arguments["raw"]
    kind, spec, width = _log_target(session, target)
    tty = dig(spec, "ContainerSpec.TTY", False)
    if tty and not raw:
        raise CliError("tty service logs only supported with --raw")
    query = _log_query(session, arguments) | {"details": arguments["details"] or not raw}
    reply = session.open("GET", f"/{kind}/{target}/logs", stream=True, **query)
    if raw:
        _print_logs(session, reply, tty=tty)
        return
    prefix = _prefixes(session, arguments, width)
    for stream, data in frames(reply):
        writer = session.err if stream == 2 else session.out
        writer.write(_log_line(data.decode(errors="replace"), arguments, prefix))


def _log_target(session: Session, target: str) -> tuple[str, Json, int]:
    try:
        service = session.get(f"/services/{target}", insertDefaults="false")
        replicas = dig(service, "Spec.Mode.Replicated.Replicas", None)
        width = 1 if replicas is None else len(str(replicas))
        return "services", service["Spec"]["TaskTemplate"], width
    except ApiError as error:
        if error.status != 404:
            raise
    try:
        task = session.get(f"/tasks/{target}")
        return "tasks", task["Spec"], len(str(task.get("Slot", 0)))
    except ApiError as error:
        if error.status != 404:
            raise
        raise CliError(f"no such task or service: {target}") from None


def _prefixes(session: Session, arguments: Arguments, width: int) -> Callable[[Json], str]:
    names = Names(session, resolve=not arguments["no-resolve"])
    known: dict[str, str] = {}

    def prefix(details: Json) -> str:
        node, service, task_id = (
            details.pop(f"com.docker.swarm.{one}.id", "") for one in ("node", "service", "task")
        )
        if task_id not in known:
            slot = str(session.get(f"/tasks/{task_id}").get("Slot", 0))
            shown = task_id if arguments["no-trunc"] else short_id(task_id)
            ending = "" if arguments["no-task-ids"] else f".{shown}"
            pad = " " * (width - len(slot))
            known[task_id] = f"{names.service(service)}.{slot}{ending}@{names.node(node)}{pad}"
        return known[task_id]

    return prefix


def _log_line(line: str, arguments: Arguments, prefix: Callable[[Json], str]) -> str:
    stamp, _, rest = line.partition(" ") if arguments["timestamps"] else ("", "", line)
    written, _, text = rest.partition(" ")
    details = dict(pair.partition("=")[::2] for pair in written.split(",") if pair)
    who = prefix(details)
    shown = ",".join(f"{k}={details[k]}" for k in sorted(details)) + " " if arguments["details"] else ""
    return f"{stamp + ' ' if stamp else ''}{who}    | {shown}{text}"


def _each(method: str, path: str, **flags: str) -> Callable[[Session, Arguments], None]:
    """A command that does one request for each container; `flags`: parameter to flag."""

    def command(session: Session, arguments: Arguments) -> None:
        query = {name: arguments.given.get(flag) for name, flag in flags.items()}
        query = {name: str(v) if v is not True and v is not None else v for name, v in query.items()}

        def act(reference: str) -> None:
            session.call(method, path.format(reference), **query)

        remove_each(session, arguments.words, act)

    return command


HANDLERS = {
    "ps": ps,
    "images": images,
    "pull": pull,
    "exec": execute,
    "logs": logs,
    "kill": _each("POST", "/containers/{}/kill", signal="signal"),
    "stop": _each("POST", "/containers/{}/stop", signal="signal", t="timeout"),
    "rm": _each("DELETE", "/containers/{}", force="force", v="volumes", link="link"),
}
