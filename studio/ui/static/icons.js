// The page's few icons, drawn here so that nothing is fetched.
const path = (d) => `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${d}"/></svg>`;
export const PLAY = path("M7 4.5v15l13-7.5z");
export const PAUSE = path("M6 4.5h4.2v15H6zM13.8 4.5H18v15h-4.2z");
