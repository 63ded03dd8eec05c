// Takes part in encrypted rooms and whispers: what docs/encryption.md asks of a client. Fetched when an account logs in.

import * as backup from "./backup.js";
import * as client from "./client.js";
import { note } from "./main.js";
import { Outgoing, Sessions, Unreadable } from "./megolm.js";
import { Own, check, from, load, pack, talkOf, to, unpack } from "./olm.js";
import { Peers } from "./peers.js";
import * as secrets from "./secrets.js";
import { pin, unpin } from "./settings.js";
import { Refused } from "./state.js";
import { fold, some } from "./text.js";
import { Vault, release } from "./vault.js";

const MOST_TRIES = 50; // while others come and go
const ANEW = 3600e3; // ms between two sessions that are begun because letters cannot be opened

export let own = null; // this device
export let peers = null;
export let lack = ""; // why there are no keys, in a sentence
export const names = new Map(); // of accounts
export let vault = null;
export let sessions = null;
export let ready = false; // this connection is a device
let shut = false; // there are keys, perhaps, which cannot be opened
let elsewhere = ""; // the account whose keys another window has
let attaching = Promise.resolve();
let log = ""; // where letters to this device stand
let caughtUp = null; // who waits for the letters up to a seq: {upto, resolve, reject}
let working = false;
const letters = []; // that are to be opened
const epochs = new Map(); // of accounts whose devices are known as they are now
const outgoing = new Map(); // by room, or pair
const turns = new Map(); // the last thing that is being said, likewise
const late = new Map(); // what waits for a key: [entry, place], by session
const anew = new Map();

export const shout = (text, talk) => note(`\u26a0 ${text}`, talk, true);

export function needed() {
  if (!own || !ready) throw new Refused(lack || "Keys belong to an account: log in first.");
}

// -- being a device

// Be a device on this new connection, and read what came for it; before rooms are entered.
export const attach = () => (attaching = attaching.catch(() => {}).then(attached));

async function attached() {
  if (!client.me) throw new Refused("The link is lost.", "lost");
  const { key: account, name } = client.me;
  ready = false;
  epochs.clear();
  outgoing.clear();
  try {
    if (own?.account !== account) await begin(account);
    if (!client.hello) throw new Refused("The link is lost.", "lost");
    if (!client.hello.features.includes("keys")) throw new Refused("This server knows nothing of keys, so nothing can be encrypted on it.");
    names.set(account, name);
    const label = `page, ${navigator.userAgentData?.platform || navigator.platform}`;
    const reply = await client.ask("device", own.be(label, vault.get("letters") || 0));
    log = reply.log;
    if ((vault.get("letters") || 0) > reply.upto) vault.put("letters", "", reply.upto); // the server lost part of its data
    if ((vault.get("letters") || 0) < reply.upto) await new Promise((resolve, reject) => (caughtUp = { upto: reply.upto, resolve, reject }));
    const keys = own.more(reply);
    await vault.flush();
    if (keys) await client.ask("publish", keys);
    ready = true;
    lack = "";
    if (own.isNew) import("./recovery.js").then(({ offer }) => offer(own.device, reply.backup));
    own.isNew = false;
    backup.add();
    for (const talk of client.talks.values()) if (talk.encrypted && !vault.get("room", talk.key)) known(talk.key, { since: talk.head });
    for (const session of [...late.keys()]) reread(session); // which came before
    client.changed("rows");
  } catch (error) {
    if (error.code === "lost") throw error;
    lack = error.message;
    if (error.code === "elsewhere") elsewhere = account;
    if (vault?.all("room").length) shout(lack);
    if (!(error instanceof Refused)) console.error(error);
  }
}

// Another window let go of the keys of an account: go on here, and read what came meanwhile.
async function takeOver(account) {
  if (elsewhere !== account || client.me?.key !== account) return;
  elsewhere = "";
  await attach();
  if (ready) note("Encryption goes on in this window now.");
}

