"""Puts the images that the notebooks use on every launched engine, without pulling them on each.

What the outer engine holds is copied; what it lacks it pulls, once. Where no registry can be
reached, stand-ins made of the engine image's own busybox get the well-known names: they start,
stop, answer HTTP on port 80 if they are servers, and do nothing else.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

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
chmod +x bin/serve
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
        for name, about in json.loads(WELL_KNOWN.read_text()).items()
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
    """Put archives of images into the engines' shared folder, through one of their containers.

    Returns the archives' names. `engine` is that container's own, which builds the stand-ins.
    """
    archives: list[str] = []
    if online:
        for image in COPIED:
            ensure_image(outer, image, say)
    tags = {tag for image in outer.images.list() for tag in image.tags}
    copied = [image for image in COPIED if image in tags]
    for image in copied:
        archives.append(f"{image.replace(':', '-')}.tar")
        with tempfile.TemporaryFile() as file:
            write_tar(outer.images.get(image).save(named=image), archives[-1], file)
            outer.api.put_archive(container, SHARED, file)
    if not online:
        names = {name: server for name, server in well_known_images().items() if name not in copied}
        archives.append(build_stand_ins(outer, container, engine, names))
        say_once(
            say,
            _(
                "no registry can be reached: {count} well-known images, {some} among them, are"
                " stand-ins made of busybox. They start, stop and answer HTTP, and that is all",
                count=len(names),
                some=next(iter(names)),
            ),
        )
    return archives


def write_tar(data: Iterable[bytes], name: str, into: IO[bytes]) -> None:
    """Write a tar file with one file in it, the form in which Docker takes files."""
    with tempfile.TemporaryFile() as whole:
        whole.writelines(data)
        entry = tarfile.TarInfo(name)
        entry.size = whole.tell()
        whole.seek(0)
        with tarfile.open(fileobj=into, mode="w") as tar:
            tar.addfile(entry, whole)
    into.seek(0)


def build_stand_ins(
    outer: docker.DockerClient, container: str, engine: docker.DockerClient, names: dict[str, bool]
) -> str:
    """Build the stand-ins, and save them all in one archive; its name."""
    run(outer, container, "sh", "-c", BUILD)
    for name, server in names.items():
        engine.images.get("swarmlab/server" if server else "swarmlab/shell").tag(name)
    run(outer, container, "docker", "save", "-o", f"{SHARED}/stand-ins.tar", *names)
    return "stand-ins.tar"


def load(outer: docker.DockerClient, containers: Iterable[str], archives: list[str]) -> None:
    """Let every engine load the archives, all at once."""
    jobs = [(container, f"{SHARED}/{name}") for container in containers for name in archives]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda job: run(outer, job[0], "docker", "load", "-qi", job[1]), jobs))


def run(outer: docker.DockerClient, container: str, *command: str) -> None:
    """Run a command in a container; LabError with its output when it fails."""
    with lab_errors(command[0]):
        code, output = outer.containers.get(container).exec_run(list(command))
    if code:
        raise LabError(f"{' '.join(command[:2])}: {output.decode(errors='replace').strip()}")
