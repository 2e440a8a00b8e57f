"""A manager: store, control API, and the control loops that run on the leader."""
