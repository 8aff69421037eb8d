// What is trained: the eigenpairs and the start of the run, changed by what the controls say.

function decoded(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

// Numbers of a normal distribution that are the same for the same text, on every machine.
function normals(seed) {
  let [hash, spare] = [2166136261, null];
  for (const letter of seed) hash = Math.imul(hash ^ letter.codePointAt(0), 16777619);
  const uniform = () => {
    hash = (hash + 0x6d2b79f5) | 0;
    let mixed = Math.imul(hash ^ (hash >>> 15), 1 | hash);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => {
    if (spare !== null) {
      const value = spare;
      spare = null;
      return value;
    }
    const [length, angle] = [Math.sqrt(-2 * Math.log(uniform())), 2 * Math.PI * uniform()];
    spare = length * Math.sin(angle);
    return length * Math.cos(angle);
  };
}

const start = data.start === undefined || data.start === null ? null : unpackedStart(data.start);

function unpackedStart(held) {
  const overlaps = decoded(held.overlaps, Float64Array);
  const [pairs, words] = [held.eigenvalues.length, data.cloud.words.length];
  // Without seeds of a run all are drawn here, in as many dimensions as the rest has rows.
  const each = held.seeds > 0 ? overlaps.length / held.seeds : held.dim * (pairs + (held.nodes.length ? held.dim : 0));
  const rows = (seed) => {
    const found = [];
    for (let at = seed * each; at < (seed + 1) * each; at += held.dim) found.push(overlaps.slice(at, at + held.dim));
    return found;
  };
  const table = (text, width) => {
    const flat = decoded(text, Float32Array);
    return Array.from({ length: words }, (_, word) => Float64Array.from({ length: width }, (_, at) => flat[word * width + at] ?? 0));
  };
  const left = each / held.dim - pairs;
  let squares = 0;
  for (let at = 0; at < each && held.seeds > 0; at += 1) squares += overlaps[at] ** 2;
  return { ...held, pairs, left, rows, vectors: table(held.vectors, pairs), frame: table(held.frame, left), measuredScale: held.seeds > 0 ? Math.sqrt(squares / data.vocabulary) : held.scale };
}

// The size of the initial weights of the run: as configured, or else as the numbers themselves show it, to some per cent.
function runScale() {
  const configured = Number(data.configuration.find(([name]) => name === "experiment.scale")?.[1]);
  return configured > 0 ? configured : Number(start.measuredScale.toPrecision(2));
}

// The settings in force: those chosen, or else the run's.
function settingsNow(chosen = state.settings) {
  return { seed: 0, factor: 1, dim: start.dim, rate: 0, decay: 0, eigenvalues: {}, word: null, weight: 1, ...chosen };
}

let lastDrawn = { of: "", drawn: null };

// Of one start at a time: most controls move something else.
function startOf({ seed, dim }) {
  const of = `${seed} ${dim}`;
  if (lastDrawn.of !== of) lastDrawn = { of, drawn: drawnStart(seed, dim) };
  return lastDrawn.drawn;
}

// Overlaps with the eigenvectors, those of the rest, and the words' rows of the rest, of a seed in so many dimensions.
function drawnStart(seed, dim) {
  const ofRun = seed < start.seeds;
  const given = ofRun ? start.rows(seed) : null;
  const next = normals(`${seed}`);
  const sigma = start.measuredScale / Math.sqrt(start.dim);
  const others = data.vocabulary - start.pairs;
  const row = (at, from) => Float64Array.from({ length: dim }, (_, k) => (k < from ? given[at][k] : sigma * next()));
  const old = ofRun ? Math.min(start.dim, dim) : 0;
  const rows = Array.from({ length: start.pairs }, (_, at) => row(at, old));
  if (start.left === 0) return { rows, rest: [], frame: data.cloud.words.map(() => new Float64Array(0)) };
  // The triangle of a tall matrix of normal numbers: Bartlett's decomposition of what the pairs leave out.
  const kept = ofRun ? start.left : 0;
  const height = Math.max(dim, kept);
  const rest = Array.from({ length: height }, (_, at) => Float64Array.from({ length: dim }, (_, k) => {
    if (k < old) return at < kept ? given[start.pairs + at][k] : 0;
    if (at < k) return sigma * next();
    return at === k ? sigma * Math.sqrt(Math.max(1, others - k) + Math.sqrt(2 * Math.max(1, others - k)) * next()) : 0;
  }));
  const own = seed === 0;
  const spread = 1 / Math.sqrt(data.vocabulary);
  const frame = start.frame.map((values) => Float64Array.from({ length: height }, (_, at) => (own && at < kept ? values[at] : spread * next())));
  return { rows, rest, frame };
}

// M* with one row and column multiplied: its leading eigenpairs within the span of the old ones and that word.
function reweighedWord({ values, rows, rest, frame, vectors, normSquared }, word, weight, diagonal, rowSquared) {
  const count = values.length;
  const own = vectors[word];
  const beyond = Math.sqrt(Math.max(0, 1 - own.reduce((sum, value) => sum + value * value, 0)));
  const less = weight - 1;
  const size = beyond > 1e-8 ? count + 1 : count;
  const matrix = new Float64Array(size * size);
  const toWord = Float64Array.from(values, (value, a) => weight * own[a] * (value + less * diagonal));
  for (let a = 0; a < count; a += 1) {
    for (let b = 0; b < count; b += 1) {
      matrix[a * size + b] = (a === b ? values[a] : 0) + less * own[a] * own[b] * (values[a] + values[b] + less * diagonal);
    }
  }
  if (size > count) {
    let [inner, twice] = [0, 0];
    for (let a = 0; a < count; a += 1) {
      let along = 0;
      for (let b = 0; b < count; b += 1) along += matrix[a * size + b] * own[b];
      inner += own[a] * along;
      twice += 2 * own[a] * toWord[a];
      matrix[a * size + count] = (toWord[a] - along) / beyond;
      matrix[count * size + a] = matrix[a * size + count];
    }
    matrix[count * size + count] = (weight ** 2 * diagonal - twice + inner) / beyond ** 2;
  }
  const found = symmetricEigen(matrix, size);
  const turned = Array.from({ length: size }, (_, k) => Float64Array.from({ length: size }, (_, a) => found.vectors[a * size + k]));
  const joins = size > count;
  const inWord = vectors.map((entries, at) => {
    let inside = Number(at === word);
    for (let a = 0; a < count; a += 1) inside -= entries[a] * own[a];
    return joins ? inside / beyond : 0;
  });
  const along = frame[word].map((value) => (joins ? value / beyond : 0));
  const added = rows[0].map((_, k) => rest.reduce((sum, one, at) => sum + along[at] * one[k], 0));
  const everyRow = [...rows, added].slice(0, size);
  const newRows = turned.map((shares) => rows[0].map((_, k) => everyRow.reduce((sum, row, a) => sum + shares[a] * row[k], 0)));
  const newVectors = vectors.map((entries, at) => inTurned(entries, inWord[at], turned));
  const off = rowSquared - diagonal ** 2;
  const changed = normSquared - 2 * off * (1 - weight ** 2) - diagonal ** 2 * (1 - weight ** 4);
  return {
    values: [...found.values], rows: newRows, ...withoutWord(rest, frame, along, inWord), vectors: newVectors, normSquared: changed, turned,
  };
}

// A word's row of the eigenvectors, and of the direction of the word that was reweighed, along the new eigenvectors.
function inTurned(entries, inWord, turned) {
  const whole = new Float64Array(turned.length);
  whole.set(entries);
  if (turned.length > entries.length) whole[entries.length] = inWord;
  return Float64Array.from(turned, (shares) => {
    let sum = 0;
    for (let a = 0; a < shares.length; a += 1) sum += whole[a] * shares[a];
    return sum;
  });
}

// The rest without a direction q that has joined the eigenvectors, a = F^T q: L' = (1 - a a^T)^(1/2) L for its rows and
// F' = (F - q a^T) (1 - a a^T)^(-1/2) for those of the words.
function withoutWord(rest, frame, along, inWord) {
  const square = along.reduce((sum, value) => sum + value * value, 0);
  if (square < 1e-20) return { rest, frame };
  const root = Math.sqrt(Math.max(1e-12, 1 - square));
  const less = (row) => {
    const sums = row.reduce((sum, value, at) => sum + value * along[at], 0);
    return row.map((value, at) => value + ((1 / root - 1) / square) * sums * along[at]);
  };
  const sums = rest[0].map((_, k) => along.reduce((sum, value, at) => sum + value * rest[at][k], 0));
  return {
    rest: rest.map((row, at) => row.map((value, k) => value - ((1 - root) / square) * along[at] * sums[k])),
    frame: frame.map((row, word) => less(row.map((value, at) => value - inWord[word] * along[at]))),
  };
}

// The training that settings describe, for the engine; `origin` says which concept of the run each one is, if any.
function systemOf(chosen) {
  const settings = settingsNow(chosen);
  const drawn = startOf(settings);
  const factor = settings.factor * Math.sqrt(start.dim / settings.dim);
  const scaled = (rows) => rows.map((row) => row.map((value) => factor * value));
  const values = start.eigenvalues.map((value, k) => value * (settings.eigenvalues[k] ?? 1));
  const more = values.map((value, k) => [value - start.eigenvalues[k], value ** 2 - start.eigenvalues[k] ** 2]);
  let parts = {
    values, rows: scaled(drawn.rows), rest: scaled(drawn.rest), frame: drawn.frame, vectors: start.vectors, turned: null,
    normSquared: start.normSquared + more.reduce((sum, [, squares]) => sum + squares, 0),
  };
  if (settings.word !== null && settings.weight !== 1) {
    const own = start.vectors[settings.word];
    const diagonal = more.reduce((sum, [change], k) => sum + change * own[k] ** 2, start.diagonal[settings.word]);
    const rowSquared = more.reduce((sum, [, change], k) => sum + change * own[k] ** 2, start.rowSquares[settings.word]);
    parts = reweighedWord(parts, settings.word, settings.weight, diagonal, rowSquared);
  }
  const order = parts.values.map((_, k) => k).sort((a, b) => parts.values[b] - parts.values[a] || a - b);
  const moved = order.some((from, to) => from !== to);
  return prepared({
    eigenvalues: order.map((k) => parts.values[k]),
    rows: [...order.map((k) => parts.rows[k]), ...parts.rest],
    dim: settings.dim,
    rest: { nodes: start.nodes, logWeights: start.logWeights },
    rate: settings.rate,
    decay: settings.decay,
    normSquared: parts.normSquared,
    vectors: moved ? parts.vectors.map((entries) => Float64Array.from(order, (k) => entries[k])) : parts.vectors,
    frame: parts.frame,
    origin: order.map((k) => originOf(parts.turned, k)),
  });
}

function originOf(turned, k) {
  if (turned === null) return k;
  const most = turned[k].reduce((best, share, a) => (Math.abs(share) > Math.abs(turned[k][best]) ? a : best), 0);
  return Math.abs(turned[k][most]) > 0.8 && most < start.pairs ? most : null;
}
