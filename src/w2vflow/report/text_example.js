// A text to try the page with: sentences made of the words of five everyday topics.

// The more words a topic has, the earlier it is told from the others.
const TOPICS = [
  {
    who: "cook baker guest grandmother child waiter butcher aunt", does: "stirs tastes bakes salts serves cuts peels fries",
    what: "soup bread dough onion cheese sauce apple cake butter pepper noodle pear", where: "kitchen oven table bowl pan cellar market larder",
  },
  {
    who: "sailor captain fisher gull pilot diver", does: "sails steers rows anchors follows crosses",
    what: "boat mast net wave tide compass rope sail oar", where: "harbour sea island bay deck coast",
  },
  { who: "gardener bee farmer snail", does: "plants waters digs picks grows", what: "rose tulip seed leaf root hedge herb", where: "garden meadow greenhouse path" },
  { who: "singer drummer pianist", does: "plays sings hears tunes", what: "song melody rhythm chord violin", where: "concert stage studio" },
  { who: "engineer driver", does: "drives repairs boards", what: "train engine wheel ticket", where: "station tunnel" },
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
