// Draws and plays Docker's workflow. Python computes the steps; stepping needs no kernel.
// The helpers are in common.js.

const STEP_MS = 900;

function render({ model, el }) {
  const root = make("section", "swarmlab-board swarmlab-workflow", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title);
  root.tabIndex = 0;
  const { send, begin, end } = connect(model, root, draw);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let steps = [];
  let at = -1;
  let timer = 0;

  const bar = make("div", "bar", root);
  const verbs = { play: () => (timer ? halt() : play()), back: () => go(at - 1), forward: () => go(at + 1), now: () => go(steps.length - 1) };
  const buttons = Object.fromEntries(Object.keys(verbs).map((verb) => [verb, make("button", verb, bar, labels[verb])]));
  for (const [verb, act] of Object.entries(verbs)) buttons[verb].onclick = act;
  const count = make("span", "clock", bar);
  const picture = make("div", "swarmlab-view", root);
  picture.setAttribute("aria-hidden", "true"); // its words are below
  picture.innerHTML = model.get("stage");
  const head = picture.querySelector("marker"); // each picture needs an arrow head of its own
  head.id += `-${(window.swarmlabHeads = (window.swarmlabHeads ?? 0) + 1)}`;
  for (const line of picture.querySelectorAll("line")) line.setAttribute("marker-end", `url(#${head.id})`);
  const places = Object.fromEntries([...picture.querySelectorAll("[data-place]")].map((place) => [place.dataset.place, place]));
  const said = make("p", "said", root);
  said.setAttribute("role", "status");
  const error = makeError(root);
  make("p", "help", root, labels.help);
  const textForm = makeTextForm(root, labels);

  root.onkeydown = (event) => {
    const verb = { ArrowLeft: "back", ArrowRight: "forward", " ": "play" }[event.key];
    if (!verb || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target !== root) return; // a button's own key
    verbs[verb]();
    event.preventDefault();
  };

  function halt() {
    clearTimeout(timer);
    timer = 0;
    write(buttons.play, labels.play);
  }

  // From the line that was typed last before this step, to the last step of that command.
  function play() {
    const ofCommand = (step) => step[0] === steps[at]?.[0];
    playSteps(steps.findIndex(ofCommand), steps.findLastIndex(ofCommand));
  }

  function playSteps(from, to) {
    halt();
    if (from < 0) return;
    if (still) return show(to);
    write(buttons.play, labels.halt);
    const next = (index) => {
      show(index);
      timer = index < to ? setTimeout(next, STEP_MS, index + 1) : 0;
      if (!timer) halt();
    };
    next(from);
  }

  function go(index) {
    halt();
    show(Math.max(0, Math.min(index, steps.length - 1)));
  }

  function fill(place, rows, draw) {
    places[place].replaceChildren();
    for (const row of rows) draw(make("span", "", places[place]), row);
  }

  function show(index) {
    at = index;
    buttons.back.disabled = at <= 0;
    buttons.forward.disabled = buttons.now.disabled = at >= steps.length - 1;
    buttons.play.disabled = steps.length === 0;
    if (at < 0) return;
    const [, typed, paths, text, record, layers, images, containers] = steps[at];
    count.textContent = `${at + 1} / ${steps.length}`;
    places.client.replaceChildren();
    const code = make("code", "", places.client);
    for (const word of typed.split(" ")) { // whole on a line: no break after the hyphens of --all
      make("span", "", code, word);
      code.append(" ");
    }
    fill("registry", layers, (span, [layer, here]) => {
      span.textContent = `${layer} `;
      make("small", "", span, here ? labels.here : labels.comes);
    });
    fill("images", images, (span, name) => { span.textContent = name; });
    fill("containers", containers, (span, [kind, name, note]) => {
      drawShape(newShape(span), model.get("looks")[kind]);
      span.append([name, note].filter(Boolean).join(" "));
    });
    const taken = paths.split(" ");
    for (const line of picture.querySelectorAll("[data-path]")) line.classList.toggle("on", taken.includes(line.dataset.path));
    for (const [name, place] of Object.entries(places)) place.parentElement.classList.toggle("on", taken.some((path) => path.endsWith(`-${name}`)) || (paths === "" && name === "client"));
    said.replaceChildren();
    make("b", "", said, text);
    make("code", "", said, record);
  }

  function draw() {
    const before = steps.at(-1);
    steps = model.get("steps");
    write(error, model.get("status").error ?? "");
    write(textForm, model.get("text"));
    const known = before ? steps.findLastIndex((step) => JSON.stringify(step) === JSON.stringify(before)) : -1;
    if (known === steps.length - 1 && at >= 0) return show(at);
    const news = steps.findIndex((step, index) => index > known && step[2] === ""); // a line that was typed
    if (before && news >= 0) return playSteps(news, steps.length - 1);
    halt();
    show(steps.length - 1);
  }

  begin();
  const undock = makeDockable(model, root, el, send);
  return () => { halt(); undock(); end(); };
}

export default { render: inLanguage(render) };
