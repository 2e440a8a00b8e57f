"""One request to the Engine API: its parameters and body, and its access to the swarm's leader.

Source: moby daemon/server/httputils, daemon/cluster/errors.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, TypeVar

from swarmlab.engine.clock_drivers import ClockDriver
from swarmlab.engine.filters import Filters
from swarmlab.engine.wire import rfc3339
from swarmlab.errors import LOCKED, NOT_IN_SWARM, WORKER, BadParameter, NotAvailable
from swarmlab.manager.rpc_server import RpcServer
from swarmlab.model import ManagerStatus, StoreObject
from swarmlab.model.messages import ControlRequest, GetObject, ListObjects
from swarmlab.simulation import Call

if TYPE_CHECKING:
    from werkzeug import Request

    from swarmlab.engine.daemon import Engine

T = TypeVar("T", bound=StoreObject)
NO, YES = ("0", "f", "F", "FALSE", "false", "False"), ("1", "t", "T", "TRUE", "true", "True")


class ApiRequest:
    """A request to `engine`, whose time passes by `clock`."""

    def __init__(self, engine: Engine, clock: ClockDriver, request: Request, version: str) -> None:
        self.engine = engine
        self.clock = clock
        self.http = request
        self.version = version
        self._rpc_server: RpcServer | None = None
        self._incarnation = engine.machine.incarnation

    def alive(self) -> bool:
        """Whether the machine has stayed up since the request arrived."""
        return self.engine.machine.incarnation == self._incarnation

    def wait(self, call: Call) -> Any:
        """Let time pass until `call` is done; EngineGone when the machine goes down first."""
        return self.clock.wait(call, self.alive)

    def before(self, minor: int) -> bool:
        """Whether the client speaks an API version before 1.`minor`."""
        return int(self.version.partition(".")[2]) < minor

    # -- parameters ----------------------------------------------------------------
    def text(self, name: str, default: str = "") -> str:
        """A query parameter, unparsed."""
        return str(self.http.args.get(name, default))

    def flag(self, name: str, default: str = "") -> bool:
        """A lenient boolean: everything but a few words for false is true."""
        return self.text(name, default).strip().lower() not in ("", "0", "no", "false", "none")

    def strict_flag(self, name: str) -> bool:
        """A boolean as Go's ParseBool reads it."""
        text = self.text(name)
        if text and text not in NO + YES:
            raise BadParameter(f"invalid value for {name}: {text}")
        return text in YES

    def number(self, name: str) -> int | None:
        """An integer; None if the parameter is absent."""
        text = self.text(name)
        if text and not re.fullmatch("-?[0-9]+", text):
            raise BadParameter(f'strconv.Atoi: parsing "{text}": invalid syntax')
        return int(text) if text else None

    def object_version(self, kind: str) -> int:
        """The version from which the object is updated; mandatory."""
        text = self.text("version")
        if not re.fullmatch("[0-9]+", text):
            why = f" '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax"
            terse = kind in ("secret", "config")
            raise BadParameter(f"invalid {kind} version{'' if terse else why}")
        return int(text)

    def filters(self, keys: Collection[str]) -> Filters:
        """The `filters` parameter; keys other than `keys` are refused."""
        return Filters.parse(self.text("filters"), keys)

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent."""
        data: bytes = self.http.get_data()
        kind = self.http.headers.get("Content-Type", "")
        if self.http.mimetype != "application/json" and (data or kind):
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
