"""What passes between a client and one engine: requests as they pass, and what the engine reports.

A recorder stands in front of the transport of a stock Docker client, simulated or real. Events are
those of `docker events`; what the engine holds is read when something may have changed it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

from swarmlab.cluster.simulated_state import Json, container_rows
from swarmlab.simulation import EPOCH_NS, MS, S
from swarmlab.units import unix_seconds
from swarmlab.views.palette import kind_of_container


class ApiCall(NamedTuple):
    """One request to the Engine API, and the head of its answer."""

    sent_ns: int
    answered_ns: int
    line: str  # POST /containers/create
    answer: str  # 201 Created; of an error, the engine's message too


class EngineEvent(NamedTuple):
    """One event, as the engine reports it."""

    at_ns: int
    kind: str  # image or container
    action: str  # die
    id: str
    attributes: Mapping[str, str]


class Contents(NamedTuple):
    """What an engine holds."""

    images: Mapping[str, tuple[str, ...]]  # name -> its layers, lowest first
    containers: tuple[tuple[str, str, str], ...]  # (look, name, health or exit code)


# Images, containers and events of an engine.
Found = tuple[Mapping[str, tuple[str, ...]], list[Json], list[EngineEvent]]


class Recorder(HTTPAdapter):
    """Hands on the requests to one engine, and writes them down."""

    def __init__(self, cluster: Any, node: str) -> None:
        super().__init__()
        self.cluster, self.node, self.api = cluster, node, cluster.client(node).api
        self.calls = list[ApiCall]()
        self.events = list[EngineEvent]()  # in order
        self._newest_count = 0  # events at the moment of the newest, `_newest_ns` by its own clock
        self._contents = list[tuple[int, Contents]]()  # until when, and what it held until then
        self._layers: dict[str, tuple[str, ...]] = {}  # of a real engine's images, by id
        self._asking = False  # the recorder itself asks a real engine
        # The Unix time of the engine's clock when the cluster's clock is at 0.
        self._epoch_ns = EPOCH_NS
        self.start_ns = self._looked_ns = self._newest_ns = cluster.clock_ns()
        if not cluster.has_trace:
            self._epoch_ns = int(unix_seconds(self.api.info()["SystemTime"]) * S) - self.start_ns
        mounted = self.api.get_adapter(self.api.base_url)
        self._adapter: Any = mounted._adapter if isinstance(mounted, Recorder) else mounted
        self.look()
        prefixes = [p for p, adapter in self.api.adapters.items() if adapter is mounted]
        self.api.mount(prefixes[0], self)

    def send(self, request: Any, *args: Any, **options: Any) -> requests.Response:
        if self._asking:
            return self._adapter.send(request, *args, **options)  # type: ignore[no-any-return]
        sent_ns, answer = self.look(), "no answer"
        try:
            response: requests.Response = self._adapter.send(request, *args, **options)
            answer = f"{response.status_code} {response.reason}"
            if response.status_code >= 400:
                answer = f"{response.status_code} {response.json().get('message', '')}"
            return response
        finally:
            path = request.path_url.partition("?")[0].split("/", 2)[2]  # without the version
            path = re.sub("[0-9a-f]{64}", lambda id: id[0][:12], path)
            self.calls.append(ApiCall(sent_ns, self.look(), f"{request.method} /{path}", answer))

    def look(self) -> int:
        """Read what the engine holds, and the events since the last look; when that was.

        Clocks may differ a little; what is new has happened since the last look.
        """
        now_ns: int = self.cluster.clock_ns()
        self._asking = True
        try:
            images, rows, events = self._inside() if self.cluster.has_trace else self._asked(now_ns)
        finally:
            self._asking = False
        containers = tuple((kind_of_container(r), r["Names"][0][1:], _note(r)) for r in rows)
        contents = Contents(images, containers)
        if self._contents and self._contents[-1][1] == contents:
            self._contents.pop()
        self._contents.append((now_ns, contents))
        own = [event for event in events if event.kind in ("image", "container")]
        new = [event for event in own if event.at_ns >= self._newest_ns][self._newest_count :]
        if new:
            same, self._newest_ns = self._newest_ns, new[-1].at_ns
            count = sum(event.at_ns == self._newest_ns for event in new)
            self._newest_count = count + (self._newest_count if same == self._newest_ns else 0)
        span = self._looked_ns, now_ns
        self.events += [e._replace(at_ns=sorted((*span, e.at_ns))[1]) for e in new]
        self._looked_ns = now_ns
        return now_ns

    def _inside(self) -> Found:
        """The same of a simulated engine; no time passes."""
        engine = self.cluster.engine(self.node)
        if engine is None:
            return {}, [], []
        images = {
            name: tuple(digest for digest, _size in image.layers)
            for image in engine.images.all()
            for name in _tags(engine.images.references(image), image.id)
        }
        events = [_event(e["time_ns"], e) for e in engine.events]
        return images, container_rows(engine), events

    def _asked(self, now_ns: int) -> Found:
        """The same of a real engine, by its API."""
        images: dict[str, tuple[str, ...]] = {}
        for row in self.api.images():
            if row["Id"] not in self._layers:
                layers = self.api.inspect_image(row["Id"])["RootFS"]["Layers"]
                self._layers[row["Id"]] = tuple(layers)
            tags = _tags(row["RepoTags"] or (), row["Id"])
            images |= dict.fromkeys(tags, self._layers[row["Id"]])
        span = (self._newest_ns - MS, now_ns)  # a float is not exact
        since, until = ((at_ns + self._epoch_ns) / S for at_ns in span)
        told = self.api.events(since=since, until=until, decode=True)
        events = [_event(e["timeNano"] - self._epoch_ns, e) for e in told]
        return images, self.api.containers(all=True)[::-1], events

    def contents_at(self, at_ns: int) -> Contents:
        """What the engine held just after that moment, as far as it was looked at."""
        later = (contents for until_ns, contents in self._contents if until_ns >= at_ns)
        return next(later, self._contents[-1][1])


def _event(at_ns: int, event: Json) -> EngineEvent:
    actor = event["Actor"]
    return EngineEvent(at_ns, event["Type"], event["Action"], actor["ID"], actor["Attributes"])


def _note(row: Json) -> str:
    """What stands in brackets: `(healthy)`, `(137)`."""
    found = re.search(r"\((?:health: )?(.*?)\)", row["Status"])
    return found[1] if found else ""


def _tags(references: Any, id: str) -> list[str]:
    """An image's names without digests; without a name, the beginning of its id."""
    named = [name for name in references if "@" not in name and "<none>" not in name]
    return named or [id.removeprefix("sha256:")[:12]]
