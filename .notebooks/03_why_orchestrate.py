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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Seven questions from production, slides 11 to 16. We answer each of them twice: by hand, and with Swarm. And a meter counts your commands, and your nights."}
# # Why orchestrate? Seven questions, answered twice
#
# *You run the same app twice: by hand on three plain engines, and as a service of a swarm. A meter counts your commands, your users' outages, and the nights you're called out of bed.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | name the work that an orchestrator takes over; say what it doesn't do; explain orchestration in one sentence |
# | **Time and level** | 25 minutes, after 02_docker_workflow; the exercises take 8 more |
# | **You need** | nothing else: no Docker, no network. On real engines every command runs, but no requests are sent: the meter counts commands only; on a small machine, section 6's `report` stays *pending* |
# | **Slides of the talk** | 11–16 (seven questions from production), 17–19 (what the word means), 20 (five effects). [The talk](index.ipynb) is in Portuguese |
#
# - **Orchestrator**: a program that keeps containers on many machines the way you asked for.
# - **Service**: what you ask a swarm for, such as *three copies of nginx*. A **task** is one attempt to run a copy.
# - **Node**: a machine whose engine belongs to a swarm. (*Manager*, *leader* and *term*: page 04.)
# - **Load balancer**: hands the users' requests to several servers in turn.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import plain_engines, scaling_day, users
from swarmlab.views.meter import effects, meter, reservations

make = swarmlab.simulate  # real engines: swarmlab.launch
hand = plain_engines(3, make=make)  # m1, w1, w2: in no swarm
swarm = make(managers=1, workers=2, seed=7)
hand.board()

# %% [markdown] slideshow={"slide_type": "skip"}
# Two sets of three machines. The board shows the side you're working on, and `t`, its time. `-H w1` in front of a command speaks to the engine w1. The images are there already.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "nothing", "minutes": {"90": 1}, "notes": "Slide 11. Life cycle, and scale. By hand it's one command per machine, and one more for the load balancer, which I have to tell every address. Three machines, so it's still fun.", "ask": "Thirty machines. Still fun? (No: thirty commands, and thirty addresses for the load balancer.)", "trouble": "The board shows the other side? It follows the side we work on. `r` begins again."}
# ## 1. Life cycle and scale (slide 11)
#
# > *Como gerenciar o ciclo de vida dos contêineres? Como escalar?* (1) How do you manage the containers' life cycle? (2) How do you scale?

# %% [markdown] slideshow={"slide_type": "skip"}
# **By hand**, you start a container on each machine. Your users' requests come through a load balancer of your own, a simple one: it doesn't check who's alive. `users(…)` tells it where to send them: 30 requests a second, in turn to these addresses.

# %%
swarmlab.use(hand)
# %docker -H m1 run --detach --name web --publish 8080:80 nginx:1.25
users(hand, "m1:8080")
# %docker -H w1 run --detach --name web --publish 8080:80 nginx:1.25
# %docker -H w2 run --detach --name web --publish 8080:80 nginx:1.25
users(hand, "m1:8080,w1:8080,w2:8080")
hand.run("10s")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "With Swarm: one service, then scale to three. That's all. [Ask, then:] Every node answers at port 8080 and passes the request on. Look at the meter: not a big difference yet, some commands. Wait until something breaks.", "ask": "Where's the load balancer now? (On every node: it's built in.)", "wrong": "\"On the manager\": every node has one."}
# **With Swarm**, you say how many. Every node answers at port 8080 and passes requests on to a task: the load balancer is built in. (A manager runs containers, too.)

# %%
swarmlab.use(swarm)
# %docker service create --quiet --name web --publish 8080:80 nginx:1.25
users(swarm, "web")
# %docker service scale web=3
swarm.run("10s")
display(swarm.board(), meter(hand, swarm))

