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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Slide 16: como os contêineres vão se comunicar? Pelo nome. E, quando não funciona, é porque uma de três portas está fechada. No fim, vocês vão saber dizer qual."} translates="01aa38e4"
# # A rede: como os contêineres se encontram
#
# *Você consulta nomes, segue uma requisição salto a salto, vê o gossip se espalhar e fecha as portas de um swarm, uma de cada vez.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0846d619"
# | | |
# | --- | --- |
# | **Você vai aprender a** | fazer serviços se encontrarem pelo nome; dizer de quem é o endereço que um app vê; dizer, pelos sintomas, qual porta um firewall fechou |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; a seção 5 e os exercícios levam mais 15 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. Em engines reais, nomes e redes funcionam como aqui, mas só a simulação permite seguir uma requisição, ver o gossip e fechar portas |
# | **Slides da palestra** | 16 (como os contêineres vão se comunicar?), 29 (a gossip network) |
#
# - **Rede overlay**: uma rede que se estende por vários nós. Um contêiner tem um endereço nela, onde quer que rode. Entre os nós, os pacotes passam por um túnel (*VXLAN*).
# - **IP virtual**: um endereço para um serviço inteiro.
# - **Balanceador de carga**: entrega cada requisição a uma das tarefas do serviço, em rodízio. Cada nó tem o seu, no kernel.
# - **Publicar** uma porta: permitir que clientes externos cheguem a um serviço.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.network_experiments import closed_ports, gossip_spread, inside, request_path

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "notes": "Tarefas vêm e vão, sempre com endereços novos. Por isso, os apps usam nomes. O web tem três tarefas na rede shop. O nome dele resolve para quantos endereços? E um contêiner de fora dessa rede, que resposta recebe?", "ask": "Um endereço ou três? E se quem pergunta está fora da rede?", "wrong": "“Três, um de cada tarefa”: é um só, o do serviço. “O endereço, mas não chega até ele”: não consegue nem resolver o nome."} translates="0193056f"
# ## 1. Um nome, não um endereço (slide 16)
#
# > *Como os contêineres vão se comunicar?*
#
# Uma tarefa substituta ganha outro endereço, talvez em outro nó. Por isso, os apps usam nomes: só precisam saber o nome do serviço.

# %% [markdown] slideshow={"slide_type": "skip"} translates="e1c48146"
# A célula depois da aposta cria uma rede overlay, a `shop`. Nela ficam o `web`, com três tarefas, o `db` e o `app`; o `stranger` fica de fora. Depois, um contêiner do `app` e um do `stranger` consultam um nome. **O nome `web` resolve para quantos endereços? E se quem pergunta é o `stranger`?**

