// A take's score on its card: filled in when it is found, opened to its reasons by a press.
import { grade } from "./making.js";

let known = {};

export function showScores(scores) {
  known = { ...known, ...scores };
  fill();
}

// Cards are laid out anew by Python; those whose score came meanwhile are filled here.
function fill() {
  for (const chip of document.querySelectorAll(".st-score.waiting[data-score], .st-score.unjudged[data-judge]")) {
    const take = chip.dataset.score ?? chip.dataset.judge;
    if (known[take] === undefined) continue;
    const found = document.createElement("button");
    found.type = "button";
    found.className = `st-score ${grade(known[take])} fresh`;
    found.dataset.score = take;
    found.setAttribute("aria-expanded", "false");
    found.title = "Press for the reasons";
    found.textContent = Math.round(known[take]);
    chip.replaceWith(found);
  }
}

async function open(chip) {
  const card = chip.closest(".st-card");
  const shown = card.querySelector(".st-verdict");
  if (shown) { shown.remove(); chip.setAttribute("aria-expanded", "false"); return; }
  const answer = await fetch(`studio/takes/${chip.dataset.score}/verdict.html`);
  if (!answer.ok) return;
  const panel = document.createElement("div");
  panel.className = "st-verdict st-wide";
  panel.innerHTML = await answer.text();
  card.append(panel);
  chip.setAttribute("aria-expanded", "true");
}

async function judge(chip) {
  const take = chip.dataset.judge;
  await fetch(`studio/takes/${take}/judge`, { method: "POST" });
  chip.outerHTML = `<span class="st-score waiting" data-score="${take}" title="It is being listened to">…</span>`;
  fill();
}

export function listenToScores() {
  document.addEventListener("click", (event) => {
    const chip = event.target.closest("button[data-score], button[data-judge]");
    if (chip) chip.dataset.score ? open(chip) : judge(chip);
  });
  new MutationObserver(fill).observe(document.body, { childList: true, subtree: true });
}
