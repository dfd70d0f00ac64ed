// Who is signed in, where the server has accounts. An access token that has run out is renewed once, by its cookie.

const RENEW_EVERY = 20 * 60 * 1000; // ms; access tokens live longer than that, so a film is never interrupted

export const hasAccounts = "accounts" in document.documentElement.dataset;
let renewal = null;

/** fetch, and once more after a renewal where the server answers 401. Rejects as fetch does. */
export async function ask(path, options = {}) {
  const response = await fetch(path, options);
  if (response.status !== 401 || !hasAccounts) return response;
  return (await renewed()) ? fetch(path, options) : response;
}

/** Whoever asks meanwhile waits for the same renewal. Rejects where the server is away or asks for patience. */
export function renewed() {
  renewal ??= renew().finally(() => (renewal = null));
  return renewal;
}

async function renew() {
  const response = await fetch("v1/auth/refresh", { method: "POST" });
  if (response.status === 429 || response.status >= 500) throw new Error("not now");
  return response.ok;
}

/** While this page is open; a guest who is let in anyway would not notice that the login has ended. */
export function keepRenewed() {
  setInterval(() => renewed().catch(() => null), RENEW_EVERY);
}

/** To the sign-in page, and back here after it. */
export function signIn() {
  const here = location.pathname + location.search + location.hash;
  location.assign(`login?next=${encodeURIComponent(here)}`);
}

export async function signOut() {
  const response = await fetch("v1/auth/logout", { method: "POST" });
  if (response.ok || response.status === 401) location.assign("login");
}
