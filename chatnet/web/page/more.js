// What is seldom done. Fetched when it is wanted first.

import * as client from "./client.js";
import { COMMANDS } from "./commands.js";
import { dialog, h } from "./dom.js";
import { act, note, openRoom } from "./main.js";
import { choice } from "./menus.js";
import { lasting } from "./text.js";

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
