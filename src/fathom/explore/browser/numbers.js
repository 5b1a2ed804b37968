// Every number: filter by words, sort by a column, take as CSV.

const PAGE = 200;
const TABLES = { curves: "curves", matrices: "pairs of layers", choices: "choices of a layer" };

/** @param {Data} data @param {State} state @param {Speaker} say */
function numbersSection(data, state, say) {
  const table = ownChoice(state, "table", "Table", TABLES);
  const wanted = table.chosen[0] ?? "curves";
  const curves = data.curves.filter((curve) => (wanted === "curves" ? !["matrices", "choices"].includes(curve.section) : curve.section === wanted));
  const filter = oneOf(state, "words", "");
  const [sort = "", down = ""] = oneOf(state, "sort", "").split(":");
  const find = make("input", { type: "search", value: filter, "aria-label": "filter by words", placeholder: "words, layer=13", change: () => choose({ words: find.value ? [find.value] : null }) });
  const menu = [control(table), make("fieldset", {}, make("legend", {}, "Filter"), find, make("p", { class: "hint" }, "Rows with all of these words; layer=13 asks for a layer. Enter filters."))];
  const rows = sorted(data, filtered(data, curves, filter, say), sort, down === "down");
  const total = curves.reduce((sum, curve) => sum + curve.count, 0);
  const columns = COLUMNS.filter((column) => used(data, rows, column));
  const shownRows = () => [columns, ...rows.map(({ curve, row }) => {
    const found = cells(data, curve, row);
    return columns.map((column) => found[column] ?? "");
  })];
  const text = () => csv(shownRows());
  const body = make("tbody");
  let shown = 0;
  const more = button("Show more rows", () => {
    for (const { curve, row } of rows.slice(shown, shown + PAGE)) {
      const found = cells(data, curve, row);
      body.append(make("tr", {}, ...columns.map((column) => make("td", {}, found[column] ?? ""))));
    }
    shown = Math.min(rows.length, shown + PAGE);
    more.hidden = shown >= rows.length;
  });
  more.click();
  const heads = columns.map((column) => {
    const next = sort === column && !down ? `${column}:down` : column;
    const order = sort === column ? (down ? "descending" : "ascending") : "none";
    return make("th", { scope: "col", "aria-sort": order }, button(column.replaceAll("_", " ") + (sort === column ? (down ? " ↓" : " ↑") : ""), () => choose({ sort: [next] }), "link"));
  });
  const main = make("div", {},
    make("p", { class: "tools" }, make("b", { id: "row-count" }, `${thousands(rows.length)} of ${thousands(total)} rows`), " ",
      button("Download CSV", () => save(`${wanted}.csv`, text(), "text/csv")), button("Copy", () => copyText(text()))),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "numbers" }, make("table", { class: "plain numbers" }, make("thead", {}, make("tr", {}, ...heads)), body)), more);
  return { menu, main };
}

/** @typedef {{curve: Curve, row: number}} Row */

/** @param {Data} data @param {Curve[]} curves @param {string} filter @param {Speaker} say @returns {Row[]} */
function filtered(data, curves, filter, say) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const layers = words.filter((word) => /^layer=\d+$/.test(word)).map((word) => Number(word.slice(6)));
  const rest = words.filter((word) => !/^layer=\d+$/.test(word));
  /** @type {Row[]} */
  const rows = [];
  for (const curve of curves) {
    const text = `${Object.values(curve.key).join("\n")}\n${say.about(curve.key).title}\n${say.model(curve.key.model ?? "")}`.toLowerCase();
    if (!rest.every((word) => text.includes(word))) continue;
    for (let row = curve.start; row < curve.start + curve.count; row++) {
      if (layers.every((layer) => data.points.layer[row] === layer)) rows.push({ curve, row });
    }
  }
  return rows;
}

/** @param {Data} data @param {Row[]} rows @param {string} column @param {boolean} down @returns {Row[]} */
function sorted(data, rows, column, down) {
  if (!column) return rows;
  const keyed = rows.map((one) => {
    const text = cells(data, one.curve, one.row)[column] ?? "";
    return { one, text, number: text === "" ? NaN : Number(text) };
  });
  const sign = down ? -1 : 1;
  keyed.sort((a, b) => {
    if ((a.text === "") !== (b.text === "")) return a.text === "" ? 1 : -1; // what is missing stands last
    if (!Number.isNaN(a.number) && !Number.isNaN(b.number)) return sign * (a.number - b.number);
    return sign * (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);
  });
  return keyed.map(({ one }) => one);
}

/** Whether a column says anything in some rows. @param {Data} data @param {Row[]} rows @param {string} column */
function used(data, rows, column) {
  if (CURVE_COLUMNS.includes(column)) return rows.some(({ curve }) => (curve.key[column] ?? "") !== "");
  return rows.some(({ curve, row }) => (cells(data, curve, row)[column] ?? "") !== "");
}

/** @param {string} text */
function copyText(text) {
  if (navigator.clipboard) navigator.clipboard.writeText(text).then(() => announce("copied"), () => announce("this browser does not let a page copy"));
  else announce("this browser does not let a page copy");
}
