// Puts the page together.

import * as client from "./client.js";
import { isCommand, parse } from "./commands.js";
import * as composer from "./composer.js";
import { $, icon, put, show, tool } from "./dom.js";
import * as door from "./door.js";
import * as link from "./link.js";
import * as log from "./log.js";
import { tab, theme } from "./settings.js";
import { drawPeople, drawTalks } from "./side.js";
import { Refused, speaks } from "./state.js";
import { safe } from "./text.js";

const narrow = matchMedia("(max-width: 860px)");
const dirty = new Set(); // what to draw in the next frame

const unheard = []; // what has to be told when a conversation is open
export let current = null; // the conversation that is open

// -- drawing

function changed(what = "rest") {
  if (!dirty.size) document.hidden ? setTimeout(draw, 200) : requestAnimationFrame(draw);
  dirty.add(what);
}

function draw() {
  const parts = new Set(dirty);
  dirty.clear();
  if (client.hello) door.offers(client.hello);
  if (!client.me) return;
  if (current && !client.talks.has(current.key)) return go(ordered()[0]);
  if (current) parts.has("rows") ? log.redraw() : log.update();
  if (parts.has("pending")) log.drawPending();
  show($("people"), current && !current.whispers);
  if (parts.has("members") && !$("people").hidden) drawPeople(current, client.me.key);
  drawFrame();
  drawPassing();
}

function drawFrame() {
  const { name, registered } = client.me;
  const { here, whispers, why, encrypted, topic } = current || {};
  const server = client.hello?.server || $("brand").textContent;
  const title = current && (whispers ? current.name : `#${current.name}`);
  const about = whispers ? "Whispers: only the two of you see this" : safe([encrypted && "Encrypted", topic].filter(Boolean).join(" · "));
  const talks = ordered();
  const unread = talks.reduce((sum, talk) => sum + talk.unread, 0);
  drawTalks(talks, current);
  document.title = safe(`${unread ? `(${unread}) ` : ""}${server}${current ? ` · ${current.name}` : ""}`);
  put($("badge"), unread ? (talks.some((talk) => talk.mentions) ? "@" : "·") : "");
  put($("self").firstChild, name);
  put($("self").lastChild, registered ? "account" : "guest");
  put($("brand"), server);
  put($("talk-name"), title || server);
  put($("talk-topic"), about);
  $("talk-topic").title = about;
  $("write").placeholder = safe(`${whispers ? "Whisper to" : "Say something in"} ${title}`);
  put($("apart").firstChild, why || "");
  show($("log"), current);
  show($("head-tools"), current);
  show($("nowhere"), !current);
  show($("composer"), here);
  show($("apart"), current && !here);
  show($("to-people"), !whispers);
}

// Draw what passes with time: the state of the link, and who is typing.
function drawPassing() {
  const { state, retryAt } = link;
  const wait = Math.ceil((retryAt - Date.now()) / 1e3);
  const elsewhere = state === "closed";
  show($("banner"), client.who && !client.ready);
  put($("trouble"), elsewhere ? "You came again in another window, and the chat goes on there."
    : `${navigator.onLine ? "The link is lost." : "Your device is offline."} What you write is sent when it is back.`);
  put($("countdown"), elsewhere ? "" : state === "waiting" && wait > 0 ? `Trying again in ${wait} s` : "Trying…");
  put($("retry"), elsewhere ? "Use it here" : "Try now");
  const names = [...(current?.typing || [])].filter(([, until]) => until > Date.now()).map(([name]) => name);
  put($("typing"), names.length ? `${names.join(", ")} ${names[1] ? "are" : "is"} typing…` : "");
}

// -- what the client tells

client.begin({
  changed,
  note,
  said(talk, entry) {
    changed(speaks(entry) ? "rest" : "members");
    if (talk === current && talk.line === null && talk.unread === 1 && !log.attentive()) talk.line = talk.read;
  },
  out(text, code) {
    if (code === "replaced") return;
    const { name, account } = tab.get("session") || {};
    show($("app"), false);
    document.title = "chatnet";
    if (!client.me) open(null);
    door.open({ wrong: code === "quit" ? "" : text, name, account });
  },
});

