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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Running is not the same as answering. Let's hang an app, and see who notices."}
# # Health checks: is the app inside alive?
#
# *An app hangs while its container runs on. You teach the swarm to notice, tune the check until it misses no failure and kills nothing healthy, and break a shop with a check that asks too much.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | give a service a health check; choose its five settings; say when a check does harm |
# | **Time and level** | 20 minutes, after 00_start_here; the exercises take 8 more |
# | **You need** | nothing else: no Docker, no network. (On real engines, there are no sliders, and requests may not be counted.) |
# | **Slides of the talk** | 41 (health checks) |

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import check_explorer, downtime, follow, hang

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 3 --publish 8080:80 busybox \
#     sh -c "mkdir www; echo hello > www/index.html; exec httpd -f -h www"
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"90": 1}, "notes": "Slide 41. Three small web servers, fifty requests a second. I don't kill one, I freeze it: the process is there, and answers nothing. You know these. What does the swarm do?", "ask": "Replace it, go around it, or nothing?", "wrong": "\"It replaces it\": it does when a process ends. This one hasn't ended. \"It goes around it\": the balancer asks whether a task runs, not whether the app answers."}
# ## 1. The container is up, the app is down (slide 41)
#
# > *Não só o contêiner mas as app dentro do serviço pode ser monitorada.* Not just the container: the app in it can be monitored, too.

# %% [markdown] slideshow={"slide_type": "skip"}
# `web` is BusyBox's small web server, three times. If its process ended, its container would end, and the swarm would replace it. But apps also **hang**: the process is there, and answers nothing. `hang` does that to one of the three: it sends the process the signal STOP.
#
# 50 requests arrive each second. **What does the swarm do?**

# %%
ask("hung_app")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Nothing. Running, running, running, says Docker, and a third of the users see nothing at all. Look at the red. It would stay like this for weeks, until someone writes you an angry mail.", "ask": "What would your monitoring have said? (If it only asks Docker: all is well.)", "trouble": "Everything green? The task has been replaced. `r` hangs one again."}
cluster.traffic("web", rate=50)
display(hang(cluster, "web"), follow(cluster, "web", for_s=20), reveal("hung_app"))
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** A lane for each *slot* (a replica's number: web.1, web.2, …) with its task. Below, the requests of each second; those that got no answer are red.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "hung", "minutes": {"90": 1}, "notes": "So we tell the swarm how to ask. A health check is a command in the container: exit code zero means fine. Every five seconds, two seconds at most, three failures. Now one hangs again. How long does it get requests?", "ask": "Five seconds, twenty, or until it's stopped?", "wrong": "\"Five, until the next check\": one failure isn't enough, it takes three in a row."}
# Everything runs, says Docker, and a third of the users get nothing. So tell the swarm how to ask the app: a **health check** is a command that the engine runs *inside* the container, again and again. Exit code 0 means healthy.

# %% [markdown] slideshow={"slide_type": "skip"}
# Here `wget` asks for the front page every 5 seconds (`--health-interval`), and may take 2 (`--health-timeout`). After 3 failures in a row (`--health-retries`) the task is **unhealthy**.
#
# Then an app hangs again. **How long does its task still get requests?**

# %%
ask("hang_noticed")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "About twenty seconds. Three failed checks, and it's out of the balancer; the red ends. Ten seconds later it's killed, because a frozen process ignores the first signal, which only asks it to end. Then a new task, and it gets requests only when its first check has passed. No one did anything.", "ask": "Why not check every second, once? (It would kill apps that are merely busy.)", "wrong": "\"It costs too much\": worse, it kills apps that are merely busy.", "trouble": "Two apps hang? `r` brings back the first one, and does this step again."}
# %docker service update --quiet --health-cmd "wget -q -O /dev/null localhost" \
#     --health-interval 5s --health-timeout 2s --health-retries 3 web
display(hang(cluster, "web"), follow(cluster, "web", for_s=50), reveal("hang_noticed"))

