// The reading line: every curve of a panel at one layer, by pointer, finger or arrow keys.

/** @typedef {{series: Series, row: number, layer: number}} Found */

/**
 * What each curve has at a place; where models of other depths share a panel, at their nearest layer.
 *
 * @param {Data} data @param {Series[]} series @param {number} place @param {string} x
 * @returns {Found[]}
 */
function readAt(data, series, place, x) {
  return series.map((one) => {
    const layer = Math.round(x === "layer" ? place : place * one.curve.depth);
    const flat = one.curve.count === 1;
    return { series: one, layer, row: flat ? one.curve.start : rowAt(data, one.curve, layer) };
  }).filter((one) => one.row >= 0 && Number.isFinite(data.points.value[one.row]))
    .sort((a, b) => (data.points.value[b.row] ?? 0) - (data.points.value[a.row] ?? 0));
}

/** One curve in words. @param {Data} data @param {Found} found @returns {HTMLElement} */
function readingRow(data, found) {
  const { points } = data;
  const { row, series } = found;
  const interval = Number.isFinite(points.low[row]) ? `${short(points.low[row] ?? NaN)} to ${short(points.high[row] ?? NaN)}` : "";
  const n = points.texts?.[row];
  const p = points.p[row];
  return make("tr", {},
    make("td", {}, swatchOf(series), ` ${series.label}`),
    make("td", { class: "value" }, short(points.value[row] ?? NaN)),
    make("td", {}, interval),
    make("td", {}, n === null || n === undefined ? "" : `n ${thousands(n)}`),
    make("td", {}, p ? `p ${p}` : ""));
}

/** @param {Data} data @param {Found[]} found @param {string} layers */
function readingBox(data, found, layers) {
  const main = found.find((one) => one.series.curve.count > 1) || found[0];
  const head = main ? `${layers} ${main.layer} of ${main.series.curve.depth} · depth ${(main.layer / main.series.curve.depth).toFixed(3).replace(/0$/, "")}` : "no value here";
  const deep = once(found.filter((one) => one.series.curve.count > 1).map((one) => one.layer)).length > 1;
  const rows = found.map((one) => {
    const row = readingRow(data, one);
    if (deep && one.series.curve.count > 1) row.append(make("td", {}, `${layers} ${one.layer}`));
    return row;
  });
  return [make("p", {}, head), make("table", {}, make("tbody", {}, ...rows))];
}

/**
 * @param {Data} data
 * @param {HTMLElement} figure
 * @param {ReturnType<typeof panelOf>} panel
 * @param {PanelContent} content
 * @param {{x: string, layers: string, mark: string, read: string}} how `mark` names the panel in the address
 */
function addReading(data, figure, panel, content, how) {
  const { svg, frame, x } = panel;
  const line = draw("path", { class: "reading-line", d: "", visibility: "hidden" });
  svg.append(line);
  const box = make("div", { class: "reading", role: "status", hidden: true });
  figure.append(box);
  const main = content.series.filter((one) => one.curve.count > 1);
  const finest = Math.max(1, ...main.map((one) => one.curve.depth));
  const step = how.x === "layer" ? 1 : 1 / finest;
  let at = NaN;
  const hide = () => {
    at = NaN;
    box.hidden = true;
    line.setAttribute("visibility", "hidden");
  };
  const show = (/** @type {number} */ place) => {
    at = Math.min(x.to, Math.max(x.from, Math.round(place / step) * step));
    const left = x.at(at);
    line.setAttribute("d", `M${left.toFixed(1)} ${frame.top}V${frame.height - frame.bottom}`);
    line.setAttribute("visibility", "visible");
    box.replaceChildren(...readingBox(data, readAt(data, content.series, at, how.x), how.layers));
    box.hidden = false;
    beside(box, svg, left / frame.width);
  };
  const keep = () => remember("read", Number.isFinite(at) ? `${how.mark}@${Number(at.toFixed(4))}` : "");
  const placeOf = (/** @type {MouseEvent} */ event) => {
    const place = svg.getBoundingClientRect();
    const share = ((event.clientX - place.left) / place.width) * frame.width;
    return x.from + ((share - frame.left) / (frame.width - frame.right - frame.left)) * (x.to - x.from);
  };
  svg.addEventListener("pointermove", (event) => show(placeOf(/** @type {PointerEvent} */ (event))));
  svg.addEventListener("pointerleave", (event) => {
    if (/** @type {PointerEvent} */ (event).pointerType === "mouse" && document.activeElement !== svg) hide();
  });
  svg.addEventListener("click", (event) => {
    svg.focus({ preventScroll: true });
    show(placeOf(/** @type {MouseEvent} */ (event)));
    keep();
  });
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const now = Number.isNaN(at) ? x.from - step : at;
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: now + step, ArrowLeft: Number.isNaN(at) ? x.to : now - step, Home: x.from, End: x.to };
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (key === "Escape") hide();
    else if (key in moves) show(moves[key] ?? 0);
    else return;
    keep();
    event.preventDefault();
  });
  const [mark, place] = how.read.split("@");
  if (mark === how.mark && place !== undefined) show(Number(place));
}

/** Put the box where it hides the line least. @param {HTMLElement} box @param {Element} svg @param {number} share */
function beside(box, svg, share) {
  const wide = svg.getBoundingClientRect().width;
  const left = share < 0.5 ? share * wide + 12 : share * wide - box.offsetWidth - 12;
  const room = Math.max(0, document.documentElement.clientWidth - svg.getBoundingClientRect().left - box.offsetWidth - 4);
  const start = -svg.getBoundingClientRect().left + 4;
  box.style.left = `${Math.max(start, Math.min(left, room))}px`;
}
