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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Até onde dá para crescer? A gente vai passar de cinco para mil nós e ver quanto isso custa."} translates="0c10b063"
# # Escala: mil nós e quanto eles custam
#
# *Você faz um swarm crescer de cinco para mil nós, vê como ele aloca três mil tarefas e mede quanto custa ter mais managers, nós e tarefas.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="ff052b85"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer o que cresce com managers, nós e tarefas; escolher quantos managers um swarm grande deve ter; ler uma figura de mil nós |
# | **Tempo e nível** | 20 minutos, depois de 05_quorum |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. Em engines reais, a figura funciona com quantos nós você tiver; as medições exigem a simulação |
# | **Slides da palestra** | 12 (como escalar), 32 (quantos managers?) |

# %%
import time

import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.scale_experiments import growth
from swarmlab.views.fleet import fleet

cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
fleet(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "five", "notes": "Cada quadrado é um nó: quanto mais cheio, mais tarefas. A borda grossa é o líder. Por enquanto são cinco nós. Daqui a pouco, mil, com três mil tarefas. Elas vão se espalhar por igual?", "ask": "Três em cada nó? Mais ou menos três? Ou os primeiros ficam cheios?", "wrong": "“Mais ou menos três”: não é sorteio. Cada tarefa vai para um dos nós com menos tarefas."} translates="21b756de"
# ## 1. Mil nós
#
# Cada quadrado é um nó: quanto mais cheio, mais tarefas ele roda. A borda grossa marca o líder; a mais fina, os outros managers; o x, um nó fora do ar. Para saber qual é o nó, clique no quadrado ou use as setas.
#
# Cinco nós ainda cabem em um painel. Agora vem o mesmo swarm, com 997 workers e um serviço de 3.000 tarefas. **Elas vão se espalhar por igual?**

# %%
ask("spread_on_many")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Mil nós. E agora, três mil tarefas. Exatamente três em cada um. O scheduler pega o lote inteiro, ordena os nós uma vez só e distribui as tarefas em rodízio.", "ask": "Quanto tempo isso levaria à mão? (A um minuto por tarefa: cinquenta horas.)", "trouble": "Este é o passo mais longo de todos: alguns segundos para mil máquinas. Continue falando e não aperte nenhuma tecla."} translates="64e5a8bd"
cluster = swarmlab.simulate(managers=3, workers=997, seed=7)
fleet(cluster)

# %%
# %docker service create --quiet --detach --name web --replicas 3000 busybox sleep 1d
cluster.run("20s")
# %docker service ls --format "{{.Name}}: {{.Replicas}} tasks run"
reveal("spread_on_many")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "thousand", "notes": "Um dos workers fica sem energia. Quantas tarefas dos outros 999 nós mudam de lugar?", "ask": "Nenhuma, três, a maioria?", "wrong": "“A maioria: o swarm redistribui tudo”: tarefas que já rodam nunca mudam de lugar."} translates="564c96b7"
# Role para cima: todos os quadrados estão igualmente cheios. O scheduler aloca um lote grande de uma vez: ordena os nós uma vez só e distribui as tarefas em rodízio.
#
# Em seguida, um worker fica sem energia. **Quantas tarefas dos outros 999 nós mudam de lugar?**

# %%
ask("moves_after_loss")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nenhuma. Só as três dele são substituídas, depois de quinze segundos de silêncio. Perder um nó custa o mesmo em um swarm de dez ou de mil.", "ask": "Onde está o x? (No w9; clique nele para ver o nome.)", "trouble": "Caiu o nó errado? A tecla `r` volta aos mil nós, o que aqui leva alguns segundos."} translates="c43e9324"
cluster.crash("w9")
cluster.run("30s")
display(fleet(cluster), reveal("moves_after_loss"))

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "lost", "notes": "Managers, nós, tarefas: três coisas podem crescer. Você passa de três para nove managers. O que acontece com cada escrita?", "ask": "Fica mais rápida, igual ou mais lenta?", "wrong": "“Mais rápida: nove dividem o trabalho”: não dividem; agora o líder a envia aos outros oito."} translates="4619cec7"
# ## 2. O que cresce com o quê
#
# Três coisas podem crescer: managers, nós e tarefas. A célula depois da aposta cria swarms de vários tamanhos no seu próprio computador e, para cada número de managers, conta quantas mensagens custa uma escrita pequena, como a de um config novo. **Você passa de três para nove managers. O que acontece com essa escrita?**

