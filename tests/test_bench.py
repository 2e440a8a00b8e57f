"""The scheduler's benchmark places every task, and not slowly."""

from __future__ import annotations

import pytest

from swarmlab import bench


@pytest.mark.parametrize("constrained", [False, True])
def test_every_task_of_a_shape_gets_a_node(constrained: bool):
    figure = bench.play(300, 2_000, constrained=constrained)
    assert figure.tasks_per_s > 0
    assert f"{figure.tasks:,} tasks" in figure.line(1e6)


def test_the_rates_hold_at_a_third_of_their_target():
    """Targets: heap rate / 14 and / 400 on a quiet machine; here others may be at work."""
    heap_per_s = bench.heap_rate()
    many_tasks = max(bench.play(1_000, 10_000).tasks_per_s for _ in range(3))
    many_nodes = max(bench.play(100_000, 1_000).tasks_per_s for _ in range(2))
    assert many_tasks > heap_per_s / 14 / 3
    assert many_nodes > heap_per_s / 400 / 3
