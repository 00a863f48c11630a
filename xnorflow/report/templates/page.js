"use strict";
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows], heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const compare = (a, b) => isNaN(a) || isNaN(b) || a === "" || b === "" ? a.localeCompare(b, "en", {numeric: true}) : a - b;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    button.title = "Sort by this column";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      // Numbers begin with the largest, names with the first; the third click restores the network's order.
      const first = head.classList.contains("n") ? "descending" : "ascending";
      const second = first === "descending" ? "ascending" : "descending";
      const now = head.getAttribute("aria-sort"), next = !now ? first : now === first ? second : null;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const sorted = next ? [...rows].sort((a, b) => sign * compare(key(a, column), key(b, column))) : rows;
      table.tBodies[0].append(...sorted);
    });
  });
}
for (const zoom of document.querySelectorAll(".zoom")) {
  const all = Number(zoom.dataset.cycles), width = Number(zoom.dataset.width);
  const charts = [...zoom.querySelectorAll(".row svg")], ticks = zoom.querySelector(".ticks");
  const lines = zoom.querySelector(".grid-lines"), controls = zoom.querySelector(".controls");
  const told = controls.querySelector("output");
  let from = 0, until = all;
  const number = value => value.toLocaleString("en");
  const show = (left, length) => {
    length = Math.min(all, Math.max(Math.min(all, 8), length));
    from = Math.min(all - length, Math.max(0, left));
    until = from + length;
    const scale = width / all;
    for (const chart of charts)
      chart.setAttribute("viewBox", `${from * scale} 0 ${length * scale} ${chart.dataset.height}`);
    zoom.classList.toggle("zoomed", length < all / 2);
    let step = 1;
    while (length / step > (ticks.clientWidth < 500 ? 3 : 9)) step = String(step)[0] === "2" ? step * 5 / 2 : step * 2;
    const marks = [];
    for (let cycle = Math.ceil(from / step) * step; cycle <= until; cycle += step) marks.push(cycle);
    const place = cycle => `${(cycle - from) / length * 100}%`;
    ticks.replaceChildren(...marks.map(cycle => {
      const mark = document.createElement("span"), share = (cycle - from) / length;
      mark.textContent = number(cycle);
      mark.style.left = place(cycle);
      if (share < .03) mark.className = "start";
      if (share > .96) mark.className = "end";
      return mark;
    }));
    lines.replaceChildren(...marks.map(cycle => {
      const line = document.createElement("i");
      line.style.left = place(cycle);
      return line;
    }));
    told.textContent = length < all ? `cycles ${number(Math.round(from))} to ${number(Math.round(until))} of ${number(all)}`
      : `all ${number(all)} cycles`;
  };
  const closer = (factor, at = .5) => {
    const centre = from + (until - from) * at, length = Math.min(all, Math.max(8, (until - from) / factor));
    show(centre - length * at, length);
  };
  const move = share => show(from + (until - from) * share, until - from);
  const acts = {in: () => closer(2), out: () => closer(1 / 2), left: () => move(-1 / 4), right: () => move(1 / 4), all: () => show(0, all)};
  for (const button of controls.querySelectorAll("button")) button.addEventListener("click", acts[button.dataset.act]);
  const keys = {"+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", Home: "all"};
  zoom.addEventListener("keydown", event => {
    const act = event.ctrlKey || event.metaKey || event.altKey ? undefined : acts[keys[event.key]];
    if (act) { act(); event.preventDefault(); }
  });
  const share = event => {
    const box = charts[0].getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  for (const chart of charts) {
    // A wheel alone scrolls the page; with Ctrl, and from a touchpad's pinch, it zooms.
    chart.addEventListener("wheel", event => {
      if (!event.ctrlKey && !event.metaKey) return;
      closer(event.deltaY < 0 ? 1.25 : .8, share(event));
      event.preventDefault();
    }, {passive: false});
    chart.addEventListener("dblclick", event => closer(4, share(event)));
    chart.addEventListener("pointerdown", event => {
      const start = event.clientX, left = from, length = until - from, box = chart.getBoundingClientRect();
      const drag = moved => show(left - (moved.clientX - start) / box.width * length, length);
      chart.setPointerCapture(event.pointerId);
      chart.addEventListener("pointermove", drag);
      chart.addEventListener("pointerup", () => chart.removeEventListener("pointermove", drag), {once: true});
      chart.addEventListener("pointercancel", () => chart.removeEventListener("pointermove", drag), {once: true});
    });
  }
  addEventListener("resize", () => show(from, until - from));
  controls.hidden = false;
  zoom.classList.add("live");
  show(0, all);
}
