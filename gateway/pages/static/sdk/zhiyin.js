// zhiyin.js: tells a Zhiyin collector what a customer does in a transaction. One file, no dependency.
//
// <script src="https://HOST/zhiyin.js" data-write-key="KEY" defer></script>
//
// Nothing is sent or stored before zhiyin.consent(true), unless the tag says data-consent="granted".
// The value of a field is never read into anything that is sent: counts, times and names of fields are.
(() => {
  "use strict";
  const LIBRARY = { name: "zhiyin.js", version: "1" };
  const BATCH_EVENTS = 50;
  const BATCH_BYTES = 60_000; // a beacon and a kept-alive fetch carry 64 KB
  const EVENT_BYTES = 32_000;
  const KEPT_EVENTS = 500;
  const SEND_AFTER_MS = 1_000;
  const ANSWER_WITHIN_MS = 10_000;
  const LONGEST_WAIT_MS = 60_000;
  const BEACON_DOUBTED_MS = 300_000; // the engine knows a second delivery for ten minutes
  const LEFT_ALONE_MS = 15_000;
  const DEAD_CLICK_MS = 2_500;
  const HESITATION_MS = 10_000;
  const LOOP = { visits: 3, withinMs: 15_000 };
  const CLICKS_A_MINUTE = 60;
  const QUEUES = "zhiyin.queue.";

  const tag = document.currentScript;
  const early = Array.isArray(window.zhiyin) ? window.zhiyin : [];
  let settings = null;
  let allowed = false;
  let transaction = null;
  let userId = null;
  let anonymousId = null;
  let queue = [];

  // --- What is kept. Where storage is forbidden or full, this page alone remembers.

  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const ownQueue = QUEUES + newId();
  const attempt = (act, otherwise = null) => {
    try {
      return act();
    } catch {
      return otherwise;
    }
  };
  const read = (store, key) => attempt(() => JSON.parse(window[store].getItem(key)));
  const write = (store, key, value) => attempt(() => window[store].setItem(key, JSON.stringify(value)));
  const forget = (store, key) => attempt(() => window[store].removeItem(key));
  const keysOf = (store, prefix) => attempt(() => Object.keys(window[store]), []).filter((key) => key.startsWith(prefix));

  function keepState() {
    if (!allowed) return;
    write("localStorage", "zhiyin.anonymous", (anonymousId ??= read("localStorage", "zhiyin.anonymous") ?? newId()));
    write("sessionStorage", "zhiyin.state", { userId, transaction });
  }

  function keepQueue(left = false) {
    if (allowed && queue.length) write("localStorage", ownQueue, { at: Date.now(), left, entries: queue });
    else forget("localStorage", ownQueue);
  }

  /** Takes over what pages that are gone could not send. A second delivery is known by its messageId. */
  function adopt() {
    for (const key of keysOf("localStorage", QUEUES)) {
      const kept = read("localStorage", key);
      if (key === ownQueue || (kept && !kept.left && Date.now() - kept.at < LEFT_ALONE_MS)) continue;
      forget("localStorage", key);
      queue.unshift(...(kept?.entries ?? []));
    }
    queue.splice(0, queue.length - KEPT_EVENTS);
    keepQueue();
  }

  // --- Sending

  let timer = null;
  let failures = 0;
  let retryAt = 0;
  let inFlight = new Set();

  function plan(afterMs) {
    if (timer || !queue.length) return;
    timer = setTimeout(() => flush((timer = null)), Math.max(afterMs, retryAt - Date.now()));
  }

  function put(event) {
    const size = new Blob([JSON.stringify(event)]).size;
    if (size > EVENT_BYTES) return console.warn(`zhiyin: an event of ${size} bytes was dropped, at most ${EVENT_BYTES} are taken`);
    queue.push({ event, size });
    queue.splice(0, queue.length - KEPT_EVENTS);
    keepQueue();
    plan(SEND_AFTER_MS);
  }

  /** The oldest entries that go into one request, and its body. */
  function nextBatch(isWanted) {
    const entries = [];
    let size = 500;
    for (const entry of queue) {
      if (inFlight.has(entry) || !isWanted(entry)) continue;
      size += entry.size + 1;
      if (size > BATCH_BYTES || entries.length === BATCH_EVENTS) break;
      entries.push(entry);
    }
    const context = { channel: "web", library: LIBRARY, locale: navigator.language };
    const batch = entries.map(({ event }) => event);
    const body = JSON.stringify({ batch, context, writeKey: settings.writeKey, sentAt: new Date().toISOString() });
    return { entries, body };
  }

  function remove(entries) {
    queue = queue.filter((entry) => !entries.includes(entry));
    keepQueue();
  }

  function post(body) {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    return fetch(`${settings.host}/v1/batch`, { method: "POST", body, keepalive: true, credentials: "omit", signal });
  }

  async function flush() {
    if (!allowed || inFlight.size || !queue.length) return;
    if (Date.now() < retryAt) return void plan(0);
    remove(queue.filter(({ beaconedAt }) => beaconedAt && Date.now() - beaconedAt > BEACON_DOUBTED_MS));
    const { entries, body } = nextBatch(() => true);
    if (!entries.length) return;
    inFlight = new Set(entries);
    const answer = await post(body).catch(() => null);
    inFlight = new Set();
    settle(answer, entries);
    plan(0);
  }

  function settle(answer, entries) {
    const status = answer?.status ?? 503;
    if (status === 429 || status >= 500) {
      failures += 1;
      const asked = 1_000 * (Number(answer?.headers.get("Retry-After")) || 0);
      const longest = Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** failures);
      retryAt = Date.now() + Math.max(asked, longest * Math.random());
      return;
    }
    failures = retryAt = 0;
    if (status >= 400) console.warn(`zhiyin: the collector refused ${entries.length} events with ${status}`);
    remove(entries);
  }

  /** The page may be gone in a moment: what waits goes by beacon, and is doubted if the page lives on. */
  function leave() {
    while (allowed && navigator.onLine) {
      const { entries, body } = nextBatch(({ beaconedAt }) => !beaconedAt);
      if (!entries.length) break;
      if (!navigator.sendBeacon(`${settings.host}/v1/batch`, body)) {
        post(body).then((answer) => answer.ok && remove(entries)).catch(() => {});
        break;
      }
      for (const entry of entries) entry.beaconedAt = Date.now();
    }
    keepQueue(true);
  }

  // --- What a page says

  function record(type, fields) {
    if (!allowed) return;
    put({ type, messageId: newId(), timestamp: new Date().toISOString(), anonymousId, ...(userId && { userId }), ...fields });
  }

  const track = (event, properties = {}) => record("track", { event, properties });

  function identify(id, traits = {}) {
    userId = id ? String(id) : userId;
    keepState();
    record("identify", { traits });
  }

  /** Long numbers and addresses in a path are somebody's: policy 12345678 is ":id". */
  const place = (path) => path.replace(/[^/]*(\d{4,}|@|%40)[^/]*/g, ":id");

  function page(name, properties = {}) {
    const path = place(location.pathname);
    const from = attempt(() => new URL(document.referrer));
    const referrer = from ? from.origin + place(from.pathname) : "";
    record("page", { name, properties: { path, referrer, ...properties } });
    if (allowed) visited(path);
  }

  function visited(path) {
    const since = Date.now() - LOOP.withinMs;
    const before = (read("sessionStorage", "zhiyin.visits") ?? []).filter(({ at }) => at > since);
    const visits = [...before, { path, at: Date.now() }];
    write("sessionStorage", "zhiyin.visits", visits);
    if (visits.filter((visit) => visit.path === path).length === LOOP.visits) tell("Page Loop", { target: path });
  }

  /** An event of the transaction under way; without one there is nothing to tell. */
  function tell(event, more = {}) {
    if (!transaction) return;
    const { journey, transaction_id, step } = transaction;
    track(event, { journey, transaction_id, ...(step && { step }), ...more });
  }

  function start(journey, transactionId) {
    transaction = { journey, transaction_id: transactionId ?? newId(), step: null };
    keepState();
    tell("Transaction Started");
    return transaction.transaction_id;
  }

  function step(name) {
    if (transaction) transaction.step = name;
    keepState();
    tell("Transaction Step Viewed");
  }

  function end(event) {
    tell(event);
    transaction = null;
    keepState();
  }

  // --- Signs of struggle, inside a transaction only
  const CLICKABLE = "a, button, input, select, textarea, summary, label, [role=button], [role=link], [data-zhiyin]";
  const ACTS = "a, button, summary, [role=button], [role=link], [data-zhiyin], input[type=submit], input[type=button]";
  const CHANGES = ["scroll", "input", "change", "submit", "toggle", "blur", "pagehide", "hashchange", "popstate"];
  const TEXT = /^(text|search|email|tel|url|password)$/;
  const isIgnored = (element) => !(element instanceof Element) || Boolean(element.closest("[data-zhiyin-ignore]"));
  const ownName = (element) => element.dataset.zhiyin || element.getAttribute("name") || element.id || element.localName;
  const nameOf = (element) => ownName(element).replace(/\d{4,}/g, "#");
  const isField = (element) => element instanceof Element && element.matches("input, select, textarea") && element.type !== "hidden";

  function control(element) {
    if (element.dataset.zhiyinControl) return element.dataset.zhiyinControl;
    if (element.localName === "textarea" || element.isContentEditable || TEXT.test(element.type)) return "text_input";
    if (/^(number|range|date|time|month|week|datetime-local)$/.test(element.type)) return "stepper";
    if (/^(next|prev)$/.test(element.rel)) return element.rel === "next" ? "next" : "previous";
    return element.localName;
  }

  let clicks = [];
  function clicked({ target, clientX, clientY }) {
    if (!transaction || isIgnored(target)) return;
    clicks = clicks.filter((at) => at > Date.now() - 60_000);
    if (clicks.push(Date.now()) > CLICKS_A_MINUTE) return;
    const element = target.closest(CLICKABLE) ?? target;
    const [x, y] = [Math.round(clientX), Math.round(clientY)];
    tell("Element Clicked", { target: nameOf(element), control: control(element), x, y });
    if (element.matches(ACTS)) watch(element);
  }

  let watching = null;
  /** A click after which nothing changes for 2.5 s: the customer believes that it should do something. */
  function watch(element) {
    if (watching || element.target === "_blank" || element.hasAttribute("download")) return;
    const ending = new AbortController();
    const observer = new MutationObserver(() => stop());
    const stop = () => {
      observer.disconnect();
      ending.abort();
      clearTimeout(watching);
      watching = null;
    };
    watching = setTimeout(() => {
      stop();
      tell("Dead Click", { target: nameOf(element) });
    }, DEAD_CLICK_MS);
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    for (const sign of CHANGES) addEventListener(sign, stop, { capture: true, signal: ending.signal });
  }

  const fields = new WeakMap();
  const ofField = (handle) => (event) => {
    const { target } = event;
    if (!transaction || !isField(target) || isIgnored(target)) return;
    const known = fields.get(target) ?? { visits: 0, changes: 0, deletes: 0 };
    fields.set(target, known);
    handle(target, known, event);
  };

  function entered(_, known) {
    Object.assign(known, { visits: known.visits + 1, enteredAt: Date.now(), changedAt: null, changes: 0, deletes: 0 });
  }

  function changed(_, known, { inputType }) {
    known.changedAt ??= Date.now();
    known.changes += 1;
    if (inputType?.startsWith("delete")) known.deletes += 1;
  }

  function left(field, known) {
    const { enteredAt, changedAt, changes, deletes, visits } = known;
    const hesitation_ms = enteredAt ? (changedAt ?? Date.now()) - enteredAt : 0;
    const counts = { hesitation_ms, changes, deletes, refocus: visits - 1, left_blank: !field.value };
    if (hesitation_ms >= HESITATION_MS) tell("Field Hesitated", { field: nameOf(field), ...counts });
    if (changes && !field.validity.valid) refused(field, known);
  }

  /** What the browser finds wrong with a field, as a code such as pattern_mismatch; leaving and submitting are one. */
  function refused(field, known) {
    for (const check in field.validity) {
      if (check === "valid" || !field.validity[check]) continue;
      const code = check.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const isSaid = known.code === code && Date.now() - known.refusedAt < 1_000;
      Object.assign(known, { code, refusedAt: Date.now() });
      if (!isSaid) tell("Field Error", { field: nameOf(field), code });
      return;
    }
  }

  function listen() {
    document.addEventListener("click", clicked, true);
    document.addEventListener("focusin", ofField(entered), true);
    document.addEventListener("input", ofField(changed), true);
    document.addEventListener("focusout", ofField(left), true);
    document.addEventListener("invalid", ofField(refused), true);
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") return flush();
      tell("Page Hidden");
      leave();
    });
    addEventListener("pagehide", leave);
    addEventListener("online", () => flush((retryAt = 0)));
    addEventListener("storage", ({ key }) => (key === null || key === "zhiyin.consent") && apply());
    window.navigation?.addEventListener("currententrychange", ({ navigationType }) => {
      if (settings.pages && (navigationType === "push" || navigationType === "traverse")) page();
    });
    setInterval(() => allowed && flush(adopt()), 5_000);
  }

  // --- Consent

  let said = null;
  const hasConsent = () => {
    const kept = read("localStorage", "zhiyin.consent") ?? said;
    return kept === "yes" || (kept !== "no" && settings.consent === "granted");
  };

  function consent(isGiven) {
    said = isGiven ? "yes" : "no";
    if (isGiven || settings.consent === "granted") write("localStorage", "zhiyin.consent", said);
    else forget("localStorage", "zhiyin.consent");
    apply();
  }

  function apply() {
    const was = allowed;
    allowed = hasConsent();
    if (!allowed) clear();
    else if (!was) begin();
  }

  function begin() {
    const kept = read("sessionStorage", "zhiyin.state");
    userId ??= kept?.userId ?? null;
    transaction ??= kept?.transaction ?? null;
    keepState();
    adopt();
    if (settings.pages) page();
    plan(SEND_AFTER_MS);
  }

  /** Everything that was kept goes, in this tab's memory too; of a refusal the word "no" stays where it is needed. */
  function clear() {
    queue = [];
    userId = transaction = anonymousId = null;
    for (const store of ["localStorage", "sessionStorage"]) {
      for (const key of keysOf(store, "zhiyin.")) if (key !== "zhiyin.consent") forget(store, key);
    }
  }

  function reset() {
    userId = transaction = anonymousId = null;
    forget("localStorage", "zhiyin.anonymous");
    keepState();
  }

  /** host: the collector's address; consent: "required" or "granted"; pages: whether page views are told by themselves. */
  function load({ writeKey, host = tag ? new URL(tag.src).origin : location.origin, consent = "required", pages = true }) {
    if (settings) return;
    settings = { writeKey, host: host.replace(/\/$/, ""), consent, pages };
    allowed = hasConsent();
    listen();
    if (allowed) begin();
  }

  window.zhiyin = {
    ...{ load, identify, track, page, reset, flush, start, step },
    consent: (isGiven) => settings && consent(Boolean(isGiven)),
    isAllowed: () => allowed,
    stepCompleted: (name) => tell("Transaction Step Completed", name && { step: name }),
    fail: (errorCode, name) => tell("Transaction Step Failed", { error_code: errorCode, ...(name && { step: name }) }),
    fieldError: (field, code) => tell("Field Error", { field, code }),
    complete: () => end("Transaction Completed"),
    cancel: () => end("Transaction Cancelled"),
  };
  if (tag?.dataset.writeKey) {
    const { writeKey, host, consent, pages } = tag.dataset;
    load({ writeKey, ...(host && { host }), consent, pages: pages !== "manual" });
  }
  for (const [name, ...words] of early) window.zhiyin[name]?.(...words);
})();
