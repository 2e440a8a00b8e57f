// Draws a large swarm: a cell for every node, on a canvas. The helpers are in common.js.

const [CELL_MIN, CELL_MAX, HEIGHT] = [9, 40, 340]; // CSS pixels

function render({ model, el }) {
  const root = make("section", "swarmlab-board swarmlab-view swarmlab-fleet", el);
  const labels = model.get("labels");
  root.setAttribute("aria-label", labels.title);
  const { send, begin, end } = connect(model, root, draw);
  const told = make("p", "told", root);
  const canvas = make("canvas", "", root);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  const detail = make("p", "detail", root);
  detail.setAttribute("aria-live", "polite");
  make("p", "keys", root, labels.keys);
  const error = makeError(root);
  const drawn = { side: 1, columns: 1 };
  const resized = new ResizeObserver(() => draw());

  const choose = (place) => { if (!model.recorded) send("choose", { place }); };
  canvas.onclick = ({ offsetX, offsetY }) => {
    const place = Math.floor(offsetY / drawn.side) * drawn.columns + Math.floor(offsetX / drawn.side);
    if (place < model.get("cells").length / 2) choose(place);
  };
  canvas.onkeydown = (event) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -drawn.columns, ArrowDown: drawn.columns };
    if (!(event.key in steps)) return;
    choose(Math.max(0, model.get("chosen") + steps[event.key]));
    event.preventDefault();
  };

  function draw() {
    const cells = model.get("cells");
    const count = cells.length / 2;
    const width = canvas.parentElement.clientWidth - 16;
    if (!count || width <= 0) return;
    const side = Math.max(CELL_MIN, Math.min(CELL_MAX, Math.floor(Math.sqrt((width * HEIGHT) / count))));
    const columns = Math.max(1, Math.floor(width / side));
    const height = Math.ceil(count / columns) * side;
    Object.assign(drawn, { side, columns });
    const scale = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [columns * side * scale, height * scale];
    [canvas.style.width, canvas.style.height] = [`${columns * side}px`, `${height}px`];
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(root);
    const [ink, fill, alarm, focus] = ["color", "--fill", "--alarm", "--focus"].map(
      (name) => (name === "color" ? style.color : style.getPropertyValue(name)));
    pen.scale(scale, scale);
    for (let place = 0; place < count; place += 1) {
      const [letter, level] = [cells[2 * place], Number(cells[2 * place + 1])];
      const [x, y] = [(place % columns) * side, Math.floor(place / columns) * side];
      const [inner, down] = [side - 3, letter < "a"];
      const full = (inner * level) / 9;
      pen.fillStyle = fill;
      if (!down) pen.fillRect(x + 1.5, y + 1.5 + inner - full, inner, full);
      pen.strokeStyle = down ? alarm : ink;
      pen.lineWidth = letter.toLowerCase() === "w" ? 0.6 : letter.toLowerCase() === "l" ? 3.5 : 2;
      pen.strokeRect(x + 1.5, y + 1.5, inner, inner);
      if (down) {
        pen.lineWidth = 2;
        pen.beginPath();
        pen.moveTo(x + 2, y + 2);
        pen.lineTo(x + side - 2, y + side - 2);
        pen.moveTo(x + side - 2, y + 2);
        pen.lineTo(x + 2, y + side - 2);
        pen.stroke();
      }
      if (place === model.get("chosen")) {
        pen.strokeStyle = focus;
        pen.lineWidth = 3;
        pen.strokeRect(x, y, side, side);
      }
    }
    canvas.setAttribute("aria-label", model.get("text"));
    write(told, model.get("text"));
    write(detail, model.get("detail"));
    write(error, model.get("status").error);
  }

  begin();
  resized.observe(root);
  return () => {
    resized.disconnect();
    end();
  };
}

export default { render: inLanguage(render) };
