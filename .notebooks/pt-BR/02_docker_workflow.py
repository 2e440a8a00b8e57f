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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Todo mundo aqui já digitou docker run. Mas quem faz o quê? Cliente, daemon, registry: três programas, muitas vezes em três máquinas. Vamos acompanhar a viagem de um comando."} translates="71f3c818"
# # Fluxo básico de trabalho com Docker: o que acontece em um `docker run`
#
# *Você digita um comando e o acompanha do cliente ao daemon, ao registry e de volta. Depois descobre o que fica quando você sai.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="1ca3586c"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer que parte do Docker faz o quê; ler o que um comando pede ao daemon; manter um contêiner no ar, e os dados dele a salvo, em uma máquina |
# | **Tempo e nível** | 20 minutos, primeiros passos; os exercícios levam mais 8 |
# | **O que é preciso** | nada além do kit: tudo é simulado. Em engines reais, também roda tudo, menos o `import` (seção 2), que precisa de arquivos. (Sem acesso a um registry, o kit usa imagens de reserva que já estão lá desde o início: nada é baixado) |
# | **Slides da palestra** | 06 (`docker run redis`), 07–10 (o caminho do comando, passo a passo). [Todos os slides](index.ipynb) |
#
# - **Cliente**: o programa `docker`, onde você digita.
# - **Daemon**, ou *engine*: o programa que faz o trabalho, no *host*. Ele e o cliente conversam por HTTP, pela *Engine API*.
# - **Imagem**: arquivos empacotados, com configurações. É somente para leitura e é feita de **camadas**.
# - **Contêiner**: um processo que roda sobre os arquivos de uma imagem.
# - **Registry**: um servidor cheio de imagens. É o Docker Hub, a não ser que você indique outro.

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercises, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.workflow import workflow

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=1, workers=0, seed=7)
# %docker swarm leave --force
workflow(cluster)

# %% [markdown] slideshow={"slide_type": "skip"} translates="7fe5fa05"
# O simulador inicia sua única máquina, o m1, já dentro de um *swarm* (página 03). O `swarm leave` a tira de lá: agora ela é um engine Docker avulso. `%docker` roda um comando do Docker; `%%docker`, uma célula inteira deles. `cluster.run("30s")` faz passar trinta segundos em um instante.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "plain", "minutes": {"90": 1}, "notes": "Este é o slide 6; os slides 7 a 10 são o mesmo desenho, passo a passo. Vou rodar o Redis, e esta máquina não tem a imagem dele. Quem baixa?", "ask": "Quem baixa a imagem: o cliente, o daemon ou o contêiner?", "wrong": "“O cliente”: é nele que a gente digita, então parece que é ele que faz o trabalho. Ele só pede."} translates="4206f157"
# ## 1. Um comando (slides 6–10)
#
# O desenho é o slide 6. Ele mostra, na ordem, as requisições que chegam ao daemon e os eventos que o daemon informa. Por enquanto, não aconteceu nada.
#
# Você vai rodar o Redis, um banco de dados. **Quem baixa a imagem?**

# %%
ask("who_fetches")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1.5}, "notes": "Eu dou play; sigam a caixa que acende. O cliente pede um contêiner. 404: essa imagem não está aqui. Então ele pede a imagem, e agora é o daemon que vai ao registry e baixa camada por camada. O cliente pede de novo, e desta vez dá certo. Leiam as linhas embaixo: são as requisições HTTP de verdade. Tudo o que vocês vão fazer na vida com o Docker é uma requisição dessas.", "ask": "Por que ele tenta primeiro o que não tem como dar certo? (É o caminho mais rápido: quase sempre a imagem já está lá.)", "wrong": "“É bug”: é o caminho mais rápido. Quase sempre a imagem já está lá.", "trouble": "Nada se mexe? O botão é ▶ Reproduzir o comando; Avançar vai passo a passo."} translates="e335845e"
# %docker run --name cache redis
reveal("who_fetches")

