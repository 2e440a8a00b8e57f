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

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Docker 101, em cinco minutos. Duas palavras bastam. O kernel é a parte do sistema que fala com o hardware. Um hypervisor faz uma máquina parecer várias."} translates="53dcd5c0"
# # Um kernel ou muitos: máquinas virtuais e contêineres
#
# *Você empilha os dois tipos, vê quanto cada um custa e faz um contêiner com as próprias mãos.*

# %% [markdown] slideshow={"slide_type": "skip"} translates="0d361953"
# | | |
# | --- | --- |
# | **Você vai aprender a** | distinguir quatro tipos de virtualização; dizer o que pode ficar em cima de quê e de que é feito um contêiner |
# | **Tempo e nível** | 20 minutos, primeiros passos; mais 8 para fazer todos os exercícios |
# | **O que é preciso** | nada além do kit: nem Docker, nem rede. (A seção 4 roda comandos de verdade, e só no Linux) |
# | **Slides da palestra** | 03 (tipos de virtualização), 04 (dois jeitos de empilhar), 05 (diferentes, não excludentes) |
#
# O **kernel** é o núcleo de um sistema operacional: só ele fala com o hardware. Um **hypervisor** faz uma máquina parecer várias, para que vários kernels possam rodar. **Bins/libs** são os arquivos de que um programa precisa, além dele mesmo. **Guest** (convidado) é o que roda em cima.

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "kinds", "minutes": {"90": 1}, "notes": "Slide 3. Quatro jeitos de simular: uma máquina inteira, partes de uma máquina, quase uma máquina ou máquina nenhuma, só um sistema operacional. Todo mundo aqui já usou algum deles hoje. Qual dos quatro é o Docker?", "ask": "Qual dos quatro é um contêiner?", "wrong": "“Um quinto tipo”: a ideia não é nova, o FreeBSD já tinha jails em 2000. O Docker tornou tudo fácil de usar e de distribuir. “Paravirtualization”: um contêiner não tem um kernel próprio que chame o hypervisor."} translates="0f6f1737"
# ## 1. Quatro tipos (slide 3)

# %% [markdown] slideshow={"slide_type": "skip"} translates="57a90675"
# | Tipo | O que simula | O que isso significa para o guest | Exemplo |
# | --- | --- | --- | --- |
# | **Full** Virtualization | uma máquina inteira | qualquer sistema operacional dá boot, sem mudança alguma | VMware, VirtualBox, KVM |
# | **Partial** Virtualization | partes de uma máquina, como os endereços de memória | só rodam programas feitos para isso | IBM M44/44X, nos anos 1960 |
# | **Para**virtualization | *quase* uma máquina de verdade | o kernel dele é modificado para chamar o hypervisor | Xen, em 2003 |
# | **OS Level** Virtualization | nenhuma máquina, só um sistema operacional | não tem kernel: todos os guests usam o do host | jails do FreeBSD, zones do Solaris |
#
# **Qual dos quatro é um contêiner do Docker?**

# %% translates="f5f24485"
import swarmlab
from swarmlab.lessons import exercise, where_next
from swarmlab.lessons.bets import ask, quiz, reveal, score
from swarmlab.views.by_hand import by_hand, root_directory
from swarmlab.views.density import density, sources
from swarmlab.views.stacks import stack_builder, two_stacks

make = swarmlab.simulate  # engines reais: swarmlab.launch

ask("which_kind")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "OS Level. Todos os contêineres de uma máquina compartilham o kernel dela. Cada um só enxerga os próprios arquivos, processos, rede e usuários. É uma visão do sistema, não uma máquina.", "ask": "Alguém já viu um contêiner dar boot? (Não: o kernel já está no ar. Só um processo é iniciado.)"} translates="06f761ec"
reveal("which_kind")

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "stacks", "minutes": {"90": 1}, "notes": "Slide 4, as duas torres. No slide há dois apps. Agora pensem em cinco servidores web em uma máquina. Quantos kernels rodam à esquerda, e quantos à direita? Contem antes de votar.", "ask": "Cinco apps: quantos kernels, à esquerda e à direita?", "wrong": "“5 e 1”: quase. O host, embaixo das cinco máquinas, também tem um kernel. “5 e 5”: um contêiner parece uma máquina, mas não traz kernel."} translates="ec60b3f6"
# ## 2. Dois jeitos de empilhar (slide 4)
#
# O slide mostra dois apps, primeiro em máquinas virtuais, depois em contêineres. Com cinco, **quantos kernels rodam?**

# %%
ask("kernels")

