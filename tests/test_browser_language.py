"""JupyterLab in Portuguese, and a change of language while a page is open."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import Lab, notebook_of, opened

MS = 120_000
CELLS = (
    "import swarmlab\ncluster = swarmlab.simulate(managers=3, workers=1, seed=7)\ncluster.board()",
    "cluster.crash('m1')\ncluster.run('30s')",
    "from swarmlab.views.timeline import timeline\ntimeline(cluster)",
    "from swarmlab.lessons.course_map import course_map\ncourse_map()",
)


@pytest.mark.browser
def test_menus_are_in_portuguese_and_a_list_changes_all_that_is_live(tmp_path: Path, chromium: str):
    folder = tmp_path / "pt-BR"
    folder.mkdir()
    (folder / "switch.ipynb").write_text(notebook_of(*CELLS), encoding="utf-8")
    words = ("lab", "--lang", "pt-BR", "--folder", str(tmp_path))
    with Lab(tmp_path, *words) as lab, opened(lab, "pt-BR/switch.ipynb", chromium) as notebook:
        page = notebook.page
        menus = "Arquivo Editar Exibir Executar Kernel Abas Configurações Ajuda"
        assert page.get_by_role("menubar").first.inner_text().split() == menus.split()
        notebook.name = "switch.ipynb"
        notebook.menu("Executar", "Executar todas as células")
        notebook.wait_until_idle()
        board = page.locator(".jupyterlab-sidecar section.swarmlab-board")
        news, play = board.locator(".news"), board.locator("button.play")
        expect(news).to_contain_text("m2 lidera agora", timeout=MS)
        expect(play).to_have_text("▶ Reproduzir")
        # The recording of a live picture is not shown below it.
        line = page.locator(".swarmlab-timeline").first
        expect(line).to_be_visible(timeout=MS)
        assert page.locator("[data-recorded]:visible").count() == 0
        choice = page.get_by_label("Idioma")
        choice.select_option(label="English")
        expect(play).to_have_text("▶ Play", timeout=MS)
        expect(news).to_contain_text("m2 leads now", timeout=MS)
        expect(line.get_by_role("button", name="Fork here")).to_be_visible(timeout=MS)
        assert notebook.tracebacks() == notebook.dialogs() == []
        page.get_by_label("Language", exact=True).select_option(label="português (Brasil)")
        expect(news).to_contain_text("m2 lidera agora", timeout=MS)
        assert "leads" not in board.inner_text()
