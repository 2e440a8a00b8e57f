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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 1}, "notes": "[Este passo já está na tela; PageDown vai para o próximo. As teclas valem nas duas janelas.] Isto é um swarm: cinco máquinas simuladas, neste notebook. Ele se comporta como o de verdade, até no texto das mensagens de erro, e eu posso derrubá-lo quantas vezes quiser. Em quinze minutos, vocês vão ver uma máquina morrer e o swarm se recuperar, sem ninguém digitar nada. E antes vão apostar no que vai acontecer. Funciona assim: vocês apostam levantando a mão, eu rodo, e aí a gente olha o que aconteceu de verdade. Nenhuma pergunta é simples demais; quem pergunta ajuda outras três pessoas com a mesma dúvida.", "ask": "Quem aqui já acordou de madrugada porque uma máquina morreu? (É só levantar a mão.)", "trouble": "Antes de começar: a outra janela vai para o projetor, em tela cheia (F11). Se esta for pequena demais, role-a com o mouse. Tecle `0` duas vezes para zerar o relógio; o plano reserva alguns minutos para perguntas. O painel não apareceu no projetor? Tecle `r`. Em qualquer passo, essa tecla devolve o swarm ao estado do começo do passo e roda o passo de novo, em um ou dois segundos; as mãos e o relógio ficam como estão. Um PageDown a mais? PageUp e, depois, `r`."} translates="629e2161"
# # Comece aqui: um swarm no seu computador
#
# *Em 15 minutos você põe um serviço para rodar em cinco máquinas, derruba a que está no comando e vê o swarm se recuperar sozinho.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="ca3fe937"
# | | |
# | --- | --- |
# | **Você vai aprender a** | subir um swarm, rodar um serviço e dizer o que acontece quando uma máquina morre |
# | **Tempo e nível** | 15 minutos, primeiros passos |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede |
# | **Slides da palestra** | 20 (por que orquestrar), 24–28 (serviço, tarefa, nós), 29–31 (líder) |
#
# As máquinas são simuladas. Os comandos e as saídas são como os do Docker. O curso segue uma palestra apresentada em Salvador em 2017 e cita as frases dela.
#
# Clique na célula abaixo e tecle **Shift+Enter**. (Não apareceu nada? Rode a última célula.)

# %%
import swarmlab

cluster = swarmlab.simulate(managers=3, workers=2, seed=7)
cluster.board()

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "Cada coluna é uma máquina, um nó. m1, m2 e m3 são managers: tomam as decisões. Um deles é o líder; o painel diz qual. Já o w1 e o w2 são workers: rodam contêineres e reportam os estados deles. Neste swarm, os managers também rodam contêineres, a não ser que eu proíba. Guardem: o líder é o m1. Cada nó faz as vezes de uma máquina Linux comum, com Docker. Lá em cima está o relógio do swarm: fica parado enquanto eu falo e, quando eu deixo passar um minuto, ele passa na hora.", "ask": "Três managers. Por que vocês acham que são três, e não um ou dois? (Mais da metade deles, o quórum, tem que concordar com cada mudança; mais da metade de todos, no ar ou não. De três, um pode falhar; de dois, nenhum: dois não são mais seguros que um.)", "wrong": "“Para dividir o trabalho”: todos guardam os mesmos dados, e um lidera. Eles existem para o dia em que um deles faltar.", "trouble": "Dá para ler da última fila? Pergunte; se não der, amplie com Ctrl e + na janela da sala. Alguém quer saber o que é “mandato 2”? Esse número conta as eleições, inclusive as que ninguém venceu, e vai aumentar quando o m1 cair. “Isso é Docker?”: as máquinas são simuladas, com a API do próprio Docker, e testes as comparam com engines reais."} translates="83645403"
# Cada coluna é uma máquina: um *nó* do swarm. (O JupyterLab mostra este *painel* acima da página.)
#
# - **m1, m2 e m3** são *managers*: tomam as decisões. Um deles é o *líder*.
# - **w1 e w2** são *workers*: rodam *contêineres* (programas, cada um na sua própria caixa) e reportam os estados deles. Aqui, os managers também rodam alguns.

