// From a text to its words, as corpus/counting/tokenizers.py and corpus/reading/guesses.py do.

// Signs that do not end a word and are no part of it.
const UNSEEN = /[\xad\u055b\u055c\u055e\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]+/g;
const ELIDED =
  "(?:(?![dm].[nr](?![\\p{L}\\p{M}\\p{N}_]))[bdflmnstvxj]|c(?=.[aeioéèê])|[cdt]h|gl|qu|(?:jus|lors|puis|quoi)qu" +
  "|(?:a|da|de|ne|su|co|pe|que|be)ll|(?:a|da|de|ne|su)gl|(?:alc|ciasc|ness|qualc)?un|quest|sant|buon|altr" +
  "|tutt|null|nient|mezz|senz|sott|com|cos|dov|(?:ne)?anch|qua[nl]d|quant|tant|cent|mill|vent" +
  "|(?:tr|quar|cinqu|sess|sett|ott|nov)ant)";
const APOSTROPHE = "['\\u2018\\u2019]";
const LATIN_LETTER = "\\p{Script=Latin}";
const ELIDED_FORM = new RegExp(`${ELIDED}(?=${APOSTROPHE}${LATIN_LETTER})`, "iuy");
// Letters whose decomposition is one of <super> or <sub>, which patterns cannot ask for here.
const RAISED =
  String.raw`\u00aa\u00ba\u02b0-\u02b8\u02e0-\u02e4\u0558\u058b\u058c\u10fc\u1d2c-\u1d2e\u1d30-\u1d3a` +
  String.raw`\u1d3c-\u1d4d\u1d4f-\u1d6a\u1d78\u1d9b-\u1dbf\u2071\u207f\u2090-\u209f\u2c7c\u2c7d\u2d6f\ua69c` +
  String.raw`\ua69d\ua770\ua7f1-\ua7f4\ua7f8\ua7f9\uab5c-\uab5f\uab69\u{10781}-\u{10785}\u{10787}-\u{107b0}` +
  String.raw`\u{107b2}-\u{107bf}\u{1dfcd}-\u{1dfff}\u{1e030}-\u{1e06d}`;
const EASTERN = "[\\p{Script=Cyrillic}\\p{Script=Ethiopic}\\p{Script=Adlam}]";
const LETTERS_OF_WORD =
  `(?![${RAISED}])\\p{L}(?:[\\p{L}\\p{M}]|[\\u200c\\u200d]+(?=[\\p{L}\\p{M}])|(?<=\\p{M})\\u200d` +
  `|(?<=${LATIN_LETTER}\\p{M}*)${APOSTROPHE}(?=${LATIN_LETTER})` +
  `|(?<=${EASTERN}\\p{M}*)['\\u2019](?=${EASTERN})` +
  "|(?<=\\p{Script=Hebrew}\\p{M}*)\\u05f3|(?<=\\p{Script=Hebrew}\\p{M}*)['\\u2019\"\\u201d\\u05f4](?=\\p{Script=Hebrew})" +
  "|(?<=[lL])\\xb7(?=[lL])|(?<=[nNsS])\\xb7(?=[hH]))*";
const WORD = new RegExp(LETTERS_OF_WORD, "gu");
const ASCII = /^[\0-\x7f]*$/;

// Of English more than a fifth of all words are among these; of other languages hardly any.
const ENGLISH = new Set(
  "the of and to that it for was with he she you his by from are this not which have".split(" "),
);

// Letters of scripts without spaces, and from how many of them on the mean of its words is one of phrases.
const UNSPACED = [
  ["Japanese", /[\p{Script=Hiragana}\p{Script=Katakana}]/u, 5],
  ["Chinese", /\p{Script=Han}/u, 4],
  ["Thai", /\p{Script=Thai}/u, 8],
  ["Lao", /\p{Script=Lao}/u, 8],
  ["Khmer", /\p{Script=Khmer}/u, 8],
  ["Burmese", /\p{Script=Myanmar}/u, 8],
  ["Lanna", /\p{Script=Tai_Tham}/u, 8],
  ["Javanese", /\p{Script=Javanese}/u, 8],
  ["Balinese", /\p{Script=Balinese}/u, 8],
  ["Yi", /\p{Script=Yi}/u, 4],
];

function latinWords(text) {
  return text.toLowerCase().match(/[a-z]+/g) ?? [];
}

// Letters of any script with their marks, after NFKC and in lower case.
function unicodeWords(text) {
  const found = lettersIn(text.replace(UNSEEN, ""));
  // Normal forms turn some letters into several words. Lower case can undo one.
  return found.flatMap((raw) => (ASCII.test(raw) ? [raw.toLowerCase()] : lettersIn(raw.normalize("NFKC")).map(lowered)));
}

function lettersIn(text) {
  const found = [];
  WORD.lastIndex = 0;
  for (let match = WORD.exec(text); match; match = WORD.exec(text)) {
    ELIDED_FORM.lastIndex = match.index;
    const elided = ELIDED_FORM.exec(text);
    if (elided) WORD.lastIndex = ELIDED_FORM.lastIndex;
    found.push((elided ?? match)[0]);
  }
  return found;
}

function lowered(word) {
  // The dot of Turkish's capital I is that of i.
  return word.normalize("NFKC").toLowerCase().replaceAll("i\u0307", "i").normalize("NFKC");
}

// Whether a text is written with letters beyond a to z, so that its words are those of any script.
function hasOtherLetters(text) {
  const words = new Map();
  for (const [word] of text.normalize("NFC").matchAll(/[\p{L}\p{Nl}\p{No}]+/gu)) {
    words.set(word, (words.get(word) ?? 0) + 1);
  }
  let total = 0, others = 0, english = 0, small = 0;
  for (const [word, times] of words) {
    total += times;
    if (ENGLISH.has(word.toLowerCase())) english += times;
    if (ASCII.test(word)) continue;
    others += times;
    if (!/^\p{Uppercase}/u.test(word) || isUpper(word)) small += 1;
  }
  if (english > 0.12 * total) return small > Math.max(9, words.size / 25);
  return /[a-z]['\u2018\u2019][a-z]/.test(text) || small > 0 || others > total / 50;
}

function isUpper(word) {
  return /\p{Uppercase}/u.test(word) && !/[\p{Lowercase}\p{Lt}]/u.test(word);
}

// The script without spaces that words are phrases of, null if they are of none.
function unspacedScript(words) {
  for (const [script, letter, longest] of UNSPACED) {
    const those = words.filter((word) => letter.test(word));
    if (those.length > 0.1 * words.length) {
      const letters = those.reduce((sum, word) => sum + [...word].length, 0);
      return letters >= longest * those.length ? script : null;
    }
  }
  return null;
}
