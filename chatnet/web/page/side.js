// The lists beside the conversation: rooms and whispers to the left, people to the right.

import { $, button, h, icon, put, show } from "./dom.js";
import { fold, hue, initial, safe } from "./text.js";

const MOST_PEOPLE = 300; // that are listed at once

const section = () => h("section", { hidden: true }, h("h2"), h("ul"));
const dot = (name) => h("span", { class: `dot c${hue(name)}`, "aria-hidden": "true" }, initial(name));
const lists = { talks: [section(), section()], people: [section(), section(), section()] };
$("talks").append(...lists.talks);
$("others").before(...lists.people);

/** Give a list one button for each item: the same one as long as the item is there, so that it can be clicked. */
function fill({ firstChild: head, lastChild: list }, title, items, press, draw) {
  put(head, title);
  show(list.parentNode, items.length > 0);
  const held = (list.held ??= new Map());
  const lines = items.map((item) => {
    const line = held.get(item.key) || h("li", null, button("", () => press(line.item, line.firstChild), { "data-key": item.key }));
    line.item = item;
    const [props, ...children] = draw(item);
    const look = JSON.stringify(props) + children.map((child) => child && child.outerHTML).join();
    if (line.look !== look) {
      line.look = look;
      for (const [name, value] of Object.entries(props)) value ? line.firstChild.setAttribute(name, value) : line.firstChild.removeAttribute(name);
      line.firstChild.replaceChildren(...children.filter(Boolean));
    }
    return line;
  });
  list.held = new Map(lines.map((line) => [line.item.key, line]));
  if (lines.length !== list.children.length || lines.some((line, at) => line !== list.children[at])) list.replaceChildren(...lines);
}

/** Draw the conversations. `open` gets the one that is chosen. */
export function drawTalks(talks, current, open) {
  lists.talks.forEach((part, whispers) =>
    fill(part, whispers ? "Whispers" : "Rooms", talks.filter((talk) => talk.whispers == whispers), open, (talk) => {
      const { unread, mentions, name } = talk;
      const look = ["talk", talk === current && "current", unread && "unread", !talk.here && "apart"].filter(Boolean).join(" ");
      return [{ class: look, "aria-current": talk === current && "page" },
        whispers ? dot(name) : h("span", { class: "hash", "aria-hidden": "true" }, "#"),
        h("bdi", null, safe(name)),
        talk.locked && icon("lock"),
        unread > 0 && h("span", { class: mentions ? "count called" : "count" }, `${mentions && !whispers ? "@ " : ""}${unread > 99 ? "99+" : unread}`,
          h("span", { class: "sr" }, mentions ? " unread, some for you" : " unread"))];
    }));
}

/** Draw who is in the room. `person` gets a name and the button that stands for it. */
export function drawPeople(talk, me, person) {
  show($("people"), Boolean(talk && !talk.whispers));
  if ($("people").hidden) return;
  let left = MOST_PEOPLE;
  Object.entries(talk.groups()).forEach(([title, people], at) => {
    const shown = people.slice(0, Math.max(0, left));
    left -= people.length;
    fill(lists.people[at], `${title} · ${people.length}`, shown, ({ name }, anchor) => person(name, anchor), ({ name, registered, key }) => [
      { class: "person", "aria-haspopup": "menu" }, dot(name), h("bdi", null, safe(name)),
      key === fold(me) && h("span", { class: "tag" }, "you"),
      at === 0 && h("span", { class: "mod", title: registered ? "Moderator" : "Moderator, a guest" }, icon("shield"), h("span", { class: "sr" }, "moderator")),
    ]);
  });
  put($("here"), `${talk.members.size.toLocaleString()} here`);
  show($("others"), left < 0);
  put($("others"), `and ${(-left).toLocaleString()} more`);
}

/** Draw the head of the conversation. */
export function drawHead(talk, server) {
  put($("talk-name"), talk ? (talk.whispers ? "" : "#") + safe(talk.name) : safe(server));
  const topic = talk && (talk.whispers ? "Whispers: only the two of you see this" : safe(talk.topic));
  put($("talk-topic"), topic || "");
  $("talk-topic").title = topic || "";
}
