"""One request as the handlers see it: the engine it came to, and what was asked, parsed.

Source: moby daemon/server/httputils, daemon/cluster/errors.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from swarmlab.engine.doors import Door
from swarmlab.engine.filters import Filters
from swarmlab.engine.wire import rfc3339
from swarmlab.errors import BadParameter, NoSuchObject, NotAvailable
from swarmlab.model import Document
from swarmlab.simulation import Call, Machine

if TYPE_CHECKING:
    from werkzeug import Request

    from swarmlab.engine.locals import Locals
    from swarmlab.worker.containers import Containers
    from swarmlab.worker.images import Images

BODY_BYTES_MAX = 16 << 20
NO, YES = ("0", "f", "F", "FALSE", "false", "False"), ("1", "t", "T", "TRUE", "true", "True")
NOT_IN_SWARM = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect'
    " this node to swarm and try again."
)
WORKER = (
    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state."
    " Please run this command on a manager node or promote the current node to a manager."
)
LOCKED = (
    "Swarm is encrypted and needs to be unlocked before it can be used. Please use"
    ' "docker swarm unlock" to unlock it.'
)


class Engine(Protocol):
    """What the routes need of a node's daemon; a call that must wait returns a `Call`."""

    machine: Machine
    name: str
    images: Images
    containers: Containers
    locals: Locals
    events: Iterable[Document]

    @property
    def swarm_state(self) -> str: ...  # inactive, pending, active, locked, error
    @property
    def swarm_error(self) -> str: ...
    @property
    def node_id(self) -> str: ...
    @property
    def node_address(self) -> str: ...
    @property
    def is_manager(self) -> bool: ...
    @property
    def managers(self) -> tuple[tuple[str, str], ...]: ...  # (node id, `ip:2377`)
    @property
    def description(self) -> Document: ...

    def swarm_init(self, request: Document) -> Call: ...
    def swarm_join(self, request: Document) -> Call: ...
    def swarm_leave(self, force: bool) -> Call: ...
    def swarm_unlock(self, key: str) -> Call: ...
    def control(self, method: str, *args: Any) -> Call: ...


class Ask:
    """What was asked of `engine`, over `door`."""

    def __init__(self, engine: Engine, door: Door, request: Request, version: str) -> None:
        self.engine = engine
        self.door = door
        self.request = request
        self.version = version
        self._incarnation = engine.machine.incarnation

    def alive(self) -> bool:
        """Whether the machine has been up ever since."""
        return self.engine.machine.incarnation == self._incarnation

    def wait(self, call: Call) -> Any:
        """What `call` is answered; EngineGone when the machine goes down first."""
        return self.door.wait(call, self.alive)

    def before(self, minor: int) -> bool:
        """Whether the client speaks an API version before 1.`minor`."""
        return int(self.version.partition(".")[2]) < minor

    # -- parameters ----------------------------------------------------------------
    def text(self, name: str, default: str = "") -> str:
        """A query parameter as it stands."""
        return str(self.request.args.get(name, default))

    def flag(self, name: str, default: str = "") -> bool:
        """A lenient boolean: what is not a word for false is true."""
        return self.text(name, default).strip().lower() not in ("", "0", "no", "false", "none")

    def strict_flag(self, name: str) -> bool:
        """A boolean as Go's ParseBool reads it."""
        text = self.text(name)
        if text and text not in NO + YES:
            raise BadParameter(f"invalid value for {name}: {text}")
        return text in YES

    def number(self, name: str, kind: str) -> int:
        """A mandatory unsigned number: an object's version."""
        text = self.text(name)
        if not re.fullmatch("[0-9]+", text):
            why = f" '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax"
            terse = kind in ("secret", "config")
            raise BadParameter(f"invalid {kind} version{'' if terse else why}")
        return int(text)

    def filters(self, *known: str) -> Filters:
        """The `filters` parameter; a key that is not `known` is refused."""
        return Filters.parse(self.text("filters"), known)

    def body(self, *, optional: bool = False) -> dict[str, Any]:
        """The JSON object that was sent."""
        data: bytes = self.request.get_data()
        kind = self.request.headers.get("Content-Type", "")
        if not data and optional:
            return {}
        if self.request.mimetype != "application/json" and (data or kind):
            why = f"unsupported Content-Type header ({kind}): must be 'application/json'"
            raise BadParameter(why)
        if not data.strip():
            raise BadParameter("invalid JSON: got EOF while reading request body")
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise BadParameter(f"invalid JSON: {error}") from None
        if not isinstance(value, dict):
            raise BadParameter("invalid JSON: json: cannot unmarshal into a Go struct")
        return value

    # -- the cluster -----------------------------------------------------------------
    def control(self, method: str, *args: Any) -> Any:
        """Have the cluster's leader do it; refused where this node is no manager."""
        self.must_be_manager()
        return self.wait(self.engine.control(method, *args))

    def must_be_manager(self) -> None:
        state, error = self.engine.swarm_state, self.engine.swarm_error
        refusal = {"inactive": NOT_IN_SWARM, "locked": LOCKED, "error": error}.get(state, "")
        if refusal or not self.engine.is_manager:
            raise NotAvailable(refusal or WORKER)

    def read(self, *tables: str) -> tuple[tuple[Any, ...], ...]:
        """The objects of some tables, sorted by id."""
        found = self.control("read", *tables)
        return tuple(found[table] for table in tables)

    def time(self, virtual_ns: int) -> str:
        """A virtual time as this door shows it: RFC 3339."""
        return rfc3339(self.door.shown_ns(virtual_ns))

    def stamp(self, virtual_ns: int) -> str:
        """The same with all nine digits, as before a line of a log."""
        seconds, _, digits = self.time(virtual_ns)[:-1].partition(".")
        return f"{seconds}.{digits:0<9}Z"


def find(kind: str, ref: str, objects: Iterable[Any], name: Callable[[Any], str]) -> Any:
    """The object that `ref` means: a full id, else an exact name, else the only id it begins."""
    known = list(objects)
    for matches in (
        [o for o in known if o.id == ref],
        [o for o in known if name(o) == ref],
        [o for o in known if ref and o.id.startswith(ref)],
    ):
        if len(matches) > 1:
            raise BadParameter(f"{kind} {ref} is ambiguous ({len(matches)} matches found)")
        if matches:
            return matches[0]
    raise NoSuchObject(f"{kind} {ref} not found")


def must_be_free(engine: Engine) -> None:
    """Refuse to init or join a node that is already part of a swarm."""
    if engine.swarm_state != "inactive":
        raise NotAvailable(
            'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm'
            " and join another one."
        )
