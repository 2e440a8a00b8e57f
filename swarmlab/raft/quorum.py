"""How many votes make a quorum. Everything that counts votes asks here.

Source: etcd raft quorum/majority.go.
"""


def quorum(voters: int) -> int:
    """The smallest majority of `voters` members; members that are down count too."""
    return voters // 2 + 1