# %% [markdown] slideshow={"slide_type": "skip"}
# Not a big difference yet. Imagine thirty machines.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "three", "minutes": {"90": 1}, "notes": "Slide 12. It's night. On w1 the container gets killed, later the whole machine. You're fast: thirty seconds, and one minute. How long do users feel it, by hand?", "ask": "Three servers, one killed. For how long do requests fail?", "wrong": "\"Not at all, the other two take over\": the balancer doesn't know. \"A few seconds\": a plain engine does what it's told, once."}
# ## 2. Containers that die (slide 12)
#
# > *Como recriar contêineres que morrem?* (3) How do you bring back containers that die?
#
# It's night. On w1 the container is killed; a while later the whole machine is lost. The first time, it takes you 30 seconds to react; the second time, a minute. That's fast. **After the kill, by hand: how long do some requests fail?**

# %%
ask("dies_by_hand")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "You were called twice, and you were fast. Still, every third request failed until you'd typed something. Look at the meter: the phone rang, and you got up. Now the same night, with Swarm.", "ask": "Would your alert have been this fast? (Hardly: someone has to wake up first.)", "trouble": "`r` puts back three healthy servers on both sides, and does this step again."}
swarmlab.use(hand)
# %docker -H w1 kill web
hand.run("30s")  # the alert, your phone, your laptop
# %docker -H w1 start web
hand.run("15s")
hand.crash("w1")
hand.run("60s")
# %docker -H m1 run --detach --name web2 --publish 8081:80 nginx:1.25
users(hand, "m1:8080,m1:8081,w2:8080")
hand.run("10s")
display(hand.board(), meter(hand, swarm))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "night", "minutes": {"90": 1}, "notes": "The same two failures. The killed container is replaced within seconds; the lost machine takes longer. [Ask, then:] Silence is the only sign. Some requests fail until the nodes notice. It isn't magic. But no one had to get up.", "ask": "Why does the machine take longer than the container? (A dead machine reports nothing; its silence has to be noticed.)", "wrong": "\"It's bigger\": a killed container is reported by its node. A dead machine reports nothing."}
swarmlab.use(swarm)
# %docker -H w1 kill $(docker -H w1 ps --quiet)
swarm.run("45s")  # you sleep
swarm.crash("w1")
swarm.run("70s")
# only the tasks that should run
# %docker service ps --filter desired-state=running web
display(swarm.board(), meter(hand, swarm), reveal("dies_by_hand"))

# %% [markdown] slideshow={"slide_type": "skip"}
# Swarm isn't magic: when a machine is lost without a word, requests to it fail for some seconds, until the other nodes notice. But no one had to get up. (`service ls` says 4/3: it still counts the lost task on w1.)
#
# <details><summary>Where do the seconds come from?</summary>
# <p>After a kill, the node reports at once, and a new task starts five seconds later (<code>--restart-delay</code>); the other two serve meanwhile. After a crash, silence is the only sign. The nodes keep asking each other for signs of life (<i>gossip</i>), and need a few seconds to tell a loss from a slow network; the manager needs some more before it starts a replacement.</p>
# <p>By hand, your 30 and 60 seconds count, and what the new containers needed. An alert takes ten seconds, so Swarm's few raise none. If five were enough, your phone would ring, and before you'd found it, all would be repaired.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "repaired", "minutes": {"90": 1}, "notes": "Slide 13. A new version, please, and without downtime. By hand I'd do it as everyone does: remove the old one, run the new one, next machine. Do requests fail?", "ask": "One after the other, three servers. Is anything lost?", "wrong": "\"No, there are always two left\": the balancer keeps sending requests to the third."}
# ## 3. Updates without downtime (slide 13)
#
# > *Como atualizar o sistema sem downtime?* (4) How do you update without downtime?
#
# w1 is back on both sides. (By hand, its container stays down: no restart policy.) Now nginx 1.27 replaces 1.25. **By hand, one container after the other: do requests fail?**

