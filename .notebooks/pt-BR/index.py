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

# %% [markdown] translates="0a8a93dc"
# # O curso: Docker Swarm, slide a slide
#
# *A agenda da palestra como um mapa: cada parte leva às páginas dela, com os slides, os minutos e o que você já resolveu.*
#
# | | |
# | --- | --- |
# | **Você vai aprender a** | achar a página de qualquer slide, ver até onde chegou e escolher o que vem a seguir |
# | **Tempo e nível** | 2 minutos; todas as páginas juntas levam umas sete horas |
# | **O que é preciso** | nada além do kit. É a primeira vez? Comece por [00_start_here](00_start_here.ipynb) |
# | **Slides da palestra** | 01 (o palestrante), 02 (agenda), 44 (o que vem depois) |
#
# A próxima célula mostra o mapa: rode-a e clique em uma página. Rode de novo mais tarde para ver o que você já resolveu.

# %%
from swarmlab.lessons.course_map import course_map

course_map()

# %% [markdown] translates="104a77cf"
# ## Até onde você chegou?
#
# A próxima célula lista todos os exercícios e missões. `progress().export("progress.json")` grava uma cópia, para outra máquina ou para quem dá a aula; ela não traz o nome de ninguém.

# %%
from swarmlab.lessons import progress

progress()

# %% [markdown] translates="0aed0f4e"
# ## A palestra e seu autor
#
# > *Docker 101 • Fluxo básico de trabalho com Docker • Problemas comuns em Produção • Orquestração • Revisitando conceitos • Docker Swarm (Swarm mode) • Algumas features*
#
# Essa é a agenda de *Orquestração de contêineres usando Swarm*, que **Wellington F. Silva** (@_wsilva) apresentou no DevOpsDays Salvador em 28 de outubro de 2017. Os slides estão na [página dele no Speaker Deck](https://speakerdeck.com/wsilva), com essa data; estas páginas os seguem e os citam.
#
# ## E agora?
#
# O slide 44 pergunta *Quer mais?*:
#
# - **Tem uma hora?** [00_start_here](00_start_here.ipynb), [05_quorum](05_quorum.ipynb), [12_rolling_updates](12_rolling_updates.ipynb).
# - **Vai usar no trabalho amanhã?** [10_secrets_and_configs](10_secrets_and_configs.ipynb) e [12_rolling_updates](12_rolling_updates.ipynb), com `swarmlab.launch` no lugar de `swarmlab.simulate`: engines reais, as mesmas páginas.
# - **Quer saber como funciona?** [06_command_to_container](06_command_to_container.ipynb) mostra o código que roda; o README do projeto diz em que ordem ler o resto.
# - **Quer ensinar?** `swarmlab pages` cria páginas web que abrem em qualquer navegador, sem Jupyter.