// Tell the reader something that is in no log.
export function note(text, talk = current, wrong = false, choices = []) {
  const entry = { event: "note", text, wrong, choices };
  if (talk) talk.remark(entry);
  else for (const id of ["door-wrong", "noted"]) put($(id), text);
  if (!talk && (wrong || choices.length)) unheard.push(entry);
  changed();
}

const complain = ({ message }) => note(message, current, true);

// -- coming in

// Be somebody, and go where one was, or wants to be.
async function comeIn(who, password, room) {
  const { rooms = [] } = tab.get("session") || {};
  const wanted = hashed();
  let talk = null;
  await client.signIn(who, password);
  show($("app"), true);
  for (const name of new Set([...rooms, wanted || room])) {
    if (name && !name.startsWith("@")) talk = (await join(name).catch(complain)) || talk;
  }
  go(client.find(wanted) || talk);
}

function start() {
  const { name, account } = tab.get("session") || {};
  door.attend(comeIn);
  if (name && !account) return comeIn({ verb: "nick", name }).catch(({ message }) => door.open({ wrong: message, name }));
  door.open({ name, account, room: hashed() });
  return client.greeting();
}

// -- going about

export const ordered = () => [...client.talks.values()].sort((a, b) => a.whispers - b.whispers || (a.key < b.key ? -1 : 1));

function hashed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

// Open a conversation, and say so in the address.
export function go(talk = null) {
  const name = talk ? (talk.whispers ? "@" : "") + talk.name : "";
  if (hashed() !== name) history[talk && current ? "pushState" : "replaceState"](null, "", `#${encodeURI(name)}`);
  open(talk);
  drawer("");
  if (talk?.here && !narrow.matches) $("write").focus();
}

function open(talk) {
  current = talk;
  for (const entry of talk ? unheard.splice(0) : []) talk.remark(entry);
  if (client.me) drawFrame(); // what is hidden takes no focus
  log.open(talk);
  composer.open(talk);
  changed("members");
}

// Join a room; if it has a password, ask for that instead.
async function join(name, password) {
  try {
    return await client.join(name, password);
  } catch (error) {
    if (error.code !== "password-needed") throw error;
    menus("form")(`#${name} has a password`, "join", { room: name });
  }
}

export async function enter(name, password) {
  const talk = await join(name, password);
  if (talk) go(talk);
}

function visit() {
  const name = hashed();
  if (!client.me || !name) return;
  const talk = client.find(name);
  if (talk) go(talk);
  else enter(name);
}

// Show a drawer of a narrow screen: "side", "people" or "".
function drawer(which) {
  document.body.dataset.drawer = which;
  show($("shade"), which);
  if (which) $(which).querySelector("button").focus();
}

// -- what is seldom done

// Do what is seldom done: it is fetched when it is wanted.
const more = (what) => async (given) => (await import("./more.js"))[what](given, current);
const files = (what) => async (given) => (await import("./files.js"))[what](given, current);
const menus = (what) => async (...given) => (await import("./menus.js"))[what](...given);
const verify = async (given) => (await import("./verify.js")).verify(given);
const devices = (what) => async (given) => (await import("./devices.js"))[what](given);

// Ask the server to do something; tell what it says.
export async function act(verb, fields) {
  const { reply, text = reply } = await client.ask(verb, fields);
  if (reply) note(text);
}

const quit = () => client.ask("quit").catch(() => {});

// -- what is typed

export function openRoom() {
  if (current.whispers) throw new Refused("That is for rooms. Here you whisper.");
  return current.name;
}

function say(body, action) {
  if (current.whispers) client.post(current, { do: "whisper", who: current.name, body: action ? `* ${body}` : body });
  else client.post(current, { do: "say", room: current.name, body, action });
}

function whisper(fields) {
  const talk = client.whispers(fields.who);
  client.post(talk, { do: "whisper", ...fields });
  go(talk);
}

