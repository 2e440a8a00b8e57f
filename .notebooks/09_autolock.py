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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Someone walks out of the building with a manager's disk. What do they have? The log on it is encrypted. Good. So we're fine, aren't we?"}
# # Autolock: what a stolen disk gives away
#
# *You steal a manager's disk, make it useless, lose the key, and bring a swarm back from a backup.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say what autolock protects, and what it costs; unlock a manager; recover from a lost key; back up and restore a manager |
# | **Time and level** | 25 minutes, after 05_quorum; the exercises take 10 more |
# | **You need** | nothing else: no Docker, no network. (On real engines, no disk is shown) |
# | **Slides of the talk** | 37 (autolock) |
#
# - **Raft log**: the list of all changes, on every manager's disk (notebook 05). All services and secrets are in it.
# - **Sealed**: encrypted. **In clear**: not encrypted.
# - **Data key**: seals a manager's log. **Unlock key**: seals the data key, if you want that.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.secret_path import stolen_disk

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=1, seed=7)
# %docker printf senha | docker secret create senha-db -
# %docker service create --quiet --name web --replicas 4 --secret senha-db nginx
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "open", "minutes": {"90": 1}, "notes": "All services, all secrets are in that log, and it's sealed. You're the thief, and you have the disk, the whole disk. Can you read the password?", "ask": "Yes or no? Who's sure?", "wrong": "\"No: it's sealed\": true, and the key lies in a file beside it. \"Only the leader's disk has it\": every manager has the whole log."}
# ## 1. A thief takes m1's disk
#
# Its log is sealed. **Can the thief read the secret?**

# %%
ask("disk_thief")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "There it is: senha. The key was in a file on the same disk, in clear. A safe, with the key on top of it.", "ask": "Where would you put the key? (Not on that disk: in a password manager.)", "trouble": "The disk is sealed already? `s` puts back the swarm without autolock."}
display(stolen_disk(cluster, "m1"), reveal("disk_thief"))

# %% [markdown] slideshow={"slide_type": "skip"}
# `swarm-node.key` holds the node's private key and the data key, and it's in clear: so the thief opens everything.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stolen", "minutes": {"90": 1}, "notes": "Slide 37: autolock. Two commands, one for a new swarm, one for ours. What happens to the managers that are running, at this moment?", "ask": "Do they stop, restart, or go on?", "wrong": "\"They lock at once\": nothing stops. The key is needed at the next start."}
# ## 2. Lock it (slide 37)
#
# > *Protege acesso indevido ao cluster com autolock.* Autolock protects the cluster from unauthorized access.
#
# The slide has two commands: `init --autolock` for a new swarm, `update --autolock` for one that exists. The cell after the bet types both; ours exists, so Docker refuses the first. **What happens to the running managers?**

# %%
ask("autolock_now")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Now the key file is sealed, too, and the unlock key is on no disk at all. Docker printed it, once, for your password manager. The price comes later: a manager that restarts does nothing until someone types that key. After a power cut at night, someone has to get up. Decide which you fear more.", "ask": "Thief, or power cut: which is likelier where you work? (Hands only.)", "trouble": "The first command is refused on purpose: this swarm exists already. `r` does it again."}
# %docker swarm init --autolock
# %docker swarm update --autolock
cluster.run("5s")
display(stolen_disk(cluster, "m1"), reveal("autolock_now"))

# %% [markdown] slideshow={"slide_type": "skip"}
# `swarm-node.key` is sealed now, with the unlock key, which is on no disk. Docker printed it: it belongs in your password manager. The running managers have it in memory; anyone who is root there can still read everything.
#
# <details><summary>The other files</summary>
# <p><i>wal</i> is the log's file; a <i>snapshot</i> is an older part of the log, condensed. When autolock was switched on, m1 also made a new data key, and rewrote its log as a snapshot: so the second table has one more row, and a short <i>wal</i>. <i>worker/tasks</i> stays in clear: it holds the node's tasks, with the names of their secrets, but not the contents.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "sealed", "notes": "m3 loses power, and comes back. What does it do until someone types the key?", "ask": "A manager as before? Only its containers? Nothing?", "wrong": "\"It runs its containers, but has no vote\": its keys are sealed, so it can't even say who it is."}
# ## 3. A manager restarts
#
# m3 loses power, and comes back. **What does it do until someone types the key?**

