// The desk's long work as the server tells of it: it goes on while the page is away, and is found again after a reload.
import { button, element } from "./mixer_controls.js";
import { ask } from "./mixer_ask.js";
import { redraw } from "./making.js";

const $ = (id) => document.getElementById(id);
const OFTEN = 300, SELDOM = 1500, SHOWN_SECONDS = 8;

export class Works {
  // ended: told of each piece of work that has come to its end while this page looked on.
  constructor(ended) {
    this.ended = ended;
    this.known = new Map();
    this.since = new Map(); // when the page saw a piece of work end
    this.look();
  }
  get running() { return [...this.known.values()].filter((work) => !work.is_finished); }
  isBusy(kind, source) { return this.running.some((work) => work.kind === kind && work.source === source); }

  async start(source, kind, options = {}) {
    const work = await ask(`items/${encodeURIComponent(source)}/work`, { method: "POST", body: { kind, options } });
    this.known.set(work.id, work);
    this.turn = {}; // a look that was on its way does not know of it
    this.show();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), 120);
    return work;
  }
  async look() {
    clearTimeout(this.timer);
    const turn = (this.turn = {});
    try {
      const { work } = await ask("work");
      if (turn !== this.turn) return; // something was begun meanwhile: the look that follows knows of it
      const before = this.known;
      this.known = new Map(work.map((each) => [each.id, each]));
      for (const each of work)
        if (each.is_finished && before.has(each.id) && !before.get(each.id).is_finished) {
          const told = await ask(`work/${each.id}`).catch(() => null);
          if (!told) { this.known.set(each.id, before.get(each.id)); continue; } // its end is told at the next look
          this.since.set(each.id, Date.now());
          this.ended(told);
        }
      this.show();
    } catch { /* the studio is away for a moment: look again later */ }
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.look(), this.running.length ? OFTEN : SELDOM);
  }
  show() {
    const fresh = (work) => !work.is_finished || (work.error && Date.now() - (this.since.get(work.id) ?? 0) < SHOWN_SECONDS * 1000);
    redraw($("mx-works"), [...this.known.values()].filter(fresh).map((work) => this.card(work)));
  }
  card(work) {
    const stage = work.error || (work.state === "queued" ? "waiting for its turn" : work.stage || "beginning");
    const meter = element("div", { className: "st-meter", role: "progressbar", "aria-valuenow": Math.round(work.fraction * 100) }, element("i"));
    meter.firstChild.style.width = `${work.fraction * 100}%`;
    const stop = work.is_finished ? null : button("Stop", () => ask(`work/${work.id}/stop`, { method: "POST" }), { className: "st-act danger", label: `Stop: ${work.label}` });
    const card = element("div", { className: "mx-work" }, element("b", { text: work.label }),
      element("span", { className: work.error ? "st-note st-error" : "st-note", text: stage }), work.is_finished ? null : meter, stop);
    card.dataset.key = work.id;
    return card;
  }
}
