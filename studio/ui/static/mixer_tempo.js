// Tempo and key: what is known of them, and all parts bent alike to others, kept as a take.
import { ask } from "./mixer_ask.js";
import { button, element, select } from "./mixer_controls.js";

const NOTES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"];
const number = (options) => element("input", { type: "number", className: "mx-number", ...options });

export class TempoTool {
  id = "tempo"; title = "Tempo & key"; needs = "tempo";
  constructor(panels) { this.panels = panels; this.like = ""; this.written = {}; }
  get mixer() { return this.panels.mixer; }

  show(box) {
    const { works, source } = this.panels, { sheet } = this.mixer, { beats } = sheet, exact = sheet.beats_by === "planned, exact";
    const busy = works.isBusy("tempo", source), hearing = works.isBusy("listen", source);
    if (this.written.source !== source) this.written = { source }; // what was written into the fields, until another sound lies here
    const { written } = this;
    const tempo = number({ id: "mx-to-tempo", min: 30, max: 300, step: 0.01, value: written.tempo ?? (sheet.tempo_bpm ? Number(sheet.tempo_bpm.toFixed(2)) : ""), label: "New tempo, bpm" });
    const shift = number({ id: "mx-to-key", min: -12, max: 12, step: 1, value: written.shift ?? 0, label: "Semitones up or down" });
    const key = element("span", { className: "st-note", id: "mx-new-key", text: this.shifted(Number(shift.value)) });
    tempo.addEventListener("input", () => { written.tempo = tempo.value; });
    shift.addEventListener("input", () => { written.shift = shift.value; key.textContent = this.shifted(Number(shift.value)); });
    const go = button("Make it", () => this.go(tempo, shift), { className: "st-act mx-main", disabled: busy });
    const listen = exact ? null : button(beats ? "Listen again" : "Find beat and key", () => this.listen(), { disabled: hearing });
    const said = beats
      ? [`${Number(beats.tempo_bpm.toFixed(2))} bpm, ${beats.beats_a_bar} beats a bar, ${sheet.beats_by}${exact ? "" : ` (${Math.round(beats.confidence * 100)} % sure)`}`, sheet.key].filter(Boolean).join(" · ")
      : "Where the beats are is not known yet; they are listened for when they are needed.";
    const halves = beats && !exact ? [["½ ×", beats.tempo_bpm / 2], ["2 ×", beats.tempo_bpm * 2]].filter(([, bpm]) => bpm >= 40 && bpm <= 240)
      .map(([text, bpm]) => button(text, () => this.panels.start("listen", { tempo_bpm: bpm }), { title: `Count it as ${bpm.toFixed(1)} bpm`, disabled: hearing })) : [];
    const follow = element("span");
    box.replaceChildren(element("div", { className: "mx-bar" }, element("span", { className: "st-note", text: said }), element("span", { className: "st-spring" }), ...halves, listen),
      element("div", { className: "mx-bar mx-fields" }, element("label", {}, "To", tempo, "bpm"), element("label", {}, "or onto the beats of", follow), element("label", {}, "Key", shift, "semitones"), key, go),
      element("p", { className: "st-note", text: "All parts are bent alike and drums keep their pitch; onsets stay sharp, and the beats then lie on the grid to the sample. The result is a take of its own." }));
    this.fill(follow);
  }
  async fill(place) {
    const { sources } = await ask("sources").catch(() => ({ sources: [] }));
    const others = sources.filter(({ source }) => source !== this.panels.source);
    place.replaceChildren(select({ label: "Another track's grid", value: this.like, choices: [["", "no other track"], ...others.map(({ source, title }) => [source, title])], chosen: (value) => { this.like = value; } }));
  }
  shifted(semitones) {
    if (!semitones || !this.mixer.sheet.key) return "";
    const [tonic, ...mode] = this.mixer.sheet.key.split(" "), plain = tonic.replace("b", "♭").replace("#", "♯");
    const flats = { "D♭": 1, "G♭": 6, "D♯": 3, "G♯": 8, "A♯": 10 }, at = NOTES.indexOf(plain) >= 0 ? NOTES.indexOf(plain) : flats[plain];
    return at === undefined ? "" : `→ ${NOTES[(((at + semitones) % 12) + 12) % 12]} ${mode.join(" ")}`;
  }
  listen() { return this.panels.start("listen", {}); }
  go(tempo, shift) {
    const was = this.mixer.sheet.tempo_bpm, to = Number(tempo.value), options = { semitones: Number(shift.value) };
    if (this.like) options.like = this.like;
    else if (to && (!was || Math.abs(to - was) > 0.005)) options.tempo_bpm = to;
    return this.panels.start("tempo", options);
  }
  async onWork(work) {
    if (work.kind === "tempo") { await this.mixer.open(`take:${work.result.take}`); this.mixer.say(`Kept as “${work.result.title}”; it lies on the desk now.`); }
  }
}
