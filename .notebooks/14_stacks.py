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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Five services, two networks, one volume, and one file for all of it. You know the file from your laptop. In a swarm some of its lines mean nothing, and no warning says so. Let's find them."}
# # Stacks: a whole application in one file
#
# *You start an application of five services from one file, change the file, find out which of its lines a swarm ignores, and watch a database forget.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | deploy, change and remove an application from one file; say what a swarm ignores in a Compose file, and what to do instead; say where a stack's data stays |
# | **Time and level** | 20 minutes, after 00_start_here; the exercises take 10 more |
# | **You need** | nothing else: no Docker, no network. All of it works on real engines, too |
# | **Slides of the talk** | 23 (1.13 brought stacks) |
#
# - **Compose file**: services, networks and volumes of an application, as text (YAML). `docker compose` runs it on one machine.
# - **Stack**: the services, networks and volumes that a swarm makes from such a file.
# - **To deploy**: to bring the swarm to what the file says. You do it again after each change of the file.
# - **Volume**: a folder on one node, outside of all containers. It outlives them.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.network_experiments import inside

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker node update --label-add disk=yes w1
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "notes": "The voting app, Docker's own example. People vote, redis queues, worker carries the votes to the database, and result shows them. Two networks, and worker is in both.", "ask": "Which of the five would you rather not lose? (Most say db. Don't comment: section 3 is about it.)"}
# ## 1. One file (slide 23)
#
# > *Melhorado na v1.13 e 17.06 com secrets, stacks, configs, autolock.* Improved, in 1.13 and 17.06, with secrets, stacks, configs, autolock.
#
# The voting app is Docker's own example. People vote in `vote`, which puts each vote into `redis`. `worker` takes them from there to `db`, and `result` shows them. There are two networks, and `worker` is in both:
#
# ```text
# people → vote → redis ← worker → db ← result → people
#          └────── front ──────┘
#                         └─────── back ───────┘
# ```

# %% [markdown] slideshow={"slide_type": "skip"}
# (In the next cells, `-` stands for what's typed: the rest of the cell. In a terminal you'd name a file.)
#
# `worker` can't work without the other two, and its author wrote `depends_on`. **What does the swarm do with that? And by what name does worker find the database?**

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "worker can't work without the other two, so its author wrote depends_on. What does the swarm do with that? And by what name does worker find the database: db, or app_db?", "ask": "It waits, it refuses, or it ignores it?", "wrong": "\"It starts worker when both are running\": that's docker compose on one machine. \"app_db only\": in the stack's networks each service has its short name, too."}
ask("depends_on", "short_name")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "One command, and everything's there. Look at the names: all have app in front. Both names lead to the database. And depends_on? Ignored. The app has to try again by itself, and it should anyway: in a swarm, what you depend on may move at any time.", "ask": "What's a stack, in the swarm? (A label on its parts, nothing more.)", "wrong": "\"A group with rules\": it's a label, nothing more. Only the command line knows stacks.", "trouble": "The images' names look odd? They're Docker's. Nothing is fetched. `r` deploys it again, into an empty swarm."}
# %%docker stack deploy --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
  redis:
    image: redis:7
    networks: [front]
  worker:
    image: dockersamples/examplevotingapp_worker
    build: ./worker
    depends_on: [redis, db]
    networks: [front, back]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: postgres}
    volumes: ["votes:/var/lib/postgresql/data"]
    networks: [back]
    deploy: {placement: {constraints: [node.labels.disk == yes]}}
  result:
    image: dockersamples/examplevotingapp_result
    ports: ["5001:80"]
    networks: [back]
networks: {front: {}, back: {}}
volumes: {votes: {}}

# %%
# %docker stack services app
display(inside(cluster, "app_worker", "nslookup db"))
display(inside(cluster, "app_worker", "nslookup app_db"), reveal("depends_on", "short_name"))

