"""The small shell that simulated containers run: parser, words, builtins, interpreter."""
