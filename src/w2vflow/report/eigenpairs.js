// Leading eigenpairs of a dense symmetric matrix, and all its other eigenvalues.

// Up to this size all vectors are found; beyond, only those that are asked for.
const ALL_VECTORS_UP_TO = 200;

// Return {eigenvalues: falling, (k,); vectors: row-major (n, k), the largest entry of each positive; nodes: the other
// eigenvalues, falling, each of weight 1; residuals: |M v - lambda v|} of the algebraically largest pairs.
function leadingEigenpairs(matrix, n, k) {
  const { found, nodes } = n <= ALL_VECTORS_UP_TO ? allPairs(matrix, n, k) : somePairs(matrix, n, k);
  const eigenvalues = new Float64Array(k), residuals = new Float64Array(k);
  const images = imagesOf(matrix, found, n);
  for (let row = 0; row < k; row++) {
    const own = found.subarray(row * n, (row + 1) * n), image = images.subarray(row * n, (row + 1) * n);
    eigenvalues[row] = dot(own, image);
    residuals[row] = Math.sqrt(image.reduce((sum, value, i) => sum + (value - eigenvalues[row] * own[i]) ** 2, 0));
  }
  return { eigenvalues, vectors: signedColumns(found, n, k), nodes, weights: new Float64Array(n - k).fill(1), residuals };
}

// Vectors one a row, and the eigenvalues of the rest.
function allPairs(matrix, n, k) {
  const { values, vectors } = symmetricEigen(matrix, n);
  const found = new Float64Array(k * n);
  for (let row = 0; row < k; row++) for (let i = 0; i < n; i++) found[row * n + i] = vectors[i * n + row];
  return { found, nodes: values.slice(k) };
}

// Inverse iteration on the tridiagonal form. What is nearly equal is mixed; the pairs of M* within the space of all
// of them are right (Rayleigh, Ritz).
function somePairs(matrix, n, k) {
  const reduced = tridiagonalForm(matrix, n);
  const values = tridiagonalEigen(reduced.diagonal, reduced.below).sort().reverse();
  const rows = inverseIteration(reduced, values.subarray(0, k));
  reflectRows(reduced, rows, n);
  const images = imagesOf(matrix, rows, n);
  const small = new Float64Array(k * k);
  for (let one = 0; one < k; one++) {
    for (let other = one; other < k; other++) {
      small[one * k + other] = dot(rows.subarray(one * n, (one + 1) * n), images.subarray(other * n, (other + 1) * n));
    }
  }
  const turn = symmetricEigen(small, k).vectors, found = new Float64Array(k * n);
  for (let row = 0; row < k; row++) {
    for (let other = 0; other < k; other++) {
      const share = turn[other * k + row];
      for (let i = 0; i < n; i++) found[row * n + i] += share * rows[other * n + i];
    }
  }
  return { found, nodes: values.slice(k) };
}

function inverseIteration({ diagonal, below }, values) {
  const n = diagonal.length, rows = new Float64Array(values.length * n);
  const norm = diagonal.reduce((most, value, i) => Math.max(most, Math.abs(value) + Math.abs(below[i])), 0);
  const apart = 10 * Number.EPSILON * norm;
  let shift = Infinity, seed = 1;
  for (let k = 0; k < values.length; k++) {
    // Equal eigenvalues are asked for at places of their own.
    shift = Math.min(values[k], shift - apart);
    const factors = shiftedFactors(diagonal, below, shift, norm * Number.EPSILON);
    const own = rows.subarray(k * n, (k + 1) * n);
    for (let i = 0; i < n; i++) {
      seed = (seed * 16807) % 2147483647;
      own[i] = seed / 2147483647 - 0.5;
    }
    for (let turn = 0; turn < 3; turn++) {
      solveShifted(factors, own);
      orthonormaliseRow(own, rows, k, n);
    }
  }
  return rows;
}

// LU of T - shift with exchanges of neighbouring rows: U has three diagonals.
function shiftedFactors(diagonal, below, shift, least) {
  const n = diagonal.length;
  const first = new Float64Array(n), second = new Float64Array(n), third = new Float64Array(n);
  const multiples = new Float64Array(n), exchanged = new Uint8Array(n);
  let head = diagonal[0] - shift, next = n > 1 ? below[0] : 0;
  for (let i = 0; i < n - 1; i++) {
    const under = below[i], centre = diagonal[i + 1] - shift, beyond = i + 2 < n ? below[i + 1] : 0;
    if (Math.abs(under) > Math.abs(head)) {
      exchanged[i] = 1;
      multiples[i] = head / under;
      first[i] = under;
      second[i] = centre;
      third[i] = beyond;
      head = next - multiples[i] * centre;
      next = -multiples[i] * beyond;
    } else {
      first[i] = head === 0 ? least : head;
      multiples[i] = under / first[i];
      second[i] = next;
      head = centre - multiples[i] * next;
      next = beyond;
    }
  }
  first[n - 1] = Math.abs(head) < least ? least : head;
  return { first, second, third, multiples, exchanged };
}

function solveShifted({ first, second, third, multiples, exchanged }, x) {
  const n = x.length;
  for (let i = 0; i < n - 1; i++) {
    if (exchanged[i]) [x[i], x[i + 1]] = [x[i + 1], x[i]];
    x[i + 1] -= multiples[i] * x[i];
  }
  for (let i = n - 1; i >= 0; i--) {
    if (i + 1 < n) x[i] -= second[i] * x[i + 1];
    if (i + 2 < n) x[i] -= third[i] * x[i + 2];
    x[i] /= first[i];
  }
}

// Make a vector one of unit length, at right angles to the first `before` rows.
function orthonormaliseRow(own, rows, before, n) {
  let largest = 0;
  for (const entry of own) largest = Math.max(largest, Math.abs(entry));
  for (let i = 0; i < n; i++) own[i] /= largest;
  for (let pass = 0; pass < 2; pass++) {
    for (let row = 0; row < before; row++) {
      const other = rows.subarray(row * n, (row + 1) * n), along = dot(own, other);
      for (let i = 0; i < n; i++) own[i] -= along * other[i];
    }
    const length = Math.sqrt(dot(own, own));
    for (let i = 0; i < n; i++) own[i] /= length;
  }
}

function imagesOf(matrix, rows, n) {
  const images = new Float64Array(rows.length);
  for (let i = 0; i < n; i++) {
    const line = matrix.subarray(i * n, (i + 1) * n);
    for (let start = 0; start < rows.length; start += n) {
      let sum = 0;
      for (let j = 0; j < n; j++) sum += line[j] * rows[start + j];
      images[start + i] = sum;
    }
  }
  return images;
}

function dot(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += one[i] * other[i];
  return sum;
}

// Eigenvectors have no sign of their own: the largest entry by size is positive.
function signedColumns(rows, n, k) {
  const columns = new Float64Array(n * k);
  for (let row = 0; row < k; row++) {
    let peak = 0;
    for (let i = 0; i < n; i++) if (Math.abs(rows[row * n + i]) > Math.abs(rows[row * n + peak])) peak = i;
    const sign = rows[row * n + peak] < 0 ? -1 : 1;
    for (let i = 0; i < n; i++) columns[i * k + row] = sign * rows[row * n + i];
  }
  return columns;
}
