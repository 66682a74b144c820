// The comparison: takes that play in step through Web Audio, equally loud, one of them heard. Switching fades over a few
// milliseconds at constant power, whether the takes sound alike or not, so that there is neither gap nor bump.
import { clock } from "./deck.js";
import { here } from "./here.js";
import { PAUSE, PLAY } from "./icons.js";

const $ = (id) => document.getElementById(id);
const FADE = 0.015; // seconds
const STEPS = 33;
const MOST = 8;
const NOTHING = "<b>Nothing to compare yet.</b><br>Press A/B on two or more takes; they then stand here, equally loud, and play in step.";
const LETTERS = "ABCDEFGH";

// How alike two sounds are around a moment, -1 to 1: the fade's gains depend on it.
export function likeness(one, other, at) {
  const rate = one.sampleRate, from = Math.max(0, Math.round((at - 0.05) * rate)), to = Math.round((at + 0.05) * rate);
  const a = one.getChannelData(0), b = other.getChannelData(0);
  let both = 0, first = 0, second = 0;
  for (let i = from; i < Math.min(to, a.length, b.length); i++) { both += a[i] * b[i]; first += a[i] ** 2; second += b[i] ** 2; }
  return first && second ? both / Math.sqrt(first * second) : 0;
}

// Gains of the incoming and the outgoing sound over the fade, such that their sum keeps its power.
export function fadeCurves(alike) {
  const rise = new Float32Array(STEPS), fall = new Float32Array(STEPS), r = Math.max(-0.9, Math.min(1, alike));
  for (let i = 0; i < STEPS; i++) {
    const angle = (i / (STEPS - 1)) * (Math.PI / 2), s = Math.sin(angle), c = Math.cos(angle);
    const level = Math.sqrt(1 + 2 * r * s * c);
    rise[i] = s / level;
    fall[i] = c / level;
  }
  return { rise, fall };
}

// The sounding part, in a live context or an offline one.
export class Sides {
  constructor(context, sides) {
    this.context = context;
    this.sides = sides.map(({ buffer, gain_db }) => {
      const level = new GainNode(context, { gain: 10 ** (gain_db / 20) }), heard = new GainNode(context, { gain: 0 });
      level.connect(heard).connect(context.destination);
      return { buffer, level, heard };
    });
    this.on = -1;
  }
  start({ at, from = 0, loop = true, seconds, on = 0 }) {
    this.startedAt = at - from;
    for (const side of this.sides) {
      side.source = new AudioBufferSourceNode(this.context, { buffer: side.buffer, loop, loopStart: 0, loopEnd: seconds });
      side.source.connect(side.level);
      side.source.start(at, from % side.buffer.duration);
    }
    this.sides.forEach((side, i) => side.heard.gain.setValueAtTime(i === on ? 1 : 0, at));
    this.on = on;
  }
  switchTo(next, at = this.context.currentTime + 0.005) {
    if (next === this.on || !this.sides[next]) return;
    const before = this.sides[this.on], after = this.sides[next];
    const { rise, fall } = fadeCurves(likeness(before.buffer, after.buffer, Math.max(0, at - this.startedAt)));
    for (const [side, curve] of [[before, fall], [after, rise]]) {
      side.heard.gain.cancelScheduledValues(at);
      side.heard.gain.setValueCurveAtTime(curve, at, FADE);
    }
    this.sides.forEach((side, i) => { if (i !== next && i !== this.on) { side.heard.gain.cancelScheduledValues(at); side.heard.gain.setValueAtTime(0, at); } });
    this.on = next;
  }
  stop() { for (const side of this.sides) { try { side.source?.stop(); } catch { /* not started */ } side.heard.disconnect(); } }
}

