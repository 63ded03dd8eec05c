// The conversation with the server: who we are, where we are, what is on its way, and how all of it comes back.

import { Link } from "./link.js";
import { Talk, concerns } from "./state.js";
import { fold } from "./text.js";

const STAY_AWAY = ["quit", "logout", "replaced", "late", "refused"]; // byes after which we do not come back
const PAGE = 100; // messages of history at a time
const TYPING = 6e3; // ms that "is typing" is shown

const random = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export class Lost extends Error {}

export class Refused extends Error {
  constructor({ error, text }) {
    super(text);
    this.code = error;
  }
}

export class Client {
  /**
   * `ui` hears of what changes: changed(what, talk), said(talk, entry), note(text, talk), out(text, code) when
   * we are back at the door. `memory` keeps small things: get(name), set(name, value), for this tab.
   */
  constructor(url, ui, memory) {
    this.ui = ui;
    this.memory = memory;
    this.hello = null;
    this.me = null; // {name, registered}, once we are somebody
    this.who = null; // how to be that again after the link was lost
    this.talks = new Map(); // by key
    this.outbox = []; // what was said and not yet acknowledged
    this.asked = new Map(); // by cid
    this.early = []; // entries that came before we were somebody
    this.ignored = new Map(); // by folded name
    this.announcedAt = 0;
    this.told = new Set(); // whispers that were shown
    this.count = 0;
    this.page = random();
    this.gate = "";
    if (!memory.get("secret")) memory.set("secret", random());
    this.link = new Link(url, {
      up: () => {},
      down: () => this.down(),
      frame: (frame) => this.frame(frame),
      changed: () => ui.changed("link"),
    });
  }

  get ready() {
    return Boolean(this.me) && this.settledIn;
  }

  // -- asking --------------------------------------------------------------------

  /** Send a command; the promise is its answer, or Refused, or Lost with the link. */
  ask(verb, fields = {}) {
    if (this.link.state !== "open") return Promise.reject(new Lost("There is no link to the server right now."));
    const cid = this.name();
    return new Promise((resolve, reject) => {
      this.asked.set(cid, { resolve, reject });
      this.link.send({ do: verb, ...fields, cid });
    });
  }

  name() {
    return `${this.page}-${++this.count}`;
  }

  /** Say something that is kept until it is acknowledged, whatever happens to the link. */
  post(talk, frame) {
    const item = { cid: this.name(), talk, frame, at: Date.now() / 1000, state: "waiting", error: "", seen: false };
    this.outbox.push(item);
    const most = this.most;
    if (most && frame.body && new TextEncoder().encode(frame.body).length > most) {
      this.refuse(item, `That is too long: a message has at most ${most.toLocaleString()} bytes here.`);
    }
    this.flush();
    this.ui.changed("pending", talk);
  }

  flush() {
    if (!this.ready) return;
    for (const item of this.outbox.filter(({ state }) => state === "waiting")) {
      item.state = "sent";
      this.link.send({ ...item.frame, cid: item.cid });
    }
  }

  refuse(item, text) {
    item.state = "refused";
    item.error = text;
    this.ui.changed("pending", item.talk);
  }

  again(item) {
    item.state = "waiting";
    item.error = "";
    this.flush();
    this.ui.changed("pending", item.talk);
  }

  drop(item) {
    this.outbox = this.outbox.filter((other) => other !== item);
    this.ui.changed("pending", item.talk);
  }

  pending(talk) {
    return this.outbox.filter((item) => item.talk === talk && !item.seen);
  }

  // -- being somebody ------------------------------------------------------------

  /** Wait until the server has said hello. */
  greeting() {
    if (this.link.state === "closed") this.link.open();
    else if (this.link.state === "waiting") this.link.nudge();
    if (this.hello && this.link.state === "open") return Promise.resolve(this.hello);
    return new Promise((resolve, reject) => (this.greeted = { resolve, reject }));
  }

  /** Be `who`: {name} for a guest, and a password for an account; `fresh` if it is to be made. */
  async signIn(who) {
    const hello = await this.greeting();
    if (hello.password_needed && !this.gate) throw new Refused({ error: "password-needed", text: "This server has a password. Say it first." });
    if (hello.password_needed) await this.unlock();
    const guest = who.password === undefined;
    const verb = guest ? "nick" : who.fresh ? "register" : "login";
    await this.ask(verb, guest ? { name: who.name, secret: this.memory.get("secret") } : { name: who.name, password: who.password });
    this.who = { ...who, name: this.me.name, fresh: false };
    for (const name of this.ignored.values()) this.ask("ignore", { name }).catch(() => {});
    this.link.settled();
    await this.resume();
    this.remember();
  }

  unlock() {
    return new Promise((resolve, reject) => {
      this.unlocking = { resolve, reject };
      this.link.send({ do: "password", password: this.gate });
    });
  }

