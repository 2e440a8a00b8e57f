// Draws a list or a slider with its name. The helpers are in common.js.

function render({ model, el }) {
  const root = make("label", "swarmlab-board swarmlab-field", el);
  keepKeys(root);
  make("span", "word", root, model.get("word"));
  const options = () => model.get("options");
  const isList = options().length > 0;
  const control = make(isList ? "select" : "input", "", root);
  control.setAttribute("aria-label", model.get("word"));
  const shown = isList ? null : make("output", "", root);
  if (shown) [control.type, control.min, control.max, control.step] = ["range", ...model.get("bounds")];
  control.oninput = () => {
    model.set("value", isList ? options()[control.selectedIndex][1] : Number(control.value));
    model.save_changes();
  };

  function draw() {
    const value = model.get("value");
    if (isList) {
      keep(control, options(), ([, key]) => key, () => document.createElement("option"),
        (option, [word]) => write(option, word));
      control.selectedIndex = options().findIndex(([, key]) => key === value);
      return;
    }
    control.value = value;
    write(shown, String(value));
  }

  model.on("change", draw);
  draw();
  return () => {
    model.off("change", draw);
    root.remove();
  };
}

export default { render };
