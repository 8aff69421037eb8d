// Controls of the training computed here. Each moves one setting; everything else follows while it moves.

const CONTROLS = [
  {
    id: "seed", name: "Start", hint: "Another random start: other places at first, the same concepts in the end.",
    min: 0, max: 40, step: 1, from: (value) => value, to: (value) => value,
    show: (value) => (value < start.seeds ? `seed ${value + 1}` : `new, ${value + 1}`),
  },
  {
    id: "factor", name: "Initial size", hint: "How large the weights are at first. Smaller: later and sharper steps.",
    min: -8, max: 1.5, step: 0.05, from: (value) => Math.log10(value), to: (value) => 10 ** value,
    show: (value) => digits(value * runScale(), 2),
  },
  {
    id: "dim", name: "Dimensions", hint: "How many concepts there is room for.",
    min: 1, max: () => Math.min(32, start.pairs), step: 1, from: (value) => value, to: (value) => value, show: String,
  },
  {
    id: "rate", name: "Step size", hint: "Of gradient descent, in units of 1/λ₁; 0 is the flow of infinitely small steps.",
    min: 0, max: 0.6, step: 0.01, from: (value) => value * start.eigenvalues[0], to: (value) => value / start.eigenvalues[0],
    show: (value) => (value === 0 ? "0 (flow)" : digits(value * start.eigenvalues[0], 2)),
  },
  {
    id: "decay", name: "Weight decay", hint: "In units of λ₁: concepts weaker than it are never learned.",
    min: 0, max: 1, step: 0.01, from: (value) => value / start.eigenvalues[0], to: (value) => value * start.eigenvalues[0],
    show: (value) => digits(value / start.eigenvalues[0], 2),
  },
];

function limitOf(limit) {
  return typeof limit === "function" ? limit() : limit;
}

function controlRow(control) {
  const row = element("label", "", { class: "control", title: control.hint });
  const shown = element("output", "");
  const slider = element("input", "", {
    type: "range", id: `set-${control.id}`, min: limitOf(control.min), max: limitOf(control.max), step: control.step,
  });
  slider.addEventListener("input", () => setSettings({ ...state.settings, [control.id]: settingFrom(control, Number(slider.value)) }));
  const show = () => {
    const value = settingsNow()[control.id];
    slider.value = control.from(value);
    shown.textContent = control.show(value);
  };
  whenChanged(["settings"], show);
  row.append(element("span", control.name), slider, shown);
  show();
  return row;
}

// A slider that is back where the run has it means the run's own value, to the last digit.
function settingFrom(control, position) {
  const own = settingsNow({})[control.id];
  return Math.abs(position - control.from(own)) < control.step / 2 + 1e-9 ? own : control.to(position);
}

function setEigenvalue(origin, value) {
  const eigenvalues = { ...state.settings.eigenvalues, [origin]: value / start.eigenvalues[origin] };
  setSettings({ ...state.settings, eigenvalues });
}

// How strong a concept is in the counts: a slider beside its words, as its line in the picture.
function strengthControl(origin) {
  const row = element("label", "", { class: "control", title: "How strong this concept is in the counts: its eigenvalue λ, against the run's." });
  const slider = element("input", "", { type: "range", min: 0, max: 3, step: 0.01, id: "set-eigenvalue" });
  const factor = settingsNow().eigenvalues[origin] ?? 1;
  slider.value = factor;
  slider.addEventListener("change", () => setEigenvalue(origin, Number(slider.value) * start.eigenvalues[origin]));
  row.append(element("span", "Strength λ"), slider, element("output", `× ${digits(factor, 3)}`));
  return row;
}

function wordControl() {
  const row = element("label", "", { class: "control", title: "Multiplies the word's row and column of M*: 0 takes it out of the text, as far as other words are concerned." });
  const name = element("span", "");
  const slider = element("input", "", { type: "range", min: 0, max: 2, step: 0.02, id: "set-weight" });
  const shown = element("output", "");
  slider.addEventListener("input", () => setSettings({ ...state.settings, word: state.word ?? state.settings.word, weight: Number(slider.value) }));
  const show = () => {
    const { word, weight } = settingsNow();
    const at = state.word ?? word;
    slider.disabled = at === null;
    slider.value = at === word ? weight : 1;
    name.textContent = at === null ? "Weight of a word" : `Weight of “${shortened(data.cloud.words[at], 14)}”`;
    shown.textContent = at === null ? "follow one" : at === word && weight === 0 ? "removed" : `× ${digits(at === word ? weight : 1, 3)}`;
  };
  whenChanged(["settings", "word"], show);
  row.append(name, slider, shown);
  show();
  return row;
}

function startControls() {
  const place = byId("controls");
  if (start === null) {
    place.hidden = true;
    return;
  }
  byId("sliders").append(...CONTROLS.map(controlRow), wordControl());
  const back = byId("back-to-run");
  back.addEventListener("click", () => setSettings({}));
  const show = () => {
    back.disabled = view === runView;
    byId("of-run").textContent = view === runView
      ? "As it was at first. Move a slider, or drag a level line at its right end."
      : `Computed here, exactly, from the counts${isRun ? ": flow and SGD were run with the settings of the run alone" : ""}.`;
  };
  whenChanged(["view"], show);
  show();
}
