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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Why does a task land here, and not there? There's exactly one part that decides, and it can tell you why."}
# # Placement: why here, and not there?
#
# *You ask the scheduler about single tasks, spread a service over zones, and find out why four services wait.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say which node gets a task and why; spread over zones; find out why a task waits |
# | **Time and level** | 20 minutes, after 00_start_here; all exercises take 12 more |
# | **You need** | nothing else: no Docker, no network |
# | **Slides of the talk** | 35 (zones), and the scheduler of 34 |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "start", "minutes": {"90": 1}, "notes": "The scheduler gives a task its node, once and for all. First it asks questions about each node: the filters. One no, and the node is out. Of those that are left, the emptiest wins. Here's one decision in full. The service may only run on workers, so the managers drop out at the first line. Every answer is on the screen.", "ask": "Two nodes are equally empty. Which one wins? (Chance decides.)", "wrong": "\"The first one\": chance decides.", "trouble": "`r` begins again: the same seven machines, the same labels."}
# ## 1. One part, one decision
#
# On its way from a command to a container, a task passes the **scheduler** (slide 34; page 06 follows the whole way). The scheduler gives it a node, once and for all.
#
# It asks questions about each node, the **filters**. One *no*, and the node is out. Of the rest, the emptiest wins.

# %% [markdown] slideshow={"slide_type": "skip"}
# The next two cells make seven machines, put **labels** on some of them (`az`, the zone of machines that may fail together, and `rack`), and create `web`.

# %%
import swarmlab
from swarmlab.lessons import exercise, exercises, progress, where_next
from swarmlab.lessons.bets import ask, quiz, reveal
from swarmlab.views.placement_explanation import why
from swarmlab.views.spread import spread

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=4, seed=7)
cluster.board()

# %%
# %docker node update --label-add az=a --label-add rack=1 m1
# %docker node update --label-add az=a --label-add rack=1 w1
# %docker node update --label-add az=a --label-add rack=2 w2
# %docker node update --label-add az=b --label-add rack=1 m2
# %docker node update --label-add az=b --label-add rack=1 w3
# %docker service create --quiet --name web --replicas 2 --constraint node.role==worker nginx
why(cluster, "web.1")

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** In the picture each line is a filter (as text: each column). A node that fails it drops out, and says why. At the end, the nodes that are left are compared.
#
# - Managers fail the **constraint** `node.role==worker`. A constraint is an *order*: no such node, no task.
# - The workers pass. If they're equally empty, chance decides.
#
# <details><summary>“Not” in a constraint, and real engines</summary>
# <p><code>node.labels.az!=a</code> refuses only nodes whose label az is a. A node without the label passes.</p>
# <p>On real engines you see less: only the scheduler knows the rest, and it doesn't tell.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "labelled", "minutes": {"90": 1}, "notes": "Slide 35, spread over zones. I've typed it exactly as it's on the slide. Look carefully: there's one letter that matters. What does Swarm do with it?", "ask": "Refuse it, spread over zones, or neither?", "wrong": "\"Refuse\": it accepts it, silently. \"The same number in each zone\": it would, with labels, in the plural."}
# ## 2. Spread over zones (slide 35)
#
# The slide uses a **preference**, a *wish*: divide the tasks evenly over the values of a label. Each value is a *branch*.
#
# > `docker service create --placement-pref "spread=node.label.az" demo`
#
# m1, w1 and w2 are in zone a; m2 and w3 in zone b; m3 and w4 have no label. **What does Swarm do with the slide's command?**

