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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Docker 101, in five minutes. Two words are enough. The kernel is the part of the system that talks to the hardware. A hypervisor makes one machine look like several."}
# # One kernel or many: virtual machines and containers
#
# *You stack up both kinds, see what each costs, and make a container with your own hands.*

# %% [markdown] slideshow={"slide_type": "skip"}
# | | |
# | --- | --- |
# | **You will be able to** | tell four kinds of virtualization apart; say what can stand on what; say what a container is made of |
# | **Time and level** | 20 minutes, first steps; all exercises take 8 more |
# | **You need** | nothing else: no Docker, no network. (Section 4 runs real commands, on Linux only) |
# | **Slides of the talk** | 03 (kinds of virtualization), 04 (two stacks), 05 (different, not exclusive) |
#
# The **kernel** is the core of an operating system: it alone talks to the hardware. A **hypervisor** makes one machine look like several, so that several kernels can run. **Bins/libs** are the files that a program needs besides itself. A **guest** is whatever runs on top.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "kinds", "minutes": {"90": 1}, "notes": "Slide 3. Four ways to pretend. A whole machine, parts of one, almost one, or no machine at all, just an operating system. You've all used one of these today. Which of the four is Docker?", "ask": "Which of the four is a container?", "wrong": "\"A fifth kind\": the idea isn't new, FreeBSD had jails in 2000. Docker made it easy to use and to ship. \"Paravirtualization\": a container has no kernel of its own that could call the hypervisor."}
# ## 1. Four kinds (slide 3)

# %% [markdown] slideshow={"slide_type": "skip"}
# | Kind | What it simulates | What that means for the guest | Example |
# | --- | --- | --- | --- |
# | **Full** virtualization | a whole machine | any operating system boots, unchanged | VMware, VirtualBox, KVM |
# | **Partial** virtualization | parts of a machine, such as memory addresses | only fitting programs run | IBM M44/44X, in the 1960s |
# | **Para**virtualization | *almost* a real machine | its kernel is changed to call the hypervisor | Xen, in 2003 |
# | **OS-level** virtualization | no machine, just an operating system | it has no kernel: all guests share the host's | FreeBSD jails, Solaris zones |
#
# **Which of the four is a Docker container?**

# %%
import swarmlab
from swarmlab.lessons import exercise, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.by_hand import by_hand, root_directory
from swarmlab.views.density import density, sources
from swarmlab.views.stacks import stack_builder, two_stacks

make = swarmlab.simulate  # real engines: swarmlab.launch

ask("which_kind")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "OS-level. All containers on a machine share its kernel. Each sees only its own files, processes, network and users. It's a view, not a machine.", "ask": "Has anyone seen a container boot? (No: its kernel is up already. Only a process starts.)"}
reveal("which_kind")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stacks", "minutes": {"90": 1}, "notes": "Slide 4, the two towers. On the slide there are two apps. Take five web servers on one machine. How many kernels run on the left, and how many on the right? Count before you vote.", "ask": "Five apps: how many kernels, left and right?", "wrong": "\"5 and 1\": almost. The host below the five machines has a kernel, too. \"5 and 5\": a container feels like a machine, but brings no kernel."}
# ## 2. Two stacks (slide 4)
#
# The slide shows two apps, as virtual machines and as containers. With five, **how many kernels run?**

# %%
ask("kernels")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Thick edges are kernels. I move the slider to five. Six on the left, one on the right. That's the whole difference; size and speed follow from it.", "ask": "A bug crashes the kernel. Who goes down, left and right? (Left: one app, if it's a guest's kernel. Right: all five.)", "trouble": "Letters do nothing? A slider has the focus. Click beside it."}
display(reveal("kernels"), two_stacks(apps=2))

# %% [markdown] slideshow={"slide_type": "skip"}
# Boxes with a thick edge have a kernel. **Move the slider to 5 and count them.**
#
# <details><summary>The slide in words</summary>
# <p>Left: server, host system, hypervisor; on top, for each app, a guest system, its bins/libs, and the app. Right: server, host system, container engine; on top, for each app, its bins/libs and the app. All that's missing on the right is the guest systems.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1.5}, "notes": "Slide 5: different, not exclusive. This is how it looks in most companies: hypervisor below, containers on top. I press Show slide 5, and then try something impossible, such as SQL Server for Windows on an Ubuntu. It tells me why not: a program needs its own kernel somewhere below it. Call out something else that can't work.", "ask": "What can't stand on what? (A program needs its own kernel somewhere below it: no SQL Server for Windows on an Ubuntu.)", "wrong": "\"A Windows container on Linux\": a container brings files, no kernel.", "trouble": "You've built yourself into a corner? Start over, on the builder."}
# ### Both together (slide 5)
#
# > *Diferentes, não excludentes.* Different, not exclusive.
#
# Choose what to put where; if something can't stand there, you're told why. **Press Show slide 5, then try something impossible. Then press Start over, and build slide 5 yourself.**

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>Three impossible things</summary>An operating system on an engine; a program on Xen, the hypervisor; MySQL (for Linux) on the engine for Windows.</details>
# <details><summary>Slide 5 in words</summary>On Xen: an Ubuntu with an engine, and MySQL in a container; a Debian with Nginx and PHP-FPM; a Windows Server 2016 with an engine, and SQL Server (for Windows) in a container.</details>

