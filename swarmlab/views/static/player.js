// Plays what a live widget once showed, with the module that drew it then. No kernel, no network.

const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const FRAME_MS = 500;
const PLAY_MS_MAX = 20000;
const GROW_STEPS = 100;

// A button and a slider over `count` moments; `show` draws one of them, and returns its words.
function makePlayer(parent, labels, count, show, last = count - 1) {
  const bar = make("div", "player", parent);
  const play = make("button", "", bar);
  const slider = make("input", "", bar);
  [slider.type, slider.min, slider.max, slider.step] = ["range", 0, count - 1, 1];
  slider.setAttribute("aria-label", labels.moment);
  const words = make("output", "", bar);
  let timer = 0;
  const go = (place) => {
    slider.value = place;
    words.textContent = show(Number(slider.value));
    slider.setAttribute("aria-valuetext", words.textContent);
  };
  const halt = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = CALM.matches ? labels.forward : labels.play;
  };
  const next = () => {
    if (!bar.isConnected || Number(slider.value) >= count - 1) return halt();
    go(Number(slider.value) + 1);
    if (Number(slider.value) >= count - 1) halt();
  };
  play.onclick = () => {
    if (timer) return halt();
    if (Number(slider.value) >= count - 1) go(0);
    if (CALM.matches) return next(); // a step a press
    timer = setInterval(next, Math.min(FRAME_MS, PLAY_MS_MAX / count));
    play.textContent = labels.halt;
  };
  slider.oninput = () => { halt(); go(Number(slider.value)); };
  keepKeys(bar);
  bar.hidden = count < 2;
  halt();
  go(last);
}

// Answers as the widget's model would, with the values of one moment.
function recordedModel(frames) {
  const state = {};
  const handlers = new Map();
  return {
    recorded: true,
    get: (name) => state[name],
    on: (name, handler) => handlers.set(name, handler),
    off: (name) => handlers.delete(name),
    send() {},
    goTo(place) {
      for (const frame of frames.slice(0, place + 1)) Object.assign(state, frame);
      handlers.get("change")?.();
    },
  };
}

async function playOne(holder, render) {
  const template = holder.querySelector(".frames");
  const packed = Uint8Array.from(atob(template.content.textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const frames = await new Response(stream).json();
  const labels = JSON.parse(template.dataset.labels);
  const model = recordedModel(frames);
  model.goTo(0);
  holder.querySelector(".still").hidden = true;
  const box = make("div", "swarmlab-board", holder);
  make("p", "recording", box, labels.note);
  const place = document.createElement("div");
  makePlayer(box, labels, frames.length, (at) => {
    model.goTo(at);
    return model.get("status")?.clock ?? "";
  }, Number(template.dataset.start));
  holder.append(place);
  render({ model, el: place });
}

// All recordings of this widget on the page, each once it comes into view.
function playAll(model, render) {
  for (const holder of document.querySelectorAll(`[data-recorded="${model}"]:not([data-played])`)) {
    holder.dataset.played = "";
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      seen.disconnect();
      playOne(holder, render);
    });
    seen.observe(holder);
  }
}

// Charts whose lanes grow from left to right, as it happened.
function growAll() {
  for (const chart of document.querySelectorAll(".swarmlab-grows:not([data-played])")) {
    chart.dataset.played = "";
    const labels = JSON.parse(chart.dataset.labels);
    makePlayer(chart, labels, GROW_STEPS + 1, (at) => {
      chart.style.setProperty("--rest", `${100 - (100 * at) / GROW_STEPS}%`);
      const [now, digits] = [(labels.seconds * at) / GROW_STEPS, { minimumFractionDigits: 1, maximumFractionDigits: 1 }];
      return `${now.toLocaleString(labels.language, digits)} s`;
    });
  }
}