# %%
ask("typo_label")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "It takes the command, and spreads over nothing. Zone a has three nodes, so it gets the most tasks. Exit code zero, and no warning. Check the result, not the exit code. Next bet: two nodes have no label at all. What do they get?", "ask": "Nine tasks, two zones, two nodes without a label. How many do those two get?", "wrong": "\"None, they're in no zone\": a preference excludes no node. \"Two, one each\": it counts branches, not nodes.", "trouble": "`r` brings back the labelled swarm, and does this step again."}
# %docker service create --quiet --name typo --replicas 9 --placement-pref spread=node.label.az nginx
display(spread(cluster, "typo", "az"), reveal("typo_label"), ask("unlabelled"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "typo", "minutes": {"90": 1.5}, "notes": "Three. No label counts as one more branch, as much as a whole zone. So three, three and three. And inside zone a the second preference divides over the racks. Then only nodes count, and the emptiest wins. So label all of your nodes, or the unlabelled ones get more than you'd like.", "ask": "Is a preference an order or a wish? (A wish: it never makes a task wait.)", "wrong": "\"An order\": constraints are orders. A preference never makes a task wait."}
# node.labels, with an s; the second preference spreads over the racks of each zone
# %docker service create --quiet --name shop --replicas 9 --placement-pref spread=node.labels.az \
#     --placement-pref spread=node.labels.rack nginx
display(spread(cluster, "shop", "az", "rack"), why(cluster, "shop.1"), reveal("unlabelled"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What you see (look first)</summary>
# <p><b>typo</b>: even over nodes, uneven over zones. Zone a has three nodes, so it gets the most tasks.</p>
# <p><b>shop</b>: three branches, three tasks each. Zone a, zone b, and <i>no label</i>, which counts as much as a zone. Within zone a, rack 1 (two nodes) and rack 2 (one node) share three tasks: 2 and 1, or 1 and 2.</p>
# </details>
#
# ### 1. Your turn: half in each zone
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**.

# %% slideshow={"slide_type": "skip"}
exercise("spread_over_zones", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "shop", "notes": "Pending: the task exists, and no node may take it. The filter that said no has left its reason. Docker shows it with --no-trunc; people always forget that one. And why shows every node's answer.", "ask": "Five hundred gigabytes. How long will it wait? (Forever, unless a node with that much memory joins.)", "wrong": "\"Until a timeout\": forever. It's tried again whenever a node changes."}
# ## 3. Pending: read the reason
#
# `pending` means that the task exists, but no node may take it. The filter that refused left its reason. Ask in two ways:

# %%
swarmlab.use(cluster)  # %docker talks to this page's swarm again
# %docker service create --detach --name huge --reserve-memory 500g nginx
cluster.run("5s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" huge
why(cluster, "huge.1")

# %% [markdown] slideshow={"slide_type": "skip"}
# A **reservation** sets aside part of a node, used or not. (A *limit* reserves nothing, and the scheduler ignores it.) `--replicas-max-per-node` is a filter, too.
#
# ### 2. Your turn: four services wait
#
# As before: **Start**, your commands, **Check**.
#
# <details><summary>Commands that help</summary><code>docker service inspect --pretty disk</code> shows what the service asks for (<i>Placement</i>, <i>Resources</i>); <code>docker node inspect --pretty w1</code>, what a node offers (<i>Labels</i>, <i>Resources</i>). Once the exercise is started, <code>why(swarmlab.latest(), "disk.1")</code> in a new cell works too.</details>

# %% slideshow={"slide_type": "skip"}
exercise("four_pending", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pending", "notes": "I drain w2 for more memory: its tasks are replaced elsewhere. An hour later it's back. How many of them does it get back?", "ask": "All, some, or none?", "wrong": "\"As many as before\": they were stopped, and replaced elsewhere. \"As many as the others\": Swarm never stops a healthy task just to even things out."}
# ## 4. Away and back
#
# You **drain** w2 to give it more memory: its tasks are stopped, and replaced elsewhere. Later you make it active again. **How many tasks of shop does it get back?**

# %%
ask("no_rebalance")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "None. People have waited for this for years. docker service update --force replaces all tasks, one by one, and then it evens out. Or wait for the next deployment.", "ask": "Why is that a good default? (Moving a task means stopping a healthy one while people use it.)", "wrong": "\"It's lazy\": moving a task means stopping a healthy one while people use it.", "trouble": "`r` puts back the state before the drain, and does this step again."}
swarmlab.use(cluster)
# %docker node update --availability drain w2
cluster.run("30s")
# %docker node update --availability active w2
cluster.run("60s")
display(spread(cluster, "shop", "az", "rack"), reveal("no_rebalance"))

# %% [markdown] slideshow={"slide_type": "skip"}
# So w2 stays without tasks of shop. `docker service update --force` replaces them all, one by one, though the service doesn't change. *New* tasks go to the emptiest nodes.
#
# <details><summary>Is m1 or w1 without a task of shop?</summary>Zones and racks come before nodes. If rack 2 gets two of zone a's three tasks, rack 1 gets one, and m1 and w1 share rack 1.</details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "back", "notes": "Labels may change under running tasks. One label is in a constraint, the other in a preference. Which change moves something?", "ask": "I take away the label that a constraint asks for. What happens to the tasks?", "wrong": "\"Nothing, a task is placed once\": a broken order stops it. \"Some move, until the zones are even\": a preference counts only when a task is placed."}
# ### Labels that change
#
# You can add and remove labels at any time, even under running tasks. A service `fast` has to run where the label `disk` is `ssd`.

# %% [markdown] slideshow={"slide_type": "skip"}
# First w3 has it, then no one, then w4. And w4, which was in no zone, is put into zone b. **Which of this moves tasks?**

# %%
ask("label_removed", "label_given")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "The tasks of fast broke an order, so they were stopped, and waited until w4 had the label. The tasks of shop break a wish at most, and stay where they are.", "ask": "Which of the two would have surprised you at night? (No right answer. The constraint is the one that stops healthy tasks.)"}
# %docker node update --label-add disk=ssd w3
# %docker service create --quiet --name fast --replicas 2 --constraint node.labels.disk==ssd nginx
# %docker node update --label-rm disk w3
cluster.run("10s")
# %docker service ps --format "{{.Name}} {{.Node}} {{.CurrentState}}" fast
# %docker node update --label-add disk=ssd --label-add az=b w4
cluster.run("20s")
# %docker service ps --format "{{.Name}} {{.Node}} {{.CurrentState}}" fast
display(spread(cluster, "shop", "az"), reveal("label_removed", "label_given"))

# %% [markdown] slideshow={"slide_type": "skip"}
# The tasks of fast broke an order, so they were stopped (*rejected*), and new ones waited until w4 had the label. Those of shop break a wish at most.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "moved", "notes": "Zone b burns down: m2, w3 and w4. That's the day for which you spread. What happens to the three tasks there?", "ask": "Do they wait, are they replaced elsewhere, or are they lost?", "wrong": "\"They wait for zone b\": a constraint would make them. A preference is a wish."}
# ## 5. A zone dies
#
# Zone b catches fire, with m2, w3 and w4 in it. You spread shop over zones for a day like this. **What happens to its tasks there?**

# %%
# %docker service update --quiet --force shop
display(spread(cluster, "shop", "az"), ask("zone_dies"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "even", "notes": "Nine again, none of them in zone b. The question mark is a task with no news since its node went down. And look at the managers: two of three are left, and that's why anything could happen at all.", "ask": "And if two of your managers had been in zone b? (No quorum, so nothing would have been repaired.)", "wrong": "\"Then two more tasks\": then nothing would have been repaired. No quorum.", "trouble": "`r` brings back the even swarm, and burns zone b once more."}
cluster.crash("m2", "w3", "w4")
cluster.run("60s")
display(spread(cluster, "shop", "az"), reveal("zone_dies"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What you see</summary>
# <p>Nine run again, none of them in zone b. <b>?</b> marks a task that hasn't been heard from since its node went down. There may be more of them than zone b had: the swarm saw one node go down a moment before the other, put their replacements on the other one, and had to replace those, too.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "burnt", "notes": "Filters refuse nodes, preferences divide, the emptiest node wins. An order always holds; a wish counts only when the node is chosen. Swarm evens nothing out. And pending has a reason: --no-trunc."}
# ## Recap
#
# - **Filters** refuse nodes. **Preferences** divide the tasks over branches (nodes without the label are one). Then the emptiest node wins.
# - A constraint is an order at all times: no node that fits, no task. A preference is a wish, and counts only when the node is chosen.
# - Swarm evens nothing out later: only new tasks go elsewhere. A *global* service has a task on every node, new ones included.
# - `pending` has a reason: `docker service ps --no-trunc`.

# %% [markdown] slideshow={"slide_type": "skip"}
# More exercises, what you've solved so far, and five questions:

# %% slideshow={"slide_type": "skip"}
display(
    exercises("07_placement", make=make),
    progress("07_placement"),
    quiz("constraint_unlabelled", "limits", "max_per_node", "global_joins", "engine_label"),
    where_next("07_placement"),
)