# %% [markdown] slideshow={"slide_type": "skip"} translates="1f6011b7"
# <details><summary>O que são “mandato” e seed=7?</summary>
# <p>O <b>mandato</b> (<i>term</i>) numera os líderes: cada eleição abre um novo mandato. (O mandato 1 começou quando o swarm foi criado; o 2, com a primeira eleição.) A <b>semente</b> (<i>seed</i>) fixa o acaso: se você e a pessoa ao lado rodarem as mesmas células na mesma ordem, vão ver a mesma coisa.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"45": 1, "60": 1}, "notes": "A mesma coisa, nas palavras do próprio Docker: docker node ls. O asterisco marca o manager que respondeu, e Reachable quer dizer: no ar, mas não é o líder. Leiam comigo: cinco nós, todos Ready, ou seja, no ar, e Active, ou seja, ninguém proibiu que trabalhem. Três têm a coluna MANAGER STATUS preenchida; os workers, não. Se eu fizesse essa pergunta a um worker, ele se recusaria a responder: só os managers conhecem a lista. Os termos do desenho vêm depois; por ora, vocês não precisam deles.", "ask": "Qual máquina você menos gostaria de perder? (A maioria diz m1, o líder. Ouça a resposta e siga: é ele que vai cair.)", "wrong": "“O asterisco é o líder”: é o manager que respondeu. Aqui, por acaso, também é o m1.", "trouble": "Alguém perguntou o que significa um desses termos? Raft: o que faz todos os managers terem a mesma lista de mudanças. CA: quem assina os certificados dos nós. TLS: cifra as conexões entre eles. Gossip: como os nós avisam uns aos outros quem está em cada rede overlay, uma rede entre máquinas."} translates="a57a4176"
# `%docker` é a linha de comando do Docker dentro do notebook. Liste os nós: `*` marca o manager que respondeu; *Reachable* quer dizer que está no ar, mas não é o líder. O desenho é o slide 29; os termos dele (Raft, CA, TLS, gossip) podem esperar.

# %%
from swarmlab.views.topology import topology

