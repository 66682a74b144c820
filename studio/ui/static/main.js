// Starts the page's own parts once Gradio has laid it out.
import { Agents } from "./agents.js";
import { holdBackWhatArrives } from "./arrive.js";
import { Compare } from "./compare.js";
import { Deck } from "./deck.js";
import { listenToDrags } from "./drag.js";
import { listenToExports } from "./export.js";
import { here } from "./here.js";
import { listenToPicks } from "./history.js";
import { Jobs } from "./jobs.js";
import { Link } from "./link.js";
import { listenToKeys } from "./keys.js";
import { Library } from "./library.js";
import { listenToPresses } from "./press.js";
import { Refining } from "./refine.js";
import { Shape } from "./shape.js";
import { listenToScores, showScores } from "./verdict.js";
import { Voice } from "./voice.js";

// Actions on takes go to Python through one Gradio event (see actions.py); it may not be there yet at the first call.
const act = (what) => (window.studioAct ? window.studioAct(what) : setTimeout(() => act(what), 100));

function step(deck, direction) {
  if (document.getElementById("st-library")?.offsetParent) return window.studio.library.step(direction);
  const takes = [...document.querySelectorAll(".st-card[data-take]")].filter((card) => card.offsetParent).map((card) => card.dataset.take);
  if (!takes.length) return;
  const at = takes.indexOf(deck.now?.take);
  const next = at < 0 ? 0 : (at + direction + takes.length) % takes.length;
  deck.loadTake(takes[next]);
}

// The desk opens what it had last; before it is there, that is where to say what it shall have.
function openOnDesk(source) {
  if (window.studio.mixer) window.studio.mixer.open(source);
  else localStorage.setItem("studio-desk", source);
}

function onClick(event, deck) {
  const target = event.target.closest("[data-act]");
  if (!target) return;
  const { act: action, take, job, source } = target.dataset;
  if (action === "compare") window.studio.compare.toggle(take);
  else if (action === "play") deck.now?.take === take ? deck.toggle() : deck.loadTake(take);
  else {
    if (action === "stems") openOnDesk(source ?? `take:${take}`);
    act({ action, take, job });
  }
}

function toggleTheme() {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem("studio-theme", dark ? "dark" : "light");
}

holdBackWhatArrives();
await Promise.all(["st-audio", "st-bridge", "st-jobs", "st-keys", "st-generate"].map(here));
const deck = new Deck();
const jobs = new Jobs(deck, act);
const shape = new Shape(deck, (what) => { jobs.armed = 1; act(what); });
const compare = new Compare(deck);
const agents = new Agents(), refining = new Refining(deck, act), voice = new Voice();
const link = new Link(deck, jobs);
window.studio = { deck, jobs, shape, compare, agents, refining, voice, link };
listenToPicks(act, compare);
jobs.onBeside = (news) => { agents.show(news.writing); refining.follow(news.refining); showScores(news.scores); link.news(news.link); };
listenToScores();
// The Stems tab is laid out, and its scripts fetched, when it is first shown.
here("mx").then(async () => {
  const { Mixer } = await import("./mixer.js");
  window.studio.mixer = new Mixer({ deck, act });
});
here("md").then(async (box) => {
  const { Midi } = await import("./midi.js");
  window.studio.midi = new Midi(box ?? document.getElementById("md"));
});
here("st-plugin").then(async (box) => {
  const { PlugIns } = await import("./plugin.js");
  window.studio.plugIns = new PlugIns(box);
});
// Their scripts come while nothing else is to do: they are there before the first press on what has just been laid out.
(window.requestIdleCallback ?? setTimeout)(() => ["./mixer.js", "./midi.js", "./plugin.js"].forEach((part) => import(part).catch(() => {})));
// What the focus goes to is not left under the deck.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.scrollPaddingBottom = `${Math.max(90, target.offsetHeight + 12)}px`;
  document.documentElement.style.setProperty("--st-deck-tall", `${target.offsetHeight}px`);
}).observe(document.getElementById("st-deck"));
// A double click is one wish.
for (const id of ["st-generate", "st-plan-first", "st-message-do"])
  here(id).then((button) => button.addEventListener("click", (event) => event.detail > 1 && event.stopImmediatePropagation(), true));
document.getElementById("st-generate").addEventListener("click", () => { jobs.armed = Math.min(jobs.armed + 1, 1); deck.listen(); });
document.getElementById("st-stop").addEventListener("click", () => jobs.stop());
document.getElementById("st-deck-prev").addEventListener("click", () => step(deck, -1));
document.getElementById("st-deck-next").addEventListener("click", () => step(deck, 1));
document.getElementById("st-theme").addEventListener("click", toggleTheme);
document.getElementById("st-help").addEventListener("click", () => document.getElementById("st-keys").showModal());
document.addEventListener("click", (event) => onClick(event, deck));
listenToKeys();
listenToPresses();
listenToDrags();
listenToExports();
here("st-library").then(() => { window.studio.library = new Library(deck, act); });
document.documentElement.dataset.studio = "ready";
