// A melody played on a keyboard against the beat: counted in, recorded, moved to a grid if wished, and handed to Generate.
import { button, element, select } from "./mixer_controls.js";
import { midi } from "./midi.js";

const BROWSER = "browser:", LEAD_MS = 150;

export class MidiIn {
  constructor(room) {
    this.room = room; // midi.js
    this.port = "";
    this.choices = { tempo: 120, beats: 4, count: 1, grid: 0 };
    this.recording = null; // {begins, keys} in performance.now()
    this.said = "";
  }
  // --- hearing ----------------------------------------------------------------------------------------------------
  async choose(port) {
    this.stopHearing();
    try {
      if (port === `${BROWSER}?`) { await this.room.allow(); return this.room.draw(); }
      this.port = port;
      const input = port.startsWith(BROWSER) ? this.room.access.inputs.get(port.slice(BROWSER.length)) : null;
      if (input) { this.input = input; await input.open?.(); input.onmidimessage = (event) => this.onMessage(event); }
      if (this.room.onServer) await midi("/listen", { port: input ? "" : port });
    } catch (error) { this.port = ""; this.room.say(error.message, true); }
    this.room.draw();
  }
  stopHearing() {
    if (this.input) this.input.onmidimessage = null;
    this.input = null;
    this.port = "";
  }
  onMessage({ data, timeStamp }) {
    const kind = data[0] & 0xf0, velocity = kind === 0x90 ? data[2] : 0;
    if (kind !== 0x90 && kind !== 0x80) return;
    this.recording?.keys.push([(timeStamp - this.recording.begins) / 1_000, data[1], velocity]);
    this.sound(data[1], velocity);
  }
  // A plain tone, so that a keyboard without a voice of its own is heard.
  sound(pitch, velocity) {
    const context = window.studio.deck.context;
    this.voices ??= new Map();
    const held = this.voices.get(pitch);
    if (held) { held.gain.setTargetAtTime(0, context.currentTime, 0.06); held.tone.stop(context.currentTime + 0.4); this.voices.delete(pitch); }
    if (!velocity || !context) return;
    const tone = new OscillatorNode(context, { type: "triangle", frequency: 440 * 2 ** ((pitch - 69) / 12) }), gain = new GainNode(context, { gain: 0 });
    gain.gain.setTargetAtTime(0.22 * (velocity / 127), context.currentTime, 0.004);
    tone.connect(gain).connect(context.destination);
    tone.start();
    this.voices.set(pitch, { tone, gain: gain.gain });
  }

  // --- recording --------------------------------------------------------------------------------------------------
  get onServer() { return this.port && !this.port.startsWith(BROWSER); }
  async record() {
    const { tempo, beats, count } = this.choices, { deck } = window.studio;
    try {
      await deck.listen();
      let begins = performance.now() + LEAD_MS + count * beats * (60_000 / tempo);
      if (this.onServer) {
        await this.room.time.sync();
        begins = this.room.time.toPage((await midi("/record", { tempo_bpm: tempo, beats_a_bar: beats, count_in: count })).begins);
      }
      this.recording = { begins, keys: [], tempo, beats, next: -count * beats };
      this.click();
      this.clicking = setInterval(() => this.click(), 40);
    } catch (error) { this.recording = null; this.room.say(error.message, true); }
    this.room.draw();
  }
  // The metronome on the audio clock, a little ahead; the first beat of a bar is higher.
  click() {
    const { context } = window.studio.deck, { begins, tempo, beats } = this.recording, beat = 60_000 / tempo;
    for (; begins + this.recording.next * beat < performance.now() + 120; this.recording.next++) {
      const at = context.currentTime + Math.max(0, begins + this.recording.next * beat - performance.now()) / 1_000, first = this.recording.next % beats === 0;
      const tone = new OscillatorNode(context, { frequency: first ? 1_760 : 1_175 }), gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(first ? 0.25 : 0.16, at).exponentialRampToValueAtTime(0.001, at + 0.05);
      tone.connect(gain).connect(context.destination);
      tone.start(at);
      tone.stop(at + 0.06);
    }
    this.showBeat();
  }
  showBeat() {
    const place = document.getElementById("md-beat");
    if (!place || !this.recording) return;
    const { begins, tempo, beats } = this.recording, beat = Math.floor((performance.now() - begins) / (60_000 / tempo));
    place.textContent = beat < 0 ? `${beats - ((-beat - 1) % beats)} …` : `${Math.floor(beat / beats) + 1}.${(beat % beats) + 1}`;
  }
  async stop() {
    const { keys, begins, tempo, beats } = this.recording, { grid } = this.choices;
    clearInterval(this.clicking);
    this.recording = null;
    try {
      const kept = this.onServer ? await midi("/recorded", { grid })
        : await midi("/melody", { keys, seconds: (performance.now() - begins) / 1_000, tempo_bpm: tempo, beats_a_bar: beats, grid });
      this.said = `${kept.keys} note${kept.keys === 1 ? "" : "s"} recorded: Generate follows them now, under “Steer it”.`;
      this.room.said = ["", false];
      window.studioPlayed?.({ melody: kept.melody, keys: kept.keys });
    } catch (error) { this.said = ""; this.room.say(error.message, true); }
    this.room.draw();
  }

