"""A node's other half: the engine's images and containers, and the agent that runs tasks in them.

Read `agent` (a session with a manager), `task` (one task's state machine), `executor` (what its
steps do) with `task_container`; then `containers`, `container`, `health`; then what runs inside:
`shell`, `script`, `commands`; last `images` and `registry`.
"""
