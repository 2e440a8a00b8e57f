"""One request to the Engine API: its parameters and body, and its access to the swarm's leader.

Source: moby daemon/server/httputils, daemon/cluster/errors.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from swarmlab.engine.clock_drivers import ClockDriver
from swarmlab.engine.filters import Filters
from swarmlab.engine.go_json import parsed
from swarmlab.engine.schemas import decoded
from swarmlab.engine.wire import rfc3339
from swarmlab.errors import LOCKED, NOT_IN_SWARM, WORKER, BadParameter, NotAvailable
from swarmlab.model import ManagerStatus, StoreObject
from swarmlab.model.messages import ControlRequest, GetObject, ListObjects
from swarmlab.simulation import Call

if TYPE_CHECKING:
    from werkzeug import Request

    from swarmlab.engine.daemon import Engine
    from swarmlab.manager.rpc_server import RpcServer

T = TypeVar("T", bound=StoreObject)
Handler = Callable[..., Any]
LOG_FLAGS = ("stdout", "stderr", "follow", "timestamps", "details")
ROTATIONS = ("rotateWorkerToken", "rotateManagerToken", "rotateManagerUnlockKey")
NO, YES = ("0", "f", "F", "FALSE", "false", "False"), ("1", "t", "T", "TRUE", "true", "True")


# -- query parameters, by their kind -----------------------------------------------------------
def _flag(name: str, text: str) -> bool:
    """A lenient boolean: everything but a few words for false is true."""
    return text.strip().lower() not in ("", "0", "no", "false", "none")


def _strict_flag(name: str, text: str) -> bool:
    """A boolean as Go's ParseBool reads it."""
    if text and text not in NO + YES:
        why = f': strconv.ParseBool: parsing "{text}": invalid syntax' if name == "status" else ""
        raise BadParameter(f"invalid value for {name}: {text}{why}")
    return text in YES


def _number(name: str, text: str) -> int | None:
    """An integer; None if the parameter is absent."""
    if why := _not_integer(text, "-?") if text else "":
        raise BadParameter(f'strconv.Atoi: parsing "{text}": {why}')
    return int(text) if text else None


def _not_integer(text: str, sign: str = "") -> str:
    """Why Go does not read `text` as an integer; empty: it does."""
    if not re.fullmatch(sign + "[0-9]+", text):
        return "invalid syntax"
    return "" if len(text) < 20 and abs(int(text)) < 2**63 else "value out of range"


# Parameter -> how it is read; the others are text.
QUERY: dict[str, Callable[[str, str], Any]] = {
    **dict.fromkeys(("force", "all", "size", "v", "verbose", *LOG_FLAGS), _flag),
    **dict.fromkeys(("stdin", "logs", "stream", "one-shot"), _flag),
    **dict.fromkeys(("status", "insertDefaults", *ROTATIONS), _strict_flag),
    **dict.fromkeys(("limit", "t", "h", "w"), _number),
}


class Route(NamedTuple):
    """A route of the API: what it takes, and with which statuses it answers."""

    method: str
    template: str
    handler: Handler
    status: int
    body: str  # the Go struct that is sent; empty: none
    query: tuple[str, ...]  # the parameters; `QUERY` says how they are read
    errors: frozenset[int]  # the statuses of refusal


def body_of(http: Request, struct: str) -> dict[str, Any]:
    """The JSON object that was sent, read as this Go struct."""
    data: bytes = http.get_data()
    header = http.headers.get("Content-Type", "")
    kind = header.partition(";")[0].strip()
    if (data or header) and kind.lower() != "application/json":
        why = f"unsupported Content-Type header ({header}): must be 'application/json'"
        why = why if kind else f"malformed Content-Type header ({header}): mime: no media type"
        raise BadParameter(why)
    create = struct == "ContainerConfigWrapper"
    value = parsed(data) if data or create or http.content_length is None else {}
    body: dict[str, Any] = decoded(value, struct, zeros=create)
    return body


class ApiRequest:
    """A request to `engine` on `route`, whose time passes by `clock`.

    `connected`: whether the client still waits for the answer.
    """

    def __init__(
        self,
        engine: Engine,
        clock: ClockDriver,
        request: Request,
        version: str,
        route: Route,
        connected: Callable[[], bool],
    ) -> None:
        self.engine = engine
        self.clock = clock
        self.http = request
        self.version = version
        self.route = route
        self.connected = connected
        self._rpc_server: RpcServer | None = None
        self._incarnation = engine.machine.incarnation

    def alive(self) -> bool:
        """Whether the machine has stayed up since the request arrived, and the client waits."""
        return self.engine.machine.incarnation == self._incarnation and self.connected()

    def wait(self, call: Call) -> Any:
        """Let time pass until `call` is done; EngineGone when the machine goes down first."""
        return self.clock.wait(call, self.alive)

    def before(self, minor: int) -> bool:
        """Whether the client speaks an API version before 1.`minor`."""
        return int(self.version.partition(".")[2]) < minor

    # -- parameters ----------------------------------------------------------------
    def query(self, name: str) -> Any:
        """A query parameter, that the route declares."""
        assert name in self.route.query, name
        text = self.http.args.get(name, "")
        return QUERY[name](name, text) if name in QUERY else text

    def object_version(self, kind: str) -> int:
        """The version from which the object is updated; mandatory."""
        text = self.query("version")
        if why := _not_integer(text):
            reason = f" '{text}': strconv.ParseUint: parsing \"{text}\": {why}"
            terse = kind in ("secret", "config")
            raise BadParameter(f"invalid {kind} version{'' if terse else reason}")
        return int(text)

    def filters(self, keys: Collection[str]) -> Filters:
        """The `filters` parameter; keys other than `keys` are refused."""
        return Filters.parse(self.query("filters"), keys)

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent, read as the struct that the route declares."""
        return body_of(self.http, self.route.body)

    # -- the cluster -----------------------------------------------------------------
    def control(self, message: ControlRequest) -> Any:
        """The leader's reply to a command; refused where this node is not a manager."""
        return self.wait(self.must_be_manager().ask(message))

    def must_be_manager(self) -> RpcServer:
        """This manager's RPC server, which reaches the leader. Checked once in a request."""
        if self._rpc_server is None:
            engine = self.engine
            errors = {"inactive": NOT_IN_SWARM, "locked": LOCKED, "error": engine.swarm_error}
            error = errors.get(engine.swarm_state, "")
            if error or engine.rpc_server is None:
                raise NotAvailable(error or WORKER)
            self._rpc_server = engine.rpc_server
        return self._rpc_server

    def get(self, kind: type[T], reference: str) -> T:
        """The object with this id, name or beginning of an id."""
        object: T = self.control(GetObject(kind, reference))
        return object

    def list(self, *kinds: type[StoreObject | ManagerStatus]) -> tuple[tuple[Any, ...], ...]:
        """All objects of each kind, sorted by id."""
        objects: tuple[tuple[Any, ...], ...] = self.control(ListObjects(kinds))
        return objects

    def time(self, virtual_ns: int, digits: int = 0) -> str:
        """A virtual time as the clock driver shows it, with at least `digits` decimals."""
        return rfc3339(self.clock.to_unix_ns(virtual_ns), digits)
