// The page as a whole.

function summary() {
  const parts = [`${data.vocabulary.toLocaleString("en")} words in ${data.dim} dimension${data.dim === 1 ? "" : "s"}`];
  for (const source of measuredSources()) {
    const { learned: by, error, seeds } = data.steps[source];
    const errors = error.filter(known).sort((a, b) => a - b);
    const learned = by.filter((number) => number === seeds).length;
    const median = errors[Math.floor((errors.length - 1) / 2)];
    const off = median < 0.01 ? "less than 0.01" : digits(median, 2);
    const spread = errors.length ? `, typically ${off}% from the predicted time` : "";
    const runs = seeds > 1 ? ` of ${seeds} seeds` : "";
    parts.push(`${nameOf(source)}${runs} learns ${learned} of ${data.concepts.length} concept${data.concepts.length === 1 ? "" : "s"}${spread}`);
  }
  return `${parts.join(" · ")}.`;
}

function showConfiguration() {
  for (const [name, value] of [["w2vflow", data.version], ...data.configuration]) {
    const row = element("tr");
    row.append(element("th", name, { scope: "row" }), element("td", value));
    byId("configuration").tBodies[0].append(row);
  }
}

function showMeanings() {
  const names = { word2vec: "word2vec", concept: "Concept", theory: "Theory", flow: "Flow", sgd: "SGD" };
  byId("meanings").append(...Object.entries(names).flatMap(([name, shown]) => [element("dt", shown), element("dd", MEANINGS[name])]));
}

function showPending() {
  const names = (data.pending ?? []).map(nameOf);
  byId("pending").hidden = names.length === 0;
  byId("pending-names").textContent = `${names.join(" and ")} ${names.length > 1 ? "are" : "is"} still being computed.`;
  byId("again").addEventListener("click", () => location.reload());
}

byId("title").textContent = data.title;
byId("summary").textContent = summary();
showConfiguration();
showMeanings();
showPending();
startCloud();
startCurves();
startAgreement();
startControls();
startConcepts();
startSearch();
startClock();
startCaption();
startLessons();
startDownloads();
startTheme();
startAddress();
