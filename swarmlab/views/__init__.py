"""Pictures of a cluster, each with its text twin. Views draw what the Docker API and the trace say.

Read in this order: `palette` (what a state looks like), `snapshot` (rows), `words` (sentences),
`board` (the live widget; its drawing is `static/board.js`).
"""
