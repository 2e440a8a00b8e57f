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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"60": 0.5}, "notes": "I give the swarm a password, and then we follow its bytes: to every machine that has them, and to no other."}
# # Secrets and configs: where do the bytes go?
#
# *You give a swarm a password, follow its bytes to every machine that holds them, and replace it, even where two services share it.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | give a service a secret and a config; say who can read them; replace them without a gap |
# | **Time and level** | 20 minutes, after 00_start_here; all exercises take 12 more |
# | **You need** | nothing else: no Docker, no network. |
# | **Slides of the talk** | 38–39 (secrets), 40 (configs) |

# %% [markdown] slideshow={"slide_type": "skip"}
# - A **secret** is a few bytes that only some containers may read: a password, a key, a certificate. A **config** is the same for what isn't secret.
# - **Raft log**: the list of all changes, kept on every manager's disk (notebook 05).
# - **Sealed**: encrypted. **In clear**: not encrypted. **Root**: a machine's administrator, who can read all its memory.
# - The slides' Portuguese: *senha* is a password; *nova*, new; *antiga*, old.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 0.5, "90": 0.5}, "notes": "Slide 38, as it stands there. The first command works, the second one doesn't. [Ask, then:] --secret-add belongs to an update. Slides have mistakes; the error message tells you.", "ask": "What's wrong with the second line? (service create takes --secret.)"}
# The next cell runs slide 38's two commands. One fails. (`hint:` lines are ours, not Docker's.)

# %%
import swarmlab
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.secret_path import secret_path

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
# %docker echo "senha" | docker secret create senha-db -
# %docker service create --secret-add=senha-db demo

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "secret", "minutes": {"60": 1.5, "90": 1}, "notes": "Five nodes: three managers, two workers. One task, on w1, and it needs the secret. Which machines have the bytes now? Think like an attacker: which of them would you break into?", "ask": "Only w1? The leader? All managers? Every node?", "wrong": "\"Only w1\": the task is there, so people look there. It came from somewhere: every manager has it. \"The leader and w1\": managers share one log."}
# ## 1. A secret travels (slides 38 and 39)
#
# The first command works: Docker prints the new secret's id. The second is the slide's mistake: `--secret-add` belongs to `service update`; `service create` takes `--secret`.
#
# The next cell does it right: one task, on w1. **Which machines have the bytes now?**

# %%
# %docker service create --quiet --name web --constraint node.hostname==w1 --secret senha-db nginx
ask("who_can_read")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "web", "minutes": {"60": 1.5, "90": 1}, "notes": "Orange: get in here, and you can read it. All three managers, and w1. [Ask, then:] w2 has no task that needs it, so it never gets it. Need to know, like a spy. And in w1 it lies in memory, never on a disk.", "ask": "How would you keep it off w1? (Move the task to another node.)", "wrong": "\"Encrypt it\": move the task. A node has a secret as long as one of its tasks needs it.", "trouble": "w2 is orange, too? The task has been moved. `r` brings it back to w1."}
display(secret_path(cluster, "senha-db"), reveal("who_can_read"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** The bytes travel along the arrows, encrypted. Orange and hatched: anyone who gets in here can read them. Dashed: they aren't here. w2 runs no task that needs the secret, so it never gets it. (Why are the managers' sealed logs orange? Their key lies beside them: see 09_autolock.)

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1}, "notes": "Slide 39. In the container it's a file below /run/secrets. With an s: the slide has it wrong. Five letters, and six bytes! [Ask, then:] echo has added a newline, and that has broken many a login. Use printf. And the API shows a name, and dates, but never the bytes.", "ask": "senha has five letters. Why six bytes? (echo adds a newline.)", "wrong": "\"An encoding\": it's the newline that echo adds."}
# > Slide 39: *a secret será montada em um tmpfs em /run/secret/secret-name.* The secret is mounted in a tmpfs: a folder in memory, which never touches a disk.
#
# The real path has one more **s**: `/run/secrets/senha-db`.

# %% [markdown] slideshow={"slide_type": "skip"}
# In the container on w1, the next cell reads the file, counts its bytes, and tries the slide's path; then it asks the API for the secret. (`$(…)` finds the container's id.)

# %%
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secrets/senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) wc -c /run/secrets/senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secret/senha-db
# %docker -H m1 secret inspect senha-db

# %% [markdown] slideshow={"slide_type": "skip"}
# Five letters, six bytes: `echo` added a newline, which has broken many a login. `printf` adds none. And the API shows a name and dates, never the bytes.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "running", "minutes": {"60": 1, "90": 1}, "notes": "The password has to change, by tonight. How do you change a secret? There's a command for it, surely.", "ask": "Edit it, replace it under the same name, or something else?", "wrong": "\"docker secret update\": it doesn't exist. \"Remove and create again\": it's in use, so it can't be removed."}
# ## 2. A secret never changes (slide 38)
#
# > *Qualquer coisa de até 500Kb.* Anything up to 500 kB.
#
# Almost: *less* than 512,000 bytes. The cell after the bet tries exactly that many, then replaces the password. **How?**

