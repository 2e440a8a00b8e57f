// Draws a list or a slider with its label. The helpers are in common.js.

function render({ model, el }) {
  const root = make("label", "swarmlab-board swarmlab-field", el);
  keepKeys(root);
  const name = make("span", "label", root);
  const options = () => model.get("options");
  const isList = options().length > 0;
  const control = make(isList ? "select" : "input", "", root);
  const shown = isList ? null : make("output", "", root);
  if (shown) [control.type, control.min, control.max, control.step] = ["range", ...model.get("bounds")];
  control.oninput = () => {
    model.set("value", isList ? options()[control.selectedIndex][1] : Number(control.value));
    model.save_changes();
  };

  function draw() {
    write(name, model.get("label"));
    control.setAttribute("aria-label", model.get("label"));
    const value = model.get("value");
    if (isList) {
      syncChildren(control, options(), ([, key]) => key, () => document.createElement("option"),
        (option, [text]) => write(option, text));
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
