// Follow a word.

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
  const start = [...wanted.toLowerCase()].slice(0, 3).join("");
  const near = data.cloud.words.filter((word) => word.toLowerCase().startsWith(start)).slice(0, 4);
  const hint = near.length ? ` Perhaps ${near.map((word) => `“${word}”`).join(", ")}?` : "";
  return `Sorry, “${shortened(wanted, 40)}” is not among ${all}.${hint}`;
}

function description(row) {
  const places = data.cloud.unit.map((_, mode) => coordinates(mode, lastTime)[row]);
  const strongest = places.reduce((best, place, mode) => (Math.abs(place) > Math.abs(places[best]) ? mode : best), 0);
  const word = shortened(data.cloud.words[row], 40);
  return `“${word}”: rank ${data.cloud.ranks[row]} of ${data.vocabulary} by frequency; in the end furthest along concept ${conceptName(strongest)}.`;
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
}