# %% slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 0.5}, "notes": "Borda grossa é kernel. Movo o controle até o cinco. Seis à esquerda, um à direita. A diferença toda é essa; o tamanho e a velocidade decorrem dela.", "ask": "Um bug derruba o kernel. Quem cai, à esquerda e à direita? (À esquerda, um app, se for o kernel de um guest. À direita, os cinco.)", "trouble": "As teclas não fazem nada? O foco está em um controle deslizante. Clique fora dele."} translates="8838fcf6"
display(reveal("kernels"), two_stacks(apps=2))

# %% [markdown] slideshow={"slide_type": "skip"} translates="d0e7416e"
# As caixas de borda grossa têm kernel. **Mova o controle até o 5 e conte.**
#
# <details><summary>O slide em palavras</summary>
# <p>À esquerda: servidor, sistema do host, hypervisor; em cima, para cada app, um sistema guest, as bins/libs e o app. À direita: servidor, sistema do host, engine de contêineres; em cima, para cada app, as bins/libs e o app. À direita só faltam os sistemas guest.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"minutes": {"90": 1.5}, "notes": "Slide 5: diferentes, não excludentes. É assim na maioria das empresas: hypervisor embaixo, contêineres em cima. Clico em Mostrar o slide 5 e tento algo impossível, como o SQL Server para Windows em um Ubuntu. A montagem diz por que não dá: todo programa precisa ter, em algum ponto abaixo dele, o kernel para o qual foi feito. Digam outra combinação que não funcione.", "ask": "O que não pode ficar em cima de quê? (Um programa precisa do kernel para o qual foi feito: nada de SQL Server para Windows em um Ubuntu.)", "wrong": "“Um contêiner Windows no Linux”: um contêiner traz arquivos, não um kernel.", "trouble": "Não dá mais para continuar a montagem? Clique em Recomeçar, ali mesmo."} translates="dd2ae08c"
# ### Os dois juntos (slide 5)
#
# > *Diferentes, não excludentes.*
#
# Escolha o que vai em cima de quê; se alguma coisa não puder ficar ali, aparece o motivo. **Clique em Mostrar o slide 5 e tente algo impossível. Depois clique em Recomeçar e monte o slide 5 por conta própria.**

# %% [markdown] slideshow={"slide_type": "skip"} translates="5347734b"
# <details><summary>Três coisas impossíveis</summary>Um sistema operacional em cima de um engine; um programa em cima do Xen, que é o hypervisor; o MySQL (para Linux) no engine do Windows.</details>
# <details><summary>O slide 5 em palavras</summary>Em cima do Xen: um Ubuntu com um engine e o MySQL em um contêiner; um Debian com Nginx e PHP-FPM; um Windows Server 2016 com um engine e o SQL Server (para Windows) em um contêiner.</details>

# %%
stack_builder()

# %% [markdown] slideshow={"slide_type": "skip"} translates="ec8467b9"
# <details><summary>As regras da montagem</summary>
# <p>Um kernel precisa de uma máquina: um servidor, ou o que um hypervisor simula. Um engine é um programa; logo, precisa de um sistema operacional. Um programa precisa do kernel <i>dele</i> embaixo, direto ou por meio de um engine, porque um contêiner não traz kernel. Em cima de um programa não vai nada.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "cost", "notes": "Vinte apps iguais em um servidor. Os contêineres precisam de menos memória, claro. Mas é inevitável que uma máquina virtual demore mais para iniciar? Pensem na mais rápida que vocês conhecem.", "ask": "Sim, porque dá boot? Sim, por causa do hypervisor? Ou não?", "wrong": "“Sim: tem que dar boot em um sistema operacional”: tem que dar boot em um kernel, e um pequeno leva milissegundos."} translates="fcdfcada"
# ## 3. Quanto custa?
#
# Imagine vinte apps iguais em um servidor. Uma máquina virtual precisa de memória e disco para o próprio sistema, e tem que dar boot. **É inevitável que ela demore mais para iniciar do que um contêiner?**

# %%
ask("vm_slow")

# %% slideshow={"slide_type": "subslide"} swarmlab={"notes": "O Firecracker promete 125 milissegundos e roda milhões de máquinas pequenas para o AWS Lambda. O que é lento é a máquina grande, de uso geral, não a ideia. Estes números são aproximados: cada fonte mediu uma coisa diferente. Com dois mil megabytes de memória, a diferença quase some.", "ask": "Em que caso quase não faz diferença onde seu app roda? (Quando o próprio app é grande.)", "trouble": "As teclas não fazem nada? O foco está em um controle deslizante. Clique fora dele."} translates="f22bb3a2"
display(density(apps=20), reveal("vm_slow"), sources())

