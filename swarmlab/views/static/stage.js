// The stage of `swarmlab present`: shows one step of the talk's notebook at a time, runs it when it
// is first shown, and takes the presenter's keys. `presenter.js` draws the presenter's window.

const page = app && [...app.shell.widgets("main")].find((widget) => widget.context?.path.endsWith("talk.ipynb"));
const { steps, keys, labels } = page?.content.model.getMetadata("swarmlab") ?? {};
const [MARGIN_PX, FRAMES_PX] = [4, 34]; // above a step; around the board
let started = performance.now();
const ran = new Set(); // cells
const shown = new Set(); // steps
let at = 0; // the step on the screen
let since = started; // when it came
let stops = []; // how far it was scrolled before
let soon; // when it is fitted again
let terminal; // its panel
let givenUp = false; // what was asked for so far
let armed = ""; // what happens when its key is pressed once more
let notice;
let blank;
let help;

const cell = (place) => page.content.widgets[place];
const isCode = (place) => cell(place).model.type === "code";
const scroller = () => page.node.querySelector(".jp-WindowedPanel-outer");
const inTerminal = () => terminal?.isVisible;

// A line at the foot of the screen, for as long as it takes to read it.
function tell(text) {
  write(notice, text);
  clearTimeout(notice.timeout);
  notice.timeout = setTimeout(() => { notice.hidden = true; }, 2000 + 60 * text.length);
}

// -- the kernel --------------------------------------------------------------------------------------
// Has `cli/stage.py` do something; what it prints, or why it did not.
async function act(verb, more = {}) {
  if (givenUp) return "";
  const code = `from swarmlab.cli.stage import act as _act; print(_act(**${JSON.stringify({ verb, ...more })}), end="")`;
  const future = kernel().requestExecute({ code, store_history: false });
  let text = "";
  future.onIOPub = ({ content }) => { text += content.text ?? content.evalue ?? ""; };
  const { content } = await future.done;
  if (content.status !== "ok") throw new Error(text);
  return text;
}

async function run(places) {
  for (const place of places) {
    if (givenUp || !isCode(place) || ran.has(place)) continue;
    ran.add(place);
    app.shell.activateById(page.id);
    page.content.activeCellIndex = place;
    if (!(await app.commands.execute("notebook:run-cell"))) tell(labels.failed);
  }
}

// Engines that hang would keep it waiting: what runs is interrupted until it ends, and nothing follows.
async function giveUp(work) {
  givenUp = true;
  let ended = false;
  work.then(() => { ended = true; });
  try {
    do {
      await kernel().interrupt();
      await new Promise((resolve) => { setTimeout(resolve, 500); });
    } while (!ended);
  } finally {
    givenUp = false;
  }
}

// -- what is on the screen ---------------------------------------------------------------------------
function draw() {
  page.content.widgets.forEach(({ node }, place) => {
    node.classList.toggle("swarmlab-off", !steps[at].cells.includes(place));
    node.classList.toggle("swarmlab-code", steps[at].shows_code);
  });
  document.documentElement.dataset.step = `${at + 1}/${steps.length}`;
  rewind();
  drawPresenter();
}

// To the top of the step.
function rewind() {
  [stops, scroller().scrollTop] = [[], 0];
  fit();
}

const kernel = () => page.sessionContext.session.kernel;

// For a page that is reloaded: the step, when the talk began, and whether its presenter has a window.
function remember() {
  const begun = performance.timeOrigin + started;
  sessionStorage.setItem(kernel().id, JSON.stringify({ at, begun, window: presenter?.closed === false }));
}

// The first step; after a reload, the step that was on the screen, from its scene.
async function resume() {
  const last = JSON.parse(sessionStorage.getItem(kernel().id));
  if (!last?.at) return show(0);
  started = last.begun - performance.timeOrigin;
  at = last.at;
  await act("prepare", { page: steps[at].page });
  await run([steps[at].setup]);
  await again("scene");
  if (last.window) openPresenter();
}

async function show(place) {
  at = place;
  since = performance.now();
  remember();
  if (inTerminal()) await leave();
  draw();
  const step = steps[at];
  await act("prepare", { page: step.page });
  await run([step.setup]);
  const jumps = step.jumps || (steps[at - 1]?.page === step.page && !shown.has(at - 1));
  if (jumps && step.scene && !shown.has(at)) await act("scene", { scene: step.scene });
  shown.add(at);
  await run(step.cells);
  await act("look");
  rewind();
  drawPresenter();
}

