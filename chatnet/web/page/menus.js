// Menus, and dialogs that ask for something. Fetched when one is wanted first.

import * as client from "./client.js";
import { command } from "./commands.js";
import * as composer from "./composer.js";
import { $, button, dialog, h, icon, menu, put, show } from "./dom.js";
import { DOES, act, current, enter, go, ordered, run } from "./main.js";
import { fold } from "./text.js";

// A line of a dialog, which closes when it is chosen.
export function choice(name, about, more, act) {
  const click = (event) => {
    event.target.closest("dialog").close();
    act();
  };
  return h("li", button([h("strong", h("bdi", name)), h("small", about), more && h("small.topic", h("bdi", more))], click));
}

// Ask for what a command needs; `given` is known already.
export function form(title, name, given = {}) {
  const wrong = h("p.wrong", { role: "alert" });
  const { fields } = command(name);
  const inputs = fields.map(({ term, field }) => h("label", h("span", term.toLowerCase()), h("input", {
    name: field, value: given[field], autofocus: !given[field] || !fields[1], required: !/topic|invitation/.test(field),
    type: ["password", "old", "new"].includes(field) ? "password" : "text", autocomplete: field === "name" ? "username" : null,
  })));
  const submit = async (event) => {
    event.preventDefault();
    try {
      await run(name, Object.fromEntries(new FormData(event.target)));
      box.close();
    } catch ({ message }) {
      put(wrong, message);
    }
  };
  const box = dialog(title, h("form", { submit }, inputs, wrong, h("button.main", "OK")));
}

// Enter a room, or go to whispers: from a list or by name.
export async function browse() {
  if (document.querySelector("dialog[open]")) return;
  const { rooms, more } = await client.ask("rooms");
  const list = h("ul",
    rooms.map(({ name, people, locked, topic }) => choice([`#${name}`, locked && icon("lock")], `${people} here`, topic, () => enter(name))),
    ordered().filter((talk) => talk.whispers).map((talk) => choice(talk.name, "whispers", "", () => go(talk))));
  const filter = () => {
    for (const line of list.children) show(line, fold(line.textContent).includes(fold(input.value)));
  };
  const input = h("input", { autofocus: true, required: true, maxlength: 65, autocomplete: "off", input: filter });
  const label = h("label", h("span", "Enter a room, or open a new one"), input);
  const submit = () => enter(input.value.trim());
  dialog("Rooms", h("form", { method: "dialog", submit }, label, h("button.main", "Enter")), list, more > 0 && h("p.hint", `and ${more} more`));
}

// What one can do about a person.
export function person(name, anchor) {
  const me = client.me.key;
  const key = fold(name);
  if (key === me) return self(anchor);
  const room = current?.here && !current.whispers && current;
  const moderates = room && room.moderators.has(me);
  const here = moderates && room.members.has(key);
  const does = (label, verb, seconds, kind) => [label, () => act(verb, { room: room.name, who: name, seconds }), kind];
  menu(anchor, name, [
    ["Whisper", () => go(client.whispers(name))],
    room && ["Mention", () => composer.insert(`@${name} `)],
    ["Who is this?", () => DOES.whois({ who: name })],
    client.me.registered && ["Devices and keys", () => DOES.devices({ who: name })],
    client.ignored.has(key) ? ["Stop ignoring", () => client.ignore(name, "unignore")] : ["Ignore", () => client.ignore(name)],
    here && does("Put out", "kick", undefined, "danger"),
    moderates && ["Mute", [does("10 min", "mute", 600), does("1 h", "mute", 3600), does("for good", "mute")]],
    moderates && ["Ban", [does("1 h", "ban", 3600, "danger"), does("1 day", "ban", 86400, "danger"), does("for good", "ban", 0, "danger")]],
    moderates && room.moderators.has(key) ? does("No longer a moderator", "deop") : here && does("Make a moderator", "op"),
  ]);
}

const asks = (label, command, given) => [label, () => form(label, command, given)];

export function self(anchor) {
  const { name, registered } = client.me;
  const { passwords, registration } = client.hello || {};
  menu(anchor, name, [
    !registered && asks("Change name", "nick", { name }),
    !registered && passwords && asks("Log in", "login", { name }),
    !registered && passwords && registration && asks("Keep this name", "newuser", { name }),
    registered && asks("Change password", "passwd"),
    registered && ["Devices and keys", () => DOES.devices({})],
    registered && ["Recovery phrase", () => DOES.recovery({})],
    ["Keyboard and commands", DOES.help],
    [registered ? "Log out" : "Leave", DOES.quit, "danger"],
  ]);
}

// Delete a message, if that is meant.
export const remove = (talk, { id, seq }, anchor) => menu(anchor, "For everybody, and for good", [
  [`Delete the ${id ? "file" : "message"}`, () => act("delete", { room: talk.name, message: seq }), "danger"],
]);

export function roomMenu() {
  const talk = current;
  const { name, whispers, here, moderators, locked, encrypted, topic } = talk;
  const moderates = here && moderators.has(client.me.key);
  menu($("head-tools"), whispers ? name : `#${name}`, [
    moderates && asks("Change the topic", "topic", { topic }),
    moderates && (locked ? ["Let everyone in", () => run("unlock")] : asks("Give it a password", "lock")),
    moderates && !encrypted && ["Encrypt it, for good", () => act("encrypt", { room: name })],
    moderates && ["Banned and muted", DOES.bans],
    [whispers ? "Close" : "Leave the room", () => client.leave(talk), "danger"],
  ]);
}
