// Pairs of layers: a matrix a model and text, common colours, and the difference of two.

/** @typedef {{curve: Curve, title: string, size: number, at: (row: number, column: number) => number}} Matrix */

/** @param {Data} data @param {State} state @param {Speaker} say */
function matricesSection(data, state, say) {
  const all = data.curves.filter((curve) => curve.section === "matrices");
  const { choices, curves } = choicesOf(data, all, state, say);
  const matrices = curves.map((curve) => matrixOf(data, curve, curves, say));
  const own = ownChoice(state, "show", "Show", { each: "each by itself", difference: "the difference of two" });
  const main = make("div");
  const menu = [...choices.map((choice) => control(choice)), control(own)];
  const width = byId("main").clientWidth - 24;
  const columns = Math.max(1, Math.min(matrices.length, Math.floor(width / 300)));
  const size = Math.min(420, Math.floor((width - (columns - 1) * 16) / columns));
  const ends = extent(data, curves, false);
  if (own.chosen[0] === "difference") main.append(differenceOf(data, matrices, state, Math.min(560, width)));
  else {
    const about = curves[0] ? say.about(curves[0].key) : null;
    if (about) main.append(make("h2", {}, once(curves.map((curve) => say.about(curve.key).title)).join(", "), make("small", {}, ` ${about.gist}`)));
    main.append(colourKey(RISING, ends, "the same colours in all matrices"));
    const grid = make("div", { class: "panels" });
    for (const matrix of matrices) {
      const note = `${matrix.size - 1} layers`;
      const figure = make("figure", { class: "panel-figure" });
      figure.style.width = `${size}px`;
      figure.style.minHeight = `${size}px`;
      whenSeen(figure, () => figure.append(drawnMatrix(data, { ...matrix, share: (value) => (value - ends[0]) / (ends[1] - ends[0] || 1), stops: RISING, note }, size)));
      grid.append(figure);
    }
    main.append(grid);
  }
  main.append(make("p", { class: "tools" }, button("CSV of what is shown", () => save("matrices.csv", csv(rowsOf(data, curves)), "text/csv"))));
  for (const [, some] of grouped(curves, (curve) => curve.key.name ?? "")) main.append(notesOf(data, some, say));
  return { menu, main };
}

/** @param {Data} data @param {Curve} curve @param {Curve[]} curves @param {Speaker} say @returns {Matrix & {rows: Map<number, number>}} */
function matrixOf(data, curve, curves, say) {
  /** @type {Map<number, number>} */
  const rows = new Map();
  let size = 0;
  for (let row = curve.start; row < curve.start + curve.count; row++) {
    const [layer, other] = [data.points.layer[row] ?? 0, data.points.other?.[row] ?? 0];
    rows.set(layer * 10000 + other, row);
    if (curve.mirrored) rows.set(other * 10000 + layer, row);
    size = Math.max(size, layer + 1, other + 1);
  }
  const varying = [...SEVERAL, ...ONE].filter((key) => once(curves.map((one) => one.key[key])).length > 1 || key === "model");
  const title = varying.filter((key) => key !== "sinks" || curve.key.sinks in SINKS).map((key) => say.value(key, curve.key[key] ?? "", curve.key.stage)).join(", ");
  return { curve, title, size, rows, at: (layer, other) => rows.get(layer * 10000 + other) ?? -1 };
}

/**
 * @param {Data} data
 * @param {Matrix & {share: (value: number) => number, stops: string[], note: string, other?: Matrix}} matrix `other`
 *   is taken away from it
 * @param {number} width
 */
