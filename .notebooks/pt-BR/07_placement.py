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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Por que uma tarefa vai para este nó e não para aquele? Quem decide é uma parte só, e ela sabe dizer por quê."} translates="48d27cce"
# # Posicionamento: por que aqui e não ali?
#
# *Você pergunta ao scheduler sobre cada tarefa, espalha um serviço por zonas e descobre por que quatro serviços esperam.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0159083c"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer qual nó recebe uma tarefa e por quê; espalhar por zonas; descobrir por que uma tarefa espera |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; todos os exercícios levam mais 12 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede |
# | **Slides da palestra** | 34 (o scheduler), 35 (zonas) |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "start", "minutes": {"90": 1}, "notes": "O scheduler atribui um nó à tarefa, e a escolha é definitiva. Primeiro ele faz perguntas sobre cada nó: os filtros. Basta um não, e o nó está fora. Dos que restam, vence o mais vazio. Aqui está uma decisão inteira. O serviço só pode rodar em workers, por isso os managers saem na primeira linha. Todas as respostas estão na tela.", "ask": "Dois nós estão igualmente vazios. Qual deles vence? (O acaso decide.)", "wrong": "“O primeiro”: quem decide é o acaso.", "trouble": "A tecla `r` começa de novo: as mesmas sete máquinas, os mesmos labels."} translates="16aa37f4"
# ## 1. Uma parte, uma decisão
#
# No caminho do comando ao contêiner, toda tarefa passa pelo **scheduler** (slide 34; a página 06 segue o caminho inteiro). É ele que atribui um nó à tarefa, e a escolha é definitiva.
#
# Ele faz perguntas sobre cada nó, os **filtros**. Basta um *não*, e o nó está fora. Dos que restam, vence o mais vazio.

# %% [markdown] slideshow={"slide_type": "skip"} translates="4781f451"
# As duas próximas células criam sete máquinas, põem **labels** em algumas delas (`az`, a zona: máquinas que podem falhar juntas; e `rack`) e sobem o `web`.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercise, exercises, progress, where_next
from swarmlab.lessons.bets import ask, quiz, reveal
from swarmlab.views.placement_explanation import why
from swarmlab.views.spread import spread

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=4, seed=7)
cluster.board()

# %%
# %docker node update --label-add az=a --label-add rack=1 m1
# %docker node update --label-add az=a --label-add rack=1 w1
# %docker node update --label-add az=a --label-add rack=2 w2
# %docker node update --label-add az=b --label-add rack=1 m2
# %docker node update --label-add az=b --label-add rack=1 w3
# %docker service create --quiet --name web --replicas 2 --constraint node.role==worker nginx
why(cluster, "web.1")

# %% [markdown] slideshow={"slide_type": "skip"} translates="ce3d1084"
# **Como ler o desenho.** No desenho, cada linha é um filtro (no texto, cada coluna). Um nó que não passa sai da disputa, e o desenho diz por quê. No fim, os nós que sobram são comparados.
#
# - Os managers não cumprem a **restrição** (*constraint*) `node.role==worker`. Uma restrição é uma *ordem*: sem um nó assim, a tarefa não roda.
# - Os workers passam. Se estão igualmente vazios, o acaso decide.
#
# <details><summary>Restrições com “diferente de” e o que muda em engines reais</summary>
# <p><code>node.labels.az!=a</code> só recusa os nós cujo label az é a. Um nó sem o label passa.</p>
# <p>Em engines reais, você vê menos: o resto só o scheduler sabe, e ele não conta.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "labelled", "minutes": {"90": 1}, "notes": "Slide 35, espalhar por zonas. Eu digitei exatamente como está no slide. Olhem bem: há uma letra que faz diferença. O que o Swarm faz com isso?", "ask": "Recusa, espalha por zonas ou nenhum dos dois?", "wrong": "“Recusa”: ele aceita, em silêncio. “O mesmo número em cada zona”: faria isso com labels, no plural."} translates="c9c798be"
# ## 2. Espalhar por zonas (slide 35)
#
# O slide usa uma **preferência**, um *desejo*: dividir as tarefas por igual entre os valores de um label. Cada valor é um *ramo*.
#
# > `docker service create --placement-pref "spread=node.label.az" demo`
#
# O m1, o w1 e o w2 estão na zona a; o m2 e o w3, na zona b; o m3 e o w4 não têm label. **O que o Swarm faz com o comando do slide?**

