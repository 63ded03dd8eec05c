// What was said, on the screen: a window of some hundred rows on a conversation that may be much longer.

import { $, button, h, put, show } from "./dom.js";
import { concerns, continues, passing } from "./state.js";
import { clock, cut, day, fold, foldAt, fullTime, hue, initial, lasting, pieces, safe, sameDay, some } from "./text.js";

const MOST = 300; // entries on the screen
const STEP = 100; // entries by which the window moves
const MORE = 200000; // characters that "show all" shows at once
const NEAR = 400; // pixels from an end at which the next entries are fetched

export class Log {
  /** `on` has person(name, anchor), older(talk), read(talk), again(item), drop(item), me(), pending(talk). */
  constructor(on) {
    this.on = on;
    this.scroller = $("log");
    this.list = $("rows");
    this.waiting = $("pending");
    this.jump = $("jump");
    this.talk = null;
    this.rows = []; // {element, first, last}: from which entry to which
    this.ends = true; // the window reached the end when it was drawn
    this.bottom = true; // and the reader is there
    this.scroller.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.jump.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.bottom && this.stick()).observe(this.scroller);
  }

  open(talk) {
    if (this.talk) {
      this.talk.following = true;
      this.talk.line = null;
    }
    this.talk = talk;
    if (!talk) return this.build(0, 0);
    talk.line = talk.unread ? talk.read : null;
    this.drawPending();
    this.toEnd();
    const line = this.list.querySelector(".newline");
    if (line && line.offsetTop < this.scroller.scrollTop) {
      this.scroller.scrollTop = line.offsetTop - 60;
      this.scrolled();
    }
  }

  toEnd() {
    const end = this.talk.entries.length;
    this.build(Math.max(0, end - MOST), end);
    this.stick();
    this.edges();
  }

  stick() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.bottom = true;
    if (this.talk) this.talk.following = true;
    this.marks();
  }

  /** Where the window is in the entries: [from, to). */
  range() {
    const { entries } = this.talk;
    if (!this.rows.length) return [0, 0];
    const to = entries.lastIndexOf(this.rows.at(-1).last) + 1;
    const from = entries.indexOf(this.rows[0].first);
    return [from < 0 && to ? 0 : from, to];
  }

  /** Bring the screen up to date with what came. */
  update() {
    const { talk } = this;
    if (!talk) return;
    const { entries } = talk;
    let [from, to] = this.range();
    if (!to && entries.length) return this.toEnd();
    if (to < entries.length && (this.bottom || to - from < MOST)) {
      if (entries.length - to > MOST) return this.toEnd();
      this.append(entries.slice(to));
      if (this.bottom) {
        this.shorten();
        this.stick();
      }
    } else if (to < entries.length) this.ends = false;
    this.edges();
  }

  build(from, to) {
    const { list } = this;
    list.setAttribute("aria-live", "off");
    this.rows = this.talk ? this.made(this.talk.entries.slice(from, to), this.talk.entries[from - 1]) : [];
    list.replaceChildren(...this.rows.map((row) => row.element));
    this.ends = to >= (this.talk?.entries.length ?? 0);
    requestAnimationFrame(() => list.setAttribute("aria-live", "polite"));
  }

  /** Move the window, and leave what is being read where it is. */
  shift(from, to) {
    const top = this.scroller.getBoundingClientRect().top;
    const row = this.rows.find(({ element }) => element.getBoundingClientRect().bottom > top);
    const before = row?.element.getBoundingClientRect().top;
    this.build(Math.max(0, from), Math.min(this.talk.entries.length, to));
    const same = row && this.rows.find(({ last }) => last.seq >= row.last.seq);
    if (same) this.scroller.scrollTop += same.element.getBoundingClientRect().top - before;
    this.scrolled();
  }

  append(entries) {
    const last = this.rows.at(-1);
    let before = last?.last;
    if (last?.run && passing(entries[0]) && !this.breaks(entries[0], before)) {
      this.rows.pop().element.remove(); // the run goes on
      entries = last.run.concat(entries);
      before = this.rows.at(-1)?.last;
    }
    const rows = this.made(entries, before);
    this.rows.push(...rows);
    this.list.append(...rows.map((row) => row.element));
  }

  shorten() {
    const [from, to] = this.range();
    if (to - from < MOST + STEP) return;
    while (this.rows.length > 1 && this.rows[0].last.seq < this.talk.entries[to - MOST].seq) this.rows.shift().element.remove();
    this.redrawFirst();
  }

  redrawFirst() {
    const first = this.rows[0];
    const again = this.made(first.run || [first.first], undefined)[0];
    first.element.replaceWith(again.element);
    this.rows[0] = again;
  }

  scrolled() {
    const { scroller, talk } = this;
    if (!talk) return;
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    this.bottom = left < 40 && this.ends;
    talk.following = this.bottom;
    this.edges();
    this.marks();
  }

  /** See that there is more where the reader comes near an end. */
  edges() {
    const { scroller, talk } = this;
    const [from, to] = this.range();
    if (scroller.scrollTop < NEAR) {
      if (from > 0) return this.shift(from - STEP, Math.min(to, from - STEP + MOST));
      this.on.older(talk);
    }
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    if (left < NEAR && !this.ends) return this.shift(Math.max(from, to + STEP - MOST), to + STEP);
    show($("older"), talk.loading);
    if (from === 0 && this.begins() && this.rows.length && !this.rows[0].begins) this.redrawFirst();
  }

  marks() {
    show(this.jump, !this.bottom);
    put(this.jump.lastElementChild, this.talk?.unread ? some(this.talk.unread, "new message") : "To the latest");
    if (this.talk && this.bottom) this.on.read(this.talk);
  }

  unline() {
    this.talk.line = null;
    this.list.querySelector(".newline")?.remove();
  }

  // -- rows ------------------------------------------------------------------------

  breaks(entry, before) {
    return !before || !sameDay(before.at, entry.at) || this.lined(entry, before);
  }

  /** Whether the first entry is the room's beginning. */
  begins() {
    return !this.talk.since && !this.talk.whispers;
  }

  lined(entry, before) {
    const { line } = this.talk;
    return line !== null && entry.seq > line && (!before || before.seq <= line);
  }

  made(entries, before) {
    const rows = [];
    for (let at = 0; at < entries.length; ) {
      const first = entries[at];
      let next = at + 1;
      if (passing(first)) while (next < entries.length && passing(entries[next]) && !this.breaks(entries[next], entries[next - 1])) next++;
      const run = passing(first) ? entries.slice(at, next) : null;
      const begins = !before && this.begins();
      const element = h("div", { class: "row" },
        begins && h("p", { class: "beginning" }, "This is the beginning of the room."),
        (!before || !sameDay(before.at, first.at)) && h("h3", { class: "day" }, h("span", null, day(first.at))),
        this.lined(first, before) && before && h("div", { class: "newline", role: "separator" }, h("span", null, "New messages")),
        run ? this.passing(run) : this.entry(first, !this.breaks(first, before) && continues(first, before)));
      rows.push({ element, first, last: entries[next - 1], run, begins });
      before = entries[next - 1];
      at = next;
    }
    return rows;
  }

  who(name, plain) {
    return plain ? h("bdi", null, safe(name)) : button(name, (event) => this.on.person(name, event.currentTarget), { class: `who c${hue(name)}` }, h("bdi", null, safe(name)));
  }

  entry(entry, goesOn) {
    switch (entry.event) {
      case "said":
      case "whispered":
        return this.said(entry, goesOn);
      case "announced":
        return h("div", { class: "card" }, h("strong", null, this.who(entry.by), " to everyone"), this.time(entry), this.body(entry.body));
      case "note":
        return this.note(entry);
      case "rolled": {
        const sum = entry.faces.reduce((a, b) => a + b, 0);
        return h("div", { class: "did" }, this.face(entry.by), h("div", { class: "act" }, this.who(entry.by), ` rolled ${safe(entry.dice)}: `,
          entry.faces.map((face) => [h("span", { class: "die" }, String(face)), " "]),
          entry.faces.length > 1 && h("strong", null, `= ${sum}`)), this.time(entry));
      }
      default:
        return h("p", { class: "quiet" }, this.told(entry), this.time(entry));
    }
  }

  face(name) {
    return h("span", { class: `face c${hue(name)}`, "aria-hidden": "true" }, initial(name));
  }

  said(entry, goesOn) {
    const me = this.on.me();
    const mine = fold(entry.by) === fold(me);
    const called = !mine && concerns(entry, me) ? " called" : "";
    if (entry.action) {
      return h("div", { class: `did${called}` }, this.face(entry.by), h("div", { class: "act" }, this.who(entry.by), " ", this.body(entry.body)), this.time(entry));
    }
    if (goesOn) return h("div", { class: `said on${called}` }, this.time(entry), h("span", { class: "sr" }, safe(entry.by)), this.body(entry.body));
    return h("div", { class: `said${called}` }, this.face(entry.by),
      h("div", { class: "by" }, this.who(entry.by), mine && h("span", { class: "tag" }, "you"), this.time(entry)), this.body(entry.body));
  }

  time({ at }) {
    return h("time", { datetime: new Date(at * 1000).toISOString(), title: fullTime(at) }, clock(at));
  }

  /** What someone wrote, its links live, folded if it is very long. */
  body(text) {
    const box = h("div", { class: "body", dir: "auto" });
    let shown = foldAt(text);
    const draw = (from, to) => box.append(...pieces(safe(text.slice(from, to)), this.on.me()).map((piece) =>
      piece.link ? h("a", { href: piece.href, rel: "noopener noreferrer nofollow", target: "_blank" }, piece.link)
        : piece.mention ? h("mark", null, piece.mention) : piece.text));
    draw(0, shown);
    if (shown === text.length) return box;
    const label = () => {
      const left = text.length - shown;
      return left > MORE ? `Show more (${some(left, "character")} left)` : `Show all (${some(left, "character")} more)`;
    };
    const more = button(label(), () => {
      const from = shown;
      shown = cut(text, Math.min(text.length, shown + MORE));
      draw(from, shown);
      if (shown === text.length) more.remove();
      else put(more, label());
    }, { class: "more" });
    return h("div", { class: "long" }, box, more);
  }

  /** Comings and goings: told one by one, or, if they are many, as one line that opens. */
  passing(run) {
    if (run.length <= 3) return h("p", { class: "quiet" }, run.map((entry, at) => [at > 0 && " · ", this.told(entry)]), this.time(run.at(-1)));
    const names = [...new Set(run.map((entry) => entry.who || entry.new))];
    const few = names.slice(0, 3).map((name, at) => [at > 0 && ", ", h("bdi", null, safe(name))]);
    const others = names.length > 3 && ` and ${some(names.length - 3, "other")}`;
    const lines = run.slice(-200).map((entry) => h("p", null, this.told(entry), this.time(entry)));
    return h("details", { class: "quiet" }, h("summary", null, few, others, run.every(({ event }) => event === "joined") ? " joined" : run.every(({ event }) => event === "left") ? " left" : " came and went", this.time(run.at(-1))), lines);
  }

  /** An event as a sentence. */
  told(entry) {
    const who = this.who(entry.who || entry.old || entry.by || "", true);
    const by = this.who(entry.by || "", true);
    const because = entry.reason ? [": ", h("bdi", null, safe(entry.reason))] : null;
    const until = entry.until ? ` for ${lasting(entry.until - entry.at)}` : " for good";
    switch (entry.event) {
      case "opened": return [by, " opened the room"];
      case "joined": return [who, " joined"];
      case "left": return [who, entry.dropped ? " lost the connection" : " left"];
      case "renamed": return fold(entry.old) === fold(entry.new) ? [who, " logged in"] : [who, " is now ", this.who(entry.new, true)];
      case "kicked": return [who, " was put out by ", by, because];
      case "banned": return [who, " was banned by ", by, until, because];
      case "muted": return [who, " was muted by ", by, until, because];
      case "unbanned": return [by, " lets ", who, " in again"];
      case "unmuted": return [by, " lets ", who, " speak again"];
      case "promoted": return [who, " is a moderator now, says ", by];
      case "demoted": return [who, " is no longer a moderator, says ", by];
      case "topicset": return entry.topic ? [by, " changed the topic: ", h("bdi", null, safe(entry.topic))] : [by, " removed the topic"];
      case "locked": return [by, " gave the room a password"];
      case "unlocked": return [by, " took the room’s password away"];
      case "noticed": return h("bdi", null, safe(entry.text));
      default: return entry.event;
    }
  }

  note({ text, list, wrong }) {
    return h("div", { class: wrong ? "card wrong" : "card", dir: "auto" }, text && h("div", { class: "body" }, safe(text)),
      list && h("dl", null, list.map(([term, about]) => [h("dt", null, term), h("dd", null, about)])));
  }

  // -- what is on its way ----------------------------------------------------------

  drawPending() {
    const items = this.talk ? this.on.pending(this.talk) : [];
    this.waiting.replaceChildren(...items.map((item) => {
      const refused = item.state === "refused";
      return h("div", { class: `row ${refused ? "refused" : "sending"}` },
        h("div", { class: "said on" }, this.body(item.frame.body || `/roll ${item.frame.dice}`)),
        refused && h("p", { class: "why", role: "alert" }, safe(item.error), " ",
          button("Try again", () => this.on.again(item)), " ", button("Remove", () => this.on.drop(item))));
    }));
    if (this.bottom) this.stick();
  }
}
