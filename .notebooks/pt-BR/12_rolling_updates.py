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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 0.5, "45": 1, "60": 0.5}, "notes": "Uma versão nova, com usuários conectados. A gente troca quatro tarefas, uma depois da outra, e conta cada requisição que se perde. E depois põe no ar uma versão ruim, de propósito. É sexta à tarde: por que não?"} translates="516bb764"
# # Atualizações graduais: uma versão nova sem perder requisições
#
# *Você troca, tarefa por tarefa, um serviço que está rodando, conta cada requisição que ele perde e interrompe uma versão ruim no meio do caminho.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0d2aa7e7"
# | | |
# | --- | --- |
# | **Você vai aprender a** | atualizar um serviço passo a passo; escolher o que acontece quando um update falha; dizer qual build de uma imagem está rodando |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; todos os exercícios levam mais 12 |
# | **O que é preciso** | só o kit: nem Docker, nem rede. (Em engines Docker reais, talvez não dê para contar requisições, e a seção 3 não tem registry, o servidor de imagens.) |
# | **Slides da palestra** | 42 (controle de update) |

# %% [markdown] slideshow={"slide_type": "skip"} translates="58af9649"
# O número de uma réplica (web.1, web.2, …) é a *posição* (slot) dela; cada posição tem uma *tarefa*. Uma tarefa nunca muda; um update a substitui. Mais palavras:
#
# - **Versão**: tudo o que descreve uma tarefa: imagem, comando, ambiente.
# - **Parallelism**: quantas posições são atualizadas por vez. **Delay**: a pausa entre um grupo de posições e o seguinte.
# - **Ordem**: em *stop-first*, primeiro a tarefa antiga é parada, depois a nova começa. *Start-first* é o contrário.
# - **Monitor**: por quanto tempo uma tarefa nova é observada. Uma falha nesse tempo conta como falha do update. O Swarm não espera por ele: a próxima posição começa assim que a tarefa nova roda (mais o delay).

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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "old", "minutes": {"30": 1.5, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Estas são as flags de um update. A tabela mostra os padrões do Docker, e a maioria de vocês nunca os mudou. Quatro réplicas, cinquenta requisições por segundo, e eu atualizo a imagem. O que acontece com as quatro?", "ask": "Todas de uma vez, uma a uma ou primeiro quatro novas?", "wrong": "“Primeiro começam quatro novas”: muitos serviços de nuvem fazem assim. Aqui o padrão é stop-first, uma por vez. “As quatro”: o parallelism padrão é 1.", "trouble": "Já foi atualizado? A tecla `s` volta à versão 1.25."} translates="068a4449"
# ## 1. Uma depois da outra (slide 42)
#
# > *Controle de update de serviços.*
#
# A tabela é o slide 42, com os padrões do Docker. O `web` *publica* uma porta para clientes de fora: um *balanceador de carga* distribui as requisições entre as tarefas, em rodízio.
#
# Agora chegam 50 requisições por segundo, e você atualiza a imagem. **O que acontece?**

# %%
ask("update_travels")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 1.5}, "notes": "Uma faixa para cada posição. A é a versão antiga, B a nova. Uma é parada, a substituta começa, depois a próxima. Embaixo vocês veem as requisições: nenhuma se perde. A linha fina sob uma tarefa nova é o monitor: cinco segundos em que o Swarm a observa. Guardem essa linha, vamos precisar dela daqui a um minuto. Peguem uma faixa, da esquerda para a direita: a tarefa antiga recebe o pedido de parar, termina uns três segundos depois, e logo em seguida a nova já roda. Enquanto isso, as outras três aguentam a carga. Depois vem a próxima posição, e a próxima.", "ask": "Nada se perdeu, embora cada tarefa tenha sido parada antes de a nova rodar. Como? (Antes de uma tarefa receber o sinal de parada, o balanceador deixa de enviar requisições a ela; as outras três ficam com elas.)", "wrong": "“As requisições são guardadas e enviadas de novo”: nada guarda requisições. As outras três tarefas ficaram com elas.", "trouble": "Requisições em vermelho? O serviço foi atualizado duas vezes. A tecla `r` volta à versão 1.25 e faz o update uma vez só."} translates="b05f7f11"
cluster.traffic("web", rate=50)  # requisições por segundo, daqui em diante
# %docker service update --quiet --detach --image nginx:1.27 web
display(follow(cluster, "web"), reveal("update_travels"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9cf78bd0"
# **Como ler o desenho.** Em cima, o estado do update. Depois, uma faixa para cada posição, na cor da versão: **A** é a antiga, **B** a nova. A linha fina sob uma tarefa nova é o *monitor* dela. Embaixo, as requisições que cada versão recebe. Por último, quantas tarefas falharam, com uma linha no número que você tolera.
#
# Nenhuma requisição se perde. Agora duas por vez, com uma pausa de cinco segundos depois de cada grupo.
#
# <details><summary>Por que nenhuma requisição se perde? E dois detalhes</summary>
# <p>Primeiro o balanceador deixa de enviar requisições à tarefa antiga. Dois segundos depois o contêiner dela recebe o sinal de parada. Uma tarefa nova recebe requisições quando roda, e o nginx fica pronto na hora. (O seu app não fica? Ele precisa de um healthcheck: <b>11_health_checks</b>.)</p>
# <p>Com stop-first, o Docker cria a tarefa nova na hora e a deixa se preparar enquanto a antiga termina. A nova só começa depois.</p>
# <p>No próximo desenho as linhas finas têm seis segundos: quando o delay dura tanto quanto o monitor ou mais, o Swarm observa durante o delay mais um segundo. A pausa vem também depois do último grupo: no fim, 5 s de delay e depois 6 s de observação.</p>
# </details>

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "new", "minutes": {"45": 1.5, "60": 1}, "notes": "Agora duas por vez, com cinco segundos entre os pares. É mais rápido, e por um momento metade do serviço some. Se o seu tráfego precisa de três das quatro, duas por vez já é demais. Escolha o parallelism pelo que pode faltar, não por quanto você aceita esperar.", "ask": "Quando você arriscaria quatro de uma vez? (Onde uma parada curta não prejudica ninguém.)", "wrong": "“À noite”: melhor dizer “quando parar um pouco não prejudica ninguém”."} translates="cf042566"
# %docker service update --quiet --detach --update-parallelism 2 --update-delay 5s \
#     --image nginx:1.28 web
follow(cluster, "web")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "updated", "minutes": {"30": 1, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Um serviço novo, quatro réplicas, tudo no padrão. A versão nova cai dois segundos depois de subir. Você digitou o comando e foi tomar um café. Como encontra tudo na volta?", "ask": "Tudo fora do ar? De volta à versão antiga? Ou no meio do caminho?", "wrong": "“Faz rollback”: a maioria espera isso. Dá para ter, mas o padrão é pausar. “As quatro caem”: a primeira falha já interrompe o update.", "trouble": "O painel está cheio? A tecla `s` volta ao que havia antes."} translates="65ecb3ca"
# ## 2. Uma versão ruim
#
# Um serviço `web` novo: quatro réplicas, os padrões do Docker. Você o atualiza para uma versão que cai depois de dois segundos: `--args` toma o lugar do comando do contêiner, e o comando novo termina com erro. **Como acaba o update?**

# %%
# %docker service rm web
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 nginx:1.25
ask("bad_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "fresh", "minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1.5}, "notes": "F marca uma falha enquanto o Swarm ainda observava. Uma de quatro é mais que a fração tolerada, que é zero, e o update pausa. Nada é desfeito. [Pergunte; depois:] Duas tarefas antigas atendem os usuários, e duas posições caem sem parar. Por que duas, e não uma? Porque o Swarm começa a próxima posição assim que uma tarefa roda, não quando acabam os cinco segundos. Imaginem que é a loja de vocês. Só metade das tarefas atende, então metade da capacidade sumiu, e em uma noite calma ninguém percebe. Na segunda de manhã, todo mundo percebe. Por isso, um update pausado tem que gerar um alerta.", "ask": "O serviço está no ar ou não? (Está: duas de quatro respondem, e recebem todas as requisições.)", "wrong": "“Não”: duas de quatro ainda respondem e recebem todas as requisições.", "trouble": "O desenho acaba cedo demais? A tecla `r` repete tudo: a mesma semente, a mesma queda."} translates="07be36d2"
cluster.traffic("web", rate=50)
# %docker service update --quiet --detach --args "sh -c 'sleep 2; exit 1'" web
display(follow(cluster, "web"), reveal("bad_version"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "paused", "minutes": {"30": 1, "45": 2, "60": 1.5}, "notes": "Três saídas. Para trás: `docker service rollback`. Para a frente: um update qualquer para uma versão que funciona; isso também encerra a pausa. Ou seguir assim mesmo, com failure action continue, o que raramente é sensato. O que não funciona é esperar. Um update pausado fica pausado até alguém dar uma ordem. Alguém, portanto, tem que olhar. [Pergunte; depois:] Qual é a saída mais rápida? Em geral, voltar, porque essa versão vocês já conhecem. E anotem hoje o que digitariam, enquanto ninguém está gritando.", "ask": "Sexta-feira, cinco da tarde. Para trás ou para a frente? (Em geral para trás: essa versão vocês conhecem.)", "wrong": "“Reiniciar”: docker service update --force cria tarefas novas da mesma versão ruim."} translates="ec858212"
# **F** marca uma falha enquanto a tarefa era observada; por isso, ela conta. 1 de 4 passa da fração tolerada, que é 0: o update está **pausado**. Nada é desfeito; as tarefas ruins são substituídas o tempo todo, por outras iguais. Três saídas:
#
# - **para trás**: `docker service rollback web`, o assunto de **13_rollback**;
# - **para a frente**: um update para uma versão que funciona. Qualquer update encerra a pausa;
# - **seguir assim mesmo**: um update com `--update-failure-action continue`. Raramente é sensato.

# %% [markdown] slideshow={"slide_type": "skip"} translates="4a003764"
# <details><summary>Por que duas das quatro posições têm a versão ruim?</summary>O Docker começa a próxima posição assim que uma tarefa nova <i>roda</i>, não quando a janela do monitor acaba. (Falhas depois da pausa não contam mais.)</details>
#
# ### 1. Agora é com você: tolere uma tarefa ruim de quatro
#
# A próxima célula faz o rollback. Em uma célula nova (**Esc**, depois **b**), atualize o `web` de novo para a versão ruim, de modo que uma falha em quatro **não** interrompa o update, e duas interrompam. Depois olhe: `follow(cluster, "web")`.
#
# <details><summary>Uma dica</summary>O limite tem que ser <i>ultrapassado</i>, não só atingido. 1 de 4 é 0,25.</details>
# <details><summary>Resposta</summary><code>%docker service update --quiet --detach --update-max-failure-ratio 0.25 --args "sh -c 'sleep 2; exit 1'" web</code>. A primeira falha dá 0,25, que não é mais que 0,25: o update continua. A segunda dá 0,5, e o update pausa.</details>

# %% slideshow={"slide_type": "skip"}
# %docker service rollback --quiet web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "tag", "notes": "Quem faz deploy com a tag latest? Sejam sinceros. Aqui está o shop:1. Eu acho um erro, faço o build de novo e dou push com a mesma tag. Depois, três comandos que criam tarefas novas: mais uma réplica, `--force` e `--image`. Qual deles roda o build novo?", "ask": "scale, --force ou --image?", "wrong": "“Scale: a tarefa nova baixa o que a tag indica agora”: ela baixa o digest que o serviço guardou. “Os três”: só um comando que cita a imagem consulta a tag."} translates="1d79f877"
# ## 3. Uma tag não é uma versão
#
# `shop:1` é uma imagem no seu registry. Você cria um serviço com ela, acha um erro, faz o build de novo e publica o build novo **com a mesma tag**. (Aqui quem publica é `registry.register`. Na vida real é o `docker push`.)
#
# Três comandos criam tarefas novas: mais uma réplica, `--force`, `--image`. **Qual deles roda o build novo?**

# %%
cluster.registry.register("shop:1", logs=["the first build"])
# %docker service create --quiet --name shop --replicas 2 shop:1
cluster.registry.register("shop:1", logs=["the second build"])
ask("tag_not_version")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "builds", "notes": "Contem as linhas. Seis tarefas rodaram o primeiro build, embora a maioria tenha começado bem depois de o segundo sair. Um serviço roda um digest, não uma tag. [Pergunte; depois:] É uma boa notícia: todas as tarefas dele rodam o mesmo build, e um rollback encontra o antigo. Por isso, dê a cada build uma tag só dele.", "ask": "Por que isso é melhor que baixar sempre o mais novo? (Todas as réplicas rodam o mesmo build, e um rollback encontra o antigo.)", "wrong": "“Não é”: é, sim; senão, duas réplicas do mesmo serviço poderiam rodar programas diferentes.", "trouble": "Em engines reais este passo precisa de um registry; sem um, PageDown."} translates="dc442dfb"
# %docker service scale --detach shop=3
cluster.run("10s")
# %docker service update --quiet --force shop
# %docker service logs --raw shop
# %docker service update --quiet --image shop:1 shop
# %docker service logs --raw shop
reveal("tag_not_version")

# %% [markdown] slideshow={"slide_type": "skip"} translates="d9a1728a"
# Cada linha é o início de uma tarefa. Seis tarefas rodaram o primeiro build, embora quatro delas tenham começado quando o segundo já tinha saído fazia tempo: só um comando que cita a imagem consulta a tag. Por isso, publique cada build com uma tag só dele: aí você vê em `docker service ls` o que está rodando.
#
# <details><summary>E se não der para perguntar ao registry?</summary>Aí o Docker avisa e guarda só a tag. Cada nó baixa por conta própria o que a tag quiser dizer naquele momento ou usa o que tem. Duas tarefas de um serviço podem rodar builds diferentes.</details>

# %% [markdown] slideshow={"slide_type": "skip"} translates="1b22ce95"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 2. O update parou no meio
#
# ### 3. Uma réplica, nenhuma falha no atendimento
#
# ### 4. Uma coleção de estados de tarefas
#
# Um *job* é um serviço cujas tarefas rodam uma vez e terminam: `--mode replicated-job`. Você vai precisar de um.

# %% slideshow={"slide_type": "skip"}
exercises("12_rolling_updates", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "minutes": {"45": 1, "60": 1}, "notes": "Uma posição depois da outra; você escolhe quantas, com que rapidez e em que ordem. Uma falha dentro do monitor conta, e aí o update pausa, continua ou faz rollback, como você escolheu. Escolha antes da sexta-feira.", "ask": "O que você vai configurar na segunda: --update-failure-action ou o monitor? (Primeiro a ação: por padrão, um update só pausa.)"} translates="28b1d0cb"
# ## Resumo
#
# - Uma posição depois da outra; você escolhe parallelism, delay e ordem.
# - Passada a fração de falhas tolerada, um update pausa, continua ou faz rollback, como você escolheu.
# - Uma tag é consultada quando um comando a cita. Um serviço roda um digest.

# %% [markdown] slideshow={"slide_type": "skip"} translates="2f1acc8d"
# **Para mostrar a um colega:** o desenho da seção 1, com as suas configurações.
#
# As últimas três perguntas são sobre outras páginas. Pule o que você ainda não leu.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(
    quiz("bad_single", "not_ready", "config_or_secret", "four_managers"),
    where_next("12_rolling_updates"),
)
