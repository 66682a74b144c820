// Mastering: where it should come out, what the meters said before and after, and both to hear at one loudness.
import { ask } from "./mixer_ask.js";
import { button, decibels, element, knob, percent, select } from "./mixer_controls.js";

const OWN = "own", KEPT = "studio-desk-master";
const SVG = (inner, viewBox, label) => `<svg viewBox="${viewBox}" preserveAspectRatio="none" role="img" aria-label="${label}">${inner}</svg>`;
const line = (points, kind) => `<polyline class="${kind}" points="${points.filter(([, y]) => y !== null).map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join(" ")}"/>`;

export class MasterTool {
  id = "master"; title = "Master"; needs = "master";
  constructor(panels) {
    this.panels = panels;
    this.work = null; // the last master, with its meters
    const fresh = { target_lufs: -14, ceiling_dbtp: -1, curve: "genre", reference: "", tone: 0.5, dynamics: 0.4, width: 1, mono_bass: true, safe_for_mp3: true };
    try { this.asked = { ...fresh, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}"), reference: "" }; } catch { this.asked = fresh; }
    if (this.asked.curve === "like") this.asked.curve = "genre";
  }
  get mixer() { return this.panels.mixer; }
  set(values) {
    Object.assign(this.asked, values);
    localStorage.setItem(KEPT, JSON.stringify(this.asked));
  }

  show(box) {
    const { works, source } = this.panels, { targets, curves, genre } = this.mixer.sheet, { asked } = this, again = () => this.show(box);
    if (asked.curve === "genre" && (!genre || genre === "unknown")) this.set({ curve: "" });
    const at = targets.findIndex(({ lufs, dbtp }) => lufs === asked.target_lufs && dbtp === asked.ceiling_dbtp);
    const target = select({ label: "Loudness target", value: this.own || at < 0 ? OWN : String(at), choices: [...targets.map(({ label }, n) => [String(n), label]), [OWN, "My own target"]],
      chosen: (value) => { this.own = value === OWN; if (!this.own) this.set({ target_lufs: targets[value].lufs, ceiling_dbtp: targets[value].dbtp }); again(); } });
    const curve = select({ label: "Tonal balance", value: asked.curve, choices: [["", "Leave the tone"], ...(genre && genre !== "unknown" ? [["genre", `Like its genre, ${genre.replaceAll("_", " ")}`]] : []), ...curves.map(({ name, label }) => [name, label]), ["like", "Like this track …"]],
      chosen: (value) => { this.set({ curve: value }); again(); } });
    const dial = (name, rest) => knob({ label: `Master, ${rest.cap}`, value: asked[name], min: 0, max: 1, read: percent, moved: (value) => { asked[name] = value; }, settled: () => this.set({}), ...rest }).box;
    const tick = (name, text) => element("label", { className: "mx-tick" }, element("input", { type: "checkbox", checked: asked[name], onchange: (event) => this.set({ [name]: event.target.checked }) }), text);
    const go = button("Master", () => this.panels.start("master", { ...asked }), { className: "st-act mx-main", disabled: works.isBusy("master", source) || (asked.curve === "like" && !asked.reference) });
    const knobs = element("div", { className: "mx-knobs" },
      ...(this.own || at < 0 ? [dial("target_lufs", { cap: "target", min: -30, max: -6, step: 0.1, back: -14, read: (v) => `${decibels(v)} LUFS` }), dial("ceiling_dbtp", { cap: "ceiling", min: -6, max: 0, step: 0.1, back: -1, read: (v) => `${decibels(v)} dBTP` })] : []),
      ...(asked.curve ? [dial("tone", { cap: "tone", back: 0.5 })] : []), dial("dynamics", { cap: "dynamics", back: 0.4 }),
      ...(asked.curve === "like" ? [] : [dial("width", { cap: "width", min: 0, max: 2, back: 1, centred: true })]));
    const reference = asked.curve === "like" ? element("span", { id: "mx-reference" }) : null;
    box.replaceChildren(element("div", { className: "mx-bar" }, target, curve, reference, go, element("span", { className: "st-spring" }), ...this.comparing()),
      element("div", { className: "mx-bar" }, knobs, tick("mono_bass", "Bass in the middle"), tick("safe_for_mp3", "Ceiling kept after MP3")));
    if (reference) this.fillReferences(reference, again);
    if (this.work?.source === source) box.append(this.report());
    else box.append(element("p", { className: "st-note", text: "The mix as it stands, effects on the sum included, is brought to the loudness; you hear both at one loudness and read the meters before you keep it." }));
  }
  async fillReferences(place, again) {
    const { sources } = await ask("sources").catch(() => ({ sources: [] }));
    const others = sources.filter(({ source }) => source !== this.panels.source);
    place.replaceChildren(select({ label: "Like this track", value: this.asked.reference, choices: [["", "Choose a track …"], ...others.map(({ source, title }) => [source, title])],
      chosen: (reference) => { this.set({ reference }); again(); } }));
  }
  comparing() {
    if (this.work?.source !== this.panels.source) return [];
    const on = this.panels.rendered === this.work && this.mixer.sound.onOther;
    const before = button("Before", () => this.hear(false)), after = button("After", () => this.hear(true));
    before.setAttribute("aria-pressed", !on);
    after.setAttribute("aria-pressed", Boolean(on));
    return [element("span", { className: "mx-ab", role: "group", label: "Compare at one loudness", title: "At one loudness" }, before, after),
      button("Keep as a take", () => this.panels.start("keep_master", { work: this.work.id }), { disabled: this.panels.works.isBusy("keep_master", this.panels.source) }),
      element("a", { className: "st-act", href: `studio/desk/work/${this.work.id}/files/${encodeURIComponent(this.work.files[0])}`, download: "", text: "Save it" })];
  }
  async hear(on) {
    if (this.panels.rendered !== this.work) await this.panels.onRendered(this.work);
    this.panels.hear(on);
  }
  async onWork(work) {
    if (work.kind === "master") { this.work = work; await this.panels.onRendered(work); }
    if (work.kind === "keep_master") this.mixer.say(`Kept as “${work.result.title}”.`);
  }

  // --- the report -----------------------------------------------------------------------------------------------
  report() {
    const told = this.work.result;
    const rows = told.meters.map(([name, before, after]) => element("tr", {}, element("th", { scope: "row", text: name }), element("td", { text: before }), element("td", { text: after })));
    if (told.mp3_peak_dbtp !== null) rows.push(element("tr", {}, element("th", { scope: "row", text: "True peak after MP3, 192 kbit/s" }), element("td"), element("td", { text: `${decibels(told.mp3_peak_dbtp)} dBTP` })));
    const table = element("table", { className: "mx-meters" }, element("thead", {}, element("tr", {}, element("th"), element("th", { scope: "col", text: "Before" }), element("th", { scope: "col", text: "After" }))), element("tbody", {}, ...rows));
    const said = [...told.done, ...told.reasons].map((text) => element("li", { className: told.reasons.includes(text) ? "st-error" : "", text }));
    const plots = element("div", { className: "mx-plots" });
    plots.innerHTML = this.spectrum(told.spectrum) + this.loudness(told);
    return element("div", { className: "mx-report" }, table, plots, element("ul", { className: "st-note mx-done" }, ...said));
  }
  spectrum({ hertz, before_db, after_db, curve_db, curve }) {
    const x = (hz) => (Math.log(hz / 25) / Math.log(800)) * 600, y = (db) => Math.max(0, Math.min(200, ((-6 - db) / 48) * 200));
    const grid = [50, 100, 200, 500, 1000, 2000, 5000, 10000].map((hz) => `<line class="grid" x1="${x(hz)}" x2="${x(hz)}" y1="0" y2="200"/>`).join("");
    const lines = line(hertz.map((hz, i) => [x(hz), y(before_db[i])]), "before") + (curve_db.length ? line(hertz.map((hz, i) => [x(hz), y(curve_db[i])]), "curve") : "") + line(hertz.map((hz, i) => [x(hz), y(after_db[i])]), "after");
    const marks = [50, 200, 1000, 5000].map((hz) => `<span style="left:${x(hz) / 6}%">${hz < 1000 ? hz : `${hz / 1000}k`}</span>`).join("");
    return `<figure><figcaption>Spectrum, third octaves <b class="before">before</b> <b class="after">after</b>${curve_db.length ? ` <b class="curve"></b>` : ""}</figcaption>${SVG(grid + lines, "0 0 600 200", "Spectrum before and after")}<div class="mx-axis">${marks}</div></figure>`
      .replace('<b class="curve"></b>', `<b class="curve">${element("i", { text: curve }).innerHTML}</b>`);
  }
  loudness({ loudness: { before, after }, target_lufs }) {
    const y = (lufs) => (lufs === null ? null : Math.max(0, Math.min(200, ((-3 - lufs) / 37) * 200))), x = (list) => (_, i) => (i / Math.max(1, list.length - 1)) * 600;
    const path = (list, kind) => line(list.map((lufs, i) => [x(list)(lufs, i), y(lufs)]), kind);
    const target = `<line class="target" x1="0" x2="600" y1="${y(target_lufs)}" y2="${y(target_lufs)}"/>`;
    return `<figure><figcaption>Short-term loudness <b class="before">before</b> <b class="after">after</b> <b class="curve">target ${decibels(target_lufs)} LUFS</b></figcaption>${SVG(target + path(before, "before") + path(after, "after"), "0 0 600 200", "Short-term loudness before and after")}</figure>`;
  }
}
