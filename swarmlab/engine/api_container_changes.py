"""/containers/…/rename, update, pause, unpause and changes: what only a user does to a container.

Source: moby daemon/{rename,update,pause,unpause,changes}.go.
"""

from __future__ import annotations

from typing import Any

from werkzeug import Response

from swarmlab.engine.create_checks import check_config, check_cpus
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import BadParameter, Conflict, EngineFault
from swarmlab.model import freeze
from swarmlab.programs.file_system import above

MODIFIED, ADDED, DELETED = 0, 1, 2


def rename(request: ApiRequest, ref: str) -> None:
    containers = request.engine.containers
    container, name = containers.get(ref), request.query("name").removeprefix("/")
    old_name = container.name
    if not name:
        raise BadParameter("Neither old nor new names may be empty")
    if name == old_name:
        raise BadParameter("Renaming a container with the same name as its current name")
    containers.check_name(name, "Error when allocating new name: ", shown=f"/{name}")
    containers.rename(container, name)
    containers.emit(container, "rename", oldName=f"/{old_name}")


def update(request: ApiRequest, ref: str) -> Any:
    """Change resources and the restart policy; what is zero or empty stays."""
    container = request.engine.containers.get(ref)
    changes = {key: value for key, value in freeze(request.body()).items() if value}
    config = container.config.with_(HostConfig={**container.host_config, **changes})
    check_config(config)
    check_cpus(config, request.engine.description)
    container.config = config
    container.save()
    request.engine.containers.emit(container, "update")
    return {"Warnings": None}


def pause(request: ApiRequest, ref: str) -> None:
    container = request.engine.containers.get(ref)
    if container.process is None:
        raise Conflict(f"container {container.id} is not running")
    if container.paused:
        raise Conflict(f"Container {container.id} is already paused")
    request.engine.containers.set_paused(container, paused=True)


def unpause(request: ApiRequest, ref: str) -> None:
    container = request.engine.containers.get(ref)
    if not container.paused:
        raise EngineFault(f"Container {container.id} is not paused")
    request.engine.containers.set_paused(container, paused=False)


def changes(request: ApiRequest, ref: str) -> Any:
    """How its own layer differs from its image; a folder counts with what it holds."""
    container = request.engine.containers.get(ref)
    old, new = (files.mounts[""][1] for files in (container.new_files(), container.files))
    kinds = {path: ADDED for path in new if path not in old}
    kinds |= {path: DELETED for path in old if path not in new}
    kinds |= {path: MODIFIED for path in old if path in new and old[path] != new[path]}
    for path in [*kinds]:
        kinds |= {folder: MODIFIED for folder in above(path)[1:] if folder not in kinds}
    rows = [{"Path": path, "Kind": kind} for path, kind in sorted(kinds.items())]
    return rows or Response("null\n", content_type="application/json")