async function begin(account) {
  vault?.close();
  if (elsewhere !== account) release(elsewhere);
  own = vault = peers = null;
  shut = isSecureContext;
  if (shut) vault = await Vault.open(account, () => takeOver(account).catch(() => {})); // first, for it knows what must not be said in plain words
  shut = false;
  if (vault) peers = new Peers(vault);
  for (const [room] of vault?.all("room") || []) pin(room);
  await load();
  sessions = new Sessions(vault);
  own = new Own(vault, account);
  await vault.flush();
}

// Be this device no longer, here and on the server.
export async function end() {
  await client.ask("removedevice", { device: own.device }).catch((error) => {
    if (error.code !== "lost") throw error; // which it is then
  });
  const kept = vault;
  own = vault = peers = null;
  await kept.destroy();
}

// Nobody is logged in any more, or the page is left: perhaps it is kept, and comes back.
addEventListener("pagehide", letGo);
export function letGo() {
  vault?.close();
  release(elsewhere);
  own = vault = peers = null;
  lack = elsewhere = "";
  shut = false;
  late.clear();
}

// Believe what the server says of whether a room is encrypted.
export function forget(talk) {
  client.places(talk).forEach(unpin);
  if (vault?.get("room", talk.key)) known(talk.key, null);
}

// The link is lost.
export function offline() {
  ready = false;
  log = "";
  letters.length = 0;
  caughtUp?.reject(new Refused("The link is lost.", "lost"));
  caughtUp = null;
}

// -- others

// Know the devices of an account as they are now; return how often they changed.
export async function lookUp(who, afresh) {
  const account = fold(who);
  if (afresh) epochs.delete(account);
  if (!epochs.has(account)) {
    const reply = await client.ask("devices", { who });
    if (reply.account !== account) throw new Refused(`The server speaks of ${reply.account} instead of ${who}.`);
    names.set(account, reply.name);
    const changes = peers.learn(reply, own);
    epochs.set(account, reply.epoch);
    for (const [kind, device, label] of changes) shout(news(kind, reply.name, device, label));
    if (changes.some(([kind]) => kind !== "forged")) rotateFrom(account);
  }
  return epochs.get(account);
}

function news(kind, name, device, label) {
  const mine = fold(name) === own.account;
  const fresh = mine ? `Your account has a new device: ${device} (${label}). If you do not know it, /rmdevice ${device} and change your password.` : `${name} has a new device: ${device} (${label}).`;
  return {
    new: mine ? fresh : `${fresh} Was that ${name}? Compare keys to make sure.`,
    waits: `${fresh} Nothing is encrypted for it until you have looked: ${mine ? "" : `ask ${name}, then `}/verify ${name}, or /trust ${name}.`,
    gone: `${name} has removed the device ${device}. It reads nothing from now on.`,
    forged: `The server gives OTHER KEYS for the device ${device} of ${name} than before: somebody may be listening. Nothing is encrypted for it. Ask the person by another way.`,
  }[kind];
}

function rotateFrom(account) {
  for (const [talk, out] of outgoing) if (out.accounts.has(account) || account === own.account) outgoing.delete(talk);
}

// Let the devices of `who` that wait be encrypted for.
export function accept(who) {
  const found = peers.trust(fold(who), "known", ({ trust }) => trust === "waiting");
  outgoing.clear();
  vault.flush();
  return found;
}

export function verified({ account, device, signing }) {
  peers.trust(account, "verified", (one) => one.device === device && one.signing === signing);
  vault.flush();
}

const isMe = ({ account, device }) => account === own.account && device === own.device;

const nameOf = (account) => names.get(account) || account;

// Leave a letter to a device, and return when it is stored.
export async function write(peer, type, fields) {
  if (!own.knows(peer)) await meet(peer);
  const body = own.seal(peer, pack(type, { ...from(own), ...to(peer), ...fields }));
  await vault.flush();
  await client.ask("deliver", { who: nameOf(peer.account), device: peer.device, body });
}

const meet = async (peer) => own.meet(peer, await client.ask("claim", { who: nameOf(peer.account), device: peer.device }));

