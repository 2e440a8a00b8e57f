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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "A versão ruim está no ar, e o update pausou sozinho. Agora a gente vai voltar, e descobrir que até voltar pode dar errado."} translates="50c0fe01"
# # Rollback: de volta à versão que funcionava
#
# *Você tira do ar uma versão ruim, à mão e automaticamente, e descobre como o próprio rollback pode dar errado.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="c533d3e7"
# | | |
# | --- | --- |
# | **Você vai aprender a** | fazer o rollback de um serviço; fazer com que um update que falhou se desfaça sozinho; dizer o que um rollback traz de volta e o que ele esquece |
# | **Tempo e nível** | 20 minutos, depois de 12_rolling_updates; os exercícios levam mais 10 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines reais, talvez não dê para contar requisições) |
# | **Slides da palestra** | 43 (controle de rollback) |

# %% translates="2d8f74f0"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import follow
from swarmlab.views.update_history import settings

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
cluster.traffic("web", rate=50)  # requisições por segundo, daqui em diante
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "paused", "notes": "O Docker guarda duas especificações de um serviço: a atual e a anterior. Um rollback é um update para a anterior. O slide tenta definir o ritmo no mesmo comando. Duas apostas: o que o Docker acha disso? E o que dois rollbacks trazem de volta?", "ask": "Dois rollbacks seguidos. O que roda depois?", "wrong": "“A versão anterior à anterior”: não há histórico, só uma especificação anterior."} translates="610f72ef"
# ## 1. À mão
#
# Esse update deu errado: a versão nova, **B**, cai depois de dois segundos (`--args` substitui o comando do contêiner). Na primeira falha (o **F** no desenho), o update **pausou**, o que é o padrão do Docker.

# %% [markdown] slideshow={"slide_type": "skip"} translates="7b2f9d9b"
# Nada é desfeito, e a B falha sem parar em duas *posições* (web.1, web.2, … são posições; cada uma tem uma tarefa por vez): a segunda começou a ser atualizada enquanto a primeira ainda era observada.
#
# O Docker guarda duas **especificações** (specs) de um serviço: a atual e a **anterior**. Cada uma reúne tudo o que estava definido: imagem, comando, réplicas, configurações. Um **rollback** é um update para a especificação anterior. O slide tenta definir o ritmo dele no mesmo comando:
#
# > `$ docker service update --rollback --rollback-parallelism …` (slide 43)
#
# **O que o Docker faz? E o que dois rollbacks com o comando certo trazem de volta?**

