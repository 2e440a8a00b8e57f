"""What may stand on what, the drawing that keeps the rules, and the builder; what apps cost."""

from __future__ import annotations

import itertools
import re

import pytest

from swarmlab.errors import LabError
from swarmlab.views.density import ISOLATION_KINDS, Density, density, sources
from swarmlab.views.stacks import (
    EMPTY,
    GROUND,
    LAYERS,
    SLIDE_5,
    Builder,
    Stack,
    TwoStacks,
    obstacle,
    stack_builder,
    two_stacks,
)

REFUSED = [
    ("server", "nginx", "A program calls a kernel"),
    ("xen", "nginx", "A hypervisor runs machines, not programs"),
    ("xen", "engine", "without an operating system it can't start"),
    ("engine", "debian", "An engine makes no machines"),
    ("ubuntu", "debian", "two kernels cannot share one"),
    ("ubuntu", "xen", "runs only on the bare server"),
    ("windows", "engine", "needs the kernel of Linux"),
    ("windows_engine", "mysql", "needs the kernel of Linux"),
    ("engine", "sql_server", "needs the kernel of Windows"),
    ("ubuntu", "sql_server", "needs the kernel of Windows"),
    ("nginx", "php", "A program carries nothing"),
    ("xen", "server", "A server stands on the ground"),
]
GOOD = {
    *(("server", "xen"), ("server", "ubuntu"), ("xen", "ubuntu"), ("xen", "windows")),
    *(("ubuntu", "kvm"), ("kvm", "debian"), ("ubuntu", "engine"), ("windows", "windows_engine")),
    *(("engine", "mysql"), ("debian", "nginx"), ("windows_engine", "sql_server")),
}


@pytest.mark.parametrize(("lower", "upper", "reason"), REFUSED)
def test_an_impossible_layer_has_a_reason(lower: str, upper: str, reason: str):
    assert reason in obstacle(LAYERS[lower], LAYERS[upper])


@pytest.mark.parametrize(("lower", "upper"), sorted(GOOD))
def test_a_possible_layer_is_accepted(lower: str, upper: str):
    assert obstacle(LAYERS[lower], LAYERS[upper]) == ""


def test_every_pair_is_either_possible_or_has_its_reason():
    """No program without a kernel below, no kernel without a machine: for all pairs there are."""
    for lower, upper in itertools.product(LAYERS.values(), repeat=2):
        if obstacle(lower, upper):
            continue
        if upper.kind == "program":
            assert lower.kernel == upper.kernel
        if upper.kind == "system":
            assert lower.kind in ("server", "hypervisor", "hosted hypervisor")
    assert [n for n, layer in LAYERS.items() if not obstacle(None, layer)] == ["server"]


def test_a_bare_machine_carries_one_kernel_or_one_hypervisor():
    stack = Stack().put("server", GROUND).put("debian", 0)
    for second in ("windows", "debian", "xen"):
        with pytest.raises(LabError, match="Put a hypervisor there first"):
            stack.put(second, 0)
    assert stack.put("kvm", 1).put("windows", 2).put("ubuntu", 2).kernels == 3


def test_slide_5_follows_the_rules_and_has_the_slides_parts():
    """Slide 5: Xen; Ubuntu with an engine and MySQL; Debian with Nginx and PHP-FPM; Windows."""
    built = Stack()
    for name, on in SLIDE_5.layers:
        built = built.put(name, on)
    assert built.same_as(SLIDE_5)
    assert built.kernels == 3
    assert "    Debian Linux [kernel]\n      bins/libs + Nginx" in repr(built)


def test_the_order_of_building_does_not_matter_and_a_missing_part_does():
    other = Stack().put("server", GROUND).put("xen", 0).put("debian", 1).put("ubuntu", 1)
    again = Stack().put("server", GROUND).put("xen", 0).put("ubuntu", 1).put("debian", 1)
    assert other.same_as(again)
    assert not other.same_as(again.take(2))


def test_removing_a_layer_removes_all_that_stands_on_it():
    left = SLIDE_5.take(1)
    assert left.layers == (("server", GROUND),)
    left = SLIDE_5.take(5)
    assert "Debian" not in repr(left)
    assert "Nginx" not in repr(left)
    assert left.put("debian", 1).kernels == 3


