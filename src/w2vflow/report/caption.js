// What happens at the time shown, in one sentence that follows it.

// The value of a curve of the view at a time.
function valueAt(ts, values, time) {
  let after = ts.findIndex((t) => t >= time);
  if (after < 0) after = ts.length - 1;
  const before = Math.max(after - 1, 0);
  const share = after > before ? (time - ts[before]) / (ts[after] - ts[before]) : 0;
  return values[before] + share * (values[after] - values[before]);
}

// Which part of its final strength a concept has reached.
function learnedShare(concept) {
  const curves = view.curves[state.source] ?? Object.values(view.curves)[0];
  const squares = curves.squares[0][concept];
  const whole = isOfRun() ? view.concepts[concept].eigenvalue : view.system.values[concept];
  if (!squares || !(whole > 0)) return 0;
  return Math.min(1, Math.max(0, valueAt(view.ts, squares, state.time) / whole));
}

function listed(concepts) {
  const numbers = concepts.map((k) => k + 1);
  if (numbers.length === 1) return `Concept ${numbers[0]}`;
  const inRow = numbers.every((number, at) => number === numbers[0] + at);
  return inRow ? `Concepts ${numbers[0]} to ${numbers.at(-1)}` : `Concepts ${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`;
}

function captionNow() {
  const shares = view.concepts.map((_, k) => learnedShare(k));
  const rising = shares.map((_, k) => k).filter((k) => shares[k] > 0.05 && shares[k] < 0.9);
  const learned = shares.map((_, k) => k).filter((k) => shares[k] >= 0.9);
  const next = shares.findIndex((share) => share <= 0.05);
  if (rising.length) {
    const names = rising.slice(0, 2).map((k) => `concept ${k + 1}: ${view.concepts[k].name}`);
    return `Now learning ${names.join(", and ")}${rising.length > 2 ? ` (and ${rising.length - 2} more)` : ""}.`;
  }
  if (!learned.length) return "Nothing is learned yet: all words are still where chance put them, near the centre.";
  if (next < 0) return `${listed(learned)} ${learned.length > 1 ? "are" : "is"} learned: every dimension of the embedding is used up.`;
  return `${listed(learned)} ${learned.length > 1 ? "are" : "is"} learned; next comes concept ${next + 1}: ${view.concepts[next].name}.`;
}

function startCaption() {
  const show = () => (byId("caption").textContent = captionNow());
  whenChanged(["time", "source", "view"], show);
  show();
}
