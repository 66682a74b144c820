// A button that is drawn anew between a press and its release would swallow the click: the browser finds nothing that was
// pressed and let go. Where the same button stands under the pointer again, the press counts.
const PRESSED = "button, summary, a[href]";
const signature = (one) => JSON.stringify([one.nodeName, one.id, one.getAttribute("aria-label") ?? one.textContent, one.getAttribute("href"), { ...one.dataset }]);

export function listenToPresses() {
  let held = null; // what the pointer went down on, and how it looked then
  addEventListener("pointerdown", ({ target, button }) => {
    const one = button ? null : target.closest?.(PRESSED);
    held = one && { one, as: signature(one) };
  }, true);
  addEventListener("pointerup", ({ clientX, clientY }) => {
    const was = held;
    held = null;
    if (!was || was.one.isConnected) return; // the browser sees to it
    const now = document.elementFromPoint(clientX, clientY)?.closest(PRESSED);
    if (now && signature(now) === was.as) now.click();
  }, true);
}
