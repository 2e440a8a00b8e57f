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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Rodar não é o mesmo que responder. Vamos travar um app e ver quem percebe."} translates="fd3aa1c5"
# # Healthchecks: o app lá dentro está vivo?
#
# *Um app trava, mas o contêiner continua rodando. Você ensina o swarm a perceber isso, ajusta o healthcheck para que ele não deixe passar nenhuma falha nem mate apps saudáveis, e derruba uma loja com um healthcheck que verifica coisas demais.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="8f2e7fb3"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dar um healthcheck a um serviço; escolher as cinco configurações dele; dizer quando ele atrapalha |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; os exercícios levam mais 8 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines reais não há controles deslizantes, e talvez não dê para contar requisições) |
# | **Slides da palestra** | 41 (healthchecks) |

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import check_explorer, downtime, follow, hang

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 3 --publish 8080:80 busybox \
#     sh -c "mkdir www; echo hello > www/index.html; exec httpd -f -h www"
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"90": 1}, "notes": "Slide 41. Três servidores web pequenos, cinquenta requisições por segundo. Não vou matar um deles, vou congelar: o processo está lá, mas não responde nada. Vocês conhecem o tipo. O que o swarm faz?", "ask": "Substitui, desvia dele ou não faz nada?", "wrong": "“Substitui”: só quando o processo termina, e este não terminou. “Desvia dele”: o balanceador verifica se a tarefa está rodando, não se o app responde."} translates="f76fe196"
# ## 1. O contêiner está no ar; o app, não (slide 41)
#
# > *Não só o contêiner mas as app dentro do serviço pode ser monitorada.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="6dc4646f"
# O `web` tem três réplicas do pequeno servidor web do BusyBox. Se o processo de uma terminasse, o contêiner terminaria junto, e o swarm o substituiria. Mas apps também **travam**: o processo está lá, mas não responde nada. A função `hang` faz isso com uma das três: envia o sinal STOP ao processo.
#
# Chegam 50 requisições por segundo. **O que o swarm faz?**

# %%
ask("hung_app")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Nada. Running, running, running, diz o Docker, e um terço dos usuários não recebe resposta nenhuma. Olhem o vermelho. Isso ficaria assim por semanas, até chegar um e-mail irritado.", "ask": "O que o seu monitoramento teria dito? (Se ele só pergunta ao Docker: “tudo bem”.)", "trouble": "Tudo verde? A tarefa já foi substituída. A tecla `r` trava uma de novo."} translates="2e04701d"
cluster.traffic("web", rate=50)
display(hang(cluster, "web"), follow(cluster, "web", for_s=20), reveal("hung_app"))
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "skip"} translates="6e434ce9"
# **Como ler o desenho.** Há uma faixa para cada *posição* (o número de uma réplica: web.1, web.2, …), com a tarefa que a ocupa. Embaixo, as requisições de cada segundo; as que ficaram sem resposta estão em vermelho.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "hung", "minutes": {"90": 1}, "notes": "Vamos dizer ao swarm como verificar. Um healthcheck é um comando que roda no contêiner: código de saída zero quer dizer tudo bem. Roda um a cada cinco segundos, cada um leva no máximo dois, e três falhas seguidas reprovam a tarefa. Agora um app trava de novo. Por quanto tempo ele ainda recebe requisições?", "ask": "Cinco segundos, vinte, ou até ser encerrado?", "wrong": "“Cinco, até o próximo healthcheck”: uma falha não basta; têm que ser três seguidas."} translates="21d250a5"
# Está tudo rodando, diz o Docker, e um terço dos usuários não recebe nada. Então diga ao swarm como verificar o app: um **healthcheck** é um comando que o engine executa de tempos em tempos *dentro* do contêiner. Código de saída 0 quer dizer saudável.

# %% [markdown] slideshow={"slide_type": "skip"} translates="bd005c4f"
# Aqui, a cada 5 segundos (`--health-interval`), o `wget` pede a página inicial e pode levar até 2 segundos (`--health-timeout`). Depois de 3 falhas seguidas (`--health-retries`), a tarefa está **unhealthy**.
#
# Um app trava de novo. **Por quanto tempo a tarefa dele ainda recebe requisições?**

