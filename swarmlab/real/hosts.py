"""Connects to the engine that is meant: by DOCKER_HOST, a docker context, an address, or ssh."""

from __future__ import annotations

import os
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from swarmlab.errors import LabError
from swarmlab.model.versions import REAL_API_VERSION_MIN, REAL_DOCKER_MIN
from swarmlab.real.dial import client_over, dial_ssh
from swarmlab.real.remedies import lab_errors
from swarmlab.strings import _


def client_for_host(host: str | None = None) -> docker.DockerClient:
    """A client of the engine at an address or of a docker context; None: of the default engine."""
    arguments = client_arguments(host)
    url = arguments["base_url"] or "unix:///var/run/docker.sock"
    with lab_errors(_("Docker at {url}", url=url)):
        if url.startswith("ssh://"):
            client = client_over(partial(dial_ssh, url), urlsplit(url).hostname or "")
        else:
            client = docker.DockerClient(**arguments)
        version = client.version()
    if tuple(map(int, version["ApiVersion"].split("."))) < REAL_API_VERSION_MIN:
        raise LabError(
            "Docker at {url} is {version}, which is too old; {least} or newer is needed",
            url=url,
            version=version["Version"],
            least=REAL_DOCKER_MIN,
        )
    return client


def client_arguments(host: str | None) -> dict[str, Any]:
    """`base_url` and `tls` for the SDK, found as the stock command line finds them."""
    host = host or os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT")
    if host and "://" in host:
        return {"base_url": host, **kwargs_from_env({**os.environ, "DOCKER_HOST": host})}
    context = ContextAPI.get_context(host)
    if context is None:
        raise LabError(
            "there is no docker context {host!r}; `docker context ls` lists them", host=host
        )
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


def docker_variables() -> dict[str, str]:
    """The environment variables that lead to today's default engine, whatever changes later."""
    variables = {key: value for key, value in os.environ.items() if key.startswith("DOCKER_")}
    if not variables.get("DOCKER_HOST") and not variables.get("DOCKER_CONTEXT"):
        variables["DOCKER_CONTEXT"] = ContextAPI.get_context().name
    return variables
