"""The swarm's certificate authority: issues root and node certificates, and verifies them.

X.509 with P-256 keys, as in SwarmKit. A node's certificate states its identity: CN is the node's
id, OU its role, O the cluster. The keys come from the simulation's seed, so that equal seeds give
equal bytes: they protect nothing, and must never be used outside of the simulation.
Source: swarmkit ca/{certificates,config,server}.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from swarmlab.errors import InvalidArgument, PermissionDenied
from swarmlab.model import Cluster, Role
from swarmlab.simulation import EPOCH_NS, HOUR, S, Simulation

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ROOT_VALIDITY = timedelta(seconds=630_720_000)  # 20 years
ROOT_BACKDATE, LEAF_BACKDATE = timedelta(minutes=5), timedelta(hours=1)
DEFAULT_EXPIRY_NS = 2160 * HOUR
UNITS = {Role.MANAGER: "swarm-manager", Role.WORKER: "swarm-worker"}
PEM = serialization.Encoding.PEM
DER_KEY = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
NO_EXTERNAL_AUTHORITY = (
    "an external certificate authority cannot be used here: the simulation contacts nothing outside"
)


# -- certificates ------------------------------------------------------------------------------
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
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return key


def new_key(simulation: Simulation) -> tuple[str, str]:
    """(private, public) P-256 key, both PEM, from the seed."""
    key = ec.derive_private_key(1 + simulation.rng.randrange(P256_ORDER - 1), ec.SECP256R1())
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    public = key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.private_bytes(PEM, *kind).decode(), public.decode()


def _now(simulation: Simulation) -> datetime:
    return datetime.fromtimestamp((EPOCH_NS + simulation.now_ns) // S, UTC)


def _sign(builder: x509.CertificateBuilder, signer: str, simulation: Simulation) -> str:
    """The certificate, PEM, signed with the private key `signer`."""
    builder = builder.serial_number(simulation.rng.getrandbits(128) + 1)
    signed = builder.sign(_private_key(signer), hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(PEM).decode()


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
    name, public = _name("swarm-ca"), _private_key(private).public_key()
    return _sign(_root_builder(name, name, public, _now(simulation)), private, simulation), private


def cross_signed(old: str, old_key: str, new: str, simulation: Simulation) -> str:
    """A certificate with the new root's key and name, signed by the old root.

    Nodes that trust the old root then accept what the new one signs.
    """
    root = _certificate(new)
    public = root.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    builder = _root_builder(root.subject, _certificate(old).subject, public, _now(simulation))
    return _sign(builder, old_key, simulation)


def issue(
    cluster: Cluster, node_id: str, role: Role, public_key: str, simulation: Simulation
) -> str:
    """A node's certificate chain, PEM. The node provides only its public key: the authority decides
    on name and role. During a root rotation the cross-signed root follows the leaf."""
    rotation = cluster.rotation
    root, key = cluster.root_certificate, cluster.root_key
    if rotation is not None:
        root, key = rotation.certificate, rotation.key
    public = serialization.load_pem_public_key(public_key.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    expiry_ns = cluster.spec.at("CAConfig", "NodeCertExpiry", default=0) or DEFAULT_EXPIRY_NS
    names = [UNITS[role], node_id, *(["swarm-ca"] if role is Role.MANAGER else [])]
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    now = _now(simulation)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(node_id, UNITS[role], cluster.id))
        .issuer_name(_certificate(root).subject)
        .public_key(public)
        .not_valid_before(now - LEAF_BACKDATE)
        .not_valid_after(now + timedelta(seconds=expiry_ns // S))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    )
    leaf = _sign(builder, key, simulation)
    return leaf + (rotation.cross_signed if rotation is not None else "")


# -- checking ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A node as its certificate identifies it; times are nanoseconds since the virtual epoch."""

    node_id: str
    role: Role
    cluster_id: str
    not_before_ns: int
    not_after_ns: int
    issuer_key: bytes  # the public key, DER, of the issuer


def _split(bundle: str) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [part + end for part in bundle.split(end) if part.strip()]


@lru_cache(maxsize=8192)
def _identified(chain: str, root: str) -> Peer | str:
    """The owner of the chain's leaf, if the chain leads to the root; else what is wrong with it."""
    certificates, trusted = (list(map(_certificate, _split(b))) for b in (chain, root))
    if not certificates:
        return "no certificate was presented"

    def is_trusted(certificate: x509.Certificate) -> bool:
        return any(_signed_by(certificate, issuer) for issuer in trusted)

    # A node that trusts the new root already does not need the intermediate certificate.
    if not is_trusted(certificates[0]):
        linked = all(_signed_by(lower, upper) for lower, upper in pairwise(certificates))
        if not linked or not is_trusted(certificates[-1]):
            return "x509: certificate signed by unknown authority"
    leaf = certificates[0]
    texts = {a.oid: str(a.value) for a in leaf.subject}
    roles = {unit: role for role, unit in UNITS.items()}
    role = roles.get(texts.get(NameOID.ORGANIZATIONAL_UNIT_NAME, ""))
    if role is None:
        return "remote certificate not part of OUs"
    issuer = next(c for c in (*certificates[1:], *trusted) if _signed_by(leaf, c))
    return Peer(
        node_id=texts[NameOID.COMMON_NAME],
        role=role,
        cluster_id=texts[NameOID.ORGANIZATION_NAME],
        not_before_ns=int(leaf.not_valid_before_utc.timestamp()) * S - EPOCH_NS,
        not_after_ns=int(leaf.not_valid_after_utc.timestamp()) * S - EPOCH_NS,
        issuer_key=issuer.public_key().public_bytes(*DER_KEY),
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
    return _certificate(_split(certificate)[0]).public_key().public_bytes(*DER_KEY)


def verify(chain: str, root: str, now_ns: int) -> Peer:
    """The peer that presents `chain`, as seen by a node that trusts `root`, at time `now_ns`."""
    peer = _identified(chain, root)
    if isinstance(peer, Peer) and not peer.not_before_ns <= now_ns <= peer.not_after_ns:
        peer = "x509: certificate has expired or is not yet valid"
    if isinstance(peer, str):
        raise PermissionDenied(f"Permission denied: {peer}")
    return peer


def issuer_key_of(chain: str, root: str) -> bytes:
    """The public key, DER, that signed the chain's leaf; empty when it leads to another root."""
    peer = _identified(chain, root)
    return peer.issuer_key if isinstance(peer, Peer) else b""


def is_key_of(key: str, certificate: str) -> bool:
    """Whether a private key is the certificate's; ValueError or TypeError: one is malformed."""
    own = _private_key(key).public_key().public_bytes(*DER_KEY)
    return _certificate(certificate).public_key().public_bytes(*DER_KEY) == own


def check_new_root(certificate: str, key: str, cluster: Cluster, now_ns: int) -> None:
    """Whether a new root from the user is valid. Source: swarmkit controlapi/ca_rotation.go."""
    if len(_split(certificate)) > 1:
        raise InvalidArgument("the desired CA certificate cannot contain multiple certificates")
    try:
        root, matches = _certificate(certificate), is_key_of(key, certificate)
    except (ValueError, TypeError, IndexError, UnsupportedAlgorithm):
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
