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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Cinco serviços, duas redes, um volume e um arquivo só para tudo isso. É o arquivo que vocês já usam no laptop. Em um swarm, algumas linhas dele não têm efeito nenhum, e ninguém avisa. Vamos descobrir quais."} translates="3a9335c3"
# # Stacks: uma aplicação inteira em um arquivo
#
# *Você inicia uma aplicação de cinco serviços com um único arquivo, muda o arquivo, descobre quais linhas dele um swarm ignora e vê um banco de dados perder a memória.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="11a2b68a"
# | | |
# | --- | --- |
# | **Você vai aprender a** | fazer o deploy de uma aplicação com um arquivo só, mudá-la e removê-la; dizer o que um swarm ignora em um arquivo Compose e o que fazer em vez disso; dizer onde ficam os dados de um stack |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; os exercícios levam mais 10 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. Tudo também funciona em engines reais |
# | **Slides da palestra** | 23 (a 1.13 trouxe os stacks) |
#
# - **Arquivo Compose**: descreve os serviços, as redes e os volumes de uma aplicação em texto (YAML). O `docker compose` roda tudo em uma máquina só.
# - **Stack**: o conjunto de serviços, redes e volumes que um swarm cria a partir de um arquivo desses.
# - **Deploy**: deixar o swarm do jeito que o arquivo diz. A cada mudança no arquivo, você faz outro.
# - **Volume**: uma pasta em um nó, fora dos contêineres, que sobrevive a eles.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.network_experiments import inside

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=2, seed=7)
# %docker node update --label-add disk=yes w1
cluster.board()

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "empty", "notes": "O voting app, um exemplo do próprio Docker. As pessoas votam, o redis faz a fila, o serviço worker leva os votos ao banco, e o result mostra. São duas redes, e o serviço worker está nas duas.", "ask": "Qual dos cinco vocês menos gostariam de perder? (A maioria diz o db. Não comente: a seção 3 é sobre ele.)"} translates="ce43021f"
# ## 1. Um arquivo (slide 23)
#
# > *Melhorado na v1.13 e 17.06 com secrets, stacks, configs, autolock.*
#
# O voting app é um exemplo do próprio Docker. As pessoas votam no `vote`, que põe cada voto no `redis`. O serviço `worker` leva os votos de lá para o `db`, e o `result` mostra o resultado. São duas redes, e o serviço `worker` está nas duas:
#
# ```text
# pessoas → vote → redis ← worker → db ← result → pessoas
#           └────── front ──────┘
#                          └─────── back ───────┘
# ```

# %% [markdown] slideshow={"slide_type": "skip"} translates="73ea6239"
# (Nas próximas células, o `-` representa o texto digitado: o resto da célula. Em um terminal, você indicaria o nome de um arquivo.)
#
# O serviço `worker` não funciona sem o `redis` e o `db`; por isso, quem escreveu o arquivo pôs um `depends_on`. **O que o swarm faz com isso? E com que nome o serviço worker encontra o banco de dados?**

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "O serviço worker não funciona sem o redis e o db; por isso, quem escreveu o arquivo pôs um depends_on. O que o swarm faz com isso? E com que nome o worker encontra o banco: db ou app_db?", "ask": "Ele espera, recusa ou ignora?", "wrong": "“Inicia o worker quando os dois estão rodando”: isso é o docker compose em uma máquina. “Só app_db”: nas redes do stack, cada serviço também tem o nome curto."} translates="e93a155b"
ask("depends_on", "short_name")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Um comando, e está tudo lá. Olhem os nomes: todos têm app na frente. Tanto db quanto app_db levam ao banco. E o depends_on? Ignorado. O app tem que saber tentar de novo, e deveria saber de qualquer jeito: em um swarm, aquilo de que ele depende pode mudar de nó a qualquer momento.", "ask": "O que é um stack para o swarm? (Um label em cada parte, e mais nada.)", "wrong": "“Um grupo com regras”: é só um label. Quem conhece stacks é a linha de comando.", "trouble": "Estranharam os nomes das imagens? São do próprio Docker. Nada é baixado. A tecla `r` refaz o deploy em um swarm vazio."} translates="b6bc0f15"
# %%docker stack deploy --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
  redis:
    image: redis:7
    networks: [front]
  worker:
    image: dockersamples/examplevotingapp_worker
    build: ./worker
    depends_on: [redis, db]
    networks: [front, back]
  db:
    image: postgres:15
    environment: {POSTGRES_PASSWORD: postgres}
    volumes: ["votes:/var/lib/postgresql/data"]
    networks: [back]
    deploy: {placement: {constraints: [node.labels.disk == yes]}}
  result:
    image: dockersamples/examplevotingapp_result
    ports: ["5001:80"]
    networks: [back]
