// The conversation with the server.

import * as link from "./link.js";
import { device, pin, pinned, readUpTo, tab } from "./settings.js";
import { Refused, Talk } from "./state.js";
import { fold } from "./text.js";

const STAY_AWAY = ["quit", "logout", "replaced", "removed", "late", "refused"]; // byes after which we do not come back
const OURS = ["lock", "key", "why"]; // fields of entries that the server has nothing to say in
const OWN = ["note", "early"]; // events that no server has: what this page itself says
const PAGE = 100; // messages of history at a time
const TYPING = 6e3; // ms that "is typing" is shown

export let hello = null; // what the server told of itself, while there is a link
export let me = null; // {key, name, registered}, once we are somebody
export let who = null; // how to be that again
export let ready = false; // the server knows us, and where we were
export let outbox = []; // what is not acknowledged: {cid, talk, frame, state, error}
export const talks = new Map(); // by key
export const ignored = new Map(device.get("ignored")); // by folded name
const asked = new Map(); // by cid; "hello" and "password" are answered without one
const told = new Set(); // whispers that were shown
const early = []; // entries that came before we were somebody, or could read them
const page = random();
let count = 0;
let announcedAt = 0;
let gate = ""; // the server's password
let most = 0; // bytes of a message; 0: any
let bye = null;
let keys = null; // what encrypts, once an account is logged in
let coming = false; // it will be there soon
let ui; // changed(what), said(talk, entry), note(text, talk), and out(text, code): back at the door

export function begin(listener) {
  ui = listener;
  if (!tab.get("secret")) tab.set("secret", random());
  Object.assign(link.on, { frame: heard, down });
}

export const changed = (what) => ui.changed(what);

function random() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

// -- asking

const lost = () => new Refused("There is no link to the server. Try again in a moment.", "lost");

export const newCid = () => `${page}-${++count}`;

const expect = (cid) => new Promise((resolve, reject) => asked.set(cid, { resolve, reject }));

// Send a command; return its answer, or throw Refused.
export async function ask(verb, fields, cid = newCid()) {
  if (link.state !== "open") throw lost();
  link.send({ do: verb, ...fields, cid });
  return expect(cid);
}

// Settle what was asked; return whether it was.
function answer(cid, frame) {
  const one = asked.get(cid);
  if (frame instanceof Refused) one?.reject(frame);
  else one?.resolve(frame);
  return asked.delete(cid);
}

// Say something, and keep it until it is acknowledged. With a `secret`, that is said in its place, encrypted.
export function post(talk, frame, secret) {
  const item = { cid: newCid(), talk, frame, secret };
  outbox.push(item);
  if (most && new TextEncoder().encode(frame.body).length > most) mark(item, "refused", `That is too long: a message has at most ${most.toLocaleString()} bytes here.`);
  else again(item);
}

export function mark(item, state, error) {
  Object.assign(item, { state, error });
  ui.changed("pending");
}

export function again(item) {
  mark(item, "waiting");
  flush();
}

function flush() {
  for (const item of ready && !coming ? outbox : []) {
    if (item.state !== "waiting") continue;
    item.state = "sent";
    if (!keys?.takes(item)) plainly(item);
  }
}

// Whether a room is encrypted, or was when this browser saw it last.
export const sealed = (talk) => !talk.whispers && (talk.encrypted || places(talk).some(pinned));

// What a room may be known by: a server may show another one under its name.
export const places = ({ key, name }) => [key, fold(name)];

export const denied = (name) => `The server says that ${name} is not encrypted. It was, and that is for good: the server is lying, or that room was deleted or renamed, and this is another one. Nothing is said there; /encrypt forget lets you speak in plain words.`;

// Send an item as it is; never into a room that is encrypted.
export function plainly(item) {
  const { talk, frame, cid } = item;
  if (item.secret) mark(item, "refused", "What opens the file can only be told encrypted, and there is nobody to encrypt it for.");
  else if (frame.do === "say" && sealed(talk)) mark(item, "refused", talk.encrypted ? "This room is encrypted, so that was not sent. Keys belong to an account: log in, or make one." : denied(talk.name));
  else link.send({ ...frame, cid });
}

// Whether a file for a conversation is encrypted; throw Refused if it has to be, and cannot.
export async function seals(talk) {
  if (!keys && sealed(talk)) throw new Refused("This room is encrypted, and keys belong to an account: log in, or make one. Nothing was sent.");
  return keys ? keys.seals(talk) : false;
}