# %% [markdown] slideshow={"slide_type": "skip"}
# New: below each slot the **checks**, ✔ or ✘. A box before the ✘ is the time that the check waited for an answer.
#
# <details><summary>What you see</summary>
# <p>At the third ✘ the task leaves the <i>load balancer</i>, which hands out the requests: the two others get them all. Then the swarm stops the task. The stop signal has no effect: the app hangs. (Nor would it otherwise: a container's first process ignores that signal unless it handles it, and BusyBox's <code>httpd</code> doesn't.) So it's killed after ten seconds (<code>--stop-grace-period</code>). Until then the checks go on: that's the fourth ✘. Five seconds later (<code>--restart-delay</code>) a new task starts in the same slot, and gets requests once its first check has passed: in words, <i>A runs</i>.</p>
# <p><code>docker run</code> has health checks, too. It marks an unhealthy container, and leaves it running: only a swarm replaces it.</p>
# </details>
#
# A check can also come with the image (`HEALTHCHECK` in its Dockerfile). `--no-healthcheck` switches it off.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "checked", "notes": "Five settings. Three of them decide how fast you notice, the last two are for apps that start slowly. Two bets about a slow starter.", "ask": "The app needs six seconds, the check gives up after three. What happens?", "wrong": "\"It runs, marked as unhealthy\": that's docker run. A swarm stops it, again and again. \"After 30 seconds\": in the start period failures don't count, but a success does."}
# ## 2. Five numbers
#
# | Setting | Default | |
# | --- | --- | --- |
# | `--health-interval` | 30 s | the pause between two checks |
# | `--health-timeout` | 30 s | a check that takes longer has failed |
# | `--health-retries` | 3 | how many failures in a row make the task unhealthy |
# | `--health-start-period` | 0 s | for how long after the start failures don't count |
# | `--health-start-interval` | 5 s | the pause between checks in the start period |

# %% [markdown] slideshow={"slide_type": "skip"}
# **Two bets about apps that start slowly.** Then move the sliders: each move makes a copy of this swarm, starts one task of a new service, and shows 90 seconds of it.

