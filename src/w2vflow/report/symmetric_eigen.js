// Eigenpairs of a symmetric matrix, all of them: Householder's reflections to a tridiagonal matrix, then
// implicit QL. Golub, Van Loan, Matrix Computations, sections 8.3.1 and 8.3.3.

// Return {values: falling, (n,); vectors: row-major (n, n), column k is that of values[k]} of a, row-major
// (n, n), whose upper triangle is read.
function symmetricEigen(a, n) {
  const reduced = tridiagonalForm(a, n);
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = 1;
  const unsorted = tridiagonalEigen(reduced.diagonal, reduced.below, rows);
  reflectRows(reduced, rows, n);
  const order = Array.from(unsorted.keys()).sort((i, j) => unsorted[j] - unsorted[i]);
  const vectors = new Float64Array(n * n);
  order.forEach((row, k) => {
    for (let i = 0; i < n; i++) vectors[i * n + k] = rows[row * n + i];
  });
  return { values: Float64Array.from(order, (row) => unsorted[row]), vectors };
}

// Return the eigenvalues alone, falling.
function symmetricValues(a, n) {
  const reduced = tridiagonalForm(a, n);
  return tridiagonalEigen(reduced.diagonal, reduced.below).sort().reverse();
}

// Return T of A = Q T Q^T by its diagonal and what stands beside it, and the reflections that make Q:
// I - factors[k] v v^T, with v from column k + 1 on in row k of `reflectors`.
function tridiagonalForm(a, n) {
  const reflectors = Float64Array.from(a);
  const diagonal = new Float64Array(n), below = new Float64Array(n), factors = new Float64Array(n);
  const image = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const row = k * n;
    diagonal[k] = reflectors[row + k];
    if (k + 1 < n) below[k] = makeReflector(reflectors, row + k + 1, row + n, factors, k);
    if (factors[k] !== 0) reflectBothSides(reflectors, n, k, factors[k], image);
  }
  return { diagonal, below, factors, reflectors };
}

// Put the vector of the reflection that takes x to (alpha, 0, ...) in the place of x; return alpha.
function makeReflector(x, start, end, factors, k) {
  let largest = 0;
  for (let i = start + 1; i < end; i++) largest = Math.max(largest, Math.abs(x[i]));
  if (largest === 0) return x[start];
  largest = Math.max(largest, Math.abs(x[start]));
  let squares = 0;
  for (let i = start; i < end; i++) {
    x[i] /= largest;
    squares += x[i] * x[i];
  }
  // Of the two signs the one that cancels nothing.
  const alpha = x[start] > 0 ? -Math.sqrt(squares) : Math.sqrt(squares);
  // 2 / |v|^2, for v = x - (alpha, 0, ...).
  factors[k] = 1 / (alpha * (alpha - x[start]));
  x[start] -= alpha;
  return alpha * largest;
}

// A <- H A H of what is right of and below k, in its upper triangle.
function reflectBothSides(a, n, k, factor, image) {
  const v = k * n;
  image.fill(0, k + 1);
  for (let i = k + 1; i < n; i++) {
    const row = i * n, own = a[v + i];
    let sum = a[row + i] * own;
    for (let j = i + 1; j < n; j++) {
      const entry = a[row + j];
      sum += entry * a[v + j];
      image[j] += entry * own;
    }
    image[i] += sum;
  }
  let along = 0;
  for (let i = k + 1; i < n; i++) along += image[i] * a[v + i];
  const half = (factor * factor * along) / 2;
  for (let i = k + 1; i < n; i++) image[i] = factor * image[i] - half * a[v + i];
  for (let i = k + 1; i < n; i++) {
    const row = i * n, own = a[v + i], other = image[i];
    for (let j = i; j < n; j++) a[row + j] -= own * image[j] + other * a[v + j];
  }
}

// Turn vectors of T, one a row, into those of A: x <- Q x.
function reflectRows({ factors, reflectors }, rows, n) {
  for (let k = n - 2; k >= 0; k--) {
    if (factors[k] === 0) continue;
    const v = k * n;
    for (let row = 0; row < rows.length; row += n) {
      let along = 0;
      for (let i = k + 1; i < n; i++) along += reflectors[v + i] * rows[row + i];
      along *= factors[k];
      for (let i = k + 1; i < n; i++) rows[row + i] -= along * reflectors[v + i];
    }
  }
}

// Return the eigenvalues of a tridiagonal matrix in no order. `rows`, if given, are turned along: of the
// unit matrix they become the eigenvectors, one a row.
function tridiagonalEigen(diagonal, below, rows = null) {
  const d = Float64Array.from(diagonal), e = Float64Array.from(below), n = d.length;
  let norm = 0;
  for (let i = 0; i < n; i++) norm = Math.max(norm, Math.abs(d[i]), i + 1 < n ? Math.abs(e[i]) : 0);
  if (norm === 0 || n === 1) return d;
  // So that squares neither overflow nor vanish.
  for (let i = 0; i < n; i++) {
    d[i] /= norm;
    e[i] /= norm;
  }
  for (let first = 0; first < n; first++) {
    for (let sweep = 0; ; sweep++) {
      let last = first;
      // Of eigenvalues near zero beside large ones rounding may leave more.
      const least = sweep < 20 ? 1e-40 : Number.EPSILON;
      while (last < n - 1 && !(Math.abs(e[last]) <= Number.EPSILON * (Math.abs(d[last]) + Math.abs(d[last + 1])) + least)) last++;
      if (last === first) break;
      if (sweep === 60) throw new Error("The eigenvalues did not converge.");
      sweepUp(d, e, first, last, rows);
    }
  }
  return d.map((value) => value * norm);
}

// One step of implicit QL, with Wilkinson's shift, on the rows from `first` to `last`.
function sweepUp(d, e, first, last, rows) {
  const ratio = (d[first + 1] - d[first]) / (2 * e[first]);
  const root = Math.sqrt(ratio * ratio + 1);
  let g = d[last] - d[first] + e[first] / (ratio + (ratio < 0 ? -root : root));
  let sine = 1, cosine = 1, shift = 0;
  for (let i = last - 1; i >= first; i--) {
    const f = sine * e[i], b = cosine * e[i];
    const length = Math.sqrt(f * f + g * g);
    e[i + 1] = length;
    if (length === 0) {
      d[i + 1] -= shift;
      e[last] = 0;
      return;
    }
    sine = f / length;
    cosine = g / length;
    const moved = d[i + 1] - shift;
    const turned = (d[i] - moved) * sine + 2 * cosine * b;
    shift = sine * turned;
    d[i + 1] = moved + shift;
    g = cosine * turned - b;
    if (rows) turnRows(rows, i * d.length, d.length, sine, cosine);
  }
  d[first] -= shift;
  e[first] = g;
  e[last] = 0;
}

function turnRows(rows, one, n, sine, cosine) {
  for (let i = one; i < one + n; i++) {
    const upper = rows[i], lower = rows[i + n];
    rows[i + n] = sine * upper + cosine * lower;
    rows[i] = cosine * upper - sine * lower;
  }
}