# %%
ask("rollback_flags", "second_rollback")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Ele recusa o comando do slide: --rollback não aceita outras flags. O comando certo funciona: a versão boa está de volta nas duas posições. Ótimo. E se eu digitar de novo?", "ask": "O mesmo comando outra vez: o que roda? (A ruim. Não comente: o próximo passo mostra.)", "trouble": "A tecla `r` volta ao update pausado e repete este passo."} translates="b41d5d0b"
# %docker service update --rollback --rollback-parallelism 2 web
# %docker service rollback --quiet --detach web
follow(cluster, "web")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "back", "notes": "A versão ruim. Cada rollback troca uma especificação pela outra. Um colega nervoso que digita duas vezes quebra tudo de novo.", "ask": "Quem digitaria duas vezes, só para garantir? (É só levantar a mão.)"} translates="a9d1c64f"
# %docker service rollback --quiet --detach web
display(follow(cluster, "web"), reveal("rollback_flags", "second_rollback"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="c29d7396"
# <details><summary>Como ler os desenhos</summary>
# <p>No alto, o estado do update ou do rollback. Depois, uma faixa para cada posição, na cor da versão. A linha fina sob uma tarefa nova é o tempo em que ela é observada (o <i>monitor</i>): uma falha nesse tempo conta. Mais abaixo, as requisições que cada versão recebe. Por último, a fração de tarefas que falharam, com uma linha na fração que você tolera.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "swapped", "notes": "E agora é o próprio rollback que está pausado, porque falhou. Não existe uma terceira especificação. A saída é sempre a mesma: um update que diga o que você quer.", "ask": "Por que não há uma lista de todas as versões? (Há, sim: é o histórico do arquivo do seu stack no git.)", "wrong": "“Esqueceram de fazer”: a lista é o histórico do arquivo do seu stack no git."} translates="f855117a"
# O primeiro rollback funcionou. O segundo trocou outra vez as duas especificações: a B voltou, falhou, e agora é o *rollback* que está **pausado**. Um rollback pode falhar como qualquer update, e não existe uma terceira especificação para onde voltar. A saída é sempre a mesma: **um update que diga o que você quer.** (`--args ""` quer dizer: em vez de um comando nosso, o da própria imagem, como na versão A.)

# %%
# %docker service update --quiet --args "" web
# %docker service ps --filter desired-state=running web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "fixed", "minutes": {"90": 1}, "notes": "Slide 43. A primeira das sete configurações é a mais importante: failure action, rollback. Com ela, ninguém precisa digitar nada. As outras seis são do próprio rollback. Mesmos nomes, mesmos padrões, mas não herdam o que foi definido para o update. [Pergunte; depois:] Definam cedo: o rollback lê essas configurações na versão para a qual volta. Com a ruim já no ar, é tarde.", "ask": "Onde elas devem ser definidas: na versão boa ou na ruim? (Na boa: o rollback lê a especificação para a qual volta.)", "wrong": "“Na nova”: o rollback lê a especificação para a qual volta.", "trouble": "A tecla `r` volta à versão boa e repete este passo."} translates="861cf6b4"
# ## 2. Sete configurações (slide 43)
#
# > *Se for usado* `--update-failure-action=rollback` *então em caso de falhas o rollback é automático.*
#
# Essa é a primeira das sete configurações do slide. As outras seis, `--rollback-…`, são do próprio rollback. Têm os mesmos nomes e os mesmos padrões que as do update, mas não herdam os valores dele.

# %%
# %docker service update --quiet --update-parallelism 2 --update-order start-first \
#     --update-failure-action rollback web
settings(cluster, "web")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "set", "notes": "Com uma versão ruim no ar, as pessoas ficam criativas. Uma resolve definir o ritmo do rollback. Outra escala o serviço, porque metade dele caiu. E aí alguém faz o rollback. O que volta?", "ask": "A versão boa ou não?", "wrong": "“A versão boa”: qualquer mudança, mesmo de uma configuração só, transforma a especificação atual na anterior."} translates="f4806462"
# Um rollback lê as configurações na especificação **para a qual volta**. Por isso, elas têm que estar lá *antes* do update que vai dar errado, de preferência desde o começo. **E se você só as definir com a versão ruim já no ar? Ou se escalar o serviço porque metade dele caiu?**

# %%
ask("late_settings", "scaled_since")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "A versão ruim, com duas réplicas. A boa ficou duas mudanças atrás e não está mais guardada em lugar nenhum. [Pergunte; depois:] Moral da história: primeiro o rollback, depois a ajuda.", "ask": "O que eles deveriam ter digitado? (`docker service rollback`, antes de qualquer outra coisa.)", "trouble": "A tecla `r` volta ao ponto anterior ao erro e repete este passo."} translates="a597861a"
# %docker service create --quiet --detach --name shop --replicas 2 nginx:1.25
# %docker service update --quiet --detach --image nginx:1.72 shop
cluster.run("20s")
# %docker service ls --filter name=shop
# %docker service scale --detach shop=6
# %docker service rollback --detach shop
cluster.run("20s")
# %docker service ls --filter name=shop
reveal("late_settings", "scaled_since")

# %% [markdown] slideshow={"slide_type": "skip"} translates="89554b62"
# A imagem continua sendo `nginx:1.72`, o erro de digitação; só o 6 voltou a ser 2. Antes sobrava uma tarefa boa; agora não há nenhuma. *Qualquer* mudança, mesmo de uma configuração só, transforma a especificação atual na anterior. A boa ficou duas mudanças atrás e não está mais guardada em lugar nenhum.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "late", "notes": "Agora o web faz rollback sozinho. Vem a versão ruim de novo e, em seguida, um rollback à mão. Depois, uma segunda versão ruim, que só cai depois de oito segundos. Essa ele pega?", "ask": "Uma queda depois de oito segundos: ele pega ou não?", "wrong": "“Acaba em rollback”: o monitor é de cinco segundos. “Traz de volta a ruim”: um rollback automático esquece a versão que falhou."} translates="409913cd"
# ## 3. Automaticamente
#
# Agora o `web` faz rollback sozinho. Ele recebe de novo a versão ruim e, em seguida, um `docker service rollback` à mão. **O que o Docker responde? E ele também pega uma versão que só cai depois de *oito* segundos?**

