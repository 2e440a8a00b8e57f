"""Pictures of a cluster, each with a text form. Views draw what the Docker API and the trace tell.

Read in this order: `palette` (how a state is drawn), `primitives` (the parts of every picture),
`snapshot` (rows), `text` (sentences), `widget` (what live widgets share), `board` (one of them; its
drawing is `static/board.js`). The rest is a file per subject: elections, Raft's columns, quorum,
zones, stacks, density, topology.
"""

from swarmlab.views.html import big_form

__all__ = ["big_form"]
