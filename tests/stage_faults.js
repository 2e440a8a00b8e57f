// What is wrong on the stage as one sees it now: cells that have not run, tables whose lines are broken,
// words broken in the middle, type that is too small, scroll bars, what the screen cuts, choices of a
// bet that are not on it, and a screen with nothing on it.
(least) => {
  const faults = [];
  for (const cell of document.querySelectorAll(".jp-CodeCell:not(.swarmlab-off)")) {
    const prompt = cell.querySelector(".jp-InputPrompt").textContent;
    if (!/\d/.test(prompt)) faults.push(`not run: ${prompt} ${cell.querySelector(".cm-content").textContent.slice(0, 40)}`);
  }
  for (const pre of document.querySelectorAll(".jp-CodeCell:not(.swarmlab-off) .jp-RenderedText pre")) {
    const lines = pre.textContent.trimEnd().split("\n");
    const high = parseFloat(getComputedStyle(pre).lineHeight) * (lines.length + 0.5);
    if (lines.some((line) => / {3}\S/.test(line)) && pre.clientHeight > high) faults.push(`broken: ${lines[0]}`);
  }
  const inSight = ({ left, right, top, bottom }, { left: l, right: r, top: t, bottom: b }) =>
    right > l && left < r && bottom > t + 2 && top < b - 2;
  let empty = true;
  const screen = document.querySelector(".jp-WindowedPanel-outer").getBoundingClientRect();
  // What no screen could hold is seen in its parts.
  const pieces = (part) => (part.offsetHeight > screen.height && part.children.length && !part.matches("pre") ? [...part.children].flatMap(pieces) : [part]);
  const shownWhole = document.querySelectorAll(".jp-Cell:not(.swarmlab-off) :is(.jp-MarkdownOutput > *, .jp-RenderedHTML > *, pre, .swarmlab-card, .swarmlab-board)");
  for (const part of [...shownWhole].flatMap(pieces)) {
    const box = part.getBoundingClientRect();
    const shown = box.height > 0 && inSight(box, screen) && part.checkVisibility({ visibilityProperty: true });
    const whole = box.top > screen.top - 6 && box.bottom < screen.bottom + 6;
    if (shown) empty = false;
    if (shown && !whole) faults.push(`cut: ${part.textContent.trim().slice(0, 40)}`);
    if (part.matches(".swarmlab-card") && !(shown && whole)) faults.push(`choice out of sight: ${part.textContent}`);
  }
  if (empty) faults.push("nothing on the screen");
  for (const panel of document.querySelectorAll(".jp-WindowedPanel-outer, .jupyterlab-sidecar")) {
    const frame = panel.getBoundingClientRect();
    const walker = document.createTreeWalker(panel, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const text = walker.currentNode;
      const range = document.createRange();
      range.selectNodeContents(text);
      const box = range.getBoundingClientRect();
      const { parentElement: parent } = text;
      if (!text.textContent.trim() || !box.width || !box.height || !inSight(box, frame)) continue;
      if (parent.closest(".spoken, style, script")) continue;
      if (!parent.checkVisibility({ visibilityProperty: true })) continue;
      for (const { index, 0: word } of parent.closest("pre, code") ? [] : text.textContent.matchAll(/\p{L}+/gu)) {
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) faults.push(`broken: ${word}`);
      }
      const scale = parent.getScreenCTM?.()?.a ?? 1;
      const px = parseFloat(getComputedStyle(parent).fontSize) * scale;
      if (px < least - 0.1) faults.push(`${px.toFixed(1)} px: ${text.textContent.trim().slice(0, 40)} <${parent.tagName} ${parent.className}>`);
    }
    for (const element of panel.querySelectorAll("*")) {
      const { overflowX, overflowY, scrollbarWidth } = getComputedStyle(element);
      const scrolls = (overflow) => ["auto", "scroll"].includes(overflow) && scrollbarWidth !== "none";
      const high = scrolls(overflowY) && element.scrollHeight > element.clientHeight + 1;
      const wide = scrolls(overflowX) && element.scrollWidth > element.clientWidth + 1;
      if ((high || wide) && element.clientHeight && inSight(element.getBoundingClientRect(), frame)) faults.push(`scroll bar: ${element.tagName}.${element.className}`);
    }
  }
  return faults;
}
