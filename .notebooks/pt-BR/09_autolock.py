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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Alguém sai do prédio com o disco de um manager. O que essa pessoa tem nas mãos? O log desse disco está cifrado. Ótimo. Então está tudo bem, não é?"} translates="45291dc7"
# # Autolock: o que um disco roubado entrega
#
# *Você rouba o disco de um manager, torna o disco inútil para o ladrão, perde a chave e recupera um swarm a partir de um backup.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="a8d96542"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer o que o autolock protege e o que ele custa; desbloquear um manager; recuperar-se da perda da chave; fazer backup de um manager e restaurá-lo |
# | **Tempo e nível** | 25 minutos, depois de 05_quorum; os exercícios levam mais 10 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines reais, os discos não aparecem) |
# | **Slides da palestra** | 37 (autolock) |
#
# - **Log do Raft**: a lista de todas as mudanças, no disco de cada manager (página 05). Todos os serviços e secrets estão nele.
# - **Cifrado**: criptografado. **Em texto claro**: sem criptografia.
# - **Chave dos dados**: cifra o log de um manager. **Chave de desbloqueio**: cifra a chave dos dados, se você quiser.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.secret_path import stolen_disk

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=1, seed=7)
# %docker printf senha | docker secret create senha-db -
# %docker service create --quiet --name web --replicas 4 --secret senha-db nginx
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "open", "minutes": {"90": 1}, "notes": "Todos os serviços e todos os secrets estão nesse log, e ele está cifrado. Você é o ladrão e tem o disco, o disco inteiro. Consegue ler a senha?", "ask": "Sim ou não? Quem tem certeza?", "wrong": "“Não: está cifrado”: verdade, e a chave está em um arquivo ao lado. “Só o disco do líder tem o log”: todo manager tem o log inteiro."} translates="bc67b43b"
# ## 1. Um ladrão leva o disco do m1
#
# O log dele está cifrado. **O ladrão consegue ler o secret?**

