// Draws the board. Python decides: every word, order and state comes in finished rows.

const SVG = "http://www.w3.org/2000/svg";
const PATIENCE_MS = 5000;
const GONE = "The kernel does not answer: it is busy, or was restarted. If it was, "
  + "press Run on the cell above to rebuild the board.";

function make(tag, className, parent, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  parent.append(element);
  return element;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}

// One child a row, in the rows' order. Children live as long as their row, so focus stays where it is.
function keep(parent, rows, keyOf, create, update) {
  const old = (parent.kept ??= new Map());
  const kept = new Map();
  let place = parent.firstElementChild;
  rows.forEach((row, index) => {
    const key = keyOf(row, index);
    const child = old.get(key) ?? create(row);
    old.delete(key);
    kept.set(key, child);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    if (child.row !== row) update(child, row);
    child.row = row;
  });
  old.forEach((child) => child.remove());
  parent.kept = kept;
}

// Marks for a moment what is not as it was; the first picture marks nothing.
function mark(element, text) {
  const changed = element.marked !== undefined && element.marked !== text;
  element.marked = text;
  if (!changed) return;
  element.classList.remove("changed");
  void element.offsetWidth; // begins the animation anew
  element.classList.add("changed");
}

function drawShape(svg, [letter, , path, colour, ink]) {
  svg.setAttribute("viewBox", "-1 -1 26 26");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  shape.setAttribute("class", colour ? "full" : "hollow");
  if (colour) shape.style.fill = colour;
  const text = document.createElementNS(SVG, "text");
  text.setAttribute("x", "12");
  text.setAttribute("y", "17.5");
  text.textContent = letter;
  if (ink) text.style.fill = ink;
  svg.replaceChildren(shape, text);
}

function newShape(parent) {
  const svg = document.createElementNS(SVG, "svg");
  parent.append(svg);
  return svg;
}

