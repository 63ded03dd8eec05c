// What is seldom done, and files. Fetched when it is wanted first.

import * as client from "./client.js";
import { COMMANDS } from "./commands.js";
import { $, button, dialog, h } from "./dom.js";
import { act, note, openRoom } from "./main.js";
import { choice } from "./menus.js";
import { Refused } from "./state.js";
import { lasting } from "./text.js";

const LATER = [401, 408, 409, 423, 500, 503]; // statuses after which it is tried again
const TRIES = 8;
const SHOWN = /^image\/(png|jpeg|gif|webp|avif)$/; // what is no program, and every browser draws
const MOST_SHOWN = 8 << 20; // bytes

export const help = () => dialog("Keys and commands",
  h("p", "Alt+\u2191 and Alt+\u2193 change the conversation, Ctrl+K lists rooms, Tab completes, \u2191 brings back what you sent, Shift+Enter begins a line. Drop or paste files to send them."),
  h("dl", COMMANDS.map(({ usage, about }) => [h("dt", usage), h("dd", about)])));

export async function bans() {
  const room = openRoom();
  const { bans, mutes } = await client.ask("bans", { room });
  const line = (did, undo) => ({ who, by, until, reason }) =>
    choice(who, `${did} by ${by} ${until ? `for another ${lasting(until - Date.now() / 1e3)}` : "for good"}`, reason, () => act(undo, { room, who }));
  const lines = [...bans.map(line("banned", "unban")), ...mutes.map(line("muted", "unmute"))];
  dialog(`Kept out of #${room}`, h("p.hint", lines.length ? "Choose whom to let in, or speak, again." : "Nobody."), h("ul", lines));
}

export async function whois({ who }) {
  const { name, registered, online, seconds, idle, rooms } = await client.ask("whois", { who });
  const here = online ? `came ${lasting(seconds)} ago, silent for ${lasting(idle)}, in ${rooms.map((one) => `#${one}`).join(", ") || "no room that you see"}` : "not here";
  note(`${name}: ${registered ? "has an account" : "a guest"}, ${here}`);
}

export async function search({ words }) {
  const asked = {};
  words = words.replace(/\b(from|in|since):(\S+)/g, (_, name, value) => ((asked[{ from: "by", in: "room" }[name] || name] = value), ""));
  const { hits } = await client.ask("search", { words, ...asked });
  note(hits.map(({ name, seq, at, by, body }) => `${name} #${seq}, ${new Date(at * 1e3).toLocaleString()}, ${by}: ${body}`).join("\n") || "Nothing found.");
}

export async function encrypt({ on = "" }, talk) {
  const name = openRoom();
  if (/on/i.test(on)) return act("encrypt", { room: name });
  if (on) (await import("./keys.js")).forget(talk);
  const { about } = await import("./keys.js");
  note(about(talk));
}

// -- files

export function pick(_, talk) {
  const input = h("input", { type: "file", multiple: true, change: () => send(input.files, talk) });
  input.click();
}

// Send what was chosen, dropped or pasted to a conversation, one after the other.
export async function send(files, talk) {
  if (!talk?.here) throw new Refused("Enter a room first: files go to those who are in it.");
  if (client.sealed(talk)) throw new Refused("This room is encrypted, and files from this page would not be. Nothing was sent.");
  for (const file of [...files]) {
    await post(file, talk).catch((error) => note(`${file.name}: ${error.message}`, talk, true));
  }
}

// Send one file by tus (https://tus.io): after a cut it goes on where it was.
async function post(file, talk) {
  const bar = h("progress", { max: file.size || 1, value: 0, "aria-label": `Sending ${file.name}` });
  const wire = {}; // how it is given up, and told how far it is
  const cancel = () => {
    wire.given = true;
    wire.abort?.();
  };
  const card = h("div.card.sends", h("bdi", file.name), bar, button("Cancel", cancel, { type: "button" }));
  $("composer").before(card);
  try {
    const to = `${talk.whispers ? "p" : "r"}/${encodeURIComponent(talk.name)}/`;
    const begun = await request("POST", to, { "Upload-Length": file.size, "Upload-Metadata": metadata(file) }, null, wire);
    if (begun.status !== 201) throw new Refused(begun.responseText.trim() || "The server cannot be reached.");
    wire.place = begun.getResponseHeader("location");
    let have = 0;
    for (let tries = 0; ; tries++) {
      wire.progress = ({ loaded }) => (bar.value = have + loaded);
      const { status, responseText, ...answer } = await told("PATCH", have, file.slice(have), wire);
      if (answer.entry) return;
      if (status && status !== 204 && !LATER.includes(status)) throw new Refused(responseText.trim());
      if (tries === TRIES) throw new Refused("It does not get through.");
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
      const now = await told("HEAD", 0, null, wire);
      if (now.status === 404) throw new Refused("The server has lost what came of it. Send it again.");
      if (now.offset > have) tries = 0;
      have = now.offset ?? have;
    }
  } finally {
    card.remove();
    if (wire.given && wire.place) request("DELETE", wire.place, {}, null, {}).catch(() => {});
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

function metadata({ name, type }) {
  const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  return `filename ${encode(name)}${type ? `,filetype ${encode(type)}` : ""}`;
}

// Return the request once it is answered, or lost: then its status is 0.
async function request(method, path, headers, body, wire) {
  if (wire.given) throw new Refused("It is given up.");
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

const pathOf = async (id) => new URL((await client.ask("get", { id })).url).pathname;

// Let the browser download the file of an entry: it shows how far it is, and goes on after a cut.
export const fetchFile = async ({ id, name }) => h("a", { href: await pathOf(id), download: name }).click();

// Show the picture of an entry: as a picture of that type, and nothing else, whatever is in it.
export async function picture({ id, name, type, size }) {
  if (!SHOWN.test(type) || size > MOST_SHOWN) return note(`${name} cannot be shown here. Download it.`);
  const answer = await fetch(await pathOf(id));
  if (!answer.ok) throw new Refused((await answer.text()).trim());
  const url = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type }));
  const box = dialog(name, h("img", { src: url, alt: name }));
  box.onclose = () => URL.revokeObjectURL(url);
}
