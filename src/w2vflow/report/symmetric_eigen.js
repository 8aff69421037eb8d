// Eigenvalues and eigenvectors of a symmetric matrix: Householder's tridiagonal form, then QL with implicit shifts.

// The matrix, row by row, becomes its own tridiagonal form; `basis`, if there is one, is turned along.
function tridiagonal(matrix, n, basis) {
  const below = new Float64Array(n);
  const [mirror, image] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n - 1; k += 1) {
    let most = 0;
    for (let row = k + 1; row < n; row += 1) most = Math.max(most, Math.abs(matrix[row * n + k]));
    let rest = 0;
    for (let row = k + 2; row < n; row += 1) rest = Math.max(rest, Math.abs(matrix[row * n + k]));
    if (rest === 0) {
      below[k] = matrix[(k + 1) * n + k];
      continue;
    }
    let sum = 0;
    for (let row = k + 1; row < n; row += 1) {
      mirror[row] = matrix[row * n + k] / most;
      sum += mirror[row] * mirror[row];
    }
    const length = -Math.sign(mirror[k + 1] || 1) * Math.sqrt(sum);
    below[k] = length * most;
    const twice = sum - mirror[k + 1] * length; // half of the squared length of the mirror
    mirror[k + 1] -= length;
    reflectBoth(matrix, n, k + 1, mirror, image, 1 / twice);
    if (basis !== null) reflectRows(basis, n, k + 1, mirror, 1 / twice);
  }
  const diagonal = Float64Array.from({ length: n }, (_, k) => matrix[k * n + k]);
  return { diagonal, below };
}

// A - v w^T - w v^T over rows and columns from `from` on, w = p - (v.p / 2 scale) v, p = scale A v.
function reflectBoth(matrix, n, from, mirror, image, scale) {
  let along = 0;
  for (let row = from; row < n; row += 1) {
    let sum = 0;
    for (let column = from; column < n; column += 1) sum += matrix[row * n + column] * mirror[column];
    image[row] = sum * scale;
    along += mirror[row] * image[row];
  }
  const share = (along * scale) / 2;
  for (let row = from; row < n; row += 1) image[row] -= share * mirror[row];
  for (let row = from; row < n; row += 1) {
    const [v, w, at] = [mirror[row], image[row], row * n];
    for (let column = from; column < n; column += 1) matrix[at + column] -= v * image[column] + w * mirror[column];
  }
}

function reflectRows(basis, n, from, mirror, scale) {
  for (let row = 0; row < n; row += 1) {
    const at = row * n;
    let sum = 0;
    for (let column = from; column < n; column += 1) sum += basis[at + column] * mirror[column];
    sum *= scale;
    for (let column = from; column < n; column += 1) basis[at + column] -= sum * mirror[column];
  }
}

// QL with implicit shifts: `diagonal` becomes the eigenvalues, columns of `basis` the eigenvectors.
function diagonalise(diagonal, below, n, basis) {
  for (let low = 0; low < n; low += 1) {
    for (let turns = 0; turns < 60; turns += 1) {
      let high = low;
      while (high < n - 1 && Math.abs(below[high]) > 2 ** -52 * (Math.abs(diagonal[high]) + Math.abs(diagonal[high + 1]))) high += 1;
      if (high === low) break;
      const half = (diagonal[low + 1] - diagonal[low]) / (2 * below[low]);
      const root = Math.sqrt(1 + half * half);
      let g = diagonal[high] - diagonal[low] + below[low] / (half + (half < 0 ? -root : root));
      let [sin, cos, p] = [1, 1, 0];
      let cut = -1;
      for (let k = high - 1; k >= low; k -= 1) {
        const [f, b] = [sin * below[k], cos * below[k]];
        const r = Math.hypot(f, g);
        below[k + 1] = r;
        if (r === 0) {
          cut = k;
          break;
        }
        [sin, cos] = [f / r, g / r];
        const gap = diagonal[k + 1] - p;
        const s = (diagonal[k] - gap) * sin + 2 * cos * b;
        p = sin * s;
        diagonal[k + 1] = gap + p;
        g = cos * s - b;
        if (basis !== null) turnColumns(basis, n, k, cos, sin);
      }
      if (cut >= 0) {
        diagonal[cut + 1] -= p;
        below[high] = 0;
        continue;
      }
      diagonal[low] -= p;
      below[low] = g;
      below[high] = 0;
    }
  }
}

function turnColumns(basis, n, k, cos, sin) {
  for (let at = k; at < n * n; at += n) {
    const f = basis[at + 1];
    basis[at + 1] = sin * basis[at] + cos * f;
    basis[at] = cos * basis[at] - sin * f;
  }
}

// Eigenvalues, falling.
function symmetricValues(matrix, n) {
  const { diagonal, below } = tridiagonal(Float64Array.from(matrix), n, null);
  diagonalise(diagonal, below, n, null);
  return diagonal.sort().reverse();
}

// Eigenvalues, falling, and eigenvectors as columns of a matrix that is given row by row.
function symmetricEigen(matrix, n) {
  const basis = new Float64Array(n * n);
  for (let k = 0; k < n; k += 1) basis[k * n + k] = 1;
  const { diagonal, below } = tridiagonal(Float64Array.from(matrix), n, basis);
  diagonalise(diagonal, below, n, basis);
  const order = Array.from(diagonal, (_, k) => k).sort((a, b) => diagonal[b] - diagonal[a]);
  const vectors = new Float64Array(n * n);
  order.forEach((from, to) => {
    for (let row = 0; row < n; row += 1) vectors[row * n + to] = basis[row * n + from];
  });
  return { values: Float64Array.from(order, (k) => diagonal[k]), vectors };
}
