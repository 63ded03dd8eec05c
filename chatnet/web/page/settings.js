// What is kept by the browser. Never a password.

const kept = (storage) => {
  const held = {}; // if storage is full or forbidden, it lasts as long as the page
  return {
    get(name) {
      try {
        return held[name] ?? JSON.parse(storage().getItem(`chatnet.${name}`));
      } catch {
        return null;
      }
    },
    set(name, value) {
      held[name] = value;
      try {
        storage().setItem(`chatnet.${name}`, JSON.stringify(value));
      } catch {}
    },
  };
};

export const tab = kept(() => sessionStorage); // this tab, also after a reload
export const device = kept(() => localStorage);

// A room was seen encrypted, which is for good: this browser remembers that, whoever uses it, and whatever the server says later.
export const pin = (room) => device.get(`sealed.${room}`) || device.set(`sealed.${room}`, true);

export const unpin = (room) => device.set(`sealed.${room}`, null);

export const pinned = (room) => device.get(`sealed.${room}`) === true;

const read = new Map(device.get("read"));

export const readUpTo = (room) => read.get(room) ?? null;

// Remember that a room was read up to seq; some hundred rooms also later.
export function keepRead(room, seq) {
  read.delete(room);
  read.set(room, seq);
}

addEventListener("visibilitychange", () => device.set("read", [...read].slice(-300)));

// Take the theme that is kept, or the other one; the system's own is not kept.
export function theme(change) {
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const other = (device.get("theme") || system) === "dark" ? "light" : "dark";
  if (change) device.set("theme", other === system ? null : other);
  document.documentElement.style.colorScheme = device.get("theme") || "";
}
