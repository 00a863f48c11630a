{
  const data = JSON.parse(document.getElementById("data").textContent), front = new Set(data.front);
  const make = (name, attributes, parent) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  };
  const text = (parent, content, attributes) => { make("text", attributes, parent).textContent = content; };
  const figures = Object.fromEntries(data.figures.map(figure => [figure.key, figure]));
  const write = value => Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
  // Numbers over more than two powers of ten are shown on a logarithmic axis.
  const scale = values => {
    let low = Math.min(...values), high = Math.max(...values);
    const log = low > 0 && high / low > 100, to = log ? Math.log10 : value => value;
    if (low === high) { low -= Math.abs(low) / 10 || 1; high += Math.abs(high) / 10 || 1; }
    const [from, until] = [to(low), to(high)];
    const ticks = [0, .25, .5, .75, 1].map(part => log ? 10 ** (from + part * (until - from)) : low + part * (high - low));
    return {place: value => (to(value) - from) / (until - from), ticks};
  };
  const points = data.points.filter(point => Object.keys(point.figures).length);
  const choose = number => {
    const point = data.points.find(each => each.number === number), panel = document.getElementById("point");
    panel.hidden = false;
    panel.querySelector("h2").textContent = `Point ${number}${front.has(number) ? ", on the front" : ""}`;
    const rows = [...Object.entries(point.parameters), ...data.figures.filter(each => each.key in point.figures)
      .map(each => [each.title, `${write(point.figures[each.key])} ${each.unit}`]), ["interval, cycles", write(point.interval)],
      ["latency, cycles", write(point.latency)], ...Object.entries(point.sources).map(([what, how]) => [`${what}:`, how]),
      ...Object.entries(point.folding).map(([node, values]) => [node, Object.values(values).join(" × ")])];
    if (point.reason) rows.unshift(["not as required", point.reason]);
    if (point.stopped) rows.unshift(["training stopped", `${point.stopped}, when others were better`]);
    if (point.built) rows.push(...Object.entries(point.built));
    panel.querySelector("dl").replaceChildren(...rows.map(([name, value]) => {
      const row = document.createElement("div"), [dt, dd] = ["dt", "dd"].map(kind => document.createElement(kind));
      dt.textContent = name;
      dd.textContent = value;
      row.append(dt, dd);
      return row;
    }));
    const commands = panel.querySelector("pre");
    commands.textContent = (point.commands ?? []).join("\n");
    commands.hidden = !point.commands;
    for (const section of document.querySelectorAll(".pipelines")) section.hidden = section.id !== `pipeline-${number}`;
    dispatchEvent(new Event("resize"));
    for (const mark of document.querySelectorAll("[data-point]"))
      mark.classList.toggle("chosen", Number(mark.dataset.point) === number);
  };
  const clickable = (mark, number) => {
    mark.dataset.point = number;
    mark.setAttribute("tabindex", "0");
    mark.addEventListener("click", () => choose(number));
    mark.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { choose(number); event.preventDefault(); } });
  };
  const plot = document.getElementById("plot"), [across, up] = ["across", "up"].map(id => document.getElementById(id));
  const draw = () => {
    plot.replaceChildren();
    const known = points.filter(point => across.value in point.figures && up.value in point.figures);
    if (!known.length) return;
    const [left, right, top, bottom] = [80, 880, 16, 366];
    const [x, y] = [across, up].map(select => scale(known.map(point => point.figures[select.value])));
    const at = point => [left + x.place(point.figures[across.value]) * (right - left), bottom - y.place(point.figures[up.value]) * (bottom - top)];
    for (const tick of x.ticks) {
      const place = left + x.place(tick) * (right - left);
      make("line", {class: "grid", x1: place, x2: place, y1: top, y2: bottom}, plot);
      text(plot, write(tick), {class: "soft", x: place, y: bottom + 17, "text-anchor": "middle"});
    }
    for (const tick of y.ticks) {
      const place = bottom - y.place(tick) * (bottom - top);
      make("line", {class: "grid", x1: left, x2: right, y1: place, y2: place}, plot);
      text(plot, write(tick), {class: "soft", x: left - 6, y: place + 4, "text-anchor": "end"});
    }
    text(plot, `${figures[across.value].title} ${figures[across.value].unit}`.trim(), {x: right, y: bottom + 40, "text-anchor": "end"});
    text(plot, `${figures[up.value].title} ${figures[up.value].unit}`.trim(), {x: left, y: top - 4});
    // Of a front of more objectives, those that nothing betters in the two that are shown.
    const axes = [across.value, up.value], best = known.filter(point => front.has(point.number));
    const atLeast = (one, other) => axes.every(key => figures[key].grows ? one.figures[key] >= other.figures[key] : one.figures[key] <= other.figures[key]);
    const bettered = point => best.some(other => atLeast(other, point) && axes.some(key => other.figures[key] !== point.figures[key]));
    const line = best.filter(point => !bettered(point)).map(at).sort((a, b) => a[0] - b[0]);
    if (line.length > 1) make("path", {class: "step", d: "M" + line.map(point => point.join(" ")).join("L")}, plot);
    for (const point of [...known].sort((a, b) => front.has(a.number) - front.has(b.number))) {
      const [cx, cy] = at(point), kind = front.has(point.number) ? " front" : point.reason ? " refused" : point.stopped ? " stopped" : "";
      const mark = make("circle", {class: `point${kind}`, cx, cy, r: kind === " front" ? 6 : 4, "data-mark": "point"}, plot);
      make("title", {}, mark).textContent = `point ${point.number}: ` + data.objectives.filter(each => each.key in point.figures)
        .map(each => `${each.title} ${write(point.figures[each.key])}`).join(", ");
      clickable(mark, point.number);
    }
  };
  for (const [select, first] of [[across, data.objectives.at(-1)], [up, data.objectives[0]]]) {
    for (const each of data.figures) {
      const option = document.createElement("option");
      option.value = each.key;
      option.textContent = each.title;
      option.selected = each.key === first.key;
      select.append(option);
    }
    select.addEventListener("change", draw);
  }
  draw();
  const parallel = document.getElementById("parallel"), lines = points.filter(point => front.has(point.number));
  if (lines.length) {
    const [top, bottom] = [40, 270], axes = data.figures.filter(each => lines.every(point => each.key in point.figures));
    const x = place => axes.length > 1 ? 80 + place * 740 / (axes.length - 1) : 450;
    const scales = axes.map(axis => scale(lines.map(point => point.figures[axis.key])));
    const y = (place, value) => { const part = scales[place].place(value); return bottom - (axes[place].grows ? part : 1 - part) * (bottom - top); };
    axes.forEach((axis, place) => {
      make("line", {class: "axis", x1: x(place), x2: x(place), y1: top, y2: bottom}, parallel);
      text(parallel, axis.title, {x: x(place), y: 16, "text-anchor": "middle"});
      const ends = [scales[place].ticks[0], scales[place].ticks[4]];
      for (const end of ends) text(parallel, write(end), {class: "soft", x: x(place), y: y(place, end) + (y(place, end) < 100 ? -6 : 16), "text-anchor": "middle"});
    });
    for (const point of lines) {
      const d = "M" + axes.map((axis, place) => `${x(place)} ${y(place, point.figures[axis.key])}`).join("L");
      clickable(make("path", {class: "thread", d, "data-mark": "thread"}, parallel), point.number);
    }
  }
  for (const row of document.querySelectorAll("#front tr[data-point]")) row.addEventListener("click", () => choose(Number(row.dataset.point)));
}
