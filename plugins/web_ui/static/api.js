// The server's JSON: every fault becomes an ApiError whose message is a sentence for people.

import { ask, hasAccounts, signIn } from "./session.js";

export class ApiError extends Error {
  constructor(status, error, fallback) {
    super(error?.message ?? fallback);
    this.status = status;
    this.details = error?.details ?? null;
    this.sessions = error?.sessions ?? []; // who holds the streams, where all are in use
  }
}

/** Whoever is signed out is taken to the sign-in page. */
export const get = (path) => asked(path);

/** A write; `options` are those of fetch. */
export const send = (method, path, content, options = {}) =>
  asked(path, { ...options, method, body: JSON.stringify(content), headers: { "Content-Type": "application/json" } });

async function asked(path, options) {
  try {
    return await askAsIAm(path, options);
  } catch (error) {
    if (error.status === 401 && hasAccounts) signIn();
    throw error;
  }
}

async function askAsIAm(path, options = {}) {
  let response;
  try {
    response = await ask(path, { ...options, headers: { Accept: "application/json", ...options.headers } });
  } catch {
    throw new ApiError(0, null, "The server does not answer; it is tried again by itself.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok && !(path === "ready" && body)) throw told(response.status, body);
  return body;
}

/** Null instead of an error where the visitor may not ask this, or where there is none. */
export async function getIfAllowed(path) {
  try {
    return await askAsIAm(path);
  } catch (error) {
    if ([401, 403, 404].includes(error.status)) return null;
    throw error;
  }
}

export const told = (status, body) => new ApiError(status, body?.error, `The server answered ${status}; its log tells why.`);

/** An address the server gives from its root, as this page reaches it (a base path, a proxy with TLS). */
export function reachable(address) {
  if (!address) return "";
  const url = new URL(address, location.href);
  if (url.host !== location.host) return url.href;
  return new URL(url.pathname + url.search, location.origin).href;
}
