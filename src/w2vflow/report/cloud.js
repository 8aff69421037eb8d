// The words in space, along three concepts, at the time chosen.

const WORDS = data.cloud.words.length;
const RARITY = ["#00224e", "#7d7c78", "#fee838"];

const positions = Object.fromEntries(
  Object.entries(data.cloud.positions).map(([source, text]) => [source, decoded(text, Int16Array)]),
);

let latest = { view: null, time: null, factor: null };

// Of the training computed here, a row of this for every row of eigenvectors and of the rest.
function factorShown(time) {
  if (latest.view !== view || latest.time !== time) latest = { view, time, factor: turnedFactorAt(view.system, time) };
  return latest.factor;
}

function coordinates(mode, time = state.time) {
  return isOfRun() ? keptCoordinates(mode, time) : computedCoordinates(mode, time);
}

function computedCoordinates(mode, time) {
  const { vectors, frame, values } = view.system;
  const column = factorShown(time)[mode];
  return vectors.map((entries, word) => {
    let place = 0;
    for (let k = 0; k < values.length; k += 1) place += entries[k] * column[k];
    const rest = frame[word];
    for (let k = 0; k < rest.length; k += 1) place += rest[k] * column[values.length + k];
    return place;
  });
}

// Between two times that were kept, words move on straight lines.
function keptCoordinates(mode, time) {
  const ts = data.cloud.ts;
  let after = ts.findIndex((t) => t >= time);
  if (after < 0) after = ts.length - 1;
  const before = Math.max(after - 1, 0);
  const share = after > before ? (time - ts[before]) / (ts[after] - ts[before]) : 0;
  const [from, width] = [positions[state.source], data.cloud.unit.length];
  const unit = data.cloud.unit[mode];
  const found = new Array(WORDS);
  for (let word = 0; word < WORDS; word += 1) {
    const begin = from[(before * WORDS + word) * width + mode];
    const end = from[(after * WORDS + word) * width + mode];
    found[word] = unit * (begin + share * (end - begin));
  }
  return found;
}

// How far an axis goes: of the training computed here to where its concept takes the outermost word.
function reach(mode) {
  if (isOfRun()) return 1.08 * 32767 * data.cloud.unit[mode];
  const most = view.system.vectors.reduce((best, entries) => Math.max(best, Math.abs(entries[mode])), 0);
  return 1.08 * Math.sqrt(Math.max(view.system.values[mode], 1e-12)) * most || 1;
}

// The words that are furthest out along a concept in the end.
function furthest(mode, number) {
  const places = coordinates(mode, view.last);
  const order = places.map((_, word) => word).sort((a, b) => places[a] - places[b]);
  return new Set([...order.slice(0, number), ...order.slice(-number)]);
}

function wordsOfConcept() {
  if (state.concept === null) return [];
  const { positive, negative } = view.concepts[state.concept];
  return [...positive, ...negative].map((word) => rowOfWord.get(word)).filter(known);
}

let namesOfView = { view: null, axes: "", source: "", words: [] };

// Words worth a name, the most telling first. They are those of the end, so that names do not change on the way.
function named() {
  const [axes, source] = [state.axes.join(), state.source];
  if (namesOfView.view !== view || namesOfView.axes !== axes || namesOfView.source !== source) {
    namesOfView = { view, axes, source, words: state.axes.flatMap((mode) => [...furthest(mode, 3)]) };
  }
  const words = new Set(state.concept === null ? namesOfView.words : wordsOfConcept());
  words.delete(state.word);
  return [...words].map((word) => ({ word, text: shortened(data.cloud.words[word], 24) }));
}

// From one colour to the next, at shares from 0 to 1.
function blend(stops, share) {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const before = Math.min(Math.floor(at), stops.length - 2);
  const parts = [stops[before], stops[before + 1]].map((hex) =>
    [1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16)));
  const mixed = parts[0].map((part, at3) => Math.round(part + (at - before) * (parts[1][at3] - part)));
  return `rgb(${mixed.join(",")})`;
}

// Of every word a number from 0 to 1, and what colours it runs through.
function shades() {
  if (state.colour < 0) {
    const most = Math.log10(Math.max(2, data.vocabulary));
    return { shares: data.cloud.ranks.map((rank) => Math.log10(rank) / most), stops: RARITY };
  }
  const most = 0.6 * reach(state.colour);
  const shares = coordinates(state.colour).map((place) => 0.5 + place / most / 2);
  return { shares, stops: [colour("low"), colour("middle"), colour("high")] };
}

