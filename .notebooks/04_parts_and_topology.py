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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Who does what in a swarm? We find out in the rudest way there is: by taking the parts away."}
# # Swarm's parts, and who does what
#
# *You click through Swarm's history, take a service apart into tasks and containers, and find out what each kind of node is for by taking it away.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say what service, slot, task and container are; what managers and workers do; let nodes join and leave, promote and drain them |
# | **Time and level** | 20 minutes, after 00_start_here; all exercises take 8 more |
# | **You need** | nothing else: no Docker, no network. (On real engines, the picture in section 4 doesn't show who is talking to whom at the moment) |
# | **Slides of the talk** | 21–23 (history), 24 (components), 25–28 (nodes), 29 (topology). [The talk](index.ipynb) is in Portuguese |
#
# - **Node**: an engine that's in the swarm. Each is a **manager** or a **worker**; section 3 shows the difference. The managers elect one of them, the **leader**; the others are its *followers*. A *term* is the number of an election (page 05).
# - **Raft**: the protocol by which the managers all keep the same data.
# - **Join token**: a password with which an engine joins the swarm.
# - **Service**: what you ask a swarm for, such as three copies of nginx.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.eras import eras
from swarmlab.views.slots import slots
from swarmlab.views.topology import topology

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=3, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "minutes": {"90": 1}, "notes": "Slides 21 to 23, some history. A cluster needs a list of its machines. In 2015 there was a Swarm already, another one, and you had to bring that list yourself. Where was it kept?", "ask": "2015: where was the list of engines kept?", "wrong": "\"On the managers\": that came in 2016, with swarm mode."}
# ## 1. How it came to be (slides 21–23)
#
# A cluster needs a list of its engines. **In classic Swarm, of June 2015, where was it kept?**

# %% [markdown] slideshow={"slide_type": "skip"}
# After your bet, click through the time line. You can't try classic Swarm any more; for the other three versions, the cell runs a command that was new in each. (A `%docker` line that starts with a command of the shell, such as `printf`, runs as it is. `-` reads what comes through the pipe, `|`. *Senha* is *password*.)

# %%
ask("who_knew")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "In an outside service, Consul or etcd: before your first container you had another cluster to look after. Since 1.12 the managers keep it themselves. Since 1.13 there are secrets, and then configs.", "trouble": "Commands refused, since names are taken? `r` begins again with an empty swarm."}
# %docker service create --quiet --name web --replicas 3 --publish 8080:80 nginx
# %docker printf s3nha | docker secret create senha-db -
# %docker printf debug | docker config create cfg-demo -
display(eras(), reveal("who_knew"))

# %% [markdown] slideshow={"slide_type": "skip"}
# > *Lançado em junho de 2015, beta e dependente de service discovery externo.* Launched in June 2015 as a beta that depended on an outside *service discovery*: a directory of the engines.
#
# Most of what the time line names has a page of its own; see the [course map](index.ipynb).

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"90": 1}, "notes": "Slide 24. A service is what you asked for. A slot is the place of one replica: web.1. A task is one attempt to fill it. A container is what the task runs. I kill one container. What fills its slot?", "ask": "Same container, same task, or a new task?", "wrong": "\"The same container, started again\": that's docker run --restart. A task is one attempt."}
# ## 2. Service, slot, task, container (slide 24)
#
# The picture in the next cell is slide 24 for your service:
#
# - **Service**: what you asked for, here three *replicas*, or copies.
# - **Slot**: the place of one replica, numbered: `web.1`.
# - **Task**: one attempt to fill a slot, on one node.
# - **Container**: what the task runs there.

# %% [markdown] slideshow={"slide_type": "skip"}
# Each task has *two* states: the **desired** one (*wanted*, in the picture) and the **actual** one (*is*). Next, the cell kills one container, on the first node that has any. **What fills its slot afterwards?**

