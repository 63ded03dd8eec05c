// What was said, on the screen: a window of some hundred rows on a conversation.

import * as client from "./client.js";
import { $, button, face, h, icon, put, show, tool } from "./dom.js";
import { keepRead } from "./settings.js";
import { concerns, continues, joins, passing, speaks } from "./state.js";
import { clock, cut, day, fold, foldAt, hue, lasting, pieces, safe, sameDay, some, spellSize } from "./text.js";

const MOST = 300; // entries on the screen
const STEP = 100; // entries by which the window moves
const MORE = 200000; // characters that "show more" shows at once
const NEAR = 400; // pixels from an end at which the next entries are fetched
const SENTENCES = { // in braces: fields of the entry
  opened: "{by} opened the room",
  joined: "{who} joined",
  left: "{who} left",
  dropped: "{who} lost the connection",
  renamed: "{old} is now {new}",
  identified: "{new} logged in",
  kicked: "{who} was put out by {by}{because}",
  banned: "{who} was banned by {by}{until}{because}",
  muted: "{who} was muted by {by}{until}{because}",
  unbanned: "{by} lets {who} in again",
  unmuted: "{by} lets {who} speak again",
  promoted: "{who} is a moderator now, says {by}",
  demoted: "{who} is no longer a moderator, says {by}",
  topicset: "{by} changed the topic{about}",
  locked: "{by} gave the room a password",
  unlocked: "{by} removed the password",
  noticed: "{text}",
  deleted: "{by} deleted a message by {author}{because}",
  takenback: "{by} deleted their own message{because}",
  erased: "{by}: (deleted)",
  encrypted: "{by} encrypted the room: what is said from now on, only those in it can read",
  sealed: "{by}: {why}",
  early: "What was said before is encrypted for those who were here. /recovery may bring the keys.",
  rekeyed: "{who} has {devices}",
  roomrenamed: "{by} renamed the room: {new}",
  roomdeleted: "{by} deleted the room{because}",
  retentionset: "{by} changed how long this is kept",
};

const UNREAD = "This is encrypted, and this page has no keys for it. Keys belong to an account.";
const scroller = $("log");
const list = $("rows");
const beginning = h("p.beginning", "This is the beginning of the room.");
let talk = null;
let rows = []; // {element, entries}: one, or several comings and goings
let ends = true; // the window reached the end when it was drawn
let bottom = true; // and the reader is there
let meant = null; // the entry that the bin is for

export function open(other) {
  if (talk) Object.assign(talk, { following: true, line: null });
  talk = other;
  if (talk) talk.line = talk.unread ? talk.read : null;
  drawPending();
  if (!talk) return build(0);
  toEnd();
  const line = list.querySelector(".newline");
  if (line?.offsetTop < scroller.scrollTop) {
    scroller.scrollTop = line.offsetTop - 60;
    scrolled();
  }
}

export function toEnd() {
  build(talk.entries.length - MOST);
  stick();
  edges();
  stick(); // the beginning may stand above it now
}

function stick() {
  scroller.scrollTop = scroller.scrollHeight;
  bottom = true;
  if (talk) talk.following = true;
  marks();
}

// How far the end is below the screen.
const below = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;

const lastOf = (row) => row?.entries.at(-1);

// Where the window is in the entries: [from, to).
function range() {
  if (!rows.length) return [0, 0];
  const { entries } = talk;
  return [Math.max(0, entries.indexOf(rows[0].entries[0])), entries.lastIndexOf(lastOf(rows.at(-1))) + 1];
}

// Bring the screen up to date with what came.
export function update() {
  const { entries } = talk;
  const [from, to] = range();
  if (to < entries.length) {
    const erased = entries.slice(to).some(({ message }) => message);
    if (!to || erased || (bottom && entries.length - from > MOST + STEP)) build(bottom ? entries.length - MOST : from);
    else append(entries.slice(to, bottom ? Infinity : from + MOST));
    if (bottom) stick();
  }
  edges();
  marks();
}

function build(from) {
  const entries = talk?.entries || [];
  const start = Math.max(0, from);
  list.ariaLive = "off";
  rows = made(entries.slice(start, start + MOST), entries[start - 1]);
  list.replaceChildren(...rows.map(({ element }) => element));
  ends = start + MOST >= entries.length;
  requestAnimationFrame(() => (list.ariaLive = "polite"));
}

