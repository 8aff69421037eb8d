// What is shown: the run as it was made or, once a control was moved, the training that follows from the settings.

const FINE = 320; // times once a control rests
const FEWEST = 40; // and while it moves, as many as fit
const WHILE_MOVING = 16; // into so many milliseconds
let millisecondsEach = 0.3; // of one time, as measured

function conceptsOfRun() {
  return data.concepts.map((concept, k) => ({ ...concept, origin: k }));
}

function isOfRun() {
  return view.system === null;
}

// The words at the ends of a direction that has no name yet, among those kept.
function endsOf(vectors, k, number = 6) {
  const order = vectors.map((_, word) => word).sort((a, b) => vectors[b][k] - vectors[a][k]);
  const words = (rows) => rows.map((row) => data.cloud.words[row]);
  return { positive: words(order.slice(0, number)), negative: words(order.slice(-number).reverse()) };
}

function conceptsOf(system) {
  return Array.from({ length: system.count }, (_, k) => {
    const origin = system.origin[k];
    const eigenvalue = system.eigenvalues[k];
    if (origin !== null && origin < data.concepts.length) return { ...data.concepts[origin], eigenvalue, origin };
    const ends = endsOf(system.vectors, k);
    return { eigenvalue, origin, ...ends, name: `${ends.positive[0]} / ${ends.negative[0]}` };
  });
}

// The time at which a curve passes a height for good, NaN if it does not.
function passing(ts, values, height) {
  let below = values.length - 1;
  while (below >= 0 && values[below] >= height) below -= 1;
  if (below < 0 || below === values.length - 1) return NaN;
  const share = (height - values[below]) / (values[below + 1] - values[below]);
  return ts[below] + share * (ts[below + 1] - ts[below]);
}

function observed(system, number) {
  const law = stepTimesOf(system).filter(known);
  const last = law.length ? 1.15 * Math.max(...law) : 10 / system.eigenvalues[0];
  const ts = Array.from({ length: number + 1 }, (_, at) => (last * at) / number);
  const began = performance.now();
  const seen = ts.map((time) => observedAt(system, time));
  millisecondsEach = (performance.now() - began) / (number + 1);
  const squares = Array.from({ length: system.dim }, (_, k) => seen.map((one) => one.squares[k]));
  const stepTimes = Array.from({ length: system.count }, (_, k) => passing(ts, squares[k], system.values[k] / 2));
  return { ts, last, squares, loss: seen.map((one) => one.loss), stepTimes };
}

function computedView(settings, number) {
  const system = systemOf(settings);
  const { ts, last, squares, loss, stepTimes } = observed(system, number);
  return {
    system, ts, first: 0, last, stepTimes,
    curves: { theory: { seeds: 1, loss: [loss], squares: [squares] } },
    concepts: conceptsOf(system),
    modes: Math.min(system.count, 16),
  };
}

let resting = null;

// The same share of the way through the training, so that what one looks at stays.
function setView(next) {
  const share = view.last > view.first ? (state.time - view.first) / (view.last - view.first) : 1;
  view = next;
  const axes = state.axes.map((axis) => Math.min(axis, view.modes - 1));
  const concept = state.concept !== null && state.concept < view.concepts.length ? state.concept : null;
  const source = isOfRun() ? state.source : "theory";
  change({ view, axes, concept, source, colour: Math.min(state.colour, view.modes - 1), time: view.first + share * (view.last - view.first) });
}

function isRunAsMade(settings) {
  const own = settingsNow({});
  const changed = Object.entries(settingsNow(settings)).filter(([name, value]) => name !== "word" && name !== "eigenvalues" && value !== own[name]);
  return changed.length === 0 && Object.values(settings.eigenvalues ?? {}).every((factor) => factor === 1);
}

// Computes at once with few times, and again with many when nothing was moved for a while.
function setSettings(settings) {
  change({ settings });
  clearTimeout(resting);
  if (isRunAsMade(settings)) {
    setView(runView);
    return;
  }
  const quick = Math.min(FINE, Math.max(FEWEST, Math.round(WHILE_MOVING / millisecondsEach)));
  setView(computedView(settings, quick));
  resting = setTimeout(() => setView(computedView(settings, FINE)), 250);
}

function nameOfConcept(concept) {
  return `${concept + 1}: ${view.concepts[concept]?.name ?? ""}`;
}

const runView = isRun ? viewOfRun() : computedView({}, FINE);

function viewOfRun() {
  return {
    system: null,
    ts: data.ts,
    first: data.cloud.ts[0],
    last: data.ts.at(-1),
    curves: data.curves,
    concepts: conceptsOfRun(),
    stepTimes: data.steps[predicted].mean,
    modes: data.cloud.unit.length,
  };
}

let view = runView;
if (!isRun) state.time = view.last;
