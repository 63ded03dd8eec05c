// Puts the page together: what the server tells goes to the screen, what is typed goes to the server.

import { $, ask, button, dialog, h, icon, menu, put, show, tool } from "./dom.js";
import { Client, Lost } from "./client.js";
import { COMMANDS, command, parse } from "./commands.js";
import { Composer } from "./composer.js";
import { Door } from "./door.js";
import { Log } from "./log.js";
import { device, keepRead, readUpTo, tab, theme, writeRead } from "./settings.js";
import { drawHead, drawPeople, drawTalks } from "./side.js";
import { speaks } from "./state.js";
import { fold, lasting, safe, some } from "./text.js";

const TYPING = 3e3; // ms between two signs that one is typing
const narrow = matchMedia("(max-width: 760px)");

let current = null; // the conversation that is open
let typedAt = 0;
let typingTimer = 0;

// -- drawing: what changed is drawn once per frame ------------------------------------

const dirty = new Set();

function changed(what, talk) {
  if (["log", "pending", "typing", "members"].includes(what) && talk !== current) return;
  if (!dirty.size) document.hidden ? setTimeout(draw, 200) : requestAnimationFrame(draw);
  dirty.add(what);
}

function draw() {
  const has = (...names) => names.some((name) => dirty.has(name));
  const all = has("me", "talks", "talk");
  const parts = new Set(dirty);
  dirty.clear();
  if (parts.has("hello")) door.offers(client.hello);
  if (!client.me) return;
  if (current && !client.talks.has(current.key)) return go(newest());
  if (all || parts.has("log")) log.update();
  if (all || parts.has("pending")) log.drawPending();
  if (all || parts.has("unread") || parts.has("log")) drawUnread();
  if (all || parts.has("members")) drawPeople(current, client.me.name, person);
  if (all) drawRest();
  if (all || parts.has("typing")) drawTyping();
  if (parts.has("link") || parts.has("me")) drawLink();
}

function drawUnread() {
  const talks = ordered();
  drawTalks(talks, current, go);
  const unread = talks.reduce((sum, talk) => sum + talk.unread, 0);
  const called = talks.some((talk) => talk.mentions);
  const name = client.hello?.server || $("brand").textContent;
  document.title = `${unread ? `(${unread}) ` : ""}${safe(name)}${current ? ` · ${safe(current.name)}` : ""}`;
  $("to-side").firstChild.dataset.count = unread ? (called ? "@" : "·") : "";
}

function drawRest() {
  const { me } = client;
  $("self").replaceChildren(h("bdi", null, safe(me.name)), h("span", { class: "tag" }, me.registered ? "account" : "guest"));
  put($("brand"), safe(client.hello?.server || $("brand").textContent));
  drawHead(current, client.hello?.server || "chatnet");
  for (const id of ["log", "composer"]) show($(id), Boolean(current) && (id === "log" || current.here));
  show($("nowhere"), !current);
  show($("head-tools"), Boolean(current));
  show($("to-people"), Boolean(current && !current.whispers));
  show($("apart"), Boolean(current && !current.here));
  put($("apart").firstChild, safe(current?.why || ""));
  $("write").placeholder = current ? (current.whispers ? `Whisper to ${safe(current.name)}` : `Say something in #${safe(current.name)}`) : "";
}

function drawTyping() {
  clearTimeout(typingTimer);
  if (!current) return;
  const now = Date.now();
  for (const [name, until] of current.typing) if (until <= now) current.typing.delete(name);
  const names = [...current.typing.keys()];
  const few = names.slice(0, 2).map((name, at) => [at > 0 && " and ", h("bdi", null, safe(name))]).flat().filter(Boolean);
  const others = names.length > 2 ? ` and ${some(names.length - 2, "other")}` : "";
  $("typing").replaceChildren(...(names.length ? [...few, `${others} ${names.length > 1 ? "are" : "is"} typing…`] : []));
  if (names.length) typingTimer = setTimeout(drawTyping, 1e3);
}

