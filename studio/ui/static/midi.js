// Live MIDI on the page: tells the studio where the page plays, or plays by the browser's own MIDI, and draws the panel.
import { button, element, select } from "./mixer_controls.js";
import { redraw } from "./making.js";
import { MidiIn } from "./midi_in.js";
import { MidiPlayer } from "./midi_player.js";
import { playhead } from "./midi_time.js";

const OFTEN_MS = 40, TOLD_MS = 400, LOOK_MS = 2_000, BROWSER = "browser:";
const PAGE = Math.random().toString(36).slice(2);

// A request to the studio's MIDI; a refusal is thrown as its sentence.
export async function midi(verb, body) {
  const answer = await fetch(`studio/midi${verb}`, body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.detail ?? "The studio did not answer.");
  return told;
}

export class Midi {
  constructor(box) {
    this.box = box;
    this.time = window.studio.link.clock; // the studio's, as this page can tell it
    this.player = new MidiPlayer();
    this.player.lost = (name) => this.onLost(name);
    this.status = null; // of this machine's ports
    this.access = null; // the browser's own, once it was allowed
    this.browserPort = "";
    this.score = null; // of what the browser plays
    this.switches = { clock_out: false, programs: true, offset_ms: 0, parts: new Map() };
    this.said = ["", false];
    this.in = new MidiIn(this);
    this.lamps = new Map();
    for (const event of ["play", "playing", "pause", "seeking", "seeked", "ended", "ratechange"]) window.studio.deck.audio.addEventListener(event, () => this.tick());
    addEventListener("pagehide", () => this.leave());
    setInterval(() => this.tick(), OFTEN_MS);
    setInterval(() => this.refresh(), LOOK_MS);
    // Ports are looked for, and the studio's MIDI process started, when the panel is first seen.
    new ResizeObserver(() => { if (this.isSeen && !this.looked) { this.looked = true; this.look(); } }).observe(box);
    midi("").then((status) => { this.status ??= status; this.draw(); }).catch(() => {});
  }
  get onServer() { return this.status && !this.status.browser_only; }
  get isSeen() { return this.box.clientWidth > 0; }
  get port() { return this.browserPort ? BROWSER + this.browserPort : this.status?.port ?? ""; }

  // --- the port ---------------------------------------------------------------------------------------------------
  async look() {
    try { this.status = await midi("?look=1"); }
    catch (error) { this.status ??= { browser_only: true }; this.say(error.message, true); }
    this.draw();
  }
  async refresh() {
    if (!this.onServer || (!this.isSeen && !this.status.port)) return;
    try { this.take(await midi("")); } catch { /* the studio is away for a moment */ }
  }
  take(status) {
    const drawn = JSON.stringify([this.status, this.said]);
    this.status = status;
    if (status.problem) this.said = [status.problem, true];
    if (JSON.stringify([this.status, this.said]) !== drawn) this.draw({ quiet: true });
  }
  async choose(port) {
    this.said = ["", false];
    this.player.stop();
    try {
      if (port === `${BROWSER}?`) { await this.allow(); return this.draw(); }
      this.browserPort = port.startsWith(BROWSER) ? port.slice(BROWSER.length) : "";
      this.player.output = this.browserPort ? this.access.outputs.get(this.browserPort) : null;
      if (this.player.output) { await this.player.output.open?.(); if (this.onServer && this.status.port) this.status = await midi("/choose", { port: "" }); }
      else if (this.onServer) { this.status = await midi("/choose", { port }); await this.time.sync(); }
      this.reported = null;
    } catch (error) { this.browserPort = ""; this.player.output = null; this.say(error.message, true); if (this.onServer) this.status = await midi("").catch(() => this.status); }
    this.draw();
    this.tick();
  }
  async allow() {
    if (!navigator.requestMIDIAccess) throw new Error("This browser has no MIDI of its own: use Chrome, Edge, Opera or Firefox, or a port of this machine.");
    try { this.access = await navigator.requestMIDIAccess({ sysex: false }); }
    catch (error) {
      if (["NotAllowedError", "SecurityError"].includes(error.name)) throw new Error("The browser did not allow MIDI. Allow it in the address bar, then ask again.");
      throw new Error("The browser found no MIDI system on this machine; on Linux it needs ALSA’s sequencer (modprobe snd-seq).");
    }
    this.access.onstatechange = () => this.onPorts();
    if (!this.access.outputs.size && !this.access.inputs.size) this.say("The browser knows no MIDI device on this machine yet; plug one in and it appears here.");
  }
  onPorts() {
    const output = this.access.outputs.get(this.browserPort);
    if (this.browserPort && (!output || output.state === "disconnected")) this.onLost(this.player.output?.name ?? "The MIDI device");
    this.draw();
  }
  onLost(name) {
    this.player.output = null;
    this.player.stop();
    this.browserPort = "";
    this.say(`The MIDI port “${name}” is gone; the sound goes on. Plug it in again and choose it, or choose another.`, true);
  }