// The lines of a table are cut rather than broken; an id or a name alone is the first to go.
function readTexts() {
  for (const text of page.node.querySelectorAll(".jp-RenderedText pre")) {
    text.classList.toggle("swarmlab-table", / {3}\S/.test(text.textContent));
    text.closest(".jp-OutputArea-child").classList.toggle("swarmlab-echo", /^\s*\S*\s*$/.test(text.textContent));
  }
}

// The board gives way to the step: all of it, its nodes, or one line. Then the step is set closer,
// with choices side by side, in smaller type: as little as makes its screens the fewest.
const LEVELS = [["whole", 1], ["nodes", 1], ["line", 1], ["line", 1, "closer"], ...[1, 0.85, 0.7, 0].map((scale) => ["line", scale, "closest"])];
const PARTS = ".jp-MarkdownOutput > *, .widget-vbox:has(> .swarmlab-card), .jp-OutputArea-child:not(:has(.swarmlab-card, .jp-RenderedHTML)), .jp-RenderedHTML > *";
const parts = () => steps[at].cells.flatMap((place) => [...cell(place).node.querySelectorAll(PARTS)]).filter((part) => part.offsetHeight);
// Of a part that the screen cannot hold, its own parts; a drawing or a text has none.
const split = (part) => {
  const own = part.matches("pre") ? [] : [...part.children];
  const whole = part.offsetHeight <= scroller().clientHeight || !own.length || own.some((child) => child.matches("svg"));
  return whole ? [part] : own.flatMap(split).filter((child) => child.offsetHeight);
};
const pieces = () => parts().flatMap(split);
const topOfStep = () => {
  const whole = cell(steps[at].cells[0]).node;
  const first = steps[at].shows_code ? whole : parts()[0] ?? whole; // not the space above it
  return first.getBoundingClientRect().top - MARGIN_PX;
};

// How many screens of this height the step takes, each part whole on one of them.
function screens(height) {
  let count = 1;
  let start = topOfStep();
  for (const part of parts()) {
    const box = part.getBoundingClientRect();
    if (box.bottom - start <= height + MARGIN_PX) continue;
    count += Math.max(1, 100 * (box.height - height));
    start = box.top - MARGIN_PX;
  }
  return count;
}

function fit() {
  readTexts();
  const board = document.querySelector(".jupyterlab-sidecar section.swarmlab-board");
  const dock = page.parent;
  const { dataset, style } = document.documentElement;
  const set = ([size, scale, space = ""]) => {
    dataset.board = size;
    dataset.space = space;
    style.setProperty("--scale", scale);
    return screens(dock.node.clientHeight - (board ? board.offsetHeight + FRAMES_PX : 0));
  };
  let [best, fewest] = [LEVELS[0], Infinity];
  for (const each of LEVELS) {
    const count = set(each);
    if (count < fewest) [best, fewest] = [each, count];
    if (fewest === 1) break;
  }
  set(best);
  if (!stops.length) scroller().scrollTop += topOfStep() - scroller().getBoundingClientRect().top;
  if (board) observer.observe(board); // it is drawn, and replaced, in its own time
  const handle = [...dock.layout.handles()].find((node) => node.dataset.orientation === "vertical" && node.offsetWidth);
  clearTimeout(soon);
  if (board && handle) dock.layout.moveHandle(handle, 0, board.offsetHeight + 16);
  else soon = setTimeout(fit, 200); // it may be on its way
  requestAnimationFrame(hideCut);
}
const observer = new ResizeObserver(() => requestAnimationFrame(fit));

const isBelow = (part) => part.getBoundingClientRect().bottom > scroller().getBoundingClientRect().bottom + MARGIN_PX;

// What is not whole on the screen is hidden, unless no screen could hold it.
function hideCut() {
  const frame = scroller().getBoundingClientRect();
  for (const part of page.node.querySelectorAll(".swarmlab-cut")) part.classList.remove("swarmlab-cut");
  for (const part of pieces()) {
    const { top, height } = part.getBoundingClientRect();
    part.classList.toggle("swarmlab-cut", height <= frame.height && (isBelow(part) || top < frame.top - MARGIN_PX));
  }
}

// A step that is higher than the screen is shown in parts, each of them whole.
function scroll(forward) {
  const view = scroller();
  const frame = view.getBoundingClientRect();
  const next = pieces().find(isBelow);
  if (forward ? !next : !stops.length) return false;
  if (forward) {
    stops.push(view.scrollTop);
    const top = next.getBoundingClientRect().top - frame.top;
    view.scrollTop += top > 2 * MARGIN_PX ? top - MARGIN_PX : frame.height * 0.9;
  } else {
    view.scrollTop = stops.pop();
  }
  hideCut();
  return true;
}

