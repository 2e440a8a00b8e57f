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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "Managers crash one after another now, until the swarm says no. Three words before we start. A leader writes the log; the others copy it. A term is one leader's time in office. And a quorum is more than half of all managers. All of them, the dead ones too. A machine that's off still counts as a manager, as long as it's on the list. That's what makes it hard: you don't get a majority by forgetting about the dead."}
# # Quorum: how many managers can fail?
#
# *Managers crash one by one until the swarm refuses every change, and you check the talk's table yourself.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | say how a leader is elected; choose how many managers to run, and where; recover from a lost quorum |
# | **Time and level** | 20 minutes, after 00_start_here; section 4 and the exercises take 15 more |
# | **You need** | nothing else: no Docker, no network |
# | **Slides of the talk** | 30 (a leader falls), 31 (majority), 32–33 (the table) |
#
# Every manager keeps a copy of one *log*: all changes, in order. The *Raft* protocol keeps the copies the same.
#
# - **Leader**: the manager that adds to the log. **Followers** copy it.
# - **Term**: a numbered period with at most one leader. Each election starts a new term, in which each manager has one **vote**.
# - **Quorum**: more than half of *all* managers, including those that are down.
# - **Committed**: on the disks of a quorum. Only then is a change valid.

# %%
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import quorum_table, slow_followers
from swarmlab.views.election import election
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.zones import quorum_explorer

make = swarmlab.simulate  # real engines: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "healthy", "minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "The talk says: if the leader fails, another manager takes over. Fine, but when? Think of your own pager. Hands up for one of the three.", "ask": "How long are we without a leader? Guess in seconds first, then choose.", "wrong": "No time at all: people expect a standby that is told. No one is told anything; silence is the only sign. A minute or more: people think of a failover by hand.", "trouble": "Few hands for the bet? Ask for the extremes only: who says under a second, who says over a minute. PageDown goes on."}
# ## 1. The leader falls (slide 30)
#
# > *Se o líder falhar outro manager assume.* If the leader fails, another manager takes over.
#
# **How long does that take?**

# %%
ask("how_long")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 1.5}, "notes": "Each lane is a manager. The cross is the crash. Then look how long nothing happens: no one has noticed yet. Each of the others waits a random time, ten to nineteen seconds, and the least patient one stands for election. It starts a new term and votes for itself. Every arrow is a vote. With two of three it leads. No one typed a command, and no one got out of bed. Once more: from the cross on there are no heartbeats, and for at least ten seconds nothing happens. The one that loses patience first gets the votes, because it asks first, and each manager has one vote in a term.", "ask": "Why a random time, and not simply ten seconds for all of them? (So that one of them asks first, and gets the votes.)", "wrong": "\"To be fair\": no. If all waited equally long, all would stand at once, and every vote would go to oneself.", "trouble": "No picture, or you've crashed a manager yourself before? `r` puts back the healthy swarm, and runs the crash again."}
cluster.run("5s")  # all is quiet
cluster.crash(cluster.default_node())  # the leader
cluster.run("60s")
display(election(cluster), reveal("how_long"))

# %% [markdown] slideshow={"slide_type": "skip"}
# **How to read the picture.** Each lane is a manager. After the ✖ no one hears from a leader. The first manager to lose patience stands for election, as a *candidate* (C): it starts a new term, votes for itself, and asks the others. Each arrow is a vote. A majority of all managers makes it the leader.
#
# <details><summary>Why don't they all become candidates at once?</summary>
# <p>Each manager waits a random time, 10 to 19 s, drawn again for every term. So two rarely try at the same moment. And one that tries too early gets no votes: the others have only just heard from a leader.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "crashed", "notes": "Now you are the bad network. Step shows one message at a time. I crash the leader, and wait until one of the others asks for a vote. And that request gets lost, because I click it. Can anyone lead now? Let's see what they do about it.", "ask": "If this one vote never arrives, is the swarm stuck? (No: there's another election, in a new term.)", "wrong": "\"Stuck for good\": nothing is remembered but the term. A few seconds later there's another election, in a new term.", "trouble": "You clicked too far, and there's a leader already? `r` begins again with the first message."}
# ### Now be the bad network
#
# Columns are managers, with messages travelling between them. **Step** goes to the next message.