function append(entries) {
  const last = rows.at(-1).entries;
  if (entries.length && joins(last[0], entries[0])) {
    rows.pop().element.remove();
    entries = last.concat(entries);
  }
  const more = made(entries, lastOf(rows.at(-1)));
  rows.push(...more);
  list.append(...more.map(({ element }) => element));
  ends = lastOf(rows.at(-1)) === talk.entries.at(-1);
}

// Move the window, and leave what is read where it is.
function shift(from) {
  const { top } = scroller.getBoundingClientRect();
  const row = rows.find(({ element }) => element.getBoundingClientRect().bottom > top);
  const before = row?.element.getBoundingClientRect().top;
  build(from);
  const same = row && rows.find((one) => lastOf(one).seq >= lastOf(row).seq);
  if (same) scroller.scrollTop += same.element.getBoundingClientRect().top - before;
  scrolled();
}

export function scrolled() {
  if (!talk) return;
  bottom = ends && below() < 40;
  talk.following = bottom;
  edges();
  marks();
}

// Draw again what can be read now.
export const redraw = () => shift(range()[0]);

// Have more to read where the reader comes near an end.
function edges() {
  const [from, to] = range();
  if (scroller.scrollTop < NEAR) {
    if (from > 0) return shift(from - STEP);
    client.older(talk);
  }
  if (below() < NEAR && !ends) return shift(to + STEP - MOST);
  show($("older"), talk.loading);
  if (rows.length && !from && !talk.since && !talk.whispers && list.firstChild !== beginning) list.prepend(beginning);
}

// Know what is read, and say what is not.
function marks() {
  show($("jump"), !bottom);
  put($("jump"), `↓ ${talk?.unread ? some(talk.unread, "new message") : "To the latest"}`);
  if (!talk || !bottom || !attentive() || (!talk.unread && talk.read === talk.head)) return;
  talk.read = talk.head;
  talk.unread = talk.mentions = 0;
  if (!talk.whispers) keepRead(talk.key, talk.read);
  client.changed();
}

export const attentive = () => document.hasFocus() && !document.hidden;

export function unline() {
  if (!talk) return;
  talk.line = null;
  list.querySelector(".newline")?.remove();
}

// The one way to delete a message is put where one points, if one may.
const bin = tool("Delete", "bin", async () => {
  const [where, entry] = [talk, meant];
  (await import("./menus.js")).remove(where, entry, bin);
}, { class: "tool bin" });

function point({ target }) {
  const row = rows.find(({ element }) => element.contains(target));
  if (!row || row.element.contains(bin)) return;
  [meant] = row.entries;
  const { event, by } = meant;
  const may = talk.here && !talk.whispers && (fold(by || "") === client.me.key || talk.moderators.has(client.me.key));
  if (may && ["said", "shared"].includes(event)) row.element.lastChild.append(bin);
  else bin.remove();
}

for (const kind of ["pointerover", "focusin"]) list.addEventListener(kind, point);
list.onpointerleave = ({ pointerType }) => pointerType === "mouse" && bin.remove();
scroller.onscroll = scrolled;
$("jump").onclick = toEnd;
new ResizeObserver(() => bottom && stick()).observe(scroller);
addEventListener("focus", scrolled);
addEventListener("blur", () => bottom && unline());

// -- rows

// Whether the line that says "new" is between two entries.
const lined = (entry, before) => talk.line !== null && before && Math.floor(before.seq) <= talk.line && Math.floor(entry.seq) > talk.line;

const breaks = (entry, before) => !before || !sameDay(before.at, entry.at) || lined(entry, before);

function made(entries, before) {
  const rows = [];
  for (let at = 0; at < entries.length; ) {
    const first = entries[at++];
    const row = [first];
    while (at < entries.length && joins(first, entries[at]) && !breaks(entries[at], entries[at - 1])) row.push(entries[at++]);
    const element = h("div.row",
      (!before || !sameDay(before.at, first.at)) && h("h3.day", day(first.at)),
      lined(first, before) && h("div.newline", { role: "separator" }, "New messages"),
      passing(first) || first.event === "early" ? comings(row) : drawn(first, !breaks(first, before) && continues(first, before)));
    rows.push({ element, entries: row });
    before = row.at(-1);
  }
  return rows;
}