  /** Enter again where we were, then say what was not acknowledged. */
  async resume() {
    const back = [...this.talks.values()].filter((talk) => !talk.whispers && talk.here);
    const entered = back.map((talk) =>
      this.ask("join", { room: talk.name, since: talk.head, password: talk.password }).catch((error) => {
        if (!(error instanceof Refused)) throw error;
        talk.here = false;
        talk.why = error.message;
        this.ui.changed("talk", talk);
      }),
    );
    this.settledIn = true;
    this.ui.changed("me");
    this.ui.changed("link");
    await Promise.all(entered);
    this.flush();
  }

  down() {
    const lost = new Lost(this.hello ? "The link was lost before the answer came." : "The server does not answer. Try again in a moment.");
    this.hello = null;
    this.settledIn = false;
    this.greeted?.reject(lost);
    this.unlocking?.reject(lost);
    this.greeted = this.unlocking = null;
    for (const { reject } of this.asked.values()) reject(lost);
    this.asked.clear();
    for (const item of this.outbox) if (item.state === "sent") item.state = "waiting";
    for (const talk of this.talks.values()) {
      talk.past = null;
      talk.loading = false;
      talk.typing.clear();
    }
    const bye = this.bye;
    this.bye = null;
    if (bye && STAY_AWAY.includes(bye.code)) {
      this.link.close();
      if (bye.code !== "replaced") this.who = null;
      if (bye.code === "quit" || bye.code === "logout") this.forget();
      this.ui.out(bye.text, bye.code);
    } else if (!this.who) this.link.close(); // at the door there is nothing to come back to
  }

  forget() {
    this.me = this.who = null;
    this.talks.clear();
    this.outbox = [];
    this.told.clear();
    this.memory.set("session", null);
    this.memory.set("secret", random());
  }

  /** Keep what a reload needs. Never a password. */
  remember() {
    const rooms = [...this.talks.values()].filter((talk) => !talk.whispers && talk.here).map((talk) => talk.name);
    if (this.me) this.memory.set("session", { name: this.me.name, account: this.me.registered, rooms });
  }

  // -- rooms and people ----------------------------------------------------------

  async join(name, password = "") {
    const held = this.find(name);
    if (held?.here) return held;
    const since = held?.head ? { since: held.head } : {};
    const { room } = await this.ask("join", { room: name, password, ...since });
    const talk = this.talks.get(room);
    talk.password = password;
    this.remember();
    return talk;
  }

