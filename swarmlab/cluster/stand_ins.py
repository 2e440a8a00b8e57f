"""Stand-ins: what is written down, and sent in a replay, in place of a secret.

A payload is replaced by its length, for which a replay sends other bytes that follow from it and
the run's seed; a template by another one; a token or key by a placeholder that says which it was.
An engine takes or refuses a stand-in as it did the secret, so that a replayed run is the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from swarmlab.engine.schemas import STRUCTS
from swarmlab.errors import EngineFault
from swarmlab.manager.ca.certificates import P256_ORDER, PEM, is_key_of, public_key_of
from swarmlab.manager.ca.join_tokens import root_digest
from swarmlab.manager.store import Store

Placeholders = dict[str, str]  # a token or key -> what stands for it

# The fields of Go's structs (`engine/schemas`) that hold a secret, wherever they stand.
SECRET_FIELDS = {"Data", "JoinToken", "UnlockKey", "SigningCAKey"}
NO_CERTIFICATE = ValueError, TypeError, AttributeError, UnsupportedAlgorithm
OWN_KEY, UNKNOWN = "<key of the certificate>", "<unknown>"
# Actions of a template that hold no text but names; they are kept, since they decide what it does.
ACTION = re.compile(rb"\{\{.*?\}\}|\{\{", re.S)
NAMED = re.compile(rb'(?:index \.Service\.Labels|env|secret|config) "[\w.-]*"')
TEXT = re.compile(rb'"(?:\\.|[^"\\])*"|`[^`]*`|/\*.*?\*/|[.$\w]+', re.S)
WORDS = {
    *(b"if else end with range index printf print println len and or not eq ne gt lt".split()),
    *(b"env secret config join true false nil . $ .Task.ID .Task.Name .Task.Slot".split()),
    *(b".Service.ID .Service.Name .Service.Labels .Node.ID .Node.Hostname".split()),
    *(b".Node.Platform.Architecture .Node.Platform.OS".split()),
}


def placeholders(stores: Iterable[Store]) -> Placeholders:
    """The tokens and keys of the swarms whose managers have these stores."""
    words: Placeholders = {}
    for store in stores:
        if store.tables["cluster"]:
            words |= {
                store.cluster.worker_token: "<worker token>",
                store.cluster.manager_token: "<manager token>",
                store.cluster.unlock_key: "<unlock key>",
            }
    return words


def without_secrets(
    document: dict[str, Any], kind: str, seed: int, keys: Callable[[], Placeholders]
) -> dict[str, Any]:
    """A document of this struct with a stand-in for each secret; ValueError: it is malformed."""

    def replaced(owner: dict[str, Any], field: str) -> Any:
        value = owner[field]
        match field:
            case "Data":
                data = base64.b64decode(value, validate=True)
                if not owner.get("Templating"):
                    return len(data)
                return base64.b64encode(_as_template(_payload(seed, len(data)), data)).decode()
            case "SigningCAKey":
                return OWN_KEY if _fits(value, owner.get("SigningCACert", "")) else UNKNOWN
            case "JoinToken":
                return keys().get(value) or _other_token(value, keys())
        return keys().get(value, UNKNOWN)

    masked: dict[str, Any] = _with_fields(document, kind, replaced)
    return masked


def _with_fields(value: Any, kind: str, replaced: Callable[[dict[str, Any], str], Any]) -> Any:
    """A copy of a document of this struct in which `replaced` gives the value of secret fields."""
    fields = STRUCTS.get(kind)
    if not fields or not isinstance(value, dict):
        return value
    return {
        key: replaced(value, key)
        if key in SECRET_FIELDS
        else _with_fields(item, fields[key].lstrip("*"), replaced)
        for key, item in value.items()
    }


def _payload(seed: int, length: int) -> bytes:
    return hashlib.shake_256(f"{seed} {length}".encode()).digest(length)


def _as_template(other: bytes, data: bytes) -> bytes:
    """Letters, with the actions of the template `data`."""
    letters = bytearray(ord("a") + byte % 26 for byte in other)
    for action in ACTION.finditer(data):
        kept = bytearray(action[0])
        names = [match.span() for match in NAMED.finditer(action[0])]
        for word in TEXT.finditer(action[0]):
            named = any(start <= word.start() < end for start, end in names)
            for index in range(*word.span()) if not named and word[0] not in WORDS else ():
                if kept[index : index + 1].isalnum():
                    kept[index] = letters[action.start() + index]
        letters[slice(*action.span())] = kept
    return bytes(letters)


def _other_token(token: str, keys: Placeholders) -> str:
    """A token that is refused at the same place as one that is not known (any more)."""
    try:
        digest = root_digest(token)
    except EngineFault:
        return UNKNOWN
    known = [key for key in keys if key.startswith("SWMTKN-") and root_digest(key) == digest]
    head = known[0].rpartition("-")[0] if known else f"SWMTKN-1-{'0' * 50}"
    return f"{head}-{'0' * 25}"


def with_secrets(document: dict[str, Any], keys: Placeholders, seed: int) -> dict[str, Any]:
    """The body to send for one that was written down; `keys` are the swarm's at this moment."""
    values = {placeholder: key for key, placeholder in keys.items()}
    document = {
        key: values.get(value, value) if key in SECRET_FIELDS else value
        for key, value in document.items()
    }
    if type(length := document.get("Data")) is int:
        document["Data"] = base64.b64encode(_payload(seed, length)).decode()
    authority = document.get("CAConfig")
    if isinstance(authority, dict) and authority.get("SigningCAKey") == OWN_KEY:
        with suppress(*NO_CERTIFICATE):  # of a file that was altered: the engine refuses it
            document["CAConfig"] = authority | _other_root(authority.get("SigningCACert", ""))
    return document


def _fits(key: str, certificate: str) -> bool:
    try:
        return is_key_of(key, certificate)
    except NO_CERTIFICATE:
        return False


def _other_root(certificate: str) -> dict[str, str]:
    """A root of the same name and dates, and its key, which follows from the user's public key."""
    root, seed = x509.load_pem_x509_certificate(certificate.encode()), public_key_of(certificate)
    number = int.from_bytes(hashlib.sha256(seed).digest()) % (P256_ORDER - 1)
    key = ec.derive_private_key(1 + number, ec.SECP256R1())
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(root.serial_number)
        .not_valid_before(root.not_valid_before_utc)
        .not_valid_after(root.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    signed = builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return {
        "SigningCACert": signed.public_bytes(PEM).decode(),
        "SigningCAKey": key.private_bytes(PEM, *kind).decode(),
    }
