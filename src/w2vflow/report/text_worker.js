// What the page of a text computes beside the page, so that it stays alive: from bytes to words, M* and eigenpairs.

const MOST_CONCEPTS = 64;

onmessage = ({ data: { bytes, name } }) => {
  try {
    postMessage({ stage: "Counting which words stand near each other …" });
    const counted = countText(new Uint8Array(bytes), name);
    postMessage({ stage: `Finding the concepts of ${counted.words.length.toLocaleString("en-US")} words …` });
    postMessage({ counted, solution: solved(counted) });
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    postMessage({ refused: error.message });
  }
};

// What the training of word2vec follows from: the concepts, the rest of the spectrum, and M* as far as the loss needs it.
function solved({ words, counts }) {
  const size = words.length, matrix = targetMatrix(counts, size);
  const pairs = leadingEigenpairs(matrix, size, Math.min(MOST_CONCEPTS, size));
  const worst = Math.max(...pairs.residuals);
  if (!(worst <= 1e-9 * size)) throw new Error(`the eigenpairs are off by ${worst}`);
  const diagonal = Float64Array.from(words, (_, i) => matrix[i * size + i]);
  const rowSquares = Float64Array.from(words, (_, i) => squaresOf(matrix.subarray(i * size, (i + 1) * size)));
  return { words, ranks: words.map((_, i) => i + 1), ...pairs, normSquared: squaresOf(matrix), diagonal, rowSquares };
}

function squaresOf(numbers) {
  return dot(numbers, numbers);
}
