// Shows a picture that Python made of the parts in views/primitives.py, and reports what is done to
// it. What has `data-do` in it is clicked; what has `data-part` is dragged onto what has `data-onto`.

function render({ model, el }) {
  const root = make("section", "swarmlab-board swarmlab-view swarmlab-picture", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title ?? "");
  const { send, begin, end } = connect(model, root, draw);
  const stage = make("div", "", root);
  const error = makeError(root);
  const news = makeNews(root, labels);

  // What is pressed stays until it is released, or the browser would see no click on it.
  let pressed = false;
  const release = () => { pressed = false; setTimeout(draw); };
  for (const [down, ...ups] of [["pointerdown", "pointerup", "pointercancel"], ["keydown", "keyup"]]) {
    stage.addEventListener(down, () => {
      pressed = true;
      for (const up of ups) window.addEventListener(up, release, { capture: true, once: true });
    });
  }
  stage.onclick = ({ target }) => {
    const hit = target.closest("[data-do]");
    if (hit && !model.recorded) send(hit.dataset.do, { ...hit.dataset });
  };
  stage.onkeydown = (event) => {
    if (!event.target.matches("[role=button]") || ![" ", "Enter"].includes(event.key)) return;
    event.target.click();
    event.preventDefault();
  };
  const under = ({ target }) => target.closest("[data-onto]");
  stage.ondragstart = (event) => event.dataTransfer.setData("text/plain", event.target.dataset.part);
  stage.ondragover = (event) => {
    if (under(event)) event.preventDefault();
  };
  stage.ondrop = (event) => {
    event.preventDefault();
    const onto = under(event)?.dataset.onto;
    if (onto !== undefined) send("drop", { part: event.dataTransfer.getData("text/plain"), onto });
  };

  // The focus stays on the part that had it, which the new picture has again.
  function draw() {
    const html = model.get("value");
    if (stage.drawn !== html && !pressed) {
      const focused = stage.contains(document.activeElement) ? document.activeElement.dataset.key : "";
      stage.innerHTML = stage.drawn = html;
      if (focused) stage.querySelector(`[data-key="${focused}"]`)?.focus();
    }
    write(error, model.get("status").error);
    syncChildren(news, model.get("news"), ([number]) => number, () => make("li", "", news),
      (item, [, , text]) => write(item, text));
    news.hidden = model.get("news").length === 0;
  }

  begin();
  return end;
}

export default { render: inLanguage(render) };
