// Small helpers the page's scripts share.
export function make(tag, className = "", text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

export function button(text, run, className = "") {
  const element = make("button", `st-act ${className}`, text);
  element.type = "button";
  element.onclick = run;
  return element;
}

// Shows these nodes in that place and changes only what differs, so that a press, the focus or a reader's place on a
// button that was there before survives the news, as does what is being written or chosen in a field. Nodes in a row are
// told apart by data-key; listeners are `onclick`, `onchange` and `oninput`.
export function redraw(place, nodes) {
  const fresh = [...nodes], keyOf = (node) => node.dataset?.key, keys = new Set(fresh.map(keyOf));
  for (const old of [...place.childNodes]) if (keyOf(old) && !keys.has(keyOf(old))) old.remove();
  fresh.forEach((node, n) => {
    const old = place.childNodes[n];
    if (!old) place.append(node);
    else if (keyOf(old) !== keyOf(node)) old.before(node);
    else if (old.nodeName !== node.nodeName) old.replaceWith(node);
    else if (old.nodeType === Node.TEXT_NODE) { if (old.data !== node.data) old.data = node.data; }
    else {
      for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
      Object.assign(old, { onclick: node.onclick, onchange: node.onchange, oninput: node.oninput });
      redraw(old, node.childNodes);
      const isWritten = old.nodeName === "INPUT" && old === document.activeElement;
      if ("value" in node && !isWritten && old.value !== node.value) old.value = node.value;
      if ("checked" in node && old.checked !== node.checked) old.checked = node.checked;
    }
  });
  while (place.childNodes.length > fresh.length) place.lastChild.remove();
}

export const grade = (score) => (score >= 85 ? "good" : score >= 60 ? "fair" : "poor");
