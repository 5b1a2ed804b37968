// Where the numbers come from: machines, packages, jobs, and the commands that make them again.

/** @param {Data} data @param {State} state */
function provenanceSection(data, state) {
  const { jobs, machines, packages } = data.packed.provenance;
  const filter = oneOf(state, "words", "").toLowerCase();
  const find = make("input", { type: "search", value: filter, "aria-label": "filter jobs by words", placeholder: "words", change: () => choose({ words: find.value ? [find.value] : null }) });
  const menu = [make("fieldset", {}, make("legend", {}, "Jobs with"), find)];
  const shown = jobs.filter((job) => filter.split(/\s+/).every((word) => job.path.toLowerCase().includes(word)));
  const seconds = jobs.reduce((sum, job) => sum + (job.seconds || 0), 0);
  const main = make("div", {},
    make("h2", {}, "Where these numbers come from"),
    make("p", {}, `${thousands(jobs.length)} jobs, ${thousands(Math.round(seconds))} seconds of them in all, the last one ended ${lastEnd(data) || "at a time that no record says"}.`),
    make("p", {}, "What a result came from, with digests of every file: ", make("code", {}, "fathom trace results/figures/NAME.svg"), "; whether all is as it was: ", make("code", {}, "fathom verify"), "; this page anew: ", make("code", {}, "snakemake results/explore.html"), "."),
    make("h3", {}, "Machines"), ...machines.map((facts) => make("p", {}, Object.entries(facts).filter(([, fact]) => fact && String(fact)).map(([name, fact]) => `${name}: ${fact}`).join(" · "))),
    make("h3", {}, "Packages"), ...packages.map((facts, place) => make("details", {}, make("summary", {}, `set ${place + 1}: ${Object.keys(facts).length} packages, of ${jobs.filter((job) => job.packages === place).length} jobs`), make("p", {}, Object.entries(facts).map(([name, version]) => `${name} ${version}`).join(", ")))),
    make("h3", {}, "Figures"), ...data.packed.figures.map(figureNotes),
    make("h3", {}, `Jobs (${shown.length})`), jobTable(data, shown));
  return { menu, main };
}

/** @param {Data} data */
function lastEnd(data) {
  return data.packed.provenance.jobs.map((job) => job.ended).sort().at(-1)?.replace("T", " ").slice(0, 16).concat(" UTC") ?? "";
}
