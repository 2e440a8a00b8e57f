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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"60": 0.5}, "notes": "Vou entregar uma senha ao swarm, e a gente vai seguir os bytes dela até cada máquina onde eles ficam, e só até essas."} translates="ebb25258"
# # Secrets e configs: por onde passam os bytes?
#
# *Você entrega uma senha ao swarm, segue os bytes até cada máquina onde eles ficam e troca a senha, mesmo quando dois serviços a compartilham.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="64352dfd"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dar um secret e um config a um serviço; dizer quem consegue lê-los; trocá-los sem interromper o atendimento |
# | **Tempo e nível** | 20 minutos, depois de 00_start_here; todos os exercícios levam mais 12 |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede |
# | **Slides da palestra** | 38–39 (secrets), 40 (configs) |

# %% [markdown] slideshow={"slide_type": "skip"} translates="2f1a8753"
# - Um **secret** guarda alguns bytes que só certos contêineres podem ler: uma senha, uma chave, um certificado. Um **config** faz o mesmo com o que não é segredo.
# - **Log do Raft**: a lista de todas as mudanças, guardada no disco de cada manager (página 05).
# - **Cifrado**: criptografado. **Em texto claro**: sem criptografia. **Root**: o administrador de uma máquina, que consegue ler toda a memória dela.
# - Nos comandos, os nomes são os dos slides: *senha-db*, *cfg-demo*.

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Slide 38, ao pé da letra. O primeiro comando funciona; o segundo, não. [Pergunte; depois:] --secret-add é do service update. Slides também erram; a mensagem de erro diz onde.", "ask": "O que há de errado na segunda linha? (O service create usa --secret.)", "minutes": {"60": 0.5, "90": 0.5}} translates="f0c50317"
# A próxima célula roda os dois comandos do slide 38. Um deles falha. (As linhas `dica:` são nossas, não do Docker.)

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.secret_path import secret_path

make = swarmlab.simulate  # engines reais: swarmlab.launch
cluster = make(managers=3, workers=2, seed=7)
# %docker echo "senha" | docker secret create senha-db -
# %docker service create --secret-add=senha-db demo

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "secret", "minutes": {"60": 1.5, "90": 1}, "notes": "São cinco nós: três managers e dois workers. Há uma tarefa só, no w1, e ela precisa do secret. Que máquinas têm os bytes agora? Pensem como um invasor: qual delas vocês atacariam?", "ask": "Só o w1? O líder? Todos os managers? Todos os nós?", "wrong": "“Só o w1”: é lá que a tarefa está, e a gente só olha para lá. Mas o secret veio de algum lugar: está em todos os managers. “O líder e o w1”: os managers compartilham o mesmo log."} translates="cd16d44f"
# ## 1. A viagem de um secret (slides 38 e 39)
#
# O primeiro comando funciona: o Docker mostra o ID do secret novo. O segundo é o erro do slide: `--secret-add` é do `service update`; o `service create` usa `--secret`.
#
# A próxima célula cria o serviço do jeito certo, com uma tarefa só, no w1. **Que máquinas têm os bytes agora?**

# %%
# %docker service create --quiet --name web --constraint node.hostname==w1 --secret senha-db nginx
ask("who_can_read")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "web", "minutes": {"60": 1.5, "90": 1}, "notes": "Laranja: quem invadir aqui consegue ler. São os três managers e o w1. [Pergunte; depois:] Nenhuma tarefa do w2 precisa do secret; por isso, o w2 nunca o recebe. Só sabe quem precisa saber, como na espionagem. E no w1 ele fica na memória, nunca no disco.", "ask": "Como você tiraria o secret do w1? (Mova a tarefa para outro nó.)", "wrong": "“Criptografando”: não adianta, o app precisa ler. Leve a tarefa para outro nó. Um nó guarda um secret enquanto alguma tarefa do nó precisar dele.", "trouble": "O w2 também está laranja? Alguém mudou a tarefa de lugar. A tecla `r` a leva de volta ao w1."} translates="faddd073"
display(secret_path(cluster, "senha-db"), reveal("who_can_read"))

