// The WebSocket: kept open, probed when silent, opened again when lost.

const SILENT = 50e3; // ms without a word, after which the other side is asked for one
const PATIENCE = 8e3; // ms it has for that
const LONGEST_WAIT = 30e3; // ms between two tries

export const on = {}; // to be filled: frame(object) and down()
export let state = "closed"; // or "trying", "open", "waiting"
export let retryAt = 0;
let tries = 0; // since the server last knew us
let socket = null;
let timer, heard, due; // when something came last, and when an answer has to be there

export function open() {
  clearTimeout(timer);
  if (socket) return;
  const mine = (socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")), "chatnet.json.v1"));
  heard = Date.now();
  due = 0;
  state = "trying";
  mine.onclose = () => socket === mine && lost();
  mine.onmessage = ({ data }) => {
    if (socket !== mine) return;
    heard = Date.now();
    due = 0;
    state = "open";
    const frame = JSON.parse(data);
    if (frame.reply === "youare") tries = 0;
    on.frame(frame);
  };
}

// Close, and stay closed until open() is called.
export function close() {
  clearTimeout(timer);
  state = "closed";
  socket?.close();
  socket = null;
}

function lost() {
  close();
  const wait = Math.min(LONGEST_WAIT, 500 * 2 ** tries++) * (0.6 + 0.4 * Math.random());
  state = "waiting";
  retryAt = Date.now() + wait;
  timer = setTimeout(open, wait);
  on.down(); // may close for good
}

export function send(frame) {
  if (state === "open") socket.send(JSON.stringify(frame));
}

// The network changed: try at once, or see if the link lives.
export function nudge() {
  if (state === "open") return probe();
  tries = Math.min(tries, 2);
  if (state === "waiting") open();
}

function probe() {
  due = Date.now() + PATIENCE;
  send({ do: "ping" });
  setTimeout(look, PATIENCE + 50);
}

function look() {
  const silent = Date.now() - heard;
  if (!socket) return;
  if (due ? Date.now() > due : state === "trying" && silent > PATIENCE) lost();
  else if (!due && silent > SILENT) probe();
}

setInterval(look, 5e3);
