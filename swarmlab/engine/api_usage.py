"""/system/df and the prune routes: what takes room on this engine, and what is not used.

Source: moby daemon/{disk_usage,prune}.go, daemon/images/image_prune.go, volume/service/service.go.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeVar

from swarmlab.engine import api_containers, api_images, api_volumes
from swarmlab.engine.filters import Filters, Test, is_true, labelled
from swarmlab.engine.request import ApiRequest
from swarmlab.engine.volumes import Volume
from swarmlab.errors import BadParameter
from swarmlab.simulation import S
from swarmlab.units import parse_duration
from swarmlab.worker.containers import Container
from swarmlab.worker.registry import Image

T = TypeVar("T", Container, Image, Volume)


def _layers(engine: Any) -> dict[str, int]:
    """The size of each layer: images share them."""
    return dict(layer for image in engine.images.all() for layer in image.layers)


def disk_usage(request: ApiRequest) -> Any:
    engine, users = request.engine, Counter(v for v, _ in request.engine.containers.users())
    volumes = []
    for volume in engine.volumes.all():
        usage = {"RefCount": users[volume.name], "Size": engine.volumes.size_bytes(volume.name)}
        volumes.append({**api_volumes.as_json(request, volume), "UsageData": usage})
    used = Counter(container.image.id for container in engine.containers.all())
    images = [
        {**api_images.summary(request, image), "SharedSize": 0, "Containers": used[image.id]}
        for image in engine.images.all()
    ]
    return {
        "LayersSize": sum(_layers(engine).values()),
        "Images": images,
        "Containers": [
            {**api_containers.summary(request, c), "SizeRw": c.files.own_bytes}
            for c in reversed(engine.containers.all())
        ],
        "Volumes": volumes,
        "BuildCache": [],
    }


# -- prune ----------------------------------------------------------------------------------------
def _selected(request: ApiRequest, keys: str, items: list[T]) -> tuple[Filters, list[T]]:
    """The filters, with `keys` among them, and the objects that they let go."""
    tests: dict[str, Test] = {
        "label": labelled(_labels),
        "label!": lambda item, value: not labelled(_labels)(item, value),
    }
    criteria = request.filters((*tests, *keys.split()))
    end_ns = until_ns(request, criteria)
    kept = criteria.keep(items, tests)
    return criteria, [item for item in kept if item.created_ns <= end_ns]


def _labels(item: Any) -> Any:
    if isinstance(item, Container):
        return api_containers.labels_of(item)
    return item.config.get("Labels") if isinstance(item, Image) else item.labels


def until_ns(request: ApiRequest, criteria: Filters) -> float:
    """The filter `until`, a Unix time or a duration before now, as a virtual time."""
    text, *others = criteria.get("until", ("",))
    if others:
        raise BadParameter("more than one until filter specified")
    try:
        if text.isdecimal():
            return request.clock.from_unix_ns(int(text) * S)
        age_ns = parse_duration(text) if text else 0
    except ValueError:
        raise BadParameter(f'failed to parse value as time or duration: "{text}"') from None
    return request.engine.machine.simulation.now_ns - age_ns


def pruned_event(request: ApiRequest, type: str, freed_bytes: int = 0) -> None:
    request.engine.record(type, "prune", "", reclaimed=str(freed_bytes))


def prune_containers(request: ApiRequest) -> Any:
    """Remove the containers that do not run."""
    containers = request.engine.containers
    stopped = [c for c in containers.all() if c.state in ("created", "exited")]
    _, pruned = _selected(request, "until", stopped[::-1])
    for container in pruned:
        containers.remove(container)
    freed_bytes = sum(container.files.own_bytes for container in pruned)
    pruned_event(request, "container", freed_bytes)
    return {"ContainersDeleted": [c.id for c in pruned] or None, "SpaceReclaimed": freed_bytes}


def prune_images(request: ApiRequest) -> Any:
    """Remove the images without a name; with `dangling=false` all that no container uses."""
    engine, deleted, before = request.engine, [], _layers(request.engine)
    used = {container.image.id for container in engine.containers.all()}
    unused = [image for image in engine.images.all() if image.id not in used]
    criteria, selected = _selected(request, "until dangling", unused)
    every = "dangling" in criteria and not is_true(criteria["dangling"][0])
    for image in selected:
        names = engine.images.references(image)
        if every or not names:
            for name in names or (image.id,):
                deleted += engine.images.remove(name) if name in engine.images else []
    freed_bytes = sum(before[id] for id in before.keys() - _layers(engine).keys())
    pruned_event(request, "image", freed_bytes)
    return {"ImagesDeleted": deleted or None, "SpaceReclaimed": freed_bytes}


def prune_volumes(request: ApiRequest) -> Any:
    """Remove the anonymous volumes that no container mounts; with `all=true` the named ones too."""
    engine, used = request.engine, dict(request.engine.containers.users())
    unused = [v for v in engine.volumes.all() if v.name not in used]
    criteria, selected = _selected(request, "all", unused)
    every = request.before(42) or ("all" in criteria and is_true(criteria["all"][0]))
    pruned = [volume for volume in selected if every or volume.anonymous]
    freed_bytes = sum(engine.volumes.size_bytes(volume.name) for volume in pruned)
    for volume in pruned:
        engine.volumes.remove(volume.name)
    pruned_event(request, "volume", freed_bytes)
    return {"VolumesDeleted": [v.name for v in pruned], "SpaceReclaimed": freed_bytes}


def prune_build_cache(request: ApiRequest) -> Any:
    """There is no builder, and so nothing to remove."""
    pruned_event(request, "builder")
    return {"CachesDeleted": None, "SpaceReclaimed": 0}
