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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "Agora os managers vão cair um a um, até o swarm dizer não. Antes, três palavras. O líder escreve o log; os outros copiam. Mandato é o tempo de um líder no cargo. E quórum é mais da metade de todos os managers. Todos mesmo, até os que morreram. Uma máquina desligada continua contando como manager enquanto estiver na lista. É isso que complica: não dá para chegar à maioria esquecendo os mortos."} translates="d855aed2"
# # Quórum: quantos managers podem falhar?
#
# *Os managers caem um a um até o swarm recusar qualquer mudança, e você confere a tabela da palestra por conta própria.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="dd60b52b"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer como um líder é eleito; escolher quantos managers rodar, e onde; recuperar um swarm que perdeu o quórum |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; a seção 4 e os exercícios levam mais 15 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede |
# | **Slides da palestra** | 30 (um líder cai), 31 (maioria), 32–33 (a tabela) |
#
# Todo manager guarda uma cópia do mesmo *log*: todas as mudanças, em ordem. O protocolo *Raft* mantém as cópias iguais.
#
# - **Líder**: o manager que acrescenta entradas ao log. Os **seguidores** copiam.
# - **Mandato** (*term*): um período numerado, com no máximo um líder. Cada eleição abre um novo mandato, e nele cada manager tem um **voto**.
# - **Quórum**: mais da metade de *todos* os managers, inclusive os que estão fora do ar.
# - **Confirmada** (*committed*): gravada nos discos de um quórum. Só então a mudança vale.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.experiments import quorum_table, slow_followers
from swarmlab.views.election import election
from swarmlab.views.raft_columns import raft_columns
from swarmlab.views.zones import quorum_explorer

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "healthy", "minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "A palestra diz: se o líder falhar, outro manager assume. Certo, mas quando? Pensem no celular de plantão. Escolham uma das três opções e levantem a mão.", "ask": "Quanto tempo ficamos sem líder? Primeiro chute em segundos, depois escolha.", "wrong": "“Tempo nenhum”: a pessoa imagina um reserva que recebe um aviso. Ninguém avisa ninguém; o único sinal é o silêncio. “Um minuto ou mais”: a pessoa pensa em um failover feito à mão.", "trouble": "Poucas mãos na aposta? Pergunte só pelos extremos: quem acha que é menos de um segundo, quem acha que é mais de um minuto. PageDown segue em frente."} translates="d9da505f"
# ## 1. O líder cai (slide 30)
#
# > *Se o líder falhar outro manager assume.*
#
# **Quanto tempo isso leva?**

