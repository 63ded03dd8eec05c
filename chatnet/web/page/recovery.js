// Twelve words that bring keys back: shown once, and asked for on another browser.

import * as backup from "./backup.js";
import { button, dialog, h, put } from "./dom.js";
import * as client from "./client.js";
import * as keys from "./keys.js";
import { note } from "./main.js";
import { Refused } from "./state.js";
import { some } from "./text.js";

// Offer the words to whose browser is a new device: new ones, or to take those of the backup that there is.
export function offer(device, hasBackup) {
  const here = `This browser is your device ${device} now. Its keys are kept here alone.`;
  if (hasBackup) note(`${here} The server has a backup of your keys: its recovery phrase of 12 words brings back what you could read before.`, undefined, false, [["I have the words", () => ask()]]);
  else note(`${here} A recovery phrase of 12 words, which you write down, brings back what you can read on another one.`, undefined, false, [["Get new words", () => begin()]]);
}

// What is typed: "new", the words, or nothing.
export async function recovery({ words = "" }) {
  keys.needed();
  if (!words) return ask();
  if (words.trim().toLowerCase() === "new") return begin();
  note(said(await backup.restore(words)));
  client.changed("rows");
}

function said({ count, damaged }) {
  const hurt = damaged ? ` ${some(damaged, "part")} of the backup ${damaged === 1 ? "is" : "are"} damaged.` : "";
  return `${some(count, "key")} ${count === 1 ? "is" : "are"} back: what they open is shown where you scroll. New ones go there as well.${hurt}`;
}

export async function begin() {
  const phrase = await backup.begin();
  const box = dialog("Your recovery phrase",
    h("p", "It opens all that you can read. Write it down on paper, and show it to nobody."),
    h("ol.words", phrase.split(" ").map((word) => h("li", word))),
    h("p.hint", "The server keeps your keys encrypted under it. It is not shown again; on another browser, or in the client for terminals: /recovery and these words."),
    h("p.choices", button("I have written them down", () => box.close(), { class: "main" })));
  box.setAttribute("closedby", "none"); // a click beside it must not lose them
}

function ask() {
  const wrong = h("p.wrong", { role: "alert" });
  const field = h("textarea", { rows: 3, name: "words", required: true, autocomplete: "off", spellcheck: "false", autocapitalize: "none", autofocus: true });
  const submit = async (event) => {
    event.preventDefault();
    try {
      put(wrong, "");
      const done = await backup.restore(field.value);
      box.close();
      note(said(done));
      client.changed("rows");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      put(wrong, error.message);
    }
  };
  const box = dialog("Bring your keys back",
    h("form", { submit }, h("label", h("span", "the 12 words of your recovery phrase"), field), wrong, h("button.main", "Bring them back")),
    h("p.hint", "No phrase yet, or lost? New words begin a new backup, with what this browser can read; the old one is forgotten."),
    h("p.choices", button("Get new words", () => (box.close(), begin().catch(({ message }) => note(message, undefined, true))))));
}