# %%
ask("after_automatic", "late_crash")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Falhou e voltou, sem ninguém digitar nada. O rollback à mão é recusado: não há mais versão anterior. Melhor assim: ninguém consegue trazer a ruim de volta sem querer.", "ask": "Onde está a falha no desenho? (No F: uma tarefa falhou enquanto era observada.)", "trouble": "A tecla `r` volta à versão boa, com as configurações dela, e repete este passo."} translates="e037bbbe"
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
display(follow(cluster, "web"))
# %docker service rollback --detach web

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rolled", "notes": "Completed, diz o Swarm, e o serviço está fora do ar. Foram cinco segundos de observação, e a versão morreu aos oito. Verde não quer dizer bom.", "ask": "Quanto tempo o seu app leva para falhar? (Não há resposta certa; o monitor é que tem que durar mais que isso.)"} translates="a750172b"
# %docker service update --quiet --detach --args "sh -c 'sleep 8; exit 1'" web
display(follow(cluster, "web"), reveal("after_automatic", "late_crash"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "down", "notes": "Com quinze segundos, a versão ruim é pega. O monitor tem que durar mais do que o seu app leva para morrer. [Pergunte; depois:] Mas isso não segura o update. Para segurar, use um delay.", "ask": "Monitor ou delay: qual dos dois deixa o update mais lento? (O delay: durante o monitor, as próximas posições começam.)", "wrong": "“O monitor”: não, enquanto ele observa, as próximas posições já começam."} translates="997a5196"
# *Completed*, diz o Swarm, e o serviço está fora do ar. (A B nunca responde: só dorme. Com um healthcheck, o update teria falhado e se desfeito.) Cada tarefa foi observada por cinco segundos, o padrão de `--update-monitor`, e morreu aos oito. Observe por mais tempo do que o seu app leva para falhar:

# %%
# %docker service update --quiet --args "" web
# %docker service update --quiet --detach --update-monitor 15s --args "sh -c 'sleep 8; exit 1'" web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "skip"} translates="7ed33b07"
# Agora a versão ruim é pega. Mas o monitor não segura o update: as próximas posições começam enquanto as primeiras ainda são observadas. Se a versão nova deve ficar em uma única posição até provar que funciona, aumente também a pausa: `--update-delay`.
#
# <details><summary>O que mais um rollback automático esquece</summary>
# <p>Tudo o que veio com o update ruim: secrets, labels, réplicas e configurações como o monitor de 15 segundos. Veja com <code>settings(cluster, "web")</code>. É a especificação inteira que volta. Mas o que uma tarefa gravou em um volume ou em um banco de dados fica: a versão antiga vai ter que lidar com isso.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "skip"} translates="a8854b8e"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Um update que se desfaz sozinho
#
# ### 2. De volta, tudo de uma vez
#
# ### 3. Alguém escalou depois
#
# ### 4. Um rollback cuidadoso

# %% slideshow={"slide_type": "skip"}
exercises("13_rollback", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "caught", "minutes": {"90": 1}, "notes": "Há uma só especificação anterior, e cada mudança a substitui. Dois rollbacks à mão trazem a ruim de volta. O automático esquece a ruim. Definam a failure action e o monitor antes de precisar deles. E essa foi a palestra, ou quase: o que você quer vai em um arquivo, o swarm mantém tudo assim, e vocês viram o que acontece quando ele não consegue. Perguntas?"} translates="4573f6cc"
# ## Resumo
#
# - Um rollback é um update para a especificação anterior. Só existe uma, e cada mudança a substitui.
# - Dois rollbacks à mão levam de volta ao ponto de partida. Um automático esquece a versão que falhou.
# - Um rollback também pode falhar. Nesse caso, diga o que você quer com um update.
# - As seis configurações do rollback são só dele. Defina-as antes de precisar.
# - Só contam as falhas dos primeiros cinco segundos de cada tarefa, a não ser que você aumente o `--update-monitor`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="b4277d70"
# **Para mostrar a um colega:** a seção 3, com `sleep 8`. (Antes, rode os imports e o cluster do começo.)
#
# Mais três perguntas, duas sobre outras páginas.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(quiz("rollback_order", "bad_version", "four_managers"), where_next("13_rollback"))
