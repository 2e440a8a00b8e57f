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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Quem garante que você é você? Ninguém aqui configurou nada disso. Está lá desde o docker swarm init."} translates="8a922f4e"
# # TLS e certificados: quem garante que você é você?
#
# *Você vê o certificado de cada nó, escuta uma conexão, rouba um token e troca o certificado raiz do swarm enquanto ele roda.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="5011aada"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer para que serve cada certificado e até quando vale; avaliar o que um token roubado ou um cabo grampeado entrega; trocar a raiz |
# | **Tempo e nível** | 25 minutos, depois de 00_start_here; os exercícios levam mais 12 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Engines reais não mostram nem conexões nem datas de validade, e lá a seção 5 não espera duas horas) |
# | **Slides da palestra** | 36 (TLS entre todos os nós) |
#
# - **Chave privada, chave pública**: um par. A privada nunca sai da máquina em que foi criada; quem a tem consegue provar isso a quem conhece a pública.
# - **Certificado**: uma chave pública com um nome, um papel e uma data de validade, assinada por alguém em quem os outros confiam.
# - **Raiz**: o certificado de quem assina todos os outros, a *autoridade certificadora* (CA). Em um swarm, a CA são os managers.
# - **TLS**: os dois lados conferem o certificado um do outro, combinam uma chave nova só para aquela conexão e criptografam tudo.

# %% translates="f5f24485"
import hashlib

import swarmlab
from swarmlab.cluster.inspectors import eavesdrop
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.trust import trust

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
trust(cluster)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "members", "minutes": {"90": 1.5}, "notes": "Slide 36. Cada nó tem um certificado, com o nome e o papel dele, assinado pelos managers. Quadrado é manager, redondo é worker. Toda conexão entre dois nós confere os dois lados. Agora alguém invadiu o w1, um worker, e é root nele. O w1 consegue obter um certificado de manager?", "ask": "Eu sou root em um worker. Consigo virar manager?", "wrong": "“Sim, pede à CA”: do pedido, a CA só aproveita a chave pública. O papel está na lista dos managers. “Muda o próprio certificado”: aí a assinatura não confere mais."} translates="6d4f9b43"
# ## 1. Que certificado cada nó tem (slide 36)
#
# > *Encriptação TLS ponta a ponta entre todos os nós e com rotação automática de chaves.*
#
# Você não configurou nada disso: `docker swarm init` criou a raiz, e cada nó recebeu seu certificado ao entrar.

# %% [markdown] slideshow={"slide_type": "skip"} translates="b3768ff2"
# **Como ler o desenho.** Em cima, a raiz: A. Embaixo, cada nó: em que raiz ele confia, quem assinou o certificado dele e até quando vale. O papel também está no certificado: managers são quadrados; workers são redondos.
#
# A célula depois da aposta roda o comando do slide, `docker swarm ca --help`. Depois, alguém que invadiu o w1 tenta fazer dele um manager. **O w1 consegue obter um certificado de manager?**

