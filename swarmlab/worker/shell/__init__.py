"""The small shell that simulated containers run: parser, builtins, process."""
