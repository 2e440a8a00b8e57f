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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"60": 0.5}, "notes": "Slide 34, aquele com todas as caixas. Um comando passa por sete partes até um contêiner rodar. Vamos atrás dele, caixa por caixa. E isto não é um desenho: é o swarm que está rodando ao lado."} translates="50ad18e3"
# # Do comando ao contêiner
#
# *Você digita um comando e o segue por sete partes do swarm até um contêiner rodar. Depois sobe três serviços que não conseguem rodar e vê até onde cada um chega.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="8389664e"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer que parte do Swarm faz o quê; saber, pelo estado de uma tarefa, com que parte ela está; descobrir por que uma tarefa não roda |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; os exercícios levam mais 10 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. Em engines reais, tudo roda, mas os desenhos mostram só o estado de cada tarefa |
# | **Slides da palestra** | 34 (as partes, da API ao executor) |

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.service_path import service_path

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "idle", "minutes": {"60": 1.5, "90": 1.5}, "notes": "A API recebe o comando. O orchestrator cria tarefas, o allocator dá endereços a elas, o scheduler e o dispatcher as levam a um nó. No nó, o worker recebe a tarefa, e o executor a roda. São duas apostas, e as duas são mais difíceis do que parecem.", "ask": "O Docker mostra o ID. O que existe nesse momento?", "wrong": "“Contêineres subindo”: a pessoa se lembra das barras de progresso. Elas vêm depois. Quando o ID aparece, só existe um registro no store. “Quem escolhe o nó é o orchestrator”: ele só conta tarefas. Quem escolhe é o scheduler.", "trouble": "Pouco tempo? Faça só a primeira aposta; a sala levanta a mão."} translates="52a5f0ff"
# ## 1. Do comando ao contêiner (slide 34)
#
# > `$ docker service create nginx`
#
# O slide mostra sete partes. Cinco rodam no manager que lidera (o *líder*, página 04), duas em cada nó:
#
# - **API**: recebe seu comando. **Orchestrator**: cria tarefas. **Allocator**: dá endereços a elas. **Scheduler** e **dispatcher**: levam cada tarefa a um nó.
# - **Worker**: recebe as tarefas do seu nó. **Executor**: roda os contêineres.

# %% [markdown] slideshow={"slide_type": "skip"} translates="c3f1be3a"
# Duas palavras ganham um segundo sentido: aqui, *orchestrator* e *worker* são partes dentro do engine. Os managers também têm a parte worker, pois rodam tarefas.
#
# No meio fica o **store**, os dados que todos os managers guardam. Você vai subir três réplicas do nginx com uma porta. (`--detach`: o comando não espera até que elas rodem.) O Docker responde com um ID. **O que o swarm tem nesse momento? E que parte decide em que nó uma tarefa vai rodar?**

