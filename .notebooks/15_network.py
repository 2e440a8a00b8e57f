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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Slide 16: how will the containers communicate? By name. And when it doesn't work, one of three ports is closed. In the end you'll know which."}
# # The network: how containers find each other
#
# *You look up names, follow a request from hop to hop, watch gossip spread, and close a swarm's ports one at a time.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | let services find each other by name; say whose address an app sees; tell by the symptoms which port a firewall has closed |
# | **Time and level** | 20 minutes, after 00_start_here; section 5 and the exercises take 15 more |
# | **You need** | nothing else: no Docker, no network. On real engines, names and networks work as here; following a request, watching gossip and closing ports need the simulation |
# | **Slides of the talk** | 16 (how will the containers communicate?), 29 (the gossip network) |
#
# - **Overlay network**: a network that reaches across the nodes. A container has an address in it, wherever it runs. Between nodes, its packets travel in a tunnel (*VXLAN*).
# - **Virtual IP**: one address for a whole service.
# - **Load balancer**: passes each request to one of the service's tasks, in turn. Every node has its own, in its kernel.
# - **To publish** a port: to let clients outside reach a service.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.network_experiments import closed_ports, gossip_spread, inside, request_path

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "notes": "Tasks come and go, with new addresses every time. So apps use names. web has three tasks in the network shop. How many addresses does its name lead to? And what does a stranger get, outside of that network?", "ask": "One address, or three? And what does the stranger get?", "wrong": "\"Three, one of each task\": there's one, of the service. \"The address, but it can't reach it\": it doesn't even get the name."}
# ## 1. A name, not an address (slide 16)
#
# > *Como os contêineres vão se comunicar?* How will the containers communicate?
#
# A replaced task gets a new address, perhaps on another node. So apps use names: the service's name is all they have to know.

# %% [markdown] slideshow={"slide_type": "skip"}
# The cell after the bet makes an overlay network, `shop`. In it are `web` with three tasks, `db` and `app`; `stranger` isn't. Then a container of `app`, and one of `stranger`, look up a name. **How many addresses does the name `web` lead to? And what does `stranger` get?**

# %%
ask("name_leads_to", "other_network")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "One, the virtual IP. It stays as long as the service does. tasks.web gives all three, for programs that want to choose. And the stranger gets nothing: Docker's name server answers only for networks you're in.", "ask": "Which programs keep an address forever, once looked up? (Many programs do. With a virtual IP, it does no harm.)", "trouble": "A name is taken? `r` empties the swarm, and makes the services again."}
# %docker network create --driver overlay --attachable shop
# %docker service create --quiet --name web --replicas 3 --network shop nginx
# %docker service create --quiet --name db --network name=shop,alias=database redis
# %docker service create --quiet --name app --network shop busybox sleep infinity
# %docker service create --quiet --name stranger busybox sleep infinity
display(inside(cluster, "app", "nslookup web"), inside(cluster, "app", "nslookup tasks.web"))
display(inside(cluster, "stranger", "nslookup web"), reveal("name_leads_to", "other_network"))

# %% [markdown] slideshow={"slide_type": "skip"}
# In a container of an overlay, 127.0.0.11 is Docker's own name server. It knows the networks that this container is in, and no others.
#
# <details><summary>More names, and what <i>attachable</i> is for</summary>
# <p><code>web</code> is the virtual IP. It stays when tasks come and go, so it doesn't matter that many programs look up a name once and keep the answer. <code>tasks.web</code> is every task: for programs that want to choose themselves. An <b>alias</b> is one more name, in one network: here <code>database</code> leads to <code>db</code>. With <code>--endpoint-mode dnsrr</code>, a service has no virtual IP, and its name leads to the tasks.</p>
# <p>Only services may use an overlay. A container of your own, from <code>docker run</code>, may join one that was made <code>--attachable</code>.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "shop", "notes": "Follow one request, hop by hop. The name, the virtual IP, the load balancer of this very node, the tunnel, the task. [Ask, then:] No manager has anything to do with it.", "ask": "Which of these hops fails if a manager dies? (None: every node has all of them.)", "wrong": "\"The load balancer\": each node has its own, in its kernel."}
# Where does a request go then? Here's one to `db`, from a container in `shop` on m1, hop by hop:

# %%
request_path(cluster, "db", source="m1")

# %% [markdown] slideshow={"slide_type": "skip"}
# (10.0.1.6 is the address of m1's load balancer in `shop`.)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "inside", "notes": "From outside now. The only task is on w1, and the client asks w2. What happens? And whose address does the app write into its log?", "ask": "Refused, or passed on? And whose address?", "wrong": "\"Refused: nothing runs there\": every node answers for every published port. \"The client's\": w2 puts its own in the place."}
# ## 2. From outside: whose address?
#
# `who` has one task, on w1, and publishes port 8081. A client asks port 8081 of **w2**. **What happens? And whose address does the app see?** (Apps write it into their logs, or limit who may ask how often.)

