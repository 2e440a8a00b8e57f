"""/volumes: the volumes of this engine.

Source: moby daemon/server/router/volume, volume/service.
"""

from __future__ import annotations

from typing import Any

from swarmlab.engine.filters import Test, is_true, labelled, named
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.volumes import Volume
from swarmlab.errors import Conflict, NoSuchObject
from swarmlab.model import freeze
from swarmlab.simulation import S


def as_json(request: ApiRequest, volume: Volume) -> dict[str, Any]:
    return {
        "CreatedAt": request.time(volume.created_ns // S * S),
        "Driver": "local",
        "Labels": volume.labels,
        "Mountpoint": f"/var/lib/docker/volumes/{volume.name}/_data",
        "Name": volume.name,
        "Options": volume.options,
        "Scope": "local",
    }


def volumes(request: ApiRequest) -> Any:
    engine, used = request.engine, dict(request.engine.containers.users())
    tests: dict[str, Test] = {
        "name": named(lambda volume: volume.name),
        "label": labelled(lambda volume: volume.labels),
        "driver": lambda _, value: value == "local",
        "dangling": lambda volume, value: is_true(value) != (volume.name in used),
    }
    kept = request.filters(tests).keep(engine.volumes.all(), tests)
    return {"Volumes": [as_json(request, volume) for volume in kept], "Warnings": None}


def create(request: ApiRequest) -> Any:
    body: Any = freeze(request.body())
    name, labels = body.get("Name"), body.get("Labels")
    if not name:
        name, labels = request.engine.machine.simulation.random_bytes(32).hex(), labels or {}
        labels = freeze({**labels, "com.docker.volume.anonymous": ""})
    driver, options = body.get("Driver") or "", body.get("DriverOpts")
    volume = request.engine.volumes.create(name, driver, labels=labels, options=options)
    return as_json(request, volume)


def inspect(request: ApiRequest, ref: str) -> Any:
    return as_json(request, request.engine.volumes.get(ref))


def remove(request: ApiRequest, ref: str) -> None:
    """Remove a volume that no container mounts, whether it runs or not."""
    engine = request.engine
    try:
        engine.volumes.get(ref)
    except NoSuchObject:
        if request.query("force"):
            return
        raise
    if users := [id for volume, id in engine.containers.users() if volume == ref]:
        raise Conflict(f"remove {ref}: volume is in use - [{', '.join(users)}]")
    engine.volumes.remove(ref)