// -- what is said here

// Whether an item of the outbox is to be encrypted; then that is being done.
export function takes(item) {
  const { talk, frame } = item;
  const whisper = frame.do === "whisper";
  const locked = frame.do === "say" && client.sealed(talk);
  const told = whisper && fold(frame.who) !== client.me.key && (ready || shut || peers?.had(fold(frame.who)));
  if (!locked && !told) return false;
  const name = whisper ? talkOf(client.me.key, fold(frame.who)) : talk.key;
  const turn = (turns.get(name) || Promise.resolve()).then(() => deal(item, name, whisper));
  turns.set(name, turn);
  return true;
}

async function deal(item, name, whisper) {
  try {
    if (!whisper && !item.talk.encrypted) throw new Refused(client.denied(item.talk.name));
    if (!ready) throw new Refused(`${whisper ? `${item.frame.who} may have keys` : "This room is encrypted"}, so that was not sent. ${lack}`, lack ? "encrypted" : "lost");
    if (whisper && !(await hasKeys(item.frame.who))) return client.plainly(item);
    await say(item, name, whisper);
    client.drop(item);
  } catch (error) {
    if (error.code === "lost") return; // it is tried again
    if (!(error instanceof Refused)) console.error(error);
    client.mark(item, "refused", error.message);
  }
}

// Whether a file for a conversation is encrypted; throw Refused if it has to be, and cannot.
export async function seals(talk) {
  const { name, whispers, encrypted } = talk;
  const wanted = whispers ? fold(name) !== client.me.key && (ready || shut || peers?.had(fold(name))) : client.sealed(talk);
  if (!wanted) return false;
  if (!ready) throw new Refused(`${whispers ? `${name} may have keys` : "This room is encrypted"}, so nothing was sent. ${lack}`);
  if (!whispers && !encrypted) throw new Refused(client.denied(name));
  return !whispers || hasKeys(name);
}

async function hasKeys(who) {
  const account = fold(who);
  await lookUp(who).catch((error) => {
    if (error.code === "lost") throw error;
  });
  if (peers.here(account).length) return true;
  if (peers.had(account)) throw new Refused(`${who} had keys, and the server says there are none now. It was not sent, for it would be readable.`);
  return false;
}

async function say(item, name, whisper) {
  const { talk, frame } = item;
  const readers = () => (whisper ? new Map([[own.account, client.me.name], [fold(frame.who), frame.who]]) : talk.readers);
  const epoch = () => (whisper ? null : talk.epoch);
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    if (!item.sealed) {
      const [out, at] = (await prepare(name, readers, epoch)) || [];
      if (!out) continue;
      const body = item.secret ? out.seal("file", item.secret) : out.seal("say", { body: frame.body, ...(frame.action && { action: true }) });
      const sealed = { session: out.id, epoch: at, body };
      item.sealed = { out, cid: client.newCid(), ask: whisper ? ["sealwhisper", { who: frame.who, ...sealed }] : ["seal", { room: talk.name, ...sealed }] };
    }
    const { out, cid, ask } = item.sealed;
    try {
      await client.ask(...ask, cid); // the same after a lost link, until it is known what became of it
      out.taken++;
      return;
    } catch (error) {
      if (error.code === "lost") throw error;
      item.sealed = null;
      if (error.code !== "stale") {
        outgoing.delete(name); // nobody knows whether the server took it
        throw error;
      }
      epochs.clear();
    }
  }
  throw new Refused("People come and go too fast for that to be encrypted. Say it again.");
}

