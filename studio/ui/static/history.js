// Several takes at once: what is picked in the History tab, and the bar that does something with all of it.
import { carryOff } from "./export.js";
import { here } from "./here.js";

const $ = (id) => document.getElementById(id);
const picked = () => [...document.querySelectorAll("#st-history [data-pick]:checked")].map((box) => box.dataset.pick);

export function listenToPicks(act, compare) {
  // The bar stays in sight while one scrolls; what Gradio hides the overflow of would hold it to a box that never scrolls.
  for (const box of document.querySelectorAll(".gradio-container")) box.style.setProperty("overflow", "clip", "important");
  const show = () => {
    const count = picked().length, bar = $("st-bulk");
    if (!bar) return;
    bar.classList.toggle("st-hidden", !count);
    $("st-bulk-count").textContent = `${count} picked`;
  };
  document.addEventListener("change", (event) => { if (event.target.matches("[data-pick]")) show(); });
  document.addEventListener("click", (event) => {
    const does = event.target.closest("[data-bulk]")?.dataset.bulk;
    if (!does) return;
    const takes = picked();
    if (does === "all" || does === "none") for (const box of document.querySelectorAll("#st-history [data-pick]")) box.checked = does === "all";
    else if (does === "compare") { compare.set(takes.slice(0, 8)); document.querySelector("#st-history-tabs [role=tab]:nth-of-type(2)")?.click(); }
    else if (does === "export") carryOff(new URL(`studio/bundle.zip?format=${$("st-bulk-format").value}&takes=${takes.join(",")}`, document.baseURI).href, `${takes.length} take${takes.length === 1 ? "" : "s"} as ${$("st-bulk-format").selectedOptions[0].text}`);
    else if (does !== "bin" || confirm(`Put ${takes.length} takes into the bin?`)) act({ action: "bulk", what: does, takes });
    show();
  });
  here("st-history").then((list) => new MutationObserver(show).observe(list, { childList: true, subtree: true }));
}
