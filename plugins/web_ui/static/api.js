// The server's JSON: every fault becomes an ApiError whose message is a sentence for people.

import { ask, hasAccounts, signIn } from "./session.js";

export class ApiError extends Error {
  constructor(status, message, details = null) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** Whoever is signed out is taken to the sign-in page. */
export async function get(path) {
  try {
    return await getAsIAm(path);
  } catch (error) {
    if (error.status === 401 && hasAccounts) signIn();
    throw error;
  }
}

async function getAsIAm(path) {
  let response;
  try {
    response = await ask(path, { headers: { Accept: "application/json" } });
  } catch {
    throw new ApiError(0, "The server does not answer; it is tried again by itself.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok && !(path === "ready" && body)) throw told(response.status, body);
  return body;
}

/** Null instead of an error where the visitor may not ask this, or where there is none. */
export async function getIfAllowed(path) {
  try {
    return await getAsIAm(path);
  } catch (error) {
    if ([401, 403, 404].includes(error.status)) return null;
    throw error;
  }
}

export const told = (status, body) =>
  new ApiError(
    status,
    body?.error?.message ?? `The server answered ${status}; its log tells why.`,
    body?.error?.details ?? null,
  );

/** An address the server gives from its root, as this page reaches it (a base path, a proxy with TLS). */
export function reachable(address) {
  if (!address) return "";
  const url = new URL(address, location.href);
  if (url.host !== location.host) return url.href;
  return new URL(url.pathname + url.search, location.origin).href;
}
