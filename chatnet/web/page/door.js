// The first screen: come in as a guest, with an account, or make one.

import { $, put, show } from "./dom.js";

const DOING = { nick: "Come in", login: "Log in", register: "Make the account" };

const form = $("enter");
const password = $("password");

export function open({ wrong = "", name = "", account, room }) {
  show($("door"), true);
  if (account) form.way.value = "login";
  $("name").value ||= name;
  if (room) $("room").value = room;
  choose();
  put($("door-wrong"), wrong);
  (name && account ? password : $("name")).focus();
}

export function offers({ server, motd, password_needed, passwords, registration, features }) {
  const [, login, register] = form.way;
  put($("server"), server);
  put($("motd"), motd || "Pick a name and come in.");
  show($("gate-field"), password_needed);
  show($("plaintext"), !passwords);
  show($("plaintext").lastElementChild, !password_needed);
  show($("secure"), features.includes("tls"));
  show(register.parentElement, registration);
  login.disabled = register.disabled = !passwords;
  if (!passwords) form.way.value = "nick";
  choose();
}

function choose() {
  const way = form.way.value;
  show($("password-field"), way !== "nick");
  password.disabled = way === "nick";
  password.autocomplete = way === "register" ? "new-password" : "current-password";
  put($("come-in"), DOING[way]);
}

// See that `enter` gets {verb, name, password}, the server's password and the room; it may throw.
export function attend(enter) {
  $("secure").href = `https:${location.href.slice(location.protocol.length)}`;
  form.onchange = choose;
  form.onsubmit = async (event) => {
    event.preventDefault();
    put($("door-wrong"), "");
    $("come-in").disabled = true;
    const who = { verb: form.way.value, name: $("name").value.trim(), password: password.disabled ? undefined : password.value };
    try {
      await enter(who, $("gate").value, $("room").value.trim());
      show($("door"), false);
      password.value = $("gate").value = "";
    } catch (error) {
      put($("door-wrong"), error.message);
    }
    $("come-in").disabled = false;
  };
}
