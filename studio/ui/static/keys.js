// The keyboard: one table, from which the keys work and the help is written.
const typing = (target) => target.closest("input, textarea, select, [contenteditable], [role=textbox], dialog");
const click = (id) => document.getElementById(id)?.click();

export const KEYS = [
  { keys: ["Ctrl+Enter", "⌘+Enter"], does: "Generate", when: (e) => (e.ctrlKey || e.metaKey) && e.key === "Enter", anywhere: true,
    run: (e) => e.repeat || click("st-generate") },
  { keys: ["Space"], does: "Play or pause", when: (e) => e.key === " " && !e.target.closest("button, summary, a, [role=tab]"), run: () => click(document.body.classList.contains("mx-open") ? "mx-play" : "st-deck-play") },
  { keys: ["S"], does: "Stop, and keep what is made", when: (e) => e.key === "s", run: () => click("st-stop") },
  { keys: ["J", "K"], does: "Next or previous take", when: (e) => e.key === "j" || e.key === "k",
    run: (e) => click(e.key === "j" ? "st-deck-next" : "st-deck-prev") },
  { keys: ["/"], does: "Write the prompt", when: (e) => e.key === "/", run: () => {
    document.querySelector("[role=tab]")?.click();
    setTimeout(() => document.querySelector(".st-prompt textarea")?.focus(), 60);
  } },
  { keys: ["1 – 8"], does: "Hear that side of a comparison", when: (e) => /^[1-8]$/.test(e.key) && window.studio?.compare.isShown,
    run: (e) => { const { compare } = window.studio, which = compare.order[Number(e.key) - 1]; if (which !== undefined) compare.switchTo(which); } },
  { keys: ["L"], does: "On the desk: play round", when: () => false },
  { keys: ["Ctrl+Z"], does: "On the desk: undo; with Shift: redo", when: () => false },
  { keys: ["?"], does: "These shortcuts", when: (e) => e.key === "?", run: () => document.getElementById("st-keys").showModal() },
];

// Among tabs the arrow keys go on, as readers of tab lists expect.
function goAlong(event) {
  const tab = event.target.closest?.("[role=tab]"), step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!tab || !step || event.ctrlKey || event.metaKey || event.altKey) return;
  const tabs = [...tab.closest("[role=tablist]").querySelectorAll("[role=tab]")].filter((each) => each.offsetParent);
  const next = tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length];
  event.preventDefault();
  next.click();
  next.focus();
}

// Who goes on from a list of choices leaves it. One that scrolls would be a tab stop of its own, and Gradio's field, told of
// the key, opens its list again after it has lost the focus.
function leaveLists(event) {
  if (event.key !== "Tab") return;
  for (const list of document.querySelectorAll("ul[role=listbox]")) list.setAttribute("tabindex", "-1");
  if (event.target.matches?.("[role=combobox]")) event.stopPropagation();
}

export function listenToKeys() {
  addEventListener("keydown", goAlong, true);
  addEventListener("keydown", leaveLists, true);
  const rows = KEYS.map(({ keys, does }) => `<dt>${keys.map((key) => `<kbd>${key}</kbd>`).join(" ")}</dt><dd>${does}</dd>`);
  document.getElementById("st-keys-list").innerHTML = rows.join("");
  addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const key = KEYS.find((entry) => entry.when(event) && (entry.anywhere || (plain && !typing(event.target))));
    if (!key) return;
    event.preventDefault();
    event.stopPropagation();
    key.run(event);
  }, true);
}
