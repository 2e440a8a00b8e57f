"""The data that all folders share: stored objects, the specs users write, messages between nodes.

Read `objects`, then `specs`, then `messages`. The names below can be imported from here.
"""

from swarmlab.model.objects import (
    Cluster,
    Config,
    EncryptionKey,
    ManagerStatus,
    Node,
    NodeState,
    NodeStatus,
    Rotation,
    Secret,
    Service,
    StoreObject,
    SwarmNetwork,
    Task,
    TaskState,
    TaskStatus,
    UpdateState,
    UpdateStatus,
)
from swarmlab.model.specs import (
    EMPTY,
    NOTHING,
    Availability,
    Document,
    NodeSpec,
    Reserved,
    RestartPolicy,
    Role,
    ServiceSpec,
    TaskSpec,
    UpdateConfig,
    freeze,
    generic_resource,
    is_ingress,
    published,
)
