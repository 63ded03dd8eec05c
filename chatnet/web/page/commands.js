// The /commands: their names, usage and meaning. Pure.

import { Refused } from "./state.js";

const TERMS = { // field and pattern; others are a word called like the term
  USER: ["who", "\\S+"],
  TEXT: ["body", "[^]+"],
  WORDS: ["words", "[^]+"],
  TOPIC: ["topic", "[^]+"],
  REASON: ["reason", "[^]+"],
  TIMES: ["times", "\\d{1,9}"],
  ON: ["on", "(?:[oO][nN]|[fF]orget)"],
  OK: ["ok", "[oO][kK]"],
  NUMBER: ["message", "#0*[1-9]\\d*"],
  DURATION: ["seconds", "(?:\\d{1,6}[smhdw])+"],
};
const SIZES = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

export const COMMANDS = [
  ["join", "ROOM [PASSWORD]", "enter a room, or open a new one"],
  ["leave part", "", "leave the room"],
  ["rooms list", "", "list the rooms"],
  ["who names", "[ROOM]", "list who is in a room"],
  ["topic", "[TOPIC]", "show or change what the room is about; - removes it"],
  ["history", "", "go back in what was said"],
  ["search find", "WORDS", "find words; from:bob in:lobby since:7d"],
  ["delete del", "[#NUMBER [REASON]]", "delete your last message, or #12"],
  ["whisper w msg tell", "USER TEXT", "tell one person alone"],
  ["me", "TEXT", "say what you do"],
  ["shout", "TEXT", "say it in capitals"],
  ["send", "USER TEXT", "tell one person, or all"],
  ["spam", "USER TIMES TEXT", "tell one person several times"],
  ["roll dice", "[DICE]", "throw dice, like 2d6"],
  ["nick name", "NAME", "be called something else"],
  ["newuser register", "NAME PASSWORD [INVITATION]", "make an account"],
  ["login", "NAME PASSWORD", "be your account"],
  ["passwd", "OLD NEW", "change your password"],
  ["logout", "", "log out"],
  ["whois", "USER", "see who someone is"],
  ["ignore", "[NAME]", "see nothing more of what someone says"],
  ["unignore", "NAME", "see it again"],
  ["ping", "", "see if the server answers"],
  ["quit exit bye", "", "leave"],
  ["kick", "USER [REASON]", "put someone out of the room"],
  ["ban", "USER [DURATION] [REASON]", "keep someone out, perhaps for 2h"],
  ["unban", "USER", "let them in again"],
  ["bans", "", "list who is banned or muted"],
  ["mute", "USER [DURATION] [REASON]", "let someone listen, but not speak"],
  ["unmute", "USER", "let them speak again"],
  ["op", "USER", "make someone a moderator"],
  ["deop", "USER", "make a moderator a member"],
  ["rename", "NAME", "rename the room"],
  ["deleteroom delete-room", "ROOM [REASON]", "delete the room"],
  ["lock", "PASSWORD", "let in only who knows it"],
  ["unlock", "", "let everyone in again"],
  ["retain", "DURATION", "keep messages so long; 0s: for good"],
  ["send-file", "", "send a file"],
  ["encrypt", "[ON]", "see for whom the room is encrypted; on encrypts it, for good"],
  ["devices", "[USER]", "list the devices of someone, or yours"],
  ["namedevice", "DEVICE [TEXT]", "call a device of yours something, for you alone"],
  ["rmdevice", "DEVICE", "remove a device of yours: it reads nothing from then on"],
  ["fingerprint", "[USER] [OK]", "compare the keys of someone; ok marks those you saw as verified"],
  ["verify", "USER", "compare keys with someone"],
  ["trust", "USER", "encrypt for the new devices of someone"],
  ["recovery", "[WORDS]", "new gives 12 words that bring your keys back; the words do so"],
  ["help ?", "", "list the commands"],
].map(([called, usage, about]) => {
  const names = called.split(" ");
  const fields = [];
  const shape = usage.replace(/ ?\[/g, "(?:").replaceAll("]", ")?").replace(/ ?#?([A-Z]+)/g, (all, term) => {
    const [field, pattern] = TERMS[term] || [term.toLowerCase(), "\\S+"];
    fields.push({ term, field });
    return `\\s+(?<${field}>${pattern})`;
  });
  return { name: names[0], names, about, fields, shape: new RegExp(`^${shape}$`), usage: `/${names[0]} ${usage}`.trim() };
});

export const command = (name) => COMMANDS.find(({ names }) => names.includes(name));

// Whether one slash begins what was written, and not two; behind blanks, or what nobody sees, only with a word and no more signs, as pasted text has.
const UNSEEN = "[\\s\\u200b-\\u200f\\u2060-\\u206f\\ufeff]";
const BEGINS = new RegExp(`^(/(?!/)|${UNSEEN}+/(?=\\s*[a-z?-]+(?!\\S)))`, "i");
export const isCommand = (line) => BEGINS.test(line);

// The command that a line is, without its slash; nothing if it is none.
export const commandOf = (line) => (isCommand(line) ? line.replace(BEGINS, "") : "");

// What a command asks for: its name, and its fields.
export function parse(line) {
  const [, word, rest] = /^\s*(\S*)([^]*?)\s*$/.exec(commandOf(line));
  const found = command(word.toLowerCase());
  if (!found) throw new Refused(`There is no command /${word.slice(0, 32)}. /help lists them; // begins a message with a slash.`);
  const match = found.shape.exec(rest);
  if (!match) throw new Refused(`Nothing was done. It goes like this: ${found.usage} - ${found.about}`);
  const { times, seconds, message, ...fields } = match.groups || {};
  const [unclear] = /^[+\-.,]*\p{N}\S*/u.exec(!seconds && found.usage.includes("[DURATION]") && fields.reason) || [];
  if (unclear) throw new Refused(`Nothing was done: ${unclear.slice(0, 32)} is no length of time, like 90s, 10m, 2h, 7d or 1d12h. A reason that begins with a digit stands behind one: 0s is for good.`);
  if (times) fields.times = Number(times);
  if (message) fields.message = Number(message.slice(1));
  if (seconds) fields.seconds = seconds.match(/\d+./g).reduce((sum, part) => sum + parseInt(part) * SIZES[part.at(-1)], 0);
  return [found.name, fields];
}
