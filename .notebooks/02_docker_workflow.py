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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "You've all typed docker run. But who does what? Client, daemon, registry: three programs, often on three machines. Let's watch one command travel."}
# # Docker's workflow: what `docker run` sets in motion
#
# *You type one command, and watch it travel from the client to the daemon, to the registry and back. Then you find out what stays when you're gone.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say which part of Docker does what; read what a command asks of the daemon; keep a container up, and its data safe, on one machine |
# | **Time and level** | 20 minutes, first steps; the exercises take 8 more |
# | **You need** | nothing else: everything is simulated. On real engines it all runs too, except `import` (section 2), which needs files. (Without a registry, stand-ins are there from the start: nothing is fetched.) |
# | **Slides of the talk** | 06 (`docker run redis`), 07–10 (its path, step by step). [The talk](index.ipynb) is in Portuguese |
#
# - **Client**: the program `docker`, where you type.
# - **Daemon**, or *engine*: the program that does the work, on the *host*. The two speak over HTTP: the *Engine API*.
# - **Image**: packed files, with settings. It's read-only, and made of **layers**.
# - **Container**: a process that runs on an image's files.
# - **Registry**: a server full of images. Docker Hub, unless you name another.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.workflow import workflow

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=1, workers=0, seed=7)
# %docker swarm leave --force
workflow(cluster)

# %% [markdown] slideshow={"slide_type": "skip"}
# The simulator starts its one machine, m1, as part of a *swarm* (page 03). `swarm leave` takes it out: now it's a plain Docker engine. `%docker` runs one Docker command, `%%docker` a cell of them. `cluster.run("30s")` lets thirty seconds pass, in an instant.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "plain", "minutes": {"90": 1}, "notes": "This is slide 6; slides 7 to 10 are the same picture, step by step. I'm about to run Redis, and this machine has no such image. Who fetches it?", "ask": "Who fetches the image: client, daemon, container?", "wrong": "\"The client\": that's where you type, so people think it does the work. It only asks."}
# ## 1. One command (slides 6–10)
#
# The picture is slide 6. It replays the requests to the daemon and the events that it reports, in their order. Nothing has happened yet.
#
# You're about to run Redis, a database. **Who fetches the image?**

# %%
ask("who_fetches")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1.5}, "notes": "I press play; follow the box that lights up. The client asks for a container. 404: no such image. So it asks for the image, and now it's the daemon that goes to the registry, and fetches layer by layer. Then the client asks again, and this time it works. Read the lines below: those are the real HTTP requests. Everything you'll ever do with Docker is such a request.", "ask": "Why does it first try what can't work? (It's the quickest way: usually the image is there.)", "wrong": "\"A bug\": it's the quickest way. Usually the image is there.", "trouble": "Nothing moves? The button is ▶ Play the command; Forward goes step by step."}
# %docker run --name cache redis
reveal("who_fetches")

# %% [markdown] slideshow={"slide_type": "skip"}
# **In the picture, press ▶ Play the command.** (It's beside the page, or below the first cell.) Then go through it again with **Forward** (or ← and →). The box that lights up receives something. Below, you read each step in words, and the request or event itself.
#
# <details><summary>What happened</summary>
# <p>The client asks for a container. The daemon answers 404: there's no such image here. So the client asks for the image. The <b>daemon</b> goes to the registry and fetches its layers. The client asks for the container again; now it's made from the image. Before it has the container started, the client asks for two more things: to get its output, and to be told when it ends. So it misses nothing.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "redis", "minutes": {"90": 1}, "notes": "In a terminal, docker run shows the output until you've had enough. Now imagine: you started it from your laptop, on a server. You close the laptop and go home. What happens to Redis?", "ask": "It ends, it runs on, or it's paused?", "wrong": "\"It ends\": the command was typed on the laptop. But the container is the daemon's child, not the client's."}
# In a terminal, `docker run` now shows the container's output until it ends. Here, its client goes away after ten seconds (so there's a `hint:`), as if you'd closed your laptop. **What happens to the container?**

# %%
ask("client_gone")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "It runs. The daemon keeps the container, its image and its output. The client was only a telephone. And that's why a program can take your place at the keyboard, which is what we'll see next: orchestration.", "ask": "And Ctrl-C? Same thing? (No: Ctrl-C is passed on to the container, as a signal.)", "wrong": "\"Yes\": no. Ctrl-C is passed on to the container, and closing the lid isn't."}
cluster.run("30s")  # the client has gone
# %docker ps
# %docker logs cache
reveal("client_gone")

