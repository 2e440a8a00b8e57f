// The presenter's window: what this step is and what comes next, what to say and to ask, what may go
// wrong, the room's hands, and the clock. The stage draws it; nothing of it is on the projector.

let presenter; // the window

function openPresenter() {
  presenter = window.open("", "swarmlab-presenter", "popup,width=1100,height=800");
  if (!presenter) throw new Error(labels.blocked);
  presenter.document.title = labels.title;
  const styles = document.querySelectorAll("style, link[rel=stylesheet]");
  presenter.document.head.replaceChildren(...[...styles].map((style) => style.cloneNode(true)));
  presenter.document.documentElement.className = "swarmlab-presenter";
  presenter.onkeydown = onKey;
  remember();
  drawPresenter();
}

// The cells of a step as they are at this moment, small.
function pictureOf(place, parent) {
  const picture = make("div", "picture jp-Notebook", parent);
  for (const index of steps[place].cells) {
    const copy = cell(index).node.cloneNode(true);
    // JupyterLab's own elements cannot be in another document.
    for (const part of copy.querySelectorAll("*")) if (part.localName.includes("-")) part.remove();
    copy.classList.remove("swarmlab-off");
    copy.classList.add("swarmlab-code");
    picture.append(copy);
  }
  picture.inert = true;
  return picture;
}

// The board as the audience sees it at this moment, and how far the step is scrolled there.
function drawRoom(board, picture, hint) {
  const view = scroller();
  const seen = document.querySelector(".jupyterlab-sidecar section.swarmlab-board");
  board.replaceChildren(...(seen ? [seen.cloneNode(true)] : []));
  const copies = board.querySelectorAll("canvas, select"); // without what was drawn, or chosen
  seen?.querySelectorAll("canvas, select").forEach((from, place) => {
    const to = copies[place];
    if (from.localName === "select") to.selectedIndex = from.selectedIndex;
    else to.getContext("2d").drawImage(from, 0, 0);
  });
  picture.scrollTop = (view.scrollTop / (view.scrollHeight - view.clientHeight)) * picture.scrollHeight;
  write(hint, pieces().some(isBelow) ? labels.rest : "");
}

// Between backticks is a key, or code; between brackets, what is not to be said aloud.
function writeMarked(element, text) {
  for (const part of text.split(/(`[^`]*`|\[[^\]]*\]|\*\w[^*]*\*)/)) {
    if (part.startsWith("`")) make("kbd", "", element, part.slice(1, -1));
    else if (/^\*\w/.test(part)) make("i", "", element, part.slice(1, -1));
    else make(part.startsWith("[") ? "em" : "span", "", element, part.replaceAll("`", ""));
  }
}

function drawPresenter() {
  if (!presenter || presenter.closed) return;
  const { body } = presenter.document;
  body.replaceChildren();
  const step = steps[at];
  const clock = make("p", "clock", body);
  const left = make("main", "", body);
  make("h1", "", left, `${at + 1}/${steps.length} ${step.title}`);
  const before = steps[at - 1]?.page === step.page ? steps[at - 1] : {}; // its guesses are over now
  for (const [name, said] of [["notes", step.notes], ["ask", step.ask], ["wrong", step.wrong], ["trouble", step.trouble], ["correct", before.wrong]]) {
    if (!said) continue;
    make("h2", "", left, labels[name]);
    writeMarked(make("p", name, left), said);
  }
  const right = make("aside", "", body);
  if (step.bets.length) make("h2", "", right, labels.hands);
  for (const bet of step.bets) drawHands(bet, right);
  const hint = make("p", "trouble", right);
  const board = make("div", "picture", right);
  board.inert = true;
  const picture = pictureOf(at, right);
  if (at + 1 < steps.length) {
    make("h2", "", right, `${labels.next}: ${steps[at + 1].title}`);
    pictureOf(at + 1, right);
  }
  clearInterval(presenter.timer);
  const tick = () => { drawClock(clock); drawRoom(board, picture, hint); };
  presenter.timer = setInterval(tick, 1000);
  tick();
}

// A row for each choice: a click on its letter counts a hand, or the number is typed.
function drawHands(bet, parent) {
  bet.counts ??= bet.choices.map(() => 0);
  writeMarked(make("p", "asked", parent), bet.question);
  bet.choices.forEach((choice, place) => {
    const row = make("p", "hands", parent);
    const letter = make("button", "", row, "ABCDEF"[place]);
    const count = make("input", "", row);
    count.type = "number";
    count.min = 0;
    count.value = bet.counts[place];
    count.setAttribute("aria-label", choice);
    writeMarked(make("span", "", row), `${choice}${choice === bet.answer ? "\u00a0✔" : ""}`);
    const changed = () => {
      bet.counts[place] = Math.max(0, Math.round(count.valueAsNumber) || 0);
      act("hands", { question: bet.question, counts: bet.counts });
    };
    count.oninput = changed;
    letter.onclick = () => { count.value = bet.counts[place] + 1; changed(); };
  });
}

const clockTime = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

function drawClock(clock) {
  const now = performance.now();
  const seconds = (some) => 60 * some.reduce((sum, { minutes }) => sum + minutes, 0);
  const [planned, whole] = [seconds(steps.slice(0, at)), seconds(steps)];
  const own = 60 * steps[at].minutes;
  const [total, here] = [(now - started) / 1000, (now - since) / 1000];
  // On time: this step began no later than planned, or its minutes are not over yet.
  const late = total - Math.max(Math.min(total, planned + own), planned);
  const pace = late > 0 ? `${labels.behind} ${clockTime(late)}` : `${labels.ahead} ${clockTime(Math.max(0, planned - total))}`;
  clock.textContent = `${new Date().toLocaleTimeString(labels.language)} · ${labels.here}: ${clockTime(here)}${own ? ` / ${clockTime(own)}` : ""} · ${labels.total}: ${clockTime(total)} / ${clockTime(whole)} · ${pace}`;
  clock.classList.toggle("late", late > 0);
}
