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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "The bad version is out; the update has paused by itself. Now we go back. And we'll see how going back can go wrong, too."}
# # Rollback: back to the version that worked
#
# *You take back a bad version, by hand and automatically, and find out how a rollback itself can go wrong.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | roll a service back; make a failed update roll back by itself; say what a rollback brings back, and what it forgets |
# | **Time and level** | 20 minutes, after 12_rolling_updates; the exercises take 10 more |
# | **You need** | nothing else: no Docker, no network. (On real engines, requests may not be counted.) |
# | **Slides of the talk** | 43 (control of rollbacks) |

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import follow
from swarmlab.views.update_history import settings

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
cluster.traffic("web", rate=50)  # requests a second, from now on
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "paused", "notes": "Docker keeps two specs of a service: the current one, and the one before. A rollback is an update to the one before. The slide wants to set the pace in the same command. Two bets: what does Docker say to that? And what do two rollbacks bring?", "ask": "Rollback, twice. What runs then?", "wrong": "\"The version before that one\": there's no history, only one previous spec."}
# ## 1. By hand
#
# That was a bad update: the new version, **B**, crashes after two seconds (`--args` replaces the container's command). At the first failure (**F** in the picture), the update **paused**, as Docker's default is.

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing is undone, and B fails again and again in two *slots* (web.1, web.2, … are slots; each has one task at a time): the second was begun while the first was still being watched.
#
# Docker keeps two **specs** of a service, a spec being all that you've ever set: image, command, replicas, settings. One is the current, the other the **previous** one. A **rollback** is an update to the previous spec. The slide wants to set its pace in the same command:
#
# > `$ docker service update --rollback --rollback-parallelism …` (slide 43)
#
# **What does Docker do? And what do two rollbacks by the right command bring back?**

# %%
ask("rollback_flags", "second_rollback")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "It refuses the slide's command: no other flags beside --rollback. The right one works: the good version is back in both slots. Fine. So what happens if I type it once more?", "ask": "Same command again: what runs? (The bad one. Don't comment: the next step shows it.)", "trouble": "`r` brings back the paused update, and does this step again."}
# %docker service update --rollback --rollback-parallelism 2 web
# %docker service rollback --quiet --detach web
follow(cluster, "web")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "back", "notes": "The bad version. It swaps the two specs, back and forth. So a nervous colleague who types it a second time breaks everything again.", "ask": "Who would type it twice, to be sure? (Hands only.)"}
# %docker service rollback --quiet --detach web
display(follow(cluster, "web"), reveal("rollback_flags", "second_rollback"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>How to read the pictures</summary>
# <p>At the top, the state of the update or rollback. Then a lane for each slot, in the colour of the version. The thin line under a new task is the time in which it's watched (the <i>monitor</i>): a failure then counts. Below, the requests that each version gets. Last, the share of tasks that failed, with a line at the share you tolerate.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "swapped", "notes": "And now the rollback itself is paused, because it failed. There's no third spec. The way out is always the same: an update that says what you want.", "ask": "Why is there no list of all versions? (Your stack file in git is that list.)", "wrong": "\"They forgot it\": your stack file in git is that list."}
# The first rollback worked. The second one swapped the two specs again: B came back, failed, and now it's the *rollback* that's **paused**. So a rollback can fail like any update, and there's no third spec to go back to. The way out is always the same: **an update that says what you want.** (`--args ""` is: no command of ours, but the image's own, as in version A.)

# %%
# %docker service update --quiet --args "" web
# %docker service ps --filter desired-state=running web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "fixed", "minutes": {"90": 1}, "notes": "Slide 43. The first of the seven settings is the important one: failure action, rollback. Then no one has to type anything. The other six are the rollback's own. Same names, same defaults, but they don't take over what you've set for updates. [Ask, then:] Set them early: a rollback reads them from the version it goes back to. Once the bad one is out, it's too late.", "ask": "Where do you set them: in the good version, or in the bad one? (In the good one: the rollback reads the spec it goes back to.)", "wrong": "\"In the new one\": the rollback reads the spec it goes back to.", "trouble": "`r` brings back the good version, and does this step again."}
# ## 2. Seven settings (slide 43)
#
# > *Se for usado* `--update-failure-action=rollback` *então em caso de falhas o rollback é automático.* … then, in case of failure, the rollback is automatic.
#
# That's the first of the slide's seven settings. The other six, `--rollback-…`, are a rollback's own. They have the same names as an update's, and the same defaults, but an update's values don't carry over.

# %%
# %docker service update --quiet --update-parallelism 2 --update-order start-first \
#     --update-failure-action rollback web
settings(cluster, "web")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "set", "notes": "A bad version is out, and people get creative. One sets the rollback's pace now. Another scales the service, because half of it is down. And then someone rolls back. What comes back?", "ask": "The good version, or not?", "wrong": "\"The good version\": each change, even a setting, makes the current spec the previous one."}
# A rollback reads its settings from the spec **it goes back to**. So they have to be there *before* the update that goes wrong, best from the start. **What if you set them once the bad version is out? Or scale the service, since half of it is down?**

# %%
ask("late_settings", "scaled_since")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "The bad version, with two replicas. The good one was two changes ago, and it isn't stored anywhere any more. [Ask, then:] First roll back, then help.", "ask": "What should they have typed? (`docker service rollback`, before anything else.)", "trouble": "`r` goes back to before the mistake, and does this step again."}
# %docker service create --quiet --detach --name shop --replicas 2 nginx:1.25
# %docker service update --quiet --detach --image nginx:1.72 shop
cluster.run("20s")
# %docker service ls --filter name=shop
# %docker service scale --detach shop=6
# %docker service rollback --detach shop
cluster.run("20s")
# %docker service ls --filter name=shop
reveal("late_settings", "scaled_since")

