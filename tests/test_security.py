"""Who may join, speak and read. Source: swarmkit ca, manager/encryption, agent/secrets."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import Any

import docker
import pytest
from docker.types import SecretReference

import swarmlab
from swarmlab.cluster.simulated_state import managers_of
from swarmlab.errors import PermissionDenied, Unauthorized
from swarmlab.manager.ca import certificates as ca
from swarmlab.manager.ca.data_keys import KEY_FILE, KeyFile, Seal, new_unlock_key
from swarmlab.manager.rpc_server import RpcServer
from swarmlab.model import EMPTY, Cluster, Document, Node, Role, freeze
from swarmlab.model.messages import JoinRaft, ListObjects, RemoveNode
from swarmlab.model.trace_records import SessionRefused
from swarmlab.simulation import EPOCH_NS, HOUR, Disk, S, Simulation

MARKER = b"marker-7f3a9c51d2e84b06"


def explanation(refused: Any) -> str:
    return str(refused.value.explanation)


def update_swarm(client: Any, change: dict[str, Any], **query: bool) -> None:
    """`docker swarm update`: read the spec, change a part of it, send all of it back."""
    client.swarm.reload()
    spec = {**client.swarm.attrs["Spec"], **change}
    url = client.api._url("/swarm/update")
    version = {"version": client.swarm.version, **query}
    client.api._raise_for_status(client.api._post_json(url, data=spec, params=version))


def unlock(cluster: Any, name: str, key: str) -> None:
    api = cluster.client(name).api
    api._raise_for_status(api._post_json(api._url("/swarm/unlock"), data={"UnlockKey": key}))


def autolock(client: Any, on: bool = True) -> str:
    update_swarm(client, {"EncryptionConfig": {"AutoLockManagers": on}})
    return str(client.api.get_unlock_key()["UnlockKey"])


@pytest.fixture
def newcomer() -> Any:
    """m1 leads a swarm of its own; e1 is in none."""
    cluster = swarmlab.engines(["m1", "e1"], seed=3)
    cluster.client("m1").swarm.init(advertise_addr=cluster.machine("m1").address)
    return cluster


# -- tokens ------------------------------------------------------------------------------------
def join(cluster: Any, token: str) -> None:
    cluster.client("e1").swarm.join(remote_addrs=["10.77.0.2:2377"], join_token=token)


def test_a_worker_token_makes_a_worker(newcomer):
    """Nothing in the string says which it is; the authority knows.

    Source: swarmkit ca/config.go.
    """
    tokens = newcomer.client("m1").swarm.attrs["JoinTokens"]
    join(newcomer, tokens["Worker"])
    node = newcomer.client("m1").nodes.get("e1")
    assert (node.attrs["Spec"]["Role"], "ManagerStatus" in node.attrs) == ("worker", False)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda token: token[:-3], "invalid join token"),
        (lambda token: "SWMTKN-1-" + "0" * 50 + token[59:], "remote CA does not match fingerprint"),
        (lambda token: token[:-4] + "0000", "A valid join token is necessary to join this cluster"),
    ],
    ids=["truncated", "another root", "another secret"],
)
def test_a_wrong_token_is_refused(newcomer, spoil, words):
    """The newcomer is as free as before. Source: swarmkit ca/config.go."""
    token = newcomer.client("m1").swarm.attrs["JoinTokens"]["Worker"]
    with pytest.raises(docker.errors.APIError) as refused:
        join(newcomer, spoil(token))
    assert words in explanation(refused)
    assert newcomer.client("e1").info()["Swarm"]["LocalNodeState"] == "inactive"


@pytest.mark.parametrize("turned", ["Worker", "Manager"])
def test_a_rotation_changes_one_token_and_not_the_other(newcomer, turned):
    client = newcomer.client("m1")
    old = client.swarm.attrs["JoinTokens"]
    update_swarm(client, {}, **{f"rotate{turned}Token": True})
    client.swarm.reload()
    new = client.swarm.attrs["JoinTokens"]
    assert [name for name in old if new[name] != old[name]] == [turned]


def test_a_worker_does_not_get_into_raft(newcomer):
    """The manager looks at the role that it has stored. Source: swarmkit raft.go, Join."""
    join(newcomer, newcomer.client("m1").swarm.attrs["JoinTokens"]["Worker"])
    manager = managers_of(newcomer)["m1"]
    e1 = newcomer.client("m1").nodes.get("e1")
    request = JoinRaft(node_id=e1.id, address=f"{newcomer.machine('e1').address}:2377")
    with pytest.raises(PermissionDenied, match="unauthorized peer role: swarm-worker"):
        RpcServer(manager).serve("e1", request)


def test_certificates_last_an_hour_at_least(newcomer):
    """Source: swarmkit manager/controlapi/cluster.go."""
    client = newcomer.client("m1")
    with pytest.raises(docker.errors.APIError, match="minimum certificate expiry time is: 1h0m0s"):
        update_swarm(client, {"CAConfig": {"NodeCertExpiry": HOUR - 1}})
    update_swarm(client, {"CAConfig": {"NodeCertExpiry": HOUR}})
    client.swarm.reload()
    assert client.swarm.attrs["Spec"]["CAConfig"]["NodeCertExpiry"] == HOUR


def test_a_rotated_token_is_refused(newcomer):
    """Rotation changes that token's secret, and nobody else's. Source: swarmkit ca/config.go."""
    client = newcomer.client("m1")
    old = client.swarm.attrs["JoinTokens"]
    update_swarm(client, {}, rotateWorkerToken=True)
    client.swarm.reload()
    new = client.swarm.attrs["JoinTokens"]
    assert (new["Worker"] != old["Worker"], new["Manager"] == old["Manager"]) == (True, True)
    with pytest.raises(docker.errors.APIError, match="A valid join token is necessary"):
        join(newcomer, old["Worker"])
    join(newcomer, new["Worker"])


# -- sessions ----------------------------------------------------------------------------------
def test_a_worker_may_not_use_the_control_api(cluster):
    """The role stands in the certificate, which the worker cannot write.

    Source: swarmkit ca/auth.go.
    """
    call = cluster.machine("w1").call("m1", RemoveNode("x", force=True))
    cluster.until(lambda: call.done, "10s")
    assert isinstance(call.error, PermissionDenied)
    (refused,) = [r for r in cluster.trace.of(SessionRefused) if r.peer == "w1"]
    assert "unauthorized peer role" in refused.why


def test_a_stolen_certificate_is_refused_once_its_node_was_removed(cluster, client):
    """The certificate still verifies, but its name is on the list.

    Source: swarmkit manager/controlapi/node.go.
    """
    cluster.crash("w1")
    cluster.until(lambda: client.nodes.get("w1").attrs["Status"]["State"] == "down")
    client.api.remove_node(client.nodes.get("w1").id)
    cluster.start("w1")
    cluster.run("30s")
    assert [n.attrs["Description"]["Hostname"] for n in client.nodes.list()].count("w1") == 0
    assert any("was removed from swarm" in r.why for r in cluster.trace.of(SessionRefused))


def role_in_certificate(cluster: Any, name: str) -> str:
    machine = cluster.machine(name)
    return ca.verify(machine.presents, machine.trusts, cluster.now_ns).role.value


def test_a_certificate_follows_its_nodes_role(cluster, client):
    """Source: swarmkit node/node.go, run; agent/session.go."""
    for name, role in (("m3", "worker"), ("w1", "manager")):
        node = client.nodes.get(name)
        node.update({**node.attrs["Spec"], "Role": role})
        cluster.run("10s")
        assert role_in_certificate(cluster, name) == role


def test_the_other_managers_of_before_a_forced_new_cluster_join_again_by_themselves(cluster):
    """They learn that they were removed, and are managers in the list of nodes still: half a
    minute later they are managers again (engine 20.10.24). Source: swarmkit node/node.go,
    superviseManager.
    """
    cluster.crash("m2", "m3")
    cluster.run("20s")
    api = cluster.client("m1").api
    api.init_swarm(advertise_addr="10.77.0.2", force_new_cluster=True)
    cluster.run("20s")
    cluster.start("m2", "m3")
    cluster.run("15s")
    assert [api.inspect_node(name).get("ManagerStatus") for name in ("m2", "m3")] == [None, None]
    cluster.run("60s")
    reachable = [api.inspect_node(n)["ManagerStatus"]["Reachability"] for n in ("m2", "m3")]
    assert reachable == ["reachable", "reachable"]


def test_a_foreign_swarms_certificate_opens_no_session(cluster):
    """Another root. Source: swarmkit ca/auth.go."""
    other = swarmlab.simulate(managers=1, workers=0, seed=99)
    stolen = other.machine("m1")
    cluster.machine("w1").presents = stolen.presents
    call = cluster.machine("w1").call("m1", ListObjects((Node,)))
    cluster.until(lambda: call.done, "10s")
    assert "signed by unknown authority" in str(call.error)


def test_a_node_whose_certificate_expired_while_it_was_down_cannot_return():
    """Others renew in time; the one that was off is told to leave and join again.

    Source: swarmkit ca/renewer.go.
    """
    cluster = swarmlab.engines(["m1", "w1"], seed=5)
    client = cluster.client("m1")
    client.api.init_swarm(
        advertise_addr="10.77.0.2",
        swarm_spec=client.api.create_swarm_spec(node_cert_expiry=HOUR),
    )
    client.swarm.reload()
    token = client.swarm.attrs["JoinTokens"]["Worker"]
    cluster.client("w1").swarm.join(remote_addrs=["10.77.0.2:2377"], join_token=token)
    cluster.crash("w1")
    cluster.run("2h")
    cluster.start("w1")
    info = cluster.client("w1").info()["Swarm"]
    assert info["LocalNodeState"] == "error"
    assert info["Error"].startswith("Swarm certificates have expired.")
    assert client.nodes.get("m1").attrs["Status"]["State"] == "ready"


# -- the root ----------------------------------------------------------------------------------
def rotate_root(client: Any, number: int = 1) -> None:
    client.swarm.reload()
    authority = {**client.swarm.attrs["Spec"]["CAConfig"], "ForceRotate": number}
    update_swarm(client, {"CAConfig": authority})


def rotating(client: Any) -> bool:
    client.swarm.reload()
    return bool(client.swarm.attrs["RootRotationInProgress"])


def test_a_rotation_waits_for_a_node_that_is_down_until_it_is_removed(cluster, client):
    """Both tokens change when it ends, not before.

    Source: swarmkit ca/reconciler.go, ca/config.go.
    """
    old = client.swarm.attrs["JoinTokens"]
    cluster.crash("w2")
    rotate_root(client)
    cluster.run("2m")
    assert rotating(client)
    assert client.swarm.attrs["JoinTokens"] == old
    assert client.nodes.get("w1").attrs["Status"]["State"] == "ready"
    client.api.remove_node(client.nodes.get("w2").id)
    cluster.until(lambda: not rotating(client), "2m")
    new = client.swarm.attrs["JoinTokens"]
    assert new["Worker"] != old["Worker"]
    assert new["Manager"] != old["Manager"]
    assert {n.attrs["Status"]["State"] for n in client.nodes.list()} == {"ready"}


def test_a_rotation_begun_within_a_rotation_ends_with_the_newest_root(cluster, client):
    """Nodes that have renewed for the first are asked again.

    Source: swarmkit ca/reconciler.go, IssuanceStateRotate.
    """
    cluster.crash("w2")
    rotate_root(client)
    cluster.run("10s")
    rotate_root(client, 2)
    cluster.run("10s")
    client.swarm.reload()
    newest = client.swarm.attrs["TLSInfo"]["CertIssuerPublicKey"]
    issuers = {
        n.attrs["Description"]["Hostname"]: n.attrs["Description"]["TLSInfo"]["CertIssuerPublicKey"]
        for n in client.nodes.list()
    }
    assert [name for name, issuer in issuers.items() if issuer != newest] == ["w2"]
    cluster.start("w2")
    cluster.until(lambda: not rotating(client), "2m")
    assert client.swarm.attrs["TLSInfo"]["CertIssuerPublicKey"] == newest


def test_a_root_from_the_user_becomes_the_swarms(cluster, client):
    """The root that the user brings becomes the swarm's; its key is never shown.

    Source: swarmkit ca/reconciler.go.
    """
    certificate, key = ca.new_root(Simulation(42))
    authority = {**client.swarm.attrs["Spec"]["CAConfig"], "ForceRotate": 1}
    update_swarm(
        client, {"CAConfig": {**authority, "SigningCACert": certificate, "SigningCAKey": key}}
    )
    cluster.until(lambda: not rotating(client), "2m")
    assert client.swarm.attrs["TLSInfo"]["TrustRoot"] == certificate
    assert "SigningCAKey" not in client.swarm.attrs["Spec"]["CAConfig"]


def test_an_external_authority_is_refused():
    cluster = swarmlab.engines(["m1"], seed=3)
    api = cluster.client("m1").api
    external = {"Protocol": "cfssl", "URL": "https://ca.example/sign"}
    spec = api.create_swarm_spec(external_cas=[external])
    with pytest.raises(docker.errors.APIError, match="external certificate authority cannot be"):
        api.init_swarm(advertise_addr="10.77.0.2", swarm_spec=spec)
    assert cluster.client("m1").info()["Swarm"]["LocalNodeState"] == "inactive"


def test_certificates_verify_with_openssl_at_the_virtual_date(cluster, tmp_path):
    openssl = shutil.which("openssl")
    assert openssl, "install openssl"
    machine = cluster.machine("m1")
    (tmp_path / "root.pem").write_text(machine.trusts, encoding="utf-8")
    (tmp_path / "node.pem").write_text(machine.presents, encoding="utf-8")
    at = str((EPOCH_NS + cluster.now_ns) // S)

    def check(when: str) -> int:
        words = ["verify", "-attime", when, "-CAfile", "root.pem", "node.pem"]
        return subprocess.run([openssl, *words], cwd=tmp_path, check=False).returncode

    assert check(at) == 0
    assert check(str(int(at) + 91 * 24 * 3600)) != 0


def test_a_thousand_certificates_are_issued_quickly():
    simulation = Simulation(1)
    root, key = ca.new_root(simulation)
    cluster = Cluster(
        id="c",
        spec=EMPTY,
        worker_token="",
        manager_token="",
        root_certificate=root,
        root_key=key,
    )
    begun = time.process_time()
    for i in range(1000):
        _, public = ca.new_key(simulation)
        chain = ca.issue(cluster, f"node{i}", Role.WORKER, public, simulation)
    assert ca.verify(chain, root, 0).node_id == "node999"
    assert time.process_time() - begun < 3


# -- data at rest ------------------------------------------------------------------------------
def test_autolock_locks_nothing_until_a_manager_starts_again(cluster, client):
    """What a locked manager answers.

    Source: swarmkit manager/manager.go, moby daemon/cluster/cluster.go.
    """
    key = autolock(client)
    assert client.nodes.list()
    cluster.crash("m3")
    cluster.start("m3")
    locked = cluster.client("m3")
    assert locked.info()["Swarm"]["LocalNodeState"] == "locked"
    with pytest.raises(docker.errors.APIError, match="Swarm is encrypted and needs to be unlocked"):
        locked.nodes.list()
    with pytest.raises(docker.errors.APIError, match="invalid key string"):
        unlock(cluster, "m3", "nonsense")
    unlock(cluster, "m3", key)
    cluster.run("15s")
    status = client.nodes.get("m3").attrs["ManagerStatus"]
    assert status["Reachability"] == "reachable"
    with pytest.raises(docker.errors.APIError, match="swarm is not locked"):
        unlock(cluster, "m3", key)


def test_a_manager_that_was_down_during_a_rotation_needs_the_old_key(cluster, client):
    """Afterwards it picks up the new one. Source: swarmkit manager/manager.go."""
    old = autolock(client)
    cluster.run("1s")
    cluster.crash("m3")
    client.swarm.reload()
    update_swarm(client, {}, rotateManagerUnlockKey=True)
    new = client.api.get_unlock_key()["UnlockKey"]
    cluster.start("m3")
    with pytest.raises(docker.errors.APIError, match="invalid key provided"):
        unlock(cluster, "m3", new)
    unlock(cluster, "m3", old)
    cluster.run("20s")
    cluster.crash("m3")
    cluster.start("m3")
    unlock(cluster, "m3", new)


def test_a_thousand_wrong_keys_open_nothing():
    simulation, disk = Simulation(1), Disk()
    right, file = new_unlock_key(simulation), KeyFile(disk, simulation)
    file.write("private", b"d" * 32, right)
    for _ in range(1000):
        with pytest.raises(Unauthorized):
            file.read(new_unlock_key(simulation))
    assert file.read(right) == ("private", b"d" * 32)


@pytest.mark.parametrize("file", ["swarm/raft/wal", "swarm/raft/snapshot"])
def test_a_flipped_bit_stops_only_that_manager(file: str):
    """It says which file; after leave and join it catches up from a snapshot."""
    cluster = swarmlab.simulate(managers=3, workers=0, seed=11)
    client = cluster.client("m1")
    authority = {**client.swarm.attrs["Spec"]["Raft"], "SnapshotInterval": 5}
    update_swarm(client, {"Raft": authority})
    for i in range(20):
        client.configs.create(name=f"c{i}", data=b"x")
    autolock(client)
    autolock(client, on=False)  # a new data key, so a snapshot was written
    cluster.run("2s")
    cluster.crash("m3")
    disk = cluster.machine("m3").disk
    spoilt = bytearray(disk.read(file))
    spoilt[len(spoilt) // 2] ^= 1
    disk.write(file, bytes(spoilt))
    cluster.start("m3")
    info = cluster.client("m3").info()["Swarm"]
    assert info["LocalNodeState"] == "error"
    assert file in info["Error"]
    client.configs.create(name="still-works", data=b"x")
    cluster.client("m3").swarm.leave(force=True)
    token = client.swarm.attrs["JoinTokens"]["Manager"]
    cluster.client("m3").swarm.join(remote_addrs=["10.77.0.2:2377"], join_token=token)
    cluster.run("10s")
    names = {c.name for c in cluster.client("m3").configs.list()}
    assert "still-works" in names


def test_only_a_task_that_needs_it_reads_a_secret_and_only_from_memory(cluster, client):
    """Under /run/secrets, on the nodes that need it, and gone with the last task.

    Source: swarmkit agent/secrets/secrets.go.
    """
    secret = client.secrets.create(name="senha-db", data=MARKER)
    reference = SecretReference(secret.id, "senha-db")
    client.services.create("nginx", name="db", secrets=[reference])
    cluster.run("5s")
    rows = cluster.who_can_read("senha-db").rows
    (holder,) = {node for node, place, _ in rows if place == "the agent's memory"}
    (container,) = cluster.client(holder).containers.list(filters={"name": "db"})
    assert container.exec_run(["cat", "/run/secrets/senha-db"]).output == MARKER
    client.services.get("db").remove()
    cluster.run("20s")
    places = {place for _, place, _ in cluster.who_can_read("senha-db").rows}
    assert places == {"Raft's log, on disk", "the manager's memory"}


def test_sealed_bytes_open_with_their_own_key_alone():
    simulation = Simulation(1)
    mine, other = Seal(b"a" * 32, simulation), Seal(b"b" * 32, simulation)
    sealed = mine.seal(b"hello")
    assert mine.open(sealed) == b"hello"
    with pytest.raises(ValueError, match="another key, or damaged"):
        other.open(sealed)


def test_no_nonce_is_used_twice():
    """Two messages under one nonce give the key stream away."""
    seal = Seal(b"a" * 32, Simulation(1))
    assert len({seal.seal(b"hello")[:12] for _ in range(1000)}) == 1000


def test_keys_are_in_no_repr():
    simulation = Simulation(1)
    root, key = ca.new_root(simulation)
    cluster = Cluster(
        id="c",
        spec=freeze({}),
        worker_token="SWMTKN-x",
        manager_token="SWMTKN-y",
        root_certificate=root,
        root_key=key,
        unlock_key="SWMKEY-z",
    )
    assert not any(word in repr(cluster) for word in ("SWMTKN", "SWMKEY", "PRIVATE"))
    assert KEY_FILE.startswith("swarm/certificates/")
    assert Document() == EMPTY
