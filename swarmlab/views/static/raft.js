// Draws the Raft columns. Python decides every text and position, and sends finished rows.
// The helpers are in common.js.

function render({ model, el }) {
  const root = make("div", "swarmlab-board swarmlab-raft", el);
  const labels = model.get("labels");
  root.setAttribute("role", "region");
  root.setAttribute("aria-label", labels.title);
  const { send, begin, end } = connect(model, root, draw);

  // -- the bar: time in small steps ------------------------------------------------
  const bar = make("div", "bar", root);
  const step = make("button", "step live", bar, labels.step);
  step.onclick = () => send("step");
  const size = make("select", "size live", bar);
  size.setAttribute("aria-label", labels.size);
  for (const [value, text] of labels.steps) make("option", "", size, text).value = value;
  size.onchange = () => send("size", { step: size.value });
  const run = make("button", "run live", bar);
  run.onclick = () => send(model.get("status").running ? "halt" : "run");
  const clock = make("span", "clock", bar);
  const change = make("button", "change live", bar, labels.change);
  change.onclick = () => send("change");

  // -- columns, with the messages between their heads and their logs -----------------------
  const scroll = make("div", "scroll", root);
  const stage = make("div", "stage", scroll);
  const heads = make("ul", "row heads", stage);
  const messageList = make("ul", "messages", stage);
  const silence = make("p", "silence", stage, labels.silence);
  const logs = make("ul", "row logs", stage);
  const error = makeError(root);
  const news = makeNews(root, labels);
  make("p", "help live", root, labels.help);
  const textForm = makeTextForm(root, labels);

  function createHead() {
    const head = document.createElement("li");
    head.className = "column";
    const title = make("div", "title", head);
    head.shape = newShape(title);
    head.name = make("span", "name", title);
    head.roleText = make("span", "raft-role", title);
    head.button = make("button", "power live", title);
    head.facts = make("ul", "facts", head);
    head.button.onclick = () => send(head.row.action[0], { name: head.row.name });
    return head;
  }

  function drawHead(head, row) {
    head.dataset.name = row.name;
    head.dataset.role = row.role;
    head.setAttribute("aria-label", row.label);
    drawShape(head.shape, row.look);
    write(head.name, row.name);
    write(head.roleText, row.look[1]);
    write(head.button, row.action[1]);
    head.button.setAttribute("aria-label", `${row.action[1]} ${row.name}`);
    highlightChange(head, row.role + row.facts[0] + row.facts[1]);
    syncChildren(head.facts, row.facts, (_, place) => place, () => make("li", "", head.facts), write);
  }

  function drawLog(log, row) {
    log.dataset.name = row.name;
    syncChildren(log, row.log, ([index]) => index, () => make("li", "entry", log), (entry, [, text, safe, holds]) => {
      entry.textContent = text || "–";
      make("span", "holds", entry, holds);
      entry.dataset.state = !text ? "none" : safe ? "safe" : "open";
      highlightChange(entry, entry.dataset.state);
    });
  }

  // -- a message: a line from column to column, and a button at its position on the line ---------------
  function createMessage() {
    const item = document.createElement("li");
    item.line = make("span", "line", item);
    item.button = make("button", "message", item);
    item.button.onclick = () => lose(item);
    return item;
  }

  // Focus goes to the message that takes the place of the lost one, so that a key is enough.
  function lose(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    (next?.button ?? step).focus();
    send("drop", { key: item.row.key });
  }

  function drawMessage(item, row) {
    const centre = (column) => ((column + 0.5) / model.get("columns").length) * 100;
    const [from, to] = [centre(row.from), centre(row.to)];
    item.line.style.left = `${Math.min(from, to)}%`;
    item.line.style.width = `${Math.abs(to - from)}%`;
    item.line.dataset.to = to > from ? "right" : "left";
    item.button.style.left = `${from + (to - from) * (0.15 + 0.7 * row.progress)}%`;
    item.button.dataset.tone = row.tone;
    item.button.setAttribute("aria-label", row.label);
    write(item.button, to > from ? `${row.text} ▶` : `◀ ${row.text}`);
  }

  function draw() {
    const status = model.get("status");
    const columns = model.get("columns");
    const messages = model.get("messages");
    stage.style.setProperty("--columns", columns.length);
    write(run, status.running ? labels.halt : labels.play);
    size.value = status.step;
    write(clock, status.clock);
    syncChildren(heads, columns, ({ name }) => name, createHead, drawHead);
    syncChildren(messageList, messages, ({ key }) => key, createMessage, drawMessage);
    silence.hidden = messages.length > 0;
    syncChildren(logs, columns, ({ name }) => name, () => make("ul", "log", logs), drawLog);
    write(error, status.error);
    syncChildren(news, model.get("news"), ([number]) => number, () => make("li", "", news),
      (item, [, , text]) => write(item, text));
    write(textForm, model.get("text"));
  }

  begin();
  return end;
}

export default { render: inLanguage(render) };