# %%
ask("locked_manager")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nothing at all. It answers docker ps, because that's the engine. But no vote, no tasks. The others go on: two of three.", "ask": "And if all three restart together? (No leader, until two of them are unlocked.)", "wrong": "\"One key is enough\": two of them have to be unlocked before anything can be changed.", "trouble": "`r` brings back three running managers, and does this step again."}
cluster.crash("m3")
cluster.run("30s")
cluster.start("m3")
cluster.run("10s")
# %docker -H m3 node ls
# %docker -H m3 ps
# %docker -H m1 node ls
reveal("locked_manager")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "locked", "notes": "One line, and it's back. Here it takes the key from m1; at work you'd type it.", "ask": "Where's your key at three in the morning? (It should be where the person on call can get it.)"}
# The next cell unlocks m3. (It asks m1 for the key. At work you'd type it.)

# %%
# %docker echo $(docker -H m1 swarm unlock-key --quiet) | docker -H m3 swarm unlock
cluster.run("30s")
# %docker -H m3 node ls

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "unlocked", "notes": "Someone who knew the key has left the company. So, a new key, and away with the old one. Bad luck: m3 was off while I did that. Which key opens it? And if you don't have that one, what's lost?", "ask": "Old or new? And what's lost?", "wrong": "\"The new one\": m3's disk was sealed before the new key existed. \"The swarm\": two others have the same log."}
# ## 4. A new key, and a lost one
#
# Someone who knew the key has left, so you make a new one, and throw the old one away. But m3 happens to be off. **Which key opens m3 when it's back? And if you don't have that key: what is lost?**

# %%
ask("old_or_new", "key_lost")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "The new key doesn't open it, and the old one we've thrown away. So, keep the old key until each manager has been up once. It's a rule you learn once.", "ask": "How do we get m3 back now? (As a new manager: demote it, let it leave, remove it, let it join.)", "trouble": "`r` brings back the swarm before the rotation, and does this step again."}
cluster.crash("m3")
cluster.run("5s")
# %docker -H m1 swarm unlock-key --rotate --quiet
cluster.start("m3")
cluster.run("10s")
# %docker echo $(docker -H m1 swarm unlock-key --quiet) | docker -H m3 swarm unlock

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rotated", "notes": "As a new manager. It's demoted, leaves, is removed, and joins again. It gets the whole log from the others. Lost: one copy, nothing else.", "ask": "And if it had been the only manager? (Then everything in the log would be lost.)", "wrong": "\"The same\": then everything in the log would be gone."}
# %docker -H m1 node demote m3
# %docker -H m3 swarm leave --force
cluster.run("30s")
# %docker -H m1 node rm m3
# %docker -H m3 swarm join --token $(docker -H m1 swarm join-token --quiet manager) \
#     $(docker -H m1 info --format "{{.Swarm.NodeAddr}}"):2377
cluster.run("10s")
# %docker -H m1 node ls
reveal("old_or_new", "key_lost")

# %% [markdown] slideshow={"slide_type": "skip"}
# The new key didn't open m3. (The old one would have, but we threw it away.) So m3 has joined as a new manager, and got the whole log from the others.
#
# <details><summary>And if all managers restart at once, and the key is lost?</summary>
# <p>Then all that was in the log is lost: services, secrets, tokens, the root of all certificates. Containers on the workers run on, and no one can change them any more. You start a new swarm, and deploy everything again: from your stack files, and with secrets that you've kept elsewhere.</p>
# </details>
# <details><summary>Does switching autolock off help a manager that's locked?</summary>
# <p>No. Running managers store their keys in clear again; the disk of one that's off is still sealed with the old key. Keep the old key until each manager has been up once since you replaced it, or switched autolock off.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rejoined", "notes": "A backup is one folder. m3's disk, of noon. In the afternoon I create shop. In the evening two managers burn, and I restore from noon, by force. What does this swarm have?", "ask": "web and shop? Only web? Nothing?", "wrong": "\"w1 still runs shop, and reports it\": a worker doesn't decide what should run. What the managers don't know is stopped."}
# ## 5. From a backup
#
# The whole swarm is in one folder on each manager: `/var/lib/docker/swarm`.

