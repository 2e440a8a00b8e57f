// Draws the board. Python decides every text, order and state, and sends finished rows.
// The helpers are in common.js.

const MOVE_MS = 900;

function render({ model, el }) {
  const root = make("section", "swarmlab-board", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title);
  let current = ""; // the column that Tab leads to
  let open = ""; // the column whose menu is open
  let drawnOnce = false;
  let speedOfKernel; // a choice on its way there is not undone
  const arriving = []; // tasks that have come from another node: (the task, that node's name)
  const { send, begin, end } = connect(model, root, draw);

  // -- the bar: the clock, and the leader -------------------------------------------
  const bar = make("div", "bar", root);
  const play = make("button", "play live", bar);
  play.onclick = () => send(model.get("status").playing ? "halt" : "play");
  const step = make("button", "step live", bar, labels.step);
  step.onclick = () => send("step");
  const speed = make("select", "speed live", bar);
  speed.setAttribute("aria-label", labels.speed);
  for (const value of model.get("speeds")) make("option", "", speed, `${value}×`).value = value;
  speed.onchange = () => send("speed", { speed: Number(speed.value) });
  const scenes = make("select", "scenes live", bar);
  scenes.setAttribute("aria-label", labels.scenes);
  scenes.onchange = () => {
    goTo(scenes.value);
    scenes.value = "";
  };
  const clock = make("span", "clock", bar);
  const leader = make("span", "leader", bar);
  const large = make("button", "large", bar, labels.large);
  large.onclick = () => { big.on = !big.on; draw(); };
  const services = make("ul", "services", root);
  const columns = make("ul", "columns", root);
  // Below the columns, so that nothing moves under the pointer when these come and go.
  const error = makeError(root);
  const offer = make("p", "offer live", root);
  offer.setAttribute("role", "status");
  const offered = make("span", "", offer);
  make("button", "", offer, labels.go).onclick = () => goTo(model.get("offer")[0]);
  const notices = make("div", "notices", root);
  const waiting = make("ul", "waiting", root);
  const news = makeNews(root, labels);
  const help = make("p", "help live", root);
  help.append(`${labels.help} `); // spaces, where a line may end
  for (const [key, , text] of model.get("actions")) {
    make("kbd", "", help, key);
    help.append(`${text} `);
  }
  const sceneHelp = make("span", "", help);
  for (const [key, text] of [["z", labels.back], ["Z", labels.reset]]) {
    make("kbd", "", sceneHelp, key);
    sceneHelp.append(`${text} `);
  }
  const key = make("details", "key", root);
  make("summary", "", key, labels.legend);
  const legend = make("ul", "legend", key);
  for (const look of Object.values(model.get("looks"))) {
    const item = make("li", "", legend);
    drawShape(newShape(item), look);
    item.append(look[1]);
  }
  const textForm = makeTextForm(root, labels);

  // -- scenes: a menu of names, and a last entry that starts over -------------------
  function goTo(name) {
    if (name === "reset") send("reset");
    else send("scene", { name });
  }

  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
    const name = { z: "", Z: "reset" }[event.key];
    if (name !== undefined && model.get("scenes").length) goTo(name);
  });

  function drawScenes() {
    const rows = model.get("scenes");
    scenes.hidden = sceneHelp.hidden = !rows.length;
    if (scenes.drawn === rows) return;
    scenes.drawn = rows;
    scenes.replaceChildren();
    for (const [name, title] of [["", labels.scenes], ...rows, ["reset", labels.reset]]) {
      const text = name.includes(".") ? `${name} · ${title}` : title;
      make("option", "", scenes, text).value = name;
    }
  }

  // -- one column ------------------------------------------------------------------
  function createColumn(key) {
    const column = document.createElement("li");
    column.className = "column";
    const head = (column.head = make("button", "head", column));
    const title = make("span", "title", head);
    column.name = make("span", "name", title);
    column.badge = make("span", "badge", title);
    const role = make("span", "role", head);
    column.roleText = make("span", "", role);
    column.term = make("span", "", role);
    column.condition = make("span", "fact condition", head);
    column.menu = make("div", "menu live", column);
    column.tasks = make("ul", "tasks", column);
    head.onclick = () => choose(open === key ? "" : key);
    head.onfocus = () => { current = key; drawColumns(); };
    head.onkeydown = (event) => headKey(event, key);
    column.onkeydown = (event) => columnKey(event, key);
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
    write(column.roleText, row.role);
    write(column.term, row.term);
    write(column.condition, row.condition);
    highlightChange(column.head, [row.badge, row.condition].join());
    syncChildren(column.menu, row.actions, ([verb]) => verb, ([verb]) => {
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
    syncChildren(column.tasks, row.tasks, ([id]) => id, createTask, drawTask);
  }

  function createTask(row) {
    const task = document.createElement("li");
    if (drawnOnce && row[5]) arriving.push([task, row[5]]);
    task.className = "task";
    task.shape = newShape(task);
    task.name = make("span", "name", task);
    task.state = make("span", "spoken", task);
    task.lastText = drawnOnce ? "" : undefined;
    return task;
  }

  function drawTask(task, [, kind, name, title, colour]) {
    const look = model.get("looks")[kind];
    drawShape(task.shape, look, colour);
    task.dataset.kind = kind;
    task.title = title;
    write(task.name, name);
    write(task.state, ` ${look[1]}`);
    highlightChange(task, kind);
  }

  // A task that has moved is seen to move: from the node that had it to the one that has it.
  function arrive(task, name) {
    const home = columns.querySelector(`.column[data-name="${name}"] .tasks`);
    if (!home || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const [from, to] = [home.getBoundingClientRect(), task.getBoundingClientRect()];
    const away = `translate(${from.left - to.left}px, ${from.top - to.top}px)`;
    task.animate([{ transform: away, zIndex: 9 }, { transform: "none", zIndex: 9 }], { duration: MOVE_MS, easing: "ease-in-out" });
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
    const to = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: keys.length - 1 }[event.key];
    if (to === undefined) return;
    columns.kept.get(keys[Math.max(0, Math.min(to, keys.length - 1))]).head.focus();
    event.preventDefault();
  }

  // Keys on the head of a column and in its menu, which a click opens.
  function columnKey(event, key) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = model.get("actions").find(([letter]) => letter === event.key);
    if (action) send(action[1], { node: key });
    else if (event.key !== "Escape") return;
    choose("");
    columns.kept.get(key).head.focus();
    event.preventDefault();
  }

  // -- everything -------------------------------------------------------------------
  function drawColumns() {
    const keys = model.get("columns");
    syncChildren(columns, keys, (key) => key, createColumn, () => {});
    for (const key of keys) drawColumn(columns.kept.get(key), key);
  }

  function draw() {
    const status = model.get("status");
    large.setAttribute("aria-pressed", String(big.on));
    for (const part of [play, step, speed, clock]) part.hidden = !status.clock;
    write(play, status.playing ? labels.halt : labels.play);
    if (speedOfKernel !== status.speed) speed.value = speedOfKernel = status.speed;
    write(clock, status.clock);
    write(leader, status.leader);
    drawScenes();
    const scene = model.get("offer") ?? [];
    offer.hidden = !scene.length;
    write(offered, `${labels.offer} ${scene.join(" · ")} `);
    write(error, status.error);
    const line = (parent) => () => make("li", "", parent);
    syncChildren(notices, status.notices, String, () => make("p", "", notices), write);
    syncChildren(services, model.get("services"), ([name]) => name, line(services), (item, [name, text, tasks]) => {
      item.replaceChildren();
      make("b", "", item, name);
      item.append(` ${text} `);
      for (const [kind, colour] of tasks) drawShape(newShape(item), model.get("looks")[kind], colour);
    });
    drawColumns();
    syncChildren(waiting, model.get("waiting"), ([, why]) => why, line(waiting), (item, [names, why]) => {
      drawShape(item.shape ?? (item.shape = newShape(item)), model.get("looks").pending);
      item.text ??= make("span", "", item);
      write(item.text, `${names}: ${why}`);
    });
    syncChildren(news, model.get("news"), ([number]) => number, line(news), (item, [, at, text]) => {
      item.replaceChildren();
      make("time", "", item, at);
      writeWithIds(item, text);
    });
    write(textForm, model.get("text"));
    for (const [task, name] of arriving.splice(0)) arrive(task, name);
    drawnOnce = true;
  }

  begin();
  const undock = model.recorded ? () => {} : makeDockable(model, root, el, send);
  return () => { undock(); end(); };
}

export default { render: inLanguage(render) };
