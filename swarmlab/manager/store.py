"""The swarm's state: one table for each kind of object, the same on every manager.

Only committed changes are applied, in the log's order, so that all copies agree. A transaction is
the changes in one Raft entry: all of it happens, or nothing. A command is one transaction. What a
control loop decides is a batch: it is split into transactions of some 200 changes, each proposed
once the one before it is committed. If the leader is lost meanwhile, those committed stay and the
rest is dropped; only changes of one slot are never torn apart. The next leader's control loops
decide again, on what is stored. Control loops read the store and never write to it.
Source: swarmkit manager/state/store/memory.go (Update, Batch).
"""

from __future__ import annotations

import io
import pickle
from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

from swarmlab.errors import BadParameter, NoSuchObject, NotFound, Unknown
from swarmlab.model import Cluster, Node, Service, StoreObject, SwarmNetwork, Task

TABLES = ("cluster", "node", "service", "task", "network", "secret", "config")
# After so many changes a batch begins a new transaction. Source: MaxChangesPerTransaction.
TRANSACTION_CHANGES_MAX = 200


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REMOVE = "remove"


class Change(NamedTuple):
    """One write. For `REMOVE`, `object` is the one that is removed."""

    action: Action
    object: StoreObject


def create(object: StoreObject) -> Change:
    return Change(Action.CREATE, object)


def update(object: StoreObject) -> Change:
    return Change(Action.UPDATE, object)


def updates(objects: Iterable[StoreObject]) -> list[Change]:
    """An update of each, many at a time: three times as fast."""
    return [*map(tuple.__new__, repeat(Change), zip(repeat(Action.UPDATE), objects))]


def remove(object: StoreObject) -> Change:
    return Change(Action.REMOVE, object)


class Transaction(tuple[Change, ...]):
    """The changes in one Raft entry."""

    @cached_property
    def encoded(self) -> bytes:
        """As bytes, made once for the logs of all managers."""
        return pickle.dumps(tuple(self), protocol=5)


Key = tuple[str, str, int | str]


def _keys(task: Task) -> tuple[Key, ...]:
    """Where the store's index has the task: under its service, its slot, and its node, if any.

    A slot has a number, or else is its node.
    """
    service_id, node_id = task.service_id, task.node_id
    keys = ("service", service_id, 0), ("slot", service_id, task.slot or node_id)
    return (*keys, ("node", node_id, 0)) if node_id else keys


def end_of_transaction(batch: Sequence[Change], start: int) -> int:
    """Where the batch's transaction that begins at `start` ends; one slot's changes stay together.

    So does SwarmKit's `Batch.Update` keep the changes of one call together.
    """
    end = min(start + TRANSACTION_CHANGES_MAX, len(batch))
    while end < len(batch) and _slot(batch[end].object) == _slot(batch[end - 1].object):
        end += 1
    return end


def _slot(object: StoreObject) -> Key | str:
    return _keys(object)[1] if isinstance(object, Task) else object.id


def unconditional(view: Store, *changes: Change) -> list[Change]:
    """For `Manager.write`: these changes, whatever the store holds."""
    return list(changes)


T = TypeVar("T", bound=StoreObject)


