// Speaking so that only those who should can read it: one thing at a time in a conversation.

import * as backup from "./backup.js";
import * as client from "./client.js";
import * as keys from "./keys.js";
import { note } from "./main.js";
import { Outgoing } from "./megolm.js";
import { talkOf } from "./olm.js";
import { isOpen, Refused } from "./state.js";
import { fold } from "./text.js";

const MOST_TRIES = 50; // while others come and go

const outgoing = new Map(); // by room, or pair
const turns = new Map(); // the last thing that is being said, likewise

// Speak in a new session from now on, in one conversation or everywhere.
export const rotate = (talk) => (talk ? outgoing.delete(talk) : outgoing.clear());

// The devices of an account are others now.
export function rotateFrom(account) {
  for (const [talk, out] of outgoing) if (out.accounts.has(account) || account === keys.own.account) outgoing.delete(talk);
}

// Whether an item of the outbox is to be encrypted; then that is being done.
export function takes(item) {
  const { talk, frame } = item;
  const whisper = frame.do === "whisper";
  const locked = frame.do === "say" && client.sealed(talk);
  const told = whisper && fold(frame.who) !== client.me.key && (keys.ready || keys.shut || keys.peers?.had(fold(frame.who)));
  if (!locked && !told) return false;
  const name = whisper ? talkOf(client.me.key, fold(frame.who)) : talk.key;
  const turn = (turns.get(name) || Promise.resolve()).then(() => deal(item, name, whisper));
  turns.set(name, turn);
  return true;
}

async function deal(item, name, whisper) {
  try {
    if (!whisper && !item.talk.encrypted) throw new Refused(client.denied(item.talk.name));
    if (!keys.ready) throw new Refused(`${whisper ? `${item.frame.who} may have keys` : "This room is encrypted"}, so that was not sent. ${keys.lack}`, keys.lack ? "encrypted" : "lost");
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
  const wanted = whispers ? fold(name) !== client.me.key && (keys.ready || keys.shut || keys.peers?.had(fold(name))) : client.sealed(talk);
  if (!wanted) return false;
  if (!keys.ready) throw new Refused(`${whispers ? `${name} may have keys` : "This room is encrypted"}, so nothing was sent. ${keys.lack}`);
  if (!whispers && !encrypted) throw new Refused(client.denied(name));
  return !whispers || hasKeys(name);
}

async function hasKeys(who) {
  const account = fold(who);
  await keys.lookUp(who).catch((error) => {
    if (isOpen(error)) throw error;
  });
  if (keys.peers.here(account).length) return true;
  if (keys.peers.had(account)) throw new Refused(`${who} had keys, and the server says there are none now. It was not sent, for it would be readable.`);
  return false;
}

async function say(item, name, whisper) {
  const { talk, frame } = item;
  const readers = () => (whisper ? new Map([[keys.own.account, client.me.name], [fold(frame.who), frame.who]]) : talk.readers);
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
      keys.epochs.clear();
    }
  }
  throw new Refused("People come and go too fast for that to be encrypted. Say it again.");
}

// Return a session that all readers have the key of, and their epoch; null if something changed meanwhile.
async function prepare(name, readers, epoch) {
  const at = epoch();
  const targets = [];
  let total = 0;
  if (!readers().has(keys.own.account)) throw new Refused("You are none of those who read that, so you cannot say anything.");
  for (const [account, who] of readers()) {
    try {
      total += await keys.lookUp(who);
    } catch (error) {
      if (isOpen(error)) throw error;
      continue; // an account that is no more: the room's log says so, or will
    }
    targets.push(...keys.peers.here(account).filter((one) => one.trust !== "waiting" && !keys.isMe(one)));
  }
  const wanted = new Set(targets.map(keys.own.name));
  let out = outgoing.get(name);
  if (!out || out.over || [...out.given].some((one) => !wanted.has(one))) {
    out = new Outgoing(name, keys.own);
    outgoing.set(name, out);
    keys.sessions.add(name, keys.own, out.id, out.key);
    await keys.vault.flush();
    backup.add();
  }
  const { key } = out;
  await Promise.all(targets.filter((one) => !out.given.has(keys.own.name(one))).map((one) => give(out, one, key)));
  return epoch() === at && outgoing.get(name) === out ? [out, at ?? total] : null;
}

async function give(out, peer, key) {
  try {
    await keys.write(peer, "key", { room: out.talk, session: out.id, key });
  } catch (error) {
    if (isOpen(error)) throw error;
    note(`${keys.nameOf(peer.account)} cannot read this on the device ${peer.device}: ${error.message}`, undefined, true);
  }
  out.given.add(keys.own.name(peer));
  out.accounts.add(peer.account);
}
