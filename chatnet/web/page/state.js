// What is known of each conversation: the fold of its entries. Pure.

import { fold, mentions } from "./text.js";

const MOST = 3000; // entries of a conversation that are kept; older ones are asked for again
const HEAVIEST = 4e6; // characters of them

/** A room, or the whispers with one person. */
export class Talk {
  constructor(key, name, whispers = false) {
    this.key = key;
    this.name = name;
    this.whispers = whispers;
    this.entries = []; // by seq, without gaps but for what this reader is not shown
    this.since = 0; // the seq behind which they begin
    this.head = 0; // the last seq that was seen
    this.members = new Map(); // by folded name
    this.moderators = new Map();
    this.topic = "";
    this.locked = false;
    this.stateAt = 0; // the seq up to which the state is known
    this.here = whispers; // am I in it?
    this.why = ""; // and if not, why
    this.password = ""; // kept in memory only, to come back
    this.read = null; // the last seq that was read, once that is known
    this.line = null; // behind which seq it says "new"
    this.unread = this.mentions = 0;
    this.past = null; // the stretch of history that is coming
    this.loading = false;
    this.following = true; // the reader is at its end, so the beginning may be dropped
    this.weight = 0;
    this.draft = "";
    this.sent = []; // for the up arrow
    this.typing = new Map(); // name -> until when
  }

  /** Take the server's snapshot. */
  enter({ seq, since, name, state }) {
    if (this.head > Math.max(seq, state.seq)) this.forget(); // its data are older than ours
    if (!this.head) this.since = this.head = Math.min(since, seq);
    this.here = true;
    this.why = "";
    this.name = name;
    this.topic = state.topic;
    this.locked = state.locked;
    this.stateAt = state.seq;
    this.members = new Map(state.members.map((one) => [fold(one.name), { ...one }]));
    this.moderators = new Map(state.moderators.map((name) => [fold(name), name]));
    if (this.read === null || this.read > Math.max(seq, state.seq)) this.read = seq;
  }

  forget() {
    this.entries = [];
    this.head = this.since = this.weight = this.unread = this.mentions = 0;
    this.read = this.line = this.past = null;
  }

  /** Take one entry; return whether it is new. */
  take(entry, me) {
    if (this.past && entry.seq <= this.past.upto) {
      this.past.entries.push(entry);
      return false;
    }
    if (entry.seq <= this.head) return false;
    this.head = entry.seq;
    if (entry.seq > this.stateAt) this.evolve(entry);
    this.entries.push(entry);
    this.weight += weigh(entry);
    this.count(entry, me);
    if (this.following) this.trim();
    return true;
  }

  /** Put the history that came before what is there. */
  prepend(me) {
    const { entries, since } = this.past;
    const first = this.entries.length ? Math.floor(this.entries[0].seq) : Infinity;
    const older = entries.filter((entry) => entry.seq < first);
    this.past = null;
    this.since = since;
    this.entries = older.concat(this.entries);
    for (const entry of older) {
      this.weight += weigh(entry);
      this.count(entry, me);
    }
  }

  /** Show something that is in no log, behind what is there. */
  remark(entry) {
    const last = this.entries[this.entries.length - 1];
    this.entries.push({ at: Date.now() / 1000, ...entry, seq: (last ? last.seq : this.head) + 1e-6 });
  }

  count(entry, me) {
    if (this.read === null || entry.seq <= this.read || !speaks(entry) || entry.by === me) return;
    this.unread++;
    if (this.whispers || concerns(entry, me)) this.mentions++;
  }

  /** All up to here has been read. */
  markRead() {
    this.read = this.head;
    this.unread = this.mentions = 0;
  }

  trim() {
    const { entries } = this;
    if (this.whispers || (entries.length < MOST + 500 && this.weight < 2 * HEAVIEST)) return;
    let from = Math.max(0, entries.length - MOST);
    let left = this.weight;
    for (let i = 0; i < from; i++) left -= weigh(entries[i]);
    while (left > HEAVIEST && from < entries.length - 50) left -= weigh(entries[from++]);
    this.weight = left;
    this.entries = entries.slice(from);
    this.since = Math.floor(this.entries[0].seq) - 1;
  }

  /** What an entry does to who is here and what the room is like. */
  evolve(entry) {
    const { members, moderators } = this;
    const who = entry.who && fold(entry.who);
    switch (entry.event) {
      case "joined":
        if (!members.size && !moderators.size) moderators.set(who, entry.who);
        members.set(who, { name: entry.who, registered: entry.registered });
        break;
      case "banned":
        moderators.delete(who);
      // falls through
      case "left":
      case "kicked":
        if (!members.get(who)?.registered) moderators.delete(who);
        members.delete(who);
        break;
      case "renamed": {
        const old = fold(entry.old);
        members.delete(old);
        members.set(fold(entry.new), { name: entry.new, registered: entry.registered });
        if (moderators.delete(old)) moderators.set(fold(entry.new), entry.new);
        break;
      }
      case "promoted":
        moderators.set(who, entry.who);
        break;
      case "demoted":
        moderators.delete(who);
        break;
      case "topicset":
        this.topic = entry.topic;
        break;
      case "locked":
      case "unlocked":
        this.locked = entry.event === "locked";
        break;
      case "opened":
        this.name = entry.name;
    }
  }

  /** Those who are here, in groups, by name. */
  groups() {
    const groups = { Moderators: [], Members: [], Guests: [] };
    for (const [key, one] of this.members) {
      groups[this.moderators.has(key) ? "Moderators" : one.registered ? "Members" : "Guests"].push({ ...one, key });
    }
    for (const people of Object.values(groups)) people.sort((a, b) => (a.key < b.key ? -1 : 1));
    return groups;
  }
}

const weigh = (entry) => 100 + (entry.body ? entry.body.length : 0);

/** Whether an entry is somebody's words. */
export const speaks = (entry) => ["said", "rolled", "whispered", "announced"].includes(entry.event);

/** Whether an entry is about coming and going, of which many may be told as one. */
export const passing = (entry) => ["joined", "left", "renamed"].includes(entry.event);

/** Whether an entry speaks of me. */
export const concerns = (entry, me) =>
  entry.event === "said" && entry.by !== me && entry.body.length < 20000 && mentions(entry.body, me);

/** Whether `entry` goes on right after `before`, by the same person. */
export const continues = (entry, before) =>
  Boolean(before) &&
  entry.event === before.event &&
  (entry.event === "said" || entry.event === "whispered") &&
  entry.by === before.by &&
  !entry.action &&
  !before.action &&
  entry.at - before.at < 300;