class Store:
    def __init__(self, objects: Iterable[StoreObject] = ()) -> None:
        self.index = 0  # the Raft index of the last entry applied
        self.tables: dict[str, dict[str, StoreObject]] = {name: {} for name in TABLES}
        # Ids of tasks, in order: most writes leave them as they are.
        self._indexed: defaultdict[Key, dict[str, None]] = defaultdict(dict)
        for object in objects:
            self._put(object)

    # -- reading ------------------------------------------------------------------
    def get(self, kind: type[T], id: str) -> T | None:
        """The object of this kind with this id, or None."""
        return self.tables[kind.table].get(id)  # type: ignore[return-value]

    def require(self, kind: type[T], id: str) -> T:
        """The object of this kind with this id; NotFound when there is none."""
        object = self.get(kind, id)
        if object is None:
            raise NotFound(f"{kind.table} {id} not found")
        return object

    def all(self, kind: type[T]) -> list[T]:
        """Every object of a kind, ordered by id, as SwarmKit lists them."""
        table = self.tables[kind.table]
        return [table[id] for id in sorted(table)]  # type: ignore[misc]

    def named(self, kind: type[T], name: str) -> T | None:
        """The object with this name, regardless of case."""
        table: Iterable[Any] = self.tables[kind.table].values()
        return next((object for object in table if object.name.lower() == name.lower()), None)

    @property
    def cluster(self) -> Cluster:
        return next(iter(self.tables["cluster"].values()))  # type: ignore[return-value]

    @property
    def ingress(self) -> SwarmNetwork | None:
        """The ingress network, if there is one."""
        return next((n for n in self.all(SwarmNetwork) if n.spec.get("Ingress")), None)

    @property
    def nodes(self) -> dict[str, Node]:
        return self.tables["node"]  # type: ignore[return-value]

    @property
    def services(self) -> dict[str, Service]:
        return self.tables["service"]  # type: ignore[return-value]

    @property
    def tasks(self) -> dict[str, Task]:
        return self.tables["task"]  # type: ignore[return-value]

    def tasks_of_service(self, service_id: str) -> list[Task]:
        """A service's tasks, history included, in the order in which they were first stored."""
        return self._at(("service", service_id, 0))

    def tasks_of_node(self, node_id: str) -> list[Task]:
        """The tasks assigned to this node, in the order of assignment."""
        return self._at(("node", node_id, 0))

    def tasks_of_slot(self, task: Task) -> list[Task]:
        """All tasks in `task`'s slot: of its service, with its number or else its node."""
        return self._at(_keys(task)[1])

    def _at(self, key: Key) -> list[Task]:
        return [self.tasks[id] for id in self._indexed.get(key, ())]

    # -- writing, from the Raft log only --------------------------------------------
    def apply(
        self, index: int, changes: Iterable[Change]
    ) -> list[tuple[Change, StoreObject | None]]:
        """Apply one entry; returns each change with the object as it was before."""
        self.index = index
        applied: list[tuple[Change, StoreObject | None]] = []
        tables, put = self.tables, self._put
        for change in changes:
            action, object = change
            before = tables[object.table].get(object.id)
            if action is Action.REMOVE:
                self._remove(object.id, object.table)
            elif before is not None or action is Action.CREATE:
                put(object, before)
            else:
                continue  # this update raced with the removal
            applied.append((change, before))
        return applied

    def _put(self, object: StoreObject, before: StoreObject | None = None) -> None:
        id = object.id
        self.tables[object.table][id] = object
        if isinstance(object, Task):
            if isinstance(before, Task) and before.node_id == object.node_id:
                return
            old, new = _keys(before) if isinstance(before, Task) else (), _keys(object)
            for key in new:
                if key not in old:
                    self._indexed[key][id] = None
            self._forget(id, [key for key in old if key not in new])

    def _remove(self, id: str, table: str) -> None:
        object = self.tables[table].pop(id, None)
        if isinstance(object, Task):
            self._forget(id, _keys(object))

    def _forget(self, task_id: str, keys: Iterable[Key]) -> None:
        for key in keys:
            del self._indexed[key][task_id]
            if not self._indexed[key]:
                del self._indexed[key]

    # -- snapshots ------------------------------------------------------------------
    def dump(self) -> tuple[StoreObject, ...]:
        """Everything, as one value for a Raft snapshot."""
        return tuple(object for table in self.tables.values() for object in table.values())

    @classmethod
    def restored(cls, objects: Iterable[StoreObject], index: int) -> Store:
        """The store that `dump` described."""
        store = cls(objects)
        store.index = index
        return store


def matching(reference: str, objects: Iterable[T]) -> tuple[list[T], str]:
    """The objects that `reference` names, and how: by id, else by name, else by an id's beginning.

    Source: moby daemon/cluster/helpers.go.
    """
    candidates: list[Any] = list(objects)
    for matches, basis in (
        ([o for o in candidates if o.id == reference], "ID"),
        ([o for o in candidates if o.name == reference], "name"),
        ([o for o in candidates if reference and o.id.startswith(reference)], "ID prefix"),
    ):
        if matches:
            return matches, basis
    return [], ""


def find(kind: type[T], reference: str, objects: Iterable[T]) -> T:
    """The one object that `reference` names."""
    matches, _ = matching(reference, objects)
    if len(matches) > 1:
        count = f"{len(matches)} matches found"
        raise BadParameter(f"{kind.table} {reference} is ambiguous ({count})")
    if not matches:
        raise NoSuchObject(f"{kind.table} {reference} not found")
    return matches[0]


def check_version(object: StoreObject, version: int) -> None:
    """An update must be made from the version that is stored."""
    if object.version != version:
        raise Unknown("update out of sequence")


def stamped(change: Change, index: int, now_ns: int) -> Change:
    """The change with its object's version and times set, ready to be proposed."""
    object = change.object
    created_ns = now_ns if change.action is Action.CREATE else object.created_ns
    dated = object.with_(version=index, created_ns=created_ns, updated_ns=now_ns)
    return Change(change.action, dated)


class StoreCodec:
    """Store changes and dumps as bytes. Only this package's own records can be read back."""

    def encode(self, data: Any) -> bytes:
        return data.encoded if isinstance(data, Transaction) else pickle.dumps(data, protocol=5)

    def decode(self, data: bytes) -> Any:
        return _OwnRecords(io.BytesIO(data)).load()


class _OwnRecords(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith("swarmlab."):
            raise pickle.UnpicklingError(f"{module}.{name} does not belong in a swarm's log")
        return super().find_class(module, name)