# %docker node ls
topology(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "minutes": {"30": 1, "45": 1, "60": 1, "90": 0.5}, "notes": "Seis cópias de um servidor web, por favor. Reparem no que eu não digo: onde elas rodam e em que ordem. Eu digo o que quero, e o swarm descobre como. Primeiro vocês chutam, depois eu rodo. [PageDown cria o serviço.]", "ask": "Cinco nós, seis cópias: como elas vão se espalhar? (Uma em cada nó, e um deles fica com duas. Não dê a resposta: PageDown mostra.)", "wrong": "“Três em cada worker”: managers também rodam tarefas, a não ser que você os drene; aí não recebem nenhuma.", "trouble": "Silêncio? Ofereça dois palpites: todas nos workers, ou uma em cada nó."} translates="1fa0bf56"
# ## Diga o que você quer
#
# Seis cópias de um servidor web, por favor. Você diz *o quê*; o swarm decide *onde* e *como*.

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 0.5, "45": 0.5, "60": 0.5, "90": 0.5}, "notes": "As seis estão aí: cada uma foi para o nó mais vazio. Pulem o ID e leiam: o nome da cópia, a imagem, o nó. Depois, estado desejado e estado atual: o que eu quero e o que existe. Quando os dois coincidem em todas as linhas, o Docker diz converged.", "trouble": "Já existe um serviço web? `r` traz de volta o swarm vazio e cria o serviço. Alguém quer saber por que o m3 tem duas? Todos tinham uma, então podia ser qualquer um deles. Como chegar ao web de fora? Aqui nenhuma porta foi publicada; quando uma é publicada, qualquer nó responde (página 15)."} translates="d5f26224"
# %docker service create --name web --replicas 6 nginx
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1, "45": 1, "60": 1, "90": 0.5}, "notes": "Três palavras. Serviço é o que eu pedi. Réplica é uma das cópias: web.1, web.2. Tarefa é uma tentativa de rodar a réplica. Guardem essa última: tentativa. Tarefas morrem, e outras tomam o lugar delas. O serviço fica. [Sobrou tempo? PageUp mostra o ID da tarefa do web.4, sem rodar nada: depois da queda, é outro.]", "ask": "Se o web.1 morre, é a mesma tarefa que começa de novo? (Não: uma tarefa nova, com outro ID e outro contêiner, toma o lugar dela. O nome continua sendo web.1.)", "wrong": "“Sim”: uma tarefa é uma tentativa e nunca começa duas vezes. Uma tarefa nova toma o lugar dela."} translates="565b2b7d"
# O painel se enche. Três palavras (slide 24):
#
# - **Serviço** é o que você pediu: *seis cópias do nginx*.
# - **Réplica** é cada uma das cópias: de `web.1` a `web.6`.
# - **Tarefa** (*task*) é uma tentativa de rodar uma réplica: um contêiner em um nó.
#
# O swarm pôs cada tarefa no nó mais vazio. Quando todas rodam como você pediu (CURRENT STATE igual a DESIRED STATE), o serviço *convergiu*.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "web", "minutes": {"30": 1.5, "45": 1.5, "60": 1.5, "90": 1}, "notes": "Agora é sério. O m1, o líder, está prestes a ficar sem energia. Duas perguntas de uma vez: o que acontece com o swarm, e o que acontece com o web.4, a tarefa que roda no m1? Todo mundo vota. [Com a mão: o clique que a página pede é para quem está no teclado.] A gente aprende mais quando erra.", "ask": "São quatro opções: eu leio uma por uma, e cada um levanta a mão na sua. Quem tem certeza?", "wrong": "“O swarm acaba”: o líder não sabe nada que os outros não saibam. “Alguém tem que escolher um novo líder”: os outros managers percebem o silêncio e votam. “As tarefas esperam pelo m1”: você pediu seis, e o swarm repõe a que falta.", "trouble": "Ninguém levanta a mão? Aponte uma opção e pergunte quem acha que está errada. A tecla `c` derruba o líder na hora; não a use aqui: quem faz isso é o PageDown. Derrubou antes da hora? `r` traz o m1 de volta; se este passo já passou, tecle PageUp antes."} translates="fcf839e7"
# ## Derrube o líder
#
# O m1, que é o líder, está prestes a ficar sem energia. **O que acontece com o swarm e com o web.4, a tarefa que roda no m1?** Aposte primeiro.

# %%
from swarmlab.lessons.bets import ask, reveal

ask("leader_crash")

