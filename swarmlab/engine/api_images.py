"""/images and /distribution: what an engine can run, and what a registry says of it.

Source: moby daemon/server/router/{image,distribution}.
"""

from __future__ import annotations

import json
from typing import Any

from swarmlab.engine import streams
from swarmlab.engine.filters import Test, labelled
from swarmlab.engine.request import Ask
from swarmlab.errors import SwarmError
from swarmlab.simulation import S
from swarmlab.worker.registry import Image, Reference

LABELS: Test = labelled(lambda image: image.config.get("Labels") or {})


def _names(ask: Ask, image: Image, *, digests: bool = False) -> list[str]:
    """The image's `name:tag`s, or its `name@digest`s."""
    return [name for name in ask.engine.images.references(image) if ("@" in name) == digests]


def images(ask: Ask) -> Any:
    wanted = ask.filters("reference", "label", "dangling", "before", "since", "until")
    tests: dict[str, Test] = {
        "label": LABELS,
        "reference": lambda image, value: any(
            value in (name, name.rpartition(":")[0]) for name in _names(ask, image)
        ),
        "dangling": lambda image, value: (value in ("true", "1")) != bool(_names(ask, image)),
    }
    found = wanted.keep(ask.engine.images.all(), tests)
    if name := ask.text("filter"):
        found = [image for image in found if tests["reference"](image, name)]
    return [
        {
            "Id": image.id,
            "ParentId": "",
            "RepoTags": _names(ask, image),
            "RepoDigests": _names(ask, image, digests=True),
            "Created": ask.door.shown_ns(image.created_ns) // S,
            "Size": image.size_bytes,
            "SharedSize": -1,
            "Labels": image.config.get("Labels"),
            "Containers": -1,
        }
        for image in found
    ]


def image(ask: Ask, ref: str) -> Any:
    image = ask.engine.images.get(ref)
    return {
        "Id": image.id,
        "RepoTags": _names(ask, image),
        "RepoDigests": _names(ask, image, digests=True),
        "Parent": "",
        "Comment": "",
        "Created": ask.time(image.created_ns),
        "Author": "",
        "Config": image.config,
        "Architecture": "amd64",
        "Os": "linux",
        "Size": image.size_bytes,
        "RootFS": {"Type": "layers", "Layers": [digest for digest, _ in image.layers]},
        "Metadata": {"LastTagTime": ask.time(image.created_ns)},
    }


def create(ask: Ask) -> Any:
    """`docker import`, whose files we do not keep, or `docker pull`."""
    if ask.text("fromSrc"):
        tag, repo = ask.text("tag"), ask.text("repo")
        name = f"{repo}:{tag}" if tag else repo
        made = ask.engine.images.import_image(name, ask.request.args.getlist("changes"))
        return streams.stream((_progress(status=id) for id in [made.id]), "application/json")
    name, tag = ask.text("fromImage"), ask.text("tag")
    if tag:
        name += ("@" if ":" in tag else ":") + tag
    return streams.stream(_pull(ask, name), "application/json")


def _progress(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\r\n"


def _pull(ask: Ask, name: str) -> streams.Pieces:
    """A line a step, as a pull tells it; a refusal is the last line, as the status is out."""
    try:
        wanted = Reference.parse(name)
        here = {digest for image in ask.engine.images.all() for digest, _ in image.layers}
        yield _progress(status=f"Pulling from {wanted.path}", id=wanted.tag or wanted.digest)
        image: Image = ask.wait(ask.engine.images.pull(name))
    except SwarmError as error:
        yield _progress(errorDetail={"message": str(error)}, error=str(error))
        return
    for digest, _ in image.layers:
        done = "Already exists" if digest in here else "Pull complete"
        yield _progress(status=done, progressDetail={}, id=digest[7:19])
    what = "Image is up to date for" if image.layers[0][0] in here else "Downloaded newer image for"
    yield _progress(status=f"Digest: {image.digest}")
    yield _progress(status=f"Status: {what} {wanted.familiar}")


def tag(ask: Ask, ref: str) -> None:
    name, tag = ask.text("repo"), ask.text("tag")
    ask.engine.images.tag(ref, f"{name}:{tag}" if tag else name)


def remove(ask: Ask, ref: str) -> Any:
    return ask.engine.images.remove(ref)


def distribution(ask: Ask, ref: str) -> Any:
    """What the registry says; also on nodes that are no managers."""
    image = ask.engine.images.registry.find(Reference.parse(ref))
    platforms = [name.split("/") for name in image.platforms]
    return {
        "Descriptor": {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": image.digest,
            "size": 1024,
        },
        "Platforms": [{"architecture": arch, "os": os} for os, arch, *_ in platforms],
    }
