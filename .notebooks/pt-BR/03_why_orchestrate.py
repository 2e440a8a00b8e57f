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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Sete problemas comuns em produção, slides 11 a 16. A gente responde a cada um duas vezes: à mão e com Swarm. E um contador registra os comandos que você digita e as noites que você perde."} translates="47886963"
# # Por que orquestrar? Sete perguntas, duas respostas para cada uma
#
# *Você roda o mesmo app duas vezes: à mão, em três engines avulsos, e como serviço de um swarm. Um contador registra os comandos que você digita, por quanto tempo seus usuários ficam sem resposta e as noites em que tiram você da cama.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="437f3c5b"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer que trabalho um orquestrador assume, e o que ele não faz; explicar orquestração em uma frase |
# | **Tempo e nível** | 25 minutos, depois de 02_docker_workflow; os exercícios levam mais 8 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. Em engines reais, todos os comandos rodam, mas não há requisições: o contador conta só comandos; em uma máquina pequena, o serviço `report`, da seção 6, fica em *pending* |
# | **Slides da palestra** | 11–16 (sete problemas comuns em produção), 17–19 (o que a palavra quer dizer), 20 (cinco efeitos). [Todos os slides](index.ipynb) |
#
# - **Orquestrador**: um programa que mantém contêineres rodando em muitas máquinas do jeito que você pediu.
# - **Serviço**: o que você pede a um swarm, como *três cópias do nginx*. Uma **tarefa** é uma tentativa de rodar uma cópia.
# - **Nó**: uma máquina cujo engine faz parte de um swarm. (*Manager*, *líder* e *mandato*: página 04.)
# - **Balanceador de carga**: distribui as requisições dos usuários entre vários servidores, em rodízio.

# %% translates="444ea4d9"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import plain_engines, scaling_day, users
from swarmlab.views.meter import effects, meter, reservations

make = swarmlab.simulate  # engines reais: swarmlab.launch
hand = plain_engines(3, make=make)  # m1, w1, w2: fora de qualquer swarm
swarm = make(managers=1, workers=2, seed=7)
hand.board()

# %% [markdown] slideshow={"slide_type": "skip"} translates="0210b55a"
# São dois conjuntos de três máquinas. O painel mostra o lado em que você está trabalhando e `t`, o tempo desse lado. Com `-H w1`, o comando vai para o engine w1. As imagens já estão lá.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "nothing", "minutes": {"90": 1}, "notes": "Slide 11. Ciclo de vida e escala. À mão, é um comando por máquina, e mais um para o balanceador de carga, porque sou eu que tenho que informar a ele todos os endereços. São três máquinas; ainda é divertido.", "ask": "Trinta máquinas. Ainda é divertido? (Não: são trinta comandos, e trinta endereços para o balanceador.)", "trouble": "O painel mostra o outro lado? Ele acompanha o lado em que estamos trabalhando. A tecla `r` recomeça."} translates="86760815"
# ## 1. Ciclo de vida e escala (slide 11)
#
# > *Como gerenciar o ciclo de vida dos contêineres? Como escalar?* (perguntas 1 e 2)

# %% [markdown] slideshow={"slide_type": "skip"} translates="0e186891"
# **À mão**, você inicia um contêiner em cada máquina. As requisições dos seus usuários passam por um balanceador de carga seu, bem simples: ele não verifica quem está vivo. `users(…)` diz a ele para onde mandá-las: 30 por segundo, em rodízio entre esses endereços.

# %%
swarmlab.use(hand)
# %docker -H m1 run --detach --name web --publish 8080:80 nginx:1.25
users(hand, "m1:8080")
# %docker -H w1 run --detach --name web --publish 8080:80 nginx:1.25
# %docker -H w2 run --detach --name web --publish 8080:80 nginx:1.25
users(hand, "m1:8080,w1:8080,w2:8080")
hand.run("10s")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Com Swarm: um serviço, e depois scale para três. Só isso. [Pergunte; depois:] Todo nó atende na porta 8080 e repassa a requisição. Olhem o contador: ainda não faz muita diferença, só uns comandos a menos. Esperem até alguma coisa quebrar.", "ask": "Onde está o balanceador de carga agora? (Em todo nó: já vem pronto.)", "wrong": "“No manager”: todo nó tem um."} translates="7774b89c"
# **Com Swarm**, você diz quantas réplicas quer. Todo nó atende na porta 8080 e repassa a requisição a uma tarefa: o balanceador de carga já vem pronto. (Um manager também roda contêineres.)

