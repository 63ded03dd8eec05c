// Where this browser keeps keys: rows in IndexedDB, encrypted under keys that no script can read out.

import { Refused } from "./state.js";

const encoder = new TextEncoder();
const PATIENCE = 3e3; // ms for another window with the same keys to end

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = request.oncomplete = () => resolve(request.result);
  request.onerror = request.onabort = () => reject(new Refused(`This browser does not keep keys: ${request.error?.message}`));
});

const hex = (bytes) => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Vault {
  rows = new Map(); // values, by kind and name
  dirty = new Set();
  writing = Promise.resolve();

  // Open the keys of an account: in one window at a time, for two would use a ratchet twice.
  static async open(account) {
    const vault = new Vault();
    await new Promise((resolve, reject) => {
      const held = () => new Promise((letGo) => resolve((vault.close = letGo)));
      navigator.locks.request(`chatnet-keys-${account}`, { signal: AbortSignal.timeout(PATIENCE) }, held).catch(() =>
        reject(new Refused("Another window of this browser has your keys. Read and write there, or close it and reload this one.")));
    });
    const opening = indexedDB.open(`chatnet-keys-${account}`, 1);
    opening.onupgradeneeded = () => ["secrets", "rows"].forEach((name) => opening.result.createObjectStore(name));
    vault.base = await done(opening);
    let secrets = await done(vault.store("secrets").get("keys"));
    if (!secrets) {
      secrets = {
        aes: await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]),
        mac: await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
      };
      await done(vault.store("secrets", "readwrite").put(secrets, "keys"));
    }
    vault.secrets = secrets;
    for (const { iv, data } of await done(vault.store("rows").getAll())) {
      const [place, value] = JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, secrets.aes, data)));
      vault.rows.set(place, value);
    }
    if (!vault.get("pickle")) vault.put("pickle", "", [...crypto.getRandomValues(new Uint8Array(32))]);
    vault.pickle = new Uint8Array(vault.get("pickle"));
    return vault;
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
