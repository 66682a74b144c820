// Files dragged into another program: a handle is a link that saves its file when pressed. Chromium hands the file itself to
// whatever it is dropped on (DownloadURL: type, name, address); other browsers give the address.
import { element } from "./mixer_controls.js";

const FILES = { strip: [".wav", "audio/wav"], mix: [".wav", "audio/wav"], loop: [".wav", "audio/wav"], midi: [".mid", "audio/midi"],
  project: [".dawproject", "application/vnd.bitwig.dawproject"] };

// One handle of the desk's. what: a key of FILES; name: the file's, without ending.
export function grip(text, source, what, name, { part, start, end } = {}) {
  const asked = new URLSearchParams();
  for (const [key, value] of Object.entries({ part, start, end })) if (value !== undefined) asked.set(key, value);
  const [ending, type] = FILES[what], file = `${name}${ending}`;
  const handle = element("a", { className: "st-grip", href: `studio/carry/${encodeURIComponent(source)}/${what}?${asked}`, text,
    download: file, draggable: true, title: `Drag into your DAW, or press to save: ${file}` });
  handle.dataset.carry = type;
  return handle;
}

// A part's file name, as the server calls it.
export const partName = (sheet, label) => `${sheet.file_name} – ${plain(label)}`;
const plain = (text) => text.normalize("NFC").replace(/[<>:"/\\|?*\u0000-\u001f\u007f]+/g, " ").split(/\s+/).join(" ").replace(/^[ .]+|[ .]+$/g, "").slice(0, 80);

function onDragStart(event) {
  const handle = event.target.closest?.("a[data-carry]");
  if (!handle || !event.dataTransfer) return;
  const { dataTransfer } = event, address = new URL(handle.getAttribute("href"), document.baseURI).href;
  dataTransfer.effectAllowed = "copy";
  dataTransfer.setData("DownloadURL", `${handle.dataset.carry}:${handle.download}:${address}`);
  dataTransfer.setData("text/uri-list", address);
  dataTransfer.setData("text/plain", address);
  handle.classList.add("st-carried");
}

// A file of the desk's is being made while the hand is still moving, so that it is there when it is dropped.
function onPress(event) {
  const handle = event.target.closest?.("a[data-carry]");
  if (handle?.pathname.includes("/carry/") && event.button === 0) fetch(handle.href, { method: "HEAD" }).catch(() => {});
}

export function listenToDrags() {
  document.addEventListener("dragstart", onDragStart);
  document.addEventListener("dragend", (event) => event.target.closest?.("a[data-carry]")?.classList.remove("st-carried"));
  document.addEventListener("pointerdown", onPress);
}
