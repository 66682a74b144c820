// Gradio lays a tab or a folded panel out when it is first opened, and a frame later gives its fields their first values once
// more. What a quick hand had typed by then would be gone, so the fields show themselves when those values have come.
const FOLD = "[data-testid=accordion-content] > .column";

const twoFrames = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));

async function showOnceFilled(part) {
  part.classList.add("st-arriving");
  await twoFrames();
  part.classList.remove("st-arriving");
}

export function holdBackWhatArrives() {
  const known = new WeakSet();
  const hold = (part) => {
    if (known.has(part)) return;
    known.add(part);
    showOnceFilled(part);
  };
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const added = [...addedNodes].filter((node) => node instanceof Element);
      if (added.length && target.matches(FOLD)) hold(target);
      for (const node of added) if (node.matches(".tabitem")) hold(node);
    }
  }).observe(document.body, { childList: true, subtree: true });
}