export class Compare {
  constructor(deck) {
    this.deck = deck;
    this.takes = [];
    this.wanted = []; // the takes asked for, before the server has told of them
    this.buffers = new Map();
    this.on = 0;
    this.at = 0;
    this.order = [];
    here("st-ab-none").then(() => this.mount()); // Gradio lays a tab out when it is first opened
    this.set(JSON.parse(localStorage.getItem("studio-compare") ?? "[]"));
    new MutationObserver(() => this.mark()).observe(document.body, { childList: true, subtree: true });
  }
  mount() {
    const on = (id, event, run) => $(id).addEventListener(event, run);
    on("st-ab-play", "click", () => (this.sides ? this.pause() : this.play()));
    on("st-ab-at", "input", () => this.seek(Number($("st-ab-at").value) * this.seconds));
    on("st-ab-clear", "click", () => this.set([]));
    on("st-ab-blind", "change", () => this.shuffle());
    on("st-ab-loop", "change", () => this.seek(this.at));
    on("st-ab-none", "click", () => this.choose(null));
    on("st-ab-sides", "click", (event) => this.onSide(event));
    $("st-ab-play").innerHTML = PLAY;
    this.mounted = true;
    if (this.wanted.length > this.takes.length) this.hint("<b>A moment.</b><br>Their loudness is being measured.");
    this.show();
  }
  get names() { return this.takes.map((take) => take.take); }
  get seconds() { return Math.max(0.1, ...this.takes.map((take) => take.seconds)); }
  get isShown() { return Boolean($("st-compare")?.offsetParent); }
  hint(html) { if (this.mounted) $("st-ab-empty").innerHTML = html; }
  say(text) { if (this.mounted) $("st-ab-say").textContent = text; }

  toggle(take) { this.set(this.wanted.includes(take) ? this.wanted.filter((name) => name !== take) : [...this.wanted, take].slice(-MOST)); }

