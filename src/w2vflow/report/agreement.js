// Predicted against measured times, concept by concept.

const SYMBOLS = { flow: "circle", sgd: "diamond", gd: "square" };

function measuredSources() {
  return Object.keys(data.steps).filter((source) => data.steps[source].reference);
}

function agreementTrace(source) {
  const { mean, spread, reference } = data.steps[source];
  const across = data.steps[reference].mean;
  const concepts = data.concepts.map((_, concept) => concept)
    .filter((concept) => known(mean[concept]) && known(across[concept]));
  return {
    type: "scatter", mode: "markers", name: label(nameOf(source)),
    x: concepts.map((concept) => across[concept]),
    y: concepts.map((concept) => mean[concept]),
    customdata: concepts,
    text: concepts.map((concept) => label(shortened(conceptName(concept)))),
    error_y: { array: concepts.map((concept) => spread[concept] ?? 0), thickness: 1.2, width: 3, color: sourceColour(source) },
    marker: {
      color: sourceColour(source), symbol: SYMBOLS[source] ?? "triangle-up", line: { color: colour("panel"), width: 1 },
      size: concepts.map((concept) => (concept === state.concept ? 16 : 9)),
    },
    hovertemplate: `%{text}<br>${label(nameOf(source))}: %{y:.4g}, predicted %{x:.4g}<extra></extra>`,
  };
}

function drawAgreement() {
  const traces = measuredSources().map(agreementTrace);
  const every = traces.flatMap((trace) => [...trace.x, ...trace.y]);
  const note = byId("agreement-note");
  byId("agreement").parentElement.classList.toggle("nothing", every.length === 0);
  if (every.length === 0) {
    note.textContent = measuredSources().length
      ? "No concept was learned within the time of this run: there is nothing to compare yet."
      : "This page holds no measurement beside a prediction.";
    return;
  }
  const missed = measuredSources().map((source) => [source, data.steps[source].mean.filter((t) => !known(t)).length]);
  note.textContent = missed.filter(([, number]) => number > 0)
    .map(([source, number]) => `${nameOf(source)}: ${number} of ${data.concepts.length} concepts not learned within this time.`)
    .join(" ");
  const ends = [Math.min(...every), Math.max(...every)];
  const wide = ends[1] > 20 * ends[0];
  const range = wide
    ? [Math.log10(ends[0] / 1.3), Math.log10(ends[1] * 1.3)]
    : [Math.max(0, ends[0] - 0.08 * ends[1]), 1.08 * ends[1]];
  const corners = wide ? range.map((value) => 10 ** value) : range;
  const diagonal = thinLines(corners, corners);
  diagonal.line = { color: colour("soft"), width: 1, dash: "dash" };
  const axis = (title) => plotAxis({ title: { text: title, standoff: 6 }, type: wide ? "log" : "linear", range, showline: true });
  Plotly.react("agreement", [diagonal, ...traces], plotLayout({
    margin: { l: 58, r: 12, t: 26, b: 44 },
    hovermode: "closest", showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
    xaxis: axis("predicted time"), yaxis: axis("measured time"),
  }), PLOT_SETTINGS);
}

function startAgreement() {
  whenChanged(["theme", "concept"], drawAgreement);
}

function startAgreementClicks() {
  byId("agreement").on?.("plotly_click", ({ points: [point] }) => {
    if (known(point.customdata)) change({ concept: point.customdata });
  });
}
