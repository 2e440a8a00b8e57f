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

# %% [markdown]
# # The course: Docker Swarm, slide by slide
#
# *The talk's agenda as a map: each part leads to its pages, with their slides, minutes, and what you've solved.*
#
# | | |
# | --- | --- |
# | **You will be able to** | find the page for any slide, see how far you are, and choose what's next |
# | **Time and level** | 2 minutes; all pages together take about seven hours |
# | **You need** | nothing else. New here? Begin with [00_start_here](00_start_here.ipynb) |
# | **Slides of the talk** | 01 (the speaker), 02 (agenda), 44 (what next) |
#
# The map is what the next cell shows: run it, and click a page. Run it again later, and it says what you've solved.

# %%
from swarmlab.lessons.course_map import course_map

course_map()

# %% [markdown]
# ## How far are you?
#
# The next cell lists all exercises and missions. `progress().export("progress.json")` writes a copy, for another machine or for your teacher; it names no one.

# %%
from swarmlab.lessons import progress

progress()

# %% [markdown]
# ## The talk, and its author
#
# > *Docker 101 • Fluxo básico de trabalho com Docker • Problemas comuns em Produção • Orquestração • Revisitando conceitos • Docker Swarm (Swarm mode) • Algumas features*
#
# Docker 101, a basic workflow, common problems in production, orchestration, concepts revisited, Swarm mode, some features: that's the agenda of *Orquestração de contêineres usando Swarm*, which **Wellington F. Silva** (@_wsilva) gave at DevOpsDays Salvador on 28 October 2017. The slides are on [his page at Speaker Deck](https://speakerdeck.com/wsilva), under the same date; these pages follow them, in English, and quote them in Portuguese.
#
# ## What next?
#
# Slide 44 asks *Quer mais?* (want more?):
#
# - **One hour?** [00_start_here](00_start_here.ipynb), [05_quorum](05_quorum.ipynb), [12_rolling_updates](12_rolling_updates.ipynb).
# - **At work tomorrow?** [10_secrets_and_configs](10_secrets_and_configs.ipynb) and [12_rolling_updates](12_rolling_updates.ipynb), with `swarmlab.launch` instead of `swarmlab.simulate`: real engines, the same pages.
# - **Want to know how it works?** [06_command_to_container](06_command_to_container.ipynb) shows the code that runs; the project's README says in which order to read the rest.
# - **Want to teach it?** `swarmlab pages` makes web pages that open in any browser, without Jupyter.
