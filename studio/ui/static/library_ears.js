// What hears the library: the built-in tier or a CLAP model, chosen, fetched and taken away here.
import { element, send } from "./library.js";
import { redraw } from "./making.js";

const $ = (id) => document.getElementById(id);
const BUILT_IN = { id: "built-in", label: "Built-in", description: "Timbre, harmony, rhythm and dynamics. Words are looked for in what is written.", state: "present" };

export class Ears {
  constructor(library) { this.library = library; }

  show(now) {
    this.notice(now);
    $("st-lib-ears-panel").classList.toggle("st-hidden", !now.ears);
    if (!now.ears) return;
    const { model, decided, models } = now.ears;
    const cards = [BUILT_IN, ...models].map((one) => this.card(one, one.id === model, decided));
    if (decided) cards.push(element("p", "st-note", "MUSICGEN_STUDIO_LIBRARY_MODEL has decided; nothing can be chosen here."));
    if (this.problem) cards.push(element("p", "st-note st-error", this.problem));
    redraw($("st-lib-ears"), cards);
    clearTimeout(this.waiting);
    if (models.some((one) => one.download && !one.download.error)) this.waiting = setTimeout(() => this.library.status(), 1000);
  }

  card(one, used, decided) {
    const card = element("div", "st-ear"), head = element("b", "", one.label), acts = element("div", "st-acts");
    const press = (text, verb, more = "") => {
      const button = element("button", `st-act ${more}`, text);
      button.onclick = () => this.act(verb, one.id);
      acts.append(button);
    };
    const facts = one.licence ? `${one.description} ${one.megabytes} MB, ${one.licence}.` : one.description;
    const running = one.download && !one.download.error;
    if (used) head.append(element("span", "st-badge full", "hears the library"));
    if (running) press("Stop", "stop", "danger");
    else if (one.state !== "present") press(one.state === "partial" ? "Go on with the download" : "Download", "download");
    else if (!used && !decided) press("Use", "use");
    if (one.licence && one.state === "present" && !running) press("Delete", "delete", "danger");
    card.append(head, element("p", "st-note", facts));
    if (running) {
      const meter = element("div", "st-meter"), bar = element("i");
      bar.style.width = `${100 * one.download.share}%`;
      meter.append(bar);
      card.append(meter, element("p", "st-note", `${one.download.megabytes} of ${one.megabytes} MB`));
    }
    const problem = one.problem || (one.state !== "present" && one.download?.error);
    if (problem) card.append(element("p", "st-note st-error", problem));
    card.append(acts);
    return card;
  }

  async act(verb, model) {
    this.problem = "";
    try { await send("ears", { do: verb, model }); } catch (error) { this.problem = error.message; }
    await this.library.status();
    if (verb === "use") this.library.refresh();
  }

  // Above the list, since what has not been heard cannot be found by ear.
  notice(now) {
    const place = $("st-lib-notice"), hearing = now.job?.state === "running";
    place.classList.toggle("st-hidden", !now.to_be_heard || hearing);
    if (!now.to_be_heard || hearing) return;
    const one = now.to_be_heard === 1;
    const hear = element("button", "st-act", one ? "Hear it" : "Hear them");
    hear.onclick = () => { this.library.view("bring"); this.library.bring.work("reindex"); };
    const said = [`${now.to_be_heard.toLocaleString()} track${one ? " is" : "s are"} not yet heard by ${now.hears}: ${one ? "it is" : "they are"} found by what is written alone until then. `, hear];
    if (now.ears && !now.ears.decided && now.ears.model !== BUILT_IN.id) {
      const back = element("button", "st-act", "Use the built-in tier");
      back.onclick = () => this.act("use", BUILT_IN.id);
      said.push(" ", back);
    }
    redraw(place, said.map((part) => (typeof part === "string" ? document.createTextNode(part) : part)));
  }
}
