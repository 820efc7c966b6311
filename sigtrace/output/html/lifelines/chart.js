"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  // The places that chart.py has.
  const ROW = 30, BAR = 17, THICK = 8, INDENT = 10, DEEPEST = 8;
  const SECOND = 1e6, MINUTE = 60 * SECOND, DAY = 86400 * SECOND;

  // Microseconds since 1970 as a time of day: in UTC, or in the zone of whoever reads.
  const digits = (step) => (step >= SECOND ? 0 : 6 - [5, 4, 3, 2, 1, 0].find((power) => step % 10 ** power === 0));
  const iso = (us, local) => {
    const ms = Math.floor(us / 1000);
    return new Date(ms - (local ? new Date(ms).getTimezoneOffset() * 60000 : 0)).toISOString();
  };
  const written = (us, step, days, local) => {
    const full = iso(us, local);
    const day = full.slice(5, 10);
    if (step >= DAY) return local ? `${day} ${full.slice(11, 16)}` : day;
    let text = full.slice(11, step >= MINUTE ? 16 : 19);
    const fraction = String(us - Math.floor(us / SECOND) * SECOND).padStart(6, "0");
    if (step < SECOND) text += `.${fraction.slice(0, digits(step))}`;
    return days || iso(us, false).slice(5, 10) !== day ? `${day} ${text}` : text;
  };
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const isUtc = (us) => new Date(us / 1000).getTimezoneOffset() === 0;

  for (const tick of all("[data-us]")) {
    const us = Number(tick.dataset.us);
    if (isUtc(us)) continue;
    const also = document.createElement("small");
    also.textContent = `${written(us, 1, /\d-\d/.test(tick.textContent), true)} ${zone}`;
    tick.append(document.createElement("br"), also);
  }

  const svg = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const put = (item, attributes) => {
    for (const [key, value] of Object.entries(attributes)) item.setAttribute(key, value);
  };

  const draw = (whole) => {
    const box = whole.querySelector(".lives");
    const plot = whole.querySelector(".plot");
    const axis = whole.querySelector(".axis");
    const grid = whole.querySelector(".grid");
    const tip = whole.querySelector(".tip");
    const { kind } = box.dataset;
    const steps = box.dataset.steps.split(" ").map(Number);
    const [first, last, least, most] = ["first", "last", "least", "most"].map((key) => Number(box.dataset[key]));
    const number = (item, key) => (item.dataset[key] === undefined ? null : Number(item.dataset[key]));
    const bands = all(".band", whole);
    const lives = all(".life", whole).map((item, place) => ({
      item, band: bands[place], from: number(item, "from"), to: number(item, "to"), parent: number(item, "parent"),
      folded: item.dataset.folded !== undefined, row: -1, above: [],
      bar: item.querySelector(".run"), mark: item.querySelector(".mark"), fork: item.querySelector(".fork"),
      name: item.querySelector("text"), told: item.querySelector("a, g"),
    }));
    const signals = all(".sent", whole).map((item) => ({
      item, at: number(item, "at"), by: lives[number(item, "by")], to: lives[number(item, "to")],
      lines: all("line", item), dot: item.querySelector("circle"), head: item.querySelector("path"),
    }));
    const gaps = all(".gap", whole).map((item) => ({
      item, from: number(item, "from"), to: number(item, "to"), lives: item.dataset.lives.split(" ").map(Number),
    }));
    let [a, b] = [first, last];
    let unfolded = false;

    const x = (at) => Math.max(-50, Math.min(150, (100 * (at - a)) / (b - a)));

    const marks = () => {
      const wide = box.clientWidth || 360;
      const step = steps.find((one) => one >= (b - a) / Math.max(2, Math.floor(wide / 120))) ?? steps.at(-1);
      const days = Math.floor(a / DAY) !== Math.floor(b / DAY);
      const both = kind === "utc" && !isUtc(a);
      const texts = [], lines = [];
      for (let at = Math.ceil(a / step) * step; at <= b; at += step) {
        const at_x = `${x(at)}%`;
        const text = kind === "utc" ? written(at, step, days, false)
          : kind === "us" ? (at / SECOND).toFixed(digits(step)) : String(at);
        const left = (x(at) * wide) / 100;
        const anchor = left < 45 ? "start" : left > wide - 45 ? "end" : "middle";
        texts.push(svg("text", { x: at_x, y: 12, "text-anchor": anchor }, text));
        if (both) texts.push(svg("text", { x: at_x, y: 26, "text-anchor": anchor }, written(at, step, days, true)));
        lines.push(svg("line", { x1: at_x, x2: at_x, y2: "100%" }));
      }
      axis.replaceChildren(...texts);
      axis.setAttribute("height", both ? 32 : 18);
      grid.replaceChildren(...lines);
      if (both) whole.querySelector(".zone").textContent = `above: UTC, below: ${zone}`;
    };

    const place = () => {
      marks();
      for (const one of lives) {
        const [from, to] = [x(one.from), x(one.to)];
        put(one.bar, { x: `${from}%`, width: `${Math.max(to - from, 0)}%` });
        if (one.mark) put(one.mark, { x: `${to}%` });
        if (one.fork) put(one.fork, { x1: `${from}%`, x2: `${from}%` });
      }
      for (const one of signals) put(one.item, { x: `${x(one.at)}%` });
      for (const one of gaps) {
        const [from, to] = [one.from === null ? 0 : x(one.from), one.to === null ? 100 : x(one.to)];
        put(one.item, { x: `${from}%`, width: `${Math.max(to - from, 0)}%` });
      }
    };

    const arrange = () => {
      let n = 0;
      for (const one of lives) {
        const shown = unfolded || !one.folded;
        one.row = shown ? n++ : -1;
        one.above = [];
        for (let up = one.parent; up !== null; up = lives[up].parent) if (lives[up].row >= 0) one.above.push(lives[up]);
        for (const part of [one.item, one.band]) part.toggleAttribute("hidden", !shown);
        one.item.setAttribute("transform", `translate(0 ${ROW * Math.max(one.row, 0)})`);
        one.band.setAttribute("y", ROW * Math.max(one.row, 0));
        one.name.setAttribute("x", 6 + INDENT * Math.min(one.above.length, DEEPEST));
        if (one.fork) {
          one.fork.toggleAttribute("hidden", !one.above.length);
          if (one.above.length) one.fork.setAttribute("y1", ROW * (one.above[0].row - one.row) + BAR + THICK);
        }
      }
      for (const one of signals) {
        const down = one.to.row > one.by.row;
        const begin = ROW * one.by.row + BAR + THICK / 2;
        const end = ROW * one.to.row + (down ? BAR - 1 : BAR + THICK + 1);
        const back = end + (down ? -7 : 7);
        for (const line of one.lines) put(line, { y1: begin, y2: back });
        one.dot.setAttribute("cy", begin);
        one.head.setAttribute("d", `M-4.5 ${back}H4.5L0 ${end}Z`);
      }
      for (const one of gaps) {
        const rows = lives.slice(one.lives[0], one.lives[1] + 1).map((life) => life.row).filter((row) => row >= 0);
        put(one.item, { y: ROW * Math.min(...rows), height: ROW * rows.length });
      }
      plot.setAttribute("height", ROW * n);
    };

    const look = (from, to) => {
      const span = Math.max(20, Math.min(to - from, most - least));
      a = Math.max(least, Math.min(from, most - span));
      b = a + span;
      place();
      hide();
    };
    const zoom = (by, at = 0.5) => {
      const span = Math.min(Math.max((b - a) * by, 20), most - least);
      const fixed = a + (b - a) * at;
      look(fixed - span * at, fixed + span * (1 - at));
    };
    const move = (by) => look(a + (b - a) * by, b + (b - a) * by);
    const fit = () => look(first, last);

    // What is pointed at, or has the focus, is told.
    const told = new Map();
    for (const title of all("title", plot)) {
      const item = title.parentNode;
      told.set(item, title.textContent);
      item.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    for (const one of lives) told.set(one.band, told.get(one.told));
    const tell = (item, left, top) => {
      const text = told.get(item);
      tip.hidden = text === undefined;
      if (tip.hidden) return;
      tip.textContent = text;
      const { width, height } = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(left + 12, document.documentElement.clientWidth - width - 4))}px`;
      tip.style.top = `${top + 16 + height > innerHeight ? Math.max(4, top - height - 12) : top + 16}px`;
    };
    const hide = () => { tip.hidden = true; };
    const of = (target) => {
      let item = target;
      while (item && item !== box && !told.has(item)) item = item.parentNode;
      return item;
    };
    box.addEventListener("pointermove", (event) => {
      if (drag === null) tell(of(event.target), event.clientX, event.clientY);
    });
    box.addEventListener("pointerleave", hide);
    box.addEventListener("focusin", (event) => {
      if (!event.target.matches(":focus-visible")) return;
      const edge = (of(event.target).querySelector?.(".run") ?? event.target).getBoundingClientRect();
      const here = box.getBoundingClientRect();
      tell(event.target, Math.max(edge.left, here.left), edge.bottom);
    });
    box.addEventListener("focusout", hide);
    box.addEventListener("scroll", hide);

    box.addEventListener("wheel", (event) => {
      const { left, width } = box.getBoundingClientRect();
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), (event.clientX - left) / width);
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        move((event.deltaX || event.deltaY) / width);
      }
    }, { passive: false });

    let drag = null;
    let dragged = false;
    box.addEventListener("pointerdown", (event) => {
      if (event.button === 0) drag = { at: event.clientX, a, b };
      dragged = false;
    });
    addEventListener("pointermove", (event) => {
      if (drag === null) return;
      const by = (event.clientX - drag.at) / box.clientWidth;
      if (!dragged && Math.abs(event.clientX - drag.at) < 4) return;
      dragged = true;
      look(drag.a - (drag.b - drag.a) * by, drag.b - (drag.b - drag.a) * by);
    });
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { drag = null; });
    // A drag that ends on a death is no click on it.
    box.addEventListener("click", (event) => { if (dragged) event.preventDefault(); }, true);
    box.addEventListener("dragstart", (event) => event.preventDefault());

    const step = (by) => {
      const shown = [
        ...gaps.map((one) => [-1, one.item]),
        ...lives.filter((one) => one.row >= 0).map((one) => [one.row, one.told]),
        ...signals.map((one) => [Math.max(one.by.row, one.to.row) + 0.5, one.item]),
      ].sort(([m], [n]) => m - n).map(([, item]) => item);
      const now = shown.indexOf(document.activeElement);
      const next = shown[Math.max(0, Math.min(shown.length - 1, now < 0 ? (by > 0 ? 0 : shown.length - 1) : now + by))];
      next?.focus({ preventScroll: true });
      const edge = next?.getBoundingClientRect();
      const here = box.getBoundingClientRect();
      if (!edge || (edge.top > here.top + 34 && edge.bottom < here.bottom)) return;
      box.scrollTop += edge.top - here.top - here.height / 2;
    };
    const keys = {
      "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: fit, Escape: hide,
      ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), ArrowUp: () => step(-1), ArrowDown: () => step(1),
    };
    box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || keys[event.key] === undefined) return;
      event.preventDefault();
      keys[event.key]();
    });

    const unfold = (button) => {
      unfolded = !unfolded;
      button.setAttribute("aria-pressed", unfolded);
      arrange();
    };
    const buttons = {
      in: () => zoom(0.5), out: () => zoom(2), back: () => move(-0.4), on: () => move(0.4), fit, unfold,
    };
    for (const button of all("button", whole)) {
      const act = buttons[button.dataset.do];
      button.addEventListener("click", () => act(button));
    }
    whole.querySelector(".tools").hidden = false;
    addEventListener("resize", marks);
    arrange();
    place();
  };
  all(".lifelines").forEach(draw);
})();