# %% [markdown] slideshow={"slide_type": "skip"} translates="84687d1e"
# Tire o m1 da tomada: **no painel, clique em m1 e escolha Derrubar**. Observe. Depois **clique na próxima célula** e rode-a: ela derruba o m1 (se você ainda não tiver feito isso), deixa passar um minuto e diz quem acertou.

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 2, "45": 2, "60": 2, "90": 1.5}, "notes": "[O minuto passa na hora: conte o que aconteceu nele. A lista sob o painel mostra tudo, com o mais recente em cima.] O m1 ficou sem energia. E depois, por alguns segundos, nada: ninguém sabia. Nenhuma máquina consegue avisar que morreu; os outros só percebem o silêncio dela. Então dois managers fizeram uma eleição, e o m2 é o líder. E depois, uns quarenta segundos após a queda, o m1 foi marcado como fora do ar, Down, e a tarefa dele foi substituída em outro nó. Quem acertou? Olhem também o mandato: era o 2, e agora é o 3. Cada eleição abre um novo, e é assim que um líder antigo descobre que o tempo dele acabou. [Sobrou tempo? Comente as apostas erradas: estão abaixo.]", "ask": "E se o m2 cair agora também? (Sobra um de três, o que não é maioria: ninguém lidera, nada muda, nada é reparado. O que está rodando continua rodando. “Mostra!”: a página 05 mostra.)", "wrong": "“O m3 lidera sozinho”: um de três não é maioria. “Os workers escolhem”: só os managers votam.", "trouble": "O que se vê: m1 hachurado e fora do ar, m2 líder, mandato 3, um web.4 novo no w1. “Quarenta segundos?”: é o que leva com os padrões do Swarm, também nos engines reais; docker swarm update --dispatcher-heartbeat muda isso. “E os usuários?”: cinco cópias continuaram respondendo. Derrubou uma máquina a mais? `r` traz de volta o swarm com o serviço rodando e derruba só o m1."} translates="636580bd"
cluster.crash("m1")
cluster.run("60s")
reveal("leader_crash")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "crashed", "minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "O m1 não consegue responder, então eu pergunto ao m2: é o -H. O m2 é o líder. O m1 está Down como máquina, e Unreachable como manager. Seis tarefas devem rodar, nenhuma no m1; o web.4 está no w1, com outro ID. E os workers? Simplesmente continuaram. Se um deles falava com o m1, a esta altura já achou outro manager. Mas olhem a última linha: sete de seis! [Pergunte; depois:] Os engines reais contam do mesmo jeito; e, quando o m1 voltar, serão seis de novo.", "ask": "Sete de seis rodando. Isso é bug? (Não. A sétima é a tarefa antiga do web.4, no m1. Ela deve parar, e por isso o filtro não a mostra; mas a última notícia que o Docker teve dela é Running, e é isso que ele conta.)", "wrong": "“É bug”: para o Docker, uma tarefa está rodando até chegar notícia em contrário, e o m1 está mudo.", "trouble": "“Down, e ainda Active?”: Active é o que ele pode fazer, Down é como ele está. “Cannot connect”? O m2 também está fora do ar. A tecla `r` volta ao momento logo depois da queda e repete a pergunta."} translates="0d48b723"
# O m1 não consegue responder agora; por isso `-H m2` pergunta ao m2. (No trabalho, você usaria `DOCKER_HOST`.) O filtro só mostra as tarefas que *devem* rodar. Uma máquina morta só é marcada como fora do ar (*Down*) depois de algum tempo (aqui, uns 40 s), e só então as tarefas dela são substituídas. **Quem é o líder? Onde estão as tarefas?**

# %%
# %docker -H m2 node ls
# %docker -H m2 service ps --filter desired-state=running web
# %docker -H m2 service ls

# %% [markdown] slideshow={"slide_type": "skip"} translates="8161a9d1"
# <details><summary>O que aconteceu</summary>
# <p>Seis tarefas estão rodando, nenhuma no m1, e outro manager é o líder. Você não digitou nada: o swarm comparou o que <i>existe</i> com o que você <i>quer</i> e corrigiu a diferença. É o slide 20.</p>
# </details>
#
# <details><summary>6 tarefas rodam, mas <code>service ls</code> diz 7/6? Por que o painel mostra dois números?</summary>
# <p>No painel, o segundo número é o do Docker. Para o Docker, uma tarefa está rodando até chegar notícia em contrário, e uma máquina morta não tem como avisar que as tarefas dela pararam. Por isso contam as duas: a tarefa perdida e a substituta. Quando o m1 volta, o Docker diz 6/6 de novo. Os engines reais contam do mesmo jeito.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "repaired", "minutes": {"30": 1, "45": 1.5, "60": 1, "90": 1}, "notes": "Daqui a pouco a energia volta. O m1 dá boot e encontra os outros. Há pouco, ele era o líder. O que ele vai fazer? São três opções, e esta pergunta sempre divide a sala. Pensem nos servidores de vocês: o que esperam de um deles depois de um reboot?", "ask": "Ele volta a ser o líder? Recebe as tarefas de volta?", "wrong": "“Pega de volta as tarefas antigas”: a gente espera que tudo volte ao normal. Mas uma tarefa que está rodando nunca muda de lugar. “Recebe algumas na hora”: o Swarm não rebalanceia, e muita gente espera por isso à toa."} translates="ed1788e4"
# ## O m1 volta
#
# A energia está prestes a voltar. **O que o m1 faz?** Aposte primeiro.

