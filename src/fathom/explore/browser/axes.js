// Scales and axes of a panel.

/** Round numbers between two ends. @param {number} from @param {number} to @param {number} about how many */
function ticksOf(from, to, about) {
  const span = to - from || Math.abs(from) || 1;
  const raw = span / about;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * size).find((one) => one >= raw) || raw;
  const ticks = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to + step * 1e-9; tick += step) ticks.push(Number(tick.toPrecision(10)));
  return ticks;
}

/** @param {[number, number]} domain @param {[number, number]} range @param {number} about @returns {Scale} */
function scaleOf([from, to], range, about) {
  const width = to - from || 1;
  return {
    from,
    to,
    at: (value) => range[0] + ((value - from) / width) * (range[1] - range[0]),
    ticks: ticksOf(from, to, about),
  };
}

/** A little air above and below. @param {[number, number]} domain @returns {[number, number]} */
function padded([from, to]) {
  const air = (to - from) * 0.05 || Math.abs(to) * 0.05 || 1;
  return [from - air, to + air];
}

/** @param {Frame} frame @param {Scale} x @param {Scale} y @param {string} below @param {string} beside */
function axesOf(frame, x, y, below, beside) {
  const right = frame.width - frame.right;
  const bottom = frame.height - frame.bottom;
  const group = draw("g", { class: "axes" });
  for (const tick of y.ticks) {
    group.append(draw("path", { class: "grid", d: `M${frame.left} ${y.at(tick).toFixed(1)}H${right}` }));
    group.append(draw("text", { x: frame.left - 6, y: (y.at(tick) + 4).toFixed(1), class: "end" }, tickText(tick)));
  }
  for (const tick of x.ticks) {
    group.append(draw("path", { class: "tick", d: `M${x.at(tick).toFixed(1)} ${bottom}v4` }));
    group.append(draw("text", { x: x.at(tick).toFixed(1), y: bottom + 16, class: "middle" }, tickText(tick)));
  }
  group.append(draw("text", { x: (frame.left + right) / 2, y: frame.height - 3, class: "middle" }, below));
  group.append(draw("text", { x: 2, y: 11 }, beside));
  return group;
}

/** @param {number} tick */
function tickText(tick) {
  return String(tick).replace("-", "−");
}

// Colours of values ----------------------------------------------------------------------------------------------

const BINS = 48;
const RISING = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
// Letters are read on these: what is usual is pale, what stands out is dark.
const ON_PAPER = ["#f7f4ef", "#f6dfb8", "#f3b96b", "#e8893b", "#c95a1e", "#8e2f13", "#4d1209"];
const APART = ["#2c5aa0", "#6f9bd1", "#bcd3ea", "#f2f2f2", "#f3c9a5", "#dd8452", "#a63d0a"];

/** A colour along some stops, share from 0 to 1. @param {string[]} stops @param {number} share */
function colourAt(stops, share) {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const first = Math.min(stops.length - 2, Math.floor(place));
  const part = (/** @type {number} */ stop, /** @type {number} */ offset) => parseInt((stops[stop] ?? "#000000").slice(offset, offset + 2), 16);
  const mixed = [1, 3, 5].map((offset) => Math.round(part(first, offset) + (place - first) * (part(first + 1, offset) - part(first, offset))));
  return `#${mixed.map((one) => one.toString(16).padStart(2, "0")).join("")}`;
}

/** Light or dark letters on a colour. @param {string} colour */
function lettersOn(colour) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((offset) => (parseInt(colour.slice(offset, offset + 2), 16) / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.18 ? "#000000" : "#ffffff";
}

/**
 * Cells of one colour are one path: thousands of cells stay some dozens of elements.
 *
 * @param {Iterable<{x: number, y: number, width: number, height: number, share: number}>} cells
 * @param {string[]} stops
 */
function cellsOf(cells, stops) {
  /** @type {Map<number, string[]>} */
  const paths = new Map();
  for (const { x, y, width, height, share } of cells) {
    const bin = Number.isFinite(share) ? Math.round(Math.min(1, Math.max(0, share)) * BINS) : -1;
    const path = paths.get(bin) || [];
    path.push(`M${x.toFixed(1)} ${y.toFixed(1)}h${width.toFixed(2)}v${height.toFixed(2)}h${(-width).toFixed(2)}z`);
    paths.set(bin, path);
  }
  return [...paths].map(([bin, path]) => draw("path", bin < 0 ? { d: path.join(""), class: "missing" } : { d: path.join(""), fill: colourAt(stops, bin / BINS) }));
}

/** What the colours mean. @param {string[]} stops @param {[number, number]} ends @param {string} words */
function colourKey(stops, ends, words) {
  const strip = draw("svg", { width: 120, height: 12, class: "key", "aria-hidden": "true" });
  for (let bin = 0; bin < 24; bin++) strip.append(draw("rect", { x: bin * 5, y: 0, width: 5.5, height: 12, fill: colourAt(stops, bin / 23) }));
  return make("p", { class: "legend" }, short(ends[0]), " ", strip, " ", `${short(ends[1])} ${words}`);
}