# %%
stack_builder()

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>The rules behind it</summary>
# <p>A kernel needs a machine: a server, or what a hypervisor simulates. An engine is a program, so it needs an operating system. A program needs <i>its</i> kernel below it, directly or through an engine, because a container brings no kernel. Nothing stands on a program.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "cost", "notes": "Twenty equal apps on one server. The containers need less memory, sure. But must a virtual machine start more slowly? Think of the fastest one you know.", "ask": "Yes, because it boots? Yes, because of the hypervisor? Or no?", "wrong": "\"Yes: it has to boot an operating system\": it has to boot a kernel, and a small one takes milliseconds."}
# ## 3. What does it cost?
#
# Take twenty identical apps on one server. A virtual machine needs memory and disk for its own system, and has to boot. **Must it start more slowly than a container?**

# %%
ask("vm_slow")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Firecracker promises 125 milliseconds, and runs millions of small machines for AWS Lambda. It's the big, general-purpose machine that's slow, not the idea. These figures are rough: each source measured something else. Move memory to two thousand megabytes, and the difference hardly matters.", "ask": "When does it hardly matter what your app runs in? (When the app itself is large.)", "trouble": "Letters do nothing? A slider has the focus. Click beside it."}
display(density(apps=20), reveal("vm_slow"), sources())

# %% [markdown] slideshow={"slide_type": "skip"}
# A *micro VM* is a virtual machine made as small as possible. The figures are rough: each source measured something else on another machine.
#
# **When does it hardly matter what the app runs in?** Move the sliders. (Try 2000 MiB of memory, and watch *Fit in 16 GiB*.)
#
# <details><summary>Answer, and what studies measured</summary>
# <p>When the app itself is large: its own memory dwarfs whatever surrounds it.</p>
# <p><b>Speed.</b> Felter and others (IBM report RC25482, 2014) compared KVM and Docker: containers were as fast as virtual machines or faster in almost all cases; both needed tuning for heavy input and output. <b>Start.</b> Manco and others ("My VM is lighter (and safer) than your container", SOSP 2017) booted very small machines in 2.3 ms, faster than Docker starts a container. <b>Safety.</b> The same paper: containers share a kernel, so the wall between them is thinner; for that reason people run them <i>in</i> virtual machines.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "hand", "notes": "Now we build a container without Docker. Really: this command runs on this machine. One namespace, one view. Inside I'm root; outside I'm still myself. Inside the machine is called box, and outside nothing has changed.", "ask": "Am I really root now? (Only inside. Outside it's my own user.)", "wrong": "\"Yes\": only in there. On the host it's my own user, with my own rights.", "trouble": "Not on Linux, or not allowed here? The cell says so, and the page tells what Linux answers. PageDown."}
# ## 4. A container by hand
#
# A Linux **namespace** gives a process its own view of *one* thing. `unshare` starts a program in new namespaces, **for real**, on the machine that runs this notebook.

# %% [markdown] slideshow={"slide_type": "skip"}
# First, a *user* namespace: inside you're root (the administrator), outside you're still yourself. Then one for the *host name* too (`--uts`).

# %% tags=["this-computer"]
alone = "unshare --user --map-root-user"
by_hand(
    f"{alone} id",
    f"{alone} --uts sh -c 'hostname box; hostname'",
    "hostname",  # outside, nothing has changed
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What Linux says</summary><p><code>uid=0(root)</code>; then <code>box</code>; then the old name of your machine.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Next, its own processes and its own network. How many processes will it see? And how many network cards?", "ask": "How many processes does it see? How many network cards? (One process, itself; and one card, lo, which leads nowhere.)", "wrong": "\"None\": it sees itself, as number 1. \"The host's card\": it has lo, and that leads nowhere.", "trouble": "No permission for namespaces? The page tells what Linux answers. PageDown."}
# Next, its own *processes* (`--pid`) and its own *network* (`--net`). **How many processes will it see? How many network cards?**

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>The other options</summary><p><code>--fork</code> starts the program as a child of <code>unshare</code>: only children are in the new list of processes. <code>--mount-proc</code> gives it its own <code>/proc</code>, which is where <code>ps</code> looks. <code>/proc/net/dev</code> lists the network cards, below two lines of headings.</p></details>

