// Megolm sessions: the one in which one speaks in a room, and all in which others spoke.

import { check, from, pack, unpack, v } from "./olm.js";

const MOST_MESSAGES = 100; // of one session
const MOST_TIME = 7 * 86400e3; // ms

// A session in which one speaks. It is never written down: each start begins another one.
export class Outgoing {
  given = new Set(); // names of devices
  accounts = new Set();
  taken = 0; // messages that the server took

  constructor(talk, own) {
    Object.assign(this, { talk, own, group: new v.GroupSession(), began: Date.now() });
  }

  get id() {
    return this.group.session_id;
  }

  get key() {
    return this.group.session_key;
  }

  get over() {
    return this.group.message_index >= MOST_MESSAGES || Date.now() - this.began >= MOST_TIME;
  }

  seal(kind, fields) {
    return this.group.encrypt(pack(kind, { room: this.talk, n: this.taken + 1, ...from(this.own), ...fields }));
  }
}

// Why a message cannot be read, in words; with a code.
export class Unreadable extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

const missing = ({ by, device }) =>
  new Unreadable("missing", `Its key has not come from ${by} (device ${device}). It is shown when it comes; else ask ${by} to say it again.`);

export const forged = (what) => new Unreadable("forged", `It is forged: ${what}. The server, or somebody on it, is lying. Do not trust it.`);

// The index of a message: the number behind its first tag.
function indexOf(body) {
  const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
  let index = 0;
  if (bytes[0] !== 3 || bytes[1] !== 8) return 0;
  for (let at = 2, size = 1; ; at++, size *= 128) {
    index += (bytes[at] & 127) * size;
    if (!(bytes[at] & 128)) return index;
  }
}

export class Sessions {
  cache = new Map();

  constructor(vault) {
    this.vault = vault;
  }

  get(name) {
    const kept = this.vault.get("session", name);
    if (kept && !this.cache.has(name)) this.cache.set(name, v.InboundGroupSession.from_pickle(kept.pickle, this.vault.pickle));
    return [kept, this.cache.get(name)];
  }

  // Keep a session, if it opens more than what is kept of it; return whether it does.
  add(talk, { account, device, signing }, id, key, exported = false) {
    const name = `${account}|${device}|${id}`;
    let session;
    try {
      session = exported ? v.InboundGroupSession.import(key) : new v.InboundGroupSession(key);
    } catch {
      return false;
    }
    if (session.session_id !== id) return false;
    const [kept, before] = this.get(name);
    if (kept && (kept.talk !== talk || kept.signing !== signing || session.first_known_index >= before.first_known_index)) return false;
    this.cache.set(name, session);
    this.vault.put("session", name, { seen: {}, last: 0, ...kept, backup: "", talk, signing, pickle: session.pickle(this.vault.pickle) });
    return true;
  }

  // The names of those that are not in the backup `version`; or of all.
  names(version) {
    return this.vault.all("session").filter(([, kept]) => !version || kept.backup !== version).map(([name]) => name);
  }

  // All that is needed to read again what was read.
  exported(name) {
    const [by, device, id] = name.split("|");
    const [{ talk, signing }, session] = this.get(name);
    return { room: talk, by, device, signing, session: id, key: session.export_at(session.first_known_index) };
  }

  // It is in the backup `version`.
  kept(name, version) {
    this.vault.put("session", name, { ...this.vault.get("session", name), backup: version });
  }

  // Return what is in a message at a place {log, seq, talk, by, device, session}; throw Unreadable.
  // `live` is whether all that stood before it in the log was read here.
  open(place, body, live) {
    const name = `${place.by}|${place.device}|${place.session}`;
    const [kept, session] = this.get(name);
    if (!kept) throw missing(place);
    let index, plain;
    try {
      if (indexOf(body) < session.first_known_index) throw missing(place);
      ({ message_index: index, plaintext: plain } = session.decrypt(body));
    } catch (error) {
      throw error instanceof Unreadable ? error : forged("its session does not open it");
    }
    if (kept.talk !== place.talk) throw forged("its session is for another room");
    this.check(kept.seen, place, index);
    let fields;
    try {
      fields = unpack(plain);
      check(fields, { room: place.talk, by: place.by, device: place.device, signing: kept.signing }, "the message");
    } catch ({ name: kind, message }) {
      throw kind === "newer" ? new Unreadable("newer", "It is of a newer client. Reload the page when the server is brought up to date.") : forged(message);
    }
    let withheld = 0;
    if (live && Number.isInteger(fields.n)) {
      if (kept.last) withheld = Math.max(0, fields.n - kept.last - 1);
      kept.last = Math.max(kept.last, fields.n);
    }
    if (live || !kept.seen[index]) {
      kept.seen[index] = [place.log, place.seq];
      this.vault.put("session", name, kept);
    }
    return { fields, withheld, signing: kept.signing };
  }

  check(seen, { log, seq, by }, index) {
    const before = seen[index];
    if (before && (before[0] !== log || before[1] !== seq)) throw new Unreadable("replayed", `It is a copy of message #${before[1]}, which the server shows again. Ignore it.`);
    for (const [other, [where, place]] of Object.entries(seen)) {
      if (where === log && Number(other) !== index && Number(other) < index !== place < seq) {
        throw new Unreadable("disordered", `The server shows it out of order: ${by} said it at another time. Be careful.`);
      }
    }
  }
}
