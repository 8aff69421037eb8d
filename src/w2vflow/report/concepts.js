// The table of concepts, sortable, and the words of the one chosen.

let sortedBy = { column: 0, falling: false };

// Of the training computed here there is a prediction alone.
function tableColumns() {
  const { concepts } = view;
  const columns = [
    { title: "#", value: (k) => k + 1, show: (k) => String(k + 1) },
    { title: "Concept", value: (k) => concepts[k].name, show: (k) => concepts[k].name, text: true },
    { title: "λ", value: (k) => concepts[k].eigenvalue, show: (k) => column(concepts[k].eigenvalue) },
  ];
  if (!isOfRun()) {
    const times = view.stepTimes;
    return [...columns, { title: "Predicted", value: (k) => times[k], show: (k) => column(times[k]) }, ...changeOfTime()];
  }
  for (const [source, steps] of Object.entries(data.steps)) columns.push(...columnsOfSource(source, steps));
  return columns;
}

function columnsOfSource(source, steps) {
  const theory = source.startsWith("theory");
  const title = theory ? (source === "theory" ? "Predicted" : "+ step size") : nameOf(source);
  const spread = theory ? null : (k) => spreadOf(steps, k);
  const own = { title, value: (k) => steps.mean[k], show: (k) => column(steps.mean[k]), spread };
  if (!steps.error) return [own];
  const show = (k) => (known(steps.error[k]) ? `${steps.error[k].toFixed(steps.error[k] < 1 ? 2 : 1)} %` : "–");
  return [own, { title: `${nameOf(source)} error`, value: (k) => steps.error[k], show }];
}

// Beside the run as it was made.
function changeOfTime() {
  const was = data.steps.theory?.mean;
  if (!was) return [];
  const value = (k) => {
    const origin = view.concepts[k].origin;
    const before = origin === null ? null : was[origin];
    return known(before) && known(view.stepTimes[k]) ? 100 * (view.stepTimes[k] / before - 1) : null;
  };
  return [{ title: "against the run", value, show: (k) => (known(value(k)) ? `${value(k) < 0 ? "−" : "+"}${Math.abs(value(k)).toFixed(1)} %` : "–") }];
}

function spreadOf(steps, concept) {
  if (steps.learned[concept] > 0 && steps.learned[concept] < steps.seeds) {
    return ` (${steps.learned[concept]} of ${steps.seeds})`;
  }
  return known(steps.spread[concept]) ? ` ± ${digits(steps.spread[concept], 2)}` : "";
}

function conceptRow(concept, columns) {
  const row = element("tr", "", { tabindex: "0", "data-concept": concept });
  columns.forEach((column) => {
    const cell = element("td", column.show(concept), { class: column.text ? "name" : "number", "data-title": column.title });
    if (column.spread) cell.append(element("span", column.spread(concept), { class: "spread" }));
    row.append(cell);
  });
  const choose = () => change({ concept: state.concept === concept ? null : concept });
  row.addEventListener("click", choose);
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      event.stopPropagation();
      choose();
    }
  });
  return row;
}

// What is not known comes last, in either direction.
function ordered(column, falling) {
  const sign = falling ? -1 : 1;
  const compare = (a, b) => (column.text ? String(a).localeCompare(String(b)) : a - b);
  return view.concepts.map((_, concept) => concept).sort((one, other) => {
    const [a, b] = [column.value(one), column.value(other)];
    if (!known(a) || !known(b)) return Number(!known(a)) - Number(!known(b));
    return sign * compare(a, b) || one - other;
  });
}

function headOf(columns) {
  const head = element("tr");
  columns.forEach((column, at) => {
    const cell = element("th", "", { scope: "col", class: column.text ? "" : "number" });
    if (at === sortedBy.column) cell.setAttribute("aria-sort", sortedBy.falling ? "descending" : "ascending");
    const button = element("button", column.title, { type: "button" });
    button.addEventListener("click", () => {
      sortedBy = { column: at, falling: sortedBy.column === at && !sortedBy.falling };
      fillConcepts();
      byId("concepts").tHead.querySelectorAll("button")[at].focus();
    });
    cell.append(button);
    head.append(cell);
  });
  return head;
}

function fillConcepts() {
  const columns = tableColumns();
  if (sortedBy.column >= columns.length) sortedBy = { column: 0, falling: false };
  const order = ordered(columns[sortedBy.column], sortedBy.falling);
  byId("concepts").tHead.replaceChildren(headOf(columns));
  byId("concepts").tBodies[0].replaceChildren(...order.map((concept) => conceptRow(concept, columns)));
  markChosen();
}

// Chosen, and how far each is learned at the time shown.
function markChosen() {
  for (const row of byId("concepts").tBodies[0].rows) {
    const concept = Number(row.dataset.concept);
    row.setAttribute("aria-selected", concept === state.concept);
    row.style.setProperty("--learned", `${(100 * learnedShare(concept)).toFixed(1)}%`);
  }
}

function startConcepts() {
  fillConcepts();
  whenChanged(["view"], fillConcepts);
  whenChanged(["time", "source"], markChosen);
  whenChanged(["concept"], () => {
    markChosen();
    showOnAxis();
    showEnds();
  });
  whenChanged(["view"], showEnds);
}

// A concept that is chosen is seen along an axis: where it is on none, it takes the first.
function showOnAxis() {
  if (state.concept === null || state.concept >= view.modes || state.axes.includes(state.concept)) return;
  change({ axes: [state.concept, state.axes[1], state.axes[2]] });
}

function endOf(title, words) {
  const list = element("div", "", { class: "words" });
  list.append(element("b", title));
  for (const word of words) {
    const button = element("button", word, { type: "button" });
    button.disabled = !rowOfWord.has(word);
    button.title = button.disabled ? "not among the words kept for the cloud" : "follow this word";
    button.addEventListener("click", () => follow(word));
    list.append(button);
  }
  return list;
}

function showEnds() {
  const place = byId("ends");
  place.replaceChildren();
  if (state.concept === null) return;
  const { name, positive, negative, origin, real } = view.concepts[state.concept];
  const buttons = element("div", "", { class: "place" });
  if (state.concept < view.modes) {
    [0, 1, 2].forEach((axis) => {
      const button = element("button", `Put on axis ${axis + 1}`, { type: "button" });
      const chosen = state.concept;
      button.addEventListener("click", () => change({ axes: state.axes.map((mode, at) => (at === axis ? chosen : mode)) }));
      buttons.append(button);
    });
  }
  const time = view.stepTimes[state.concept];
  if (known(time) && time <= view.last) {
    const button = element("button", "Go to its step", { type: "button" });
    button.addEventListener("click", () => change({ time }));
    buttons.append(button);
  }
  place.append(
    element("h3", `Concept ${state.concept + 1}: ${name}`),
    endOf("One end", positive),
    endOf("Other end", negative),
    ...(real ? [element("p", `Is it real? ${real}`, { class: "explain real" })] : []),
    ...(start === null || origin === null ? [] : [strengthControl(origin)]),
    buttons,
  );
}
