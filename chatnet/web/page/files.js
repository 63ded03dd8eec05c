// Files: sent by tus (https://tus.io), and fetched; both go on after a cut. Fetched when they are wanted first.

import * as client from "./client.js";
import { $, button, dialog, h } from "./dom.js";
import { note } from "./main.js";
import { Refused } from "./state.js";

const LATER = [401, 408, 409, 423, 500, 503]; // statuses after which it is tried again
const TRIES = 8;
const SHOWN = /^image\/(png|jpeg|gif|webp|avif)$/; // what is no program, and every browser draws
const MOST_SHOWN = 8 << 20; // bytes
const MOST_OPENED = 1 << 30; // bytes of an encrypted file, which is whole in the browser before it is saved
const KEPT = 60e3; // ms that what is being saved is kept for that

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Fetch what encrypts files.
const slices = () => import("./slices.js").catch(() => {
  throw new Refused("What this page needs for encrypted files is not installed on this server: whoever runs it can do so with python -m chatnet.web.crypto. The client for terminals needs nothing from the server.");
});

export function pick(_, talk) {
  const input = h("input", { type: "file", multiple: true, change: () => send(input.files, talk) });
  input.click();
}

// Send what was chosen, dropped or pasted to a conversation, one after the other.
export async function send(files, talk) {
  if (!talk?.here) throw new Refused("Enter a room first: files go to those who are in it.");
  for (const file of [...files]) {
    await carry(file.name, "Sending", talk, (wire) => post(file, talk, wire));
  }
}

// Do something with a file that takes time: show how far it is, let it be given up, and tell why it failed.
async function carry(name, doing, talk, work) {
  const bar = h("progress", { max: 1, value: 0, "aria-label": `${doing} ${name}` });
  const wire = { // how it is given up, and told how far it is
    moved: (through, size) => (bar.value = through / (size || 1)),
    cancel() {
      wire.given = true;
      wire.abort?.();
    },
  };
  const card = h("div.card.sends", h("bdi", name), bar, button("Cancel", wire.cancel, { type: "button" }));
  $("composer").before(card);
  try {
    return await work(wire);
  } catch (error) {
    if (!(error instanceof Refused || error instanceof DOMException)) console.error(error);
    const lost = error.name === "NotReadableError" || error.name === "NotFoundError";
    note(`${name}: ${lost ? "It cannot be read any more: it was changed, moved or removed." : error.message}`, talk, true);
  } finally {
    card.remove();
  }
}

const stop = (wire) => {
  if (wire.given) throw new Refused("It is given up.");
};

// -- sending

async function post(file, talk, wire) {
  const locked = (await client.seals(talk)) && new (await slices()).Locked(file);
  const source = locked || { size: file.size, piece: (from) => file.slice(from) };
  const to = `${talk.whispers ? "p" : "r"}/${encodeURIComponent(talk.name)}/`;
  try {
    const said = locked ? { filename: "encrypted", filetype: "application/octet-stream", sealed: "1" } : { filename: file.name, filetype: file.type };
    const begun = await request("POST", to, { "Upload-Length": source.size, "Upload-Metadata": metadata(said) }, null, wire);
    if (begun.status !== 201) throw new Refused(begun.responseText.trim() || "The server cannot be reached.");
    wire.place = begun.getResponseHeader("location");
    await upload(source, wire);
  } catch (error) {
    if (wire.place) request("DELETE", wire.place, {}, null, {}).catch(() => {});
    throw error;
  }
  if (locked) client.tell(talk, { file: wire.place.split("/").at(-1), name: file.name, size: file.size, kind: file.type || "application/octet-stream", ...locked.secret });
}

async function upload(source, wire) {
  for (let have = 0, tries = 0; ; tries++) {
    wire.progress = ({ loaded }) => wire.moved(have + loaded, source.size);
    const { status, responseText, offset, entry } = await told("PATCH", have, await source.piece(have), wire);
    if (entry) return;
    if (status && status !== 204 && !LATER.includes(status)) throw new Refused(responseText.trim());
    if (status === 204 && offset > have) {
      have = offset;
      tries = -1;
      continue;
    }
    if (tries >= TRIES) throw new Refused("It does not get through.");
    await pause(500 * 2 ** tries);
    const now = await told("HEAD", 0, null, wire);
    if (now.entry) return;
    if (now.status === 404) throw new Refused("The server has lost what came of it. Send it again.");
    if (now.offset > have) tries = -1;
    have = now.offset ?? have;
  }
}

// Ask for something about an upload: how much of it the server has, and its seq if it is sent.
async function told(method, offset, body, wire) {
  const asked = await request(method, wire.place, body ? patch(offset) : {}, body, wire);
  const { status, responseText } = asked;
  const number = (name) => (status ? Number(asked.getResponseHeader(name) ?? NaN) : NaN);
  return { status, responseText, offset: Number.isNaN(number("upload-offset")) ? null : number("upload-offset"), entry: number("chatnet-entry") };
}