  // --- following the page -----------------------------------------------------------------------------------------
  tick() {
    this.hookDesk();
    const head = playhead();
    if (this.browserPort) return this.playHere(head);
    if (this.onServer && this.status.port && this.status.follows === "page" && head) this.report(head);
  }
  hookDesk() {
    const { mixer } = window.studio;
    if (!mixer || this.hooked === mixer) return;
    this.hooked = mixer;
    const changed = mixer.sound.changed;
    mixer.sound.changed = () => { changed(); this.tick(); };
  }
  // Told at once when something starts, stops, jumps or goes round elsewhere, and else twice a second while it plays.
  report(head) {
    const was = this.reported, now = performance.now();
    const same = was && was.source === head.source && was.playing === head.playing && was.rate === head.rate && String(was.loop) === String(head.loop);
    const going = same && head.playing && now - this.reportedAt < TOLD_MS && Math.abs(this.jumped(was, head)) < 0.06;
    if (going || (same && !head.playing) || (this.without?.source === head.source && now < this.without.until)) return;
    if (this.sending) { this.again = true; return; }
    if (head.playing && (!was?.playing || was.source !== head.source)) head.began ??= Math.max(0, head.at); // a stretch begins here
    Object.assign(this, { reported: head, reportedAt: now, sending: true });
    this.tell(head).finally(() => { this.sending = false; if (this.again) { this.again = false; this.tick(); } });
  }
  jumped(was, head) {
    let off = head.at - (was.at + ((head.when - was.when) / 1_000) * head.rate);
    if (head.loop) off -= (head.loop[1] - head.loop[0]) * Math.round(off / (head.loop[1] - head.loop[0]));
    return off;
  }
  async tell(head) {
    try {
      if (this.time.isOld) await this.time.sync(this.time.isSet ? 3 : 6);
      const { problem } = await midi("/follow", { ...head, when: this.time.toStudio(head.when), page: PAGE });
      this.without = problem ? { source: head.source, until: performance.now() + 4_000 } : null; // its notes may be written down meanwhile
      if ((problem ?? "") !== this.said[0]) { this.said = [problem ?? "", Boolean(problem)]; await this.refresh(); this.draw(); }
      else if (this.status.score?.source !== head.source) this.refresh();
    } catch (error) { this.say(error.message, true); }
  }
  leave() {
    this.player.stop();
    if (this.reported?.playing) navigator.sendBeacon("studio/midi/follow", new Blob([JSON.stringify({ ...this.reported, playing: false, page: PAGE })], { type: "application/json" }));
  }
  async playHere(head) {
    if (head && this.score?.source !== head.source && this.loading !== head.source) {
      this.loading = head.source;
      this.player.stop();
      try { this.useScore(await midi(`/score?source=${encodeURIComponent(head.source)}`)); this.said = ["", false]; }
      catch (error) { this.score = null; this.player.score = null; this.said = [error.message, true]; }
      this.draw();
    }
    this.player.follow(head);
  }
  useScore(score) {
    this.score = score;
    this.switches.parts.clear();
    this.player.load(score);
    this.setHere();
  }
  setHere() {
    const { parts, clock_out, programs, offset_ms } = this.switches;
    Object.assign(this.player, { clockOut: clock_out, programs, offsetMs: offset_ms });
    const shown = this.score?.parts ?? [];
    this.player.setParts(new Map(shown.map((part, n) => [n, { ...part, on: true, ...parts.get(n) }]).filter(([, { on }]) => on).map(([n, { channel }]) => [n, channel])));
  }

  // --- switches ---------------------------------------------------------------------------------------------------
  async set(changes) {
    if (this.browserPort || !this.onServer) {
      const { parts, ...rest } = changes;
      Object.assign(this.switches, rest);
      for (const [n, part] of Object.entries(parts ?? {})) this.switches.parts.set(Number(n), { ...this.switches.parts.get(Number(n)), ...part });
      this.setHere();
      return this.draw();
    }
    await this.ask("/set", changes);
    this.reported = null;
  }
  async ask(verb, body = {}) {
    try { this.said = ["", false]; this.take(await midi(verb, body)); } catch (error) { this.say(error.message, true); }
    this.draw();
  }
  panic() {
    if (this.browserPort) this.player.panic();
    if (this.onServer && this.status.port) this.ask("/panic");
  }
  say(text, wrong = false) { this.said = [text, wrong]; this.draw(); }

