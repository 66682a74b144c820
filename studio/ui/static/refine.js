// A refinement as it goes: each pass a card with its score, what was asked differently and why. The server does the work
// and keeps the state; here the user watches, plays, stops and overrules.
import { PLAY } from "./icons.js";
import { button, grade, make, redraw } from "./making.js";

const HIDDEN = "studio-refinements-put-away";

export class Refining {
  constructor(deck, act) {
    this.deck = deck;
    this.act = act;
    this.version = null;
    this.redo = new Map(); // by refinement: the sections picked to be made anew
    this.load();
  }

  follow({ version, running }) {
    for (const one of running) this.progress(one);
    if (version !== this.version) { this.version = version; this.soon(); }
  }

  // Progress comes many times a second; the passes themselves are read at most so often.
  soon() {
    this.timer ??= setTimeout(() => { this.timer = null; this.load(); }, 250);
  }

  async load() {
    const answer = await fetch("studio/refinements");
    if (!answer.ok) return;
    const { refinements } = await answer.json();
    const drawn = JSON.stringify(refinements.map((one) => ({ ...one, stage: "", fraction: 0 })));
    const passes = refinements.reduce((sum, one) => sum + one.passes.length, 0);
    if (this.passes !== undefined && passes > this.passes) this.act({ action: "refresh" });
    this.passes = passes;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.shown = refinements;
    this.draw();
  }

  draw() {
    const list = document.getElementById("st-refining");
    if (!list) return;
    const away = JSON.parse(localStorage.getItem(HIDDEN) ?? "[]");
    redraw(list, (this.shown ?? []).filter((one) => one.running || !away.includes(one.id)).slice(0, 2).map((one) => this.card(one)));
  }

  progress({ id, stage, fraction }) {
    const card = document.querySelector(`.st-refinement[data-refinement="${id}"]`);
    if (!card) return;
    card.querySelector(".st-meter i").style.width = `${Math.round(fraction * 100)}%`;
    card.querySelector(".st-stage").textContent = stage ? `${stage[0].toUpperCase()}${stage.slice(1)}` : "Beginning a pass";
  }

  async tell(id, verb, body) {
    const answer = await fetch(`studio/refinements/${id}/${verb}`, { method: "POST", body: body ? JSON.stringify(body) : undefined });
    if (!answer.ok) this.say(id, (await answer.json()).detail);
    else { this.say(id, ""); this.load(); }
  }
  say(id, text) {
    const line = document.querySelector(`.st-refinement[data-refinement="${id}"] .st-error`);
    if (line) line.textContent = text;
  }
  putAway(id) {
    const away = JSON.parse(localStorage.getItem(HIDDEN) ?? "[]");
    localStorage.setItem(HIDDEN, JSON.stringify([...away, id].slice(-200)));
    this.draw();
  }

  // --- one refinement -------------------------------------------------------------------------------------------
  card(one) {
    const card = make("section", "st-refinement");
    card.dataset.refinement = card.dataset.key = one.id;
    card.setAttribute("aria-label", `Refining ${one.title}`);
    const head = make("div", "st-refinement-head");
    const { passes, seconds, score } = one.budget;
    head.append(make("h4", "", one.title), make("span", "st-note", one.running
      ? `Pass ${Math.min(one.passes.length + 1, passes)} of ${passes} · until ${score} or ${Math.round(seconds / 6) / 10} min`
      : one.ended_words));
    const acts = make("div", "st-acts");
    if (one.running) acts.append(button("Stop", () => this.tell(one.id, "stop"), "danger"));
    else {
      if (one.can_resume) acts.append(button("Go on", () => this.tell(one.id, "resume")));
      acts.append(button("Put away", () => this.putAway(one.id)));
    }
    head.append(acts);
    card.append(head);
    if (one.running) {
      const meter = make("div", "st-meter"), fill = make("i"), stage = make("p", "st-stage st-note", one.stage || "Beginning a pass");
      fill.style.width = `${Math.round((one.fraction ?? 0) * 100)}%`;
      meter.append(fill);
      meter.dataset.key = "meter";
      stage.dataset.key = "stage";
      card.append(meter, stage);
    }
    card.append(make("p", "st-error", one.error), ...one.passes.map((pass) => this.pass(one, pass)).reverse());
    return card;
  }