// Tell those in a conversation what opens a file.
export const tell = (talk, secret) =>
  post(talk, talk.whispers ? { do: "whisper", who: talk.name, body: secret.name } : { do: "say", room: talk.name, body: secret.name }, secret);

export function drop(item) {
  outbox = outbox.filter((other) => other !== item);
  ui.changed("pending");
}

export const pending = (talk) => outbox.filter((item) => item.talk === talk);

// -- being somebody

export async function greeting() {
  link.open();
  return hello || expect("hello");
}

// Be `wanted`, as for become(), with a new link; `password` is the server's.
export async function signIn(wanted, password) {
  const { password_needed: needed } = await greeting();
  gate = password || gate;
  if (needed) {
    if (!gate) throw new Refused("This server has a password. Say it first.", "password-needed");
    link.send({ do: "password", password: gate });
    await expect("password");
  }
  await become(wanted);
  for (const name of ignored.values()) ask("ignore", { name }).catch(() => {});
  const entered = rooms().map(async (talk) => { // where we were
    try {
      await ask("join", { room: talk.name, since: talk.head, password: talk.password });
    } catch ({ code, message }) {
      if (code !== "lost") talk.leave(message);
    }
  });
  ready = true;
  ui.changed("members");
  await Promise.all(entered);
  flush();
}

// Be called `name`: a guest, if `verb` is nick, or an account.
export async function become({ verb, name, password, ...more }) {
  coming = verb !== "nick";
  try {
    await ask(verb, { name, password, ...more, secret: tab.get("secret") });
    if (coming && me.key !== fold(name)) throw new Refused(`The server calls you ${me.name} instead of ${name}.`);
    who = { verb: verb === "nick" ? "nick" : "login", name: me.name, password };
    remember();
    if (!coming) return;
    keys ??= await import("./keys.js");
    await keys.attach();
  } finally {
    coming = false;
    hearEarly();
    flush();
  }
}

function hearEarly() {
  if (me) for (const entry of early.splice(0)) happened(entry);
}

const rooms = () => [...talks.values()].filter((talk) => talk.here && !talk.whispers);

function down() {
  const { code, text } = bye || {};
  hello = bye = null;
  ready = false;
  keys?.offline();
  for (const cid of [...asked.keys()]) answer(cid, lost());
  for (const item of outbox) if (item.state === "sent") item.state = "waiting";
  for (const talk of talks.values()) {
    talk.past = null;
    talk.loading = false;
    talk.typing.clear();
  }
  if (STAY_AWAY.includes(code)) {
    if (code !== "replaced") who = null;
    if (code === "quit" || code === "logout") forget();
    ui.out(text, code);
  }
  if (!who || code === "replaced") link.close(); // at the door there is nothing to come back to
}

function forget() {
  keys?.letGo();
  keys = me = null;
  talks.clear();
  outbox = [];
  told.clear();
  tab.set("session", null);
  tab.set("secret", random());
}

// Keep what a reload needs. Never a password.
function remember() {
  tab.set("session", { name: me.name, account: me.registered, rooms: rooms().map(({ name }) => name) });
}

// -- rooms and people

export async function join(name, password = "") {
  const held = find(name);
  if (held?.here) return held;
  const { room } = await ask("join", { room: name, password, since: held?.head || undefined });
  const talk = talks.get(room);
  talk.password = password;
  remember();
  return talk;
}

