"""What cannot change is shared by all copies of a simulation."""


class Shared:
    """Base of immutable objects: a copy of a simulation refers to the same ones."""

    __slots__ = ()