// Return a session that all readers have the key of, and their epoch; null if something changed meanwhile.
async function prepare(name, readers, epoch) {
  const at = epoch();
  const targets = [];
  let total = 0;
  if (!readers().has(own.account)) throw new Refused("You are none of those who read that, so you cannot say anything.");
  for (const [account, who] of readers()) {
    try {
      total += await lookUp(who);
    } catch (error) {
      if (error.code === "lost") throw error;
      continue; // an account that is no more: the room's log says so, or will
    }
    targets.push(...peers.here(account).filter((one) => one.trust !== "waiting" && !isMe(one)));
  }
  const wanted = new Set(targets.map(own.name));
  let out = outgoing.get(name);
  if (!out || out.over || [...out.given].some((one) => !wanted.has(one))) {
    out = new Outgoing(name, own);
    outgoing.set(name, out);
    sessions.add(name, own, out.id, out.key);
    await vault.flush();
    backup.add();
  }
  const { key } = out;
  await Promise.all(targets.filter((one) => !out.given.has(own.name(one))).map((one) => give(out, one, key)));
  return epoch() === at && outgoing.get(name) === out ? [out, at ?? total] : null;
}

async function give(out, peer, key) {
  try {
    await write(peer, "key", { room: out.talk, session: out.id, key });
  } catch (error) {
    if (error.code === "lost") throw error;
    note(`${nameOf(peer.account)} cannot read this on the device ${peer.device}: ${error.message}`, undefined, true);
  }
  out.given.add(own.name(peer));
  out.accounts.add(peer.account);
}

// -- what is heard

// One is in a room, for the first time or again.
export function entered({ room, seq, state }) {
  const kept = vault?.get("room", room);
  if (elsewhere && state.encrypted) note(lack, client.talks.get(room), true);
  if (!vault || !state.encrypted) return;
  if (!kept) known(room, { since: seq });
  else if (kept.left) known(room, { since: kept.since, from: seq }); // one reads on from here
}

function known(room, what) {
  vault.put("room", room, what);
  vault.flush();
}

export const isLetter = ({ room }) => room === log;

// Take note of an entry, and read it if it is encrypted; return whether that is all there is to do.
export function hears(entry) {
  const { event, room, seq, who, by } = entry;
  if (event === "shared" && entry.sealed) {
    secrets.shared(entry);
    return true; // a message tells of it
  }
  const place = event.startsWith("sealed") && { log: room, seq, talk: entry.to ? talkOf(fold(by), fold(entry.to)) : room, by: fold(by), device: entry.device, session: entry.session };
  if (!own) {
    if (place) {
      entry.why = shut ? "This is encrypted: read it in the other window." : `This is encrypted. ${lack}`;
      wait(entry, place);
    }
    return false;
  }
  if (room === log) {
    letters.push(entry);
    work();
    return true;
  }
  if (room === `@${own.account}` && /^(device|key)/.test(event)) {
    epochs.delete(own.account);
    if (/^device/.test(event)) outgoing.clear();
    if (event === "deviceadded" && entry.device === own.device) vault.put("came", "", seq);
    else if (/^device/.test(event) && ready) lookUp(client.me.name).catch(() => {}); // and tell of it
    return true;
  }
  const live = seq > (client.talks.get(room)?.head ?? 0);
  if (live) change(entry);
  if (["said", "shared"].includes(event) && !entry.to && seq > vault.get("room", room)?.since) entry.lock = "plain";
  if (event === "whispered" && fold(by) !== own.account && peers.had(fold(by))) entry.lock = "plain";
  if (place) read(entry, place, live);
  return false;
}

const wait = (entry, place) => late.set(place.session, [...(late.get(place.session) || []), [entry, place]]);

function change({ event, room, seq, who, new: fresh, dropped }) {
  if (event === "encrypted" && !vault.get("room", room)) known(room, { since: seq });
  else if (["roomdeleted", "roomdiscarded"].includes(event)) outgoing.delete(room);
  else if (["left", "kicked", "banned"].includes(event)) {
    outgoing.delete(room);
    if (!dropped && fold(who) === own.account && vault.get("room", room)) known(room, { ...vault.get("room", room), left: true });
  } else if (["rekeyed", "joined", "renamed"].includes(event)) {
    if (event === "rekeyed") outgoing.delete(room);
    epochs.delete(fold(fresh || who));
  }
}

