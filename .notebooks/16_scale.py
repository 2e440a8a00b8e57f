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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "How large can it get? We go from five nodes to a thousand, and count what it costs."}
# # Scale: a thousand nodes, and what they cost
#
# *You grow a swarm from five nodes to a thousand, watch it place three thousand tasks, and measure what more managers, nodes and tasks cost.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say what grows with managers, nodes and tasks; choose how many managers a large swarm needs; read a picture of a thousand nodes |
# | **Time and level** | 20 minutes, after 05_quorum |
# | **You need** | nothing else: no Docker, no network. On real engines, the picture works with as many nodes as you have; the measurements need the simulation |
# | **Slides of the talk** | 12 (how to scale), 32 (how many managers?) |

# %%
import time

import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.scale_experiments import growth
from swarmlab.views.fleet import fleet

cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
fleet(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "five", "notes": "Each square is a node: the fuller, the more tasks. A thick rim is the leader. Five nodes now. Next, a thousand, and three thousand tasks. How evenly will they be spread?", "ask": "Three each? About three? Or the first ones full?", "wrong": "\"About three\": it isn't chance. Each task goes to a node with the fewest."}
# ## 1. A thousand nodes
#
# Each square is a node: the fuller, the more tasks it runs. A thick rim marks the leader, a thinner one the other managers, a cross a node that's down. Click a square, or use the arrow keys, to see which node it is.
#
# Five nodes fit on a board. Now the same swarm with 997 workers, and a service of 3,000 tasks. **How evenly will they be spread?**

# %%
ask("spread_on_many")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "A thousand nodes. And now three thousand tasks. Three each, exactly. The scheduler takes the whole batch, ranks the nodes once, and goes round.", "ask": "How long would that take by hand? (At a minute for each task: fifty hours.)", "trouble": "This is the longest step of all: some seconds for a thousand machines. Talk on, and press nothing."}
cluster = swarmlab.simulate(managers=3, workers=997, seed=7)
fleet(cluster)

# %%
# %docker service create --quiet --detach --name web --replicas 3000 busybox sleep 1d
cluster.run("20s")
# %docker service ls --format "{{.Name}}: {{.Replicas}} tasks run"
reveal("spread_on_many")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "thousand", "notes": "One of the workers loses power. How many tasks on the other 999 nodes move?", "ask": "None, three, most?", "wrong": "\"Most: it spreads them again\": running tasks never move."}
# Scroll up: every square is equally full. The scheduler places a large batch in one go: it ranks the nodes once, and then goes round.
#
# Next, a worker loses power. **How many of the tasks on the other 999 nodes move?**

# %%
ask("moves_after_loss")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "None. Only its own three are replaced, after fifteen seconds of silence. So a loss costs the same, in a swarm of ten or of a thousand.", "ask": "Where's the cross? (On w9; a click shows its name.)", "trouble": "The wrong node has crashed? `r` brings back the thousand; here that takes some seconds."}
cluster.crash("w9")
cluster.run("30s")
display(fleet(cluster), reveal("moves_after_loss"))

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "lost", "notes": "Managers, nodes, tasks: three things can grow. You go from three managers to nine. What happens to a single write?", "ask": "Faster, the same, or slower?", "wrong": "\"Faster: nine share the work\": the leader sends it to eight others now."}
# ## 2. What grows with what
#
# Three things can grow: managers, nodes and tasks. The cell after the bet makes swarms of several sizes on your own computer. For each number of managers it counts the messages that one small write costs, such as a new config. **You go from three managers to nine. What happens to that write?**

# %%
ask("write_with_nine")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "The cost grows in step with nodes and tasks. Managers are different: each write goes to all the others, and waits for a majority. More managers are safer, never faster.", "ask": "So how many for ten thousand workers? (Five will do; seven at most.)", "wrong": "\"One for every fifty\": five will do.", "trouble": "It measures on this machine, and takes some seconds."} tags=["wall-clock"]
display(growth(time.perf_counter), reveal("write_with_nine"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **What you see.** The cost grows in step with nodes and tasks: twice as many take about twice as long. A worker gets its tasks from a manager alone: it has one connection, to one of them, and sends a heartbeat every five seconds.
#
# Managers are different. The leader sends every write to *all* the others, and waits for a majority. That's four messages for each of them: the write, its answer, word that the write is valid, and the answer to that. (Heartbeats make up the rest.) More managers make nothing faster. They only let more of them fail.
#
# <details><summary>Where the time goes in a large swarm</summary>
# <p>Forming a swarm: certificates, and the first heartbeats. Starting tasks: each is written several times (created, given addresses, assigned, reported as running), and every manager keeps every write. When a node dies, the scheduler's part is small. Noticing takes longest: about 15 seconds without a heartbeat, whatever the size.</p>
# <p>The seconds in the charts are those of your computer and this simulator, so read their shape, not their height. <code>swarmlab bench swarm3k</code> forms 4,700 nodes and starts 100,000 tasks; it takes a few minutes.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "managers", "notes": "Three, five or seven. Docker says at most seven. A thousand workers need no more than ten do; the managers' machines have to be bigger, that's all. And keep tasks off them.", "ask": "How many have you got? And why? (Hands: one? Two? Three? More?)"}
# ## 3. Three to seven managers
#
# | managers | may fail | a write waits for |
# | --- | --- | --- |
# | 3 | 1 | 1 other |
# | 5 | 2 | 2 others |
# | 7 | 3 | 3 others |
#
# Docker's documentation recommends at most seven. A thousand workers need no more managers than ten do: what has to be bigger is the managers' *machines*, since each keeps everything in memory. And large swarms keep tasks off their managers: drain them.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What Swarm2k and Swarm3K found</summary>
# <p>In July 2016 volunteers lent <b>Swarm2k</b> 2,384 servers on several continents, with three managers. While nodes were still joining, the organizer stopped one manager after another to give it a larger machine, the leader last: joins stalled, another manager was elected, and the swarm went on (<a href='https://blog.scaleway.com/2016/docker-swarm-an-analysis-of-a-very-large-scale-container-system/'>C. Kaewkasi, 2016</a>).</p>
# <p>In October, <b>Swarm3K</b> aimed at 3,000 nodes and formed 4,700. What failed wasn't the scheduler but the network: a WordPress far away from its MySQL database only got timeouts, until both were in one data center (<a href='https://sematext.com/blog/2016/11/14/docker-swarm-lessons-from-swarm3k/'>C. Kaewkasi, 2016</a>). Labels and constraints keep such services together: page 07.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Seven managers, to be safe
#
# All seven nodes are managers. Bring it down to three.
#
# ### 2. Managers that only manage
#
# Tasks run everywhere, even on the managers. Keep the managers free, today and tomorrow.

# %% slideshow={"slide_type": "skip"}
exercises("16_scale", make=swarmlab.simulate)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Twice the nodes, twice the work. Each manager costs with every write. Three to seven, an odd number, large machines, drained."}
# ## Recap
#
# - Nodes and tasks: twice as many, about twice the work.
# - Managers: every write goes to each of them. More are safer, not faster.
# - Three to seven managers, an odd number, on large machines, drained.
# - A lost node moves its own tasks, and no others.
#
# **To show a colleague:** the picture of section 1, while a node dies.
#
# The last two questions are about pages 05 and 07.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(quiz("managers_for_many", "two_managers", "no_rebalance"), where_next("16_scale"))