# %%
swarmlab.use(swarm)
# %docker service create --quiet --name web --publish 8080:80 nginx:1.25
users(swarm, "web")
# %docker service scale web=3
swarm.run("10s")
display(swarm.board(), meter(hand, swarm))

# %% [markdown] slideshow={"slide_type": "skip"} translates="1c0b4e1a"
# Ainda não faz muita diferença. Imagine com trinta máquinas.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "three", "minutes": {"90": 1}, "notes": "Slide 12. É noite. Alguém mata o contêiner do w1; mais tarde, cai a máquina inteira. Você reage rápido: trinta segundos, e um minuto. No lado manual, por quanto tempo os usuários sentem a falha?", "ask": "Três servidores, um morto. Por quanto tempo há requisições falhando?", "wrong": "“Tempo nenhum, os outros dois assumem”: o balanceador não sabe. “Alguns segundos”: um engine avulso faz o que mandam, uma vez só."} translates="6170843d"
# ## 2. Contêineres que morrem (slide 12)
#
# > *Como recriar contêineres que morrem?* (pergunta 3)
#
# É noite. Alguém mata o contêiner do w1; um pouco depois, a máquina inteira some. Na primeira vez, você leva 30 segundos para reagir; na segunda, um minuto. Você reage rápido. **No lado manual, por quanto tempo algumas requisições falham depois da morte do contêiner?**

