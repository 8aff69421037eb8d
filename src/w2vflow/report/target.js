// M* of co-occurrence counts, as `Problem.from_statistics(stats)` has it: constant G, the diagonal kept.

// Return M* = 2 (P - p p^T) / (P + p p^T), row-major (V, V), of symmetric counts, in which every word has pairs.
function targetMatrix(counts, size) {
  const marginal = new Float64Array(size);
  let total = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) marginal[i] += counts[i * size + j];
    total += marginal[i];
  }
  // Times the square of the total: whole numbers, so that little is rounded.
  return counts.map((count, at) => {
    const joint = count * total, chance = marginal[Math.floor(at / size)] * marginal[at % size];
    return (2 * (joint - chance)) / (joint + chance);
  });
}
