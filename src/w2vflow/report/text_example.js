// A text to try the page with: sentences made of the words of five everyday topics.

const TOPICS = [
  { who: "cook baker guest grandmother child", does: "stirs tastes bakes salts serves", what: "soup bread dough onion cheese sauce apple cake", where: "kitchen oven table bowl pan" },
  { who: "sailor captain fisher gull pilot", does: "sails steers rows anchors follows", what: "boat mast net wave tide compass rope sail", where: "harbour sea island bay deck" },
  { who: "gardener bee neighbour snail farmer", does: "plants waters digs picks grows", what: "rose tulip seed leaf root hedge tomato herb", where: "garden meadow greenhouse path soil" },
  { who: "singer drummer pianist choir teacher", does: "plays sings hears tunes repeats", what: "song melody rhythm chord violin flute note drum", where: "concert stage studio hall school" },
  { who: "engineer driver conductor traveller inspector", does: "drives repairs boards stops signals", what: "train engine wheel ticket wagon brake rail bridge", where: "station tunnel platform track line" },
];
const ENDINGS = ["in the morning", "before noon", "after lunch", "in the evening", "at night", "once again", "every day", "with care", "without haste"];
const EXAMPLE_SENTENCES = 1500;

// One sentence a line, always the same.
function exampleText() {
  let seed = 7;
  const one = (words) => {
    seed = (seed * 16807) % 2147483647;
    return words[seed % words.length];
  };
  const lists = TOPICS.map((topic) => Object.fromEntries(Object.entries(topic).map(([kind, words]) => [kind, words.split(" ")])));
  const lines = [];
  for (let i = 0; i < EXAMPLE_SENTENCES; i++) {
    const { who, does, what, where } = one(lists);
    const first = `The ${one(who)} ${one(does)} the ${one(what)} and the ${one(what)} in the ${one(where)} ${one(ENDINGS)}.`;
    lines.push(`${first} Near the ${one(where)} another ${one(who)} ${one(does)} another ${one(what)}.`);
  }
  return lines.join("\n");
}