const patch = (offset) => ({ "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" });

function metadata(said) {
  const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return Object.entries(said).filter(([, text]) => text).map(([name, text]) => `${name} ${encode(text)}`).join(",");
}

// Return the request once it is answered, or lost: then its status is 0.
async function request(method, path, headers, body, wire) {
  stop(wire);
  const { token } = await client.ask("token").catch((error) => {
    if (error.code === "lost") return {};
    throw error;
  });
  const asked = new XMLHttpRequest();
  asked.open(method, path);
  for (const [name, value] of Object.entries({ "Tus-Resumable": "1.0.0", Authorization: `Bearer ${token}`, ...headers })) asked.setRequestHeader(name, value);
  if (body) asked.upload.onprogress = wire.progress;
  wire.abort = () => asked.abort();
  return new Promise((resolve, reject) => {
    asked.onloadend = () => (wire.given ? reject(new Refused("It is given up.")) : resolve(asked));
    asked.send(body);
  });
}

// -- fetching

async function linkTo({ id }) {
  const link = await client.ask("get", { id }).catch((error) => {
    if (error.code !== "no-such-file") throw error;
    throw new Refused("The server does not have it any more, or not for you: files go after a while, and with their message. Ask for it to be sent again.");
  });
  return { ...link, path: new URL(link.url).pathname };
}

const save = (href, name) => h("a", { href, download: name }).click();

// Save the file of an entry. Of a plain one, the browser shows how far it is, and goes on after a cut.
export async function fetchFile(entry) {
  if (!entry.key) return save((await linkTo(entry)).path, entry.name);
  const blob = await unlocked(entry, MOST_OPENED);
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  save(url, entry.name);
  setTimeout(() => URL.revokeObjectURL(url), KEPT);
}

// Show the picture of an entry: as a picture of that type, and nothing else, whatever is in it.
export async function picture(entry) {
  const { name, type, size } = entry;
  if (!SHOWN.test(type) || size > MOST_SHOWN) return note(`${name} cannot be shown here. Download it.`);
  const blob = entry.key ? await unlocked(entry, MOST_SHOWN) : await plain(entry);
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  const box = dialog(name, h("img", { src: url, alt: name }));
  box.onclose = () => URL.revokeObjectURL(url);
}

async function plain(entry) {
  const answer = await fetch((await linkTo(entry)).path);
  if (!answer.ok) throw new Refused((await answer.text()).trim());
  return new Blob([await answer.arrayBuffer()], { type: entry.type });
}

// Return what is in the encrypted file of an entry; nothing if that was said to be impossible.
const unlocked = (entry, most) => carry(entry.name, "Fetching", undefined, async (wire) => {
  const { isSure } = await import("./secrets.js");
  if (!isSure(entry)) throw new Refused("It was not seen here who sent it, so what opens it is not believed. Scroll up a little, and try again.");
  if (entry.size > most) throw new Refused(`It is too large to be opened in a browser: ${most >> 20} MiB are the most. The client for terminals fetches it.`);
  const opening = new (await slices()).Opening(entry);
  for (let tries = 0; opening.have < opening.whole; tries++) {
    const before = opening.have;
    if (await pour(entry, opening, wire)) break;
    if (opening.have > before) tries = 0;
    if (tries >= TRIES) throw new Refused("It does not get through.");
    await pause(500 * 2 ** tries);
  }
  return opening.blob();
});

// Fetch what is missing; return whether that went well, or may go well soon.
async function pour(entry, opening, wire) {
  stop(wire);
  const link = await linkTo(entry).catch((error) => {
    if (error.code !== "lost") throw error;
  });
  if (!link) return false;
  if (link.sha256 !== entry.sha256 || link.size !== opening.whole) throw opening.changed();
  const { have } = opening;
  const given = new AbortController();
  wire.abort = () => given.abort();
  try {
    const headers = have ? { Range: `bytes=${have}-`, "If-Range": `"${link.sha256}"` } : {};
    const answer = await fetch(link.path, { headers, signal: given.signal });
    if (LATER.includes(answer.status)) return false;
    if (!answer.ok) throw new Refused((await answer.text()).trim());
    if (have && answer.status !== 206) throw opening.changed();
    const reader = answer.body.getReader();
    for (let one; !(one = await reader.read()).done; wire.moved(opening.have, opening.whole)) opening.take(one.value);
    return opening.have === opening.whole;
  } catch (error) {
    stop(wire);
    if (error instanceof Refused) throw error;
    return false; // the link was lost
  }
}
