// What the live widgets share; Python puts this file before each widget's own module.

const ANSWER_MS_MAX = 5000; // a kernel that takes longer to answer is reported
const app = window.jupyterapp; // in JupyterLab as `swarmlab lab` starts it

// One switch for all pictures of this browser, also those that are made later.
const big = {
  get on() { return document.documentElement.classList.contains("swarmlab-big"); },
  set on(value) {
    document.documentElement.classList.toggle("swarmlab-big", value);
    try { localStorage.swarmlabBig = value; } catch { /* a page from a file may not remember */ }
  },
};
try { if (localStorage.swarmlabBig === "true") big.on = true; } catch { /* the same */ }

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

// One child per row, in the rows' order. A child is kept as long as its row, so it keeps the focus.
function syncChildren(parent, rows, keyOf, create, update) {
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

// Highlights for a moment an element whose text changed; the first drawing highlights nothing.
function highlightChange(element, text) {
  const changed = element.lastText !== undefined && element.lastText !== text;
  element.lastText = text;
  if (!changed) return;
  // An animation of another name starts from its beginning; to remove the class first would force a layout.
  element.classList.toggle("again", element.matches(".changed:not(.again)"));
  element.classList.add("changed");
}

// The folded text form of a widget; returns the element for the text.
function makeTextForm(root, labels) {
  const details = make("details", "text-form", root);
  make("summary", "", details, labels.text);
  return make("pre", "", details);
}

// The list of what happened, which screen readers read out as it grows.
function makeNews(root, labels) {
  const news = make("ol", "news", root);
  news.setAttribute("role", "log");
  news.setAttribute("aria-live", "polite");
  news.setAttribute("aria-label", labels.news);
  return news;
}

// The error of the last click.
function makeError(root) {
  const error = make("p", "error", root);
  error.setAttribute("role", "alert");
  return error;
}

// A shape as `views/primitives.py` made it; `colour` is its version's.
function drawShape(holder, [markup], colour = "") {
  if (holder.markup !== markup) holder.innerHTML = holder.markup = markup;
  holder.style.setProperty("--version", colour);
}

function newShape(parent) {
  return make("span", "shape-of", parent);
}

// Text in which ids are dim.
function writeWithIds(element, text) {
  text.split(/\b([0-9a-z]{25})\b/).forEach((part, place) => {
    if (place % 2) make("span", "id", element, part);
    else element.append(part);
  });
}

// Keys must not reach Jupyter: d d would delete the cell. Those with Ctrl or Alt do, and
// Shift+Enter, which runs the cell. JupyterLab takes a key on its way up. Notebook 7 takes it on its
// way down, before the page does, unless its target has an attribute that Lumino heeds.
function keepKeys(root) {
  const kept = ({ key, shiftKey, ctrlKey, metaKey, altKey }) =>
    !(shiftKey && key === "Enter") && !ctrlKey && !metaKey && !altKey;
  const mark = (event) => event.target.toggleAttribute("data-lm-suppress-shortcuts", kept(event));
  root.addEventListener("focusin", () => window.addEventListener("keydown", mark, true));
  root.addEventListener("focusout", () => window.removeEventListener("keydown", mark, true));
  root.addEventListener("keydown", (event) => { if (kept(event)) event.stopPropagation(); });
}

// The line that appears when the kernel does not answer. In JupyterLab as `swarmlab lab` starts it,
// a button runs the notebook's cells as far as the picture's own, which rebuilds it.
function makeGone(root, labels) {
  const gone = make("p", "gone", root, `${labels.gone} `);
  gone.hidden = true;
  if (!app) {
    gone.append(labels.by_hand);
    return gone;
  }
  make("button", "rebuild", gone, labels.rebuild).onclick = async () => {
    const pages = [...app.shell.widgets("main")];
    const indexIn = (page) => page.content?.widgets?.findIndex((cell) => cell.node.contains(root.home ?? root));
    const page = pages.find((page) => indexIn(page) >= 0);
    const dead = ".jupyterlab-sidecar:has(.gone:not([hidden]))";
    pages.filter((panel) => panel.node.matches(dead)).forEach((panel) => panel.close());
    app.shell.activateById(page.id);
    page.content.activeCellIndex = indexIn(page);
    await app.commands.execute("notebook:run-all-above");
    await app.commands.execute("notebook:run-cell");
  };
  return gone;
}

// The connection to the kernel: `send` reports a click, `draw` is called when something changed.
// While the kernel does not answer, nothing can be clicked but what rebuilds the picture. A view that
// ends says so: the picture sleeps, unless another view of it, here or in another browser, answers.
function connect(model, root, draw) {
  const gone = makeGone(root, model.get("labels"));
  if (!model.recorded) { // while the live picture is there, its recording is not shown
    make("style", "", root, `[data-recorded="${model.get("labels").model}"] { display: none; }`);
  }
  keepKeys(root);
  let frame = 0;
  let timeout = 0;
  const setLost = (lost) => {
    gone.hidden = !lost;
    for (const child of root.children) child.inert = lost && child !== gone;
  };
  const lost = () => setLost(true);
  const answered = () => { clearTimeout(timeout); if (!gone.hidden) setLost(false); };
  const redraw = () => { frame = 0; draw(); };
  const soon = () => { answered(); frame ||= requestAnimationFrame(redraw); };
  const send = (verb, more = {}) => {
    clearTimeout(timeout);
    if (!model.recorded) timeout = setTimeout(lost, ANSWER_MS_MAX);
    model.send({ do: verb, ...more });
  };
  const told = ({ did }) => {
    answered();
    if (did === "leave") send("look");
  };
  const events = { "change": soon, "msg:custom": told, "comm_live_update": lost };
  const begin = () => {
    draw();
    for (const [name, handler] of Object.entries(events)) model.on(name, handler);
    send("look"); // a picture that was saved with the notebook gets no answer
  };
  const end = () => {
    for (const [name, handler] of Object.entries(events)) model.off(name, handler);
    cancelAnimationFrame(frame);
    clearTimeout(timeout);
    root.remove();
    if (!model.recorded) model.send({ do: "leave" });
  };
  return { send, begin, end };
}

// A view that is made again when its texts come in another language.
function inLanguage(render) {
  return (context) => {
    let end = render(context);
    const again = () => {
      const former = end;
      end = render(context); // first, so that a docked board keeps its panel
      former?.();
    };
    context.model.on("change:labels", again);
    return () => {
      context.model.off("change:labels", again);
      end?.();
    };
  };
}
