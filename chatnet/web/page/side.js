// The lists beside the conversation: rooms and whispers, and people.

import { $, button, face, h, icon, put, show } from "./dom.js";

const MOST_PEOPLE = 300; // that are listed at once

// Give a list a button for each item: the same one as long as the item is there.
function fill(list, items, draw) {
  const held = new Map(Array.from(list.children, (line) => [line.firstChild.dataset.key, line]));
  const lines = items.map((item) => {
    const line = held.get(item.key) || h("li", button("", null, { "data-key": item.key }));
    const { firstChild: old } = line;
    const fresh = draw(item);
    old.className = fresh.className;
    old.ariaCurrent = fresh.ariaCurrent;
    if (old.innerHTML !== fresh.innerHTML) old.replaceChildren(...fresh.childNodes);
    return line;
  });
  if (lines.length !== list.children.length || lines.some((line, at) => line !== list.children[at])) list.replaceChildren(...lines);
}

export function drawTalks(talks, current) {
  const draw = ({ key, name, whispers, here, encrypted, locked, unread, mentions }) =>
    h(`div.talk${unread ? ".unread" : ""}${here ? "" : ".apart"}`, { "aria-current": key === current?.key && "page" },
      whispers ? face(name) : h("span.hash", { "aria-hidden": "true" }, "#"), h("bdi", name), encrypted && icon("sealed"), locked && icon("lock"),
      unread > 0 && h(mentions ? "span.count.called" : "span.count", mentions && !whispers && "@ ", unread > 99 ? "99+" : String(unread),
        h("span.sr", mentions ? " unread, some for you" : " unread")));
  fill($("rooms"), talks.filter(({ whispers }) => !whispers), draw);
  fill($("whispers"), talks.filter(({ whispers }) => whispers), draw);
}

export function drawPeople({ members, moderators }, me) {
  const people = [...members.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  const groups = Object.groupBy(people, ({ key, registered }) => (moderators.has(key) ? "Moderators" : registered ? "Members" : "Guests"));
  let left = MOST_PEOPLE;
  for (const list of $("people").querySelectorAll("ul")) {
    const { title } = list.dataset;
    const group = groups[title] || [];
    put(list.previousElementSibling, `${title} · ${group.length}`);
    fill(list, group.slice(0, Math.max(0, left)), ({ key, name }) => h("div.person", face(name), h("bdi", name), key === me && h("span.tag", "you")));
    left -= group.length;
  }
  put($("here"), `${people.length.toLocaleString()} here`);
  put($("others"), left < 0 ? `and ${(-left).toLocaleString()} more` : "");
}