# %% [markdown] slideshow={"slide_type": "skip"} translates="423996f0"
# **Como ler o desenho.** Os bytes seguem as setas, criptografados. Laranja com hachura: quem chega ali consegue lê-los. Tracejado: ali eles não estão. Nenhuma tarefa do w2 precisa do secret; por isso, o w2 nunca o recebe. (Por que os logs dos managers estão em laranja, se são cifrados? Porque a chave fica ao lado: veja 09_autolock.)

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1}, "notes": "Slide 39. No contêiner, o secret é um arquivo em /run/secrets. Com s: o slide errou. Cinco letras, seis bytes! [Pergunte; depois:] O echo acrescentou uma quebra de linha, e isso já quebrou muito login. Usem printf. E a API mostra o nome e as datas, mas nunca os bytes.", "ask": "senha tem cinco letras. Por que seis bytes? (O echo acrescenta uma quebra de linha.)", "wrong": "“Uma codificação”: é a quebra de linha que o echo acrescenta."} translates="521be8da"
# > Slide 39: *a secret será montada em um tmpfs em /run/secret/secret-name.* Um tmpfs é uma pasta na memória, que nunca vai para o disco.
#
# O caminho certo tem um **s** a mais: `/run/secrets/senha-db`.

# %% [markdown] slideshow={"slide_type": "skip"} translates="f93d3446"
# No contêiner do w1, a próxima célula lê o arquivo, conta os bytes e tenta o caminho do slide; depois pede o secret à API. (`$(…)` encontra o ID do contêiner.)

# %%
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secrets/senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) wc -c /run/secrets/senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secret/senha-db
# %docker -H m1 secret inspect senha-db

# %% [markdown] slideshow={"slide_type": "skip"} translates="bd9b1df6"
# Cinco letras, seis bytes: o `echo` acrescentou uma quebra de linha, o que já quebrou muito login. O `printf` não acrescenta nada. E a API mostra o nome e as datas, nunca os bytes.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "running", "minutes": {"60": 1, "90": 1}, "notes": "A senha tem que ser trocada ainda hoje. Como se muda um secret? Deve existir um comando para isso, não?", "ask": "Editar, criar de novo com o mesmo nome ou outra coisa?", "wrong": "“docker secret update”: não existe. “Remover e criar de novo”: em uso, ele não pode ser removido."} translates="49669f05"
# ## 2. Um secret nunca muda (slide 38)
#
# > *Qualquer coisa de até 500Kb.*
#
# Quase: tem que ter *menos* de 512.000 bytes. A célula depois da aposta tenta exatamente 512.000 e depois troca a senha. **Como se faz isso?**

# %%
ask("secret_edit")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"60": 1, "90": 1}, "notes": "Um segundo secret e um update do serviço. [Pergunte; depois:] Nome novo, mesmo target: o app continua lendo o mesmo arquivo. As tarefas são substituídas uma depois da outra. Guardem o secret antigo por um tempo: um rollback precisaria dele. E os 500 Kb do slide já passam do limite, por um triz.", "ask": "Que arquivo o app lê agora? (/run/secrets/senha-db, como antes.)", "wrong": "“senha-db-2”: o target mantém o nome, e o app nem percebe a troca.", "trouble": "“secret is in use” faz parte da demonstração. A tecla `r` volta ao secret antigo e repete este passo."} translates="9ad25f60"
# %docker printf "%512000s" x | docker secret create too-long -
# %docker printf "nova senha" | docker secret create senha-db-2 -
# %docker service update --quiet --secret-rm senha-db \
#     --secret-add source=senha-db-2,target=senha-db web
# %docker secret rm senha-db-2
# %docker secret rm senha-db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=web) cat /run/secrets/senha-db
reveal("secret_edit")

# %% [markdown] slideshow={"slide_type": "skip"} translates="6493e466"
# 512.000 bytes já passam do limite. O secret novo tem outro nome, `senha-db-2`, mas o mesmo *target*: o app continua lendo `/run/secrets/senha-db`. A tarefa foi substituída em uma atualização gradual (página 12).
#
# `senha-db-2` está em uso e não pode ser removido. O antigo pôde sair na hora; no trabalho, guarde-o por um tempo, porque um rollback precisaria dele.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "replaced", "minutes": {"90": 1}, "notes": "Slide 40. Um config é a mesma coisa, para o que não é segredo, e fica na raiz do contêiner. [Pergunte; depois:] E a API mostra o conteúdo dele a quem tiver acesso a ela. Essa é a diferença. Por isso, nada de senha em config, por favor. E o segundo comando do slide repete o erro de antes.", "ask": "Um config é criptografado? (No disco, sim; mas a API mostra o conteúdo.)", "wrong": "“Não, está no slide”: no disco ele é, como tudo o que está no log. Mas a API mostra o conteúdo."} translates="08424a33"
# ## 3. Configs (slide 40)
#
# > *Muito similar ao secret, porém não encriptado.*
#
# A próxima célula roda os comandos do slide; o segundo repete aquele erro. Depois ela cria o serviço do jeito certo e lê o config de duas maneiras.

# %%
# %docker echo "config" | docker -H m1 config create cfg-demo -
# %docker service create --config-add=cfg-demo demo
# %docker service create --quiet --name app --constraint node.hostname==w2 --config cfg-demo nginx
# %docker -H w2 exec $(docker -H w2 ps -q --filter name=app) cat /cfg-demo
# %docker -H m1 config inspect --pretty cfg-demo

