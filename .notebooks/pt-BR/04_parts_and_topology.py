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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Quem faz o quê em um swarm? Vamos descobrir do jeito mais bruto que existe: tirando as partes, uma a uma."} translates="a78dacaa"
# # As partes do Swarm e quem faz o quê
#
# *Você percorre a história do Swarm, desmonta um serviço em tarefas e contêineres e descobre para que serve cada tipo de nó tirando-o de cena.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0ab55839"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer o que são serviço, posição, tarefa e contêiner, e o que fazem managers e workers; incluir, retirar, promover e drenar nós |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; todos os exercícios levam mais 8 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines reais, o desenho da seção 4 não mostra quem está falando com quem no momento) |
# | **Slides da palestra** | 21–23 (história), 24 (componentes), 25–28 (nós), 29 (topologia). [Todos os slides](index.ipynb) |
#
# - **Nó**: um engine que está no swarm. Cada nó é **manager** ou **worker**; a seção 3 mostra a diferença. Os managers elegem um deles, o **líder**; os outros são *seguidores*. O *mandato* (term) é o número de uma eleição (página 05).
# - **Raft**: o protocolo pelo qual todos os managers mantêm os mesmos dados.
# - **Token** (join token): a senha com que um engine entra no swarm.
# - **Serviço**: o que você pede a um swarm, como três cópias do nginx.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.eras import eras
from swarmlab.views.slots import slots
from swarmlab.views.topology import topology

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=3, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "minutes": {"90": 1}, "notes": "Slides 21 a 23, um pouco de história. Um cluster precisa de uma lista das suas máquinas. Em 2015 já existia um Swarm, diferente deste, e era você que tinha que fornecer essa lista. Onde ela ficava?", "ask": "2015: onde ficava a lista dos engines?", "wrong": "“Nos managers”: isso veio em 2016, com o Swarm mode."} translates="10f0a43d"
# ## 1. De onde veio o Swarm (slides 21–23)
#
# Um cluster precisa de uma lista dos seus engines. **No Swarm clássico, de junho de 2015, onde ela ficava?**

# %% [markdown] slideshow={"slide_type": "skip"} translates="d5b62522"
# Depois da sua aposta, percorra a linha do tempo com cliques. Já não dá para experimentar o Swarm clássico; para cada uma das outras três versões, a célula roda um comando que foi novidade nela. (Uma linha de `%docker` que começa com um comando do shell, como `printf`, roda como está. O `-` lê o que vem pelo pipe, `|`.)

# %%
ask("who_knew")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Em um serviço externo, Consul ou etcd: antes mesmo do primeiro contêiner, você já tinha outro cluster para cuidar. Desde a 1.12, os próprios managers guardam a lista. Desde a 1.13 há secrets, e depois vieram os configs.", "trouble": "O Docker recusou os comandos porque os nomes já existem? A tecla `r` recomeça com um swarm vazio."} translates="db830803"
# %docker service create --quiet --name web --replicas 3 --publish 8080:80 nginx
# %docker printf s3nha | docker secret create senha-db -
# %docker printf debug | docker config create cfg-demo -
display(eras(), reveal("who_knew"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9aed2bbd"
# > *Lançado em junho de 2015, beta e dependente de service discovery externo.* (*Service discovery*: um diretório dos engines, aqui mantido fora do Swarm.)
#
# Quase tudo o que a linha do tempo cita tem uma página própria; veja o [mapa do curso](index.ipynb).

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"90": 1}, "notes": "Slide 24. Serviço é o que você pediu. Posição é o lugar de uma réplica: web.1. Tarefa é uma tentativa de preencher a posição. Contêiner é o que a tarefa roda ali. Eu mato um contêiner. O que preenche a posição dele?", "ask": "O mesmo contêiner, a mesma tarefa ou uma tarefa nova?", "wrong": "“O mesmo contêiner, iniciado de novo”: isso é docker run --restart. Uma tarefa é uma tentativa."} translates="09b6c31d"
# ## 2. Serviço, posição, tarefa, contêiner (slide 24)
#
# O desenho da próxima célula é o slide 24 com o seu serviço:
#
# - **Serviço**: o que você pediu; aqui, três *réplicas*, ou cópias.
# - **Posição** (*slot*): o lugar de uma réplica, com número: `web.1`.
# - **Tarefa**: uma tentativa de preencher uma posição, em um nó.
# - **Contêiner**: o que a tarefa roda ali.

# %% [markdown] slideshow={"slide_type": "skip"} translates="97b2db67"
# Cada tarefa tem *dois* estados: o **desejado** e o **real** (com esses nomes no desenho). A célula depois da aposta mata um contêiner, no primeiro nó que tiver algum. **O que preenche a posição dele depois?**

