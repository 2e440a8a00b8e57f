"""The kit inside Jupyter: the `%docker` magic, completion, help in cells, the setup check."""
