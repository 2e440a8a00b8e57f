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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"notes": "Tudo isso era um simulador. Por que acreditar em uma só palavra disso? Não acreditem. Comparem."} translates="8fc0dd6a"
# # Como sabemos que o simulador está certo?
#
# *Você roda o mesmo cenário em um swarm simulado e em engines reais e procura diferenças.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="fcf3c198"
# | | |
# | --- | --- |
# | **Você vai aprender a** | dizer o que foi conferido, como foi conferido e o que ficou de fora; repetir a conferência no seu próprio Docker |
# | **Tempo e nível** | 15 minutos, depois de 00_start_here |
# | **O que é preciso** | nada além do kit; se tiver Docker, você pode rodar o lado real ao vivo |
# | **Slides da palestra** | 20 (por que orquestrar), 30 (um líder cai), 34–35 (posicionamento), 41–43 (updates) |

# %% [markdown] slideshow={"slide_type": "skip"} translates="99a94de6"
# *Um swarm real faria o mesmo?* Não acredite só na nossa palavra: compare.
#
# - Um **cenário** é um script: comandos, uma falha e o que observar.
# - Um **fato** é algo observado: tarefas por nó, uma mensagem de erro, um estado.
# - Uma **gravação** é o que engines reais fizeram em um cenário, guardado em um arquivo.
#
# Com `real_engines = False`, o lado real é uma gravação. Com `True`, engines reais são iniciados no *seu* Docker, rodam o cenário e são removidos. Isso leva minutos de verdade.

# %% translates="bddb0f97"
import swarmlab
from swarmlab.compare import compare, steps
from swarmlab.lessons import where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score

real_engines = False  # True: roda o lado real ao vivo, no seu próprio Docker
against = swarmlab.launch if real_engines else None

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "one", "notes": "Um script, dois swarms. De um lado, o simulador; do outro, o que engines reais fizeram. Seis réplicas, depois oito, depois três. A primeira tabela traz os fatos, iguais ou não. As faixas mostram quando cada passo ficou pronto.", "ask": "O que tem que ser igual e o que não pode ser? (Os fatos têm que ser; os segundos não podem.)", "wrong": "“Os segundos”: o acaso e as máquinas variam. Os fatos têm que ser iguais.", "trouble": "Engines ao vivo levam minutos de verdade. Deixe real_engines em False, a não ser que você já tenha testado aqui."} translates="4d28774e"
# ## 1. Um cenário
#
# Seis réplicas em três nós, depois oito, depois três. Onde elas rodam?

# %%
compare("spread", against=against)["spread"]

# %% [markdown] slideshow={"slide_type": "skip"} translates="36a22690"
# **Como ler.** A primeira tabela lista os fatos e diz se os dois lados batem. As faixas mostram *quando* cada passo ficou pronto: em cima, o simulado; embaixo, o real. A última tabela explica os números delas.
#
# A ordem dos passos é a mesma; os segundos, não. Portanto, **fatos têm que ser iguais**. De duas durações (*took …*), uma pode chegar ao dobro da outra ou passar dela em até três segundos. Esperas (*until …*) só são mostradas.
#
# <details><summary>As palavras de um cenário e fatos sem nomes</summary>
# <p><i>until …</i> espera; <i>says …</i> anota o que o <code>docker</code> responde; <i>took …</i> anota quanto alguma coisa durou; <i>note …</i> olha o swarm, não leva tempo e por isso só está na primeira tabela.</p>
# <p>Alguns fatos são listas sem nomes, como no passo das oito réplicas: oito tarefas em três nós são 3 + 3 + 2, e qual nó fica só com duas depende do acaso, também em engines reais. Um fato só diz o que <i>não</i> depende do acaso.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "chance", "notes": "O líder cai. De dez a vinte segundos, diz a página 05. Os dois swarms levam o mesmo tempo?", "ask": "Igual até nos segundos, mais ou menos igual, ou o simulador é mais rápido?", "wrong": "“Sim”: nem dois swarms reais levam o mesmo tempo, porque os managers esperam um tempo aleatório."} translates="57075d14"
# ## 2. Quando o acaso entra em cena
#
# O líder cai. Os outros elegem um novo depois de 10 a 20 segundos; quantos exatamente, só o acaso decide (veja 05_quorum). **Os dois swarms levam o mesmo tempo?** A célula depois da aposta mostra o cenário e depois o roda.

