// The numbers, unpacked.

/** @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** @returns {Promise<Data>} */
async function unpack() {
  const bytes = fromBase64(byId("data").textContent || "");
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  /** @type {Packed} */
  const packed = JSON.parse(await new Response(stream).text());
  return { packed, curves: curvesOf(packed), points: pointsOf(packed) };
}

/** @param {Words | Runs | Numbers | null | undefined} column @returns {string[]} */
function wordsOf(column) {
  if (!column || Array.isArray(column)) return [];
  if ("runs" in column) return expanded(column.runs, (row) => column.words?.[row] ?? "");
  return column.rows.map((row) => column.words[row] ?? "");
}

/**
 * @template T
 * @param {number[]} runs
 * @param {(value: number) => T} meaning asked once a run
 * @returns {T[]}
 */
function expanded(runs, meaning) {
  let total = 0;
  for (let place = 1; place < runs.length; place += 2) total += runs[place] ?? 0;
  const all = /** @type {T[]} */ (new Array(total));
  let row = 0;
  for (let place = 0; place < runs.length; place += 2) {
    const last = row + (runs[place + 1] ?? 0);
    all.fill(meaning(runs[place] ?? 0), row, last);
    row = last;
  }
  return all;
}

/** Whole numbers from their runs, null where one is missing. @param {Words | Runs | Numbers | null | undefined} column @returns {Numbers} */
function countsOf(column) {
  return column && "runs" in column ? expanded(column.runs, (value) => (value < 0 ? null : value)) : [];
}

/** Layers from their steps within each curve. @param {Words | Runs | Numbers | null | undefined} column @param {Numbers} counts @returns {Numbers} */
function layersOf(column, counts) {
  if (!column || !("runs" in column)) return [];
  const steps = expanded(column.runs, (value) => value);
  /** @type {Numbers} */
  const layers = new Array(steps.length);
  let row = 0;
  for (const count of counts) {
    let layer = 0;
    for (const last = row + (count || 0); row < last; row++) {
      layer += steps[row] ?? 0;
      layers[row] = layer < 0 ? null : layer;
    }
  }
  return layers;
}

/** @param {Words | Runs | Numbers | null | undefined} column @returns {Numbers | null} */
function numbersOf(column) {
  return Array.isArray(column) ? column : null;
}

const NOT_KEYS = new Set(["points", "depth", "decimals", "peak", "peak_low", "peak_high", "other_layers", "mirrored"]);

/** @param {Packed} packed @returns {Curve[]} */
function curvesOf(packed) {
  const columns = Object.entries(packed.curves).filter(([name]) => !NOT_KEYS.has(name));
  const words = columns.map(([name, column]) => /** @type {[string, string[]]} */ ([name, wordsOf(column)]));
  const number = (/** @type {string} */ name) => numbersOf(packed.curves[name]) || [];
  const [counts, depths, decimals] = [number("points"), number("depth"), number("decimals")];
  const [peaks, lows, highs] = [number("peak"), number("peak_low"), number("peak_high")];
  const [pairs, mirrored] = [number("other_layers"), number("mirrored")];
  let start = 0;
  return counts.map((count, id) => {
    /** @type {Record<string, string>} */
    const found = {};
    for (const [name, column] of words) found[name] = column[id] ?? "";
    const { corpus = "", view = "" } = found;
    const texts = view === "" || view === "original" ? corpus : `${corpus}, ${view}`;
    const key = /** @type {Key} */ ({ ...found, texts });
    const curve = {
      id,
      key,
      start,
      count: count || 0,
      depth: depths[id] || 1,
      decimals: decimals[id] || 0,
      peak: peaks[id] ?? null,
      peakLow: lows[id] ?? null,
      peakHigh: highs[id] ?? null,
      pairs: pairs[id] === 1,
      mirrored: mirrored[id] === 1,
      section: sectionOf(key, pairs[id] === 1),
    };
    start += curve.count;
    return curve;
  });
}

/** Where a curve is shown. @param {Key} key @param {boolean} pairs */
function sectionOf(key, pairs) {
  if (key.choice) return "choices";
  if (pairs) return "matrices";
  return key.stage === "metrics" ? "curves" : key.stage;
}

/** @param {Packed} packed @returns {Points} */
function pointsOf(packed) {
  const counts = numbersOf(packed.curves.points) || [];
  const decimals = numbersOf(packed.curves.decimals) || [];
  const total = counts.reduce((/** @type {number} */ sum, count) => sum + (count || 0), 0);
  const [values, lows, highs] = ["value", "low", "high"].map((name) => numbersOf(packed.points[name]));
  const empty = () => new Float64Array(total).fill(NaN);
  const [value, low, high] = [empty(), empty(), empty()];
  let row = 0;
  counts.forEach((count, id) => {
    const unit = 10 ** (decimals[id] || 0);
    let [middle, below] = [0, 0];
    for (let last = row + (count || 0); row < last; row++) {
      const [step, lower, longer] = [values?.[row] ?? null, lows?.[row] ?? null, highs?.[row] ?? null];
      if (step !== null) value[row] = (middle += step) / unit;
      if (lower !== null) low[row] = (middle - (below += lower)) / unit;
      if (longer !== null) high[row] = (middle + below + longer) / unit;
    }
  });
  return {
    layer: layersOf(packed.points.layer, counts),
    other: layersOf(packed.points.other_layer, counts),
    value,
    low,
    high,
    chance: wordsOf(packed.points.chance),
    p: wordsOf(packed.points.p),
    reason: wordsOf(packed.points.reason),
    texts: countsOf(packed.points.texts),
    groups: countsOf(packed.points.groups),
    leftOut: countsOf(packed.points.left_out),
  };
}

/** The row of a curve at a layer, -1 if it has none. @param {Data} data @param {Curve} curve @param {number} layer */
function rowAt(data, curve, layer) {
  for (let row = curve.start; row < curve.start + curve.count; row++) if (data.points.layer[row] === layer) return row;
  return -1;
}

/** The lowest and highest of values and intervals. @param {Data} data @param {Curve[]} curves @param {boolean} [intervals] @returns {[number, number]} */
function extent(data, curves, intervals = true) {
  let [from, to] = [Infinity, -Infinity];
  for (const curve of curves) {
    for (let row = curve.start; row < curve.start + curve.count; row++) {
      const value = data.points.value[row] ?? NaN;
      const [low, high] = intervals ? [data.points.low[row] ?? NaN, data.points.high[row] ?? NaN] : [value, value];
      from = Math.min(from, Number.isNaN(value) ? from : value, Number.isNaN(low) ? from : low);
      to = Math.max(to, Number.isNaN(value) ? to : value, Number.isNaN(high) ? to : high);
    }
  }
  return from <= to ? [from, to] : [0, 1];
}