# %% [markdown] slideshow={"slide_type": "skip"} translates="988f90d3"
# **No desenho, clique em ▶ Reproduzir o comando.** (Ele fica ao lado da página ou abaixo da primeira célula.) Depois percorra tudo de novo com **Avançar** (ou ← e →). A caixa que acende recebe alguma coisa. Embaixo, cada passo aparece em palavras, junto com a própria requisição ou o evento.
#
# <details><summary>O que aconteceu</summary>
# <p>O cliente pede um contêiner. O daemon responde 404: essa imagem não está aqui. Então o cliente pede a imagem. O <b>daemon</b> vai ao registry e baixa as camadas. O cliente pede o contêiner de novo; agora ele é criado a partir da imagem. Antes de mandar iniciar o contêiner, o cliente pede mais duas coisas: receber a saída dele e ser avisado quando ele terminar. Assim, não perde nada.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "redis", "minutes": {"90": 1}, "notes": "Em um terminal, o docker run mostra a saída até você cansar. Agora imaginem: você deu esse comando no seu laptop, para um servidor. Fecha o laptop e vai para casa. O que acontece com o Redis?", "ask": "Termina, continua rodando ou fica pausado?", "wrong": "“Termina”: o comando foi digitado no laptop. Mas o contêiner é filho do daemon, não do cliente."} translates="bba3f56c"
# Em um terminal, o `docker run` mostraria agora a saída do contêiner até ele terminar. Aqui, o cliente vai embora depois de dez segundos (daí a linha `dica:`), como se você tivesse fechado o laptop. **O que acontece com o contêiner?**

# %%
ask("client_gone")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1}, "notes": "Continua rodando. Quem guarda o contêiner, a imagem e a saída é o daemon. O cliente era só um telefone. E é por isso que um programa pode assumir o teclado no lugar de vocês. É o que vamos ver a seguir: orquestração.", "ask": "E o Ctrl-C? É a mesma coisa? (Não: o Ctrl-C é repassado ao contêiner, como um sinal.)", "wrong": "“É”: não é. O Ctrl-C é repassado ao contêiner; fechar a tampa, não."} translates="9ab0642d"
cluster.run("30s")  # o cliente já foi embora
# %docker ps
# %docker logs cache
reveal("client_gone")

# %% [markdown] slideshow={"slide_type": "skip"} translates="e1c3fbd5"
# Nada se perdeu com o cliente: quem guarda o contêiner, a imagem e a saída é o daemon.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "layers", "notes": "Agora o nginx. Três camadas, como o Redis. A de baixo é a mesma nas duas imagens: Debian. Quantas precisam ser baixadas?", "ask": "Nenhuma, duas ou três?", "wrong": "“As três”: o nome de uma camada vem do conteúdo dela, então a do Debian já está aqui."} translates="05a51769"
# ## 2. Imagens: camadas e nomes
#
# Agora, o nginx, um servidor web. A imagem dele tem três camadas, e a do Redis também. (Imagens de verdade têm mais.) A primeira camada é a mesma nas duas: Debian. **Quantas camadas precisam ser baixadas?**

# %%
ask("shared_layers")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Duas. Already exists, diz ele. E olhem a coluna IMAGE ID: o docker tag deu um segundo nome a uma imagem. Nada foi copiado.", "ask": "Dois nomes, um ID só. Se eu remover um dos nomes, o que acontece? (Some só o nome. A imagem some com o último nome dela.)", "wrong": "“A imagem some”: só quando o último nome é removido."} translates="abf3dfdb"
# %docker pull nginx
# %docker tag nginx shop:1
# %docker images
reveal("shared_layers")

# %% [markdown] slideshow={"slide_type": "skip"} translates="fa7c57d5"
# Reproduza o pull e olhe a caixa do registry. Depois olhe a coluna IMAGE ID: `docker tag` só dá mais um nome a uma imagem.
#
# <details><summary>As outras colunas, e <code>Digest</code></summary>
# <p>O nome de uma imagem termina em uma <i>tag</i>: <code>latest</code>, se você não indicar outra. CREATED diz quando a imagem foi construída, não quando você a baixou. O <i>digest</i> é a impressão digital do conteúdo dela.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "pulled", "notes": "Uma imagem nossa. Este kit não faz build, então o import quebra o galho. Vejam as duas configurações: um comando e um healthcheck. O app leva quatro segundos para ficar pronto.", "ask": "O docker ps diz Up. Está funcionando? (Ainda não se sabe: Up só fala do processo.)", "code": true} translates="7080e482"
# **Uma imagem sua.** Em geral, quem a cria é o `docker build`, a partir de um *Dockerfile*, em que cada instrução acrescenta uma camada ou uma configuração. Este kit não faz build, então o `docker import` quebra o galho. Cada `--change` acrescenta uma configuração: um comando (`CMD`) e um **healthcheck**, a verificação de saúde, que pergunta ao app se ele está funcionando. Este app leva quatro segundos para ficar pronto. O `--detach` devolve o prompt na hora.