# %%
ask("comes_back")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"30": 1.5, "45": 2, "60": 2, "90": 1}, "notes": "É um seguidor, um manager que não lidera, e está vazio. O Swarm não tira uma tarefa saudável de onde ela está rodando só para o desenho ficar bonito. Mover a tarefa é interrompê-la enquanto ela atende usuários, sem motivo nenhum. A próxima tarefa nova vai para o m1, porque ele é o mais vazio. Então: você diz o que quer, o swarm compara com o que existe e corrige a diferença. Isso é orquestração. O resto é detalhe.", "ask": "E agora, como você daria trabalho ao m1? (Com tarefas novas: aumente o número de réplicas do web ou rode docker service update --force web.)", "wrong": "“Reinicio o serviço”: quase. Aumente o número de réplicas ou use docker service update --force, que substitui todas as tarefas, uma a uma.", "trouble": "O m1 ainda parece morto? A tecla `r` volta ao momento anterior e inicia o m1 mais uma vez."} translates="a0002843"
cluster.start("m1")
cluster.run("30s")
reveal("comes_back")

# %% [markdown] slideshow={"slide_type": "skip"} translates="0429053f"
# ## Agora é com você
#
# ### 1. Dê trabalho ao m1 de novo
#
# O m1 está no ar, mas ocioso. Faça com que ele volte a rodar tarefas, sem derrubar nada. Digite seu comando na próxima célula. (`%docker service --help` pode ajudar.)
#
# <details><summary>Uma dica</summary>Tarefas novas vão para o nó mais vazio. Que comando cria tarefas novas?</details>
# <details><summary>Resposta</summary>Mais réplicas, mais tarefas: <code>%docker service scale web=10</code>. Elas vão para os nós mais vazios, e o mais vazio é o m1. Ou substitua todas as tarefas, mesmo sem mudar nada: <code>%docker service update --force web</code>.</details>

# %% slideshow={"slide_type": "skip"} translates="8d026a79"
# Seus comandos, por exemplo:
# %docker service ls

# %% [markdown] slideshow={"slide_type": "skip"} translates="2b98378e"
# ### 2. Esvazie o w1 para poder desligá-lo
#
# Um nó que você **drena** não recebe tarefas novas, e as que ele tem são substituídas em outros nós. (Veja `%docker node update --help`.)
#
# Clique em **Iniciar**: o exercício cria um swarm só para ele. Digite os comandos na caixa do exercício e clique em **Verificar**. *Mínimo* é o número de mudanças da nossa solução.

# %% slideshow={"slide_type": "skip"}
from swarmlab.lessons import exercises

exercises("00_start_here", make=swarmlab.simulate)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "python", "notes": "Tudo o que vocês viram passa pela API do próprio Docker. Por isso, a biblioteca Python de sempre também funciona, a mesma que vocês usariam nos seus servidores de verdade. O mesmo código, sem mudar nada.", "ask": "Quem aqui automatiza o Docker com alguma coisa além do shell? (É só levantar a mão.)", "trouble": "O m2 está fora do ar, e a célula não consegue falar com ele? A tecla `r` recomeça com o swarm inteiro.", "code": true} translates="e4096bde"
# ## O mesmo em Python
#
# `cluster.client("m2")` é a biblioteca `docker` de sempre, falando com o m2. O mesmo código funciona em um swarm de verdade.

