// The WebSocket: kept open, probed when silent, opened again when lost.

const SILENT = 50e3; // ms without a word, after which the other side is asked for one
const PATIENCE = 12e3; // ms it has for that
const LONGEST_WAIT = 30e3; // ms between two tries

export class Link {
  /** `on` has frame(object), up() and down(): called for each frame, and when the link is there or lost. */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.state = "closed"; // or "trying", "open", "waiting"
    this.retryAt = 0;
    this.tries = 0;
    this.timer = 0;
    setInterval(() => this.look(), 5e3);
  }

  open() {
    clearTimeout(this.timer);
    if (this.socket) return;
    this.state = "trying";
    const socket = (this.socket = new WebSocket(this.url, "chatnet.json.v1"));
    this.heard = Date.now();
    this.asked = 0;
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      this.heard = Date.now();
      this.asked = 0;
      if (this.state !== "open") {
        this.state = "open";
        this.on.up();
      }
      this.on.frame(JSON.parse(data));
    };
    socket.onclose = () => this.socket === socket && this.lost();
    this.on.changed();
  }

  /** The server knows who we are: the next loss is a new one. */
  settled() {
    this.tries = 0;
  }

  /** Close, and stay closed until open() is called. */
  close() {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    this.state = "closed";
    socket?.close();
    this.on.changed();
  }

  lost() {
    const { socket } = this;
    this.socket = null;
    socket.onclose = null;
    socket.close();
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.tries++) * (0.6 + 0.4 * Math.random());
    this.state = "waiting";
    this.retryAt = Date.now() + wait;
    this.timer = setTimeout(() => this.open(), wait);
    this.on.down(); // may close for good
    this.on.changed();
  }

  /** Something changed about the network: try at once, or see whether the link still lives. */
  nudge() {
    if (this.state === "waiting") {
      this.tries = Math.min(this.tries, 2);
      this.open();
    } else if (this.state === "open") this.probe(5e3);
  }

  send(frame) {
    if (this.state === "open") this.socket.send(JSON.stringify(frame));
  }

  probe(patience) {
    this.asked = Date.now() + patience;
    this.send({ do: "ping" });
    setTimeout(() => this.look(), patience + 50);
  }

  look() {
    if (!this.socket) return;
    const now = Date.now();
    if (this.asked && now > this.asked) this.lost();
    else if (this.state === "trying" && now - this.heard > PATIENCE) this.lost();
    else if (!this.asked && now - this.heard > SILENT) this.probe(PATIENCE);
  }
}