function drawLink() {
  const { state, retryAt } = client.link;
  const lost = Boolean(client.who) && !client.ready;
  show($("banner"), lost);
  if (!lost) return;
  const wait = Math.ceil((retryAt - Date.now()) / 1e3);
  const elsewhere = state === "closed";
  put($("trouble"), elsewhere ? "You came again in another window, and the chat goes on there."
    : navigator.onLine ? "The link is lost. What you write is sent when it is back."
    : "Your device is offline. What you write is sent when it is back.");
  put($("countdown"), state === "waiting" && wait > 0 ? `Trying again in ${wait} s` : elsewhere ? "" : "Trying…");
  put($("retry"), elsewhere ? "Use it here" : "Try now");
  show($("retry"), state !== "trying");
}

setInterval(drawLink, 500);

// -- what the client tells -------------------------------------------------------------

const client = new Client(new URL("ws", location.href.replace(/[#?].*/, "").replace(/^http/, "ws")).href, {
  changed,
  readUpTo,
  said(talk, entry, forMe) {
    if (talk === current) {
      changed("log", talk);
      if (!speaks(entry)) changed(entry.event === "topicset" || entry.event.endsWith("locked") ? "talk" : "members", talk);
      else if (talk.typing.size || $("typing").firstChild) changed("typing", talk);
      if (talk.line === null && talk.unread === 1 && !attentive()) talk.line = talk.read;
    } else changed("unread");
    if (forMe && !attentive()) notify(talk, entry);
  },
  note: (text, talk) => note({ text }, talk),
  announced(entry) {
    if (!current) return toast(`${safe(entry.by)} to everyone: ${safe(entry.body).slice(0, 300)}`);
    current.remark(entry);
    changed("log", current);
  },
  out(text, code) {
    if (code === "replaced") return drawLink();
    const session = tab.get("session");
    show($("app"), false);
    document.title = "chatnet";
    if (!client.me) open(null);
    door.open({ wrong: code === "quit" ? "" : text, name: session?.name, account: session?.account });
  },
}, tab);
client.ignored = new Map((device.get("ignored") || []).map((name) => [fold(name), name]));

function note(entry, talk = current) {
  if (!talk) return toast(entry.text);
  talk.remark({ event: "note", ...entry });
  changed("log", talk);
}

function toast(text) {
  put($("toast"), text);
  setTimeout(() => $("toast").textContent === text && put($("toast"), ""), 6e3);
}

const complain = (error) => note({ text: error.message, wrong: true });

// -- coming in -------------------------------------------------------------------------

const door = new Door(async (who, gate, room) => {
  client.gate = gate || client.gate;
  await client.signIn(who);
  await inside([...(tab.get("session")?.rooms || []), hashed() || room]);
});

async function inside(rooms) {
  door.close();
  show($("app"), true);
  const wanted = hashed();
  const opened = [];
  for (const name of new Set(rooms.filter((name) => name && !name.startsWith("@")))) {
    await client.join(name).then((talk) => opened.push(talk), (error) => enterLocked(name, error));
  }
  changed("me");
  const there = wanted && findTalk(wanted);
  go(there || opened.at(-1) || null);
  if (!narrow.matches) $("write").focus();
}

function start() {
  const session = tab.get("session");
  client.greeting().catch(() => {});
  if (!session) return door.open({ room: hashed() });
  if (session.account) return door.open({ name: session.name, account: true });
  client.signIn({ name: session.name }).then(() => inside([hashed(), ...session.rooms]), (error) => door.open({ wrong: error.message, name: session.name }));
}

// -- going about -----------------------------------------------------------------------

const ordered = () => [...client.talks.values()].sort((a, b) => a.whispers - b.whispers || (a.key < b.key ? -1 : 1));
const newest = () => ordered()[0] || null;
const attentive = () => document.hasFocus() && !document.hidden;

function hashed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function findTalk(name) {
  return name.startsWith("@") ? client.whispers(name.slice(1)) : client.find(name);
}

/** Open a conversation, and say so in the address. */
function go(talk) {
  const hash = talk && `#${talk.whispers ? "@" : ""}${encodeURIComponent(talk.name)}`;
  if (!talk) history.replaceState(null, "", location.pathname);
  else if (`#${hashed()}` !== hash && location.hash !== hash) history[current ? "pushState" : "replaceState"](null, "", hash);
  open(talk);
  drawer("");
  if (talk?.here && !narrow.matches) $("write").focus();
}

function open(talk) {
  current = talk;
  log.open(talk);
  composer.open(talk);
  if (talk) keepRead(talk.key, talk.read);
  else nowhere();
  changed("talk", talk);
}

async function enter(name, password = "") {
  try {
    go(await client.join(name, password));
  } catch (error) {
    enterLocked(name, error);
  }
}

function enterLocked(name, error) {
  if (error instanceof Lost || !["password-needed", "wrong-password"].includes(error.code)) return complain(error);
  ask(`#${safe(name)} has a password`, [{ label: "Password of the room", type: "password" }], "Enter", async (password) => go(await client.join(name, password)));
}

function visit() {
  const name = hashed();
  if (!client.me || !name) return;
  const talk = findTalk(name);
  if (talk) talk !== current && go(talk);
  else enter(name);
}

/** Show one of the drawers that a narrow screen has, "side" or "people"; or neither. */
function drawer(which) {
  document.body.dataset.drawer = which;
  show($("shade"), Boolean(which));
  if (which) $(which).querySelector("button")?.focus();
}

function nowhere() {
  $("nowhere").replaceChildren(h("p", null, "You are in no room."), button("See the rooms", browse, { class: "main" }));
}

// -- dialogs -----------------------------------------------------------------------------

async function browse() {
  const { rooms, more } = await client.ask("rooms").catch((error) => ({ rooms: [], more: 0, error: complain(error) }));
  dialog("Rooms", (close) => {
    const submit = (event) => {
      event.preventDefault();
      close();
      enter(event.target.elements[0].value.trim());
    };
    return [
      h("form", { class: "inline", submit }, h("label", null, h("span", null, "Enter a room, or open a new one"), h("input", { autofocus: true, required: true, maxlength: 65, autocapitalize: "none", autocomplete: "off" })), h("button", { class: "main" }, "Enter")),
      h("ul", { class: "choices" }, rooms.map((room) => h("li", null, button("", () => { close(); enter(room.name); }, null,
        h("strong", null, "#", h("bdi", null, safe(room.name)), room.locked && icon("lock")), h("small", null, `${room.people} here`), room.topic && h("span", null, h("bdi", null, safe(room.topic))))))),
      more > 0 && h("p", { class: "hint" }, `and ${more} more`),
    ].filter(Boolean);
  });
}

/** Go to a conversation by typing some of its name. */
function switcher() {
  dialog("Go to", (close) => {
    const list = h("ul", { class: "choices" });
    const fill = () => list.replaceChildren(...ordered().filter(({ name }) => fold(name).includes(fold(input.value))).map((talk) =>
      h("li", null, button("", () => { close(); go(talk); }, null, h("strong", null, talk.whispers ? "" : "#", h("bdi", null, safe(talk.name))), talk.unread > 0 && h("small", null, `${talk.unread} new`)))));
    const input = h("input", { autofocus: true, "aria-label": "Name of a room or person", input: fill, autocomplete: "off" });
    fill();
    const submit = (event) => {
      event.preventDefault();
      const first = list.querySelector("button");
      if (first) return first.click();
      close();
      if (input.value.trim()) enter(input.value.trim());
    };
    const keydown = ({ key }) => {
      const all = [input, ...list.querySelectorAll("button")];
      const step = { ArrowDown: 1, ArrowUp: -1 }[key];
      if (step) all.at((all.indexOf(document.activeElement) + step) % all.length)?.focus();
    };
    return h("form", { submit, keydown }, input, list);
  });
}

const act = (verb, fields) => client.ask(verb, fields).then((frame) => frame.reply === "noted" && note({ text: frame.text }), complain);

async function bans() {
  const room = current.name;
  const found = await client.ask("bans", { room }).catch(complain);
  if (!found) return;
  const lines = (title, list, undo) => list.length > 0 && [h("h3", null, title), h("ul", { class: "choices" }, list.map(({ who, by, until, reason }) =>
    h("li", { class: "line" }, h("span", null, h("bdi", null, safe(who)), `, by ${safe(by)}, `, until ? `for another ${lasting(until - Date.now() / 1e3)}` : "for good", reason && `: ${safe(reason)}`),
      button("Lift", (event) => { act(undo, { room, who }); event.target.closest("li").remove(); }))))];
  dialog(`Kept out of #${safe(room)}`, () => [lines("Banned", found.bans, "unban"), lines("Muted", found.mutes, "unmute"), !found.bans.length && !found.mutes.length && h("p", null, "Nobody.")].flat().filter(Boolean));
}

async function whois(who) {
  const found = await client.ask("whois", { who }).catch(complain);
  if (!found) return;
  const facts = [["Is", found.registered ? "someone with an account" : "a guest"], ["Now", found.online ? "here" : "not here"]];
  if (found.online) facts.push(["Came", `${lasting(found.seconds)} ago`], ["Silent for", lasting(found.idle)], ["Rooms", found.rooms.map((name) => `#${safe(name)}`).join(", ") || "none that you see"]);
  dialog(safe(found.name), () => h("dl", null, facts.map(([term, fact]) => [h("dt", null, term), h("dd", null, fact)])));
}

/** What one can do about a person. */
function person(name, anchor) {
  const me = client.me.name;
  const mine = fold(name) === fold(me);
  if (mine) return self(anchor);
  const room = current?.whispers ? null : current;
  const moderator = room?.moderators.has(fold(me)) && room.here;
  const here = room?.members.has(fold(name));
  const does = (label, verb, more, danger) => [label, () => act(verb, { room: room.name, who: name, ...more }), danger];
  const ignored = client.ignored.has(fold(name));
  menu(anchor, name, [
    safe(name),
    ["Whisper", () => go(client.whispers(name))],
    room?.here && ["Mention", () => composer.insert(`@${name} `)],
    ["Who is this?", () => whois(name)],
    ignored ? ["Stop ignoring", () => client.unignore(name).catch(complain)] : ["Ignore", () => client.ignore(name).then(() => note({ text: `You see nothing more of what ${name} says.` }), complain)],
    moderator && here && does("Put out", "kick", {}, true),
    moderator && { row: "Mute", items: [does("10 min", "mute", { seconds: 600 }), does("1 h", "mute", { seconds: 3600 }), does("for good", "mute", { seconds: 0 })] },
    moderator && { row: "Ban", items: [does("1 h", "ban", { seconds: 3600 }, true), does("1 day", "ban", { seconds: 86400 }, true), does("for good", "ban", { seconds: 0 }, true)] },
    moderator && (room.moderators.has(fold(name)) ? does("No longer a moderator", "deop") : here && does("Make a moderator", "op")),
  ]);
}

const quit = () => client.ask("quit").catch(() => {});

function self(anchor) {
  const { me } = client;
  menu(anchor, "You", [
    me.name,
    !me.registered && ["Change name", () => ask("Change name", [{ label: "Name", value: me.name, maxlength: 32 }], "Change", rename)],
    !me.registered && client.hello?.passwords && ["Log in", () => ask("Log in", [{ label: "Name", autocomplete: "username" }, { label: "Password", type: "password", autocomplete: "current-password" }], "Log in", (name, password) => login({ name, password }))],
    !me.registered && client.hello?.passwords && client.hello.registration && ["Keep this name", () => ask("Keep this name", [{ label: "Name", value: me.name, autocomplete: "username" }, { label: "Password", type: "password", autocomplete: "new-password", hint: "Makes an account: the name is yours for good." }], "Make the account", (name, password) => login({ name, password, fresh: true }))],
    me.registered && ["Change password", () => ask("Change password", [{ label: "Old password", type: "password", autocomplete: "current-password" }, { label: "New password", type: "password", autocomplete: "new-password" }], "Change", passwd)],
    ["Settings", settings],
    [me.registered ? "Log out" : "Leave", quit, true],
  ]);
}

async function rename(name) {
  await client.ask("nick", { name, secret: tab.get("secret") });
  client.who = { name: client.me.name };
  client.remember();
}

async function login({ fresh, ...who }) {
  await client.ask(fresh ? "register" : "login", who);
  client.who = { ...who, name: client.me.name };
  client.remember();
}

async function passwd(old, fresh) {
  const { text } = await client.ask("passwd", { old, new: fresh });
  client.who.password = fresh;
  note({ text });
}

function roomMenu(anchor) {
  const talk = current;
  const room = talk.name;
  const moderator = talk.moderators.has(fold(client.me.name)) && talk.here;
  menu(anchor, "Room", talk.whispers ? [["Close", () => client.leave(talk)]] : [
    `#${safe(room)}`,
    moderator && ["Change the topic", () => ask("Topic", [{ label: "What the room is about", value: talk.topic, maxlength: 390 }], "Change", (topic) => client.ask("topic", { room, topic }))],
    moderator && (talk.locked ? ["Let everyone in", () => act("unlock", { room })]
      : ["Give it a password", () => ask(`A password for #${safe(room)}`, [{ label: "Password", type: "password", required: true, maxlength: 128 }], "Lock", (password) => client.ask("lock", { room, password }))]),
    moderator && ["Banned and muted", bans],
    ["Leave the room", () => client.leave(talk).catch(complain), true],
  ]);
}

function settings() {
  dialog("Settings", () => {
    const themes = h("select", { change: () => theme(themes.value || null) }, [["", "As the system has it"], ["light", "Light"], ["dark", "Dark"]].map(([value, text]) =>
      h("option", { value, selected: (theme() || "") === value }, text)));
    const box = h("input", { type: "checkbox", checked: device.get("notify") && window.Notification?.permission === "granted", async change() {
      if (box.checked) box.checked = (await Notification.requestPermission()) === "granted";
      device.set("notify", box.checked);
    } });
    const names = [...client.ignored.values()];
    return [
      h("label", null, h("span", null, "Colours"), themes),
      window.isSecureContext && window.Notification ? h("label", { class: "check" }, box, h("span", null, "Tell me on the desktop when someone mentions me or whispers")) : h("p", { class: "hint" }, "Notifications need the https:// page."),
      names.length > 0 && h("h3", null, "People you ignore"),
      h("ul", { class: "choices" }, names.map((name) => h("li", { class: "line" }, h("bdi", null, safe(name)), button("Stop", (event) => { client.unignore(name).catch(complain); event.target.closest("li").remove(); })))),
      h("h3", null, "Keys"),
      h("dl", { class: "keys" }, [["Alt+↑ ↓", "previous, next conversation"], ["Ctrl+K", "go to a conversation"], ["Tab", "complete a name or command"], ["↑", "what you sent before"], ["Shift+Enter", "new line"], ["/help", "all commands"]].map(([key, does]) => [h("dt", null, key), h("dd", null, does)])),
    ].filter(Boolean);
  });
}

function notify(talk, { by, body }) {
  if (!device.get("notify")) return;
  try {
    const shown = new Notification(talk.whispers ? safe(by) : `${safe(by)} in #${safe(talk.name)}`, { body: safe(body).slice(0, 200), tag: talk.key });
    shown.onclick = () => { focus(); go(talk); };
  } catch {} // some phones only allow it elsewhere
}

// -- what is typed -----------------------------------------------------------------------

const LOCAL = {
  join: ({ room, password }) => enter(room, password),
  leave: () => client.leave(current).catch(complain),
  rooms: browse,
  who: () => narrow.matches ? drawer("people") : note({ text: `Here: ${[...current.members.values()].map(({ name }) => name).join(", ")}` }),
  topic: () => note({ text: current.topic || "The room has no topic." }),
  history: () => { $("log").scrollTop = 0; },
  nick: ({ name }) => rename(name).catch(complain),
  login: ({ name, password, fresh }) => login({ name, password, fresh }).catch(complain),
  quit,
  whois: ({ who }) => whois(who),
  ignore: ({ name }) => client.ignore(name).catch(complain),
  unignore: ({ name }) => client.unignore(name).catch(complain),
  ignored: () => note({ text: client.ignored.size ? `You ignore: ${[...client.ignored.values()].join(", ")}` : "You ignore nobody." }),
  bans,
  async ping() {
    const before = performance.now();
    await client.ask("ping").then(() => note({ text: `pong: ${Math.round(performance.now() - before)} ms` }), complain);
  },
  help({ name }) {
    const found = command(name.replace(/^\//, "").toLowerCase());
    if (found) note({ text: `${found.usage}: ${found.about}${found.also.length ? ` (also: ${found.also.map((other) => `/${other}`).join(", ")})` : ""}` });
    else note({ text: "Commands:", list: COMMANDS.map(({ usage, about }) => [usage, about]) });
  },
};

function send(text) {
  const { local, error, here, ...frame } = parse(text);
  log.unline();
  log.toEnd();
  if (error) return note({ text: error, wrong: true });
  if (local) return LOCAL[local](frame);
  if (here && current.whispers) {
    if (frame.do !== "say") return note({ text: "That is for rooms. Here you whisper.", wrong: true });
    return client.post(current, { do: "whisper", who: current.name, body: frame.action ? `* ${frame.body}` : frame.body });
  }
  if (here) frame.room = current.name;
  if (frame.do === "whisper") {
    const talk = client.whispers(frame.who);
    client.post(talk, frame);
    return go(talk);
  }
  if (["say", "roll"].includes(frame.do)) return client.post(current, frame);
  if (frame.do === "who") return client.ask("who", { room: frame.room }).then(({ name, people }) => note({ text: `In ${name}: ${people.map((one) => one.name).join(", ") || "nobody"}` }), complain);
  if (frame.do === "passwd") return passwd(frame.old, frame.new).catch(complain);
  act(frame.do, frame);
}

function typing() {
  if (current.whispers || !client.ready || Date.now() - typedAt < TYPING) return;
  typedAt = Date.now();
  client.link.send({ do: "typing", room: current.name, cid: "typing" }); // to be refused it is no news
}

const composer = new Composer({ send, typing, names: () => [...new Set([...current.members.values(), ...client.talks.values()].map(({ name }) => name))] });

const log = new Log({
  person,
  me: () => client.me.name,
  older: (talk) => client.older(talk),
  pending: (talk) => client.pending(talk),
  again: (item) => client.again(item),
  drop: (item) => client.drop(item),
  read(talk) {
    if (!attentive() || (!talk.unread && talk.read === talk.head)) return;
    talk.markRead();
    if (!talk.whispers) keepRead(talk.key, talk.read);
    changed("unread");
  },
});

// -- the page itself -----------------------------------------------------------------------

$("side-tools").append(tool("Rooms", "search", browse), tool("Settings", "gear", settings));
$("people-tools").append(tool("Close", "close", () => drawer(""), { class: "tool drawer-only" }));
$("to-side").append(tool("Conversations", "menu", () => drawer("side")));
$("head-tools").append(tool("People", "people", () => narrow.matches || matchMedia("(max-width: 1000px)").matches ? drawer("people") : document.body.classList.toggle("alone"), { id: "to-people" }),
  tool("Room menu", "more", (event) => roomMenu(event.currentTarget), { id: "room-menu", "aria-haspopup": "menu" }));
document.querySelector(".send").append(icon("send"));
$("jump").prepend(icon("down"));
$("self").addEventListener("click", (event) => self(event.currentTarget));
$("retry").addEventListener("click", () => client.link.state === "closed" ? client.link.open() : client.link.nudge());
$("shade").addEventListener("click", () => drawer(""));
$("enter-again").addEventListener("click", () => enter(current.name, current.password));
$("close-talk").addEventListener("click", () => client.close(current));
$("skip").addEventListener("click", (event) => { event.preventDefault(); $("write").focus(); });

addEventListener("hashchange", visit);
addEventListener("popstate", visit);
addEventListener("online", () => client.link.nudge());
addEventListener("offline", () => client.link.nudge());
addEventListener("focus", () => current && log.scrolled());
addEventListener("blur", () => current && log.bottom && log.unline());
addEventListener("pagehide", writeRead);
addEventListener("beforeunload", (event) => client.outbox.some(({ state }) => state !== "refused") && event.preventDefault());
document.addEventListener("visibilitychange", () => document.hidden || client.link.nudge());
addEventListener("keydown", (event) => {
  const step = event.altKey && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!client.me || $("app").hidden) return;
  if (step) {
    const all = ordered();
    event.preventDefault();
    if (all.length) go(all.at((all.indexOf(current) + step) % all.length));
  } else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) switcher();
  } else if (event.key === "Escape" && document.body.dataset.drawer) drawer("");
});
function fit() {
  document.documentElement.style.setProperty("--height", `${visualViewport.height}px`);
}
visualViewport?.addEventListener("resize", fit);

theme();
start();
