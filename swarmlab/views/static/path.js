// Draws slide 34: the parts, and one step at a time on its way. All steps are in the model, so that
// stepping needs no kernel. The helpers are in common.js.

const STEP_MS = 1800; // of a step while it plays
const MOVE_MS = 700;

function render({ model, el }) {
  const root = make("section", "swarmlab-board swarmlab-path", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title);
  const { send, begin, end } = connect(model, root, draw);
  let at = 0;
  let timer = 0;

  // -- the bar, and the parts --------------------------------------------------------------
  const bar = make("div", "bar", root);
  const go = (to) => { at = Math.max(0, Math.min(to, model.get("steps").length - 1)); draw(true); };
  const setPlaying = (on) => {
    clearInterval(timer);
    timer = on ? setInterval(() => {
      go(at + 1);
      if (at === model.get("steps").length - 1) setPlaying(false);
    }, STEP_MS) : 0;
    play.textContent = on ? labels.halt : labels.play;
  };
  const stepBy = (count) => { setPlaying(false); go(at + count); };
  make("button", "back", bar, labels.back).onclick = () => stepBy(-1);
  const play = make("button", "play", bar, labels.play);
  play.onclick = () => {
    if (!timer && at === model.get("steps").length - 1) go(0);
    setPlaying(!timer);
  };
  make("button", "forward", bar, labels.forward).onclick = () => stepBy(1);
  const clock = make("span", "clock", bar);
  const stage = make("div", "stages", root);
  const boxes = { client: make("span", "place", stage, labels.client) };
  for (const place of ["manager", "node"]) {
    const frame = make("div", `frame ${place}`, stage);
    const head = make("b", "head", frame, labels[place]);
    const row = make("ol", "parts", frame);
    for (const [key, title, does] of labels.parts.filter((part) => part[3] === place)) {
      const box = (boxes[key] = make("li", "part", row));
      make("b", "", box, title);
      make("small", "", box, does);
    }
    if (place === "manager") boxes.store = make("div", "store", frame);
    else boxes.node = head;
  }
  make("span", "", boxes.store, labels.store);
  const table = make("table", "stored", make("div", "scroll", boxes.store));
  const token = make("i", "token", stage);
  token.setAttribute("aria-hidden", "true");

  // -- what this step read, decided and wrote ------------------------------------------------
  const told = make("div", "told", root);
  told.setAttribute("aria-live", "polite");
  const title = make("p", "title", told);
  const lines = make("dl", "lines", told);
  const error = make("p", "error", told);
  const why = make("button", "why live", root, labels.why);
  why.onclick = () => send("why", { task: step().why });
  const funnel = make("div", "funnel", root);
  const code = make("details", "code", root);
  make("summary", "", code, labels.code);
  const sources = make("div", "", code);
  make("p", "help", root, labels.help);
  const more = make("p", "more", root);
  const failure = makeError(root);
  const textForm = makeTextForm(root, labels);

  const step = () => model.get("steps")[at];
  root.tabIndex = 0;
  root.onkeydown = (event) => {
    const keys = { ArrowLeft: () => stepBy(-1), ArrowRight: () => stepBy(1), Home: () => stepBy(-at), p: () => play.click() };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault();
  };

  const centre = (box) => {
    const [inner, outer] = [box.getBoundingClientRect(), stage.getBoundingClientRect()];
    return `translate(${inner.left - outer.left + inner.width / 2}px, ${inner.top - outer.top + inner.height - 4}px)`;
  };

  const settle = () => { token.style.transform = centre(boxes[step().to] ?? boxes.store); };
  const resized = new ResizeObserver(settle);

  function moveToken({ from, part, to }) {
    const places = [from, part, to].map((name) => centre(boxes[name] ?? boxes.store));
    token.style.transform = places[2];
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    token.animate(places.map((transform) => ({ transform })), { duration: MOVE_MS, easing: "ease-in-out" });
  }

  function drawLines(row) {
    const wrote = row.to === "store" ? labels.wrote : labels.did;
    lines.replaceChildren();
    for (const [head, texts] of [[labels.read, [row.read]], [labels.decided, [row.decided]], [wrote, row.wrote]]) {
      make("dt", "", lines, head);
      const place = make("dd", "", lines);
      for (const text of texts) make("div", "", place, text);
    }
  }

  function drawTable(row) {
    table.replaceChildren();
    const head = make("tr", "", make("thead", "", table));
    for (const text of labels.heads) make("th", "", head, text).scope = "col";
    const body = make("tbody", "", table);
    for (const cells of row.store) {
      const line = make("tr", cells.at(-1) ? "fresh" : "", body);
      for (const cell of cells.slice(0, -1)) make("td", "", line, cell);
    }
    table.hidden = row.store.length === 0;
  }

  function drawCode(row) {
    sources.replaceChildren();
    for (const name of row.code) {
      const [place, text] = model.get("sources")[name];
      make("p", "", sources, `${name}: ${place}`);
      make("pre", "", sources, text);
    }
    code.hidden = row.code.length === 0;
  }

  function draw(moved = false) {
    const row = step();
    write(clock, labels.step.replace("{0}", at + 1).replace("{1}", model.get("steps").length));
    for (const [key, box] of Object.entries(boxes)) {
      box.classList.toggle("now", key === row.part);
      box.classList.toggle("touched", key === row.from || key === row.to);
      box.classList.toggle("stopped", key === row.part && row.error !== "");
    }
    write(boxes.node, ["worker", "executor", "dispatcher"].includes(row.part) && row.to !== "store" ? `${labels.node}: ${row.where}` : labels.node);
    write(title, `${row.time}  ${row.title}`);
    drawLines(row);
    write(error, row.error);
    why.hidden = row.why === "" || model.recorded === true;
    const explained = model.get("funnel")[row.why] ?? "";
    funnel.hidden = explained === "";
    if (funnel.markup !== explained) funnel.innerHTML = funnel.markup = explained;
    drawTable(row);
    drawCode(row);
    write(more, model.get("status").more);
    write(failure, model.get("status").error);
    write(textForm, model.get("text"));
    if (moved === true) moveToken(row);
    else requestAnimationFrame(settle);
  }

  begin();
  resized.observe(stage);
  return () => { clearInterval(timer); resized.disconnect(); end(); };
}

export default { render: inLanguage(render) };
