// Who sits here and where the hints come from: the token and the websocket's address.
// Both come in the fragment (#token=...&ws=...), which no server sees; they are kept for this tab only.
const TOKEN = "zhiyin.token.";
const WS = "zhiyin.ws";
const ANSWER_WITHIN_MS = 10000;

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

/** What the API said when it did not say yes. `status` 0: nobody answered; `kind`: of its problem, or "unavailable". */
export class ApiError extends Error {
  constructor(status, kind, message) {
    super(message);
    Object.assign(this, { status, kind });
  }
}

/** The API's answer, with the token; `headers`: more of them. Throws ApiError for all but 2xx and 304. */
export async function ask(path, token, { method = "GET", body, headers = {} } = {}) {
  const all = { authorization: `Bearer ${token}`, "accept-language": document.documentElement.lang, ...headers };
  if (body !== undefined) all["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
  } catch (error) {
    throw new ApiError(0, "unavailable", String(error));
  }
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({}));
  const kind = answer.status >= 500 ? "unavailable" : String(problem.type ?? "").split(":").pop();
  throw new ApiError(answer.status, kind, problem.detail ?? problem.title ?? answer.statusText);
}

/** What the API answers, as JSON; null when it has nothing to say. Throws ApiError. */
export async function api(path, token, options) {
  const answer = await ask(path, token, options);
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}