# %%
display(slots(cluster, "web"), ask("slot_filled"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "A mesma posição, uma tarefa nova, um contêiner novo. A tarefa antiga fica como histórico: desejado shutdown, real failed. Posições duram; tarefas, não.", "trouble": "A tecla `r` volta às três tarefas rodando e refaz este passo."} translates="4acd7d89"
# cluster.client(name): o engine desse nó, na biblioteca Python oficial do Docker
node = next(name for name in cluster.names if cluster.client(name).containers.list())
cluster.client(node).containers.list()[0].kill()
cluster.run("15s")
display(slots(cluster, "web"), reveal("slot_filled"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="f9810dda"
# <details><summary>O que você vê</summary>
# <p>A posição mantém o nome. Ela tem uma tarefa nova, com outro ID, e a tarefa tem outro contêiner. A tarefa antiga fica na lista, como histórico: desejado <i>shutdown</i>, real <i>failed</i>. Ela nunca mais roda.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "minutes": {"90": 1}, "notes": "Slides 25 a 28. Workers rodam e reportam. Managers decidem e guardam os dados. Primeiro eu tiro um worker, depois o único manager. Em qual das duas vezes o app só se recupera se você agir?", "ask": "Em nenhuma, na do worker, na do manager ou nas duas?", "wrong": "“Nas duas”: o worker é o que a gente vê trabalhando. “Em nenhuma”: nada substitui o único manager."} translates="481d262f"
# ## 3. Workers e managers: o que falta quando eles faltam (slides 25–28)
#
# > *Workers: instâncias que rodam contêineres e reportam os estados deles. Managers: decidem onde contêineres devem ser executados, mantêm o desired state dos serviços, gerenciam o cluster.*
#
# *Desired state* é o estado desejado: o que você pediu.

# %% [markdown] slideshow={"slide_type": "skip"} translates="20519a07"
# A não ser que você proíba, um manager também roda contêineres; aqui, o m1 roda.
#
# Primeiro você escala o `web` para 6, e o w1 fica sem energia. Depois, com o w1 de volta, quem fica sem energia é o único manager, e logo em seguida morre um contêiner no w2. **Em qual das duas vezes o app só se recupera se você agir?**

# %%
ask("loss_by_hand")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "O worker caiu, e as tarefas dele foram substituídas em outros nós. Ninguém digitou nada.", "ask": "E o que o desenho diz sobre as tarefas que rodavam nele? (Desejado shutdown, real running: o w1 não tem como avisar que elas pararam.)", "trouble": "A tecla `r` volta ao swarm saudável e refaz este passo."} translates="7315cd6a"
# %docker service scale --detach web=6
cluster.run("10s")
cluster.crash("w1")
cluster.run("40s")
slots(cluster, "web")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "noworker", "minutes": {"90": 0.5}, "notes": "Agora cai o único manager, e morre também um contêiner no w2. Nada acontece. Os workers não conseguem nem listar os serviços."} translates="951c12a7"
# O estado desejado das tarefas do w1 é *shutdown*, mas elas ainda constam como *running*: não há notícia delas. Outras ocuparam essas posições. Agora, o manager.

# %%
cluster.start("w1")
cluster.run("20s")
cluster.crash("m1")
cluster.client("w2").containers.list()[0].kill()
cluster.run("60s")
# %docker -H w2 ps --all --format "{{.Names}} {{.Status}}"
# %docker -H w2 service ls

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "nomanager", "minutes": {"90": 1}, "notes": "O manager voltou. Os nós reportam, ele compara e corrige. Ou seja: sem manager, o que está rodando continua, mas nada é consertado. Nunca tenham um só. Quantos, então? É a página 05.", "ask": "Se um é pouco, dois bastam? (Não: a maioria de dois é dois.)", "wrong": "“Bastam”: a maioria de dois é dois. Os dois teriam que estar no ar."} translates="ef75ed5e"
cluster.start("m1")
cluster.run("60s")
display(slots(cluster, "web"), reveal("loss_by_hand"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="ca32d8e0"
# <details><summary>O que você vê</summary>
# <p>Sem o manager, o swarm não percebe que um contêiner morreu e não substitui nada. O que está rodando continua rodando. Um worker não consegue nem listar os serviços: não tem esses dados. Quando o manager volta, os nós reportam, ele compara e corrige.</p>
# <p>Por que, então, o w1 continua sem rodar nada? Uma tarefa nova vai para o nó mais vazio que esteja <i>ready</i>, e o manager, quando sobe, só considera <i>ready</i> o nó que já se apresentou de novo. As tarefas novas foram alocadas na hora, quando só alguns tinham se apresentado.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "onemanager", "notes": "Promovo dois workers, e eles viram managers. Dreno o w3: as tarefas dele vão para outros nós. Ele sai, é removido, entra de novo. Recebe de volta as tarefas que tinha?", "ask": "O que o w3 roda quando volta?", "wrong": "“A parte dele”: é um nó novo, mesmo com o nome antigo. E o que está rodando não muda de lugar."} translates="22ec150b"
# Portanto, um manager só não basta. **Promova** dois workers: eles viram managers e continuam rodando tarefas.

# %% [markdown] slideshow={"slide_type": "skip"} translates="fdbd4a36"
# (Por que dois, e não um? A maioria tem que estar no ar, e de dois managers a maioria são os dois: página 05.) Depois **drene** o w3: as tarefas dele param e são substituídas em outros nós, e ele não recebe novas. O w3 **sai** do swarm, é removido da lista e **entra** de novo. **Ele recebe de volta as tarefas que tinha?**

# %%
ask("drained_and_back")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Drain, leave, rm, nesta ordem. Um manager só remove um nó que já consta como fora do ar.", "ask": "Por que o rm, se o nó já saiu? (O leave só fala com o engine do próprio nó. Na lista dos managers ele continua, fora do ar, até você removê-lo.)", "wrong": "“O leave já faz isso”: o leave não mexe na lista dos managers. Só um manager mexe nela.", "trouble": "“node is not down”? A tecla `r` desfaz isso e refaz tudo na ordem certa."} translates="937dd317"
# %docker node promote w1 w2
# %docker node update --availability drain w3
cluster.run("20s")
# %docker -H w3 swarm leave
cluster.run("20s")  # um manager só remove um nó que já consta como fora do ar
# %docker node rm w3
# %docker node ls

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "left", "notes": "Um token é uma senha para entrar. O manager mostra o comando inteiro; é só rodá-lo no nó novo. Endereço, porta 2377, token.", "ask": "Quem pode ver este token? (Só quem pode pôr máquinas no seu swarm.)", "wrong": "“Todo mundo da equipe”: quem tem o token e alcança um manager consegue pôr uma máquina no seu swarm."} translates="22e5f1e4"
# Na lista, `*` marca o nó que está respondendo, e *Reachable*, um manager que não é o líder. Em um manager, `docker swarm join-token worker` mostra o comando que o nó novo precisa rodar. O segundo comando abaixo é esse: `$(…)` preenche o token e o endereço do manager, que recebe os nós na porta 2377.

# %%
# %docker swarm join-token worker
# %docker -H w3 swarm join --token $(docker swarm join-token --quiet worker) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
cluster.run("20s")
# %docker node ls
display(slots(cluster, "web"), reveal("drained_and_back"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="b52d74a4"
# O traço está no lugar do w3 de antes: aquele nó foi removido. O w3 novo tem outro ID.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "joined", "minutes": {"90": 1}, "notes": "Slide 29, ao vivo. Os managers formam o grupo Raft; são também a CA e assinam certificados. TLS em toda parte. E todos os nós fazem gossip. Clico no líder. Quem é o líder agora? E se eu clicar nesse também?", "ask": "Dois dos três managers caíram. Quem é o líder? (Ninguém: um de três não é maioria.)", "wrong": "“O último”: um de três não é maioria. Ninguém lidera.", "trouble": "Já morreram todos? A tecla `u` inicia o que está fora do ar."} translates="f0095792"
# ## 4. Quem fala com quem (slide 29)
#
# Os managers formam o grupo **Raft**: mantêm os mesmos dados. Cada um é também uma **CA**: emite os certificados com que os nós provam quem são, e com os quais o **TLS** criptografa todas as conexões. Todos os nós fazem **gossip** (fofoca): cada um conta a alguns outros, sorteados, quem está no ar e em que redes ele próprio está.

# %% [markdown] slideshow={"slide_type": "skip"} translates="ae524f37"
# Clique em um nó para derrubá-lo ou iniciá-lo de novo. **Derrube o líder: quem é o líder agora? Derrube também o novo: e agora?**

# %%
topology(cluster)

# %% [markdown] slideshow={"slide_type": "skip"} translates="da806ec1"
# <details><summary>O que você vê</summary>
# <p>De três managers, dois são maioria: elegem um novo líder. Um sozinho não é; ninguém lidera, e não dá para mudar nada. Os contêineres continuam rodando, e os nós que sobraram continuam fazendo gossip.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Você pede um serviço; cada posição é preenchida por uma tarefa após a outra. Workers rodam e reportam; managers decidem, guardam os dados e consertam. E um nó que entra começa vazio."} translates="7e7de9e7"
# ## Resumo
#
# - Você pede um **serviço**. Cada **posição** é preenchida por uma **tarefa** após a outra, e cada tarefa tem um **contêiner**.
# - **Workers** rodam e reportam. **Managers** decidem, guardam os dados e consertam. Sem um manager, o que está rodando continua, e nada é consertado.
# - Drene um nó antes de tirá-lo do swarm. Um nó que entra começa vazio.

# %% [markdown] slideshow={"slide_type": "skip"} translates="6b3e39e5"
# ## Agora é com você
#
# Clique em **Iniciar**: o exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Sobreviver à perda de um manager
#
# ### 2. Aposentar um nó
#
# O w2 está velho: tire-o do swarm de vez, enquanto o **web** mantém suas seis réplicas nos outros nós. A linha `run 20s` faz o tempo passar na caixa do exercício.

# %% slideshow={"slide_type": "skip"}
exercises("04_parts_and_topology", make=make)

# %% [markdown] slideshow={"slide_type": "skip"} translates="a348034f"
# Três perguntas; as duas últimas são sobre as páginas 00 e 03.

# %% slideshow={"slide_type": "skip"} translates="15d1f410"
# Depois, score() soma todas as suas apostas.
display(quiz("leave_or_rm", "comes_back", "what_is_desired"), where_next("04_parts_and_topology"))