# %% [markdown] slideshow={"slide_type": "skip"} translates="114a9f0b"
# Uma *micro VM* é a menor máquina virtual possível. Os números são aproximados: cada fonte mediu uma coisa diferente, em uma máquina diferente.
#
# **Em que caso quase não faz diferença onde o app roda?** Mexa nos controles. (Experimente 2000 MiB de memória e observe *Cabem em 16 GiB*.)
#
# <details><summary>A resposta e o que os estudos mediram</summary>
# <p>Quando o próprio app é grande: perto da memória que o app usa, o custo do resto quase some.</p>
# <p><b>Velocidade.</b> Felter et al. (relatório IBM RC25482, 2014) compararam o KVM e o Docker: em quase todos os casos, os contêineres foram tão rápidos quanto as máquinas virtuais, ou mais; com entrada e saída intensas, os dois precisaram de ajustes. <b>Inicialização.</b> Manco et al. (“My VM is lighter (and safer) than your container”, SOSP 2017) deram boot em máquinas bem pequenas em 2,3 ms, menos do que o Docker leva para iniciar um contêiner. <b>Segurança.</b> Segundo o mesmo artigo, os contêineres compartilham um kernel, e por isso o isolamento entre eles é mais fraco; é por essa razão que muita gente roda contêineres <i>dentro</i> de máquinas virtuais.</p>
# </details>

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "hand", "notes": "Agora vamos fazer um contêiner sem Docker. É sério: este comando roda nesta máquina. Um namespace, uma visão. Lá dentro eu sou root; do lado de fora, continuo sendo eu mesmo. Lá dentro a máquina se chama box, e do lado de fora nada mudou.", "ask": "Agora eu sou root de verdade? (Só lá dentro. Do lado de fora, continua sendo o meu usuário.)", "wrong": "“Sim”: só lá dentro. No host, é o meu usuário, com as permissões de sempre.", "trouble": "Não é Linux, ou a máquina não permite? A célula avisa, e a página mostra o que o Linux responderia. PageDown."} translates="8e1b064c"
# ## 4. Um contêiner feito à mão
#
# Um **namespace** do Linux dá a um processo uma visão própria de *uma* coisa. O `unshare` inicia um programa em namespaces novos, **de verdade**, na máquina que roda este notebook.

# %% [markdown] slideshow={"slide_type": "skip"} translates="edcad938"
# Primeiro, um namespace de *usuário*: lá dentro você é root (o administrador); do lado de fora, continua sendo você. Depois, mais um, para o *nome da máquina* (`--uts`).

