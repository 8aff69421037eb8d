// Words are put into the page as text, never as markup.

function byId(id) {
  return document.getElementById(id);
}

function element(tag, text = "", attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function shortened(text, most = 34) {
  const letters = [...text];
  return letters.length > most ? letters.slice(0, most - 1).join("") + "…" : text;
}

function digits(value, number = 4) {
  if (!known(value)) return "–";
  if (value !== 0 && (Math.abs(value) >= 1e6 || Math.abs(value) < 1e-4)) return value.toExponential(number - 1);
  return String(Number(value.toPrecision(number)));
}

// With all its digits, so that a column of them lines up.
function column(value, number = 4) {
  return known(value) && Math.abs(value) < 10 ** number && Math.abs(value) >= 1e-4 ? value.toPrecision(number) : digits(value, number);
}

const NAMES = {
  theory: "Theory",
  "theory-discrete": "Theory with step size",
  flow: "Flow",
  sgd: "SGD",
  gd: "Descent",
};

function nameOf(source) {
  return Object.hasOwn(NAMES, source) ? NAMES[source] : source;
}

// One plain sentence for each word that the page uses.
const MEANINGS = {
  word2vec: "A program that reads text and gives every word a place, so that words used alike come to lie near each other.",
  concept: "A direction along which the places of words come to differ, such as from religion to season; each is an eigenvector of the counts of which words stand together.",
  theory: "The formula: from the counts and the start alone, where every word is at every time, with nothing trained.",
  flow: "The same training with infinitely small steps, followed by a computer step by step, to check the formula.",
  sgd: "Stochastic gradient descent: training as word2vec does it, with small random samples of the text.",
};

function meaningOf(source) {
  const name = source.startsWith("theory") ? "theory" : source;
  return Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : "";
}
