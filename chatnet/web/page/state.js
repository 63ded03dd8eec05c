// What is known of each conversation: the fold of its entries. Pure.

import { fold, mentions } from "./text.js";

const MOST = 1500; // entries of a room that are kept while its end is read
const FEW = 50; // and behind a message of
const HUGE = 1e5; // characters
const MOST_READERS = 500; // accounts for which a room is encrypted

// Somebody said no: the server, or, with the code "lost", nobody.
export class Refused extends Error {
  constructor(text, code) {
    super(text);
    this.code = code;
  }
}

// Whether nobody said yes or no: the link is lost, or the server cannot say now.
export const isOpen = ({ code }) => ["lost", "unavailable"].includes(code);

// A room, or the whispers with one person.
export class Talk {
  entries = []; // by seq
  since = 0; // the seq behind which they begin
  head = 0; // the last seq that was seen
  past = null; // the stretch of history that is coming
  loading = false;
  following = true; // the reader is at the end, so the beginning may be dropped

  encrypted = false;
  epoch = 0; // how often those for whom it is encrypted changed:
  readers = new Map(); // names, by key

  stateAt = 0; // the seq up to which this is known:
  topic = "";
  locked = false;
  members = new Map(); // by folded name
  moderators = new Set(); // folded names
  why = ""; // I am not in it

  read = null; // the last seq that was read, once that is known
  line = null; // behind which seq it says "new"
  unread = 0;
  mentions = 0;
  typing = new Map(); // name -> until when
  draft = "";
  sent = []; // for the up arrow
  password = ""; // to come back

  constructor(key, name, whispers = false) {
    Object.assign(this, { key, name, whispers, here: whispers });
    if (whispers) this.read = 0;
  }

  // Take the server's snapshot.
  enter({ seq, since, name, state }) {
    const head = Math.max(seq, state.seq);
    if (this.head > head) { // its data are older than ours
      this.entries = [];
      this.head = this.unread = this.mentions = 0;
      this.line = this.past = null;
    }
    if (!this.head) this.since = this.head = Math.min(since, seq);
    if (this.read === null || this.read > head) this.read = seq;
    const { topic, locked, encrypted, epoch, readers = [] } = state;
    Object.assign(this, { name, here: true, why: "", topic, locked, encrypted, epoch, stateAt: state.seq });
    this.readers = new Map(readers.map((one) => [fold(one), one]));
    this.members.clear();
    for (const one of state.members) this.add(one.name, one.registered);
    this.moderators = new Set(state.moderators.map(fold));
  }

  leave(why) {
    this.here = false;
    this.why = why;
  }

  add(name, registered) {
    this.members.set(fold(name), { key: fold(name), name, registered });
  }

  // Take one entry; return whether it is new.
  take(entry, me) {
    if (this.past && entry.seq <= this.past.upto) this.past.entries.push(entry);
    if (entry.seq <= this.head) return false;
    this.head = entry.seq;
    if (entry.seq > this.stateAt) this.evolve(entry);
    if (entry.message) for (const one of this.entries) if (one.seq === entry.message) one.event = "erased";
    this.entries.push(entry);
    this.count(entry, me);
    const most = entry.body?.length > HUGE ? FEW : MOST;
    while (this.following && !this.whispers && this.entries.length > most) this.since = Math.floor(this.entries.shift().seq);
    return true;
  }

  // Put the history that came before what is there.
  prepend(me) {
    this.loading = false;
    if (!this.past) return;
    const first = this.entries.find(({ event }) => event !== "note")?.seq ?? Infinity;
    const older = this.past.entries.filter(({ seq }) => seq < first);
    this.since = this.past.since;
    this.past = null;
    this.entries = older.concat(this.entries);
    for (const entry of older) this.count(entry, me);
  }

  // Show something that is in no log.
  remark(entry) {
    this.entries.push({ at: Date.now() / 1000, ...entry, seq: (this.entries.at(-1)?.seq ?? this.head) + 1e-6 });
  }

  count(entry, me) {
    if (this.read === null || entry.seq <= this.read || !speaks(entry) || entry.by === me) return;
    this.unread++;
    if (this.whispers || concerns(entry, me)) this.mentions++;
  }

  // What an entry does to for whom is encrypted.
  reseal({ event, who, new: fresh, registered, dropped }) {
    const name = fresh || who;
    const key = name && fold(name);
    if (event === "encrypted") {
      Object.assign(this, { encrypted: true, epoch: 1 });
      for (const one of this.members.values()) if (one.registered) this.readers.set(one.key, one.name);
    } else if (this.encrypted && ["joined", "renamed"].includes(event) && registered && !this.readers.has(key)) {
      this.epoch++;
      this.readers.set(key, name);
      const absent = this.readers.size > MOST_READERS && [...this.readers.keys()].find((one) => one !== key && !this.members.has(one));
      if (absent) this.readers.delete(absent);
    } else if (["left", "kicked", "banned"].includes(event) && !dropped && this.readers.delete(key)) this.epoch++;
    else if (event === "rekeyed" && this.readers.has(key)) this.epoch++;
    else if (event === "roomdeleted" && this.encrypted) {
      this.epoch++;
      this.readers.clear();
    } else if (event === "roomdiscarded") Object.assign(this, { encrypted: false, epoch: 0, readers: new Map() });
  }

  // What an entry does to who is here and what the room is like.
  evolve(entry) {
    const { event, who: name, old, new: fresh, registered, topic, name: title } = entry;
    this.reseal(entry);
    const { members, moderators } = this;
    const who = name && fold(name);
    if (event === "joined") {
      if (!members.size && !moderators.size) moderators.add(who);
      this.add(name, registered);
    } else if (["left", "kicked", "banned"].includes(event)) {
      if (event === "banned" || !members.get(who)?.registered) moderators.delete(who);
      members.delete(who);
    } else if (event === "renamed") {
      members.delete(fold(old));
      this.add(fresh, registered);
      if (moderators.delete(fold(old))) moderators.add(fold(fresh));
    } else if (event === "promoted") moderators.add(who);
    else if (event === "demoted") moderators.delete(who);
    else if (event === "topicset") this.topic = topic;
    else if (event === "opened") this.name = title;
    else if (event === "roomrenamed") this.name = fresh;
    else if (event.endsWith("locked")) this.locked = event === "locked";
  }
}

export const speaks = ({ event }) => ["said", "rolled", "whispered", "shared", "sealed", "sealedwhisper"].includes(event);

export const passing = ({ event }) => ["joined", "left", "renamed"].includes(event);

export const concerns = ({ event, by, body }, me) => event === "said" && by !== me && mentions(body, me);

export const joins = (entry, before) => (passing(entry) && passing(before)) || (entry.event === "early" && before.event === "early");

export const continues = (entry, before) =>
  ["said", "whispered"].includes(entry.event) && entry.event === before.event && entry.by === before.by &&
  !entry.action && !before.action && entry.at - before.at < 300;
