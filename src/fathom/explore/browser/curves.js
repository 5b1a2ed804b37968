// The sections Curves, Probes and Tasks: a block a metric, experiment or task, a panel a model or text.

/** @param {Data} data @param {State} state @param {string} section @param {Speaker} say */
function curvesSection(data, state, section, say) {
  const all = data.curves.filter((curve) => curve.section === section);
  const { choices, curves: chosen } = choicesOf(data, all, state, say);
  const models = once(all.map((curve) => curve.key.model ?? ""));
  const order = { models, texts: once(all.map((curve) => curve.key.texts ?? "")) };
  const hasControls = all.some((curve) => curve.key.control);
  const shownModels = once(chosen.map((curve) => curve.key.model ?? ""));
  const many = shownModels.length >= STRIPS_FROM;
  const own = [
    ownChoice(state, "panel", "A panel for each", { model: "model", texts: section === "curves" ? "text (models over one another)" : "subject (models over one another)" }),
    ownChoice(state, "x", "Across", { depth: "relative depth", layer: data.packed.layers }),
    ownChoice(state, "height", "Height", { own: "its own", common: "common to all panels" }),
    ownChoice(state, "as", "Drawn as", many ? { strips: "strips", curves: "curves" } : { curves: "curves", strips: "strips" }),
    ...(hasControls ? [ownChoice(state, "controls", "Controls", { show: "show", hide: "hide" })] : []),
    ...(models.length > MANY ? [ownChoice(state, "order", "Order of models", { given: "as configured", name: "name", depth: "layers", peak: "depth of the highest value" })] : []),
  ];
  const value = (/** @type {string} */ key) => own.find((choice) => choice.key === key)?.chosen[0] ?? "";
  const how = { panel: value("panel"), controls: value("controls") !== "hide", x: value("x"), height: value("height"), as: value("as"), order: value("order") };
  const swatch = (/** @type {string} */ key) => (/** @type {string} */ one) => swatchesOf(key, one, how.panel, order);
  const menu = [...choices.map((choice) => control(choice, swatch(choice.key))), ...own.map((choice) => control(choice))];
  const main = make("div");
  if (section === "probes") main.append(summaryOf(data, chosen, say));
  main.append(...verdictsOf(data, once(chosen.map((curve) => curve.key.name))));
  if (!chosen.length) main.append(make("p", {}, "Nothing is chosen: choose a name, a model and a text."));
  const byName = grouped(chosen, (curve) => curve.key.name);
  for (const name of inOrder(data, [...byName.keys()])) {
    const curves = byName.get(name) || [];
    main.append(blockOf(data, name, curves, how, order, state, say));
  }
  return { menu, main };
}

/** @param {string} key @param {string} value @param {string} panel @param {{models: string[], texts: string[]}} order @returns {Node[]} */
function swatchesOf(key, value, panel, order) {
  if (key === "sinks") return [draw("svg", { class: "swatch", width: 22, height: 8, "aria-hidden": "true" }, draw("path", { class: `line ink${value === "without" ? " dashed" : ""}`, d: "M0 4H22" }))];
  if (key !== (panel === "texts" ? "model" : "texts")) return [];
  const colour = (key === "model" ? order.models : order.texts).indexOf(value) % COLOURS;
  return [draw("svg", { class: "swatch", width: 22, height: 8, "aria-hidden": "true" }, draw("path", { class: `line c${colour}`, d: "M0 4H22" }))];
}

/**
 * @param {Data} data @param {string} name @param {Curve[]} curves
 * @param {{panel: string, controls: boolean, x: string, height: string, as: string, order: string}} how
 * @param {{models: string[], texts: string[]}} order @param {State} state @param {Speaker} say
 */
