// Text as people wrote it, made fit to be shown, and the words for times. Pure.

const FOLD_AT = 1600; // characters of a message that are shown before it is folded
const FOLD_LINES = /^(?:[^\n]*\n){24}/;
const LONG = 20000; // characters of a text in which no names are looked for
const LINK = "\\b(https?://[^\\s<>\"'`\\ufffd]{3,2000})";
const REORDERING = /[\u0080-\u009f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

// Text in which all that would steer the reader's screen is made visible.
export const safe = (text) =>
  String(text)
    .replace(/\r\n?|[\u2028\u2029]/g, "\n")
    .replace(CONTROLS, (c) => (c === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(REORDERING, "\ufffd");

// What a name is compared by: case and width do not count.
export const fold = (name) => name.normalize("NFKC").toLowerCase().normalize("NFKC");

// A colour, in degrees, always the same for a name.
export const hue = (name) => Array.from(fold(name)).reduce((sum, c) => (sum * 31 + c.codePointAt(0) * 57) % 360, 0);

export const initial = (name) => (name.match(/[\p{L}\p{N}]/u) || ["?"])[0].toUpperCase();

function mention(name) {
  const literal = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return `(?<![\\p{L}\\p{N}_][-.]?)@?${literal}(?![-.]?[\\p{L}\\p{N}_])`;
}

export const mentions = (text, name) => text.length < LONG && new RegExp(mention(name), "iu").test(text);

// Cut text into {text}, {link, href} and {mention}, in order; links are http and https only.
export function pieces(text, me) {
  const found = [];
  let from = 0;
  const add = (index, piece, length) => {
    if (index > from) found.push({ text: text.slice(from, index) });
    if (piece) found.push(piece);
    from = index + length;
  };
  for (const { 0: all, 1: link, index } of text.matchAll(new RegExp(`${LINK}|${mention(me)}`, "giu"))) {
    const url = link && trimmed(link);
    if (!link) add(index, { mention: all }, all.length);
    else if (URL.canParse(url)) add(index, { link: url, href: new URL(url).href }, url.length);
  }
  add(text.length);
  return found;
}

// A link without the end of the sentence or bracket that it stands in.
function trimmed(url) {
  const shorter = url.replace(/[.,;:!?…]+$/, "");
  const unopened = /[)\]}]$/.test(shorter) && shorter.split(/[([{]/).length < shorter.split(/[)\]}]/).length;
  return unopened ? trimmed(shorter.slice(0, -1)) : shorter;
}

// How many characters of text are shown at first.
export function foldAt(text) {
  const lines = FOLD_LINES.exec(text)?.[0].length;
  return !lines && text.length < FOLD_AT + 200 ? text.length : cut(text, Math.min(lines - 1 || FOLD_AT, FOLD_AT));
}

// Where text can be cut, at `at` or before, without halving a character.
export const cut = (text, at) => (at >= text.length ? text.length : /[\udc00-\udfff]/.test(text[at]) ? at - 1 : at);

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export const clock = (at) => CLOCK.format(at * 1000);
export const sameDay = (a, b) => new Date(a * 1000).toDateString() === new Date(b * 1000).toDateString();

export function day(at, now = Date.now() / 1000) {
  if (sameDay(at, now)) return "Today";
  return sameDay(at, now - 86400) ? "Yesterday" : new Date(at * 1000).toLocaleDateString(undefined, { dateStyle: "full" });
}

// Seconds in words, in one unit.
export function lasting(seconds) {
  for (const [size, word] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds > size * 0.99) return some(Math.round(seconds / size), word);
  }
  return some(Math.max(1, Math.round(seconds)), "second");
}

// A size in bytes, as the clients for terminals write it: 1.4 MiB.
export function spellSize(size) {
  const power = Math.min(4, Math.floor(Math.log2(size || 1) / 10));
  const count = size / 1024 ** power;
  return `${count.toFixed(power && count < 100 ? 1 : 0)} ${["bytes", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

export const some = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
