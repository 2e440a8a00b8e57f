"""The volumes of one engine, and the mounts that a request for a container asks for.

A volume is a folder on its engine's disk: it stays when its containers go, and no other engine has
it. Source: moby volume/{local,mounts,service}, daemon/{create,volumes}.go.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import NamedTuple

from swarmlab.errors import BadParameter, EngineFault, NoSuchObject
from swarmlab.model import EMPTY, Document
from swarmlab.programs.file_system import ROOT, File, MountPoint
from swarmlab.simulation import Disk, Machine

FOLDER = "docker/volumes/"
ANONYMOUS = "com.docker.volume.anonymous"
HOST_FOLDERS = ("", *ROOT, "mnt", "opt", "srv")  # what a bind mount's source may begin with
MODES = {
    *("", "ro", "rw", "z", "Z", "nocopy", "cached", "consistent", "delegated"),
    *("private", "rprivate", "shared", "rshared", "slave", "rslave"),
}
NAME = "[a-zA-Z0-9][a-zA-Z0-9_.-]"


class DiskFolder(MutableMapping[str, File]):
    """The files below one folder of a machine's disk, by path: `/a/b`."""

    def __init__(self, disk: Disk, folder: str) -> None:
        self._disk, self._folder = disk, folder

    def __getitem__(self, path: str) -> File:
        file: File = pickle.loads(self._disk.read(self._folder + path))
        return file

    def __setitem__(self, path: str, file: File) -> None:
        self._disk.write(self._folder + path, pickle.dumps(file))

    def __delitem__(self, path: str) -> None:
        self._disk.remove(self._folder + path)

    def __iter__(self) -> Iterator[str]:
        return (n.removeprefix(self._folder) for n in self._disk.names(f"{self._folder}/"))

    def __len__(self) -> int:
        return len(list(iter(self)))


class Volume(NamedTuple):
    name: str
    created_ns: int
    labels: Document | None = None
    options: Document | None = None

    @property
    def anonymous(self) -> bool:
        return ANONYMOUS in (self.labels or EMPTY)


