// Two people compare seven emoji, so as to know that nobody is between their devices.

import { $, button, dialog, h, put, show } from "./dom.js";
import * as client from "./client.js";
import * as keys from "./keys.js";
import { note } from "./main.js";
import { v } from "./olm.js";
import { Refused } from "./state.js";
import { fold } from "./text.js";

const PATIENCE = 600e3; // ms for the other side
const EMOJI = (
  "🐶Dog 🐱Cat 🦁Lion 🐎Horse 🦄Unicorn 🐷Pig 🐘Elephant 🐰Rabbit 🐼Panda 🐓Rooster 🐧Penguin 🐢Turtle 🐟Fish 🐙Octopus 🦋Butterfly " +
  "🌷Flower 🌳Tree 🌵Cactus 🍄Mushroom 🌏Globe 🌙Moon ☁️Cloud 🔥Fire 🍌Banana 🍎Apple 🍓Strawberry 🌽Corn 🍕Pizza 🎂Cake ❤️Heart " +
  "😀Smiley 🤖Robot 🎩Hat 👓Glasses 🔧Spanner 🎅Santa 👍Thumbs_Up ☂️Umbrella ⌛Hourglass ⏰Clock 🎁Gift 💡Light_Bulb 📕Book ✏️Pencil " +
  "📎Paperclip ✂️Scissors 🔒Lock 🔑Key 🔨Hammer ☎️Telephone 🏁Flag 🚂Train 🚲Bicycle ✈️Aeroplane 🚀Rocket 🏆Trophy ⚽Ball 🎸Guitar " +
  "🎺Trumpet 🔔Bell ⚓Anchor 🎧Headphones 📁Folder 📌Pin"
).split(" ").map((one) => /^(.+?)([A-Z].*)$/u.exec(one.replace("_", " ")).slice(1));
const WHY = {
  user: "it was called off there.",
  mismatch: "the two of you see DIFFERENT emoji: somebody may be between you.",
  commitment: "a key was changed on the way: somebody may be between you.",
  timeout: "it took too long.",
  busy: "something else was going on there.",
  elsewhere: "it goes on with another device.",
};
const underWay = new Map(); // {peer, txn, starts, stage, sas, key, ...} by the name of a device

const nameOf = ({ account }) => keys.names.get(account) || account;

const at = ({ account, device }) => `${account}|${device}`;

const send = (one, step, fields) => keys.write(one.peer, "verify", { txn: one.txn, step, ...fields });

async function committed(key, txn, { account, device, signing }) {
  const lines = new TextEncoder().encode([key, txn, account, device, signing].join("\n"));
  return btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", lines)))).replace(/=+$/, "");
}

function keep(peer, txn, starts) {
  const sas = new v.Sas();
  const one = { peer, txn, starts, stage: starts ? "started" : "asked", sas, key: sas.public_key, began: Date.now() };
  underWay.set(keys.own.name(peer), one);
  return one;
}

// Ask all devices of `who` to compare keys, or agree to what one of them asked.
export async function verify({ who }) {
  keys.needed();
  await keys.lookUp(who, true);
  const asked = [...underWay.values()].find((one) => one.stage === "asked" && one.peer.account === fold(who));
  if (asked) return accept(asked);
  const found = keys.peers.here(fold(who)).filter(({ device }) => device !== keys.own.device);
  if (!found.length) throw new Refused(`${who} has no other device with keys to compare.`);
  const txn = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  for (const peer of found) await send(keep(peer, txn, true), "start");
  note(`Asked ${found.length === 1 ? "a device" : `${found.length} devices`} of ${who} to compare keys: /verify ${client.me.name} there.`);
}

async function accept(one) {
  one.stage = "accepted";
  await send(one, "accept", { commitment: await committed(one.key, one.txn, one.peer) });
}

// A letter came.
export async function hear(peer, fields) {
  const { step, txn } = fields;
  let one = underWay.get(keys.own.name(peer));
  if (step === "start") {
    if (one && !["started", "asked"].includes(one.stage)) return keys.write(peer, "verify", { txn, step: "cancel", code: "busy" });
    one = keep(peer, txn, false);
    return ask(one);
  }
  if (!one || one.txn !== txn) return;
  if (Date.now() - one.began > PATIENCE) return end(one, "timeout");
  try {
    await hears(one, fields);
  } catch (error) {
    await end(one, error.message in WHY ? error.message : "mismatch");
  }
}