# %% tags=["this-computer"]
by_hand(
    f"{alone} --pid --fork --mount-proc ps -e",
    f"{alone} --net cut -c 1-6 /proc/net/dev",
    "cut -c 1-6 /proc/net/dev",  # outside
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What Linux says</summary><p>One process: <code>ps</code> itself, with number 1. And one network card, <code>lo</code>, which leads nowhere.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Last, its own files. A folder becomes its root directory. An image is no more than such a folder, packed up. And now all of it together: name, processes, network, files. That's a container. You've just seen one being made by hand.", "ask": "What's missing compared with Docker? (Limits, images, a network, and a less powerful root.)", "wrong": "\"Security\": part of it. Limits, images, a network, and a less powerful root."}
# Last, its own *files*: a folder becomes its root directory. (An image is such a folder, packed up.) Ours holds one program, `busybox`, under several names. All together:

# %% tags=["this-computer"]
root = root_directory()
inside = "mount -t proc proc /proc; hostname box; hostname; ls /; ps"
by_hand(
    "ls -m bin",
    f"{alone} --uts --pid --fork --mount --net --root=. sh -c '{inside}'",
    folder=root,
)

# %% [markdown] slideshow={"slide_type": "skip"}
# <details><summary>What Linux says</summary><p><code>box</code>; <code>bin</code> and <code>proc</code>; and one process, with number 1. (<code>{ps} sh -c …</code> is one process: the shell became <code>ps</code> for its last command.) The rest of your machine is out of sight.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "And Swarm keeps many of these running, on many machines. Four web servers make one service. That's where we're going.", "ask": "Four on three machines: how will they be spread? (One on each, and one machine gets two.)"}
# That's a container. Docker adds **limits** on memory and CPU, **images** to ship, a network, and less power for its root. Swarm keeps many containers running, on many machines. Here, four web servers form one *service*; *converged* means that all is as you asked.

# %%
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --name web --replicas 4 nginx
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "A virtual machine has its own kernel; a container hasn't. A container is a process with a view of its own. And they go together: most containers in the world run inside virtual machines."}
# ## Recap
#
# - A virtual machine has its own kernel; a container doesn't. Size, start-up time and what fails together all follow from that.
# - A container is a process with namespaces, a root directory, and limits.
# - They go together: most containers run in virtual machines.

# %% [markdown] slideshow={"slide_type": "skip"}
# ## Your turn
#
# ### 1. Slide 5 for less
#
# In the builder, press **Show slide 5**. Remove the Debian, but keep its programs, Nginx and PHP-FPM. Add no operating system.
#
# <details><summary>A hint</summary>Which engine has the kernel they need?</details>
# <details><summary>Answer</summary>Remove <i>Debian Linux</i>. Put Nginx and PHP-FPM on the <i>Docker Engine for Linux</i>, on the Ubuntu: one kernel less. (Directly on the Ubuntu works too: then they're programs without containers. On the engine for Windows they're refused.)</details>
#
# ### 2. A box that sees too much
#
# Change the command in the next cell: the box keeps its own name, but sees *only its own* processes.
#
# <details><summary>A hint</summary>Two options of section 4 are missing, and <code>--mount-proc</code>, because <code>ps</code> reads <code>/proc</code>.</details>
# <details><summary>Answer</summary><code>by_hand(f"{alone} --uts --pid --fork --mount-proc sh -c 'hostname box; hostname; ps -e | wc -l'")</code>. The count falls to a few: the shell, <code>ps</code>, <code>wc</code>, and a line of headings.</details>

# %% slideshow={"slide_type": "skip"} tags=["this-computer"]
by_hand(f"{alone} --uts sh -c 'hostname box; hostname; ps -e | wc -l'")

# %% [markdown] slideshow={"slide_type": "skip"}
# ### 3. The same app, three times
#
# This one checks itself. Press **Start**, type your commands in its box, and press **Check**.

# %% slideshow={"slide_type": "skip"}
exercise("first_service", make=make)

# %% slideshow={"slide_type": "skip"}
# Four questions, one of them about notebook 00. Then score() sums up all your bets.
display(
    quiz("windows_container", "kernel_crash", "seen_outside", "leader_crash"),
    where_next("01_vm_vs_container"),
)
