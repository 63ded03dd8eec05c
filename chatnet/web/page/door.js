// The first screen: come in as a guest, with an account, or make one.

import { $, put, show } from "./dom.js";
import { safe } from "./text.js";

const WAYS = ["guest", "login", "register"];

export class Door {
  /** `enter` gets {name, password, fresh}, the server's password and the room, and may refuse by throwing. */
  constructor(enter) {
    this.enter = enter;
    this.way = "guest";
    this.hello = null;
    for (const way of WAYS) $(`as-${way}`).addEventListener("click", () => this.choose(way));
    $("as-guest").parentElement.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const ways = WAYS.filter((way) => !$(`as-${way}`).disabled);
      if (step) this.choose(ways.at((ways.indexOf(this.way) + step) % ways.length)).focus();
    });
    $("enter").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    $("secure").href = `https:${location.href.slice(location.protocol.length)}`;
  }

  open({ wrong = "", name = "", account = false, room } = {}) {
    show($("door"), true);
    this.choose(account ? "login" : this.way);
    if (name) $("name").value = name;
    if (room) $("room").value = room;
    this.complain(wrong);
    $(name && account ? "password" : "name").focus();
  }

  close() {
    show($("door"), false);
    $("password").value = $("gate").value = "";
  }

  /** The server has told what it offers. */
  offers(hello) {
    this.hello = hello;
    put($("server"), safe(hello.server));
    put($("motd"), safe(hello.motd) || "Pick a name and come in.");
    show($("gate-field"), hello.password_needed);
    show($("plaintext"), !hello.passwords);
    show($("plaintext").lastElementChild, !hello.password_needed);
    show($("secure"), hello.features.includes("tls"));
    const [least, most] = hello.password_length;
    $("password").maxLength = most;
    $("password").dataset.least = least;
    $("as-login").disabled = !hello.passwords;
    $("as-register").disabled = !hello.passwords || !hello.registration;
    show($("as-register"), hello.registration);
    if (!hello.passwords) this.choose("guest");
  }

  choose(way) {
    this.way = way;
    for (const other of WAYS) {
      $(`as-${other}`).setAttribute("aria-selected", String(other === way));
      $(`as-${other}`).tabIndex = other === way ? 0 : -1;
    }
    const password = $("password");
    show($("password-field"), way !== "guest");
    password.required = way !== "guest";
    password.autocomplete = way === "register" ? "new-password" : "current-password";
    password.minLength = way === "register" ? password.dataset.least || 1 : 1;
    put($("come-in"), { guest: "Come in", login: "Log in", register: "Make the account" }[way]);
    this.complain("");
    return $(`as-${way}`);
  }

  complain(text) {
    put($("door-wrong"), text);
    show($("door-wrong"), Boolean(text));
  }

  async submit() {
    const button = $("come-in");
    if (button.disabled) return;
    this.complain("");
    button.disabled = true;
    const who = { name: $("name").value.trim() };
    if (this.way !== "guest") Object.assign(who, { password: $("password").value, fresh: this.way === "register" });
    try {
      await this.enter(who, $("gate").value, $("room").value.trim());
    } catch (error) {
      this.complain(error.message);
    } finally {
      button.disabled = false;
    }
  }
}
