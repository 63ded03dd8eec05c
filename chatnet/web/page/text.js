// Text as people wrote it, made fit to be shown, and the words for times. Pure.

const FOLD_AT = 1600; // characters of a message that are shown before it is folded
const FOLD_LINES = 24;
const MOST_LINKS = 100; // in one message
const REORDERING = /[\u0080-\u009f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** What is left of text when all that would steer the reader's screen is made visible. */
export function safe(text) {
  return String(text)
    .replace(/\r\n?|[\u2028\u2029]/g, "\n")
    .replace(CONTROLS, (c) => (c === "\x7f" ? "\u2421" : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(REORDERING, "\ufffd");
}

/** What a name is compared by: case and width do not count. */
export const fold = (name) => name.normalize("NFKC").toLowerCase().normalize("NFKC");

/** One of ten colours, always the same for a name. */
export function hue(name) {
  let sum = 0;
  for (const c of fold(name)) sum = Math.imul(sum ^ c.codePointAt(0), 0x85ebca6b);
  return ((sum ^ (sum >>> 15)) >>> 0) % 10;
}

export const initial = (name) => (name.match(/[\p{L}\p{N}]/u) || ["?"])[0].toUpperCase();

const named = new Map();

/** Whether text speaks of the one called name. */
export const mentions = (text, name) => text.search(mentionOf(name)) >= 0;

function mentionOf(name) {
  if (!named.has(name)) {
    const literal = name.replace(/[.*+?^${}()|[\]\\-]/g, "\\$&");
    const inWord = "[\\p{L}\\p{N}_]";
    named.set(name, new RegExp(`(?<!${inWord}[-.]?)@?${literal}(?![-.]?${inWord})`, "iu"));
  }
  return named.get(name);
}

/** Cut text into {text}, {link} and {mention}, in order; links are http and https only. */
export function pieces(text, me) {
  const found = [];
  const link = /\bhttps?:\/\/[^\s<>"'`\ufffd]{3,2000}/gi;
  let from = 0;
  for (let match, count = 0; count < MOST_LINKS && (match = link.exec(text)); count++) {
    let url = match[0].replace(/[.,;:!?…]+$/, "");
    while (/[)\]}]$/.test(url) && url.split(/[([{]/).length < url.split(/[)\]}]/).length) {
      url = url.slice(0, -1).replace(/[.,;:!?…]+$/, "");
    }
    let href;
    try {
      href = new URL(url).href;
    } catch {
      continue;
    }
    words(text.slice(from, match.index), me, found);
    found.push({ link: url, href });
    from = match.index + url.length;
    link.lastIndex = from;
  }
  words(text.slice(from), me, found);
  return found;
}

function words(text, me, found) {
  const mention = me && mentionOf(me);
  for (let match; mention && text.length < 20000 && (match = mention.exec(text)); ) {
    if (match.index) found.push({ text: text.slice(0, match.index) });
    found.push({ mention: match[0] });
    text = text.slice(match.index + match[0].length);
  }
  if (text) found.push({ text });
}

/** How many characters of text are shown at first: all of them, unless it is very long. */
export function foldAt(text) {
  let end = -1;
  for (let line = 0; line < FOLD_LINES; line++) {
    end = text.indexOf("\n", end + 1);
    if (end < 0) break;
  }
  const most = Math.min(end < 0 ? text.length : end, FOLD_AT);
  return text.length - most < 200 && end < 0 ? text.length : cut(text, most);
}

/** The place at or before `at` where text can be cut without halving a character. */
export function cut(text, at) {
  return at < text.length && /[\udc00-\udfff]/.test(text[at]) ? at - 1 : Math.min(at, text.length);
}

const format = (options) => new Intl.DateTimeFormat(undefined, options);
const CLOCK = format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = format({ weekday: "long", day: "numeric", month: "long" });
const DATE = format({ day: "numeric", month: "long", year: "numeric" });
const FULL = format({ dateStyle: "full", timeStyle: "medium" });

export const clock = (at) => CLOCK.format(at * 1000);
export const fullTime = (at) => FULL.format(at * 1000);
export const sameDay = (a, b) => new Date(a * 1000).toDateString() === new Date(b * 1000).toDateString();

/** The name of the day on which `at` was. */
export function day(at, now = Date.now() / 1000) {
  if (sameDay(at, now)) return "Today";
  if (sameDay(at, now - 86400)) return "Yesterday";
  return Math.abs(now - at) < 300 * 86400 ? DAY.format(at * 1000) : DATE.format(at * 1000);
}

/** Seconds in words, in one unit. */
export function lasting(seconds) {
  for (const [size, word] of [[86400, "day"], [3600, "hour"], [60, "minute"]]) {
    if (seconds > size * 0.99) return some(Math.round(seconds / size), word);
  }
  return some(Math.max(1, Math.round(seconds)), "second");
}

export const some = (count, word) => `${count.toLocaleString()} ${word}${count === 1 ? "" : "s"}`;