function drawn(entry, goesOn) {
  const { event, by, body, action, dice, faces } = entry;
  if (event === "note") return h(entry.wrong ? "div.card.wrong" : "div.card", words(entry.text),
    entry.choices?.length > 0 && h("p.choices", entry.choices.map(([label, act]) => button(label, act, { class: "more" }))));
  if (event.startsWith("sealed")) return h("p.quiet.sealed", icon("sealed"), told(entry), time(entry));
  if (!speaks(entry)) return h("p.quiet", told(entry), time(entry));
  const { me } = client;
  const called = concerns(entry, me.name) ? ".called" : "";
  if (goesOn) return h(`div.said.on${called}`, mark(entry), time(entry), h("span.sr", by), words(body));
  const sum = faces?.[1] && h("strong", `= ${faces.reduce((a, b) => a + b)}`);
  const did = faces ? [`rolled ${dice}: `, faces.map((one) => [h("span.die", String(one)), " "]), sum] : action && words(body);
  if (did) return h(`div.did${called}`, face(by), h("div.act", author(by), " ", did), mark(entry), time(entry));
  const mine = fold(by) === me.key && h("span.tag", "you");
  return h(`div.said${called}`, face(by), h("div.by", author(by), mine, mark(entry), time(entry)), entry.id ? file(entry) : words(body));
}

const files = (what, entry) => async () => (await import("./files.js"))[what](entry);

const file = (entry) => entry.sealed ? h("div.body", "A file, encrypted: this page has no keys for it. Keys belong to an account.") : h("div.body",
  h("strong", entry.name), ` ${spellSize(entry.size)} `, button("Download", files("fetchFile", entry), { class: "more" }),
  entry.type.startsWith("image/") && [" ", button("Show", files("picture", entry), { class: "more" })]);

const LOCKS = {
  plain: "It was not encrypted, in a room where all is: the server may have made it up",
  known: "Encrypted, by a device that was not verified",
  verified: "Encrypted, by a device that was verified",
};

const mark = ({ lock }) => lock && h(`span.lock.${lock}`, { title: LOCKS[lock] }, icon(lock === "verified" ? "shield" : "sealed"), lock === "plain" && "not encrypted!");

const author = (name) => button(h("bdi", name), null, { class: "who", "--hue": hue(name), "data-who": name });

function time({ at }) {
  const date = new Date(at * 1000);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, clock(at));
}

// What someone wrote, its links live, folded if it is very long.
function words(body) {
  const box = h("div.body", { dir: "auto" });
  let shown = 0;
  const draw = (to) => {
    const parts = pieces(safe(body.slice(shown, to)), client.me.name);
    box.append(...parts.map(({ link, href, mention, text }) =>
      link ? h("a", { href, rel: "noopener noreferrer nofollow", target: "_blank" }, link) : mention ? h("mark", mention) : text));
    shown = to;
    put(more, `Show more (${some(body.length - to, "character")})`);
    if (to === body.length) more.remove();
  };
  const more = button("", () => draw(cut(body, shown + MORE)), { class: "more" });
  const long = h("div", box, more);
  draw(foldAt(body));
  return more.parentNode ? long : box;
}

// Comings and goings: one by one, or, of many, the last, and all when opened.
function comings(run) {
  if (run[0].event === "early") return h("p.quiet.sealed", icon("sealed"), told(run[0]), time(run[0]));
  const lines = run.map((entry) => h("p", told(entry), time(entry)));
  if (run.length < 4) return h("div.quiet", lines);
  const last = run.at(-1);
  return h("details.quiet", h("summary", told(last), `, after ${run.length - 1} other comings and goings`, time(last)), lines);
}

// An event as a sentence.
function told(entry) {
  const { event, dropped, old, by, author, topic, reason, until, at } = entry;
  const same = (one, other) => one && fold(one) === fold(other);
  const kind = dropped ? "dropped" : same(old, entry.new) ? "identified" : same(author, by) ? "takenback" : event;
  const fields = { why: UNREAD, ...entry, devices: entry.device ? `one ${entry.added ? "more" : "less"} device now` : "other devices than before", because: reason && `: ${reason}`, about: topic && `: ${topic}`, until: until ? ` for ${lasting(until - at)}` : " for good" };
  return (SENTENCES[kind.replace("whisper", "")] || kind).split(/\{(\w+)\}/).map((part, at) => (at % 2 ? fields[part] && h("bdi", fields[part]) : part));
}

// -- what is on its way

export function drawPending() {
  $("pending").replaceChildren(...client.pending(talk).map((item) => {
    const { state, error, frame } = item;
    return h(state === "refused" ? "div.refused" : "div.sending", h("div.said.on", words(frame.body || `/roll ${frame.dice}`)),
      error && h("p.why", { role: "alert" }, error, button("Try again", () => client.again(item)), button("Remove", () => client.drop(item))));
  }));
  if (bottom) stick();
}
