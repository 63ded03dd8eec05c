// Takes part in encrypted rooms and whispers: what docs/encryption.md asks of a client. Fetched when an account logs in.

import * as backup from "./backup.js";
import * as client from "./client.js";
import * as letters from "./letters.js";
import { note } from "./main.js";
import { Sessions, Unreadable } from "./megolm.js";
import { Own, from, load, pack, talkOf, to } from "./olm.js";
import { Peers } from "./peers.js";
import { rotate, rotateFrom } from "./sealing.js";
import * as secrets from "./secrets.js";
import { pin, unpin } from "./settings.js";
import { Refused } from "./state.js";
import { fold, some } from "./text.js";
import { Vault, release } from "./vault.js";

export { isLetter } from "./letters.js";
export { seals, takes } from "./sealing.js";
export let own = null; // this device
export let peers = null;
export let lack = ""; // why there are no keys, in a sentence
export const names = new Map(); // of accounts
export let vault = null;
export let sessions = null;
export let ready = false; // this connection is a device
export let shut = false; // there are keys, perhaps, which cannot be opened
let elsewhere = ""; // the account whose keys another window has
let attaching = Promise.resolve();
export const epochs = new Map(); // of accounts whose devices are known as they are now
const late = new Map(); // what waits for a key: [entry, place], by session

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
  rotate();
  try {
    if (own?.account !== account) await begin(account);
    if (!client.hello) throw new Refused("The link is lost.", "lost");
    if (!client.hello.features.includes("keys")) throw new Refused("This server knows nothing of keys, so nothing can be encrypted on it.");
    names.set(account, name);
    const label = `page, ${navigator.userAgentData?.platform || navigator.platform}`;
    const reply = await client.ask("device", own.be(label, vault.get("letters") || 0));
    await letters.begin(reply);
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
  letters.stop();
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

// Let the devices of `who` that wait be encrypted for.
export function accept(who) {
  const found = peers.trust(fold(who), "known", ({ trust }) => trust === "waiting");
  rotate();
  vault.flush();
  return found;
}

export function verified({ account, device, signing }) {
  peers.trust(account, "verified", (one) => one.device === device && one.signing === signing);
  vault.flush();
}

export const isMe = ({ account, device }) => account === own.account && device === own.device;

export const nameOf = (account) => names.get(account) || account;

// Leave a letter to a device, and return when it is stored.
export async function write(peer, type, fields) {
  if (!own.knows(peer)) await meet(peer);
  const body = own.seal(peer, pack(type, { ...from(own), ...to(peer), ...fields }));
  await vault.flush();
  await client.ask("deliver", { who: nameOf(peer.account), device: peer.device, body });
}

export const meet = async (peer) => own.meet(peer, await client.ask("claim", { who: nameOf(peer.account), device: peer.device }));

// -- what is heard

// One is in a room, for the first time or again.
export function entered({ room, seq, state }) {
  const kept = vault?.get("room", room);
  if (elsewhere && state.encrypted) note(lack, client.talks.get(room), true);
  if (!vault || !state.encrypted) return;
  for (const who of state.readers) epochs.delete(fold(who)); // their devices may be others since one was here
  if (!kept) known(room, { since: seq });
  else if (kept.left) known(room, { since: kept.since, from: seq }); // one reads on from here
}

function known(room, what) {
  vault.put("room", room, what);
  vault.flush();
}

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
  if (letters.isLetter(entry)) {
    letters.put(entry);
    return true;
  }
  if (room === `@${own.account}` && /^(device|key)/.test(event)) {
    epochs.delete(own.account);
    if (/^device/.test(event)) rotate();
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
  else if (["roomdeleted", "roomdiscarded"].includes(event)) rotate(room);
  else if (["left", "kicked", "banned"].includes(event)) {
    rotate(room);
    if (!dropped && fold(who) === own.account && vault.get("room", room)) known(room, { ...vault.get("room", room), left: true });
  } else if (["rekeyed", "joined", "renamed"].includes(event)) {
    if (event === "rekeyed") rotate(room);
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

// -- for those who look

// For whom a room is encrypted, in a sentence.
export function about(talk) {
  if (!talk.encrypted) return `#${talk.name} is not encrypted.`;
  return `#${talk.name} is encrypted for ${[...talk.readers.values()].join(", ")}.${ready ? "" : ` ${lack}`}`;
}
