"use strict";

const main = document.querySelector("main");

async function refresh() {
  let fresh = null;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    fresh = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
  } catch {
    // The server is down; it may come back.
  }
  document.body.classList.toggle("stale", !fresh);
  if (fresh && fresh.innerHTML !== main.innerHTML) main.replaceChildren(...fresh.childNodes);
}

setInterval(() => document.hidden || refresh(), 1000);
