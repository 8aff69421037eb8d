// The exact solution of the training at any time, as `w2vflow.predict` computes it: eigenvalues of M* and overlaps of
// the start with the eigenvectors in; strengths, loss and coordinates out. Float64 throughout, nothing integrated.

const LARGEST_LOG = 0.85 * Math.log(Number.MAX_VALUE);

function logSum(terms) {
  let [most, sum] = [-Infinity, 0];
  for (let at = 0; at < terms.length; at += 1) most = Math.max(most, terms[at]);
  if (most === -Infinity) return -Infinity;
  for (let at = 0; at < terms.length; at += 1) sum += Math.exp(terms[at] - most);
  return most + Math.log(sum);
}

// How fast a small mode grows: ln|1 + eta lambda| / eta, lambda itself in the flow.
function growthRate(value, rate) {
  return rate === 0 ? value : Math.log(Math.max(Math.abs(1 + rate * value), 2 ** -1022)) / rate;
}

// ln f and ln g^2 of a mode, f = (e^x - 1) / lambda and g^2 = e^x / f, without a subtraction of huge terms.
function logFAndG(value, exponent, time) {
  if (exponent === 0) {
    const twice = time > 0 ? Math.log(2 * time) : -Infinity;
    return [twice, -twice];
  }
  const ratio = Math.log(-Math.expm1(-Math.abs(exponent))) - Math.log(Math.abs(value));
  return [Math.max(exponent, 0) + ratio, Math.min(exponent, 0) - ratio];
}

// Matrices are one array each, column by column. QR by mirrors, of a tall one whose rows fall in size, which is then
// stable row by row: below the diagonal the mirrors stay, `corner` is the diagonal of the triangle.
function householder(matrix, height, dim) {
  const [taus, corner] = [new Float64Array(dim), new Float64Array(dim)];
  for (let k = 0; k < dim && k < height; k += 1) {
    const own = k * height;
    let most = 0;
    for (let row = k + 1; row < height; row += 1) most = Math.max(most, Math.abs(matrix[own + row]));
    const head = matrix[own + k];
    corner[k] = head;
    if (most === 0) continue;
    // Entries reach e^603: squares only of what is left when the largest is taken out.
    most = Math.max(most, Math.abs(head));
    let sum = 0;
    for (let row = k; row < height; row += 1) {
      const share = matrix[own + row] / most;
      sum += share * share;
    }
    const beta = (head < 0 ? most : -most) * Math.sqrt(sum);
    taus[k] = (beta - head) / beta;
    const below = head - beta;
    for (let row = k + 1; row < height; row += 1) matrix[own + row] /= below;
    corner[k] = beta;
    for (let other = k + 1; other < dim; other += 1) reflect(matrix, own, taus[k], k, matrix, other * height, height);
  }
  return { taus, corner };
}

function reflect(mirrors, own, tau, from, target, at, height) {
  if (tau === 0) return;
  let along = target[at + from];
  for (let row = from + 1; row < height; row += 1) along += mirrors[own + row] * target[at + row];
  along *= tau;
  target[at + from] -= along;
  for (let row = from + 1; row < height; row += 1) target[at + row] -= along * mirrors[own + row];
}

// Orthonormal columns of a factored matrix.
function orthonormalColumns(matrix, height, dim, taus) {
  const basis = new Float64Array(height * dim);
  for (let k = 0; k < dim; k += 1) {
    basis[k * height + k] = 1;
    for (let mirror = k; mirror >= 0; mirror -= 1) reflect(matrix, mirror * height, taus[mirror], mirror, basis, k * height, height);
  }
  return basis;
}

