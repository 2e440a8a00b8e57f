"""The swarm's own certificate authority: root certificate and join tokens.

These keys come from the simulation's seed, so that equal seeds give equal bytes: they protect
nothing, and must never leave the classroom. Source: swarmkit ca/{certificates,config}.go.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from swarmlab.errors import EngineFault
from swarmlab.simulation import EPOCH_NS, Simulation
from swarmlab.simulation.clock import ID_ALPHABET

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ROOT_VALIDITY = timedelta(seconds=630_720_000)  # 20 years
BACKDATE = timedelta(minutes=5)
DIGEST_LENGTH, SECRET_LENGTH = 50, 25  # base-36 digits


@dataclass(frozen=True, slots=True)
class JoinToken:
    """`SWMTKN-1-<digest of the root certificate>-<secret>`, taken apart."""

    digest: str
    secret: str = field(repr=False)

    @property
    def digest_hex(self) -> str:
        return f"{int(self.digest, 36):064x}"


def parse_token(text: str) -> JoinToken:
    """The token's parts; raises what the engine says of a malformed one."""
    parts = text.strip().split("-")
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
    return JoinToken(parts[2], parts[3])


def base36(number: int, length: int) -> str:
    """The number in base 36, padded with zeros on the left."""
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = ID_ALPHABET[digit] + digits
    return digits.rjust(length, "0")


def digest_of(root_certificate: str) -> str:
    """SHA-256 of the PEM bundle, hexadecimal: what a token's first part states in base 36."""
    return hashlib.sha256(root_certificate.encode()).hexdigest()


def new_token(root_certificate: str, simulation: Simulation) -> str:
    """A join token for this root, with a fresh secret."""
    digest = base36(int(digest_of(root_certificate), 16), DIGEST_LENGTH)
    secret = base36(int.from_bytes(simulation.random_bytes(16)), SECRET_LENGTH)
    return f"SWMTKN-1-{digest}-{secret}"


def new_root(simulation: Simulation) -> tuple[str, str]:
    """(certificate, private key), both PEM: a self-signed P-256 root, valid from now."""
    key = ec.derive_private_key(1 + simulation.rng.randrange(P256_ORDER - 1), ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "swarm-ca")])
    now = datetime.fromtimestamp((EPOCH_NS + simulation.now_ns) // 1_000_000_000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(simulation.rng.getrandbits(128) + 1)
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + ROOT_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256(), ecdsa_deterministic=True)
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(pem).decode(), private.decode()


def new_unlock_key(simulation: Simulation) -> str:
    """`SWMKEY-1-` and 32 random bytes in unpadded base64."""
    return "SWMKEY-1-" + base64.b64encode(simulation.random_bytes(32)).decode().rstrip("=")