// -- the keys ----------------------------------------------------------------------------------------
const verbs = {
  next: async () => {
    if (inTerminal() || !scroll(true)) await (at + 1 < steps.length ? show(at + 1) : tell(labels.end));
  },
  back: async () => {
    if (inTerminal()) await leave();
    else if (!scroll(false) && at > 0) await show(at - 1);
  },
  blank: () => { blank.hidden = !blank.hidden; },
  help: () => { help.hidden = !help.hidden; },
  presenter: openPresenter,
  terminal: async () => {
    const line = await act("terminal");
    app.shell.activateById(terminal.id);
    if (line !== terminal.line) terminal.content.session.send({ type: "stdin", content: [`${line}\r`] });
    terminal.line = line;
  },
  scene: () => goBack("scene"),
  again: () => again("scene"),
  simulated: async () => {
    await again("simulated");
    document.querySelector(".swarmlab-stage-copy") ?? make("p", "swarmlab-stage-copy", document.body, labels.copy);
  },
  reset: async () => {
    await act("reset", { page: steps[0].page });
    ran.clear();
    shown.clear();
    started = performance.now();
    await show(0);
  },
};

// To the scene in which the step begins: its own, else the last one before it on its page, else what
// the page sets up.
async function goBack(verb) {
  const own = steps[at];
  const before = steps.slice(0, at + 1).filter(({ page, scene }) => page === own.page && scene);
  const { scene } = before.pop() ?? { scene: "" };
  if (scene || verb !== "scene") await act(verb, { scene });
  if (scene) return;
  ran.delete(own.setup);
  await run([own.setup]);
  await act("look");
}

// The step once more, from there.
async function again(verb) {
  await goBack(verb);
  steps[at].cells.forEach((place) => ran.delete(place));
  await show(at);
}

async function leave() {
  app.shell.activateById(page.id);
  await act("leave");
}

async function perform(verb) {
  if (verb === "reset" && armed !== verb) {
    armed = verb;
    tell(labels.again);
    return;
  }
  armed = "";
  const text = await (verbs[verb] ?? (() => act(verb)))();
  if (text) tell(text);
}

// Single letters are for the field, or the node, that has the focus; a remote's keys are ours.
function onKey(event) {
  const pressed = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const [key, verb] = keys.find(([key]) => key === pressed) ?? [];
  const elsewhere = event.target.closest("input, textarea, select, [contenteditable], .jp-Terminal, .swarmlab-board .column");
  if (!key || event.ctrlKey || event.metaKey || event.altKey || (elsewhere && key.length === 1)) return;
  event.preventDefault();
  event.stopPropagation();
  if (verb === "simulated") queue = giveUp(queue);
  enqueue(() => perform(verb));
}

// One after the other: a second press waits until the first is done.
let queue = Promise.resolve();
function enqueue(work) {
  const { classList } = document.documentElement;
  classList.add("swarmlab-busy");
  const done = (queue = queue.then(work).catch((error) => tell(error.message)).then(() => {
    if (done === queue) classList.remove("swarmlab-busy");
  }));
}

// -- the beginning -----------------------------------------------------------------------------------
async function begin() {
  window.swarmlabStage = page.id;
  document.documentElement.classList.add("swarmlab-stage", "swarmlab-big");
  app.shell.collapseLeft();
  app.shell.collapseRight();
  for (const side of ["left", "right"]) {
    if (app.shell.isSideTabBarVisible(side)) app.shell.toggleSideTabBarVisibility(side);
  }
  const refit = (widget) => { widget.fit(); for (const child of widget.children()) refit(child); };
  refit(app.shell);
  notice = make("p", "swarmlab-stage-notice", document.body);
  notice.setAttribute("role", "status");
  notice.hidden = true;
  blank = make("div", "swarmlab-stage-blank", document.body);
  help = make("dl", "swarmlab-stage-help", document.body);
  for (const [key, , words] of keys) {
    make("dt", "", help, key);
    make("dd", "", help, words);
  }
  make("dd", "", help, labels.hung);
  blank.hidden = help.hidden = true;
  window.addEventListener("keydown", onKey, true);
  window.addEventListener("resize", fit);
  for (const { node } of page.content.widgets) observer.observe(node);
  draw();
  await page.sessionContext.ready;
  terminal = await app.commands.execute("terminal:create-new");
  await terminal.content.ready;
  terminal.content.setOption("fontSize", Math.max(16, Math.round(innerHeight / 48)));
  page.parent.addWidget(terminal, { mode: "tab-after", ref: page });
  app.shell.activateById(page.id);
  await resume();
}

if (page && window.swarmlabStage !== page.id) enqueue(begin);