function blockOf(data, name, curves, how, order, state, say) {
  const about = say.about(/** @type {Curve} */ (curves[0]).key);
  const sorted = sortModels(once(curves.map((curve) => curve.key.model ?? "")), how.order, curves, data, say);
  const place = new Map(sorted.map((model, rank) => [model, rank]));
  const placed = [...curves].sort((a, b) => (place.get(a.key.model ?? "") ?? 0) - (place.get(b.key.model ?? "") ?? 0));
  const shown = placed.filter((curve) => how.controls || !curve.key.control);
  const panels = panelsOf(placed, how, order, say);
  const block = make("section", { class: "block", "data-name": name });
  block.append(make("h2", {}, about.title, about.gist ? make("small", {}, ` ${about.gist}`) : ""));
  const legend = new Map(panels.flatMap((panel) => panel.series.filter((one) => !one.thin).map((one) => /** @type {[string, Series]} */ ([one.label, one]))));
  if (how.as === "curves" && legend.size > 1) block.append(make("p", { class: "legend" }, ...[...legend].flatMap(([label, series]) => [make("span", {}, swatchOf(series), ` ${label}`)])));
  const width = byId("main").clientWidth - 24;
  const domain = extent(data, shown);
  if (how.as === "strips") block.append(stripsOf(data, panels, width, { layers: data.packed.layers, domain }));
  else {
    const columns = Math.max(1, Math.min(panels.length, Math.floor(width / 330)));
    const size = Math.min(560, Math.floor((width - (columns - 1) * 16) / columns));
    const grid = make("div", { class: "panels" });
    const deepest = Math.max(...shown.map((curve) => curve.depth), 1);
    for (const panel of panels) grid.append(figureOf(data, panel, { ...how, domain: how.height === "common" ? domain : null, width: size, deepest, layers: data.packed.layers }, name, state));
    block.append(grid);
  }
  const corpora = once(shown.map((curve) => curve.key.corpus)).filter((corpus) => data.packed.tokens.some((text) => text.corpus === corpus));
  const links = corpora.map((corpus) => make("a", { href: addressOf({ section: "tokens", chosen: new Map([["corpus", [corpus]]]) }) }, `${corpus}, token by token`));
  block.append(make("p", { class: "tools" }, button(`CSV of ${about.title}`, () => save(`${name}.csv`, csv(rowsOf(data, shown)), "text/csv")), ...links), notesOf(data, shown, say));
  return block;
}

/** @type {IntersectionObserver | null} */
let watching = null;
/** @type {WeakMap<Element, () => void>} */
const waiting = new WeakMap();
const AT_ONCE = 12; // panels: more than a screen shows
/** @type {(() => void)[]} */
let first = [];

/** Draw the first panels, which stand in the page now. */
function drawFirst() {
  for (const drawing of first) drawing();
  first = [];
}

/** Draw a panel when it is scrolled to: of a hundred models most never are. @param {HTMLElement} figure @param {() => void} drawing */
function whenSeen(figure, drawing) {
  if (first.length < AT_ONCE) {
    first.push(drawing);
    return;
  }
  watching ||= new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      waiting.get(entry.target)?.();
      waiting.delete(entry.target);
      watching?.unobserve(entry.target);
    }
  }, { rootMargin: "400px" });
  waiting.set(figure, drawing);
  watching.observe(figure);
}

/** Draw all panels that are still waiting, for print. */
function drawWaiting() {
  for (const figure of document.querySelectorAll("figure.panel-figure")) {
    waiting.get(figure)?.();
    waiting.delete(figure);
  }
}

/** @param {Data} data @param {PanelContent} panel @param {{x: string, domain: [number, number] | null, width: number, deepest: number, layers: string}} how @param {string} name @param {State} state */
function figureOf(data, panel, how, name, state) {
  const figure = make("figure", { class: "panel-figure" }, make("figcaption", {}, make("b", {}, panel.title), make("small", {}, ` ${panel.note}`)));
  figure.style.width = `${how.width}px`;
  figure.style.minHeight = `${Math.round(Math.min(260, how.width * 0.62)) + 30}px`;
  whenSeen(figure, () => {
    const drawn = panelOf(data, panel, how);
    const summary = `${panel.about.title}, ${panel.title}: ${panel.series.length} curves; arrow keys read them layer by layer`;
    for (const [key, value] of Object.entries({ tabindex: "0", role: "img", "aria-label": summary })) drawn.svg.setAttribute(key, value);
    const holder = make("div", { class: "holder" }, drawn.svg);
    figure.append(holder, make("p", { class: "tools" }, button("SVG", () => saveSvg(`${name}-${panel.title}`, drawn.svg), "small")));
    addReading(data, holder, drawn, panel, { x: how.x, layers: how.layers, mark: `${name}/${panel.title}`, read: oneOf(state, "read", "") });
  });
  return figure;
}