# %% [markdown] slideshow={"slide_type": "skip"} translates="9264c3bb"
# <details><summary>De um terminal, ao lado do painel</summary>
# <p>Em uma célula nova, rode <code>cluster.serve()</code>. Aparece uma linha para colar em um terminal: o do JupyterLab (<i>Arquivo → Novo → Terminal</i>) ou qualquer outro. Depois digite nele <code>docker node ls</code>; sem Docker, <code>swarmlab docker node ls</code>. O que você digita ali aparece no painel. O tempo corre enquanto o cluster atende o terminal; para encerrar, <code>cluster.close()</code>. (Linux e macOS.)</p>
# </details>

# %%
client = cluster.client("m2")
cache = client.services.create("redis", name="cache")
cluster.run("30s")
[task["Status"]["State"] for task in cache.tasks()], [s.name for s in client.services.list()]

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "whatif", "notes": "Minha parte favorita. Tudo o que eu fiz é um arquivo pequeno. Posso carregar esse arquivo, voltar ao instante antes da queda e fazer um fork: dali segue uma cópia do swarm, e nela o m1 nunca morre. Tentem fazer isso no trabalho.", "ask": "Se o m1 não tivesse caído, alguma tarefa teria mudado de lugar? (Nenhuma: o que está rodando fica onde está.)", "wrong": "“Algumas, para equilibrar”: nenhuma. O que está rodando fica onde está.", "trouble": "Perdido no tempo? A tecla `r` carrega a execução de novo."} translates="b57a9dea"
# ## E se…?
#
# `save()` grava o que você fez em um arquivo, que você pode mandar a um amigo; `load()` refaz tudo. Aqui está o resultado, em uma **linha do tempo**. (*web.4 falhou* não é uma segunda falha: o m1 voltou e avisou que o web.4 que ele rodava morreu na queda.)

# %% [markdown] slideshow={"slide_type": "skip"} translates="6ff45b14"
# **E se o m1 nunca tivesse caído?** Clique em *Voltar* (ou tecle ←) até chegar a *service create web*, logo antes da queda. Depois clique em **Fork aqui**: uma cópia segue a partir dali, e o `%docker` passa a falar com ela. Em uma célula nova (**Esc** e depois **b**), deixe passar um minuto na cópia. Alguma tarefa precisou mudar de lugar?
#
# ```
# copy = swarmlab.latest()
# copy.run("60s")
# %docker service ps web
# ```
#
# <details><summary>O mesmo em Python</summary><p><code>cluster.as_of("35s")</code> é o swarm como estava naquele momento; <code>cluster.fork()</code> é uma cópia dele como está agora. Para o <code>%docker</code> falar com uma cópia: <code>swarmlab.use(copy)</code>.</p></details>

# %% translates="2f981b75"
from pathlib import Path
from tempfile import gettempdir

from swarmlab.views.timeline import timeline

path = cluster.save(Path(gettempdir()) / "my_swarm.json")
again = swarmlab.load(path)  # agora o %docker fala com este
timeline(again)

# %% [markdown] slideshow={"slide_type": "skip"} translates="67d96825"
# ## Para onde ir agora?
#
# O [mapa do curso](index.ipynb) tem todas as páginas e todos os slides da palestra. **Para mostrar a um colega:** derrube o líder no painel e espere.
#
# Siga para **01_vm_vs_container** (o que é um contêiner?) ou **05_quorum** (quantos managers podem falhar?).
#
# **Confira sua instalação.** Alguma coisa não funciona? Rode a célula abaixo; a última coluna diz o que fazer.

# %% slideshow={"slide_type": "skip"}
from swarmlab.jupyter.setup_check import checkup
from swarmlab.lessons import where_next

display(checkup(), where_next("00_start_here"))
