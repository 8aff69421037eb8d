// Five short lessons: predict first, then reveal. What is revealed is computed on this page, of this text.

function firstStep(settings) {
  return stepTimesOf(systemOf(settings)).find(known);
}

function ratioOfFirstSteps(settings) {
  return firstStep(settings) / firstStep({});
}

const LESSONS = [
  {
    title: "Which comes first?",
    ask: () => "Training starts from almost nothing. Which of these differences between words will it learn first?",
    choices: () => {
      const last = Math.min(view.concepts.length, 9) - 1;
      return [Math.floor(last / 2), 0, last].map((k) => data.concepts[k].name);
    },
    right: 1,
    reveal: () => `The one whose eigenvalue is largest: λ = ${digits(data.concepts[0].eigenvalue, 3)}, so it grows fastest. All others wait.`,
    show: () => {
      setSettings({});
      change({ time: runView.stepTimes[0] ?? view.last, concept: 0 });
    },
  },
  {
    title: "A smaller start",
    ask: () => "Start with weights 100 times smaller. When is the first concept learned?",
    choices: () => ["100 times later", "a little later", "at the same time"],
    right: 1,
    reveal: () => {
      const ratio = ratioOfFirstSteps({ factor: 0.01 });
      return `${digits(ratio, 3)} times as late: growth is exponential, so each factor of 10 costs the same time again. The steps become sharper.`;
    },
    show: () => setSettings({ factor: 0.01 }),
  },
  {
    title: "Another start",
    ask: () => "Draw all initial weights anew. What changes?",
    choices: () => ["the concepts and their order", "only their times, a little", "nothing at all"],
    right: 1,
    reveal: () => {
      const change100 = 100 * (ratioOfFirstSteps({ seed: 20 }) - 1);
      return `The first step moves by ${digits(Math.abs(change100), 2)} %, the concepts stay: they belong to the text and not to chance.`;
    },
    show: () => setSettings({ seed: 20 }),
  },
  {
    title: "Less room",
    ask: () => "Give the embedding three dimensions only. What does it learn?",
    choices: () => ["a blend of all concepts", "the first three, and no more", "three at random"],
    right: 1,
    reveal: () => `The first three, each as before: ${data.concepts.slice(0, 3).map(({ name }) => name).join("; ")}. Then the room is used up, and the loss stays where it is.`,
    show: () => setSettings({ dim: 3 }),
  },
  {
    title: "Another text",
    ask: () => `Suppose the text held more of concept 3, ${data.concepts[2]?.name ?? ""}: enough to make its eigenvalue twice the first. What then?`,
    choices: () => ["it is learned first", "it is still third, but stronger", "it pushes the first one out"],
    right: 0,
    reveal: () => `It is learned first: the order is that of the eigenvalues, and the eigenvalues are those of the text.`,
    show: () => setSettings({ eigenvalues: { 2: (2 * start.eigenvalues[0]) / start.eigenvalues[2] } }),
    possible: () => data.concepts.length > 2,
  },
];

function lessonOf(lesson, number) {
  const place = element("details", "", { class: "lesson" });
  const answer = element("p", "", { class: "answer", "aria-live": "polite" });
  const buttons = element("div", "", { class: "place" });
  const see = element("button", "Show it above", { type: "button", class: "strong" });
  see.hidden = true;
  see.addEventListener("click", () => {
    lesson.show();
    setPlaying(true);
    byId("title").scrollIntoView({ block: "start" });
  });
  lesson.choices().forEach((choice, at) => {
    const button = element("button", choice, { type: "button" });
    button.addEventListener("click", () => {
      answer.textContent = `${at === lesson.right ? "Yes." : "No."} ${lesson.reveal()}`;
      buttons.querySelectorAll("button").forEach((other, place) => other.setAttribute("aria-pressed", place === lesson.right));
      see.hidden = false;
    });
    buttons.append(button);
  });
  place.append(element("summary", `${number + 1}. ${lesson.title}`), element("p", lesson.ask()), buttons, answer, see);
  return place;
}

function startLessons() {
  const possible = LESSONS.filter((lesson) => start !== null && (lesson.possible?.() ?? true));
  byId("lessons").hidden = possible.length === 0;
  byId("lesson-list").append(...possible.map(lessonOf));
}