# %%
ask("secret_edit")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1, "90": 1}, "notes": "A second secret, and an update of the service. [Ask, then:] New name, same target: the app still reads the same file. Its tasks are replaced one after the other. Keep the old secret for a while: a rollback would need it. And half a million bytes, as on the slide, are just too many.", "ask": "Which file does the app read now? (/run/secrets/senha-db, as before.)", "wrong": "\"senha-db-2\": the target keeps its name, so the app doesn't notice.", "trouble": "\"secret is in use\" is part of the show. `r` puts back the old secret, and does it again."}
# %docker printf "%512000s" x | docker secret create too-long -
# %docker printf "nova senha" | docker secret create senha-db-2 -
# %docker service update --quiet --secret-rm senha-db \
#     --secret-add source=senha-db-2,target=senha-db web
# %docker secret rm senha-db-2
# %docker secret rm senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secrets/senha-db
reveal("secret_edit")

# %% [markdown] slideshow={"slide_type": "skip"}
# 512,000 bytes are too many. The new secret has a new name, `senha-db-2`, but the same *target*: the app still reads `/run/secrets/senha-db`. Its task was replaced, in a rolling update (notebook 12).
#
# `senha-db-2` is in use, so it can't be removed. The old one could go at once; at work, keep it for a while, since a rollback would need it.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "minutes": {"90": 1}, "notes": "Slide 40. A config is the same thing for what's not secret: it lies at the root of the container. [Ask, then:] And the API gives it back to anyone who may ask. That's the difference. So no passwords in configs, please. And the slide's second command has the same mistake as before.", "ask": "Is a config encrypted? (On the disk it is; the API gives it back.)", "wrong": "\"No, says the slide\": on the disk it is, like everything in the log. But the API gives it back."}
# ## 3. Configs (slide 40)
#
# > *Muito similar ao secret, porém não encriptado.* Much like a secret, but not encrypted.
#
# The next cell runs the slide's commands; the second has the same mistake. Then it does it right, and reads the config in two ways.

# %%
# %docker echo "config" | docker -H m1 config create cfg-demo -
# %docker service create --config-add=cfg-demo demo
# %docker service create --quiet --name app --constraint node.hostname==w2 --config cfg-demo nginx
# %docker -H w2 exec $(docker -H w2 ps -q --filter name=app) cat /cfg-demo
# %docker -H m1 config inspect --pretty cfg-demo

# %% [markdown] slideshow={"slide_type": "skip"}
# A config appears at `/cfg-demo` unless you give a `target`. And **the API gives it back** to anyone who may ask, so never put a password in one.
#
# <details><summary>Is it encrypted or not?</summary>
# <p>Its log entry is sealed like any other, and it travels over TLS, so the slide is half right. Its limit is higher: smaller than 1,024,000 bytes.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "config", "notes": "Harder: two services share one password. Whichever I change first, logins fail until the other follows. How do you do it without a gap?", "ask": "Both at once? Edit? Or in three steps?", "wrong": "\"Both at the same time\": their tasks are replaced in no common order."}
# ## 4. Two services, one password
#
# `app` logs in to `db`, and both have the password in a secret. Whichever you change first, logins fail until the other follows. **How do you change it without a gap?**

# %%
# %docker printf velha | docker secret create db-1 -
# %docker service create --quiet --name db --constraint node.hostname==w1 \
#     --secret source=db-1,target=senha redis
ask("two_phases")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "shared", "notes": "First the database accepts both. Then everyone moves to the new one. Then the old one goes. Two phases, the classic; it works for keys, for certificates, for APIs.", "ask": "Who has done this at night, in one step? (Hands only.)", "trouble": "`r` brings back the shared password, and does this step again."}
# %docker printf nova | docker secret create db-2 -
# %docker service update --quiet --secret-rm db-1 \
#     --secret-add source=db-2,target=senha --secret-add source=db-1,target=senha-antiga db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=db) ls /run/secrets
# … now move each service that logs in to db-2, and then:
# %docker service update --quiet --secret-rm db-1 db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=db) ls /run/secrets
reveal("two_phases")

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. No one but the managers
#
# In a new cell (**Esc**, then **b**), make `secret_path(cluster, "senha-db-2")` show the secret on the managers only. Keep the service and the secret.
#
# <details><summary>A hint</summary>A node holds a secret for as long as one of its tasks needs it.</details>
# <details><summary>Answer</summary><code>%docker service update --quiet --secret-rm senha-db-2 web</code>, or <code>%docker service scale web=0</code>. When the last task that needs the bytes has ended, w1 has to give them up.</details>
#
# ### 2. A new password, the same file
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**.

# %% slideshow={"slide_type": "skip"}
from swarmlab.lessons import exercises, where_next

exercises("10_secrets_and_configs", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "A secret is on every manager, and in the memory of the nodes that need it. It never changes; it's replaced. Anyone who may use the API can read a config. And two phases for whatever two services share."}
# ## Recap
#
# - A secret is on every manager, and in the memory of nodes whose tasks need it. Nowhere else.
# - It never changes: new bytes get a new name, and the service moves to it.
# - The API gives back a config, never a secret.
# - Two services that share a password: first both are accepted, then the old one goes.
# - On a manager's disk, a secret is as safe as its key: see 09_autolock.

# %% slideshow={"slide_type": "skip"}
# One of these is about notebook 00. Then score() sums up all your bets.
display(
    quiz("newline", "secret_gone", "config_or_secret", "committed_image", "comes_back"),
    where_next("10_secrets_and_configs"),
)
