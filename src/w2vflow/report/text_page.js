// The page around it: a text comes in by paste, drop or choice; what was found of it is shown.

const LARGEST_BYTES = 20e6, WORDS_AT_AN_END = 6, FEW_TOKENS = 3000, ROWS = 24;
// Of one text at a time.
let worker = null;

function byId(id) {
  return document.getElementById(id);
}

// Words are put into the page as text, never as markup.
function element(tag, text, name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

function say(text, kind = "") {
  byId("status").textContent = text;
  byId("status").className = kind;
  document.body.setAttribute("aria-busy", String(kind === "working"));
}

async function useFile(file) {
  if (file.size > LARGEST_BYTES) return refuse(tooLarge(file.name, file.size));
  try {
    use(await file.arrayBuffer(), file.name);
  } catch {
    refuse(`${file.name} cannot be read. Is it a file, and not a folder?`);
  }
}

function useText(text, name) {
  const { buffer } = new TextEncoder().encode(text);
  if (buffer.byteLength > LARGEST_BYTES) return refuse(tooLarge("This text", buffer.byteLength));
  use(buffer, name);
}

function tooLarge(name, bytes) {
  return `${name} has ${(bytes / 1e6).toFixed(0)} MB; this page takes ${LARGEST_BYTES / 1e6}. For more, \`w2vflow run\` is made.`;
}

function use(buffer, name) {
  stop();
  byId("result").hidden = true;
  say("Reading …", "working");
  const source = URL.createObjectURL(new Blob([byId("worker").textContent], { type: "text/javascript" }));
  worker = new Worker(source);
  URL.revokeObjectURL(source);
  worker.onmessage = ({ data }) => receive(data, name);
  worker.onerror = (event) => {
    event.preventDefault();
    refuse(`This page failed, which is not your text's fault: ${event.message}`);
  };
  worker.postMessage({ bytes: buffer, name }, [buffer]);
}

function stop() {
  if (worker !== null) worker.terminate();
  worker = null;
}

function receive({ stage, refused, counted, solution }, name) {
  if (stage) return say(stage, "working");
  stop();
  if (refused) return refuse(refused);
  say("");
  // For who looks on from outside, as tests and a browser's console do.
  byId("result").found = { counted, solution };
  showCounts(counted, name);
  byId("result").hidden = false;
  showTraining(solution, counted, name);
  byId("result").scrollIntoView({ block: "nearest" });
}

function refuse(why) {
  stop();
  byId("result").hidden = true;
  say(why, "refused");
}

// What was read, as `w2vflow count` says it.
function showCounts({ summary, words, occurrences, minCount, lonely }, name) {
  byId("title").textContent = `What word2vec learns from ${name}`;
  const lines = [summary];
  const least = minCount > 1 ? `, which occur ${minCount} times or more` : "";
  lines.push(`Used: the ${words.length.toLocaleString("en-US")} most frequent words${least}.`);
  if (lonely.length) {
    const shown = lonely.slice(0, 5).join(", ") + (lonely.length > 5 ? " ..." : "");
    lines.push(`Left out, because they never stand beside another word: ${lonely.length} (${shown}).`);
  }
  if (occurrences.reduce((sum, times) => sum + times, 0) < FEW_TOKENS) {
    lines.push("This is a short text: some of what follows is chance. From some pages on it means more.");
  }
  byId("read").replaceChildren(...lines.map((line) => element("p", line)));
}

// The concepts in the order in which they are learned: the larger the eigenvalue, the earlier; and how that goes.
function showTraining(solution, counted, name) {
  const { words, eigenvalues, vectors } = solution;
  const learned = eigenvalues.filter((value) => value > 0).length;
  byId("none").hidden = learned > 0;
  byId("weaker").hidden = learned <= ROWS;
  const ends = Array.from({ length: Math.min(learned, ROWS) }, (_, k) => wordsAtEnds(words, vectors, eigenvalues.length, k));
  const rows = ends.map(([positive, negative], k) => {
    const row = document.createElement("tr");
    row.append(element("td", String(k + 1), "number"), element("td", eigenvalues[k].toPrecision(4), "number"));
    row.append(element("td", positive.join(", ")), element("td", negative.join(", ")));
    return row;
  });
  byId("concepts").replaceChildren(...rows);
  byId("training").hidden = learned === 0;
  if (learned > 0) showPageOfTraining(solution, counted, name);
}

// Words of the largest and of the smallest entries of a concept, the most extreme first.
function wordsAtEnds(words, vectors, concepts, k) {
  const entry = (row) => vectors[row * concepts + k];
  const order = Array.from(words.keys()).sort((one, other) => entry(other) - entry(one));
  const names = order.map((row) => words[row]);
  return [names.slice(0, WORDS_AT_AN_END), names.reverse().slice(0, WORDS_AT_AN_END)];
}

function start() {
  byId("use").addEventListener("click", () => useText(byId("text").value, "your text"));
  byId("example").addEventListener("click", () => {
    byId("text").value = exampleText();
    useText(byId("text").value, "the example");
  });
  byId("file").addEventListener("change", ({ target }) => {
    if (target.files.length) useFile(target.files[0]);
    // So that the same file can be chosen again.
    target.value = "";
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("over");
    const [file] = event.dataTransfer.files, text = event.dataTransfer.getData("text/plain");
    if (file) useFile(file);
    else if (text) useText(text, "your text");
  });
}

start();
