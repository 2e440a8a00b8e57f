"""Engines as containers of an engine: what is made for one launch, and what removes it.

Everything made carries the label `swarmlab=<lab>`, and whatever carries the label can go.
"""

from __future__ import annotations

import ipaddress
import secrets
import subprocess
import sys
from contextlib import suppress
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

LABEL = "swarmlab"
SHARED = "/swarmlab"  # a folder that the engines of one launch share
SOCKET = "unix:///var/run/docker.sock"  # the only place where an engine in a container listens
REGISTRY_HOSTS = ("docker.io", "registry-1.docker.io", "auth.docker.io")

# What an engine needs beyond Docker's default: to mount, to make networks, devices, namespaces. It
# is less than --privileged: no module can be loaded, the clock not set, no raw disk touched
# through a driver (SYS_MODULE, SYS_TIME, SYS_RAWIO, SYS_BOOT, SYS_RESOURCE, … are missing).
CAPABILITIES = (
    *("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE"),
    *("SETFCAP", "SYS_NICE", "DAC_READ_SEARCH", "LINUX_IMMUTABLE", "IPC_LOCK", "SYSLOG"),
)
# A container that is not privileged sees its control groups, but may not make new ones.
START = """
for group in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw $group; done 2>/dev/null
exec "$@"
"""
REMOVE = """
import sys
from swarmlab.real import engines
from swarmlab.real import hosts
engines.remove(hosts.reach(), sys.argv[1])
"""
_removing: list[subprocess.Popen[bytes]] = []


def new_lab() -> str:
    """A name that no other launch has, on whatever machine."""
    return f"{LABEL}-{secrets.token_hex(3)}"


def make_room(client: docker.DockerClient, lab: str) -> list[str]:
    """A private network and a common folder; the addresses that the engines may have.

    Docker gives a container a chosen address, which it keeps over a crash, only where the range was
    chosen too. So Docker chooses a range that is free here, and we ask for that one.
    """
    tried = client.networks.create(f"{lab}-range", labels={LABEL: lab})
    tried.reload()
    subnet = tried.attrs["IPAM"]["Config"][0]["Subnet"]
    tried.remove()
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    client.networks.create(lab, labels={LABEL: lab}, ipam=pool)
    client.volumes.create(lab, labels={LABEL: lab})
    hosts = ipaddress.ip_network(subnet).hosts()
    return [str(host) for host, _ in zip(hosts, range(250), strict=False)][1:]


def make_engine(
    client: docker.DockerClient, image: str, lab: str, name: str, address: str, *, online: bool
) -> None:
    """Start one engine in a container: `name` is its hostname, and so its name in the swarm."""
    api = client.api
    # Where no registry is in reach an engine is told so at once, and not after 20 seconds.
    nowhere = [f"{host}:{here}" for host in REGISTRY_HOSTS for here in ("127.0.0.1", "::1")]
    host = api.create_host_config(
        cap_add=list(CAPABILITIES),
        security_opt=["seccomp=unconfined", "apparmor=unconfined", "label=disable"],
        device_cgroup_rules=["a *:* rwm"],
        tmpfs={"/run": "exec"},  # a crash forgets what was in memory
        binds=[f"{lab}:{SHARED}"],
        network_mode=lab,
        extra_hosts=[] if online else nowhere,
    )
    # Paths under /proc that Docker hides from a container, and a view of control groups of its own.
    host |= {"MaskedPaths": [], "ReadonlyPaths": [], "CgroupnsMode": "private"}
    entrypoint = client.images.get(image).attrs["Config"].get("Entrypoint") or []
    made = api.create_container(
        image,
        name=f"{lab}-{name}",
        hostname=name,
        labels={LABEL: lab, f"{LABEL}.node": name},
        entrypoint=["sh", "-c", START, "sh", *entrypoint],
        command=["dockerd", f"--host={SOCKET}"],
        volumes=["/var/lib/docker"],
        host_config=host,
        networking_config=api.create_networking_config(
            {lab: api.create_endpoint_config(ipv4_address=address)}
        ),
    )
    api.start(made["Id"])


def remove(client: docker.DockerClient, lab: str = "") -> list[str]:
    """Remove what one launch made, or all launches; the names of what was there."""
    ours = {"label": f"{LABEL}={lab}" if lab else LABEL}
    containers = client.containers.list(all=True, filters=ours, ignore_removed=True)
    for container in containers:  # one by one: at the end of a program no thread may start
        _gone(container, force=True, v=True)
    networks = client.networks.list(filters=ours)
    for network in networks:
        _gone(network)
    volumes = client.volumes.list(filters=ours)
    for volume in volumes:
        _gone(volume, force=True)
    return sorted(found.name for found in [*containers, *networks, *volumes])


def remove_from_outside(lab: str) -> None:
    """Let a process of its own do it: a kernel that ends is given 5 seconds, which may not do."""
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-c", REMOVE, lab]
    _removing.append(
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    )


def _gone(found: Any, **options: Any) -> None:
    """Remove it; that it is gone already is as well."""
    with suppress(NotFound):
        found.remove(**options)
