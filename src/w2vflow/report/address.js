// The moment shown, in the address: a link to it opens the page where it was.

function addressNow() {
  const share = view.last > view.first ? (state.time - view.first) / (view.last - view.first) : 1;
  const parts = new URLSearchParams({ t: share.toFixed(4) });
  if (state.concept !== null) parts.set("concept", state.concept + 1);
  if (state.word !== null) parts.set("word", data.cloud.words[state.word]);
  if (view === runView) parts.set("source", state.source);
  else parts.set("set", JSON.stringify(state.settings));
  parts.set("axes", state.axes.map((axis) => axis + 1).join("-"));
  return `#${parts}`;
}

// Numbers alone, and of those only such as the controls give: an address may be anybody's.
function settingsFrom(text) {
  const given = JSON.parse(text);
  const settings = {};
  for (const name of ["factor", "rate", "decay", "weight"]) if (Number.isFinite(given?.[name]) && given[name] >= 0) settings[name] = given[name];
  const limits = { seed: 10_000, dim: Math.min(32, start.pairs), word: WORDS - 1 };
  for (const [name, most] of Object.entries(limits)) {
    if (Number.isInteger(given?.[name]) && given[name] >= (name === "dim" ? 1 : 0) && given[name] <= most) settings[name] = given[name];
  }
  if (settings.factor === 0) delete settings.factor;
  const factors = Object.entries(given?.eigenvalues ?? {}).filter(([k, factor]) => k in start.eigenvalues && factor >= 0 && factor <= 100);
  if (factors.length) settings.eigenvalues = Object.fromEntries(factors);
  return settings;
}

function readAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (![...parts].length) return;
  try {
    if (parts.has("set") && start !== null) setSettings(settingsFrom(parts.get("set")));
  } catch {
    // Not an address that this page wrote.
  }
  const source = parts.get("source");
  if (isOfRun() && Object.hasOwn(positions, source ?? "")) change({ source });
  const axes = (parts.get("axes") ?? "").split("-").map((text) => Number(text) - 1);
  if (axes.length === 3 && axes.every((axis) => Number.isInteger(axis) && axis >= 0 && axis < view.modes)) change({ axes });
  const concept = Number(parts.get("concept")) - 1;
  if (Number.isInteger(concept) && concept >= 0 && concept < view.concepts.length) change({ concept });
  if (rowOfWord.has(parts.get("word"))) follow(parts.get("word"));
  const share = Number.parseFloat(parts.get("t"));
  if (share >= 0 && share <= 1) change({ time: view.first + share * (view.last - view.first) });
}

function startAddress() {
  // In a frame, as on the page of a text, there is none.
  if (location.protocol === "about:") return;
  readAddress();
  let asked = null;
  whenChanged(["time", "concept", "word", "source", "axes", "settings", "view"], () => {
    clearTimeout(asked);
    // Browsers allow only so many changes of the address in a time.
    asked = setTimeout(() => history.replaceState(null, "", addressNow()), 300);
  });
  window.addEventListener("hashchange", readAddress);
}
