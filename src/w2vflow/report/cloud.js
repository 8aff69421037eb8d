// The words in space, along three concepts, at the time chosen.

const WORDS = data.cloud.words.length;
const MODES = data.cloud.unit.length;
const RARITY = ["#00224e", "#7d7c78", "#fee838"];

function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Int16Array.from({ length: bytes.length / 2 }, (_, at) => view.getInt16(2 * at, true));
}

const positions = Object.fromEntries(
  Object.entries(data.cloud.positions).map(([source, text]) => [source, decoded(text)]),
);

// Between two times that were kept, words move on straight lines.
function coordinates(mode, time = state.time) {
  const ts = data.cloud.ts;
  let after = ts.findIndex((t) => t >= time);
  if (after < 0) after = ts.length - 1;
  const before = Math.max(after - 1, 0);
  const share = after > before ? (time - ts[before]) / (ts[after] - ts[before]) : 0;
  const from = positions[state.source];
  const unit = data.cloud.unit[mode];
  const found = new Array(WORDS);
  for (let word = 0; word < WORDS; word += 1) {
    const start = from[(before * WORDS + word) * MODES + mode];
    const end = from[(after * WORDS + word) * MODES + mode];
    found[word] = unit * (start + share * (end - start));
  }
  return found;
}

function reach(mode) {
  return 1.08 * 32767 * data.cloud.unit[mode];
}

// The words that are furthest out along a concept in the end.
function furthest(mode, number) {
  const places = coordinates(mode, lastTime);
  const order = places.map((_, word) => word).sort((a, b) => places[a] - places[b]);
  return new Set([...order.slice(0, number), ...order.slice(-number)]);
}

function wordsOfConcept() {
  if (state.concept === null) return [];
  const { positive, negative } = data.concepts[state.concept];
  return [...positive, ...negative].map((word) => rowOfWord.get(word)).filter(known);
}

// Words worth a name, the most telling first.
function named() {
  const ends = () => state.axes.flatMap((mode) => [...furthest(mode, 3)]);
  const words = new Set(state.concept === null ? ends() : wordsOfConcept());
  words.delete(state.word);
  return [...words].map((word) => ({ word, text: shortened(data.cloud.words[word], 24) }));
}

// From one colour to the next, at shares from 0 to 1.
function blend(stops, share) {
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const before = Math.min(Math.floor(at), stops.length - 2);
  const parts = [stops[before], stops[before + 1]].map((hex) =>
    [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16)));
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
    const [pen, project] = [cleanCanvas(), projection()];
    spots = places[0].map((_, word) => project(places.map((along, axis) => along[word] / lengths[axis])));
    drawAxes(pen, project, state.axes.map((mode) => `concept ${mode + 1}`));
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
  const { positive, negative } = data.concepts[state.colour];
  low.textContent = negative[0] ?? "";
  high.textContent = positive[0] ?? "";
  byId("scale").style.setProperty("--gradient", "linear-gradient(90deg, var(--low), var(--middle), var(--high))");
}

function startCloud() {
  const concepts = data.cloud.unit.map((_, mode) => mode);
  const options = () => concepts.map((mode) => new Option(shortened(conceptName(mode), 48), mode));
  [0, 1, 2].forEach((axis) => {
    const select = byId(`axis-${axis}`);
    select.append(...options());
    select.addEventListener("change", () => {
      change({ axes: state.axes.map((mode, at) => (at === axis ? Number(select.value) : mode)) });
    });
  });
  byId("colour").append(...options(), new Option("frequency of words", -1));
  byId("colour").addEventListener("change", (event) => change({ colour: Number(event.target.value) }));
  const showChoice = () => {
    state.axes.forEach((mode, axis) => (byId(`axis-${axis}`).value = mode));
    byId("colour").value = state.colour;
    drawScale();
  };
  showChoice();
  whenChanged(["axes", "colour"], showChoice);
  whenChanged(["time", "source", "axes", "colour", "word", "concept", "theme"], drawCloud);
  startSpace({ draw: drawCloud, choose: (word) => follow(data.cloud.words[word]), describe: describeBriefly });

  const buttons = Object.keys(positions).map((source) => element("button", nameOf(source), { type: "button" }));
  const press = () => buttons.forEach((button, at) => {
    button.setAttribute("aria-pressed", Object.keys(positions)[at] === state.source);
  });
  buttons.forEach((button, at) => {
    button.addEventListener("click", () => change({ source: Object.keys(positions)[at] }));
  });
  byId("sources").append(...buttons);
  press();
  whenChanged(["source"], press);
}
