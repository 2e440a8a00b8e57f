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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "[This step is on already, PageDown goes to the next; keys count in both windows.] This is a swarm. Five machines, simulated, in this notebook. It behaves like the real one, down to the words of its error messages, and I can crash it as often as I like. In a quarter of an hour you'll have seen a machine die, and the swarm repair itself, without anyone typing a command. And you'll bet on it first. How it works: you bet with your hands, I run it, and then we look at what really happened. No question is too simple: each helps three others.", "ask": "Who has been called at night because one machine died? (Hands only.)", "trouble": "Before you begin: the other window goes on the projector; F11 fills its screen. If this one is too small, scroll it with the mouse. `0` twice sets the clock to zero; the plan leaves minutes for questions. No board on it? `r`. On any step that key puts the swarm back to where the step began, and runs it again, in a second or two; hands and clock stay as they are. One PageDown too many? PageUp, then `r`."}
# # Start here: a swarm in your notebook
#
# *In 15 minutes you run a service on five machines, crash the one in charge, and watch the swarm repair itself.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | start a swarm, run a service, and say what happens when a machine dies |
# | **Time and level** | 15 minutes, first steps |
# | **You need** | nothing else: no Docker, no network |
# | **Slides of the talk** | 20 (why orchestrate), 24–28 (service, task, nodes), 29–31 (leader) |
#
# The machines are simulated. Commands and output follow Docker's. The course follows a talk given in Portuguese; its sentences are quoted, and translated.
#
# Click the cell below and press **Shift+Enter**. (Nothing appears? Run the last cell.)

# %%
import swarmlab

cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "Each column is a machine, a node. m1, m2 and m3 are managers: they make the decisions. One of them is the leader; the board says which. w1 and w2 are workers: they run containers, and report back. In this swarm the managers run containers, too, unless I forbid it. Remember who leads: m1. Each column stands for an ordinary Linux machine with Docker on it. At the top is the swarm's own time. It stands still while I talk; when I let a minute pass, it's over at once.", "ask": "Three managers. Why three, do you think, and not one or two? (More than half of them, the quorum, must agree on each change; more than half of all, running or not. So of three, one may fail; of two, none: two are no safer than one.)", "wrong": "\"To share the work\": they all keep the same data, and one leads. They're there for the day when one of them is gone.", "trouble": "Unreadable from the last row? Ask them, and zoom with Ctrl and + in the room's window. Someone asks what term 2 is? It counts elections, those without a winner, too; it rises when m1 crashes. \"Is that Docker?\": the machines are simulated, with Docker's own API, and held against real engines in tests."}
# Each column is a machine: a *node* of the swarm. (JupyterLab shows this *board* in a panel above the page.)
#
# - **m1, m2, m3** are *managers*: they make the decisions. One of them is the *leader*.
# - **w1, w2** are *workers*: they run *containers* (programs, each in a box of its own) and report back. Here the managers run some, too.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What are “term” and seed=7?</summary>
# <p>The <b>term</b> numbers the leaders: each election starts a new term. (Term 1 was the start-up; the first election started term 2.) The <b>seed</b> fixes chance: run the same cells in the same order as your neighbour, and you'll both see the same.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"45": 1, "60": 1}, "notes": "The same thing in Docker's own words: docker node ls. The star marks the manager I've asked, and Reachable means: up, but not the leader. Read the lines with me: five nodes, all of them ready, so they're up, and active, so no one has barred them from work. Three have a manager status; the workers have none. If I asked a worker this question, it would refuse: only managers know the list. The words in the picture come later, you need none of them now.", "ask": "Which machine would you rather not lose? (Most say m1, the leader. Take the answer, and go on: it's the one that crashes.)", "wrong": "\"The star is the leader\": it's the manager that I've asked. Here that's m1, too.", "trouble": "Someone asks about one of the words? Raft: how the managers agree on one list of changes. CA: who signs the nodes' certificates. TLS: encrypts their connections. Gossip: how nodes tell each other who has which overlay network, a network across machines."}
# `%docker` is Docker's command line in a notebook. List the nodes: `*` marks the manager you asked; *Reachable* means up, but not the leader. The picture is slide 29; its words (Raft, CA, TLS, gossip) can wait.

