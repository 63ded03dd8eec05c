// Where this browser keeps keys: rows in IndexedDB, encrypted under keys that no script can read out.

import { Refused } from "./state.js";

const encoder = new TextEncoder();
const PATIENCE = 3e3; // ms for another window with the same keys to end

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = request.oncomplete = () => resolve(request.result);
  request.onerror = request.onabort = () => reject(new Refused(`This browser does not keep keys: ${request.error?.message}`));
});

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

const claims = new Map(); // promises of what lets go of the keys that this window has, or waits for; by account

// Get the keys of an account for this window alone: two would use a ratchet twice.
function claim(account) {
  if (!claims.has(account)) {
    claims.set(account, new Promise((granted) => navigator.locks.request(`chatnet-keys-${account}`, () => new Promise(granted))));
  }
  return claims.get(account);
}

// Leave the keys of an account to another window, once what is written is there; also if they are only waited for.
export function release(account, written = Promise.resolve()) {
  const claimed = claims.get(account);
  claims.delete(account);
  const safe = written.catch(() => {});
  claimed?.then((letGo) => safe.then(letGo));
}

export class Vault {
  rows = new Map(); // values, by kind and name
  dirty = new Set();
  writing = Promise.resolve();

  // Open the keys of an account. While another window has them, throw, and call `freed` when it lets go of them.
  static async open(account, freed) {
    const claimed = claim(account);
    if (!(await Promise.race([claimed, new Promise((resolve) => setTimeout(resolve, PATIENCE))]))) {
      claimed.then(freed);
      throw new Refused("Encryption is in use in another window of this browser: read and write there. When that is closed, it goes on here.", "elsewhere");
    }
    try {
      return await new Vault().load(account);
    } catch (error) {
      release(account);
      throw error;
    }
  }

  async load(account) {
    const opening = indexedDB.open(`chatnet-keys-${account}`, 1);
    opening.onupgradeneeded = () => ["secrets", "rows"].forEach((name) => opening.result.createObjectStore(name));
    this.base = await done(opening);
    this.account = account;
    let secrets = await done(this.store("secrets").get("keys"));
    if (!secrets) {
      secrets = {
        aes: await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]),
        mac: await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
      };
      await done(this.store("secrets", "readwrite").put(secrets, "keys"));
    }
    this.secrets = secrets;
    for (const { iv, data } of await done(this.store("rows").getAll())) {
      const [place, value] = JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, secrets.aes, data)));
      this.rows.set(place, value);
    }
    if (!this.get("pickle")) this.put("pickle", "", [...crypto.getRandomValues(new Uint8Array(32))]);
    this.pickle = new Uint8Array(this.get("pickle"));
    return this;
  }

  close() {
    release(this.account, this.flush());
  }

  store(name, mode) {
    return this.base.transaction(name, mode).objectStore(name);
  }

  get(kind, name = "") {
    return this.rows.get(`${kind}/${name}`);
  }

  // [name, value] of all rows of a kind.
  all(kind) {
    return [...this.rows].filter(([place, value]) => value !== null && place.startsWith(`${kind}/`)).map(([place, value]) => [place.slice(kind.length + 1), value]);
  }

  // Keep nothing any more.
  async destroy() {
    await this.writing.catch(() => {});
    this.base.close();
    await done(indexedDB.deleteDatabase(this.base.name));
    this.close();
  }

  put(kind, name, value) {
    this.rows.set(`${kind}/${name}`, value);
    this.dirty.add(`${kind}/${name}`);
  }

  // Write what changed, all of it or nothing; what depends on that is sent afterwards.
  flush() {
    return (this.writing = this.writing.catch(() => {}).then(() => this.write()));
  }

  async write() {
    const places = [...this.dirty];
    if (!places.length) return;
    this.dirty.clear();
    const rows = await Promise.all(places.map((place) => this.sealed(place)));
    const store = this.store("rows", "readwrite");
    for (const [id, row] of rows) store.put(row, id);
    await done(store.transaction).catch((error) => {
      places.forEach((place) => this.dirty.add(place));
      throw error;
    });
  }

  async sealed(place) {
    const plain = encoder.encode(JSON.stringify([place, this.rows.get(place)]));
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const { aes, mac } = this.secrets;
    return [hex(await crypto.subtle.sign("HMAC", mac, encoder.encode(place))), { iv, data: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, aes, plain) }];
  }
}
