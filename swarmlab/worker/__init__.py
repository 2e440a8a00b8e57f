"""A node's other half: the engine's images and containers, and the agent that runs tasks in them.

Read `agent` (a session with a manager), `task` (one task's state machine), `executor` (what its
steps do), `containers`, then `script` and `shell` (what runs inside), `health`, `images`.
"""
