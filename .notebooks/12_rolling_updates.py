# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 0.5, "45": 1, "60": 0.5}, "notes": "A new version, with users on the line. We replace four tasks one after the other, and count each request that gets lost. And then we ship a bad version, on purpose. It's Friday afternoon, so why not."}
# # Rolling updates: a new version without lost requests
#
# *You replace a running service task by task, count every request it loses, and stop a bad version halfway.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | update a service step by step; choose what happens when an update fails; say which build of an image runs |
# | **Time and level** | 20 minutes, after 00_start_here; all exercises take 12 more |
# | **You need** | nothing else: no Docker, no network. (On real Docker engines, requests may not be counted, and section 3 has no registry.) |
# | **Slides of the talk** | 42 (control of updates) |

# %% [markdown] slideshow={"slide_type": "skip"}
# A replica's number (web.1, web.2, …) is its *slot*; each slot has one *task*. A task never changes; an update replaces it. More words:
#
# - **Version**: all that describes a task: image, command, environment.
# - **Parallelism**: how many slots are updated at a time. **Delay**: the pause after each.
# - **Order**: *stop-first* stops the old task, then starts the new one. *Start-first* is the other way round.
# - **Monitor**: how long a new task is watched. A failure in this time counts against the update. Swarm doesn't wait for it: the next slot starts as soon as the new task runs (plus the delay).

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import follow
from swarmlab.views.update_history import settings

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
settings(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "old", "minutes": {"30": 1.5, "45": 1.5, "60": 1.5, "90": 1}, "notes": "These are the flags of an update. The table shows Docker's defaults, and most of you have never changed them. Four replicas, fifty requests a second, and I update the image. What happens to the four?", "ask": "All at once, one by one, or four new ones first?", "wrong": "\"Four new ones start first\": that's how many cloud services do it. The default here is stop-first, one at a time. \"All four\": the default parallelism is 1.", "trouble": "Has it been updated already? `s` puts back version 1.25."}
# ## 1. One after the other (slide 42)
#
# > *Controle de update de serviços.* Control of service updates.
#
# The table is slide 42, with Docker's defaults. `web` *publishes* a port for clients outside: a *load balancer* hands their requests to its tasks in turn.
#
# Now 50 requests arrive each second, and you update the image. **What happens?**