// The conversation called `name`: a room, if we were in it, or @someone.
export const find = (name) => (name.startsWith("@") ? whispers(name.slice(1)) : talks.get(fold(name.replace(/^#/, ""))));

export function whispers(name) {
  const key = `@${fold(name)}`;
  if (!talks.has(key)) talks.set(key, new Talk(key, name, true));
  return talks.get(key);
}

export async function leave(talk) {
  if (talk.here && !talk.whispers) await ask("leave", { room: talk.name });
  talks.delete(talk.key);
  outbox = outbox.filter((item) => item.talk !== talk);
  remember();
  ui.changed();
}

export async function ignore(name, verb = "ignore") {
  const { text } = await ask(verb, { name });
  if (verb === "ignore") ignored.set(fold(name), name);
  else ignored.delete(fold(name));
  device.set("ignored", [...ignored]);
  ui.note(text);
}

export function older(talk) {
  if (talk.whispers || talk.loading || !talk.here || !talk.since || !ready) return;
  talk.loading = true;
  ask("history", { room: talk.name, count: PAGE, before: talk.since + 1 }).catch(() => (talk.loading = false));
}

// -- what comes

function heard(frame) {
  const { cid = frame.ok, text } = frame;
  const item = cid && outbox.find((one) => one.cid === cid);
  if (frame.event) happened(frame);
  else if (frame.signal) {
    if (frame.signal === "typing") typing(frame);
  }
  else if (frame.error) {
    if (item) mark(item, "refused", text);
    else if (!answer(cid ?? "password", new Refused(text, frame.error)) && !cid) ui.note(text);
  } else {
    if (item) drop(item);
    if (frame.reply === "noted" && (item || !cid)) ui.note(text, item?.talk);
    reply(frame, talks.get(frame.room));
    answer(cid, frame);
  }
}

function reply(frame, talk) {
  switch (frame.reply) {
    case "hello": {
      const first = !hello;
      hello = frame;
      most = frame.max_message;
      ui.changed();
      answer("hello", frame);
      if (first && who) comeBack();
      else if (!frame.password_needed) answer("password", frame);
      break;
    }
    case "youare":
      me = { ...frame, key: fold(frame.name) };
      if (!coming) hearEarly();
      ui.changed("members");
      break;
    case "entered":
      if (!talk) talks.set(frame.room, (talk = new Talk(frame.room, frame.name)));
      talk.read ??= readUpTo(frame.room);
      talk.enter(frame);
      if (talk.encrypted) places(talk).forEach(pin);
      else if (sealed(talk)) ui.note(`\u26a0 ${denied(talk.name)}`, talk, true);
      keys?.entered(frame);
      ui.changed("members");
      break;
    case "history":
      if (talk) talk.past = { upto: frame.upto, since: frame.since < frame.upto ? frame.since : 0, entries: [] };
      break;
    case "caughtup":
      talk?.prepend(me.name);
      ui.changed();
      break;
    case "out":
      if (frame.put_out) talk?.leave(talk.why || "You are no longer in this room.");
      ui.changed();
      break;
    case "bye":
      bye = frame;
      answer("password", new Refused(frame.text, frame.code));
  }
}

async function comeBack() {
  try {
    await signIn(who);
  } catch ({ code, message }) {
    if (code === "lost") return;
    who = null;
    ui.out(message, code);
  }
}

function happened(entry) {
  if (!me || (coming && !keys?.isLetter(entry))) return early.push(entry); // whispers may come before we know our name, or have keys
  for (const name of OURS) delete entry[name];
  if (OWN.includes(entry.event)) return;
  if (keys?.hears(entry)) return;
  const { event, by, room, seq, reason } = entry;
  const isMe = (name) => fold(name) === me.key;
  if (room === "*") {
    if (seq > announcedAt) ui.note(`${by} to everyone: ${entry.body}`);
    announcedAt = Math.max(announcedAt, seq);
    return;
  }
  let talk = talks.get(room);
  if (entry.to) {
    const place = `${room}:${seq}`;
    if (told.has(place)) return;
    told.add(place);
    talk = whispers(isMe(by) ? entry.to : by);
    entry.seq = talk.head + 1;
  }
  if (!talk?.take(entry, me.name)) return;
  talk.typing.delete(by || entry.who);
  if (event === "renamed") renamed(entry);
  if (event === "encrypted") places(talk).forEach(pin);
  if (["kicked", "banned"].includes(event) && isMe(entry.who)) {
    talk.why = `${by} ${event === "kicked" ? "put you out" : "banned you"} of this room${reason ? `: ${reason}` : "."}`;
  }
  ui.said(talk, entry);
}

// Whispers with someone go on under the new name.
function renamed({ old, new: name }) {
  const talk = talks.get(`@${fold(old)}`);
  const key = `@${fold(name)}`;
  if (!talk || talks.has(key)) return;
  talks.delete(talk.key);
  talks.set(key, Object.assign(talk, { key, name }));
}

function typing({ room, who }) {
  if (ignored.has(fold(who))) return;
  talks.get(room)?.typing.set(who, Date.now() + TYPING);
}
