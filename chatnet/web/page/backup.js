// Copies of the keys of sessions on the server, which only twelve words open: the same as the client for terminals makes.

import * as client from "./client.js";
import * as keys from "./keys.js";
import { Refused } from "./state.js";

const WORDS = 12;
const PATIENCE = 5e3; // ms for more keys, until those that are new are sent
const ROOM = 16384 * 3 / 4 - 200; // bytes of JSON in a part
const MOST_PARTS = 1900; // after which it is begun anew, in fewer and fuller ones
const NONCE = 12;
const encoder = new TextEncoder();
const LACK = "What this page needs for recovery phrases is not installed on this server: whoever runs it can do so with python -m chatnet.web.crypto, see docs/encryption.md. The client for terminals needs nothing from the server.";

let made = null; // {entropyToMnemonic, mnemonicToEntropy, wordlist, chacha20poly1305}
let timer = null;

// Fetch what WebCrypto lacks, if this page may have it.
async function load() {
  if (made) return;
  if (!(await (await fetch("about")).json()).page_recovers) throw new Refused(LACK);
  const parts = await Promise.all([import("./noble-ciphers/chacha.js"), import("./scure-bip39/index.js"), import("./scure-bip39/english.js")]);
  made = Object.assign({}, ...parts);
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g), (byte) => parseInt(byte, 16));
const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");
const unbase64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// The key that the words make for this account.
async function keyOf(phrase) {
  const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
  let entropy;
  try {
    if (words.length !== WORDS) throw new Error("not so many words");
    entropy = made.mnemonicToEntropy(words.join(" "), made.wordlist);
  } catch {
    throw new Refused(`That is no recovery phrase: it has ${WORDS} words of a list, and the last one proves the others. Look for one that is written wrongly.`);
  }
  const secret = await crypto.subtle.importKey("raw", entropy, "HKDF", false, ["deriveBits"]);
  const info = encoder.encode(`chatnet backup 1\n${keys.own.account}`);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info }, secret, 256));
}

// What the versions of backups under a key begin with.
const markOf = async (key) => `r${hex(new Uint8Array(await crypto.subtle.digest("SHA-256", key))).slice(0, 10)}`;

const cipher = (key, nonce, version) => made.chacha20poly1305(key, nonce, encoder.encode(version));

function seal(key, version, sessions) {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE));
  const sealed = cipher(key, nonce, version).encrypt(encoder.encode(JSON.stringify({ v: 1, sessions })));
  return base64(new Uint8Array([...nonce, ...sealed]));
}

function unseal(key, version, part) {
  const raw = unbase64(part);
  return JSON.parse(new TextDecoder().decode(cipher(key, raw.slice(0, NONCE), version).decrypt(raw.slice(NONCE)))).sessions;
}

// Sessions in parts, each of which fits into what the server takes at once.
function parted(sessions) {
  const parts = [];
  let room = 0;
  for (const one of sessions) {
    const size = encoder.encode(JSON.stringify(one)).length + 1;
    if (size > room) {
      parts.push([]);
      room = ROOM;
    }
    parts.at(-1).push(one);
    room -= size;
  }
  return parts;
}

// Begin a backup with all that is here, and return the words that open it.
export async function begin() {
  keys.needed();
  await load();
  const phrase = made.entropyToMnemonic(crypto.getRandomValues(new Uint8Array(16)), made.wordlist);
  await fill(await keyOf(phrase));
  return phrase;
}

async function fill(key) {
  const version = `${await markOf(key)}-${hex(crypto.getRandomValues(new Uint8Array(4)))}`;
  const names = keys.sessions.names();
  const parts = parted(names.map((name) => keys.sessions.exported(name)));
  if (!parts.length) parts.push([]);
  for (const [at, part] of parts.entries()) await client.ask("keep", { version, body: seal(key, version, part), fresh: at === 0 });
  await remember(names, { key: hex(key), version, chunks: parts.length });
}

async function remember(names, kept) {
  for (const name of names) keys.sessions.kept(name, kept.version);
  keys.vault.put("backup", "", kept);
  await keys.vault.flush();
}

// Bring back what the backup holds, and go on adding to it; return how many keys came, and how many parts are damaged.
export async function restore(phrase) {
  keys.needed();
  await load();
  const key = await keyOf(phrase);
  const mark = await markOf(key);
  const names = new Set();
  let count = 0, damaged = 0, after = 0;
  for (;;) {
    const { version, chunks, upto, more } = await client.ask("kept", { after });
    if (!version) throw new Refused("There is no backup on the server: begin one.");
    if (!version.startsWith(mark)) throw new Refused("These words are not those of the backup that the server has.");
    for (const part of chunks) {
      try {
        for (const one of unseal(key, version, part)) count += take(one, names);
      } catch {
        damaged++;
      }
    }
    if (!more || !(upto > after)) {
      await remember(names, { key: hex(key), version, chunks: upto });
      break;
    }
    after = upto;
  }
  add(); // what is here alone
  return { count, damaged };
}

function take(one, names) {
  const { room, by, device, signing, session, key } = one;
  if ([room, by, device, signing, session, key].some((text) => typeof text !== "string")) throw new Error("it is no session");
  const added = keys.sessions.add(room, { account: by, device, signing }, session, key, true);
  if (added) names.add(`${by}|${device}|${session}`);
  return added && (keys.reread(session), 1);
}

// There may be sessions that are not in the backup: send them soon.
export function add() {
  if (keys.vault?.get("backup")) timer ??= setTimeout(send, PATIENCE);
}

async function send() {
  timer = null;
  try {
    await flush();
  } catch (error) {
    if (!(error instanceof Refused)) console.error(error);
  }
}

// Send what is not in the backup yet.
export async function flush() {
  const kept = keys.vault?.get("backup");
  if (!kept || !keys.ready) return;
  await load();
  const key = unhex(kept.key);
  const names = keys.sessions.names(kept.version);
  try {
    if (kept.chunks >= MOST_PARTS) return await fill(key);
    for (const part of parted(names.map((name) => keys.sessions.exported(name)))) {
      await client.ask("keep", { version: kept.version, body: seal(key, kept.version, part), fresh: false });
      kept.chunks++;
    }
    await remember(names, kept);
  } catch (error) {
    if (error.code !== "stale") throw error;
    keys.vault.put("backup", "", null);
    await keys.vault.flush();
    keys.shout("Another device began a new backup. /recovery and its words join in here.");
  }
}
