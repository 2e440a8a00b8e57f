"""Rolling updates, followed through the API; settings side by side; what an update costs."""

from __future__ import annotations

import io
import re
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

import swarmlab
from swarmlab.errors import LabError
from swarmlab.jupyter.magic import run_commands
from swarmlab.lessons.experiments import (
    check_explorer,
    checked_app,
    downtime,
    follow,
    hang,
)
from swarmlab.model.trace_records import TaskStatusChanged
from swarmlab.simulation import EPOCH_NS, S
from swarmlab.views.charts import requests_chart
from swarmlab.views.palette import LOOKS, VERSIONS
from swarmlab.views.rollout import LASTING, Rollout, RolloutChart
from swarmlab.views.update_history import (
    ObservedTask,
    RequestSecond,
    ServiceHistory,
    settings,
    update_config,
)
from swarmlab.views.widget import STATIC

BAD = "--args \"sh -c 'sleep 2; exit 1'\""  # it crashes two seconds after its start
UPDATE = "service update --quiet --detach"


def docker_output(line: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    run_commands(line, out, err)
    return out.getvalue() + err.getvalue()


@pytest.fixture
def web() -> Any:
    """Four replicas of nginx:1.25, with requests coming in."""
    cluster = swarmlab.simulate(managers=1, workers=2, seed=7)
    docker_output("service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25")
    cluster.traffic("web")
    return cluster


def states(rollout: Rollout) -> list[str]:
    return [phase.state for phase in rollout.phases]


class Real:
    """A cluster that has the Docker API and nothing else, as real engines."""

    kind = "real"
    has_trace = False

    def __init__(self, cluster: Any) -> None:
        self.client, self.run = cluster.client, cluster.run


# -- following -------------------------------------------------------------------------------------
def test_an_update_is_followed_from_its_beginning_to_its_end(web: Any):
    docker_output(f"{UPDATE} --image nginx:1.27 web")
    seen = follow(web, "web")
    assert states(seen) == ["updating", "completed"]
    assert seen.versions == ["A = nginx:1.25", "B = nginx:1.27"]
    assert [len(seen.phases[0].created), seen.phases[0].slots, seen.phases[0].failed] == [4, 4, 0]
    ran = sorted(life.states["running"] for life in seen.phases[0].created)
    # The monitor goes on for five seconds after the last. Source: swarmkit update/updater.go.
    assert seen.phases[0].end - ran[-1] == pytest.approx(5, abs=0.5)
    assert seen.start < seen.phases[0].start < ran[0]


def test_the_times_are_those_of_the_trace(web: Any):
    docker_output(f"{UPDATE} --image nginx:1.27 web")
    seen = follow(web, "web")
    moments = {
        (record.task_id, str(record.state)): (EPOCH_NS + record.at_ns) / S
        for record in reversed(web.trace.of(TaskStatusChanged))
    }
    for life in seen.phases[0].created:
        for state in ("preparing", "ready", "starting", "running"):
            assert life.states[state] == pytest.approx(moments[life.id, state], abs=1e-3)


def test_a_failure_has_its_reason_before_the_managers_hear_of_it(web: Any):
    docker_output(f"{UPDATE} {BAD} web")
    history = ServiceHistory(web, "web")
    history.poll()
    web.run("10s")
    history.poll()
    for task in history.tasks.values():
        task.error = ""  # as the managers answer until they have its report
    assert "B FAILED: task: non-zero exit (1)" in repr(Rollout.of(history))


def test_the_api_alone_shows_the_same(web: Any):
    docker_output(f"{UPDATE} {BAD} web")
    real = Real(web.fork())
    seen, blind = follow(web, "web"), follow(real, "web")
    assert states(blind) == states(seen) == ["updating", "paused"]
    assert (blind.phases[0].failed, blind.phases[0].slots) == (1, 4)
    assert blind.requests == ()
    assert [life.id for life in blind.phases[0].created] == [
        life.id for life in seen.phases[0].created
    ]
    assert "FAILED: task: non-zero exit (1)" in repr(blind)


def test_looking_changes_nothing(web: Any):
    """Reads draw no chance: a cluster that was watched goes the way of one that was not."""
    docker_output(f"{UPDATE} --image nginx:1.27 web")
    calm = web.fork()
    follow(web, "web")
    calm.run((web.now_ns - calm.now_ns) / S)
    assert calm.trace.digest() == web.trace.digest()


def test_equal_seeds_give_equal_pictures():
    def shown() -> tuple[str, str]:
        cluster = swarmlab.simulate(managers=1, workers=2, seed=3)
        docker_output("service create --quiet --name web --replicas 2 nginx:1.25")
        docker_output(f"{UPDATE} {BAD} web")
        seen = follow(cluster, "web")
        return repr(seen), repr([kind for life in seen.tasks for kind in life.kinds(seen.end)])

    assert shown() == shown()


def test_it_can_be_followed_for_a_time(web: Any):
    web.crash("w1")
    seen = follow(web, "web", for_s=40)
    assert seen.end - seen.start == pytest.approx(40, abs=2)
    assert states(seen) == []
    kinds = [kind for life in seen.tasks for kind, *_times in life.kinds(seen.end)]
    assert "lost" in kinds
    assert seen.failed > 0


def test_following_survives_the_crash_of_the_leader():
    cluster = swarmlab.simulate(managers=3, workers=1, seed=7)
    docker_output("service create --quiet --name web --replicas 4 nginx:1.25")
    docker_output(f"{UPDATE} --image nginx:1.27 web")
    cluster.crash("m1")
    assert states(follow(cluster, "web"))[-1] == "completed"


# -- failures --------------------------------------------------------------------------------------
def test_one_failure_in_its_monitor_window_pauses_the_update(web: Any):
    """The ratio 1/4 is more than 0; restarts of a failed task do not count.

    Source: swarmkit manager/orchestrator/update/updater.go.
    """
    docker_output(f"{UPDATE} {BAD} web")
    seen = follow(web, "web")
    phase = seen.phases[0]
    assert (phase.failed, phase.slots, phase.ratio, phase.allowed) == (1, 4, 0.25, 0)
    assert phase.gauge == "1 of 4 failed; if the share exceeds 0: pause"
    assert seen.phases[1].message.startswith("update paused due to failure")


def test_a_failure_after_its_window_does_not_count(web: Any):
    late = "--args \"sh -c 'sleep 8; exit 1'\""
    docker_output(f"{UPDATE} --update-delay 4s --update-monitor 5s {late} web")
    seen = follow(web, "web")
    assert states(seen) == ["updating", "completed"]
    assert seen.phases[0].failed == 0
    assert any(life.failed for life in seen.phases[0].created)


def test_a_delay_as_long_as_the_monitor_stretches_it(web: Any):
    """Source: swarmkit manager/orchestrator/update/updater.go."""
    docker_output(f"{UPDATE} --update-delay 7s --update-parallelism 4 --image nginx:1.27 web")
    assert follow(web, "web").phases[0].monitor_s == 8


def test_exercise_one_failure_of_four_may_be_tolerated(web: Any):
    """The first exercise of notebook 12, with its answer."""
    docker_output(f"{UPDATE} --update-failure-action rollback web")
    web.run("20s")
    docker_output(f"{UPDATE} --update-max-failure-ratio 0.25 {BAD} web")
    seen = follow(web, "web")
    assert states(seen) == ["updating", "rollback_started", "rollback_completed"]
    assert seen.phases[0].failed == 2


def test_one_replica_started_first_loses_no_request(web: Any):
    docker_output("service scale web=1")
    docker_output(f"{UPDATE} --update-order start-first --image nginx:1.27 web")
    seen = follow(web, "web")
    assert seen.failed == 0
    assert seen.served >= 400


# -- rollbacks -------------------------------------------------------------------------------------
def test_a_rollback_is_a_phase_with_settings_of_its_own(web: Any):
    docker_output(f"{UPDATE} --update-failure-action rollback --rollback-monitor 9s web")
    web.run("20s")
    docker_output(f"{UPDATE} {BAD} web")
    seen = follow(web, "web")
    update, back, end = seen.phases
    assert (back.state, end.state) == ("rollback_started", "rollback_completed")
    assert (update.monitor_s, back.monitor_s) == (5, 9)
    assert [seen.letters[life.version] for life in back.created] == ["A"] * len(back.created)
    assert back.failed == 0


def test_a_second_rollback_brings_the_bad_version_again(web: Any):
    """Two manual rollbacks toggle; an automatic one forgets the failed version.

    Source: swarmkit manager/controlapi/service.go, orchestrator/update/updater.go.
    """
    docker_output(f"{UPDATE} {BAD} web")
    follow(web, "web")
    docker_output("service rollback --quiet --detach web")
    assert states(follow(web, "web")) == ["rollback_started", "rollback_completed"]
    docker_output("service rollback --quiet --detach web")
    seen = follow(web, "web")
    assert states(seen) == ["rollback_started", "rollback_paused"]
    assert (seen.phases[0].failed, seen.phases[0].slots) == (1, 4)


def test_what_slide_43_asks_for_is_refused(web: Any):
    """Source: docker/cli cli/command/service/update.go."""
    refused = docker_output("service update --rollback --rollback-parallelism 2 web")
    assert "other flags may not be combined with --rollback" in refused


# -- picture and words ---------------------------------------------------------------------------
@pytest.fixture
def bad(web: Any) -> Rollout:
    docker_output(f"{UPDATE} --update-failure-action rollback --rollback-parallelism 0 web")
    web.run("20s")
    docker_output(f"{UPDATE} {BAD} web")
    return follow(web, "web")


def lanes_of(rollout: Rollout) -> dict[str, list[Any]]:
    """Name -> the parts on the track of each lane of this name, one after the other."""
    root = fromstring(f"<div>{RolloutChart(rollout).html}</div>")
    lanes: dict[str, list[Any]] = {}
    for lane in (e for e in root.iter() if e.get("class") == "lane"):
        lanes.setdefault(lane[0].text or "", []).extend(lane[1])
    return lanes


def is_bar(part: Any) -> bool:
    return str(part.get("class", "")).startswith("bar")


def is_note(part: Any) -> bool:
    return str(part.get("class", "")).startswith("note")


def geometry(part: Any) -> dict[str, float]:
    pairs = re.findall(r"(left|width|top|height):([\d.]+)(?:%|em)", part.get("style"))
    return {name: float(value) for name, value in pairs}


def test_the_chart_has_the_state_on_top_a_lane_per_slot_and_requests_beneath(bad: Rollout):
    lanes = lanes_of(bad)
    assert [*lanes] == ["update", *(f"web.{n}" for n in range(1, 5)), "", "→ A", "→ B", "failures"]
    assert [part.get("title") for part in lanes["update"]] == [p.title for p in bad.phases]
    letters = {"".join(part.itertext()) for n in range(1, 5) for part in lanes[f"web.{n}"]}
    assert "A" in letters
    assert any("F" in text for text in letters)  # the mark of a failure
    counted = f"requests a second: {bad.failed} of {bad.failed + bad.served} failed"
    assert counted in ["".join(part.itertext()) for part in lanes[""]]


def test_bars_of_one_slot_do_not_overlap(bad: Rollout):
    checked = 0
    for slot in (f"web.{n}" for n in range(1, 5)):
        boxes = [geometry(part) for part in lanes_of(bad)[slot] if is_bar(part)]
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                ends = [box["left"] + box["width"] for box in (a, b)]
                lows = [box["top"] + box["height"] for box in (a, b)]
                across = min(ends) - max(a["left"], b["left"])
                assert across < 0.02 or min(lows) <= max(a["top"], b["top"]) + 0.02
                checked += 1
    assert checked > 20


def test_two_versions_never_have_the_same_colour_and_a_version_has_one(bad: Rollout):
    """State is texture, version is colour."""
    seen: dict[str, set[str]] = {}
    for slot in (f"web.{n}" for n in range(1, 5)):
        for part in filter(is_bar, lanes_of(bad)[slot]):
            colour = re.search(r"background-color:(#\w+)", part.get("style"))
            assert colour
            seen.setdefault(part.get("title").split()[1], set()).add(colour[1])
    assert [len(colours) for colours in seen.values()] == [1, 1]
    assert seen["A"] != seen["B"]
    assert len(set(VERSIONS)) == len(VERSIONS)


def test_the_gauge_shows_every_counted_phase_and_explains_itself(bad: Rollout):
    parts = lanes_of(bad)["failures"]
    shares = [geometry(p)["width"] for p in parts if is_bar(p) and "follower" not in p.get("class")]
    assert shares == [25, 0]
    assert [geometry(p)["left"] for p in parts if p.get("class") == "threshold"] == [0, 0]
    html = RolloutChart(bad).html
    assert "<b>updating</b>: 1 of 4 new tasks failed while watched: 25%</p>" in html
    assert "<b>rollback started</b>: 0 of 2 new tasks failed while watched: 0%</p>" in html
    limits = ["".join(part.itertext()) for part in lanes_of(bad)[""] if is_note(part)]
    assert limits[-2:] == ["tolerated: 0%; above it: rollback", "tolerated: 0%; above it: pause"]


def test_failed_requests_are_drawn_from_zero_up_in_red_below_those_that_were_served():
    rows = [RequestSecond(at, "v", 6, 4, 0) for at in (1.0, 2.0)]
    root = fromstring(requests_chart(rows, 0, 2, 10, "#56b4e9"))
    fills = {"#d55e00": list[list[float]](), "#56b4e9": list[list[float]]()}
    for path in root.findall(".//{*}path"):
        for colour, tops in fills.items():
            if path.get("style") == f"fill: {colour}":
                tops.append(
                    [float(y) for y in re.findall(r"[ML] [\d.-]+ ([\d.-]+)", path.get("d"))]
                )
    failed, served = fills.values()
    height = float(root.get("viewBox").split()[3])
    assert [max(ys) for ys in failed] == [height, height]  # SVG counts from above: zero is below
    assert [max(ys) for ys in served] == [min(ys) for ys in failed]
    chart = requests_chart(rows, 0, 2, 10, "#56b4e9")
    assert "var(--ink)" in chart
    assert not re.search(r"<style|<defs|url\(| id=|#000000|#ffffff", chart)


def test_every_state_that_lasts_has_a_texture_of_its_own():
    style = (STATIC / "view.css").read_text("utf-8")
    textures = {}
    for kind in LASTING:
        rule = re.search(rf"\.swarmlab-view \.{kind}[ ,][^{{]*{{ ?(background[^;]*)", style)
        textures[kind] = rule[1] if rule else ""
    assert len(set(textures.values())) == len(LASTING)
    assert set(LOOKS) - set(LASTING) == {"failed", "complete"}  # a mark; no bar any more


def test_the_text_lists_everything_and_the_alternative_text_the_summary(bad: Rollout):
    text, html = repr(bad), bad._repr_html_()
    for part in ("A = nginx:1.25", "rollback completed", "1 of 4 failed", "requests: "):
        assert part in text
        assert part in html
    assert "FAILED: task: non-zero exit (1)" in text
    assert 'aria-label="A = nginx:1.25' in html
    assert "Task by task" in html
    assert "**" not in text


def test_a_task_killed_while_it_stops_has_not_failed():
    """Real engines at times call it FAILED, exit 137. But it was told to stop."""
    life = ObservedTask(id="a", slot="web.1", version="", image="", command="", created=0)
    life.states.update(running=1, failed=9)
    assert life.failed
    life.seen["unwanted"] = 5
    assert not life.failed
    assert life.kinds(20) == [("pending", 0, 1), ("running", 1, 5), ("stopping", 5, 9)]


# -- settings and what an update costs -----------------------------------------------------------
def test_settings_of_update_and_rollback_are_side_by_side(web: Any):
    docker_output(
        f"{UPDATE} --update-parallelism 0 --update-delay 90s --rollback-order start-first web"
    )
    rows = {flag: (update, rollback) for _what, update, rollback, flag in settings(web, "web").rows}
    assert rows == {
        "--update-parallelism": ("all", "1"),
        "--update-delay": ("90 s", "0 s"),
        "--update-order": ("stop-first", "start-first"),
        "--update-monitor": ("5 s", "5 s"),
        "--update-max-failure-ratio": ("0", "0"),
        "--update-failure-action": ("pause", "pause"),
    }


def test_a_config_without_a_parallelism_means_all_at_once():
    """TRAP: and a monitor of 0 is five seconds. Source: swarmkit api/defaults/service.go."""
    assert update_config({}, "UpdateConfig")["Parallelism"] == 1
    given = update_config({"UpdateConfig": {"Monitor": 0, "Order": "start-first"}}, "UpdateConfig")
    assert (given["Parallelism"], given["Monitor"], given["Order"]) == (0, 5 * S, "start-first")
    assert given["FailureAction"] == "pause"


def test_a_health_check_saves_requests_and_a_single_replica_needs_start_first_too(web: Any):
    before = web.trace.digest()
    three, one = ([int(row[3]) for row in downtime(web, n).rows] for n in (3, 1))
    assert web.trace.digest() == before  # it was tried on copies
    assert [failed == 0 for failed in three] == [False, True, False, True]
    assert [failed == 0 for failed in one] == [False, False, False, True]
    # The notebook's folded answer says: about 350, 440, 270.
    assert (three[0], one[0], three[2]) == pytest.approx((350, 440, 270), rel=0.1)


def test_real_engines_count_no_requests(web: Any):
    table = downtime(Real(web))
    assert table.rows == ()
    assert "Only a simulated cluster counts requests." in repr(table)


def test_an_unknown_service_is_an_error_that_names_it(web: Any):
    for view in (settings, follow):
        with pytest.raises(LabError, match="there is no service 'nope'"):
            view(web, "nope")


def test_an_update_that_had_ended_is_reported(web: Any):
    docker_output("service update --quiet --image nginx:1.27 web")  # it waits
    assert "With `--detach` the command doesn't wait" in repr(follow(web, "web"))


def test_an_update_that_had_begun_is_reported_and_starts_with_the_chart(web: Any):
    docker_output(f"{UPDATE} --image nginx:1.27 web")
    web.run("10s")
    seen = follow(web, "web")
    assert states(seen) == ["updating", "completed"]
    assert "With `--detach` the command doesn't wait" in repr(seen)
    assert "**updating** (0.0 –" in "\n".join(seen.summary)


def test_without_an_update_following_ends_soon(web: Any):
    """Settings alone make no task anew, so no update begins."""
    docker_output(f"{UPDATE} --update-order start-first web")
    seen = follow(web, "web")
    assert states(seen) == []
    assert "No update was seen" in repr(seen)
    assert seen.end - seen.start < 15


# -- health checks ---------------------------------------------------------------------------------
SETTINGS = {"ready": 6, "hangs": 0, "interval": 5, "timeout": 3, "retries": 3, "start_period": 0}


@pytest.fixture(scope="module")
def quiet() -> Any:
    return swarmlab.simulate(managers=1, workers=2, seed=7)


def test_each_run_of_a_health_check_is_observed_and_drawn(quiet: Any):
    before = quiet.trace.digest()
    seen = checked_app(quiet, **SETTINGS)
    assert quiet.trace.digest() == before  # it ran on a copy
    created = seen.tasks[0].states["starting"]
    probes = seen.probes("app.1")
    starts = [probe.start - created for probe in probes]
    assert starts == pytest.approx([5 * (n + 1) for n in range(len(probes))], abs=1.5)
    assert [probe.exit_code for probe in probes] == [1] + [0] * (len(probes) - 1)
    assert "Connection refused" in probes[0].output
    assert seen.tasks[0].states["running"] == pytest.approx(probes[1].end, abs=0.1)
    text = repr(seen)
    assert f"health checks passed: {len(probes) - 1}, failed: 1" in text
    assert text.count("check failed: wget: can't connect") == 1
    assert "No update was seen" not in text
    html = seen._repr_html_()
    assert [html.count("✔"), html.count("✘")] == [len(probes) - 1 + 1, 1 + 1]  # and the legend's
    fromstring(f"<p>{RolloutChart(seen).html}</p>")


def test_an_app_that_hangs_is_replaced_once_its_check_has_timed_out_often_enough(quiet: Any):
    seen = checked_app(quiet, **{**SETTINGS, "hangs": 30})
    first, second, *_ = seen.tasks
    failed = [p for p in first.probes.values() if p.exit_code == -1][:3]
    assert [p.end - p.start for p in failed] == pytest.approx([3] * 3, abs=0.1)
    assert "Health check exceeded timeout (3s)" in failed[0].output
    assert "unhealthy container" in first.error
    # It leaves the balancer; two seconds later comes the stop signal, which a stopped process
    # cannot handle; ten seconds later it is killed.
    assert first.ended == pytest.approx(failed[2].end + 12, abs=0.5)
    assert second.slot == first.slot
    lost = [row.at for row in seen.requests if row.failed and row.version]
    assert min(lost) == pytest.approx(seen.start + 30, abs=3)
    assert max(lost) < failed[2].end + 2  # an unhealthy task gets no more requests


def test_a_check_without_patience_kills_an_app_that_starts_slowly(quiet: Any):
    strict = checked_app(quiet, **{**SETTINGS, "ready": 20})
    assert {task.states.get("running") for task in strict.tasks} == {None}
    assert len(strict.tasks) > 1
    patient = checked_app(quiet, **{**SETTINGS, "ready": 20, "start_period": 20})
    assert len(patient.tasks) == 1
    assert "running" in patient.tasks[0].states


def test_each_slider_of_the_explorer_changes_what_happens(quiet: Any):
    explorer = check_explorer(quiet)
    picture = explorer.children[-1]
    seen = {picture.value}
    values = zip(explorer.controls.values(), (16, 50, 7, 5, 2, 20), strict=True)
    for n, (control, value) in enumerate(values, 2):
        control.value = value
        seen.add(picture.value)
        assert len(seen) == n, control.label
    assert "Only on a simulated cluster" in repr(check_explorer(Real(quiet)))


def test_the_requests_of_a_second_are_one_bar_for_all_tasks_of_a_version(web: Any):
    """Else a task that answers would hide one that does not."""
    hang(web, "web")
    seen = follow(web, "web", for_s=10)
    assert len({row.at for row in seen.requests}) == len(seen.requests) > 5
    assert {row.served + row.failed for row in seen.requests} == {50}
    assert min(row.failed for row in seen.requests[2:]) >= 12  # a quarter


def test_a_service_that_does_not_run_cannot_hang(quiet: Any):
    with pytest.raises(LabError, match="no container of 'nope' runs"):
        hang(quiet, "nope")
