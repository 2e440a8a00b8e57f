"""Every refusal, one tree. Each knows its HTTP status and says it in Docker's words.

    SwarmError
    ├── ManagerRefusal        a manager said no: "rpc error: code = NotFound desc = …"
    │   ├── InvalidArgument, FailedPrecondition                       400
    │   ├── PermissionDenied                                          403
    │   ├── NotFound                                                  404
    │   ├── AlreadyExists                                             409
    │   ├── Unknown, DeadlineExceeded                                 500
    │   ├── Unimplemented                                             501
    │   └── Unavailable                                               503
    ├── EngineRefusal         the node's own daemon said no: the bare text
    │   ├── BadParameter 400, Unauthorized 401, Forbidden 403, NoSuchObject 404,
    │   └── Conflict 409, EngineFault 500, NotImplementedHere 501, NotAvailable 503
    └── LabError              this kit was asked for something it cannot do

Source: moby daemon/server/httpstatus/status.go; swarmkit manager/controlapi.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from http import HTTPStatus

from swarmlab.strings import _

KNOWN_MAX = 24  # names; of more, a message lists those that are like the one asked for
# Why a node answers for no swarm.
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


class SwarmError(Exception):
    """Anything refused; `status` is the HTTP status of the reply. Lesson: 05_quorum.

    `with suppress(swarmlab.SwarmError): cluster.client("m9")`
    """

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    # A write that was refused this way may have happened all the same.
    may_have_happened = False

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows of it: the sentence, without the calls that led to it."""
        return [f"✘ {self}"]


class ManagerRefusal(SwarmError):
    """Refused by a manager over gRPC, with a gRPC code."""

    code = "Unknown"

    def __str__(self) -> str:
        return f"rpc error: code = {self.code} desc = {super().__str__()}"


class InvalidArgument(ManagerRefusal):
    code = "InvalidArgument"
    status = HTTPStatus.BAD_REQUEST


class FailedPrecondition(ManagerRefusal):
    code = "FailedPrecondition"
    status = HTTPStatus.BAD_REQUEST


class PermissionDenied(ManagerRefusal):
    code = "PermissionDenied"
    status = HTTPStatus.FORBIDDEN


class NotFound(ManagerRefusal):
    code = "NotFound"
    status = HTTPStatus.NOT_FOUND


class AlreadyExists(ManagerRefusal):
    code = "AlreadyExists"
    status = HTTPStatus.CONFLICT


class Unknown(ManagerRefusal):
    """What gRPC calls any error that has no code of its own, a stale version among them."""


class LostLeadership(Unknown):
    """The leader stepped down with the write in its log: a successor may still commit it."""

    may_have_happened = True

    def __init__(
        self, text: str = "raft: failed to process the request: node lost leader status"
    ) -> None:
        super().__init__(text)


class NotLeader(Unknown):
    """Asked of a manager that does not lead; `leader_address` is who does, or empty."""

    def __init__(self, leader_address: str = "") -> None:
        super().__init__(leader_address)
        self.leader_address = leader_address

    def __str__(self) -> str:
        return f"not leader; ask {self.leader_address or 'another manager'}"


class DeadlineExceeded(ManagerRefusal):
    """No answer in time; a write may still be committed later."""

    code = "DeadlineExceeded"
    may_have_happened = True

    def __init__(self, text: str = "context deadline exceeded") -> None:
        super().__init__(text)


class Unimplemented(ManagerRefusal):
    code = "Unimplemented"
    status = HTTPStatus.NOT_IMPLEMENTED


class Unavailable(ManagerRefusal):
    code = "Unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class EngineRefusal(SwarmError):
    """Refused by the node's own daemon."""


class BadParameter(EngineRefusal):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(EngineRefusal):
    status = HTTPStatus.UNAUTHORIZED


class Forbidden(EngineRefusal):
    status = HTTPStatus.FORBIDDEN


class NoSuchObject(EngineRefusal):
    status = HTTPStatus.NOT_FOUND


class Conflict(EngineRefusal):
    status = HTTPStatus.CONFLICT


class EngineFault(EngineRefusal):
    """An error the daemon has no class for."""


class NotImplementedHere(EngineRefusal):
    status = HTTPStatus.NOT_IMPLEMENTED


class NotAvailable(EngineRefusal):
    status = HTTPStatus.SERVICE_UNAVAILABLE


class LabError(SwarmError, ValueError):
    """Asked of the kit itself: the value, what is wrong with it, and what would be right.

    `text` is looked up in the user's language, then filled in: `LabError("{n} is odd", n=3)`.
    Lesson: 00_start_here.
    """

    status = HTTPStatus.BAD_REQUEST

    def __init__(self, text: str, /, **values: object) -> None:
        super().__init__(_(text, **values) if values else _(text))


class NoneSuch(LabError):
    """There is no `{name!r}`, but there are `{known}`."""

    def __init__(self, text: str, name: str, known: Iterable[str]) -> None:
        names = [*known]
        near = get_close_matches(str(name), names) if len(names) > KNOWN_MAX else []
        listed = ", ".join([*near, "…"] if near else names)
        super().__init__(text, name=name, known=listed or _("none"))
