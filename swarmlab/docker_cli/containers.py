"""`docker ps`, `exec`, `logs`, `kill`, `stop`, `rm`, `images`, `pull`: what runs on one node."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, listings, write_list
from swarmlab.docker_cli.node import Names
from swarmlab.docker_cli.session import ApiError, CliError, Json, Session, frames
from swarmlab.docker_cli.text import ellipsis, go_quote, short_id
from swarmlab.units import decimal_size, parse_duration


def ps(session: Session, arguments: Arguments) -> None:
    limit = 1 if arguments["latest"] else arguments["last"] or -1
    found = session.get(
        "/containers/json",
        all=arguments["all"] or limit > 0,
        limit=limit if limit > 0 else None,
        size=arguments["size"] or ".Size" in (arguments["format"] or ""),
        filters=arguments.filters(),
    )
    whole = arguments["no-trunc"]
    shown = listings()["ps"].shown + "\t{{.Size}}" if arguments["size"] else ""
    rows = [_container(one, whole=whole) for one in found or []]
    write_list(session, arguments, "ps", rows, shown=shown)


def _container(one: Json, *, whole: bool) -> Json:
    """`one` with what the list shows and no expression says."""
    names = [name.removeprefix("/") for name in one.get("Names") or []]
    mounts = one.get("Mounts") or []
    volumes = [mount.get("Name") or mount.get("Source", "") for mount in mounts]
    written, total = decimal_size(one.get("SizeRw", 0)), one.get("SizeRootFs", 0)
    unnamed = short_id(one.get("ImageID", "")) == short_id(one["Image"])
    return one | {
        "Image": short_id(one["Image"]) if unnamed and not whole else one["Image"] or "<no image>",
        "names": ",".join(names if whole else [n for n in names if "/" not in n][:1] or names),
        "size": f"{written} (virtual {decimal_size(total)})" if total else written,
        "mounts": ",".join(name if whole else ellipsis(name, 15) for name in volumes),
        "volumes": str(sum(mount.get("Driver") == "local" for mount in mounts)),
        "networks": ",".join(dig(one, "NetworkSettings.Networks", {})),
    }


def images(session: Session, arguments: Arguments) -> None:
    filters = arguments.filters() | ({"reference": arguments.words} if arguments.words else {})
    found = session.get("/images/json", all=arguments["all"], filters=filters) or []
    digests, shown = arguments["digests"], listings()["images"].shown
    wanted = digests or "{{.Digest}}" in (arguments["format"] or "")
    rows = [row for one in found for row in _tags(one, digests=wanted)]
    shown = shown.replace("{{.Tag}}", "{{.Tag}}\t{{.Digest}}") if digests else ""
    write_list(session, arguments, "images", rows, shown=shown)


def _tags(one: Json, *, digests: bool) -> Iterator[Json]:
    known = dict(text.rpartition("@")[::2] for text in one.get("RepoDigests") or [])
    tagged = [(*text.rpartition(":")[::2], "<none>") for text in one.get("RepoTags") or []]
    tagged = tagged or [(name, "<none>", "") for name in known] or [("<none>", "<none>", "<none>")]
    for repository, tag, digest in tagged:
        shown = {"repository": repository, "tag": tag, "unique": one.get("SharedSize", -1)}
        yield one | shown | {"digest": known.get(repository, "<none>") if digests else digest}


def pull(session: Session, arguments: Arguments) -> None:
    name, at, digest = arguments.words[0].partition("@")
    tag = "" if "/" in name.rpartition(":")[2] else name.partition(":")[2]
    domain, slash, _ = name.partition("/")
    if not slash or not re.search("[.:]|^localhost$", domain):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    repository = name.removesuffix(f":{tag}") if tag else name
    every, quiet = arguments["all-tags"], arguments["quiet"]
    if not (tag or digest or every or quiet):
        session.print("Using default tag: latest")
    tag = digest or tag or ("" if every else "latest")
    query = {"fromImage": repository, "tag": tag, "platform": arguments["platform"]}
    for line in session.open("POST", "/images/create", stream=True, **query).iter_lines():
        note = json.loads(line)
        if "error" in note:
            raise CliError(note["error"])
        if not quiet and not note.get("progressDetail"):
            session.print(f"{note['id']}: {note['status']}" if "id" in note else note["status"])
    session.print(f"{repository}{at or ':'}{tag}" if tag else repository)


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
    query = _log_query(session, arguments) | {"until": moment(session, arguments["until"])}
    path = f"/containers/{found['Id']}/logs"
    _print_logs(
        session, session.open("GET", path, stream=True, **query), tty=found["Config"]["Tty"]
    )


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
        return f"{session.clock() - parse_duration(text) / 10**9:.9f}"
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        fault = f"failed to parse value as time or duration: {go_quote(text)}"
        raise CliError(f'invalid value for "since": {fault}') from None
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
    shown = (
        ",".join(f"{k}={details[k]}" for k in sorted(details)) + " " if arguments["details"] else ""
    )
    return f"{stamp + ' ' if stamp else ''}{who}    | {shown}{text}"


def kill(session: Session, arguments: Arguments) -> None:
    session.each(arguments.words, "POST", "/containers/{}/kill", signal=arguments["signal"])


def stop(session: Session, arguments: Arguments) -> None:
    timeout = arguments["timeout"]
    query = {"signal": arguments["signal"], "t": None if timeout is None else str(timeout)}
    session.each(arguments.words, "POST", "/containers/{}/stop", **query)


def rm(session: Session, arguments: Arguments) -> None:
    query = {"force": arguments["force"], "v": arguments["volumes"], "link": arguments["link"]}
    errors = session.attempt(arguments.words, "DELETE", "/containers/{}", **query)
    if not arguments["force"] or not all("No such container" in error for error in errors):
        session.end(errors)
    session.warn(*errors)
