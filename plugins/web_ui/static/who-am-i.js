// In the header: who is signed in, the way to the account, and out. Nothing where the server has no accounts.

import { getIfAllowed } from "./api.js";
import { el } from "./dom.js";
import { hasAccounts, keepRenewed, signIn, signOut } from "./session.js";

class WhoAmI extends HTMLElement {
  async connectedCallback() {
    if (!hasAccounts) return;
    const me = await getIfAllowed("v1/users/me").catch(() => null);
    if (me) keepRenewed();
    this.replaceChildren(...(me ? signedIn(me) : [el("button", { type: "button", onclick: signIn }, "Sign in")]));
  }
}

const signedIn = (me) => [
  el("a", { href: "account", title: "Your account" }, me.email),
  el("button", { type: "button", onclick: () => signOut().catch(() => null) }, "Sign out"),
];

customElements.define("who-am-i", WhoAmI);
