"""/images and /distribution: the images of this engine, and those of the registry.

Source: moby daemon/server/router/{image,distribution}.
"""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from swarmlab.engine import platforms, streams
from swarmlab.engine.dockerfile import image_config
from swarmlab.engine.filters import Test, is_true, labelled
from swarmlab.engine.request import ApiRequest
from swarmlab.errors import NoSuchObject, SwarmError
from swarmlab.model.image_reference import ImageReference
from swarmlab.simulation import S
from swarmlab.worker.registry import Image


def _names(request: ApiRequest, image: Image) -> dict[str, list[str]]:
    """The image's references, by tag and by digest."""
    names = request.engine.images.references(image)
    return {
        "RepoTags": [name for name in names if "@" not in name],
        "RepoDigests": [name for name in names if "@" in name],
    }


def _is_like(name: str, patterns: tuple[str, ...]) -> bool:
    """Whether the name, with or without its tag, is one of these."""
    shapes = (name, name.rpartition(":")[0])
    return any(fnmatchcase(shape, pattern) for pattern in patterns for shape in shapes)


def images(request: ApiRequest) -> Any:
    tests: dict[str, Test] = {
        "label": labelled(lambda image: image.config.get("Labels")),
        "reference": lambda image, value: any(
            _is_like(name, (value,)) for name in _names(request, image)["RepoTags"]
        ),
        "dangling": lambda image, value: is_true(value) != bool(_names(request, image)["RepoTags"]),
    }
    criteria = request.filters(tests)
    rows = [summary(request, i) for i in criteria.keep(request.engine.images.all(), tests)]
    if wanted := criteria.get("reference"):
        for row in rows:
            row["RepoTags"] = [name for name in row["RepoTags"] if _is_like(name, wanted)]
            digests = [(name, f"{name.partition('@')[0]}:") for name in row["RepoDigests"]]
            row["RepoDigests"] = [name for name, bare in digests if _is_like(bare, wanted)]
    return rows


def summary(request: ApiRequest, image: Image) -> dict[str, Any]:
    return {
        "Id": image.id,
        "ParentId": "",
        **_names(request, image),
        "Created": request.clock.to_unix_ns(image.created_ns) // S,
        "Size": image.size_bytes,
        "SharedSize": -1,
        "Labels": image.config.get("Labels"),
        "Containers": -1,
    }


def history(request: ApiRequest, ref: str) -> Any:
    """The image's layers, newest first; the instructions that made them are not known."""
    image = request.engine.images.get(ref)
    tags, top = _names(request, image)["RepoTags"], len(image.layers) - 1
    return [
        {
            "Id": image.id if number == top else "<missing>",
            "Created": request.clock.to_unix_ns(image.created_ns) // S,
            "CreatedBy": "",
            "Tags": (tags or None) if number == top else None,
            "Size": size_bytes,
            "Comment": "" if image.digest else "Imported from -",
        }
        for number, (_, size_bytes) in reversed(list(enumerate(image.layers)))
    ]


def image(request: ApiRequest, ref: str) -> Any:
    image = request.engine.images.get(ref)
    return {
        "Id": image.id,
        **_names(request, image),
        "Created": request.time(image.created_ns),
        "Config": image.config,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": image.size_bytes,
        "RootFS": {"Type": "layers", "Layers": [digest for digest, _ in image.layers]},
    }


def create(request: ApiRequest) -> Any:
    """`docker import`, whose files are discarded, or `docker pull`."""
    importing = bool(request.query("fromSrc"))
    name, tag = request.query("repo" if importing else "fromImage"), request.query("tag")
    if tag:
        name += ("@" if ":" in tag else ":") + tag
    platform = platforms.parse(request.query("platform"))
    if not importing:
        return streams.stream(_pull(request, name, platform))
    config = image_config(request.http.args.getlist("changes"))
    image = request.engine.images.import_image(name, config)
    return {"status": image.id}


def _progress(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\r\n"


def _pull(request: ApiRequest, name: str, platform: str) -> streams.Pieces:
    """The progress of a pull, a line a step; an error is a line too, as the status was sent."""
    try:
        reference = ImageReference.parse(name)
        local = {digest for image in request.engine.images.all() for digest, _ in image.layers}
        yield _progress(
            status=f"Pulling from {reference.path}", id=reference.tag or reference.digest
        )
        offered = request.engine.images.registry.find(reference).platforms
        if not any(platforms.runs(platform, each) for each in offered):
            why = "in the manifest list entries"
            raise NoSuchObject(f"no matching manifest for {platform} {why}")
        image: Image = request.wait(request.engine.images.pull(name))
    except SwarmError as error:
        yield _progress(errorDetail={"message": str(error)}, error=str(error))
        return
    for digest, _ in image.layers:
        status = "Already exists" if digest in local else "Pull complete"
        yield _progress(status=status, progressDetail={}, id=digest[7:19])
    newer = not {digest for digest, _ in image.layers} <= local
    result = "Downloaded newer image for" if newer else "Image is up to date for"
    yield _progress(status=f"Digest: {image.digest}")
    yield _progress(status=f"Status: {result} {reference.familiar}")


def tag(request: ApiRequest, ref: str) -> None:
    name, tag = request.query("repo"), request.query("tag")
    request.engine.images.tag(ref, f"{name}:{tag}" if tag else name)


def remove(request: ApiRequest, ref: str) -> Any:
    engine, image = request.engine, request.engine.images.get(ref)
    own = [c for c in engine.containers.all() if c.image.id == image.id]
    users = [("running" if c.process or c.state == "restarting" else "stopped", c.id) for c in own]
    return engine.images.remove(ref, sorted(users), force=request.query("force"))


def distribution(request: ApiRequest, ref: str) -> Any:
    """The registry's description of an image; works on every node."""
    image = request.engine.images.registry.find(ImageReference.parse(ref))
    platforms = [name.split("/") for name in image.platforms]
    index = "application/vnd.oci.image.index.v1+json"
    return {
        "Descriptor": {"mediaType": index, "digest": image.digest, "size": 1024},
        "Platforms": [{"architecture": arch, "os": os} for os, arch, *_ in platforms],
    }
