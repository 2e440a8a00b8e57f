"""Which engine is meant, and a client of it: DOCKER_HOST, a docker context, an address, ssh."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from swarmlab.errors import LabError
from swarmlab.real.dial import API_LEAST, client_through, ssh_dial
from swarmlab.real.remedies import explained
from swarmlab.strings import _


def reach(host: str | None = None) -> docker.DockerClient:
    """A client of the engine at an address or of a docker context; of the usual one when None."""
    where = address_of(host)
    url = where["base_url"] or "unix:///var/run/docker.sock"
    with explained(_("Docker at {url}", url=url)):
        if url.startswith("ssh://"):
            client = client_through(ssh_dial(url), urlsplit(url).hostname or "")
        else:
            client = docker.DockerClient(**where)
        version = client.version()
    if tuple(map(int, version["ApiVersion"].split("."))) < API_LEAST:
        raise LabError(
            "Docker at {url} is {version}, which is too old; 20.10 or newer is needed",
            url=url,
            version=version["Version"],
        )
    return client


def address_of(host: str | None) -> dict[str, Any]:
    """`base_url` and `tls`, as the SDK wants them; as the stock command line would find them."""
    host = host or os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if host and "://" in host:
        return {"base_url": host, **kwargs_from_env({**os.environ, "DOCKER_HOST": host})}
    context = ContextAPI.get_context(host)
    if context is None:
        raise LabError(
            "there is no docker context {host!r}; `docker context ls` lists them", host=host
        )
    return {"base_url": context.Host, "tls": context.TLSConfig or False}
