// What stands under a view: definition, texts, captions, verdicts, and what the numbers came from.

/** @param {Data} data @param {Curve[]} curves of one metric, experiment or task @param {Speaker} say */
function notesOf(data, curves, say) {
  const first = curves[0];
  if (!first) return make("div");
  const about = say.about(first.key);
  const figures = data.packed.figures.filter((figure) => figure.shows.includes(about.name));
  const details = make("details", { class: "notes" }, make("summary", {}, `${about.title}: definition, texts, provenance`));
  whenOpened(details, () => details.append(...noteParts(data, curves, about, figures)));
  return details;
}

/** Fill a part of the page when it is opened, or printed open. @param {HTMLDetailsElement} details @param {() => void} filling */
function whenOpened(details, filling) {
  let filled = false;
  details.addEventListener("toggle", () => {
    if (details.open && !filled) filling();
    filled ||= details.open;
  });
}

/** @param {Data} data @param {Curve[]} curves @param {About} about @param {Figure[]} figures */
function noteParts(data, curves, about, figures) {
  const details = make("div");
  for (const sentence of about.sentences) details.append(make("p", {}, sentence));
  for (const corpus of data.packed.corpora.filter((one) => curves.some((curve) => curve.key.corpus === one.name))) {
    details.append(make("p", {}, make("b", {}, corpus.name), `: ${corpus.about}`));
  }
  for (const model of data.packed.models.filter((one) => curves.some((curve) => curve.key.model === one.name))) {
    details.append(make("p", {}, make("b", {}, model.title), `: ${model.origin}`));
  }
  const reasons = once(curves.flatMap((curve) => data.points.reason.slice(curve.start, curve.start + curve.count))).filter(Boolean);
  for (const reason of reasons) details.append(make("p", {}, `A value is missing: ${reason}`));
  for (const figure of figures) details.append(figureNotes(figure));
  details.append(jobsOf(data, curves));
  return [...details.children];
}

/** A static figure with its caption. @param {Figure} figure */
function figureNotes(figure) {
  const link = (/** @type {string} */ kind) => make("a", { href: `figures/${encodeURIComponent(figure.name)}.${kind}` }, kind.toUpperCase());
  const caption = make("details", {}, make("summary", {}, "its caption"), make("p", {}, figure.caption), ...figure.notes.map((note) => make("p", {}, note)));
  return make("div", { class: "figure-note" },
    make("p", {}, make("b", {}, `Figure ${figure.name}`), ` ${figure.title}: `, link("svg"), " ", link("png"), " ", link("csv"), " · made by ", make("code", {}, `snakemake results/figures/${figure.name}.svg`)),
    caption);
}

/** What a paper claims, and what this run says to it. @param {Data} data @param {string[]} names @returns {Node[]} */
function verdictsOf(data, names) {
  const figures = data.packed.figures.filter((figure) => (figure.claim || figure.judged) && figure.shows.some((name) => names.includes(name)));
  return figures.map((figure) => {
    const said = figure.claim ? figure.verdicts : figure.notes.filter((note) => /: (agree|disagree|undecided)\b/.test(note));
    const list = make("ul", {}, ...said.map((verdict) => make("li", {}, verdict)));
    const head = figure.claim ? `A paper's claim: ${figure.claim}` : `The hypothesis of the order of peaks (figure ${figure.name})`;
    const open = window.matchMedia("(min-width: 760px)").matches;
    return said.length ? make("details", { class: "claim", open }, make("summary", {}, make("b", {}, head)), list) : "";
  }).filter((part) => part !== "").map((part) => /** @type {Node} */ (part));
}

/** Jobs behind some curves, from the summaries back to models and corpora. @param {Data} data @param {Curve[]} curves */
function jobsOf(data, curves) {
  const { jobs } = data.packed.provenance;
  const wanted = new Set(curves.flatMap((curve) => placesOf(curve.key)));
  const starts = jobs.flatMap((job, number) => ((tablesOf(data).get(job.path) || []).some((table) => wanted.has(table)) ? [number] : []));
  const found = new Set(starts);
  for (const number of found) for (const source of jobs[number]?.from ?? []) found.add(source);
  const rows = [...found].map((number) => /** @type {Job} */ (jobs[number]));
  if (!rows.length) return make("p", {}, "No record of a job was found.");
  const details = make("details", {}, make("summary", {}, `provenance: ${rows.length} jobs`), jobTable(data, rows));
  return details;
}

/** Where the summaries with a curve may stand, without their endings. @param {Key} key */
function placesOf(key) {
  const { stage, model, name, corpus } = key;
  return stage === "metrics" ? [`results/metrics/${model}/${corpus}/${name}`] : [`results/${stage}/${model}/${name}`];
}

/** @type {Map<string, string[]> | null} */
let tablesByJob = null;

/** The summaries that each job wrote. @param {Data} data */
function tablesOf(data) {
  tablesByJob ||= new Map([...grouped(Object.entries(data.packed.records), ([, record]) => record)].map(([record, pairs]) => [record, pairs.map(([table]) => table.replace(/\.[a-z]+\.parquet$/, ""))]));
  return tablesByJob;
}

/** @param {Data} data @param {Job[]} jobs */
function jobTable(data, jobs) {
  const machine = (/** @type {Job} */ job) => {
    const facts = data.packed.provenance.machines[job.machine] || {};
    return ["host", "cpu", "gpus"].map((name) => facts[name]).filter((fact) => fact && String(fact)).map(String).join(", ");
  };
  const head = ["result", "ended", "seconds", "machine", "seeds", "code", "revision"];
  const rows = jobs.map((job) => [job.path, job.ended.replace("T", " ").slice(0, 16), String(job.seconds ?? ""), machine(job), job.seeds.join(", "), job.code, job.revision.slice(0, 12)]);
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "jobs" }, make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((text) => make("td", {}, text)))))));
}