# %%
ask("write_with_nine")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "O custo cresce na mesma proporção que os nós e as tarefas. Com os managers é diferente: cada escrita vai para todos os outros e espera pela confirmação da maioria. Mais managers dão mais segurança, nunca mais velocidade.", "ask": "Então, quantos managers para dez mil workers? (Cinco bastam; no máximo, sete.)", "wrong": "“Um para cada cinquenta”: cinco bastam.", "trouble": "A medição é feita nesta máquina e leva alguns segundos."} tags=["wall-clock"] translates="6087df5b"
display(growth(time.perf_counter), reveal("write_with_nine"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="6f40e594"
# **O que você vê.** O custo cresce na mesma proporção que os nós e as tarefas: com o dobro deles, tudo leva mais ou menos o dobro do tempo. Um worker recebe as tarefas de um manager só: tem uma única conexão, com um deles, e manda um heartbeat a cada cinco segundos.
#
# Com os managers é diferente. O líder envia cada escrita a *todos* os outros e espera pela confirmação da maioria. São quatro mensagens por manager: a escrita, a resposta, o aviso de que a escrita vale e a resposta ao aviso. (O resto são heartbeats.) Ter mais managers não acelera nada; só permite que mais deles falhem.
#
# <details><summary>Onde se gasta o tempo em um swarm grande</summary>
# <p>Ao formar o swarm, com os certificados e os primeiros heartbeats. Ao iniciar tarefas, com as escritas: cada tarefa é gravada várias vezes (ao ser criada, ao receber endereços, ao ser alocada, ao entrar em execução), e todo manager guarda todas. Quando um nó morre, a parte do scheduler é pequena; o que mais demora é perceber a falha: uns 15 segundos sem heartbeat, seja qual for o tamanho do swarm.</p>
# <p>Os segundos dos gráficos são do seu computador e deste simulador; por isso, observe a forma das curvas, não a altura. <code>swarmlab bench swarm3k</code> forma um swarm de 4.700 nós e inicia 100.000 tarefas; leva alguns minutos.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "managers", "notes": "Três, cinco ou sete. O Docker diz no máximo sete. Mil workers não precisam de mais managers do que dez workers; só as máquinas dos managers é que têm que ser maiores. E nada de tarefas nelas.", "ask": "Quantos você tem? E por quê? (Mãos levantadas: um? Dois? Três? Mais?)"} translates="176c5569"
# ## 3. De três a sete managers
#
# | managers | podem falhar | uma escrita espera por |
# | --- | --- | --- |
# | 3 | 1 | 1 outro |
# | 5 | 2 | 2 outros |
# | 7 | 3 | 3 outros |
#
# A documentação do Docker recomenda no máximo sete. Mil workers não precisam de mais managers do que dez workers: o que precisa ser maior são as *máquinas* dos managers, porque cada um guarda tudo na memória. E, em swarms grandes, os managers não rodam tarefas: drene-os.

# %% [markdown] slideshow={"slide_type": "skip"} translates="2cd038da"
# <details><summary>O que o Swarm2k e o Swarm3K mostraram</summary>
# <p>Em julho de 2016, voluntários emprestaram ao <b>Swarm2k</b> 2.384 servidores em vários continentes, com três managers. Enquanto os nós ainda entravam, o organizador parou os managers, um de cada vez e o líder por último, para passá-los a máquinas maiores: a entrada de nós parou, outro manager foi eleito, e o swarm seguiu em frente (<a href='https://blog.scaleway.com/2016/docker-swarm-an-analysis-of-a-very-large-scale-container-system/'>C. Kaewkasi, 2016</a>).</p>
# <p>Em outubro, o <b>Swarm3K</b> queria 3.000 nós e chegou a 4.700. O que falhou não foi o scheduler, e sim a rede: um WordPress longe do banco MySQL só recebia timeouts, até que os dois ficaram no mesmo data center (<a href='https://sematext.com/blog/2016/11/14/docker-swarm-lessons-from-swarm3k/'>C. Kaewkasi, 2016</a>). Labels e restrições mantêm juntos serviços como esses: página 07.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "skip"} translates="a92fbb45"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Sete managers, por segurança
#
# Os sete nós são managers. Deixe apenas três.
#
# ### 2. Managers que só gerenciam
#
# As tarefas rodam em toda parte, até nos managers. Deixe os managers livres, hoje e amanhã.

# %% slideshow={"slide_type": "skip"}
exercises("16_scale", make=swarmlab.simulate)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "O dobro de nós, o dobro do trabalho. Cada manager a mais encarece todas as escritas. De três a sete, em número ímpar, drenados e em máquinas grandes."} translates="107219b9"
# ## Resumo
#
# - Nós e tarefas: com o dobro deles, mais ou menos o dobro do trabalho.
# - Managers: toda escrita vai para cada um deles. Ter mais managers dá segurança, não velocidade.
# - De três a sete managers, sempre em número ímpar, drenados e em máquinas grandes.
# - A perda de um nó só mexe com as tarefas dele.
#
# **Para mostrar a um colega:** a figura da seção 1, enquanto um nó morre.
#
# As duas últimas perguntas são sobre as páginas 05 e 07.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(quiz("managers_for_many", "two_managers", "no_rebalance"), where_next("16_scale"))
