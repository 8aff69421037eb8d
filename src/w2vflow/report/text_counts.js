// From documents to co-occurrence counts, as `count(text, vocab_size=1000)` counts: window 16, linear weights,
// both directions, diagonal kept, other words removed before windows are laid.

const WINDOW = 16, LARGEST_VOCABULARY = 1000;
// Words that occur once or twice say little; of a short text more of them are taken.
const LEAST_COUNT = 5, ENOUGH_WORDS = 100;
const READ_AS = { lines: "one document a line", paragraphs: "documents between blank lines" };

// Return {words, occurrences, counts: whole numbers, row-major (V, V), minCount, lonely, summary} of the bytes of a text.
// minCount: only words that occur as often; chosen by the size of the text if omitted.
function countText(bytes, name = "", minCount = null) {
  const read = readText(bytes, name);
  const other = hasOtherLetters(read.beginning);
  const numbered = numberWords(read.documents, other ? unicodeWords : latinWords);
  if (!numbered.words.length) throw new TextError("There are no words in this text.");
  refuseUnspaced(numbered.words);
  const ranked = rankedWords(numbered);
  const least = minCount ?? suitableCount(ranked);
  let words = ranked.filter(([, times]) => times >= least).slice(0, LARGEST_VOCABULARY);
  let counts = countPairs(numbered, words);
  const paired = words.map((_, i) => counts.subarray(i * words.length, (i + 1) * words.length).some((count) => count > 0));
  const lonely = words.filter((_, i) => !paired[i]).map(([word]) => word);
  if (lonely.length === words.length) {
    throw new TextError("No words stand beside each other: each document has one word. Documents are lines here, or paragraphs.");
  }
  if (lonely.length) {
    // Anew: where windows are laid depends on which words there are.
    words = words.filter((_, i) => paired[i]);
    counts = countPairs(numbered, words);
  }
  const names = words.map(([word]) => word);
  const summary = summaryOf(read, other ? "unicode" : "latin", numbered, names);
  return { words: names, occurrences: words.map(([, times]) => times), counts, minCount: least, lonely, summary };
}

// Words by first appearance, how often each occurs, and documents as their numbers, -1 after each.
function numberWords(documents, cut) {
  const number = new Map(), frequency = [], tokens = [];
  let kept = 0;
  for (const text of documents) {
    const found = cut(text);
    if (!found.length) continue;
    for (const word of found) {
      let at = number.get(word);
      if (at === undefined) {
        at = number.size;
        number.set(word, at);
        frequency.push(0);
      }
      frequency[at] += 1;
      tokens.push(at);
    }
    tokens.push(-1);
    kept += 1;
  }
  return { words: [...number.keys()], frequency, tokens, documents: kept };
}

function refuseUnspaced(words) {
  const script = unspacedScript(words);
  if (script === null) return;
  throw new TextError(
    `This text has no spaces between its words (${script}), and this page cannot cut it into words. ` +
      "`w2vflow count` can, with its segmenters; or paste a text with spaces between its words.",
  );
}

// Pairs of a word and its count, the most frequent first, ties by code points.
function rankedWords({ words, frequency }) {
  return words.map((word, i) => [word, frequency[i]]).sort((one, other) => other[1] - one[1] || byCodePoints(one[0], other[0]));
}

function byCodePoints(one, other) {
  const letters = [...one], others = [...other];
  const at = letters.findIndex((letter, i) => letter !== others[i]);
  if (at < 0) return letters.length - others.length;
  return at < others.length ? letters[at].codePointAt(0) - others[at].codePointAt(0) : 1;
}

function suitableCount(ranked) {
  let least = LEAST_COUNT;
  while (least > 1 && !(ranked.length >= ENOUGH_WORDS && ranked[ENOUGH_WORDS - 1][1] >= least)) least -= 1;
  return least;
}

function countPairs({ words, tokens }, chosen) {
  const size = chosen.length, row = new Map(chosen.map(([word], i) => [word, i]));
  const rows = words.map((word) => row.get(word) ?? size);
  const counts = new Float64Array(size * size);
  // The last words of the document so far, the last one first.
  let before = [];
  for (const token of tokens) {
    if (token < 0) before = [];
    else if (rows[token] < size) {
      const own = rows[token];
      before.forEach((other, i) => {
        counts[own * size + other] += WINDOW - i;
        counts[other * size + own] += WINDOW - i;
      });
      before.unshift(own);
      before.length = Math.min(before.length, WINDOW);
    }
  }
  return counts;
}

// What `count` says of a text.
function summaryOf({ reader, encoding, replaced }, tokens, { words, frequency, documents }, names) {
  const sum = frequency.reduce((total, times) => total + times, 0);
  const how = `${encoding.slice(0, 6).toUpperCase().replace(/-$/, "")}, ${READ_AS[reader]}, ${tokens} words`;
  const sizes = `${rounded(sum)} tokens in ${rounded(documents)} document${documents === 1 ? "" : "s"}`;
  const lost = replaced ? `; invalid bytes replaced: ${replaced.toLocaleString("en-US")}` : "";
  return `${how}: ${sizes}, ${rounded(words.length)} distinct words${lost}; ${names.slice(0, 6).join(" ")}${names.length > 6 ? " ..." : ""}`;
}

function rounded(number) {
  return number >= 1e6 ? `${(number / 1e6).toFixed(1)} million` : number.toLocaleString("en-US");
}