  find(name) {
    return this.talks.get(fold(name.replace(/^#/, "")));
  }

  async leave(talk) {
    if (talk.here && !talk.whispers) await this.ask("leave", { room: talk.name });
    this.close(talk);
  }

  close(talk) {
    this.talks.delete(talk.key);
    this.outbox = this.outbox.filter((item) => item.talk !== talk);
    this.remember();
    this.ui.changed("talks");
  }

  whispers(name) {
    const key = `@${fold(name)}`;
    if (!this.talks.has(key)) {
      const talk = new Talk(key, name, true);
      talk.read = 0;
      this.talks.set(key, talk);
      this.ui.changed("talks");
    }
    return this.talks.get(key);
  }

  async ignore(name) {
    await this.ask("ignore", { name });
    this.ignored.set(fold(name), name);
    this.ui.changed("ignored");
  }

  async unignore(name) {
    this.ignored.delete(fold(name));
    this.ui.changed("ignored");
    await this.ask("unignore", { name });
  }

  /** Ask for what was said before what is there. */
  older(talk) {
    if (talk.whispers || talk.loading || !talk.here || !talk.since || !this.ready) return;
    talk.loading = true;
    this.ask("history", { room: talk.name, count: PAGE, before: talk.since + 1 }).catch(() => {
      talk.loading = false;
      this.ui.changed("log", talk);
    });
    this.ui.changed("log", talk);
  }

  // -- what comes ----------------------------------------------------------------

  frame(frame) {
    if (frame.event) this.entry(frame);
    else if (frame.signal === "typing") this.typing(frame);
    else if (frame.ok) this.done(frame);
    else if (frame.error) this.sorry(frame);
    else this.reply(frame);
  }

  answer(frame) {
    const asked = this.asked.get(frame.cid ?? frame.ok);
    this.asked.delete(frame.cid ?? frame.ok);
    asked?.resolve(frame);
    return Boolean(asked);
  }

  done(frame) {
    const item = this.outbox.find(({ cid }) => cid === frame.ok);
    if (item) this.drop(item);
    this.answer(frame);
  }

  sorry(frame) {
    const refused = new Refused(frame);
    const item = frame.cid && this.outbox.find(({ cid }) => cid === frame.cid);
    if (item) return this.refuse(item, frame.text);
    const asked = frame.cid && this.asked.get(frame.cid);
    if (asked) {
      this.asked.delete(frame.cid);
      asked.reject(refused);
    } else if (this.unlocking) {
      this.unlocking.reject(refused);
      this.unlocking = null;
    } else if (!frame.cid) this.ui.note(frame.text);
  }

  reply(frame) {
    const talk = this.talks.get(frame.room);
    switch (frame.reply) {
      case "hello": {
        const first = !this.hello;
        this.hello = frame;
        this.most = frame.max_message; // bytes of a message; 0: any
        this.ui.changed("hello");
        if (first) {
          this.greeted?.resolve(frame);
          this.greeted = null;
          if (this.who) this.comeBack();
        } else if (!frame.password_needed) {
          this.unlocking?.resolve();
          this.unlocking = null;
        }
        break;
      }
      case "youare":
        this.me = { name: frame.name, registered: frame.registered };
        this.early.splice(0).forEach((entry) => this.entry(entry));
        this.ui.changed("me");
        break;
      case "entered":
        this.entered(frame);
        break;
      case "history":
        if (talk) talk.past = { upto: frame.upto, since: frame.since < frame.upto ? frame.since : 0, entries: [] };
        break;
      case "caughtup":
        if (talk?.past) {
          talk.prepend(this.me.name);
          talk.loading = false;
          this.ui.changed("log", talk);
        }
        break;
      case "out":
        if (talk && frame.put_out) {
          talk.here = false;
          talk.why ||= "You are no longer in this room.";
          this.remember();
          this.ui.changed("talk", talk);
        }
        break;
      case "noted": {
        const item = frame.cid && this.outbox.find(({ cid }) => cid === frame.cid);
        if (item || !frame.cid) this.ui.note(frame.text, item?.talk);
        break;
      }
      case "bye":
        this.bye = frame;
        if (this.unlocking) this.unlocking.reject(new Refused({ error: frame.code, text: frame.text }));
        this.unlocking = null;
    }
    this.answer(frame);
  }

  /** The link is there again: be who we were. */
  comeBack() {
    this.signIn(this.who).catch((error) => {
      if (!(error instanceof Refused)) return;
      this.who = null;
      this.ui.out(error.message, error.code);
    });
  }

  entered(frame) {
    let talk = this.talks.get(frame.room);
    if (!talk) {
      this.talks.set(frame.room, (talk = new Talk(frame.room, frame.name)));
      talk.read = this.ui.readUpTo(frame.room);
    }
    talk.enter(frame);
    this.ui.changed("talks");
    this.ui.changed("talk", talk);
  }

  entry(entry) {
    if (!this.me) return this.early.push(entry); // whispers may come before we know our name
    if (entry.event === "whispered") return this.whispered(entry);
    if (entry.room === "*") {
      if (entry.seq <= this.announcedAt) return;
      this.announcedAt = entry.seq;
      return this.ui.announced(entry);
    }
    const talk = this.talks.get(entry.room);
    if (!talk || !talk.take(entry, this.me.name)) return;
    const by = entry.by || entry.who;
    if (by) talk.typing.delete(by);
    const mine = entry.by === this.me.name && entry.event === "said";
    const item = mine && this.outbox.find((item) =>
      item.talk === talk && !item.seen && item.frame.body === entry.body && !item.frame.action === !entry.action);
    if (item) {
      item.seen = true;
      this.ui.changed("pending", talk);
    }
    if (entry.event === "renamed") this.renamed(entry);
    if (["kicked", "banned"].includes(entry.event) && fold(entry.who) === fold(this.me.name)) {
      const did = entry.event === "kicked" ? "put you out" : "banned you";
      talk.why = `${entry.by} ${did} of this room${entry.reason ? `: ${entry.reason}` : "."}`;
    }
    this.ui.said(talk, entry, concerns(entry, this.me.name));
  }

  whispered(entry) {
    const place = `${entry.room}:${entry.seq}`;
    if (this.told.has(place)) return;
    this.told.add(place);
    const mine = fold(entry.by) === fold(this.me.name);
    const talk = this.whispers(mine ? entry.to : entry.by);
    talk.take({ ...entry, seq: talk.head + 1 }, this.me.name);
    const item = mine && this.outbox.find((item) => item.talk === talk && !item.seen && item.frame.body === entry.body);
    if (item) {
      item.seen = true;
      this.ui.changed("pending", talk);
    }
    this.ui.said(talk, entry, !mine);
  }

  /** Whispers with someone go on under the new name. */
  renamed(entry) {
    const talk = this.talks.get(`@${fold(entry.old)}`);
    const key = `@${fold(entry.new)}`;
    if (!talk || this.talks.has(key)) return;
    this.talks.delete(talk.key);
    talk.key = key;
    talk.name = entry.new;
    this.talks.set(key, talk);
    this.ui.changed("talks");
  }

  typing({ room, who }) {
    const talk = this.talks.get(room);
    if (!talk || this.ignored.has(fold(who))) return;
    talk.typing.set(who, Date.now() + TYPING);
    this.ui.changed("typing", talk);
  }
}