# %% [markdown] slideshow={"slide_type": "skip"} translates="736f548e"
# O config aparece em `/cfg-demo`, a não ser que você defina outro `target`. E **a API mostra o conteúdo dele** a quem tiver acesso a ela: nunca ponha uma senha em um config.
#
# <details><summary>É criptografado ou não?</summary>
# <p>No log, a entrada dele é cifrada como qualquer outra, e na rede ele trafega por TLS; o slide só acerta pela metade. O limite é maior que o de um secret: menos de 1.024.000 bytes.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "config", "notes": "Agora, mais difícil: dois serviços compartilham uma senha. Qualquer que seja o primeiro a trocar, o login falha até o outro trocar também. Como se faz isso sem nenhuma falha?", "ask": "Os dois de uma vez? Editar? Ou em três passos?", "wrong": "“Os dois ao mesmo tempo”: cada serviço substitui as tarefas no próprio ritmo, sem esperar pelo outro."} translates="31f02e25"
# ## 4. Dois serviços, uma senha
#
# O `app` faz login no `db`, e os dois recebem a senha em um secret. Qualquer que seja o primeiro a trocar de senha, o login falha até o outro trocar também. **Como trocá-la sem nenhuma falha?**

# %%
# %docker printf velha | docker secret create db-1 -
# %docker service create --quiet --name db --constraint node.hostname==w1 \
#     --secret source=db-1,target=senha redis
ask("two_phases")

# %% slideshow={"slide_type": "subslide"} swarmlab={"scene": "shared", "notes": "Primeiro, o banco aceita as duas. Depois, todos passam para a nova. Por fim, a antiga sai. É a troca em duas fases, um clássico: serve para chaves, certificados, APIs.", "ask": "Quem já fez isso de madrugada, em um passo só? (É só levantar a mão.)", "trouble": "A tecla `r` volta à senha compartilhada e repete este passo."} translates="1120bba2"
# %docker printf nova | docker secret create db-2 -
# %docker service update --quiet --secret-rm db-1 \
#     --secret-add source=db-2,target=senha --secret-add source=db-1,target=senha-antiga db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=db) ls /run/secrets
# … agora passe para db-2 cada serviço que faz login; depois:
# %docker service update --quiet --secret-rm db-1 db
# %docker -H w1 exec $(docker -H w1 ps -q --filter name=db) ls /run/secrets
reveal("two_phases")

# %% [markdown] slideshow={"slide_type": "skip"} translates="f1a85048"
# ## Agora é com você
#
# ### 1. Ninguém além dos managers
#
# Em uma célula nova (**Esc**, depois **b**), faça `secret_path(cluster, "senha-db-2")` mostrar o secret só nos managers, sem remover nem o serviço nem o secret.
#
# <details><summary>Uma dica</summary>Um nó guarda um secret enquanto alguma tarefa do nó precisar dele.</details>
# <details><summary>Resposta</summary><code>%docker service update --quiet --secret-rm senha-db-2 web</code> ou <code>%docker service scale web=0</code>. Quando termina a última tarefa que precisa dos bytes, o w1 tem que apagá-los.</details>
#
# ### 2. Uma senha nova, o mesmo arquivo
#
# Clique em **Iniciar**: o exercício cria um swarm só dele. Digite os comandos na caixa do exercício e clique em **Verificar**.

# %% slideshow={"slide_type": "skip"}
from swarmlab.lessons import exercises, where_next

exercises("10_secrets_and_configs", make=make)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Um secret fica em todos os managers e na memória dos nós que precisam dele. Ele nunca muda; é substituído. Qualquer um com acesso à API lê um config. E o que dois serviços compartilham se troca em duas fases."} translates="5ee027ec"
# ## Resumo
#
# - Um secret fica em todos os managers e na memória dos nós com tarefas que precisam dele. Em nenhum outro lugar.
# - Ele nunca muda: bytes novos exigem um secret com outro nome, e o serviço passa a usá-lo.
# - A API mostra o conteúdo de um config, nunca o de um secret.
# - Dois serviços compartilham uma senha? Primeiro valem a antiga e a nova; depois a antiga sai.
# - No disco de um manager, um secret está tão seguro quanto a chave dele: veja 09_autolock.

# %% slideshow={"slide_type": "skip"} translates="44cb52e7"
# Uma das perguntas é sobre a página 00. Depois, score() soma todas as suas apostas.
display(
    quiz("newline", "secret_gone", "config_or_secret", "committed_image", "comes_back"),
    where_next("10_secrets_and_configs"),
)