# %%
ask("how_long")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 1.5}, "notes": "Cada faixa é um manager. A cruz é a queda. Agora vejam quanto tempo não acontece nada: ninguém percebeu ainda. Cada um dos outros espera um tempo aleatório, de dez a dezenove segundos, e o menos paciente se candidata. Ele abre um novo mandato e vota em si mesmo. Cada seta é um voto. Com dois votos em três, ele é o líder. Ninguém digitou comando nenhum, e ninguém saiu da cama. De novo: a partir da cruz não há mais heartbeats, e por pelo menos dez segundos não acontece nada. Quem perde a paciência primeiro leva os votos, porque pede primeiro, e cada manager tem um voto por mandato.", "ask": "Por que um tempo aleatório, e não simplesmente dez segundos para todo mundo? (Para que um deles peça primeiro e leve os votos.)", "wrong": "“Para ser justo”: não. Se todos esperassem o mesmo tempo, todos se candidatariam juntos, e cada um votaria em si mesmo.", "trouble": "Não apareceu o desenho, ou você já tinha derrubado um manager? A tecla `r` volta ao swarm saudável e repete a queda."} translates="c0d94014"
cluster.run("5s")  # tudo tranquilo
cluster.crash(cluster.default_node())  # o líder
cluster.run("60s")
display(election(cluster), reveal("how_long"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="c4a35a0d"
# **Como ler o desenho.** Cada faixa é um manager. Depois do ✖, ninguém mais tem notícia de um líder. O primeiro manager a perder a paciência se lança *candidato* (C): abre um novo mandato, vota em si mesmo e pede o voto dos outros. Cada seta é um voto. Com a maioria de todos os managers, ele é o líder.
#
# <details><summary>Por que não se candidatam todos ao mesmo tempo?</summary>
# <p>Cada manager espera um tempo aleatório, de 10 a 19 s, sorteado de novo a cada mandato. Por isso é raro dois tentarem no mesmo instante. E quem tenta cedo demais fica sem votos: os outros acabaram de ter notícia do líder.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "crashed", "notes": "Agora a rede ruim é você. O botão Passo mostra uma mensagem de cada vez. Eu derrubo o líder e espero até alguém pedir um voto. E esse pedido se perde, porque eu clico nele. Alguém consegue virar líder agora? Vamos ver o que eles fazem.", "ask": "Se esse único voto nunca chegar, o swarm trava? (Não: há outra eleição, em um novo mandato.)", "wrong": "“Trava para sempre”: uma eleição perdida não deixa nada para trás, só um mandato a mais. Alguns segundos depois, há outra.", "trouble": "Clicou demais, e já há um líder? A tecla `r` recomeça na primeira mensagem."} translates="6965b198"
# ### Agora a rede ruim é você
#
# Cada coluna é um manager; as mensagens viajam de uma a outra. **Passo** vai até a próxima mensagem.

# %% [markdown] slideshow={"slide_type": "skip"} translates="4b5d1294"
# **Experimente.** Derrube o líder, m2 (o botão fica acima da coluna dele). Clique em **Passo** até um manager pedir *vote em mim*. Clique no pedido que vai para o outro manager que está no ar: pronto, ele se perdeu. Alguém consegue virar líder? Continue passo a passo e leia as linhas abaixo das colunas.
#
# <details><summary>O que as colunas mostram</summary>
# <p>O mandato de cada manager; o voto que deu nesse mandato (<i>–</i>: nenhum); a última entrada que ele sabe estar confirmada (<i>commit #24</i>: tudo até o número 24); o fim do seu log. (Ainda não há nenhum serviço: as primeiras entradas vêm da criação do próprio swarm.) Uma mensagem leva de 1 a 2 ms. Um <i>♥</i> é o heartbeat do líder, o sinal de vida dele.</p>
# </details>
# <details><summary>O que você vai ver</summary>
# <p>O manager precisa de dois votos em três: o dele e mais um. Se o pedido se perde, não vem resposta e ninguém lidera. Mais tarde, um manager tenta de novo. Se o outro se candidata no mesmo mandato, cada um vota em si mesmo e ninguém ganha. No fim, um <i>novo mandato</i> decide. Mensagens perdidas custam tempo ao Raft, e mais nada.</p>
# <p>Depois clique em <b>Criar um serviço</b> e continue passo a passo: o líder escreve uma entrada (tracejada), os outros copiam e, assim que um quórum <i>tem</i> a entrada, o líder a marca como confirmada (linha cheia, ✔). Uma entrada que já aparece com linha cheia foi confirmada antes que você pudesse olhar.</p>
# </details>

# %% translates="41e4f523"
cluster.start(*cluster.names)
cluster.run("10s")  # ele voltou, como seguidor
raft_columns(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "count", "minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1.5}, "notes": "Uma tabela que todo mundo decora e em que ninguém acredita. A metade, arredondada para baixo, mais um. Agora você tem dinheiro para mais uma máquina. Quatro é melhor que três? E dois é melhor que um? Não façam a conta ainda: respondam por instinto. E pensem nas máquinas que vocês pagam.", "ask": "Quatro managers: quantos podem falhar? Mostrem nos dedos. E depois: dois é melhor que um?", "wrong": "“2 de 4”: metade parece bastar. Quórum é mais da metade: são necessários três, e só um pode falhar. “Dois é mais seguro”: isso vale para uma máquina reserva. Aqui, os dois têm que estar no ar.", "trouble": "Metade da sala está esperando a outra metade? Conte de três até zero. PageDown mostra a resposta."} translates="1fc3a793"
# ## 2. Quantos podem falhar? (slides 31–33)
#
# > *Devemos manter o quorum (maioria de votos): (n/2+1).*
#
# Para *n* managers, são *n* // 2 + 1: a metade, arredondada para baixo, mais um. **De 4, quantos podem falhar? E 2 managers são melhores que 1?**

# %% [markdown] slideshow={"slide_type": "skip"} translates="ff5e075c"
# Depois das suas apostas, swarms de 1 a 7 managers perdem um líder atrás do outro, até que uma mudança seja recusada.

# %%
ask("four_managers", "two_managers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2.5, "60": 2, "90": 2}, "notes": "Esta tabela não saiu de um livro. Sete swarms acabaram de perder um líder atrás do outro, até que um comando foi recusado. Agora leiam a coluna Podem falhar, de cima a baixo. Zero, zero, um, um, dois, dois, três. Com número par, você paga uma máquina a mais e não leva nada. E dois é o pior negócio: basta um dos dois cair, e tudo para; você dobrou o risco. Três, cinco ou sete. A lição é essa. E leiam a mensagem embaixo: o swarm não tem líder. É o que vocês veriam no trabalho, em qualquer comando, até em uma simples lista. Então, quando o docker service ls reclamar, não reiniciem nada. Contem os managers primeiro: quantos estão no ar, e quantos são ao todo?", "ask": "Seu chefe quer quatro, porque quatro é mais que três. O que você responde? (Compre cinco, ou fique com três: de quatro só um pode falhar, como de três.)", "wrong": "“Mal não faz”: faz. É mais uma máquina que pode falhar, e mais uma que precisa concordar.", "trouble": "A célula leva alguns segundos: sete swarms são criados e derrubados. Continue falando; não tecle PageDown duas vezes. Se teclou, PageUp."} translates="36572cb5"
table = quorum_table(range(1, 8), seed=7, make=make)
display(table, reveal("four_managers", "two_managers"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="a01c0e9d"
# <details><summary>O que a tabela diz (e a própria tabela, sem rodar nada)</summary>
# <p><b>Número par não traz vantagem.</b> Quatro managers aguentam tantas falhas quanto três, e seis, tantas quanto cinco: você paga uma máquina a mais, e mais um manager precisa concordar. <b>Dois é pior que um.</b> Portanto, use 3, 5 ou 7.</p>
# <table><tr><th>Managers</th><th>Quórum</th><th>Podem falhar</th></tr>
# <tr><td>1</td><td>1</td><td>0</td></tr>
# <tr><td>2</td><td>2</td><td>0</td></tr>
# <tr><td>3</td><td>2</td><td>1</td></tr>
# <tr><td>4</td><td>3</td><td>1</td></tr>
# <tr><td>5</td><td>3</td><td>2</td></tr>
# <tr><td>6</td><td>4</td><td>2</td></tr>
# <tr><td>7</td><td>4</td><td>3</td></tr></table>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"45": 2.5, "60": 1.5}, "notes": "Máquinas costumam falhar em grupo. Um rack fica sem energia, um data center alaga. Então, onde você põe os managers? Eu mexo nos controles, vocês me dizem onde. Com duas zonas, uma delas sempre tem metade ou mais: se ela cai, acabou. São necessárias três zonas, e três managers bastam. Zona é tudo o que falha junto: um rack, uma sala, um disjuntor. Três managers no mesmo rack são três só até alguém tropeçar no cabo.", "ask": "Qual é o menor número de managers, e de zonas, que sobrevive à perda de qualquer uma das zonas? (Três managers, um em cada uma das três zonas.)", "wrong": "“Cinco em duas zonas”: aí uma zona tem três dos cinco. “Quatro em três zonas”: uma tem dois dos quatro, e com os outros dois não há quórum.", "trouble": "As teclas não fazem nada? O foco está em um controle deslizante. Clique fora dele; PageDown funciona em qualquer lugar."} translates="5bf97ec4"
# ### E onde colocá-los?
#
# Há máquinas que falham juntas: um data center pega fogo, um rack fica sem energia. Um lugar desses é uma *zona*. **Mexa nos controles: qual é o menor número de managers, e de zonas, que sobrevive à perda de qualquer uma das zonas?** (Clique em um manager para derrubá-lo.)

# %%
quorum_explorer(managers=5, zones=2)

# %% [markdown] slideshow={"slide_type": "skip"} translates="d4587c6e"
# <details><summary>Resposta: as zonas</summary>3 managers em 3 zonas. Com duas zonas, uma delas sempre tem metade dos managers ou mais. E 4 em 3 zonas é pior que 3: uma zona fica com dois, e sem esses dois não há quórum.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "network", "minutes": {"60": 1.5, "90": 1.5}, "notes": "Desta vez, nada cai. Alguém corta um cabo: dois managers aqui, com o líder, e três ali. Quem decide? E os contêineres?", "ask": "Esquerda ou direita: que lado ainda consegue mudar alguma coisa? E os contêineres, percebem?", "wrong": "“m1 e m2, porque têm o líder”: liderança não é título, é ser ouvido pela maioria. “São encerrados, por segurança”: nada interrompe os contêineres, mas também nada os conserta.", "trouble": "Duas apostas no mesmo slide: faça uma depois da outra; a sala levanta a mão. PageDown mostra as duas respostas."} translates="2dcc7857"
# ## 3. Um corte na rede
#
# Em um swarm novo, de cinco managers, a rede se parte em duas: m1 (o líder), m2 e w1 de um lado; m3, m4, m5 e w2 do outro. Nenhuma máquina cai. **Quem ainda consegue mudar o swarm? E o que acontece com os contêineres?**

# %% [markdown] slideshow={"slide_type": "skip"} translates="3b9127cf"
# Depois das suas apostas, a célula espera um minuto e pergunta aos dois lados: `-H m3`, ao maior; `-H m1` e `-H w1`, ao menor.

# %%
cluster = make(managers=5, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 7 nginx
ask("partition", "containers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "five", "minutes": {"60": 2, "90": 1.5}, "notes": "O lado com três tem um novo líder e consegue escalar. O lado com dois não consegue nem listar os serviços: toda resposta vem de um líder. Olhem o m1. Por alguns segundos, ele ainda acha que é o líder, no mandato antigo. Não faz mal nenhum, porque nada do que ele escreve chega à maioria. E os contêineres? Rodam, dos dois lados. Por um tempo, alguns rodam em dobro.", "ask": "Dois líderes ao mesmo tempo. Por que isso não é uma catástrofe? (O antigo não tem maioria: não consegue mudar nada, e logo desiste.)", "wrong": "“Depois eles juntam tudo”: não há o que juntar. O lado menor não conseguiu confirmar nada.", "trouble": "O painel não bate com o texto? A tecla `r` volta aos cinco managers e corta de novo."} translates="44f4998c"
cluster.partition("m1,m2,w1", "m3,m4,m5,w2")
cluster.run("60s")
# %docker -H m3 service scale --detach web=9
# %docker -H w1 ps
# %docker -H m1 service scale --detach web=9
# %docker -H m1 service ls
display(election(cluster), reveal("partition", "containers"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="9989f8f9"
# <details><summary>O que aconteceu</summary>
# <p>O m1 perdeu o contato com a maioria e <b>deixou a liderança</b>. No lado dele, os managers se candidatam sem parar e nunca conseguem três votos. No outro lado, três bastam. Só pode haver uma maioria; por isso, só um lado consegue confirmar uma mudança.</p>
# <p><b>Dois líderes?</b> Por uns sete segundos (de 10,9 a 17,6 s), o m1 ainda acha que é o líder, no mandato antigo. Mas não consegue confirmar nada: não alcança a maioria.</p>
# <p>O lado menor não consegue mudar nada, nem sequer listar os serviços: toda resposta vem de um líder. Mas os contêineres dele continuam rodando. Enquanto isso, o lado maior marca aqueles nós como fora do ar e sobe tarefas substitutas: por ora, algumas réplicas rodam em dobro.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "cut", "notes": "Para terminar, dois extras. O primeiro: um manager está lento, um segundo por mensagem. Toda mudança tem que esperar por ele?", "ask": "Um dos cinco está lento. Toda mudança fica lenta?", "wrong": "“Vai no ritmo do mais lento”: reunião de equipe é que funciona assim. O líder espera pela maioria e esquece o resto.", "trouble": "A rede já foi consertada? A tecla `s` volta ao swarm com a rede cortada."} translates="e5c20b41"
# ## 4. Extra: managers lentos e um quórum perdido
#
# A rede está inteira de novo, mas a conexão com um dos seguidores está lenta: um segundo por mensagem. **Quanto tempo leva uma mudança?**

# %%
cluster.heal()
cluster.run("60s")
ask("slow_manager")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "healed", "notes": "Um manager lento não custa nada, e dois também não. Com o terceiro, a maioria precisa de um deles, e aí você paga: um segundo na ida, um na volta. E há duas apostas novas na tela, sobre um swarm de três que perde dois.", "ask": "De três, um está fora do ar. O Docker deixa você rebaixar mais um: sim ou não?", "wrong": "“Pronto, agora é um worker”: antes, o Docker conta quem sobraria. “2 de 3 no ar de novo”: entrar no swarm também é uma mudança, e para ela não há quórum.", "trouble": "Só dá para deixar lentas as conexões simuladas. Em engines reais, PageDown segue em frente."} translates="a25c3241"
display(slow_followers(cluster, "1s"), reveal("slow_manager"), ask("demotion", "join_heals"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="c7ba1d15"
# Um manager lento não custa nada; dois, também não. Com três, o líder precisa esperar por um deles: um segundo na ida, um na volta.
#
# As novas apostas: em um swarm de três managers, a próxima célula derruba o m3 e tenta transformar o m2 em worker. Depois derruba também o m2 e tenta acrescentar um manager: com `swarm join-token manager` (o token para entrar no swarm) e com `node promote w1`. A célula seguinte mostra como sair dessa.

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "O Docker recusa o rebaixamento: ele conta e vê que perderia o quórum. Mas queda de energia não pede licença. O m2 também caiu, sobrou um de três, e agora nada funciona. Nem acrescentar um manager.", "ask": "O que ainda está rodando neste momento? (Os contêineres. Só as decisões pararam.)", "wrong": "“Nada”: os contêineres estão rodando. O que parou foram as decisões.", "trouble": "Os comandos esperam por uma resposta que não vem, até vinte segundos cada um, no tempo do swarm. Deixe terminar."} translates="fe61d432"
cluster = make(managers=3, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 nginx
cluster.crash("m3")
cluster.run("10s")
# %docker node demote m2
cluster.crash("m2")
cluster.run("60s")
# %docker -H m1 swarm join-token manager
# %docker -H m1 node promote w1
reveal("demotion", "join_heals")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "lost", "notes": "Só existe uma saída: force new cluster, em um sobrevivente, uma vez. Agora ele é o único manager, um quórum de um. Depois acrescentem managers de novo e removam os mortos.", "ask": "Por que só em um dos sobreviventes? (Cada um em que você faz isso vira um swarm próprio.)", "wrong": "“Em todos, para garantir”: aí você tem vários swarms, e cada um acha que é o verdadeiro.", "trouble": "Não responde? A tecla `r` volta ao quórum perdido e roda o force uma vez."} translates="3b448890"
# %docker -H m1 swarm init --force-new-cluster
cluster.run("60s")
# %docker node ls
# %docker service ps --filter desired-state=running web

# %% [markdown] slideshow={"slide_type": "skip"} translates="cef91a8e"
# O `--force-new-cluster` faz do m1 o único manager: um quórum de 1. O que está no log do m1 não se perde. Use-o **uma vez só, em um só** sobrevivente. Depois acrescente managers e remova os mortos: `docker node rm`. (Em um swarm com quórum, um manager morto ainda é membro: primeiro rebaixe, depois remova.)
#
# <details><summary>Por que algumas tarefas são novas?</summary>As do m2 e do m3 foram substituídas. E os workers precisam primeiro encontrar o m1. Quem demora é marcado como fora do ar até se apresentar, e as tarefas dele são substituídas em outro nó.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "alone", "minutes": {"30": 0.5, "45": 1, "60": 1, "90": 0.5}, "notes": "Então: mais da metade de todos os managers. Três, cinco ou sete, em três zonas. Sem quórum nada muda, e o que está rodando continua rodando. Eleger um novo líder leva de dez a vinte segundos, e você não precisa fazer nada.", "ask": "Qual destas coisas você vai conferir amanhã no trabalho? (Não há resposta certa; para começar, conte os managers.)"} translates="51a08ee2"
# ## Resumo
#
# - Quórum é mais da metade de *todos* os managers. Use 3, 5 ou 7, em três zonas.
# - Sem quórum, não há mudanças, nem respostas, nem reparos. O que está rodando continua rodando.
# - Eleger um novo líder leva de 10 a 20 segundos. Você não precisa fazer nada.

# %% [markdown] slideshow={"slide_type": "skip"} translates="388d2077"
# **Para mostrar a um colega:** em um swarm novo (`cluster = make(managers=3, workers=2)`), derrube o m3 e depois o m2. Espere 20 s e rode `%docker -H m1 service ls`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="1d86c8d3"
# ## Agora é com você
#
# ### 1. Um manager caiu de vez
#
# Clique em **Iniciar**: o exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 2. Qualquer zona pode pegar fogo
#
# Escolha este exercício na lista.
#
# ### 3. Separe cinco managers de modo que ninguém consiga gravar nada
#
# Os cinco ficam no ar. (O `cluster.partition` aceita dois lados ou mais.) Na célula depois dos exercícios, comece com `cluster = make(managers=5, workers=2, seed=7)`.
#
# <details><summary>Uma dica</summary>Nenhum lado pode ter três.</details>
# <details><summary>Resposta</summary>Corte a rede em três lados: <code>cluster.partition("m1,m2", "m3,m4", "m5,w1,w2")</code>. Espere com <code>cluster.run("60s")</code>. Depois tente <code>%docker -H m1 service create nginx</code>, e o mesmo no m3 e no m5.</details>

# %% slideshow={"slide_type": "skip"}
exercises("05_quorum", make=make)

# %% slideshow={"slide_type": "skip"} translates="8d026a79"
# Seus comandos, por exemplo:
# %docker node ls

# %% slideshow={"slide_type": "skip"} translates="bbb5393f"
# Uma delas é sobre a página 00. Depois rode score() em uma célula nova: soma suas apostas.
display(quiz("reads", "three_zones", "lost_vote", "comes_back"), where_next("05_quorum"))
