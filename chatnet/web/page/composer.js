// Where one writes: completes commands and names, remembers what was sent.

import * as client from "./client.js";
import { COMMANDS, commandOf, isCommand } from "./commands.js";
import { $, h, show } from "./dom.js";
import * as link from "./link.js";
import { fold } from "./text.js";

const SECRETS = /^\s*(login|newuser|register|passwd|lock|join|recovery)\b/i; // not to be recalled
const TYPING = 3e3; // ms between two signs that one is typing

const box = $("write");
const list = $("suggestions");
let talk = null;
let found = []; // {text, label, about}: what is suggested for the word before the caret
let chosen = 0; // which of them
let recalled = -1; // how many back what is in the box was sent
let typedAt = 0;

export function open(other) {
  if (talk) talk.draft = box.value;
  talk = other;
  fill(talk?.draft || "");
}

function fill(text) {
  box.value = text;
  fit();
}

// Put text in place of what is between `from` and the caret.
export function insert(text, from = box.selectionStart) {
  box.setRangeText(text, from, box.selectionEnd, "end");
  box.focus();
  fit();
}

function fit() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
  recalled = -1;
  suggest([]);
}

// The word before the caret, and where it begins.
function word() {
  const before = box.value.slice(0, box.selectionStart);
  const [last] = /\S*$/.exec(before);
  return [last, before.length - last.length];
}

function commands(start) {
  return COMMANDS.filter(({ name }) => name.startsWith(start))
    .map(({ name, usage, about }) => ({ text: `/${name}`, label: usage, about }));
}

function people(start) {
  const [, mark, wanted] = /^(@?)(.*)$/.exec(start);
  const names = [...talk.members.values(), ...client.talks.values()].map(({ name }) => name);
  return [...new Set(names)].filter((name) => fold(name).startsWith(fold(wanted))).slice(0, 8)
    .map((name) => ({ text: mark + name, label: name }));
}

function suggest(what, which = 0) {
  if (!what.length && !found.length) return;
  found = what;
  chosen = which;
  show(list, found.length > 0);
  list.replaceChildren(...found.map(({ label, about }, at) =>
    h("div", { id: `suggestion-${at}`, role: "option", "aria-selected": String(at === chosen), pointerdown: (event) => choose(at, event) },
      h("bdi", label), about && h("small", about))));
  box.setAttribute("aria-activedescendant", found.length ? `suggestion-${chosen}` : "");
  list.children[chosen]?.scrollIntoView({ block: "nearest" });
}

function choose(at, event) {
  event.preventDefault();
  insert(`${found[at].text} `, word()[1]);
}

function typed() {
  fit();
  const [last, from] = word();
  if (isCommand(last) && !box.value.slice(0, from).trim()) suggest(commands(last.slice(1).toLowerCase()));
  else if (/^@./.test(last)) suggest(people(last));
  if (!box.value || isCommand(box.value) || talk.whispers || !client.ready || Date.now() - typedAt < TYPING) return;
  typedAt = Date.now();
  link.send({ do: "typing", room: talk.name, cid: "typing" }); // to be refused it is no news
}

function key(event) {
  const { key, shiftKey, isComposing, altKey, ctrlKey, metaKey } = event;
  const step = { ArrowDown: 1, ArrowUp: -1 }[key];
  const any = found.length > 0;
  const [last] = word();
  if (isComposing || altKey || ctrlKey || metaKey) return;
  if (key === "Enter" && !shiftKey) any && found[chosen].text !== last ? choose(chosen, event) : $("composer").requestSubmit();
  else if (key === "Escape") suggest([]);
  else if (any && step) suggest(found, (chosen + step + found.length) % found.length);
  else if (key === "Tab" && !shiftKey && (any || last)) {
    if (!any) suggest(people(last));
    if (!found.length) return;
    if (any || found.length === 1) choose(chosen, event);
  } else if (step && (recalled >= 0 || (step < 0 && !box.value))) recall(recalled - step);
  else return;
  event.preventDefault();
}

function recall(back) {
  const { sent } = talk;
  const at = Math.min(back, sent.length - 1);
  fill(at < 0 ? "" : sent.at(-1 - at));
  recalled = at;
}

// Return what was written, and forget it but for the up arrow.
export function take() {
  const text = box.value.replace(/^\s*\n|\s+$/g, "");
  if (text && !SECRETS.test(commandOf(text)) && talk.sent.at(-1) !== text) talk.sent = [...talk.sent.slice(-49), text];
  fill("");
  return text;
}

box.oninput = typed;
box.onkeydown = key;
box.onblur = () => suggest([]);
