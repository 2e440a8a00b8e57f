"""Why a manager may not simply leave its swarm. Source: moby daemon/cluster/swarm.go, Leave."""

from __future__ import annotations

from swarmlab.errors import NotAvailable
from swarmlab.simulation import Call

LEAVING_MANAGER = (
    "You are attempting to leave the swarm on a node that is participating as a manager. "
)
LOCKED_LEAVE = (
    "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message."
)
LAST_MANAGER = (
    "Removing the last manager erases all current state of the swarm. "
    "Use `--force` to ignore this message. "
)
LOST_CONSENSUS = (
    "The only way to restore a swarm that has lost consensus is to reinitialize it with "
    "`--force-new-cluster`. Use `--force` to suppress this message."
)


def refuse_to_leave(answer: Call, call: Call) -> None:
    """Fail `call` in the engine's words; `answer` is what the leader says of the managers."""
    if answer.error is not None:
        middle = "Doing so may lose the consensus of your cluster. "
    else:
        managers = answer.value["manager"]
        reachable = sum(m.reachability == "reachable" for m in managers)
        unreachable = len(managers) - reachable
        if len(managers) == 1:
            call.fail(NotAvailable((LEAVING_MANAGER + LAST_MANAGER).rstrip()))
            return
        middle = ""
        if reachable - 2 <= unreachable:
            middle = (
                f"Removing this node leaves {reachable - 1} managers out of {len(managers)}. "
                "Without a Raft quorum your swarm will be inaccessible. "
            )
    call.fail(NotAvailable(LEAVING_MANAGER + middle + LOST_CONSENSUS))