# %%
ask("update_gap")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Yes, some. Between rm and the new server's start, nothing listens at that address, and the balancer doesn't know.", "ask": "What would you have to type to lose none? (For each server: tell the load balancer to leave it out, update it, put it back.)", "trouble": "`r` puts back the state after the night, and does this step again."}
hand.start("w1")
swarmlab.use(hand)
# %docker -H m1 rm --force web
# %docker -H m1 run --detach --name web --publish 8080:80 nginx:1.27
# %docker -H m1 rm --force web2
# %docker -H m1 run --detach --name web2 --publish 8081:80 nginx:1.27
# %docker -H w2 rm --force web
# %docker -H w2 run --detach --name web --publish 8080:80 nginx:1.27
hand.run("10s")
hand.board()

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "outage", "minutes": {"90": 0.5}, "notes": "One command, nothing lost. Swarm takes a task out of the balancer before it stops it. Again, the meter has moved on one side only."}
swarm.start("w1")
swarmlab.use(swarm)
# %docker service update --quiet --image nginx:1.27 web
swarm.run("10s")
display(swarm.board(), meter(hand, swarm), reveal("update_gap"))

# %% [markdown] slideshow={"slide_type": "skip"}
# Again, the meter has gone up by hand only.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "updated", "minutes": {"90": 0.5}, "notes": "Slides 14 to 16: where, how to talk, and secrets. By hand the name api works on m1 only, and the password stands in plain sight.", "ask": "Honestly, who has passwords in the environment? (Hands only.)"}
# ## 4. Where, how to talk, and secrets (slides 14–16)
#
# > *Onde colocar meus contêineres? Como vão se comunicar? Como gerenciar informações sensíveis?* (5) Where do I put them? (6) How do they talk to each other? (7) What about sensitive data?

# %% [markdown] slideshow={"slide_type": "skip"}
# **By hand**, you choose the machine: you've just put two on m1. A network of your own lets containers on m1 call each other by name; then one on w2 tries. And a password goes where everyone puts it, into the environment.

# %%
swarmlab.use(hand)
# %docker -H m1 network create back
# %docker -H m1 network connect back web
# %docker -H m1 run --detach --name api --network back nginx
# %docker -H m1 exec web curl -s http://api
# %docker -H w2 exec web curl http://api
# %docker -H m1 run --detach --name db --env PASSWORD=s3cret redis
# %docker -H m1 inspect --format '{{.Config.Env}}' db
hand.board()

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rest", "minutes": {"90": 0.5}, "notes": "Swarm chooses the node, its network spans all of them, and the service only names its secret. The bytes aren't in the description.", "trouble": "`r` puts back both sides after the update, and does this step again."}
swarmlab.use(swarm)
# %docker network create --driver overlay back
# %docker service create --quiet --name api --network back nginx
# %docker service update --quiet --network-add back web
# %docker service ps --filter desired-state=running --format '{{.Name}} on {{.Node}}' web api
# %docker exec $(docker ps --quiet --filter name=web.) curl -s http://api
# %docker printf s3cret | docker secret create db-password -
# %docker service create --quiet --name db --secret db-password redis
# %docker service inspect --format '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}' db
swarm.board()

