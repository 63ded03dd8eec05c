// The devices of others, and one's own others, as they were first seen. Once seen, their keys stay what they are.

import { deviceLines, signed } from "./olm.js";

export class Peers {
  constructor(vault) {
    this.vault = vault;
  }

  // [identity, signing, trust, whether it is here, when it was first seen, label], by device. Trust is known, waiting or verified.
  of(account) {
    return this.vault.get("people", account) || {};
  }

  // Take note of what an account has now; return what has changed, as [kind, device, label].
  learn({ account, devices }, own) {
    const kept = this.of(account);
    const first = !Object.keys(kept).length;
    const changes = [];
    const present = new Set();
    for (const line of devices) {
      const { device, identity, signing, label } = line;
      const known = kept[device];
      if (account === own.account && device === own.device) {
        if (signing !== own.signing) changes.push(["forged", device]);
        continue;
      }
      const same = known && known[0] === identity && known[1] === signing;
      if (!same && (known || !signed(signing, deviceLines(account, line), line.signature))) {
        changes.push(["forged", device]);
        continue;
      }
      present.add(device);
      if (same && known[3]) continue;
      const waits = Object.values(kept).some(([, , trust]) => trust !== "known");
      kept[device] = [identity, signing, waits ? "waiting" : "known", true, known?.[4] || Date.now(), label];
      if (!first || account === own.account) changes.push([waits ? "waits" : "new", device, label]);
    }
    for (const [device, one] of Object.entries(kept)) {
      if (one[3] && !present.has(device)) changes.push(["gone", device]);
      one[3] = present.has(device);
    }
    this.vault.put("people", account, kept);
    return changes;
  }

  // The device, also one that is gone.
  find(account, device) {
    const one = this.of(account)[device];
    return one && { account, device, identity: one[0], signing: one[1], trust: one[2], made: one[4], label: one[5] };
  }

  here(account) {
    const kept = this.of(account);
    return Object.keys(kept).filter((device) => kept[device][3]).map((device) => this.find(account, device));
  }

  had(account) {
    return Object.keys(this.of(account)).length > 0;
  }

  // Trust the devices of an account for which `which` says yes; return them.
  trust(account, trust, which) {
    const kept = this.of(account);
    const found = Object.keys(kept).filter((device) => which(this.find(account, device)));
    for (const device of found) kept[device][2] = trust;
    this.vault.put("people", account, kept);
    return found;
  }
}
