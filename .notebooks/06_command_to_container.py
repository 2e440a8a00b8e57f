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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"60": 0.5}, "notes": "Slide 34, the one with all the boxes. One command goes through seven parts before a container runs. We follow it, box by box. And this isn't a drawing: it's the swarm that runs beside it."}
# # From a command to a container
#
# *You type one command, and follow it through seven parts of the swarm until a container runs. Then you start three services that can't run, and see how far each gets.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say which part of Swarm does what; tell from a task's state which part has it now; find out why a task doesn't run |
# | **Time and level** | 20 minutes, after 00_start_here; the exercises take 10 more |
# | **You need** | nothing else: no Docker, no network. On real engines everything runs, but the pictures show no more than the state of each task |
# | **Slides of the talk** | 34 (the parts, from the API to the executor) |

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.service_path import service_path

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "idle", "minutes": {"60": 1.5, "90": 1.5}, "notes": "The API takes the command. The orchestrator makes tasks, the allocator gives them addresses, scheduler and dispatcher get them to a node. On the node, the worker takes its task, and the executor runs it. Two bets, and both are harder than they look.", "ask": "Docker prints the id. What exists at that moment?", "wrong": "\"Containers that are starting\": people remember the progress bars. Those come afterwards. With the id, there's one record in the store. \"The orchestrator chooses the node\": it only counts. The scheduler chooses.", "trouble": "Short of time? Take only the first bet by hands."}
# ## 1. From command to container (slide 34)
#
# > `$ docker service create nginx`
#
# The slide shows seven parts. Five run in the leading manager (the *leader*, page 04), two on each node:
#
# - **API**: takes your command. **Orchestrator**: makes tasks. **Allocator**: gives them addresses. **Scheduler** and **dispatcher**: get each task to a node.
# - **Worker**: receives the tasks for its node. **Executor**: runs the containers.

# %% [markdown] slideshow={"slide_type": "skip"}
# Two words have a second meaning: here, *orchestrator* and *worker* are parts inside the engine. Managers have a worker part, too: they run tasks.
#
# In the middle is the **store**, the data that all managers keep. You'll start three replicas of nginx with a port. (`--detach`: don't wait until they run.) Docker answers with an id. **What does the swarm have at that moment? And which part decides on which node a task will run?**

# %%
ask("id_answered", "first_to_know")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 3, "90": 1.5}, "notes": "Step through it with me. In the middle, the store: what all managers remember. The blue frame is the part at work, the yellow token is what moves. The orchestrator sees a service without tasks, and writes three. The allocator sees tasks without an address. The scheduler sees tasks without a node. No part calls another! Each part looks for one thing that's missing, adds it, and writes it back. [Ask, then:] That's why any of them may stop and start again, and the next one never notices. Stop at the scheduler: here's every node, and why this one won.", "ask": "What if the scheduler dies right here, and starts again a minute later? (Nothing is lost: the task waits in the store.)", "wrong": "\"The command is lost\": the task waits in the store. The next scheduler finds it there.", "trouble": "Lost in the steps of the picture? `r` plays the command again, from an idle swarm."}
# %docker service create --detach --name web --replicas 3 --publish 8080:80 nginx
cluster.run("10s")
display(service_path(cluster, "web"), reveal("id_answered", "first_to_know"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** Each step is one part at work. The blue frame marks the part, and the yellow token shows what moved: out of the store, back into it, or from part to part. Below the picture: what the part read, what it decided, and what it wrote. Press **Forward**, or click the picture and use **→**. **P** plays.
#
# **Try this.**
#
# 1. Stop at the scheduler, and press **Why here?** It lists every node, each test it had to pass, and which nodes remained.
# 2. Open **The code of this part**. It's the code that has just run.
# 3. Compare the last two columns of the store: what the managers *believe*, and what's true *on the node*. When do they differ?
#
# A task's state says which part has it:
#
# | State | The task is with |
# | --- | --- |
# | *new* | the allocator, for an address |
# | *pending* | the scheduler, for a node |
# | *assigned* | the dispatcher, to be sent |
# | *accepted* | the worker part of its node |
# | *preparing* (the image is pulled), *ready* (to start), *starting*, *running* | the executor |
#
# <details><summary>What you see</summary>
# <p>The five parts in the manager meet only in the store, and the dispatcher alone talks to the nodes. Each looks for something in the store (a service without enough tasks, a task without addresses, a task without a node), does its one job, and writes the result back. That's a <b>control loop</b>. So each part can wait, fail or start again, and the next one never notices.</p>
# <p>The port brings the allocator work: published ports have a network of their own (<i>ingress</i>), in which each task needs an address. A task stays <i>new</i>, without an error, while a network of its service has no address left.</p>
# <p>The node is ahead of the store: it reports in batches, up to 100 ms later, and the dispatcher stores them after another 100 ms. Most of the time goes into pulling the image.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "running", "minutes": {"60": 1.5, "90": 1.5}, "notes": "Managers never look into a container. Still, within a second they know that one has died. Who told them? And who makes sure that another one runs? I'm going to kill one. First your bets.", "ask": "Who reports it? Who replaces it?", "wrong": "\"The dispatcher asks every second\": nodes report by themselves. \"The executor starts it again\": that's docker run --restart. In a swarm a task never comes back; the orchestrator makes a new one."}
# ## 2. What happens when one dies
#
# The managers never look into a container. Yet within a second they know that one has died. The cell after the bet kills a container of `web`. **How does the swarm hear of it? And which part makes the new task?**

# %%
ask("who_reports", "who_replaces")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1.5, "90": 1}, "notes": "The executor sees its container end, its node reports, the dispatcher stores that. Now the orchestrator counts two live tasks where there should be three, and makes a new one. Same slot, new task, through all the parts again. And it waits five seconds before it starts: the restart delay. [Ask, then:] So it's the same machinery, whether you create or repair. That's the beauty of it.", "ask": "Which part did something special because this was a repair? (None of them.)", "wrong": "\"The orchestrator\": it does what it always does. It counts, and makes up the number.", "trouble": "Nothing was killed? `r` puts back three running tasks, and kills one."}
# cluster.client(name): that node's engine, in Docker's own Python library
node = next(name for name in cluster.names if cluster.client(name).containers.list())
cluster.client(node).containers.list()[0].kill()
cluster.run("15s")
display(service_path(cluster, "web"), reveal("who_reports", "who_replaces"))

