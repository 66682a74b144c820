// Files taken away from a card's menu or in one zip: the page says while one is made, and why when it cannot be.
import { make } from "./making.js";

const GAP = 12, SHOWN_MS = 6_000;

// HEAD makes the file; the browser then saves it as it saves any other, out of the studio's keeping.
export async function carryOff(address, what) {
  const line = shown(`Making ${what} …`);
  try {
    const answer = await fetch(address, { method: "HEAD" });
    if (!answer.ok) throw new Error(`${what} cannot be made: ${await whyNot(address)}`);
    const link = make("a");
    link.href = address;
    link.download = "";
    document.body.append(link);
    link.click();
    link.remove();
    line.end(answer.headers.get("X-Left-Out") ?? "");
  } catch (error) { line.end(error instanceof TypeError ? `${what} was not made: the studio does not answer. Try again once it does.` : error.message, true); }
}

async function whyNot(address) {
  const answer = await fetch(address);
  if (answer.status === 404) return "it is not here any more. What was deleted waits in History’s bin.";
  return (await answer.json().catch(() => ({}))).detail ?? "something went wrong. Try again.";
}

// One line above the deck for each file under way; what went wrong stays until it is pressed away.
function shown(text) {
  const place = document.getElementById("st-carried"), line = make("div", "st-carrying"), said = make("span", "", text);
  line.append(said);
  place.append(line);
  return {
    end(sentence, wrong = false) {
      if (!sentence) return line.remove();
      said.textContent = sentence;
      line.classList.toggle("st-error", wrong);
      const away = make("button", "st-act", "Close");
      away.type = "button";
      away.onclick = () => line.remove();
      line.append(away);
      if (!wrong) setTimeout(() => line.remove(), SHOWN_MS);
    },
  };
}

// The menu's box decides whether the file carries its prompt and settings.
function onChosen(link, menu) {
  const address = new URL(link.href), title = link.closest(".st-card")?.querySelector("h4")?.textContent ?? "the take";
  address.searchParams.set("provenance", menu.querySelector("[data-provenance]").checked);
  menu.open = false;
  carryOff(address.href, `“${title}” as ${link.textContent}`);
}

// A menu opens to where there is more room, and is never longer than that: the deck would cover its end.
function fit(menu) {
  const { top, bottom } = menu.getBoundingClientRect(), list = menu.querySelector("div");
  const above = top - GAP, below = document.getElementById("st-deck").getBoundingClientRect().top - bottom - GAP;
  list.style.maxHeight = "none";
  const up = list.offsetHeight > below && above > below;
  menu.classList.toggle("st-up", up);
  list.style.maxHeight = `${Math.max(120, up ? above : below)}px`;
}

export function listenToExports() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-format]"), menu = event.target.closest("details.st-menu");
    if (link) { event.preventDefault(); onChosen(link, menu); }
    for (const other of document.querySelectorAll("details.st-menu[open]")) if (other !== menu) other.open = false;
  });
  document.addEventListener("toggle", ({ target }) => target.matches?.("details.st-menu[open]") && fit(target), true);
  addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.st-menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
