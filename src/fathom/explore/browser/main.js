// The page: header, sections, and drawing anew when the address changes.

/** @param {string} text */
function announce(text) {
  byId("announcement").textContent = text;
}

/** Sections that have something to show. @param {Data} data @returns {Record<string, string>} */
function sectionsOf(data) {
  const has = (/** @type {string} */ section) => data.curves.some((curve) => curve.section === section);
  const titles = { curves: "Curves", probes: "Probes", matrices: "Matrices", tokens: "Tokens", tasks: "Tasks", numbers: "Numbers", provenance: "Provenance" };
  const shown = Object.entries(titles).filter(([name]) => (name === "tokens" ? data.packed.tokens.length > 0 : name === "numbers" || name === "provenance" || has(name)));
  return Object.fromEntries(shown);
}

/** @param {Data} data @param {State} state @param {string} section @param {Speaker} say */
function contentOf(data, state, section, say) {
  if (section === "matrices") return matricesSection(data, state, say);
  if (section === "tokens") return tokensSection(data, state, say);
  if (section === "numbers") return numbersSection(data, state, say);
  if (section === "provenance") return provenanceSection(data, state);
  return curvesSection(data, state, section, say);
}

/** @param {Data} data @param {Speaker} say */
function drawPage(data, say) {
  const sections = sectionsOf(data);
  const state = readState();
  const section = state.section in sections ? state.section : (Object.keys(sections)[0] ?? "numbers");
  state.section = section;
  const focused = document.activeElement instanceof HTMLInputElement ? [document.activeElement.name, document.activeElement.value, document.activeElement.type] : null;
  byId("tabs").replaceChildren(...Object.entries(sections).map(([name, title]) => make("a", name === section ? { href: `#${name}`, "aria-current": "page" } : { href: `#${name}` }, title)));
  document.title = `${sections[section] ?? "fathom"} · fathom`;
  const { menu, main } = contentOf(data, state, section, say);
  const choices = byId("choices");
  choices.querySelector("div")?.replaceChildren(...menu);
  byId("main").replaceChildren(main);
  drawFirst();
  if (focused) {
    const again = [...choices.querySelectorAll("input")].find((input) => input.name === focused[0] && input.type === focused[2] && (input.type === "search" || input.value === focused[1]));
    again?.focus({ preventScroll: true });
  }
}

/** @param {Data} data */
function header(data) {
  const total = data.points.value.length;
  byId("about").textContent = [`fathom ${data.packed.version}`, lastEnd(data), `${thousands(total)} numbers`].filter(Boolean).join(" · ");
  const left = data.packed.left_out;
  if (left.length) byId("left-out").append(make("details", {}, make("summary", {}, `Left out of this page: ${left.length}`), make("ul", {}, ...left.map((one) => make("li", {}, one)))));
  byId("link").addEventListener("click", () => copyText(location.href));
}

function foldChoices() {
  const choices = /** @type {HTMLDetailsElement} */ (byId("choices"));
  const narrow = window.matchMedia("(max-width: 760px)");
  const set = () => {
    choices.open = !narrow.matches;
  };
  narrow.addEventListener("change", set);
  set();
}

async function start() {
  const data = await unpack();
  const say = speaker(data);
  header(data);
  foldChoices();
  const drawing = () => drawPage(data, say);
  whenChosen(drawing);
  let width = document.documentElement.clientWidth;
  window.addEventListener("resize", () => {
    if (document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    requestAnimationFrame(drawing);
  });
  window.addEventListener("beforeprint", drawWaiting);
  drawing();
  document.documentElement.dataset.ready = "yes";
}

start().catch((error) => {
  byId("main").textContent = `This page cannot be shown: ${error}. It needs a browser of 2023 or later.`;
});
