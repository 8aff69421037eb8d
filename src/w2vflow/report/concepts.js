// The table of concepts, sortable, and the words of the one chosen.

function tableColumns() {
  const columns = [
    { title: "#", value: (k) => k + 1, show: (k) => String(k + 1) },
    { title: "Concept", value: (k) => data.concepts[k].name, show: (k) => data.concepts[k].name, text: true },
    { title: "λ", value: (k) => data.concepts[k].eigenvalue, show: (k) => column(data.concepts[k].eigenvalue) },
  ];
  for (const [source, steps] of Object.entries(data.steps)) {
    const theory = source.startsWith("theory");
    const title = theory ? (source === "theory" ? "Predicted" : "+ step size") : nameOf(source);
    columns.push({ title, value: (k) => steps.mean[k], show: (k) => column(steps.mean[k]), spread: theory ? null : (k) => spreadOf(steps, k) });
    if (steps.error) {
      columns.push({
        title: `${nameOf(source)} error`, value: (k) => steps.error[k],
        show: (k) => (known(steps.error[k]) ? `${steps.error[k].toFixed(steps.error[k] < 1 ? 2 : 1)} %` : "–"),
      });
    }
  }
  return columns;
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
    const cell = element("td", column.show(concept), { class: column.text ? "name" : "number" });
    if (column.spread) cell.append(element("span", column.spread(concept), { class: "spread" }));
    row.append(cell);
  });
  const choose = () => change({ concept: state.concept === concept ? null : concept });
  row.addEventListener("click", choose);
  row.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose();
    }
  });
  return row;
}

// What is not known comes last, in either direction.
function ordered(column, falling) {
  const sign = falling ? -1 : 1;
  const compare = (a, b) => (column.text ? String(a).localeCompare(String(b)) : a - b);
  return data.concepts.map((_, concept) => concept).sort((one, other) => {
    const [a, b] = [column.value(one), column.value(other)];
    if (!known(a) || !known(b)) return Number(!known(a)) - Number(!known(b));
    return sign * compare(a, b) || one - other;
  });
}

function startConcepts() {
  const columns = tableColumns();
  const rows = data.concepts.map((_, concept) => conceptRow(concept, columns));
  const head = element("tr");
  columns.forEach((column) => {
    const cell = element("th", "", { scope: "col", class: column.text ? "" : "number" });
    const button = element("button", column.title, { type: "button" });
    button.addEventListener("click", () => {
      const falling = cell.getAttribute("aria-sort") === "ascending";
      head.querySelectorAll("[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", falling ? "descending" : "ascending");
      byId("concepts").tBodies[0].replaceChildren(...ordered(column, falling).map((concept) => rows[concept]));
    });
    cell.append(button);
    head.append(cell);
  });
  head.firstChild.setAttribute("aria-sort", "ascending");
  byId("concepts").tHead.append(head);
  byId("concepts").tBodies[0].append(...rows);
  whenChanged(["concept"], () => {
    rows.forEach((row, concept) => row.setAttribute("aria-selected", concept === state.concept));
    showOnAxis();
    showEnds();
  });
}

// A concept that is chosen is seen along an axis: where it is on none, it takes the first.
function showOnAxis() {
  if (state.concept === null || state.concept >= MODES || state.axes.includes(state.concept)) return;
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
  const { name, positive, negative } = data.concepts[state.concept];
  const buttons = element("div", "", { class: "place" });
  if (state.concept < MODES) {
    [0, 1, 2].forEach((axis) => {
      const button = element("button", `Put on axis ${axis + 1}`, { type: "button" });
      const chosen = state.concept;
      button.addEventListener("click", () => change({ axes: state.axes.map((mode, at) => (at === axis ? chosen : mode)) }));
      buttons.append(button);
    });
  }
  const time = stepTimes[state.concept];
  if (known(time) && time <= lastTime) {
    const button = element("button", "Go to its step", { type: "button" });
    button.addEventListener("click", () => change({ time }));
    buttons.append(button);
  }
  place.append(
    element("h3", `Concept ${state.concept + 1}: ${name}`),
    endOf("One end", positive),
    endOf("Other end", negative),
    buttons,
  );
}
