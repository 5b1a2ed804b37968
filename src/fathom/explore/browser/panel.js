// One panel of curves.

/**
 * @param {Data} data
 * @param {PanelContent} content
 * @param {{x: string, domain: [number, number] | null, width: number, deepest: number, layers: string}} how
 * @returns {{svg: SVGElement, frame: Frame, x: Scale, y: Scale}}
 */
function panelOf(data, content, how) {
  const thin = content.series.filter((one) => one.thin);
  /** @type {Frame} */
  const frame = { left: 46, right: thin.length ? Math.min(110, how.width * 0.28) : 12, top: 18, bottom: 34, width: how.width, height: Math.round(Math.min(260, how.width * 0.62)) };
  const curves = content.series.map((one) => one.curve);
  const y = scaleOf(padded(how.domain || extent(data, curves)), [frame.height - frame.bottom, frame.top], 5);
  const deepest = how.x === "layer" ? how.deepest : 1;
  const x = scaleOf([0, deepest], [frame.left, frame.width - frame.right], how.width < 360 ? 4 : 6);
  if (how.x === "layer") x.ticks = x.ticks.filter((tick) => Number.isInteger(tick));
  const svg = draw("svg", { viewBox: `0 0 ${frame.width} ${frame.height}`, width: frame.width, height: frame.height, class: "panel" });
  svg.append(axesOf(frame, x, y, how.x === "layer" ? how.layers : "relative depth", content.about.axis));
  const place = (/** @type {Curve} */ curve, /** @type {number} */ row) => x.at((data.points.layer[row] ?? 0) / (how.x === "layer" ? 1 : curve.depth));
  const chance = chanceOf(data, curves);
  if (chance !== null && chance >= y.from && chance <= y.to) svg.append(draw("path", { class: "chance", d: `M${frame.left} ${y.at(chance).toFixed(1)}H${frame.width - frame.right}` }));
  for (const one of [...thin, ...content.series.filter((series) => !series.thin)]) svg.append(...lineOf(data, one, place, x, y));
  svg.append(...endLabels(data, thin, frame, y));
  return { svg, frame, x, y };
}

/** Chance, where it is the same all along. @param {Data} data @param {Curve[]} curves */
function chanceOf(data, curves) {
  const found = once(curves.filter((curve) => !curve.key.control).map((curve) => data.points.chance[curve.start] ?? "")).filter(Boolean);
  return found.length === 1 ? Number(found[0]) : null;
}

/** @param {Data} data @param {Series} series @param {(curve: Curve, row: number) => number} place @param {Scale} x @param {Scale} y */
function lineOf(data, series, place, x, y) {
  const { curve } = series;
  const { points } = data;
  const rows = [...Array(curve.count).keys()].map((one) => curve.start + one).filter((row) => Number.isFinite(points.value[row]));
  const at = (/** @type {number} */ row, /** @type {number} */ value) => `${place(curve, row).toFixed(1)} ${y.at(value).toFixed(1)}`;
  const kind = `c${series.colour}${series.dashed ? " dashed" : ""}${series.thin ? " thin" : ""}`;
  /** @type {SVGElement[]} */
  const marks = [];
  if (rows.length === 1 && series.thin) {
    const level = y.at(points.value[rows[0] ?? 0] ?? 0).toFixed(1);
    return [draw("path", { class: `line ${kind}`, d: `M${x.at(x.from).toFixed(1)} ${level}H${x.at(x.to).toFixed(1)}`, "data-curve": curve.id })];
  }
  const banded = series.thin ? [] : rows.filter((row) => Number.isFinite(points.low[row]) && Number.isFinite(points.high[row]));
  if (banded.length > 1) {
    const up = banded.map((row) => at(row, points.high[row] ?? 0));
    const down = banded.map((row) => at(row, points.low[row] ?? 0)).reverse();
    marks.push(draw("path", { class: `band ${kind}`, d: `M${up.join("L")}L${down.join("L")}Z` }));
  }
  marks.push(draw("path", { class: `line ${kind}`, d: `M${runs(points, rows, at)}`, "data-curve": curve.id }));
  if (series.thin) return marks;
  for (const row of rows) {
    const p = points.p[row];
    if (!p && rows.length > 1) continue;
    const filled = p !== "" && Number(p) < 0.05 ? " filled" : "";
    marks.push(draw("circle", { class: `dot ${kind}${filled}`, cx: place(curve, row).toFixed(1), cy: y.at(points.value[row] ?? 0).toFixed(1), r: 2.6 }));
  }
  if (curve.peak !== null) marks.push(...peakOf(data, series, place, y));
  return marks;
}

/** A line that breaks where a layer has no value. @param {Points} points @param {number[]} rows @param {(row: number, value: number) => string} at */
function runs(points, rows, at) {
  return rows.map((row, place) => `${place && row !== (rows[place - 1] ?? 0) + 1 ? "M" : place ? "L" : ""}${at(row, points.value[row] ?? 0)}`).join("");
}

/** The highest layer as a ring, and the interval of where it is. @param {Data} data @param {Series} series @param {(curve: Curve, row: number) => number} place @param {Scale} y */
function peakOf(data, series, place, y) {
  const { curve } = series;
  const row = rowAt(data, curve, curve.peak ?? -1);
  if (row < 0) return [];
  const [cx, cy] = [place(curve, row).toFixed(1), y.at(data.points.value[row] ?? 0).toFixed(1)];
  const marks = [draw("circle", { class: `ring c${series.colour}`, cx, cy, r: 5.5 })];
  const [low, high] = [rowAt(data, curve, curve.peakLow ?? -1), rowAt(data, curve, curve.peakHigh ?? -1)];
  if (low >= 0 && high > low) {
    const level = Number(y.at(y.from).toFixed(1)) - 4;
    marks.push(draw("path", { class: `span c${series.colour}`, d: `M${place(curve, low).toFixed(1)} ${level}H${place(curve, high).toFixed(1)}` }));
  }
  return marks;
}

/** Names of thin lines, where they end. @param {Data} data @param {Series[]} thin @param {Frame} frame @param {Scale} y */
function endLabels(data, thin, frame, y) {
  const wanted = thin.map((series) => {
    const last = series.curve.start + series.curve.count - 1;
    return { series, level: y.at(data.points.value[last] ?? NaN), text: series.label };
  }).filter((one) => Number.isFinite(one.level)).sort((a, b) => a.level - b.level);
  let taken = -Infinity;
  const labels = wanted.map((one) => {
    taken = Math.max(one.level, taken + 12);
    return { ...one, level: taken };
  });
  const over = Math.max(0, taken - (frame.height - frame.bottom));
  return labels.map((one) => draw("text", { x: frame.width - frame.right + 5, y: (one.level - over + 4).toFixed(1), class: `label t${one.series.colour}` }, one.text));
}
