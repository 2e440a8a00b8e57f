"""Creates the containers in which engines run, with their network and volume; removes them.

All of them carry the label `swarmlab=<lab>`, and whatever carries the label may be removed.
"""

from __future__ import annotations

import ipaddress
import secrets
import subprocess
import sys
from contextlib import suppress
from functools import partial
from itertools import islice

import docker
from docker.errors import NotFound
from docker.types import IPAMConfig, IPAMPool

from swarmlab.real.hosts import client_for_host

LABEL = "swarmlab"
SHARED = "/swarmlab"  # a folder shared by the engines of one launch
SOCKET = "unix:///var/run/docker.sock"  # the only place where an engine in a container listens
REGISTRY_HOSTS = ("docker.io", "registry-1.docker.io", "auth.docker.io")

# What an engine needs beyond Docker's default: to mount, to create networks, devices, namespaces.
# It is less than --privileged: a container can load no module, set no clock, and touch no raw disk
# through a driver (SYS_MODULE, SYS_TIME, SYS_RAWIO, SYS_BOOT, SYS_RESOURCE, … are missing).
CAPABILITIES = (
    *("SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE"),
    *("SETFCAP", "SYS_NICE", "DAC_READ_SEARCH", "LINUX_IMMUTABLE", "IPC_LOCK", "SYSLOG"),
)
# A container that is not privileged sees its control groups, but cannot create new ones.
START = """
for group in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw $group; done 2>/dev/null
exec "$@"
"""
_removing: list[subprocess.Popen[bytes]] = []


def new_lab() -> str:
    """A name that is unique to one launch, on any machine."""
    return f"{LABEL}-{secrets.token_hex(3)}"


def create_network_and_volume(client: docker.DockerClient, lab: str) -> list[str]:
    """A private network and a shared volume; the addresses that the engines may have.

    Docker gives a container a fixed address, which it keeps over a crash, only in a network whose
    subnet was given, too. So let Docker choose a free subnet first, and then give that one.
    """
    probe = client.networks.create(f"{lab}-range", labels={LABEL: lab})
    probe.reload()
    subnet = probe.attrs["IPAM"]["Config"][0]["Subnet"]
    probe.remove()
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=subnet)])
    client.networks.create(lab, labels={LABEL: lab}, ipam=pool)
    client.volumes.create(lab, labels={LABEL: lab})
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
        device_cgroup_rules=["a *:* rwm"],
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
        labels={LABEL: lab, f"{LABEL}.node": name},
        entrypoint=["sh", "-c", START, "sh", *entrypoint],
        command=["dockerd", f"--host={SOCKET}"],
        volumes=["/var/lib/docker"],
        host_config=host,
        networking_config=api.create_networking_config(
            {lab: api.create_endpoint_config(ipv4_address=address)}
        ),
    )
    api.start(created["Id"])


def remove(client: docker.DockerClient, lab: str = "") -> list[str]:
    """Remove what one launch created, or all launches; the names of what was there."""
    filters = {"label": f"{LABEL}={lab}" if lab else LABEL}
    containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
    networks = client.networks.list(filters=filters)
    volumes = client.volumes.list(filters=filters)
    removals = [
        *(partial(container.remove, force=True, v=True) for container in containers),
        *(network.remove for network in networks),
        *(partial(volume.remove, force=True) for volume in volumes),
    ]
    for removal in removals:  # one by one: at the end of a program no thread may start
        with suppress(NotFound):  # it is gone already
            removal()
    return sorted(object.name for object in [*containers, *networks, *volumes])


def remove_from_outside(lab: str) -> None:
    """As `remove`, in a new process: Jupyter gives a kernel that ends only 5 seconds."""
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", __name__, lab]
    _removing.append(
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    )


if __name__ == "__main__":  # see `remove_from_outside`
    remove(client_for_host(), sys.argv[1])