# %%
ask("any_node", "whose_address")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "It's passed on: that's the routing mesh. And the app sees an address of w2. So all clients look like a few. Your rate limits, your logs, your bans: all of them see the load balancer.", "ask": "Whose rate limit counts addresses? (Hands only.)", "trouble": "`r` brings back the swarm without the port, and does this step again."}
# %docker service create --quiet --name who --constraint node.hostname==w1 --publish 8081:80 \
#     traefik/whoami
display(request_path(cluster, 8081, source="w2"), reveal("any_node", "whose_address"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "mesh", "notes": "Host mode opens the port only where a task runs, and nothing stands between. w1 sees the real client; w2 refuses. You choose: any node, or the true address.", "ask": "Which one does your proxy need? (Host mode, if it has to see the client's address.)"}
# That's the **routing mesh**, or *ingress* mode: every node takes the request, and its load balancer passes it on, under an address of its own.
#
# In **host mode** the port is opened only where a task runs, and nothing stands between. (`--publish-rm` wants the container's port, 80.) The same client asks w1, and then w2:

# %%
# %docker service update --quiet --publish-rm 80 --publish-add mode=host,published=8081,target=80 who
display(request_path(cluster, 8081, source="w1"), request_path(cluster, 8081, source="w2"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Which one to choose</summary>
# <p><b>Ingress</b> if any node must answer; the app then needs another way to know its clients, such as a header that a proxy in front adds. <b>Host</b> if the app needs the client's own address, but then only one task fits on a node: a second one would find the port taken. It goes well with <code>--mode global</code>, and with a load balancer of your own in front.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "host", "notes": "Slide 29. A task has just started somewhere. Each of thirty nodes has to know it. Who tells them, and how long does it take?", "ask": "The leader, no one, or each other? And how fast?", "wrong": "\"The leader\": no manager is asked. \"30 seconds\": that's the slow comparison. The news is much faster."}
# ## 3. Who tells the nodes? (slide 29)
#
# > *gossip network*
#
# Each load balancer has to know every task of the service. A new task has just started on some node. **Who tells the others? And how long does it take until all of 30 nodes know?**

# %%
ask("who_tells", "gossip_fast")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "They tell each other. Each tells three, and those tell three: in less than a second nearly all know. One may be unlucky, and never hear it. That's why once in thirty seconds two nodes compare everything.", "ask": "Ten times as many nodes: ten times as long? (No: one round more, or two.)", "wrong": "\"Yes\": one round or two more."}
display(gossip_spread(nodes=30), reveal("who_tells", "gossip_fast"))

# %% [markdown] slideshow={"slide_type": "skip"}
# Each dot is a node; filled dots know the new task.
#
# <details><summary>How it works, and why one node may be late</summary>
# <p>Five times a second, a node tells what's new to three others of the same network, chosen at random. They tell others. No node counts who knows already; each passes a piece of news on a few times, then stops. So with bad luck a node never hears it. That's why, every 30 seconds, each node also compares its whole table with another's, and that fills the gap: look at the last row.</p>
# <p>Gossip also finds failures: each second a node pings another one. No answer, not even by way of three others: it's <i>suspected</i>, and some four seconds later it counts as lost. Its tasks leave all the tables.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ports", "notes": "Three ports. 2377, the managers' orders. 7946, gossip. 4789, the tunnel with all the packets. A firewall closes one of them for a minute, then the next. Which one does what?", "ask": "Which one makes half of the requests vanish, while everything looks healthy?", "wrong": "\"2377\": managers notice, users don't. \"7946\": its tasks are simply forgotten. It's 4789: nothing watches the tunnel."}
# ## 4. A firewall closes one port
#
# Nodes need three ports between them. **2377**: the managers' orders, and reports to them. **7946**: gossip. **4789**: the tunnel, with all packets between containers.

# %% [markdown] slideshow={"slide_type": "skip"}
# m1 and w1 each run a task of `web`, and m1 gets 50 requests a second. A firewall between the two closes one of the ports for a minute, then another. **Which one does what?** Last, all three at once, as if the cable were cut.

# %%
cluster = make(managers=1, workers=1, seed=7)
# %docker service create --quiet --name web --mode global --publish 8080:80 nginx
ask("port_down", "port_silent", "port_or_cable")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "two", "notes": "Read it row by row. 2377: w1 is down, says the manager, and its containers still serve. 7946: each node sends requests only to its own task. 4789: all green, and half of the requests are lost. And the whole cable is better than half of it: a silent node soon counts as lost. When someone says, it works sometimes, look at 4789, UDP.", "ask": "Who'd have found that in five minutes? (Hands only.)", "trouble": "On real engines no port can be closed here. PageDown."}
display(
    closed_ports(cluster, "web", "m1", "w1"), reveal("port_down", "port_silent", "port_or_cable")
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>How to read it</summary>
# <p><b>2377</b>: the manager hears nothing from w1, calls it <i>down</i>, and if <code>web</code> weren't global, would replace its tasks on another node. But w1's containers run on, and still get requests. <b>7946</b>: each node counts the other as lost, and sends requests only to its own task. <b>4789</b>: everything that Docker shows is in order, and half of the requests vanish. Nothing looks at the tunnel itself.</p>
# <p><b>All three</b>: requests fail for some seconds, until w1 counts as lost in gossip. Afterwards m1 sends requests only to its own task. A clean cut heals faster than half of one.</p>
# <p>With a third node, gossip goes around the closed link, so w1 never counts as lost. Then even a cut of all three ports between m1 and w1 loses requests as long as it lasts: a third of them. Try it: <code>managers=1, workers=2</code>.</p>
# </details>
#
# When "it works sometimes", look at 4789/udp first.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "surprises", "notes": "Three surprises, quickly. I drain a node on which someone has started a container by hand. I ask for logs of a dead node. And six replicas go into a network with six addresses.", "ask": "How many of the six run?", "wrong": "\"Four\": the gateway and the virtual IP take two. But each node needs an address, too, and gets none, so none runs. \"A drain stops mine\": it clears the swarm's tasks only."}
# ## 5. Extra: three surprises
#
# - `mine` is a container of your own on w1: no service, just `docker run`. You **drain** w1.
# - w2 crashes, and you ask for the **logs** of a service that has a task there.
# - A network has the **subnet** 10.50.0.0/29, six usable addresses, and a service wants six replicas in it.

# %%
cluster = make(managers=1, workers=2, seed=7)
ask("drain_own", "logs_down", "full_subnet")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "fresh", "notes": "Mine runs on. The logs of w2 have gone with w2: they stay where they're written. And not one of the six runs, since the nodes have no address left. Make your networks large; you can't change them later.", "ask": "Which of the three have you met? (Hands, for one after the other.)", "trouble": "A name is taken? `r` begins again with a fresh swarm."}
# %docker service create --quiet --name id --replicas 3 \
#     --hostname {{.Service.Name}}-{{.Task.Slot}}-on-{{.Node.Hostname}} \
#     busybox sh -c "hostname; sleep infinity"
# %docker -H w1 run --quiet --detach --name mine busybox sleep infinity
# %docker node update --availability drain w1
# %docker network create --driver overlay --subnet 10.50.0.0/29 tiny
# %docker service create --quiet --detach --name small --network tiny --replicas 6 busybox sleep 1d
cluster.run("20s")
# %docker -H w1 ps --format "{{.Names}}: {{.Status}}"
# %docker service ps --format "{{.Name}} {{.CurrentState}}" small
cluster.crash("w2")
# %docker service logs --no-task-ids id
reveal("drain_own", "logs_down", "full_subnet")

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What happened to the subnet</summary>
# <p>One address is the gateway's, one the service's virtual IP, four went to tasks. Two tasks stay <i>new</i>: the allocator has nothing left. But each node also needs an address of its own in the network, for its load balancer, and got none: so the other four wait, <i>preparing</i>, and are rejected after 30 seconds. A subnet can't be changed later. Take a large one.</p>
# </details>
#
# The lines of the logs show **templates**: `--hostname`, `--env` and `--mount` may contain `{{.Task.Slot}}` or `{{.Node.Hostname}}`, which each task fills in. So replicas of one service can tell who they are.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Two networks, and a service in between
#
# An API has to reach a database that the web server mustn't even find. (`docker service update --network-add` puts a service into one more network.)
#
# ### 2. Whose address is that?
#
# An app counts its clients, and sees far too few.

# %% slideshow={"slide_type": "skip"}
exercises("15_network", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "A name leads to a virtual IP. The mesh answers on every node, and hides the client. Nodes gossip, without a leader. And remember the three ports: 2377, 7946, 4789."}
# ## Recap
#
# - A service's name leads to its virtual IP, in the networks that both sides share.
# - In ingress mode every node answers, and hides the client. In host mode only a task's own node does, and shows it.
# - Nodes tell each other about tasks, by gossip. Managers gossip like any node; it needs no leader.
# - 2377 closed: the node is down. 7946: its tasks are forgotten. 4789: requests vanish, and nothing tells you.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** the table of section 4.
#
# The last question is about page 06.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(
    quiz("same_hostname", "requests_without_quorum", "two_networks_apart", "stuck_in_new"),
    where_next("15_network"),
)
