// The Library tab: one question (words, songs, a clip, filters), its answer as a list, and what may be done with each
// track. Charts, the tray and bringing music in are in files of their own; they change the question through `ask`.
import { Bring } from "./library_bring.js";
import { Ears } from "./library_ears.js";
import { Charts } from "./library_charts.js";
import { Tray } from "./library_tray.js";
import { rowOf } from "./library_rows.js";
import { clock } from "./deck.js";

const $ = (id) => document.getElementById(id);
export const PAGE = 30;
export const element = (tag, className = "", text) => {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (tag === "button") made.type = "button";
  return made;
};
export const pretty = (name) => name.replaceAll("_", " ");
const NAMES = { tempo: "Tempo", key: "Key", energy: "Energy", genre: "", mood: "", years: "Year", seconds: "Length", own: "", among: "", cluster: "" };

export async function ask(path, options = {}) {
  const answer = await fetch(`studio/library/${path}`, options);
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.detail ?? body.error ?? "The studio did not answer.");
  return body;
}
export const send = (path, body) => ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export class Library {
  constructor(deck, act) {
    this.deck = deck;
    this.act = act;
    this.words = "";
    this.like = new Map(); // id → label
    this.clip = null; // {clip, name, url}
    this.filters = {}; // as the address has them, with a label for the chip
    this.shown = 0;
    this.asked = 0;
    this.turn = this.told = 0; // of the status: which was asked for last, and which is shown
    this.tray = new Tray(this, act);
    this.charts = new Charts(this);
    this.bring = new Bring(this);
    this.ears = new Ears(this);
    this.listen();
    this.status();
  }

  // --- the question -----------------------------------------------------------------------------------------------
  query({ offset = 0, limit = PAGE, bare = false } = {}) {
    const query = new URLSearchParams();
    if (!bare) {
      if (this.words.trim()) query.set("words", this.words.trim());
      if (this.like.size) query.set("like", [...this.like.keys()].map((id) => `${id}:${this.weights?.get(id) ?? 1}`).join(","));
      if (this.clip) query.set("clip", this.clip.clip);
      query.set("order", $("st-lib-order").value);
      query.set("limit", limit);
      query.set("offset", offset);
    }
    for (const [name, { value }] of Object.entries(this.filters)) query.set(name, value);
    if (this.filters.key) query.set("harmonic", document.querySelector("[data-filter=harmonic]").checked ? "1" : "0");
    return query;
  }

  // Narrow the list: an empty value takes the filter out again.
  narrow(name, value, label = String(value)) {
    if (value === "" || value == null) delete this.filters[name];
    else this.filters[name] = { value, label };
    this.fields();
    return this.refresh();
  }

  // These tracks alone, whatever was asked before.
  only(name, value, label) {
    this.words = $("st-lib-words").value = "";
    this.like.clear();
    this.clip = null;
    this.filters = {};
    return this.narrow(name, value, label);
  }

  async refresh() {
    const asked = ++this.asked, list = $("st-lib-list");
    this.offer(0);
    this.chips();
    const slow = setTimeout(() => { if (asked !== this.asked) return; list.ariaBusy = "true"; $("st-lib-count").textContent = "Looking …"; }, 400);
    try {
      const answer = await ask(`tracks?${this.query()}`);
      if (asked !== this.asked) return;
      this.show(answer, true);
      if (answer.pending) setTimeout(() => asked === this.asked && this.refresh(), 800); // what is meant comes after what is written
    } catch (error) {
      if (asked === this.asked) { list.replaceChildren(element("div", "st-empty st-error", error.message)); $("st-lib-count").textContent = ""; }
    } finally {
      clearTimeout(slow);
      if (asked === this.asked) list.ariaBusy = "false";
    }
    this.charts.refresh();
  }

  async more() {
    const asked = this.asked, button = $("st-lib-more");
    button.disabled = true;
    try {
      const answer = await ask(`tracks?${this.query({ offset: this.shown })}`);
      if (asked === this.asked) this.show(answer, false);
    } catch (error) { $("st-lib-count").replaceChildren(element("span", "st-error", error.message)); }
    finally { button.disabled = false; }
  }

  // New tracks come into the list by themselves only while nobody is reading it; else they wait for a press.
  offer(count) {
    const button = $("st-lib-new");
    button.classList.toggle("st-hidden", !count);
    button.textContent = count > 0 ? `${count.toLocaleString()} new: show ${count === 1 ? "it" : "them"}` : "The list has changed: show it";
  }
  get beingRead() {
    const list = $("st-lib-list");
    return list.offsetParent && this.shown > 0 && (this.shown > PAGE || list.matches(":hover, :focus-within") || list.getBoundingClientRect().top < 0);
  }

  // --- the answer -------------------------------------------------------------------------------------------------
  show(answer, anew) {
    const list = $("st-lib-list");
    const rows = answer.tracks.map((track) => rowOf(this, track));
    if (anew) list.replaceChildren(...rows); else list.append(...rows);
    this.shown = list.querySelectorAll(".st-track").length;
    if (!this.shown) list.replaceChildren(answer.pending ? element("div", "st-empty", "Nothing is called so. What is meant by it is looked for in a moment …") : this.nothing());
    this.total = answer.total;
    $("st-lib-more").classList.toggle("st-hidden", this.shown >= answer.total || !answer.tracks.length);
    const asking = this.words.trim() || this.like.size || this.clip;
    const total = `${answer.total.toLocaleString()} track${answer.total === 1 ? "" : "s"}`;
    $("st-lib-count").textContent = asking ? `Best of ${total}${answer.by ? `, ${answer.by}` : ""}${answer.pending ? "; by their meaning in a moment …" : ""}` : total;
    $("st-lib-order").disabled = Boolean(asking);
    this.tray.mark();
    this.markPlaying();
  }

  nothing() {
    const empty = element("div", "st-empty");
    const narrowed = this.words.trim() || Object.keys(this.filters).length || this.like.size || this.clip;
    empty.innerHTML = narrowed
      ? "<b>No track answers to that.</b><br>Take a filter out, or ask with fewer words."
      : "<b>Your music will stand here.</b><br>Bring a folder or some files in, and the studio listens to them: tempo, key, energy, what sounds alike. Takes you make come in by themselves.";
    if (!narrowed) {
      const bring = element("button", "st-act st-go-generate", "Bring music in");
      bring.onclick = () => { this.view("bring"); $("st-lib-path").focus(); };
      empty.append(bring);
    }
    return empty;
  }

  likeThis(track) {
    this.like = new Map([[track.id, track.label]]);
    this.clip = null;
    this.words = $("st-lib-words").value = "";
    this.toTop();
    return this.refresh();
  }

  // To what is asked, when that has been scrolled out of sight.
  toTop() { $("st-lib-bar").scrollIntoView({ block: "nearest", behavior: "smooth" }); }

  // The track before or after the one that plays, in the list as it stands.
  step(direction) {
    const rows = [...document.querySelectorAll(".st-track")], at = rows.findIndex((row) => row.classList.contains("playing"));
    (at < 0 ? rows[0] : rows[at + direction])?.querySelector(".st-play").click();
  }

  // --- hearing ----------------------------------------------------------------------------------------------------
  async play(track) {
    const { deck } = this;
    if (deck.now?.track === track.id || (track.take && deck.now?.take === track.take)) return deck.toggle();
    const at = $("st-lib-place").checked ? deck.audio.currentTime : 0;
    if (track.take) await deck.loadTake(track.take, { at });
    else await this.playSound(track, at);
    this.markPlaying();
  }

  // Heard at once; its waveform comes when the studio has read the whole file, which takes a while for hours.
  async playSound({ id, label = "", seconds = 0 }, at) {
    const { deck } = this, base = `studio/library/tracks/${id}`;
    deck.show({ track: id, title: label, seconds, peaks: [], sections: [], badges: [], versions: [], take: null, job: null, live: false });
    deck.audio.src = `${base}/sound`;
    if (at > 0) deck.audio.currentTime = Math.min(at, Math.max(0, seconds - 1));
    deck.play();
    const answer = await fetch(`${base}/peaks.json`);
    if (deck.now?.track !== id) return;
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return deck.dress(said);
    deck.now.lost = said.detail ?? "That track is not here any more.";
    deck.say(deck.now.lost);
  }

  markPlaying() {
    for (const row of document.querySelectorAll(".st-track")) row.classList.toggle("playing", Number(row.dataset.track) === this.deck.now?.track);
  }

  // --- a clip -----------------------------------------------------------------------------------------------------
  async hearClip(file) {
    $("st-lib-count").textContent = `Listening to ${file.name} …`;
    this.hearing = file;
    try {
      const heard = await ask(`clip?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      if (this.hearing !== file) return;
      this.clip = { ...heard, url: URL.createObjectURL(file) };
      this.like.clear();
      await this.refresh();
    } catch (error) { $("st-lib-count").replaceChildren(element("span", "st-error", error.message)); }
  }

  playClip() {
    const { deck, clip } = this;
    deck.show({ title: clip.name, take: null, job: null, seconds: 0, peaks: [], sections: [], badges: [], versions: [], live: false });
    deck.audio.src = clip.url;
    deck.audio.addEventListener("loadedmetadata", () => { deck.now.seconds = deck.audio.duration; deck.draw(); }, { once: true });
    if (clip.peaks) deck.dress({ peaks: clip.peaks });
    return deck.play();
  }

  // --- what narrows, as chips -------------------------------------------------------------------------------------
  chips() {
    const chips = [];
    const chip = (text, out, play) => {
      const one = element("span", "st-chip");
      if (play) {
        const button = element("button", "", "▶");
        button.setAttribute("aria-label", `Play ${text}`);
        button.onclick = play;
        one.append(button);
      }
      one.append(element("span", "", text));
      const close = element("button", "", "✕");
      close.setAttribute("aria-label", `Take out: ${text}`);
      close.onclick = out;
      one.append(close);
      chips.push(one);
    };
    for (const [id, label] of this.like) chip(`like “${label}”`, () => { this.like.delete(id); this.refresh(); }, () => this.play({ id, label }));
    if (this.clip?.copy) {
      const { label, share, from_seconds: from } = this.clip.copy;
      const known = element("span", "st-note", `It is “${label}”${from > 1 ? ` from ${clock(from)} on` : ""}: ${Math.round(100 * share)} % of its landmarks agree.`);
      chips.push(known);
    }
    if (this.clip) chip(`like ${this.clip.name}`, () => { this.clip = null; this.refresh(); }, () => this.playClip());
    const mixing = document.querySelector("[data-filter=harmonic]").checked ? " and what mixes with it" : "";
    for (const name of Object.keys(NAMES))
      if (this.filters[name]) chip(`${NAMES[name]} ${this.filters[name].label}${name === "key" ? mixing : ""}`.trim(), () => this.narrow(name, ""));
    $("st-lib-chips").replaceChildren(...chips);
    $("st-lib-narrow").textContent = Object.keys(this.filters).length ? `Filters (${Object.keys(this.filters).length})` : "Filters";
  }

  // The filters' own fields say what narrows, wherever it was set.
  fields() {
    for (const name of ["tempo", "energy", "years", "seconds"]) {
      const [low = "", high = ""] = String(this.filters[name]?.value ?? "").split("-");
      for (const field of document.querySelectorAll(`[data-filter=${name}]`)) field.value = field.dataset.end === "0" ? low : high;
    }
    for (const name of ["key", "genre", "mood", "own"]) {
      const field = document.querySelector(`select[data-filter=${name}]`), value = this.filters[name]?.value ?? "";
      if (value !== "" && ![...field.options].some((one) => one.value === String(value))) field.append(new Option(pretty(String(value)), value));
      field.value = value;
    }
  }

  view(name) {
    for (const tab of $("st-lib-views").children) tab.setAttribute("aria-selected", tab.dataset.view === name);
    const nothing = this.now?.tracks === 0; // there is nothing to draw then, and the list says what to do
    for (const each of ["map", "charts", "bring"]) $(`st-lib-${each}-view`).classList.toggle("st-hidden", each !== name || (nothing && name !== "bring"));
    if (!nothing) this.charts.open(name);
    this.shownView = name;
    if (name === "bring") this.status();
  }

  async status() {
    const turn = ++this.turn;
    try {
      const now = await ask("status");
      if (turn < this.told) return; // a later one has answered already
      this.told = turn;
      this.now = now;
    } catch (error) {
      if (turn < this.told) return;
      if (!this.shown) { $("st-lib-list").replaceChildren(element("div", "st-empty st-error", error.message)); $("st-lib-list").ariaBusy = "false"; }
      return;
    }
    this.bring.show(this.now);
    this.ears.show(this.now);
    if (this.now.tracks === this.known) return;
    const first = this.known === undefined, more = this.now.tracks - (this.known ?? 0);
    if (!first && this.beingRead) return this.offer(more);
    if (!first && this.now.job?.state === "running" && Date.now() - this.refreshed < 3000) return;
    if (!this.known && this.shownView) this.view(this.shownView);
    this.known = this.now.tracks;
    this.refreshed = Date.now();
    await Promise.all([this.refresh(), this.choices()]);
    if (first) send("ready", {}).catch(() => {}); // the first words then need not wait for their model
  }

  // What is known now is newer than any status on its way.
  overtake() { this.told = ++this.turn; }

  async showNew() {
    this.known = this.now.tracks;
    await Promise.all([this.refresh(), this.choices()]);
  }

  async choices() {
    let seen;
    try { seen = await ask("overview"); } catch { return; } // the list has said what is wrong
    for (const [name, counted] of [["genre", seen.genres], ["mood", seen.moods]]) {
      const field = $(`st-lib-${name}`), value = field.value;
      field.replaceChildren(new Option("any", ""), ...counted.map(([one, count]) => new Option(`${pretty(one)} (${count})`, one)));
      field.value = value;
    }
  }

  listen() {
    let waiting;
    $("st-lib-words").addEventListener("input", (event) => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { this.words = event.target.value; this.refresh(); }, 350);
    });
    $("st-lib-order").addEventListener("change", () => this.refresh());
    $("st-lib-more").addEventListener("click", () => this.more());
    $("st-lib-new").addEventListener("click", () => this.showNew());
    $("st-lib-narrow").addEventListener("click", ({ target }) => {
      const open = !$("st-lib-filters").classList.toggle("st-hidden");
      target.setAttribute("aria-expanded", open);
    });
    $("st-lib-views").addEventListener("click", (event) => event.target.dataset.view && this.view(event.target.dataset.view));
    $("st-lib-clip").addEventListener("change", (event) => { if (event.target.files[0]) this.hearClip(event.target.files[0]); event.target.value = ""; });
    $("st-lib-clear").addEventListener("click", () => { this.filters = {}; this.fields(); this.refresh(); });
    $("st-lib-filters").addEventListener("change", (event) => {
      const name = event.target.dataset.filter;
      if (name === "harmonic") return this.filters.key && this.refresh();
      if (event.target.tagName === "SELECT") return this.narrow(name, event.target.value, event.target.selectedOptions[0].textContent.replace(/ \(\d+\)$/, ""));
      const [low, high] = [...document.querySelectorAll(`[data-filter=${name}]`)].map((field) => field.value);
      this.narrow(name, low || high ? `${low}-${high}` : "", spoken(low && high ? `${low} – ${high}` : low ? `from ${low}` : `to ${high}`, UNITS[name]));
    });
    const shell = $("st-library");
    shell.addEventListener("dragover", (event) => { event.preventDefault(); shell.classList.add("st-dropping"); });
    shell.addEventListener("dragleave", () => shell.classList.remove("st-dropping"));
    shell.addEventListener("drop", (event) => {
      event.preventDefault();
      shell.classList.remove("st-dropping");
      if (event.dataTransfer.files[0]) this.hearClip(event.dataTransfer.files[0]);
    });
    this.deck.audio.addEventListener("play", () => this.markPlaying());
  }
}

const UNITS = { tempo: "bpm", seconds: "s" };
const spoken = (range, unit) => (unit ? `${range} ${unit}` : range);
