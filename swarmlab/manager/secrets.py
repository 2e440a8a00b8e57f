"""The store of secrets and configs: their rules, who uses them, and which node needs which.

Everything that the manager decides on secrets and configs is here. The control API maps commands to
`create_secret` and the others; the dispatcher asks `needed_by`. What a node keeps in memory, and
which files a container gets, is in `worker/secrets.py`.
Source: swarmkit manager/controlapi/{secret,config,service}.go, manager/dispatcher/assignments.go,
api/validation/secrets.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from swarmlab import model
from swarmlab.errors import AlreadyExists, InvalidArgument
from swarmlab.manager.leader import Leader
from swarmlab.manager.store import Change, Store, check_version, create, remove, update
from swarmlab.model import messages

NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?")
NAME_LENGTH_MAX = 64
SECRET_BYTES_MAX, CONFIG_BYTES_MAX = 512_000, 1_024_000  # exclusive; a KB is 1,024 bytes

T = TypeVar("T", model.Secret, model.Config)


# -- commands ----------------------------------------------------------------------------------
def create_secret(view: Store, command: messages.CreateSecret, leader: Leader) -> list[Change]:
    check_name(command.spec.get("Name", ""))
    driver = command.spec.get("Driver")
    if driver is None:
        check_size(model.Secret, command.data, SECRET_BYTES_MAX)
    elif not driver.get("Name"):
        raise InvalidArgument("secret driver must have a name")
    return _create(view, model.Secret, command, leader)


def create_config(view: Store, command: messages.CreateConfig, leader: Leader) -> list[Change]:
    check_name(command.spec.get("Name", ""))
    check_size(model.Config, command.data, CONFIG_BYTES_MAX)
    return _create(view, model.Config, command, leader)


def _create(
    view: Store, kind: type[T], command: messages.CreateFile, leader: Leader
) -> list[Change]:
    spec, data = command.spec, command.data
    if view.named(kind, spec["Name"]) is not None:
        raise AlreadyExists(f"{kind.table} {spec['Name']} already exists")
    return [create(kind(id=leader.simulation.new_id(), spec=spec, data=data))]


def update_secret_labels(
    view: Store, command: messages.UpdateSecretLabels, leader: Leader
) -> list[Change]:
    return _update_labels(view.require(model.Secret, command.id), command)


def update_config_labels(
    view: Store, command: messages.UpdateConfigLabels, leader: Leader
) -> list[Change]:
    return _update_labels(view.require(model.Config, command.id), command)


def _update_labels(
    object: model.Secret | model.Config, command: messages.UpdateLabels
) -> list[Change]:
    spec, data = command.spec, command.data
    if spec.get("Name") != object.name or (data and data != object.data):
        raise InvalidArgument("only updates to Labels are allowed")
    check_version(object, command.version)
    labels = object.spec.with_(Labels=spec.get("Labels") or model.Document())
    return [update(replace(object, spec=labels))]


def remove_secret(view: Store, command: messages.RemoveSecret, leader: Leader) -> list[Change]:
    return _remove(view, view.require(model.Secret, command.id))


def remove_config(view: Store, command: messages.RemoveConfig, leader: Leader) -> list[Change]:
    return _remove(view, view.require(model.Config, command.id))


def _remove(view: Store, object: model.Secret | model.Config) -> list[Change]:
    """Refused while a service's current spec refers to it; tasks and previous specs don't count."""
    users = [
        s.name for s in view.all(model.Service) if object.id in _ids(s.spec.task, type(object))
    ]
    if users:
        plural = "s" if len(users) > 1 else ""
        raise InvalidArgument(
            f"{object.table} '{object.name}' is in use by the following service{plural}: "
            f"{', '.join(users)}"
        )
    return [remove(object)]


# -- rules -------------------------------------------------------------------------------------
def check_name(name: str) -> None:
    """Raise InvalidArgument unless a secret or config may have this name."""
    if not name:
        raise InvalidArgument("name must be provided")
    if len(name) > NAME_LENGTH_MAX or not NAME.fullmatch(name):
        raise InvalidArgument(
            "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, "
            "and the start and end character must be [a-zA-Z0-9]"
        )


def check_size(kind: type[model.Secret | model.Config], data: bytes, bytes_max: int) -> None:
    """Raise InvalidArgument unless a payload is smaller than the limit, and not empty."""
    if not 0 < len(data) < bytes_max:
        limits = f"larger than 0 and less than {bytes_max} bytes"
        raise InvalidArgument(f"{kind.table} data must be {limits}")


def check_references(spec: model.TaskSpec, kind: type[model.Secret | model.Config]) -> None:
    """Raise InvalidArgument unless each reference has an id, a name, and a file of its own."""
    targets: dict[str, str] = {}
    for reference in _references(spec, kind):
        name = reference.get(f"{kind.__name__}Name")
        if not reference.get(f"{kind.__name__}ID") or not name:
            raise InvalidArgument(f"malformed {kind.table} reference")
        if "File" not in reference:
            if kind is model.Config and "Runtime" in reference:
                continue
            raise InvalidArgument(f"malformed {kind.table} reference, no target provided")
        target = reference["File"].get("Name")
        if not target:
            raise InvalidArgument(
                f"malformed file {kind.table} reference, invalid target file name provided"
            )
        if target in targets:
            raise InvalidArgument(
                f"{kind.table} references '{targets[target]}' and '{name}' "
                f"have a conflicting target: '{target}'"
            )
        targets[target] = name


def check_exist(spec: model.ServiceSpec, view: Store) -> None:
    """Whether the secrets and configs that a service refers to exist under the names it gives."""
    for kind in (model.Secret, model.Config):
        missing = [
            reference[f"{kind.__name__}Name"]
            for reference in _references(spec.task, kind)
            if (object := view.get(kind, reference[f"{kind.__name__}ID"])) is None
            or object.name != reference[f"{kind.__name__}Name"]
        ]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise InvalidArgument(f"{kind.table}{plural} not found: {', '.join(missing)}")


# -- who needs what ------------------------------------------------------------------------------
def needed_by(tasks: Iterable[model.Task], kind: type[T], view: Store) -> dict[str, T]:
    """The secrets or configs, by id, that a node with these tasks needs: those they refer to."""
    ids = [id for task in tasks for id in _ids(task.spec, kind)]
    return {id: object for id in ids if (object := view.get(kind, id)) is not None}


def without_data(object: model.StoreObject) -> model.StoreObject:
    """The object as the control API shows it: a secret without its data."""
    return object.with_(data=b"") if isinstance(object, model.Secret) else object


def _references(
    spec: model.TaskSpec, kind: type[model.Secret | model.Config]
) -> tuple[model.Document, ...]:
    return spec.secrets if kind is model.Secret else spec.configs


def _ids(spec: model.TaskSpec, kind: type[model.Secret | model.Config]) -> list[str]:
    return [reference.get(f"{kind.__name__}ID", "") for reference in _references(spec, kind)]
