"""The keys that encrypt a manager's log and snapshots: the data key and the unlock key.

The log is always sealed with the data key. Without autolock the data key is stored beside it in
clear, which protects nothing. With autolock the data key and the node's private key are sealed with
the unlock key, which is needed to start the manager. ChaCha20-Poly1305 replaces NaCl's secretbox.
Source: swarmkit manager/{deks,encryption}, ca/keyreadwriter.go.
"""

from __future__ import annotations

import base64
import json

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from swarmlab.errors import BadParameter, Unauthorized
from swarmlab.simulation import Disk, Simulation

KEY_FILE = "swarm/certificates/swarm-node.key"
KEY_PREFIX, KEY_BYTES, NONCE_BYTES = "SWMKEY-1-", 32, 12


class WrongKey(ValueError):
    """The bytes were sealed with another key, or changed since."""


class Seal:
    """Encrypts bytes with one key, each time with another nonce."""

    def __init__(self, key: bytes, simulation: Simulation) -> None:
        self._key = key
        self._cipher: ChaCha20Poly1305 | None = None
        self._prefix = simulation.random_bytes(4)
        self._count = 0

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_cipher": None}  # a copy makes its own

    def _sealing(self) -> ChaCha20Poly1305:
        if self._cipher is None:
            self._cipher = ChaCha20Poly1305(self._key)
        return self._cipher

    def seal(self, data: bytes) -> bytes:
        self._count += 1
        nonce = self._prefix + self._count.to_bytes(NONCE_BYTES - len(self._prefix))
        return nonce + self._sealing().encrypt(nonce, data, None)

    def open(self, data: bytes) -> bytes:
        try:
            return self._sealing().decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], None)
        except (InvalidTag, ValueError):
            raise WrongKey("sealed with another key, or damaged") from None


def new_unlock_key(simulation: Simulation) -> str:
    """`SWMKEY-1-` and 32 random bytes in unpadded base64."""
    key = base64.b64encode(simulation.random_bytes(KEY_BYTES)).decode()
    return KEY_PREFIX + key.rstrip("=")


def unlock_key_bytes(text: str) -> bytes:
    """The bytes of an unlock key, `SWMKEY-1-…`."""
    body = text.strip().removeprefix(KEY_PREFIX)
    try:
        key = base64.b64decode(body + "=", validate=True)
    except ValueError:
        key = b""
    if not text.strip().startswith(KEY_PREFIX) or len(key) != KEY_BYTES:
        raise BadParameter("invalid key string")
    return key


class KeyFile:
    """The manager's file of keys on its disk: the node's private key, and the data key."""

    def __init__(self, disk: Disk, simulation: Simulation) -> None:
        self._disk, self._simulation = disk, simulation

    @property
    def locked(self) -> bool:
        """Whether an unlock key is needed to read it."""
        return KEY_FILE in self._disk and bool(json.loads(self._disk.read(KEY_FILE))["sealed"])

    def write(self, private_key: str, data_key: bytes, unlock_key: str) -> None:
        """Store the keys, sealed with `unlock_key`; in clear when it is empty."""
        content = json.dumps([private_key, base64.b64encode(data_key).decode()]).encode()
        if unlock_key:
            content = Seal(unlock_key_bytes(unlock_key), self._simulation).seal(content)
        stored = {"sealed": bool(unlock_key), "keys": base64.b64encode(content).decode()}
        self._disk.write(KEY_FILE, json.dumps(stored).encode())

    def read(self, unlock_key: str = "") -> tuple[str, bytes]:
        """(private key, data key); raises Unauthorized when the unlock key is wrong."""
        stored = json.loads(self._disk.read(KEY_FILE))
        content = base64.b64decode(stored["keys"])
        if stored["sealed"]:
            try:
                content = Seal(unlock_key_bytes(unlock_key), self._simulation).open(content)
            except WrongKey:
                raise Unauthorized("swarm could not be unlocked: invalid key provided") from None
        private_key, data_key = json.loads(content)
        return private_key, base64.b64decode(data_key)
