// An element by its id, as soon as Gradio has laid it out.
export const here = (id) => new Promise((found) => {
  const look = () => document.getElementById(id) ?? null;
  if (look()) return found(look());
  const observer = new MutationObserver(() => { if (look()) { observer.disconnect(); found(look()); } });
  observer.observe(document.documentElement, { childList: true, subtree: true });
});
