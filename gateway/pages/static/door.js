// Who sits here and where the hints come from: the token and the websocket's address.
// Both come in the fragment (#token=...&ws=...), which no server sees; they are kept for this tab only.
const TOKEN = "zhiyin.token.";
const WS = "zhiyin.ws";

/** Reads the fragment once and takes it out of the address bar. `page` keeps the tokens of desk and chat apart. */
export function enter(page) {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  const ws = fragment.get("ws");
  if (token) keepToken(page, token);
  if (ws) sessionStorage.setItem(WS, ws);
  if (token || ws) history.replaceState(null, "", location.pathname + location.search);
  return { token: sessionStorage.getItem(TOKEN + page) };
}

export function keepToken(page, token) {
  sessionStorage.setItem(TOKEN + page, token.trim());
}

export function forgetToken(page) {
  sessionStorage.removeItem(TOKEN + page);
}

/** The websocket's address: from the fragment, else this host at the port that the server names. */
export async function socketAddress() {
  const kept = sessionStorage.getItem(WS);
  if (kept) return kept;
  const answer = await fetch("/page.json", { cache: "no-store" });
  const { ws_port: port } = await answer.json();
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${port}`;
}

/** What the API said when it did not say yes. `status` is 0 when nobody answered. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** JSON from the API, with the token. */
export async function api(path, token, { method = "GET", body } = {}) {
  const headers = { authorization: `Bearer ${token}`, "accept-language": document.documentElement.lang };
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch (error) {
    throw new ApiError(0, String(error));
  }
  const text = await answer.text();
  const found = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new ApiError(answer.status, found?.detail ?? found?.title ?? answer.statusText);
  return found;
}
