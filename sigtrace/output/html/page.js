"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // What follows an empty cell is sorted as text; an empty cell stands last, whichever way.
  const order = new Intl.Collator("en", { numeric: true });
  const value = (cell, numeric) => {
    const text = cell.textContent;
    if (!numeric || text === "") return text;
    return Number(cell.querySelector("data")?.value ?? text.replaceAll(",", ""));
  };

  const sort = (table, head) => {
    const column = [...head.parentNode.children].indexOf(head);
    const numeric = head.classList.contains("n");
    // Numbers: the most first; a second click turns it round.
    const first = numeric ? "descending" : "ascending";
    const second = numeric ? "ascending" : "descending";
    const way = head.getAttribute("aria-sort") === first ? second : first;
    const sign = way === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [value(row.cells[column], numeric), row]);
    rows.sort(([a], [b]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      return sign * (numeric ? a - b : order.compare(a, b));
    });
    body.append(...rows.map(([, row]) => row));
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
  };

  for (const table of all("table.sortable")) {
    for (const head of all("thead th", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, head));
      head.replaceChildren(button);
    }
  }

  const form = document.querySelector("form");
  const box = document.getElementById("search");
  const status = document.querySelector("output");
  // Made when they are first searched: a page of 10,000 deaths is to open soon.
  let found = null;
  const texts = () => all(".death, table.sortable > tbody > tr").map((item) => {
    const parts = item.matches("tr") ? [...item.cells] : all(".verdict, .sentence, .when, .log, dd, td", item);
    return [item, parts.map((part) => `${part.textContent} ${part.title}`).join(" ").toLowerCase()];
  });
  const sections = all("section").filter((section) => section.querySelector(".death, table.sortable"));

  const search = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    found ??= texts();
    let matches = 0;
    for (const [item, text] of found) {
      item.hidden = !words.every((word) => text.includes(word));
      matches += !item.hidden;
    }
    for (const section of sections) {
      section.hidden = words.length > 0 && !section.querySelector(".death:not([hidden]), tbody > tr:not([hidden])");
    }
    status.textContent = words.length ? `${matches.toLocaleString("en")} of ${found.length.toLocaleString("en")} match` : "";
  };
  box.addEventListener("input", search);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;

  // Paper cannot be clicked.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all("details:not([open])");
    for (const item of closed) item.open = true;
  });
  addEventListener("afterprint", () => {
    for (const item of closed) item.open = false;
  });
  if (box.value) search();
})();
