// Opens a node of the map in place, without loading the page again. Without this the links do the same.

import { refresh } from "./live.js";

// Takes over clicks on the nodes of the map, and the browser's way back.
export function openInPlace() {
  const main = document.querySelector("main[data-fragment^='/ui/fragment/map']");
  if (!main) return;
  main.addEventListener("click", (event) => {
    const node = event.target.closest("a[data-node]");
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
    if (!node || !isPlain) return;
    event.preventDefault();
    const href = node.getAttribute("href");
    history.pushState(null, "", href);
    open(main, href);
  });
  addEventListener("popstate", () => open(main, location.href));
}

async function open(main, href) {
  const { search } = new URL(href, location.href);
  main.dataset.fragment = `/ui/fragment/map${search}`;
  const isShown = await refresh().catch(() => false);
  if (!isShown) return location.assign(href);
  const details = document.getElementById("details");
  const isBelow = details.getBoundingClientRect().top > innerHeight - 120;
  if (isBelow) details.scrollIntoView({ block: "nearest" });
}