# %%
from swarmlab.views.topology import topology

# %docker node ls
topology(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "minutes": {"30": 1, "45": 1, "60": 1, "90": 0.5}, "notes": "Six copies of a web server, please. Note what I don't say: where they run, and in which order. I say what I want, and the swarm finds out how. First you guess, then I run it. [PageDown creates the service.]", "ask": "Five nodes, six copies: how will they be spread? (One on each, and one of the nodes gets two. Don't tell: PageDown shows it.)", "wrong": "\"Three on each worker\": managers run tasks as well, unless you drain them: then they get none.", "trouble": "Silence? Offer two guesses: all on the workers, or one on each."}
# ## Say what you want
#
# Six copies of a web server, please. You say *what*; the swarm works out *where* and *how*.

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 0.5, "45": 0.5, "60": 0.5, "90": 0.5}, "notes": "All six are there: each went to the emptiest node. Skip the ID, and read on: the copy's name, its image, its node. Then desired state and current state: what I want, and what is. When the two agree in every line, Docker says converged.", "trouble": "A service web exists already? `r` puts back the empty swarm, and creates it. Someone asks why m3 has two? All had one, so any of them would do. How to reach it from outside? No port is published here; for those that are, any node answers (page 15)."}
# %docker service create --name web --replicas 6 nginx
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 0.5}, "notes": "Three words. A service is what I asked for. A replica is one of the copies: web.1, web.2. A task is one attempt to run it. Remember that last one: an attempt. Tasks die, and new ones take their place. Services stay. [Time left? PageUp shows the ID of web.4's task, and runs nothing: after the crash it's another.]", "ask": "If web.1 dies, does the same task start again? (No: a new task, with its own ID and container, takes its place. It's still web.1.)", "wrong": "\"Yes\": a task is one attempt, and never starts twice. A new task takes its place."}
# The board fills up. Three words (slide 24):
#
# - A **service** is what you asked for: *six copies of nginx*.
# - A **replica** is one of the copies: `web.1` to `web.6`.
# - A **task** is one attempt to run a replica: one container on one node.
#
# The swarm put each task on the emptiest node. Once all run as you asked (CURRENT STATE matches DESIRED STATE), the service has *converged*.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"30": 1.5, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Now it gets serious. m1, the leader, is about to lose power. Two questions at once: what happens to the swarm, and what happens to web.4, whose task is on m1? Everybody votes. [With hands: the click that the page asks for is for those at a keyboard.] You learn most when you've been wrong.", "ask": "Four choices, one hand each. Who is sure?", "wrong": "\"The swarm is gone\": the leader knows nothing that the others don't. \"Someone has to pick a new leader\": the other managers notice the silence, and vote. \"The tasks wait for m1\": you asked for six, and the swarm brings the number back to six.", "trouble": "No hands? Point at one choice and ask who thinks it's wrong. The key `c` crashes the leader at once: not here, PageDown does it. Crashed too early? `r` brings m1 back, after PageUp if this step is gone."}
# ## Crash the leader
#
# The leader, m1, is about to lose power. **What happens to the swarm, and to web.4, the task on m1?** Bet first.

# %%
from swarmlab.lessons.bets import ask, reveal

ask("leader_crash")