# %%
ask("same_seconds")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "Parecidos, não iguais. Por isso, uma duração pode chegar ao dobro da outra; todo o resto tem que ser igual.", "ask": "Por que um pouco mais de vinte, se uma eleição leva de dez a vinte? (A primeira pergunta espera vinte segundos pelo líder morto.)", "wrong": "“Uma eleição ruim”: a primeira pergunta espera vinte segundos pelo líder morto."} translates="c15270e5"
display(
    steps("leader_crash"),
    compare("leader_crash", against=against)["leader_crash"],
    reveal("same_seconds"),
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="441be5e8"
# Os dois tempos são parecidos, não iguais: daí *até o dobro*. Todo o resto tem que ser igual.
#
# <details><summary>Por que um pouco mais de 20 segundos, se uma eleição leva de 10 a 20?</summary>
# <p>O cenário não assiste à eleição. Como você, ele pergunta a um manager, logo depois da queda. O manager repassa a pergunta ao líder, que está morto, e um engine espera 20 segundos por essa resposta. Só a próxima pergunta chega ao novo líder. (Quando os votos se dividem, a eleição demora mais, e a resposta também.)</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "words", "notes": "Erros também, palavra por palavra. Dois de três managers estão fora do ar. Leiam os dois lados em voz alta.", "ask": "Alguém achou uma diferença? (Não há: as palavras são as do Docker.)"} translates="fe8c9245"
# ## 3. Palavra por palavra
#
# Mensagens de erro também têm que estar certas. Aqui, dois de três managers estão fora do ar. Compare o que os dois swarms *dizem*.

# %%
compare("quorum_loss", against=against)["quorum_loss"]

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "all", "notes": "Todos os cenários, uma linha para cada. Posicionamento, updates, falhas, recusas.", "ask": "Todos batem. O que isso prova? (Que nestes cenários ele fez o que engines reais fizeram. Só isso.)", "wrong": "“Que não há bugs”: prova que nestes cenários ele fez o que engines reais fizeram.", "trouble": "Leva alguns segundos; continue falando."} translates="c56bebde"
# ## 4. Todos os cenários
#
# Posicionamento, updates, falhas, recusas: uma linha para cada.

# %%
whole = compare(against=against)
whole

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "limits", "notes": "E agora, os limites disto. São só estes cenários e só uma versão, e a velocidade fica de fora. Se um dia os dois diferirem, o engine real tem razão, e o simulador é corrigido.", "ask": "Que cenário você acrescentaria? (Não há resposta certa.)"} translates="b15c1e93"
# ## 5. O que isto não mostra
#
# - **Só cenários, não tudo o que pode acontecer.** Os testes do projeto rodam mais uns oitenta com o programa `docker` padrão, além dos testes do próprio Docker para a biblioteca Python dele.

# %% [markdown] slideshow={"slide_type": "skip"} translates="a261d8b5"
# - **Só uma versão** do engine real, indicada no alto de cada tabela: nas gravações, a 20.10.24. (As mensagens dos engines simulados são as da 28.2.2.)
# - **A velocidade fica de fora.** Quanto um contêiner demora para subir depende da imagem dele. E as esperas podem diferir muito: em `minority`, o m1 segue o novo líder 1 segundo depois de a rede voltar; na gravação, depois de 34, provavelmente porque conexões reais demoram a se recuperar.
# - **Também fica de fora o que nenhuma API mostra**: votos, logs, bytes em um disco. Aí o simulador segue o artigo do Raft e o código do SwarmKit (a parte do Docker que é o Swarm), e outros testes o conferem.
#
# O README lista o que é simulado, simplificado e deixado de fora (*What is real here*).

# %% [markdown] slideshow={"slide_type": "skip"} translates="3045de90"
# ## Agora é com você
#
# ### 1. Responda antes dos engines
#
# O que um swarm responde quando você remove um nó que está no ar? E um manager, à força? Anote as suas respostas e depois rode o cenário `removing_nodes` em uma célula nova (**Esc**, depois **b**).
#
# <details><summary>Uma dica</summary><code>compare("removing_nodes", against=against)["removing_nodes"]</code></details>
# <details><summary>Resposta</summary>Um nó que está no ar: <code>node … is not down and can't be removed</code>. Um manager, à força: ele <code>must be demoted to worker before removal</code>. Os dois lados usam essas palavras. Sem <code>--force</code>, só um nó fora do ar é removido.</details>
#
# ### 2. Leia um cenário
#
# Que passos `minority` tem? Diga para que serve cada um e depois rode o cenário.
#
# <details><summary>Uma dica</summary>A seção 2 mostrou os passos de <code>leader_crash</code>. Aqui: <code>steps("minority")</code></details>
# <details><summary>Resposta</summary>O líder, o m1, fica isolado. Os outros dois elegem um líder (anota-se quanto isso leva). O m1, sozinho, não conhece líder nenhum e recusa uma mudança. A rede volta, o m1 fica sabendo do novo mandato e vira seguidor. Quando todos os nós estão ready, a última linha anota os papéis deles: os três ainda são managers.</details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "A confiança se conquista fato por fato. O mesmo script, dois lados, comparados. Dá para fazer isso com o seu próprio Docker, com um comando."} translates="9ed0315a"
# ## Resumo
#
# - Um simulador conquista a nossa confiança fato por fato: o mesmo cenário nos dois lados, comparado.
# - Os fatos têm que ser iguais, inclusive nas palavras; uma duração pode chegar ao dobro da outra.
# - Se os dois diferem, o engine real tem razão.
#
# Em um terminal, `swarmlab compare leader_crash` compara com o seu próprio Docker, e `swarmlab compare --recorded`, com as gravações.

# %% slideshow={"slide_type": "skip"}
quiz("one_differs", "all_agree", "how_long")

# %% slideshow={"slide_type": "skip"}
display(score(), where_next("30_is_the_simulator_right"))
