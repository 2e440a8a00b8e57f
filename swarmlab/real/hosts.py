"""Connects to the engine that is meant: by DOCKER_HOST, a docker context, an address, or ssh."""

from __future__ import annotations

import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import DockerException, TLSParameterError
from docker.utils import kwargs_from_env

from swarmlab.errors import LabError
from swarmlab.model.versions import REAL_API_VERSION_MIN, REAL_DOCKER_MIN
from swarmlab.real.dial import client_over, dial_ssh
from swarmlab.real.remedies import lab_errors
from swarmlab.strings import _

SCHEMES = ("unix", "http+unix", "tcp", "http", "https", "ssh", *["npipe"] * (os.name == "nt"))


def client_for_host(host: str | None = None) -> docker.DockerClient:
    """A client of the engine at an address or of a docker context; None: of the default engine."""
    arguments = client_arguments(host)
    url = arguments["base_url"] or "unix:///var/run/docker.sock"
    with lab_errors(_("Docker at {url}", url=url)):
        check_address(url)
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
        with lab_errors(_("Docker at {url}", url=host)):
            return {"base_url": host, **_from_environment(host)}
    try:
        context = ContextAPI.get_context(host)
    except Exception:  # the SDK's own way to say so
        raise LabError(
            "the docker context {host!r} is damaged; `docker context rm` removes it",
            host=host or "(current)",
        ) from None
    if context is None:
        raise LabError(
            "there is no docker context {host!r}; `docker context ls` lists them", host=host
        )
    return {"base_url": str(context.Host), "tls": context.TLSConfig or False}


def _from_environment(host: str) -> dict[str, Any]:
    """With `tls` where DOCKER_TLS_VERIFY or DOCKER_CERT_PATH asks for it."""
    try:
        return kwargs_from_env({**os.environ, "DOCKER_HOST": host})  # type: ignore[no-any-return]
    except TLSParameterError:
        folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
        files = [folder / name for name in ("ca.pem", "cert.pem", "key.pem")]
        absent = next((file for file in files if not file.is_file()), folder)
        raise DockerException(f"open {absent}: no such file or directory") from None


def check_address(url: str) -> None:
    """Refuse, in the words of Docker's command line, what no client on this machine can use.

    Source: docker/cli opts/hosts.go, cli/connhelper/ssh/ssh.go; Go net/url, os/exec.
    """
    scheme, ssh = url.partition("://")[0], url.startswith("ssh://")
    try:
        where = urlsplit(url)
        _port = where.port  # it is looked at only now
    except ValueError as error:
        fault = "invalid port after host" if "Port" in str(error) else "invalid host name"
        raise DockerException(fault) from None
    no_ssh = "invalid SSH URL: {}".format
    faults = {
        "invalid control character in URL": not url.isprintable(),
        f"invalid bind address format: {url}": scheme not in SCHEMES,
        no_ssh("plain-text password is not supported"): ssh and where.password is not None,
        no_ssh("hostname is empty"): ssh and not where.hostname,
        no_ssh("query and fragment are not allowed"): ssh and bool(where.query + where.fragment),
        'exec: "ssh": executable file not found in $PATH': ssh and shutil.which("ssh") is None,
    }
    if fault := next(filter(faults.get, faults), ""):
        raise DockerException(fault)


def docker_variables() -> dict[str, str]:
    """The environment variables that lead to today's default engine, whatever changes later."""
    variables = {key: value for key, value in os.environ.items() if key.startswith("DOCKER_")}
    if not variables.get("DOCKER_HOST") and not variables.get("DOCKER_CONTEXT"):
        variables["DOCKER_CONTEXT"] = ContextAPI.get_context().name
    return variables