# %% [markdown] slideshow={"slide_type": "skip"}
# Pull the plug: **on the board, click m1 and choose Crash**. Watch. Then **click the next cell** and run it: it crashes m1 if you haven't, lets a minute pass, and says who was right.

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2, "60": 2, "90": 1.5}, "notes": "[The minute is over at once: tell what happened in it. The list under the board has it, newest on top.] m1 has lost power. And then, for some seconds, nothing: no one had noticed. No machine can report its own death; the others only notice that it's silent. Then two managers held an election, and m2 leads. And after that, some forty seconds after the crash, m1 counted as down, and its task was replaced on another node. Who was right? Look at the term as well: it was 2, and now it's 3. Each election starts a new one, and that's how an old leader learns that its time is over. [Time left? Go through the wrong bets: below.]", "ask": "And if m2 crashes now, too? (One of three is left, no majority: no leader, no changes, no repairs. What runs keeps running. \"Show us!\": page 05 does.)", "wrong": "\"m3 leads alone\": one of three is no majority. \"The workers choose\": only managers vote.", "trouble": "You should see: m1 hatched and down, m2 the leader, term 3, a new web.4 on w1. \"Forty seconds?\": with Swarm's defaults, on real engines, too; docker swarm update --dispatcher-heartbeat changes that. \"And the users?\": five copies went on answering. Crashed one machine too many? `r` brings back the running swarm, and crashes m1 alone."}
cluster.crash("m1")
cluster.run("60s")
reveal("leader_crash")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "crashed", "minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "m1 can't answer, so I ask m2: that's the dash H. m2 leads. m1 is Down as a machine, and Unreachable as a manager. Six tasks should run, none of them on m1; web.4 is on w1, with another ID. And the workers? They simply went on. If one had been talking to m1, it has found another manager by now. But look at the last line: seven of six! [Ask, then:] Real engines count the same way, and when m1 is back, it's six again.", "ask": "Seven of six running. Is that a bug? (No. The seventh is the old web.4 on m1. The swarm wants it stopped, so the filter, which shows what should run, leaves it out; but the last that Docker heard of it is Running, and that's what it counts.)", "wrong": "\"A bug\": Docker counts a task as running until it hears otherwise, and m1 is silent.", "trouble": "\"Down, and still Active?\": Active is what it may do, Down is how it is. \"Cannot connect\"? m2 is down as well. `r` brings back the moment after the crash, and asks again."}
# m1 can't answer now, so `-H m2` asks m2. (At work you'd set `DOCKER_HOST`.) The filter shows only tasks that *should* run. A dead machine counts as down only after some time (here about 40 s); only then are its tasks replaced. **Who leads? Where are the tasks?**

# %%
# %docker -H m2 node ls
# %docker -H m2 service ps --filter desired-state=running web
# %docker -H m2 service ls

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What happened</summary>
# <p>Six tasks run, none of them on m1, and another manager leads. You typed nothing: the swarm compared what <i>is</i> with what you <i>want</i>, and fixed the difference. That's slide 20.</p>
# </details>
#
# <details><summary>6 tasks run, but <code>service ls</code> says 7/6? Why does the board show two counts?</summary>
# <p>On the board, the second count is Docker's. Docker counts a task as running until it hears otherwise, and a dead machine can't report that its tasks have stopped. So a lost task and its replacement both count. Once m1 is back, Docker says 6/6 again. Real engines count the same way.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "repaired", "minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "In a moment the power comes back. m1 boots, and finds the others. It was the leader not long ago. What does it do? Three choices, and this one splits every room. Think of your own servers: what do you expect of one after a reboot?", "ask": "Does it lead again? Does it get its tasks back?", "wrong": "\"It takes its old tasks back\": people expect things to return to normal. But a running task never moves. \"It gets some at once\": Swarm doesn't rebalance, and many people wait for that in vain."}
# ## m1 comes back
#
# The power is about to come back. **What does m1 do?** Bet first.

# %%
ask("comes_back")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1}, "notes": "It's a follower, a manager that doesn't lead, and it's empty. Swarm doesn't move a healthy task just to make the picture look even. Moving it means stopping it while people use it, although nothing is wrong with it. The next new task goes to m1, because it's the emptiest. So: you say what you want, the swarm compares that with what is, and repairs the difference. That's orchestration. All the rest is detail.", "ask": "How would you get work onto m1 now? (Make new tasks: scale web up, or docker service update --force web.)", "wrong": "\"Restart the service\": close. Scale up, or docker service update --force, which replaces every task, one by one.", "trouble": "m1 still looks dead? `r` brings back the moment before, and starts it once more."}
cluster.start("m1")
cluster.run("30s")
reveal("comes_back")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. Give m1 work again
#
# m1 is up, but idle. Make it run tasks again, without crashing anything. Type your command in the next cell. (`%docker service --help` may help.)
#
# <details><summary>A hint</summary>New tasks go to the emptiest node. Which command makes new tasks?</details>
# <details><summary>Answer</summary>More replicas mean new tasks: <code>%docker service scale web=10</code>. They go to the emptiest nodes, and m1 is the emptiest. Or replace every task, even with no changes: <code>%docker service update --force web</code>.</details>

