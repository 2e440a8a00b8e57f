"""One request as the handlers see it: the engine it came to, and what was asked, parsed.

Source: moby daemon/server/httputils, daemon/cluster/errors.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from swarmlab.engine.clock_drivers import ClockDriver
from swarmlab.engine.filters import WORDS, Filters
from swarmlab.engine.wire import name_of, rfc3339
from swarmlab.errors import LOCKED, NOT_IN_SWARM, WORKER, BadParameter, NoSuchObject, NotAvailable
from swarmlab.simulation import Call

if TYPE_CHECKING:
    from werkzeug import Request

    from swarmlab.engine.daemon import Engine

T = TypeVar("T")
NO, YES = ("0", "f", "F", "FALSE", "false", "False"), ("1", "t", "T", "TRUE", "true", "True")


class ApiRequest:
    """What was asked of `engine`, over `clock`."""

    def __init__(self, engine: Engine, clock: ClockDriver, request: Request, version: str) -> None:
        self.engine = engine
        self.clock = clock
        self.http = request
        self.version = version
        self._incarnation = engine.machine.incarnation

    def alive(self) -> bool:
        """Whether the machine has been up ever since."""
        return self.engine.machine.incarnation == self._incarnation

    def wait(self, call: Call) -> Any:
        """What `call` is answered; EngineGone when the machine goes down first."""
        return self.clock.wait(call, self.alive)

    def before(self, minor: int) -> bool:
        """Whether the client speaks an API version before 1.`minor`."""
        return int(self.version.partition(".")[2]) < minor

    # -- parameters ----------------------------------------------------------------
    def text(self, name: str, default: str = "") -> str:
        """A query parameter as it stands."""
        return str(self.http.args.get(name, default))

    def flag(self, name: str, default: str = "") -> bool:
        """A lenient boolean: what is not a word for false is true."""
        return self.text(name, default).strip().lower() not in ("", "0", "no", "false", "none")

    def strict_flag(self, name: str) -> bool:
        """A boolean as Go's ParseBool reads it."""
        text = self.text(name)
        if text and text not in NO + YES:
            raise BadParameter(f"invalid value for {name}: {text}")
        return text in YES

    def number(self, name: str) -> int | None:
        """A whole number, if there is one."""
        text = self.text(name)
        if text and not re.fullmatch("-?[0-9]+", text):
            raise BadParameter(f'strconv.Atoi: parsing "{text}": invalid syntax')
        return int(text) if text else None

    def object_version(self, kind: str) -> int:
        """The version of the object that is to be changed; mandatory."""
        text = self.text("version")
        if not re.fullmatch("[0-9]+", text):
            why = f" '{text}': strconv.ParseUint: parsing \"{text}\": invalid syntax"
            terse = kind in ("secret", "config")
            raise BadParameter(f"invalid {kind} version{'' if terse else why}")
        return int(text)

    def filters(self, known: Collection[str]) -> Filters:
        """The `filters` parameter; a key that is not `known` is refused."""
        wanted = Filters.parse(self.text("filters"), known)
        for key, words in WORDS.items():
            wanted.words(key, *words)
        return wanted

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

    def time(self, virtual_ns: int, digits: int = 0) -> str:
        """A virtual time as this clock shows it: RFC 3339, with at least so many `digits`."""
        return rfc3339(self.clock.to_unix_ns(virtual_ns), digits)


def matching(ref: str, objects: Iterable[T]) -> tuple[list[T], str]:
    """The objects that `ref` means, and as what: an id, else a name, else how an id begins."""
    known: list[Any] = list(objects)
    for found, basis in (
        ([o for o in known if o.id == ref], "ID"),
        ([o for o in known if name_of(o) == ref], "name"),
        ([o for o in known if ref and o.id.startswith(ref)], "ID prefix"),
    ):
        if found:
            return found, basis
    return [], ""


def find(kind: str, ref: str, objects: Iterable[T]) -> T:
    """The one object that `ref` means."""
    found, _ = matching(ref, objects)
    if len(found) > 1:
        raise BadParameter(f"{kind} {ref} is ambiguous ({len(found)} matches found)")
    if not found:
        raise NoSuchObject(f"{kind} {ref} not found")
    return found[0]
