// The /commands: what they are called, how they are used, what they mean. Pure.

const BAD = null; // that is not how it is used

const none = (frame) => (rest) => (rest ? BAD : frame);
const one = (field, frame, otherwise) => (rest) =>
  !rest && otherwise ? otherwise : /^\S+$/.test(rest) ? { ...frame, [field]: rest } : BAD;
const two = (a, b, frame) => (rest) => {
  const words = rest.split(/\s+/);
  return words.length === 2 ? { ...frame, [a]: words[0], [b]: words[1] } : BAD;
};
const text = (make) => (rest) => (rest ? make(rest) : BAD);
const whom = (rest) => {
  const [, who, tail] = /^(\S*)\s*([^]*)$/.exec(rest);
  return [who, tail];
};
const whisper = (rest) => {
  const [who, body] = whom(rest);
  return body ? { do: "whisper", who, body } : BAD;
};
const awhile = (verb) => (rest) => {
  const [who, tail] = whom(rest);
  if (!who) return BAD;
  const [word, reason] = whom(tail);
  const seconds = duration(word);
  return seconds === null
    ? { do: verb, here: true, who, seconds: 0, reason: tail }
    : { do: verb, here: true, who, seconds, reason };
};
const here = (verb) => one("who", { do: verb, here: true });

/** The seconds in a word like 90s, 10m or 1d12h; null if it is none. */
export function duration(word) {
  if (!/^(\d{1,6}[smhdw])+$/.test(word)) return null;
  const size = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };
  return word.match(/\d+[smhdw]/g).reduce((sum, part) => sum + parseInt(part) * size[part.slice(-1)], 0);
}

// name, usage, about, parse: from the rest of the line to what to do, other names. What has `here` is about the
// room that is open; `local` is done by the page itself.
export const COMMANDS = [
  ["join", "ROOM [PASSWORD]", "enter a room, or open a new one", (rest) =>
    /^\S+(\s+\S+)?$/.test(rest) ? { local: "join", room: whom(rest)[0], password: whom(rest)[1] } : BAD],
  ["leave", "", "leave the room", none({ local: "leave" }), "part"],
  ["rooms", "", "list the rooms", none({ local: "rooms" }), "list"],
  ["who", "[ROOM]", "list who is in a room", one("room", { do: "who" }, { local: "who" }), "names"],
  ["topic", "[TEXT]", "show or change what the room is about; - removes it", (rest) =>
    rest ? { do: "topic", here: true, topic: rest === "-" ? "" : rest } : { local: "topic" }],
  ["history", "", "go back in what was said", () => ({ local: "history" })],
  ["whisper", "USER TEXT", "tell one person alone", whisper, "w", "msg", "tell"],
  ["me", "TEXT", "say what you do", text((body) => ({ do: "say", here: true, body, action: true }))],
  ["shout", "TEXT", "say it in capitals", text((body) => ({ do: "say", here: true, body: body.toUpperCase() }))],
  ["send", "USER TEXT, or all TEXT", "tell one person, or everyone on the server", (rest) => {
    const [who, body] = whom(rest);
    return body && who.toLowerCase() === "all" ? { do: "announce", body } : whisper(rest);
  }],
  ["spam", "USER TIMES TEXT", "tell one person several times", (rest) => {
    const [, who, times, body] = /^(\S+)\s+(\d{1,9})\s+([^]+)$/.exec(rest) || [];
    return body ? { do: "whisper", who, times: Number(times), body } : BAD;
  }],
  ["roll", "[DICE]", "throw dice, like 2d6", one("dice", { do: "roll", here: true }, { do: "roll", here: true, dice: "1d6" }), "dice"],
  ["nick", "NAME", "be called something else", one("name", { local: "nick" }), "name"],
  ["newuser", "NAME PASSWORD", "make an account: the name is yours for good", two("name", "password", { local: "login", fresh: true }), "register"],
  ["login", "NAME PASSWORD", "be your account", two("name", "password", { local: "login" })],
  ["passwd", "OLD NEW", "change your password", two("old", "new", { do: "passwd" })],
  ["logout", "", "log out", none({ local: "quit" })],
  ["whois", "USER", "see who someone is", one("who", { local: "whois" })],
  ["ignore", "[USER]", "see nothing more of what someone says", one("name", { local: "ignore" }, { local: "ignored" })],
  ["unignore", "USER", "see it again", one("name", { local: "unignore" })],
  ["ping", "", "see whether the server answers", none({ local: "ping" })],
  ["quit", "", "leave", none({ local: "quit" }), "exit", "bye"],
  ["kick", "USER [REASON]", "put someone out of the room", (rest) => {
    const [who, reason] = whom(rest);
    return who ? { do: "kick", here: true, who, reason } : BAD;
  }],
  ["ban", "USER [DURATION] [REASON]", "keep someone out: for good, or for 10m, 2h, 7d", awhile("ban")],
  ["unban", "USER", "let them in again", here("unban")],
  ["bans", "", "list who is banned or muted", none({ local: "bans" })],
  ["mute", "USER [DURATION] [REASON]", "let someone listen, but not speak", awhile("mute")],
  ["unmute", "USER", "let them speak again", here("unmute")],
  ["op", "USER", "make someone a moderator", here("op")],
  ["deop", "USER", "make a moderator an ordinary member", here("deop")],
  ["lock", "PASSWORD", "let only those in who know the password", one("password", { do: "lock", here: true })],
  ["unlock", "", "let everyone in again", none({ do: "unlock", here: true })],
  ["help", "[COMMAND]", "list the commands, or explain one", (rest) => ({ local: "help", name: rest }), "?"],
].map(([name, usage, about, parse, ...also]) => ({ name, usage: `/${name} ${usage}`.trim(), about, parse, also }));

export const command = (name) => COMMANDS.find((one) => one.name === name || one.also.includes(name));

/** What a typed line asks for: a frame to send, something local, or an {error}. */
export function parse(line) {
  if (!line.startsWith("/")) return { do: "say", here: true, body: line };
  if (line.startsWith("//")) return { do: "say", here: true, body: line.slice(1) };
  const [, name, rest] = /^\/(\S*)\s*([^]*?)\s*$/.exec(line);
  const found = command(name.toLowerCase());
  if (!found) return { error: `There is no command /${name.slice(0, 32)}. /help lists them; // begins a message with a slash.` };
  return found.parse(rest) || { error: `It goes like this: ${found.usage}` };
}