# %% [markdown] slideshow={"slide_type": "skip"}
# Everything got the stack's name in front, and a label. **That label is all a stack is**: no part of the swarm knows of stacks, only the command line does. Its services, networks, secrets and configs are like any others.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "deployed", "notes": "An odd file now, full of keys that a swarm can't use. Docker complains about some of them. Which one isn't in its answer?", "ask": "Which key does it pass over in silence? (depends_on.)", "wrong": "\"privileged\": it's named. depends_on isn't.", "code": true}
# The Compose format is older than Swarm. Some keys mean nothing in a swarm, and the command tells you of some of them. **Which key isn't in its answer?**

# %%
# %%docker stack deploy --detach=true --compose-file - odd
services:
  web:
    image: nginx
    build: .
    container_name: web
    depends_on: [db]
    expose: [80]
    privileged: true
    restart: always
  db:
    image: redis:7

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Here's the list to take home. Left what's ignored, right what to do instead. If your compose file has one of these, look at it tomorrow.", "ask": "How many of these are in your file? (Show it with your fingers.)"}
# `depends_on`: it's ignored without a word.
#
# | Ignored | Do this instead |
# | --- | --- |
# | `depends_on` | let the app try again until the other one answers; if it gives up and ends, Swarm replaces its task |
# | `build` | build and push the image first; in the file, name it |
# | `container_name`, `links` | use the service's name |
# | `restart` | `deploy: {restart_policy: …}` |
# | `privileged`, `devices`, `network_mode` | nothing: services can't |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "odd", "notes": "At night someone scaled vote to six, by hand. In the morning you deploy the file, and it says two. And the other four services aren't in it any more. What happens?", "ask": "Six, or two? And the other four: gone, or running?", "wrong": "\"Six: the number wasn't changed in the file\": the file is what you want. \"They're removed\": a deploy leaves the rest alone. Forgotten services run for years."}
# ## 2. Change it, and deploy again
#
# At night, someone has scaled `app_vote` to 6, by hand. In the morning you deploy a file that says 2. And in this file, only `vote` is left. **How many tasks of vote run then? And what happens to the other four services?**

# %%
# %docker stack rm odd
# %docker service scale --detach app_vote=6
cluster.run("10s")
ask("by_hand_undone", "left_out")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "scaled", "notes": "Two. The file wins. And the four others run on. So keep the file in git, and change the swarm through the file alone.", "ask": "Who deploys by hand, now and then? (Hands only.)", "trouble": "`r` brings back the six replicas, and does this step again."}
# %%docker stack deploy --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
networks: {front: {}}

# %%
# %docker stack services app
reveal("by_hand_undone", "left_out")

# %% [markdown] slideshow={"slide_type": "skip"}
# So keep the file where your code is, and change the swarm through it alone. A service whose part of the file didn't change keeps its tasks; one that changed gets a rolling update, as on page 12.
#
# <details><summary>Secrets and configs change their name</summary>
# <p>They can't be changed, only replaced: deploying a file with other content under the same name is refused. So give each version a name of its own:</p>
# <pre>
# services:
#   web:
#     configs: [{source: page, target: /usr/share/nginx/html/index.html}]
# configs:
#   page: {name: page_2, file: ./page.html}
# </pre>
# <p>The service only knows <code>page</code>. For the next version, change the file and write <code>page_3</code>: the tasks are replaced, and a rollback still finds <code>page_2</code>. With <code>external: true</code> instead of <code>file</code>, the stack uses one that you made yourself.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "again", "notes": "The interesting part: where's the data? The database runs on w1, since that's where the label is. We write some votes. Then someone moves the label to w2, and the task follows. What does the database hold now?", "ask": "The votes, a copy, or nothing?", "wrong": "\"The votes: the volume moves along\": the volume has the same name on w2, so people think it's the same. \"The managers keep a copy\": of the description, never of the data."}
# ## 3. Where the data stays
#
# `db` runs on w1, because the file wants a node with the label `disk`. You write some votes into its volume. Then someone moves the label to w2, and the task follows it.

# %% [markdown] slideshow={"slide_type": "skip"}
# (A drain, or a crash of w1, would do the same to a database without constraints.) **What does the database hold now? And what's left on w1?**

