// The letters to this device: opened in order, remembered, and only then collected.

import * as backup from "./backup.js";
import * as client from "./client.js";
import * as keys from "./keys.js";
import { check, from, talkOf, to, unpack } from "./olm.js";
import { isOpen, Refused } from "./state.js";
import { fold } from "./text.js";

const AGAIN = 5e3; // ms until the server is asked again, when it could not say
const ANEW = 3600e3; // ms between two sessions that are begun because letters cannot be opened

let log = ""; // where they stand
let caughtUp = null; // who waits for those up to a seq: {upto, resolve, reject}
let working = false;
const letters = []; // that are to be opened
const anew = new Map();

export const isLetter = ({ room }) => room === log;

// Expect the letters that the server announces, and return when they are open.
export async function begin(reply) {
  const { vault } = keys;
  log = reply.log;
  if ((vault.get("letters") || 0) > reply.upto) vault.put("letters", "", reply.upto); // the server lost part of its data
  if ((vault.get("letters") || 0) < reply.upto) await new Promise((resolve, reject) => (caughtUp = { upto: reply.upto, resolve, reject }));
}

export function put(entry) {
  if (entry.seq <= keys.vault.get("letters")) return;
  letters.push(entry);
  work();
}

// The link is lost: what waits comes again.
export function stop() {
  log = "";
  letters.length = 0;
  caughtUp?.reject(new Refused("The link is lost.", "lost"));
  caughtUp = null;
}

async function work() {
  if (working) return;
  working = true;
  let upto = 0;
  while (letters.length) {
    const [entry] = letters;
    try {
      const changed = await open(entry);
      keys.vault.put("letters", "", entry.seq);
      await keys.vault.flush(); // before the server may forget it
      if (changed) client.changed("rows");
    } catch (error) {
      if (error.code === "lost") break;
      if (isOpen(error)) {
        await new Promise((resolve) => setTimeout(resolve, AGAIN));
        continue;
      }
      console.error(error); // one letter is no reason to read no others
    }
    if (letters[0] !== entry) continue; // the link was lost: it comes again
    letters.shift();
    if (entry.event === "letter") upto = entry.seq;
  }
  working = false;
  if (upto) client.ask("collected", { upto }).catch(() => {});
  if (caughtUp && keys.vault.get("letters") >= caughtUp.upto) {
    caughtUp.resolve();
    caughtUp = null;
  }
}

// Open a letter; return whether messages can be read now that could not be before.
async function open({ event, by, device, body }) {
  if (event !== "letter") return false;
  const account = fold(by);
  let peer = keys.peers.find(account, device);
  if (!peer) {
    await keys.lookUp(by, true).catch((error) => {
      if (isOpen(error)) throw error;
    });
    peer = keys.peers.find(account, device);
  }
  if (!peer) return false;
  const plain = keys.own.open(peer, body);
  if (!plain) return again(peer);
  let fields;
  try {
    fields = unpack(plain);
    check(fields, { ...from(peer), ...to(keys.own) }, "the letter");
  } catch ({ message }) {
    console.warn(`a letter is not what it should be: ${message}`);
    return false;
  }
  if (fields.type === "verify") import("./verify.js").then(({ hear }) => hear(peer, fields));
  if (fields.type !== "key") return false;
  const pair = talkOf(account, keys.own.account);
  if (String(fields.room).startsWith("@") && fields.room !== pair && account !== keys.own.account) return false;
  if (!keys.sessions.add(fields.room, peer, fields.session, fields.key)) return false;
  backup.add();
  return keys.reread(fields.session);
}

// Begin another session, in which the other side can be understood.
function again(peer) {
  const name = keys.own.name(peer);
  if (Date.now() - (anew.get(name) || 0) > ANEW) {
    anew.set(name, Date.now());
    keys.meet(peer).then(() => keys.write(peer, "dummy", {})).catch(() => {});
  }
  return false;
}
