// Follow a word: where it goes, and which words are nearest to it at the time shown.

const NEAREST = 6;

function matching(text) {
  const wanted = text.trim();
  if (rowOfWord.has(wanted)) return rowOfWord.get(wanted);
  const lower = wanted.toLowerCase();
  const row = data.cloud.words.findIndex((word) => word.toLowerCase() === lower);
  return row < 0 ? null : row;
}

function follow(text) {
  const wanted = text.trim();
  byId("word").value = wanted;
  if (wanted === "") {
    byId("found").textContent = "";
    change({ word: null });
    return;
  }
  const row = matching(wanted);
  byId("found").textContent = row === null ? apology(wanted) : description(row);
  change({ word: row });
}

function apology(wanted) {
  const all = WORDS === data.vocabulary ? "the vocabulary" : `the ${WORDS} of ${data.vocabulary} words kept on this page`;
  const begin = [...wanted.toLowerCase()].slice(0, 3).join("");
  const near = data.cloud.words.filter((word) => word.toLowerCase().startsWith(begin)).slice(0, 4);
  const hint = near.length ? ` Perhaps ${near.map((word) => `“${word}”`).join(", ")}?` : "";
  return `Sorry, “${shortened(wanted, 40)}” is not among ${all}.${hint}`;
}

function allPlaces(time) {
  return Array.from({ length: view.modes }, (_, mode) => coordinates(mode, time));
}

function description(row) {
  const places = allPlaces(view.last).map((along) => along[row]);
  const strongest = places.reduce((best, place, mode) => (Math.abs(place) > Math.abs(places[best]) ? mode : best), 0);
  const word = shortened(data.cloud.words[row], 40);
  return `“${word}”: rank ${data.cloud.ranks[row]} of ${data.vocabulary} by frequency; in the end furthest along concept ${nameOfConcept(strongest)}.`;
}

// Words of the largest cosine with a word, among those kept, along the concepts shown.
function nearestTo(row, time) {
  const [along, squares] = [new Float64Array(WORDS), new Float64Array(WORDS)];
  for (const places of allPlaces(time)) {
    const own = places[row];
    for (let word = 0; word < WORDS; word += 1) {
      along[word] += places[word] * own;
      squares[word] += places[word] * places[word];
    }
  }
  const cosines = along.map((product, word) => product / Math.sqrt(squares[word] || 1));
  const others = data.cloud.words.map((_, word) => word).filter((word) => word !== row);
  return others.sort((a, b) => cosines[b] - cosines[a]).slice(0, NEAREST);
}

function showNearest() {
  const place = byId("nearest");
  place.hidden = state.word === null;
  if (state.word === null) return;
  const names = nearestTo(state.word, state.time).map((word) => shortened(data.cloud.words[word], 24));
  place.textContent = `Nearest to “${shortened(data.cloud.words[state.word], 24)}” now: ${names.join(", ")}.`;
}

function startSearch() {
  const options = data.cloud.words.map((word) => {
    const option = element("option");
    option.value = word;
    return option;
  });
  byId("words").append(...options);
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    follow(byId("word").value);
  });
  // Chosen from the suggestions, or cleared.
  byId("word").addEventListener("input", () => {
    const text = byId("word").value;
    if (text === "" || rowOfWord.has(text)) follow(text);
  });
  whenChanged(["word", "time", "view", "source"], showNearest);
}
