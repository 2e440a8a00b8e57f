"""The images that the notebooks use, on every engine, without a room full of laptops pulling them.

What the outer engine holds is copied; what it lacks it pulls, once. Where no registry is in reach,
stand-ins made of the engine image's own busybox bear the well-known names: they start, stop, answer
HTTP on port 80 where they should, and do nothing else.
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
from swarmlab.real.remedies import explained
from swarmlab.strings import _

Say = Callable[[str], object]

WELL_KNOWN = Path(__file__).parents[1] / "worker" / "well_known_images.json"
COPIED = ("nginx:latest", "nginx:1.25", "nginx:1.27", "redis:latest", "alpine:latest")
REGISTRY_S = 5.0  # how long a registry may take to answer before it counts as out of reach

# A root folder of busybox alone, with the C library that it may need, as two images.
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


_told: set[str] = set()


def once(say: Say, text: str) -> None:
    """Say what is as true of the next launch, the first time only."""
    if text not in _told:
        _told.add(text)
        say(text)


def have(outer: docker.DockerClient, image: str, say: Say) -> None:
    """Make sure that the outer engine holds `image`."""
    try:
        outer.images.get(image)
    except ImageNotFound:
        say(_("pulling {image}, this once …", image=image))
        with explained(_("pulling {image}", image=image)):
            outer.images.pull(image)


def well_known() -> dict[str, bool]:
    """Name and tag of every image that a simulated registry has -> whether it is a server."""
    listed = json.loads(WELL_KNOWN.read_text())
    return {
        f"{name}:{tag}": about["server_logs"] is not None
        for name, about in listed.items()
        for tag in about["tags"].split()
    }


def registry_in_reach(outer: docker.DockerClient) -> bool:
    """Whether the outer engine finds Docker Hub; nothing is pulled, so no limit is used up."""
    api = outer.api
    try:
        reply = api.get(api._url("/distribution/{0}/json", "alpine:latest"), timeout=REGISTRY_S)
    except RequestException:
        return False
    return bool(reply.ok)


def share(
    outer: docker.DockerClient,
    container: str,
    first: docker.DockerClient,
    say: Say,
    *,
    online: bool,
) -> list[str]:
    """Put archives of images into the engines' common folder, through one of their containers.

    Returns the archives' names. `first` is that container's own engine, which builds stand-ins.
    """
    archives: list[str] = []
    if online:
        for image in COPIED:
            have(outer, image, say)
    tags = {tag for image in outer.images.list() for tag in image.tags}
    held = [image for image in COPIED if image in tags]
    for image in held:
        archives.append(f"{image.replace(':', '-')}.tar")
        with tempfile.TemporaryFile() as file:
            archive(outer.images.get(image).save(named=image), archives[-1], file)
            outer.api.put_archive(container, SHARED, file)
    if not online:
        names = {name: serves for name, serves in well_known().items() if name not in held}
        archives.append(stand_ins(outer, container, first, names))
        once(
            say,
            _(
                "no registry is in reach: {count} well-known images, {some} among them, are"
                " stand-ins made of busybox. They start, stop and answer HTTP, and that is all",
                count=len(names),
                some=next(iter(names)),
            ),
        )
    return archives


def archive(pieces: Iterable[bytes], name: str, into: IO[bytes]) -> None:
    """One file in a tar file, which is how Docker takes a file."""
    with tempfile.TemporaryFile() as whole:
        for piece in pieces:
            whole.write(piece)
        entry = tarfile.TarInfo(name)
        entry.size = whole.tell()
        whole.seek(0)
        with tarfile.open(fileobj=into, mode="w") as tar:
            tar.addfile(entry, whole)
    into.seek(0)


def stand_ins(
    outer: docker.DockerClient, container: str, first: docker.DockerClient, names: dict[str, bool]
) -> str:
    """Build the stand-ins, and save them all in one archive; its name."""
    run(outer, container, "sh", "-c", BUILD)
    built = {serves: f"swarmlab/{'server' if serves else 'shell'}" for serves in (True, False)}
    for name, serves in names.items():
        first.images.get(built[serves]).tag(name)
    run(outer, container, "docker", "save", "-o", f"{SHARED}/stand-ins.tar", *names)
    return "stand-ins.tar"


def load(outer: docker.DockerClient, containers: Iterable[str], archives: list[str]) -> None:
    """Let every engine load the archives, all at once."""
    jobs = [(one, f"{SHARED}/{name}") for one in containers for name in archives]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda job: run(outer, job[0], "docker", "load", "-qi", job[1]), jobs))


def run(outer: docker.DockerClient, container: str, *command: str) -> None:
    """Run a command in a container; LabError with what it said when it fails."""
    with explained(command[0]):
        code, said = outer.containers.get(container).exec_run(list(command))
    if code:
        raise LabError(f"{' '.join(command[:2])}: {said.decode(errors='replace').strip()}")