# %%
ask("hang_noticed")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Uns vinte segundos. Três healthchecks falham, e a tarefa sai do balanceador: acaba o vermelho. Dez segundos depois ela é morta, porque um processo congelado ignora o primeiro sinal, que só pede para ele terminar. Aí vem uma tarefa nova, que só recebe requisições depois de passar no primeiro healthcheck. Ninguém precisou fazer nada.", "ask": "Por que não verificar a cada segundo, com uma falha só? (Mataria apps que só estão ocupados.)", "wrong": "“Custa caro”: pior que isso, mata apps que só estão ocupados.", "trouble": "Dois apps travados? A tecla `r` volta a um só e repete este passo."} translates="1b55ab44"
# %docker service update --quiet --health-cmd "wget -q -O /dev/null localhost" \
#     --health-interval 5s --health-timeout 2s --health-retries 3 web
display(hang(cluster, "web"), follow(cluster, "web", for_s=50), reveal("hang_noticed"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="188cf414"
# A novidade são os **healthchecks** abaixo de cada posição, ✔ ou ✘. A caixa antes de um ✘ é o tempo que o healthcheck esperou pela resposta.
#
# <details><summary>O que você vê</summary>
# <p>No terceiro ✘, a tarefa sai do <i>balanceador de carga</i>, que distribui as requisições: todas passam a ir para as outras duas. Depois, o swarm encerra a tarefa. O sinal de parada não tem efeito, porque o app está travado. (Nem teria, se não estivesse: o primeiro processo de um contêiner ignora esse sinal quando não o trata, e o <code>httpd</code> do BusyBox não o trata.) Por isso, dez segundos depois (<code>--stop-grace-period</code>), ela é morta. Até lá os healthchecks continuam: daí o quarto ✘. Passados mais cinco segundos (<code>--restart-delay</code>), uma tarefa nova começa na mesma posição e recebe requisições assim que passa no primeiro healthcheck: no texto do desenho, <i>A roda em …</i>.</p>
# <p>O <code>docker run</code> também tem healthchecks, mas só marca o contêiner como unhealthy e o deixa rodando; quem o substitui é o swarm.</p>
# </details>
#
# Um healthcheck também pode vir na imagem (`HEALTHCHECK` no Dockerfile). A flag `--no-healthcheck` o desliga.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "checked", "notes": "Cinco configurações. Três decidem em quanto tempo se percebe uma falha; as outras duas são para apps que demoram a subir. Duas apostas sobre um app assim.", "ask": "O app leva seis segundos para subir, e o healthcheck desiste depois de três. O que acontece?", "wrong": "“Roda, marcada como unhealthy”: isso é o docker run. Em um swarm, a tarefa é encerrada e substituída, e isso se repete sem parar. “Depois de 30 segundos”: no start period, as falhas não contam, mas um sucesso conta."} translates="66f9091d"
# ## 2. Cinco números
#
# | Configuração | Padrão | |
# | --- | --- | --- |
# | `--health-interval` | 30 s | a pausa entre dois healthchecks |
# | `--health-timeout` | 30 s | se demorar mais que isso, o healthcheck falha |
# | `--health-retries` | 3 | quantas falhas seguidas deixam a tarefa unhealthy |
# | `--health-start-period` | 0 s | por quanto tempo, a partir do início, as falhas não contam |
# | `--health-start-interval` | 5 s | a pausa entre dois healthchecks durante o start period |

# %% [markdown] slideshow={"slide_type": "skip"} translates="47e74a2b"
# **Duas apostas sobre apps que demoram a subir.** Depois mexa nos controles deslizantes: a cada movimento, uma cópia deste swarm inicia uma tarefa de um serviço novo, e você vê 90 segundos dela.

# %%
ask("check_too_strict", "start_period")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Vamos mexer nos controles: cada movimento inicia uma tarefa em uma cópia deste swarm. Se o app só fica pronto aos vinte segundos, a tarefa nunca chega a rodar. [Pergunte; depois:] Com um start period, ela se salva. Agora o contrário: até que ponto dá para ser rigoroso sem matar um app saudável?", "ask": "Qual das cinco você aumentaria primeiro? (O start period: depois que o app fica saudável, ele não custa nada.)", "wrong": "“Interval”: assim você percebe tudo mais tarde. Para apps que demoram a subir existe o start period.", "trouble": "As teclas não fazem nada? O foco está em um controle. Clique fora dele."} translates="0f060a63"
display(check_explorer(cluster), reveal("check_too_strict", "start_period"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="c8d2f89d"
# **Experimente.** (No início, o app fica pronto depois de 6 s e trava depois de 30, com interval 5, timeout 3, retries 3 e sem start period.)
#
# 1. Ajuste *fica pronto depois de* para 20. Por que a tarefa nunca roda? Salve-a de duas maneiras: com um start period e com mais retries.
# 2. Use os padrões do Docker, interval 30 e timeout 30, e *trava depois de* em 0 (nunca). Quando a primeira requisição é atendida sem start period? E com um de 30?
# 3. Faça o swarm perceber um travamento o quanto antes. O que esse healthcheck faria com um app que, de vez em quando, passa três segundos sem responder?
#
# <details><summary>O que você vai descobrir</summary>
# <p><b>1.</b> Três healthchecks falham nos primeiros 15 segundos, e o swarm encerra a tarefa antes que ela fique pronta; com a substituta é a mesma coisa. Um start period de 20 s a salva; cinco retries também. O start period é melhor: depois que o app fica saudável, o healthcheck volta a ser tão rigoroso quanto antes.</p>
# <p><b>2.</b> Só depois de 30 segundos, embora o app fique pronto em seis: o primeiro healthcheck vem depois de um interval. Durante um start period há um a cada cinco segundos; por isso, a tarefa fica pronta em dez.</p>
# <p><b>3.</b> Interval 1, timeout 1, retries 1: unhealthy depois de dois segundos. Isso também mataria o app que só faz uma pausa, e até um app normal em um minuto de muito movimento. Retries custam pouco; reinícios, não.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ready", "notes": "Um healthcheck diz mais uma coisa: quando a tarefa está pronta. Outro app leva seis segundos para subir, e eu vou atualizá-lo de quatro maneiras. Quais delas perdem requisições?", "ask": "Três réplicas, sem healthcheck. Um update perde requisições?", "wrong": "“Não, as outras duas respondem”: a terceira também recebe requisições assim que o contêiner dela começa a rodar. “Com start-first, não”: sem healthcheck, iniciada já quer dizer pronta."} translates="9bc7a520"
# ## 3. Estar pronto é mais que estar rodando
#
# O healthcheck não diz só quando uma tarefa está com problemas; diz também quando ela está **pronta**. Outro app leva seis segundos para subir.

# %% [markdown] slideshow={"slide_type": "skip"} translates="8c6b2796"
# A célula depois da aposta o atualiza de quatro maneiras, cada uma em uma cópia deste swarm: na ordem *stop-first* (primeiro se encerra a tarefa antiga, depois começa a nova) ou *start-first*, sem healthcheck e com healthcheck. **Quais delas perdem requisições?**

# %%
ask("not_ready", "one_replica")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Sem healthcheck, as duas ordens perdem requisições. Com um, três réplicas não perdem nenhuma. E uma réplica só é uma armadilha: apenas start-first com healthcheck atende o tempo todo.", "ask": "Em que linha está o seu serviço hoje? (É só levantar a mão.)", "trouble": "Leva alguns segundos: são medidos oito updates. Continue falando."} translates="0aa50e03"
display(
    downtime(cluster, replicas=3), downtime(cluster, replicas=1), reveal("not_ready", "one_replica")
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="40ba5582"
# Um update mais demorado recebe mais requisições no total; por isso, compare só a coluna *com falha*. **Por que start-first precisa de um healthcheck?** Sem ele, uma tarefa nova é considerada pronta no momento em que o contêiner começa a rodar, e o Swarm encerra a antiga cedo demais.
#
# <details><summary>O que as tabelas dizem (e os números, sem rodar nada)</summary>
# <p><b>Sem healthcheck, as duas ordens perdem requisições.</b> Uma tarefa recebe requisições assim que o contêiner começa a rodar, mas o app só responde seis segundos depois.</p>
# <p><b>Com healthcheck e três réplicas, nada se perde.</b> O healthcheck é <code>curl -f localhost</code>, uma vez por segundo, dez tentativas. Até passar no primeiro, a tarefa fica em <i>starting</i> e não recebe requisições.</p>
# <p><b>Uma réplica só é uma armadilha.</b> Stop-first tira a única tarefa que existe. Apenas start-first <i>com</i> healthcheck atende o tempo todo.</p>
# <table><tr><th>Ordem</th><th>Healthcheck</th><th>3 réplicas: falharam</th><th>1 réplica: falharam</th></tr>
# <tr><td>stop-first</td><td>não</td><td>umas 350</td><td>umas 440</td></tr>
# <tr><td>stop-first</td><td>sim</td><td>0</td><td>umas 440</td></tr>
# <tr><td>start-first</td><td>não</td><td>umas 270</td><td>umas 270</td></tr>
# <tr><td>start-first</td><td>sim</td><td>0</td><td>0</td></tr></table>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "thorough", "notes": "Agora, um healthcheck cheio de boas intenções: o da loja pede a própria página e também uma do orders. E o orders some. O que vê quem só quer olhar os produtos?", "ask": "Páginas, metade delas ou nada?", "wrong": "“Páginas: elas não precisam do orders”: elas não, mas o healthcheck precisa."} translates="4b1aacc2"
# ## 4. Um healthcheck que verifica demais
#
# O `shop` mostra páginas e repassa pedidos a outro serviço, o `orders`. O healthcheck dele é minucioso: pede a própria página *e* uma do `orders`. Agora alguém tira o `orders` do ar. **O que acontece com as páginas?**

# %%
# %docker network create --driver overlay back
# %docker service create --quiet --detach --name orders --network back nginx
# %docker service create --quiet --detach --name shop --replicas 2 --network back --publish 8181:80 \
#     --health-cmd "wget -q -O /dev/null localhost && wget -q -O /dev/null orders" \
#     --health-interval 3s --health-retries 2 \
#     busybox sh -c "mkdir www; echo hello > www/index.html; exec httpd -f -h www"
ask("asks_dependency")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "shop", "notes": "Nada. Todas as tarefas ficam unhealthy no mesmo instante e são mortas; depois, as substitutas também. Uma falha virou duas. Verifiquem só o que dá para consertar reiniciando a própria tarefa.", "ask": "Sejam sinceros: quem aqui tem um healthcheck que consulta o banco de dados? (É só levantar a mão.)", "trouble": "A tecla `r` traz de volta a loja e o orders e repete este passo."} translates="fbc396a1"
cluster.run("20s")
cluster.traffic("shop", rate=50)
# %docker service scale --detach orders=0
display(follow(cluster, "shop", for_s=45), reveal("asks_dependency"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="f2067aa9"
# Depois de sete segundos, nenhuma página aparece mais, embora não haja nada de errado com o `shop`. As tarefas dele ficam unhealthy no mesmo instante, deixam de receber requisições e são mortas dez segundos depois; com as substitutas acontece o mesmo, até o `orders` voltar. Reiniciar o `shop` não conserta o `orders`.
#
# **Um healthcheck verifica o que um reinício *desta* tarefa consertaria.** Saber se os outros serviços estão bem é trabalho do monitoramento.

# %% [markdown] slideshow={"slide_type": "skip"} translates="81249413"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Saudável, mas morto
#
# Um serviço nunca chega a rodar. O healthcheck dele tem boas intenções.
#
# ### 2. Verifique só o próprio app
#
# Outro serviço vai passar a noite desligado. A loja tem que continuar aberta.

# %% slideshow={"slide_type": "skip"}
exercises("11_health_checks", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "closed", "notes": "Sem healthcheck, um app travado continua no balanceador. Deem um start period a apps que demoram a subir. Até passar no primeiro healthcheck, a tarefa não recebe requisições; por isso, os updates não perdem nenhuma. E um healthcheck só verifica o próprio app."} translates="9744598f"
# ## Resumo
#
# - Sem healthcheck, um app travado continua no balanceador.
# - Unhealthy quer dizer: a tarefa deixa de receber requisições e depois é encerrada e substituída. Isso leva (interval + timeout) × retries, mais o tempo até a tarefa nova ficar pronta.
# - Dê um start period a apps que demoram a subir. Falta de paciência mata apps saudáveis.
# - Até passar no primeiro healthcheck, uma tarefa não recebe requisições. Por isso, os updates não perdem nenhuma.
# - Um healthcheck só verifica o próprio app.

# %% [markdown] slideshow={"slide_type": "skip"} translates="9bbcbf77"
# **Para mostrar a um colega:** `check_explorer(cluster)`, em qualquer swarm simulado. (Antes, rode os imports do começo.)
#
# Mais duas perguntas. A segunda é sobre a página 06.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(quiz("unhealthy_run", "who_replaces"), where_next("11_health_checks"))
