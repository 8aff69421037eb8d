// The words in space, along three concepts, at the time chosen.

const WORDS = data.cloud.words.length;
const MODES = data.cloud.unit.length;

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

function labelled(places) {
  const out = new Set(wordsOfConcept());
  if (state.concept === null) {
    state.axes.forEach((mode) => furthest(mode, 3).forEach((word) => out.add(word)));
  }
  out.delete(state.word);
  // Near the centre labels would lie on top of each other.
  const far = (word) => state.axes.some((mode, axis) => Math.abs(places[axis][word]) > 0.22 * reach(mode));
  const close = (one, other) =>
    state.axes.every((mode, axis) => Math.abs(places[axis][one] - places[axis][other]) < 0.14 * reach(mode));
  return [...out].filter(far).filter((word, at, all) => !all.slice(0, at).some((other) => close(word, other)));
}

function annotation(word, places, more) {
  const [x, y, z] = places.map((place) => place[word]);
  return { x, y, z, text: label(shortened(data.cloud.words[word], 24)), ...more };
}

function colours() {
  if (state.colour < 0) {
    const ranks = data.cloud.ranks.map((rank) => Math.log10(rank));
    return { color: ranks, colorscale: "Cividis", cmin: 0, cmax: Math.log10(Math.max(2, data.vocabulary)) };
  }
  const scale = [[0, colour("low")], [0.5, colour("middle")], [1, colour("high")]];
  const most = 0.6 * reach(state.colour);
  return { color: coordinates(state.colour), colorscale: scale, cmin: -most, cmax: most };
}

function points(places, words, marker) {
  const [x, y, z] = places.map((place) => words.map((word) => place[word]));
  return { type: "scatter3d", mode: "markers", x, y, z, marker, hoverinfo: "skip" };
}

function cloudTraces(places) {
  const every = data.cloud.words.map((_, word) => word);
  const faded = state.concept === null ? 0.9 : 0.35;
  const followed = state.word === null ? [] : [state.word];
  return [
    {
      ...points(places, every, { size: 3.6, line: { width: 0 }, ...colours() }),
      opacity: faded,
      hoverinfo: "text",
      text: data.cloud.words.map((word, row) => `${label(word)}<br>rank ${data.cloud.ranks[row]} by frequency`),
    },
    points(places, wordsOfConcept(), { size: 6, color: colour("chosen") }),
    points(places, followed, { size: 9, color: colour("followed"), line: { color: colour("ink"), width: 1 } }),
    ...axisLines(),
  ];
}

function axisLines() {
  const lengths = state.axes.map(reach);
  return [0, 1, 2].map((axis) => {
    const along = [0, 1, 2].map((other) => (other === axis ? [-lengths[axis], lengths[axis]] : [0, 0]));
    const [x, y, z] = along;
    const line = { color: colour("line"), width: 2 };
    return { type: "scatter3d", mode: "lines", x, y, z, line, hoverinfo: "skip" };
  });
}

// The number of its concept at the end of each axis.
function axisNames() {
  return state.axes.map((mode, axis) => {
    const [x, y, z] = [0, 1, 2].map((other) => (other === axis ? reach(mode) : 0));
    const font = { size: 12, color: colour("soft") };
    return { x, y, z, text: `concept ${mode + 1}`, showarrow: false, font };
  });
}

function sceneAxis(axis) {
  const mode = state.axes[axis];
  return { range: [-reach(mode), reach(mode)], visible: false, showspikes: false };
}

function cloudLayout(places) {
  const plain = { showarrow: false, yshift: 9, font: { size: 11, color: colour("ink") } };
  const pointed = {
    arrowcolor: colour("followed"), arrowwidth: 1.5, arrowhead: 0, ax: 26, ay: -34,
    bgcolor: colour("panel"), bordercolor: colour("followed"), borderpad: 3, font: { size: 14, color: colour("ink") },
  };
  const annotations = [...axisNames(), ...labelled(places).map((word) => annotation(word, places, plain))];
  if (state.word !== null) annotations.push(annotation(state.word, places, pointed));
  return plotLayout({
    margin: { l: 0, r: 0, t: 0, b: 0 },
    uirevision: "camera",
    dragmode: "orbit",
    scene: {
      xaxis: sceneAxis(0), yaxis: sceneAxis(1), zaxis: sceneAxis(2),
      aspectmode: "cube",
      camera: { eye: { x: 0.85, y: 0.95, z: 0.45 }, center: { x: 0, y: 0, z: 0 } },
      annotations,
    },
  });
}

let cloudAsked = false;

// Once a frame at most, however fast the slider is moved.
function drawCloud() {
  if (cloudAsked) return;
  cloudAsked = true;
  requestAnimationFrame(() => {
    cloudAsked = false;
    const places = state.axes.map((mode) => coordinates(mode));
    Plotly.react("cloud", cloudTraces(places), cloudLayout(places), PLOT_SETTINGS);
  });
}

function drawScale() {
  const [low, high] = byId("scale").querySelectorAll("span");
  if (state.colour < 0) {
    [low.textContent, high.textContent] = ["frequent", "rare"];
    byId("scale").style.setProperty("--gradient", "linear-gradient(90deg, #00224e, #7d7c78, #fee838)");
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