# %% slideshow={"slide_type": "skip"}
# Your commands, for example:
# %docker service ls

# %% [markdown] slideshow={"slide_type": "skip"}
# ### 2. Empty w1, so that you can switch it off
#
# A node that you **drain** takes no new tasks; its old ones are replaced elsewhere. (See `%docker node update --help`.)
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**. *Fewest* is how many changes our solution needs.

# %% slideshow={"slide_type": "skip"}
from swarmlab.lessons import exercises

exercises("00_start_here", make=swarmlab.simulate)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "python", "notes": "Everything you've seen goes through Docker's own API. So the standard Python library works as well, the one that you'd use against your real servers. Same code, no changes.", "ask": "Who automates Docker with something other than the shell? (Hands only.)", "trouble": "m2 is down, and the cell can't reach it? `r` begins again with a whole swarm.", "code": true}
# ## The same in Python
#
# `cluster.client("m2")` is the standard `docker` library, talking to m2. The same code works on a real swarm.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>From a terminal, beside the board</summary>
# <p>In a new cell, run <code>cluster.serve()</code>. It shows a line to paste into a terminal: JupyterLab's own (<i>File → New → Terminal</i>) or any other. Then type <code>docker node ls</code> there; without Docker, <code>swarmlab docker node ls</code>. What you type moves the board. Time runs while the cluster is served; <code>cluster.close()</code> ends it. (Linux and macOS.)</p>
# </details>

# %%
client = cluster.client("m2")
cache = client.services.create("redis", name="cache")
cluster.run("30s")
[task["Status"]["State"] for task in cache.tasks()], [s.name for s in client.services.list()]

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "whatif", "notes": "My favourite. Everything I've done is one small file. I can load it, step back to just before the crash, and fork: a copy of the swarm goes on from there, and m1 never dies. Try that at work.", "ask": "If m1 hadn't crashed, would any task have moved? (No: running tasks stay.)", "wrong": "\"Some would, to even things out\": none would. Running tasks stay.", "trouble": "Lost in time? `r` loads the run again."}
# ## What if …?
#
# `save()` writes what you did to a file that you can send to a friend; `load()` replays it. Here it is as a **timeline**. (*web.4 failed* isn't a second failure: m1 is back, and reports that its old web.4 died in the crash.)

# %% [markdown] slideshow={"slide_type": "skip"}
# **What if m1 had never crashed?** Click *Back* (or press ←) until you're at *service create web*, just before the crash. Then click **Fork here**: a copy goes on from there, and `%docker` talks to it. In a new cell (**Esc**, then **b**), let a minute pass there. Did any task have to move?
#
# ```
# copy = swarmlab.latest()
# copy.run("60s")
# %docker service ps web
# ```
#
# <details><summary>The same in Python</summary><p><code>cluster.as_of("35s")</code> is the swarm as it was then; <code>cluster.fork()</code> is a copy of it as it is now. To let <code>%docker</code> talk to a copy: <code>swarmlab.use(copy)</code>.</p></details>

# %%
from pathlib import Path
from tempfile import gettempdir

from swarmlab.views.timeline import timeline

path = cluster.save(Path(gettempdir()) / "my_swarm.json")
again = swarmlab.load(path)  # %docker now talks to this one
timeline(again)

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Where next?
#
# The [course map](index.ipynb) has every page, and every slide of the talk. **To show a colleague:** crash the leader on the board, and wait.
#
# On to **01_vm_vs_container** (what is a container?) or **05_quorum** (how many managers can fail?).
#
# **Check my set-up.** Something doesn't work? Run this; the last column says what to do.

# %% slideshow={"slide_type": "skip"}
from swarmlab.jupyter.setup_check import checkup
from swarmlab.lessons import where_next

display(checkup(), where_next("00_start_here"))