def test_slide_4_has_a_kernel_per_machine_and_one_for_all_containers():
    for apps in range(1, 6):
        both = TwoStacks(apps)
        assert (both.machines.kernels, both.containers.kernels) == (apps + 1, 1)
    widget = two_stacks()
    widget.controls["apps"].value = 4
    assert "Apps: 4, kernels: 5" in repr(widget)
    assert "Apps: 4, kernels: 5" in widget.children[-1].value


def clicked(builder: Builder, verb: str, **data: str) -> str:
    """What the builder says to a click."""
    content = {"method": "custom", "content": {"do": verb, **data}}
    builder._handle_msg({"content": {"data": content}, "buffers": []})
    return builder.said


def test_the_builder_refuses_with_the_reason_and_builds_slide_5():
    builder = stack_builder()
    assert builder.stack == EMPTY  # the server is there from the start
    assert "✘ A program calls a kernel" in clicked(builder, "drop", part="nginx", onto="0")
    assert builder.stack == EMPTY
    for name, on in SLIDE_5.layers[1:]:
        clicked(builder, "pick", part=name)
        assert f'data-part="{name}"' in builder.value
        assert builder.value.count('aria-pressed="true"') == 1
        clicked(builder, "put", onto=str(on))
    assert "This is slide 5" in builder.said
    assert builder.value.count('data-do="take"') == len(SLIDE_5.layers) - 1  # the server stays
    clicked(builder, "take", place="1")
    assert builder.stack == EMPTY
    bundle = builder._repr_mimebundle_()[0]
    assert bundle["text/plain"] == repr(builder) == "Server"
    builder.close()


def test_a_part_is_picked_first_and_picked_again_it_is_put_back():
    builder = stack_builder()
    assert "Pick a part first" in clicked(builder, "put", onto="0")
    clicked(builder, "pick", part="xen")
    assert "Pick a part." in clicked(builder, "pick", part="xen")
    assert "Pick a part first" in clicked(builder, "put", onto="0")
    assert "Pick a part first" in clicked(builder, "drop", part="text from elsewhere", onto="0")
    builder.close()


def test_an_impossible_layer_raises_lab_error():
    with pytest.raises(LabError, match="runs only on the bare server"):
        Stack().put("server", GROUND).put("ubuntu", 0).put("xen", 1)


# -- what it costs ---------------------------------------------------------------------------------
def test_every_figure_has_its_source():
    rows = sources().rows
    assert len(rows) == 4 * len(ISOLATION_KINDS) + 2
    assert all(len(source) > 9 for *_what, source in rows)


def test_the_total_is_the_host_the_apps_and_their_overhead():
    cost = Density(apps=10, app_mib=100, app_disk_mib=200, server_gib=16)
    machine, _micro, container = ISOLATION_KINDS
    assert cost.memory_mib(machine) == 1024 + 10 * (100 + 256 + 226)
    assert cost.memory_mib(container) == 1024 + 10 * (100 + 10)
    assert (cost.disk_mib(machine), cost.disk_mib(container)) == (10 * 2248, 200)
    for kind in ISOLATION_KINDS:
        full = Density(apps=cost.fit(kind), app_mib=100, app_disk_mib=1, server_gib=16)
        over = Density(apps=cost.fit(kind) + 1, app_mib=100, app_disk_mib=1, server_gib=16)
        assert full.memory_mib(kind) <= 16 * 1024 < over.memory_mib(kind)


def test_the_larger_the_app_the_less_the_isolation_matters():
    def times(app_mib: int) -> float:
        cost = Density(apps=1, app_mib=app_mib, app_disk_mib=1, server_gib=256)
        machine, _micro, container = ISOLATION_KINDS
        return cost.fit(container) / cost.fit(machine)

    assert times(10) > times(100) > times(2000) > 1


@pytest.mark.parametrize(("apps", "app_mib"), [(20, 100), (80, 100), (3, 2000)])
def test_as_many_squares_are_drawn_as_fit_and_the_wanted_ones_are_full(apps: int, app_mib: int):
    shown = Density(apps=apps, app_mib=app_mib, app_disk_mib=200, server_gib=16)
    for kind in ISOLATION_KINDS:
        drawn = shown._server(kind)
        assert drawn.count('<i class="app') == shown.fit(kind)
        assert drawn.count('class="app full"') == min(apps, shown.fit(kind))


def test_sliders_change_table_and_squares():
    widget = density(apps=20)
    widget.controls["apps"].value = 400
    assert "✘ 139 fit, 400 are wanted" in widget.children[-1].value
    assert re.search(r"Memory for 400", repr(widget))
