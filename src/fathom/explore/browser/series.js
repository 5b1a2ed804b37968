// Which curves share a panel, and how they are told apart there.

const COLOURS = 8;
const STRIPS_FROM = 9; // models; so many curves in one panel are a skein

/**
 * @param {Curve[]} curves of one metric, experiment or task
 * @param {{panel: string, controls: boolean}} view
 * @param {{texts: string[], models: string[]}} order colours stay with the same texts and models whatever is chosen
 * @param {Speaker} say
 * @returns {PanelContent[]}
 */
function panelsOf(curves, view, order, say) {
  const by = view.panel === "texts" ? "texts" : "model";
  const across = by === "texts" ? "model" : "texts";
  const shown = curves.filter((curve) => view.controls || !curve.key.control);
  return [...grouped(shown, (curve) => `${curve.key[by]}`).values()].map((some) => {
    const first = /** @type {Curve} */ (some[0]);
    const varying = ["control", across, ...SEVERAL, ...ONE].filter((key, place, keys) => keys.indexOf(key) === place)
      .filter((key) => key !== by && once(some.map((curve) => curve.key[key])).length > 1);
    const ranks = across === "model" ? order.models : order.texts;
    const series = some.map((curve) => {
      const words = varying.map((key) => wordFor(curve, key, say)).filter(Boolean);
      return {
        curve,
        label: words.join(", ") || say.value(across, curve.key[across] ?? ""),
        colour: Math.max(0, ranks.indexOf(curve.key[across] ?? "")) % COLOURS,
        dashed: curve.key.sinks === "without",
        thin: curve.key.control !== "",
        model: say.model(curve.key.model ?? ""),
      };
    });
    let control = 0;
    for (const one of series) if (one.thin) one.colour = (2 + control++) % COLOURS;
    return {
      title: by === "texts" ? (first.key.texts ?? "") : say.model(first.key.model ?? ""),
      note: noteOf(some, by, say),
      series,
      about: say.about(first.key),
    };
  });
}

/** @param {Curve} curve @param {string} key @param {Speaker} say */
function wordFor(curve, key, say) {
  const value = curve.key[key] ?? "";
  if (key === "control") return value === "" ? "" : value;
  if (key === "sinks") return value === "without" ? "without sinks" : "";
  if (key === "label" && curve.key.control) return "";
  return value === "" ? "" : say.value(key, value);
}

/** The keys with one value, in a line. @param {Curve[]} curves @param {string} by @param {Speaker} say */
function noteOf(curves, by, say) {
  const main = curves.find((curve) => !curve.key.control) || curves[0];
  if (!main) return "";
  const words = ["texts", "label", "estimator", "preparation", "selection", "measure", "site", "position", "variant"]
    .filter((key) => key !== by && main.key[key] && !(key === "site" && main.key[key] === "residual"))
    .filter((key) => once(curves.filter((one) => !one.key.control).map((one) => one.key[key])).length === 1)
    .map((key) => say.value(key, main.key[key] ?? ""));
  const deepest = once(curves.filter((curve) => curve.count > 1).map((curve) => curve.depth)).map((depth) => `${depth} layers`).join(", ");
  return [...words, deepest].join(" · ");
}

/** Models, in the order that is asked for. @param {string[]} models @param {string} wanted @param {Curve[]} curves @param {Data} data @param {Speaker} say */
function sortModels(models, wanted, curves, data, say) {
  const byModel = grouped(curves, (curve) => curve.key.model ?? "");
  /** @type {Record<string, (model: string) => number | string>} */
  const measures = {
    name: (model) => say.model(model).toLowerCase(),
    depth: (model) => byModel.get(model)?.[0]?.depth ?? 0,
    peak: (model) => peakDepth(data, byModel.get(model)?.[0]),
  };
  const measure = measures[wanted];
  if (!measure) return models;
  return [...models].sort((a, b) => (measure(a) < measure(b) ? -1 : measure(a) > measure(b) ? 1 : 0));
}

/** Relative depth of the largest value. @param {Data} data @param {Curve | undefined} curve */
function peakDepth(data, curve) {
  if (!curve) return 0;
  let [best, at] = [-Infinity, 0];
  for (let row = curve.start; row < curve.start + curve.count; row++) {
    const value = data.points.value[row] ?? NaN;
    if (value > best) [best, at] = [value, data.points.layer[row] ?? 0];
  }
  return at / curve.depth;
}

/** How a line of a series looks in a legend. @param {Series} series */
function swatchOf(series) {
  const kind = `line c${series.colour}${series.dashed ? " dashed" : ""}${series.thin ? " thin" : ""}`;
  return draw("svg", { class: "swatch", viewBox: "0 0 22 8", width: 22, height: 8, "aria-hidden": "true" },
    draw("path", { class: kind, d: "M0 4H22" }));
}