let cloudAsked = false;

// Once a frame at most, however fast the slider is moved.
function drawCloud() {
  if (cloudAsked) return;
  cloudAsked = true;
  requestAnimationFrame(() => {
    cloudAsked = false;
    const places = state.axes.map((mode) => coordinates(mode));
    const lengths = state.axes.map(reach);
    const [pen, project] = [cleanCanvas(canvas), projection()];
    spots = places[0].map((_, word) => project(places.map((along, axis) => along[word] / lengths[axis])));
    drawAxes(pen, project, state.axes.map(endsOfAxis));
    const { shares, stops } = shades();
    drawWords(pen, shares.map((share) => blend(stops, share)), state.concept === null ? 0.95 : 0.35);
    wordsOfConcept().forEach((word) => drawDot(pen, spots[word], 4.5, colour("chosen")));
    const pointed = state.word === null ? null : { word: state.word, text: shortened(data.cloud.words[state.word], 24) };
    const taken = pointed === null ? [] : drawPointed(pen, pointed);
    // Near the centre names would lie on top of each other.
    const far = ({ word }) => places.some((along, axis) => Math.abs(along[word]) > 0.22 * lengths[axis]);
    const names = drawLabels(pen, named().filter(far), taken);
    showUnderPointer(describeBriefly);
    // A canvas does not tell what is on it.
    canvas.shown = { places, shares, spots, names, pointed, chosen: wordsOfConcept() };
  });
}

// The words of a concept at the two ends of its axis.
function endsOfAxis(mode) {
  const { positive, negative } = view.concepts[mode];
  return [negative, positive].map((words, end) => (words.length ? `${end ? "→" : "←"} ${shortened(words[0], 18)}` : ""));
}

function describeBriefly(word) {
  return [shortened(data.cloud.words[word], 40), `rank ${data.cloud.ranks[word]} by frequency`];
}

function drawScale() {
  const [low, high] = byId("scale").querySelectorAll("span");
  if (state.colour < 0) {
    [low.textContent, high.textContent] = ["frequent", "rare"];
    byId("scale").style.setProperty("--gradient", `linear-gradient(90deg, ${RARITY.join(", ")})`);
    return;
  }
  const { positive, negative } = view.concepts[state.colour];
  low.textContent = negative[0] ?? "";
  high.textContent = positive[0] ?? "";
  byId("scale").style.setProperty("--gradient", "linear-gradient(90deg, var(--low), var(--middle), var(--high))");
}

function startCloud() {
  const fill = () => {
    const options = () => Array.from({ length: view.modes }, (_, mode) => new Option(shortened(nameOfConcept(mode), 48), mode));
    [0, 1, 2].forEach((axis) => byId(`axis-${axis}`).replaceChildren(...options()));
    byId("colour").replaceChildren(...options(), new Option("frequency of words", -1));
    showChoice();
  };
  [0, 1, 2].forEach((axis) => byId(`axis-${axis}`).addEventListener("change", (event) => {
    change({ axes: state.axes.map((mode, at) => (at === axis ? Number(event.target.value) : mode)) });
  }));
  byId("colour").addEventListener("change", (event) => change({ colour: Number(event.target.value) }));
  function showChoice() {
    state.axes.forEach((mode, axis) => (byId(`axis-${axis}`).value = mode));
    byId("colour").value = state.colour;
    drawScale();
  }
  fill();
  whenChanged(["view"], fill);
  whenChanged(["axes", "colour"], showChoice);
  whenChanged(["time", "source", "axes", "colour", "word", "concept", "theme", "view"], drawCloud);
  startSpace({ draw: drawCloud, choose: (word) => follow(data.cloud.words[word]), describe: describeBriefly });
  startSources();
}

function startSources() {
  const sources = Object.keys(positions);
  const buttons = sources.map((source) => element("button", nameOf(source), { type: "button", title: meaningOf(source) }));
  const press = () => buttons.forEach((button, at) => {
    button.setAttribute("aria-pressed", sources[at] === state.source);
    button.disabled = !isOfRun() && sources[at] !== "theory";
  });
  buttons.forEach((button, at) => button.addEventListener("click", () => change({ source: sources[at] })));
  byId("sources").append(...buttons);
  press();
  whenChanged(["source", "view"], press);
}