async function hears(one, { step, commitment, key, mac, code }) {
  const { stage, starts, peer } = one;
  if (step === "cancel") return failed(one, code);
  if (step === "done") return;
  if (step === "accept" && stage === "started") {
    Object.assign(one, { commitment, stage: "accepted" });
    for (const other of underWay.values()) if (other !== one && other.txn === one.txn) await end(other, "elsewhere");
    await send(one, "key", { key: one.key });
  } else if (step === "key" && stage === "accepted") {
    if (starts && (await committed(key, one.txn, keys.own)) !== one.commitment) throw new Error("commitment");
    agree(one, key);
    if (!starts) await send(one, "key", { key: one.key });
    compare(one);
  } else if (step === "mac" && ["comparing", "yes"].includes(stage)) {
    one.mac = mac;
    if (stage === "yes") await finish(one);
  } else throw new Error("mismatch");
}

function agree(one, key) {
  const mine = `${at(keys.own)}|${keys.own.signing}|${one.key}`;
  const theirs = `${at(one.peer)}|${one.peer.signing}|${key}`;
  one.made = one.sas.diffie_hellman(key);
  const bytes = one.made.bytes(`CHATNET_SAS|${one.starts ? `${mine}|${theirs}` : `${theirs}|${mine}`}|${one.txn}`);
  one.emoji = [...bytes.emoji_indices].map((which) => EMOJI[which]);
  one.numbers = [...bytes.decimals].join(" ");
  one.stage = "comparing";
}

const info = (sender, receiver, txn) => `CHATNET_MAC|${at(sender)}|${at(receiver)}|${txn}`;

async function same(one) {
  one.stage = "yes";
  await send(one, "mac", { mac: one.made.calculate_mac(keys.own.signing, info(keys.own, one.peer, one.txn)) });
  if (one.mac) await finish(one);
}

async function finish(one) {
  const { peer, txn, made, mac } = one;
  try {
    made.verify_mac(peer.signing, info(peer, keys.own, txn), mac);
  } catch {
    return end(one, "mismatch");
  }
  underWay.delete(keys.own.name(peer));
  keys.verified(peer);
  close(one);
  note(`${nameOf(peer)} is verified on the device ${peer.device}: nobody is between you.`);
  await send(one, "done");
}

async function end(one, code) {
  failed(one, code);
  await send(one, "cancel", { code, text: WHY[code] }).catch(() => {});
}

function failed(one, code) {
  underWay.delete(keys.own.name(one.peer));
  close(one);
  if (code !== "elsewhere") note(`${nameOf(one.peer)} is not verified on the device ${one.peer.device}: ${WHY[code] || "the other side ended it."}`, undefined, true);
}

// -- what people see

// Close the dialog, and let people go on writing: where focus is put back, Chromium takes no text.
function close({ box }) {
  box?.close();
  $("write").blur();
  $("write").focus();
}

function ask(one) {
  const name = nameOf(one.peer);
  const act = (what) => () => {
    close(one);
    what();
  };
  one.box = dialog(`${name} wants to compare keys`,
    h("p", `Both of you will see seven emoji. If they are the same, nobody is between the two of you: not even this server. It is asked from the device ${one.peer.device}.`),
    h("p.choices", button("Compare", act(() => accept(one)), { class: "main", autofocus: true }), button("Not now", act(() => end(one, "user")))));
}

function compare(one) {
  const name = nameOf(one.peer);
  const act = (what) => () => {
    one.box.querySelector("button").focus(); // for what is to be hidden should not have it
    show(one.box.querySelector(".choices"), false);
    put(one.box.querySelector(".hint"), `Waiting for ${name}\u2026`);
    what();
  };
  one.box = dialog(`Does ${name} see the same?`,
    h("p", "Ask by voice, or face to face: not here."),
    h("ul.emoji", one.emoji.map(([sign, word]) => h("li", h("span", { "aria-hidden": "true" }, sign), h("small", word)))),
    h("p.hint", `or ${one.numbers}`),
    h("p.choices", button("They are the same", act(() => same(one)), { class: "main" }), button("They differ", act(() => end(one, "mismatch")), { class: "danger" })));
}
