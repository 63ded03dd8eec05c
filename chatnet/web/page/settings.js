// What is kept on this device: how the page looks, and how far one has read. Never a password.

const PREFIX = "chatnet.";

function kept(storage) {
  const held = new Map(); // if storage is full or forbidden, it lasts as long as the page
  return {
    get(name) {
      try {
        return held.get(name) ?? JSON.parse(storage().getItem(PREFIX + name));
      } catch {
        return null;
      }
    },
    set(name, value) {
      held.set(name, value);
      try {
        storage().setItem(PREFIX + name, JSON.stringify(value));
      } catch {}
    },
  };
}

export const tab = kept(() => sessionStorage); // this tab, also after a reload
export const device = kept(() => localStorage);

const read = new Map(device.get("read") || []);
let due = 0;

export const readUpTo = (room) => read.get(room) ?? null;

/** Remember that a room was read up to seq; soon, and for the last few hundred rooms. */
export function keepRead(room, seq) {
  if (read.get(room) === seq) return;
  read.delete(room);
  read.set(room, seq);
  due ||= setTimeout(writeRead, 500);
}

export function writeRead() {
  clearTimeout(due);
  due = 0;
  device.set("read", [...read].slice(-300));
}

/** Light, dark, or (null) as the system has it. */
export function theme(wanted) {
  if (wanted !== undefined) device.set("theme", wanted);
  const chosen = device.get("theme");
  if (chosen) document.documentElement.dataset.theme = chosen;
  else delete document.documentElement.dataset.theme;
  return chosen;
}
