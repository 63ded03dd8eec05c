// The lists beside the conversation: rooms and whispers to the left, people to the right.

import { $, button, h, icon, put, show, tool } from "./dom.js";
import { fold, hue, initial, safe } from "./text.js";

const MOST_PEOPLE = 300; // that are listed at once

/** Draw the conversations. `open` gets the one that is chosen. */
export function drawTalks(talks, current, open) {
  const focused = document.activeElement?.dataset.key;
  const list = (title, some) => some.length > 0 && h("section", null, h("h2", null, title), h("ul", null, some.map((talk) =>
    h("li", null, button("", () => open(talk), {
      "class": `talk${talk === current ? " current" : ""}${talk.unread ? " unread" : ""}${talk.here ? "" : " apart"}`,
      "aria-current": talk === current && "page",
      "data-key": talk.key,
    },
    talk.whispers ? h("span", { class: `dot c${hue(talk.name)}`, "aria-hidden": "true" }, initial(talk.name)) : h("span", { class: "hash", "aria-hidden": "true" }, "#"),
    h("bdi", null, safe(talk.name)),
    talk.locked && icon("lock"),
    talk.unread > 0 && h("span", { class: talk.mentions ? "count called" : "count" }, `${talk.mentions && !talk.whispers ? "@ " : ""}${talk.unread > 99 ? "99+" : talk.unread}`,
      h("span", { class: "sr" }, talk.mentions ? " unread, some for you" : " unread")))))));
  $("talks").replaceChildren(...[list("Rooms", talks.filter((talk) => !talk.whispers)), list("Whispers", talks.filter((talk) => talk.whispers))].filter(Boolean));
  if (focused) [...$("talks").querySelectorAll("button")].find(({ dataset }) => dataset.key === focused)?.focus();
}

/** Draw who is in the room. `person` gets a name and the button that stands for it. */
export function drawPeople(talk, me, person, close) {
  const aside = $("people");
  show(aside, Boolean(talk && !talk.whispers));
  if (aside.hidden) return;
  const focused = aside.contains(document.activeElement) && document.activeElement.dataset.name;
  let left = MOST_PEOPLE;
  const groups = Object.entries(talk.groups()).filter(([, people]) => people.length).map(([title, people]) => {
    const shown = people.slice(0, Math.max(0, left));
    left -= people.length;
    return h("section", null, h("h2", null, `${title} · ${people.length}`), h("ul", null, shown.map(({ name, registered }) =>
      h("li", null, button("", (event) => person(name, event.currentTarget), { class: "person", "data-name": name, "aria-haspopup": "menu" },
        h("span", { class: `dot c${hue(name)}`, "aria-hidden": "true" }, initial(name)),
        h("bdi", null, safe(name)),
        fold(name) === fold(me) && h("span", { class: "tag" }, "you"),
        title === "Moderators" ? h("span", { class: "mod", title: registered ? "Moderator" : "Moderator, a guest" }, icon("shield"), h("span", { class: "sr" }, "moderator")) : null)))));
  });
  aside.replaceChildren(h("header", null, h("h2", null, `${talk.members.size} here`), tool("Close", "close", close, { class: "tool drawer-only" })),
    ...groups, ...(left < 0 ? [h("p", { class: "hint" }, `and ${(-left).toLocaleString()} more`)] : []));
  if (focused) [...aside.querySelectorAll("button")].find(({ dataset }) => dataset.name === focused)?.focus();
}

/** Draw the head of the conversation. */
export function drawHead(talk, server) {
  put($("talk-name"), talk ? (talk.whispers ? "" : "#") + safe(talk.name) : safe(server));
  const topic = talk && (talk.whispers ? "Whispers: only the two of you see this" : safe(talk.topic));
  put($("talk-topic"), topic || "");
  $("talk-topic").title = topic || "";
}