# %% translates="72dd3bc6" tags=["this-computer"]
alone = "unshare --user --map-root-user"
by_hand(
    f"{alone} id",
    f"{alone} --uts sh -c 'hostname box; hostname'",
    "hostname",  # do lado de fora, nada mudou
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="b4c73a3e"
# <details><summary>O que o Linux responde</summary><p><code>uid=0(root)</code>; depois <code>box</code>; depois o nome de sempre da sua máquina.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Agora, o programa ganha processos só dele e uma rede só dele. Quantos processos ele vai ver? E quantas placas de rede?", "ask": "Quantos processos ele vê? Quantas placas de rede? (Um processo, ele mesmo; e uma placa, a lo, que não leva a lugar nenhum.)", "wrong": "“Nenhum”: ele vê a si mesmo, com o número 1. “A placa do host”: ele tem a lo, que não leva a lugar nenhum.", "trouble": "Sem permissão para criar namespaces? A página mostra o que o Linux responderia. PageDown."} translates="1c51a990"
# Agora, o programa ganha *processos* só dele (`--pid`) e uma *rede* só dele (`--net`). **Quantos processos ele vai ver? E quantas placas de rede?**

# %% [markdown] slideshow={"slide_type": "skip"} translates="3c340fe6"
# <details><summary>As outras opções</summary><p><code>--fork</code> inicia o programa como filho do <code>unshare</code>: só os filhos entram na nova lista de processos. <code>--mount-proc</code> dá a ele um <code>/proc</code> próprio, que é onde o <code>ps</code> procura. <code>/proc/net/dev</code> lista as placas de rede, abaixo de duas linhas de cabeçalho.</p></details>

# %% translates="9f69f85d" tags=["this-computer"]
by_hand(
    f"{alone} --pid --fork --mount-proc ps -e",
    f"{alone} --net cut -c 1-6 /proc/net/dev",
    "cut -c 1-6 /proc/net/dev",  # do lado de fora
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="a819fed1"
# <details><summary>O que o Linux responde</summary><p>Um processo: o próprio <code>ps</code>, com o número 1. E uma placa de rede, <code>lo</code>, que não leva a lugar nenhum.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "Por último, arquivos só dele. Uma pasta vira o diretório raiz. Uma imagem é só isso: uma pasta dessas, empacotada. E agora tudo junto: nome, processos, rede, arquivos. Isso é um contêiner. Vocês acabaram de ver um contêiner feito à mão.", "ask": "O que falta, em comparação com o Docker? (Limites, imagens, uma rede e um root com menos poderes.)", "wrong": "“Segurança”: em parte. São também limites, imagens, uma rede e um root com menos poderes."} translates="ae59062f"
# Por último, ele ganha *arquivos* só dele: uma pasta vira o diretório raiz. (Uma imagem é uma pasta dessas, empacotada.) A nossa tem um programa só, o `busybox`, com vários nomes. Tudo junto:

# %% tags=["this-computer"]
root = root_directory()
inside = "mount -t proc proc /proc; hostname box; hostname; ls /; ps"
by_hand(
    "ls -m bin",
    f"{alone} --uts --pid --fork --mount --net --root=. sh -c '{inside}'",
    folder=root,
)

# %% [markdown] slideshow={"slide_type": "skip"} translates="01615451"
# <details><summary>O que o Linux responde</summary><p><code>box</code>; <code>bin</code> e <code>proc</code>; e um processo, com o número 1. (<code>{ps} sh -c …</code> é um processo só: o shell virou <code>ps</code> no último comando.) O resto da sua máquina não está à vista.</p></details>

# %% [markdown] slideshow={"slide_type": "subslide"} swarmlab={"notes": "E o Swarm mantém muitos desses rodando, em muitas máquinas. Quatro servidores web formam um serviço. É para lá que vamos.", "ask": "Quatro réplicas em três máquinas: como elas vão se espalhar? (Uma em cada máquina, e uma delas fica com duas.)"} translates="f84c678d"
# Isso é um contêiner. O Docker acrescenta **limites** de memória e CPU, **imagens** para distribuir, uma rede e menos poderes para o root. O Swarm mantém muitos contêineres rodando, em muitas máquinas. Aqui, quatro servidores web formam um *serviço*; *converged* quer dizer que tudo está como você pediu.

# %%
cluster = make(managers=1, workers=2, seed=7)
# %docker service create --name web --replicas 4 nginx
# %docker service ps web

# %% [markdown] slideshow={"slide_type": "slide"} swarmlab={"scene": "recap", "notes": "Uma máquina virtual tem um kernel próprio; um contêiner, não. Um contêiner é um processo com uma visão própria do sistema. E os dois andam juntos: a maioria dos contêineres do mundo roda dentro de máquinas virtuais."} translates="18c4bb78"
# ## Resumo
#
# - Uma máquina virtual tem um kernel próprio; um contêiner, não. O tamanho, o tempo de inicialização e o que cai junto: tudo isso decorre daí.
# - Um contêiner é um processo com namespaces, um diretório raiz e limites.
# - Os dois andam juntos: a maioria dos contêineres roda em máquinas virtuais.

# %% [markdown] slideshow={"slide_type": "skip"} translates="6edf2e44"
# ## Agora é com você
#
# ### 1. O slide 5 com um kernel a menos
#
# Na área de montagem, clique em **Mostrar o slide 5**. Remova o Debian, mas mantenha os programas dele, Nginx e PHP-FPM. Não acrescente nenhum sistema operacional.
#
# <details><summary>Uma dica</summary>Que engine tem o kernel de que eles precisam?</details>
# <details><summary>Resposta</summary>Remova o <i>Debian Linux</i>. Ponha o Nginx e o PHP-FPM no <i>Docker Engine for Linux</i>, no Ubuntu: um kernel a menos. (Direto no Ubuntu também funciona: aí são programas sem contêiner. No engine do Windows, eles são recusados.)</details>
#
# ### 2. Uma caixa que vê demais
#
# Mude o comando da próxima célula para que a caixa, ainda com um nome só dela, veja *só os próprios* processos.
#
# <details><summary>Uma dica</summary>Faltam duas opções da seção 4, e também <code>--mount-proc</code>, porque o <code>ps</code> lê o <code>/proc</code>.</details>
# <details><summary>Resposta</summary><code>by_hand(f"{alone} --uts --pid --fork --mount-proc sh -c 'hostname box; hostname; ps -e | wc -l'")</code>. A contagem cai para umas poucas linhas: o shell, o <code>ps</code>, o <code>wc</code> e uma linha de cabeçalho.</details>

# %% slideshow={"slide_type": "skip"} tags=["this-computer"]
by_hand(f"{alone} --uts sh -c 'hostname box; hostname; ps -e | wc -l'")

# %% [markdown] slideshow={"slide_type": "skip"} translates="39610340"
# ### 3. O mesmo app, três vezes
#
# Este exercício se corrige sozinho. Clique em **Iniciar**, digite os comandos na caixa do exercício e clique em **Verificar**.

# %% slideshow={"slide_type": "skip"}
exercise("first_service", make=make)

# %% slideshow={"slide_type": "skip"} translates="605849dc"
# Quatro perguntas, uma delas sobre a página 00. Depois, score() soma todas as suas apostas.
display(
    quiz("windows_container", "kernel_crash", "seen_outside", "leader_crash"),
    where_next("01_vm_vs_container"),
)
