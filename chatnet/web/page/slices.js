// Files, encrypted in slices, as docs/encryption.md says: a few of them are in memory, never all.

import { chacha20poly1305 } from "./noble-ciphers/chacha.js";
import { sha256 } from "./noble-hashes/sha2.js";
import { Refused } from "./state.js";

const SLICE = 64 * 1024; // bytes of the file that are encrypted at once
const TAG = 16;
const READ = 16; // slices that are read at once: then others have their turn
const PIECE = 8 << 20; // bytes that are uploaded at once, or lie in memory as they came
const ABOUT = new TextEncoder().encode("chatnet file 1");

const slicesOf = (size) => Math.max(1, Math.ceil(size / SLICE));

export const lockedSize = (size) => size + slicesOf(size) * TAG;

function cipher(key, number, last) {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setBigUint64(3, BigInt(number));
  nonce[11] = last ? 1 : 0;
  return chacha20poly1305(key, nonce, ABOUT);
}

const base64 = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=+$/, "");

const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// A file as it is uploaded, under a key of its own.
export class Locked {
  hash = sha256.create();
  hashed = 0; // bytes

  constructor(file) {
    this.file = file;
    this.size = lockedSize(file.size);
    this.bytes = crypto.getRandomValues(new Uint8Array(32));
  }

  // Return some of what is uploaded, from a byte on; asked for again, it is the same.
  async piece(from) {
    if (from > this.hashed) throw new Refused("The server says that it has what was not sent yet.");
    const parts = [];
    let at = Math.floor(from / (SLICE + TAG));
    let skip = from - at * (SLICE + TAG);
    for (let size = 0; size < PIECE && at < slicesOf(this.file.size); at += READ) {
      const part = (await this.sealed(at)).subarray(skip);
      const start = at * (SLICE + TAG) + skip;
      if (start + part.length > this.hashed) {
        this.hash.update(part.subarray(this.hashed - start));
        this.hashed = start + part.length;
      }
      parts.push(part);
      size += part.length;
      skip = 0;
    }
    return new Blob(parts);
  }

  // Return some slices, encrypted.
  async sealed(first) {
    const { size } = this.file;
    const plain = new Uint8Array(await this.file.slice(first * SLICE, (first + READ) * SLICE).arrayBuffer());
    const count = Math.min(READ, slicesOf(size) - first);
    const sealed = new Uint8Array(plain.length + count * TAG);
    for (let at = 0; at < count; at++) {
      const slice = plain.subarray(at * SLICE, (at + 1) * SLICE);
      sealed.set(cipher(this.bytes, first + at, first + at === slicesOf(size) - 1).encrypt(slice), at * (SLICE + TAG));
    }
    return sealed;
  }

  // What opens it, once all of it was asked for.
  get secret() {
    return { key: base64(this.bytes), sha256: hex(this.hash.digest()) };
  }
}

// A file that is being fetched: takes what comes, in order, and makes the file of it.
export class Opening {
  have = 0; // bytes that came
  hash = sha256.create();
  rest = new Uint8Array(SLICE + TAG); // of a slice that is not whole
  filled = 0;
  number = 0;
  fresh = []; // slices that were opened
  parts = []; // and those before, which the browser may put on its disk

  constructor({ key, size, sha256: digest, type, name }) {
    Object.assign(this, { size, digest, type, name, whole: lockedSize(size) });
    try {
      this.key = bytesOf(key);
    } catch {
      throw this.changed();
    }
  }

  changed = () => new Refused(`${this.name} is not the file that was sent: the server, or somebody on it, changed it. It was dropped.`);

  take(bytes) {
    if (this.have + bytes.length > this.whole) throw this.changed();
    this.hash.update(bytes);
    this.have += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const wanted = Math.min(SLICE + TAG - this.filled, bytes.length - at);
      this.rest.set(bytes.subarray(at, at + wanted), this.filled);
      this.filled += wanted;
      at += wanted;
      if (this.filled === SLICE + TAG || this.have - bytes.length + at === this.whole) this.open();
    }
  }

  open() {
    try {
      this.fresh.push(cipher(this.key, this.number, this.number === slicesOf(this.size) - 1).decrypt(this.rest.subarray(0, this.filled)));
    } catch {
      throw this.changed();
    }
    this.number++;
    this.filled = 0;
    if (this.fresh.length * SLICE >= PIECE) this.parts.push(new Blob(this.fresh.splice(0)));
  }

  // The file, if all is well.
  blob() {
    if (this.have !== this.whole || hex(this.hash.digest()) !== this.digest) throw this.changed();
    return new Blob([...this.parts, ...this.fresh], { type: this.type });
  }
}
