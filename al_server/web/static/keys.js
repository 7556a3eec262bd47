// Which key does what. Nothing here touches the page.

// The keys of each command, best first; a command yields every key that a class needs.
const COMMANDS = {
  accept: ["Enter"],
  skip: ["s", " "],
  undo: ["u", "Backspace"],
  why: ["w", ","],
  similar: ["m", "."],
  filter: ["/"],
  help: ["?", "F1"],
};
const DIGITS = "1234567890";
const NAMES = { " ": "Space" };

/** Lower case, accents off: what a person types when in a hurry. */
export const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

const isCharacter = (text) => [...text].length === 1 && text.trim() !== "";

/** How a key is written on a button. */
export const keyName = (key) => NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key);

/**
 * Give out the keys.
 *
 * A single-character class name is its own key. The others get 1 to 9 and 0 in order, as far as
 * these are free. When some class goes without, letters start the filter: then no letter is a
 * command, a key that begins a word in the name of another class is nobody's key, and where names
 * have numbers no digit is a key. Who types "9999" must not have labeled by the first 9.
 */
export function assignKeys(classes) {
  const own = classes.map((name) => (isCharacter(name) ? name : null));
  const needed = classes.length - own.filter((key) => key !== null).length;
  const begins = beginnings(classes);
  const spare = [...DIGITS].filter((digit) => !own.includes(digit));
  const filtering = needed > spare.length;
  const digits = filtering && spare.some((digit) => begins(digit)) ? [] : spare;
  const ofClass = own.map((key, position) => {
    if (key === null) return digits.shift() ?? null;
    return filtering && begins(key, classes[position]) ? null : key;
  });
  return { ofClass, ofCommand: commandKeys(ofClass, filtering ? begins : null), filtering };
}

const words = (folded) => folded.split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "");

/** A function that tells whether a key begins a word of any class, but for the one excepted. */
function beginnings(classes) {
  const n_begun = new Map();
  const starts = (name) => new Set([name, ...words(name)].map((word) => [...word][0]));
  for (const name of classes) {
    for (const start of starts(fold(name))) n_begun.set(start, (n_begun.get(start) ?? 0) + 1);
  }
  return (key, except = null) => {
    const n_own = except !== null && starts(fold(except)).has(fold(key)) ? 1 : 0;
    return (n_begun.get(fold(key)) ?? 0) > n_own;
  };
}

// `begins` is null where nothing is typed
function commandKeys(ofClass, begins) {
  const taken = new Set(ofClass.filter((key) => key !== null).flatMap((key) => [key, fold(key)]));
  const isFree = (key) =>
    !taken.has(key) && !(begins && key.length === 1 && (/\p{L}/u.test(key) || begins(key)));
  return Object.fromEntries(
    Object.entries(COMMANDS)
      .filter(([command]) => begins || command !== "filter")
      .map(([command, keys]) => [command, keys.filter(isFree)]),
  );
}

/** What a pressed key means: {position} of a class, a {command}, {typed} text for the filter, or null. */
export function meaning(key, { ofClass, ofCommand, filtering }) {
  const position = classOf(key, ofClass);
  if (position >= 0) return { position };
  const pressed = key.length === 1 ? key.toLowerCase() : key;
  for (const [command, keys] of Object.entries(ofCommand)) {
    if (keys.includes(pressed)) return { command };
  }
  return filtering && isCharacter(key) ? { typed: key } : null;
}

// "a" also means class "A", unless there is a class "a"
function classOf(key, ofClass) {
  const exact = ofClass.indexOf(key);
  if (exact >= 0 || key.length !== 1) return exact;
  return ofClass.findIndex((own) => own !== null && own.toLowerCase() === key.toLowerCase());
}

/** Positions of the classes that fit what was typed, the best first, otherwise in their order. */
export function matching(typed, classes) {
  const wanted = fold(typed.trim());
  if (wanted === "") return classes.map((_, position) => position);
  return classes
    .map((name, position) => ({ position, rank: rankOf(fold(name), wanted) }))
    .filter(({ rank }) => rank >= 0)
    .sort((a, b) => a.rank - b.rank || a.position - b.position)
    .map(({ position }) => position);
}

function rankOf(name, wanted) {
  if (name === wanted) return 0;
  if (name.startsWith(wanted)) return 1;
  if (words(name).some((word) => word.startsWith(wanted))) return 2;
  return name.includes(wanted) ? 3 : -1;
}