# %%
ask("disk_thief")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Aí está: senha. A chave estava em um arquivo no mesmo disco, em texto claro. Um cofre, com a chave em cima.", "ask": "Onde você guardaria a chave? (Não nesse disco: em um gerenciador de senhas.)", "trouble": "O disco já está cifrado? A tecla `s` volta ao swarm sem autolock."} translates="125d9981"
display(stolen_disk(cluster, "m1"), reveal("disk_thief"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="5f7b9a30"
# `swarm-node.key` guarda, em texto claro, a chave privada do nó e a chave dos dados: com esta, o ladrão abre tudo.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stolen", "minutes": {"90": 1}, "notes": "Slide 37: autolock. Dois comandos: um para um swarm novo, outro para o nosso. O que acontece, neste momento, com os managers que estão rodando?", "ask": "Eles param, reiniciam ou continuam?", "wrong": "“Travam na hora”: nada é interrompido. A chave só será necessária quando eles reiniciarem."} translates="6a678447"
# ## 2. Trave o swarm (slide 37)
#
# > *Protege acesso indevido ao cluster com autolock.*
#
# O slide tem dois comandos: `init --autolock` para um swarm novo, `update --autolock` para um que já existe. A célula depois da aposta roda os dois; como o nosso já existe, o Docker recusa o primeiro. **O que acontece com os managers que estão rodando?**

# %%
ask("autolock_now")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Agora o arquivo da chave também está cifrado, e a chave de desbloqueio não está em disco nenhum. O Docker a mostrou uma vez: guardem-na no gerenciador de senhas. O preço vem depois: um manager que reinicia não faz nada até alguém digitar essa chave. Acaba a luz de madrugada, e alguém tem que se levantar. Decidam o que vocês temem mais.", "ask": "Ladrão ou queda de energia: o que é mais provável onde você trabalha? (É só levantar a mão.)", "trouble": "O primeiro comando é recusado de propósito: este swarm já existe. A tecla `r` repete."} translates="c932ea7a"
# %docker swarm init --autolock
# %docker swarm update --autolock
cluster.run("5s")
display(stolen_disk(cluster, "m1"), reveal("autolock_now"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="58b7a48a"
# Agora `swarm-node.key` está cifrado, com a chave de desbloqueio, que não está em disco nenhum. O Docker a mostrou: o lugar dela é o seu gerenciador de senhas. Os managers que estão rodando a têm na memória; quem for root neles ainda lê tudo.
#
# <details><summary>Os outros arquivos</summary>
# <p><i>wal</i> é o arquivo do log; um <i>snapshot</i> é uma parte mais antiga do log, condensada. Quando o autolock foi ligado, o m1 também criou uma nova chave dos dados e regravou o log como snapshot: por isso a segunda tabela tem uma linha a mais e um <i>wal</i> curto. <code>worker/tasks</code> continua em texto claro: guarda as tarefas do nó, com os nomes dos secrets delas, mas não o conteúdo.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "sealed", "notes": "O m3 fica sem energia e volta. O que ele faz até alguém digitar a chave?", "ask": "Volta a ser manager como antes? Só roda contêineres? Não faz nada?", "wrong": "“Roda os contêineres dele, mas não tem voto”: as chaves do nó estão cifradas, e ele não consegue nem dizer quem é."} translates="f169a7dd"
# ## 3. Um manager reinicia
#
# O m3 fica sem energia e volta. **O que ele faz até alguém digitar a chave?**

# %%
ask("locked_manager")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Absolutamente nada. Ele responde ao docker ps, porque isso é com o engine. Mas não vota nem roda tarefas. Os outros seguem em frente: dois de três.", "ask": "E se os três reiniciarem juntos? (Não há líder até dois deles serem desbloqueados.)", "wrong": "“Uma chave basta”: é preciso desbloquear dois deles para que alguma coisa possa mudar.", "trouble": "A tecla `r` volta aos três managers no ar e repete este passo."} translates="ddbd7160"
cluster.crash("m3")
cluster.run("30s")
cluster.start("m3")
cluster.run("10s")
# %docker -H m3 node ls
# %docker -H m3 ps
# %docker -H m1 node ls
reveal("locked_manager")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "locked", "notes": "Uma linha, e ele está de volta. Aqui ela pega a chave no m1; no trabalho, você a digitaria.", "ask": "Onde está a sua chave às três da manhã? (Deveria estar onde quem está de plantão consiga pegá-la.)"} translates="8425bd62"
# A próxima célula desbloqueia o m3. (Ela pede a chave ao m1. No trabalho, você a digitaria.)

# %%
# %docker echo $(docker -H m1 swarm unlock-key --quiet) | docker -H m3 swarm unlock
cluster.run("30s")
# %docker -H m3 node ls

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "unlocked", "notes": "Alguém que conhecia a chave saiu da empresa. Criamos uma chave nova e jogamos fora a antiga. Azar: o m3 estava desligado nessa hora. Que chave abre o disco dele? E, se você não a tem, o que se perdeu?", "ask": "A antiga ou a nova? E o que se perdeu?", "wrong": "“A nova”: o disco do m3 foi cifrado antes de ela existir. “O swarm”: outros dois têm o mesmo log."} translates="c3d75c20"
# ## 4. Uma chave nova e uma perdida
#
# Alguém que conhecia a chave saiu da empresa; por isso, você cria uma nova e joga a antiga fora. Mas o m3 estava desligado. **Que chave abre o m3 quando ele voltar? E, sem essa chave, o que se perde?**

# %%
ask("old_or_new", "key_lost")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "A chave nova não o abre, e a antiga nós jogamos fora. Portanto, guardem a antiga até que cada manager tenha voltado uma vez. É uma regra que se aprende uma vez só.", "ask": "Como trazemos o m3 de volta agora? (Como um manager novo: rebaixar, sair, remover, entrar.)", "trouble": "A tecla `r` volta ao swarm anterior à rotação e repete este passo."} translates="f6436e26"
cluster.crash("m3")
cluster.run("5s")
# %docker -H m1 swarm unlock-key --rotate --quiet
cluster.start("m3")
cluster.run("10s")
# %docker echo $(docker -H m1 swarm unlock-key --quiet) | docker -H m3 swarm unlock

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "rotated", "notes": "Como um manager novo. Ele é rebaixado, sai, é removido e entra de novo. Recebe o log inteiro dos outros. O que se perdeu foi uma cópia, e mais nada.", "ask": "E se fosse o único manager? (Aí tudo o que estava no log teria se perdido.)", "wrong": "“O mesmo”: aí tudo o que estava no log teria se perdido."} translates="a098408d"
# %docker -H m1 node demote m3
# %docker -H m3 swarm leave --force
cluster.run("30s")
# %docker -H m1 node rm m3
# %docker -H m3 swarm join --token $(docker -H m1 swarm join-token --quiet manager) \
#     $(docker -H m1 info --format "{{.Swarm.NodeAddr}}"):2377
cluster.run("10s")
# %docker -H m1 node ls
reveal("old_or_new", "key_lost")

