// Making elements. What people wrote only ever becomes text, made safe.

import { hue, initial, safe } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const DRAWINGS = {
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  clip: "M9 12l5-5a2.5 2.5 0 0 1 4 4l-7 7a4 4 0 0 1-6-6l7-7",
  close: "M6 6l12 12M18 6L6 18",
  hash: "M10 4L8 20M16 4l-2 16M5 9h15M4 15h15",
  lock: "M7 11h10v8H7zM9 11V8a3 3 0 0 1 6 0v3",
  menu: "M4 7h16M4 12h16M4 17h16",
  moon: "M19 14.5A8 8 0 1 1 10 4.6a6.5 6.5 0 0 0 9 9.9z",
  more: "M5 12h2M11 12h2M17 12h2",
  people: "M3 19c0-3.5 2.5-5 6-5s6 1.5 6 5M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M17 14q4 1 4 5M16 4.5a3.5 3.5 0 0 1 0 6",
  shield: "M12 4l7 2.5V12c0 4-3 6.5-7 8-4-1.5-7-4-7-8V6.5zM9 12l2 2 4-4",
  sealed: "M12 4l7 2.5V12c0 4-3 6.5-7 8-4-1.5-7-4-7-8V6.5z",
  send: "M5 12h13M12 6l6 6-6 6",
};

// Make an element, "tag.class": attributes and listeners, if any, then what is in it.
export function h(tag, ...inside) {
  const [name, ...classes] = tag.split(".");
  const element = ["svg", "path"].includes(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  const props = inside[0]?.constructor === Object ? inside.shift() : {};
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key.startsWith("--")) element.style.setProperty(key, value);
    else if (value != null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...inside.flat(9).filter(Boolean).map((child) => (child.nodeType ? child : safe(child))));
  return element;
}

export const $ = (id) => document.getElementById(id);

export const show = (element, shown) => (element.hidden = !shown);

// Set the text of an element, if that changes anything.
export function put(element, text) {
  const shown = safe(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export const icon = (name) =>
  h("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: DRAWINGS[name] }));

export const button = (label, click, props) => h("button", { click, ...props }, label);

export const tool = (label, name, click, props) =>
  button(icon(name), click, { class: "tool", title: label, ...props });

export const face = (name) => h("span.face", { "--hue": hue(name), "aria-hidden": "true" }, initial(name));

// The arrow keys move among the buttons.
function arrows(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...event.currentTarget.querySelectorAll("input, button")].filter((one) => one.checkVisibility());
  all.at((all.indexOf(document.activeElement) + step) % all.length).focus();
}

// Open a menu at `anchor`. Items are [label, action, class], or [label, items] for a row of them.
export function menu(anchor, title, items) {
  const entry = ([label, act, kind]) =>
    Array.isArray(act) ? h("div.menu-row", { role: "group", "aria-label": label }, h("span", label), act.map(entry))
      : button(label, () => { popup.hidePopover(); act(); }, { role: "menuitem", class: kind });
  const toggle = ({ newState }) => newState === "closed" && popup.remove();
  const popup = h("div.menu", { role: "menu", popover: "auto", "aria-label": title, keydown: arrows, toggle },
    h("div.menu-title", h("bdi", title)), items.filter(Boolean).map(entry));
  document.body.append(popup);
  popup.showPopover();
  const { left, bottom } = anchor.getBoundingClientRect();
  popup.style.left = `${Math.max(8, Math.min(left, innerWidth - popup.offsetWidth - 8))}px`;
  popup.style.top = `${Math.max(8, Math.min(bottom + 4, innerHeight - popup.offsetHeight - 8))}px`;
  popup.querySelector("button").focus();
}

// Where focus is put back, Chromium takes no text.
function refocus() {
  const at = document.activeElement;
  at.blur();
  at.focus();
}

export function dialog(title, ...inside) {
  const box = h("dialog.box", { "aria-label": title, closedby: "any", keydown: arrows, close: refocus },
    h("header", h("h2", h("bdi", title)), tool("Close", "close", () => box.close())), inside);
  document.querySelector("dialog")?.remove();
  document.body.append(box);
  box.showModal();
  return box;
}