# %% [markdown] slideshow={"slide_type": "skip"}
# Press **→** until the executor says *the container has failed*. The dispatcher stores that, the orchestrator reads it, and a new task in the same slot goes through all the parts.
#
# <details><summary>What you see</summary>
# <p>The executor sees its container exit, its node reports <i>failed</i>, and the dispatcher stores that. Now the store has too few live tasks, so the orchestrator gives up the dead one and makes another. It doesn't restart the old one: a task is one attempt, and never comes back. The new one is prepared at once, but starts only after five seconds (<code>--restart-delay</code>): until then it's wanted <i>ready</i>, not <i>running</i>. (From then on there are two tasks called web.2: the old one, wanted <i>shutdown</i>, and the new one.)</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "notes": "Three services that can't run. One wants far too much memory. One has a typo in the name of its image; that has happened to all of you. And for the third I drain every node. Docker accepts all three without a murmur. Where does each of them get stuck?", "ask": "Which of the three gets as far as a node?", "wrong": "\"None\": the scheduler doesn't know that an image doesn't exist. It sends the task out, and the node finds out. \"Those of big and typo\": the scheduler does know the nodes' memory."}
# ## 3. Three services that can't run
#
# You start these:
#
# - `big` wants 500 GiB of memory on one node;
# - `typo` wants the image `ngnix`;
# - `idle` is fine, but you **drain** all five nodes first. A drained node's tasks stop and are replaced elsewhere, and it gets no new ones. Here there are no other nodes, so `web` stops, too.

# %% [markdown] slideshow={"slide_type": "skip"}
# Docker accepts all three commands. **Which of their tasks get as far as a node?**