  // --- drawing ----------------------------------------------------------------------------------------------------
  draw() {
    const { room } = this, { status, access } = room, choices = [["", "No keyboard"]];
    if (room.onServer) {
      if (status.ports?.virtual) choices.push(["virtual", "Virtual port: MusicGen Studio"]);
      choices.push(...(status.ports?.inputs ?? []).map((name) => [name, name]));
    }
    if (access) choices.push(...[...access.inputs.values()].filter(({ state }) => state !== "disconnected").map(({ id, name }) => [BROWSER + id, `${name} · browser`]));
    else choices.push([`${BROWSER}?`, "The browser’s MIDI …"]);
    const head = element("div", { className: "md-row" }, element("i", { className: `md-lamp${this.recording ? " red" : this.port ? " on" : ""}`, "aria-hidden": "true" }), element("b", { text: "MIDI in" }),
      select({ label: "MIDI input", value: this.port, choices, chosen: (value) => this.choose(value) }),
      element("span", { className: "st-note", text: "A melody that you play, for the take to follow." }));
    return element("div", { className: "md-card" }, head, ...(this.port ? [this.drawRecorder()] : []), this.said ? element("p", { className: "st-note", role: "status", text: this.said }) : null);
  }
  drawRecorder() {
    const { choices } = this, number = (key, least, most, label) => {
      const field = element("input", { type: "number", className: "md-number", min: least, max: most, value: choices[key], label });
      field.onchange = ({ target }) => { choices[key] = Math.max(least, Math.min(most, Number(target.value) || choices[key])); target.value = choices[key]; };
      return field;
    };
    const pick = (key, label, options) => select({ label, value: String(choices[key]), choices: options, chosen: (value) => { choices[key] = Number(value); } });
    return element("div", { className: "md-row md-wrap" },
      this.recording ? button("Stop and use it", () => this.stop(), { className: "st-act mx-main" }) : button("Record", () => this.record(), { className: "st-act mx-main" }),
      element("b", { id: "md-beat", className: "md-beat", text: "" }),
      element("label", { className: "md-tick" }, number("tempo", 30, 300, "Tempo to play at"), "bpm"),
      element("label", { className: "md-tick" }, number("beats", 1, 16, "Beats a bar"), "beats a bar"),
      pick("count", "Count-in", [["0", "no count-in"], ["1", "1 bar count-in"], ["2", "2 bars count-in"]]),
      pick("grid", "Grid", [["0", "as played"], ["2", "1/8 grid"], ["4", "1/16 grid"], ["3", "triplet grid"]]));
  }
}
