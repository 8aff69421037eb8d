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

// Plotly reads a few tags in its labels, and templates: a word that looks like one must stay a word.
function label(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("%{", "%&#123;");
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

function conceptName(concept) {
  return `${concept + 1}: ${data.concepts[concept].name}`;
}
