"""Pictures of a cluster, each with its text twin. Views draw what the Docker API and the trace say.

Read in this order: `palette` (what a state looks like), `snapshot` (rows), `words` (sentences),
`live` (what live widgets share), `board` (one of them; its drawing is `static/board.js`). The rest
is a file a subject: elections, Raft's columns, quorum, zones, stacks, density, topology.
"""