# %% [markdown] slideshow={"slide_type": "skip"}
# To back it up, stop the engine, copy the folder, and start the engine again. (With autolock, keep the unlock key of that day with it.) To restore it on a new machine with the same address, stop the engine there, put the folder in its place, start the engine, and type `docker swarm init --force-new-cluster`.
#
# Here m3's own disk is the backup. You stop m3 at noon. In the afternoon you create the service `shop`. In the evening m1 and m2 burn down, and you start m3 with its disk of noon. It's one of three, so it has no quorum: `--force-new-cluster` makes it the only manager. (The next cell switches autolock off, so that m3 won't ask for its key.) **What does this swarm have?**

# %%
# %docker -H m1 swarm update --autolock=false
ask("restored")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "noon", "notes": "web is there. shop is gone, and its container has been stopped, though it was healthy. That's what a restore means: the managers' memory is the truth.", "ask": "How old is your newest backup? (Hands: a day? A week? There's none?)", "trouble": "`r` goes back to noon, and does this step again."}
cluster.run("5s")
cluster.stop("m3")  # noon
# %docker -H m1 service create --detach --quiet --name shop --constraint node.hostname==w1 nginx
cluster.run("20s")
cluster.crash("m1", "m2")  # the evening
cluster.start("m3")
cluster.run("30s")
# %docker -H m3 service ls
# %docker -H m3 swarm init --force-new-cluster
cluster.run("60s")
# %docker -H m3 service ls
# %docker -H w1 ps --format "{{.Names}}"
# %docker -H m3 node ls
# %docker -H m3 node inspect --format "{{.Description.Hostname}}: {{.Spec.Role}}" m1 m2
reveal("restored")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "restored", "notes": "Force isn't free. What changed after the backup is lost, and the old managers stay in the list until you remove them. Here they come back, hear that they were removed, and join again.", "ask": "What if they'd been alive all the time, behind a broken link? (Then there'd be two swarms.)", "wrong": "\"They'd follow\": they have a majority of the old three, and elect a leader of their own."}
# ### What `--force-new-cluster` costs
#
# - What was changed after the backup is **lost**. (Without a backup: what hadn't reached this manager yet.)
# - The old managers **stay in the list**. They have no vote (their MANAGER STATUS is empty), but their role is still *manager*. Demote and remove those that won't come back.

# %% [markdown] slideshow={"slide_type": "skip"}
# - Tasks of nodes that are late to report are **replaced** elsewhere: for a while, some run twice. (REPLICAS counts those of lost nodes, too.)
# - If the old majority is alive behind a broken link, there are now **two swarms**. Be sure that it's dead.
#
# And if old managers do come back, as in the next cell? m1 and m2 would be a majority of the old three. But they reach m3: each of them that calls an election asks m3 for its vote, too, hears that it was removed, and steps down. Within a minute both join again as managers, since that's still their role. What only they knew is gone. (With the link to m3 broken, the two would have elected a leader, and `shop` would live on there.)

# %%
cluster.start("m1", "m2")
cluster.run("90s")
# %docker -H m3 node ls
# %docker -H m1 service ls

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Why not copy the folder to a new machine, to get another manager?</summary>
# <p>The folder is also the node's <i>identity</i>: its id, its certificate, its place among the voters. Two machines with one identity can't both be members. On real engines, a copy of a running manager waits for a leader forever: the others send its messages to the first machine. A new manager joins with a token, and gets the log from the leader. A backup is for a manager that's gone.</p>
# </details>
# <details><summary>And if a manager comes back with another address?</summary>
# <p>The others look for it at the old one. A real engine that we gave another address stayed <i>Unreachable</i>. Give it the old address again; or demote it, let it leave, and join. Managers need fixed addresses; workers don't.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "returned", "notes": "The log is always sealed; without autolock the key lies beside it. With autolock someone has to be there. Keep the old key for a while. And a backup is one folder, copied while the engine is stopped."}
# ## Recap
#
# - The log is always sealed. Without autolock, its key is beside it.
# - With autolock, a manager that restarts does nothing until someone brings the key: a power cut at night means that someone gets up.
# - Keep the old key until every manager has been up with the new one. A manager without its key leaves, and joins again.
# - A backup is the folder `swarm`, copied while the engine is stopped.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. Someone steals a manager's disk
#
# ### 2. One manager is missing
#
# Autolock is on, and m3 had a power cut.
#
# ### 3. No one has that key any more

# %% slideshow={"slide_type": "skip"}
exercises("09_autolock", make=make)

# %% slideshow={"slide_type": "skip"}
# The last one is about notebook 08. Then score() sums up all your bets.
display(
    quiz("locked_quorum", "raft_copy", "new_address", "rotated_token"), where_next("09_autolock")
)