# %% [markdown] slideshow={"slide_type": "skip"}
# **Try this.** Crash the leader, m2 (the button is above its column). Press **Step** until a manager asks *vote for me*. Click its request to the other manager that's up: now it's lost. Can anyone lead? Keep stepping, and read the lines below the columns.
#
# <details><summary>What the columns show</summary>
# <p>A manager's term; its vote in this term (<i>–</i>: none); the last entry it knows to be committed (<i>commit #24</i>: everything up to number 24); the end of its log. (There's no service yet: the swarm's own set-up wrote the first entries.) A message takes 1 to 2 ms. A <i>♥</i> is the leader's heartbeat.</p>
# </details>
# <details><summary>What you'll see</summary>
# <p>The manager needs two votes of three: its own and one more. If its request is lost, no answer comes, and no one leads. Later a manager tries again. If the other manager becomes a candidate in the same term, each votes for itself and no one wins. In the end a <i>new term</i> decides. Lost messages cost Raft time, and nothing else.</p>
# <p>Then press <b>Create a service</b>, and keep stepping: the leader writes an entry (dashed), the others copy it, and once a quorum <i>has</i> it, the leader marks it committed (solid ✔). An entry that's solid from the start was committed before you could look.</p>
# </details>

# %%
cluster.start(*cluster.names)
cluster.run("10s")  # it's back, as a follower
raft_columns(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "count", "minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1.5}, "notes": "A table that everyone learns by heart and nobody believes. Half, rounded down, plus one. Now you have money for one more machine. Is four better than three? And two better than one? Don't calculate yet: say what your stomach says. And think of the machines that you pay for.", "ask": "Four managers: how many may fail? Show me fingers. Then: is two better than one?", "wrong": "\"2 of 4\": half seems enough. A quorum is more than half, so it takes three, and one may fail. \"Two are safer\": that's true of a standby. Here both have to be up.", "trouble": "Half the room waits for the other half? Count down from three. PageDown reveals."}
# ## 2. How many can fail? (slides 31–33)
#
# > *Devemos manter o quorum (maioria de votos): (n/2+1).* We must keep the quorum, a majority.
#
# For *n* managers that's *n* // 2 + 1: half, rounded down, plus one. **How many of 4 can fail? And are 2 managers better than 1?**

# %% [markdown] slideshow={"slide_type": "skip"}
# After your bets, swarms of 1 to 7 managers lose leader after leader until a change is refused.

# %%
ask("four_managers", "two_managers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 2}, "notes": "This table isn't from a book. Seven swarms have just lost leader after leader until one refused a change. Now read down the column Can fail. Zero, zero, one, one, two, two, three. Every even number pays for a machine and gets nothing. And two is the worst deal: either one stops you, so you've doubled your risk. Three, five or seven. That's the whole lesson. And read the message at the bottom: the swarm does not have a leader. That's what you'd see at work, from every command, even from a harmless list. So when docker service ls complains, don't restart things. Count your managers first: how many are up, and how many are there in all?", "ask": "Your boss wants four, because four is more than three. What do you answer? (Buy five, or stay with three: of four, only one may fail, as of three.)", "wrong": "\"It does no harm\": it does. One more machine can fail, and one more has to agree.", "trouble": "The cell takes some seconds: seven swarms are made and broken. Keep talking; don't press PageDown twice. If you did, PageUp."}
table = quorum_table(range(1, 8), seed=7, make=make)
display(table, reveal("four_managers", "two_managers"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What the table says (and the table itself, without running anything)</summary>
# <p><b>Even sizes gain nothing.</b> 4 managers survive as many failures as 3, and 6 as many as 5: you pay for one more machine, and one more must agree. <b>Two are worse than one.</b> So use 3, 5 or 7.</p>
# <table><tr><th>Managers</th><th>Quorum</th><th>Can fail</th></tr>
# <tr><td>1</td><td>1</td><td>0</td></tr>
# <tr><td>2</td><td>2</td><td>0</td></tr>
# <tr><td>3</td><td>2</td><td>1</td></tr>
# <tr><td>4</td><td>3</td><td>1</td></tr>
# <tr><td>5</td><td>3</td><td>2</td></tr>
# <tr><td>6</td><td>4</td><td>2</td></tr>
# <tr><td>7</td><td>4</td><td>3</td></tr></table>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"45": 2.5, "60": 1.5}, "notes": "Machines don't fail alone. A rack loses power, a data centre floods. So where do you put your managers? I move the sliders, you tell me where. With two zones, one of them always holds half or more: lose that one, and you're out. Three zones it is, and three managers are enough. A zone is whatever fails together: a rack, a room, one fuse. Three managers in one rack are three only until someone trips over the cable.", "ask": "How few managers, in how few zones, survive the loss of any one zone? (Three managers, one in each of three zones.)", "wrong": "\"Five in two zones\": one zone then has three of five. \"Four in three zones\": one has two of four, and two are no quorum.", "trouble": "Letters do nothing? A slider has the focus. Click beside it; PageDown works anywhere."}
# ### And where do you put them?
#
# Machines fail together: a data centre burns, a rack loses power. Such a place is a *zone*. **Move the sliders: how few managers, in how few zones, survive the loss of any one zone?** (Click a manager to crash it.)

# %%
quorum_explorer(managers=5, zones=2)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>The zones: answer</summary>3 managers in 3 zones. With two zones, one always holds half of the managers or more. And 4 in 3 zones are worse than 3: one zone holds two, and without those two there's no quorum.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "network", "minutes": {"60": 1.5, "90": 1.5}, "notes": "Nothing crashes this time. Someone cuts a cable: two managers here, with the leader, and three there. Who decides? And what about the containers?", "ask": "Left or right: which side can still change anything? And do the containers notice?", "wrong": "\"m1 and m2, they have the leader\": leading isn't a title, it's being heard by a majority. \"They're stopped, to be safe\": nothing stops them, and nothing repairs them either.", "trouble": "Two bets on one slide: take them one after the other, by hands. PageDown reveals both."}
# ## 3. The network is cut
#
# The network splits a new swarm of five managers: m1 (the leader), m2 and w1 on one side; m3, m4, m5 and w2 on the other. Nothing crashes. **Who can still change the swarm? And what happens to the containers?**

# %% [markdown] slideshow={"slide_type": "skip"}
# After your bets, the cell waits a minute, then asks both sides: `-H m3` the large one, `-H m1` and `-H w1` the small one.

# %%
cluster = make(managers=5, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 7 nginx
ask("partition", "containers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "five", "minutes": {"60": 2, "90": 1.5}, "notes": "The side with three has a new leader, and scales. The side with two can't even list the services: every answer comes from a leader. Look at m1. For some seconds it still thinks it leads, in the old term. It can't do any harm, since nothing it writes reaches a majority. And the containers? They run, on both sides. For a while some run twice.", "ask": "Two leaders at the same time. Why isn't that a catastrophe? (The old one has no majority: it can't change anything, and soon gives up.)", "wrong": "\"They merge later\": there's nothing to merge. The small side couldn't commit anything.", "trouble": "The board doesn't fit the text? `r` puts back five managers, and cuts again."}
cluster.partition("m1,m2,w1", "m3,m4,m5,w2")
cluster.run("60s")
# %docker -H m3 service scale --detach web=9
# %docker -H w1 ps
# %docker -H m1 service scale --detach web=9
# %docker -H m1 service ls
display(election(cluster), reveal("partition", "containers"))

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What happened</summary>
# <p>m1 lost touch with the majority and <b>stepped down</b>. On its side, managers stand for election again and again, and never get three votes. On the other side, three are enough. There's only ever one majority, so only one side can commit a change.</p>
# <p><b>Two leaders?</b> For about seven seconds (from 10.9 to 17.6 s) m1 still thinks it leads, in the old term. It can't commit anything: it can't reach a majority.</p>
# <p>The small side can change nothing, and can't even list the services: every answer comes from a leader. But its containers run. Meanwhile the large side counts those nodes as down, and starts replacements: some replicas run twice for now.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "cut", "notes": "Last, two extras. First: one manager is slow, a second for each message. Do all changes have to wait for it?", "ask": "One of five is slow. Is every change slow?", "wrong": "\"As slow as the slowest\": that's how a team meeting works. The leader waits for a majority, and forgets about the rest.", "trouble": "Already healed? `s` puts the cut swarm back."}
# ## 4. Extra: slow managers, and a lost quorum
#
# The network is whole again, but the link to one follower is slow: a second for each message. **How fast are changes?**

# %%
cluster.heal()
cluster.run("60s")
ask("slow_manager")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "healed", "notes": "One slow manager costs nothing, and two cost nothing either. With the third the majority needs one of them, and you pay: a second there, a second back. And there are two new bets on the screen, about a swarm of three that loses two.", "ask": "One of three is down. Docker lets you demote another one: yes or no?", "wrong": "\"Done: it's a worker now\": Docker counts first who would be left. \"2 of 3 are up again\": a join is a change, too, and there's no quorum for it.", "trouble": "Only simulated links can be slowed. On real engines PageDown goes on."}
display(slow_followers(cluster, "1s"), reveal("slow_manager"), ask("demotion", "join_heals"))

# %% [markdown] slideshow={"slide_type": "skip"}
# One slow manager costs nothing, nor do two. With three, the leader has to wait for one: a second there, a second back.
#
# The new bets: in a swarm of three, the next cell crashes m3, and tries to make m2 a worker. Then it crashes m2, too, and tries to add a manager: with `swarm join-token manager` (the token to join with), then `node promote w1`. The cell after that shows the way out.

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Docker refuses the demotion: it counts, and would lose its quorum. But a power failure doesn't ask. m2 is gone as well, one of three is left, and now nothing works. Not even adding a manager.", "ask": "What still runs at this moment? (The containers. Only the deciding has stopped.)", "wrong": "\"Nothing\": the containers run. It's the deciding that has stopped.", "trouble": "The commands wait for an answer that never comes, up to twenty seconds each, in the swarm's time. Let it finish."}
cluster = make(managers=3, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 nginx
cluster.crash("m3")
cluster.run("10s")
# %docker node demote m2
cluster.crash("m2")
cluster.run("60s")
# %docker -H m1 swarm join-token manager
# %docker -H m1 node promote w1
reveal("demotion", "join_heals")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "lost", "notes": "The way out, and there's only one. Force new cluster, on one survivor, once. It's the only manager now, a quorum of one. Then add managers again, and remove the dead ones.", "ask": "Why only on one of the survivors? (Each one that you force makes a swarm of its own.)", "wrong": "\"On all of them, to be sure\": then you have several swarms, and each believes it's the right one.", "trouble": "It doesn't answer? `r` brings back the lost quorum, and forces once."}
# %docker -H m1 swarm init --force-new-cluster
cluster.run("60s")
# %docker node ls
# %docker service ps --filter desired-state=running web

# %% [markdown] slideshow={"slide_type": "skip"}
# `--force-new-cluster` makes m1 the only manager: a quorum of 1. What's in m1's log survives. Use it **once, on one** survivor. Then add managers, and remove the dead ones: `docker node rm`. (In a swarm with a quorum, a dead manager is still a member: demote it first, then remove it.)
#
# <details><summary>Why are some tasks new?</summary>Those of m2 and m3 were replaced. And workers have to find m1 first. One that's late counts as down until it reports, and its tasks are replaced elsewhere.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "alone", "minutes": {"30": 0.5, "45": 1, "60": 1, "90": 0.5}, "notes": "So: more than half of all managers. Three, five or seven of them, in three zones. Without a quorum nothing changes, and what runs keeps running. A new leader takes ten to twenty seconds, and you do nothing.", "ask": "Which of these would you check at work tomorrow? (No right answer; to begin with, count your managers.)"}
# ## Recap
#
# - A quorum is more than half of *all* managers. Use 3, 5 or 7, in three zones.
# - Without a quorum: no changes, no answers, no repairs. What runs keeps running.
# - A new leader takes 10 to 20 seconds. You do nothing.

# %% [markdown] slideshow={"slide_type": "skip"}
# **To show a colleague:** in a new swarm (`cluster = make(managers=3, workers=2)`), crash m3, then m2. Wait 20 s, then `%docker -H m1 service ls`.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. A manager is gone for good
#
# Press **Start**: the exercise makes a swarm of its own. Type commands in its box, then press **Check**.
#
# ### 2. Any one zone may burn down
#
# Pick it from the list.
#
# ### 3. Cut five managers so that no one can write
#
# All five stay up. (`cluster.partition` takes two sides or more.) In the cell after the exercises, begin with `cluster = make(managers=5, workers=2, seed=7)`.
#
# <details><summary>A hint</summary>No side may have three.</details>
# <details><summary>Answer</summary>Cut them into three sides: <code>cluster.partition("m1,m2", "m3,m4", "m5,w1,w2")</code>. Wait with <code>cluster.run("60s")</code>. Then try <code>%docker -H m1 service create nginx</code>, and the same with m3 and m5.</details>

# %% slideshow={"slide_type": "skip"}
exercises("05_quorum", make=make)

# %% slideshow={"slide_type": "skip"}
# Your commands, for example:
# %docker node ls

# %% slideshow={"slide_type": "skip"}
# One of these is about notebook 00. Then run score() in a new cell: it sums up your bets.
display(quiz("reads", "three_zones", "lost_vote", "comes_back"), where_next("05_quorum"))
