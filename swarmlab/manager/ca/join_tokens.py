"""Join tokens: `SWMTKN-1-<digest of the root certificate>-<secret>`, both parts in base 36.

Source: swarmkit ca/config.go.
"""

from __future__ import annotations

import hashlib

from swarmlab.errors import EngineFault
from swarmlab.simulation import Simulation
from swarmlab.simulation.clock import ID_ALPHABET

DIGEST_LENGTH, SECRET_LENGTH = 50, 25  # base-36 digits


def root_digest(token: str) -> str:
    """The digest, hexadecimal, of the root certificate that a token belongs to."""
    parts = token.strip().split("-")
    if len(parts) == 5 and parts[1] == "2":
        parts[1:3] = ["2"]
    if (
        len(parts) != 4
        or parts[0] != "SWMTKN"
        or parts[1] not in ("1", "2")
        or (len(parts[2]), len(parts[3])) != (DIGEST_LENGTH, SECRET_LENGTH)
        or not all(c in ID_ALPHABET for c in parts[2] + parts[3])
    ):
        raise EngineFault("invalid join token")
    return f"{int(parts[2], 36):064x}"


def digest_of(root_certificate: str) -> str:
    """SHA-256 of the PEM bundle, hexadecimal."""
    return hashlib.sha256(root_certificate.encode()).hexdigest()


def new_token(root_certificate: str, simulation: Simulation) -> str:
    """A join token for this root, with a new secret."""
    digest = _base36(int(digest_of(root_certificate), 16), DIGEST_LENGTH)
    secret = _base36(int.from_bytes(simulation.random_bytes(16)), SECRET_LENGTH)
    return f"SWMTKN-1-{digest}-{secret}"


def _base36(number: int, length: int) -> str:
    """The number in base 36, padded with zeros on the left."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = ID_ALPHABET[digit] + digits
    return digits.rjust(length, "0")