# %% [markdown] slideshow={"slide_type": "skip"}
# The image is still `nginx:1.72`, the typing error; only the 6 has gone back to 2. Before, one good task was left; now none is. *Every* change, however small, a setting as well, makes the current spec the previous one. The good one was two changes ago, so it isn't stored anywhere any more.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "late", "notes": "Now web rolls back by itself. The bad version again, then a rollback by hand on top. And a second one, which crashes after eight seconds. Does that get caught?", "ask": "Crashes after eight seconds. Caught or not?", "wrong": "\"Rolled back\": the monitor is five seconds. \"It brings back the bad version\": an automatic rollback forgets the version that failed."}
# ## 3. Automatically
#
# `web` rolls back by itself now. It gets the bad version again, and then `docker service rollback` by hand. **What does Docker answer? And does it also catch a version that crashes after *eight* seconds?**

# %%
ask("after_automatic", "late_crash")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "It failed, it went back, and no one typed anything. The rollback by hand is refused: there's no previous version any more. Good: no one can bring the bad one back by mistake.", "ask": "Where's the failure in the picture? (At the F: a task failed while it was being watched.)", "trouble": "`r` brings back the good version, with its settings, and does this step again."}
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
display(follow(cluster, "web"))
# %docker service rollback --detach web

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rolled", "notes": "Completed, says Swarm, and the service is down. Five seconds of watching, and it died at eight. Green isn't good.", "ask": "How long does your app need to fail? (No right answer. The monitor has to be longer than that.)"}
# %docker service update --quiet --detach --args "sh -c 'sleep 8; exit 1'" web
display(follow(cluster, "web"), reveal("after_automatic", "late_crash"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "down", "notes": "Fifteen seconds, and it's caught. Set the monitor longer than your app needs to die. [Ask, then:] It doesn't hold the update up. If you want that, take a delay.", "ask": "Monitor or delay: which one makes the update slower? (The delay: during the monitor, the next slots start.)", "wrong": "\"The monitor\": the next slots start meanwhile."}
# *Completed*, says Swarm, and the service is down. (B never answers: it only sleeps. With a health check the update would have failed, and rolled back.) Each task was watched for five seconds, the default of `--update-monitor`, and died at eight. Watch for longer than your app needs to fail:

# %%
# %docker service update --quiet --args "" web
# %docker service update --quiet --detach --update-monitor 15s --args "sh -c 'sleep 8; exit 1'" web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "skip"}
# Now it's caught. But the monitor doesn't hold the update up: the next slots start while the first ones are still being watched. If a new version should stay in one slot until it has proved itself, make the pause longer, too: `--update-delay`.
#
# <details><summary>What else an automatic rollback forgets</summary>
# <p>All that came with the bad update: secrets, labels, replicas, and settings like the monitor of 15 seconds. Look: <code>settings(cluster, "web")</code>. It's the whole spec that goes back. What a task wrote to a volume or a database stays: the old version has to cope with it.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. An update that rolls itself back
#
# ### 2. Back, and all at once
#
# ### 3. Someone has scaled since
#
# ### 4. A careful rollback

# %% slideshow={"slide_type": "skip"}
exercises("13_rollback", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "caught", "minutes": {"90": 1}, "notes": "One previous spec, and each change replaces it. By hand twice, and the bad one is back. Automatically, and it's forgotten. Set the failure action and the monitor before you need them. And that's the talk, nearly: what you want goes into a file, the swarm keeps it so, and you've seen what happens when it can't. Questions, please."}
# ## Recap
#
# - A rollback is an update to the previous spec. There's one, and each change replaces it.
# - Two rollbacks by hand swap back and forth. An automatic one forgets the version that failed.
# - A rollback can fail, too. Then say what you want, by an update.
# - Its six settings are its own. Set them before you need them.
# - A failure counts only in a task's first five seconds, unless you set a longer `--update-monitor`.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** section 3, with `sleep 8`. (Run the imports and the cluster at the top first.)
#
# Three more questions, two about other pages.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(quiz("rollback_order", "bad_version", "four_managers"), where_next("13_rollback"))
