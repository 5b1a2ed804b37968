// What can be chosen: a key with several values among the rows becomes a choice by itself.

const SEVERAL = ["name", "model", "texts", "sinks"];
const ONE = ["estimator", "measure", "selection", "label", "preparation", "site", "position", "variant",
  "normalisation", "test_corpus", "distance"];
const MANY = 8; // from so many values on, a list can be searched
const MAIN = "main";

/** The value that is shown unasked. @param {Curve[]} curves of one name @param {string} key @param {Speaker} say */
function mainValue(curves, key, say) {
  const first = curves[0];
  if (!first) return "";
  const named = say.about(first.key).main[key];
  if (named !== undefined && curves.some((curve) => curve.key[key] === named)) return named;
  return (curves.find((curve) => curve.key.control === "") || first).key[key] ?? "";
}

/** What is chosen of the names where nothing is. @param {Curve[]} curves @param {string[]} names @param {Speaker} say */
function openNames(curves, names, say) {
  const opening = names.filter((name) => curves.some((curve) => curve.key.name === name && say.about(curve.key).opens));
  if (opening.length) return opening;
  return curves[0]?.section === "matrices" ? names.slice(0, 1) : names;
}

/**
 * The choices of a section, and the curves that are chosen.
 *
 * @param {Data} data
 * @param {Curve[]} all of the section
 * @param {State} state
 * @param {Speaker} say
 * @returns {{choices: Choice[], curves: Curve[]}}
 */
function choicesOf(data, all, state, say) {
  /** @type {Choice[]} */
  const choices = [];
  let curves = all;
  const stage = all[0]?.key.stage ?? "";
  const own = new Set(data.packed.corpora.map((corpus) => corpus.name));
  for (const key of SEVERAL) {
    let values = once(curves.map((curve) => curve.key[key] ?? "")).filter((value) => key !== "sinks" || value in SINKS);
    if (key === "name") values = inOrder(data, values);
    if (key === "texts" && impliedBy(all, "name", "texts")) continue; // whoever chooses a task has chosen its texts
    let chosen = state.chosen.get(key)?.filter((value) => values.includes(value));
    if (!chosen) {
      if (key === "name") chosen = openNames(all, values, say);
      else if (key === "texts") chosen = unasked(curves, values, own);
      else if (key === "model" && all[0]?.section === "matrices" && values.length > MANY) chosen = values.slice(0, 3);
      else chosen = values;
    }
    const kept = new Set(chosen);
    const asked = key !== "sinks" || values.length > 1;
    curves = curves.filter((curve) => kept.has(curve.key[key] ?? "") || (key === "sinks" && !(curve.key[key] in SINKS)) || !asked);
    if (values.length > 1) {
      const title = key === "name" ? (NAME_TITLES[all[0]?.section ?? ""] ?? "Name") : (KEY_TITLES[key] ?? key);
      const said = (/** @type {string} */ value) => say.value(key, value, stage);
      choices.push({ key, title, values, several: true, chosen, main: false, said });
    }
  }
  for (const key of ONE) {
    const byName = [...grouped(curves, (curve) => curve.key.name ?? "").values()];
    const mains = new Map(byName.map((some) => [some[0]?.key.name ?? "", mainValue(some, key, say)]));
    const values = once(curves.map((curve) => curve.key[key] ?? ""));
    if (values.length < 2) continue;
    const different = once([...mains.values()]);
    const main = different.length > 1;
    const wanted = state.chosen.get(key)?.[0];
    const chosen = wanted !== undefined && values.includes(wanted) ? wanted : main ? MAIN : (different[0] ?? "");
    const has = new Set(curves.filter((curve) => curve.key[key] === chosen).map((curve) => curve.key.name));
    curves = curves.filter((curve) => {
      const name = curve.key.name ?? "";
      // A name that does not have what is chosen shows its own main value; of labels nothing, each is a thing apart.
      const value = chosen === MAIN || (!has.has(name) && key !== "label") ? mains.get(name) : chosen;
      return curve.key[key] === value;
    });
    const few = byName.some((some) => once(some.map((curve) => curve.key[key])).length > 1);
    const said = (/** @type {string} */ value) => (value === MAIN ? `main (${different.map((one) => say.value(key, one)).join(", ")})` : say.value(key, value));
    if (few) choices.push({ key, title: KEY_TITLES[key] ?? key, values, several: false, chosen: [chosen], main, said });
  }
  return { choices, curves };
}

