// Taking a sound apart: by which model, and which of the sets of parts lies on the strips.
import { ask } from "./mixer_ask.js";
import { button, element } from "./mixer_controls.js";

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

export class SeparateTool {
  id = "separate"; title = "Separate"; needs = "separate";
  constructor(panels) { this.panels = panels; }
  get mixer() { return this.panels.mixer; }

  async show(box) {
    const { sheet } = this.mixer;
    const told = await ask("separators").catch(() => ({ separators: [], may_manage: false }));
    if (box.dataset.tool !== this.id || this.mixer.sheet !== sheet) return;
    const sets = element("span", { className: "mx-ab", role: "group", label: "Parts on the strips" }, ...sheet.sets.map(({ key, label }) => {
      const made = button(label[0].toUpperCase() + label.slice(1), () => this.use(key));
      made.setAttribute("aria-pressed", key === sheet.parts.key);
      return made;
    }));
    box.replaceChildren(element("div", { className: "mx-bar" }, element("span", { className: "st-note", text: "On the strips:" }), sets),
      element("div", { className: "mx-models" }, ...told.separators.map((each) => this.card(each, told.may_manage, box))));
    clearTimeout(this.timer);
    if (told.separators.some(({ download }) => download)) this.timer = setTimeout(() => this.show(box), 1000);
  }
  card(model, mayManage, box) {
    const { works, source } = this.panels, here = model.state === "present", used = this.mixer.sheet.sets.some(({ key }) => key === model.id);
    const acts = element("span", { className: "mx-bar" });
    if (here) acts.append(button(used ? "Separated" : "Separate", () => this.panels.start("separate", { model: model.id }), { className: used ? "st-act" : "st-act mx-main", label: `Separate with ${model.label}`, disabled: used || works.isBusy("separate", source) }));
    else if (model.download) acts.append(button("Stop", () => this.manage(model.id, "stop", box), { className: "st-act danger" }));
    else if (mayManage) acts.append(button(`${model.state === "partial" ? "Go on" : "Download"}, ${megabytes(model.size_bytes)}`, () => this.manage(model.id, "download", box), { label: `Download ${model.label}` }));
    else acts.append(element("span", { className: "st-note", text: "not on this machine" }));
    const tier = element("span", { className: `st-badge${model.id === "built-in" ? "" : " full"}`, text: model.id === "built-in" ? "built-in" : model.id });
    const meter = model.download && element("div", { className: "st-meter" }, element("i"));
    if (meter) meter.firstChild.style.width = `${(100 * model.download.done) / Math.max(1, model.download.total)}%`;
    return element("div", { className: "mx-model", role: "group", label: model.label },
      element("div", { className: "mx-bar" }, element("b", { text: model.label }), tier), element("p", { className: "st-note", text: `${model.description} ${model.sources.join(", ")}.` }),
      model.problem ? element("p", { className: "st-note st-error", text: model.problem }) : null, meter, acts);
  }
  async manage(model, verb, box) {
    try { await ask(`separators/${model}/${verb}`, { method: "POST" }); }
    catch (error) { this.mixer.say(error.message, true); }
    this.show(box);
  }
  async use(key) {
    if (key === this.mixer.sheet.parts.key) return;
    try { await this.mixer.again((path) => ask(`${path}/parts`, { method: "POST", body: { key } })); }
    catch (error) { this.mixer.say(error.message, true); }
  }
  async onWork(work) { if (work.kind === "separate") await this.mixer.reopen(); }
}
