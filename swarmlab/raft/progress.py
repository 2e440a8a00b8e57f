"""A leader's view of one follower's log, and flow control.

Source: etcd-io/raft tracker/progress.go.
"""

from __future__ import annotations

from enum import Enum

# Maximum of entries sent and not acknowledged. etcd: 256 messages of 64 KiB.
INFLIGHT_ENTRIES_MAX = 16_384


class Flow(Enum):
    PROBE = "probe"  # searching the last matching index: one message at a time
    REPLICATE = "replicate"  # matched: messages are pipelined
    SNAPSHOT = "snapshot"  # waiting until it has installed the snapshot


class Progress:
    """`match` only grows; `next`, the next index to send, runs ahead and may fall back to it."""

    __slots__ = ("active", "flow", "match", "next", "paused")

    def __init__(self, next_index: int) -> None:
        self.match = 0  # the last index known to be in its log
        self.next = next_index
        self.flow = Flow.PROBE
        self.paused = False  # a probe is out: wait for its reply or for the next heartbeat
        self.active = True  # a reply arrived since the last check-quorum

    @property
    def has_room(self) -> bool:
        """Whether more entries may be sent now."""
        return self.flow is Flow.REPLICATE and self.next - self.match <= INFLIGHT_ENTRIES_MAX

    def sent(self, count: int) -> None:
        """`count` entries are on their way."""
        if self.flow is Flow.REPLICATE:
            self.next += count
        else:
            self.paused = True

    def sent_snapshot(self, index: int) -> None:
        self.flow, self.next, self.paused = Flow.SNAPSHOT, index + 1, True

    def accepted(self, index: int) -> bool:
        """It matches up to `index`; True when that is an advance."""
        advanced = index > self.match
        self.match = max(self.match, index)
        self.next = max(self.next, index + 1)
        if self.flow is Flow.PROBE or (self.flow is Flow.SNAPSHOT and self.match >= self.next - 1):
            self.flow, self.next, self.paused = Flow.REPLICATE, self.match + 1, False
            return True
        return advanced

    def rejected(self, index: int, hint: int) -> bool:
        """It has no match at `index`, perhaps at `hint`; False for an outdated reply."""
        if self.flow is Flow.REPLICATE:
            if index <= self.match:
                return False
            self.next = self.match + 1
        else:
            if index != self.next - 1:
                return False
            self.next = max(min(index, hint + 1), self.match + 1)
        self.flow, self.paused = Flow.PROBE, False
        return True
