// What is chosen stands in the address, so that it can be sent, and so that the back button takes it back.

/** @returns {State} */
function readState() {
  const [section = "", rest = ""] = location.hash.replace(/^#/, "").split("?", 2);
  /** @type {Map<string, string[]>} */
  const chosen = new Map();
  for (const [name, value] of new URLSearchParams(rest)) chosen.set(name, [...(chosen.get(name) || []), value]);
  return { section: decodeURIComponent(section), chosen };
}

/** @param {State} state */
function addressOf(state) {
  const words = new URLSearchParams();
  for (const [name, values] of state.chosen) for (const value of values) words.append(name, value);
  const rest = words.toString();
  return `#${encodeURIComponent(state.section)}${rest ? `?${rest}` : ""}`;
}

/** The address that was noted last: what it says is shown already. */
let quiet = "";

/** @type {() => void} */
let redraw = () => {};

/**
 * Choose something: a new entry of the history, so that the back button undoes it.
 *
 * @param {Record<string, string[] | null>} changes null takes the default again
 * @param {string} [section] another section, which starts with these choices alone
 */
function choose(changes, section) {
  const state = readState();
  if (section !== undefined && section !== state.section) Object.assign(state, { section, chosen: new Map() });
  for (const [name, values] of Object.entries(changes)) {
    if (values === null) state.chosen.delete(name);
    else state.chosen.set(name, values.length ? values : [""]);
  }
  const address = addressOf(state);
  quiet = "";
  // The page is drawn at once and not when the browser tells of another address: the two never differ.
  if (address !== location.hash) history.pushState(null, "", address);
  redraw();
}

/** Note something in the address without drawing anew and without a new entry. @param {string} name @param {string} value */
function remember(name, value) {
  const state = readState();
  if (value) state.chosen.set(name, [value]);
  else state.chosen.delete(name);
  quiet = addressOf(state);
  location.replace(quiet);
}

/** One value, or what stands in for it. @param {State} state @param {string} name @param {string} otherwise */
function oneOf(state, name, otherwise) {
  return (state.chosen.get(name) || [otherwise])[0] ?? otherwise;
}

/** @param {() => void} drawing */
function whenChosen(drawing) {
  redraw = drawing;
  window.addEventListener("hashchange", () => {
    // Several notes may be taken before the browser tells of the first.
    if (quiet !== "" && location.hash === quiet) return;
    quiet = "";
    drawing();
  });
}