# %% [markdown] slideshow={"slide_type": "skip"} translates="26d02eb7"
# <details><summary>O que o <code>import</code> lê?</summary>
# <p>Um pacote de arquivos, que chega pela entrada padrão (<code>-</code>). Aqui ele recebe só a palavra <code>files</code>, e o simulador aceita isso como um sistema inteiro.</p>
# </details>

# %%
# %%docker
echo files | docker import \
    --change 'CMD ["sh", "-c", "sleep 4; touch /ready; sleep 1d"]' \
    --change 'HEALTHCHECK --interval=1s CMD test -f /ready' - shop:2
docker run --detach --name shop shop:2
docker ps --filter name=shop

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Up é o que o daemon vê do processo. Healthy é o que o app diz de si mesmo. Guardem a diferença: ela já acabou com muito fim de semana.", "ask": "Qual dos dois o seu monitoramento olha? (Deveria olhar o healthy: um processo pode estar rodando sem atender ninguém.)"} translates="13b45d9a"
cluster.run("6s")
# %docker ps --filter name=shop

# %% [markdown] slideshow={"slide_type": "skip"} translates="45229e2d"
# *Up* é o que o daemon vê do processo. *Healthy* é o que o app diz.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "ports", "notes": "Três comandos que vocês usam todo dia. Publish liga uma porta do host a uma do contêiner. Logs mostra o que ele escreve. Exec roda mais um comando lá dentro; por isso, este curl chama a porta 80, e não a 8080.", "ask": "O Redis mostra 6379 sem seta. Dá para chegar a ele de fora? (Não: a porta não foi publicada. Os contêineres da mesma rede chegam.)", "wrong": "“Dá, pela 6379”: sem seta, ninguém de fora entra.", "trouble": "A porta já está em uso? A tecla `r` limpa a máquina e roda estes comandos de novo."} translates="e246d130"
# ## 3. Entrar e sair: portas, logs, exec
#
# Um contêiner tem uma rede só dele. `--publish 8080:80` liga a porta 8080 do host à porta 80 do contêiner: veja PORTS. (O `6379/tcp` do Redis não tem seta; de fora, nada chega lá.) O `logs` mostra o que o processo escreve, e o `exec` roda mais um comando lá dentro; por isso, este `curl` chama a porta 80.

# %%
# %docker run --detach --name web --publish 8080:80 nginx
# %docker ps --filter name=web
# %docker exec web curl -s localhost
# %docker logs web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stop", "notes": "O stop manda um sinal e espera. Quanto tempo ele espera por um processo que não escuta? E depois eu tiro a máquina inteira da tomada. Dois contêineres, um deles com restart always. Qual volta?", "ask": "Quantos segundos? E quem sobrevive à queda de energia?", "wrong": "“Os dois voltam”: a política padrão é no. “Para sempre”: depois de dez segundos vem o KILL, e esse nenhum processo consegue ignorar."} translates="91d9cf71"
# ## 4. Parar e iniciar de novo
#
# O `stop` manda um sinal ao processo e lhe dá um prazo, o *grace period*. **Quanto dura esse prazo, se o processo ignora o sinal?** (Um shell o ignora quando é o *processo 1*, o primeiro do contêiner.)

# %% [markdown] slideshow={"slide_type": "skip"} translates="d09faecb"
# Uma **política de reinício** diz ao daemon quando iniciar um contêiner de novo:
#
# - `no`: nunca (é o padrão);
# - `on-failure`: depois de um erro; com `:2`, no máximo duas vezes;
# - `always`: sempre que ele termina sem você pedir, e quando o daemon sobe;
# - `unless-stopped`: o mesmo, mas o que você parou continua parado.
#
# `crash` corta a energia de uma máquina, e `start` a liga de novo. **Que contêineres voltam depois de uma queda de energia?**