# %% [markdown] slideshow={"slide_type": "skip"}
# Nothing was lost with the client: the daemon keeps the container, its image and its output.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "layers", "notes": "Now nginx. Three layers, and so has Redis. The lowest one is the same in both, Debian. How many have to be fetched?", "ask": "None, two, or three?", "wrong": "\"All three\": a layer is named by its content, so Debian's is here already."}
# ## 2. Images: layers and names
#
# Next, nginx, a web server. Its image has three layers, and so has Redis's. (Real images have more.) The first layer of both is the same: Debian. **How many layers must be fetched?**

# %%
ask("shared_layers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Two. Already exists, it says. And look at the IMAGE IDs: docker tag has given one image a second name. Nothing was copied.", "ask": "Two names, one id. If I remove one name, what happens? (Only the name goes. The image goes with its last name.)", "wrong": "\"The image is gone\": only when its last name goes."}
# %docker pull nginx
# %docker tag nginx shop:1
# %docker images
reveal("shared_layers")

# %% [markdown] slideshow={"slide_type": "skip"}
# Play the pull, and look at the registry's box. Then look at the IMAGE IDs: `docker tag` only gives an image one more name.
#
# <details><summary>The other columns, and <code>Digest</code></summary>
# <p>An image's name ends in a <i>tag</i>: <code>latest</code>, unless you say another. CREATED is when it was built, not when you fetched it. The <i>digest</i> is a fingerprint of its content.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "pulled", "notes": "An image of our own. This kit has no builder, so import has to do. Look at the two settings: a command, and a health check. The app takes four seconds to get ready.", "ask": "docker ps says Up. Does it work? (Nothing says so yet: Up is only about the process.)", "code": true}
# **An image of your own.** Usually `docker build` makes one from a *Dockerfile*, in which each instruction adds a layer or a setting. This kit has no builder, so `docker import` has to do. Each `--change` adds a setting: a command (`CMD`), and a **health check**, which asks the app whether it works. This app needs four seconds to get ready. `--detach` gives you the prompt back at once.

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What does <code>import</code> read?</summary>
# <p>An archive of files, from its input (<code>-</code>). Here it gets only the word <code>files</code>, and the simulator takes that for a whole system.</p>
# </details>

# %%
# %%docker
echo files | docker import \
    --change 'CMD ["sh", "-c", "sleep 4; touch /ready; sleep 1d"]' \
    --change 'HEALTHCHECK --interval=1s CMD test -f /ready' - shop:2
docker run --detach --name shop shop:2
docker ps --filter name=shop

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Up is what the daemon sees of the process. Healthy is what the app says about itself. Remember the difference: it costs people their weekends.", "ask": "Which of the two does your monitoring look at? (It should look at healthy: a process can run and serve no one.)"}
cluster.run("6s")
# %docker ps --filter name=shop

# %% [markdown] slideshow={"slide_type": "skip"}
# *Up* is what the daemon sees of the process. *Healthy* is what the app says.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ports", "notes": "Three commands you use every day. Publish connects a port of the host to one of the container. Logs shows what it prints. Exec runs one more command inside, so this curl asks port 80, not 8080.", "ask": "Redis shows 6379 without an arrow. Can anyone reach it from outside? (No: it isn't published. Containers on its network can.)", "wrong": "\"Yes, on 6379\": no arrow, no way in from outside.", "trouble": "Port already taken? `r` clears the machine, and runs these commands again."}
# ## 3. In and out: ports, logs, exec
#
# A container has a network of its own. `--publish 8080:80` connects port 8080 of the host to port 80 of the container: see PORTS. (Redis's `6379/tcp` has no arrow, so nothing leads there from outside.) `logs` shows what its process prints, and `exec` runs one more command inside, so this `curl` asks port 80.

# %%
# %docker run --detach --name web --publish 8080:80 nginx
# %docker ps --filter name=web
# %docker exec web curl -s localhost
# %docker logs web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stop", "notes": "Stop sends a signal, and waits. How long does it wait for a process that doesn't listen? And then I pull the plug of the whole machine. Two containers, one of them with restart always. Which is back afterwards?", "ask": "How many seconds? And who survives the power cut?", "wrong": "\"Both are back\": the default policy is no. \"Forever\": after ten seconds comes KILL, which no process can ignore."}
# ## 4. Stop, and start again
#
# `stop` sends the process a signal, and waits: that's its *grace* period. **How long, if the process ignores the signal?** (A shell ignores it when it's *process 1*, the first in its container.)

