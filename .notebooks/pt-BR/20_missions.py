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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Vocês estão de plantão. Alguma coisa quebrou, requisições de usuários falham a cada segundo, e vocês têm um orçamento. Uma pessoa digita, todo mundo decide."} translates="11ee0e31"
# # Missões: seis incidentes, com usuários esperando
#
# *Você está de plantão: um swarm quebrou, requisições de usuários falham a cada segundo, e você tem um orçamento para salvá-lo; depois, compara o que fez com uma solução-modelo.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="6a85b20d"
# | | |
# | --- | --- |
# | **Você vai aprender a** | olhar antes de consertar, salvar um swarm dentro de um orçamento e dizer desde quando dava para ver o problema |
# | **Tempo e nível** | 60 minutos, uns dez por missão, depois de 00_start_here; cada missão indica a página que ensina o que ela pede |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (Em engines reais não há replay nem contagem de requisições: cada verificação manda uma a cada tarefa) |
# | **Slides da palestra** | 11–20 (problemas em produção), 30–33 (quórum), 41–43 (healthchecks, updates, rollbacks) |

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "rules", "notes": "Requisições, segundos e mudanças: esse é o orçamento de vocês. Olhar é de graça; esperar, não. Olhar antes da primeira mudança vale vinte pontos. Eu digito o que vocês mandarem, e mais nada. São dez segundos para cada decisão; enquanto vocês não se entendem, os usuários esperam.", "ask": "Quem dita os comandos? Quem marca o tempo? (Escolha duas pessoas agora.)"} translates="391aedac"
# ## Como funciona uma missão
#
# Uma missão é um exercício com **relógio** e com **usuários**: um serviço recebe dez requisições por segundo. Clique em **Iniciar**, e o telefone toca.

# %% [markdown] slideshow={"slide_type": "skip"} translates="b8917819"
# - **Digite comandos** abaixo da tarefa. `docker …` vai para o líder; `docker -H m2 …`, para o nó m2; `run 20s` espera 20 segundos.
# - **Esperar custa.** Cada linha custa cinco segundos (até com `--help`), mais o tempo que o comando espera: `docker service update` espera todas as tarefas rodarem, por até 300 segundos, o orçamento inteiro. Com `--detach`, ele volta na hora; depois acompanhe com `docker service ps`. Não dá para interromper um comando que está esperando.
# - **O objetivo** é deixar o swarm em um certo estado, com os usuários atendidos. Vale qualquer caminho até lá.
# - **Verificar** espera 30 segundos. Depois testa, em uma cópia do seu swarm, o que pode acontecer em seguida e avalia nela todos os objetivos: *(no teste: requisições que falharam: 100)* refere-se à cópia. Você pode verificar quantas vezes quiser.
# - **O orçamento** limita requisições que falham, segundos e mudanças. Uma mudança é um pedido que o swarm aceita: `node promote w3 w4` faz duas; um comando recusado, nenhuma. Quem estoura um dos limites perde a missão na hora. Comece de novo: o incidente é o mesmo.
# - **Olhar** (`ls`, `ps`, `inspect`, `logs`) não é mudança, e olhar antes da primeira mudança vale 20 pontos. Usuários atendidos valem 40; tempo, 20; poucas mudanças, 20. Uma dica custa 5 pontos, mas não gasta tempo.
# - O **debriefing** só vem quando a missão termina: compara o que você fez, e os seus pontos, com um *modelo*, uma solução que age assim que dá para perceber o problema. (*m1 lidera, mandato 5*: o m1 foi eleito, no quinto mandato.)
#
# Sem os botões, use o nome da missão: `zone.do("docker node ls")` roda uma linha; há também `zone.check()`, `zone.hint()`, `zone.undo()` e `zone.debrief()`.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "zone", "notes": "Uma zona morre. Clico em Iniciar, e o relógio começa a andar. Onde as tarefas podem rodar, e quem decide isso? Digam o que devo digitar.", "ask": "Qual é o primeiro comando? Olhar ou já mudar alguma coisa? (Olhar: docker service ps --no-trunc.)", "wrong": "“--force”: só cria tarefas novas, com as mesmas regras. Antes, olhem as restrições.", "trouble": "A turma se perdeu? Clique em Iniciar de novo, na missão: é o mesmo incidente."} translates="a5faa92e"
# ## Nós e versões
#
# ### 1. Uma zona morre
#
# Onde as tarefas podem rodar, e quem decide isso? (Página 07)

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercise, progress
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.lessons.course_map import where_next
from swarmlab.lessons.debrief import compare_scores

make = swarmlab.simulate  # engines reais: swarmlab.launch
zone = exercise("zone_dies", make=make)
zone

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Sexta-feira, uma versão ruim. Os contêineres estão rodando, e nada responde. Rodar não é o mesmo que responder. O que a gente olha?", "ask": "Rollback: é uma boa ideia? (Só depois de saber qual foi a última mudança.)", "wrong": "“Rollback, já”: ele só desfaz a última mudança. E a última mudança foi a versão nova?", "trouble": "O orçamento acabou? Clique em Iniciar de novo; o incidente é o mesmo."} translates="a3b1cf39"
# ### 2. Uma versão ruim na sexta-feira
#
# Os contêineres estão rodando, e mesmo assim nada responde. (Página 13: rollbacks)

# %%
release = exercise("bad_release", make=make)
release

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "quorum", "notes": "Dois managers, e um deles morre. A página 05 mostrou o que isso significa para vocês. Mas e os usuários, o que eles percebem neste momento?", "ask": "Tudo fora do ar, metade fora do ar, ou ninguém percebe nada?", "wrong": "“Nada mais funciona”: os comandos não funcionam, mas o que está rodando continua."} translates="8612c02e"
# ## Sem quórum
#
# Com dois managers, o quórum são os dois. Quando um deles cai, não dá para eleger um líder (página 05). **O que os usuários percebem nesse momento?**

