// The desk's tools: loops and what is carried off. The larger ones have files of their own.
import { button, element, select } from "./mixer_controls.js";
import { ask } from "./mixer_ask.js";
import { clock } from "./deck.js";
import { grip } from "./drag.js";
import { MasterTool } from "./mixer_master.js";
import { TempoTool } from "./mixer_tempo.js";
import { SeparateTool } from "./mixer_separate.js";
import { NotesTool } from "./mixer_notes.js";

const note = (text, wrong = false) => element("p", { className: `st-note${wrong ? " st-error" : ""}`, text });

class LoopsTool {
  id = "loops"; title = "Loops"; needs = "loops";
  constructor(panels) { this.panels = panels; this.lengths = ""; }
  get mixer() { return this.panels.mixer; }
  get loops() { return this.mixer.sheet.found.loops; }

  show(box) {
    const { works, source } = this.panels, busy = works.isBusy("loops", source);
    const bars = this.lengths ? { bars: this.lengths.split(",").map(Number) } : {};
    const find = button(this.loops ? "Look again" : "Find loops", () => this.panels.start("loops", bars), { disabled: busy, className: "st-act mx-main" });
    const lengths = select({ label: "Bars of a loop", value: this.lengths, choices: [["", "1 to 16 bars"], ["1,2", "1 or 2 bars"], ["4", "4 bars"], ["8", "8 bars"], ["16", "16 bars"]],
      chosen: (value) => { this.lengths = value; this.show(box); } });
    const { marked } = this.mixer.ruler;
    const fill = element("input", { type: "number", className: "mx-number", min: 1, max: 600, step: 1, placeholder: "once", value: this.fill ?? "", label: "Play it round for so many seconds" });
    fill.addEventListener("input", () => { this.fill = Number(fill.value) || null; });
    const mine = button("Export the marked region", () => this.export({ start_seconds: marked[0], end_seconds: marked[1] }), { disabled: !marked });
    box.replaceChildren(element("div", { className: "mx-bar mx-fields" }, find, lengths, element("span", { className: "st-spring" }),
      element("label", { title: "Empty: one round with loop points for samplers" }, "play round for", fill, "s"), mine, marked ? this.handle({ start: marked[0], end: marked[1] }) : null));
    if (!this.loops) return box.append(note("Regions that go round without a seam, the best first. They play in the mix as it stands; or drag over the ruler to mark one of your own."));
    box.append(element("ol", { className: "mx-loops" }, ...this.loops.map((loop) => this.row(loop))));
  }
  row(loop) {
    const region = this.mixer.sound.loop, on = region && Math.abs(region[0] - loop.start) < 1e-3 && Math.abs(region[1] - loop.end) < 1e-3;
    const hear = button(on ? "Stop" : "Hear", () => this.hear(loop, on), { label: `${on ? "Stop" : "Hear"} the loop of ${loop.bars} bars at ${clock(loop.start)}` });
    const score = element("i", { className: "mx-score", title: `${Math.round(loop.score * 100)} of 100` });
    score.style.setProperty("--share", loop.score);
    return element("li", { className: on ? "on" : "" }, score, element("b", { text: `${loop.bars} bar${loop.bars > 1 ? "s" : ""}` }),
      element("span", { className: "st-note", text: `${loop.start.toFixed(2)} to ${loop.end.toFixed(2)} s · ${loop.why}` }), element("span", { className: "st-spring" }),
      hear, button("Export", () => this.export({ start_seconds: loop.start, end_seconds: loop.end })), this.handle(loop));
  }
  // A region dragged off, named by its bars where it is a whole number of them.
  handle({ start, end }) {
    const { source, file_name, beats } = this.mixer.sheet, seconds = end - start;
    const bars = beats ? seconds / ((60 / beats.tempo_bpm) * beats.beats_a_bar) : 0, whole = Math.round(bars);
    const long = whole && Math.abs(bars - whole) < 0.02 ? `${whole} bar${whole > 1 ? "s" : ""}` : `${seconds.toFixed(2)} s`;
    return grip("WAV", source, "loop", `${file_name} – loop, ${long}`, { start, end });
  }
  async hear(loop, on) {
    const { ruler, sound, deck } = this.mixer;
    if (on) { sound.pause(); ruler.clear(); return this.panels.show(); }
    deck.pause();
    ruler.mark([loop.start, loop.end]);
    sound.seek(loop.start);
    if (!sound.playing) await this.mixer.toggle();
    this.panels.show();
  }
  export(region) { return this.panels.start("export", { what: "loop", format: "wav24", ...region, ...(this.fill ? { fill_seconds: this.fill } : {}) }); }
  onRegion() { this.panels.show(); }
}