# %% [markdown] slideshow={"slide_type": "skip"} translates="1846de21"
# A chave nova não abriu o m3. (A antiga abriria, mas nós a jogamos fora.) Por isso, o m3 entrou como um manager novo e recebeu o log inteiro dos outros.
#
# <details><summary>E se todos os managers reiniciarem ao mesmo tempo e a chave tiver se perdido?</summary>
# <p>Aí se perdeu tudo o que estava no log: serviços, secrets, tokens, a raiz de todos os certificados. Os contêineres nos workers continuam rodando, e ninguém mais consegue mudá-los. Você inicia um swarm novo e faz o deploy de tudo outra vez: com os arquivos dos seus stacks e com secrets que guardou em outro lugar.</p>
# </details>
# <details><summary>Desligar o autolock ajuda um manager travado?</summary>
# <p>Não. Os managers que estão rodando voltam a guardar as chaves em texto claro; o disco de um manager desligado continua cifrado com a chave antiga. Guarde a chave antiga até que cada manager tenha voltado uma vez depois da troca ou do desligamento do autolock.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rejoined", "notes": "Um backup é uma pasta. Aqui, o disco do m3 ao meio-dia. À tarde, eu crio o shop. À noite, dois managers pegam fogo, e eu restauro o do meio-dia, à força. O que este swarm tem?", "ask": "O web e o shop? Só o web? Nada?", "wrong": "“O w1 ainda roda o shop e avisa”: um worker não decide o que deve rodar. O que os managers não conhecem deixa de rodar."} translates="2b2d1ece"
# ## 5. A partir de um backup
#
# O swarm inteiro está em uma pasta de cada manager: `/var/lib/docker/swarm`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="bb131b89"
# Para fazer o backup, pare o engine, copie a pasta e inicie o engine. (Com autolock, guarde também a chave de desbloqueio daquele dia.) Para restaurá-lo em uma máquina nova com o mesmo endereço, pare o engine dela, ponha a pasta no lugar, inicie o engine e digite `docker swarm init --force-new-cluster`.
#
# Aqui o backup é o disco do próprio m3. Você desliga o m3 ao meio-dia. À tarde, cria o serviço `shop`. À noite, o m1 e o m2 pegam fogo, e você inicia o m3 com o disco do meio-dia. Ele é um de três, e por isso não tem quórum: `--force-new-cluster` faz dele o único manager. (A próxima célula desliga o autolock, para o m3 não pedir a chave.) **O que este swarm tem?**

# %%
# %docker -H m1 swarm update --autolock=false
ask("restored")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "noon", "notes": "O web está lá. O shop sumiu, e o contêiner dele foi parado, embora estivesse saudável. Restaurar é isso: o que vale é a memória dos managers.", "ask": "De quando é o seu último backup? (Mãos levantadas: de ontem? Da semana passada? Não existe?)", "trouble": "A tecla `r` volta ao meio-dia e repete este passo."} translates="9da76d1b"
cluster.run("5s")
cluster.stop("m3")  # meio-dia
# %docker -H m1 service create --detach --quiet --name shop --constraint node.hostname==w1 nginx
cluster.run("20s")
cluster.crash("m1", "m2")  # a noite
cluster.start("m3")
cluster.run("30s")
# %docker -H m3 service ls
# %docker -H m3 swarm init --force-new-cluster
cluster.run("60s")
# %docker -H m3 service ls
# %docker -H w1 ps --format "{{.Names}}"
# %docker -H m3 node ls
# %docker -H m3 node inspect --format "{{.Description.Hostname}}: {{.Spec.Role}}" m1 m2
reveal("restored")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "restored", "notes": "Forçar tem um preço. O que mudou depois do backup se perdeu, e os managers antigos ficam na lista até você removê-los. Aqui eles voltam, ficam sabendo que foram removidos e entram de novo.", "ask": "E se eles estivessem vivos o tempo todo, isolados por uma falha de rede? (Aí haveria dois swarms.)", "wrong": "“Seguiriam o novo”: os dois são maioria entre os três antigos e elegem um líder próprio."} translates="3135b76b"
# ### O preço do `--force-new-cluster`
#
# - O que mudou depois do backup está **perdido**. (Sem backup: o que ainda não tinha chegado a este manager.)
# - Os managers antigos **continuam na lista**. Não têm voto (o MANAGER STATUS deles está vazio), mas o papel ainda é *manager*. Rebaixe e remova os que não voltam mais.

