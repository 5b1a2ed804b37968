// A text as a text, its tokens tinted by their norm or by the attention that they receive.

const NORM_OF_ONE = 80;
const STEPS_PER_DOUBLING = 8;
const SHARE_STEPS = 250;
const UNKNOWN = 255;
const LEAST_NORM = 0.5;
const MOST_NORM = 256;

/** Pale on a light ground, dark on a dark one. */
function tokenColours() {
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? RISING : ON_PAPER;
}

/** @typedef {{title: string, values: Float64Array, first: number, layers: number, share: (value: number) => number, said: (value: number) => string, ends: [number, number]}} Tint */

/** @param {TokenText} text @param {string} colour @returns {Tint} */
function tintOf(text, colour) {
  const bytes = fromBase64(colour === "attention" ? text.attention : text.norm);
  const layers = text.tokens.length ? bytes.length / text.tokens.length : 0;
  const values = Float64Array.from(bytes, (byte) => (byte === UNKNOWN ? NaN : colour === "attention" ? byte / SHARE_STEPS : 2 ** ((byte - NORM_OF_ONE) / STEPS_PER_DOUBLING)));
  if (colour === "attention") {
    return { title: "share of the heads of a block that attend to the token", values, first: 1, layers, ends: [0, 1], share: (value) => value, said: (value) => (Number.isNaN(value) ? "unknown" : `${Math.round(100 * value)} % of the heads`) };
  }
  const [least, most] = [Math.log(LEAST_NORM), Math.log(MOST_NORM)];
  return { title: "times the median norm of the text (log scale)", values, first: 0, layers, ends: [LEAST_NORM, MOST_NORM], share: (value) => (Math.log(value) - least) / (most - least), said: (value) => (Number.isNaN(value) ? "unknown" : `${value.toPrecision(2)} times the median norm`) };
}

/** @param {Data} data @param {State} state @param {Speaker} say */
function tokensSection(data, state, say) {
  const texts = data.packed.tokens;
  const name = (/** @type {TokenText} */ text) => `${text.model}/${text.corpus}/${text.text}`;
  const models = once(texts.map((text) => text.model));
  const model = ownChoice(state, "model", "Model", Object.fromEntries(models.map((one) => [one, say.model(one)])));
  const ofModel = texts.filter((text) => text.model === model.chosen[0]);
  const corpus = ownChoice(state, "corpus", "Texts", Object.fromEntries(once(ofModel.map((text) => text.corpus)).map((one) => [one, one])));
  const ofCorpus = ofModel.filter((text) => text.corpus === corpus.chosen[0]);
  const which = ownChoice(state, "text", "Text", Object.fromEntries(ofCorpus.map((text) => [name(text), text.text])));
  const colour = ownChoice(state, "colour", "Colour", { norm: "norm / median of the text", attention: "attention received" });
  const text = ofCorpus.find((one) => name(one) === which.chosen[0]);
  const menu = [control(model), control(corpus), selectOf(which), control(colour)];
  const main = make("div");
  if (!text) return { menu, main };
  const tint = tintOf(text, colour.chosen[0] ?? "norm");
  const last = tint.first + tint.layers - 1;
  const half = Math.round((tint.first + last) / 2);
  const asked = Number(oneOf(state, "layer", String(half)));
  let layer = Math.min(last, Math.max(tint.first, Number.isFinite(asked) ? asked : half));
  const spans = text.tokens.map((token, place) => make("span", { class: text.sinks.includes(place) ? "token sink" : "token", "data-place": place }, token === "" ? "·" : token));
  const output = make("output", {}, "");
  const slider = make("input", { type: "range", min: tint.first, max: last, value: layer, "aria-label": "layer", input: () => {
    layer = Number(slider.value);
    paint();
  }, change: () => remember("layer", slider.value) });
  const box = make("p", { class: "token-reading", role: "status" }, "Point at a token, or walk over the tokens below with the arrow keys.");
  const valueOf = (/** @type {number} */ place, /** @type {number} */ at) => tint.values[(at - tint.first) * text.tokens.length + place] ?? NaN;
  const tell = (/** @type {number} */ place) => {
    const sink = text.sinks.includes(place) ? ", a sink" : "";
    box.replaceChildren(make("b", {}, `“${text.tokens[place]}”`), ` token ${place + 1} of ${text.tokens.length}${sink}, ${data.packed.layers} ${layer}: ${tint.said(valueOf(place, layer))}`);
  };
  const line = draw("rect", { class: "layer-line", height: 0, width: 0 });
  const paint = () => {
    output.textContent = String(layer);
    slider.value = String(layer);
    spans.forEach((span, place) => {
      const share = tint.share(valueOf(place, layer));
      const shade = Number.isFinite(share) ? colourAt(tokenColours(), share) : "#bbbbbb";
      span.style.backgroundColor = shade;
      span.style.color = lettersOn(shade);
    });
    moveLine();
  };
  const paragraph = make("p", { class: "text" }, ...spans);
  paragraph.addEventListener("pointerover", (event) => {
    const place = /** @type {HTMLElement} */ (event.target).dataset.place;
    if (place !== undefined) tell(Number(place));
  });
  const { svg, cell, height } = heatOf(text, tint, byId("main").clientWidth - 24, data.packed.layers);
  const moveLine = () => {
    for (const [key, value] of Object.entries({ x: cell.left, y: (last - layer) * cell.height, width: cell.width * text.tokens.length, height: cell.height })) line.setAttribute(key, String(value));
  };
  const mark = draw("rect", { class: "cell-mark", width: cell.width, height: cell.height, visibility: "hidden" });
  svg.append(line, mark);
  let token = -1;
  const pick = () => {
    token = Math.min(text.tokens.length - 1, Math.max(0, token));
    layer = Math.min(last, Math.max(tint.first, layer));
    paint();
    tell(token);
    for (const [key, value] of Object.entries({ x: cell.left + token * cell.width, y: (last - layer) * cell.height, visibility: "visible" })) mark.setAttribute(key, String(value));
  };
  svg.addEventListener("keydown", (event) => {
    const { key } = /** @type {KeyboardEvent} */ (event);
    if (key === "ArrowRight") token += 1;
    else if (key === "ArrowLeft") token -= 1;
    else if (key === "ArrowUp") layer += 1;
    else if (key === "ArrowDown") layer -= 1;
    else return;
    pick();
    remember("layer", String(layer));
    event.preventDefault();
  });
  svg.addEventListener("click", (event) => {
    const area = svg.getBoundingClientRect();
    layer = last - Math.floor((((event instanceof MouseEvent ? event.clientY : 0) - area.top) / area.height) * height / cell.height);
    token = Math.floor((((event instanceof MouseEvent ? event.clientX : 0) - area.left) / area.width * svg.viewBox.baseVal.width - cell.left) / cell.width);
    pick();
    remember("layer", String(layer));
  });
  paint();
  main.append(
    make("h2", {}, `${text.corpus}, ${text.text}`, make("small", {}, ` ${say.model(text.model)} · ${text.tokens.length} tokens, ${text.sinks.length} of them sinks`)),
    make("p", { class: "slider" }, make("label", {}, `${data.packed.layers} `, slider), " ", output),
    paragraph, box, colourKey(tokenColours(), tint.ends, `${tint.title}; outlined: sinks`),
    make("p", {}, make("b", {}, "Every layer (up) and token (across); a click picks the layer")),
    make("div", { class: "scroll" }, svg),
    make("p", { class: "tools" }, button("CSV of this text", () => save("tokens.csv", csv(tokenRows(text, tint)), "text/csv")), button("SVG", () => saveSvg("tokens", svg))));
  return { menu, main };
}

