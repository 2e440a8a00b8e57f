// Draws the timeline. Python decides every text and position, and sends finished rows.
// The helpers are in common.js.

function render({ model, el }) {
  const root = make("section", "swarmlab-board swarmlab-timeline", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title);
  const { send, begin, end } = connect(model, root, draw);

  // -- the bar, and the line ---------------------------------------------------------
  const bar = make("div", "bar", root);
  for (const verb of ["back", "forward", "fork"]) {
    make("button", verb, bar, labels[verb]).onclick = () => send(verb);
  }
  const clock = make("span", "clock", bar);
  const track = make("div", "track", root);
  const cursor = make("div", "cursor", track);
  const events = make("ol", "events", track);
  events.setAttribute("aria-label", labels.events);
  const leaders = make("ol", "leaders", track);
  const ticks = make("ol", "ticks", track);
  ticks.setAttribute("aria-hidden", "true");
  const error = makeError(root);
  const news = make("div", "notices", root);
  news.setAttribute("role", "status");
  const happened = make("ul", "happened", root);
  happened.setAttribute("aria-label", labels.happened);
  happened.setAttribute("aria-live", "polite");
  // After a fork there are two boards, side by side.
  const boards = make("div", "boards", root);
  const [columns, copyColumns] = [labels.swarm, ""].map((name) => {
    const board = make("div", "", boards);
    const title = make("b", "", board);
    const list = make("ul", "columns", board);
    list.setAttribute("aria-label", name);
    return Object.assign(list, { heading: title });
  });
  const swarm = make("ul", "swarm", root);
  make("p", "help", root, labels.help);
  const textForm = makeTextForm(root, labels);

  root.onkeydown = (event) => {
    const verb = { ArrowLeft: "back", ArrowRight: "forward" }[event.key];
    if (!verb || event.ctrlKey || event.metaKey || event.altKey) return;
    send(verb);
    event.preventDefault();
  };

  const line = (parent) => () => make("li", "", parent);
  const place = (item, left) => { item.style.left = `${left}%`; };

  function createEvent() {
    const item = document.createElement("li");
    item.button = make("button", "event", item);
    item.button.onclick = () => send("at", { ns: item.row.ns });
    return item;
  }

  function drawEvent(item, row) {
    place(item, row.left);
    item.style.setProperty("--line", row.line);
    item.classList.toggle("late", row.late);
    write(item.button, row.word);
    item.button.dataset.kind = row.kind;
    item.button.classList.toggle("alarm", row.bad);
    item.button.title = row.label;
    item.button.setAttribute("aria-label", row.label);
    item.button.setAttribute("aria-current", row.here ? "step" : "false");
    item.button.tabIndex = row.here || row === model.get("events").at(-1) ? 0 : -1;
    if (row.here && events.contains(document.activeElement)) item.button.focus();
  }

  function drawColumn(item, row) {
    item.replaceChildren();
    item.className = "column";
    item.dataset.tone = row.tone;
    item.setAttribute("aria-label", row.label);
    const head = make("div", "head", item);
    const title = make("span", "title", head);
    make("span", "name", title, row.name);
    const badge = make("span", `badge${row.leads ? " leads" : ""}`, title, row.badge);
    badge.hidden = !row.badge;
    const role = make("span", "role", head);
    make("span", "", role, row.role);
    make("span", "", role, row.term);
    make("span", "fact condition", head, row.condition);
    const tasks = make("ul", "tasks", item);
    for (const [, kind, name, title, colour] of row.tasks) {
      const task = make("li", "task", tasks);
      task.title = title;
      drawShape(newShape(task), model.get("looks")[kind], colour);
      make("span", "name", task, name);
      make("span", "spoken", task, ` ${model.get("looks")[kind][1]}`);
    }
  }

  function draw() {
    const status = model.get("status");
    write(clock, status.clock);
    place(cursor, status.left);
    const lines = Math.max(0, ...model.get("events").map((row) => row.line)) + 1;
    events.style.setProperty("--lines", lines);
    syncChildren(events, model.get("events"), (row) => row.ns, createEvent, drawEvent);
    syncChildren(leaders, model.get("leaders"), (_, at) => at, line(leaders), (item, [left, width, text, title]) => {
      place(item, left);
      item.style.width = `${width}%`;
      item.title = title;
      item.textContent = text;
    });
    syncChildren(ticks, status.ticks, (_, at) => at, line(ticks), (item, [left, text]) => {
      place(item, left);
      write(item, text);
    });
    write(error, status.error);
    syncChildren(news, model.get("news").slice(0, 1), ([number]) => number, () => make("p", "", news),
      (item, [, , text]) => write(item, text));
    syncChildren(happened, model.get("happened"), (_, at) => at, line(happened), write);
    const [title = "", rows = []] = model.get("copy");
    write(columns.heading, title && labels.original);
    write(copyColumns.heading, title);
    copyColumns.setAttribute("aria-label", title);
    copyColumns.parentElement.hidden = title === "";
    syncChildren(columns, model.get("columns"), (row) => row.name, line(columns), drawColumn);
    syncChildren(copyColumns, rows, (row) => row.name, line(copyColumns), drawColumn);
    syncChildren(swarm, model.get("swarm"), (_, at) => at, line(swarm), write);
    write(textForm, model.get("text"));
  }

  begin();
  return end;
}

export default { render: inLanguage(render) };