# %% [markdown] slideshow={"slide_type": "skip"} translates="d04df75e"
# - Tarefas de nós que demoram a responder são **substituídas** em outro nó: por um tempo, algumas rodam em dobro. (REPLICAS também conta as dos nós perdidos.)
# - Se a maioria antiga continua no ar, isolada por uma falha de rede, agora há **dois swarms**. Tenha certeza de que esses managers estão mesmo fora do ar.
#
# E se os managers antigos voltarem, como na próxima célula? O m1 e o m2 seriam maioria entre os três antigos. Mas eles alcançam o m3: quem abre uma eleição também pede o voto do m3, fica sabendo que foi removido e desiste. Em um minuto, os dois entram de novo como managers, porque esse ainda é o papel deles. O que só eles sabiam se perdeu. (Sem conexão com o m3, os dois teriam eleito um líder, e o `shop` continuaria vivo ali.)

# %%
cluster.start("m1", "m2")
cluster.run("90s")
# %docker -H m3 node ls
# %docker -H m1 service ls

# %% [markdown] slideshow={"slide_type": "skip"} translates="089f4955"
# <details><summary>Por que não copiar a pasta para uma máquina nova e ganhar mais um manager?</summary>
# <p>A pasta também é a <i>identidade</i> do nó: o ID, o certificado, o lugar entre os que votam. Duas máquinas com a mesma identidade não podem ser membros ao mesmo tempo. Em engines reais, a cópia de um manager que está no ar espera por um líder para sempre: os outros enviam à primeira máquina as mensagens destinadas à cópia. Um manager novo entra com um token e recebe o log do líder. Um backup serve para repor um manager que se perdeu.</p>
# </details>
# <details><summary>E se um manager voltar com outro endereço?</summary>
# <p>Os outros o procuram no antigo. Um engine real a que demos outro endereço ficou <i>Unreachable</i>. Devolva o endereço antigo ao manager; ou rebaixe o manager, faça-o sair e entrar de novo. Managers precisam de endereços fixos; workers, não.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "returned", "notes": "O log está sempre cifrado; sem autolock, a chave está ao lado. Com autolock, alguém tem que estar lá. Guardem a chave antiga por um tempo. E um backup é uma pasta, copiada com o engine parado."} translates="166d94ef"
# ## Resumo
#
# - O log está sempre cifrado. Sem autolock, a chave está ao lado dele.
# - Com autolock, um manager que reinicia não faz nada até alguém digitar a chave: se acaba a luz de madrugada, alguém tem que se levantar.
# - Guarde a chave antiga até que cada manager tenha voltado com a nova. Um manager sem a chave sai e entra de novo.
# - Um backup é a pasta `swarm`, copiada com o engine parado.

# %% [markdown] slideshow={"slide_type": "skip"} translates="227ebd4c"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. Alguém rouba o disco de um manager
#
# ### 2. Falta um manager
#
# O autolock está ligado, e o m3 ficou sem energia.
#
# ### 3. Ninguém mais tem essa chave

# %% slideshow={"slide_type": "skip"}
exercises("09_autolock", make=make)

# %% slideshow={"slide_type": "skip"} translates="4ab083d0"
# A última é sobre a página 08. Depois, score() soma todas as suas apostas.
display(
    quiz("locked_quorum", "raft_copy", "new_address", "rotated_token"), where_next("09_autolock")
)
