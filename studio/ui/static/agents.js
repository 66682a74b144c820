// What the agents' language models write at this moment, letter by letter, with a button that breaks the answer off.
import { make } from "./making.js";

export class Agents {
  constructor() {
    this.cards = new Map(); // by the answer's id
  }

  show(writing) {
    const list = document.getElementById("st-agents-now");
    if (!list) return;
    const alive = new Set(writing.map((one) => one.id));
    for (const [id, card] of this.cards) if (!alive.has(id)) { card.remove(); this.cards.delete(id); }
    for (const one of writing) {
      const card = this.cards.get(one.id) ?? this.card(one, list);
      card.querySelector("pre").textContent = one.text.slice(-260) || "…";
      card.querySelector(".st-tokens").textContent = one.tokens ? `${one.tokens} tokens` : "reading";
    }
  }

  card(one, list) {
    const card = make("article", "st-writing");
    card.dataset.agent = one.agent;
    const stop = make("button", "st-act danger", "Stop");
    stop.type = "button";
    stop.onclick = () => { stop.disabled = true; fetch(`studio/agents/${one.id}/stop`, { method: "POST" }); };
    const said = make("p", "", "");
    said.append(make("b", "", one.model), ` ${one.does} `, make("span", "st-tokens"));
    card.append(said, stop, make("pre"));
    list.append(card);
    this.cards.set(one.id, card);
    return card;
  }
}
