// Devices: listed, compared by their fingerprints, named and removed.

import { button, dialog, h } from "./dom.js";
import * as client from "./client.js";
import * as keys from "./keys.js";
import { act, note } from "./main.js";
import { Refused } from "./state.js";
import { fold } from "./text.js";

const MARKS = { known: "not verified", waiting: "new: nothing is encrypted for it", verified: "verified" };
const LONGEST = 32; // characters of a name
const shown = new Map(); // whose fingerprints people saw: devices, by account

export const fingerprint = (key) => key.match(/.{1,4}/g).join(" ");

const nameOf = (account) => keys.names.get(account) || account;

const complain = ({ message }) => note(message, undefined, true);

const dated = (at) => at && new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short", year: "numeric" });

// List the devices of somebody: how far they are trusted, and the fingerprints of their keys.
export async function devices({ who = client.me.name } = {}) {
  keys.needed();
  await keys.lookUp(who, true);
  const { own, peers } = keys;
  const account = fold(who);
  const mine = account === own.account;
  const others = peers.here(account).filter(({ device }) => !mine || device !== own.device);
  const again = () => devices({ who }).catch(complain);
  shown.set(account, others);
  const box = dialog(mine ? "Your devices" : `Devices of ${nameOf(account)}`,
    h("p.hint", others.length || mine ? "What is encrypted is encrypted for these. A fingerprint is compared with what its owner sees." : `${who} has no device with keys, so nothing can be encrypted for ${who}.`),
    h("ul.devices", mine && line({ ...own, trust: "own", made: own.made, called: keys.vault.get("called", own.device) }, mine, again),
      others.map((one) => line({ ...one, called: keys.vault.get("called", one.device) }, mine, again))),
    h("p.choices",
      others.length > 0 && button("Compare emoji", () => (box.close(), import("./verify.js").then(({ verify }) => verify({ who })).catch(complain)), { class: "main" }),
      others.some(({ trust }) => trust !== "verified") && button("The fingerprints are the same", () => (believe({ who }), again()))));
}

function line({ device, signing, trust, label, called, made }, mine, again) {
  const is = trust === "own";
  const when = dated(made);
  return h(`li.device${trust === "verified" ? ".verified" : ""}`,
    h("strong", h("bdi", called || label || device)),
    h("small", [(called || label) && device, is ? "this browser" : MARKS[trust], when && `${is ? "made" : "first seen"} ${when}`].filter(Boolean).join(" \u00b7 ")),
    h("code", fingerprint(signing)),
    mine && h("span", button("Name it", () => rename(device, again), { class: "more" }), button("Remove it", () => remove({ device }), { class: "more danger" })));
}

// Show fingerprints; or, with "ok", believe those that were shown, and no others.
export function compare({ who, ok }) {
  if (ok) return believe({ who });
  return devices({ who });
}

function believe({ who }) {
  keys.needed();
  const account = fold(who);
  const compared = (shown.get(account) || []).filter(({ device }) => device !== keys.own.device || account !== keys.own.account);
  shown.delete(account);
  if (!compared.length) throw new Refused(`Nothing to compare was shown: /fingerprint ${who} first.`);
  for (const one of compared) keys.verified(one);
  note(`Verified, because you compared the keys: ${compared.map(({ device }) => device).join(", ")} of ${nameOf(account)}.`);
}

export function trust({ who }) {
  keys.needed();
  const found = keys.accept(who);
  note(found.length ? `From now on it is encrypted for ${found.join(", ")} of ${who} as well.` : `No device of ${who} waits for that.`);
}

// -- one's own

function owned(device) {
  keys.needed();
  const { own, peers } = keys;
  const id = device.toUpperCase();
  if (id === own.device || peers.here(own.account).some((one) => one.device === id)) return id;
  throw new Refused(`You have no device ${device}. /devices lists them.`);
}

// Call a device something; that is for one's own eyes, and stays in this browser.
export async function call({ device, body = "" }) {
  const id = owned(device);
  const called = body.trim();
  if (called.length > LONGEST) throw new Refused(`A device's name has at most ${LONGEST} characters.`);
  keys.vault.put("called", id, called);
  await keys.vault.flush();
  note(called ? `You call ${id} ${called}. Only this browser knows.` : `${id} has no name any more.`);
}

function rename(device, again) {
  const field = h("input", { name: "called", maxlength: LONGEST, autocomplete: "off", autofocus: true, value: keys.vault.get("called", device) || "" });
  const submit = (event) => {
    event.preventDefault();
    call({ device, body: field.value }).then(again).catch(complain);
  };
  dialog(`What is ${device}?`, h("form", { submit }, h("label", h("span", "its name, for you alone: it stays in this browser"), field), h("button.main", "OK")));
}

// Ask whether a device is to be removed, and remove it.
export function remove({ device: given }) {
  const device = owned(given);
  const { own } = keys;
  const here = device === own.device;
  const called = keys.vault.get("called", device);
  const gone = async () => {
    box.close();
    if (here) await keys.end();
    else await act("removedevice", { device });
    if (!here) note(`The device ${device} is removed. Nothing is encrypted for it from now on. If you lost it, change your password as well: /passwd.`);
  };
  const box = dialog(`Remove ${called ? `${called} (${device})` : device}?`,
    h("p", here
      ? "It is this browser: its keys are deleted here, and you are logged out. What only it could read cannot be read again without a recovery phrase."
      : "Nothing is encrypted for it from now on, in any room, and it is logged out. What it could read until now stays with whoever has it."),
    h("p.choices", button("Remove it", () => gone().catch(complain), { class: "danger" }), button("Keep it", () => box.close(), { class: "main", autofocus: true })));
}