  pass(one, pass) {
    const card = make("article", "st-pass st-card");
    card.dataset.take = pass.take;
    card.dataset.pass = card.dataset.key = pass.number;
    const best = pass.number === one.best;
    card.classList.toggle("best", best);
    const play = make("button", "st-play");
    play.innerHTML = PLAY;
    play.type = "button";
    play.setAttribute("aria-label", `Play pass ${pass.number + 1}`);
    play.onclick = () => (this.deck.now?.take === pass.take ? this.deck.toggle() : this.deck.loadTake(pass.take));
    const title = make("h4", "", `Pass ${pass.number + 1} `);
    const chip = make("button", `st-score ${grade(pass.score)}`, Math.round(pass.score));
    chip.type = "button";
    chip.dataset.score = pass.take;
    chip.title = "Press for the reasons";
    title.append(chip);
    if (best) title.append(make("span", "st-badge full", "kept as the best"));
    const acts = make("div", "st-acts");
    if (!best && !one.running) acts.append(button("Keep this one", () => this.tell(one.id, "overrule", { best: pass.number })));
    const made = pass.sections.length
      ? `Made anew of pass ${pass.parent + 1}: ${pass.sections.map((n) => `${one.section_names[n]} (${n + 1})`).join(", ")}`
      : pass.number ? "The whole take made anew" : "The first take";
    card.append(play, title, acts, make("p", "", `${made} · ${pass.seconds.toFixed(1)} s`));
    if (pass.changes.length) card.append(this.changes(pass));
    card.append(make("p", "st-wide st-said", pass.words));
    if (best && !one.running) card.append(this.sections(one, pass));
    return card;
  }

  changes(pass) {
    const list = make("ul", "st-changes st-wide");
    for (const { where, what, before, after, why } of pass.changes) {
      const line = make("li");
      line.append(make("b", "", where), ` ${what} `);
      if (what !== "drawn anew") {
        if (before) line.append(make("del", "", before), " → ");
        line.append(make("ins", "", after));
      }
      line.append(make("span", "st-change-why", ` – ${why}`));
      list.append(line);
    }
    return list;
  }

  // The user's word: which sections to leave as they are, which to make anew though the judge is content.
  sections(one, pass) {
    const row = make("div", "st-wide st-overrule"), picked = this.redo.get(one.id) ?? new Set();
    row.append(make("span", "st-note", "Your word counts more:"));
    for (const { index, score, reasons } of pass.marks) {
      const chip = make("button", `st-mark-chip ${grade(score)}`, `${one.section_names[index]} `);
      chip.type = "button";
      chip.title = reasons.join(" ") || "Nothing wrong was heard here. Press to have it made anew.";
      chip.setAttribute("aria-pressed", picked.has(index));
      chip.append(make("b", "", Math.round(score)));
      chip.onclick = () => {
        picked.has(index) ? picked.delete(index) : picked.add(index);
        this.redo.set(one.id, picked);
        this.draw();
      };
      row.append(chip);
    }
    const ask = (what) => { this.redo.delete(one.id); this.tell(one.id, "overrule", { [what]: [...picked] }); };
    const again = button("Make these anew", () => ask("redo"));
    const leave = button("Leave these be", () => ask("leave"));
    again.disabled = leave.disabled = !picked.size;
    row.append(again, leave);
    if (one.left.length) row.append(make("span", "st-note", `Left as they are: ${one.left.map((n) => one.section_names[n]).join(", ")}.`));
    return row;
  }
}