function render({ model, el }) {
  const root = make("section", "swarmlab-board", el);
  root.setAttribute("aria-label", "Board of the swarm");
  root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab's d d would delete the cell
  let current = ""; // the column that Tab leads to
  let open = ""; // the column whose menu is open
  let frame = 0;
  let drawnOnce = false;
  let patience = 0;
  const gone = make("p", "gone", root, GONE);
  const lost = () => { gone.hidden = false; };
  const heard = () => { clearTimeout(patience); gone.hidden = true; };
  const send = (verb, more = {}) => {
    clearTimeout(patience);
    patience = setTimeout(lost, PATIENCE_MS);
    model.send({ do: verb, ...more });
  };
  gone.hidden = true;

  // -- the bar: the clock, and who leads -------------------------------------------
  const bar = make("div", "bar", root);
  const play = make("button", "play", bar);
  play.onclick = () => send(model.get("status").playing ? "halt" : "play");
  const step = make("button", "step", bar, "+10 s");
  step.onclick = () => send("step");
  const speed = make("select", "speed", bar);
  speed.setAttribute("aria-label", "Speed: virtual seconds a second");
  for (const value of model.get("speeds")) make("option", "", speed, `${value}×`).value = value;
  speed.onchange = () => send("speed", { speed: Number(speed.value) });
  const clock = make("span", "clock", bar);
  const leader = make("span", "leader", bar);
  const services = make("ul", "services", root);
  const columns = make("ul", "columns", root);
  // Below the columns, so that nothing moves under the pointer when these come and go.
  const error = make("p", "error", root);
  error.setAttribute("role", "alert");
  const notices = make("div", "notices", root);
  const waiting = make("ul", "waiting", root);
  const news = make("ol", "news", root);
  news.setAttribute("role", "log");
  news.setAttribute("aria-live", "polite");
  news.setAttribute("aria-label", "What happened");
  const help = make("p", "help", root);
  help.append("Click a node, or go to it with Tab, ← and →, and press");
  for (const [key, , word] of model.get("actions")) {
    make("kbd", "", help, key);
    help.append(word);
  }
  const legend = make("ul", "legend", root);
  for (const look of Object.values(model.get("looks"))) {
    const item = make("li", "", legend);
    drawShape(newShape(item), look);
    item.append(look[1]);
  }
  const details = make("details", "words", root);
  make("summary", "", details, "The board in words");
  const words = make("pre", "", details);

  // -- one column ------------------------------------------------------------------
  function createColumn(key) {
    const column = document.createElement("li");
    column.className = "column";
    const head = (column.head = make("button", "head", column));
    const title = make("span", "title", head);
    column.name = make("span", "name", title);
    column.badge = make("span", "badge", title);
    const duty = make("span", "duty", head);
    column.duty = make("span", "", duty);
    column.term = make("span", "", duty);
    column.condition = make("span", "fact condition", head);
    column.menu = make("div", "menu", column);
    column.tasks = make("ul", "tasks", column);
    head.onclick = () => choose(open === key ? "" : key);
    head.onfocus = () => { current = key; drawColumns(); };
    head.onkeydown = (event) => headKey(event, key);
    column.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      choose("");
      head.focus();
    };
    return column;
  }

  function drawColumn(column, key) {
    const row = model.get(`node:${key}`);
    if (!row) return;
    column.head.tabIndex = key === (current || model.get("columns")[0]) ? 0 : -1;
    column.head.setAttribute("aria-expanded", String(open === key));
    column.menu.hidden = open !== key;
    if (column.drawn === row) return;
    column.drawn = row;
    column.dataset.tone = row.tone;
    column.dataset.name = row.name;
    column.head.setAttribute("aria-label", row.label);
    write(column.name, row.name);
    write(column.badge, row.badge);
    column.badge.classList.toggle("leads", row.leads);
    write(column.duty, row.role);
    write(column.term, row.term);
    write(column.condition, row.condition);
    mark(column.head, [row.badge, row.condition].join());
    keep(column.menu, row.actions, ([verb]) => verb, ([verb]) => {
      const button = document.createElement("button");
      button.onclick = () => {
        send(verb, { node: key });
        choose("");
        column.head.focus();
      };
      return button;
    }, (button, [verb, action, letter]) => {
      button.dataset.do = verb;
      button.textContent = `${action} `;
      make("kbd", "", button, letter);
    });
    keep(column.tasks, row.tasks, ([id]) => id, createTask, drawTask);
  }

  function createTask() {
    const task = document.createElement("li");
    task.className = "task";
    task.shape = newShape(task);
    task.name = make("span", "name", task);
    task.word = make("span", "spoken", task);
    task.marked = drawnOnce ? "" : undefined;
    return task;
  }

  function drawTask(task, [, kind, name, title]) {
    const look = model.get("looks")[kind];
    if (task.dataset.kind !== kind) drawShape(task.shape, look);
    task.dataset.kind = kind;
    task.title = title;
    write(task.name, name);
    write(task.word, ` ${look[1]}`);
    mark(task, kind);
  }

  function choose(key) {
    open = key;
    drawColumns();
    if (key) columns.kept.get(key)?.menu.querySelector("button")?.focus();
  }

  function headKey(event, key) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = model.get("columns");
    const place = keys.indexOf(key);
    const action = model.get("actions").find(([letter]) => letter === event.key);
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: keys.length - 1 }[event.key];
    if (to !== undefined) columns.kept.get(keys[Math.max(0, Math.min(to, keys.length - 1))]).head.focus();
    else if (action) send(action[1], { node: key });
    else return;
    event.preventDefault();
  }

  // -- all of it -------------------------------------------------------------------
  function drawColumns() {
    const keys = model.get("columns");
    keep(columns, keys, (key) => key, createColumn, () => {});
    for (const key of keys) drawColumn(columns.kept.get(key), key);
  }

  function draw() {
    frame = 0;
    const status = model.get("status");
    bar.hidden = !status.clock;
    write(play, status.playing ? "❚❚ Pause" : "▶ Play");
    speed.value = status.speed;
    write(clock, status.clock);
    write(leader, status.leader);
    write(error, status.error);
    const line = (parent) => () => make("li", "", parent);
    keep(notices, status.notices, String, () => make("p", "", notices), write);
    keep(services, model.get("services"), ([name]) => name, line(services), (item, [name, text]) => {
      item.replaceChildren();
      make("b", "", item, name);
      item.append(` ${text}`);
    });
    drawColumns();
    keep(waiting, model.get("waiting"), ([, why]) => why, line(waiting), (item, [names, why]) => {
      drawShape(item.shape ?? (item.shape = newShape(item)), model.get("looks").pending);
      item.text ??= make("span", "", item);
      write(item.text, `${names}: ${why}`);
    });
    keep(news, model.get("news"), ([number]) => number, line(news), (item, [, at, text]) => {
      item.replaceChildren();
      make("time", "", item, at);
      item.append(text);
    });
    write(words, model.get("words"));
    drawnOnce = true;
  }

  const soon = () => { heard(); frame ||= requestAnimationFrame(draw); };
  const events = { "change": soon, "msg:custom": heard, "comm_live_update": lost };
  draw();
  for (const [name, then] of Object.entries(events)) model.on(name, then);
  send("look"); // a picture that was saved with the notebook gets no answer
  return () => {
    for (const [name, then] of Object.entries(events)) model.off(name, then);
    cancelAnimationFrame(frame);
    clearTimeout(patience);
    root.remove();
  };
}

export default { render };