networks: {front: {}, back: {}}
volumes: {votes: {}}

# %%
# %docker stack services app
display(inside(cluster, "app_worker", "nslookup db"))
display(inside(cluster, "app_worker", "nslookup app_db"), reveal("depends_on", "short_name"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="b8becd35"
# Tudo ganhou o nome do stack na frente e um label. **Um stack não é nada além desse label**: nenhuma parte do swarm sabe o que é um stack, só a linha de comando. Os serviços, redes, secrets e configs dele são como quaisquer outros.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "deployed", "notes": "Agora, um arquivo esquisito, cheio de chaves que um swarm não usa. O Docker reclama de algumas. Qual não está na resposta dele?", "ask": "De qual chave ele não fala nada? (depends_on.)", "wrong": "“privileged”: essa ele cita; depends_on, não.", "code": true} translates="1373ec2e"
# O formato Compose é mais antigo que o Swarm. Várias chaves não têm efeito nenhum em um swarm, e o comando só avisa sobre algumas. **Qual chave não está na resposta dele?**

# %%
# %%docker stack deploy --detach=true --compose-file - odd
services:
  web:
    image: nginx
    build: .
    container_name: web
    depends_on: [db]
    expose: [80]
    privileged: true
    restart: always
  db:
    image: redis:7

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Esta é a lista para levar para casa. À esquerda, o que é ignorado; à direita, o que fazer em vez disso. Se o arquivo Compose de vocês tem alguma dessas chaves, revejam o arquivo amanhã.", "ask": "Quantas delas estão no seu arquivo? (Mostrem nos dedos.)"} translates="332f82c6"
# É o `depends_on`, ignorado em silêncio.
#
# | Ignorado | O que fazer em vez disso |
# | --- | --- |
# | `depends_on` | faça o app tentar de novo até o outro responder; se o app desistir e terminar, o Swarm substitui a tarefa |
# | `build` | faça antes o build e o push da imagem; no arquivo, indique o nome dela |
# | `container_name`, `links` | use o nome do serviço |
# | `restart` | `deploy: {restart_policy: …}` |
# | `privileged`, `devices`, `network_mode` | nada: um serviço não pode usá-los |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "odd", "notes": "De madrugada, alguém escalou o vote para seis, à mão. De manhã, você faz o deploy do arquivo, que diz dois. E os outros quatro serviços não estão mais nele. O que acontece?", "ask": "Seis ou duas? E os outros quatro somem ou continuam?", "wrong": "“Seis: o número não mudou no arquivo”: não importa, o arquivo diz o que você quer. “São removidos”: um deploy não mexe no resto. Serviços esquecidos rodam por anos."} translates="3f0e9862"
# ## 2. Mude e faça o deploy de novo
#
# De madrugada, alguém escalou o `app_vote` para 6 à mão. De manhã, você faz o deploy de um arquivo que diz 2 e no qual só sobrou o `vote`. **Quantas tarefas do vote rodam depois? E o que acontece com os outros quatro serviços?**

# %%
# %docker stack rm odd
# %docker service scale --detach app_vote=6
cluster.run("10s")
ask("by_hand_undone", "left_out")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "scaled", "notes": "Duas. O arquivo vence. E os outros quatro continuam. Por isso, guardem o arquivo no git e mudem o swarm só por meio dele.", "ask": "Quem faz deploy à mão, de vez em quando? (É só levantar a mão.)", "trouble": "A tecla `r` volta às seis réplicas e repete este passo."} translates="3e8bc197"
# %%docker stack deploy --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
networks: {front: {}}

# %%
# %docker stack services app
reveal("by_hand_undone", "left_out")

# %% [markdown] slideshow={"slide_type": "skip"} translates="86f2c384"
# Por isso, guarde o arquivo onde está o seu código e mude o swarm só por meio dele. Um serviço cujo trecho no arquivo não mudou mantém as tarefas que tem; aquele cujo trecho mudou passa por uma atualização gradual, como na página 12.
#
# <details><summary>Secrets e configs mudam de nome</summary>
# <p>Eles não podem ser alterados, só trocados: um deploy com o mesmo nome e outro conteúdo é recusado. Dê um nome próprio a cada versão:</p>
# <pre><code>
# services:
#   web:
#     configs: [{source: page, target: /usr/share/nginx/html/index.html}]
# configs:
#   page: {name: page_2, file: ./page.html}
# </code></pre>
# <p>O serviço só conhece <code>page</code>. Na próxima versão, mude o arquivo e escreva <code>page_3</code>: as tarefas são substituídas, e um rollback ainda encontra <code>page_2</code>. Com <code>external: true</code> no lugar de <code>file</code>, o stack usa um que você criou por conta própria.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "again", "notes": "Agora, a parte interessante: onde estão os dados? O banco roda no w1, porque é lá que está o label. A gente grava alguns votos. Depois alguém passa o label para o w2, e a tarefa vai atrás. O que há no banco agora?", "ask": "Os votos, uma cópia ou nada?", "wrong": "“Os votos: o volume vai junto”: o volume tem o mesmo nome no w2, e por isso parece o mesmo. “Os managers guardam uma cópia”: da especificação, nunca dos dados."} translates="aab0d6f1"
# ## 3. Onde ficam os dados
#
# O `db` roda no w1, porque o arquivo exige um nó com o label `disk`. Você grava alguns votos no volume dele. Depois alguém passa o label para o w2, e a tarefa vai atrás.

# %% [markdown] slideshow={"slide_type": "skip"} translates="0961827b"
# (Com um banco sem restrições, bastaria um drain ou uma queda do w1.) **O que há no banco agora? E o que fica no w1?**

# %%
display(inside(cluster, "app_db", "sh -c 'echo cats 42 > /var/lib/postgresql/data/votes'"))
display(inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes"))
ask("data_moves", "old_volume")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "votes", "notes": "Nada. O w2 não tinha um volume com esse nome e criou um, vazio. Está tudo verde, sem erro em lugar nenhum. É assim que se perdem dados.", "ask": "Onde estão os votos? (Continuam no w1. Por isso, nada de prune antes de encontrá-los.)", "wrong": "“Sumiram”: continuam no w1. Nada de prune antes de encontrá-los.", "trouble": "A tecla `r` volta ao momento em que os votos estavam no w1 e repete este passo."} translates="0e0fa0ca"
# %docker node update --label-rm disk w1
# %docker node update --label-add disk=yes w2
cluster.run("30s")
# %docker -H w1 volume ls
# %docker -H w2 volume ls
display(inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes"))
reveal("data_moves", "old_volume")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "moved", "notes": "O label volta para o w1, e lá estão os votos. Nada se perdeu; só estava em outro lugar. Um volume pertence a um nó; uma tarefa, a nenhum.", "ask": "Prender, compartilhar ou copiar: o que você faz no trabalho? (Não há resposta certa: as três funcionam.)"} translates="56fc15ba"
# O banco esqueceu tudo, e nenhum erro diz isso. O label volta para o w1:

# %%
# %docker node update --label-rm disk w2
# %docker node update --label-add disk=yes w1
cluster.run("30s")
inside(cluster, "app_db", "cat /var/lib/postgresql/data/votes")

# %% [markdown] slideshow={"slide_type": "skip"} translates="3c3a3717"
# **Um volume pertence a um nó; uma tarefa, a nenhum.** Por isso, prenda o banco ao nó que tem os dados (com uma restrição), use um armazenamento que todos os nós alcancem (um volume driver para NFS ou algo parecido) ou deixe que o próprio banco mantenha cópias (em vários nós, cada um com a sua).

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pinned", "notes": "Hora da faxina. O mesmo arquivo com --prune e, depois, stack rm. O que cada um remove? A rede? O volume?", "ask": "O rm apaga os seus dados?", "wrong": "“Serviços, redes e o volume”: volumes pertencem aos nós e ficam."} translates="aa2dd221"
# ## 4. O que sai e o que fica
#
# Mais uma vez o arquivo só com o `vote`, agora com `--prune`. Depois, `docker stack rm app`. **O que cada comando remove?**

# %%
ask("prune_takes", "rm_takes")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "O prune removeu os quatro serviços e mais nada. A rede back continua lá, embora ninguém a use.", "ask": "Por que a rede ficou? (O --prune só remove serviços.)", "wrong": "“Ainda está em uso”: não está. O --prune só remove serviços; quem remove a rede é o stack rm."} translates="f6342d77"
# %%docker stack deploy --prune --detach=false --quiet --compose-file - app
services:
  vote:
    image: dockersamples/examplevotingapp_vote
    ports: ["5000:80"]
    networks: [front]
    deploy: {replicas: 2}