// What commands do, if it is not just what the server does.
export const DOES = {
  join: ({ room, password }) => enter(room, password),
  leave: () => client.leave(current),
  rooms: menus("browse"),
  async who({ room = current.whispers ? "" : current.name }) {
    const { name, people } = await client.ask("who", { room });
    note(`${name ? `In ${name}` : "Here"}: ${people.map((one) => one.name).join(", ") || "nobody"}`);
  },
  topic: ({ topic }) => topic === undefined ? note(current.topic || "The room has no topic.") : act("topic", { room: openRoom(), topic: topic === "-" ? "" : topic }),
  history: () => ($("log").scrollTop = 0),
  search: more("search"),
  whisper,
  spam: whisper,
  send: ({ who, body }) => who.toLowerCase() === "all" ? act("announce", { body }) : whisper({ who, body }),
  me: ({ body }) => say(body, true),
  shout: ({ body }) => say(body.toUpperCase()),
  roll: ({ dice = "1d6" }) => client.post(current, { do: "roll", room: openRoom(), dice }),
  nick: (who) => client.become({ verb: "nick", ...who }),
  login: (who) => client.become({ verb: "login", ...who }),
  newuser: (who) => client.become({ verb: "register", ...who }),
  async passwd(fields) {
    await act("passwd", fields);
    client.who.password = fields.new;
  },
  logout: quit,
  quit,
  whois: more("whois"),
  ignore: ({ name }) => name ? client.ignore(name) : note(`You ignore ${[...client.ignored.values()].join(", ") || "nobody"}.`),
  unignore: ({ name }) => client.ignore(name, "unignore"),
  bans: more("bans"),
  ping: () => act("ping"),
  help: more("help"),
  "send-file": files("pick"),
  encrypt: more("encrypt"),
  devices: devices("devices"),
  fingerprint: devices("compare"),
  namedevice: devices("call"),
  rmdevice: devices("remove"),
  verify,
  trust: devices("trust"),
  recovery: async (given) => (await import("./recovery.js")).recovery(given),
};

export const run = async (name, fields) => (DOES[name] ? DOES[name](fields) : act(name, { room: openRoom(), ...fields }));

async function submit(event) {
  const text = composer.take();
  event.preventDefault();
  if (!text) return;
  log.unline();
  log.toEnd();
  if (isCommand(text)) await run(...parse(text));
  else say(text.replace(/^\/\//, "/"));
}

// -- the page itself

function key(event) {
  const step = event.altKey && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const find = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
  if ($("app").hidden) return;
  if (event.key === "Escape") drawer("");
  if (!step && !find) return;
  event.preventDefault();
  const all = ordered();
  if (find) DOES.rooms();
  else if (all.length) go(all.at((all.indexOf(current) + step) % all.length));
}

// People and conversations can be clicked on anywhere.
function click({ target }) {
  const item = target.closest("[data-key], [data-who]");
  if (!item) return;
  const { key, who } = item.dataset;
  const talk = item.closest("#talks") && client.talks.get(key);
  if (talk) go(talk);
  else menus("person")(who || current.members.get(key).name, item);
}

const people = () => (narrow.matches ? drawer("people") : document.body.classList.toggle("alone"));

$("side-tools").append(tool("Rooms", "hash", DOES.rooms), tool("Light or dark", "moon", () => theme(true)));
$("people-tools").append(tool("Close", "close", () => drawer("")));
$("to-side").prepend(tool("Conversations", "menu", () => drawer("side")));
$("head-tools").append(tool("People", "people", people, { id: "to-people" }), tool("Room menu", "more", menus("roomMenu"), { "aria-haspopup": "menu" }));
$("send").append(icon("send"));
$("send").before(tool("Send a file", "clip", files("pick"), { type: "button" }));
$("self").onclick = () => menus("self")($("self"));
$("retry").onclick = link.open;
$("shade").onclick = () => drawer("");
$("see-rooms").onclick = DOES.rooms;
$("enter-again").onclick = () => enter(current.name, current.password);
$("close-talk").onclick = DOES.leave;
$("composer").onsubmit = submit;
onclick = click;
onkeydown = key;
onhashchange = visit;
ondragover = (event) => event.preventDefault();
ondrop = document.onpaste = (event) => {
  const { files: given } = event.dataTransfer || event.clipboardData;
  if (!given.length) return;
  event.preventDefault();
  files("send")(given);
};
ononline = onoffline = document.onvisibilitychange = link.nudge;
onbeforeunload = (event) => {
  if (client.outbox.some(({ state }) => state !== "refused")) event.preventDefault();
};
onunhandledrejection = (event) => { // what was refused, and nobody waited for
  if (!(event.reason instanceof Refused)) return;
  event.preventDefault();
  complain(event.reason);
};
visualViewport.onresize = () => document.documentElement.style.setProperty("--height", `${visualViewport.height}px`);
setInterval(drawPassing, 500);

theme();
start();
