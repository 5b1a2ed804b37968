// Tables as CSV: exactly the rows that are shown.

const CURVE_COLUMNS = ["stage", "name", "model", "corpus", "view", "site", "position", "preparation", "sinks", "variant",
  "normalisation", "label", "estimator", "selection", "measure", "control", "test_corpus", "choice", "distance"];
// What is asked for first stands first: a table is wider than a screen.
const COLUMNS = ["name", "model", "corpus", "view", "sinks", "label", "control", "choice", "layer", "other_layer", "depth",
  "value", "low", "high", "p", "chance", "texts", "groups", "left_out", "measure", "estimator", "selection", "site",
  "position", "preparation", "variant", "normalisation", "test_corpus", "distance", "stage", "reason"];

/** @param {string[][]} rows */
function csv(rows) {
  const cell = (/** @type {string} */ text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return `${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

/** @param {number | null | undefined} value */
function plain(value) {
  return value === null || value === undefined || !Number.isFinite(value) ? "" : String(value);
}

/** A number with the decimals of its curve. @param {number} value @param {Curve} curve */
function exact(value, curve) {
  return Number.isFinite(value) ? String(Number(value.toFixed(curve.decimals))) : "";
}

/** The columns of one row of the data. @param {Data} data @param {Curve} curve @param {number} row @returns {Record<string, string>} */
function cells(data, curve, row) {
  const { points } = data;
  const layer = points.layer[row];
  return {
    ...curve.key,
    layer: plain(layer),
    other_layer: plain(points.other?.[row]),
    depth: layer === null || layer === undefined ? "" : String(Number((layer / curve.depth).toFixed(6))),
    value: exact(points.value[row] ?? NaN, curve),
    low: exact(points.low[row] ?? NaN, curve),
    high: exact(points.high[row] ?? NaN, curve),
    chance: points.chance[row] ?? "",
    p: points.p[row] ?? "",
    texts: plain(points.texts?.[row]),
    groups: plain(points.groups?.[row]),
    left_out: plain(points.leftOut?.[row]),
    reason: points.reason[row] ?? "",
  };
}

/** Every point of some curves. @param {Data} data @param {Curve[]} curves @returns {string[][]} */
function rowsOf(data, curves) {
  const rows = [COLUMNS];
  for (const curve of curves) {
    for (let row = curve.start; row < curve.start + curve.count; row++) {
      const found = cells(data, curve, row);
      rows.push(COLUMNS.map((column) => found[column] ?? ""));
    }
  }
  return rows;
}
