// What the live widgets share; it stands before each one's own module.

const SVG = "http://www.w3.org/2000/svg";
const PATIENCE_MS = 5000;

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

// JupyterLab hears keys on their way out: d d would delete the cell. Those with Ctrl or Alt pass, and
// Shift+Enter, which runs the cell.
function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    const runs = event.shiftKey && event.key === "Enter";
    if (!runs && !event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

// The line to the kernel: `send` says what was clicked, `draw` is called when something changed. A
// kernel that does not answer is told of.
function connect(model, root, draw) {
  const gone = make("p", "gone", root, model.get("labels").gone);
  gone.hidden = true;
  keepKeys(root);
  let frame = 0;
  let patience = 0;
  const lost = () => { gone.hidden = false; };
  const heard = () => { clearTimeout(patience); gone.hidden = true; };
  const redraw = () => { frame = 0; draw(); };
  const soon = () => { heard(); frame ||= requestAnimationFrame(redraw); };
  const send = (verb, more = {}) => {
    clearTimeout(patience);
    patience = setTimeout(lost, PATIENCE_MS);
    model.send({ do: verb, ...more });
  };
  const events = { "change": soon, "msg:custom": heard, "comm_live_update": lost };
  const begin = () => {
    draw();
    for (const [name, then] of Object.entries(events)) model.on(name, then);
    send("look"); // a picture that was saved with the notebook gets no answer
  };
  const end = () => {
    for (const [name, then] of Object.entries(events)) model.off(name, then);
    cancelAnimationFrame(frame);
    clearTimeout(patience);
    root.remove();
  };
  return { send, begin, end };
}