# %%
display(inside(cluster, "app_db", "sh -c 'echo cats 42 > /var/lib/postgresql/data/votes'"))
display(inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes"))
ask("data_moves", "old_volume")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "votes", "notes": "Nothing. w2 had no volume of that name, so it made one, and it's empty. Everything is green; no error anywhere. That's how people lose data.", "ask": "Where are the votes? (Still on w1. So don't prune before you've found them.)", "wrong": "\"Gone\": they're still on w1. Don't prune before you've found them.", "trouble": "`r` brings back the votes on w1, and does this step again."}
# %docker node update --label-rm disk w1
# %docker node update --label-add disk=yes w2
cluster.run("30s")
# %docker -H w1 volume ls
# %docker -H w2 volume ls
display(inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes"))
reveal("data_moves", "old_volume")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "moved", "notes": "The label goes back to w1, and there they are. Nothing was lost; it was only somewhere else. A volume belongs to a node; a task belongs to none.", "ask": "Pin it, share it, or copy it: what do you do at work? (No right answer: all three work.)"}
# The database has forgotten everything, and no error says so. The label goes back to w1:

# %%
# %docker node update --label-rm disk w2
# %docker node update --label-add disk=yes w1
cluster.run("30s")
inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes")

# %% [markdown] slideshow={"slide_type": "skip"}
# **A volume belongs to a node; a task to none.** So pin a database to the node that has its data (a constraint), or use storage that every node reaches (a volume driver for NFS or the like), or let the database itself keep copies (several nodes, each with its own).

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pinned", "notes": "Cleaning up. The same file with --prune, and then stack rm. What does each of them take away? The network? The volume?", "ask": "Does rm take your data?", "wrong": "\"Services, networks and the volume\": volumes lie on the nodes, and stay."}
# ## 4. What goes, and what stays
#
# The file with nothing but `vote` once more, this time with `--prune`. And then `docker stack rm app`. **What does each of them take away?**

# %%
ask("prune_takes", "rm_takes")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Prune has taken the four services, and nothing else. The network back is still there, though no one uses it.", "ask": "Why not the network? (--prune removes services only.)", "wrong": "\"It's still in use\": it isn't. --prune removes services only; the network goes with stack rm."}
# %%docker stack deploy --prune --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
networks: {front: {}}

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "pruned", "notes": "And rm takes everything that has the stack's label: services, networks, secrets. Your volume is still on w1. That's lucky, and it fills disks.", "ask": "When did you last look for old volumes? (Hands: this month? This year?)", "trouble": "`r` brings back the stack before rm, and does this step again."}
# %docker network ls --filter scope=swarm --format "{{.Name}}"
# %docker stack rm app
cluster.run("20s")
# %docker network ls --filter scope=swarm --format "{{.Name}}"
# %docker -H w1 volume ls
reveal("prune_takes", "rm_takes")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. The database lost its votes
#
# They're somewhere. Find them, and make sure that they stay. (`docker service ps` tells where the database ran before. `docker service update --constraint-add` ties it to a node.)
#
# ### 2. A new page, and the old one kept
#
# A web server shows a config. A config can't be changed: make another one, with `docker config create` (page 10). Then `docker service update` exchanges them, with `--config-rm` and `--config-add`. (While an exercise is started, a cell that begins with `%%docker stack deploy --compose-file - site` works on its swarm, too.)

# %% slideshow={"slide_type": "skip"}
exercises("14_stacks", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "removed", "notes": "A stack is a label. What's no longer in the file stays, unless you prune. depends_on is ignored without a word. And data stays on its node."}
# ## Recap
#
# - A stack is a label on ordinary services, networks, secrets and configs. Deploying makes them as the file says.
# - What's no longer in the file stays, unless you say `--prune`. Volumes always stay.
# - `depends_on` is ignored without a word: apps have to try again.
# - Data stays on its node. Pin the database, or use storage that all nodes reach.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** section 3.
#
# The last two questions are about pages 10 and 11.

# %% slideshow={"slide_type": "skip"}
# Then run score() in a new cell: it sums up all your bets.
display(
    quiz("stack_is", "same_config_name", "config_or_secret", "one_replica"),
    where_next("14_stacks"),
)