# %%
ask("id_answered", "first_to_know")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 3, "90": 1.5}, "notes": "Venham comigo, passo a passo. No meio, o store: o que todos os managers guardam. A moldura azul é a parte que está trabalhando, a ficha amarela é o que se move. O orchestrator vê um serviço sem tarefas e grava três. O allocator vê tarefas sem endereço. O scheduler vê tarefas sem nó. Nenhuma parte chama outra! Cada parte procura uma coisa que falta, acrescenta e grava no store. [Pergunte; depois:] Por isso qualquer uma pode parar e recomeçar, e a seguinte nem percebe. Parem comigo no scheduler: aqui estão todos os nós e o motivo pelo qual este ganhou.", "ask": "E se o scheduler morrer bem aqui e voltar um minuto depois? (Nada se perde: a tarefa espera no store.)", "wrong": "“O comando se perde”: a tarefa espera no store. O próximo scheduler a encontra lá.", "trouble": "Não sabe mais em que passo o desenho está? A tecla `r` repete o comando, a partir de um swarm ocioso."} translates="d44c1dcc"
# %docker service create --detach --name web --replicas 3 --publish 8080:80 nginx
cluster.run("10s")
display(service_path(cluster, "web"), reveal("id_answered", "first_to_know"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="29711c7d"
# **Como ler o desenho.** Cada passo é uma parte trabalhando. A moldura azul marca a parte, e a ficha amarela mostra o que se moveu: do store para fora, de volta para ele, ou de uma parte a outra. Abaixo do desenho: o que a parte leu, o que decidiu e o que gravou. Clique em **Avançar**, ou clique no desenho e use **→**. A tecla **P** reproduz tudo.
#
# **Experimente.**
#
# 1. Pare no scheduler e clique em **Por que aqui?** Aparecem todos os nós, cada teste pelo qual tiveram que passar e os nós que sobraram.
# 2. Abra **O código desta parte**. É o código que acabou de rodar.
# 3. Compare as duas últimas colunas do store: o que os managers *acham* e o que é verdade *no nó*. Quando elas diferem?
#
# O estado de uma tarefa diz com que parte ela está:
#
# | Estado | A tarefa está com |
# | --- | --- |
# | *new* | o allocator, à espera de um endereço |
# | *pending* | o scheduler, à espera de um nó |
# | *assigned* | o dispatcher, para ser enviada |
# | *accepted* | a parte worker do nó dela |
# | *preparing* (a imagem está sendo baixada), *ready* (para iniciar), *starting*, *running* | o executor |
#
# <details><summary>O que você vê</summary>
# <p>As cinco partes do manager só se encontram no store, e só o dispatcher fala com os nós. Cada uma procura alguma coisa no store (um serviço com menos tarefas do que deveria, uma tarefa sem endereços, uma tarefa sem nó), faz seu único trabalho e grava o resultado de volta. Isso é um <b>ciclo de controle</b> (control loop). Por isso, cada parte pode esperar, falhar ou recomeçar sem que a seguinte perceba.</p>
# <p>A porta dá trabalho ao allocator: as portas publicadas têm uma rede só delas (<i>ingress</i>), e nela cada tarefa precisa de um endereço. Enquanto não houver endereço livre em uma das redes do serviço, a tarefa fica em <i>new</i>, sem erro nenhum.</p>
# <p>O nó sabe das coisas antes do store: ele reporta em lotes, até 100 ms depois, e o dispatcher leva mais 100 ms para gravar. O que mais demora é baixar a imagem.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "running", "minutes": {"60": 1.5, "90": 1.5}, "notes": "Os managers nunca olham para dentro de um contêiner. Mesmo assim, em menos de um segundo eles sabem que um morreu. Quem contou? E quem garante que outro rode? Eu vou matar um. Antes, as apostas.", "ask": "Quem avisa? Quem substitui?", "wrong": "“O dispatcher pergunta a cada segundo”: os nós reportam por conta própria. “O executor inicia de novo”: isso é docker run --restart. Em um swarm, uma tarefa nunca volta; o orchestrator cria outra."} translates="d76e51c2"
# ## 2. O que acontece quando um contêiner morre
#
# Os managers nunca olham para dentro de um contêiner. Mesmo assim, em menos de um segundo eles sabem que um morreu. A célula depois da aposta mata um contêiner do `web`. **Como o swarm fica sabendo? E que parte cria a tarefa nova?**

# %%
ask("who_reports", "who_replaces")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1.5, "90": 1}, "notes": "O executor vê seu contêiner terminar, o nó reporta, o dispatcher grava. Agora o orchestrator conta duas tarefas vivas onde deveria haver três e cria outra. A mesma posição, uma tarefa nova, que passa de novo por todas as partes. E ela espera cinco segundos antes de começar: é o restart delay. [Pergunte; depois:] Ou seja, o mecanismo é o mesmo, para criar e para consertar. Essa é a beleza da coisa.", "ask": "Que parte fez algo especial por se tratar de um conserto? (Nenhuma.)", "wrong": "“O orchestrator”: ele faz o que sempre faz. Conta e repõe o que falta.", "trouble": "Nada morreu? A tecla `r` volta às três tarefas rodando e mata uma."} translates="c4abdd04"
# cluster.client(name): o engine desse nó, na biblioteca Python oficial do Docker
node = next(name for name in cluster.names if cluster.client(name).containers.list())
cluster.client(node).containers.list()[0].kill()
cluster.run("15s")
display(service_path(cluster, "web"), reveal("who_reports", "who_replaces"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="ef435488"
# Tecle **→** até o executor dizer *o contêiner falhou*. O dispatcher grava isso, o orchestrator lê, e uma tarefa nova, na mesma posição, passa por todas as partes.
#
# <details><summary>O que você vê</summary>
# <p>O executor vê seu contêiner terminar, o nó reporta <i>failed</i>, e o dispatcher grava isso. Agora faltam tarefas vivas no store; o orchestrator descarta a morta e cria outra. Ele não reinicia a antiga: uma tarefa é uma tentativa e nunca volta. A nova é preparada na hora, mas só começa depois de cinco segundos (<code>--restart-delay</code>): até lá, o estado desejado dela é <i>ready</i>, não <i>running</i>. (A partir daí, há duas tarefas chamadas web.2: a antiga, com estado desejado <i>shutdown</i>, e a nova.)</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "notes": "Três serviços que não conseguem rodar. Um quer memória demais. Outro tem um erro de digitação na imagem, e esse todo mundo conhece. E, para o terceiro, eu dreno todos os nós. O Docker aceita os três sem reclamar. Onde cada um empaca?", "ask": "Qual dos três consegue chegar a um nó?", "wrong": "“Nenhum”: o scheduler não sabe que uma imagem não existe. Ele manda a tarefa, e quem descobre é o nó. “O big e o typo”: a memória dos nós o scheduler conhece, sim."} translates="ce1d6299"
# ## 3. Três serviços que não conseguem rodar
#
# Você vai subir estes:
#
# - `big` quer 500 GiB de memória em um nó;
# - `typo` quer a imagem `ngnix`;
# - `idle` não tem nada de errado, mas antes você **drena** os cinco nós. As tarefas de um nó drenado param e são substituídas em outros nós, e ele não recebe novas. Aqui não há outros nós, e por isso o `web` também para.

# %% [markdown] slideshow={"slide_type": "skip"} translates="46f479dc"
# O Docker aceita os três comandos. **Quais dos serviços têm tarefas que chegam a um nó?**

# %%
ask("where_it_stops")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "A moldura vermelha tracejada é a parte que diz não. O big para no scheduler, por falta de memória. O typo ganha um nó, e o executor não consegue baixar a imagem. As palavras em vermelho são exatamente as que o docker service ps mostra; por elas, dá para saber em que parte cada um parou.", "ask": "Qual dos dois se resolve sozinho? (Nenhum dos dois.)", "wrong": "“Os dois, ele tenta de novo”: tentar, tenta, a cada cinco segundos. Mas nenhum nó jamais vai ter tanta memória, nem essa imagem.", "trouble": "Os avisos sobre o registry fazem parte da demonstração: o docker está dizendo que não encontra ngnix."} translates="471016e7"
# %docker service create --detach --quiet --name big --reserve-memory 500g nginx
# %docker service create --detach --quiet --name typo ngnix
cluster.run("12s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" big typo
display(service_path(cluster, "big"), service_path(cluster, "typo"))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "stuck", "notes": "E o idle: os cinco nós drenados. Ele não tem nada de errado. Está em pending. [Pergunte; depois:] Está à espera de um nó. Olhem o web: estava rodando, e agora também não está. Drenar leva tudo embora.", "ask": "O que quer dizer pending? (Ainda não tem nó.)", "wrong": "“Está iniciando”: ainda nem tem nó."} translates="78a030f5"
# %docker node update --availability drain m1
# %docker node update --availability drain m2
# %docker node update --availability drain m3
# %docker node update --availability drain w1
# %docker node update --availability drain w2
# %docker service create --detach --quiet --name idle nginx
cluster.run("4s")
# %docker service ps --no-trunc --format "{{.Name}} {{.CurrentState}}: {{.Error}}" idle
# %docker service ls
display(service_path(cluster, "idle"), reveal("where_it_stops"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="3685c6d6"
# A moldura vermelha tracejada marca a parte que diz não, e a linha vermelha, o que ela diz. São as palavras que o `docker service ps` mostra.
#
# <details><summary>O que você vê</summary>
# <p>Nenhum dos três está em uma rede, então o allocator não tem nada a fazer. O <b>big</b> e o <b>idle</b> param no scheduler: nenhum nó passa por todos os filtros. Eles esperam em <i>pending</i>, e o scheduler tenta de novo sempre que um nó muda. Nada se perde.</p>
# <p>O <b>typo</b> ganha um nó, já que o scheduler não consulta o registry. O executor não consegue baixar a imagem e <i>rejeita</i> a tarefa. O orchestrator cria uma segunda na hora, que pode ir para outro nó. Ela deveria começar depois de cinco segundos, mas baixar a imagem faz parte da preparação; por isso também é rejeitada na hora. Daí em diante, vem uma nova a cada cinco segundos. O swarm não sabe que nenhum nó jamais vai conseguir. (O aviso veio do engine que recebeu seu comando: ele não conseguiu perguntar ao registry a versão exata da imagem, o <i>digest</i>, e seguiu sem ela.)</p>
# </details>
#
# A próxima célula ativa todos os nós de novo. **Olhe a coluna REPLICAS: qual dos três subiu?**

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "drained", "notes": "Eu ativo todos os nós de novo e não mexo em mais nada. Qual dos três sobe? Olhem a coluna REPLICAS.", "ask": "Preciso iniciar o idle de novo? (Não.)", "wrong": "“Sim”: a tarefa esperou no store e segue de onde tinha parado."} translates="6b175c1b"
# %docker node update --availability active m1
# %docker node update --availability active m2
# %docker node update --availability active m3
# %docker node update --availability active w1
# %docker node update --availability active w2
cluster.run("20s")
# %docker service ls
service_path(cluster, "idle")

# %% [markdown] slideshow={"slide_type": "skip"} translates="5587638c"
# Só o `idle`: ele seguiu de onde tinha parado, no scheduler. O `big` continua sem caber em lugar nenhum, e o `typo` continua sem imagem. O `web` também voltou.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "active", "minutes": {"60": 1}, "notes": "Guardem duas coisas. As partes só se encontram no store; cada uma faz um trabalho pequeno. [Pergunte; depois:] E o estado de uma tarefa diz com que parte ela está: new, com o allocator; pending, com o scheduler; preparing, com o nó. Da próxima vez que alguma coisa não subir, leiam o estado, com --no-trunc, antes de reiniciar o que quer que seja.", "ask": "Uma tarefa está em pending há dez minutos. A que parte você pergunta? (Ao scheduler: ele diz por que nenhum nó serve.)"} translates="8f820f93"
# ## Resumo
#
# - A **API** grava seu pedido; o **orchestrator** cria tarefas; o **allocator** dá endereços; o **scheduler** escolhe nós (em um serviço *global*, quem escolhe é o orchestrator); o **dispatcher** entrega; a parte **worker** do nó aceita; o **executor** roda.
# - No manager, elas só se encontram no store. Só o dispatcher fala com os nós e recebe o que eles reportam.
# - O estado diz com que parte a tarefa está: `docker service ps --no-trunc`.
# - Uma tarefa que terminou é substituída, nunca reiniciada.

# %% [markdown] slideshow={"slide_type": "skip"} translates="973b6c79"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Três serviços, três partes
#
# São três serviços, e nenhum roda. Cada um está preso em uma parte diferente, e um deles não diz o motivo. (Com o exercício iniciado, digite `service_path(swarmlab.latest(), "db")` em uma célula nova para ver o desenho de um deles.)
#
# <details><summary>Comandos de rede</summary>
# <p><code>docker network inspect NAME</code> mostra o tamanho de uma rede: a sub-rede dela. <code>docker network create --driver overlay NAME</code> cria uma com folga, e <code>docker service update --network-rm OLD --network-add NEW SERVICE</code> passa um serviço para ela.</p>
# </details>
#
# ### 2. Um agente em cada worker
#
# Um serviço *global* (`--mode global`) roda uma tarefa em cada nó, e uma restrição (constraint) deixa alguns nós de fora: `--constraint node.role==manager` deixa só managers. Suba o **agent** a partir da imagem `busybox`, com o comando `sleep infinity`: uma vez em cada worker, inclusive nos que entrarem depois, e em nenhum manager.

# %% slideshow={"slide_type": "skip"}
exercises("06_command_to_container", make=make)

# %% [markdown] slideshow={"slide_type": "skip"} translates="b33aa928"
# Como o scheduler escolhe é assunto de outra página: **07_placement**.
#
# Três perguntas. A terceira é sobre a página 00.

# %% slideshow={"slide_type": "skip"} translates="15d1f410"
# Depois, score() soma todas as suas apostas.
display(
    quiz("stuck_in_new", "global_chooses", "leader_crash"), where_next("06_command_to_container")
)
