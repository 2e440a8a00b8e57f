"""Hints: what a message does not say and a learner wants to know. One table, first match wins."""


def hint_for(words: list[str], fault: str, stdin: bytes) -> str:
    """One line for a command line and what it was refused with (`fault` is empty on success)."""
    return ""
