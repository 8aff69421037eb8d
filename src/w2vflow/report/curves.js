// Strengths of the concepts and the loss over time, with a cursor at the time chosen.

const DASHES = { theory: [6, 4], "theory-discrete": [2, 3] };
const GRASPED = 7; // pixels within which a line is meant
const charts = { staircase: null, loss: null };
let heldLevel = null; // the concept whose level is being dragged

// Thin lines of every seed for what is random; one seed for what is not, beside its cloud.
function seedsShown(source) {
  const all = view.curves[source].loss.map((_, seed) => seed);
  return source.startsWith("theory") || source === "flow" ? [0] : all;
}

// Theory last: dashed, on top of what it predicts.
function sourcesShown() {
  const order = ["sgd", "gd", "flow"];
  const rank = (name) => (name.startsWith("theory") ? 9 : order.indexOf(name));
  const there = Object.keys(view.curves).filter((name) => state.curves.has(name) || !isOfRun());
  return there.sort((a, b) => rank(a) - rank(b));
}

function styleOf(source) {
  const many = seedsShown(source).length > 1;
  const dash = isOfRun() && Object.hasOwn(DASHES, source) ? DASHES[source] : [];
  return { ink: sourceColour(source), width: many ? 0.9 : 1.8, dash };
}

function drawLevels(chart) {
  const ink = colour("line");
  const ends = [chart.box.left, chart.box.right];
  view.concepts.forEach((concept, k) => {
    const y = chart.toY(concept.eigenvalue);
    const chosen = k === state.concept;
    stroke(chart.pen, ends.map((x) => [x, y]), { ink: chosen ? colour("chosen") : ink, width: chosen ? 1.6 : 1 });
  });
}

function drawUpright(chart) {
  view.stepTimes.filter(known).forEach((t) => {
    const x = chart.toX(t);
    if (x <= chart.box.right) stroke(chart.pen, [[x, chart.box.top], [x, chart.box.bottom]], { ink: colour("soft"), strength: 0.45 });
  });
}

// How the theory of the run went, behind that of the settings chosen.
function drawAsItWas(chart, curvesOf) {
  if (isOfRun() || !data.curves.theory) return;
  for (const values of curvesOf(data.curves.theory)) {
    const within = data.ts.map((t, at) => (t <= view.last ? values[at] : NaN));
    drawCurve(chart, data.ts, within, { ink: colour("soft"), width: 1, strength: 0.4, dash: [2, 3] });
  }
}

function drawStaircase() {
  const place = byId("staircase");
  const most = 1.1 * Math.max(...view.concepts.map(({ eigenvalue }) => eigenvalue ?? 0), 1e-12);
  const room = place.clientWidth > 420 ? 132 : 8;
  const chart = chartOn(place, { x: [view.first, view.last], y: [0, most], margin: { left: 62, right: room, top: 8, bottom: 20 } });
  charts.staircase = chart;
  drawFrame(chart, { yTitle: "strength s²", grid: false });
  drawLevels(chart);
  drawUpright(chart);
  drawAsItWas(chart, (curves) => curves.squares[0]);
  for (const source of sourcesShown()) {
    for (const seed of seedsShown(source)) {
      view.curves[source].squares[seed].forEach((values) => drawCurve(chart, view.ts, values, styleOf(source)));
    }
  }
  drawChosenCurve(chart);
  const labels = view.concepts.map((concept, k) => ({
    text: shortened(concept.name, 20), y: chart.toY(concept.eigenvalue), ink: colour(k === state.concept ? "chosen" : "soft"),
  }));
  const named = room > 8 ? drawEndLabels(chart, labels) : [];
  place.shown = {
    sources: sourcesShown(), labels: named.map(({ text }) => text), ts: view.ts, curves: view.curves, stepTimes: view.stepTimes,
    box: chart.box, last: view.last, eigenvalues: view.concepts.map(({ eigenvalue }) => eigenvalue),
  };
  drawCursors();
}

function drawChosenCurve(chart) {
  const source = sourcesShown().at(-1);
  const curve = source === undefined || state.concept === null ? null : view.curves[source].squares[0][state.concept];
  if (curve) drawCurve(chart, view.ts, curve, { ink: colour("chosen"), width: 4, strength: 0.7 });
}

