// Making elements. What people wrote only ever becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element; strings among the children become text. */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(9).filter((child) => child != null && child !== false));
  return element;
}

const PATHS = {
  menu: "M4 7h16M4 12h16M4 17h16",
  people: "M3 19c0-3.5 2.5-5 6-5s6 1.5 6 5M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M17 14c2.5.5 4 2 4 5M15.5 4.5a3.5 3.5 0 0 1 0 6",
  more: "M5 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M17 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  plus: "M12 5v14M5 12h14",
  search: "M11 17a6 6 0 1 0 0-12 6 6 0 0 0 0 12M16 16l4 4",
  gear: "M5 8h8M17 8h2M5 16h2M11 16h8M15 6v4M9 14v4",
  send: "M5 12h13M12 6l6 6-6 6",
  down: "M12 5v13M6 12l6 6 6-6",
  lock: "M7 11h10v8H7zM9 11V8a3 3 0 0 1 6 0v3",
  shield: "M12 4l6 2v5c0 4-2.5 7-6 9-3.5-2-6-5-6-9V6z",
  close: "M6 6l12 12M18 6L6 18",
};

/** Make one of the page's few drawings. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  for (const [key, value] of [["viewBox", "0 0 24 24"], ["class", "icon"], ["aria-hidden", "true"]]) svg.setAttribute(key, value);
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export const button = (label, click, props, ...children) =>
  h("button", { type: "button", click, ...props }, ...(children.length ? children : [label]));

/** A button that shows a drawing, and says what it does to those who ask. */
export const tool = (label, name, click, props) =>
  button(label, click, { class: "tool", title: label, "aria-label": label, ...props }, icon(name));

export const $ = (id) => document.getElementById(id);

/** Show or hide; no change costs nothing. */
export const show = (element, shown) => element.hidden === !shown || (element.hidden = !shown);

/** Set the text of an element, if that changes anything. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Open a menu at `anchor`. Items are [label, action], a heading as a string, or a row as
 * {row: label, items: [...]}. Arrow keys move, Escape and a click elsewhere close.
 */
export function menu(anchor, label, items) {
  const close = () => popup.hidePopover();
  const entry = ([text, act, danger]) =>
    button(text, () => { close(); act(); }, { role: "menuitem", class: danger ? "danger" : null, tabindex: -1 });
  const popup = h("div", { class: "menu", role: "menu", popover: "auto", "aria-label": label },
    items.filter(Boolean).map((item) => {
      if (typeof item === "string") return h("div", { class: "menu-title" }, h("bdi", null, item));
      if (item.row) return h("div", { class: "menu-row", role: "group", "aria-label": item.row }, h("span", null, item.row), item.items.map(entry));
      return entry(item);
    }));
  const keys = (event) => {
    const all = [...popup.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") close();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length).focus();
  };
  popup.addEventListener("keydown", keys);
  popup.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    const inside = popup.contains(document.activeElement) || document.activeElement === document.body;
    popup.remove();
    if (inside && anchor.isConnected) anchor.focus();
  });
  document.body.append(popup);
  popup.showPopover();
  const at = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popup;
  popup.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
  popup.style.top = `${Math.max(8, at.bottom + 4 + height > innerHeight - 8 ? Math.min(at.top - height - 4, innerHeight - height - 8) : at.bottom + 4)}px`;
  popup.querySelector("button")?.focus();
}

/** Open a dialog; `fill` returns what is in it, given a way to close it. */
export function dialog(title, fill, kind = "") {
  const box = h("dialog", { class: `box ${kind}`, "aria-label": title });
  const close = () => box.close();
  box.append(
    h("header", null, h("h2", null, h("bdi", null, title)), tool("Close", "close", close)),
    ...[fill(close)].flat(),
  );
  box.addEventListener("click", (event) => event.target === box && close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  box.querySelector("[autofocus]")?.focus();
  return box;
}

/** Ask for a few words in a dialog; `act` gets them, and may refuse by throwing. */
export function ask(title, fields, doing, act) {
  return dialog(title, (close) => {
    const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
    const inputs = fields.map(({ label, hint, ...props }, at) =>
      h("label", null, h("span", null, label), h("input", { autofocus: at === 0, autocomplete: "off", ...props }), hint && h("small", null, hint)));
    const submit = async (event) => {
      event.preventDefault();
      show(wrong, false);
      try {
        await act(...inputs.map((label) => label.querySelector("input").value));
        close();
      } catch (error) {
        put(wrong, error.message);
        show(wrong, true);
      }
    };
    return h("form", { submit }, inputs, wrong, h("button", { class: "main" }, doing));
  });
}
