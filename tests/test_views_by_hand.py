"""A container by hand: real commands where Linux lends its namespaces, a clear word elsewhere."""

from __future__ import annotations

import shutil

import pytest

from swarmlab.views import by_hand as module
from swarmlab.views.by_hand import by_hand, obstacle, root_directory

UNSHARE = "unshare --user --map-root-user"
here = pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "it can be done here")


@pytest.fixture(autouse=True)
def _asked_anew():
    obstacle.cache_clear()
    yield
    obstacle.cache_clear()


@here
def test_a_namespace_changes_the_hostname_inside_and_nothing_outside():
    outside = repr(by_hand("hostname")).splitlines()[-1]
    shown = by_hand(f"{UNSHARE} --uts sh -c 'hostname box; hostname'", "hostname")
    assert repr(shown).splitlines()[1::2] == ["box", outside]
    assert "uid=0(root)" in repr(by_hand(f"{UNSHARE} id"))


@here
def test_all_namespaces_together_are_a_container_with_its_own_root():
    root = root_directory()
    command = "mount -t proc proc /proc; hostname box; hostname; ls /; ps"
    shown = repr(
        by_hand(
            f"{UNSHARE} --uts --pid --fork --mount --net --root=. sh -c '{command}'", folder=root
        )
    )
    lines = shown.splitlines()[1:]
    assert lines[:3] == ["box", "bin", "proc"]
    assert lines[-1].split()[0] == "1"  # the only process it sees
    assert "<pre" in by_hand("echo '<b>'")._repr_html_()
    assert "<b>" not in by_hand("echo '<b>'")._repr_html_()
    shutil.rmtree(root)


def test_on_other_systems_a_sentence_says_why(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.platform, "system", lambda: "Darwin")
    assert "This machine runs macOS" in repr(by_hand("hostname"))


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert "apt install util-linux" in repr(by_hand("hostname"))


def test_a_denied_namespace_is_reported_in_the_machines_own_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module.platform, "system", lambda: "Linux")
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(module, "UNSHARE", ["sh", "-c", "echo no namespaces >&2; exit 1"])
    assert "it says: no namespaces." in repr(by_hand("hostname"))


@here
def test_a_command_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch):
    assert obstacle() == ""  # is found out in the usual time
    monkeypatch.setattr(module, "TIMEOUT_S", 1)
    assert "still running after 1 s" in repr(by_hand("sleep 60; echo late"))