  // --- drawing ----------------------------------------------------------------------------------------------------
  // quiet: not while a list is open. A press, the focus and a number being written survive it.
  draw({ quiet = false } = {}) {
    const on = this.box.contains(document.activeElement) ? document.activeElement : null;
    if (!this.status || (quiet && on?.matches("select"))) return;
    const said = this.said[0] ? element("p", { className: `st-note${this.said[1] ? " st-error" : ""}`, role: "status", text: this.said[0], "data-key": "said" }) : null;
    redraw(this.box, [element("div", { className: "md-card" }, this.drawPort(), said, ...(this.port ? [this.drawFollowing(), this.drawParts()] : [])), this.in.draw()]);
  }
  drawPort() {
    const { status } = this, ports = status.ports ?? {}, here = [["", "Off"]];
    if (this.onServer) {
      if (ports.virtual !== false) here.push(["virtual", "Virtual port: MusicGen Studio"]);
      here.push(...(ports.outputs ?? []).map((name) => [name, name]));
    }
    const browser = this.access ? [...this.access.outputs.values()].filter(({ state }) => state !== "disconnected").map(({ id, name }) => [BROWSER + id, `${name} · browser`]) : [];
    if (!this.access) browser.push([`${BROWSER}?`, "The browser’s MIDI …"]);
    const port = select({ label: "MIDI output", value: this.port, choices: [...here, ...browser], chosen: (value) => this.choose(value) });
    const lamp = element("i", { className: `md-lamp${this.port ? " on" : ""}`, "aria-hidden": "true" });
    const none = this.onServer && ports.problem && !this.port ? element("p", { className: "st-note", text: ports.problem }) : null;
    return element("div", { className: "md-block" },
      element("div", { className: "md-row" }, lamp, element("b", { text: "MIDI out" }), port, button("Look again", () => this.look(), { title: "Look for ports again" }),
        element("span", { className: "st-spring" }), button("Panic", () => this.panic(), { className: "st-act danger", disabled: !this.port, title: "All notes off, all sound off, controllers reset, on 16 channels" })), none);
  }
  drawFollowing() {
    const here = Boolean(this.browserPort), state = here ? this.switches : this.status, clock = !here && state.follows === "clock";
    const ways = here ? null : select({ label: "In time with", value: state.follows, choices: [["page", "In time with this page"], ["clock", "In time with the beat clock"]], chosen: (follows) => this.set({ follows }) });
    const tick = (name, text, title) => {
      const box = element("input", { type: "checkbox", checked: Boolean(state[name]) });
      box.onchange = ({ target }) => this.set({ [name]: target.checked });
      return element("label", { className: "md-tick", title }, box, text);
    };
    const offset = element("input", { type: "number", className: "md-number", min: -500, max: 500, step: 1, value: state.offset_ms, label: "Offset in milliseconds" });
    offset.onchange = ({ target }) => { target.blur(); this.set({ offset_ms: Number(target.value) || 0 }); };
    const source = () => playhead()?.source;
    const play = clock ? [button(state.playing ? "Stop" : "Play on the next bar", () => (state.playing ? this.ask("/stop") : this.ask("/play", { source: source() })), { className: "st-act mx-main" }), tick("go_round", "round and round", "Begin again after the last whole bar"),
      element("span", { className: "st-note", text: `${Number(state.tempo_bpm.toFixed(1))} bpm` })] : [];
    return element("div", { className: "md-row md-wrap", "data-key": "following" }, ways, ...play, tick("clock_out", "MIDI clock", "24 pulses a quarter, start, stop, continue and song position"),
      tick("programs", "Instruments", "A program change for each part before it plays"), element("label", { className: "md-tick", title: "Later with a positive number, earlier with a negative one" }, "offset", offset, "ms"));
  }
  drawParts() {
    const score = this.browserPort ? this.score : this.status.score;
    if (!score) return element("p", { className: "st-note", text: "Put a take on the deck: its notes go out while it plays." });
    const rows = score.parts.map((part, n) => this.drawPart({ ...part, on: part.on ?? true, ...(this.browserPort ? this.switches.parts.get(n) : {}) }, n));
    const { timing, priority } = this.status, exact = !this.browserPort && timing?.sent
      ? ` · ${timing.sent.toLocaleString("en")} messages, half of them within ${timing.median_ms.toFixed(2)} ms, the latest ${timing.worst_ms.toFixed(1)} ms late${priority === "real-time" ? ", in real time" : ""}` : "";
    return element("div", { className: "md-block" }, element("div", { className: "md-parts" }, ...rows),
      element("p", { className: "st-note", text: `${score.title}: ${score.by === "exact" ? "exact notes, as the sketch wrote them" : "notes heard by transcription"}${exact}` }));
  }
  drawPart({ label, notes, channel, on, is_drums: drums }, n) {
    const channels = Array.from({ length: 16 }, (_, c) => [String(c), `ch ${c + 1}`]);
    const toggle = button(label, () => this.set({ parts: { [n]: { on: !on } } }), { className: "md-part-name", "aria-pressed": String(on), title: on ? "Switch this part off" : "Switch this part on" });
    return element("div", { className: `md-part${on ? "" : " off"}`, role: "group", label }, element("i", { className: "md-lamp on", "aria-hidden": "true" }), toggle,
      element("span", { className: "st-note", text: notes, title: `${notes} ${drums ? "strokes" : "notes"}` }),
      select({ label: `${label}, MIDI channel`, value: String(channel), choices: channels, chosen: (value) => this.set({ parts: { [n]: { channel: Number(value) } } }) }));
  }
}