# %%
ask("where_it_stops")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "The dashed red frame is the part that says no. Big stops at the scheduler, for want of memory. Typo gets a node, and the executor can't pull the image. The red words are exactly what docker service ps shows you, so you can tell the part from the words.", "ask": "Which of the two problems will go away by itself? (Neither.)", "wrong": "\"Both, it tries again\": it does try, every five seconds. But no node will ever have that much memory, or that image.", "trouble": "Warnings about the registry are part of it: docker says that it can't find ngnix."}
# %docker service create --detach --quiet --name big --reserve-memory 500g nginx
# %docker service create --detach --quiet --name typo ngnix
cluster.run("12s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" big typo
display(service_path(cluster, "big"), service_path(cluster, "typo"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "stuck", "notes": "And idle: all five nodes drained. There's nothing wrong with it. It's pending. [Ask, then:] It waits for a node. Look at web: it was running, and now it doesn't either. A drain takes everything away.", "ask": "What does pending mean? (It has no node yet.)", "wrong": "\"It's starting\": it has no node yet."}
# %docker node update --availability drain m1
# %docker node update --availability drain m2
# %docker node update --availability drain m3
# %docker node update --availability drain w1
# %docker node update --availability drain w2
# %docker service create --detach --quiet --name idle nginx
cluster.run("4s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" idle
# %docker service ls
display(service_path(cluster, "idle"), reveal("where_it_stops"))

# %% [markdown] slideshow={"slide_type": "skip"}
# The dashed red frame marks the part that says no, and the red line what it says. Those are the words that `docker service ps` shows.
#
# <details><summary>What you see</summary>
# <p>None of the three is in a network, so the allocator has nothing to do. <b>big</b> and <b>idle</b> stop at the scheduler: no node passes every filter. They wait as <i>pending</i>, and are tried again whenever a node changes. Nothing is lost.</p>
# <p><b>typo</b> gets a node, since the scheduler doesn't look into the registry. The executor can't pull, and <i>rejects</i> the task. The orchestrator makes a second one at once, which may go to another node. It should start after five seconds, but pulling the image is part of preparing, so it's rejected at once, too. From then on, there's a new one every five seconds. The swarm doesn't know that no node will ever do better. (The warning came from the engine you sent the command to: it couldn't ask the registry for the image's exact version, its <i>digest</i>, and went on without.)</p>
# </details>
#
# The next cell makes all nodes active again. **Look at REPLICAS: which of the three has started?**

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "drained", "notes": "I make all nodes active again, and touch nothing else. Which of the three comes up? Look at the column REPLICAS.", "ask": "Do I have to start idle again? (No.)", "wrong": "\"Yes\": the task waited in the store, and goes on where it had stopped."}
# %docker node update --availability active m1
# %docker node update --availability active m2
# %docker node update --availability active m3
# %docker node update --availability active w1
# %docker node update --availability active w2
cluster.run("20s")
# %docker service ls
service_path(cluster, "idle")

# %% [markdown] slideshow={"slide_type": "skip"}
# Only `idle`: it went on where it had stopped, at the scheduler. `big` still fits nowhere, and `typo` still has no image. `web` is back as well.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "active", "minutes": {"60": 1}, "notes": "Take two things home. The parts meet only in the store; each does one small job. [Ask, then:] And a task's state tells you which part has it: new, the allocator; pending, the scheduler; preparing, the node. Next time something doesn't start, read the state, with --no-trunc, before you restart anything.", "ask": "A task is pending for ten minutes. Which part do you ask? (The scheduler: it says why no node fits.)"}
# ## Recap
#
# - **API** stores your request; **orchestrator** makes tasks; **allocator** gives addresses; **scheduler** chooses nodes (for a *global* service, the orchestrator does); **dispatcher** delivers; the node's **worker** part accepts; **executor** runs.
# - In the manager they meet only in the store. The dispatcher alone talks to the nodes, and takes their reports.
# - The state tells you which part has the task: `docker service ps --no-trunc`.
# - A task that has ended is replaced, never restarted.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Three services, three parts
#
# Not one of three services runs. Each is stuck at a different part, and one of them gives no reason at all. (Once the exercise runs, type `service_path(swarmlab.latest(), "db")` in a new cell to see the picture of one of them.)
#
# <details><summary>Commands for networks</summary>
# <p><code>docker network inspect NAME</code> shows a network's size: its subnet. <code>docker network create --driver overlay NAME</code> makes one of ample size, and <code>docker service update --network-rm OLD --network-add NEW SERVICE</code> moves a service to it.</p>
# </details>
#
# ### 2. One agent on every worker
#
# A *global* service (`--mode global`) runs one task on each node, and a constraint leaves some nodes out: `--constraint node.role==manager` leaves only managers. Start **agent** from the image `busybox`, with the command `sleep infinity`: once on every worker, those that join later included, and on no manager.

# %% slideshow={"slide_type": "skip"}
exercises("06_command_to_container", make=make)

# %% [markdown] slideshow={"slide_type": "skip"}
# How the scheduler chooses is a page of its own: **07_placement**.
#
# Three questions. The third is about page 00.

# %% slideshow={"slide_type": "skip"}
# Then score() sums up all your bets.
display(
    quiz("stuck_in_new", "global_chooses", "leader_crash"), where_next("06_command_to_container")
)
