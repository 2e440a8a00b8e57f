"""Where a secret's bytes are: from the person who types it to a file in a container.

All of it is read from the Docker API, so it works on any swarm; the bytes themselves are nowhere in
it. Source: swarmkit design, manager/encryption, agent/secrets; moby container_operations_unix.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from posixpath import join
from textwrap import shorten

from markupsafe import Markup

from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster, NodeName, SecretName
from swarmlab.cluster.simulated_state import is_simulated
from swarmlab.errors import LabError
from swarmlab.strings import N_, _
from swarmlab.views.html import Callout, Table, in_words, only_simulated, tag, unbroken
from swarmlab.views.palette import BEFORE_RUNNING
from swarmlab.views.primitives import drawing, legend, view
from swarmlab.views.snapshot import look

READABLE, SEALED = N_("can be read here"), N_("sealed, and its key is not here")
NOTHING = N_("no bytes here")
# The form of the bytes in a place -> its class in `static/view.css`.
FORMS = {READABLE: "readable", SEALED: "sealed", NOTHING: "nothing"}
NAMES_WIDTH = 26  # letters in a box


@dataclass(frozen=True, slots=True)
class SecretPath:
    """Every place of one secret at one moment.

    `secret_path(cluster, "senha-db")` shows it. Lesson: 10_secrets_and_configs.
    """

    name: str
    managers: tuple[str, ...]
    mounts: dict[str, tuple[str, ...]]  # node -> `web.1: /run/secrets/…`; empty: nothing is there
    autolock: bool

    @property
    def holders(self) -> list[str]:
        return [node for node, files in self.mounts.items() if files]

    @property
    def rows(self) -> list[tuple[str, str, str, str]]:
        """(machine, where, in which form, who can read it)."""
        managers, holders = ", ".join(self.managers), ", ".join(self.holders)
        disk = _("anyone with the disk: the key is beside the log")
        if self.autolock:
            disk = _("anyone with the disk and the unlock key")
        rows = [
            (_("yours"), _("what you type"), _("in clear"), _("you, and your shell's history")),
            (_("a manager"), _("the API"), _("TLS, or a local socket"), _("no one gets it back")),
            (managers, _("Raft's log, on disk"), _("sealed"), disk),
            (managers, _("the manager's memory"), _("in clear"), _("root there")),
        ]
        if holders:
            rows.append((f"→ {holders}", _("on its way"), _("TLS"), _("no one")))
        for node in self.holders:
            rows.append((node, _("the agent's memory"), _("in clear"), _("root there")))
            readers = _("the app in it; root there")
            rows += [(node, file, _("in clear, in memory"), readers) for file in self.mounts[node]]
        return rows + [(node, _("nothing"), "–", _("no task here needs it")) for node in self.empty]

    @property
    def empty(self) -> list[str]:
        """The workers without a task that needs it."""
        nodes = self.mounts.items()
        return [node for node, files in nodes if not files and node not in self.managers]

    @property
    def table(self) -> Table:
        heads = (_("Machine"), _("Where"), _("Form"), _("Who can read it"))
        return Table("", heads, tuple(self.rows))

    def __repr__(self) -> str:
        return repr(self.table)

    def boxes(self) -> list[list[tuple[str, str]]]:
        """(text, form) of every box, by column: you, the API, the managers, the nodes."""
        sealed, log = READABLE, _("{name}: log on its disk,\nsealed, its key beside it")
        if self.autolock:
            sealed, log = SEALED, _("{name}: log on its disk,\nsealed, and so is its key")
        columns = [[(_("you type\n{name}", name=self.name), READABLE)]]
        columns.append([(_("API\ntakes it, never\ngives it back"), NOTHING)])
        columns.append([(log.format(name=name), sealed) for name in self.managers])
        nodes = list[tuple[str, str]]()
        for node in self.holders:
            task, _colon, file = self.mounts[node][0].partition(": ")
            others = len(self.mounts[node]) - 1
            more = "\n" + _("and {n} more", n=others) if others else ""
            nodes.append((f"{node}: {task}\n{file}{more}", READABLE))
        names = shorten(", ".join(self.empty), NAMES_WIDTH, placeholder=" …")
        nodes += [(f"{names}\n" + _("no task here needs it"), NOTHING)] if names else []
        return [*columns, nodes]

    def _repr_html_(self) -> Markup:
        """Four columns, left to right; an arrow wherever the bytes go."""
        heads = ("", "", _("managers: Raft, over TLS"), _("tasks: in memory, over TLS"))
        columns = list[Markup]()
        for number, (head, boxes) in enumerate(zip(heads, self.boxes(), strict=True)):
            # The API takes what it never gives back; nothing comes to a node without such a task.
            places = [
                _place(text, form, comes=number == 1 or (number > 1 and form != NOTHING))
                for text, form in boxes
            ]
            columns.append(tag("div", tag("b", head), *places, class_="column"))
        signs = [(tag("i", class_=f"place {kind}"), _(form)) for form, kind in FORMS.items()]
        alt = "; ".join(", ".join(row) for row in self.rows)
        picture = drawing(alt, tag("div", *columns, class_="path"))
        return view(legend(signs), picture) + in_words(self.table)


def _place(text: str, form: str, *, comes: bool) -> Markup:
    """A place where the bytes are, or could be; with an arrow if they come to it."""
    lines = (tag("div", unbroken(line)) for line in text.split("\n"))
    return tag("div", *lines, class_=f"place {FORMS[form]} {'comes' if comes else ''}")


@checked
def secret_path(cluster: AnyCluster, name: SecretName) -> SecretPath:
    """Where the bytes of a secret are now. Lesson: 10_secrets_and_configs.

    >>> import swarmlab
    >>> cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    >>> senha = cluster.client().secrets.create(name="senha-db", data=b"senha")
    >>> secret_path(cluster, "senha-db").managers
    ('m1', 'm2', 'm3')
    """
    client = cluster.client()
    api, snapshot = client.api, look(client)
    ids = [secret["ID"] for secret in api.secrets(filters={"names": [name]})]
    if not ids:
        raise LabError("there is no secret {name!r}", name=name)
    names = {row.key: row.name for row in snapshot.nodes}
    mounts: dict[str, tuple[str, ...]] = dict.fromkeys(sorted(names.values()), ())
    running = {row.id: row for row in snapshot.tasks if row.state in (*BEFORE_RUNNING, "running")}
    for task in api.tasks():
        row = running.get(task["ID"])
        for reference in task["Spec"]["ContainerSpec"].get("Secrets") or ():
            if row is not None and row.node and reference["SecretID"] in ids:
                path = join("/run/secrets", reference["File"]["Name"])
                mounts[names[row.node]] += (f"{row.name}: {path}",)
    managers = [row.name for row in snapshot.nodes if row.role == "manager"]
    encryption = api.inspect_swarm()["Spec"].get("EncryptionConfig") or {}
    autolock = bool(encryption.get("AutoLockManagers"))
    return SecretPath(name, tuple(sorted(managers)), mounts, autolock)


@checked
def stolen_disk(cluster: AnyCluster, name: NodeName) -> Table | Callout:
    """The files on a node's disk, and the secrets that someone reads who has that disk alone:
    `stolen_disk(cluster, "m1")`.

    Lesson: 09_autolock.
    """
    if not is_simulated(cluster):
        return only_simulated(_("Only a simulated cluster shows its disks."))
    table: Table = cluster.disk(name)
    return table