  async set(names) {
    this.pause();
    this.wanted = names;
    this.mark();
    this.hint(names.length ? "<b>A moment.</b><br>Their loudness is being measured." : NOTHING);
    const answer = names.length ? await fetch(`studio/compare?takes=${names.map(encodeURIComponent).join(",")}`) : null;
    const takes = answer?.ok ? (await answer.json()).takes : [];
    if (this.wanted !== names) return; // asked for something else meanwhile
    this.takes = takes;
    this.wanted = this.names;
    localStorage.setItem("studio-compare", JSON.stringify(this.names));
    this.on = 0;
    this.at = 0;
    this.say(this.takes.length === 1 ? "One more, and they can be compared." : "");
    this.shuffle();
    this.mark();
  }
  // Blind, the sides stand in an order of chance and without names, until a choice is made.
  shuffle() {
    this.order = this.takes.map((_, i) => i);
    this.blind = this.mounted && $("st-ab-blind").checked && this.takes.length > 1;
    if (this.blind) for (let i = this.order.length - 1; i > 0; i--) {
      const other = Math.floor(Math.random() * (i + 1));
      [this.order[i], this.order[other]] = [this.order[other], this.order[i]];
    }
    this.show();
  }
  mark() {
    const on = new Set(this.wanted);
    for (const button of document.querySelectorAll("[data-act=compare]")) {
      const pressed = String(on.has(button.dataset.take));
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
  }
  show() {
    if (!this.mounted) return;
    $("st-ab-empty").classList.toggle("st-hidden", this.takes.length > 0);
    $("st-ab-desk").classList.toggle("st-hidden", !this.takes.length);
    $("st-ab-sides").replaceChildren(...this.order.map((which, place) => this.sideOf(this.takes[which], which, place)));
  }
  sideOf(take, which, place) {
    const side = document.createElement("div");
    side.className = "st-ab-side";
    side.dataset.side = which;
    side.setAttribute("role", "radio");
    side.tabIndex = 0;
    side.setAttribute("aria-checked", String(which === this.on));
    const add = (tag, className, text) => { const part = document.createElement(tag); part.className = className; part.textContent = text; side.append(part); return part; };
    add("b", "st-ab-letter", LETTERS[place]);
    if (this.blind) add("span", "", "who knows");
    else {
      add("span", "st-ab-title", take.title);
      const badges = add("span", "st-badges", "");
      for (const badge of take.badges) { const one = document.createElement("span"); one.className = `st-badge ${badge.kind}`; one.textContent = badge.text; badges.append(one); }
      if (take.differs.length) add("span", "st-ab-differs", take.differs.join(" · "));
      add("span", "st-note", (take.gain_db > -0.05 ? "plays as it is" : `${(-take.gain_db).toFixed(1)} dB softer, to match`) + (take.won + take.lost ? ` · preferred ${take.won} of ${take.won + take.lost}` : ""));
    }
    const acts = add("span", "st-acts", "");
    for (const [text, does] of [["Prefer", "prefer"], ["×", "remove"]]) {
      const button = document.createElement("button");
      button.type = "button"; button.className = "st-act"; button.textContent = text; button.dataset.does = does;
      button.setAttribute("aria-label", `${does === "prefer" ? "Prefer" : "Remove"} ${LETTERS[place]}`);
      button.disabled = does === "prefer" && this.takes.length < 2;
      acts.append(button);
    }
    return side;
  }
  onSide(event) {
    const side = event.target.closest("[data-side]");
    if (!side) return;
    const which = Number(side.dataset.side), does = event.target.closest("[data-does]")?.dataset.does;
    if (does === "prefer") return this.choose(this.takes[which].take);
    if (does === "remove") return this.toggle(this.takes[which].take);
    this.switchTo(which);
  }
  switchTo(which) {
    this.on = which;
    this.sides?.switchTo(which);
    for (const side of document.querySelectorAll("#st-ab-sides [data-side]")) side.setAttribute("aria-checked", String(Number(side.dataset.side) === which));
  }

  // --- playing ------------------------------------------------------------------------------------------------
  async load(context) {
    await Promise.all(this.takes.map(async ({ take }) => {
      if (this.buffers.has(take)) return;
      const answer = await fetch(`studio/takes/${take}/sound.flac`);
      this.buffers.set(take, await context.decodeAudioData(await answer.arrayBuffer()));
    }));
    for (const name of this.buffers.keys()) if (!this.names.includes(name)) this.buffers.delete(name);
    return this.takes.map((take) => ({ buffer: this.buffers.get(take.take), gain_db: take.gain_db }));
  }
  async play() {
    if (!this.takes.length) return;
    this.deck.pause();
    this.context ??= new AudioContext({ latencyHint: "interactive" });
    await this.context.resume();
    this.say("Loading …");
    try { this.sides = new Sides(this.context, await this.load(this.context)); }
    catch { return this.say("One of these takes could not be read."); }
    this.say("");
    this.sides.start({ at: this.context.currentTime + 0.05, from: this.at, loop: $("st-ab-loop").checked, seconds: this.seconds, on: this.on });
    $("st-ab-play").innerHTML = PAUSE;
    this.tick();
  }
  pause() {
    if (!this.sides) return;
    this.at = this.now;
    this.sides.stop();
    this.sides = null;
    $("st-ab-play").innerHTML = PLAY;
  }
  get now() { return this.sides ? Math.max(0, this.context.currentTime - this.sides.startedAt) % this.seconds : this.at; }
  async seek(to) {
    const playing = Boolean(this.sides);
    this.pause();
    this.at = Math.min(to, this.seconds - 0.01);
    this.clock();
    if (playing) await this.play();
  }
  tick() {
    if (!this.sides) return;
    if (!$("st-ab-loop").checked && this.context.currentTime - this.sides.startedAt > this.seconds) { this.pause(); this.at = 0; }
    this.clock();
    requestAnimationFrame(() => this.tick());
  }
  clock() {
    $("st-ab-at").value = this.now / this.seconds;
    $("st-ab-clock").textContent = `${clock(this.now)} / ${clock(this.seconds)}`;
  }

  // --- choosing -----------------------------------------------------------------------------------------------
  async choose(preferred) {
    if (this.takes.length < 2) return;
    const reasons = [...document.querySelectorAll("#st-ab-why input:checked")].map((box) => box.value);
    const body = JSON.stringify({ takes: this.names, preferred, reasons, words: $("st-ab-words").value, blind: this.blind });
    const answer = await fetch("studio/compare/choice", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    if (!answer.ok) return this.say("That choice could not be kept.");
    const title = this.takes.find((take) => take.take === preferred)?.title, was = this.blind;
    const letter = LETTERS[this.order.findIndex((which) => this.takes[which].take === preferred)];
    $("st-ab-words").value = "";
    for (const box of document.querySelectorAll("#st-ab-why input:checked")) box.checked = false;
    await this.refresh();
    this.say(preferred ? `${letter} is preferred: ${title}.${was ? " Now you know." : ""}` : "Noted: no difference that matters.");
  }
  async refresh() {
    $("st-ab-blind").checked = false;
    this.blind = false;
    const answer = await fetch(`studio/compare?takes=${this.names.join(",")}`);
    if (answer.ok) this.takes = (await answer.json()).takes;
    this.show();
  }

  // What would be heard, rendered: side 0, then a switch to each further side every `every` seconds. For measuring.
  async render({ every = 1, seconds = 2, rate = 44100 } = {}) {
    const context = new OfflineAudioContext(2, Math.round(seconds * rate), rate);
    const sides = new Sides(context, await this.load(context));
    sides.start({ at: 0, seconds: this.seconds, on: 0 });
    for (let i = 1; i * every < seconds; i++) sides.switchTo(i % this.takes.length, i * every);
    return (await context.startRendering()).getChannelData(0);
  }
}
