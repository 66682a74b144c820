// The plug-ins that are open in DAWs: asked for while the panel is in sight, each with what it plays and what it may be asked.
const EVERY_MS = 2000;
const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};

export class PlugIns {
  constructor(box) {
    this.box = box;
    this.turn = this.told = 0; // of the questions: which was asked last, and whose answer is shown
    this.rows = new Map(); // by the instance's name: a row keeps its fields while the news comes in
    document.getElementById("st-plugin-copy")?.addEventListener("click", () => this.copy());
    this.look();
    setInterval(() => this.look(), EVERY_MS);
  }

  get inSight() { return this.box.isConnected && this.box.offsetParent && !document.hidden; }

  async look() {
    if (!this.inSight) return;
    const turn = ++this.turn;
    try {
      const answer = await fetch("studio/plug-in/instances");
      if (answer.ok) this.show(await answer.json(), turn);
    } catch { /* the studio is closing; the deck says so */ }
  }

  async ask(instance, what) {
    const answer = await fetch(`studio/plug-in/instances/${encodeURIComponent(instance)}`, { method: "POST", body: JSON.stringify(what) });
    const data = await answer.json().catch(() => ({}));
    this.complain(answer.ok ? "" : data.detail ?? "That did not work.");
    if (answer.ok) this.show(data, ++this.turn); // newer than what was asked before it
  }

  // The token goes to the clipboard, and on the page where there is none to write to.
  async copy() {
    const answer = await fetch("studio/plug-in/place");
    const { lines } = answer.ok ? await answer.json() : {};
    if (!lines) return this.complain("The studio has no token for plug-ins now.");
    const said = document.getElementById("st-plugin-token");
    try {
      await navigator.clipboard.writeText(lines);
      said.textContent = "Copied. Now press “Paste token” in the plug-in’s window.";
    } catch {
      said.replaceChildren("Copy these lines, then press “Paste token” in the plug-in’s window:", element("pre", { textContent: lines }));
    }
  }

  complain(sentence) {
    const line = document.getElementById("st-plugin-error");
    line.textContent = sentence;
    line.classList.toggle("st-hidden", !sentence);
  }

  show({ instances, takes }, turn) {
    if (turn < this.told) return; // a later answer stands there
    this.told = turn;
    const count = document.getElementById("st-plugin-count");
    count.textContent = ["No plug-in is open", "1 is open"][instances.length] ?? `${instances.length} are open`;
    count.classList.toggle("warn", instances.length > 0);
    const list = document.getElementById("st-plugin-list");
    for (const [id, row] of this.rows) if (!instances.some((each) => each.id === id)) { row.box.remove(); this.rows.delete(id); }
    for (const each of instances) {
      if (!this.rows.has(each.id)) {
        this.rows.set(each.id, this.row(each.id));
        list.append(this.rows.get(each.id).box);
      }
      this.fill(this.rows.get(each.id), each, takes);
    }
  }

  row(id) {
    const name = element("b"), status = element("span", { className: "st-badge" });
    const take = element("select", { ariaLabel: "The take it plays" });
    const words = element("input", { type: "text", placeholder: "A take for it: techno, dark, driving", ariaLabel: "Words for a new take", maxLength: 1900 });
    const bars = element("input", { type: "number", min: 1, max: 64, value: 8, ariaLabel: "Bars of the new take" });
    const make = element("button", { type: "button", className: "st-act", textContent: "Make it" });
    take.addEventListener("change", () => this.ask(id, { take: take.value }));
    const ask = () => this.ask(id, { words: words.value, bars: Math.min(64, Math.max(1, Math.round(bars.valueAsNumber) || 8)) });
    make.addEventListener("click", ask);
    words.addEventListener("keydown", (event) => { if (event.key === "Enter") ask(); });
    const box = element("article", { className: "st-plugin-one" },
      element("div", { className: "st-plugin-row" }, name, status, take),
      element("div", { className: "st-plugin-row" }, words, element("label", {}, bars, " bars"), make));
    return { box, name, status, take };
  }

  fill(row, each, takes) {
    row.name.textContent = `${each.program || "A DAW"}${each.tempo_bpm ? `, ${+each.tempo_bpm.toFixed(2)} bpm` : ""}`;
    row.status.textContent = each.waiting ? "Told" : each.status;
    if (document.activeElement === row.take) return; // it is being chosen from
    const known = takes.some((take) => take.id === each.take);
    const options = takes.map((take) => new Option(take.title, take.id, false, take.id === each.take));
    if (!known) options.unshift(new Option(each.take ? "A take of its project" : "No take yet", "", true, true));
    row.take.replaceChildren(...options);
  }
}
