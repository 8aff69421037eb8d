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
  for (const [name, value] of [["w2vflow", data.version], ["plotly.js", Plotly.version], ...data.configuration]) {
    const row = element("tr");
    row.append(element("th", name, { scope: "row" }), element("td", value));
    byId("configuration").tBodies[0].append(row);
  }
}

byId("title").textContent = data.title;
byId("summary").textContent = summary();
showConfiguration();
startCloud();
startCurves();
startAgreement();
startConcepts();
startSearch();
startClock();
startTheme();
startCurveClicks();
startAgreementClicks();
