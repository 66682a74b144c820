// The tray: up to five tracks, each with a weight, that go to Generate together.
import { element } from "./library.js";

export const MOST = 5;
const $ = (id) => document.getElementById(id);

export class Tray {
  constructor(library, act) {
    this.library = library;
    this.act = act;
    this.chosen = new Map(); // id → {id, ref, label, weight}
  }

  toggle(track) {
    if (this.chosen.has(track.id)) this.chosen.delete(track.id);
    else if (this.chosen.size < MOST) this.chosen.set(track.id, { id: track.id, ref: track.ref, label: track.label, weight: 1 });
    this.show();
  }

  mark() {
    for (const row of document.querySelectorAll(".st-track")) {
      const inside = this.chosen.has(Number(row.dataset.track)), button = row.querySelector(".st-use");
      row.classList.toggle("st-chosen", inside);
      button.textContent = inside ? "In the tray" : "Use";
      button.disabled = !inside && this.chosen.size >= MOST;
    }
  }

  show() {
    const tray = $("st-lib-tray");
    tray.classList.toggle("st-hidden", !this.chosen.size);
    const rows = [...this.chosen.values()].map((one) => this.row(one));
    const several = this.chosen.size > 1;
    const between = element("button", "st-act", "What lies between");
    between.title = "The tracks nearest to the weighted middle of these";
    between.onclick = () => {
      this.library.like = new Map([...this.chosen.values()].map((one) => [one.id, one.label]));
      this.library.weights = new Map([...this.chosen.values()].map((one) => [one.id, one.weight]));
      this.library.toTop();
      this.library.refresh();
    };
    const empty = element("button", "st-act", "Empty");
    empty.onclick = () => { this.chosen.clear(); this.show(); };
    const use = element("button", "st-act st-go-generate", several ? "Mash up in Generate" : "Use in Generate");
    use.id = "st-lib-use";
    use.onclick = () => this.act({ action: "use", references: [...this.chosen.values()].map(({ ref, weight }) => ({ id: ref, weight })) });
    const foot = element("div", "st-tray-foot");
    foot.append(...(several ? [between] : []), empty, use);
    tray.replaceChildren(element("h3", "", several ? `Mash-up of ${this.chosen.size}` : "In its style"), ...rows, foot);
    this.mark();
  }

  row(one) {
    const row = element("div", "st-tray-row");
    const weight = element("input");
    Object.assign(weight, { type: "range", min: 0.1, max: 3, step: 0.1, value: one.weight });
    weight.setAttribute("aria-label", `Weight of ${one.label}`);
    const figure = element("span", "st-note", one.weight.toFixed(1));
    weight.oninput = () => { one.weight = Number(weight.value); figure.textContent = one.weight.toFixed(1); };
    const out = element("button", "st-act", "✕");
    out.setAttribute("aria-label", `Take ${one.label} out`);
    out.onclick = () => { this.chosen.delete(one.id); this.show(); };
    const name = element("b", "", one.label);
    name.title = one.label;
    row.append(name, weight, figure, out);
    return row;
  }
}
