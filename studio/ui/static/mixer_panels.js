// The tools under the strips, one open at a time. A tool is there when the server knows the work it does.
import { button, element } from "./mixer_controls.js";
import { redraw } from "./making.js";
import { EffectsPanel } from "./mixer_effects.js";
import { Works } from "./mixer_work.js";
import { TOOLS } from "./mixer_tools.js";

const $ = (id) => document.getElementById(id);
const OPEN = "studio-desk-tool";

export class Panels {
  constructor(mixer) {
    this.mixer = mixer;
    this.works = new Works((work) => this.onWork(work));
    this.effects = new EffectsPanel(mixer);
    this.rendered = null; // the last rendering of the mix, to compare with
    const effects = { id: "effects", title: "Effects", show: (box) => this.effects.show(box) };
    const tools = TOOLS.map((Tool) => new Tool(this));
    this.tools = [tools[0], effects, ...tools.slice(1)];
    this.open = localStorage.getItem(OPEN) || "effects";
  }
  get source() { return this.mixer.sheet.source; }
  get box() { return $("mx-tool"); }
  known() { return this.tools.filter((tool) => !tool.needs || this.mixer.sheet.work.includes(tool.needs)); }

  show() {
    if (!this.mixer.sheet) return;
    const known = this.known(), tool = known.find(({ id }) => id === this.open) ?? known[0];
    redraw($("mx-tools"), known.map(({ id, title }) => {
      const made = button(title, () => this.choose(id), { className: "mx-tab", role: "tab", id: `mx-tab-${id}` });
      made.setAttribute("aria-selected", id === tool.id);
      return made;
    }));
    this.box.dataset.tool = tool.id;
    this.box.setAttribute("aria-labelledby", `mx-tab-${tool.id}`);
    const held = this.box.contains(document.activeElement) ? document.activeElement : null, at = held && this.alike(held).indexOf(held);
    tool.show(this.box);
    if (held && !held.isConnected) this.keepWriting(held, at);
  }
  alike(one) {
    const named = (each) => each.getAttribute("aria-label") ?? each.textContent;
    return [...this.box.querySelectorAll(one.tagName)].filter((each) => named(each) === named(one));
  }
  // Whoever is at a field or a button while news comes in stays there, with what was written so far.
  keepWriting(was, at) {
    const now = this.alike(was)[at];
    if (now?.matches("[type=text], [type=number]")) now.value = was.value;
    now?.focus({ preventScroll: true });
  }
  choose(id) {
    this.open = id;
    localStorage.setItem(OPEN, id);
    this.show();
  }
  draw() { this.tools.find(({ id }) => id === this.box.dataset.tool)?.draw?.(); }
  onRegion() { this.tools.find(({ id }) => id === this.box.dataset.tool)?.onRegion?.(); }
  effectsOf(name) {
    this.effects.name = name ?? "";
    this.choose("effects");
    this.box.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  // --- long work ------------------------------------------------------------------------------------------------
  async start(kind, options) {
    await this.mixer.settled();
    try { await this.works.start(this.source, kind, options); }
    catch (error) { this.mixer.say(error.message, true); }
    this.show();
  }
  async onWork(work) {
    if (work.error) this.mixer.say(work.error, true);
    if (work.result?.take) { this.mixer.act({ action: "refresh" }); this.mixer.onTake?.(work.result); }
    if (work.source !== this.mixer.sheet?.source || work.state !== "done") return this.show();
    if (["listen", "loops", "notes"].includes(work.kind)) await this.mixer.refresh();
    if (work.kind === "hear") await this.onRendered(work);
    for (const tool of this.tools) await tool.onWork?.(work);
    this.show();
  }
  // Whoever moves something wants to hear the desk, not a rendering of how it was.
  onMix() {
    this.stale = true;
    if (this.mixer.sound.onOther) this.hear(false);
  }

  // --- the mix rendered, to compare with ------------------------------------------------------------------------
  async onRendered(work) {
    this.rendered = work;
    this.stale = false;
    await this.mixer.sound.loadOther(`studio/desk/work/${work.id}/files/${encodeURIComponent(work.files[0])}?play=1`);
    this.hear(true);
  }
  hear(on) {
    const told = this.rendered?.result;
    if (!told) return;
    this.mixer.sound.hearOther(on, { otherDb: told.gain_to_match_db });
    this.show();
  }
  renderedSwitch() {
    const { works, source } = this, busy = works.isBusy("hear", source), on = Boolean(this.mixer.sound.onOther);
    const mine = this.rendered?.source === source;
    const render = button(mine && !this.stale ? "Render again" : "Render to hear", () => this.start("hear", {}), { disabled: busy });
    if (!mine) return [render];
    const before = button("Before", () => this.hear(false)), after = button("After", () => this.hear(true));
    before.setAttribute("aria-pressed", !on);
    after.setAttribute("aria-pressed", on);
    return [render, element("span", { className: "mx-ab", role: "group", label: "Compare at one loudness", title: "At one loudness" }, before, after)];
  }
}
