"""What is used and what is not: volumes, `docker system df`, prune, `stats`, `top`, `history`."""

from collections.abc import Iterator

from swarmlab.docker_cli.flags import Arguments
from swarmlab.docker_cli.listing import dig, labels, write_list
from swarmlab.docker_cli.objects import confirmed
from swarmlab.docker_cli.session import NOT_IN_KIT, CliError, Json, Session
from swarmlab.docker_cli.text import align
from swarmlab.strings import _
from swarmlab.units import binary_size, decimal_size

IMAGES = {False: "all dangling images", True: "all images without at least one container associated"
          " to them"}  # fmt: skip
# What is pruned -> the key of the answer that lists what is gone.
DELETED = {"container": "ContainersDeleted", "image": "ImagesDeleted", "volume": "VolumesDeleted",
           "network": "NetworksDeleted", "build": "CachesDeleted"}  # fmt: skip


# -- volumes ---------------------------------------------------------------------------------------
def volume_create(session: Session, arguments: Arguments) -> None:
    body = {
        "Name": next(iter(arguments.words), ""),
        "Driver": arguments["driver"] or "local",
        "DriverOpts": labels(arguments["opt"]),
        "Labels": labels(arguments["label"]),
    }
    session.print(session.post("/volumes/create", body)["Name"])


def volume_ls(session: Session, arguments: Arguments) -> None:
    volumes = session.get("/volumes", filters=arguments.filters())["Volumes"] or []
    write_list(session, arguments, "volume ls", sorted(volumes, key=lambda v: str(v["Name"])))


# -- disk usage ------------------------------------------------------------------------------------
def df(session: Session, arguments: Arguments) -> None:
    if arguments["verbose"]:
        raise CliError(_(NOT_IN_KIT, what="--verbose"))
    usage = session.get("/system/df")
    write_list(session, arguments, "system df", _usage_rows(usage))


def _usage_rows(usage: Json) -> Iterator[Json]:
    """A row for each kind: how many there are, how many are in use, and their sizes."""
    running = ("running", "paused", "restarting")
    kinds: list[tuple[str, list[tuple[bool, int]]]] = [
        ("Images", [(i["Containers"] > 0, i["Size"]) for i in usage["Images"]]),
        ("Containers", [(c["State"] in running, c["SizeRw"]) for c in usage["Containers"]]),
        (
            "Local Volumes",
            [(v["UsageData"]["RefCount"] > 0, v["UsageData"]["Size"]) for v in usage["Volumes"]],
        ),
        ("Build Cache", []),
    ]
    for kind, items in kinds:
        total_bytes = sum(size for _, size in items)
        free_bytes = sum(size for used, size in items if not used)
        share = f" ({100 * free_bytes // total_bytes}%)" if total_bytes else ""
        yield {
            "type": kind,
            "total": str(len(items)),
            "active": str(sum(used for used, _ in items)),
            "size": decimal_size(total_bytes),
            "reclaimable": f"{decimal_size(free_bytes)}{share}",
        }


# -- prune -----------------------------------------------------------------------------------------
def prune(session: Session, arguments: Arguments) -> None:
    """`docker container|image|volume|system prune`."""
    kind, every = arguments.kind, bool(arguments.given.get("all"))
    kinds = [kind]
    what = {
        "container": "all stopped containers",
        "network": "all networks not used by at least one container",
        "volume": f"{'all' if every else 'anonymous'} local volumes not used by at least one"
        " container",
        "image": IMAGES[every],
        "build": f"{'all' if every else 'unused'} build cache",
    }
    warning = f"WARNING! This will remove {what.get(kind)}.\n"
    if kind == "system":
        kinds = [one for one in what if one != "volume" or arguments["volumes"]]
        what["volume"] = "all anonymous volumes not used by at least one container"
        lines = "".join(f"  - {what[one]}\n" for one in kinds)
        warning = f"WARNING! This will remove:\n{lines}\n"
    if not arguments["force"] and not confirmed(session, warning):
        return
    freed_bytes = 0
    for one in kinds:
        filters = arguments.filters()
        if one == "image":
            filters["dangling"] = ["false" if every else "true"]
        elif every and kind == "volume":
            filters["all"] = ["true"]
        path = "/build/prune" if one == "build" else f"/{one}s/prune"
        answer = session.post(path, filters=filters)
        freed_bytes += answer.get("SpaceReclaimed", 0)
        if gone := answer.get(DELETED[one]):
            session.print(f"Deleted {one.capitalize()}s:", *map(_deleted, gone), "")
    session.print(f"Total reclaimed space: {decimal_size(freed_bytes, 4)}")


def _deleted(item: Json | str) -> str:
    if isinstance(item, str):
        return item
    return "".join(f"{word.lower()}: {name}" for word, name in item.items())


# -- processes and images --------------------------------------------------------------------------
def top(session: Session, arguments: Arguments) -> None:
    container, *options = arguments.words
    answer = session.get(f"/containers/{container}/top", ps_args=" ".join(options))
    rows = [answer["Titles"], *answer["Processes"]]
    session.out.write(align("".join("\t".join(row) + "\n" for row in rows), minimum=20))


def stats(session: Session, arguments: Arguments) -> None:
    """One reading: this command line does not redraw a terminal."""
    names = arguments.words
    if not names:
        containers = session.get("/containers/json", all=arguments["all"]) or []
        names = [container["Id"] for container in containers]
    readings = [session.get(f"/containers/{name}/stats", stream="false") for name in names]
    write_list(session, arguments, "stats", map(_stats_row, readings))


def _stats_row(reading: Json) -> Json:
    cpu, memory = reading["cpu_stats"], reading["memory_stats"]
    used, passed = (
        dig(cpu, path, 0) - dig(reading.get("precpu_stats"), path, 0)
        for path in ("cpu_usage.total_usage", "system_cpu_usage")
    )
    usage, limit = memory.get("usage", 0), memory.get("limit", 0)
    networks = reading.get("networks", {}).values()
    received, sent = (sum(n[key] for n in networks) for key in ("rx_bytes", "tx_bytes"))
    return {
        "id": reading["id"],
        "name": reading["name"].removeprefix("/"),
        "cpu": f"{100 * used * cpu.get('online_cpus', 0) / max(passed, 1):.2f}%",
        "usage": f"{binary_size(usage)} / {binary_size(limit)}",
        "share": f"{100 * usage / max(limit, 1):.2f}%",
        "net": f"{decimal_size(received, 3)} / {decimal_size(sent, 3)}",
        "pids": str(dig(reading, "pids_stats.current", 0)),
    }


def history(session: Session, arguments: Arguments) -> None:
    layers = session.get(f"/images/{arguments.words[0]}/history")
    if arguments["quiet"]:
        session.print(*(layer["Id"] for layer in layers))
    else:
        write_list(session, arguments, "history", layers)