/** Names in the order of their words. @param {Data} data @param {string[]} names */
function inOrder(data, names) {
  const order = new Map(data.packed.words.map((about, place) => [about.name, place]));
  return [...names].sort((a, b) => (order.get(a) ?? Infinity) - (order.get(b) ?? Infinity) || 0);
}

/** Whether one key says what another one is. @param {Curve[]} curves @param {string} key @param {string} other */
function impliedBy(curves, key, other) {
  return [...grouped(curves, (curve) => curve.key[key] ?? "").values()].every((some) => once(some.map((curve) => curve.key[other])).length === 1);
}

/** @type {Record<string, boolean>} */
const SINKS = { with: true, without: true };

/** Texts of corpora; those of tasks where there are no others. @param {Curve[]} curves @param {string[]} values @param {Set<string>} own */
function unasked(curves, values, own) {
  const named = new Set(curves.filter((curve) => own.has(curve.key.corpus ?? "")).map((curve) => curve.key.texts));
  const found = values.filter((value) => named.has(value));
  return found.length ? found : values;
}

/** @param {Choice} choice @param {(value: string) => Node[]} [swatch] */
function control(choice, swatch = () => []) {
  if (!choice.several && choice.values.length > 6) return selectOf(choice);
  const list = make("div", { class: "options" });
  const values = choice.main && !choice.several ? [MAIN, ...choice.values] : choice.values;
  for (const value of values) list.append(option(choice, value, swatch));
  const parts = [make("legend", {}, choice.title)];
  if (choice.several && choice.values.length > 2) {
    parts.push(/** @type {any} */ (make("div", { class: "all" },
      button("all", () => choose({ [choice.key]: choice.values }), "small"),
      button("none", () => choose({ [choice.key]: [] }), "small"))));
  }
  if (choice.values.length > MANY) parts.push(/** @type {any} */ (searchOf(choice, list)));
  return make("fieldset", {}, ...parts, list);
}

/** @param {Choice} choice @param {string} value @param {(value: string) => Node[]} swatch */
function option(choice, value, swatch) {
  const type = choice.several ? "checkbox" : "radio";
  const input = make("input", { type, name: choice.key, value, checked: choice.chosen.includes(value), change: () => {
    if (!choice.several) return choose({ [choice.key]: [value] });
    const kept = choice.values.filter((one) => (one === value ? input.checked : choice.chosen.includes(one)));
    return choose({ [choice.key]: kept });
  } });
  const label = make("label", {}, input, ...swatch(value), make("span", {}, choice.said(value)));
  const row = make("div", { class: "option" }, label);
  if (choice.several && choice.values.length > 2) {
    const only = button("only", () => choose({ [choice.key]: [value] }), "small only");
    only.setAttribute("aria-label", `only ${choice.said(value)}`);
    row.append(only);
  }
  return row;
}

/** @param {Choice} choice */
function selectOf(choice) {
  const select = make("select", { name: choice.key, "aria-label": choice.title, change: () => choose({ [choice.key]: [select.value] }) });
  for (const value of choice.main ? [MAIN, ...choice.values] : choice.values) {
    select.append(make("option", { value, selected: choice.chosen.includes(value) }, choice.said(value)));
  }
  return make("fieldset", {}, make("legend", {}, choice.title), select);
}

/** @param {Choice} choice @param {HTMLElement} list */
function searchOf(choice, list) {
  const find = make("input", { type: "search", placeholder: "find", "aria-label": `find in ${choice.title}`, input: () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of list.children) {
      const text = (row.textContent || "").toLowerCase();
      row.toggleAttribute("hidden", !words.every((word) => text.includes(word)));
    }
  } });
  return find;
}

/** A choice of the page itself. @param {State} state @param {string} key @param {string} title @param {Record<string, string>} values */
function ownChoice(state, key, title, values) {
  const names = Object.keys(values);
  const chosen = oneOf(state, key, names[0] ?? "");
  return { key, title, values: names, several: false, chosen: [names.includes(chosen) ? chosen : (names[0] ?? "")], main: false, said: (/** @type {string} */ value) => values[value] ?? value };
}
