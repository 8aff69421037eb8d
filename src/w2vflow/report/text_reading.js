// From the bytes of a text to its documents, as corpus/reading/ does with a file of plain text.

// What a person is told of a text that cannot be used; anything else that is thrown is a mistake of ours.
class TextError extends Error {}

const HEAD_BYTES = 2 ** 16, WRAPPED = 100, LOST_SHARE = 0.001;
const NO_TEXT = [
  ["%PDF-", "a PDF"],
  ["PK\x03\x04", "a zip archive, as files of Word, OpenOffice and e-books are"],
  ["\xd0\xcf\x11\xe0", "a document of an old Office"],
  ["{\\rtf", "a document in RTF"],
  ["\x1f\x8b", "packed with gzip"],
  ["\x89PNG", "an image"],
  ["\xff\xd8\xff", "an image"],
];
const TABLE_NAME = /\.(?:csv|tsv|tab|json|jsonl|ndjson|parquet)$/i;
const JSON_BEGINNING = /^\s*(?:\{\s*"(?:[^"\\\n]|\\.)*"\s*:|\[\s*(?:\{\s*"(?:[^"\\\n]|\\.)*"\s*:|"(?:[^"\\\n]|\\.)*"\s*[,\]]))/;
const MARKUP = /^\s*<(?:!doctype|\?xml|html|doc|mediawiki|page|tei)[\s>]/i;
const SUBTITLES = /^(?:WEBVTT|\d+[ \t]*\r?\n\d{1,2}:\d\d:\d\d[,.]\d{1,3} --> )/;
// Python's white space.
const NOT_BLANK = /[^\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

// Return {documents, encoding, reader, replaced, beginning} of the bytes of a file of some name.
function readText(bytes, name = "") {
  refuseOthers(bytes, name);
  const encoding = markedEncoding(bytes);
  const text = new TextDecoder(encoding).decode(bytes);
  const beginning = new TextDecoder(encoding).decode(bytes.subarray(0, HEAD_BYTES));
  if (!NOT_BLANK.test(text)) throw new TextError("There is no text.");
  if (text.includes("\0")) throw new TextError("This is no plain text: there are zero bytes in it. Save it as text in UTF-8.");
  const replaced = lostBytes(text, bytes, encoding);
  if (MARKUP.test(beginning)) throw new TextError("This is HTML or XML. Paste the text that is in it, without its tags.");
  if (SUBTITLES.test(beginning)) throw new TextError("These are subtitles with their times. Remove numbers and times first.");
  if (TABLE_NAME.test(name) || JSON_BEGINNING.test(beginning)) {
    throw new TextError("This is a table or JSON, which this page does not read. `w2vflow count` does; or paste its text alone.");
  }
  const paragraphs = isWrapped(beginning);
  const documents = text.split(paragraphs ? /\n[ \t\r]*\n[ \t\n\r\f\v]*/ : "\n");
  // Bytes that are none are left out where only the kind of letters is looked for.
  return { documents, encoding, reader: paragraphs ? "paragraphs" : "lines", replaced, beginning: beginning.replaceAll("\ufffd", "") };
}

function refuseOthers(bytes, name) {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  const kind = NO_TEXT.find(([mark]) => start.startsWith(mark));
  if (kind) throw new TextError(`${name || "This"} is ${kind[1]}. Save the text in it as plain text first.`);
}

function markedEncoding(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return "utf-16le";
  return bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
}

// How many runs of bytes the encoding does not have; an error where they are many.
function lostBytes(text, bytes, encoding) {
  let replaced = text.split("\ufffd").length - 1;
  if (replaced > 0 && encoding === "utf-8") {
    for (let i = 2; i < bytes.length; i++) {
      if (bytes[i] === 0xbd && bytes[i - 1] === 0xbf && bytes[i - 2] === 0xef) replaced -= 1;
    }
  }
  if (replaced > LOST_SHARE * bytes.length) {
    const remedy = "Open it in an editor and save it as UTF-8, or use `w2vflow count`, which says which encoding fits.";
    throw new TextError(`This is not in UTF-8: ${replaced.toLocaleString("en-US")} places cannot be read. ${remedy}`);
  }
  return replaced;
}

// Whether lines are as long as a page is wide, so that documents are the paragraphs between blank lines.
function isWrapped(beginning) {
  const lines = beginning.split("\n"), full = lines.filter((line) => NOT_BLANK.test(line));
  if (!full.length) return false;
  const breaks = lines.slice(1, -1).filter((line) => !NOT_BLANK.test(line)).length;
  if (full[0].startsWith("<") || breaks === 0 || breaks >= full.length) return false;
  return full.filter((line) => [...line].length <= WRAPPED).length >= 0.9 * full.length;
}