function drawnMatrix(data, matrix, width) {
  const { points } = data;
  const left = 36;
  const bottom = 34;
  const cell = (width - left - 8) / matrix.size;
  const height = width - left - 8 + bottom + 6;
  const valueOf = (/** @type {number} */ layer, /** @type {number} */ other) => {
    const value = points.value[matrix.at(layer, other)] ?? NaN;
    return matrix.other ? value - (points.value[matrix.other.at(layer, other)] ?? NaN) : value;
  };
  const place = (/** @type {number} */ layer, /** @type {number} */ other) => ({ x: left + other * cell, y: 6 + (matrix.size - 1 - layer) * cell });
  const cells = [];
  for (let layer = 0; layer < matrix.size; layer++) {
    for (let other = 0; other < matrix.size; other++) cells.push({ ...place(layer, other), width: cell + 0.2, height: cell + 0.2, share: matrix.share(valueOf(layer, other)) });
  }
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, class: "matrix", tabindex: 0, role: "img", "aria-label": `${matrix.title}: ${matrix.size} by ${matrix.size} layers; arrow keys read the cells` }, ...cellsOf(cells, matrix.stops));
  for (const tick of ticksOf(0, matrix.size - 1, 5).filter(Number.isInteger)) {
    const { x, y } = place(tick, tick);
    svg.append(draw("text", { x: x + cell / 2, y: height - bottom + 16, class: "middle" }, String(tick)), draw("text", { x: left - 5, y: y + cell / 2 + 4, class: "end" }, String(tick)));
  }
  svg.append(draw("text", { x: (left + width) / 2, y: height - 3, class: "middle" }, data.packed.layers));
  const mark = draw("rect", { class: "cell-mark", width: cell, height: cell, visibility: "hidden" });
  svg.append(mark);
  const box = make("div", { class: "reading", role: "status", hidden: true });
  const holder = make("div", { class: "holder" }, svg, box);
  let [layer, other] = [matrix.size - 1, -1];
  const show = () => {
    layer = Math.min(matrix.size - 1, Math.max(0, layer));
    other = Math.min(matrix.size - 1, Math.max(0, other));
    const { x, y } = place(layer, other);
    for (const [name, value] of Object.entries({ x, y, visibility: "visible" })) mark.setAttribute(name, String(value));
    const row = matrix.at(layer, other);
    const interval = matrix.other || !Number.isFinite(points.low[row]) ? "" : ` (${short(points.low[row] ?? NaN)} to ${short(points.high[row] ?? NaN)})`;
    const n = points.texts?.[row];
    box.replaceChildren(make("p", {}, `${data.packed.layers} ${layer} and ${other}: `, make("b", {}, short(valueOf(layer, other))), interval, n ? ` n ${thousands(n)}` : ""));
    box.hidden = false;
    box.style.top = `${y + cell + 8}px`;
    beside(box, svg, x / width);
  };
  const hide = () => {
    box.hidden = true;
    mark.setAttribute("visibility", "hidden");
  };
  svg.addEventListener("pointermove", (event) => {
    const area = svg.getBoundingClientRect();
    const pointer = /** @type {PointerEvent} */ (event);
    other = Math.floor((((pointer.clientX - area.left) / area.width) * width - left) / cell);
    layer = matrix.size - 1 - Math.floor((((pointer.clientY - area.top) / area.height) * height - 6) / cell);
    show();
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (key === "ArrowRight") other += 1;
    else if (key === "ArrowLeft") other -= 1;
    else if (key === "ArrowUp") layer += 1;
    else if (key === "ArrowDown") layer -= 1;
    else return;
    show();
    event.preventDefault();
  });
  const figure = make("div", {}, make("figcaption", {}, make("b", {}, matrix.title), make("small", {}, ` ${matrix.note}`)), holder,
    make("p", { class: "tools" }, button("SVG", () => saveSvg(matrix.title, svg), "small")));
  return figure;
}

/** @param {Data} data @param {Matrix[]} matrices @param {State} state @param {number} width */
function differenceOf(data, matrices, state, width) {
  const titles = Object.fromEntries(matrices.map((matrix) => [String(matrix.curve.id), matrix.title]));
  const first = ownChoice(state, "first", "Of", titles);
  const left = matrices.find((matrix) => String(matrix.curve.id) === first.chosen[0]);
  const same = matrices.filter((matrix) => left && matrix.size === left.size && matrix !== left);
  if (!left || !same.length) return make("p", {}, control(first), "No other chosen matrix is of as many layers: choose a second text, or another model of the same depth.");
  const second = ownChoice(state, "second", "Minus", Object.fromEntries(same.map((matrix) => [String(matrix.curve.id), matrix.title])));
  const right = /** @type {Matrix} */ (same.find((matrix) => String(matrix.curve.id) === second.chosen[0]) || same[0]);
  let largest = 0;
  for (let layer = 0; layer < left.size; layer++) {
    for (let other = 0; other < left.size; other++) {
      const step = Math.abs((data.points.value[left.at(layer, other)] ?? NaN) - (data.points.value[right.at(layer, other)] ?? NaN));
      if (step > largest) largest = step;
    }
  }
  const figure = drawnMatrix(data, { ...left, other: right, title: `${left.title} minus ${right.title}`, share: (value) => 0.5 + value / (2 * largest || 1), stops: APART, note: "" }, width);
  return make("div", {}, make("div", { class: "pair" }, selectOf(first), selectOf(second)), colourKey(APART, [-largest, largest], "white: no difference"), figure);
}
