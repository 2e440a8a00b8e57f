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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Who says who you are? You've set up none of this. It's been there since docker swarm init."}
# # TLS and certificates: who says who you are?
#
# *You see which node holds which certificate, listen to a link, steal a join token, and replace the swarm's root certificate while it runs.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say what each certificate is for, and until when; judge what a stolen token or a tapped cable gives away; replace the root |
# | **Time and level** | 25 minutes, after 00_start_here; the exercises take 12 more |
# | **You need** | nothing else: no Docker, no network. (Real engines show neither links nor end dates, and there section 5 doesn't wait two hours) |
# | **Slides of the talk** | 36 (TLS between all nodes) |
#
# - **Private key, public key**: a pair. The private one never leaves its machine; who has it can prove it to anyone who knows the public one.
# - **Certificate**: a public key with a name, a role and an end date, signed by someone the others trust.
# - **Root**: the certificate of the one who signs all others, the *certificate authority* (CA). In a swarm, the managers are the CA.
# - **TLS**: both ends check each other's certificate, agree on a fresh key for this one connection, and encrypt everything.

# %%
import hashlib

import swarmlab
from swarmlab.cluster.inspectors import eavesdrop
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.trust import trust

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
trust(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "members", "minutes": {"90": 1.5}, "notes": "Slide 36. Each node has a certificate, with its name and its role, signed by the managers. Square is a manager, round is a worker. Every connection between two nodes checks both ends. Now someone has taken over w1, a worker, and is root on it. Can w1 get itself a manager's certificate?", "ask": "I'm root on a worker. Can I make myself a manager?", "wrong": "\"Yes, it asks the CA\": the CA takes nothing but the public key from the request. The role is on the managers' list. \"It changes its own certificate\": then the signature no longer fits."}
# ## 1. Who holds which certificate (slide 36)
#
# > *Encriptação TLS ponta a ponta entre todos os nós e com rotação automática de chaves.* TLS between all nodes, end to end, with keys that rotate by themselves.
#
# You set up none of this: `docker swarm init` made the root, and each node got its certificate when it joined.

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** Above, the root: A. Below, each node: which root it trusts, who signed its certificate, and until when that's valid. The role is in the certificate, too: managers are square, workers round.
#
# The cell after the bet runs the slide's command, `docker swarm ca --help`. Then someone who has taken over w1 tries to make it a manager. **Can w1 get a manager's certificate?**

# %%
ask("ask_for_role")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "w1 couldn't. A manager could, with one command: w1 is square now. [Ask, then:] With a manager, an attacker has everything; with a worker, only that worker. Keep your managers few, and keep people off them.", "ask": "So which machines do you guard best? (The managers.)", "trouble": "`r` brings back five members, and does this step again."}
# %docker swarm ca --help
# %docker -H w1 node promote w1
# %docker -H m1 node promote w1
cluster.run("10s")
display(trust(cluster), reveal("ask_for_role"))

# %% [markdown] slideshow={"slide_type": "skip"}
# w1 couldn't; a manager could: w1 is square now, with a new certificate (its end is the same to the minute). Asking the CA wouldn't help: it takes the role from the managers' list. It's demoted next.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "promoted", "notes": "A service with a password starts on w1, and someone listens on the cable between m1 and w1. What do they learn?", "ask": "The password? Nothing? Something in between?", "wrong": "\"Nothing at all\": encryption hides what's said, not that something is said. \"The secret\": every connection between nodes is TLS."}
# ## 2. Someone taps the cable
#
# A service with a password starts on w1, and someone listens between m1 and w1. **What do they learn?**

# %%
# %docker node demote w1
# %docker printf senha | docker secret create senha-db -
ask("tapped_link")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "secret", "notes": "The same messages twice: as they're on the wire, and as the two ends read them. Who talks to whom, when, and how much: that's all a listener gets.", "ask": "What about the traffic between containers? (It's in clear, unless their network was made with --opt encrypted.)", "wrong": "\"That's TLS, too\": it isn't. Only networks made with --opt encrypted are encrypted.", "trouble": "Real engines show no links. PageDown."}
cluster.run("10s")
# %docker service create --detach --quiet --name web --constraint node.hostname==w1 \
#     --secret senha-db nginx
display(eavesdrop(cluster, "m1", "w1"), reveal("tapped_link"))

