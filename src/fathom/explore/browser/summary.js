// The table above the panels of probes, and the file of a panel.

const FEW = 40;

/**
 * Where each probe is best: a row an experiment and model; its button shows the panel alone.
 *
 * @param {Data} data @param {Curve[]} chosen @param {Speaker} say
 */
function summaryOf(data, chosen, say) {
  const order = inOrder(data, once(chosen.map((curve) => curve.key.name)));
  const peaked = chosen.filter((curve) => !curve.key.control && curve.peak !== null);
  const curves = order.flatMap((name) => peaked.filter((curve) => curve.key.name === name));
  const inner = new Map(data.curves.filter((one) => one.section === "choices" && one.key.choice === "inner_folds").map((one) => [probeOf(one.key), one]));
  const forms = once(curves.map((curve) => curve.key.sinks)).length > 1;
  const head = ["experiment", "model", ...(forms ? ["sink tokens"] : []), "label", "best layer", "of", "score there", "p", "last layer", "chosen by inner folds"];
  const rowOf = (/** @type {Curve} */ curve) => {
    const row = rowAt(data, curve, curve.peak ?? -1);
    const last = rowAt(data, curve, curve.depth);
    const name = curve.key.name ?? "";
    const open = button(say.about(curve.key).title, () => choose({ name: [name], model: [curve.key.model ?? ""], label: curve.key.label ? [curve.key.label] : null }), "link");
    const span = curve.peakLow === null ? "" : ` (${curve.peakLow} to ${curve.peakHigh})`;
    return make("tr", {},
      make("th", { scope: "row" }, open),
      ...[say.model(curve.key.model), ...(forms ? [curve.key.sinks] : []), say.value("label", curve.key.label ?? ""), `${curve.peak}${span}`, String(curve.depth), valueAt(data, row), data.points.p[row] ?? "", last < 0 ? "" : short(data.points.value[last] ?? NaN), innerChoice(data, curve, inner)].map((text) => make("td", {}, text)));
  };
  if (!curves.length) return make("div");
  const body = make("tbody", {}, ...curves.slice(0, FEW).map(rowOf));
  const rest = button(`All ${curves.length} rows`, () => {
    body.append(...curves.slice(FEW).map(rowOf));
    rest.remove();
  }, "small");
  return make("section", {}, make("h2", {}, "Where each probe is best"),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "where each probe is best" },
      make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))), body)), curves.length > FEW ? rest : "",
    make("p", { class: "hint" }, "The best layer is that of hindsight, with the interval of where it is; p is family-wise over layers. In the panels a dot is filled where p < 0.05, the ring is the best layer, the bar below it the interval, the dotted line chance, thin lines controls."));
}

/** @param {Data} data @param {number} row */
function valueAt(data, row) {
  if (row < 0) return "";
  const [low, high] = [data.points.low[row] ?? NaN, data.points.high[row] ?? NaN];
  return short(data.points.value[row] ?? NaN) + (Number.isFinite(low) ? ` (${short(low)} to ${short(high)})` : "");
}

/** What a choice of a layer and a curve have in common. @param {Key} key */
function probeOf(key) {
  return [key.name, key.model, key.view, key.site, key.position, key.sinks, key.label, key.estimator, key.selection, key.measure, key.test_corpus].join("\n");
}

/** The layer that inner folds choose, and its score. @param {Data} data @param {Curve} curve @param {Map<string, Curve>} inner */
function innerChoice(data, curve, inner) {
  const found = inner.get(probeOf(curve.key));
  if (!found || !Number.isFinite(data.points.value[found.start])) return "";
  const layer = data.points.layer[found.start];
  return `${layer === null || layer === undefined ? "several layers" : layer}: ${short(data.points.value[found.start] ?? NaN)}`;
}

/** A picture that stands alone: colours as they are shown, no reading line. @param {string} name @param {SVGElement} svg */
function saveSvg(name, svg) {
  const copy = /** @type {SVGElement} */ (svg.cloneNode(true));
  const [from, to] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((element, place) => {
    const style = getComputedStyle(element);
    for (const property of ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "font-size", "text-anchor"]) to[place]?.setAttribute(property, style.getPropertyValue(property));
  });
  for (const line of copy.querySelectorAll(".reading-line, .cell-mark")) line.remove();
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("font-family", "sans-serif");
  save(`${name.replace(/[^A-Za-z0-9._-]+/g, "-")}.svg`, new XMLSerializer().serializeToString(copy), "image/svg+xml");
}
