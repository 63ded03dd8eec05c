// Where one writes: grows with the text, completes commands and names, remembers what was sent.

import { $, h, show } from "./dom.js";
import { COMMANDS } from "./commands.js";
import { fold, safe } from "./text.js";

const SECRETS = /^\/(login|newuser|register|passwd|lock|join)\b/i; // not to be recalled

export class Composer {
  /** `on` has send(text), typing(), and names(): who and what can be completed. */
  constructor(on) {
    this.on = on;
    this.box = $("write");
    this.list = $("suggestions");
    this.found = [];
    this.at = 0;
    this.talk = null;
    this.recalled = -1;
    this.box.addEventListener("input", () => this.changed(true));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("blur", () => setTimeout(() => document.activeElement === this.box || this.close(), 150));
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  open(talk) {
    if (this.talk) this.talk.draft = this.box.value;
    this.talk = talk;
    this.box.value = talk?.draft || "";
    this.recalled = -1;
    this.changed(false);
  }

  insert(text) {
    this.box.setRangeText(text, this.box.selectionStart, this.box.selectionEnd, "end");
    this.box.focus();
    this.changed(true);
  }

  changed(typed) {
    const { box } = this;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
    if (!typed) return this.close();
    if (box.value && !box.value.startsWith("/")) this.on.typing();
    const [word, at] = this.word();
    if (at === 0 && /^\/\S/.test(word) && !word.startsWith("//")) this.suggest(this.commands(word.slice(1)), 0);
    else if (word === "/") this.suggest(this.commands(""), 0);
    else if (/^@./.test(word)) this.suggest(this.people(word.slice(1), "@"), at);
    else this.close();
  }

  /** The word before the caret, and where it begins. */
  word() {
    const before = this.box.value.slice(0, this.box.selectionStart);
    const word = /\S*$/.exec(before)[0];
    return [word, before.length - word.length];
  }

  commands(start) {
    const wanted = start.toLowerCase();
    return COMMANDS.filter(({ name, also }) => [name, ...also].some((one) => one.startsWith(wanted)))
      .sort((a, b) => b.name.startsWith(wanted) - a.name.startsWith(wanted))
      .map(({ name, usage, about }) => ({ text: `/${name}`, label: usage, about }));
  }

  people(start, mark = "") {
    const wanted = fold(start);
    return this.on.names().filter((name) => fold(name).startsWith(wanted)).slice(0, 8)
      .map((name) => ({ text: mark + name, label: safe(name) }));
  }

  suggest(found, from) {
    this.found = found;
    this.from = from;
    this.at = 0;
    this.draw();
  }

  draw() {
    const { found, list, box } = this;
    show(list, found.length > 0);
    list.replaceChildren(...found.map(({ label, about }, at) =>
      h("div", { id: `suggestion-${at}`, role: "option", "aria-selected": String(at === this.at),
        pointerdown: (event) => { event.preventDefault(); this.choose(at); } },
      h("bdi", null, label), about && h("small", null, about))));
    if (!found.length) return box.removeAttribute("aria-activedescendant");
    box.setAttribute("aria-activedescendant", `suggestion-${this.at}`);
    list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  close() {
    if (this.found.length) this.suggest([], 0);
  }

  choose(at) {
    const { text } = this.found[at];
    this.box.setRangeText(`${text} `, this.from, this.box.selectionStart, "end");
    this.close();
    this.changed(false);
  }

  key(event) {
    if (event.isComposing) return;
    const { key } = event;
    const open = this.found.length > 0;
    const act = this.acts(key, event, open);
    if (!act) return;
    event.preventDefault();
    act();
  }

  acts(key, event, open) {
    const { box } = this;
    if (event.altKey || event.ctrlKey || event.metaKey) return null;
    if (key === "Enter" && !event.shiftKey) {
      const whole = open && this.found[this.at].text === this.word()[0];
      return open && !whole ? () => this.choose(this.at) : () => this.send();
    }
    if (open && key === "Escape") return () => this.close();
    if (open && (key === "ArrowDown" || key === "ArrowUp")) {
      const { length } = this.found;
      return () => { this.at = (this.at + (key === "ArrowDown" ? 1 : length - 1)) % length; this.draw(); };
    }
    if (key === "Tab" && !event.shiftKey) {
      if (open) return () => this.choose(this.at);
      const [word, at] = this.word();
      const found = word ? this.people(word) : [];
      if (!found.length) return null;
      return () => { this.suggest(found, at); if (found.length === 1) this.choose(0); };
    }
    const { sent } = this.talk;
    if (key === "ArrowUp" && sent.length && (!box.value || this.recalled >= 0)) return () => this.recall(this.recalled + 1);
    if (key === "ArrowDown" && this.recalled >= 0) return () => this.recall(this.recalled - 1);
    if (this.recalled >= 0 && key.length === 1) this.recalled = -1;
    return null;
  }

  recall(at) {
    const { sent } = this.talk;
    this.recalled = Math.min(at, sent.length - 1);
    this.box.value = at < 0 ? "" : sent.at(-1 - this.recalled);
    this.changed(false);
  }

  send() {
    const text = this.box.value.replace(/^\s*\n|\s+$/g, "");
    if (!text) return;
    if (!SECRETS.test(text) && this.talk.sent.at(-1) !== text) this.talk.sent = [...this.talk.sent.slice(-49), text];
    this.box.value = "";
    this.recalled = -1;
    this.changed(false);
    this.on.send(text);
  }
}