# %%
ask("name_leads_to", "other_network")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Para um só, o IP virtual, que dura enquanto o serviço existir. Já tasks.web dá os três, para programas que querem escolher. E o stranger não recebe nada: o servidor de nomes do Docker só responde sobre as redes em que o contêiner está.", "ask": "Que programas resolvem um nome uma vez e guardam o endereço para sempre? (Muitos. Com um IP virtual, não faz mal.)", "trouble": "O Docker diz que um nome já existe? A tecla `r` esvazia o swarm e cria os serviços de novo."} translates="4298cc86"
# %docker network create --driver overlay --attachable shop
# %docker service create --quiet --name web --replicas 3 --network shop nginx
# %docker service create --quiet --name db --network name=shop,alias=database redis
# %docker service create --quiet --name app --network shop busybox sleep infinity
# %docker service create --quiet --name stranger busybox sleep infinity
display(inside(cluster, "app", "nslookup web"), inside(cluster, "app", "nslookup tasks.web"))
display(inside(cluster, "stranger", "nslookup web"), reveal("name_leads_to", "other_network"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="f8819e6e"
# Para um contêiner em uma rede overlay, 127.0.0.11 é o servidor de nomes do próprio Docker. Ele só conhece as redes em que esse contêiner está.
#
# <details><summary>Mais nomes e para que serve <i>attachable</i></summary>
# <p><code>web</code> resolve para o IP virtual. Ele continua o mesmo enquanto as tarefas vêm e vão; por isso, não faz mal que muitos programas consultem um nome uma vez e guardem a resposta. <code>tasks.web</code> resolve para todas as tarefas: serve a programas que preferem escolher por conta própria. Um <b>alias</b> é um nome a mais em uma rede: aqui, <code>database</code> resolve para o <code>db</code>. Com <code>--endpoint-mode dnsrr</code>, um serviço não tem IP virtual, e o nome resolve para os endereços das tarefas.</p>
# <p>Só serviços podem usar uma rede overlay. Um contêiner avulso, criado com <code>docker run</code>, só pode entrar nela se ela foi criada com <code>--attachable</code>.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "shop", "notes": "Sigam uma requisição, salto a salto: o nome, o IP virtual, o balanceador do próprio nó, o túnel, a tarefa. [Pergunte; depois:] Nenhum manager participa disso.", "ask": "Qual desses saltos falha se um manager morrer? (Nenhum: todo nó tem tudo isso.)", "wrong": "“O balanceador”: cada nó tem o seu, no kernel."} translates="58fb6f46"
# E por onde passa uma requisição? Siga, salto a salto, uma que sai de um contêiner da rede `shop` no m1 e vai para o `db`:

# %%
request_path(cluster, "db", source="m1")

# %% [markdown] slideshow={"slide_type": "skip"} translates="16654501"
# (10.0.1.6 é o endereço do balanceador do m1 na rede `shop`.)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "inside", "notes": "Agora, de fora. A única tarefa está no w1, e o cliente acessa o w2. O que acontece? E que endereço o app grava no log?", "ask": "A requisição é recusada ou repassada? E o endereço é de quem?", "wrong": "“Recusada: nada roda ali”: todo nó responde em toda porta publicada. “Do cliente”: o w2 põe o próprio endereço no lugar."} translates="70dae759"
# ## 2. De fora: o endereço de quem?
#
# O `who` tem uma tarefa só, no w1, e publica a porta 8081. Um cliente acessa a porta 8081 do **w2**. **O que acontece? E que endereço o app vê?** (É esse endereço que os apps gravam no log ou usam para limitar as requisições de cada cliente.)

# %%
ask("any_node", "whose_address")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "É repassada: isso é o routing mesh. E o app vê um endereço do w2. Milhares de clientes parecem ser meia dúzia. Os limites, os logs, os bloqueios de vocês só enxergam o balanceador.", "ask": "Quem aqui limita requisições por endereço IP? (É só levantar a mão.)", "trouble": "A tecla `r` volta ao swarm sem a porta e repete este passo."} translates="593770c0"
# %docker service create --quiet --name who --constraint node.hostname==w1 --publish 8081:80 \
#     traefik/whoami
display(request_path(cluster, 8081, source="w2"), reveal("any_node", "whose_address"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "mesh", "notes": "O modo host só abre a porta onde roda uma tarefa, sem nada no meio. O w1 vê o cliente de verdade; o w2 recusa. A escolha é de vocês: qualquer nó, ou o endereço verdadeiro.", "ask": "De qual dos dois modos o seu proxy precisa? (Do modo host, se tem que ver o endereço do cliente.)"} translates="98878048"
# Esse é o **routing mesh**, ou modo *ingress*: qualquer nó aceita a requisição, e o balanceador dele a repassa com um endereço próprio.
#
# No **modo host**, a porta só é aberta onde roda uma tarefa, sem nada no meio. (O `--publish-rm` pede a porta do contêiner, 80.) O mesmo cliente acessa o w1 e depois o w2:

# %%
# %docker service update --quiet --publish-rm 80 --publish-add mode=host,published=8081,target=80 who
display(request_path(cluster, 8081, source="w1"), request_path(cluster, 8081, source="w2"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9eb203c4"
# <details><summary>Qual escolher</summary>
# <p><b>Ingress</b>, se qualquer nó tem que responder; nesse caso, o app precisa de outro jeito de identificar os clientes, como um header acrescentado por um proxy na frente. <b>Host</b>, se o app precisa ver o endereço do cliente; mas só cabe uma tarefa por nó, porque a segunda encontraria a porta ocupada. Combina bem com <code>--mode global</code> e com um balanceador seu na frente.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "host", "notes": "Slide 29. Uma tarefa acaba de começar em algum lugar, e cada um dos trinta nós tem que saber disso. Quem avisa, e quanto tempo leva?", "ask": "O líder, ninguém, ou eles se avisam entre si? E com que rapidez?", "wrong": "“O líder”: ninguém pergunta nada a um manager. “30 segundos”: esse é o intervalo entre as comparações completas. As notícias correm bem mais rápido."} translates="25c3bc62"
# ## 3. Quem avisa os nós? (slide 29)
#
# > *gossip network*
#
# Cada balanceador tem que conhecer todas as tarefas do serviço. Uma tarefa nova acaba de começar em algum nó. **Quem avisa os outros? E quanto tempo leva até que todos os 30 nós saibam?**

# %%
ask("who_tells", "gossip_fast")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Os nós contam uns aos outros. Cada um conta a três, e cada um desses a mais três: em menos de um segundo, quase todos sabem. Um deles pode ter azar e nunca ficar sabendo. É por isso que, a cada trinta segundos, dois nós comparam tudo.", "ask": "Com dez vezes mais nós, leva dez vezes mais tempo? (Não: uma ou duas rodadas a mais.)", "wrong": "“Sim”: são só uma ou duas rodadas a mais."} translates="4567b2f3"
display(gossip_spread(nodes=30), reveal("who_tells", "gossip_fast"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9f7bc366"
# Cada ponto é um nó; os cheios já sabem da tarefa nova.
#
# <details><summary>Como funciona, e por que um nó pode ficar para trás</summary>
# <p>Cinco vezes por segundo, cada nó conta as novidades a três outros da mesma rede, escolhidos ao acaso, que as repassam a outros mais. Nenhum nó controla quantos já sabem; cada um repassa uma notícia algumas vezes e depois para. Por isso, com azar, um nó pode nunca ficar sabendo. Para compensar, a cada 30 segundos cada nó também compara a tabela inteira com a de outro: olhe a última linha.</p>
# <p>O gossip também descobre falhas: a cada segundo, um nó faz ping em outro. Se o outro não responde, nem por intermédio de mais três, torna-se <i>suspeito</i>, e uns quatro segundos depois os demais o dão por perdido. As tarefas dele saem de todas as tabelas.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ports", "notes": "Três portas. 2377, as ordens dos managers. 7946, o gossip. 4789, o túnel por onde passam todos os pacotes. Um firewall fecha uma delas por um minuto, depois outra. O que acontece quando cada uma está fechada?", "ask": "Qual delas, fechada, faz sumir metade das requisições, embora tudo pareça saudável?", "wrong": "“2377”: os managers percebem, os usuários não. “7946”: as tarefas do outro nó são simplesmente esquecidas. É a 4789: nada vigia o túnel."} translates="63ad2bac"
# ## 4. Um firewall fecha uma porta
#
# Os nós se comunicam por três portas. **2377**: as ordens dos managers e o que os nós reportam a eles. **7946**: o gossip. **4789**: o túnel por onde passam todos os pacotes entre contêineres.

# %% [markdown] slideshow={"slide_type": "skip"} translates="64dfdb65"
# O m1 e o w1 rodam uma tarefa do `web` cada um, e o m1 recebe 50 requisições por segundo. Um firewall entre os dois fecha uma das portas por um minuto, depois outra e, por último, as três de uma vez, como se o cabo fosse cortado. **O que acontece em cada caso?**

# %%
cluster = make(managers=1, workers=1, seed=7)
# %docker service create --quiet --name web --mode global --publish 8080:80 nginx
ask("port_down", "port_silent", "port_or_cable")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "two", "notes": "Leiam linha por linha. 2377: o manager diz que o w1 está down, mas os contêineres dele ainda atendem. 7946: cada nó só envia requisições à própria tarefa. 4789: tudo verde, e metade das requisições se perde. E é melhor perder o cabo inteiro que metade dele: um nó mudo é logo dado por perdido. Quando alguém disser que “funciona às vezes”, olhem a 4789, UDP.", "ask": "Quem aqui teria descoberto isso em cinco minutos? (É só levantar a mão.)", "trouble": "Em engines reais, não dá para fechar portas a partir daqui. PageDown."} translates="d04f6603"
display(
    closed_ports(cluster, "web", "m1", "w1"), reveal("port_down", "port_silent", "port_or_cable")
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="64cf5112"
# <details><summary>Como ler</summary>
# <p><b>2377</b>: o manager não tem notícias do w1, marca o nó como <i>down</i> e, se o <code>web</code> não fosse global, substituiria as tarefas dele em outro nó. Mas os contêineres do w1 continuam rodando e ainda recebem requisições. <b>7946</b>: cada nó dá o outro por perdido e só envia requisições à própria tarefa. <b>4789</b>: tudo o que o Docker mostra está em ordem, mas metade das requisições some. Nada verifica o túnel em si.</p>
# <p><b>As três</b>: as requisições falham por alguns segundos, até o gossip dar o w1 por perdido. Depois, o m1 só envia requisições à própria tarefa. O swarm se recupera mais depressa de um corte total que de um parcial.</p>
# <p>Com um terceiro nó, o gossip contorna a conexão fechada, e ninguém dá o w1 por perdido. Nesse caso, até o corte das três portas entre o m1 e o w1 faz perder requisições enquanto dura: um terço delas. Experimente: <code>managers=1, workers=2</code>.</p>
# </details>
#
# Quando “funciona às vezes”, olhe primeiro a 4789/udp.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "surprises", "notes": "Três surpresas, rapidinho. Vou drenar um nó em que alguém iniciou um contêiner à mão. Vou pedir os logs de um nó morto. E vou pôr seis réplicas em uma rede com seis endereços.", "ask": "Quantas das seis rodam?", "wrong": "“Quatro”: o gateway e o IP virtual ficam com dois. Mas cada nó também precisa de um endereço e não recebe nenhum; por isso, nenhuma roda. “O drain também encerra o mine”: ele só mexe nas tarefas do swarm."} translates="94667315"
# ## 5. Extra: três surpresas
#
# - O `mine` é um contêiner avulso no w1: não é um serviço, veio de um `docker run`. Você **drena** o w1.
# - O w2 cai, e você pede os **logs** de um serviço que tem uma tarefa lá.
# - Uma rede tem a **sub-rede** 10.50.0.0/29, com seis endereços utilizáveis, e um serviço quer seis réplicas nela.

# %%
cluster = make(managers=1, workers=2, seed=7)
ask("drain_own", "logs_down", "full_subnet")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "fresh", "notes": "O mine continua rodando. Os logs do w2 se foram com ele: logs ficam onde são escritos. E nenhuma das seis roda, porque não sobrou endereço para os nós. Criem redes grandes; depois não dá para mudar.", "ask": "Quais das três você já viu na prática? (Mãos levantadas, uma surpresa de cada vez.)", "trouble": "O Docker diz que um nome já existe? A tecla `r` recomeça com um swarm novo."} translates="8df3e1d0"
# %docker service create --quiet --name id --replicas 3 \
#     --hostname {{.Service.Name}}-{{.Task.Slot}}-on-{{.Node.Hostname}} \
#     busybox sh -c "hostname; sleep infinity"
# %docker -H w1 run --quiet --detach --name mine busybox sleep infinity
# %docker node update --availability drain w1
# %docker network create --driver overlay --subnet 10.50.0.0/29 tiny
# %docker service create --quiet --detach --name small --network tiny --replicas 6 busybox sleep 1d
cluster.run("20s")
# %docker -H w1 ps --format "{{.Names}}: {{.Status}}"
# %docker service ps --format "{{.Name}} {{.CurrentState}}" small
cluster.crash("w2")
# %docker service logs --no-task-ids id
reveal("drain_own", "logs_down", "full_subnet")

# %% [markdown] slideshow={"slide_type": "skip"} translates="23dadc7e"
# <details><summary>O que aconteceu com a sub-rede</summary>
# <p>Um endereço é do gateway, outro é do IP virtual do serviço, e quatro foram para tarefas. Duas tarefas ficam em <i>new</i>, porque o allocator não tem mais endereços. Mas cada nó também precisa de um endereço na rede, para o balanceador, e não recebeu nenhum: por isso, as outras quatro esperam em <i>preparing</i> e são rejeitadas depois de 30 segundos. Não dá para mudar uma sub-rede depois; escolha uma grande.</p>
# </details>
#
# As linhas dos logs mostram **templates**: `--hostname`, `--env` e `--mount` podem conter `{{.Task.Slot}}` ou `{{.Node.Hostname}}`, preenchidos em cada tarefa. Assim, cada réplica de um serviço sabe quem é.

# %% [markdown] slideshow={"slide_type": "skip"} translates="fc3c4df4"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Duas redes e um serviço no meio
#
# Uma API tem que alcançar um banco de dados que o servidor web não pode nem descobrir. (`docker service update --network-add` põe um serviço em mais uma rede.)
#
# ### 2. De quem é esse endereço?
#
# Um app conta os seus clientes e vê muito menos do que deveria.

# %% slideshow={"slide_type": "skip"}
exercises("15_network", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Um nome resolve para um IP virtual. O mesh responde em todos os nós, mas esconde o cliente. Os nós fazem gossip, sem líder. E lembrem-se das três portas: 2377, 7946, 4789."} translates="af122630"
# ## Resumo
#
# - O nome de um serviço resolve para o IP virtual dele, nas redes que os dois lados têm em comum.
# - No modo ingress, todo nó responde, mas esconde o cliente. No modo host, só o nó da tarefa responde, e mostra o cliente.
# - Os nós contam uns aos outros, por gossip, onde estão as tarefas. Os managers participam como qualquer nó, e o gossip não precisa de líder.
# - 2377 fechada: o nó está down. 7946: as tarefas do outro nó são esquecidas. 4789: requisições somem, e nada avisa.

# %% [markdown] slideshow={"slide_type": "skip"} translates="7d26e672"
# **Para mostrar a um colega:** a tabela da seção 4.
#
# A última pergunta é sobre a página 06.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(
    quiz("same_hostname", "requests_without_quorum", "two_networks_apart", "stuck_in_new"),
    where_next("15_network"),
)