/** @param {TokenText} text @param {Tint} tint @param {number} width @param {string} layers */
function heatOf(text, tint, width, layers) {
  const left = 30;
  const cell = { left, width: Math.min(48, Math.max(3, (width - left) / text.tokens.length)), height: Math.max(5, Math.min(12, 300 / tint.layers)) };
  const height = cell.height * tint.layers + 4;
  const cells = [];
  for (let row = 0; row < tint.layers; row++) {
    for (let place = 0; place < text.tokens.length; place++) {
      cells.push({ x: left + place * cell.width, y: (tint.layers - 1 - row) * cell.height, width: cell.width + 0.2, height: cell.height + 0.2, share: tint.share(tint.values[row * text.tokens.length + place] ?? NaN) });
    }
  }
  const across = left + cell.width * text.tokens.length;
  const svg = /** @type {SVGSVGElement} */ (draw("svg", { viewBox: `0 0 ${across} ${height}`, width: across, height, class: "heat", tabindex: 0, role: "img", "aria-label": `${layers} by token; arrow keys read the cells` }, ...cellsOf(cells, tokenColours())));
  for (const tick of ticksOf(tint.first, tint.first + tint.layers - 1, 5).filter(Number.isInteger)) {
    svg.append(draw("text", { x: left - 5, y: (tint.first + tint.layers - 1 - tick) * cell.height + cell.height / 2 + 4, class: "end" }, String(tick)));
  }
  return { svg, cell, height };
}

/** @param {TokenText} text @param {Tint} tint */
function tokenRows(text, tint) {
  const rows = [["model", "corpus", "text", "position", "token", "sink", "layer", "value"]];
  for (let row = 0; row < tint.layers; row++) {
    text.tokens.forEach((token, place) => {
      const value = tint.values[row * text.tokens.length + place] ?? NaN;
      rows.push([text.model, text.corpus, text.text, String(place), token, String(text.sinks.includes(place)), String(row + tint.first), Number.isNaN(value) ? "" : value.toPrecision(3)]);
    });
  }
  return rows;
}