function read(entry, place, live) {
  try {
    const { fields, withheld, signing } = sessions.open(place, entry.body, live);
    if (!["say", "file"].includes(fields.type)) throw new Unreadable("newer", "It is of a newer client.");
    const file = fields.type === "file" && secrets.opened(fields, place.by);
    if (!file && typeof fields.body !== "string") throw new Unreadable("forged", "It is forged: it says nothing.");
    if (withheld) shout(`${some(withheld, "message")} of ${entry.by} before #${place.seq} never came: deleted, or withheld.`, client.talks.get(entry.to ? `@${fold(entry.by)}` : place.log));
    const sure = (place.by === own.account && place.device === own.device) || peers.find(place.by, place.device)?.trust === "verified";
    Object.assign(entry, { lock: sure && signing ? "verified" : "known" }, file ? { event: "shared", ...file } : { event: entry.to ? "whispered" : "said", body: fields.body, action: fields.action === true });
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const kept = !entry.to && vault.get("room", place.log);
    const since = entry.to ? vault.get("came") ?? (own.made ? Infinity : 0) : kept?.from ?? kept?.since;
    if (error.code === "missing") {
      wait(entry, place);
      if (place.seq <= since) entry.event = "early";
    }
    entry.why = error.message;
  }
  vault.flush();
}

// -- letters

async function work() {
  if (working) return;
  working = true;
  let upto = 0;
  while (letters.length) {
    const [entry] = letters;
    try {
      const changed = await open(entry);
      vault.put("letters", "", entry.seq);
      await vault.flush(); // before the server may forget it
      if (changed) client.changed("rows");
    } catch (error) {
      if (error.code === "lost") break;
      console.error(error); // one letter is no reason to read no others
    }
    if (letters[0] !== entry) continue; // the link was lost: it comes again
    letters.shift();
    if (entry.event === "letter") upto = entry.seq;
  }
  working = false;
  if (upto) client.ask("collected", { upto }).catch(() => {});
  if (caughtUp && vault.get("letters") >= caughtUp.upto) {
    caughtUp.resolve();
    caughtUp = null;
  }
}

// Open a letter; return whether messages can be read now that could not be before.
async function open({ event, by, device, body }) {
  if (event !== "letter") return false;
  const account = fold(by);
  let peer = peers.find(account, device);
  if (!peer) {
    await lookUp(by, true).catch((error) => {
      if (error.code === "lost") throw error;
    });
    peer = peers.find(account, device);
  }
  if (!peer) return false;
  const plain = own.open(peer, body);
  if (!plain) return again(peer);
  let fields;
  try {
    fields = unpack(plain);
    check(fields, { ...from(peer), ...to(own) }, "the letter");
  } catch ({ message }) {
    console.warn(`a letter is not what it should be: ${message}`);
    return false;
  }
  if (fields.type === "verify") import("./verify.js").then(({ hear }) => hear(peer, fields));
  if (fields.type !== "key") return false;
  const pair = talkOf(account, own.account);
  if (String(fields.room).startsWith("@") && fields.room !== pair && account !== own.account) return false;
  if (!sessions.add(fields.room, peer, fields.session, fields.key)) return false;
  backup.add();
  return reread(fields.session);
}

// A session is here: read what waits for it; return whether there is any.
export function reread(session) {
  const waiting = late.get(session) || [];
  late.delete(session);
  for (const [entry, place] of waiting) {
    entry.event = entry.to ? "sealedwhisper" : "sealed";
    entry.why = "";
    read(entry, place, false);
  }
  return waiting.length > 0;
}

// Begin another session, in which the other side can be understood.
function again(peer) {
  const name = own.name(peer);
  if (Date.now() - (anew.get(name) || 0) > ANEW) {
    anew.set(name, Date.now());
    meet(peer).then(() => write(peer, "dummy", {})).catch(() => {});
  }
  return false;
}

// -- for those who look

// For whom a room is encrypted, in a sentence.
export function about(talk) {
  if (!talk.encrypted) return `#${talk.name} is not encrypted.`;
  return `#${talk.name} is encrypted for ${[...talk.readers.values()].join(", ")}.${ready ? "" : ` ${lack}`}`;
}