function drawLoss() {
  const place = byId("loss");
  const kept = isOfRun() ? data.curves : view.curves;
  const values = Object.values(kept).flatMap((curves) => curves.loss.flat()).filter(known);
  const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const margin = 0.06 * (high - low || 1);
  const room = place.clientWidth > 420 ? 132 : 8;
  const chart = chartOn(place, {
    x: [view.first, view.last], y: [low - margin, high + margin], margin: { left: 62, right: room, top: 4, bottom: 32 },
  });
  charts.loss = chart;
  drawFrame(chart, { xTitle: "time t", yTitle: "loss", yTicks: 3, grid: false });
  drawUpright(chart);
  for (const source of sourcesShown()) {
    for (const seed of seedsShown(source)) drawCurve(chart, view.ts, view.curves[source].loss[seed], styleOf(source));
  }
  place.shown = { sources: sourcesShown() };
  drawCursors();
}

// Lines of the page itself, because moving them redraws no curve.
function drawCursors() {
  for (const [id, chart] of Object.entries(charts)) {
    if (chart === null) continue;
    const { left, right, top, bottom } = chart.box;
    const x = Math.min(right, Math.max(left, chart.toX(state.time)));
    Object.assign(byId(id).parentElement.querySelector(".cursor").style, {
      display: "block", left: `${x - 1}px`, top: `${top}px`, height: `${bottom - top}px`,
    });
  }
}

// The line of a step near which one clicks is meant, or else the time under the pointer.
function goTo(chart, { x }) {
  if (x < chart.box.left - 4 || x > chart.box.right + 4) return;
  const near = view.stepTimes.filter(known).sort((a, b) => Math.abs(chart.toX(a) - x) - Math.abs(chart.toX(b) - x));
  const snaps = near.length > 0 && Math.abs(chart.toX(near[0]) - x) < GRASPED;
  setPlaying(false);
  change({ time: Math.min(view.last, Math.max(view.first, snaps ? near[0] : chart.fromX(x))) });
}

// The concept whose level line is under the pointer, where training can be computed here.
function levelAt({ x, y }) {
  const chart = charts.staircase;
  if (start === null || chart === null || x < chart.box.left) return null;
  const far = view.concepts.map(({ eigenvalue }) => Math.abs(chart.toY(eigenvalue) - y));
  const nearest = far.indexOf(Math.min(...far));
  return far[nearest] < GRASPED && view.concepts[nearest].origin !== null ? nearest : null;
}

function startCurvePointer() {
  const place = byId("staircase");
  let moved = false;
  place.addEventListener("pointerdown", (event) => {
    const level = levelAt(pointerOn(place, event));
    moved = false;
    if (level === null || event.offsetX < charts.staircase.box.right - 60) return;
    heldLevel = view.concepts[level].origin;
    place.setPointerCapture(event.pointerId);
  });
  place.addEventListener("pointermove", (event) => {
    const at = pointerOn(place, event);
    const onHandle = at.x > (charts.staircase?.box.right ?? Infinity) - 60 && levelAt(at) !== null;
    place.style.cursor = heldLevel !== null || onHandle ? "ns-resize" : "crosshair";
    if (heldLevel === null) return;
    moved = true;
    setEigenvalue(heldLevel, Math.max(0, charts.staircase.fromY(at.y)));
  });
  const release = (event) => {
    if (heldLevel === null && !moved) goTo(charts.staircase, pointerOn(place, event));
    heldLevel = null;
  };
  place.addEventListener("pointerup", release);
  place.addEventListener("pointercancel", () => (heldLevel = null));
  byId("loss").addEventListener("click", (event) => goTo(charts.loss, pointerOn(byId("loss"), event)));
}

function startCurves() {
  for (const source of Object.keys(data.curves)) {
    const button = element("button", nameOf(source), { type: "button", title: meaningOf(source) });
    const show = () => {
      button.setAttribute("aria-pressed", state.curves.has(source));
      button.style.setProperty("--curve", sourceColour(source));
      button.disabled = !isOfRun() && source !== "theory";
    };
    button.addEventListener("click", () => {
      const curves = new Set(state.curves);
      if (!curves.delete(source)) curves.add(source);
      change({ curves });
    });
    whenChanged(["curves", "theme", "view"], show);
    show();
    byId("curve-sources").append(button);
  }
  whenChanged(["curves", "theme", "concept", "view"], drawStaircase);
  whenChanged(["curves", "theme", "view"], drawLoss);
  whenChanged(["time"], drawCursors);
  const again = new ResizeObserver(() => {
    drawStaircase();
    drawLoss();
  });
  again.observe(byId("staircase"));
  startCurvePointer();
}
