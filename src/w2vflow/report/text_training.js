// The training that follows from a text: the page of a run, without a run, in a frame of its own.

const MOST_DIMENSIONS = 16, INITIAL_SCALE = 0.01, WORDS_KEPT = 600, ENDS_KEPT = 10;

function base64Of(numbers) {
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// Rows of the words that the cloud shows: those at the ends of concepts, then the most frequent, in their order.
function rowsKept({ words, vectors, eigenvalues }, dim) {
  const ends = new Set();
  for (let k = 0; k < dim; k += 1) {
    const entry = (row) => vectors[row * eigenvalues.length + k];
    const order = Array.from(words.keys()).sort((one, other) => entry(other) - entry(one));
    for (const row of [...order.slice(0, ENDS_KEPT), ...order.slice(-ENDS_KEPT)]) ends.add(row);
  }
  for (let row = 0; row < words.length && ends.size < WORDS_KEPT; row += 1) ends.add(row);
  return [...ends].sort((a, b) => a - b).slice(0, WORDS_KEPT);
}

// What the page of a run reads, of a text alone; `name` is that of the text.
function contentOf(solution, counted, name) {
  const { words, eigenvalues, vectors, nodes, weights, normSquared, diagonal, rowSquares } = solution;
  const learned = eigenvalues.filter((value) => value > 1e-9 * eigenvalues[0]).length;
  const dim = Math.min(MOST_DIMENSIONS, learned);
  const rows = rowsKept(solution, dim);
  const concepts = Array.from({ length: dim }, (_, k) => {
    const [positive, negative] = wordsAtEnds(words, vectors, eigenvalues.length, k);
    return { eigenvalue: eigenvalues[k], name: `${positive[0]} / ${negative[0]}`, positive, negative };
  });
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  const kept = Array.from(nodes.keys()).filter((at) => weights[at] > 0);
  return {
    title: `What word2vec learns from ${name}, step by step`,
    version: byId("result").dataset.version,
    vocabulary: words.length, dim, concepts, ts: null, curves: {}, steps: {}, pending: [],
    cloud: { ts: [], words: rows.map((row) => words[row]), ranks: rows.map((row) => row + 1), unit: [], positions: {} },
    configuration: [["text", name], ["counted", counted.summary]],
    start: {
      seeds: 0, dim, scale: INITIAL_SCALE, overlaps: "", frame: "",
      eigenvalues: Array.from(eigenvalues),
      nodes: kept.map((at) => nodes[at]), logWeights: kept.map((at) => Math.log(weights[at] / whole)),
      normSquared,
      vectors: base64Of(rows.flatMap((row) => Array.from(vectors.subarray(row * eigenvalues.length, (row + 1) * eigenvalues.length)))),
      diagonal: rows.map((row) => diagonal[row]), rowSquares: rows.map((row) => rowSquares[row]),
    },
  };
}

// Words are anybody's text: without "<", none can end the element that holds them.
function runPage(solution, counted, name) {
  const [before, after] = JSON.parse(byId("run-page").textContent);
  const data = JSON.stringify(contentOf(solution, counted, name)).replaceAll("<", "\\u003c");
  return before + data + after;
}

function showPageOfTraining(solution, counted, name) {
  const frame = byId("training");
  frame.srcdoc = runPage(solution, counted, name);
  frame.hidden = false;
}
