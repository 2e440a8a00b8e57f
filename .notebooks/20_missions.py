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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "You're on call. Something's broken, users lose requests each second, and you have a budget. One of you types, all of you decide."}
# # Missions: six incidents, with users on the line
#
# *You're on call: a swarm is broken, users lose requests every second, and you have a budget to save it; afterwards you see your run beside a model run.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | look before you fix, save a swarm within a budget, and say when the problem could first be seen |
# | **Time and level** | 60 minutes, about ten a mission, after 00_start_here; each names the page that teaches it |
# | **You need** | nothing else: no Docker, no network. (On real engines nothing is replayed, and no requests are counted: a check sends one to each task) |
# | **Slides of the talk** | 11–20 (problems in production), 30–33 (quorum), 41–43 (health, updates, rollbacks) |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rules", "notes": "Requests, seconds and changes: those are your budget. Looking is free, waiting isn't. Looking before the first change is worth twenty points. I type what you tell me, and nothing else. Ten seconds for each decision; if you don't agree, users wait.", "ask": "Who drives? Who keeps the time? (Choose two people now.)"}
# ## How a mission works
#
# A mission is an exercise with a **clock**, and with **users**: ten requests a second go to one service. Press **Start**, and you're called.

# %% [markdown] slideshow={"slide_type": "skip"}
# - **Type commands** below the task. `docker …` asks the leader, `docker -H m2 …` asks node m2, `run 20s` waits 20 seconds.
# - **Waiting costs.** A line costs five seconds (`--help`, too), plus the time its command waits: `docker service update` waits until all tasks run, up to 300 seconds, the whole budget. With `--detach` it returns at once; then look with `docker service ps`. You can't stop a command that waits.
# - **The goal** is a state of the swarm, and users who are served. Any way there counts.
# - **Check** waits 30 seconds. Then it tests, on a copy of your swarm, what might happen next, and judges all goals there. *(in the test: requests that failed: 100)* is about the copy. You may check several times.
# - **The budget**: failed requests, seconds, changes. A change is a request that the swarm accepts: `node promote w3 w4` makes two, a refused command none. Spend more of one, and the mission is lost at once. Start again: it's the same incident.
# - **Looking** (`ls`, `ps`, `inspect`, `logs`) is no change. Look before your first change: that's worth 20 points. Users are worth 40, time 20, few changes 20; a hint costs 5 points, but no time.
# - When it's won or lost comes the **debrief**, and not before: your run and points beside those of a *model run*, which acts as soon as the problem could be seen. (*m1 leads, term 5*: m1 was elected, in the fifth term.)
#
# Without buttons, use the mission's name: `zone.do("docker node ls")` runs a line; there are `zone.check()`, `zone.hint()`, `zone.undo()`, `zone.debrief()`.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "zone", "notes": "A zone dies. I press Start, and the clock runs. Where may tasks run, and who says so? Tell me what to type.", "ask": "First command? A look, or a change? (A look: docker service ps --no-trunc.)", "wrong": "\"--force\": it makes new tasks under the same rules. Look at the constraints first.", "trouble": "Lost? Press Start again, on the mission: it's the same incident."}
# ## Nodes and releases
#
# ### 1. A zone dies
#
# Where may tasks run, and who says so? (Page 07)

# %%
import swarmlab
from swarmlab.lessons import exercise, progress
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.course_map import where_next
from swarmlab.lessons.debrief import compare_scores

make = swarmlab.simulate  # real engines: swarmlab.launch
zone = exercise("zone_dies", make=make)
zone

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Friday, a bad release. The containers run, and nothing answers. Running isn't answering. What do we look at?", "ask": "Roll back: good idea or not? (Not before you know what the last change was.)", "wrong": "\"Rollback, at once\": it undoes the last change only. Was that the release?", "trouble": "Out of budget? Press Start again; the incident is the same."}
# ### 2. A bad release on Friday
#
# Containers run, and still nothing answers. (Page 13: rollbacks)

# %%
release = exercise("bad_release", make=make)
release

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "quorum", "notes": "Two managers, and one of them dies. Page 05 told you what that means for you. But what do your users see, at this moment?", "ask": "Everything down, half of it, or does no one notice?", "wrong": "\"Nothing works any more\": no command does. What runs goes on."}
# ## Without a quorum
#
# Two managers need both of them. When one is gone, no leader can be elected (page 05). **What do users see, at that moment?**

