// What the page holds and what is chosen on it. A part that shows something asks to be told of changes.

// Of a text that was counted on a page there is no run: all that is shown is computed here.
const isRun = data.ts !== null;
const concepts = isRun ? data.cloud.unit.length : Math.min(data.dim, 16);

const state = {
  time: isRun ? data.ts.at(-1) : 0,
  source: data.cloud.positions.flow ? "flow" : Object.keys(data.cloud.positions)[0] ?? "theory",
  curves: new Set(Object.keys(data.curves).filter((name) => name !== "theory-discrete")),
  axes: [0, 1, 2].map((axis) => Math.min(axis, concepts - 1)),
  colour: Math.min(3, concepts - 1), // a concept, or -1 for the frequency of words
  word: null, // its place among the words of the cloud
  concept: null,
  settings: {}, // of the training computed here, where they differ from those of the run
};

const listeners = [];

function whenChanged(names, act) {
  listeners.push({ names, act });
}

function change(values) {
  Object.assign(state, values);
  const changed = Object.keys(values);
  for (const { names, act } of listeners) {
    if (names.some((name) => changed.includes(name))) act();
  }
}

const rowOfWord = new Map(data.cloud.words.map((word, row) => [word, row]));
const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);

// The prediction that lines and marks of steps stand for; measured where nothing was predicted.
const predicted = ["theory", "theory-discrete", ...Object.keys(data.steps)].find((name) => name in data.steps);