# %% [markdown] slideshow={"slide_type": "skip"}
# The last two columns are the same messages, sealed and open. Only m1 and w1 have the key of this connection.
#
# <details><summary>Which messages are these?</summary>
# <p><i>Assignments</i>: tasks, and the secrets they need. <i>ReportStatus</i>: how those tasks are.</p>
# </details>
# <details><summary>What if the thief gets w1's private key later?</summary>
# <p>A recording stays unreadable. The private key only proves who w1 is; the connection's key was agreed on by both ends and forgotten afterwards (<i>forward secrecy</i>). But with the private key and the certificate, the thief can pose as w1 from now on. Remove the node (<code>docker node rm --force w1</code>): from then on the managers refuse that certificate, though it's still valid.</p>
# </details>
# <details><summary>What about the traffic between containers?</summary>
# <p>That's not what slide 36 is about. What containers say to each other crosses the wire in clear, unless their network was made with <code>docker network create --driver overlay --opt encrypted</code>: then nodes encrypt it (IPsec). The managers make the keys for that, and for the gossip between nodes, which is always encrypted. They replace them every 12 hours. Nodes keep the last three keys, so that none is cut off while a new one spreads.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "tapped", "notes": "A join token has leaked: someone wrote it into a label. What could a thief have done with it? And when I rotate it, what happens to those who joined with it?", "ask": "What does a thief with the workers' token get?", "wrong": "\"All secrets\": only those of tasks that run there. \"It has to join again\": members have certificates, and need no token any more."}
# ## 3. A join token leaks
#
# A newcomer has no certificate yet, so it shows a *join token*. A script wrote the workers' token into a label, readable through any manager.

# %% [markdown] slideshow={"slide_type": "skip"}
# The cell after the bet makes a new token (`--rotate`). w2 leaves the swarm, and tries to join with the old token, then with the new one. **What could a thief have done with the old one until then? And what happens to w1, which joined with it?**

# %%
# %docker node update --label-add script=$(docker swarm join-token --quiet worker) w1
ask("stolen_token", "rotated_token")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "leaked", "notes": "The old token is refused now, the new one works. And w1, which joined with the old one, hasn't noticed. Rotate it whenever you're not sure: it costs nothing.", "ask": "When did you last rotate yours? (Hands: this year? Ever?)", "trouble": "\"node is not down\"? `r` goes back, and does it again in the right order."}
# %docker swarm join-token --quiet manager
# %docker swarm join-token --quiet worker
# %docker swarm join-token --quiet --rotate worker
# %docker -H w2 swarm leave
cluster.run("30s")
# %docker node rm w2
# %docker -H w2 swarm join --token $(docker node inspect --format "{{.Spec.Labels.script}}" w1) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
# %docker -H w2 swarm join --token $(docker swarm join-token --quiet worker) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
# %docker node ls
swarm = cluster.client().swarm.attrs  # is the token's middle part the root's fingerprint?
fingerprint = hashlib.sha256(swarm["TLSInfo"]["TrustRoot"].encode()).hexdigest()
equal = int(swarm["JoinTokens"]["Worker"].split("-")[2], 36) == int(fingerprint, 16)
display(equal, reveal("stolen_token", "rotated_token"))

# %% [markdown] slideshow={"slide_type": "skip"}
# The three tokens differ only in their last part, the *secret*: it decides the role. The long middle part is a fingerprint of the root (SHA-256; so it's `True`). A newcomer compares it before it shows the secret, so no one can pose as your swarm.
#
# <details><summary>Who needs no token at all?</summary>
# <p>Anyone who can reach a manager's socket, <code>/var/run/docker.sock</code>. This page talks to nothing else, and it has just printed the managers' token. Some images ask you to mount that socket into their container. On a manager this gives away everything: the tokens, the unlock key (page 09), every service; and with <code>docker run --volume /:/host</code>, root on the machine. On a worker: that machine, and the secrets of the containers there.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rejoined", "notes": "Certificates last ninety days. I want one hour, because I'm paranoid today. Until when are the ones valid that we have now?", "ask": "An hour? As before? Not at all?", "wrong": "\"One hour from now\": an issued certificate never changes. Its end date is signed, too."}
# ## 4. An hour instead of 90 days
#
# You want short-lived certificates. **You set the expiry to one hour. Until when are the current ones valid?**

