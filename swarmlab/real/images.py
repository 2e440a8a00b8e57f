"""Puts the images that the notebooks use on every launched engine, without pulling them on each.

What the outer engine holds is copied; what it lacks it pulls, once. Where no registry can be
reached, stand-ins made of the engine image's own busybox get the well-known names: they start,
stop, answer HTTP on port 80 if they are servers, ask for it with `curl`, and do nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker
from docker.errors import ImageNotFound
from requests.exceptions import RequestException

from swarmlab.errors import LabError
from swarmlab.real.engines import SHARED
from swarmlab.real.remedies import lab_errors
from swarmlab.strings import _

Say = Callable[[str], object]

WELL_KNOWN = Path(__file__).parents[1] / "worker" / "well_known_images.json"
COPIED = ("nginx:latest", "nginx:1.25", "nginx:1.27", "redis:latest", "alpine:latest")
REGISTRY_TIMEOUT_S = 5.0  # after which a registry counts as unreachable

LOAD = "tar -c -C {} . | docker load -q"

# A root folder with busybox alone, and the C library that it may need, as two images.
BUILD = r"""
set -e
mkdir -p /tmp/stand-in/bin /tmp/stand-in/lib /tmp/stand-in/tmp
cd /tmp/stand-in
cp /bin/busybox bin/
cp /lib/ld-musl-* lib/ 2>/dev/null || true
for applet in $(busybox --list); do [ -e bin/$applet ] || ln -s busybox bin/$applet; done
cat > bin/serve <<'END'
#!/bin/sh
trap 'exit 0' TERM INT QUIT
echo "A stand-in made of busybox answers from $(hostname)." > /tmp/index.html
httpd -p 80 -h /tmp
while true; do sleep 3600 & wait $!; done
END
cat > bin/curl <<'END'
#!/bin/sh
for word; do last=$word; done
exec wget -q -O - "$last"
END
chmod +x bin/serve bin/curl
tar -c . | docker import -c 'CMD ["serve"]' -c 'LABEL swarmlab=stand-in' - swarmlab/server
tar -c . | docker import -c 'CMD ["sh"]' -c 'LABEL swarmlab=stand-in' - swarmlab/shell
"""


_said: set[str] = set()


def say_once(say: Say, text: str) -> None:
    """Say what holds for every launch the first time only."""
    if text not in _said:
        _said.add(text)
        say(text)


def ensure_image(outer: docker.DockerClient, image: str, say: Say) -> None:
    """Pull `image` to the outer engine, unless it is there."""
    try:
        outer.images.get(image)
    except ImageNotFound:
        say(_("pulling {image}, this once …", image=image))
        with lab_errors(_("pulling {image}", image=image)):
            outer.images.pull(image)


def well_known_images() -> dict[str, bool]:
    """Name and tag of every image that a simulated registry has -> whether it is a server."""
    return {
        f"{name}:{tag}": about["server_logs"] is not None
        for name, about in json.loads(WELL_KNOWN.read_text(encoding="utf-8")).items()
        for tag in about["tags"].split()
    }


def is_registry_reachable(outer: docker.DockerClient) -> bool:
    """Whether the outer engine reaches Docker Hub; nothing is pulled, so no rate limit counts."""
    api = outer.api
    url = api._url("/distribution/{0}/json", "alpine:latest")
    try:
        return bool(api.get(url, timeout=REGISTRY_TIMEOUT_S).ok)
    except RequestException:
        return False


def share(
    outer: docker.DockerClient,
    container: str,
    engine: docker.DockerClient,
    say: Say,
    *,
    online: bool,
) -> list[str]:
    """Put images into the folder that the engines share, through one of their containers.

    Returns folders, each with the content of a `docker save` archive. `engine` is that container's
    own, which builds the stand-ins.
    """
    folders: list[str] = []
    if online:
        for image in COPIED:
            ensure_image(outer, image, say)
    tags = {tag for image in outer.images.list() for tag in image.tags}
    copied = [image for image in COPIED if image in tags]
    for image in copied:
        folders.append(f"{SHARED}/{image.replace(':', '-')}")
        run(outer, container, f"mkdir {folders[-1]}")
        outer.api.put_archive(container, folders[-1], outer.images.get(image).save(named=image))
    if not online:
        names = {name: server for name, server in well_known_images().items() if name not in copied}
        folders.append(build_stand_ins(outer, container, engine, names))
        no_registry = _(
            "no registry can be reached: {count} well-known images, {some} among them, are"
            " stand-ins made of busybox. They start, stop and answer HTTP, and that is all",
            count=len(names),
            some=next(iter(names)),
        )
        say_once(say, no_registry)
    return folders


def build_stand_ins(
    outer: docker.DockerClient, container: str, engine: docker.DockerClient, names: dict[str, bool]
) -> str:
    """Build the stand-ins, and save them all in one folder; its path."""
    folder = f"{SHARED}/stand-ins"
    run(outer, container, BUILD)
    for name, server in names.items():
        engine.images.get("swarmlab/server" if server else "swarmlab/shell").tag(name)
    run(outer, container, f"mkdir {folder}; docker save {' '.join(names)} | tar -x -C {folder}")
    return folder


def load(outer: docker.DockerClient, containers: Iterable[str], folders: list[str]) -> None:
    """Let every engine load the images in these folders, all at once."""
    jobs = [(container, folder) for container in containers for folder in folders]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda job: run(outer, job[0], LOAD.format(job[1])), jobs))


def run(outer: docker.DockerClient, container: str, script: str) -> None:
    """Run a shell script in a container; LabError with its output when it fails."""
    last_line = script.splitlines()[-1]
    with lab_errors(last_line):
        code, output = outer.containers.get(container).exec_run(["sh", "-c", script])
    if code:
        raise LabError(f"{last_line}: {output.decode(errors='replace').strip()}")