networks: {front: {}}

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "pruned", "notes": "E o rm remove tudo o que tem o label do stack: serviços, redes, secrets. O volume continua no w1. Ainda bem, mas é assim que os discos enchem.", "ask": "Quando foi a última vez que você procurou volumes antigos? (Mãos levantadas: este mês? Este ano?)", "trouble": "A tecla `r` traz de volta o stack e repete este passo."} translates="87901310"
# %docker network ls --filter scope=swarm --format "{{.Name}}"
# %docker stack rm app
cluster.run("20s")
# %docker network ls --filter scope=swarm --format "{{.Name}}"
# %docker -H w1 volume ls
reveal("prune_takes", "rm_takes")

# %% [markdown] slideshow={"slide_type": "skip"} translates="beff419d"
# ## Agora é com você
#
# Clique em **Iniciar**: cada exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 1. O banco de dados perdeu os votos
#
# Eles estão em algum lugar. Encontre-os e garanta que não se percam de novo. (`docker service ps` diz onde o banco rodava antes; `docker service update --constraint-add` o prende a um nó.)
#
# ### 2. Uma página nova, com a antiga guardada
#
# Um servidor web mostra o conteúdo de um config. Um config não pode mudar: crie outro com `docker config create` (página 10) e troque um pelo outro com `docker service update`, `--config-rm` e `--config-add`. (Com o exercício iniciado, uma célula que começa com `%%docker stack deploy --compose-file - site` também funciona no swarm dele.)

# %% slideshow={"slide_type": "skip"}
exercises("14_stacks", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "removed", "notes": "Um stack é um label. O que não está mais no arquivo fica, a não ser que vocês façam prune. O depends_on é ignorado em silêncio. E os dados ficam no nó em que foram gravados."} translates="b29940bd"
# ## Resumo
#
# - Um stack é um label em serviços, redes, secrets e configs comuns. O deploy deixa tudo do jeito que o arquivo diz.
# - O que não está mais no arquivo fica, a não ser que você use `--prune`. Volumes sempre ficam.
# - O `depends_on` é ignorado em silêncio: os apps têm que saber tentar de novo.
# - Os dados ficam no nó em que foram gravados. Prenda o banco a ele ou use um armazenamento que todos os nós alcancem.

# %% [markdown] slideshow={"slide_type": "skip"} translates="07c2df9c"
# **Para mostrar a um colega:** a seção 3.
#
# As duas últimas perguntas são sobre as páginas 10 e 11.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(
    quiz("stack_is", "same_config_name", "config_or_secret", "one_replica"),
    where_next("14_stacks"),
)
