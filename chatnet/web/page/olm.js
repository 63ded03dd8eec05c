// This device: its own keys, and its Olm sessions with others. What is signed and encrypted, to the letter.

import { Refused } from "./state.js";

const FEWEST = 25; // one-time keys on the server, below which more are sent
const MORE = 50;
const MOST_SESSIONS = 5; // with one device
const encoder = new TextEncoder();

export let v = null; // vodozemac

// Fetch vodozemac, if this page may have it.
export async function load() {
  if (v) return;
  if (!isSecureContext) throw new Refused("Browsers let a page encrypt only if it comes over https://. Open it that way.");
  if (!(await (await fetch("about")).json()).page_encrypts) {
    throw new Refused("What this page needs to encrypt is not installed on this server: whoever runs it can do so with python -m chatnet.web.crypto, see docs/encryption.md. The client for terminals needs nothing from the server.");
  }
  const made = await import("./vodozemac.js");
  const { lastChild } = document.body;
  await made.default({ module_or_path: new URL("vodozemac_bg.wasm", import.meta.url) });
  while (document.body.lastChild !== lastChild) document.body.lastChild.remove(); // it greets
  v = made;
}

export const pack = (type, fields) => encoder.encode(JSON.stringify({ v: 1, type, ...fields }));

// Return what pack() was given; throw a sentence, with the name "newer" if a newer client may know it.
export function unpack(bytes) {
  let fields;
  try {
    fields = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Error("it holds no JSON");
  }
  if (typeof fields?.type !== "string") throw new Error("it holds no object with a type");
  if (fields.v !== 1) throw Object.assign(new Error("it is of another version"), { name: "newer" });
  return fields;
}

// See that `fields` hold all that is wanted.
export function check(fields, wanted, what) {
  for (const [name, value] of Object.entries(wanted)) {
    if (fields[name] !== value) throw new Error(`${what} says another ${name.replace("_", " ")} inside`);
  }
}

export const from = ({ account, device, signing }) => ({ by: account, device, signing });

export const to = ({ account, device, signing }) => ({ to: account, to_device: device, to_signing: signing });

export const deviceLines = (account, { device, identity, signing }) => ["chatnet device 1", account, device, identity, signing].join("\n");

const keyLines = (account, device, key, fallback) => [`chatnet ${fallback ? "fallback" : "one-time"} key 1`, account, device, key].join("\n");

// Whether the key `signing` signed `message`.
export function signed(signing, message, signature) {
  try {
    v.verify_signature(signing, encoder.encode(message), signature);
    return true;
  } catch {
    return false;
  }
}

const points = (text) => Array.from(text, (c) => c.codePointAt(0).toString(16).padStart(6, "0")).join("");

// The "room" of what two accounts whisper to each other.
export const talkOf = (...pair) => `@${pair.sort((a, b) => (points(a) < points(b) ? -1 : 1)).join("@")}`;

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

// Peers are {account, device, identity, signing}.
export class Own {
  constructor(vault, account) {
    const kept = vault.get("self");
    this.vault = vault;
    this.isNew = !kept;
    this.made = kept ? kept.made : Date.now();
    this.olm = kept ? v.Account.from_pickle(kept.pickle, vault.pickle) : new v.Account();
    this.account = account;
    this.device = kept ? kept.id : Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => BASE32[byte % 32]).join("");
    this.identity = this.olm.curve25519_key;
    this.signing = this.olm.ed25519_key;
    if (this.isNew) this.save();
  }

  save() {
    this.vault.put("self", "", { id: this.device, made: this.made, pickle: this.olm.pickle(this.vault.pickle) });
  }

  // How to tell the server who this is.
  be(label, since) {
    const { device, identity, signing } = this;
    return { device, label, identity, signing, signature: this.olm.sign(deviceLines(this.account, this)), since };
  }

  // What to publish when the server has so many keys left, and perhaps a fallback; or null.
  more({ keys: left, fallback }) {
    const fields = {};
    const key = (one, other) => `${one}.${this.olm.sign(keyLines(this.account, this.device, one, other))}`;
    if (left < FEWEST) {
      this.olm.generate_one_time_keys(MORE);
      fields.keys = [...this.olm.one_time_keys.values()].slice(0, MORE).map((one) => key(one)).join(" ");
    }
    if (!fallback) {
      this.olm.generate_fallback_key();
      fields.fallback = key([...this.olm.fallback_key.values()][0], true);
    }
    if (!fields.keys && !fields.fallback) return null;
    this.olm.mark_keys_as_published();
    this.save();
    return fields;
  }

  name = ({ account, device, identity }) => `${account}|${device}|${identity}`;

  knows(peer) {
    return this.vault.get("olm", this.name(peer))?.length > 0;
  }

  sessions(peer) {
    return (this.vault.get("olm", this.name(peer)) || []).map((pickle) => v.Session.from_pickle(pickle, this.vault.pickle));
  }

  keep(peer, sessions) {
    this.vault.put("olm", this.name(peer), sessions.slice(0, MOST_SESSIONS).map((one) => one.pickle(this.vault.pickle)));
  }

  // Begin a session with `peer` by a one-time key of its.
  meet(peer, { key, signature, fallback }) {
    if (!signed(peer.signing, keyLines(peer.account, peer.device, key, fallback), signature)) {
      throw new Refused("the server gave a key that is not its own.");
    }
    this.keep(peer, [this.olm.create_outbound_session(peer.identity, key), ...this.sessions(peer)]);
  }

  seal(peer, plain) {
    const sessions = this.sessions(peer);
    const { message_type: type, ciphertext } = sessions[0].encrypt(plain);
    this.keep(peer, sessions);
    return `${type}.${ciphertext}`;
  }

  // What is in a letter, or null if it cannot be opened.
  open(peer, body) {
    const [kind, text] = body.split(".");
    const sessions = this.sessions(peer);
    for (const one of sessions) {
      try {
        const plain = one.decrypt(Number(kind), text);
        this.keep(peer, [one, ...sessions.filter((other) => other !== one)]);
        return plain;
      } catch {}
    }
    if (kind !== "0") return null;
    try {
      const begun = this.olm.create_inbound_session(peer.identity, 0, text);
      const { plaintext } = begun; // before the session, which takes all
      this.save();
      this.keep(peer, [begun.session, ...sessions]);
      return plaintext;
    } catch {
      return null;
    }
  }
}