class Volumes:
    """The volumes of one engine; everything about them is on its disk."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.on_event: Callable[..., None] | None = None  # called with type, action, name, …

    def emit(self, action: str, name: str, **attributes: str) -> None:
        if self.on_event:
            self.on_event("volume", action, name, **attributes, driver="local")

    def all(self) -> list[Volume]:
        """Sorted by name."""
        names = [name.split("/") for name in self._machine.disk.names(FOLDER)]
        return [self.get(parts[2]) for parts in names if parts[3:] == ["opts"]]

    def get(self, name: str) -> Volume:
        if f"{FOLDER}{name}/opts" not in self._machine.disk:
            raise NoSuchObject(f"get {name}: no such volume")
        volume: Volume = pickle.loads(self._machine.disk.read(f"{FOLDER}{name}/opts"))
        return volume

    def create(self, name: str, driver: str = "", **fields: Document | None) -> Volume:
        """The volume of that name; it is made if there is none. `fields`: labels and options."""
        if driver not in ("", "local"):
            reason = f'error looking up volume plugin {driver}: plugin "{driver}" not found'
            raise NoSuchObject(f"create {name}: {reason}")
        if len(name) == 1:
            rule = "names should be at least two alphanumeric characters"
            raise BadParameter(f"create {name}: volume name is too short, {rule}")
        if not re.fullmatch(f"{NAME}+", name):
            raise BadParameter(
                f'create {name}: "{name}" includes invalid characters for a local volume name, only'
                f' "{NAME}" are allowed. If you intended to pass a host directory, use absolute'
                " path"
            )
        if f"{FOLDER}{name}/opts" in self._machine.disk:
            return self.get(name)
        volume = Volume(name, self._machine.simulation.now_ns, **fields)
        self._machine.disk.write(f"{FOLDER}{name}/opts", pickle.dumps(volume))
        self.emit("create", name)
        return volume

    def remove(self, name: str) -> None:
        self._machine.disk.delete(f"{FOLDER}{name}/")
        self.emit("destroy", name)

    def size_bytes(self, name: str) -> int:
        return sum(len(file.data) for file in self._data(name).values())

    def _data(self, name: str) -> DiskFolder:
        return DiskFolder(self._machine.disk, f"{FOLDER}{name}/_data")

    def files(self, point: MountPoint) -> MutableMapping[str, File]:
        """What is mounted there; a temporary file system is empty."""
        if point.kind == "volume":
            return self._data(point.source)
        return DiskFolder(self._machine.disk, point.source) if point.kind == "bind" else {}

    def mount_points(
        self,
        config: Document,
        image_config: Document,
        container_id: str,
        mounts_of: Callable[[str], Iterable[MountPoint]],
    ) -> tuple[MountPoint, ...]:
        """What a new container mounts; volumes that are missing are made.

        `mounts_of` gives the mounts of another container.
        """
        host = config.get("HostConfig") or EMPTY
        points: dict[str, MountPoint] = {}
        for reference in host.get("VolumesFrom") or ():
            name, _, mode = reference.partition(":")
            for point in mounts_of(name):
                read_only = point.read_only or mode == "ro"
                points[point.target] = point._replace(read_only=read_only)
        requested = [(bind(text), EMPTY) for text in host.get("Binds") or ()]
        requested += [mount(document) for document in host.get("Mounts") or ()]
        for target in host.get("Tmpfs") or ():
            requested.append((MountPoint("tmpfs", "", target, listed=False), EMPTY))
        folders = (config, image_config)
        anonymous = {target for part in folders for target in part.get("Volumes") or ()}
        targets = Counter(point.target for point, _ in requested)
        if repeated := [target for target, count in targets.items() if count > 1]:
            raise BadParameter(f"Duplicate mount point: {repeated[0]}")
        for target in sorted(anonymous - {*targets, *points}):
            requested.append((MountPoint("volume", "", target), EMPTY))
        for point, options in requested:
            if point.kind == "volume":
                driver = options.at("DriverConfig", "Name") or host.get("VolumeDriver") or ""
                point = self._volume_at(point, container_id, driver, options.get("Labels"))
            points[point.target] = point
        return tuple(points.values())

    def _volume_at(
        self, point: MountPoint, container_id: str, driver: str, labels: Document | None
    ) -> MountPoint:
        """The mount of a volume, which is made; one without a name gets the same in all runs."""
        if not point.source:
            name = hashlib.sha256(f"{container_id} {point.target}".encode()).hexdigest()
            point = point._replace(source=name, anonymous=True)
            labels = Document({**(labels or EMPTY), ANONYMOUS: ""})
        self.create(point.source, driver, labels=labels)
        return point


# -- the mounts of a create request ---------------------------------------------------------------
def bind(text: str) -> MountPoint:
    """`source:/target:ro`, where the source is a volume or a folder of the machine."""
    source, target, mode = ["", text, ""] if ":" not in text else (text + ":").split(":", 3)[:3]
    for word in mode.split(","):
        if word not in MODES:
            raise EngineFault(f"invalid mode: {mode}")
    kind, why = ("bind" if source.startswith("/") else "volume"), _wrong_target(target)
    if target == "/":
        why = "invalid specification: destination can't be '/'"
    if why:
        config = f'invalid mount config for type "{kind}": {why}'
        raise EngineFault(f"invalid volume specification: '{text}': {config}")
    mode = mode or "z" * (kind == "volume" and bool(source))
    return MountPoint(kind, source, target.rstrip("/"), "ro" in mode.split(","), mode)


def _wrong_target(target: str) -> str:
    if not target:
        return "field Target must not be empty"
    absolute = target.startswith("/")
    return "" if absolute else f"invalid mount path: '{target}' mount path must be absolute"


def mount(document: Document) -> tuple[MountPoint, Document]:
    """One of HostConfig.Mounts, and the options of its volume."""
    kind, source = document.get("Type") or "", document.get("Source") or ""
    target, options = document.get("Target") or "", document.get("VolumeOptions") or EMPTY
    why = _wrong_target(target)
    if kind not in ("bind", "volume", "tmpfs"):
        why = "mount type unknown"
    elif kind == "tmpfs" and source:
        why = "field Source must not be specified"
    elif kind == "bind" and not source.startswith("/"):
        why = _wrong_target(source).replace("Target", "Source")
    elif kind == "bind" and source.split("/")[1] not in HOST_FOLDERS:
        why = f"bind source path does not exist: {source}"
    if why:
        raise BadParameter(f'invalid mount config for type "{kind}": {why}')
    read_only, mode = bool(document.get("ReadOnly")), "z" * (kind == "volume")
    return MountPoint(kind, source, target.rstrip("/"), read_only, mode), options
