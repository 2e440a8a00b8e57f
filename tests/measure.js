// Faults of the pictures on a page, as "kind: text": type that is too small, contrast that is too
// low, text that is cut off or leaves its picture or frame, names that break in two, texts that lie
// on each other, and what is wider than the window.
(smallest) => {
  const parse = (colour) => {
    const [r, g, b, a = 1] = (colour.match(/[\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    return colour === "transparent" ? [0, 0, 0, 0] : [r, g, b, a];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  // All grounds that an element may have below it: one, or those of a texture.
  const grounds = (element) => {
    if (!element) return [[255, 255, 255]];
    const style = getComputedStyle(element);
    const own = parse(style.backgroundColor);
    const below = own[3] === 1 ? [[0, 0, 0]] : grounds(element.parentElement);
    const plain = below.map((rgb) => over(own, rgb));
    const stripes = style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [];
    return [...plain, ...stripes.flatMap((stripe) => plain.map((rgb) => over(parse(stripe), rgb)))];
  };
  const shapeGround = (text) => {
    const path = text.closest("svg").querySelector("path.full");
    return path ? [parse(getComputedStyle(path).fill).slice(0, 3)] : grounds(text.closest("svg").parentElement);
  };
  const inside = (a, b) => a.left >= b.left - 1.5 && a.right <= b.right + 1.5 && a.top >= b.top - 2 && a.bottom <= b.bottom + 2;
  const apart = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1 || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;

  const faults = [];
  for (const root of document.querySelectorAll(".swarmlab-view, .swarmlab-board")) {
    const shown = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      const element = node.parentElement;
      const text = node.textContent.trim();
      if (!text || element.closest("title, style, option, .spoken") || !element.checkVisibility()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const box = range.getBoundingClientRect();
      if (!box.width) continue;
      const style = getComputedStyle(element);
      const drawn = element.closest("svg");
      // What clips it: a bar hides whole texts that do not fit, and may not cut one in two.
      let clip = element;
      while (clip && clip !== root && getComputedStyle(clip).overflowX === "visible") clip = clip.parentElement;
      if (clip && clip !== root && !drawn) {
        const frame = clip.getBoundingClientRect();
        const scrolls = getComputedStyle(clip).overflowX === "auto" || getComputedStyle(clip).overflowY === "auto";
        if (!inside(box, frame) && scrolls) continue;
        if (box.top >= frame.bottom - 3) continue;
        if (!inside(box, frame)) faults.push(`cut: ${text}`);
      } else if (!inside(box, root.getBoundingClientRect())) faults.push(`outside: ${text}`);
      // A frame stays inside the frame around it.
      let inner = box;
      for (let frame = element; frame !== root && !drawn; frame = frame.parentElement) {
        if (!parseFloat(getComputedStyle(frame).borderRightWidth)) continue;
        const outer = frame.getBoundingClientRect();
        if (inner.left < outer.left - 1 || inner.right > outer.right + 1) faults.push(`outside: ${text}`);
        inner = outer;
      }
      const scale = drawn ? element.getScreenCTM().a : 1;
      if (parseFloat(style.fontSize) * scale < smallest - 0.05) faults.push(`small: ${text}`);
      const ink = parse(drawn ? style.fill : style.color);
      const worst = Math.min(...(drawn ? shapeGround(element) : grounds(element)).map((rgb) => contrast(over(ink, rgb), rgb)));
      if (worst < 4.5) faults.push(`contrast: ${text} ${worst.toFixed(2)}`);
      for (const { index, 0: word } of node.textContent.matchAll(/[\p{L}\p{N}_.]+/gu)) {
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) faults.push(`broken: ${word}`);
      }
      range.selectNodeContents(node);
      shown.push({ text, boxes: [...range.getClientRects()], mark: element.closest(".mark") !== null, element });
    }
    shown.forEach((a, place) => shown.slice(0, place).forEach((b) => {
      if (a.mark === b.mark && a.element !== b.element && a.boxes.some((one) => b.boxes.some((other) => !apart(one, other)))) faults.push(`overlap: ${b.text} | ${a.text}`);
    }));
  }
  if (document.documentElement.scrollWidth > innerWidth + 1) faults.push("wide: the page");
  return faults;
}
