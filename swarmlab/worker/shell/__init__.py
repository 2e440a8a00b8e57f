"""The tiny shell that simulated containers run: parser, builtins, process."""
