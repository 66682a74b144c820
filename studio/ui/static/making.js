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

export const grade = (score) => (score >= 85 ? "good" : score >= 60 ? "fair" : "poor");
