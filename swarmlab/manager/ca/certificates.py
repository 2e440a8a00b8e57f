"""The swarm's own certificate authority: roots, node certificates, join tokens, and their checks.

X.509 with P-256 keys, as SwarmKit's. A node's certificate says who it is: CN the node's id, OU its
role, O the cluster. These keys come from the simulation's seed, so that equal seeds give equal
bytes: they protect nothing, and must never leave the classroom.
Source: swarmkit ca/{certificates,config,server}.go.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlab.errors import EngineFault, InvalidArgument, PermissionDenied
from swarmlab.model import Cluster, Role
from swarmlab.simulation import EPOCH_NS, HOUR, S, Simulation
from swarmlab.simulation.clock import ID_ALPHABET

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ROOT_VALIDITY = timedelta(seconds=630_720_000)  # 20 years
ROOT_BACKDATE, LEAF_BACKDATE = timedelta(minutes=5), timedelta(hours=1)
DIGEST_LENGTH, SECRET_LENGTH = 50, 25  # base-36 digits
DEFAULT_EXPIRY_NS = 2160 * HOUR
UNITS = {Role.MANAGER: "swarm-manager", Role.WORKER: "swarm-worker"}
PEM = serialization.Encoding.PEM
NO_EXTERNAL_AUTHORITY = (
    "an external certificate authority cannot be used here: nothing outside the simulation is asked"
)


# -- join tokens -------------------------------------------------------------------------------
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


# -- certificates ------------------------------------------------------------------------------
def _now(simulation: Simulation) -> datetime:
    return datetime.fromtimestamp((EPOCH_NS + simulation.now_ns) // S, UTC)


def _name(common: str, unit: str = "", organization: str = "") -> x509.Name:
    parts = [
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, common),
    ]
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts if text])


@lru_cache(maxsize=4096)
def _certificate(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


@lru_cache(maxsize=64)
def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def new_key(simulation: Simulation) -> tuple[str, str]:
    """(private, public) P-256 key, both PEM, from the seed."""
    key = ec.derive_private_key(1 + simulation.rng.randrange(P256_ORDER - 1), ec.SECP256R1())
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(PEM, *kind).decode(), public.decode()


def _sign(
    builder: x509.CertificateBuilder, signer: str, simulation: Simulation
) -> x509.Certificate:
    serial = simulation.rng.getrandbits(128) + 1
    return builder.serial_number(serial).sign(
        _private_key(signer), hashes.SHA256(), ecdsa_deterministic=True
    )


def _root_builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .not_valid_before(now - ROOT_BACKDATE)
        .not_valid_after(now + ROOT_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def new_root(simulation: Simulation) -> tuple[str, str]:
    """(certificate, private key), both PEM: a self-signed root, valid for 20 years from now."""
    private, _ = new_key(simulation)
    name = _name("swarm-ca")
    builder = _root_builder(name, name, _private_key(private).public_key(), _now(simulation))
    return _sign(builder, private, simulation).public_bytes(PEM).decode(), private


def cross_signed(old: str, old_key: str, new: str, simulation: Simulation) -> str:
    """The new root's key and name in a certificate that the old root signs: whoever trusts the old
    root accepts what the new one signs."""
    root = _certificate(new)
    public = root.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    builder = _root_builder(root.subject, _certificate(old).subject, public, _now(simulation))
    return _sign(builder, old_key, simulation).public_bytes(PEM).decode()


def issue(
    cluster: Cluster, node_id: str, role: Role, public_key: str, simulation: Simulation
) -> str:
    """A node's certificate chain, PEM. The node brings nothing but its public key: name and role
    are the authority's to say. During a root rotation the cross-signed root follows the leaf."""
    rotation = cluster.rotation
    root, key = cluster.root_certificate, cluster.root_key
    if rotation is not None:
        root, key = rotation.certificate, rotation.key
    public = serialization.load_pem_public_key(public_key.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    expiry_ns = cluster.spec.at("CAConfig", "NodeCertExpiry", default=0) or DEFAULT_EXPIRY_NS
    names = [UNITS[role], node_id, *(["swarm-ca"] if role is Role.MANAGER else [])]
    now, usages = (
        _now(simulation),
        [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(node_id, UNITS[role], cluster.id))
        .issuer_name(_certificate(root).subject)
        .public_key(public)
        .not_valid_before(now - LEAF_BACKDATE)
        .not_valid_after(now + timedelta(seconds=expiry_ns // S))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    leaf = _sign(builder, key, simulation).public_bytes(PEM).decode()
    return leaf + (rotation.cross_signed if rotation is not None else "")


# -- checking ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who somebody is, by a certificate; times in nanoseconds since the virtual epoch."""

    node_id: str
    role: Role
    cluster_id: str
    not_before_ns: int
    not_after_ns: int
    issuer_key: bytes  # the public key, DER, of whoever signed the leaf


def _split(bundle: str) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in bundle.split(end) if part.strip()]


@lru_cache(maxsize=8192)
def _identified(chain: str, root: str) -> Peer | str:
    """Who the chain's leaf is, if it leads to the root; else what is wrong, in words."""
    pems = _split(chain)
    if not pems:
        return "no certificate was presented"
    certificates = [_certificate(pem) for pem in pems]
    trusted = [_certificate(pem) for pem in _split(root)]
    issuers = [*certificates[1:], *trusted]
    if not any(_signed_by(certificates[-1], one) for one in trusted):
        own = [certificates[0]] if any(_signed_by(certificates[0], one) for one in trusted) else []
        if not own:
            return "x509: certificate signed by unknown authority"
        certificates = own  # the intermediate is of no use to who trusts the new root already
    for lower, upper in pairwise(certificates):
        if not _signed_by(lower, upper):
            return "x509: certificate signed by unknown authority"
    leaf = certificates[0]
    texts = {a.oid: str(a.value) for a in leaf.subject}
    roles = {unit: role for role, unit in UNITS.items()}
    role = roles.get(texts.get(NameOID.ORGANIZATIONAL_UNIT_NAME, ""))
    if role is None:
        return "remote certificate not part of OUs"
    issuer = next(one for one in issuers if _signed_by(leaf, one))
    return Peer(
        node_id=texts[NameOID.COMMON_NAME],
        role=role,
        cluster_id=texts[NameOID.ORGANIZATION_NAME],
        not_before_ns=int(leaf.not_valid_before_utc.timestamp()) * S - EPOCH_NS,
        not_after_ns=int(leaf.not_valid_after_utc.timestamp()) * S - EPOCH_NS,
        issuer_key=public_key_of(issuer.public_bytes(PEM).decode()),
    )


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


@lru_cache(maxsize=64)
def public_key_of(certificate: str) -> bytes:
    """The public key, DER, of the first certificate in a bundle."""
    key = _certificate(_split(certificate)[0]).public_key()
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def verify(chain: str, root: str, now_ns: int) -> Peer:
    """Who presents `chain`, for somebody who trusts `root`, at virtual time `now_ns`."""
    found = _identified(chain, root)
    if isinstance(found, str):
        raise PermissionDenied(f"Permission denied: {found}")
    if not found.not_before_ns <= now_ns <= found.not_after_ns:
        raise PermissionDenied(
            "Permission denied: x509: certificate has expired or is not yet valid"
        )
    return found


def issuer_key_of(chain: str, root: str) -> bytes:
    """The public key, DER, of who signed the chain's leaf; empty when it leads to another root."""
    found = _identified(chain, root)
    return found.issuer_key if isinstance(found, Peer) else b""


def check_new_root(certificate: str, key: str, cluster: Cluster, now_ns: int) -> None:
    """Whether a root that the user brings will do. Source: swarmkit controlapi/ca_rotation.go."""
    if len(_split(certificate)) > 1:
        raise InvalidArgument("the desired CA certificate cannot contain multiple certificates")
    try:
        root = x509.load_pem_x509_certificate(certificate.encode())
        matches = public_key_of(root.public_bytes(PEM).decode()) == _public_of(key)
    except (ValueError, TypeError, IndexError):
        raise InvalidArgument("could not parse the desired CA certificate") from None
    if not matches:
        raise InvalidArgument(
            "there must be at least one valid, reachable external CA corresponding to the desired "
            "CA certificate"
        )
    if root.not_valid_after_utc.timestamp() * S - EPOCH_NS < now_ns + 365 * 24 * HOUR:
        raise InvalidArgument("CA certificate expires too soon")
    if public_key_of(certificate) == public_key_of(cluster.root_certificate):
        raise InvalidArgument("Cannot update to a cert with an identical key")


def _public_of(private: str) -> bytes:
    return (
        _private_key(private)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def new_unlock_key(simulation: Simulation) -> str:
    """`SWMKEY-1-` and 32 random bytes in unpadded base64."""
    return "SWMKEY-1-" + base64.b64encode(simulation.random_bytes(32)).decode().rstrip("=")