# %%
ask("users_without_quorum")

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "O scale é recusado, e nenhuma requisição se perde. Tranquilo, não? É uma armadilha: nada mais se conserta. A próxima falha vai ficar como está.", "ask": "Como perceber o problema, se ninguém reclama? (Com um alerta, assim que um manager cai.)", "trouble": "O comando recusado faz parte da demonstração."} translates="65a82efc"
# A próxima célula cria um swarm assim, derruba um manager e conta as requisições por 30 segundos.

# %%
cluster = make(managers=2, workers=2, seed=7)
# %docker service create --quiet --name web --replicas 4 --publish 8080:80 \
#     --constraint node.role==worker nginx
cluster.crash("m2")
cluster.run("30s")
# %docker -H m1 service scale web=6
requests = cluster.traffic("web", rate=10)
cluster.run("30s")
display(requests, reveal("users_without_quorum"))

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"scene": "two", "notes": "E agora vem a próxima falha, em um swarm como aquele. Desta vez o telefone toca. O que vocês precisam recuperar primeiro?", "ask": "Uma tarefa, um nó ou um quórum? (Um quórum: sem ele, nada pode mudar.)", "wrong": "“Iniciar o serviço de novo”: sem quórum, nenhum comando é aceito."} translates="8d381e09"
# ### 3. Dois managers
#
# Todos os usuários foram atendidos; por isso, ninguém ligou para você. Agora vem a próxima falha.

# %%
two = exercise("two_managers", make=make)
two

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stranger", "notes": "Um estranho entrou com um token que vazou. Não basta que ele saia: não pode mais voltar. O que tem que vir primeiro?", "ask": "Remover o nó ou trocar o token? (Primeiro o token, senão ele volta. Depois o nó.)", "wrong": "“É só trocar o token”: quem já é membro continua membro. “É só remover o nó”: ele volta com o mesmo token."} translates="9ec927aa"
# ## Estranhos, dados e saúde
#
# ### 4. Um estranho com um token
#
# Um token é uma chave do seu swarm (página 08). Você vence a missão quando o estranho sai **e** não consegue voltar.

# %%
stranger = exercise("stranger", make=make)
stranger

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Dizem que o banco perdeu os dados. Depois da página 14, vocês sabem que eles estão em algum lugar. Onde o banco rodava antes?", "ask": "Que comando diz onde ele rodava? (docker service ps.)", "wrong": "“Prune, para limpar”: nem pensem nisso antes de encontrar os dados."} translates="7ef3d8f8"
# ### 5. O banco de dados perdeu os dados
#
# Um *volume* é uma pasta que sobrevive aos contêineres (página 14).

# %%
data = exercise("lost_data", make=make)
data

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "O Docker diz que está tudo certo com o web, mas as tarefas dele terminam uma depois da outra. Quem acaba com elas?", "ask": "O app ou o healthcheck? (O healthcheck.)", "wrong": "“O app cai”: olhem como ele termina. Alguma coisa o mata."} translates="be9974fb"
# ### 6. Um healthcheck que mata
#
# O Docker diz que está tudo certo com o web, mas as tarefas dele terminam uma depois da outra. (Página 11: healthchecks)

# %%
health = exercise("check_kills", make=make)
health

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "scores", "notes": "Colem as suas linhas, e temos uma tabela. Depois, os debriefings: dava para ter percebido antes? Olhando o quê?", "ask": "O que você vai olhar na segunda-feira? (Não há resposta certa.)"} translates="b169a9f4"
# ## Compare com os outros
#
# Cada debriefing termina com uma linha de pontuação para colar no chat da turma: missão, pontos, requisições que falharam, segundos, mudanças, dicas. Não precisa de servidor: qualquer um no chat pode montar a tabela. (Os três últimos caracteres denunciam erros de digitação, mas não impedem ninguém de inventar uma pontuação.)

# %% [markdown] slideshow={"slide_type": "skip"} translates="cd2b5b57"
# A segunda tabela mostra o seu próprio progresso; `progress().export("progress.json")` grava uma cópia dele, para outra máquina ou para quem dá a aula.

# %%
display(
    compare_scores(
        """
        Ana: zone_dies:86-146-60-1-0-28b
        Rui zone_dies:61-310-121-3-1-c6d
        """
    ),
    progress("20_missions"),
)

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Olhem antes. O comando óbvio mexe no swarm, não na causa. E pensem no que vem depois: o conserto de hoje tem que aguentar a próxima falha."} translates="214d864a"
# ## Resumo
#
# - **Olhe antes.** Na maioria das missões, o comando óbvio (`--force`, `scale`, `rollback`) mexe no swarm, mas não na causa. Um rollback ajuda quando a causa foi a última mudança: na missão 6, sim; na missão 2, não. O `docker service inspect` mostra o que ele traria de volta: PreviousSpec.
# - Uma especificação sobrevive ao motivo que a criou: uma restrição, um healthcheck, argumentos da versão da semana passada. O `docker service inspect --pretty` mostra tudo.

# %% [markdown] slideshow={"slide_type": "skip"} translates="cf622abb"
# - Em todas as missões, dava para saber *antes* do telefonema. O que procurar amanhã, no trabalho, está nos debriefings.
# - Pense no que vem depois: o conserto de hoje tem que aguentar a próxima falha.

# %% slideshow={"slide_type": "skip"} translates="4e3756e2"
# Depois rode score() em uma célula nova: ela soma todas as suas apostas.
display(
    quiz("blind_rollback", "token_and_member", "four_managers", "check_too_strict"),
    where_next("20_missions"),
)