# %%
ask("dies_by_hand")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Chamaram você duas vezes, e você reagiu rápido. Mesmo assim, uma em cada três requisições falhou até você digitar alguma coisa. Olhem o contador: o telefone tocou, e você se levantou. Agora a mesma noite, com Swarm.", "ask": "O seu alerta teria sido tão rápido? (Dificilmente: antes, alguém tem que acordar.)", "trouble": "A tecla `r` volta aos três servidores saudáveis, dos dois lados, e refaz este passo."} translates="f225c5b6"
swarmlab.use(hand)
# %docker -H w1 kill web
hand.run("30s")  # o alerta, o telefone, o laptop
# %docker -H w1 start web
hand.run("15s")
hand.crash("w1")
hand.run("60s")
# %docker -H m1 run --detach --name web2 --publish 8081:80 nginx:1.25
users(hand, "m1:8080,m1:8081,w2:8080")
hand.run("10s")
display(hand.board(), meter(hand, swarm))

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "night", "minutes": {"90": 1}, "notes": "As mesmas duas falhas. O contêiner morto é substituído em segundos; com a máquina perdida, demora mais. [Pergunte; depois:] O único sinal é o silêncio. Algumas requisições falham até os nós perceberem. Não é mágica. Mas ninguém precisou sair da cama.", "ask": "Por que a máquina demora mais que o contêiner? (Uma máquina morta não avisa nada; é preciso perceber o silêncio dela.)", "wrong": "“Porque é maior”: quem avisa que um contêiner morreu é o nó dele. Uma máquina morta não avisa nada."} translates="a885385f"
swarmlab.use(swarm)
# %docker -H w1 kill $(docker -H w1 ps --quiet)
swarm.run("45s")  # você dorme
swarm.crash("w1")
swarm.run("70s")
# só as tarefas que devem rodar
# %docker service ps --filter desired-state=running web
display(swarm.board(), meter(hand, swarm), reveal("dies_by_hand"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="f454dd02"
# O Swarm não faz mágica: quando uma máquina some sem avisar, as requisições que vão para ela falham por alguns segundos, até os outros nós perceberem. Mas ninguém precisou se levantar. (O `service ls` diz 4/3: ele ainda conta a tarefa perdida no w1.)
#
# <details><summary>De onde vêm esses segundos?</summary>
# <p>Quando o contêiner é morto, o nó avisa na hora, e uma tarefa nova começa cinco segundos depois (<code>--restart-delay</code>); enquanto isso, as outras duas atendem. Quando a máquina cai, o único sinal é o silêncio. Os nós vivem pedindo sinais de vida uns aos outros (<i>gossip</i>) e precisam de alguns segundos para distinguir um nó perdido de uma rede lenta; o manager precisa de mais alguns até iniciar uma substituta.</p>
# <p>À mão, contam os seus 30 e 60 segundos, mais o tempo que os contêineres novos levaram para subir. Um alerta só dispara depois de dez segundos de falhas, e os poucos segundos do Swarm não disparam nenhum. Se bastassem cinco, o telefone tocaria, e antes que você o achasse já estaria tudo consertado.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "repaired", "minutes": {"90": 1}, "notes": "Slide 13. Uma versão nova, por favor, e sem downtime. À mão, eu faria como todo mundo: remove a antiga, roda a nova e passa à máquina seguinte. Alguma requisição falha?", "ask": "Três servidores, um depois do outro. Alguma requisição se perde?", "wrong": "“Não, sempre sobram dois”: o balanceador continua mandando requisições para o terceiro."} translates="6dd558fb"
# ## 3. Atualizar sem downtime (slide 13)
#
# > *Como atualizar o sistema sem downtime?* (pergunta 4)
#
# O w1 voltou, nos dois lados. (No lado manual, o contêiner dele continua parado: não tem política de reinício.) Agora o nginx 1.27 substitui o 1.25. **No lado manual, um contêiner depois do outro: alguma requisição falha?**

# %%
ask("update_gap")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Falha, sim. Entre o rm e o momento em que o servidor novo sobe, não há nada escutando naquele endereço, e o balanceador não sabe.", "ask": "O que você teria que digitar para não perder nenhuma? (Para cada servidor: tirá-lo do balanceador, atualizar e pôr de volta.)", "trouble": "A tecla `r` volta ao fim daquela noite e refaz este passo."} translates="4d290c2b"
hand.start("w1")
swarmlab.use(hand)
# %docker -H m1 rm --force web
# %docker -H m1 run --detach --name web --publish 8080:80 nginx:1.27
# %docker -H m1 rm --force web2
# %docker -H m1 run --detach --name web2 --publish 8081:80 nginx:1.27
# %docker -H w2 rm --force web
# %docker -H w2 run --detach --name web --publish 8080:80 nginx:1.27
hand.run("10s")
hand.board()

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "outage", "minutes": {"90": 0.5}, "notes": "Um comando, e nada se perdeu. O Swarm tira cada tarefa do balanceador antes de pará-la. De novo, o contador só subiu de um lado."} translates="7730c731"
swarm.start("w1")
swarmlab.use(swarm)
# %docker service update --quiet --image nginx:1.27 web
swarm.run("10s")
display(swarm.board(), meter(hand, swarm), reveal("update_gap"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="3337dfcf"
# De novo, o contador só subiu do lado manual.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "updated", "minutes": {"90": 0.5}, "notes": "Slides 14 a 16: lugar, comunicação e informações sensíveis. À mão, o nome api só vale no m1, e a senha fica à vista de todos.", "ask": "Sinceramente, quem tem senha em variável de ambiente? (É só levantar a mão.)"} translates="5f254b26"
# ## 4. Lugar, comunicação e segredos (slides 14–16)
#
# > *Onde colocar meus contêineres? Como os contêineres vão se comunicar? Como gerenciar informações sensíveis?* (perguntas 5, 6 e 7)

# %% [markdown] slideshow={"slide_type": "skip"} translates="0013c3a1"
# **À mão**, quem escolhe a máquina é você: há pouco, você pôs dois contêineres no m1. Com uma rede própria, os contêineres do m1 chamam uns aos outros pelo nome; depois, um do w2 tenta fazer o mesmo. E a senha vai para onde todo mundo a põe: as variáveis de ambiente.

# %%
swarmlab.use(hand)
# %docker -H m1 network create back
# %docker -H m1 network connect back web
# %docker -H m1 run --detach --name api --network back nginx
# %docker -H m1 exec web curl -s http://api
# %docker -H w2 exec web curl http://api
# %docker -H m1 run --detach --name db --env PASSWORD=s3cret redis
# %docker -H m1 inspect --format '{{.Config.Env}}' db
hand.board()

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rest", "minutes": {"90": 0.5}, "notes": "O Swarm escolhe o nó, a rede dele se estende por todos, e o serviço só cita o nome do secret. O conteúdo não está na descrição.", "trouble": "A tecla `r` volta ao fim da atualização, nos dois lados, e refaz este passo."} translates="27f400d0"
swarmlab.use(swarm)
# %docker network create --driver overlay back
# %docker service create --quiet --name api --network back nginx
# %docker service update --quiet --network-add back web
# %docker service ps --filter desired-state=running --format '{{.Name}} on {{.Node}}' web api
# %docker exec $(docker ps --quiet --filter name=web.) curl -s http://api
# %docker printf s3cret | docker secret create db-password -
# %docker service create --quiet --name db --secret db-password redis
# %docker service inspect --format '{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}' db
swarm.board()

# %% [markdown] slideshow={"slide_type": "skip"} translates="819f2c87"
# À mão, você tem que escolher cada máquina. O nome `api` não quer dizer nada no w2: a rede de um engine avulso acaba na máquina dele. E secrets, ele não tem.
#
# <details><summary>As respostas do Swarm</summary>
# <p>(5) O <i>scheduler</i> dele escolhe os nós: por padrão, os que têm menos tarefas. (6) Uma rede <i>overlay</i> se estende por todos os nós, onde quer que <code>api</code> e <code>web</code> rodem. (7) A descrição do serviço (a <i>spec</i>) só cita o nome do secret. O conteúdo viaja criptografado, e só até os nós que precisam dele; o contêiner o encontra no arquivo <code>/run/secrets/db-password</code> (página 10).</p>
# <p>Uma linha de <code>%docker</code> que começa com outro comando do shell, como <code>printf</code>, roda como está. O <code>-</code> lê o que vem pelo pipe.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "word", "minutes": {"90": 1}, "notes": "Slides 17 a 19. A palestra procura a palavra no dicionário: coordenar os elementos de uma situação, especialmente evitando chamar atenção. É a melhor definição que eu conheço. A orquestração é boa quando ninguém nota: nem você, nem seus usuários, nem seu telefone.", "ask": "O que é orquestração, em uma frase e sem usar essa palavra? (Você diz o que deve rodar, e um programa mantém tudo assim.)"} translates="2df748e8"
# ## 5. A palavra (slides 17–19)
#
# A palestra cita o dicionário Oxford:
#
# > **orchestration** 2. *the planning or coordination of the elements of a situation to produce a desired effect, especially surreptitiously*
#
# E faz uma tradução livre: *o planejamento ou a coordenação dos elementos de uma situação para produzir um efeito desejado, especialmente **evitando chamar atenção***. O contador registra quantas vezes você, seus usuários ou seu telefone perceberam alguma coisa.
#
# Em uma frase: **você diz o que deve rodar, e um programa mantém tudo assim.**

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "effects", "minutes": {"90": 0.5}, "notes": "Slide 20, cinco efeitos. Este vocês ainda não viram: uma tarefa diz de quanto precisa, e o Swarm reserva.", "ask": "Sete tarefas, e não há espaço para todas. O que acontece com a sétima? (Espera, em pending, até haver lugar em um nó.)", "wrong": "“Deixa as outras lentas”: ela espera, em pending."} translates="863de4e7"
# ## 6. Cinco efeitos (slide 20)
#
# Aplicação rodando, escalabilidade automática, tolerância a falhas, melhor utilização de recursos e o mínimo de intervenção manual. Dois deles ainda não apareceram.
#
# **Melhor utilização de recursos.** Você diz de quanto uma tarefa precisa, e o Swarm reserva isso para ela, em um nó que tenha folga. Compare o antes e o depois da reserva e veja o que acontece quando as tarefas passam a ser sete.

# %%
# %docker service create --quiet --name report --replicas 5 alpine sleep 1d
display(reservations(swarm))
# %docker service update --detach --reserve-cpu 2 --reserve-memory 1GB report
swarm.run("90s")
# %docker service scale --detach report=7
swarm.run("10s")
display(reservations(swarm))
# %docker service scale --detach report=5

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "reserved", "notes": "As requisições aumentam mais de seis vezes. O slide diz: escalabilidade automática. O que o Docker Swarm faz?", "ask": "Ele acrescenta réplicas?", "wrong": "“Acrescenta réplicas”: outros produtos fazem isso. O Swarm não mede carga nenhuma."} translates="1ec32bf7"
# Antes, ninguém sabia de quanto o `report` precisava. Agora a parte dele está reservada, e a tarefa que não cabe em nó nenhum espera, em vez de estragar a vida das outras.
#
# **Escalabilidade automática.** As requisições aumentam mais de seis vezes. **O que o Swarm faz?**

# %%
ask("autoscaling")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nada. Escalar é um comando, e alguém tem que dar esse comando: você ou um programa pequeno. Aqui está ele: mede, divide, escala, espera. E depois vem a tabela dos cinco efeitos, preenchida a partir do swarm que está rodando.", "ask": "Qual dos cinco precisa de um programa seu? (A escalabilidade automática.)", "trouble": "Este passo leva alguns segundos: ele roda um dia inteiro. Continue falando; não tecle nada."} translates="a6196ee1"
users(swarm, "web", rate=200)  # eram 30
swarm.run("30s")
# %docker service ls --filter name=web
display(reveal("autoscaling"))
day = scaling_day(swarm, "web")  # agora com o autoscale ligado: um programa que dá o comando
display(day, effects(swarm, day), meter(hand, swarm))

# %% [markdown] slideshow={"slide_type": "skip"} translates="b9e674d4"
# Ou seja, é preciso um programa: o `autoscale`, deste kit, é um. A tabela dos cinco efeitos é preenchida a partir do swarm que está rodando.
#
# <details><summary>O que não está nela</summary>
# <p>O w1 voltou vazio e só ganhou uma tarefa porque a atualização substituiu todas. O Swarm nunca interrompe uma tarefa saudável só para <b>rebalancear</b>; quem faz isso é <code>docker service update --force</code>, que substitui todas as tarefas.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "À mão, cada pergunta custa comandos, e cada falha custa uma noite. Você diz ao orquestrador o que quer, e ele mantém tudo assim. E não é mágica: leva alguns segundos até o silêncio ser percebido, e para escalar automaticamente é preciso um programa seu."} translates="b0a3bb66"
# ## Resumo
#
# - À mão, cada pergunta custa comandos, e cada falha custa uma noite. Você diz ao orquestrador o que quer, e ele mantém tudo assim.
# - Não é mágica: leva alguns segundos até o silêncio ser percebido, e para escalar automaticamente é preciso um programa seu.

# %% [markdown] slideshow={"slide_type": "skip"} translates="8fc267d0"
# ## Agora é com você
#
# ### 1. Tem que sobreviver à perda de uma máquina
#
# Clique em **Iniciar**: o exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 2. A senha que todo mundo pode ler
#
# Dê ao **db** a senha dele, `s3cret`, na forma de um secret chamado **db-password**, e tire-a das variáveis de ambiente (`--secret-add`, `--env-rm`).

# %% slideshow={"slide_type": "skip"}
exercises("03_why_orchestrate", make=make)

# %% slideshow={"slide_type": "skip"} translates="bdbaeb96"
# A terceira é sobre a página 02. Depois, score() soma todas as suas apostas.
display(quiz("what_is_desired", "plain_network", "client_gone"), where_next("03_why_orchestrate"))