# %% [markdown] slideshow={"slide_type": "skip"}
# By hand, you have to choose each machine. The name `api` means nothing on w2: a plain engine's network ends at its machine. And it has no secrets.
#
# <details><summary>Swarm's answers</summary>
# <p>(5) Its <i>scheduler</i> chooses the nodes: by default, those with the fewest tasks. (6) An <i>overlay</i> network spans all nodes, wherever <code>api</code> and <code>web</code> run. (7) The service's description (its <i>spec</i>) only names the secret. Its bytes travel encrypted, and only to nodes that need them; the container finds them in the file <code>/run/secrets/db-password</code> (page 10).</p>
# <p>A <code>%docker</code> line that starts with another command of the shell, such as <code>printf</code>, runs as it is. <code>-</code> reads what comes through the pipe.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "word", "minutes": {"90": 1}, "notes": "Slides 17 to 19. The talk looks the word up: to coordinate the elements of a situation, especially surreptitiously. Without drawing attention. That's the best definition I know. Orchestration is good when it goes unnoticed: by you, by your users, by your phone.", "ask": "What is it, in one sentence, without that word? (You say what should run, and a program keeps it so.)"}
# ## 5. The word (slides 17–19)
#
# The talk quotes the Oxford dictionary:
#
# > **orchestration** 2. *the planning or coordination of the elements of a situation to produce a desired effect, especially surreptitiously*
#
# and translates its end freely: *especialmente **evitando chamar atenção***, without drawing attention. The meter counts how often you, your users or your phone notice.
#
# In one sentence: **you say what should run, and a program keeps it so.**

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "effects", "minutes": {"90": 0.5}, "notes": "Slide 20, five effects. Here's one you haven't seen: a task says what it needs, and Swarm reserves it.", "ask": "Seven tasks, too little room. What happens to the seventh? (It waits, pending, until a node has room.)", "wrong": "\"It makes the others slow\": it waits, pending."}
# ## 6. Five effects (slide 20)
#
# The app runs, scales automatically, tolerates failures, makes better use of resources, and needs little work by hand. Two of them haven't appeared yet.
#
# **Better use of resources.** Say what a task needs, and Swarm reserves it, on a node that has it free. Compare before and after the reservation, then with seven tasks.

# %%
# %docker service create --quiet --name report --replicas 5 alpine sleep 1d
display(reservations(swarm))
# %docker service update --detach --reserve-cpu 2 --reserve-memory 1GB report
swarm.run("90s")
# %docker service scale --detach report=7
swarm.run("10s")
display(reservations(swarm))
# %docker service scale --detach report=5

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "reserved", "notes": "Requests grow more than sixfold. The slide says: scales automatically. What does Docker Swarm do?", "ask": "Does it add replicas?", "wrong": "\"It adds replicas\": other products do. Swarm measures no load at all."}
# Before, no one knew what `report` needs. Now its share is reserved, and the task that fits nowhere waits instead of ruining the others.
#
# **Automatic scaling.** Requests grow more than sixfold. **What does Swarm do?**

# %%
ask("autoscaling")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nothing. Scaling is a command, and someone has to give it: you, or a small program. Here it is: measure, divide, scale, wait. And then the table of the five effects, filled in from the running swarm.", "ask": "Which of the five needs a program of your own? (Automatic scaling.)", "trouble": "This step takes some seconds: it plays a whole day. Talk on; press nothing."}
users(swarm, "web", rate=200)  # it was 30
swarm.run("30s")
# %docker service ls --filter name=web
display(reveal("autoscaling"))
day = scaling_day(swarm, "web")  # now autoscale is on: a program that gives the command
display(day, effects(swarm, day), meter(hand, swarm))

# %% [markdown] slideshow={"slide_type": "skip"}
# So it takes a program: `autoscale`, of this kit, is one. The table of the five effects is filled in from the running swarm.
#
# <details><summary>What isn't in it</summary>
# <p>w1 came back empty, and got a task only because the update replaced them all. Swarm never stops a healthy task to <b>rebalance</b>; <code>docker service update --force</code> does, by replacing all tasks.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "By hand, each question costs commands, and each failure costs a night. An orchestrator is told what you want, and keeps it that way. And it isn't magic: silence takes seconds to notice, and scaling needs a program of yours."}
# ## Recap
#
# - By hand, each question costs commands, and each failure costs a night. An orchestrator is told what you want, and keeps it that way.
# - It's not magic: silence takes seconds to notice, and scaling needs a program of your own.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. It has to survive the loss of a machine
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 2. The password that everyone can read
#
# Give **db** its password, `s3cret`, as a secret called **db-password**, and take it out of the environment (`--secret-add`, `--env-rm`).

# %% slideshow={"slide_type": "skip"}
exercises("03_why_orchestrate", make=make)

# %% slideshow={"slide_type": "skip"}
# The third is about page 02. Then score() sums up all your bets.
display(quiz("what_is_desired", "plain_network", "client_gone"), where_next("03_why_orchestrate"))
