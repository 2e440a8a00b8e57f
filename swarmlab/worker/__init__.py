"""The worker side of a node: the agent that runs tasks, and the engine's containers and images.

Read `agent` (the session with the leader), `task_manager` (one task's state machine), `executor`
and `controller` (its steps), with `container_spec` and `secrets`; then `containers`, `container`
and `health`; then `shell`, which runs inside them; last `images` and `registry`.
"""
