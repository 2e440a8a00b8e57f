"""The templates in the spec of a service's containers: environment, host name and mounts.

The manager checks them with a made-up task; the node of a task fills them in.
Source: swarmkit template/{context,expand,template}.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmlab.errors import BadParameter
from swarmlab.model import EMPTY, Document, Task
from swarmlab.templates.go_text import Struct, go_quote
from swarmlab.templates.template import BUILTINS, Functions, GoTemplate, GoTemplateError

FUNCTIONS: Functions = {**BUILTINS, "join": lambda separator, *texts: separator.join(texts)}


class TemplateContext(Struct):
    go_type = "*template.Context"


class ServiceFields(Struct):
    go_type = "struct { ID string; Name string; Labels map[string]string }"


class NodeFields(Struct):
    go_type = "struct { ID string; Hostname string; Platform template.Platform }"


class PlatformFields(Struct):
    go_type = "template.Platform"


class TaskFields(Struct):
    go_type = "struct { ID string; Name string; Slot string }"


def context_of(task: Task, node: Document) -> TemplateContext:
    """What the templates of a task see; `node` is Docker's node description."""
    platform = node.get("Platform") or EMPTY
    architecture, system = platform.get("Architecture", ""), platform.get("OS", "")
    labels = dict(task.service_labels)
    return TemplateContext(
        Service=ServiceFields(ID=task.service_id, Name=task.service_name, Labels=labels),
        Node=NodeFields(
            ID=task.node_id,
            Hostname=node.get("Hostname", ""),
            Platform=PlatformFields(Architecture=architecture, OS=system),
        ),
        Task=TaskFields(ID=task.id, Name=task.name, Slot=str(task.slot or task.node_id)),
    )


MADE_UP = TemplateContext(
    Service=ServiceFields(ID="serviceid", Name="servicename", Labels={}),
    Node=NodeFields(ID="nodeid", Hostname="", Platform=PlatformFields(Architecture="", OS="")),
    Task=TaskFields(ID="", Name="taskname", Slot="1"),
)


def expand(text: str, context: TemplateContext, functions: Functions = FUNCTIONS) -> str:
    """Fill in a template; raises BadParameter with Go's words."""
    if "{{" not in text:
        return text
    try:
        return GoTemplate(text, functions, "expansion", strict=True).render(context)
    except GoTemplateError as error:
        raise BadParameter(str(error)) from None


def expand_container(container: Document, context: TemplateContext) -> Document:
    """A container's spec with its templates filled in; raises BadParameter."""

    def filled(text: str, *fault: str) -> str:
        try:
            return expand(text, context)
        except BadParameter as error:
            raise BadParameter(": ".join((*fault, str(error)))) from None

    def variable(line: str) -> str:
        name, equals, value = line.partition("=")
        where = "expanding env failed", f"expanding env {go_quote(line)}"
        return name + equals + filled(value, *where)

    def values(texts: Mapping[str, str] | None, where: str) -> dict[str, str] | None:
        fault = f"expanding mounts failed: {where}: expanding map entry "
        pairs = (texts or EMPTY).items()
        return {k: filled(v, f"{fault}{go_quote(k)}={go_quote(v)}") for k, v in pairs} or None

    def mount(document: Document) -> Document:
        fault = "expanding mounts failed: expanding mount"
        changes: dict[str, Any] = {
            key: filled(document[key], f"{fault} {key.lower()} {go_quote(document[key])}")
            for key in ("Source", "Target")
            if document.get(key)
        }
        if options := document.get("VolumeOptions"):
            changes["VolumeOptions"] = options.with_(
                Labels=values(options.get("Labels"), "expanding volume labels")
            )
        if driver := document.at("VolumeOptions", "DriverConfig"):
            driver = driver.with_(
                Options=values(driver.get("Options"), "expanding volume driver config")
            )
            changes["VolumeOptions"] = changes["VolumeOptions"].with_(DriverConfig=driver)
        return document.with_(**changes)

    return container.with_(
        Env=[variable(line) for line in container.get("Env") or ()] or None,
        Mounts=[mount(document) for document in container.get("Mounts") or ()] or None,
        Hostname=filled(container.get("Hostname") or "", "expanding hostname failed") or None,
    )
