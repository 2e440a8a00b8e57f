"""Creates the containers in which engines run, with their network and volume; removes them.

All of them carry the label `swarmlab=<lab>`, and a label with the user who launched them.
"""

from __future__ import annotations

import getpass
import hashlib
import ipaddress
import os
import platform
import secrets
import subprocess
import sys
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from docker.types import IPAMConfig, IPAMPool

from swarmlab.real.hosts import client_for_host

LABEL, OWNER = "swarmlab", "swarmlab.owner"
MACHINE_ID = Path("/etc/machine-id")  # on Linux
SHARED = "/swarmlab"  # a folder shared by the engines of one launch
SOCKET = "unix:///var/run/docker.sock"  # the only place where an engine in a container listens
REGISTRY_HOSTS = ("docker.io", "registry-1.docker.io", "auth.docker.io")

# What an engine needs beyond Docker's default: to mount and make namespaces, to make networks, and
# to enter containers of other users. Unlike with --privileged it can open no device of the machine
# (MKNOD is in Docker's default, but no rule allows the node), load no module and set no clock.
# That keeps mistakes inside, and no attacker: there is no user namespace, no seccomp, no AppArmor,
# and control groups can be written, with which SYS_ADMIN is enough to become the machine's root.
CAPABILITIES = ("SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE")
# A container that is not privileged sees its control groups, but cannot create new ones.
START = """
for group in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw $group; done 2>/dev/null
exec "$@"
"""
_removing: list[subprocess.Popen[bytes]] = []


def new_lab() -> str:
    """A name that is unique to one launch, on any machine."""
    return f"{LABEL}-{secrets.token_hex(3)}"


def owner() -> str:
    """This user on this machine: tells what one user of a shared Docker launched from the rest."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    # Its manual page says that it is not to be shown: hence a digest.
    digest = hashlib.sha256(MACHINE_ID.read_bytes()).hexdigest()[:12] if MACHINE_ID.exists() else ""
    return f"{user}@{platform.node()} {digest}".rstrip()


def labels(lab: str) -> dict[str, str]:
    return {LABEL: lab, OWNER: owner()}


def create_network_and_volume(client: docker.DockerClient, lab: str) -> list[str]:
    """A private network and a shared volume; the addresses that the engines may have.

    Docker gives a container a fixed address, which it keeps over a crash, only in a network whose
    subnet was given, too. So let Docker choose a free subnet first, and then give that one.
    """
    probe = client.networks.create(f"{lab}-range", labels=labels(lab))
    probe.reload()
    subnet = probe.attrs["IPAM"]["Config"][0]["Subnet"]
    probe.remove()
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    client.networks.create(lab, labels=labels(lab), ipam=pool)
    client.volumes.create(lab, labels=labels(lab))
    hosts = ipaddress.ip_network(subnet).hosts()
    return [str(host) for host in islice(hosts, 1, 250)]  # the first one is the gateway


def start_engine(
    client: docker.DockerClient, image: str, lab: str, name: str, address: str, *, online: bool
) -> None:
    """Start one engine in a container: `name` is its hostname, and so its name in the swarm."""
    api = client.api
    # Without a registry the names of its hosts lead nowhere, so that a pull fails at once and not
    # after 20 seconds.
    nowhere = [f"{host}:{loopback}" for host in REGISTRY_HOSTS for loopback in ("127.0.0.1", "::1")]
    host = api.create_host_config(
        cap_add=list(CAPABILITIES),
        security_opt=["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        tmpfs={"/run": "exec"},  # a crash forgets what was in memory
        binds=[f"{lab}:{SHARED}"],
        network_mode=lab,
        extra_hosts=[] if online else nowhere,
    )
    # Paths under /proc that Docker hides from a container, and a view of control groups of its own.
    host |= {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"}
    entrypoint = client.images.get(image).attrs["Config"].get("Entrypoint") or []
    created = api.create_container(
        image,
        name=f"{lab}-{name}",
        hostname=name,
        labels={**labels(lab), f"{LABEL}.node": name},
        entrypoint=["sh", "-c", START, "sh", *entrypoint],
        command=["dockerd", f"--host={SOCKET}"],
        volumes=["/var/lib/docker"],
        host_config=host,
        networking_config=api.create_networking_config(
            {lab: api.create_endpoint_config(ipv4_address=address)}
        ),
    )
    api.start(created["Id"])


def find(client: docker.DockerClient) -> list[Any]:
    """What launches of all users created: engines, then networks, then volumes."""
    filters = {"label": LABEL}
    found = [
        *client.containers.list(all=True, filters=filters, ignore_removed=True),
        *client.networks.list(filters=filters),
        *client.volumes.list(filters=filters),
    ]
    return [item for item in found if LABEL in labels_of(item)]  # not every engine heeds filters


def labels_of(found: Any) -> dict[str, str]:
    about = found.attrs.get("Config") or found.attrs
    return about.get("Labels") or {}


def remove_found(found: Any) -> None:
    """Remove one thing that `find` gave."""
    force = {Container: {"force": True, "v": True}, Volume: {"force": True}}
    with suppress(NotFound):  # it is gone already
        found.remove(**force.get(type(found), {}))


def remove(client: docker.DockerClient, lab: str) -> None:
    """Remove what one launch created, one by one: at the end of a program no thread may start."""
    for found in find(client):
        if labels_of(found)[LABEL] == lab:
            remove_found(found)


def remove_from_outside(lab: str, docker_variables: dict[str, str]) -> None:
    """As `remove`, in a new process: Jupyter gives a kernel that ends only 5 seconds."""
    quiet: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    command = [sys.executable, "-m", __name__, lab]
    others = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    env = others | docker_variables
    _removing.append(subprocess.Popen(command, start_new_session=True, env=env, **quiet))


if __name__ == "__main__":  # see `remove_from_outside`
    remove(client_for_host(), sys.argv[1])
