// What opens files, believed only of who sent them: any reader could tell of others' files.

import { forged } from "./megolm.js";
import { fold } from "./text.js";

const LONGEST_NAME = 180; // bytes of UTF-8
const DEVICES = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3]) *(\.|$)/i;
const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/;
const sharers = new Map(); // accounts, by the ids of files that they sent

// Take note of who sent a file.
export const shared = ({ id, by }) => sharers.has(id) || sharers.set(id, fold(by));

// Return the file that a message opens, as an entry has it; throw Unreadable.
export function opened({ file: id, key, name, size, kind, sha256 }, by) {
  if (![id, key, name, kind, sha256].every((one) => typeof one === "string") || !Number.isSafeInteger(size) || size < 0) throw forged("it says nothing of a file");
  if (sharers.has(id) && sharers.get(id) !== by) throw forged(`it tells of a file that ${sharers.get(id)} sent`);
  return { id, key, name: safeName(name), size, type: TYPE.test(kind) ? kind : "application/octet-stream", sha256 };
}

// Whether it is known that who told of a file sent it as well.
export const isSure = ({ id, by }) => sharers.get(id) === fold(by);

const length = (text) => new TextEncoder().encode(text).length;

// A name without whatever could do harm where a file is called so; as the server makes it of those that it knows.
export function safeName(name) {
  const shown = name.slice(-4096).split(/[/\\]/).at(-1).replace(/\p{C}/gu, "").normalize("NFC");
  const plain = shown.replace(/[<>:"|?*]/g, "_").split(/\s+/).filter(Boolean).join(" ").replace(/^[. ]+|[. ]+$/g, "") || "file";
  return shortened(DEVICES.test(plain) ? `_${plain}` : plain);
}

function shortened(name) {
  if (length(name) <= LONGEST_NAME) return name;
  const dot = name.lastIndexOf(".");
  const suffix = dot > 0 && length(name.slice(dot + 1)) <= 16 ? name.slice(dot) : "";
  let stem = name.slice(0, name.length - suffix.length);
  while (length(stem + suffix) > LONGEST_NAME) stem = [...stem].slice(0, -1).join("");
  return stem.replace(/[. ]+$/, "") + suffix;
}
