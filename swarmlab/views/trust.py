"""Slide 36, live: the root that each node trusts, and the root that signed its certificate.

Both are what the nodes report, so it works on a real cluster; a simulation adds until when each
certificate is valid. Source: swarmkit ca/reconciler.go, manager/controlapi/ca_rotation.go.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any, NamedTuple

from markupsafe import Markup

from swarmlab.cluster import simulated_state
from swarmlab.cluster.calls import checked
from swarmlab.cluster.interface import AnyCluster
from swarmlab.simulation import MS
from swarmlab.strings import _
from swarmlab.views.html import Table, in_words, marked, tag
from swarmlab.views.palette import CIRCLE, DIAMOND, OCTAGON, SQUARE, VERSIONS, Look
from swarmlab.views.primitives import drawing, node, shape
from swarmlab.views.widget import Picture, widget_of

SHAPES = (CIRCLE, SQUARE, DIAMOND, OCTAGON)  # of the roots, in the order in which they come
# Nodes change one by one, some milliseconds apart; the CA looks at them every three seconds.
STEP, WAIT_NS = "2ms", 3500 * MS


class Certified(NamedTuple):
    """A node, and its certificate; a root is told by its public key, DER."""

    name: str
    role: str
    down: bool
    trusts: bytes
    issuer: bytes
    valid: str  # `until 2018-01-26 12:00`, `expired`; empty: not known


@lru_cache(maxsize=64)
def _key_of(root: str) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(root.encode()).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def certified(cluster: Any) -> list[Certified]:
    """The nodes that the managers list, by name."""
    valid: dict[str, str] = {}
    if cluster.has_trace:
        nodes = simulated_state.cluster_state(cluster).nodes
        for name, root, _role, until, state in cluster.trust().rows:
            ended = _("expired") if until == "-" else _("until {date}", date=until)
            valid[name] = state if root == "-" else ended
    else:
        nodes = cluster.client().api.nodes()
    rows = []
    for row in nodes:
        name, tls = row["Description"]["Hostname"], row["Description"]["TLSInfo"]
        down, issuer = row["Status"]["State"] == "down", tls["CertIssuerPublicKey"]
        keys = _key_of(tls["TrustRoot"]), base64.b64decode(issuer)
        rows.append(Certified(name, row["Spec"]["Role"], down, *keys, valid.get(name, "")))
    return sorted(rows)


class Trust(Picture):
    """The roots, and below them the nodes; a button lets time pass until something changes.

    `trust(cluster)` shows it. Lesson: 08_tls_and_ca.
    """

    def start_over(self) -> None:
        super().start_over()
        self.rows = list[Certified]()
        self.roots = list[bytes]()  # all so far: A, B, …

    def read(self) -> None:
        self.rows = certified(self.cluster)
        keys = [row.trusts for row in self.rows] + [row.issuer for row in self.rows]
        self.roots += [key for key in dict.fromkeys(keys) if key not in self.roots]
        super().read()

    def letter(self, root: bytes) -> str:
        return chr(ord("A") + self.roots.index(root))

    @property
    def used(self) -> list[bytes]:
        """The roots that a node trusts, or has its certificate from."""
        return [r for r in self.roots if any(r in (n.trusts, n.issuer) for n in self.rows)]

    @property
    def lines(self) -> list[str]:
        """What is going on."""
        old, new = self.used[0], self.used[-1]
        letters = {"old": self.letter(old), "new": self.letter(new)}
        if old == new:
            line = _("**One root, {new}.** Every node trusts it and has its certificate from it.")
            expired = ", ".join(row.name for row in self.rows if row.valid == _("expired"))
            late = [_("✖ **The certificate of {names} has expired.**", names=expired)]
            return [line.format(**letters)] + late * bool(expired)
        behind = [row for row in self.rows if row.issuer != new]
        if not behind:
            line = _("**Every certificate is from {new}.** {names} still trust {old}.")
            names = ", ".join(row.name for row in self.rows if row.trusts == old)
            return [line.format(names=names, **letters)]
        line = _(
            "**Two roots.** {old} has signed {new} too (cross-signed), so a node that trusts {old} "
            "accepts certificates from {new}. From {old} still: {names}."
        )
        lines = [line.format(names=", ".join(row.name for row in behind), **letters)]
        down = ", ".join(row.name for row in behind if row.down)
        return lines + [_("✖ **The rotation waits for {names}** (down).", names=down)] * bool(down)

    @property
    def table(self) -> Table:
        heads = _("node"), _("role"), _("trusts root"), _("certificate from"), _("valid")
        rows = (
            (r.name, r.role, self.letter(r.trusts), self.letter(r.issuer), r.valid or "–")
            for r in self.rows
        )
        return Table("", heads, tuple(rows))

    def __repr__(self) -> str:
        return "\n".join([*self.lines, repr(self.table)]).replace("**", "")

    def draw(self) -> Markup:
        roots = tag("div", *map(self._root, self.roots), class_="row zones")
        nodes = tag("div", *map(self._node, self.rows), class_="row zones")
        step = tag("button", _("Step ▶"), data_do="step", data_key="step")
        said = (tag("p", marked(line), role="status") for line in self.lines)
        picture = drawing(repr(self), roots, nodes)
        return Markup("").join([picture, *said, step, in_words(self.table)])

    def _badge(self, root: bytes) -> Markup:
        place, letter = self.roots.index(root), self.letter(root)
        look = Look(letter, "", SHAPES[place % len(SHAPES)], VERSIONS[place % len(VERSIONS)])
        return shape(look, title=_("root {letter}", letter=letter))

    def _root(self, root: bytes) -> Markup:
        trust = sum(row.trusts == root for row in self.rows)
        signed = sum(row.issuer == root for row in self.rows)
        facts = _("trusted by {trust}, certificates: {signed}", trust=trust, signed=signed)
        text = tag("small", facts if root in self.used else _("gone"))
        return tag("div", self._badge(root), " ", tag("b", _("root")), " ", text, class_="zone")

    def _node(self, row: Certified) -> Markup:
        trusts = tag("span", _("trusts "), self._badge(row.trusts))
        issuer = tag("span", _("signed by "), self._badge(row.issuer))
        return node(row.name, row.role, trusts, issuer, row.valid or "–", down=row.down)

    def act(self, verb: str, message: dict[str, Any]) -> None:
        """Let time pass until a node has another root or another certificate."""
        before, end_ns = certified(self.cluster), self.cluster.clock_ns() + WAIT_NS
        while self.cluster.clock_ns() < end_ns:
            self.cluster.run(STEP)
            if certified(self.cluster) != before:
                return
        self.error = _("Nothing has changed for 3.5 seconds.")


@checked
def trust(cluster: AnyCluster) -> Trust:
    """Who trusts which root, and who signed whose certificate, live. Lesson: 08_tls_and_ca.

    >>> import swarmlab
    >>> print(trust(swarmlab.simulate(managers=1, workers=1, seed=7)))
    One root, A. Every node trusts it and has its certificate from it.
    node  role     trusts root  certificate from  valid
    m1    manager  A            A                 until 2018-01-26 12:00
    w1    worker   A            A                 until 2018-01-26 12:00
    """
    return widget_of(Trust, cluster)