# %%
ask("update_travels")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 1.5}, "notes": "One lane for each slot. A is the old version, B the new one. One is stopped, its replacement starts, then the next. Below you see the requests: not one is lost. The thin line under a new task is the monitor: five seconds in which Swarm watches it. Remember that line, we'll need it in a minute. Take one lane, from left to right: the old task is asked to stop, it ends some three seconds later, and soon after that the new one runs. Meanwhile the other three carry the load. Then the next slot, and the next.", "ask": "Nothing lost, although each task was stopped before the new one ran. How? (Before a task gets the stop signal, the load balancer stops sending it requests; the other three take them.)", "wrong": "\"Requests are kept and sent again\": nothing stores requests. The other three tasks took them.", "trouble": "Red requests? The service was updated twice. `r` puts back version 1.25, and updates once."}
cluster.traffic("web", rate=50)  # requests a second, from now on
# %docker service update --quiet --detach --image nginx:1.27 web
display(follow(cluster, "web"), reveal("update_travels"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** At the top, the state of the update. Then a lane for each slot, in the colour of the version: **A** is old, **B** is new. The thin line under a new task is its *monitor*. Below, the requests each version gets. Last, how many tasks failed, with a line at the number you tolerate.
#
# No request is lost. Now two at a time, with a pause of five seconds after each group.
#
# <details><summary>Why is no request lost? And two details</summary>
# <p>First the load balancer stops sending requests to the old task. Two seconds later its container gets the stop signal. A new task gets requests once it runs, and nginx is ready at once. (Your app isn't? Then it needs a health check: <b>11_health_checks</b>.)</p>
# <p>With stop-first, Docker creates the new task at once, and lets it get ready while the old one stops. It starts only afterwards.</p>
# <p>In the next picture the thin lines are six seconds long: if the delay isn't shorter than the monitor, Swarm watches for the delay plus one second. The last group has its pause, too: at the end come the 5 s delay, then the 6 s watch.</p>
# </details>

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "new", "minutes": {"45": 1.5, "60": 1}, "notes": "Now two at a time, and five seconds between the pairs. It's faster, and half of the service is gone for a moment. If your traffic needs three of the four, two at a time is one too many. So choose parallelism by what you can spare, not by how long you're willing to wait.", "ask": "When would you dare four at a time? (Where a short gap hurts no one.)", "wrong": "\"At night\": better: when a short gap hurts no one."}
# %docker service update --quiet --detach --update-parallelism 2 --update-delay 5s \
#     --image nginx:1.28 web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "updated", "minutes": {"30": 1, "45": 1.5, "60": 1.5, "90": 1}, "notes": "A new service, four replicas, all defaults. The new version crashes two seconds after its start. You've typed the command and gone for coffee. How do you find it?", "ask": "All down? Back to the old version? Or halfway?", "wrong": "\"It rolls back\": most people expect that. You can have it, but the default is to pause. \"All four crash\": the first failure stops it.", "trouble": "The board looks crowded? `s` puts back what was there before."}
# ## 2. A bad version
#
# A new service `web`: four replicas, Docker's defaults. You update it to a version that crashes after two seconds: `--args` replaces the container's command, and this one exits with an error. **How does the update end?**

# %%
# %docker service rm web
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
ask("bad_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "fresh", "minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1.5}, "notes": "F marks a failure while Swarm was still watching. One of four is more than the share you tolerate, which is zero, so the update is paused. Nothing is undone. [Ask, then:] Two old tasks serve your users, and two slots crash again and again. Why two, and not one? Because Swarm starts on the next slot as soon as a task runs, not when the five seconds are over. Imagine that's your shop. Half of the tasks serve, so half of your capacity is gone, and on a quiet evening no one notices. On Monday morning everyone does. So let a paused update raise an alert.", "ask": "Is the service up or down? (Up: two of four answer, and get all the requests.)", "wrong": "\"Down\": two of four still answer, and get all the requests.", "trouble": "The picture ends too early? `r` plays it again: the same seed, the same crash."}
cluster.traffic("web", rate=50)
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
display(follow(cluster, "web"), reveal("bad_version"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "paused", "minutes": {"30": 1, "45": 2, "60": 1.5}, "notes": "Three ways out. Back: docker service rollback. Forward: any update to a version that works; that ends the pause as well. Or carry on anyway, with the failure action continue, which is rarely wise. What doesn't work is to wait. A paused update stays paused until someone gives a command. So someone has to look. [Ask, then:] Which one is quickest? Usually back, since you know that version. And write down today what you'd type, while no one is shouting.", "ask": "Friday, five o'clock. Back or forward? (Usually back: you know that version.)", "wrong": "\"Restart it\": docker service update --force makes new tasks of the same bad version."}
# **F** marks a failure while the task was watched, so it counts. 1 of 4 exceeds the tolerated share of 0: the update is **paused**. Nothing is undone; the bad tasks are replaced again and again, by more of the same. Three ways out:
#
# - **back**: `docker service rollback web`, the subject of **13_rollback**;
# - **forward**: an update to a version that works. Any update ends the pause;
# - **carry on anyway**: an update with `--update-failure-action continue`. Rarely wise.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Why do two of the four slots have the bad version?</summary>Docker starts on the next slot as soon as a new task <i>runs</i>, not when its monitor window ends. (Failures after the pause no longer count.)</details>
#
# ### 1. Your turn: tolerate one bad task of four
#
# The next cell goes back. In a new cell (**Esc**, then **b**), update `web` to the bad version again, so that one failure of four does **not** stop the update, and two do. Then look: `follow(cluster, "web")`.
#
# <details><summary>A hint</summary>The limit has to be <i>exceeded</i>, not just reached. 1 of 4 is 0.25.</details>
# <details><summary>Answer</summary><code>%docker service update --quiet --detach --update-max-failure-ratio 0.25 --args "sh -c 'sleep 2; exit 1'" web</code>. The first failure is 0.25, which isn't more than 0.25, so the update goes on. The second makes 0.5, and the update pauses.</details>

# %% slideshow={"slide_type": "skip"}
# %docker service rollback --quiet web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "tag", "notes": "Who deploys with the tag latest? Be honest. Here's shop:1. I find a mistake, build again, and push under the same tag. Then three commands that make new tasks: one more replica, force, and image. Which of them runs the new build?", "ask": "scale, --force, or --image?", "wrong": "\"Scale: the new task pulls what the tag is now\": it pulls the digest that the service has stored. \"All three\": only a command that names the image looks the tag up."}
# ## 3. A tag is not a version
#
# `shop:1` is an image in your registry. You create a service from it, find a mistake, build again, and publish the new build **under the same tag**. (Here `registry.register` publishes. In real life it's `docker push`.)
#
# Three commands make new tasks: one more replica, `--force`, `--image`. **Which of them runs the new build?**

# %%
cluster.registry.register("shop:1", logs=["the first build"])
# %docker service create --quiet --name shop --replicas 2 shop:1
cluster.registry.register("shop:1", logs=["the second build"])
ask("tag_not_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "builds", "notes": "Count the lines. Six tasks ran the first build, though most of them began long after the second was out. A service runs a digest, not a tag. [Ask, then:] That's good news: all its tasks run the same build, and a rollback finds the old one. So give every build a tag of its own.", "ask": "Why is that better than always pulling the newest? (All replicas run the same build, and a rollback finds the old one.)", "wrong": "\"It isn't\": then two replicas of one service could run different programs.", "trouble": "On real engines this step needs a registry; without one, PageDown."}
# %docker service scale --detach shop=3
cluster.run("10s")
# %docker service update --quiet --force shop
# %docker service logs --raw shop
# %docker service update --quiet --image shop:1 shop
# %docker service logs --raw shop
reveal("tag_not_version")

# %% [markdown] slideshow={"slide_type": "skip"}
# Every line is a task's start. Six tasks ran the first build, though four of them began when the second one was long out: only a command that names the image looks the tag up. So publish each build under a tag of its own: then you see in `docker service ls` what runs.
#
# <details><summary>What if the registry can't be asked?</summary>Then Docker warns you, and stores the tag alone. Each node pulls for itself whatever the tag means at that moment, or takes what it has. Two tasks of one service may run different builds.</details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 2. The update has stopped halfway
#
# ### 3. One replica, no gap
#
# ### 4. A collection of task states
#
# A *job* is a service whose tasks run once and end: `--mode replicated-job`. You'll need one.

# %% slideshow={"slide_type": "skip"}
exercises("12_rolling_updates", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "minutes": {"45": 1, "60": 1}, "notes": "One slot after the other; you choose how many, how fast and in which order. A failure within the monitor counts, and then the update pauses, goes on or rolls back, as you have chosen. Choose before Friday.", "ask": "What will you set on Monday: --update-failure-action, or the monitor? (The action first: by default an update only pauses.)"}
# ## Recap
#
# - One slot after the other; you choose parallelism, delay and order.
# - Past the tolerated share of failures, an update pauses, continues or rolls back, as you chose.
# - A tag is looked up when a command names it. A service runs a digest.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** the picture of section 1, with your own settings.
#
# The last three questions are about other pages. Skip what you haven't read yet.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(
    quiz("bad_single", "not_ready", "config_or_secret", "four_managers"),
    where_next("12_rolling_updates"),
)
