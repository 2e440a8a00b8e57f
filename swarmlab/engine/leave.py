"""Why `docker swarm leave` is refused on a manager. Source: moby daemon/cluster/swarm.go, Leave."""

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
    "Use `--force` to ignore this message."
)
LOST_CONSENSUS = (
    "The only way to restore a swarm that has lost consensus is to reinitialize it with "
    "`--force-new-cluster`. Use `--force` to suppress this message."
)


def fail_leave(reply: Call, leave: Call) -> None:
    """Fail `leave` in the engine's words; `reply` is the leader's list of managers, or an error."""
    reason = LOST_CONSENSUS
    if reply.error is None:
        managers = reply.value[0]
        reachable = sum(manager.reachability == "reachable" for manager in managers)
        if len(managers) == 1:
            reason = LAST_MANAGER
        elif reachable - 2 <= len(managers) - reachable:
            reason = (
                f"Removing this node leaves {reachable - 1} managers out of {len(managers)}. "
                "Without a Raft quorum your swarm will be inaccessible. " + LOST_CONSENSUS
            )
    leave.fail(NotAvailable(LEAVING_MANAGER + reason))
