// Singular values and loss over time, with a cursor at the time chosen.

// Several curves as one, with gaps between them.
function joined(curves) {
  const line = { x: [], y: [], customdata: [] };
  curves.forEach(({ values, name }) => {
    line.x.push(...data.ts, null);
    line.y.push(...values, null);
    line.customdata.push(...data.ts.map(() => name), "");
  });
  return line;
}

const DASHES = { theory: "dash", "theory-discrete": "dot" };

function curveTrace(source, curves, text) {
  const many = data.curves[source].loss.length > 1 && !source.startsWith("theory") && source !== "flow";
  return {
    type: "scatter", mode: "lines", ...joined(curves), name: label(nameOf(source)), connectgaps: false,
    line: { color: sourceColour(source), width: many ? 0.9 : 1.7, dash: Object.hasOwn(DASHES, source) ? DASHES[source] : "solid" },
    hovertemplate: `${label(nameOf(source))}, ${text}<extra></extra>`,
  };
}

// Thin lines of every seed for what is random; one seed for what is not, beside its cloud.
function seedsShown(source) {
  const all = data.curves[source].loss.map((_, seed) => seed);
  return source.startsWith("theory") || source === "flow" ? [0] : all;
}

// Theory last: dashed, on top of what it predicts.
function sourcesShown() {
  const order = ["sgd", "gd", "flow"];
  const rank = (name) => (name.startsWith("theory") ? 9 : order.indexOf(name));
  return [...state.curves].sort((a, b) => rank(a) - rank(b));
}

function thinLines(x, y, ink = colour("line")) {
  const line = { color: ink, width: 1 };
  return { type: "scatter", mode: "lines", x, y, line, connectgaps: false, hoverinfo: "skip", showlegend: false };
}

function uprightLines(top) {
  const times = stepTimes.filter(known);
  return { ...thinLines(times.flatMap((t) => [t, t, null]), times.flatMap(() => [top[0], top[1], null]), colour("soft")), opacity: 0.55 };
}

function timeAxis(more) {
  return plotAxis({ range: [firstTime, lastTime], showline: true, showgrid: false, ...more });
}

function drawStaircase() {
  const values = data.concepts.map((concept) => concept.eigenvalue);
  const most = 1.1 * Math.max(...values.map((value) => value ?? 0), 1e-12);
  const levels = thinLines(values.flatMap(() => [firstTime, lastTime, null]), values.flatMap((v) => [v, v, null]));
  const traces = [uprightLines([0, most]), levels];
  for (const source of sourcesShown()) {
    const curves = seedsShown(source).flatMap((seed) =>
      data.curves[source].squares[seed].map((squares, mode) => ({ values: squares, name: mode + 1 })));
    traces.push(curveTrace(source, curves, "s<sub>%{customdata}</sub>² = %{y:.4g}"));
  }
  if (state.concept !== null) {
    const source = sourcesShown().at(-1) ?? state.source;
    const curve = data.curves[source]?.squares[0][state.concept] ?? [];
    const line = { color: colour("chosen"), width: 4 };
    traces.push({ type: "scatter", mode: "lines", x: data.ts, y: curve, line, opacity: 0.7, hoverinfo: "skip" });
  }
  Plotly.react("staircase", traces, plotLayout({
    margin: { l: 66, r: 8, t: 6, b: 22 },
    hovermode: "closest", hoverdistance: -1,
    xaxis: timeAxis({ showticklabels: true }),
    yaxis: plotAxis({ title: { text: "s²" }, range: [0, most] }),
  }), PLOT_SETTINGS).then(drawCursors);
}

function drawLoss() {
  const drawn = sourcesShown().map((source) => {
    const curves = seedsShown(source).map((seed) => ({ values: data.curves[source].loss[seed], name: seed + 1 }));
    return curveTrace(source, curves, "loss = %{y:.5g}");
  });
  const values = Object.values(data.curves).flatMap((curves) => curves.loss.flat()).filter(known);
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const margin = 0.06 * (high - low || 1);
  const range = [low - margin, high + margin];
  Plotly.react("loss", [uprightLines(range), ...drawn], plotLayout({
    margin: { l: 66, r: 8, t: 4, b: 36 },
    hovermode: "closest", hoverdistance: -1,
    xaxis: timeAxis({ title: { text: "time t", standoff: 4 } }),
    yaxis: plotAxis({ title: { text: "loss" }, range, nticks: 4 }),
  }), PLOT_SETTINGS).then(drawCursors);
}

// Lines of the page itself, because moving them redraws no curve.
function drawCursors() {
  for (const id of ["staircase", "loss"]) {
    const layout = byId(id)._fullLayout;
    const cursor = byId(id).parentElement.querySelector(".cursor");
    if (!layout?.xaxis) continue;
    const { _offset: left, _length: width } = layout.xaxis;
    const { _offset: top, _length: height } = layout.yaxis;
    const share = lastTime > firstTime ? (state.time - firstTime) / (lastTime - firstTime) : 0;
    Object.assign(cursor.style, {
      display: "block", left: `${left + share * width - 1}px`, top: `${top}px`, height: `${height}px`,
    });
  }
}

// A click near the line of a step goes to the step, any other to the time under it.
function goTo(id) {
  return ({ event }) => {
    const axis = byId(id)._fullLayout.xaxis;
    const pixel = event.clientX - byId(id).getBoundingClientRect().left - axis._offset;
    const near = stepTimes.filter(known).sort((a, b) => Math.abs(axis.d2p(a) - pixel) - Math.abs(axis.d2p(b) - pixel));
    const snaps = near.length > 0 && Math.abs(axis.d2p(near[0]) - pixel) < 8;
    const time = snaps ? near[0] : axis.p2d(pixel);
    change({ time: Math.min(lastTime, Math.max(firstTime, time)) });
  };
}

function startCurves() {
  for (const source of Object.keys(data.curves)) {
    const button = element("button", nameOf(source), { type: "button" });
    const show = () => {
      button.setAttribute("aria-pressed", state.curves.has(source));
      button.style.setProperty("--curve", sourceColour(source));
    };
    button.addEventListener("click", () => {
      const curves = new Set(state.curves);
      if (!curves.delete(source)) curves.add(source);
      change({ curves });
    });
    whenChanged(["curves", "theme"], show);
    byId("curve-sources").append(button);
  }
  whenChanged(["curves", "theme", "concept"], drawStaircase);
  whenChanged(["curves", "theme"], drawLoss);
  whenChanged(["time"], drawCursors);
}

function startCurveClicks() {
  for (const id of ["staircase", "loss"]) {
    byId(id).on("plotly_click", goTo(id));
    byId(id).on("plotly_afterplot", drawCursors);
  }
}