# %%
ask("users_without_quorum")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Scale is refused, and not one request is lost. Quiet, isn't it? It's a trap: nothing gets repaired any more. The next failure stays.", "ask": "How would you notice it, if no one complains? (By an alert, as soon as a manager is down.)", "trouble": "The refused command is part of it."}
# The next cell makes such a swarm, takes a manager away, and counts requests for 30 seconds.

# %%
cluster = make(managers=2, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 \
#     --constraint node.role==worker nginx
cluster.crash("m2")
cluster.run("30s")
# %docker -H m1 service scale web=6
requests = cluster.traffic("web", rate=10)
cluster.run("30s")
display(requests, reveal("users_without_quorum"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "two", "notes": "And here's the next failure, in a swarm like that one. Now you're called. What's the first thing you need back?", "ask": "A task, a node, or a quorum? (A quorum: without one, nothing can be changed.)", "wrong": "\"Start the service again\": without a quorum no command is accepted."}
# ### 3. Two managers
#
# All users were served, so no one called you. Here's the next failure.

# %%
two = exercise("two_managers", make=make)
two

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stranger", "notes": "A stranger has joined with a leaked token. Out isn't enough: out, and stays out. What has to come first?", "ask": "Remove the node, or rotate the token? (The token first, or else it comes back. Then the node.)", "wrong": "\"Rotate, done\": a member stays a member. \"Remove, done\": it comes back with the same token."}
# ## Strangers, data, and health
#
# ### 4. A stranger with a join token
#
# A join token is a key to your swarm (page 08). This mission is won when the stranger is out **and** stays out.

# %%
stranger = exercise("stranger", make=make)
stranger

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "The database has lost its data, they say. You know better since page 14: it's somewhere. Where did it run before?", "ask": "Which command tells where it ran? (docker service ps.)", "wrong": "\"Prune, to clean up\": don't you dare, before you've found it."}
# ### 5. The database lost its data
#
# A *volume* is a folder that outlives its containers (page 14).

# %%
data = exercise("lost_data", make=make)
data

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Docker says that nothing's wrong; web's tasks just keep ending. What ends them?", "ask": "The app, or the check? (The check.)", "wrong": "\"The app crashes\": look at how it ends. Something kills it."}
# ### 6. A health check that kills
#
# Docker says that nothing is wrong with web; its tasks just keep ending. (Page 11: health checks)

# %%
health = exercise("check_kills", make=make)
health

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "scores", "notes": "Paste your line, and we have a table. And then the debriefs: could the problem be seen earlier, and where?", "ask": "What would you look at on Monday? (No right answer.)"}
# ## Compare with others
#
# Each debrief ends with a score to paste into the class's chat: mission, points, failed requests, seconds, changes, hints. No server is needed: anyone in the chat can make the table. (The last three characters show a typing mistake; they don't stop anyone from making a score up.)

# %% [markdown] slideshow={"slide_type": "skip"}
# The second table is your own progress; `progress().export("progress.json")` writes a copy of it, for another machine or for your teacher.

# %%
display(
    compare_scores(
        """
        Ana: zone_dies:86-146-60-1-0-28b
        Rui zone_dies:61-310-121-3-1-c6d
        """
    ),
    progress("20_missions"),
)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Look first. The obvious command changes the swarm, not the cause. And ask what happens next: today's fix has to hold at the next failure."}
# ## Recap
#
# - **Look first.** In most missions the obvious command (`--force`, `scale`, `rollback`) changes the swarm, and not the cause. A rollback helps when the cause was the last change, as in mission 6, and not in mission 2. `docker service inspect` shows what it would bring back: PreviousSpec.
# - A description outlives its reason: a constraint, a health check, arguments of last week's release. `docker service inspect --pretty` shows all of it.

# %% [markdown] slideshow={"slide_type": "skip"}
# - In each mission the problem could be seen *before* the call. What you'd look for at work tomorrow is in the debriefs.
# - Ask what happens next: today's fix has to hold at the next failure.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(
    quiz("blind_rollback", "token_and_member", "four_managers", "check_too_strict"),
    where_next("20_missions"),
)