# %% [markdown] slideshow={"slide_type": "skip"}
# A **restart policy** tells the daemon when to start a container again:
#
# - `no`: never (the default);
# - `on-failure`: after an error; with `:2`, twice at most;
# - `always`: whenever it ends by itself, and when the daemon starts;
# - `unless-stopped`: the same, but what you've stopped stays stopped.
#
# `crash` cuts a machine's power, and `start` switches it on again. **Which containers are back after a power cut?**

# %%
ask("stop_grace", "power_cut")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Ten seconds, and exit code 137: that's 128 plus 9, killed. If your deployments always take ten seconds a container, now you know why. And flaky has used up its two restarts.", "ask": "Who has seen 137 at work? (Hands only.)"}
# %docker run --detach --name deaf alpine sh -c 'sleep 1d'
# %docker stop deaf
# %docker run --detach --restart on-failure:2 --name flaky alpine sh -c 'sleep 1; exit 1'
cluster.run("10s")
# %docker ps --all
# %docker inspect --format 'restarts of flaky: {{.RestartCount}}' flaky

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "stopped", "notes": "Only queue is back, because its policy says so. [Ask, then:] But note: if the machine itself doesn't come back, no policy helps. A plain engine knows only its own machine. That's where orchestration begins.", "ask": "What if m1 never comes back? (Then nothing is back. Another machine has to take over: that's orchestration.)", "trouble": "The list looks odd? `r` puts back the moment before the power cut, and does this step again."}
# %docker run --detach --restart always --name queue redis
cluster.crash("m1")
cluster.start("m1")
cluster.run("5s")
# %docker ps --all
display(reveal("stop_grace", "power_cut"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What the lists say</summary>
# <p><code>deaf</code>: 137 is 128 + 9, so signal 9, KILL, ended it after ten seconds. That's how much younger <code>flaky</code> is, which was run once <code>stop</code> had returned. (CREATED counts from a whole second, so it may say one too many.) <code>flaky</code> had used up its two attempts before the power cut, which gives it no new ones. 255 marks what ended with the machine. Only <code>queue</code> is up.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "volumes", "notes": "What stays? A container writes into a thin layer of its own, and that goes when the container goes. A volume stays. Twice I write a file and read it, once without a volume and once with one.", "ask": "Which of the two files is still there? (The second, because it's in the volume.)", "wrong": "\"Both\": the first one was in a container that's been removed."}
# ## 5. What stays: volumes
#
# Each container writes into a thin layer of its own, which goes when the container is removed. A **volume** stays: `--volume orders:/data` shows the volume `orders` to the container as its folder `/data`. Twice, one container writes a file and another reads it. (`--rm` removes a container when it ends.)

# %%
# %docker run --rm alpine sh -c 'echo 16 > /count'
# %docker run --rm alpine cat /count
# %docker run --rm --volume orders:/data alpine sh -c 'echo 17 > /data/count'
# %docker run --rm --volume orders:/data alpine cat /data/count
# %docker system prune --all --force
# %docker volume ls
# %docker ps --all

# %% [markdown] slideshow={"slide_type": "skip"}
# `prune` removes stopped containers and, with `--all`, images that no container uses. It leaves volumes alone: data can't be pulled again.
#
# One daemon kept its promises. But what if its machine doesn't come back? Page 03 begins there.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pruned", "notes": "The client asks, the daemon works, the registry delivers. A container belongs to its daemon. Up isn't healthy. And only volumes stay."}
# ## Recap
#
# - The client asks, the daemon does the work, the registry delivers layers that aren't here yet.
# - A container belongs to its daemon: it outlives the client, and comes back if its restart policy says so.
# - Up isn't healthy. Stop is a signal, ten seconds, then KILL. When a container is removed, only its volumes stay.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. Reachable, and back after a power cut
#
# Press **Start**: the exercise makes an engine of its own. Type commands in its box, then press **Check**.
#
# ### 2. Up, but not ready
#
# Pick it from the list. **shop** is *Up* at once, but serves only when it has made the file `/ready`. Run it again with a health check (`--health-cmd`, `--health-interval`), so that `docker ps` says *healthy* when it really is.

# %% slideshow={"slide_type": "skip"}
exercises("02_docker_workflow", make=make)

# %% slideshow={"slide_type": "skip"}
# The third is about page 01. Then score() sums up all your bets.
display(quiz("pull_or_run", "image_or_container", "seen_outside"), where_next("02_docker_workflow"))
