// The page of `GET /status`: asks for numbers while somebody looks, and draws them.

import { askStatus, NoStatus } from "./ask-status.js";
import { browserClock } from "./browser-clock.js";
import { byId } from "./element.js";
import { History } from "./history.js";
import { openPage } from "./page.js";
import { Poller } from "./poller.js";
import { openTryIt } from "./try-it.js";

/** Where the key is kept: in this tab, as long as it is open. */
const keyName = "arrowmesh.key";
const history = new History();
const page = openPage();
let traceUrl = "";
let isPaused = false;
let isKeyNeeded = false;

const poller = new Poller(() => askStatus(readKey()), browserClock, {
  answered(status) {
    traceUrl = status.traceUrl;
    history.answered(status, browserClock.nowMs());
    page.connect("live", "Live");
    page.show(history, browserClock.nowMs());
    byId("forget-key", HTMLButtonElement).hidden = readKey() === undefined;
  },
  failed(error, retryMs) {
    if (error instanceof NoStatus && error.isKeyNeeded) return askForKey(readKey() !== undefined);
    history.unanswered(browserClock.nowMs());
    if (history.points.length > 0) page.show(history, browserClock.nowMs());
    const words = error instanceof NoStatus ? error.message : "This page has a bug";
    page.connect("away", `${words}; asking again in ${Math.round(retryMs / 1_000)} s`);
    if (!(error instanceof NoStatus)) throw error;
  },
});

openTryIt({ key: readKey, traceUrl: () => traceUrl });
openKeyForm();
openPause();
document.addEventListener("visibilitychange", startOrStop);
startOrStop();

function readKey(): string | undefined {
  return sessionStorage.getItem(keyName) ?? undefined;
}

/** Nobody is asked while nobody looks. */
function startOrStop(): void {
  if (document.hidden || isPaused || isKeyNeeded) poller.stop();
  else poller.start();
}

function openPause(): void {
  const button = byId("pause", HTMLButtonElement);
  button.addEventListener("click", () => {
    isPaused = !isPaused;
    button.setAttribute("aria-pressed", String(isPaused));
    if (isPaused) page.connect("paused", "Paused");
    startOrStop();
  });
}

function askForKey(isWrong: boolean): void {
  isKeyNeeded = true;
  sessionStorage.removeItem(keyName);
  startOrStop();
  showKeyForm(true);
  byId("key-error", HTMLElement).textContent = isWrong ? "The gateway does not know this key." : "";
  byId("key", HTMLInputElement).focus();
}

function showKeyForm(isShown: boolean): void {
  byId("key-form", HTMLFormElement).hidden = !isShown;
  byId("banner", HTMLElement).hidden = isShown;
  byId("content", HTMLElement).hidden = isShown || history.points.length === 0;
  if (isShown) byId("forget-key", HTMLButtonElement).hidden = true;
  if (isShown) page.connect("paused", "Waiting for a key");
}

function openKeyForm(): void {
  const key = byId("key", HTMLInputElement);
  byId("key-form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    sessionStorage.setItem(keyName, key.value);
    key.value = "";
    isKeyNeeded = false;
    showKeyForm(false);
    startOrStop();
  });
  byId("forget-key", HTMLButtonElement).addEventListener("click", () => askForKey(false));
}
