// Keeps the open page in step with the node.
//
// The node's events (/v1/events) only say that something changed; what changed is fetched as the page's
// fragment, and of it those parts are put in place (`data-live`) that differ from what the node sent before.
// So a missed event costs nothing: the next refresh shows the present. A hidden page holds no connection.

import { tellTimes } from "./times.js";

const EVENTS = [
  "linked", "unlinked", "turned_away", "joined", "gone", "rejected", "recorded", "proposed", "cosign_asked", "executed", "refused",
  "outcome", "caught_up", "fork_found", "split_view", "healed", "decided", "keys_made", "seats", "share_lost", "anomaly", "frozen",
  "halted", "halt_ended", "vote", "charter", "erased", "case", "audit", "account_asked", "public", "two_public_logs",
  "override_stays", "override_lapsed", "sublime", "tier_peer", "content", "released",
  "rotation", "bad_dealer", "share_not_made", "forgot", "guardian_invited", "guardian_answered", "ready", "lost", "message",
];
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 30_000;

const main = document.querySelector("main[data-fragment]");
const state = document.getElementById("live");
const announce = document.getElementById("announce");
const sent = new Map();

let source;
let retryMs = RETRY_FIRST_MS;
let retryTimer;
let refreshTimer;
let refreshedAt = 0;
let isRefreshing = false;

// Connects, and again whenever the page becomes visible.
export function follow() {
  if (!main || !state) return;
  remember(main);
  document.addEventListener("visibilitychange", () => (document.hidden ? rest() : connect()));
  // What changes without an event, such as a token that expires or what the kernel refuses, is seen this late at most.
  setInterval(() => source && refreshSoon(), Number(main.dataset.look));
  if (!document.hidden) connect();
}

// Fetches the page's fragment and puts what changed in its place; tells whether it could.
export async function refresh() {
  const answer = await fetch(main.dataset.fragment, { headers: { accept: "text/html" } });
  if (answer.status === 401 || answer.status === 403) return end();
  if (!answer.ok) return false;
  refreshedAt = Date.now();
  put(new DOMParser().parseFromString(await answer.text(), "text/html"));
  return true;
}

function connect() {
  rest();
  source = new EventSource("/v1/events");
  source.onopen = () => {
    retryMs = RETRY_FIRST_MS;
    show("live");
    refreshSoon();
  };
  // The browser tries again by itself, naming the last event it saw, unless it was refused.
  source.onerror = () => {
    show("waiting");
    if (source?.readyState === EventSource.CLOSED) retryLater();
  };
  for (const name of EVENTS) source.addEventListener(name, refreshSoon);
}

function rest() {
  clearTimeout(retryTimer);
  source?.close();
  source = undefined;
}

// A refused connection may mean that the session has ended: the refresh finds out.
function retryLater() {
  rest();
  retryTimer = setTimeout(async () => {
    const isServed = await refresh().catch(() => false);
    if (isServed !== undefined && !document.hidden) connect();
  }, retryMs);
  retryMs = Math.min(retryMs * 2, RETRY_LAST_MS);
}

function end() {
  rest();
  show("ended");
  return undefined;
}

// Bursts of events share one refresh; a busy mesh refreshes as often as the node asks, not more.
function refreshSoon() {
  if (refreshTimer) return;
  const since = Date.now() - refreshedAt;
  const wait = Math.max(150, Number(main.dataset.every) - since);
  refreshTimer = setTimeout(async () => {
    refreshTimer = undefined;
    if (isRefreshing) return refreshSoon();
    isRefreshing = true;
    await refresh().catch(() => false);
    isRefreshing = false;
  }, wait);
}

function show(name) {
  state.dataset.state = name;
  const words = state.dataset[`${name}Text`];
  if (state.textContent !== words) state.textContent = words;
}

function remember(root) {
  for (const part of root.querySelectorAll("[data-live]")) sent.set(part.id, part.outerHTML);
}

function put(fragment) {
  const newestBefore = newest(document);
  for (const part of fragment.querySelectorAll("[data-live]")) {
    const here = document.getElementById(part.id);
    const html = part.outerHTML;
    if (!here || sent.get(part.id) === html) continue;
    sent.set(part.id, html);
    replace(here, part);
  }
  tellTimes();
  const line = newest(document);
  if (line && line.dataset.number !== newestBefore?.dataset.number) {
    announce.textContent = line.querySelector(".what").textContent;
  }
}

// Swaps a part; what was opened or had the focus keeps it.
function replace(here, part) {
  const focused = here.contains(document.activeElement) ? document.activeElement.id : "";
  for (const opened of here.querySelectorAll("details[open][id]")) {
    part.querySelector(`#${CSS.escape(opened.id)}`)?.setAttribute("open", "");
  }
  here.replaceWith(document.adoptNode(part));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function newest(root) {
  return root.querySelector("[data-feed] [data-number]");
}