class ExportTool {
  id = "export"; title = "Export"; needs = "export";
  constructor(panels) { this.panels = panels; this.what = "mix"; this.format = "wav24"; this.made = []; this.picked = new Set(); }
  get mixer() { return this.panels.mixer; }

  show(box) {
    const { works, source } = this.panels, { exports } = this.mixer.sheet;
    const kinds = exports.map(({ what, label }) => [what, label]), mine = exports.find(({ what }) => what === this.what) ?? exports[0];
    this.what = mine.what;
    if (!mine.formats.some(([key]) => key === this.format)) this.format = mine.formats[0]?.[0] ?? "";
    const again = () => this.show(box);
    const what = select({ label: "What to export", value: this.what, choices: kinds, chosen: (value) => { this.what = value; again(); } });
    const format = mine.formats.length ? select({ label: "Format", value: this.format, choices: mine.formats, chosen: (value) => { this.format = value; again(); } }) : null;
    const { marked } = this.mixer.ruler, region = this.what === "loop" && marked ? { start_seconds: marked[0], end_seconds: marked[1] } : {};
    const go = button("Export", () => this.panels.start("export", { what: this.what, ...(this.format ? { format: this.format } : {}), ...region, ...(this.what === "takes" ? { takes: [...this.picked] } : {}) }), { className: "st-act mx-main", disabled: works.isBusy("export", source) });
    const keep = button("Keep the mix as a take", () => this.panels.start("bounce", {}), { disabled: works.isBusy("bounce", source), title: "A new version in the history, with this mix in its provenance" });
    const several = this.what === "takes" ? element("div", { className: "mx-takes", role: "group", label: "Takes to export" }) : null;
    box.replaceChildren(element("div", { className: "mx-bar" }, what, format, go, element("span", { className: "st-spring" }), keep), note(mine.note ?? ""), ...(several ? [several] : []));
    if (several) this.list(several, go);
    const files = this.made.filter((each) => each.source === source).flatMap((each) => each.files.map((name) => [each, name]));
    if (files.length) box.append(element("ul", { className: "mx-files" }, ...files.map(([each, name]) => element("li", {}, element("a", { href: address(each, name), download: "", text: name }), this.seconds(each)))));
  }
  async list(box, go) {
    const { sources } = await ask("sources").catch(() => ({ sources: [] })), takes = sources.filter(({ source }) => source.startsWith("take:"));
    const show = () => { go.disabled = !this.picked.size; };
    box.replaceChildren(...takes.map(({ source, title, seconds }) => {
      const id = source.slice(5), tick = element("input", { type: "checkbox", checked: this.picked.has(id) });
      tick.addEventListener("change", () => { tick.checked ? this.picked.add(id) : this.picked.delete(id); show(); });
      return element("label", { className: "mx-tick" }, tick, `${title} · ${clock(seconds)}`);
    }));
    show();
  }
  seconds(work) { return element("span", { className: "st-note", text: `${work.label}, ${work.seconds.toFixed(1)} s` }); }
  onWork(work) {
    if (work.kind === "bounce") this.mixer.say(`Kept as “${work.result.title}”.${work.result.turned_down_db ? ` It was turned down by ${work.result.turned_down_db} dB so that nothing clips.` : ""}`);
    if (work.kind !== "export" || !work.files.length) return;
    this.made = [work, ...this.made].slice(0, 12);
    const link = element("a", { href: address(work, work.files[0]), download: "" });
    document.body.append(link);
    link.click();
    link.remove();
  }
}

const address = (work, name) => `studio/desk/work/${work.id}/files/${encodeURIComponent(name)}`;
export const TOOLS = [SeparateTool, MasterTool, TempoTool, LoopsTool, NotesTool, ExportTool];