# %%
ask("expiry_now")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nothing has changed. Only certificates issued from now on are shorter. Each node renews by itself, in good time.", "ask": "How would you get every node a new one today? (Replace the root: then each node needs a new one.)"}
# %docker swarm update --cert-expiry 1h
cluster.run("10s")
display(trust(cluster), reveal("expiry_now"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "hour", "notes": "By replacing the root. Press Step. First every node gets a certificate from B, while all still trust A. How can they accept it? A has signed B. Only then is A dropped.", "ask": "Why not simply switch all nodes at once? (There's always one that's late, and it would be locked out.)", "wrong": "\"One could\": a node that's late would trust none of the others any more.", "trouble": "Stepped too far? `r` starts again before the rotation."}
# Nothing has changed: only certificates issued from now on are shorter. But a new *root* means a new certificate for every node, so the next cell replaces it.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Try this.** Press **Step**: time goes on until some node changes. First every node gets a certificate from B, while all still trust A. They accept it because A has signed B, too. Only then is A dropped, and every node trusts B.

# %%
# %docker swarm ca --rotate --detach
trust(cluster)

# %% [markdown] slideshow={"slide_type": "skip"}
# After the rotation both join tokens are new, too: their middle part was A's fingerprint.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rotating", "notes": "The same once more, but w2 is switched off. I rotate, and wait five minutes. How does it end?", "ask": "Without w2? Given up? Or not at all?", "wrong": "\"It ends without w2\": then w2 could never come back. \"It's given up\": there's no time limit."}
# ## 5. A node sleeps through it
#
# w2 loses power. Then you rotate again, and wait five minutes. **How does that end?**

# %%
cluster.run("20s")
# %docker swarm join-token --quiet worker
cluster.crash("w2")
ask("rotation_ends")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "sleeper", "notes": "It doesn't. Both roots stay in use until w2 comes back, or until you remove it. So after a rotation, look whether it has finished. A forgotten laptop can keep it open for a year.", "ask": "Who'd notice that at work? (Hands only.)", "trouble": "`r` brings back the swarm with w2 off, and does this step again."}
cluster.run("30s")
# %docker swarm ca --rotate --detach
cluster.run("5m" if cluster.virtual_time else "30s")
display(trust(cluster), reveal("rotation_ends"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "stalled", "notes": "I remove w2, and then it comes back after all. And w1 oversleeps its one-hour certificate. What do the two say? One waits forever, the other says why. For both the way back is the same: leave, and join with today's token.", "ask": "What would you try first? (Most restart the engine, which doesn't help. They have to leave, and join again.)", "wrong": "\"Restart the engine\": it has the same certificate afterwards."}
# If w2 came back now, it would renew and all would be well. But it doesn't, so you remove it from the list. Then it comes back after all, with a certificate from a root that no one trusts any more. And w1, with its one-hour certificate, sleeps for two hours. **What do the two say?**

# %%
# %docker node rm w2
cluster.run("10s")
cluster.start("w2")
cluster.crash("w1")
cluster.run("2h" if cluster.virtual_time else "30s")
cluster.start("w1")
cluster.run("20s")
# %docker -H w2 info --format "w2: {{.Swarm.LocalNodeState}} {{.Swarm.Error}}"
# %docker -H w1 info --format "w1: {{.Swarm.LocalNodeState}} {{.Swarm.Error}}"
trust(cluster)

# %% [markdown] slideshow={"slide_type": "skip"}
# w2 waits forever (*pending*), because it and the managers refuse each other. w1 says why. For both the way back is the same: `docker swarm leave`, then join with today's token. (And remove w1's old entry.) The managers, who were awake, have renewed in time.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "locked", "notes": "A certificate says who you are and what you may do; the managers sign it. A token is only the way in. A new root needs patience, and all the nodes."}
# ## Recap
#
# - Each node has a certificate with its id and role, from the managers. It's renewed by itself.
# - The CA decides on the role. A worker can't ask for more.
# - A join token is a fingerprint of the root, and a secret. Rotate it whenever it may have leaked; no member notices.
# - A new root: two roots for a while, the old one vouches for the new one. A dead node stops that until you remove it.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# Press **Start**: an exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 1. A token in a script
#
# Someone put a join token into a config. Which role's is it? (`docker config inspect --pretty` shows it.)
#
# ### 2. A rotation that doesn't end
#
# A machine has burned down.
#
# ### 3. Locked out
#
# w2 slept through a rotation, and was removed.

# %% slideshow={"slide_type": "skip"}
exercises("08_tls_and_ca", make=make)

# %% slideshow={"slide_type": "skip"}
# The last one is about notebook 05. Then score() sums up all your bets.
display(
    quiz("docker_sock", "encrypted_overlay", "renewal_and_root", "reads"),
    where_next("08_tls_and_ca"),
)