# %%
ask("check_too_strict", "start_period")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Move the sliders: each move starts a task on a copy of this swarm. Ready after twenty, and it never gets to run. [Ask, then:] A start period, and it lives. Try it the other way: how strict can I be before I kill a healthy app?", "ask": "Which of the five would you raise first? (The start period: it costs nothing once the app is healthy.)", "wrong": "\"Interval\": then you notice everything later. The start period is for slow starts.", "trouble": "Letters do nothing? A slider has the focus. Click beside it."}
display(check_explorer(cluster), reveal("check_too_strict", "start_period"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **Try this.** (At first the app is ready after 6 s, and hangs after 30. Interval 5, timeout 3, retries 3, no start period.)
#
# 1. Set *ready after* to 20. Why does the task never run? Save it in two ways: by a start period, and by retries.
# 2. Docker's defaults: interval 30, timeout 30. *Hangs after* 0: never. When is the first request served, without a start period, and with one of 30?
# 3. Make the swarm notice a hang as early as you can. What would such a check do to an app that pauses for three seconds now and then?
#
# <details><summary>What you'll find</summary>
# <p><b>1.</b> Three checks fail in the first 15 seconds, and the swarm stops the task before it's ready, again and again. A start period of 20 s saves it, or five retries. The start period is better: once the app has been healthy, it's as strict as before.</p>
# <p><b>2.</b> After 30 seconds, though the app is ready after six: the first check comes after one interval. In a start period there's one every five seconds, so it's ready after ten.</p>
# <p><b>3.</b> Interval 1, timeout 1, retries 1: unhealthy after two seconds. It would also kill the app that pauses, and so would a busy minute. Retries are cheap, restarts are not.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ready", "notes": "A check says something else as well: ready. Another app needs six seconds to start. I update it in four ways. Which of them lose requests?", "ask": "Three replicas, no check. Does an update lose requests?", "wrong": "\"No, the two others answer\": the third gets requests, too, as soon as its container runs. \"Not with start-first\": without a check, started means ready."}
# ## 3. Ready is more than running
#
# The check says not only when a task is broken but also when it's **ready**. Another app needs six seconds to start.

# %% [markdown] slideshow={"slide_type": "skip"}
# The cell after the bet updates it to a new version in four ways, each on a copy of this swarm: in the order *stop-first* (the old task stops, then the new one starts) or *start-first*, without and with a check. **Which of them lose requests?**

# %%
ask("not_ready", "one_replica")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Without a check both orders lose requests. With one, three replicas lose none. And one replica is a trap: only start-first with a check leaves no gap.", "ask": "Which row is your service in today? (Hands only.)", "trouble": "This takes some seconds: eight updates are counted. Talk on."}
display(
    downtime(cluster, replicas=3), downtime(cluster, replicas=1), reveal("not_ready", "one_replica")
)

# %% [markdown] slideshow={"slide_type": "skip"}
# Longer updates see more requests: compare *failed*. **Why does start-first need a check?** Without one, a new task counts as ready the moment its container runs, so Swarm stops the old one too early.
#
# <details><summary>What the tables say (and the numbers, without running anything)</summary>
# <p><b>Without a check, both orders lose requests.</b> A task gets requests as soon as its container runs, and for six seconds nothing answers.</p>
# <p><b>With a check and three replicas, nothing is lost.</b> The check is <code>curl -f localhost</code>, once a second, ten tries. Until the first one passes, the task is <i>starting</i>, and gets no requests.</p>
# <p><b>One replica is a trap.</b> Stop-first takes away the only task there is. Only start-first <i>with</i> a check leaves no gap.</p>
# <table><tr><th>Order</th><th>Health check</th><th>3 replicas: failed</th><th>1 replica: failed</th></tr>
# <tr><td>stop-first</td><td>no</td><td>about 350</td><td>about 440</td></tr>
# <tr><td>stop-first</td><td>yes</td><td>0</td><td>about 440</td></tr>
# <tr><td>start-first</td><td>no</td><td>about 270</td><td>about 270</td></tr>
# <tr><td>start-first</td><td>yes</td><td>0</td><td>0</td></tr></table>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "thorough", "notes": "Now a check that means well: the shop's asks for its own page, and for one of orders, too. And orders goes away. What do people see who only want to look?", "ask": "Pages, half of them, or nothing?", "wrong": "\"Pages: they don't need orders\": but their check does."}
# ## 4. A check that asks too much
#
# `shop` shows pages, and hands orders to another service, `orders`. Its check is thorough: it asks for its own page *and* for one of `orders`. Now someone takes `orders` away. **What happens to the pages?**

# %%
# %docker network create --driver overlay back
# %docker service create --quiet --detach --name orders --network back nginx
# %docker service create --quiet --detach --name shop --replicas 2 --network back --publish 8181:80 \
#     --health-cmd "wget -q -O /dev/null localhost && wget -q -O /dev/null orders" \
#     --health-interval 3s --health-retries 2 \
#     busybox sh -c "mkdir www; echo hello > www/index.html; exec httpd -f -h www"
ask("asks_dependency")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "shop", "notes": "Nothing. All tasks turn unhealthy at the same moment, and are killed, again and again. One failure has become two. Ask only what a restart of this very task would repair.", "ask": "Be honest: whose check asks for the database? (Hands only.)", "trouble": "`r` brings back the shop and its orders, and does this step again."}
cluster.run("20s")
cluster.traffic("shop", rate=50)
# %docker service scale --detach orders=0
display(follow(cluster, "shop", for_s=45), reveal("asks_dependency"))

# %% [markdown] slideshow={"slide_type": "skip"}
# After seven seconds not one page is shown, although nothing is wrong with `shop`. Its tasks turn unhealthy at the same moment, get no more requests, and are killed ten seconds later, again and again, until `orders` is back. Restarting `shop` can't repair `orders`.
#
# **A check asks what a restart of *this* task would repair.** Whether others are well is a question for monitoring.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Healthy, and killed
#
# A service never gets to run. Its check means well.
#
# ### 2. Ask only for yourself
#
# Another service is down for the night. The shop should stay open.

# %% slideshow={"slide_type": "skip"}
exercises("11_health_checks", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "closed", "notes": "Without a check a hanging app stays in the balancer. Give slow starts a start period. Until the first check passes there are no requests, so updates lose none. And a check asks about its own app only."}
# ## Recap
#
# - Without a check, a hanging app stays in the load balancer.
# - Unhealthy means: no more requests, then stopped and replaced. That takes (interval + timeout) × retries, and longer until the new one is ready.
# - Give a slow start a start period. Too little patience kills healthy apps.
# - Until its first check passes, a task gets no requests. So updates lose none.
# - A check asks its own app only.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** `check_explorer(cluster)`, in any simulated swarm. (Run the imports at the top first.)
#
# Two more questions. The second is about notebook 06.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(quiz("unhealthy_run", "who_replaces"), where_next("11_health_checks"))
