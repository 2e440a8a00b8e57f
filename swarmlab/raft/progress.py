"""What a leader knows of one follower. Source: etcd-io/raft tracker/progress.go."""

from __future__ import annotations

from enum import Enum

# Entries sent and not acknowledged, at most. etcd: 256 messages of 64 KiB.
INFLIGHT_ENTRIES_MAX = 16_384


class Flow(Enum):
    PROBE = "probe"  # looking for the last match: one message at a time
    REPLICATE = "replicate"  # matched: messages follow one another without waiting
    SNAPSHOT = "snapshot"  # waiting until it has the snapshot


class Progress:
    """`match` only grows; `next`, the next index to send, runs ahead and may fall back to it."""

    __slots__ = ("active", "flow", "match", "next", "paused")

    def __init__(self, next_index: int) -> None:
        self.match = 0  # the last index known to be in its log
        self.next = next_index
        self.flow = Flow.PROBE
        self.paused = False  # a probe is out: wait for the answer, or for the next heartbeat
        self.active = True  # it said something since the last check of the quorum

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
        """It matches up to `index`; True when that was news."""
        news = index > self.match
        self.match = max(self.match, index)
        self.next = max(self.next, index + 1)
        if self.flow is Flow.PROBE or (self.flow is Flow.SNAPSHOT and self.match >= self.next - 1):
            self.flow, self.next, self.paused = Flow.REPLICATE, self.match + 1, False
            return True
        return news

    def refused(self, index: int, hint: int) -> bool:
        """It has no match at `index`, perhaps at `hint`; False when this is an old answer."""
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