# %%
display(slots(cluster, "web"), ask("slot_filled"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Same slot, new task, new container. The old task stays as history: wanted shutdown, is failed. Slots last, tasks don't.", "trouble": "`r` puts back three running tasks, and does this step again."}
# cluster.client(name): that node's engine, in Docker's own Python library
node = next(name for name in cluster.names if cluster.client(name).containers.list())
cluster.client(node).containers.list()[0].kill()
cluster.run("15s")
display(slots(cluster, "web"), reveal("slot_filled"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What you see</summary>
# <p>The slot keeps its name. It has a new task, with another id, and the task has another container. The old task stays in the list as history: wanted <i>shutdown</i>, is <i>failed</i>. It never runs again.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "minutes": {"90": 1}, "notes": "Slides 25 to 28. Workers run and report. Managers decide and remember. First I take away a worker, then the only manager. After which of the two does your app wait for you?", "ask": "Neither, worker, manager, both?", "wrong": "\"After both\": the worker is the one that people see working. \"Neither\": nothing replaces the only manager."}
# ## 3. Workers and managers, by taking them away (slides 25–28)
#
# > *Workers: instâncias que rodam contêineres e reportam os estados deles. Managers: decidem onde contêineres devem ser executados, mantêm o desired state dos serviços, gerenciam o cluster.*
#
# Workers run containers and report their states. Managers decide where containers run, keep the desired state, and manage the cluster.

# %% [markdown] slideshow={"slide_type": "skip"}
# Unless you forbid it, a manager runs containers, too: m1 does here.
#
# First you scale `web` to 6, and w1 loses power. Then, with w1 back, the only manager loses power, and after that a container on w2 dies. **After which of the two losses does the app wait for you?**

# %%
ask("loss_by_hand")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "The worker is gone, and its tasks have been replaced on other nodes. No one typed anything.", "ask": "And what does the picture say of the tasks that ran on it? (Wanted shutdown, is running: w1 can't report that they've stopped.)", "trouble": "`r` puts back the healthy swarm, and does this step again."}
# %docker service scale --detach web=6
cluster.run("10s")
cluster.crash("w1")
cluster.run("40s")
slots(cluster, "web")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "noworker", "minutes": {"90": 0.5}, "notes": "Now the only manager, and a container on w2 dies as well. Nothing happens. The workers can't even list the services."}
# w1's tasks are wanted *shutdown*, but still listed as *running*: there's been no report from them. Others have taken their slots. Now the manager.

# %%
cluster.start("w1")
cluster.run("20s")
cluster.crash("m1")
cluster.client("w2").containers.list()[0].kill()
cluster.run("60s")
# %docker -H w2 ps --all --format "{{.Names}} {{.Status}}"
# %docker -H w2 service ls

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "nomanager", "minutes": {"90": 1}, "notes": "The manager is back. It hears the reports, compares, and repairs. So what runs goes on running without a manager, but nothing is repaired. You never want to have only one. How many, then? That's page 05.", "ask": "If one is too few, are two enough? (No: a majority of two is two.)", "wrong": "\"Yes\": a majority of two is two. Both would have to be up."}
cluster.start("m1")
cluster.run("60s")
display(slots(cluster, "web"), reveal("loss_by_hand"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What you see</summary>
# <p>Without its manager, the swarm doesn't notice that a container has died, and replaces nothing. What runs goes on running. A worker can't even list the services: it doesn't have them. Once the manager is back, it hears the reports, compares, and repairs.</p>
# <p>Then why does w1 still run nothing? A new task goes to the emptiest node that is <i>ready</i>, and after its start the manager counts a node as ready only when the node has reported again. The new tasks were placed at once, when only some had.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "onemanager", "notes": "Promote two workers, and each becomes a manager. Drain w3: its tasks go elsewhere. It leaves, it's removed, it joins again. Does it get its tasks back?", "ask": "What does w3 run when it's back?", "wrong": "\"Its share\": it's a new node, even with the old name. And running tasks don't move."}
# So one manager isn't enough. **Promote** two workers: each becomes a manager, and goes on running tasks.

# %% [markdown] slideshow={"slide_type": "skip"}
# (Why two, not one? A majority must be up, and of two managers that's both: page 05.) Then **drain** w3: its tasks stop and are replaced elsewhere, and it gets no new ones. w3 **leaves** the swarm, is removed from the list, and **joins** again. **Does it get its tasks back?**

# %%
ask("drained_and_back")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Drain, leave, rm, in this order. A manager removes only a node that it knows to be down.", "ask": "Why rm, when it has left already? (leave tells only its own engine. On the managers' list it stays, down, until you remove it.)", "wrong": "\"leave does that, too\": leave doesn't change the managers' list. Only a manager does.", "trouble": "\"node is not down\"? `r` goes back, and does it again in the right order."}
# %docker node promote w1 w2
# %docker node update --availability drain w3
cluster.run("20s")
# %docker -H w3 swarm leave
cluster.run("20s")  # a manager removes only a node that it knows to be down
# %docker node rm w3
# %docker node ls

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "left", "notes": "A token is a password to get in. The manager prints the whole command, and the new node runs it. Address, port 2377, token.", "ask": "Who may see this token? (Only those who may add machines to your swarm.)", "wrong": "\"Everyone on the team\": with it, anyone who reaches a manager can put a machine into your swarm."}
# In the list, `*` marks the node that answers you, and *Reachable* a manager that isn't the leader. On a manager, `docker swarm join-token worker` prints the command that the new node has to run. The second command below is that one: `$(…)` fills in the token and the address of the manager, which listens for nodes at port 2377.

# %%
# %docker swarm join-token worker
# %docker -H w3 swarm join --token $(docker swarm join-token --quiet worker) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
cluster.run("20s")
# %docker node ls
display(slots(cluster, "web"), reveal("drained_and_back"))

# %% [markdown] slideshow={"slide_type": "skip"}
# A dash stands for w3 as it was: that node has been removed. The new w3 has another id.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "joined", "minutes": {"90": 1}, "notes": "Slide 29, alive. Managers form the Raft group; they're also the CA, and sign certificates. TLS everywhere. And all nodes gossip. I click the leader. Who leads now? And if I click that one, too?", "ask": "Two of three managers are gone. Who leads? (No one: one of three is no majority.)", "wrong": "\"The last one\": one of three is no majority. There's no leader.", "trouble": "All dead by now? `u` starts what is down."}
# ## 4. Who talks to whom (slide 29)
#
# Managers form the **Raft** group: they keep the same data. Each is also a **CA**: it issues the certificates with which nodes prove who they are, and with which **TLS** encrypts every connection. All nodes **gossip**: each tells some others, picked at random, who's there and which networks it has.

# %% [markdown] slideshow={"slide_type": "skip"}
# Click a node to crash it, or to start it again. **Crash the leader: who leads now? Crash the new one, too: who leads then?**

# %%
topology(cluster)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What you see</summary>
# <p>Of three managers, two are a majority: they elect a new leader. One alone isn't, so no one leads, and nothing can be changed. Containers run on, and the nodes that are left go on gossiping.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "You ask for a service; slots are filled by one task after the other. Workers run and report; managers decide, remember and repair. And a node that joins starts empty."}
# ## Recap
#
# - You ask for a **service**. A **slot** is filled by one **task** after the other; each has one **container**.
# - **Workers** run and report. **Managers** decide, remember and repair. Without a manager, what runs goes on, and nothing is repaired.
# - Drain before you let a node leave. A node that joins starts empty.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Survive the loss of a manager
#
# ### 2. Retire a node
#
# w2 is old: take it out of the swarm for good, while **web** keeps its six replicas on the other nodes. The line `run 20s` lets time pass in the exercise's box.

# %% slideshow={"slide_type": "skip"}
exercises("04_parts_and_topology", make=make)

# %% [markdown] slideshow={"slide_type": "skip"}
# Three questions; the last two are about pages 00 and 03.

# %% slideshow={"slide_type": "skip"}
# Then score() sums up all your bets.
display(quiz("leave_or_rm", "comes_back", "what_is_desired"), where_next("04_parts_and_topology"))
