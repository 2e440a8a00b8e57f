"""The scheduler: which node gets which task. Source: swarmkit manager/scheduler."""