# %%
ask("typo_label")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Ele aceita o comando, mas não espalha por zona nenhuma. A zona a tem três nós e por isso recebe mais tarefas. Código de saída zero, sem nenhum aviso. Olhem o resultado, não o código de saída. Próxima aposta: dois nós não têm label nenhum. O que eles recebem?", "ask": "Nove tarefas, duas zonas, dois nós sem label. Quantas esses dois recebem?", "wrong": "“Nenhuma, não estão em zona nenhuma”: uma preferência não exclui nó nenhum. “Duas, uma para cada”: ela conta ramos, não nós.", "trouble": "A tecla `r` volta ao swarm com os labels e repete este passo."} translates="6905cd81"
# %docker service create --quiet --name typo --replicas 9 --placement-pref spread=node.label.az nginx
display(spread(cluster, "typo", "az"), reveal("typo_label"), ask("unlabelled"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "typo", "minutes": {"90": 1.5}, "notes": "Três. “Sem label” é mais um ramo, que vale tanto quanto uma zona inteira. Daí três, três e três. E dentro da zona a, a segunda preferência divide pelos racks. Só depois contam os nós, e vence o mais vazio. Portanto, ponham label em todos os nós; senão, os que não têm label recebem mais do que vocês queriam.", "ask": "Uma preferência é uma ordem ou um desejo? (Um desejo: nunca faz uma tarefa esperar.)", "wrong": "“Uma ordem”: ordens são as restrições. Uma preferência nunca faz uma tarefa esperar."} translates="bfd49a07"
# node.labels, com s; a segunda preferência espalha pelos racks de cada zona
# %docker service create --quiet --name shop --replicas 9 --placement-pref spread=node.labels.az \
#     --placement-pref spread=node.labels.rack nginx
display(spread(cluster, "shop", "az", "rack"), why(cluster, "shop.1"), reveal("unlabelled"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="5121683c"
# <details><summary>O que você vê (olhe o desenho antes)</summary>
# <p><b>typo</b>: por igual entre os nós, desigual entre as zonas. A zona a tem três nós e por isso recebe mais tarefas.</p>
# <p><b>shop</b>: três ramos, três tarefas em cada. Zona a, zona b e <i>sem label</i>, que vale tanto quanto uma zona. Dentro da zona a, o rack 1 (dois nós) e o rack 2 (um nó) dividem três tarefas: 2 e 1 ou 1 e 2.</p>
# </details>
#
# ### 1. Agora é com você: metade em cada zona
#
# Clique em **Iniciar**: o exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.

# %% slideshow={"slide_type": "skip"}
exercise("spread_over_zones", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "shop", "notes": "Pending: a tarefa existe, e nenhum nó pode recebê-la. O filtro que recusou a tarefa deixou o motivo registrado. O Docker só o mostra inteiro com --no-trunc; todo mundo esquece essa flag. E o why mostra a resposta de cada nó.", "ask": "Quinhentos gigabytes: quanto tempo essa tarefa vai esperar? (Para sempre, a não ser que entre um nó com tanta memória.)", "wrong": "“Até um timeout”: não há timeout, ela espera para sempre. O scheduler tenta de novo sempre que um nó muda."} translates="3a31fa73"
# ## 3. Pending: leia o motivo
#
# `pending` quer dizer que a tarefa existe, mas nenhum nó pode recebê-la. O filtro que recusou a tarefa deixou o motivo registrado. Há dois jeitos de perguntar:

# %% translates="64a885fa"
swarmlab.use(cluster)  # %docker volta a falar com o swarm desta página
# %docker service create --detach --name huge --reserve-memory 500g nginx
cluster.run("5s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" huge
why(cluster, "huge.1")

# %% [markdown] slideshow={"slide_type": "skip"} translates="be41c77d"
# Uma **reserva** separa parte de um nó, usada ou não. (Um *limite* não reserva nada, e o scheduler o ignora.) `--replicas-max-per-node` também é um filtro.
#
# ### 2. Agora é com você: quatro serviços esperam
#
# Como antes: clique em **Iniciar**, digite os comandos e clique em **Verificar**.
#
# <details><summary>Comandos que ajudam</summary><code>docker service inspect --pretty disk</code> mostra o que o serviço pede (<i>Placement</i>, <i>Resources</i>); <code>docker node inspect --pretty w1</code>, o que um nó oferece (<i>Labels</i>, <i>Resources</i>). Com o exercício iniciado, <code>why(swarmlab.latest(), "disk.1")</code> em uma célula nova também funciona.</details>

# %% slideshow={"slide_type": "skip"}
exercise("four_pending", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pending", "notes": "Eu dreno o w2 para pôr mais memória nele: as tarefas são substituídas em outros nós. Uma hora depois, ele volta. Quantas delas ele recebe de volta?", "ask": "Todas, algumas ou nenhuma?", "wrong": "“Tantas quanto antes”: elas foram paradas e substituídas em outros nós. “Tantas quanto os outros”: o Swarm nunca tira uma tarefa saudável do lugar só para equilibrar as coisas."} translates="e5440657"
# ## 4. Ida e volta
#
# Você **drena** o w2 para pôr mais memória nele: as tarefas param e são substituídas em outros nós. Mais tarde, você o reativa. **Quantas tarefas do shop voltam para ele?**

# %%
ask("no_rebalance")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nenhuma. Muita gente espera por isso há anos. docker service update --force substitui todas as tarefas, uma a uma, e aí tudo se equilibra. Ou esperem o próximo deploy.", "ask": "Por que é bom que, por padrão, seja assim? (Mudar uma tarefa de lugar é interromper uma que está saudável e atendendo usuários.)", "wrong": "“É preguiça”: mudar uma tarefa de lugar é interromper uma que está saudável e atendendo usuários.", "trouble": "A tecla `r` volta ao estado anterior ao drain e repete este passo."} translates="2a114ec1"
swarmlab.use(cluster)
# %docker node update --availability drain w2
cluster.run("30s")
# %docker node update --availability active w2
cluster.run("60s")
display(spread(cluster, "shop", "az", "rack"), reveal("no_rebalance"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="63f13d1b"
# O w2 fica, portanto, sem tarefas do shop. `docker service update --force` substitui todas, uma a uma, embora o serviço não mude. Tarefas *novas* vão para os nós mais vazios.
#
# <details><summary>O m1 ou o w1 está sem tarefa do shop?</summary>Zonas e racks vêm antes dos nós. Se o rack 2 fica com duas das três tarefas da zona a, o rack 1 fica com uma, e o rack 1 é do m1 e do w1.</details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "back", "notes": "Um label pode mudar com tarefas rodando no nó. Aqui são dois: um está em uma restrição; o outro, em uma preferência. Qual das mudanças tira alguma coisa do lugar?", "ask": "Eu tiro o label que uma restrição pede. O que acontece com as tarefas?", "wrong": "“Nada, uma tarefa é alocada uma vez”: se o nó deixa de cumprir a ordem, o swarm para a tarefa. “Algumas mudam, até as zonas ficarem iguais”: uma preferência só conta quando a tarefa é alocada."} translates="88d22061"
# ### Labels que mudam
#
# Você pode pôr e tirar labels a qualquer momento, mesmo com tarefas rodando no nó. Um serviço `fast` tem que rodar onde o label `disk` é `ssd`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="f3d47f69"
# Primeiro, o w3 tem o label; depois, ninguém; por fim, o w4. E o w4, que não estava em zona nenhuma, vai para a zona b. **Qual dessas mudanças tira tarefas do lugar?**

# %%
ask("label_removed", "label_given")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "As tarefas do fast deixaram de cumprir uma ordem: foram paradas, e as substitutas esperaram até o w4 ter o label. As do shop contrariam, no máximo, um desejo, e ficam onde estão.", "ask": "Qual das duas coisas teria surpreendido você de madrugada? (Não há resposta certa. Quem para tarefas saudáveis é a restrição.)"} translates="fd7ae823"
# %docker node update --label-add disk=ssd w3
# %docker service create --quiet --name fast --replicas 2 --constraint node.labels.disk==ssd nginx
# %docker node update --label-rm disk w3
cluster.run("10s")
# %docker service ps --format "{{.Name}} {{.Node}} {{.CurrentState}}" fast
# %docker node update --label-add disk=ssd --label-add az=b w4
cluster.run("20s")
# %docker service ps --format "{{.Name}} {{.Node}} {{.CurrentState}}" fast
display(spread(cluster, "shop", "az"), reveal("label_removed", "label_given"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="b335a979"
# As tarefas do fast deixaram de cumprir uma ordem: foram paradas (*rejected*), e as novas esperaram até o w4 ter o label. As do shop contrariam, no máximo, um desejo.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "moved", "notes": "A zona b pega fogo: o m2, o w3 e o w4. É para um dia assim que a gente espalha. O que acontece com as três tarefas de lá?", "ask": "Esperam, são substituídas em outro nó ou se perdem?", "wrong": "“Esperam pela zona b”: uma restrição faria isso. Uma preferência é um desejo."} translates="fadee4f6"
# ## 5. Uma zona morre
#
# A zona b pega fogo, com o m2, o w3 e o w4 dentro. Foi para um dia assim que você espalhou o shop pelas zonas. **O que acontece com as tarefas dele ali?**

# %%
# %docker service update --quiet --force shop
display(spread(cluster, "shop", "az"), ask("zone_dies"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "even", "notes": "Nove de novo, nenhuma na zona b. O ponto de interrogação marca uma tarefa sem notícias desde que o nó dela caiu. E olhem os managers: sobraram dois de três, e só por isso alguma coisa pôde acontecer.", "ask": "E se dois dos seus managers estivessem na zona b? (Não haveria quórum, e nada teria sido consertado.)", "wrong": "“Só seriam mais tarefas para mover”: nada teria sido consertado, porque não haveria quórum.", "trouble": "A tecla `r` volta ao swarm equilibrado e põe fogo na zona b mais uma vez."} translates="ac42cdc1"
cluster.crash("m2", "w3", "w4")
cluster.run("60s")
display(spread(cluster, "shop", "az"), reveal("zone_dies"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="8b8eff56"
# <details><summary>O que você vê</summary>
# <p>Nove rodam de novo, nenhuma na zona b. <b>?</b> marca uma tarefa sem notícias desde que o nó dela caiu. Pode haver mais delas do que a zona b tinha: o swarm viu um nó cair um instante antes do outro, criou no segundo as substitutas das tarefas do primeiro e depois teve que substituí-las também.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "burnt", "notes": "Filtros recusam nós, preferências dividem, o nó mais vazio vence. Uma ordem vale sempre; um desejo, só na hora de escolher o nó. O Swarm não equilibra nada. E pending tem um motivo: --no-trunc."} translates="a4ca7bf0"
# ## Resumo
#
# - **Filtros** recusam nós. **Preferências** dividem as tarefas entre ramos (os nós sem o label formam um deles). Depois, vence o nó mais vazio.
# - Uma restrição é uma ordem e vale sempre: sem um nó que a cumpra, a tarefa não roda. Uma preferência é um desejo e só conta na hora de escolher o nó.
# - O Swarm não equilibra nada depois: só tarefas novas vão para outro lugar. Um serviço *global* tem uma tarefa em cada nó, inclusive nos novos.
# - `pending` tem um motivo: `docker service ps --no-trunc`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="ad494c03"
# Mais exercícios, o que você já resolveu e cinco perguntas:

# %% slideshow={"slide_type": "skip"}
display(
    exercises("07_placement", make=make),
    progress("07_placement"),
    quiz("constraint_unlabelled", "limits", "max_per_node", "global_joins", "engine_label"),
    where_next("07_placement"),
)
