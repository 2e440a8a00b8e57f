// Docks a board in a panel above the notebook, so that it stays in sight. Python opens the panel
// (`sidecar`); here each view finds out where it stands. In a cell it gives way to the docked one.

let notebook; // the id of the page that asked for the panel
let home; // the place of the board in its cell
const docked = (window.swarmlabDocked ??= new Map()); // model -> its view in the panel

// A busy JupyterLab may read a new panel twice, from its message and from the kernel's list.
const panelOf = (node) => app && [...app.shell.widgets("main")].find((widget) => widget.node.contains(node));

function makeDockable(model, root, el, send) {
  const labels = model.get("labels");
  const note = document.createElement("p");
  note.className = "swarmlab-docked";
  note.textContent = labels.docked;
  let inPanel = false;
  let frame = 0;
  const leave = () => {
    if (root.isConnected || docked.get(labels.model) !== root) return;
    docked.delete(labels.model); // the panel was closed, or shows another board
    window.dispatchEvent(new Event("swarmlab-docked"));
    try { model.send({ do: "undock" }); } catch { /* its kernel is gone */ }
  };
  const seen = new IntersectionObserver(leave); // JupyterLab tells no widget that a panel closes
  const place = () => {
    const away = !inPanel && docked.has(labels.model);
    const shown = away ? note : root;
    if (el.firstElementChild !== shown) el.replaceChildren(shown);
  };
  const settle = () => {
    if (!el.isConnected) {
      frame = requestAnimationFrame(settle);
      return;
    }
    inPanel = el.closest(".jupyterlab-sidecar") !== null;
    if (inPanel) {
      const other = docked.get(labels.model);
      if (other?.isConnected && panelOf(other) !== panelOf(el)) return panelOf(el).close();
      docked.set(labels.model, root);
      root.home = home;
      seen.observe(root);
      if (notebook) app.shell.activateById(notebook); // so that Shift+Enter goes on there
      window.dispatchEvent(new Event("swarmlab-docked"));
      return;
    }
    home = el;
    if (model.get("docks") && document.querySelector("#jp-main-dock-panel")) {
      notebook = app?.shell.currentWidget?.id;
      send("dock");
    }
  };
  window.addEventListener("swarmlab-docked", place);
  place();
  settle();
  return () => {
    cancelAnimationFrame(frame);
    window.removeEventListener("swarmlab-docked", place);
    seen.disconnect();
    root.remove();
    leave();
  };
}
