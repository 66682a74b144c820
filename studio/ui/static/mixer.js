// The desk: a strip for each part of a sound, played together and mixed at once. What it holds is the mix document of
// studio/mix.py; every change goes to the server as a step that can be undone. Sound is mixer_sound.js's business.
import { ask } from "./mixer_ask.js";
import { button, decibels, drawPeaks, element, fader, knob, panned, percent, select } from "./mixer_controls.js";
import { MixerSound } from "./mixer_sound.js";
import { Panels } from "./mixer_panels.js";
import { Ruler } from "./mixer_ruler.js";
import { clock } from "./deck.js";
import { grip, partName } from "./drag.js";
import { PAUSE, PLAY } from "./icons.js";

const $ = (id) => document.getElementById(id);
const KEPT = "studio-desk";
const HUES = [32, 172, 262, 340, 205, 96, 14, 290, 140, 48, 226, 320];

export class Mixer {
  constructor({ deck, act }) {
    this.deck = deck;
    this.act = act;
    this.sheet = null;
    this.lanes = new Map();
    this.sound = new MixerSound(() => this.showState());
    this.ruler = new Ruler(this);
    this.panels = new Panels(this);
    this.saving = Promise.resolve();
    this.asked = 0; // how often something was asked for: an answer that another request has overtaken is not shown
    for (const [id, does] of Object.entries({
      "mx-play": () => this.toggle(), "mx-start": () => this.sound.seek(0), "mx-loop": () => this.toggleLoop(),
      "mx-undo": () => this.step("undo"), "mx-redo": () => this.step("redo"), "mx-other": () => $("mx-file").click(),
    })) $(id).addEventListener("click", does);
    $("mx-file").addEventListener("change", () => { this.bring($("mx-file").files[0]); $("mx-file").value = ""; });
    this.wireDropping();
    new ResizeObserver(() => this.onRoom()).observe($("mx"));
    new MutationObserver(() => this.draw()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    addEventListener("keydown", (event) => this.onKey(event), true);
    deck.audio.addEventListener("play", () => this.sound.pause());
    const kept = localStorage.getItem(KEPT);
    if (kept) this.open(kept, { quiet: true });
    else this.showEmpty();
  }

  get isSeen() { return $("mx").clientWidth > 0; }
  get mix() { return this.sheet?.mix; }
  get path() { return `items/${encodeURIComponent(this.sheet.source)}`; }

  // --- what lies here -------------------------------------------------------------------------------------------
  async open(source, { quiet = false } = {}) {
    const asked = ++this.asked;
    try {
      if (this.sheet) await this.settled();
      const sheet = await ask(`items/${encodeURIComponent(source)}`);
      if (asked !== this.asked) return;
      localStorage.setItem(KEPT, source);
      await this.show(sheet);
    } catch (error) {
      if (asked !== this.asked) return;
      if (quiet) localStorage.removeItem(KEPT);
      else this.say(error.message, true);
      if (!this.sheet) this.showEmpty();
    }
  }
  async bring(file) {
    if (!file) return;
    this.say(`Bringing ${file.name} along …`);
    try {
      const item = await ask(`uploads?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });
      await this.open(item.source);
      this.say(item.notes.join(" "));
    } catch (error) { this.say(error.message, true); }
  }
  // keep: the place and the loop stay, when only the parts have changed.
  async show(sheet, { keep = false } = {}) {
    const { at, loop } = { at: this.sound.position, loop: this.sound.loop };
    this.sheet = sheet;
    $("mx").dataset.source = sheet.source;
    $("mx").classList.remove("mx-nothing");
    $("mx-title").textContent = sheet.title;
    $("mx-tier").textContent = sheet.parts.label;
    $("mx-licence").textContent = sheet.licence;
    $("mx-licence").classList.toggle("st-hidden", !sheet.licence);
    this.say(sheet.notes.join(" "));
    this.showFacts();
    this.layOut();
    this.showHandles();
    this.panels.show();
    this.onRoom();
    const begun = this.sound.begin(sheet, sheet.mix);
    this.showState(); // nothing plays until the new parts are here
    await begun;
    if (this.sheet !== sheet) return;
    if (keep) { this.sound.at = at; this.sound.loop = loop; }
    this.showState();
    await Promise.all([this.loadPeaks(), ...sheet.mix.strips.map((strip) => this.loadStrip(strip))]);
  }
  showFacts() {
    const { tempo_bpm, key, beats_by } = this.sheet;
    $("mx-facts").replaceChildren(
      ...[tempo_bpm && `${Number(tempo_bpm.toFixed(2))} bpm${beats_by ? ` · ${beats_by}` : ""}`, key, clock(this.sheet.seconds)]
        .filter(Boolean).map((text) => element("span", { className: "st-badge", text })),
    );
  }
  async loadPeaks() {
    const source = this.sheet.source;
    const { peaks } = await ask(`${this.path}/peaks.json`).catch(() => ({ peaks: {} }));
    if (this.sheet.source !== source) return;
    const loudest = Math.max(1, ...Object.values(peaks).flat());
    for (const [name, lane] of this.lanes) lane.peaks = (peaks[name] ?? []).map((peak) => (peak / loudest) * 100);
    this.draw();
  }
  async loadStrip(strip) {
    const lane = this.lanes.get(strip.name), { sheet } = this;
    const address = `studio/desk/${this.path}/strips/${encodeURIComponent(strip.name)}`;
    lane.row.classList.add("mx-loading");
    try {
      await this.sound.load(strip.name, `${address}?dry=1`);
      if (this.sheet === sheet && strip.chain.effects.some((effect) => effect.on)) await this.loadWet(strip.name);
    } catch (error) { this.say(error.message, true); }
    finally { lane.row.classList.remove("mx-loading"); this.showState(); }
  }
  // The strip through its chain, once the server has laid it on.
  async loadWet(name) {
    const strip = this.strip(name), lane = this.lanes.get(name);
    if (!strip.chain.effects.some((effect) => effect.on)) return this.sound.forgetWet(name);
    lane?.row.classList.add("mx-loading");
    const mark = encodeURIComponent(JSON.stringify(strip.chain)).length + "-" + Date.now();
    try { await this.sound.load(name, `studio/desk/${this.path}/strips/${encodeURIComponent(name)}?v=${mark}`, { wet: true }); }
    catch (error) { this.say(error.message, true); }
    finally { lane?.row.classList.remove("mx-loading"); }
  }
  strip(name) { return this.mix.strips.find((strip) => strip.name === name); }
  get isLoaded() { return Boolean(this.sheet) && this.mix.strips.every((strip) => this.sound.buffers.has(strip.name)); }

  async showEmpty() {
    $("mx").classList.add("mx-nothing");
    const { uploads } = await ask("uploads").catch(() => ({ uploads: [] }));
    $("mx-brought").replaceChildren(...uploads.slice(0, 8).map(({ source, title, seconds }) =>
      button(`${title} · ${clock(seconds)}`, () => this.open(source))));
  }

  // --- the strips -----------------------------------------------------------------------------------------------
  layOut() {
    this.lanes.clear();
    const rows = this.sheet.parts.strips.map(({ name, label }, number) => this.layStrip(this.strip(name), label, HUES[number % HUES.length]));
    $("mx-lanes").replaceChildren(...rows, this.laySum());
  }
  layStrip(strip, label, hue) {
    const name = strip.name, change = (values) => this.change(name, values), settled = () => this.saveSoon();
    const row = element("div", { className: "mx-strip", role: "group", label: `Strip ${label}` });
    row.style.setProperty("--hue", hue);
    row.dataset.strip = name;
    const toggle = (key, text, title) => {
      const made = button(text, () => { change({ [key]: !this.strip(name)[key] }); settled(); }, { className: `mx-toggle mx-${key}`, label: `${title} ${label}`, title });
      return made;
    };
    const mute = toggle("mute", "M", "Mute"), solo = toggle("solo", "S", "Solo");
    const effects = button("FX", () => this.panels.effectsOf(name), { className: "mx-toggle mx-fx", label: `FX, effects of ${label}`, title: "Effects" });
    const level = fader({ label: `${label}, level`, value: strip.gain_db, moved: (gain_db) => change({ gain_db }), settled });
    const pan = knob({ label: `${label}, pan`, value: strip.pan, min: -1, max: 1, centred: true, read: panned, moved: (pan) => change({ pan }), settled });
    const send = knob({ label: `${label}, send`, value: strip.send, min: 0, max: 1, read: percent, moved: (send) => change({ send }), settled });
    const canvas = element("canvas", { className: "mx-wave" });
    canvas.addEventListener("click", (event) => this.ruler.seekAt(event));
    row.append(
      element("div", { className: "mx-name" }, element("b", { text: label, title: label }), this.handlesOf(name, label)),
      element("div", { className: "mx-toggles" }, mute, solo, effects),
      level.box, pan.box, send.box, canvas,
    );
    this.lanes.set(name, { row, mute, solo, effects, level, pan, send, canvas, peaks: [], hue });
    return row;
  }
  // What is dragged off a strip: its sound as it is heard, and its notes where they are known.
  handlesOf(name, label) {
    const { source } = this.sheet, called = partName(this.sheet, label), midi = grip("MIDI", source, "midi", called, { part: name });
    midi.dataset.notesOf = name;
    midi.hidden = !this.hasNotes(name);
    return element("span", { className: "st-carry", role: "group", label: `Drag ${label} into your DAW` }, grip("WAV", source, "strip", called, { part: name }), midi);
  }
  hasNotes(name) {
    const { has_midi, parts, found } = this.sheet;
    return Boolean(found[`notes-${parts.key}`]?.[name]?.notes.length) || (has_midi && parts.key === "true");
  }
  showHandles() {
    const { source, file_name, parts } = this.sheet;
    for (const handle of document.querySelectorAll("#mx [data-notes-of]")) handle.hidden = !this.hasNotes(handle.dataset.notesOf);
    const notes = parts.strips.some(({ name }) => this.hasNotes(name));
    $("mx-carry").replaceChildren(grip("Mix", source, "mix", file_name), ...(notes ? [grip("MIDI", source, "midi", file_name)] : []), grip("Project", source, "project", file_name));
  }
  laySum() {
    const settled = () => this.saveSoon(), change = (values) => { Object.assign(this.mix, values); this.follow(); };
    const row = element("div", { className: "mx-strip mx-sum", role: "group", label: "Sum" });
    const level = fader({ label: "Sum, level", value: this.mix.gain_db, moved: (gain_db) => change({ gain_db }), settled });
    const room = select({ label: "Room that the sends feed", value: this.mix.room.kind, choices: this.sheet.rooms.map((kind) => [kind, `${kind[0].toUpperCase()}${kind.slice(1)}`]),
      chosen: (kind) => { change({ room: { ...this.mix.room, kind } }); settled(); } });
    const back = knob({ label: "Room, level", value: this.mix.room.gain_db, min: -60, max: 12, step: 0.5, read: (db) => (db <= -60 ? "off" : `${decibels(db)} dB`), moved: (gain_db) => change({ room: { ...this.mix.room, gain_db } }), settled });
    const effects = button("FX", () => this.panels.effectsOf(null), { className: "mx-toggle mx-fx", label: "FX, effects of the sum", title: "Effects on the sum, heard in renderings" });
    const canvas = element("canvas", { className: "mx-wave mx-spectrum", "aria-hidden": "true" });
    row.append(element("div", { className: "mx-name" }, element("b", { text: "Sum" })), element("div", { className: "mx-toggles" }, effects),
      level.box, element("div", { className: "mx-room" }, room), back.box, canvas);
    this.sum = { row, level, room, back, effects, canvas };
    return row;
  }
  // Everything on the strips as the document says.
  follow() {
    for (const strip of this.mix.strips) {
      const lane = this.lanes.get(strip.name);
      lane.mute.setAttribute("aria-pressed", strip.mute);
      lane.solo.setAttribute("aria-pressed", strip.solo);
      lane.effects.setAttribute("aria-pressed", strip.chain.effects.some((effect) => effect.on));
      lane.row.classList.toggle("mx-silent", strip.mute || (!strip.solo && this.mix.strips.some((each) => each.solo)));
    }
    this.sum.effects.setAttribute("aria-pressed", this.mix.chain.effects.some((effect) => effect.on));
    this.sound.follow(this.mix);
  }
  change(name, values) {
    Object.assign(this.strip(name), values);
    this.follow();
    if ("mute" in values || "solo" in values) this.draw();
  }
  // Keys that move a fader one after another are one step.
  saveSoon() {
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.save(), 400);
  }
  // What was moved last is with the server once this is over.
  settled() { return this.soon ? this.save() : this.saving; }
  // The document as a step on the server; later steps wait for earlier ones.
  save() {
    clearTimeout(this.soon);
    this.soon = null;
    const mix = structuredClone(this.mix), { path, sheet } = this;
    this.panels.onMix();
    this.saving = this.saving.then(async () => {
      const page = await ask(`${path}/mix`, { method: "PUT", body: mix });
      Object.assign(sheet, { can_undo: page.can_undo, can_redo: page.can_redo });
      this.showSteps();
    }).catch((error) => this.say(error.message, true));
    return this.saving;
  }
  async setChain(name, chain) {
    (name === null ? this.mix : this.strip(name)).chain = chain;
    this.follow();
    await this.save();
    if (name !== null) await this.loadWet(name);
  }
  async step(way) {
    if (!this.sheet) return;
    await this.settled();
    const { sheet, mix: before } = this, page = await ask(`${this.path}/${way}`, { method: "POST" }).catch((error) => this.say(error.message, true));
    if (!page || this.sheet !== sheet) return;
    if (page.mix.parts !== before.parts) return this.reopen();
    Object.assign(this.sheet, page);
    for (const strip of page.mix.strips) {
      const lane = this.lanes.get(strip.name), was = before.strips.find((each) => each.name === strip.name);
      lane.level.set(strip.gain_db);
      lane.pan.set(strip.pan);
      lane.send.set(strip.send);
      if (JSON.stringify(was.chain) !== JSON.stringify(strip.chain)) this.loadWet(strip.name);
    }
    this.sum.level.set(page.mix.gain_db);
    this.sum.back.set(page.mix.room.gain_db);
    this.sum.room.value = page.mix.room.kind;
    this.follow();
    this.panels.onMix();
    this.panels.show();
    this.showState();
    this.draw();
  }
  // What was found out meanwhile, with the strips as they are.
  async refresh() {
    const { sheet } = this, { found, exports, beats, beats_by, tempo_bpm, key, sets, file_name } = await ask(this.path);
    if (this.sheet !== sheet) return;
    Object.assign(sheet, { found, exports, beats, beats_by, tempo_bpm, key, sets, file_name });
    this.showFacts();
    this.showHandles();
    this.showPlace();
    this.ruler.draw();
  }
  reopen() { return this.again((path) => ask(path)); }
  // The same sound anew, as the request answers; unless another was opened meanwhile.
  async again(request) {
    const { asked } = this;
    await this.settled();
    const sheet = await request(this.path);
    if (asked === this.asked) await this.show(sheet, { keep: true });
  }

  // --- playing --------------------------------------------------------------------------------------------------
  async toggle() {
    if (this.sound.playing) return this.sound.pause();
    if (!this.isLoaded) return;
    this.deck.pause();
    await this.sound.play();
    this.tick();
  }
  toggleLoop() {
    if (!this.sheet) return;
    if (this.sound.loop) return this.sound.setLoop(null);
    this.sound.setLoop(this.ruler.marked ?? this.ruler.barAt(this.sound.position));
  }
  tick() {
    this.showPlace();
    if (!this.sound.playing || !this.isSeen) return this.restMeters();
    for (const [name, lane] of this.lanes) lane.level.meter.style.setProperty("--level", Math.min(1, this.sound.levelOf(name)) ** 0.5);
    this.sum.level.meter.style.setProperty("--level", Math.min(1, this.sound.level()) ** 0.5);
    this.drawSpectrum();
    requestAnimationFrame(() => this.tick());
  }
  restMeters() {
    for (const { level } of [...this.lanes.values(), this.sum]) level?.meter.style.setProperty("--level", 0);
  }
  drawSpectrum() {
    const { canvas } = this.sum, bins = new Uint8Array(this.sound.analyser.frequencyBinCount), levels = [];
    this.sound.analyser.getByteFrequencyData(bins);
    for (let i = 0; i < 96; i++) { // a third of an octave is about four of them
      const bin = Math.min(bins.length - 1, Math.round(2 * (bins.length / 2) ** (i / 95)));
      levels.push((bins[bin] / 255) * 100);
    }
    drawPeaks(canvas, levels, { colour: getComputedStyle(document.body).getPropertyValue("--st-accent"), share: 0.8 });
  }

  // --- showing --------------------------------------------------------------------------------------------------
  say(text, wrong = false) {
    $("mx-say").textContent = text;
    $("mx-say").classList.toggle("st-error", wrong);
  }
  showState() {
    const play = $("mx-play");
    play.innerHTML = this.sound.playing ? PAUSE : PLAY;
    play.disabled = !this.isLoaded;
    play.setAttribute("aria-label", this.sound.playing ? "Pause" : "Play");
    $("mx-loop").setAttribute("aria-pressed", Boolean(this.sound.loop));
    $("mx").dataset.ready = this.isLoaded;
    this.showSteps();
    this.showPlace();
    if (this.sheet) { this.follow(); this.ruler.draw(); }
  }
  showSteps() {
    $("mx-undo").disabled = !this.sheet?.can_undo;
    $("mx-redo").disabled = !this.sheet?.can_redo;
  }
  showPlace() {
    const at = this.sound.position, place = this.sheet ? this.ruler.placeOf(at) : "";
    $("mx-clock").textContent = this.sheet ? `${clock(at)} / ${clock(this.sheet.seconds)}` : "0:00";
    $("mx-place").textContent = place;
    this.ruler.showHead(at);
  }
  draw() {
    if (!this.sheet || !this.isSeen) return;
    const dark = document.body.classList.contains("dark");
    for (const [name, lane] of this.lanes) {
      const silent = lane.row.classList.contains("mx-silent");
      drawPeaks(lane.canvas, lane.peaks, { colour: `hsl(${lane.hue} ${dark ? "62% 64%" : "58% 40%"})`, share: silent ? 0.25 : 1 });
    }
    this.ruler.draw();
  }
  onRoom() {
    document.body.classList.toggle("mx-open", this.isSeen && Boolean(this.sheet));
    this.draw();
    this.panels.draw();
    if (this.isSeen && this.sound.playing) this.tick();
    if (!this.isSeen) this.sound.pause();
    if (this.isSeen && !this.sheet) this.showEmpty();
  }
  onKey(event) {
    if (!this.isSeen || !this.sheet || event.target.closest("textarea, [type=text], [type=number], select, dialog")) return;
    const command = event.ctrlKey || event.metaKey, strip = event.target.closest?.(".mx-strip")?.dataset.strip;
    const does = command && event.key.toLowerCase() === "z" ? () => this.step(event.shiftKey ? "redo" : "undo")
      : command || event.altKey ? null
      : { Home: () => this.sound.seek(0), l: () => this.toggleLoop(),
          m: strip && (() => { this.change(strip, { mute: !this.strip(strip).mute }); this.save(); }),
          o: strip && (() => { this.change(strip, { solo: !this.strip(strip).solo }); this.save(); }) }[event.key];
    if (!does) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    does();
  }
  wireDropping() {
    const zone = $("mx");
    for (const kind of ["dragover", "dragleave", "drop"])
      zone.addEventListener(kind, (event) => {
        event.preventDefault();
        zone.classList.toggle("mx-over", kind === "dragover");
        if (kind === "drop") this.bring(event.dataTransfer.files[0]);
      });
  }
}
