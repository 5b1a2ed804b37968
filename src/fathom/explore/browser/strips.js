// Many models: a line of colours each, in place of curves that nobody could part.

const STRIP = 14;

/**
 * @param {Data} data @param {PanelContent[]} panels of one metric @param {number} width
 * @param {{layers: string, domain: [number, number]}} how
 * @returns {HTMLElement}
 */
function stripsOf(data, panels, width, how) {
  const lines = panels.flatMap((panel) => panel.series.filter((one) => !one.thin).map((series) => ({ series, name: panel.series.length > 1 ? `${panel.title}, ${series.label}` : panel.title })));
  const left = Math.min(260, Math.round(width * 0.4));
  const height = lines.length * STRIP + 34;
  const [from, to] = how.domain;
  const cells = [];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "strips", tabindex: 0, role: "img",
    "aria-label": `${lines.length} curves as strips; arrow keys read them` });
  const cellOf = (/** @type {Series} */ series) => (width - left - 8) / (series.curve.depth + 1);
  for (const [place, { series, name }] of lines.entries()) {
    const { curve } = series;
    const text = draw("text", { x: left - 6, y: place * STRIP + 11, class: "end" }, shortened(name, left / 6));
    text.append(draw("title", {}, name));
    svg.append(text);
    for (let row = curve.start; row < curve.start + curve.count; row++) {
      const value = data.points.value[row] ?? NaN;
      cells.push({ x: left + (data.points.layer[row] ?? 0) * cellOf(series), y: place * STRIP, width: cellOf(series) + 0.4, height: STRIP - 1, share: (value - from) / (to - from || 1) });
    }
  }
  svg.append(...cellsOf(cells, RISING));
  svg.append(draw("text", { x: (left + width) / 2, y: height - 8, class: "middle" }, "relative depth, 0 to 1"));
  const mark = draw("rect", { class: "cell-mark", width: 0, height: STRIP, visibility: "hidden" });
  svg.append(mark);
  const figure = make("figure", { class: "wide" }, svg);
  const box = make("div", { class: "reading", role: "status", hidden: true });
  figure.append(box);
  let [line, layer] = [0, -1];
  const show = () => {
    line = Math.min(lines.length - 1, Math.max(0, line));
    const one = lines[line];
    if (!one) return;
    layer = Math.min(one.series.curve.depth, Math.max(0, layer));
    const [x, y] = [left + layer * cellOf(one.series), line * STRIP];
    for (const [name, value] of Object.entries({ x, y, width: cellOf(one.series), visibility: "visible" })) mark.setAttribute(name, String(value));
    const row = rowAt(data, one.series.curve, layer);
    const found = row < 0 ? [] : [{ series: { ...one.series, label: one.name }, row, layer }];
    box.replaceChildren(...readingBox(data, found, how.layers));
    box.hidden = false;
    box.style.top = `${y + STRIP + 6}px`;
    beside(box, svg, x / width);
  };
  svg.addEventListener("pointermove", (event) => {
    const place = svg.getBoundingClientRect();
    const pointer = /** @type {PointerEvent} */ (event);
    line = Math.floor((((pointer.clientY - place.top) / place.height) * height) / STRIP);
    const one = lines[Math.min(lines.length - 1, line)];
    if (one) layer = Math.floor((((pointer.clientX - place.left) / place.width) * width - left) / cellOf(one.series));
    show();
  });
  svg.addEventListener("keydown", (event) => {
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (key === "ArrowRight") layer += 1;
    else if (key === "ArrowLeft") layer -= 1;
    else if (key === "ArrowDown") line += 1;
    else if (key === "ArrowUp") line -= 1;
    else return;
    show();
    event.preventDefault();
  });
  for (const leaving of ["pointerleave", "blur"]) svg.addEventListener(leaving, () => {
    box.hidden = true;
    mark.setAttribute("visibility", "hidden");
  });
  return make("div", {}, colourKey(RISING, how.domain, panels[0]?.about.axis ?? ""), figure);
}

/** @param {string} text @param {number} letters */
function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, Math.max(4, Math.floor(letters) - 1))}…` : text;
}
