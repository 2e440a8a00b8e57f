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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 0.5, "45": 1, "60": 0.5}, "notes": "Uma versão nova, com os usuários conectados. A gente vai trocar quatro tarefas, uma depois da outra, e contar cada requisição perdida. Depois vai pôr no ar uma versão ruim, de propósito. É sexta à tarde, por que não?"} translates="516bb764"
# # Atualizações graduais: uma versão nova sem perder requisições
#
# *Você substitui, tarefa por tarefa, um serviço em pleno uso, conta cada requisição perdida e interrompe uma versão ruim no meio do caminho.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0d2aa7e7"
# | | |
# | --- | --- |
# | **Você vai aprender a** | atualizar um serviço aos poucos; escolher o que acontece quando um update falha; dizer qual build de uma imagem está rodando |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; todos os exercícios levam mais 12 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines Docker reais, talvez não dê para contar requisições, e a seção 3 não tem registry, o servidor de imagens) |
# | **Slides da palestra** | 42 (controle de update) |

# %% [markdown] slideshow={"slide_type": "skip"} translates="58af9649"
# O número de uma réplica (web.1, web.2, …) é a *posição* (slot) dela; cada posição tem uma *tarefa*. Uma tarefa nunca muda; um update a substitui. Outros termos:
#
# - **Versão**: tudo o que descreve uma tarefa: imagem, comando, ambiente.
# - **Parallelism**: quantas posições são atualizadas de cada vez. **Delay**: a pausa depois de cada grupo de posições.
# - **Ordem**: com *stop-first*, primeiro se encerra a tarefa antiga, depois começa a nova; com *start-first*, é o contrário.
# - **Monitor**: por quanto tempo uma tarefa nova é observada. Uma falha nesse período pesa contra o update. O Swarm não espera o monitor acabar: passa à próxima posição assim que a tarefa nova roda (mais o delay).

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import follow
from swarmlab.views.update_history import settings

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
settings(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "old", "minutes": {"30": 1.5, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Estas são as flags de um update. A tabela mostra os padrões do Docker, e a maioria de vocês nunca os mudou. Quatro réplicas, cinquenta requisições por segundo, e eu atualizo a imagem. O que acontece com as quatro?", "ask": "São trocadas todas de uma vez, uma a uma, ou primeiro sobem quatro novas?", "wrong": "“Primeiro sobem quatro novas”: muitos serviços de nuvem fazem assim. Aqui o padrão é stop-first, uma por vez. “Todas”: o parallelism padrão é 1.", "trouble": "O serviço já foi atualizado? A tecla `s` volta à versão 1.25."} translates="068a4449"
# ## 1. Uma depois da outra (slide 42)
#
# > *Controle de update de serviços.*
#
# A tabela é o slide 42, com os padrões do Docker. O `web` *publica* uma porta para clientes externos, e um *balanceador de carga* distribui as requisições entre as tarefas, em rodízio.
#
# Agora chegam 50 requisições por segundo, e você atualiza a imagem. **O que acontece?**

# %%
ask("update_travels")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 1.5}, "notes": "Cada posição tem uma faixa. A é a versão antiga; B, a nova. Uma tarefa é encerrada, a substituta começa, e aí vem a próxima. Embaixo vocês veem as requisições: nenhuma se perde. A linha fina sob uma tarefa nova é o monitor: cinco segundos em que o Swarm a observa. Guardem essa linha, vamos precisar dela daqui a um minuto. Sigam uma faixa da esquerda para a direita: a tarefa antiga recebe a ordem de parar, termina uns três segundos depois, e logo em seguida a nova já está rodando. Enquanto isso, as outras três aguentam a carga. Depois vem a próxima posição, e a próxima.", "ask": "Nada se perdeu, embora cada tarefa tenha parado antes de a nova rodar. Como pode? (Antes que a tarefa receba o sinal de parada, o balanceador deixa de enviar requisições a ela; as outras três atendem todas.)", "wrong": "“As requisições são guardadas e reenviadas”: nada guarda requisições. As outras três tarefas atenderam todas.", "trouble": "Requisições em vermelho? O serviço foi atualizado duas vezes. A tecla `r` volta à versão 1.25 e faz o update uma vez só."} translates="b05f7f11"
cluster.traffic("web", rate=50)  # requisições por segundo, daqui em diante
# %docker service update --quiet --detach --image nginx:1.27 web
display(follow(cluster, "web"), reveal("update_travels"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9cf78bd0"
# **Como ler o desenho.** No alto, o estado do update. Depois, uma faixa para cada posição, na cor da versão: **A** é a antiga; **B**, a nova. A linha fina sob uma tarefa nova é o *monitor* dela. Mais abaixo, as requisições que cada versão recebe. Por último, quantas tarefas falharam, com uma linha no número que você tolera.
#
# Nenhuma requisição se perde. Agora são duas por vez, com uma pausa de cinco segundos depois de cada grupo.
#
# <details><summary>Por que nenhuma requisição se perde? E dois detalhes</summary>
# <p>Primeiro, o balanceador deixa de enviar requisições à tarefa antiga. Dois segundos depois, o contêiner dela recebe o sinal de parada. Uma tarefa nova recebe requisições assim que roda, e o nginx fica pronto na hora. (O seu app não fica? Então precisa de um healthcheck: <b>11_health_checks</b>.)</p>
# <p>Com stop-first, o Docker cria logo a tarefa nova, que se prepara enquanto a antiga termina, mas só começa depois.</p>
# <p>No próximo desenho, as linhas finas têm seis segundos: se o delay não for menor que o monitor, o Swarm observa a tarefa pelo tempo do delay e por mais um segundo. Depois do último grupo também há a pausa: no fim, 5 s de delay e depois 6 s de observação.</p>
# </details>

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "new", "minutes": {"45": 1.5, "60": 1}, "notes": "Agora duas por vez, com cinco segundos entre os pares. É mais rápido, mas por um momento metade do serviço some. Se o tráfego de vocês exige três das quatro, duas por vez já é demais. Escolham o parallelism pelo que pode faltar, não pelo tempo que aceitam esperar.", "ask": "Quando você arriscaria quatro de uma vez? (Quando uma parada curta não prejudica ninguém.)", "wrong": "“À noite”: é melhor dizer “quando uma parada curta não prejudica ninguém”."} translates="cf042566"
# %docker service update --quiet --detach --update-parallelism 2 --update-delay 5s \
#     --image nginx:1.28 web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "updated", "minutes": {"30": 1, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Um serviço novo, quatro réplicas, tudo no padrão. A versão nova cai dois segundos depois de subir. Você digitou o comando e foi tomar um café. Como está o serviço na volta?", "ask": "Tudo fora do ar? De volta à versão antiga? Ou no meio do caminho?", "wrong": "“Faz rollback”: é o que a maioria espera. Dá para configurar assim, mas o padrão é pausar. “As quatro caem”: a primeira falha já interrompe o update.", "trouble": "O painel está cheio? A tecla `s` volta ao que estava lá antes."} translates="65ecb3ca"
# ## 2. Uma versão ruim
#
# O serviço `web` é novo, com quatro réplicas e os padrões do Docker. Você o atualiza para uma versão que cai depois de dois segundos: `--args` substitui o comando do contêiner, e o comando novo termina com erro. **Como acaba o update?**

# %%
# %docker service rm web
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
ask("bad_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "fresh", "minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1.5}, "notes": "O F marca uma falha ocorrida enquanto o Swarm ainda observava a tarefa. Uma em quatro é mais que a fração tolerada, que é zero, e o update pausa. Nada é desfeito. [Pergunte; depois:] Duas tarefas antigas atendem os usuários, e duas posições não param de cair. Por que duas, e não uma? Porque o Swarm passa à próxima posição assim que uma tarefa roda, não quando acabam os cinco segundos. Imaginem que é a loja de vocês. Só metade das tarefas atende: metade da capacidade sumiu, e em uma noite calma ninguém percebe. Na segunda de manhã, todo mundo percebe. Por isso, um update pausado tem que gerar um alerta.", "ask": "O serviço está no ar ou não? (Está: duas das quatro respondem e recebem todas as requisições.)", "wrong": "“Não”: duas das quatro ainda respondem e recebem todas as requisições.", "trouble": "O desenho acaba cedo demais? A tecla `r` repete tudo: a mesma semente, a mesma queda."} translates="07be36d2"
cluster.traffic("web", rate=50)
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
display(follow(cluster, "web"), reveal("bad_version"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "paused", "minutes": {"30": 1, "45": 2, "60": 1.5}, "notes": "Três saídas. Para trás: `docker service rollback`. Para a frente: um update para qualquer versão que funcione; isso também encerra a pausa. Ou seguir assim mesmo, com failure action continue, o que raramente é sensato. O que não funciona é esperar. Um update pausado fica pausado até alguém dar um comando. Ou seja, alguém tem que estar olhando. [Pergunte; depois:] Qual é a saída mais rápida? Em geral, voltar, porque essa versão vocês já conhecem. E anotem hoje o que digitariam, enquanto ninguém está gritando.", "ask": "Sexta-feira, cinco da tarde. Para trás ou para a frente? (Em geral para trás: essa versão vocês conhecem.)", "wrong": "“Reiniciar”: docker service update --force só cria tarefas novas da mesma versão ruim."} translates="ec858212"
# **F** marca uma falha ocorrida enquanto a tarefa era observada; por isso, ela conta. Uma em quatro passa da fração tolerada, que é 0: o update está **pausado**. Nada é desfeito; as tarefas ruins são substituídas o tempo todo por outras iguais. Há três saídas:
#
# - **para trás**: `docker service rollback web`, o assunto de **13_rollback**;
# - **para a frente**: um update para uma versão que funciona. Qualquer update encerra a pausa;
# - **seguir assim mesmo**: um update com `--update-failure-action continue`, o que raramente é sensato.

# %% [markdown] slideshow={"slide_type": "skip"} translates="4a003764"
# <details><summary>Por que duas das quatro posições têm a versão ruim?</summary>O Docker passa à próxima posição assim que uma tarefa nova <i>roda</i>, não quando acaba o período do monitor. (Falhas depois da pausa não contam mais.)</details>
#
# ### 1. Agora é com você: tolere uma tarefa ruim em quatro
#
# A próxima célula faz o rollback. Em uma célula nova (**Esc**, depois **b**), atualize o `web` de novo para a versão ruim, mas de modo que uma falha em quatro **não** interrompa o update e duas interrompam. Depois olhe: `follow(cluster, "web")`.
#
# <details><summary>Uma dica</summary>O limite tem que ser <i>ultrapassado</i>, não só atingido. Uma em quatro é 0,25.</details>
# <details><summary>Resposta</summary><code>%docker service update --quiet --detach --update-max-failure-ratio 0.25 --args "sh -c 'sleep 2; exit 1'" web</code>. A primeira falha dá 0,25, que não é maior que 0,25: o update continua. A segunda dá 0,5, e o update pausa.</details>

# %% slideshow={"slide_type": "skip"}
# %docker service rollback --quiet web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "tag", "notes": "Quem faz deploy com a tag latest? Sejam sinceros. Aqui está o shop:1. Acho um erro, refaço o build e dou push com a mesma tag. Depois, três comandos que criam tarefas novas: mais uma réplica, `--force` e `--image`. Qual deles roda o build novo?", "ask": "scale, --force ou --image?", "wrong": "“Scale: a tarefa nova baixa o que a tag indica agora”: não, ela baixa o digest que o serviço guardou. “Os três”: só um comando que cita a imagem consulta a tag."} translates="1d79f877"
# ## 3. Uma tag não é uma versão
#
# `shop:1` é uma imagem no seu registry. Você cria um serviço com ela, acha um erro, refaz o build e o publica **com a mesma tag**. (Aqui, quem publica é `registry.register`; na vida real, é o `docker push`.)
#
# Três comandos criam tarefas novas: mais uma réplica, `--force`, `--image`. **Qual deles roda o build novo?**

# %%
cluster.registry.register("shop:1", logs=["the first build"])
# %docker service create --quiet --name shop --replicas 2 shop:1
cluster.registry.register("shop:1", logs=["the second build"])
ask("tag_not_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "builds", "notes": "Contem as linhas. Seis tarefas rodaram o primeiro build, embora a maioria tenha começado bem depois de o segundo sair. Um serviço roda um digest, não uma tag. [Pergunte; depois:] É uma boa notícia: todas as tarefas rodam o mesmo build, e um rollback encontra o antigo. Por isso, deem uma tag própria a cada build.", "ask": "Por que isso é melhor que baixar sempre o mais novo? (Todas as réplicas rodam o mesmo build, e um rollback encontra o antigo.)", "wrong": "“Não é”: é, sim; do contrário, duas réplicas do mesmo serviço poderiam rodar programas diferentes.", "trouble": "Em engines reais, este passo precisa de um registry; sem ele, PageDown."} translates="dc442dfb"
# %docker service scale --detach shop=3
cluster.run("10s")
# %docker service update --quiet --force shop
# %docker service logs --raw shop
# %docker service update --quiet --image shop:1 shop
# %docker service logs --raw shop
reveal("tag_not_version")

# %% [markdown] slideshow={"slide_type": "skip"} translates="d9a1728a"
# Cada linha é o início de uma tarefa. Seis tarefas rodaram o primeiro build, embora quatro delas tenham começado bem depois de o segundo sair: só um comando que cita a imagem consulta a tag. Por isso, publique cada build com uma tag própria: assim, o `docker service ls` mostra o que está rodando.
#
# <details><summary>E se o registry não responder?</summary>O Docker avisa e guarda só a tag. Cada nó baixa por conta própria o que a tag indicar naquele momento, ou usa o que já tem. Duas tarefas do mesmo serviço podem acabar rodando builds diferentes.</details>

# %% [markdown] slideshow={"slide_type": "skip"} translates="1b22ce95"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 2. O update parou no meio
#
# ### 3. Uma réplica, sem interrupção
#
# ### 4. Uma coleção de estados de tarefas
#
# Um *job* é um serviço cujas tarefas rodam uma vez e terminam: `--mode replicated-job`. Você vai precisar de um.

# %% slideshow={"slide_type": "skip"}
exercises("12_rolling_updates", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "minutes": {"45": 1, "60": 1}, "notes": "Uma posição depois da outra; você escolhe quantas por vez, com que intervalo e em que ordem. Uma falha dentro do monitor conta, e aí o update pausa, continua ou faz rollback, conforme a sua escolha. Escolha antes da sexta-feira.", "ask": "O que você vai configurar na segunda-feira: --update-failure-action ou o monitor? (Primeiro a ação: por padrão, um update só pausa.)"} translates="28b1d0cb"
# ## Resumo
#
# - Uma posição depois da outra; você escolhe parallelism, delay e ordem.
# - Quando as falhas passam da fração tolerada, o update pausa, continua ou faz rollback, conforme a sua escolha.
# - A tag só é consultada quando um comando cita a imagem. Um serviço roda um digest.

# %% [markdown] slideshow={"slide_type": "skip"} translates="2f1acc8d"
# **Para mostrar a um colega:** o desenho da seção 1, com as suas próprias configurações.
#
# As três últimas perguntas são sobre outras páginas. Pule as das páginas que você ainda não leu.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(
    quiz("bad_single", "not_ready", "config_or_secret", "four_managers"),
    where_next("12_rolling_updates"),
)