# %%
ask("stop_grace", "power_cut")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Dez segundos e código de saída 137, que é 128 mais 9: o processo foi morto pelo sinal 9. Se os deploys de vocês levam sempre dez segundos por contêiner, agora vocês sabem por quê. E o flaky já gastou os dois reinícios a que tinha direito.", "ask": "Quem já viu um 137 no trabalho? (É só levantar a mão.)"} translates="5bfeb538"
# %docker run --detach --name deaf alpine sh -c 'sleep 1d'
# %docker stop deaf
# %docker run --detach --restart on-failure:2 --name flaky alpine sh -c 'sleep 1; exit 1'
cluster.run("10s")
# %docker ps --all
# %docker inspect --format 'restarts of flaky: {{.RestartCount}}' flaky

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "stopped", "notes": "Só o queue voltou, porque a política dele manda. [Pergunte; depois:] Mas reparem: se a própria máquina não volta, não há política que ajude. Um engine avulso só conhece a própria máquina. É aí que começa a orquestração.", "ask": "E se o m1 nunca mais voltar? (Aí nada volta. Outra máquina tem que assumir, e isso é orquestração.)", "trouble": "A lista está estranha? A tecla `r` volta ao momento anterior à queda de energia e refaz este passo."} translates="b1db1210"
# %docker run --detach --restart always --name queue redis
cluster.crash("m1")
cluster.start("m1")
cluster.run("5s")
# %docker ps --all
display(reveal("stop_grace", "power_cut"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="2600c945"
# <details><summary>O que as listas dizem</summary>
# <p><code>deaf</code>: 137 é 128 + 9, ou seja, quem o encerrou foi o sinal 9, KILL, depois de dez segundos. É essa a diferença de idade entre ele e o <code>flaky</code>, que só rodou quando o <code>stop</code> terminou. (CREATED trabalha com segundos inteiros e pode mostrar um a mais.) O <code>flaky</code> já tinha gastado as duas tentativas antes da queda de energia, e a queda não zera essa conta. O código 255 marca o que terminou junto com a máquina. Só o <code>queue</code> está no ar.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "volumes", "notes": "O que fica? Um contêiner escreve em uma camada fina só dele, e ela some junto com o contêiner. Um volume fica. Vou gravar um arquivo e ler, duas vezes: uma sem volume, outra com.", "ask": "Qual dos dois arquivos ainda existe? (O segundo, porque está no volume.)", "wrong": "“Os dois”: o primeiro estava em um contêiner que foi removido."} translates="11b8ea06"
# ## 5. O que fica: volumes
#
# Cada contêiner escreve em uma camada fina só dele, que some quando o contêiner é removido. Um **volume** fica: `--volume orders:/data` mostra ao contêiner o volume `orders` como a pasta `/data`. Aqui, um contêiner grava um arquivo e outro o lê, primeiro sem o volume e depois com ele. (`--rm` remove o contêiner quando ele termina.)

# %%
# %docker run --rm alpine sh -c 'echo 16 > /count'
# %docker run --rm alpine cat /count
# %docker run --rm --volume orders:/data alpine sh -c 'echo 17 > /data/count'
# %docker run --rm --volume orders:/data alpine cat /data/count
# %docker system prune --all --force
# %docker volume ls
# %docker ps --all

# %% [markdown] slideshow={"slide_type": "skip"} translates="d6a2c3a1"
# O `prune` remove os contêineres parados e, com `--all`, as imagens que nenhum contêiner usa. Nos volumes ele não mexe: dados não se baixam de novo.
#
# Aqui o daemon fez tudo o que devia. Mas e se a máquina dele não voltar? A página 03 começa aí.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "pruned", "notes": "O cliente pede, o daemon trabalha, o registry entrega. Um contêiner pertence ao daemon. Estar no ar não é estar saudável. E só os volumes ficam."} translates="9436493f"
# ## Resumo
#
# - O cliente pede, o daemon faz o trabalho, o registry entrega as camadas que ainda não estão aqui.
# - Um contêiner pertence ao daemon: continua depois que o cliente vai embora e volta se a política de reinício mandar.
# - Estar no ar não é estar saudável. Parar é mandar um sinal, esperar dez segundos e então mandar o KILL. Quando um contêiner é removido, só os volumes ficam.

# %% [markdown] slideshow={"slide_type": "skip"} translates="bf4b8a0c"
# ## Agora é com você
#
# ### 1. Acessível de fora, e de volta depois de uma queda de energia
#
# Clique em **Iniciar**: o exercício cria um engine só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.
#
# ### 2. No ar, mas não pronto
#
# Escolha este exercício na lista. O **shop** fica *Up* na hora, mas só atende depois de criar o arquivo `/ready`. Rode-o de novo com um healthcheck (`--health-cmd`, `--health-interval`), para que o `docker ps` diga *healthy* só quando ele estiver pronto de verdade.

# %% slideshow={"slide_type": "skip"}
exercises("02_docker_workflow", make=make)

# %% slideshow={"slide_type": "skip"} translates="b8ab9fb1"
# A terceira é sobre a página 01. Depois, score() soma todas as suas apostas.
display(quiz("pull_or_run", "image_or_container", "seen_outside"), where_next("02_docker_workflow"))