// One-sided Jacobi (Hestenes): turns columns until they are orthogonal, `turned` with them.
function orthogonalise(columns, turned = null) {
  const dim = columns.length;
  for (let sweep = 0, moved = true; moved && sweep < 40; sweep += 1) {
    moved = false;
    for (let p = 0; p < dim - 1; p += 1) {
      for (let q = p + 1; q < dim; q += 1) {
        const [one, other] = [columns[p], columns[q]];
        let [alpha, beta, gamma] = [0, 0, 0];
        for (let row = 0; row < one.length; row += 1) {
          alpha += one[row] * one[row];
          beta += other[row] * other[row];
          gamma += one[row] * other[row];
        }
        if (gamma === 0 || Math.abs(gamma) <= 1e-15 * Math.sqrt(alpha) * Math.sqrt(beta)) continue;
        moved = true;
        const zeta = (beta - alpha) / (2 * gamma);
        const tan = Math.sign(zeta || 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const cos = 1 / Math.hypot(1, tan);
        turn(one, other, cos, cos * tan);
        if (turned !== null) turn(turned[p], turned[q], cos, cos * tan);
      }
    }
  }
}

function turn(one, other, cos, sin) {
  for (let row = 0; row < one.length; row += 1) {
    const [a, b] = [one[row], other[row]];
    one[row] = cos * a - sin * b;
    other[row] = sin * a + cos * b;
  }
}

// The largest entry of all columns, taken out so that squares of small starts can be held.
function largestEntry(columns) {
  let most = 0;
  for (const column of columns) for (const value of column) most = Math.max(most, Math.abs(value));
  return most || 1;
}

function scaledBy(columns, factor) {
  return columns.map((column) => column.map((value) => value * factor));
}

// Orthonormal rows or columns nearest to a square matrix as columns: L R of A = L diag(s) R.
function polar(columns) {
  const dim = columns.length;
  const left = scaledBy(columns, 1 / largestEntry(columns));
  const right = left.map((_, k) => Float64Array.from(left, (_, row) => Number(row === k)));
  orthogonalise(left, right);
  const lengths = left.map((column) => Math.hypot(...column) || 1);
  return left.map((_, at) => {
    const column = new Float64Array(dim);
    for (let k = 0; k < dim; k += 1) {
      const share = right[k][at] / lengths[k];
      for (let row = 0; row < dim; row += 1) column[row] += share * left[k][row];
    }
    return column;
  });
}

// What of the rows of overlaps does not depend on time: directions, logarithms of lengths, largest entries.
function shapesOf(rows, dim) {
  const directions = new Float64Array(rows.length * dim);
  const [logLengths, largest] = [new Float64Array(rows.length), new Float64Array(rows.length)];
  rows.forEach((row, at) => {
    const most = row.reduce((best, value) => Math.max(best, Math.abs(value)), 0);
    const length = most > 0 ? Math.hypot(...row.map((value) => value / most)) : 1;
    logLengths[at] = most > 0 ? Math.log(most) + Math.log(length) : -Infinity;
    largest[at] = most > 0 ? 1 / length : 0;
    for (let k = 0; k < dim; k += 1) directions[at * dim + k] = most > 0 ? row[k] / most / length : 0;
  });
  return { directions, logLengths, largest };
}

// X(t), with W W^T = (V X)(V X)^T: diag(g) times the modes' rows of Q of [sqrt(f) B; I], sorted by size.
function riccatiFactor({ rows, dim, shapes }, logF, logG2) {
  const count = rows.length;
  const X = new Float64Array(count * dim);
  if (logF.every((value) => value === -Infinity)) {
    rows.forEach((row, at) => row.forEach((value, k) => (X[k * count + at] = value)));
    return X;
  }
  const sizes = shapes.logLengths.map((length, at) => (length === -Infinity ? length : length + logF[at] / 2));
  // At most `dim` rows may be cut off at the largest size: only those beyond compete with each other.
  const runnerUp = count > dim ? Float64Array.from(sizes).sort()[count - 1 - dim] : -Infinity;
  const shift = Math.max(runnerUp - LARGEST_LOG / 2, 0);
  const one = Math.exp(Math.max(-shift, -1.15 * LARGEST_LOG));
  const lengths = sizes.map((size) => Math.exp(Math.min(size - shift, LARGEST_LOG)));
  const height = count + dim;
  const heights = new Float64Array(height).fill(one);
  for (let at = 0; at < count; at += 1) heights[at] = lengths[at] * shapes.largest[at];
  const order = Int32Array.from(heights, (_, at) => at).sort((a, b) => heights[b] - heights[a] || a - b);
  const stacked = new Float64Array(height * dim);
  order.forEach((at, place) => {
    if (at >= count) stacked[(at - count) * height + place] = one;
    else for (let k = 0; k < dim; k += 1) stacked[k * height + place] = lengths[at] * shapes.directions[at * dim + k];
  });
  const { taus } = householder(stacked, height, dim);
  const basis = orthonormalColumns(stacked, height, dim, taus);
  order.forEach((at, place) => {
    if (at >= count) return;
    const grown = Math.exp(logG2[at] / 2);
    for (let k = 0; k < dim; k += 1) X[k * count + at] = grown * basis[k * height + place];
  });
  return X;
}

// ln R_kk^2: what each concept starts from, beside those learned before it.
function logStrengths({ rows, dim }) {
  const learned = Math.min(dim, rows.length);
  const first = new Float64Array(dim * learned);
  let unit = 0;
  for (let k = 0; k < learned; k += 1) for (const value of rows[k]) unit = Math.max(unit, Math.abs(value));
  for (let k = 0; k < learned; k += 1) for (let at = 0; at < dim; at += 1) first[k * dim + at] = rows[k][at] / (unit || 1);
  const { corner } = householder(first, dim, learned);
  return Array.from(corner, (value) => 2 * (Math.log(Math.abs(value)) + Math.log(unit)));
}

// Growth of what is not resolved, if it lies in the rest of the spectrum without preference: logarithms of fbar and of
// ebar / fbar, and the mean eigenvalue.
function restAverages({ nodes, growth, logWeights }, time) {
  const [shares, grown, ratios] = [new Float64Array(nodes.length), new Float64Array(nodes.length), new Float64Array(nodes.length)];
  for (let at = 0; at < nodes.length; at += 1) {
    const exponent = 2 * growth[at] * time;
    const [logF, logG2] = logFAndG(nodes[at], exponent, time);
    shares[at] = logWeights[at] + logF;
    grown[at] = logWeights[at] + exponent;
    ratios[at] = logG2;
  }
  const [whole, all] = [logSum(shares), logSum(grown)];
  let mean = 0;
  for (let at = 0; at < nodes.length; at += 1) {
    ratios[at] += whole === -Infinity ? logWeights[at] : shares[at] - whole;
    mean += Math.exp(grown[at] - all) * nodes[at];
  }
  return [whole, logSum(ratios), mean];
}

// What does not depend on time. A system: `eigenvalues` (falling), `rows` of overlaps, those of the rest last, `dim`,
// `rest` (nodes and logWeights, none if all pairs are there), `rate`, `decay`, `normSquared` of M*.
function prepared(system) {
  const { eigenvalues, dim, rate, decay, rest } = system;
  const values = eigenvalues.map((value) => value - decay);
  const nodes = rest.nodes.map((node) => node - decay);
  const starts = logStrengths(system);
  const shapes = shapesOf(system.rows, dim);
  return { ...system, shapes, values, growth: values.map((value) => growthRate(value, rate)), starts,
    rest: { ...rest, nodes, growth: nodes.map((node) => growthRate(node, rate)) }, count: Math.min(dim, values.length) };
}

// How far descent is ahead of a sigmoid as a mode saturates: -3/4 eta ln(1 - s^2 / lambda).
function advance({ values, growth, starts, rate, count }, k, time) {
  if (rate === 0 || k >= count || values[k] <= 0) return 0;
  return 0.75 * rate * logSum([0, starts[k] + logFAndG(values[k], 2 * growth[k] * time, time)[0]]);
}

// X(t), and the eigenvalue of each of its rows.
function factorAt(system, time) {
  const { values, growth, rest, rows } = system;
  const pairs = values.map((value, k) => logFAndG(value, 2 * growth[k] * (time + advance(system, k, time)), time));
  const logF = pairs.map(([f]) => f);
  const logG2 = pairs.map(([, g]) => g);
  const left = rows.length - values.length;
  const own = [...values];
  if (left > 0) {
    const [f, g, mean] = restAverages(rest, time);
    logF.push(...Array(left).fill(f));
    logG2.push(...Array(left).fill(g));
    own.push(...Array(left).fill(mean));
  }
  return { X: riccatiFactor(system, logF, logG2), own };
}

// Squared singular values, falling, and loss at a time.
function observedAt(system, time) {
  const { X, own } = factorAt(system, time);
  const [count, dim] = [own.length, system.dim];
  const gram = new Float64Array(dim * dim);
  let along = 0;
  for (let a = 0; a < dim; a += 1) {
    for (let b = 0; b <= a; b += 1) {
      let sum = 0;
      for (let row = 0; row < count; row += 1) sum += X[a * count + row] * X[b * count + row];
      gram[a * dim + b] = sum;
      gram[b * dim + a] = sum;
    }
    for (let row = 0; row < count; row += 1) along += (own[row] + system.decay) * X[a * count + row] ** 2;
  }
  const squares = Array.from(symmetricValues(gram, dim), (value) => Math.max(0, value));
  const quartic = squares.reduce((sum, square) => sum + square * square, 0);
  return { squares, loss: (system.normSquared - 2 * along + quartic) / 4 };
}

// X(t) Q, one column for each of the first concepts: a word's coordinates are its row of eigenvectors times these.
function turnedFactorAt(system, time) {
  const { X, own } = factorAt(system, time);
  const [count, dim] = [own.length, system.dim];
  const overlaps = Array.from({ length: dim }, (_, k) => Float64Array.from({ length: dim }, (_, at) => X[at * count + k]));
  return polar(overlaps).map((turned) => {
    const column = new Float64Array(count);
    for (let k = 0; k < dim; k += 1) for (let row = 0; row < count; row += 1) column[row] += turned[k] * X[k * count + row];
    return column;
  });
}

// When s_k^2 passes half of what it rises to, by the law of single modes; NaN for what is never learned.
function stepTimesOf({ values, growth, starts, rate, count }) {
  return Array.from({ length: count }, (_, k) => {
    const odds = Math.log(values[k]) - starts[k];
    if (!(values[k] > 0) || odds <= Math.LN2) return NaN;
    const log = odds + Math.log1p(-Math.exp(-odds));
    return log / (2 * growth[k]) - 0.75 * rate * Math.LN2;
  });
}