# %%
ask("ask_for_role")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "O w1 não conseguiu. Um manager conseguiu, com um comando: o w1 agora é quadrado. [Pergunte; depois:] Quem invade um manager tem tudo; quem invade um worker só tem esse worker. Tenham poucos managers e não deixem quase ninguém chegar perto deles.", "ask": "Então, que máquinas você tem que proteger mais? (Os managers.)", "trouble": "A tecla `r` volta aos cinco membros e repete este passo."} translates="0b356c3d"
# %docker swarm ca --help
# %docker -H w1 node promote w1
# %docker -H m1 node promote w1
cluster.run("10s")
display(trust(cluster), reveal("ask_for_role"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="520eaa0c"
# O w1 não conseguiu; um manager, sim: o w1 agora é quadrado, com um certificado novo (vence no mesmo minuto que o anterior). Pedir à CA não ajudaria: ela consulta o papel na lista dos managers. Em seguida, o w1 é rebaixado.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "promoted", "notes": "Um serviço que usa uma senha sobe no w1, e alguém escuta o cabo entre o m1 e o w1. O que essa pessoa descobre?", "ask": "A senha? Nada? Ou um meio-termo?", "wrong": "“Absolutamente nada”: a criptografia esconde o conteúdo da conversa, não o fato de que ela existe. “O secret”: toda conexão entre nós é TLS."} translates="3f812a26"
# ## 2. Alguém grampeia o cabo
#
# Um serviço que usa uma senha sobe no w1, e alguém escuta o cabo entre o m1 e o w1. **O que essa pessoa descobre?**

# %%
# %docker node demote w1
# %docker printf senha | docker secret create senha-db -
ask("tapped_link")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "secret", "notes": "As mesmas mensagens, duas vezes: como passam no cabo e como os dois lados as leem. Quem fala com quem, quando e quanto: é só isso que quem escuta descobre.", "ask": "E o tráfego entre contêineres? (Passa em texto claro, a não ser que a rede deles tenha sido criada com --opt encrypted.)", "wrong": "“Também é TLS”: não é. Só são criptografadas as redes criadas com --opt encrypted.", "trouble": "Engines reais não mostram as conexões. PageDown."} translates="01b70a44"
cluster.run("10s")
# %docker service create --detach --quiet --name web --constraint node.hostname==w1 \
#     --secret senha-db nginx
display(eavesdrop(cluster, "m1", "w1"), reveal("tapped_link"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="4014b167"
# As duas últimas colunas são as mesmas mensagens, cifradas e em texto claro. Só o m1 e o w1 têm a chave desta conexão.
#
# <details><summary>Que mensagens são essas?</summary>
# <p><i>Assignments</i>: tarefas e os secrets de que elas precisam. <i>ReportStatus</i>: como essas tarefas estão.</p>
# </details>
# <details><summary>E se o ladrão conseguir depois a chave privada do w1?</summary>
# <p>Uma gravação continua ilegível. A chave privada só prova quem é o w1; a chave da conexão foi combinada pelos dois lados e descartada depois (<i>forward secrecy</i>). Mas, com a chave privada e o certificado, o ladrão pode se passar pelo w1 daqui em diante. Remova o nó (<code>docker node rm --force w1</code>): a partir daí, os managers recusam esse certificado, embora ele ainda seja válido.</p>
# </details>
# <details><summary>E o tráfego entre contêineres?</summary>
# <p>Não é disso que o slide 36 trata. O que os contêineres dizem uns aos outros passa no cabo em texto claro, a não ser que a rede deles tenha sido criada com <code>docker network create --driver overlay --opt encrypted</code>: aí os nós criptografam tudo (IPsec). Os managers criam as chaves para isso e para o gossip entre os nós, que é sempre criptografado. Eles as trocam a cada 12 horas. Os nós guardam as últimas três chaves, para que nenhum fique isolado enquanto uma nova se espalha.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "tapped", "notes": "Um token vazou: alguém o gravou em um label. O que um ladrão poderia ter feito com ele? E, quando eu o troco, o que acontece com quem entrou com ele?", "ask": "O que um ladrão ganha com o token dos workers?", "wrong": "“Todos os secrets”: só os das tarefas que rodam lá. “Tem que entrar de novo”: membros têm certificados e não precisam mais do token."} translates="0d48bbfa"
# ## 3. Um token vaza
#
# Um nó novo ainda não tem certificado e por isso apresenta um *token*. Um script gravou o token dos workers em um label, à vista de quem tem acesso a um manager.

# %% [markdown] slideshow={"slide_type": "skip"} translates="d30eb194"
# A célula depois da aposta cria um token novo (`--rotate`). O w2 sai do swarm e tenta entrar com o token antigo, depois com o novo. **O que um ladrão poderia ter feito com o antigo até lá? E o que acontece com o w1, que entrou com ele?**

# %%
# %docker node update --label-add script=$(docker swarm join-token --quiet worker) w1
ask("stolen_token", "rotated_token")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "leaked", "notes": "Agora o token antigo é recusado, e o novo funciona. E o w1, que entrou com o antigo, nem percebeu a troca. Troquem sempre que tiverem dúvida: não custa nada.", "ask": "Quando foi a última vez que você trocou o seu? (Mãos levantadas: este ano? Alguma vez?)", "trouble": "“node is not down”? A tecla `r` volta e repete tudo na ordem certa."} translates="1a4fed5a"
# %docker swarm join-token --quiet manager
# %docker swarm join-token --quiet worker
# %docker swarm join-token --quiet --rotate worker
# %docker -H w2 swarm leave
cluster.run("30s")
# %docker node rm w2
# %docker -H w2 swarm join --token $(docker node inspect --format "{{.Spec.Labels.script}}" w1) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
# %docker -H w2 swarm join --token $(docker swarm join-token --quiet worker) \
#     $(docker info --format "{{.Swarm.NodeAddr}}"):2377
# %docker node ls
swarm = cluster.client().swarm.attrs  # a parte do meio do token é a impressão digital da raiz?
fingerprint = hashlib.sha256(swarm["TLSInfo"]["TrustRoot"].encode()).hexdigest()
equal = int(swarm["JoinTokens"]["Worker"].split("-")[2], 36) == int(fingerprint, 16)
display(equal, reveal("stolen_token", "rotated_token"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="01c9e31f"
# Os três tokens só diferem na última parte, o *segredo*: é ele que decide o papel. A parte comprida do meio é uma impressão digital da raiz (SHA-256; daí o `True`). Um nó novo confere essa parte antes de apresentar o segredo, e assim ninguém consegue se passar pelo seu swarm.
#
# <details><summary>Quem não precisa de token nenhum?</summary>
# <p>Quem tem acesso ao socket de um manager, <code>/var/run/docker.sock</code>. É só com ele que esta página fala, e ela acabou de mostrar o token dos managers. Algumas imagens pedem que você monte esse socket no contêiner delas. Em um manager, isso entrega tudo: os tokens, a chave de desbloqueio (página 09), todos os serviços; e, com <code>docker run --volume /:/host</code>, root na máquina. Em um worker: essa máquina e os secrets dos contêineres que estão lá.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rejoined", "notes": "Os certificados valem noventa dias. Eu quero uma hora, porque hoje estou paranoico. Até quando valem os que temos agora?", "ask": "Uma hora? Como antes? Nem mais um minuto?", "wrong": "“Uma hora a partir de agora”: um certificado emitido nunca muda. A data de validade também é assinada."} translates="a873370b"
# ## 4. Uma hora em vez de 90 dias
#
# Você quer certificados de vida curta. **Você muda a validade para uma hora. Até quando valem os atuais?**

# %%
ask("expiry_now")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Nada mudou. Só os certificados emitidos daqui em diante têm validade menor. Cada nó renova o seu sozinho, com antecedência.", "ask": "Como dar, hoje mesmo, um certificado novo a todos os nós? (Trocando a raiz: aí cada nó precisa de um novo.)"} translates="47919225"
# %docker swarm update --cert-expiry 1h
cluster.run("10s")
display(trust(cluster), reveal("expiry_now"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "hour", "notes": "Vamos trocar a raiz. Clico em Passo. Primeiro, cada nó recebe um certificado de B, enquanto todos ainda confiam em A. Por que eles o aceitam? Porque A assinou B. Só depois A é descartada.", "ask": "Por que não trocar todos os nós de uma vez, e pronto? (Sempre há um atrasado, que ficaria do lado de fora.)", "wrong": "“Dá para trocar”: um nó atrasado não confiaria mais em nenhum dos outros.", "trouble": "Passou do ponto? A tecla `r` recomeça antes da rotação."} translates="c2c3528e"
# Nada mudou: só os certificados emitidos daqui em diante têm validade menor. Mas, com uma *raiz* nova, todo nó precisa de um certificado novo; por isso, a próxima célula troca a raiz.

# %% [markdown] slideshow={"slide_type": "skip"} translates="27a8b914"
# **Experimente.** Clique em **Passo**: o tempo anda até algum nó mudar. Primeiro, cada nó recebe um certificado de B, enquanto todos ainda confiam em A. Eles o aceitam porque A também assinou B. Só depois A é descartada, e todos os nós confiam em B.

# %%
# %docker swarm ca --rotate --detach
trust(cluster)

# %% [markdown] slideshow={"slide_type": "skip"} translates="cdab06b8"
# Depois da rotação, os dois tokens também são novos: a parte do meio deles era a impressão digital de A.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rotating", "notes": "De novo, mas agora com o w2 desligado. Eu troco a raiz e espero cinco minutos. Como acaba?", "ask": "A troca termina sem o w2, é abandonada ou não acaba?", "wrong": "“Termina sem o w2”: aí o w2 nunca poderia voltar. “É abandonada”: não há limite de tempo."} translates="f31a35c2"
# ## 5. Um nó fora do ar durante a troca
#
# O w2 fica sem energia. Aí você troca a raiz de novo e espera cinco minutos. **Como isso acaba?**

# %%
cluster.run("20s")
# %docker swarm join-token --quiet worker
cluster.crash("w2")
ask("rotation_ends")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "sleeper", "notes": "Não acaba. As duas raízes continuam em uso até o w2 voltar ou até alguém removê-lo. Por isso, depois de uma rotação, vejam se ela terminou. Um laptop esquecido pode atrasá-la por um ano.", "ask": "Quem perceberia isso no seu trabalho? (É só levantar a mão.)", "trouble": "A tecla `r` volta ao swarm com o w2 desligado e repete este passo."} translates="42694613"
cluster.run("30s")
# %docker swarm ca --rotate --detach
cluster.run("5m" if cluster.virtual_time else "30s")
display(trust(cluster), reveal("rotation_ends"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "stalled", "notes": "Eu removo o w2, e aí ele volta mesmo assim. E o w1 fica desligado por mais tempo do que vale o certificado dele. O que os dois dizem? Um espera para sempre, o outro diz o motivo. Para os dois, o caminho de volta é o mesmo: sair e entrar com o token atual.", "ask": "O que você tentaria primeiro? (A maioria reinicia o engine, e não adianta. Eles têm que sair e entrar de novo.)", "wrong": "“Reiniciar o engine”: ele continua com o mesmo certificado."} translates="50a467ed"
# Se o w2 voltasse agora, renovaria o certificado, e tudo ficaria bem. Mas ele não volta, e você o remove da lista. Aí ele volta mesmo assim, com um certificado de uma raiz em que ninguém mais confia. E o w1, com o certificado de uma hora, fica desligado por duas. **O que os dois dizem?**

# %%
# %docker node rm w2
cluster.run("10s")
cluster.start("w2")
cluster.crash("w1")
cluster.run("2h" if cluster.virtual_time else "30s")
cluster.start("w1")
cluster.run("20s")
# %docker -H w2 info --format "w2: {{.Swarm.LocalNodeState}} {{.Swarm.Error}}"
# %docker -H w1 info --format "w1: {{.Swarm.LocalNodeState}} {{.Swarm.Error}}"
trust(cluster)

# %% [markdown] slideshow={"slide_type": "skip"} translates="d1ea6c8b"
# O w2 espera para sempre (*pending*), porque ele e os managers não aceitam os certificados um do outro. O w1 diz o motivo. Para os dois, o caminho de volta é o mesmo: sair com `docker swarm leave` e entrar de novo com o token atual. (No caso do w1, é preciso também remover da lista a entrada antiga.) Os managers, que estavam no ar, renovaram os deles a tempo.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "locked", "notes": "Um certificado diz quem você é e o que você pode fazer; quem assina são os managers. Um token só serve para entrar. Uma raiz nova precisa de paciência e de todos os nós."} translates="0e3e1f56"
# ## Resumo
#
# - Cada nó tem um certificado com o ID e o papel dele, emitido pelos managers. Ele se renova sozinho.
# - É a CA que decide o papel. Não adianta um worker pedir outro.
# - Um token é uma impressão digital da raiz mais um segredo. Troque-o sempre que houver dúvida: nenhum membro percebe.
# - Troca da raiz: por um tempo, há duas raízes, e a antiga atesta a nova. Um nó morto impede que a troca termine, até você removê-lo.

# %% [markdown] slideshow={"slide_type": "skip"} translates="b38c2245"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Um token em um script
#
# Alguém pôs um token em um config. Para que papel ele serve? (`docker config inspect --pretty` mostra.)
#
# ### 2. Uma rotação que não termina
#
# Uma máquina pegou fogo.
#
# ### 3. Do lado de fora
#
# O w2 estava desligado durante uma rotação e foi removido.

# %% slideshow={"slide_type": "skip"}
exercises("08_tls_and_ca", make=make)

# %% slideshow={"slide_type": "skip"} translates="99477861"
# A última é sobre a página 05. Depois, score() soma todas as suas apostas.
display(
    quiz("docker_sock", "encrypted_overlay", "renewal_and_root", "reads"),
    where_next("08_tls_and_ca"),
)
