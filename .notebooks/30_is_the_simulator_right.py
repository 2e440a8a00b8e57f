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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "All of that was a simulator. Why should you believe a word of it? Don't. Compare."}
# # How do we know that the simulator is right?
#
# *You run the same scenario on a simulated swarm and on real engines, and look for differences.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say what was checked, how, and what wasn't; repeat the check on your own Docker |
# | **Time and level** | 15 minutes, after 00_start_here |
# | **You need** | nothing else; with Docker, you can run the real side live |
# | **Slides of the talk** | 20 (why orchestrate), 30 (a leader falls), 34–35 (placement), 41–43 (updates) |

# %% [markdown] slideshow={"slide_type": "skip"}
# *Would a real swarm do the same?* Don't take our word for it: compare.
#
# - A **scenario** is a script: commands, a fault, and what to look at.
# - A **fact** is something observed: tasks per node, an error message, a state.
# - A **recording** is what real engines did in a scenario, kept in a file.
#
# With `real_engines = False`, the real side is a recording. With `True`, real engines start on *your* Docker, run the scenario, and are removed again. That takes real minutes.

# %%
import swarmlab
from swarmlab.compare import compare, steps
from swarmlab.lessons import where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score

real_engines = False  # True: run the real side live, on your own Docker
against = swarmlab.launch if real_engines else None

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "one", "notes": "One script, two swarms. On one side the simulator, on the other what real engines did. Six replicas, then eight, then three. First table: the facts, equal or not. The lanes: when each step was done.", "ask": "What has to be equal, and what can't be? (The facts have to be; the seconds can't.)", "wrong": "\"The seconds\": chance and machines differ. Facts have to be equal.", "trouble": "Live engines take real minutes. Keep real_engines at False, unless you've tried it here."}
# ## 1. One scenario
#
# Six replicas on three nodes, then eight, then three. Where do they run?

# %%
compare("spread", against=against)["spread"]

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read it.** The first table lists the facts, and says whether both sides agree. The lanes show *when* each step was done: simulated above, real below. The last table explains their numbers.
#
# The order of the steps is the same; the seconds aren't. So **facts must be equal**. Durations (*took …*) must agree within a factor of two, or three seconds. Waits (*until …*) are only shown.
#
# <details><summary>The words of a scenario, and facts without names</summary>
# <p><i>until …</i> waits; <i>says …</i> notes what <code>docker</code> answers; <i>took …</i> notes how long something lasted; <i>note …</i> looks at the swarm, takes no time, and so is only in the first table.</p>
# <p>Some facts are lists without names, as at 8: eight tasks on three nodes are 3 + 3 + 2, and which node gets only two is chance, on real engines too. A fact says only what is <i>not</i> chance.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "chance", "notes": "The leader crashes. Ten to twenty seconds, says page 05. Do both swarms take the same time?", "ask": "To the second, roughly, or the simulator faster?", "wrong": "\"Yes\": even two real swarms differ, since managers wait for a random time."}
# ## 2. When chance plays a part
#
# The leader crashes. The others elect a new one after 10 to 20 seconds; how many is chance (see 05_quorum). **Do both swarms take the same time?** The cell after the bet shows the scenario, then runs it.

# %%
ask("same_seconds")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Similar, not equal. So durations have to agree within a factor of two, and everything else exactly.", "ask": "Why is it a little over twenty, when an election takes ten to twenty? (The first question waits twenty seconds for the dead leader.)", "wrong": "\"A bad election\": the first question waits twenty seconds for the dead leader."}
display(
    steps("leader_crash"),
    compare("leader_crash", against=against)["leader_crash"],
    reveal("same_seconds"),
)

# %% [markdown] slideshow={"slide_type": "skip"}
# The two times are similar, not equal: hence *within a factor of two*. Everything else must be equal.
#
# <details><summary>Why a little over 20 seconds, when an election takes 10 to 20?</summary>
# <p>The scenario doesn't watch the election. Like you, it asks a manager, right after the crash. The manager passes the question on to the leader, which is dead, and an engine waits 20 seconds for that answer. Only the next question reaches the new leader. (After a split vote the election takes longer, and so does the answer.)</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "words", "notes": "Errors, too, word for word. Two of three managers are gone. Read both sides aloud.", "ask": "Does anyone find a difference? (There's none: the words are Docker's.)"}
# ## 3. Word for word
#
# Error messages must be right, too. Here two of three managers are gone. Compare what the two swarms *say*.

# %%
compare("quorum_loss", against=against)["quorum_loss"]

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "all", "notes": "All scenarios, one line each. Placement, updates, failures, refusals.", "ask": "All agree. What does that prove? (That in these scenarios it did what real engines did. No more.)", "wrong": "\"No bugs\": it proves that in these scenarios it did what real engines did.", "trouble": "Some seconds; talk on."}
# ## 4. All scenarios
#
# Placement, updates, failures, refusals: one line each.

# %%
whole = compare(against=against)
whole

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "limits", "notes": "And what it doesn't show. Only these scenarios, one version, and not speed. If the two ever differ, the real engine is right, and the simulator gets fixed.", "ask": "Which scenario would you add? (No right answer.)"}
# ## 5. What this does not show
#
# - **Only scenarios, not everything that can happen.** The project's tests run some eighty more with the standard `docker` program, and Docker's own tests of its Python library.

# %% [markdown] slideshow={"slide_type": "skip"}
# - **Only one version** of the engine, named at the head of each table. (Simulated engines use the words of 28.2.2; the recordings are of 20.10.24.)
# - **Not speed.** How long a container takes to start depends on its image. And waits can differ a lot: in `minority`, m1 follows the new leader 1 second after the cut heals; in the recording, after 34, probably because real connections are slow to recover.
# - **Not what no API shows**: votes, logs, bytes on a disk. There the simulator follows the Raft paper and the source of SwarmKit (the part of Docker that is Swarm), and other tests check it.
#
# The README lists what's simulated, simplified and left out (*What is real here*).

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. Say it before the engines do
#
# What does a swarm answer when you remove a node that's up? And a manager, by force? Write down your answers, then run the scenario `removing_nodes` in a new cell (**Esc**, then **b**).
#
# <details><summary>A hint</summary><code>compare("removing_nodes", against=against)["removing_nodes"]</code></details>
# <details><summary>Answer</summary>A node that's up: <i>node … is not down and can't be removed</i>. A manager, by force: it <i>must be demoted to worker before removal</i>. Both sides use these words. Only a node that's down is removed without force.</details>
#
# ### 2. Read a scenario
#
# Which steps does `minority` have? Say what each is for, then run it.
#
# <details><summary>A hint</summary>Section 2 showed the steps of <code>leader_crash</code>. Here: <code>steps("minority")</code></details>
# <details><summary>Answer</summary>The leader m1 is cut off. The other two elect a leader (how long that takes is noted). m1 then knows of no leader, and refuses a change. The network heals, m1 hears of the new term, and follows. When all nodes are ready, the last line notes their roles: all three are still managers.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Trust comes fact by fact. Same script, two sides, compared. You can run it against your own Docker, with one command."}
# ## Recap
#
# - A simulator earns trust fact by fact: the same scenario on both sides, compared.
# - Facts must be equal, words included; durations, within a factor of two.
# - If the two differ, the real engine is right.
#
# In a terminal, `swarmlab compare leader_crash` runs against your own Docker, and `swarmlab compare --recorded` against the recordings.

# %% slideshow={"slide_type": "skip"}
quiz("one_differs", "all_agree", "how_long")

# %% slideshow={"slide_type": "skip"}
display(score(), where_next("30_is_the_simulator_right"))
